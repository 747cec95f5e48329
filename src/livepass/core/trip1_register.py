"""Trip 1, register: 201, 200 or 401; the newest push token wins; unregistering is idempotent.

Apple, "Registering/unregistering a pass for update notifications": 201 for a new registration, 200 for a known one,
401 when the token is wrong. Phones accept 200 and 201 and nothing else, so a repeated or late call is never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from livepass.core.authorization import accepts, fingerprint
from livepass.core.decision import Decision, Join, Leave, Reply, Retarget, Revive, SaveDevice, Write
from livepass.core.frozen import frozen
from livepass.core.model import Device, Registration
from livepass.core.timeline import TAKEN, Event, Kind

ASK_GRACE_MS = 60_000
"""A phone asks by itself right after registering; only when it does not is a push worth its budget."""

TOMBSTONE_MS = 3_600_000
"""How long after a DELETE a registration stays listed: Wallet ignores serials it left for an hour."""

PUSH_TOKEN = re.compile(r"[0-9A-Fa-f]{2,512}")
"""Apple promises no length; 64 hex characters today."""


@frozen
class RegisterFacts:
    """What a registration is decided on. ``expected_token`` is never ``None``: see ``authorization``."""

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


def register(facts: RegisterFacts) -> Decision:
    """Decide ``POST …/registrations/{type}/{serial}``."""
    if not accepts(facts.authorization, facts.expected_token, known=facts.known_pass):
        return _refuse(facts, Kind.REGISTRATION_REFUSED, 401, "wrong token")
    push_token = push_token_of(facts.body)
    if push_token is None:
        return _refuse(facts, Kind.REGISTRATION_REFUSED, 400, 'the body is not {"pushToken": "<hex>"}')
    joined = facts.registration is None or facts.registration.left_at is not None
    writes: list[Write] = [SaveDevice(facts.pass_type, facts.device_id, push_token, facts.now)]
    if joined:
        push_at = facts.now + ASK_GRACE_MS
        writes.append(Join(facts.pass_type, facts.device_id, facts.serial, facts.now, push_at))
    changed_token = facts.device is not None and facts.device.push_token != push_token
    if facts.device is not None and changed_token:
        writes.append(
            Retarget(facts.pass_type, facts.device_id, facts.device.push_token, push_token, facts.now + ASK_GRACE_MS)
        )
    # A phone that is new to us may bring a token that we buried under another record of it.
    if facts.target_dead or facts.device is None:
        writes.append(Revive(facts.pass_type, push_token, facts.now))
    return Decision(
        Reply(201 if joined else 200), tuple(writes), (_registered(facts, push_token, joined, changed_token),)
    )


def unregister(facts: RegisterFacts) -> Decision:
    """Decide ``DELETE …``: 200 also when nothing was registered, because a phone repeats what is not 200."""
    if not accepts(facts.authorization, facts.expected_token, known=facts.known_pass):
        return _refuse(facts, Kind.UNREGISTER_REFUSED, 401, "wrong token")
    was = facts.registration is not None and facts.registration.left_at is None
    writes = (Leave(facts.pass_type, facts.device_id, facts.serial, facts.now),) if was else ()
    event = Event(
        Kind.UNREGISTERED, facts.now, facts.pass_type, facts.serial, facts.device_id, detail={"was_registered": was}
    )
    return Decision(Reply(200), writes, (event,))


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


def _registered(facts: RegisterFacts, push_token: str, joined: bool, changed_token: bool) -> Event:
    if joined:
        kind = Kind.REGISTERED
    elif changed_token:
        kind = Kind.TOKEN_CHANGED
    else:
        kind = Kind.REGISTRATION_REFRESHED
    return Event(
        kind,
        facts.now,
        facts.pass_type,
        facts.serial,
        facts.device_id,
        fingerprint(push_token),
        TAKEN if joined else 0,
        {"status": 201 if joined else 200},
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
