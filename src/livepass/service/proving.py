"""Has a certificate earned to be live? It signs a sample that is read back, and APNs takes it.

What reads the sample shares no code with what signed it (``pkpass.verify`` and ``pkpass.cms_read``), and judges as a
phone does: hashes, signature, exactly leaf → intermediate → root at the signing time, and Apple's policy for passes.
"""

from __future__ import annotations

from datetime import UTC, datetime

from livepass.core.frozen import frozen
from livepass.core.trip2_push import Next, PushAnswer, PushMessage, action_for
from livepass.pkpass import PkpassError, StaticFiles, build, canonical, read, verify
from livepass.service.refusals import Refusal
from livepass.service.seams import Identity, Prober

NOBODY = "00" * 32
"""A push token that no phone has. What APNs says of it says whether it looked at the token at all."""

_ABOUT_THE_TOKEN = {Next.ACCEPTED, Next.QUARANTINE, Next.TOKEN_DEAD}
_ICON = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000b49444154789c6360000200000500017a5eab3f0000000049454e44ae426082"
)
"""One transparent pixel: a pass without an icon is none."""


@frozen
class Tried:
    """What APNs said to a certificate. ``taken`` ``None``: it said nothing that tells."""

    taken: bool | None
    status: int
    reason: str


def sign_sample(identity: Identity, now: int) -> None:
    """Sign a small pass and read it back. Raises ``Refusal`` with what is wrong."""
    at, facts = datetime.fromtimestamp(now // 1000, UTC), identity.facts
    document = canonical(
        {
            "formatVersion": 1,
            "description": "sample",
            "organizationName": "livepass",
            "serialNumber": "sample",
            "passTypeIdentifier": facts.pass_type,
            "teamIdentifier": facts.team,
            "generic": {},
        }
    )
    try:
        package = build(StaticFiles.prepare({"icon.png": _ICON}), document, identity, at)
        found = verify(read(package))
    except PkpassError as error:
        raise Refusal(f"it does not sign: {error}", hint=error.hint, code="unproven") from error
    if found.certificate.sha256 != facts.sha256 or found.signature.signed_at != at:
        raise Refusal("the sample is signed by something else", hint="report this", code="unproven")


async def try_pushing(identity: Identity, prober: Prober, apns_id: str, now: int, push_token: str | None) -> Tried:
    """Push once with it: to ``push_token``, or to one that no phone has.

    A word about the token means that certificate and topic were taken before it was looked at: likely, Apple does not
    say so.
    """
    message = PushMessage(push_token or NOBODY, identity.facts.pass_type, apns_id, now // 1000 + 600)
    answer = await prober(identity.push_credential(), message)
    return Tried(taken(answer), answer.status, answer.reason)


def taken(answer: PushAnswer) -> bool | None:
    """Whether APNs takes the credential for the topic; ``None``: it said nothing that tells."""
    then = action_for(answer.status, answer.reason)
    if then in _ABOUT_THE_TOKEN:
        return True
    return False if then is Next.STOP_CREDENTIAL else None
