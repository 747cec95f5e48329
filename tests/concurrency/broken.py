"""The same processes with the order broken on purpose, to show that the order test would notice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from concurrency import roles
from concurrency.nursery import Say
from livepass.core.model import Tag
from livepass.core.snapshots import AskSnapshot
from livepass.store import postgres
from livepass.store.postgres_statements import Statement
from livepass.store.reading import Reading
from livepass.store.writing import Writing

WINDOW_SECONDS = 0.05
"""The moment in which the fault can be seen, made long enough that it is."""
WINDOWS = 40
"""How often a torn ask waits for a change that makes it wrong, until it lets the next phone ask."""

_whole = postgres.statements
_NEWEST = "pg_sequence_last_value(quote_ident(c.pass_type)::regclass)"


def _by_sequence() -> dict[str, Statement]:
    """Numbers from a sequence that is called as the pass type, instead of a row that is locked until the commit."""
    known = _whole()
    known["next_number"] = Statement("SELECT nextval(quote_ident(:pass_type)::regclass)")
    for name in ("ask_snapshot", "ask_head", "ask_heads"):
        known[name].sql = known[name].sql.replace("c.seq", _NEWEST)
    return known


_at_once = Writing._next_number


async def _in_a_while(self: Writing, pass_type: str, newest_modified: int = 0) -> int:
    number = await _at_once(self, pass_type, newest_modified)
    await asyncio.sleep(WINDOW_SECONDS)
    return number


async def writer_by_sequence(say: Say, **arguments: Any) -> None:
    postgres.statements = _by_sequence
    Writing._next_number = _in_a_while  # type: ignore[method-assign]
    await roles.writer(say, **arguments)


async def phones_by_sequence(say: Say, **arguments: Any) -> None:
    postgres.statements = _by_sequence
    await roles.phones(say, **arguments)


_in_one = Reading.ask_snapshot


async def _in_two(self: Reading, pass_type: str, device_id: str, tag: Tag | None) -> AskSnapshot:
    """The counter is read once a pass has changed that the list does not have: by chance that may never happen."""
    snapshot = await _in_one(self, pass_type, device_id, tag)
    for _ in range(WINDOWS if tag is not None else 0):
        await asyncio.sleep(WINDOW_SECONDS)
        if _told(await _in_one(self, pass_type, device_id, tag), tag) - _told(snapshot, tag):
            break
    return replace(snapshot, counter=await self.counter(pass_type))


def _told(snapshot: AskSnapshot, tag: Tag | None) -> set[str]:
    """The passes of which a phone that has this tag is told."""
    since = tag.seq if tag is not None else 0
    return {listed.registration.serial for listed in snapshot.listed if listed.newest > since}


async def phones_in_two_statements(say: Say, **arguments: Any) -> None:
    """The list, and then the counter, instead of both from one snapshot."""
    Reading.ask_snapshot = _in_two  # type: ignore[method-assign]
    await roles.phones(say, **arguments)
