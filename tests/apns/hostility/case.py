"""One row of the table, and the judge who plays it.

Whatever the row says, three things always hold: a push is *accepted* only if a 200 was sent for it, it has an error of
APNs only if that very error was sent for it, and nothing is left over afterwards.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from apns.hostility import octets, steps
from apns.hostility.server import Link, Port, Step
from apns.peer import message
from livepass.apns import ApnsSender, Patience
from livepass.core.trip2_push import PushAnswer, PushCredential
from livepass.emulators.authority import Authority

SLACK = Patience(busy=8.0, reply=8.0, connect=8.0, farewell=0.5, again=0.05)
"""For rows whose peer is not silent: a busy machine must not look like one."""

QUICK = Patience(busy=0.3, reply=0.4, connect=1.0, farewell=0.3, again=0.05)
"""For rows that are about silence."""

RECOVERY = 3
"""Pushes that are sent once the peer is healthy."""


class End(Enum):
    """What becomes of the hostile connection. A number in its place: our GOAWAY has this code."""

    KEPT = "kept"
    LEFT = "left"


FATES: Mapping[str, tuple[int, str]] = {
    "a": (200, ""),  # accepted, and sent once
    "r": (200, ""),  # sent again, and accepted then
    "d": (410, "Unregistered"),  # dead, and sent once
    "b": (400, "BadDeviceToken"),
    "t": (0, "Timeout"),
    "l": (0, "ConnectionLost"),
    "u": (0, "Unreachable"),
    "p": (0, "ProtocolError"),
    # x: the row's verdict
}


@dataclass(frozen=True)
class Case:
    """One row. ``fates`` has a letter of :data:`FATES` per push."""

    name: str
    rule: str
    """Where it is written: a section of RFC 9113, or apns.md."""
    steps: Sequence[Step]
    fates: str = "aaaaaa"
    end: End | int = End.KEPT
    resets: Mapping[int, int] = field(default_factory=dict)
    """Push → the code of our RST_STREAM."""
    verdict: tuple[int, str] = (0, "")
    deadline: float = 10.0
    patience: Patience = SLACK
    always: bool = False
    """Every connection meets the steps, until the pushes had their answers; else only the first."""
    links: int = 0
    """The most connections. 0: one if it is kept, else two."""
    attempts: int = 1
    """The most sends until all of one are accepted, once the peer is healthy."""
    most: int = 1000
    """The most streams that may be open at once on the first connection (counted from ``measure`` on)."""


async def play(case: Case, authority: Authority, credential: PushCredential) -> list[str]:
    """What was wrong, in words; empty when all was right."""
    if not steps.AUTHORITY:
        steps.AUTHORITY.append(authority)
    healed = False

    def script(number: int) -> Sequence[Step]:
        return steps.HEALTHY if healed or (number and not case.always) else (*case.steps, steps.serve)

    before = _census()
    port = Port(script)
    faults = port.faults
    sender = ApnsSender(
        f"https://127.0.0.1:{port.number}",
        ca_pem=authority.root_pem,
        deadline=case.deadline,
        patience=case.patience,
        draw=lambda: 0.0,
    )
    try:
        answers = await _send(sender, credential, range(len(case.fates)), faults)
        healed = True
        await _recover(sender, credential, port, case, faults)
        stats = next(iter(sender.stats().values()))
        if stats.in_flight or stats.waiting:
            faults.append(f"left over: {stats}")
        await sender.close()
        for _ in range(100):  # the other end of what we closed is a thread
            if not any(link.thread.is_alive() for link in port.links):
                break
            await asyncio.sleep(0.01)
    finally:
        with suppress(RuntimeError):
            await sender.close()
        await asyncio.to_thread(port.close)
    faults += truth(answers, port, {case.verdict})
    faults += _fates(case, answers, port)
    if port.links:
        faults += _link(case, port.links)
    # The to_thread of a context or of this close may still hold its end of something.
    for _ in range(50):
        after = _census()
        if after == before:
            break
        await asyncio.sleep(0.01)
    else:
        faults.append(f"sockets and tasks before: {before}, after: {after}")
    return faults


async def _send(
    sender: ApnsSender, credential: PushCredential, pushes: Sequence[int], faults: list[str]
) -> dict[int, PushAnswer]:
    """Answers by push. Each must have exactly one."""
    answers: dict[int, PushAnswer] = {}

    def answered(answer: PushAnswer) -> None:
        push = int(answer.message.push_token, 16)
        if push in answers:
            faults.append(f"push {push} was answered twice")
        answers[push] = answer

    await asyncio.wait_for(sender.send(credential, [message(push) for push in pushes], answered), 30)
    if set(answers) != set(pushes):
        faults.append(f"never answered: {sorted(set(pushes) - set(answers))}")
    return answers


async def _recover(sender: ApnsSender, credential: PushCredential, port: Port, case: Case, faults: list[str]) -> None:
    for attempt in range(1, case.attempts + 1):
        first = 1000 * attempt
        answers = await _send(sender, credential, range(first, first + RECOVERY), faults)
        faults += truth(answers, port, {case.verdict})
        if all(answer.status == 200 for answer in answers.values()):
            return
        await asyncio.sleep(0.1)
    told = sorted({(answer.status, answer.reason) for answer in answers.values()})
    faults.append(f"no recovery in {case.attempts} sends: {told}")


def truth(answers: Mapping[int, PushAnswer], port: Port, verdicts: Collection[tuple[int, str]]) -> list[str]:
    """Answers of APNs that it never gave. ``verdicts`` are those that a farewell gives to all pushes."""
    return [
        f"push {push} has {answer.status} {answer.reason!r}, but was told {port.said[push] or 'nothing'}"
        for push, answer in answers.items()
        if answer.status and (answer.status, answer.reason) not in {*port.said[push], *verdicts}
    ]


def _fates(case: Case, answers: Mapping[int, PushAnswer], port: Port) -> list[str]:
    faults = []
    for push, fate in enumerate(case.fates):
        answer, times = answers[push], len(port.heard[push])
        if (answer.status, answer.reason) != FATES.get(fate, case.verdict):
            faults.append(f"push {push} has {answer.status} {answer.reason!r}, not fate {fate!r}")
        if (fate in "adb" and times != 1) or (fate == "r" and times < 2):
            faults.append(f"push {push} of fate {fate!r} was sent {times} times")
        if answer.timestamp != (steps.TIMESTAMP if fate == "d" else None):
            faults.append(f"push {push} has the timestamp {answer.timestamp}")
    return faults


def _link(case: Case, links: Sequence[Link]) -> list[str]:
    """The hostile connection, which is the first, and how many there were."""
    faults = []
    link = links[0]
    most = case.links or (1 if case.end is End.KEPT else 2)
    if len(links) > most:
        faults.append(f"{len(links)} connections, not {most}")
    recovered_here = any(push >= 1000 for push in link.pushes.values())
    if recovered_here != (case.end is End.KEPT):
        faults.append(f"the hostile connection was {'kept' if recovered_here else 'left'}, not {case.end}")
    codes = [int.from_bytes(frame.payload[4:8], "big") for frame in link.frames if frame.kind == octets.GOAWAY]
    wanted = case.end if isinstance(case.end, int) else octets.NO_ERROR
    if (codes and codes != [wanted]) or (wanted and not codes):
        faults.append(f"our GOAWAY has {codes}, not {wanted}")
    resets = {
        link.pushes[frame.stream]: int.from_bytes(frame.payload, "big")
        for frame in link.frames
        if frame.kind == octets.RST_STREAM
    }
    if resets != dict(case.resets):
        faults.append(f"our RST_STREAM {resets}, not {dict(case.resets)}")
    if link.most > case.most:
        faults.append(f"{link.most} streams at once, not {case.most}")
    return faults


def _census() -> tuple[int, int]:
    """Sockets that are open in this process, and unfinished tasks."""
    sockets = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            sockets += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return sockets, len(asyncio.all_tasks())
