"""``POST /passes:batch``: many passes in one call, one line each way. A bad line never holds up the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from livepass.service.drafting import Wish
from livepass.service.issuing import BATCH_LIMIT, Issued
from livepass.service.refusals import Refusal, TooLarge, no_pass
from livepass.web.bodies import decoded
from livepass.web.issuer_answers import BatchProblem, BatchResult, PassResult
from livepass.web.issuer_passes import wish
from livepass.web.issuer_requests import BatchLine, BatchQuery
from livepass.web.operations import MIB, NDJSON, Answer, Body, Call, Lines, Operation
from livepass.web.problems import problem, too_large

LARGEST_LINE = MIB
LARGEST_BATCH = 64 * MIB

_LINE = msgspec.json.Decoder(BatchLine)
_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class Line:
    """A line that holds something: its number, and what it asks for or why that cannot be."""

    number: int
    asked: Wish | Refusal


async def batch(call: Call) -> Answer:
    """Read every line, carry out those that can be, and answer each in its place."""
    query: BatchQuery = call.query
    lines = [Line(number, _asked(call, text)) async for number, text in _bounded(_lines(call))]
    wishes = [line.asked for line in lines if isinstance(line.asked, Wish)]
    results = iter(await call.services.issuing.put_many(wishes, query.push))
    answered = [_answer(line.number, next(results) if isinstance(line.asked, Wish) else line.asked) for line in lines]
    return Answer(200, b"".join(answered), NDJSON)


def _asked(call: Call, text: bytes | Refusal) -> Wish | Refusal:
    try:
        if isinstance(text, Refusal):
            return text
        line: BatchLine = decoded(_LINE, BatchLine, text)
        if not call.caller.sees(line.pass_type):
            return no_pass(line.pass_type, line.serial)
        return wish(line.pass_type, line.serial, line)
    except Refusal as refusal:
        return refusal


def _answer(number: int, result: Issued | Refusal) -> bytes:
    if isinstance(result, Refusal):
        return _ENCODER.encode(BatchProblem(number, False, problem(result))) + b"\n"
    return _ENCODER.encode(BatchResult(*msgspec.structs.astuple(PassResult.of(result)), line=number)) + b"\n"


async def _bounded(lines: AsyncIterator[tuple[int, bytes | Refusal]]) -> AsyncIterator[tuple[int, bytes | Refusal]]:
    """The lines that hold something, until there are too many: those passes share one number and one transaction."""
    count = 0
    async for number, text in lines:
        if isinstance(text, bytes) and not text.strip():
            continue
        count += 1
        if count > BATCH_LIMIT:
            raise TooLarge(
                f"more than {BATCH_LIMIT} passes in one call",
                hint=f"send them in calls of {BATCH_LIMIT} lines or fewer; nothing of this one was carried out",
            )
        yield number, text


async def _lines(call: Call) -> AsyncIterator[tuple[int, bytes | Refusal]]:
    """Lines with their numbers from 1. One that is too long is dropped as it arrives and refused in its place."""
    number, size, held, overlong = 1, 0, bytearray(), False
    async for chunk in call.request.stream():
        size += len(chunk)
        if size > LARGEST_BATCH:
            raise too_large(LARGEST_BATCH, "send the passes in several calls")
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            held += part
            yield number, _line(held, overlong)
            number, held, overlong = number + 1, bytearray(), False
        held += rest
        if len(held) > LARGEST_LINE:
            held, overlong = bytearray(), True
    if held or overlong:
        yield number, _line(held, overlong)


def _line(held: bytearray, overlong: bool) -> bytes | Refusal:
    if overlong or len(held) > LARGEST_LINE:
        return TooLarge(f"the line is longer than {LARGEST_LINE // 1024} KiB", hint="images belong in the template")
    return bytes(held)


OPERATIONS = (
    Operation(
        "POST",
        "/passes:batch",
        "putPasses",
        f"Issue or change up to {BATCH_LIMIT} passes, a line each",
        batch,
        ("passes:write",),
        {200: Lines((BatchResult, BatchProblem))},
        BatchQuery,
        Body(
            (NDJSON, "application/ndjson", "application/jsonl", "application/json", "text/plain"),
            LARGEST_BATCH,
            BatchLine,
            stream=True,
        ),
    ),
)
