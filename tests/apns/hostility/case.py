"""One row of the table, and the judge who plays it.

Whatever the row says, three things always hold: a push is *accepted* only if a 200 was sent for it, it has an error of
APNs only if that very error was sent for it, and nothing is left over afterwards.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
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

QUICK = Patience(busy=0.4, reply=2.0, connect=2.0, farewell=0.3, again=0.05)
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
    before = census()
    talk = Conversation(authority, credential, case.patience, case.deadline)
    hostile = (*case.steps, steps.serve)
    await talk.run(
        lambda number: hostile if case.always or not number else steps.HEALTHY, len(case.fates), case.attempts
    )
    faults = talk.faults + talk.lies({case.verdict}) + _fates(case, talk.answers, talk.port)
    if talk.port.links:
        faults += _link(case, talk.port.links)
    return faults + await leaks(before)


class Conversation:
    """Pushes to a hostile port, and then to the same port when it is healthy. ``faults`` are those seen on the way."""

    def __init__(
        self, authority: Authority, credential: PushCredential, patience: Patience = QUICK, deadline: float = 1.0
    ) -> None:
        if not steps.AUTHORITY:
            steps.AUTHORITY.append(authority)
        self._credential = credential
        self.port = Port(lambda number: steps.HEALTHY)
        self.faults = self.port.faults
        self.answers: dict[int, PushAnswer] = {}
        """By push: those of the hostile time, and from 1000 on those of recovery."""
        self._sender = ApnsSender(
            f"https://127.0.0.1:{self.port.number}",
            ca_pem=authority.root_pem,
            deadline=deadline,
            patience=patience,
            draw=lambda: 0.0,
        )

    async def run(self, script: Callable[[int], Sequence[Step]], pushes: int, attempts: int) -> None:
        """``script`` is for the n-th connection while the port is hostile."""
        self.port.script = script
        try:
            await self._send(range(pushes))
            self.port.script = lambda number: steps.HEALTHY
            await self._recover(attempts)
            await self._settle()
        finally:
            await self._sender.close()
            for _ in range(100):  # the other end of what we closed is a thread, which has more to read
                if not any(link.thread.is_alive() for link in self.port.links):
                    break
                await asyncio.sleep(0.01)
            await asyncio.to_thread(self.port.close)

    async def _send(self, pushes: Sequence[int]) -> bool:
        """Whether all were accepted. Each must have exactly one answer."""
        mine: list[PushAnswer] = []
        await asyncio.wait_for(self._sender.send(self._credential, [message(push) for push in pushes], mine.append), 30)
        for answer in mine:
            self.answers[int(answer.message.push_token, 16)] = answer
        answered = sorted(int(answer.message.push_token, 16) for answer in mine)
        if answered != list(pushes):
            self.faults.append(f"pushes {list(pushes)}, answers for {answered}")
        return all(answer.status == 200 for answer in mine)

    async def _recover(self, attempts: int) -> None:
        for attempt in range(1, attempts + 1):
            if await self._send(range(1000 * attempt, 1000 * attempt + RECOVERY)):
                return
            await asyncio.sleep(0.1)
        self.faults.append(f"no recovery in {attempts} sends")

    async def _settle(self) -> None:
        """Soon nothing is under way, and what was left is closed, while the sender lives on."""
        for _ in range(300):
            stats = next(iter(self._sender.stats().values()))
            if not (stats.in_flight or stats.waiting or stats.connecting or stats.draining) and stats.open == 1:
                return
            await asyncio.sleep(0.01)
        self.faults.append(f"left over: {stats}")

    def lies(self, verdicts: Collection[tuple[int, str]]) -> list[str]:
        """Answers of APNs that it never gave. ``verdicts`` are those that a farewell gives to all pushes."""
        said = self.port.said
        return [
            f"push {push} has {answer.status} {answer.reason!r}, but was told {said[push] or 'nothing'}"
            for push, answer in self.answers.items()
            if answer.status and (answer.status, answer.reason) not in {*said[push], *verdicts}
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
    if case.patience is QUICK:
        most += 2  # a busy machine may look like a silent one
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


def census() -> tuple[int, int]:
    """Sockets that are open in this process, and unfinished tasks."""
    sockets = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            sockets += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return sockets, len(asyncio.all_tasks())


async def leaks(before: tuple[int, int]) -> list[str]:
    """What is there beyond a census of ``before``. Threads may take a moment to let go."""
    for _ in range(50):
        if census() == before:
            return []
        await asyncio.sleep(0.01)
    return [f"sockets and tasks before: {before}, after: {census()}"]
