"""Kills a real process at points of an operation on a real PostgreSQL, and looks whether all is well afterwards."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concurrency.nursery import Child, Nursery
from concurrency.office import OTHER_TYPE, PASS_TYPE, stock
from crashpoints.on_postgres.operations import Operation
from crashpoints.on_postgres.phones import BASE, Phone
from crashpoints.on_postgres.serving import rows_of
from crashpoints.on_postgres.world import FIRST, GLANCE, OTHER, PATIENCE, SECOND, World, looking
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.store import postgres_schema
from servers.postgres import Databases, Server, shared

PRELOADED = ("crashpoints.on_postgres.child", "livepass.store.postgres")
ROLE = "crashpoints.on_postgres.child:perform"

State = Sequence[Sequence[Sequence[str]]]


@dataclass
class Course:
    """How one run went: what its points were, what was seen of the facts, what was broken. ``died``: at which point."""

    points: list[str] = field(default_factory=list)
    acknowledged: bool = False
    died: str = ""
    states: list[State] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


@dataclass
class Found:
    """What was found of an operation; point 0 is the run in which nobody dies."""

    operation: Operation
    points: int = 0
    states: int = 0
    runs: int = 0
    broken: dict[int, list[str]] = field(default_factory=dict)


@dataclass
class Laboratory:
    """Worlds to do operations in: one that is stocked, and copies of it."""

    server: Databases
    nursery: Nursery
    stocked: World

    # ── worlds

    async def copy(self, world: World) -> World:
        """On a copy of its database, which nobody is connected to."""
        url = await asyncio.to_thread(self.server.copy_of, world.url)
        return world.copied(url)

    async def drop(self, world: World) -> None:
        await asyncio.to_thread(self.server.drop_database, world.url)

    async def prepared(self, operation: Operation) -> World:
        """A world in which the operation can begin, to be copied for each run."""
        world = await self.copy(self.stocked)
        async with looking(world.url) as look:
            if operation.prepare is not None:
                async with world.serving() as process:
                    await operation.prepare(world, process)
                await world.until_alone(look)
            # Or each copy would find out that it is one.
            await look.execute("UPDATE installation SET physical = $1", world.physical)
        return world

    # ── one run

    async def crash(self, operation: Operation, prepared: World, point: int) -> Course:
        """The operation, a death at the point (0: none), and whether all is well afterwards."""
        world, course = await self.copy(prepared), Course()
        try:
            async with looking(world.url) as look:
                before = await rows_of(look, operation.facts)
                if operation.begin is not None:
                    operation.begin(world)
                child = self.nursery.start(
                    ROLE,
                    settings=world.settings,
                    operation=operation.name,
                    point=point,
                    ahead_ms=world.ahead_ms,
                    requests=world.due(),
                    watches=point == 0,
                )
                await _ended(child)
                await world.until_alone(look)
                states = [before]
                self._hear(world, course, child, states)
                states.append(await rows_of(look, operation.facts))
                for state in (_known_by(before, one) for one in states):
                    if course.states[-1:] != [state]:
                        course.states.append(state)
                if not course.broken:
                    await self._afterwards(operation, world, course, look)
        finally:
            world.apns.chaos.clear()
            await self.drop(world)
        return course

    def _hear(self, world: World, course: Course, child: Child, states: list[State]) -> None:
        """What the process said until it ended."""
        for word, *said in child.said():
            if word == "answered":
                number, status, headers, body = said
                world.answered(number, status, headers, base64.b64decode(body))
            elif word == "acknowledged":
                course.acknowledged = True
            elif word == "dies":
                course.died = said[0]
            elif word == "course":
                course.points = said[0]
            elif word == "saw":
                states.append(said[0])
        for phone in world.phones:
            phone.hang_up(world.now)
        if child.status not in (0, -signal.SIGKILL) or (child.status != 0) != bool(course.died):
            course.broken.append(f"X1 it ended with {child.status}: {child.last_words()}")

    async def _afterwards(self, operation: Operation, world: World, course: Course, look: Any) -> None:
        """It settles; then a pass changes, and every phone has that, too."""
        gapless = operation.gapless
        for phone in world.phones:
            phone.count_asks()
        async with world.serving() as process:
            pushes, course.broken = world.deliver(), []
            more, restless = await world.rest(process, look)
            pushes += more
            course.broken += restless + await world.broken(look, gapless=gapless)
            most = operation.pushes
            if most is not None:
                course.broken += [f"S9 {token[:8]} was pushed {n} times" for token, n in pushes.items() if n > most]
            if course.broken:
                return
            if operation.after is not None:
                await operation.after(process)
            for phone in world.phones:
                phone.count_asks()
            await world.put(process, FIRST, OTHER, value="afterwards")
            course.broken += (await world.rest(process, look))[1] + await world.broken(look, gapless=gapless)

    # ── an operation

    async def explore(self, operation: Operation, choose: Callable[[Sequence[str]], Iterable[int]]) -> Found:
        """Those points of an operation that are chosen from what all of them are."""
        found = Found(operation)
        prepared = await self.prepared(operation)
        whole = await self.crash(operation, prepared, 0)
        found.points, found.states, found.runs = len(whole.points), len(whole.states), 1
        broken = list(whole.broken)
        if not whole.acknowledged:
            broken.append("it does not succeed by itself")
        if found.states > operation.states:
            broken.append(f"S7 it is seen in {found.states} states, not in {operation.states}")
        if broken:
            found.broken[0] = broken
        for point in choose(whole.points):
            course = await self.crash(operation, prepared, point)
            found.runs += 1
            broken = list(course.broken)
            if course.states[-1] not in whole.states:
                broken.append("S7 it is neither wholly done nor wholly not")
            elif course.acknowledged and course.states[-1] != whole.states[-1]:
                broken.append("S7 it was acknowledged, and is not there")
            if broken:
                found.broken[point] = [f"{course.died or 'it lived'}: {broken[0]}", *broken[1:]]
        await self.drop(prepared)
        return found


def sampled(points: Sequence[str], count: int | None, seed: str) -> list[int]:
    """The first, the last, each commit and the point after it; the rest, up to ``count``, drawn by the seed."""
    everything = range(1, len(points) + 1)
    if count is None:
        return list(everything)
    always = {number for number in everything if points[number - 1].rstrip(";") in ("COMMIT", "committed")}
    always |= {1, len(points)} & set(everything)
    rest = [number for number in everything if number not in always]
    more = random.Random(seed).sample(rest, min(len(rest), max(0, count - len(always))))
    return sorted({*always, *more})


def _known_by(before: State, state: State) -> State:
    """What both runs may be compared by: values that were not there before, and look like a draw or a date, are new."""
    known = {value for rows in before for row in rows for value in row}

    def plain(value: str) -> str:
        return value if value in known or len(value) < 9 else "new"

    return [sorted([plain(value) for value in row] for row in rows) for rows in state]


async def _ended(child: Child) -> None:
    for _ in range(round(PATIENCE / GLANCE)):
        if child.ended.is_set():
            return
        await asyncio.sleep(GLANCE)
    child.kill()
    raise AssertionError(f"it does not end: {child.last_words()}")


# ── the laboratory


@contextmanager
def _server() -> Iterator[Databases]:
    """A server that syncs nothing: processes are killed here, it is not, and each run makes a database and drops it."""
    if os.environ.get("LIVEPASS_TEST_POSTGRES_URL"):
        yield shared()
        return
    server = Server.start(fsync=False)
    try:
        yield server
    finally:
        server.close()


@asynccontextmanager
async def laboratory(folder: Path) -> AsyncIterator[Laboratory]:
    """Two pass types, two phones that follow the first pass, one of them two more. Raises ``NoPostgres``."""
    authority = Authority()
    ca_file = folder / "ca.crt"
    ca_file.write_bytes(authority.root_pem)
    with _server() as server, Nursery(folder, *PRELOADED) as nursery:
        async with ApnsServer.under(authority) as apns:
            url = await asyncio.to_thread(server.create_database)
            await postgres_schema.upgrade(url, uuid="u1", now=1)
            settings = {
                "database_url": url,
                "public_url": BASE,
                "secret_key": [secrets.token_urlsafe(32)],
                "admin_key": "",
                "apns_url": apns.url,
                "apns_ca_file": str(ca_file),
            }
            await stock(settings, authority, {PASS_TYPE: ["1", "2"], OTHER_TYPE: ["1"]})
            phones = [Phone.new(f"phone{number}", [authority.root]) for number in range(2)]
            world = World(settings, authority, apns, phones, folder)
            await _hand_out(world)
            yield Laboratory(server, nursery, world)


async def _hand_out(world: World) -> None:
    async with looking(world.url) as look:
        async with world.serving() as process:
            for key in (FIRST, SECOND, OTHER):
                world.pkpasses[key] = await process.services.issuing.pkpass(*key)
            for phone, key in ((0, FIRST), (0, SECOND), (0, OTHER), (1, FIRST)):
                world.phones[phone].wallet.add(world.pkpasses[key], world.now)
            _, broken = await world.rest(process, look)
            broken += await world.broken(look, gapless=True)
            assert not broken, broken
        await world.until_alone(look)
