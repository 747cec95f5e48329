"""Pushes: through the sender alone, beside other senders and what HTTP/2 allows; and with what is around it, from the
claim in the database to the record of the answer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beside import children, null_apns, peers
from beside.device import free_port
from beside.rows import Row
from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage, random_uuid

if TYPE_CHECKING:
    from beside.measures import Bench

AT_ONCE = 1_000
LOTS = 20
"""Of pushes, each to another token. Made before anything is measured, by the peers too: whoever sends gets them."""


def credential(folder: str) -> PushCredential:
    """What the null APNs lets in."""
    chain, key = (Path(folder, name).read_bytes() for name in ("client.pem", "client.key"))
    return PushCredential("bench", null_apns.TOPIC, chain, key, b"")


def messages(count: int) -> list[PushMessage]:
    return [
        PushMessage(os.urandom(32).hex(), null_apns.TOPIC, random_uuid(os.urandom(16)), 1_900_000_000)
        for _ in range(count)
    ]


def accept(answers: list[PushAnswer]) -> int:
    """How many were taken; raises ``SystemExit`` where one was not."""
    refused = [answer for answer in answers if answer.status != 200]
    if refused:
        raise SystemExit(f"a push was answered {refused[0].status} {refused[0].reason}")
    return len(answers)


# ── the rows


def push(bench: Bench, name: str) -> Row:
    """Per second of the sender's CPU: what answers has a core for itself."""
    row, plan, walls = Row(name, "pushes/CPU-s"), bench.plan, []
    commands = {"aioapns": peers.python("aioapns_pushes.py", "aioapns"), "node-apn": peers.node("node_apn.mjs")}
    limits: list[float] = []
    with null_apns.running(free_port()) as apns:
        for _ in range(plan.rounds):
            limits.append(_h2load(apns, int(plan.seconds * 50_000)))
            ours = children.outcome("sender", seconds=plan.seconds, **apns.known_to())
            found = {peer: _peer(command, apns, plan.seconds) for peer, command in commands.items()}
            row.add(ours["per_cpu_second"], **found)
            walls.append(round(ours["per_second"]))
    shares = sorted(ours / limit for ours, limit in zip(row.ours, limits, strict=True))
    row.more = {"per_second": walls, "h2load_per_cpu_second": limits, "share_of_h2load": shares}
    row.note = (
        f"{walls[-1]:,} a second on one core; {shares[len(shares) // 2]:.2f} times what h2load, a load generator, does."
    )
    return row


def dispatch(bench: Bench, name: str) -> Row:
    """The dispatcher over a database and the real sender, one worker; beside the sender alone, per second."""
    database, plan, row = bench.database(name.removeprefix("dispatch-")), bench.plan, Row(name, "pushes/s")
    with null_apns.running(free_port()) as apns:
        for _ in range(plan.rounds):
            alone = children.outcome("sender", seconds=plan.seconds, **apns.known_to())
            bench.folder.make_due(database, plan.due)
            ours = children.outcome("dispatch", due=plan.due, **apns.known_to(), **bench.opened(database))
            if ours["done"] != plan.due:
                raise SystemExit(f"{ours['done']} pushes were sent of {plan.due}")
            row.add(ours["per_second"], sender=alone["per_second"])
    row.note = f"{plan.due:,} due pushes, {database.size:,} registrations."
    return row


def _h2load(apns: null_apns.NullApns, count: int) -> float:
    """Pushes a second of its CPU: one connection, as many at once as ours."""
    program = shutil.which("h2load")
    if program is None:
        raise SystemExit("h2load is not on this machine (Debian: nghttp2-client)")
    body = apns.folder / "payload"
    body.write_bytes(b"{}")
    headers = {
        "apns-topic": null_apns.TOPIC,
        "apns-priority": "10",
        "apns-expiration": "1900000000",
        "apns-id": random_uuid(os.urandom(16)),
    }
    command = [program, "-n", str(count), "-c", "1", "-m", str(AT_ONCE), "-d", str(body)]
    command += [part for key, value in headers.items() for part in ("-H", f"{key}: {value}")]
    before = os.times()
    done = subprocess.run(
        [*command, f"{apns.url}/3/limit/{os.urandom(32).hex()}"],
        capture_output=True,
        text=True,
        **children.pinned(children.MEASURED),
    )
    after = os.times()
    found = re.search(r"(\d+) succeeded", done.stdout)
    if found is None or int(found[1]) != count:
        raise SystemExit(f"h2load: {done.stdout}{done.stderr}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return count / spent


def _peer(command: Sequence[str], apns: null_apns.NullApns, seconds: float) -> float:
    given: dict[str, Any] = {"folder": str(apns.folder), "port": apns.port, "topic": null_apns.TOPIC}
    (apns.folder / "given.json").write_text(json.dumps({**given, "seconds": seconds, "at_once": AT_ONCE, "lots": LOTS}))
    process = subprocess.Popen(
        [*command, str(apns.folder / "given.json")],
        stdout=subprocess.PIPE,
        text=True,
        **children.pinned(children.MEASURED),
    )
    with children.ended(process):
        return float(children.told(process, command[-1])["per_cpu_second"])
