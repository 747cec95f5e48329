"""``/p``: the pages of share links, for whoever holds one. Raw ASGI.

    GET /p/{token}                the page
    GET /p/{token}/pass.pkpass    the signed file
    GET /p/{token}/picture.svg    the pass, drawn
    GET /p/badge/{file}           Apple's badge, where the operator has it

A link is a capability: no answer may be kept, indexed, or named to another site, and no address of one is logged. Under
pressure pages are given up with issuers' reads, and files with asks: phones that have a pass come first.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping

from livepass.core.shedding import RETRY_AFTER_SECONDS, Level
from livepass.core.timeline import Kind
from livepass.core.unavailable import Unavailable
from livepass.core.visitor import inside_an_app, platform
from livepass.service.building import CannotBuild
from livepass.service.pressure import Load
from livepass.service.seams import Clock
from livepass.service.sharing import Busy, Opened, Picture, Sharing
from livepass.web.badges import Badges
from livepass.web.languages import accepted
from livepass.web.phone import Receive, Scope, Send
from livepass.web.share_page import STYLE_SOURCE, Shown, message, page

log = logging.getLogger(__name__)

HTML, SVG, PKPASS = b"text/html; charset=utf-8", b"image/svg+xml", b"application/vnd.apple.pkpass"
PREFIX = "/p/"
_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE_POLICY = f"{_NOTHING}; img-src 'self'; style-src {STYLE_SOURCE}"
# A picture that is opened by itself is a document: it may show what it holds, and do nothing.
_PICTURE_POLICY = f"{_NOTHING}; img-src data:; style-src 'unsafe-inline'; sandbox"
_ALWAYS = (
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_NEVER_KEPT = (b"cache-control", b"private, no-store")
_KEPT = (b"cache-control", b"public, max-age=86400")
_RETRY = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())

_GONE = message(
    "This link opens nothing", "It has expired, or was not copied whole. Ask whoever sent it to you for a new one."
)
_BUSY = message("Come back in a moment", "Too much is going on just now. Open this page again in half a minute.")
_CANNOT = message("This pass cannot be made now", "Ask whoever sent you the link; it stays good.")

# What is given up, and when: by what is asked for below the token
_GIVEN_UP: Mapping[str, Level] = {"": Level.READ, "picture.svg": Level.READ, "pass.pkpass": Level.ASK}


class ShareApp:
    """One object per process. Without ``picture`` pages have none; without ``badges`` the button is words."""

    def __init__(
        self,
        sharing: Sharing,
        load: Load,
        clock: Clock,
        *,
        picture: Picture | None = None,
        badges: Badges | None = None,
    ) -> None:
        self._sharing = sharing
        self._load = load
        self._clock = clock
        self._picture = picture
        self._badges = badges or Badges(())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send, head=scope["method"] == "HEAD")
        token, _, file = scope["path"].removeprefix(PREFIX).partition("/")
        try:
            if scope["method"] not in ("GET", "HEAD"):
                await answer.send(405, b"", HTML, _NEVER_KEPT, (b"allow", b"GET, HEAD"))
            elif token == "badge":
                await self._badge(file, answer)
            elif (level := _GIVEN_UP.get(file)) is None:
                await answer.page(404, _GONE)
            elif self._load.level >= level:
                self._load.shed[level] += 1
                await answer.page(503, _BUSY, _RETRY)
            else:
                await self._answer(token, file, _headers(scope), answer)
        except (Busy, Unavailable):
            await answer.page(503, _BUSY, _RETRY)
        except CannotBuild as error:
            log.warning("a shared pass cannot be built: %s", error)
            await answer.page(503, _CANNOT, _RETRY)
        except Exception:
            log.exception("a share page could not be answered")
            with contextlib.suppress(Exception):
                await answer.page(500, _CANNOT)

    async def _answer(self, token: str, file: str, headers: Mapping[str, str], answer: _Answer) -> None:
        opened = await self._sharing.open(token)
        if opened is None:
            await answer.page(404, _GONE)
            return
        seen = None
        if file == "pass.pkpass":
            built = await self._sharing.pkpass(opened)
            await answer.send(200, built, PKPASS, _NEVER_KEPT, (b"content-disposition", _file_name(opened)))
            seen = Kind.PKPASS_DOWNLOADED
        elif file == "picture.svg":
            await self._send_picture(opened, headers, answer)
        else:
            await answer.page(200, self._page(opened, token, headers))
            seen = Kind.SHARE_VIEWED
        if seen is not None and not answer.head:
            self._sharing.note(opened, seen, platform(headers["user-agent"]))

    def _page(self, opened: Opened, token: str, headers: Mapping[str, str]) -> bytes:
        agent, languages = headers["user-agent"], accepted(headers["accept-language"])
        document = opened.document(languages)
        badge = self._badges.best(languages)
        return page(
            Shown(
                here=token,
                address=self._sharing.address(token),
                organization=str(document.get("organizationName", "")),
                description=str(document.get("description", "")),
                expires_at=opened.link.expires_at,
                platform=platform(agent),
                in_app=inside_an_app(agent),
                voided=opened.row.voided or document.get("voided") is True,
                expired=opened.expired(self._clock.now()),
                picture=self._picture is not None,
                badge=badge.name if badge else None,
            )
        )

    async def _send_picture(self, opened: Opened, headers: Mapping[str, str], answer: _Answer) -> None:
        if self._picture is None:
            await answer.page(404, _GONE)
            return
        language = opened.language(accepted(headers["accept-language"]))
        drawn = await self._sharing.drawn(opened, language, self._picture)
        await answer.send(200, drawn, SVG, _NEVER_KEPT, policy=_PICTURE_POLICY)

    async def _badge(self, name: str, answer: _Answer) -> None:
        badge = self._badges.named(name)
        if badge is None:
            await answer.page(404, _GONE)
        else:
            await answer.send(200, badge.data, badge.media, _KEPT, policy=_PICTURE_POLICY)


class _Answer:
    """One answer, with the headers that all of them have. ``head``: without its body."""

    def __init__(self, send: Send, *, head: bool) -> None:
        self._send = send
        self.head = head

    async def page(self, status: int, html: bytes, *more: tuple[bytes, bytes]) -> None:
        await self.send(status, html, HTML, _NEVER_KEPT, *more)

    async def send(
        self, status: int, body: bytes, media: bytes, *more: tuple[bytes, bytes], policy: str = _PAGE_POLICY
    ) -> None:
        headers = [
            (b"content-type", media),
            (b"content-length", str(len(body)).encode()),
            (b"content-security-policy", policy.encode()),
            *_ALWAYS,
            *more,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self.head else body})


def _headers(scope: Scope) -> dict[str, str]:
    """The two that are looked at, cut to what is worth looking at."""
    found = {"user-agent": "", "accept-language": ""}
    for name, value in scope["headers"]:
        if name.decode("latin-1") in found:
            found[name.decode("latin-1")] = value[:1000].decode("latin-1")
    return found


def _file_name(opened: Opened) -> bytes:
    name = _NOT_IN_A_FILE_NAME.sub("_", opened.row.serial)
    return f'attachment; filename="{name}.pkpass"'.encode()
