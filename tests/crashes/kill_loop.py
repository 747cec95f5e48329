"""kill -9, again and again: everything acknowledged is there afterwards, and every due push is delivered.

From the command line: ``scripts/kill-loop``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
from concurrency import ledger
from concurrency.nursery import Child, Nursery
from concurrency.office import PASS_TYPE, config, settings, stock
from livepass import wiring
from livepass.core.authorization import fingerprint
from livepass.core.decision import Join, SaveDevice
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.service.drafting import Wish

HOT = [f"hot{number}" for number in range(10)]
COLD = [f"cold{number}" for number in range(40)]
PHONES = 30
"""Phones that follow a hot pass, and so are pushed to all the time."""
WRITERS, PUSHERS = 3, 2
PATIENCE = 120
"""Seconds for what is due to be pushed once nobody is killed any more."""


@dataclass
class Ruins:
    """What was left, and what was wrong with it."""

    kills: dict[str, int]
    changed: int
    joined: int
    pushes: int
    extra: int
    faults: list[str]


async def run(directory: Path, nursery: Nursery, authority: Authority, kills: int, seed: int = 1) -> Ruins:
    """Half of the kills hit writers, half push workers, on a new database of the chosen engine."""
    rng = random.Random(seed)
    ca_file = directory / "ca.crt"
    ca_file.write_bytes(authority.root_pem)
    apns = ApnsServer.under(authority, strict_tokens=False, history_limit=1_000_000)
    async with apns:
        shared = settings(directory, apns_url=apns.url, apns_ca_file=str(ca_file))
        await stock(shared, authority, {PASS_TYPE: [*HOT, *COLD]})
        await _phones(shared)
        children: list[Child] = []
        counts = {"writers": 0, "pushers": 0}
        while sum(counts.values()) < kills:
            role = "writers" if counts["writers"] <= counts["pushers"] else "pushers"
            victim = await asyncio.to_thread(_victim, nursery, shared, children, role, rng)
            await asyncio.sleep(rng.random() * 0.08)
            await asyncio.to_thread(victim.kill)
            counts[role] += 1
        for child in nursery.running():
            await asyncio.to_thread(child.kill)
        faults = await _settle(shared, nursery)
        said = [line for child in children for line in child.said()]
        found = await asyncio.to_thread(_compare, shared, said)
        tokens = [entry.token for entry in apns.history() if entry.status == 200]
    url = shared["database_url"]
    faults += found
    wanted = {row["push_token"] for row in engines.look(url, "SELECT push_token FROM push_target")}
    faults += [f"{len(wanted - set(tokens))} targets were never pushed to"] if wanted - set(tokens) else []
    accepted = engines.look(url, "SELECT target FROM event WHERE kind = 'push_accepted'")
    recorded = Counter(row["target"] for row in accepted)
    unrecorded = Counter({fingerprint(token): count for token, count in Counter(tokens).items()})
    unrecorded.subtract(recorded)
    extra = unrecorded.total()
    if not all(0 <= count <= counts["pushers"] for count in unrecorded.values()):
        worst = unrecorded.most_common(1)[0][1]
        faults.append(f"{worst} pushes of one token were not written down, after {counts['pushers']} kills")
    engines.require_sound(url)
    verified = await wiring.verify(config(shared), sample=60, quick=False)
    faults += [f"{one}" for one in verified.findings]
    words = [line[0] for line in said]
    return Ruins(counts, words.count("changed"), words.count("joined"), len(tokens), extra, faults)


def _victim(nursery: Nursery, shared: Any, children: list[Child], role: str, rng: random.Random) -> Child:
    """One that has begun to work, of those that run; others take the place of those that are gone."""
    running = {child.log: child for child in nursery.running()}
    alive: dict[str, list[Child]] = {"writers": [], "pushers": []}
    for child in children:
        if child.log in running:
            alive[child.role].append(child)  # type: ignore[attr-defined]
    for name, wanted in (("writers", WRITERS), ("pushers", PUSHERS)):
        while len(alive[name]) < wanted:
            if name == "writers":
                arguments = {"name": f"w{len(children)}", "hot": HOT, "cold": COLD}
                child = nursery.start("crashes.kill_roles:writer", settings=shared, **arguments)
            else:
                child = nursery.start("crashes.kill_roles:pusher", settings=shared)
            child.role = name  # type: ignore[attr-defined]
            children.append(child)
            alive[name].append(child)
    victim = rng.choice(alive[role][:-1] or alive[role])
    deadline = time.monotonic() + 60
    while not victim.said() and rng.random() < 0.9:
        assert not victim.ended.is_set(), victim.last_words()
        assert time.monotonic() < deadline, victim.last_words()
        time.sleep(0.01)
    return victim


async def _phones(shared: Any) -> None:
    async with wiring.opened(config(shared)) as services:
        for number in range(PHONES):
            device, token = f"phone{number}", f"{number:064x}"
            writes = [
                SaveDevice(PASS_TYPE, device, token, services.clock.now()),
                Join(PASS_TYPE, device, HOT[number % len(HOT)], services.clock.now(), services.clock.now()),
            ]
            await services.store.write(lambda tx, writes=writes: tx.apply(writes, ()))


async def _settle(shared: Any, nursery: Nursery) -> list[str]:
    """Look what is owed as it was left, let one worker push it; then change everything once more, and that too."""
    url = shared["database_url"]
    faults = ledger.loose_ends(url)
    worker = nursery.start("crashes.kill_roles:pusher", settings=shared)
    for final in (False, True):
        async with wiring.opened(config(shared)) as services:
            if final:
                wishes = [Wish(PASS_TYPE, serial, data={"value": "final"}, patch=True) for serial in (*HOT, *COLD)]
                await services.issuing.put_many(wishes, "now")
            else:
                await services.issuing.push(PASS_TYPE, None)
        deadline = time.monotonic() + PATIENCE
        owed = "SELECT count(*) AS owed FROM push_target WHERE pushed < wanted AND dead_at IS NULL"
        while engines.look(url, owed)[0]["owed"] and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        left = engines.look(url, owed)[0]["owed"]
        faults += [f"{left} pushes are still due"] if left else []
    await asyncio.to_thread(worker.kill)
    return faults


def _compare(shared: Any, said: list[Any]) -> list[str]:
    """What was acknowledged against what is there."""
    url = shared["database_url"]
    faults = []
    registered = {(row["serial"], row["device_id"]) for row in engines.look(url, "SELECT * FROM registration")}
    events = engines.look(url, "SELECT kind, serial, seq FROM event WHERE kind IN ('changed', 'issued', 'registered')")
    changes = {(row["serial"], row["seq"]) for row in events if row["kind"] != "registered"}
    for word, serial, what in (line for line in said if line[0] in ("changed", "joined")):
        if word == "joined" and (serial, what) not in registered:
            faults.append(f"registration {serial} on {what} is gone")
        if word == "changed" and (serial, what) not in changes:
            faults.append(f"change {what} of {serial} is gone")
    [counter] = engines.look(url, f"SELECT seq, began FROM counter WHERE pass_type = '{PASS_TYPE}'")
    taken = {row["seq"] for row in events}
    # The phones of the beginning joined without an event.
    missing = set(range(len(HOT + COLD) + PHONES, counter["seq"] + 1)) - taken
    if missing:
        faults.append(f"numbers without an event: {sorted(missing)[:10]}")
    if counter["began"]:
        faults.append("a new epoch began, though nothing went back in time")
    return faults[:20]


def main() -> int:
    arguments = argparse.ArgumentParser(description="Kill writers and push workers with -9, and look what is left.")
    arguments.add_argument("--count", type=int, default=200, help="kills per engine")
    arguments.add_argument("--engines", default=",".join(engines.ENGINES))
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    worst = 0
    for engine in options.engines.split(","):
        engines.choose(engine)
        with (
            tempfile.TemporaryDirectory(prefix="livepass-kill-") as folder,
            Nursery(Path(folder), "crashes.kill_roles", "livepass.store.postgres") as nursery,
        ):
            ruins = asyncio.run(run(Path(folder), nursery, Authority(), options.count, options.seed))
        print(
            f"{engine}: {ruins.kills} killed, seed {options.seed}: {ruins.changed} changes and {ruins.joined}", end=" "
        )
        print(f"registrations acknowledged, {ruins.pushes} pushes, {ruins.extra} of them extra;", end=" ")
        print("all there" if not ruins.faults else "FAULTS:\n  " + "\n  ".join(ruins.faults))
        worst = max(worst, int(bool(ruins.faults)))
    return worst


if __name__ == "__main__":
    sys.exit(main())
