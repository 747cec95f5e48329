"""The registration journal: what an entry says, and whether a database that went back still lacks it.

Registrations cannot be asked for again: a phone that was told 201 does not come a second time. So each one that was
acknowledged is also written down outside the database, and read again after a restore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from livepass.core.decision import Decision
from livepass.core.frozen import frozen
from livepass.core.model import Device, Registration
from livepass.core.snapshots import Twin
from livepass.core.timeline import Kind


class Act(StrEnum):
    """What the phone did."""

    REGISTER = "register"
    UNREGISTER = "unregister"


@frozen
class Entry:
    """A registration (200 or 201) or an unregistration (200) as it was acknowledged.

    ``token`` is a fingerprint of the pass's authentication token: a pass that was erased and made anew has another.
    """

    act: Act
    at: int
    pass_type: str
    serial: str
    device_id: str
    token: str
    push_token: str = field(default="", repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.pass_type, self.device_id, self.serial


_ACTS: Mapping[Kind, Act] = {
    Kind.REGISTERED: Act.REGISTER,
    Kind.REGISTRATION_REFRESHED: Act.REGISTER,
    Kind.TOKEN_CHANGED: Act.REGISTER,
    Kind.UNREGISTERED: Act.UNREGISTER,
}


def entry_of(decision: Decision, token: str, push_token: str | None, started_at: int | None) -> Entry | None:
    """What a decision of trip 1 acknowledges; ``None`` for a refusal. ``token`` is the pass's, as a fingerprint."""
    for event in decision.events:
        act = _ACTS.get(event.kind)
        if act is not None:
            # A DELETE says what the phone wanted when it started: what it registered since, it wanted later.
            at = event.at if started_at is None else min(event.at, started_at)
            return Entry(act, at, event.pass_type, event.serial or "", event.device_id or "", token, push_token or "")
    return None


class Standing(StrEnum):
    """What an entry still means to the database."""

    MISSING = "missing"
    THERE = "there"
    OVERTAKEN = "overtaken"
    UNSAID = "unsaid"
    """The phone is not there, as it should be; but nothing says that it left, to whoever reads another journal."""


def standing(
    entry: Entry, device: Device | None, registration: Registration | None, twins: Sequence[Twin] = ()
) -> Standing:
    """Whether the database lacks an entry. What the phone said later wins, so an old entry never undoes anything:
    ``twins`` are the same phone under other device ids.
    """
    found = _STANDING[entry.act](entry.at, device, registration)
    if found is Standing.MISSING and entry.act is Act.REGISTER and any(twin.registered_at > entry.at for twin in twins):
        return Standing.OVERTAKEN
    return found


def depends_on_the_diary(entry: Entry, found: Standing, registration: Registration | None) -> bool:
    """Whether it matters when the phone left last, as far as the database's own events say, which costs a look."""
    if entry.act is Act.REGISTER:
        return found is Standing.MISSING
    gone_since = registration is not None and registration.left_at is not None and registration.left_at >= entry.at
    return found is Standing.THERE and not gone_since


def by_the_diary(entry: Entry, left_at: int | None, kept_since: int) -> Standing:
    """The standing of an entry for which that matters.

    Hosts may keep a journal each, and a tombstone is kept for a day: then only the diary knows that a phone which
    registered through one host has left through another, or under a newer device id, with which the older one was
    forgotten. It goes back to ``kept_since``: older entries need no line.
    """
    if entry.act is Act.REGISTER:
        return Standing.OVERTAKEN if left_at is not None and left_at > entry.at else Standing.MISSING
    left = left_at is not None and left_at >= entry.at
    return Standing.THERE if left or entry.at < kept_since else Standing.UNSAID


def push_token_now(entry: Entry, device: Device | None) -> str:
    """The push token to register with: the phone may have registered another pass since, with a newer one."""
    newer = device is not None and device.token_registered_at > entry.at
    return device.push_token if device is not None and newer else entry.push_token


def body_of(push_token: str) -> bytes:
    """The body that a phone registers with."""
    return json.dumps({"pushToken": push_token}).encode()


def _registered(at: int, device: Device | None, registration: Registration | None) -> Standing:
    if device is None or registration is None:
        return Standing.MISSING
    if registration.left_at is not None:
        # In the same millisecond the journal's order decides (``LastWords``), and it let this entry through.
        return Standing.OVERTAKEN if registration.left_at > at else Standing.MISSING
    # The phone's instant moves with a registration of any pass: alone it would not say that this one was lost.
    return Standing.THERE if min(device.token_registered_at, registration.registered_at) >= at else Standing.MISSING


def _unregistered(at: int, device: Device | None, registration: Registration | None) -> Standing:
    if device is None or registration is None or registration.left_at is not None:
        return Standing.THERE
    # A repeated registration moves the phone's instant only. It may have been of another pass; but a pass that is
    # listed to a phone without it costs a complaint, and one that is not listed to a phone that has it goes stale.
    later = max(registration.registered_at, device.token_registered_at) > at
    return Standing.OVERTAKEN if later else Standing.MISSING


_STANDING = {Act.REGISTER: _registered, Act.UNREGISTER: _unregistered}


class LastWords:
    """Which entries of a journal are followed by a later one that undoes them. Give it all first; of the same
    millisecond, as they were written.
    """

    def __init__(self) -> None:
        self._left: dict[tuple[str, str, str], tuple[int, bool]] = {}
        """When the phone left last, and whether it registered again in the same millisecond."""

    def note(self, entry: Entry) -> None:
        before = self._left.get(entry.key)
        if entry.act is Act.UNREGISTER:
            if before is None or entry.at >= before[0]:
                self._left[entry.key] = (entry.at, False)
        elif before is not None and entry.at == before[0]:
            self._left[entry.key] = (entry.at, True)

    def undone(self, entry: Entry) -> bool:
        """Whether the phone left after it."""
        left = self._left.get(entry.key)
        return entry.act is Act.REGISTER and left is not None and (left[0] > entry.at or left == (entry.at, False))


@frozen
class Unreadable:
    """Lines of a journal's file that say nothing to us, from ``line`` on: ``count`` of them for the same reason."""

    file: str
    line: int
    count: int
    why: str


@frozen
class Page:
    """A day of a journal: its entries by time, and what could not be read."""

    entries: Sequence[Entry]
    unreadable: Sequence[Unreadable]


def write_entry(entry: Entry) -> bytes:
    """An entry as JSON, to be sealed: a push token is personal."""
    return json.dumps(
        {
            "act": entry.act.value,
            "at": entry.at,
            "type": entry.pass_type,
            "serial": entry.serial,
            "device": entry.device_id,
            "token": entry.token,
            "push": entry.push_token,
        },
        separators=(",", ":"),
    ).encode()


def read_entry(text: bytes) -> Entry:
    """What ``write_entry`` wrote. Raises ``ValueError``."""
    try:
        found: Mapping[str, object] = json.loads(text)
        act, at = Act(str(found["act"])), found["at"]
        words = [found[name] for name in ("type", "serial", "device", "token", "push")]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not an entry of the registration journal: {error}") from error
    if not isinstance(at, int) or not all(isinstance(word, str) for word in words):
        raise ValueError("not an entry of the registration journal")
    return Entry(act, at, *map(str, words))
