"""A store on a file, and short words for what tests do to it. Looks at rows over a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import engines
from livepass.core.decision import Join, PassVersion, SaveDevice
from livepass.core.model import Pass, Target, TokenSource
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.trip2_push import Outcome
from livepass.store.writing import Writing

TYPE = "pass.test.store"
OTHER = "pass.test.other"
T0 = 10_000_000
"""Some instant; only differences to it mean anything."""


def version(serial: str, *, pass_type: str = TYPE, sha: str = "s", moves: bool = True, now: int = T0) -> PassVersion:
    row = Pass(
        pass_type=pass_type,
        serial=serial,
        seq=0,
        edit=1,
        last_modified=now // 1000,
        manifest_sha=sha,
        document=b'{"serialNumber":"%s"}' % serial.encode(),
        template="membership",
        revision="r1",
        pinned=False,
        data=b"{}",
        content=b"{}",
        token=TokenSource("k1", b"salt"),
        voided=False,
        created_at=now,
        changed_at=now,
    )
    return PassVersion(row, moves, Event(Kind.CHANGED, now, pass_type, serial, seq=TAKEN))


async def put(
    tx: Writing, *serials: str, now: int = T0, push_at: int | None = T0, urgent: bool = False, pass_type: str = TYPE
) -> tuple[int, int]:
    there = await tx.pass_identities(pass_type, serials)
    versions = [
        replace(version(serial, pass_type=pass_type, now=now), creates=serial not in there) for serial in serials
    ]
    return await tx.put_passes(pass_type, versions, now=now, push_at=push_at, urgent=urgent)


class Hand:
    """A store and what tests do to it. ``row`` and ``rows`` read the database as another process would."""

    def __init__(self, store: Any, url: str) -> None:
        self.store = store
        self.url = url

    @property
    def path(self) -> Path:
        """The file, on SQLite."""
        return Path(self.url.removeprefix("sqlite:///"))

    def rows(self, table: str, **where: Any) -> list[dict[str, Any]]:
        condition = " AND ".join(f"{name} = {_literal(value)}" for name, value in where.items()) or "1 = 1"
        return engines.look(self.url, f"SELECT * FROM {table} WHERE {condition}")

    def row(self, table: str, **where: Any) -> dict[str, Any]:
        [found] = self.rows(table, **where)
        return found

    def target(self, token: str = "aa", pass_type: str = TYPE) -> dict[str, Any]:
        return self.row("push_target", pass_type=pass_type, push_token=token)

    def registration(self, device: str, serial: str) -> dict[str, Any]:
        return self.row("registration", device_id=device, serial=serial)

    async def pass_type(self, pass_type: str = TYPE, epoch: str = "e1") -> None:
        await self.store.write(lambda tx: tx.ensure_pass_type(pass_type, "default", "TEAM123456", epoch, T0))

    async def put(self, *serials: str, **options: Any) -> tuple[int, int]:
        return await self.store.write(lambda tx: put(tx, *serials, **options))

    async def join(self, device: str, serial: str, token: str = "aa", at: int = T0, pass_type: str = TYPE) -> int:
        writes = (SaveDevice(pass_type, device, token, at), Join(pass_type, device, serial, at, at + 60_000))
        return await self.apply(*writes)

    async def apply(self, *writes: Any) -> int:
        """Answers the number it took; 0: none."""
        numbers = await self.store.write(lambda tx: tx.apply(writes, ()))
        return max(numbers.values(), default=0)

    async def claim(
        self, lease: str = "l1", now: int = T0, lasting: int = 60_000, limit: int = 500, pass_type: str = TYPE
    ) -> Sequence[Target]:
        return await self.store.write(
            lambda tx: tx.claim_targets(pass_type, lease=lease, now=now, lease_until=now + lasting, limit=limit)
        )

    async def record(self, lease: str, *outcomes: Outcome, now: int = T0) -> None:
        await self.store.write(lambda tx: tx.record_outcomes(lease, outcomes, now))


def outcome(target: Target, **changes: Any) -> Outcome:
    """An accepted push unless told otherwise."""
    values: dict[str, Any] = {
        "pushed": target.sending,
        "attempts": target.attempts + 1,
        "next_at": T0 + 60_000,
        "dead_reason": None,
        "stop_until": None,
        "score": 0.5,
        "last_push_at": T0,
    } | changes
    return Outcome(target, **values, event=Event(Kind.PUSH_ACCEPTED, T0, target.pass_type, seq=target.sending))


def _literal(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Hand]:
    """A store with one pass type in it."""
    url = engines.new_database(path)
    store = await engines.open_store(url)
    hand = Hand(store, url)
    try:
        await hand.pass_type()
        yield hand
    finally:
        await store.close()
