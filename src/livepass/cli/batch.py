"""``livepass pass batch``: a file of passes, as long as it may be, a line each.

It is sent in calls of some thousand lines: small enough for every proxy on the way, and whatever goes wrong, nothing
before the call that was under way is in question. Sending a line again is always safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from livepass.cli import names
from livepass.cli.faults import Exit, Fault, Where, unchecked
from livepass.cli.names import Push, push_option
from livepass.cli.progress import Line
from livepass.cli.render import dim, good, to_json
from livepass.cli.root import Verb
from livepass.cli.session import Session, interruptible, run

if TYPE_CHECKING:
    from livepass.cli.client import Client

CALL_LINES = 5000
CALL_BYTES = 900 * 1024
"""Below the megabyte that proxies take when nobody told them otherwise."""
LONGEST_LINE = (1 << 20) + 1
"""One byte more than the service takes: the rest of such a line need not be sent for it to be refused."""
SHOWN = 20
WAITS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each new try when a service that answered before does not: it may be restarting."""
COME_AGAIN = frozenset({"unavailable", "stopping", "overloaded", "unreachable", "502", "503", "504"})

Numbered = tuple[int, bytes]


@click.command(cls=Verb)
@click.argument("file", metavar="FILE.ndjson|-")
@push_option
@click.option("--results", metavar="FILE", help="Write a line of JSON for each line here; --json: to stdout.")
@click.pass_obj
def batch(session: Session, file: str, push: Push, results: str | None) -> None:
    """Issue or change many passes: one JSON object a line, with pass_type, serial and what livepass pass issue takes.

    A line that is refused does not hold up the others; exit 1 tells that there was one. Ctrl-C is safe, and so is
    sending the file again: passes that are already so do not change.
    """
    progress = Progress(shown=not session.as_json)
    try:
        with names.opened(file) as lines, _results(session, results) as out:
            run(_send(session, lines, push, progress, out))
    except KeyboardInterrupt:
        raise _stopped(progress, "interrupted", Exit.INTERRUPTED) from None
    except Fault as fault:
        if progress.line:
            raise _stopped(progress, fault.title, fault.exit, fault) from fault
        raise
    finally:
        progress.said.over()
    if not progress.count:
        session.out.note(f"{names.shown(file)} holds no passes")
        return
    done = progress.count - progress.refused
    session.out.draw(lambda page: page.line(good(f"{done} passes done") if done else dim("no pass done")))
    if progress.refused:
        raise Fault(
            f"{progress.refused} of {progress.count} lines were refused",
            hint="mend those lines and send the file again: what is done already changes nothing",
            where=progress.wrong,
            code="batch",
        )


def _stopped(progress: Progress, why: str, exit_: Exit, fault: Fault | None = None) -> Fault:
    """How far it got, and that it may be run again."""
    said = f"{why}; answered up to line {progress.line}: {progress.count} passes, {progress.refused} refused"
    hint = "run it again: what is done already, perhaps some lines more than that, does not change"
    return Fault(
        said,
        exit_,
        hint=f"{hint}; {fault.hint}" if fault and fault.hint else hint,
        where=fault.where if fault else (),
        code=fault.code if fault else "",
    )


async def _send(session: Session, lines: IO[bytes], push: Push, progress: Progress, out: IO[str] | None) -> None:
    from livepass.cli.client import connected

    async with connected(session) as client:
        calls = _calls(lines)
        while (call := _next(calls)) is not None:
            await _carry_out(client, call, push, progress, out)


async def _carry_out(client: Client, lines: Sequence[Numbered], push: Push, progress: Progress, out: Any) -> None:
    """One call's lines; where it ends early, the rest of them once more."""
    tries = 0
    while lines:
        try:
            answer = await client.request(
                "POST",
                "/passes:batch",
                query={"push": push},
                body=b"\n".join(line for _, line in lines) + b"\n",
                content_type="application/x-ndjson",
            )
            answered = progress.took(answer.body, lines, out)
            lines, tries = lines[answered:], 0 if answered else tries
            if lines:
                raise Fault("the service answered only a part", Exit.UNCHECKED, code="unavailable")
        except Fault as fault:
            # Where nothing ever worked, trying again would only hide why.
            if fault.code not in COME_AGAIN or not progress.count or tries == len(WAITS):
                raise
            await asyncio.sleep(WAITS[tries])
            tries += 1


def _next(calls: Iterator[list[Numbered]]) -> list[Numbered] | None:
    """The next call, ``None`` after the last. Ctrl-C ends the waiting for a pipe in which nothing comes: the event
    loop's own handler would cancel the task, which notices that when it has read on.
    """
    with interruptible():
        return next(calls, None)


def _calls(lines: IO[bytes]) -> Iterator[list[Numbered]]:
    """The lines that hold something, with their numbers, as many together as one call takes."""
    call: list[Numbered] = []
    size = 0
    for number, line in _numbered(lines):
        if call and (len(call) >= CALL_LINES or size + len(line) > CALL_BYTES):
            yield call
            call, size = [], 0
        call.append((number, line))
        size += len(line) + 1
    if call:
        yield call


def _numbered(lines: IO[bytes]) -> Iterator[Numbered]:
    number, held = 0, True
    while line := lines.readline(LONGEST_LINE):
        ends, begins = line.endswith(b"\n"), held
        held = ends
        if not begins:
            continue  # the rest of one that is too long
        number += 1
        if line.strip():
            yield number, line.rstrip(b"\n")


@contextlib.contextmanager
def _results(session: Session, file: str | None) -> Iterator[IO[str] | None]:
    """Where result lines go; ``None``: nowhere."""
    if file is None or file == "-":
        yield sys.stdout if session.as_json or file == "-" else None
        return
    try:
        opened = Path(file).open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise unchecked(f"{file} cannot be written: {error.strerror or error}", "name another file") from error
    with opened:
        yield opened


@dataclass
class Progress:
    """How far it has come: lines that were answered. ``line``: the last one of them."""

    shown: bool
    count: int = 0
    refused: int = 0
    line: int = 0
    wrong: list[Where] = field(default_factory=list)
    said: Line = field(init=False)

    def __post_init__(self) -> None:
        self.said = Line(shown=self.shown)

    def took(self, body: bytes, lines: Sequence[Numbered], out: IO[str] | None) -> int:
        """The answer to these lines; answers how many of them it is about."""
        numbers = [number for number, _ in lines]
        answered = 0
        for text in body.splitlines():
            result = json.loads(text)
            if result.get("ended"):
                problem = result["problem"]
                if problem["status"] == 503:
                    break
                raise Fault(_said(problem), hint=problem["hint"], code=problem["code"])
            result["line"] = self.line = numbers[result["line"] - 1]
            answered += 1
            self.count += 1
            if not result["ok"]:
                self.refused += 1
                if len(self.wrong) < SHOWN:
                    self.wrong.append(Where(f"line {self.line}", _said(result["problem"])))
            if out is not None:
                out.write(to_json(result) + "\n")
        if out is not None:
            out.flush()
        self.said.say(self._text)
        return answered

    def _text(self, seconds: float) -> str:
        refused = f", {self.refused:,} refused" if self.refused else ""
        return f"{self.count:,} passes{refused}, {self.count / seconds:,.0f} a second, line {self.line:,}"


def _said(problem: Mapping[str, Any]) -> str:
    places = "; ".join(f"{each['pointer']}: {each['message']}" for each in problem["errors"])
    return str(problem["detail"] or problem["title"]) + (f" ({places})" if places else "")
