"""Share links: who holds one may look at a pass and take it, until it expires or the pass is erased.

A link's token names its pass and its end, and a MAC binds both to the *salt* of the pass's authentication token. The
salt is random for every pass that is issued and never changes, so a pass that is erased and issued anew under the same
serial is another pass, and its old links are dead. Nothing is stored: a link cannot be listed, nor revoked alone.

    token  base64url(end: 5 bytes, seconds · length of the pass type: 1 byte · pass type · serial · MAC: 16 bytes)
"""

from __future__ import annotations

import base64
import hmac
import re

from livepass.core.frozen import frozen

MINUTE = 60
DAY = 86_400
SHORTEST, LONGEST = MINUTE, 365 * DAY
USUAL = 7 * DAY
"""How long a link opens, in seconds."""

_END, _MAC = 5, 16
_LEAST = _END + 1 + 1 + 1 + _MAC
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,1000}")

STRANGER_SALT = bytes(16)
"""Of no pass: what a token that names none is compared with, at the cost of a real one."""


@frozen
class Link:
    """What a token says. ``expires_at`` is in seconds; from that second on it opens nothing."""

    pass_type: str
    serial: str
    expires_at: int


@frozen
class Presented:
    """A token as it was read, before anything is known of it."""

    link: Link
    mac: bytes


NOBODY = Presented(Link("", "", 0), bytes(_MAC))
"""Stands for what is no token, so that it is answered with the same steps as one that opens nothing."""


def share_key(shared: bytes) -> bytes:
    """The key of all links, out of the one that signs tags: good for nothing else, and known as long as that is."""
    return hmac.digest(shared, b"livepass share links v1", "sha256")


def write(link: Link, salt: bytes, key: bytes) -> str:
    """The token. Raises ``ValueError`` for a pass type of more than 255 bytes, which there are none of."""
    body = _body(link)
    return base64.urlsafe_b64encode(body + _mac(body, salt, key)).rstrip(b"=").decode()


def read(token: str) -> Presented:
    """What a token says; ``NOBODY`` for what is none. Proves nothing: see ``opens``."""
    raw = _decoded(token)
    if raw is None or len(raw) < _LEAST:
        return NOBODY
    body, mac = raw[:-_MAC], raw[-_MAC:]
    names, length = body[_END + 1 :], body[_END]
    try:
        pass_type, serial = names[:length].decode(), names[length:].decode()
    except UnicodeDecodeError:
        return NOBODY
    if not pass_type or not serial or "\0" in pass_type + serial:
        return NOBODY
    return Presented(Link(pass_type, serial, int.from_bytes(body[:_END], "big")), mac)


def opens(presented: Presented, salt: bytes | None, key: bytes, now: int) -> bool:
    """Whether the token is ours, of the pass that has this salt (``None``: there is no such pass), and not past its end
    (``now``: seconds). The same steps for every no.
    """
    link = presented.link
    ours = hmac.compare_digest(presented.mac, _mac(_body(link), STRANGER_SALT if salt is None else salt, key))
    return ours & (salt is not None) & (now < link.expires_at)


def _body(link: Link) -> bytes:
    pass_type = link.pass_type.encode()
    return b"".join(
        (link.expires_at.to_bytes(_END, "big"), len(pass_type).to_bytes(1, "big"), pass_type, link.serial.encode())
    )


def _mac(body: bytes, salt: bytes, key: bytes) -> bytes:
    return hmac.digest(key, len(salt).to_bytes(4, "big") + salt + body, "sha256")[:_MAC]


def _decoded(token: str) -> bytes | None:
    """The bytes of the one spelling that we write. Base64 has others of the same bytes, and they are not ours."""
    if _TOKEN.fullmatch(token) is None or len(token) % 4 == 1:
        return None
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token else None
