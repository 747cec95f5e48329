"""How long an ask takes, beside how many registrations there are.

As a phone sees it: a request to ``livepass serve``, over a connection that stays open, until the answer is read. Beside
it the heart of that, ``Answering.ask`` alone in this process: the tag is read, the database asked, the answer decided
and written. There what was seen is noted when the round is over, so that nothing else is in the way.
"""

from __future__ import annotations

import gc
import http.client
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from scaling.databases import MANY, Database, Folder, device_id, serial, single
from scaling.figures import micro, percentiles
from scaling.serving import Server, served

from livepass import wiring
from livepass.core.decision import Write
from livepass.core.model import Tag
from livepass.core.timeline import Event
from livepass.core.trip3_ask import write_tag
from livepass.service.answering import Answering
from livepass.service.drafting import Wish
from livepass.service.observing import Recorder

CHANGED_AT_ONCE = 1000
KINDS = {
    "newest": "a phone that has heard the newest number: 204",
    "changed": "a phone with a pass that changed since: 200",
    "older": "any phone with an older tag and nothing to tell it: 204",
}


class PutOff(Recorder):
    """Keeps what is to be noted until it is told to pass it on."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._held: list[tuple[Sequence[Write], Sequence[Event]]] = []

    def note(self, writes: Sequence[Write], events: Sequence[Event]) -> None:
        self._held.append((writes, events))

    def pass_on(self) -> None:
        held, self._held = self._held, []
        for writes, events in held:
            self._recorder.note(writes, events)


class Asked:
    """One open database, and the phones that ask it."""

    def __init__(self, database: Database, services: wiring.Services, server: Server) -> None:
        self.database = database
        self._client = http.client.HTTPConnection(server.address.removeprefix("http://"))
        self._services = services
        self._chance = random.Random(database.size)
        self._put_off = PutOff(services.recorder)
        self._answering = Answering(
            *(services.store, services.keys, services.builder, self._put_off, services.clock, services.chance)
        )

    async def round(self, asks: int, *, inside: bool) -> dict[str, list[float]]:
        """``asks`` asks of mixed phones, over HTTP or ``inside`` this process; their times in seconds, by kind."""
        plan = await self._plan(asks)
        await self._services.recorder.settle()
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        if not inside:
            self._client.close()  # between two rounds the server has hung up on somebody who was silent for so long
            self._client.connect()
        for kind, device, tag, expected in plan:
            started = time.perf_counter()
            status = (await self._answering.ask(MANY, device, tag, None)).status if inside else self._get(device, tag)
            times[kind].append(time.perf_counter() - started)
            if status != expected:
                raise SystemExit(f"an ask ({kind}) was answered {status} instead of {expected}")
        self._put_off.pass_on()
        await self._services.recorder.settle()
        return times

    def _get(self, device: str, tag: str) -> int:
        """The status of an ask over HTTP, once its answer is read."""
        self._client.request("GET", f"/wallet/v1/devices/{device}/registrations/{MANY}?passesUpdatedSince={tag}")
        answer = self._client.getresponse()
        answer.read()
        return answer.status

    async def _plan(self, asks: int) -> list[tuple[str, str, str, int]]:
        """A third of the asks of each kind, in random order: (kind, device id, tag, expected status)."""
        large, before = self.database.large, await self._tag()
        changed = await self._change(min(asks // len(KINDS), large // 20))
        after = await self._tag()
        plan = [("changed", device_id(number), before, 200) for number in changed]
        passes = {serial(number) for number in changed}
        while len(plan) < len(KINDS) * len(changed):
            number = self._chance.randrange(large)
            # A phone with five passes may hold one of those that have just changed.
            if any(serial(number - number % 5 + other) in passes for other in range(-1, 5)):
                continue
            kind, tag = (("newest", after), ("older", before))[len(plan) % 2]
            plan.append((kind, device_id(number), tag, 204))
        self._chance.shuffle(plan)
        return plan

    async def _change(self, count: int) -> list[int]:
        """Change that many passes of one phone each, as a batch would."""
        chosen: dict[int, None] = {}
        while len(chosen) < count:
            number = self._chance.randrange(self.database.large)
            if single(number):
                chosen[number] = None
        numbers = list(chosen)
        for start in range(0, count, CHANGED_AT_ONCE):
            wishes = [
                Wish(MANY, serial(number), data={"points": time.time_ns()}, patch=True)
                for number in numbers[start : start + CHANGED_AT_ONCE]
            ]
            await self._services.issuing.put_many(wishes, "none")
        return numbers

    async def _tag(self) -> str:
        counter = await self._services.store.counter(MANY)
        assert counter is not None
        return write_tag(Tag(counter.epoch, counter.seq), MANY, self._services.keys.tag_key)


async def measure(folder: Folder, databases: Sequence[Database], rounds: int, asks: int) -> dict[str, Any]:
    """Rounds alternate between the sizes, so that what disturbs one disturbs all; figures by size."""
    samples: dict[tuple[int, bool], list[dict[str, list[float]]]] = {}
    async with AsyncExitStack() as stack:
        opened = []
        for database in databases:
            server = stack.enter_context(served(database.config))
            services = await stack.enter_async_context(wiring.opened(database.config))
            opened.append(Asked(database, services, server))
        for one in opened:
            folder.read_through(one.database)
            for inside in (False, True):
                await one.round(asks, inside=inside)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # as the service sets it
        for number in range(2 * rounds):
            inside = number % 2 == 1
            for one in opened if number // 2 % 2 == 0 else reversed(opened):
                samples.setdefault((one.database.size, inside), []).append(await one.round(asks, inside=inside))
    return {
        str(one.size): {**_summary(samples[one.size, False]), "inside": _summary(samples[one.size, True])}
        for one in databases
    }


def _summary(taken: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Percentiles of all asks and of each kind, and every sample, in microseconds."""
    whole = [[sample for times in one.values() for sample in times] for one in taken]
    rows = {"all": whole, **{kind: [one[kind] for one in taken] for kind in KINDS}}
    return {
        **{kind: percentiles(rounds) for kind, rounds in rows.items()},
        "samples_us": [{kind: micro(times) for kind, times in one.items()} for one in taken],
    }
