"""What processes of their own do to one database: change passes, and claim and record pushes.

``together`` starts them, lets them begin at the same moment, and adds up what they did.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scaling.databases import MANY, Database, Folder, serial
from scaling.figures import percentile

from livepass import wiring
from livepass.core import budget, trip2_push
from livepass.core.decision import PassVersion
from livepass.core.model import DEFAULT_TENANT
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from livepass.core.unavailable import Unavailable
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued
from livepass.service.pushing import CLAIM, LEASE_MS, Dispatcher
from livepass.service.seams import Tx

# ── one process


async def child(role: str, folder: Folder, given: Mapping[str, Any]) -> dict[str, Any]:
    """Do one role's work; answers how much was done between two instants, and how long each call took."""
    async with wiring.opened(folder.config(given["url"])) as services:
        work = await ROLES[role](services, given)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began, done, refused, times = time.time(), 0, 0, []
        until = time.monotonic() + given.get("seconds", 1e9)
        while time.monotonic() < until:
            started = time.perf_counter()
            try:
                count = await work()
            except Unavailable:
                refused += 1
                continue
            if count == 0:
                break
            times.append(time.perf_counter() - started)
            done += count
        return {"began": began, "ended": time.time(), "done": done, "refused": refused, "times": times}


Work = Callable[[], Awaitable[int]]
"""One call; answers how many passes or pushes it did, 0: there is nothing left."""


async def put(services: wiring.Services, given: Mapping[str, Any]) -> Work:
    """``Issuing.put`` (or ``put_many``) of passes that nobody else changes: drafted, stored, durable."""
    chance = random.Random(given["number"])

    async def work() -> int:
        wishes = [Wish(MANY, one, data={"points": time.time_ns()}, patch=True) for one in _own(chance, given)]
        results = await services.issuing.put_many(wishes)
        if not all(isinstance(result, Issued) and result.changed for result in results):
            raise SystemExit("bench/scale: a pass was refused, or did not change")
        return len(wishes)

    return work


async def store(services: wiring.Services, given: Mapping[str, Any]) -> Work:
    """The transaction alone that stores drafts: what ``Issuing`` does between its locks and the commit."""
    chance = random.Random(given["number"])
    prepared = [await _prepared(services, _own(chance, given)) for _ in range(3 if given["at_once"] > 1 else 200)]

    async def work() -> int:
        versions = chance.choice(prepared)
        now, serials = services.clock.now(), [version.row.serial for version in versions]

        async def unit(tx: Tx) -> None:
            await tx.pass_identities(MANY, serials)
            await tx.template(DEFAULT_TENANT, "bench", None)
            await tx.counter(MANY)
            await tx.followed_by(MANY, serials)
            await tx.put_passes(MANY, versions, now=now, push_at=now, urgent=False)

        await services.store.write(unit)
        return len(versions)

    return work


async def _prepared(services: wiring.Services, serials: Sequence[str]) -> list[PassVersion]:
    versions = []
    for one in serials:
        row = await services.store.pass_(MANY, one)
        assert row is not None
        detail = {"fields": [{"key": "points", "old": 1, "new": 2}], "lock_screen": "Now 2"}
        event = Event(Kind.CHANGED, services.clock.now(), MANY, one, seq=TAKEN, detail=detail)
        versions.append(PassVersion(replace(row, edit=row.edit + 1), True, event))
    return versions


def _own(chance: random.Random, given: Mapping[str, Any]) -> list[str]:
    """Serials of passes that this process alone changes."""
    found: dict[str, None] = {}
    while len(found) < given["at_once"]:
        number = chance.randrange(given["large"])
        if number % 50 != 29 and number % given["processes"] == given["number"]:
            found[serial(number)] = None
    return list(found)


async def claim(services: wiring.Services, given: Mapping[str, Any]) -> Work:
    """Claim 500 due pushes and record that APNs took them, as the dispatcher does; nothing is decided or sent."""

    async def work() -> int:
        lease, now = services.chance.token_bytes(8).hex(), services.clock.now()
        targets = await services.store.write(
            lambda tx: tx.claim_targets(MANY, lease=lease, now=now, lease_until=now + LEASE_MS, limit=CLAIM)
        )
        outcomes = [
            trip2_push.read_answer(
                target,
                PushAnswer(trip2_push.message(target, "", now), 200, "", None, ""),
                now,
                0.5,
                trust_token_errors=True,
            )
            for target in targets
        ]
        await services.store.write(lambda tx: tx.record_outcomes(lease, outcomes, now))
        return len(targets)

    return work


class NullSender:
    """``service.seams.Sender``: everything is accepted at once."""

    async def send(
        self,
        credential: PushCredential,
        messages: Sequence[PushMessage],
        answered: Callable[[PushAnswer], None],
    ) -> None:
        for message in messages:
            answered(PushAnswer(message, 200, "", None, message.apns_id))

    async def retire(self, credential_id: str) -> None: ...

    async def close(self) -> None: ...


async def dispatch(services: wiring.Services, given: Mapping[str, Any]) -> Work:
    """The dispatcher itself before a sender that accepts everything, and with no pace to keep."""
    unhurried = budget.Pace(rate=20_000, moved_at=float("inf"))
    dispatcher = Dispatcher(
        *(services.store, NullSender(), services.builder, services.clock, services.chance, services.scheduler),
        services.due,
        pace=unhurried,
    )
    return dispatcher.work_once


ROLES = {"put": put, "store": store, "claim": claim, "dispatch": dispatch}


# ── several at once


def together(role: str, folder: Folder, database: Database, processes: int, **given: Any) -> dict[str, Any]:
    """Start them, let them begin at once, and answer what they did together."""
    shared = {"url": database.config.database_url, "large": database.large, "processes": processes, **given}
    children = [
        subprocess.Popen(
            [sys.executable, sys.argv[0], "--child", role, str(folder.path), json.dumps({**shared, "number": number})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    try:
        for one in children:
            assert one.stdout is not None
            if one.stdout.readline().strip() != "ready":
                raise SystemExit(f"bench/scale: a process that was to {role} did not come up")
        for one in children:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [json.loads(one.stdout.readline()) for one in children if one.stdout is not None]
    finally:
        for one in children:
            one.kill()
            one.wait()
    return _added_up(said)


def _added_up(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per second from the first beginning to the last end, and the time of a call in milliseconds."""
    times = [seconds for one in said for seconds in one["times"]]
    done = sum(one["done"] for one in said)
    seconds = max(one["ended"] for one in said) - min(one["began"] for one in said)
    return {
        "per_second": round(done / seconds),
        "done": done,
        "seconds": round(seconds, 2),
        "p50_ms": round(1000 * percentile(times, 0.5), 2),
        "p99_ms": round(1000 * percentile(times, 0.99), 2),
        "refused": sum(one["refused"] for one in said),
        "samples_ms": [[round(1000 * seconds, 2) for seconds in one["times"]] for one in said],
    }
