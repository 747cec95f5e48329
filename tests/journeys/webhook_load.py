"""Many webhooks to receivers in trouble, beside phones and pushes: what they cost these, in turns with and without.

The service runs as processes (``livepass serve`` and one more ``livepass worker``). In every turn passes change at the
same pace, phones register, ask and fetch, and pushes are due; in every other turn endpoints listen for the changes: one
whose receiver is slow, one that answers 500, one that resets connections, one that never answers, and a good one.
From the command line: ``scripts/webhook-load``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx2

import engines
from journeys import hooks
from journeys.service_process import serve, worker
from journeys.test_crashes import change, issuer
from journeys.world import PASS_TYPE, World, until, world
from livepass.emulators.authority import Authority
from service.receiver import read_request

KINDS = ("good", "slow", "failing", "resetting", "silent")
"""Of receivers. Each has a pass type whose changes it is told."""
SLOW_SECONDS = 3.0
CALLS = 6
"""Batches a second in which passes change, each other ones than the few before it."""
SETS = 4
HOT = 20
"""Passes that a phone follows; they change in turn, ``PUSHES`` a second."""
PUSHES = 4
PHONES = {"register": 10, "ask": 20, "fetch": 20}
"""Requests a second."""


@dataclass(frozen=True)
class Plan:
    """``turns`` with endpoints, each of ``seconds``, and as many without. Short ones: other work comes and goes.

    ``rate``: changes a second; ``drain``: seconds for what is left, once all receivers are well.
    """

    seconds: float = 5.0
    turns: int = 12
    rate: int = 300
    drain: float = 60.0


@dataclass
class Measured:
    """Seconds that each request took from when it was due; what was answered; what of changes was acknowledged."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    processor: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    @property
    def per_second(self) -> float:
        """Changes."""
        return self.changed.total() / self.seconds

    def quantile(self, what: str, share: float) -> float:
        ordered = sorted(self.took[what])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Found:
    """``told``: messages that were answered 2xx, ``kept``: that will be tried again; ``failed``: neither.

    ``lost``: which changes are none of these.
    """

    without: Measured
    within: Measured
    told: int
    kept: int
    failed: int
    lost: list[str]
    good_at_once: float
    """The share of the good endpoint's messages that were told by the end of its turns."""
    per_second: float
    """Messages told once all receivers were well."""

    def ratio(self, what: str, share: float) -> float:
        return self.within.quantile(what, share) / self.without.quantile(what, share)


class Receivers:
    """One for each of ``KINDS``, by path, until ``healed``."""

    def __init__(self) -> None:
        self.healed = asyncio.Event()
        self.came: dict[str, set[str]] = defaultdict(set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            kind = request.path.strip("/")
            self.came[kind].add(request.headers["webhook-id"])
            status = "204 No Content" if await self._well(kind, writer) else "500 Internal Server Error"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _well(self, kind: str, writer: asyncio.StreamWriter) -> bool:
        if self.healed.is_set() or kind == "good":
            return True
        if kind == "resetting":
            writer.transport.abort()
        elif kind != "failing":
            with suppress(TimeoutError):
                await asyncio.wait_for(self.healed.wait(), SLOW_SECONDS if kind == "slow" else None)
        return kind != "failing"


def type_of(kind: str) -> str:
    return f"pass.test.{kind}"


async def paced(per_second: float, seconds: float, once: Callable[[float], Awaitable[None]]) -> None:
    """Begin so many a second, whether or not the one before is done; ``once`` gets the instant at which it was due."""
    began, going = time.perf_counter(), []
    for number in range(round(per_second * seconds)):
        due = began + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        going.append(asyncio.create_task(once(due)))
    await asyncio.gather(*going)


class Load:
    """What goes on in every turn."""

    def __init__(self, made: World, api: httpx2.AsyncClient, phones: httpx2.AsyncClient) -> None:
        self._world = made
        self._api = api
        self._phones = phones
        self._numbers, self._changes, self._pushes = count(1), count(1), count(2)
        self._changing = asyncio.Lock()
        self._tag = ""

    async def prepare(self, rate: int) -> None:
        for kind in KINDS:
            await self._world.certify(type_of(kind))
        self._each = rate // CALLS // len(KINDS)
        for _ in range(SETS):
            await self._change(0.0, Measured())
        for number in range(HOT):
            await self._world.issue(f"hot{number}", 1)
            await self._world.issue(f"lobby{number}", 1)
            token = f"{number:064x}"
            self._world.apns.register_device(token, [PASS_TYPE])
            assert await self._world.register(self._phones, f"hot-phone-{number}", f"hot{number}", token) == 201
        self._header = await self._world.authorization("lobby0")

    async def turn(self, seconds: float, into: Measured) -> None:
        began = time.perf_counter()
        await asyncio.gather(
            paced(CALLS, seconds, lambda due: self._change(due, into)),
            paced(PUSHES, seconds, lambda due: self._push(due, into)),
            *(
                paced(rate, seconds, lambda due, what=what: self._phone(what, due, into))  # type: ignore[misc]
                for what, rate in PHONES.items()
            ),
        )
        into.seconds += time.perf_counter() - began

    async def _change(self, due: float, into: Measured) -> None:
        """Passes of all kinds at once. Left out where the one before is not done: a queue of ours would be measured."""
        if self._changing.locked():
            return
        async with self._changing:
            await self._change_all(into)
        into.took["change"].append(time.perf_counter() - due)

    async def _change_all(self, into: Measured) -> None:
        points = next(self._changes)
        lines = [
            {
                "pass_type": type_of(kind),
                "serial": f"{points % SETS}-{n}",
                "template": "membership",
                "data": {"points": points},
            }
            for kind in KINDS
            for n in range(self._each)
        ]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        answer = await self._api.post(
            "/passes:batch", content=body, headers={"Content-Type": "application/x-ndjson"}, timeout=60
        )
        for line in map(json.loads, answer.text.splitlines()):
            if not line.get("ok"):
                into.wrong.append(f"a change was refused: {line['problem']['title']}")
                continue
            into.changed[line["pass_type"]] += line.get("changed", False)

    async def _push(self, due: float, into: Measured) -> None:
        """From a change to the push of it at APNs."""
        points = next(self._pushes)
        one = points % HOT
        token, mark = f"{one:064x}", self._world.mark()
        await change(self._api, f"hot{one}", points, "now")
        try:
            await until(lambda: self._world.pushed(mark, token), "it is pushed", seconds=30)
        except AssertionError:
            into.wrong.append("a change was not pushed within 30 s")
        into.took["push"].append(time.perf_counter() - due)

    async def _phone(self, what: str, due: float, into: Measured) -> None:
        number = next(self._numbers)
        if what == "register":
            status = await self._world.register(
                self._phones, f"phone-{number}", f"lobby{number % HOT}", f"{number:064x}"
            )
        elif what == "ask":
            path = f"/v1/devices/hot-phone-{number % HOT}/registrations/{PASS_TYPE}"
            answer = await self._phones.get(path, params={"passesUpdatedSince": self._tag} if self._tag else {})
            status = answer.status_code
            if status == 200:
                self._tag = answer.json()["lastUpdated"]
        else:
            status = (await self._phones.get(f"/v1/passes/{PASS_TYPE}/lobby0", headers=self._header)).status_code
        if status not in (200, 201, 204):
            into.wrong.append(f"{what} was answered {status}")
        into.took[what].append(time.perf_counter() - due)


@contextmanager
def _processor(*pids: int) -> Iterator[list[float]]:
    """Seconds of processor time that processes take meanwhile."""
    before, spent = [_cpu(pid) for pid in pids], list[float]()
    yield spent
    spent += [_cpu(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def run(directory: Path, authority: Authority, plan: Plan) -> Found:
    to = Receivers()
    async with world(directory, authority, elsewhere=True) as made:
        hooks.allow(made)
        server = await asyncio.start_server(to.serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, serve(made) as service, worker(made) as other, issuer(made) as api, made.client() as phones:
            load = Load(made, api, phones)
            await load.prepare(plan.rate)
            ids = [
                await hooks.add(api, f"{address}/{kind}", "pass.changed", pass_types=[type_of(kind)]) for kind in KINDS
            ]
            without, within = Measured(), Measured()
            for turn in range(2 * plan.turns):
                listening = turn % 2 == 1
                for id_ in ids:
                    answer = await api.patch(f"/webhook-endpoints/{id_}", json={"enabled": listening})
                    assert answer.status_code == 200, answer.text
                into = within if listening else without
                with _processor(service.pid, other.pid, os.getpid()) as spent:
                    await load.turn(plan.seconds, into)
                into.processor = [a + b for a, b in zip(into.processor, spent, strict=True)]
            good = _standing(made, ids[0])
            to.healed.set()
            before, began = sum(_standing(made, id_)[0] for id_ in ids), time.perf_counter()
            await _drained(made, plan.drain)
            drained = (sum(_standing(made, id_)[0] for id_ in ids) - before) / (time.perf_counter() - began)
            lost = _lost(made, to, ids, within)
        told, kept, failed = (sum(each) for each in zip(*(_standing(made, id_) for id_ in ids), strict=True))
    return Found(without, within, told, kept, failed, lost, good[0] / sum(good), drained)


def _standing(made: World, id_: str) -> tuple[int, int, int]:
    """Messages of an endpoint: told, kept, failed."""
    of = "SELECT count(*) FROM webhook_message WHERE endpoint = ?"
    return tuple(  # type: ignore[return-value]
        made.sql(f"{of} {which}", id_)[0][0]
        for which in ("AND ok = 1", "AND next_at IS NOT NULL", "AND ok = 0 AND next_at IS NULL")
    )


async def _drained(made: World, seconds: float) -> None:
    """Until nothing is due, or for so long."""
    due = "SELECT count(*) FROM webhook_message WHERE next_at <= ?"
    with suppress(AssertionError):
        await until(lambda: made.sql(due, round(time.time() * 1000)) == [(0,)], seconds=seconds)


def _lost(made: World, to: Receivers, ids: Sequence[str], within: Measured) -> list[str]:
    """What of the changes that were acknowledged is neither told nor kept."""
    lost = []
    for kind, id_ in zip(KINDS, ids, strict=True):
        rows = made.sql("SELECT id, ok FROM webhook_message WHERE endpoint = ?", id_)
        if len(rows) != within.changed[type_of(kind)]:
            lost.append(f"{kind}: {within.changed[type_of(kind)]} changes, {len(rows)} messages")
        if unheard := {one for one, ok in rows if ok} - to.came[kind]:
            lost.append(f"{kind}: {len(unheard)} messages count as told, and never came")
    return lost


def table(found: Found) -> str:
    lines = ["| | without p50 | p99 ms | with p50 | p99 ms |", "|---|--:|--:|--:|--:|"]
    for what in (*PHONES, "push", "change"):
        cells = [
            f"{1000 * each.quantile(what, share):.0f}"
            for each in (found.without, found.within)
            for share in (0.5, 0.99)
        ]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    for name, each in (("without", found.without), ("with", found.within)):
        cpu = ", ".join(f"{spent / each.seconds:.2f}" for spent in each.processor)
        lines.append(f"{name}: {each.per_second:.0f} changes a second; CPU of serve, worker, load: {cpu}")
        lines += [f"- {count} times: {what}" for what, count in Counter(each.wrong).most_common(5)]
    lines.append(
        f"messages: {found.told} told, {found.kept} kept, {found.failed} failed; "
        f"of the good endpoint's {found.good_at_once:.0%} were told by the end; then {found.per_second:.0f} a second"
    )
    return "\n".join(lines)


def main() -> int:
    arguments = argparse.ArgumentParser(description="Webhooks to receivers in trouble, beside phones and pushes.")
    arguments.add_argument("--engines", default=",".join(engines.ENGINES))
    arguments.add_argument("--seconds", type=float, default=Plan.seconds, help="of each turn (default 5)")
    arguments.add_argument("--turns", type=int, default=Plan.turns, help="with webhooks, and without (default 12)")
    arguments.add_argument("--rate", type=int, default=Plan.rate, help="changes a second (default 300)")
    options = arguments.parse_args()
    worst = 0
    for engine in options.engines.split(","):
        engines.choose(engine)
        with tempfile.TemporaryDirectory(prefix="livepass-load-") as folder:
            found = asyncio.run(run(Path(folder), Authority(), Plan(options.seconds, options.turns, options.rate)))
        print(f"## {engine}\n{table(found)}", *found.lost, sep="\n", flush=True)
        worst = max(worst, int(bool(found.lost or found.failed)))
    return worst


if __name__ == "__main__":
    sys.exit(main())
