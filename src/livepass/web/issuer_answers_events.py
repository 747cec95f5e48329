"""Instants and events as callers get them. Times are RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from livepass.core.timeline import Event

Instant = Annotated[datetime, Meta(tz=True)]


def at(ms: int) -> datetime:
    """An instant, in whole seconds where nothing is finer."""
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def maybe_at(ms: int | None) -> datetime | None:
    return None if ms is None else at(ms)


class EventRow(Struct, frozen=True):
    """One line of a timeline. `target` is a fingerprint of a push token; `seq` 0: no change number concerned."""

    id: int
    at: Instant
    trip: str
    kind: str
    seq: int
    serial: str | None
    device_id: str | None
    target: str | None
    detail: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> EventRow:
        return cls(
            event.id,
            at(event.at),
            event.trip.value,
            event.kind.value,
            event.seq,
            event.serial,
            event.device_id,
            event.target,
            dict(event.detail),
        )


class EventPage(Struct, frozen=True):
    """A page of a timeline, oldest first."""

    data: list[EventRow]
    next_cursor: str | None
