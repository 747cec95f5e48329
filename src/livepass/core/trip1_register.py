"""Trip 1, register: 201, 200 or 401; the newest push token wins; unregistering is idempotent.

A device id is random, and a phone may make a new one; the push token says whether it is the same phone. So the device
id that registered a pass last stands for the phone, and the others with its push token are superseded: still answered,
no longer counted.

Apple, "Registering/unregistering a pass for update notifications": 201 for a new registration, 200 for a known one,
401 when the token is wrong. Phones accept 200 and 201 and nothing else, so a repeated or late call is never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from livepass.core.authorization import accepts, fingerprint, refusal
from livepass.core.decision import (
    Decision,
    Forget,
    Join,
    Leave,
    Refresh,
    Reinstate,
    Reply,
    Retarget,
    Revive,
    SaveDevice,
    Supersede,
    Write,
)
from livepass.core.frozen import frozen
from livepass.core.model import Device, Registration
from livepass.core.snapshots import Twin
from livepass.core.timeline import TAKEN, Event, Kind

ASK_GRACE_MS = 60_000
"""A phone asks by itself right after registering; only when it does not is a push worth its budget."""

TOMBSTONE_MS = 3_600_000
"""How long after a DELETE a registration stays listed: Wallet ignores serials it left for an hour."""

LATE_MS = 30_000
"""A request that was on its way for longer was held up by something between us: after a DELETE the phone may have
registered since, and if it has not, it repeats the DELETE in order when it is answered 503. Likewise nobody may be
there any more for the answer to an ask or a fetch that comes so late.
"""

CLOCK_AHEAD_MS = 86_400_000
"""A clock was ahead by no more than that, or what it noted is not worth waiting for."""

TWINS_KEPT = 3
"""Device ids of one phone that are kept beside the one it uses, also if it makes a new one every minute."""

DEVICE_ID = re.compile(r"[0-9A-Za-z-]{1,128}")
"""Apple promises no form; 32 hexadecimal digits today."""

PUSH_TOKEN = re.compile(r"[0-9A-Fa-f]{2,512}")
"""Apple promises no length; 64 hex characters today."""


@frozen
class RegisterFacts:
    """What a registration is decided on. ``expected_token`` is never ``None``: see ``authorization``.

    ``twins``: this phone under other device ids, by the push token that it comes with (or has, when it leaves).
    ``started_at``: when the edge took the request, where it says so.
    """

    pass_type: str
    serial: str
    device_id: str
    authorization: str | None
    body: bytes
    expected_token: str
    known_pass: bool
    device: Device | None
    registration: Registration | None
    target_dead: bool
    now: int
    twins: Sequence[Twin] = ()
    started_at: int | None = None


def register(facts: RegisterFacts) -> Decision:
    """Decide ``POST …/registrations/{type}/{serial}``."""
    if not accepts(facts.authorization, facts.expected_token, known=facts.known_pass):
        return _refuse(facts, Kind.REGISTRATION_REFUSED, 401, refusal(facts.authorization))
    push_token = push_token_of(facts.body)
    if push_token is None:
        return _refuse(facts, Kind.REGISTRATION_REFUSED, 400, 'the body is not {"pushToken": "<hex>"}')
    if facts.device is not None and _token_came_since(facts, facts.device):
        push_token = facts.device.push_token
    if facts.device is not None and push_token != facts.device.push_token and _cannot_be_dated(facts, facts.device):
        return _refuse(facts, Kind.REGISTRATION_REFUSED, 503, _on_its_way(facts))
    live = _live(facts)
    joined = live is None or not _late(facts, live)
    target = fingerprint(push_token)
    writes: list[Write] = [SaveDevice(facts.pass_type, facts.device_id, push_token, _said_at(facts))]
    if joined:
        push_at = facts.now + ASK_GRACE_MS
        writes.append(Join(facts.pass_type, facts.device_id, facts.serial, facts.now, push_at, target))
        writes.extend(_forget(facts, push_token, _too_many(facts.twins)))
    else:
        writes.append(Refresh(facts.pass_type, facts.device_id, facts.serial))
    writes.extend(_supersede(facts, push_token))
    if live is not None and live.superseded_at is not None and not joined:
        writes.append(Reinstate(facts.pass_type, facts.device_id, facts.serial))
    changed_token = facts.device is not None and facts.device.push_token != push_token
    if facts.device is not None and changed_token:
        writes.append(
            Retarget(facts.pass_type, facts.device_id, facts.device.push_token, push_token, facts.now + ASK_GRACE_MS)
        )
    # A phone that is new to us may bring a token that we buried under another record of it.
    if facts.target_dead or facts.device is None:
        writes.append(Revive(facts.pass_type, push_token, facts.now))
    status = 201 if live is None else 200
    events = (_registered(facts, target, joined, changed_token, status), *_superseded_events(facts, target))
    return Decision(Reply(status), tuple(writes), events)


def unregister(facts: RegisterFacts) -> Decision:
    """Decide ``DELETE …``: 200 also when nothing was registered, because a phone repeats what is not 200."""
    if not accepts(facts.authorization, facts.expected_token, known=facts.known_pass):
        return _refuse(facts, Kind.UNREGISTER_REFUSED, 401, refusal(facts.authorization))
    if held_up(facts.started_at, facts.now):
        return _refuse(facts, Kind.UNREGISTER_REFUSED, 503, _on_its_way(facts))
    live = _live(facts)
    if live is not None and _registered_since(facts, live):
        return _refuse(facts, Kind.UNREGISTER_REFUSED, 200, "the phone registered after this DELETE had started")
    writes = () if live is None else _leave(facts, live)
    detail = {"was_registered": live is not None}
    event = Event(Kind.UNREGISTERED, _said_at(facts), facts.pass_type, facts.serial, facts.device_id, detail=detail)
    return Decision(Reply(200), writes, (event,))


def held_up(started_at: int | None, now: int) -> bool:
    """Whether a request was on its way for so long that whoever made it may have given it up."""
    return started_at is not None and now - started_at > LATE_MS


# Looked at before it is known whether there is a registration, and again where it is decided.
@lru_cache(maxsize=256)
def push_token_of(body: bytes) -> str | None:
    """The push token of a registration body, lower-cased; ``None`` when the body is not one. Unknown keys pass."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    token = parsed.get("pushToken") if isinstance(parsed, dict) else None
    if not isinstance(token, str) or PUSH_TOKEN.fullmatch(token) is None:
        return None
    return token.lower()


def followed(registration: Registration, now: int) -> bool:
    """Whether a registration is still told and pushed: live, or left less than an hour ago."""
    return registration.left_at is None or now - registration.left_at < TOMBSTONE_MS


def _live(facts: RegisterFacts) -> Registration | None:
    """The registration, unless it was left."""
    return None if facts.registration is None or facts.registration.left_at is not None else facts.registration


def _supersede(facts: RegisterFacts, push_token: str) -> list[Write]:
    """The newest registration stands for the phone. It says so to all: a twin that is superseded as we read this may be
    reinstated by its ask before we write.
    """
    return [
        Supersede(facts.pass_type, twin.device_id, facts.serial, push_token, facts.now)
        for twin in facts.twins
        if twin.left_at is None
    ]


def _too_many(twins: Sequence[Twin]) -> Sequence[Twin]:
    """All but the newest."""
    return sorted(twins, key=lambda twin: (twin.registered_at, twin.device_id), reverse=True)[TWINS_KEPT:]


def _forget(facts: RegisterFacts, push_token: str, twins: Sequence[Twin]) -> list[Write]:
    return [
        Forget(facts.pass_type, twin.device_id, facts.serial, push_token, twin.heard_at, twin.told) for twin in twins
    ]


def _superseded_events(facts: RegisterFacts, target: str) -> list[Event]:
    detail = {"by": facts.device_id}
    return [
        Event(
            Kind.REGISTRATION_SUPERSEDED,
            facts.now,
            facts.pass_type,
            facts.serial,
            twin.device_id,
            target,
            detail=detail,
        )
        for twin in facts.twins
        if twin.left_at is None and twin.superseded_at is None
    ]


def _registered_since(facts: RegisterFacts, live: Registration) -> bool:
    """Whether the phone registered after its DELETE had started. A repeated registration moves the phone's instant
    only, which may have been of another pass: then the pass is told to a phone that left it, which costs a complaint;
    the other mistake would leave a phone without updates.
    """
    if facts.started_at is None:
        return False
    last = facts.device.token_registered_at if facts.device is not None else 0
    return max(live.registered_at, last) > facts.started_at


def _late(facts: RegisterFacts, live: Registration) -> bool:
    """Whether this request started before the registration that we know.

    One that did not joins once more. Apple does not say when phones register what they follow already; we chose to take
    none at its word, because its DELETE may have been lost, and it has the pass again, perhaps an older copy out of a
    mail, with a tag that is newer. What it was told and served before says nothing of that one. Nor does a date that
    was noted by a clock that was ahead.
    """
    return facts.started_at is not None and facts.started_at <= live.registered_at <= facts.now


def _said_at(facts: RegisterFacts) -> int:
    """When the phone said this: when it started to. Dated by when it got through, a repetition of an old registration
    would look newer than the phone's next token, and than the death of its own; and a repetition of an old DELETE newer
    than a registration that a backup lost, which the journal brings back.
    """
    return facts.now if facts.started_at is None else min(facts.started_at, facts.now)


def _token_came_since(facts: RegisterFacts, device: Device) -> bool:
    """Whether the phone started another registration after this one: then a token that comes with this one may be the
    one from before. A proxy may carry out a request late, or once more. What was noted by a clock that was ahead says
    nothing: believed, it would keep every newer token out. Unless the same clock says when this request started.
    """
    if facts.started_at is None or facts.started_at >= device.token_registered_at:
        return False
    return device.token_registered_at <= facts.now or facts.started_at > facts.now + LATE_MS


def _cannot_be_dated(facts: RegisterFacts, device: Device) -> bool:
    """Whether nobody can tell which token is newer: ours was noted by a clock that was ahead (within reason: no phone
    is kept waiting for longer), and this request was held up. The phone repeats what is answered 503, if it is still
    there; who repeats it in its stead does not.
    """
    ahead = device.token_registered_at - facts.now
    return 0 < ahead < CLOCK_AHEAD_MS and held_up(facts.started_at, facts.now)


def _on_its_way(facts: RegisterFacts) -> str:
    """Why a phone is to repeat what was held up."""
    waited = (facts.now - (facts.started_at or facts.now)) // 1000
    return f"on its way for {waited} s: the phone is to repeat it"


def _leave(facts: RegisterFacts, live: Registration) -> tuple[Write, ...]:
    """The phone leaves, and with it the device ids that it used up, or it would be pushed for their sake. One that is
    used up itself leaves alone.
    """
    leave = Leave(facts.pass_type, facts.device_id, facts.serial, _said_at(facts))
    if live.superseded_at is not None or facts.device is None:
        return (leave,)
    used_up = [twin for twin in facts.twins if twin.left_at is None and twin.superseded_at is not None]
    return (leave, *_forget(facts, facts.device.push_token, used_up))


def _registered(facts: RegisterFacts, target: str, joined: bool, changed_token: bool, status: int) -> Event:
    if changed_token and status == 200:
        kind = Kind.TOKEN_CHANGED
    elif joined:
        kind = Kind.REGISTERED
    else:
        kind = Kind.REGISTRATION_REFRESHED
    return Event(
        kind,
        facts.now,
        facts.pass_type,
        facts.serial,
        facts.device_id,
        target,
        TAKEN if joined else 0,
        {"status": status},
    )


def _refuse(facts: RegisterFacts, kind: Kind, status: int, reason: str) -> Decision:
    """A refusal leaves a trace only for passes that exist: anybody can invent serials."""
    if not facts.known_pass:
        return Decision(Reply(status))
    detail = {"status": status, "reason": reason}
    return Decision(
        Reply(status), (), (Event(kind, facts.now, facts.pass_type, facts.serial, facts.device_id, detail=detail),)
    )


Rule = Callable[[RegisterFacts], Decision]
"""``register`` or ``unregister``."""
