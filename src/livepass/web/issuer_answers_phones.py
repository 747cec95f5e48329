"""Phones as callers get them: registrations, pushes, what phones said, and how many stand where."""

from __future__ import annotations

from msgspec import Struct

from livepass.core.authorization import fingerprint
from livepass.core.model import Process, Registration, Target
from livepass.core.shedding import given_up
from livepass.core.timeline import Event
from livepass.manual import of_sentence
from livepass.web.issuer_answers_events import Instant, at, maybe_at


class RegistrationRow(Struct, frozen=True):
    """A pass on a phone. `confirmed` is the part of `served` that is beyond doubt.

    `superseded`: the same phone follows the pass under a newer device id; this one is answered and no longer counted.
    """

    pass_type: str
    serial: str
    device_id: str
    registered_at: Instant
    left_at: Instant | None
    superseded: bool
    served: int
    confirmed: int
    served_at: Instant | None

    @classmethod
    def of(cls, row: Registration) -> RegistrationRow:
        return cls(
            row.pass_type,
            row.serial,
            row.device_id,
            at(row.registered_at),
            maybe_at(row.left_at),
            row.superseded_at is not None,
            row.served,
            row.confirmed,
            maybe_at(row.served_at),
        )


class PushRow(Struct, frozen=True):
    """What is owed to one push token. `target` is its fingerprint, `device_id` the first phone that has it.

    `wanted` above `acked` means due; only the phone's asking acknowledges.
    """

    pass_type: str
    device_id: str
    target: str
    due: bool
    urgent: bool
    wanted: int
    pushed: int
    acked: int
    attempts: int
    next_at: Instant | None
    last_push_at: Instant | None
    passes: int
    dead_at: Instant | None
    dead_reason: str | None

    @classmethod
    def of(cls, device_id: str, row: Target) -> PushRow:
        due = row.wanted > row.acked and row.dead_at is None
        return cls(
            row.pass_type,
            device_id,
            fingerprint(row.push_token),
            due,
            due and row.urgent > row.acked,
            row.wanted,
            row.pushed,
            row.acked,
            row.attempts,
            at(row.next_at) if due else None,
            maybe_at(row.last_push_at),
            row.passes,
            maybe_at(row.dead_at),
            row.dead_reason,
        )


class PushesDue(Struct, frozen=True):
    """How many pushes that made due at once."""

    pushes_due: int


class LogRow(Struct, frozen=True):
    """Something a phone said. `line` is its own text, which anybody could have sent: show it, never trust it.

    `docs` is the path of the page about it on this service.
    """

    id: int
    at: Instant
    pass_type: str
    serial: str | None
    device_id: str | None
    code: str
    meaning: str
    about: str
    level: str
    line: str
    shape: str
    docs: str

    @classmethod
    def of(cls, event: Event) -> LogRow:
        said = [str(event.detail.get(key, "")) for key in ("code", "meaning", "about", "level", "line", "shape")]
        said.append(of_sentence(said[0] or "?"))
        return cls(event.id, at(event.at), event.pass_type, event.serial, event.device_id, *said)


class Standing(Struct, frozen=True):
    """How many registrations stand where."""

    current: int
    fetch: int
    ask: int
    push: int


class ProcessRow(Struct, frozen=True):
    """A process of the service. It gives a sign every few seconds: one that is silent for a minute has died, or cannot
    reach the database. `given_up`: what it refuses or drops now, because phones' fetches come first.
    """

    host: str
    pid: int
    role: str
    schema: int
    started_at: Instant
    heard_at: Instant
    silent_seconds: int
    fetch_ms: int | None
    shedding: int
    given_up: str

    @classmethod
    def of(cls, row: Process, now: int) -> ProcessRow:
        return cls(
            row.host,
            row.pid,
            row.role,
            row.schema,
            at(row.started_at),
            at(row.heard_at),
            max(0, now - row.heard_at) // 1000,
            row.fetch_ms,
            row.shedding,
            given_up(row.shedding),
        )


class Stats(Struct, frozen=True):
    """How many there are. `unverified`: phones that have fetched nothing that we saw. `processes`: those that serve and
    push, for keys that see every pass type.
    """

    passes: int
    registrations: int
    unverified: int
    stands_on: Standing
    processes: list[ProcessRow]


class RegistrationPage(Struct, frozen=True):
    """A page of registrations."""

    data: list[RegistrationRow]
    next_cursor: str | None


class PushPage(Struct, frozen=True):
    """A page of push targets."""

    data: list[PushRow]
    next_cursor: str | None


class LogPage(Struct, frozen=True):
    """A page of what phones said, newest first."""

    data: list[LogRow]
    next_cursor: str | None
