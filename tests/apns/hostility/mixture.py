"""Conversations at random: steps of the table's rows, between correct answers, in an order that only a seed knows.

No row says what becomes of these pushes, but the rules of all rows hold: one answer each, none that was not given,
recovery, and nothing left over. From the command line: ``scripts/http2-hostility``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from apns.conftest import credential_of
from apns.hostility import octets, steps
from apns.hostility.case import Conversation, End, census, leaks
from apns.hostility.farewells import CONDEMNED, MET
from apns.hostility.server import IN_VAIN, Link, Port, Step
from apns.hostility.table import CASES
from apns.peer import TOPIC
from livepass.core.trip2_push import PushCredential
from livepass.emulators.authority import Authority

PUSHES = 8
ATTEMPTS = 6
"""The most sends until one is accepted as a whole. Each may find another kind of trouble that was left over."""

AT_ONCE = 12
"""Conversations side by side: they mostly wait."""

PHRASES = {"send", "on", "answer", "refuse", "goaway", "close", "close_properly", "reset"}
"""Steps of rows that say something and wait for nothing."""

WEIGHTS = {End.KEPT: 12, End.LEFT: 2}
"""How often a step of a row is taken, by the end of that row. What breaks the protocol: 1."""


def _vocabulary() -> Iterator[tuple[str, Step, int]]:
    for case in CASES:
        if tuple(case.steps[: len(MET)]) == MET:
            for step in case.steps[len(MET) :]:
                if step.__qualname__.split(".")[0] in PHRASES:
                    yield case.name, step, WEIGHTS.get(case.end, 1) if isinstance(case.end, End) else 1


VOCABULARY = list(_vocabulary())
TAILS = [steps.serve, steps.serve_all, steps.serve_all, steps.close, steps.reset, steps.silent, steps.mute]
GREETINGS = [(), ((octets.STREAMS, 3),), ((octets.WINDOW, 0),), ((octets.TABLE, 0),), ((octets.FRAME_SIZE, 20_000),)]


def conversation(rng: random.Random) -> tuple[list[str], list[Step]]:
    """The steps for one connection, and in words what is in them."""
    words, said = [], []
    for _ in range(rng.randint(2, 25)):
        if rng.random() < 0.4:
            push = rng.randrange(PUSHES)
            words.append(f"answer {push}")
            said.append(steps.dead(push) if rng.random() < 0.2 else steps.answer(push))
        else:
            [(name, step, _)] = rng.choices(VOCABULARY, [weight for _, _, weight in VOCABULARY])
            words.append(name)
            said.append(step)
    tail = rng.choice(TAILS)
    words.append(tail.__name__)
    beginning = [steps.tls(), steps.greet(*rng.choice(GREETINGS)), _listen]
    return words, [*beginning, *map(_if_there, said), tail]


def _listen(link: Link) -> None:
    """Take the requests that come, and do not wait for more than come."""
    link.socket.settimeout(0.1)
    with suppress(TimeoutError):
        link.read(lambda: len(link.pushes) >= PUSHES)
    link.socket.settimeout(IN_VAIN)
    link.spared = max(link.pushes, default=0)


def _if_there(step: Step) -> Step:
    def guarded(link: Link) -> None:
        with suppress(KeyError):  # a push that this connection never heard of
            step(link)

    return guarded


# -- what was shown on a stream, read from the octets that were sent: more than an answer, never less

STATUSES = re.compile(rb"[\x88\x89\x8c-\x8e]|\x08\x03([0-9]{3})")
REASONS = re.compile(rb'"reason":"(\w+)"')


def shown(port: Port) -> dict[int, tuple[set[int], set[str]]]:
    """Push → the statuses and reasons that stood in any frame on a stream of its."""
    table = {0x88: 200, 0x89: 204, 0x8C: 400, 0x8D: 404, 0x8E: 500}
    seen: dict[int, tuple[set[int], set[str]]] = {}
    for link in port.links:
        rest, bodies = b"".join(link.sent), dict.fromkeys(link.pushes, b"")
        while len(rest) >= 9:
            size, kind, stream = int.from_bytes(rest[:3], "big"), rest[3], int.from_bytes(rest[5:9], "big")
            payload, rest = rest[9 : 9 + size], rest[9 + size :]
            if stream not in link.pushes:
                continue
            statuses, reasons = seen.setdefault(link.pushes[stream], (set(), set()))
            if kind in (octets.HEADERS, octets.CONTINUATION):
                statuses |= {int(found[1]) if found[1] else table[found[0][0]] for found in STATUSES.finditer(payload)}
            elif kind == octets.DATA:
                bodies[stream] += payload
                reasons |= {found.decode() for found in REASONS.findall(bodies[stream])}
    return seen


async def converse(seed: int, number: int, authority: Authority, credential: PushCredential) -> list[str]:
    """One conversation. Its faults begin with what gives it again."""
    rng = random.Random(f"{seed}/{number}")
    scripts = [conversation(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
    talk = Conversation(authority, credential)

    def script(connection: int) -> Sequence[Step]:
        return scripts[connection][1] if connection < len(scripts) else steps.HEALTHY

    await talk.run(script, PUSHES, ATTEMPTS)
    seen = shown(talk.port)
    for push, answer in talk.answers.items():
        statuses, reasons = seen.get(push, (set(), set()))
        given = answer.status in statuses and (not answer.reason or answer.reason in reasons)
        if answer.status and not given and (answer.status, answer.reason) not in CONDEMNED:
            talk.faults.append(f"push {push} has {answer.status} {answer.reason!r}, but was shown {statuses} {reasons}")
    how = f"--seed {seed} --only {number}"
    return [how, *(" / ".join(words) for words, _ in scripts), *talk.faults] if talk.faults else []


async def run(
    seed: int,
    numbers: Sequence[int],
    authority: Authority,
    credential: PushCredential,
    tell: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """All of them, some at a time. Returns the faults."""
    before = census()
    left = iter(numbers)
    faults: list[str] = []

    async def worker() -> None:
        for number in left:
            found = await converse(seed, number, authority, credential)
            faults.extend(found)
            if found:
                tell("\n  ".join(found))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return faults + await leaks(before)


def main() -> int:
    arguments = argparse.ArgumentParser(description="Talk to the APNs client at random, seldom as one should.")
    arguments.add_argument("--conversations", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--only", type=int, help="the number of one conversation")
    options = arguments.parse_args()
    numbers = range(options.conversations) if options.only is None else [options.only]
    authority = Authority()
    credential = credential_of(authority.pass_certificate(TOPIC))
    print(f"seed {options.seed}, {len(numbers)} conversations", flush=True)
    faults = asyncio.run(run(options.seed, numbers, authority, credential, lambda text: print(text, flush=True)))
    print("FAULTS" if faults else "each push was answered once and truly, and all recovered")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
