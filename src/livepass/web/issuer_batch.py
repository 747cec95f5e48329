"""``POST /passes:batch``: many passes in one call, one line each way. A bad line never holds up the others.

Lines are carried out as they arrive, some hundred at a time: one number and one transaction for those of a pass type.
Their results leave through a spool as soon as they are durable, so neither side has to read before the other writes,
and what is in memory does not depend on how much is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import msgspec

from livepass.core.shedding import Level
from livepass.service.drafting import Wish
from livepass.service.issuing import BATCH_LIMIT, Issued
from livepass.service.refusals import Refusal, TooLarge, no_pass
from livepass.web.bodies import decoded
from livepass.web.issuer_answers import BatchEnd, BatchProblem, BatchResult, PassResult
from livepass.web.issuer_passes import wish
from livepass.web.issuer_requests import BatchLine, BatchQuery
from livepass.web.ndjson import Splitter
from livepass.web.operations import MIB, NDJSON, Answer, Body, Call, Lines, Operation
from livepass.web.problems import of_error, problem, stopping, too_large
from livepass.web.spool import Spool

MOST_LINES = 1_000_000
LARGEST_LINE = MIB
LARGEST_BATCH = 4096 * MIB
GATHERED_BYTES = 8 * MIB
"""Lines of this much together are carried out, however few they are."""
LINGER_SECONDS = 0.5
"""How long a line waits for others to share its transaction: its sender may be waiting for it."""
GIVE_WAY_SECONDS = 5.0
"""The longest wait between two transactions while phones are served slowly. A change is delayed, never refused."""
AT_A_STRETCH = 25
"""Lines read before phones get their turn: a refusal may take a tenth of a millisecond to put into words."""
LEFT_BYTES = 64 * MIB
LEFT_SECONDS = 5.0
"""What is read and dropped after an early end, so that the sender comes to reading why."""

_LINE = msgspec.json.Decoder(BatchLine)
_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class Line:
    """A line that holds something: its number, and what it asks for or why that cannot be."""

    number: int
    asked: Wish | Refusal


async def batch(call: Call) -> Answer:
    """Carry out lines as they arrive, and answer each in its place as soon as it is durable.

    A line that is refused does not hold up the others. Where a pass stands on several lines, the last one counts. A
    call that breaks off has done what it has answered, perhaps some lines more, and nothing of what had not arrived:
    send it again, passes that are already so do not change. A call that we end early says so in its last line.
    """
    spool = Spool()
    work = asyncio.create_task(_Batch(call, spool).run(), name="batch")
    try:
        if not await spool.wait():
            await work  # nothing was answered: what went wrong, if anything did, may be the answer's status
    except BaseException:
        await _cancelled(work, spool)
        raise
    return Answer(200, media=NDJSON, pieces=_results(call, spool, work))


async def _results(call: Call, spool: Spool, work: asyncio.Task[None]) -> AsyncGenerator[bytes, None]:
    try:
        while data := await spool.read():
            yield data
        await work
    finally:
        await _cancelled(work, spool)


async def _cancelled(work: asyncio.Task[None], spool: Spool) -> None:
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await work
    spool.close()


class _Batch:
    """One call: lines in, transactions, results out."""

    def __init__(self, call: Call, spool: Spool) -> None:
        query: BatchQuery = call.query
        self._call = call
        self._push = query.push
        self._dry_run = query.dry_run
        self._spool = spool
        self._load = call.services.load
        self._splitter = Splitter(LARGEST_LINE)
        self._lines: list[Line] = []
        self._passes: set[tuple[str, str]] = set()
        self._gathered = self._received = self._count = 0
        self._answered = False
        self._first_at = 0.0
        self._next = 1
        self._more = True

    async def run(self) -> None:
        """Until the body ends. Raises what went wrong if nothing was answered yet; else the last line says it."""
        try:
            await self._run()
        except Exception as error:
            refusal = of_error(error, self._call.request_id)
            if not self._answered and refusal.status >= 500:
                raise refusal from error
            self._spool.write(_encoded(BatchEnd(self._next, problem(refusal, self._call.request_id))))
            await self._read_away()
        finally:
            self._spool.end()

    async def _run(self) -> None:
        while self._more:
            data = await self._receive()
            if data is None:
                return  # hung up: what is gathered was not acknowledged, and is as if never sent
            for number, text in self._splitter.feed(data):
                await self._take(number, text)
        for number, text in self._splitter.end():
            await self._take(number, text)
        await self._put()

    async def _receive(self) -> bytes | None:
        """The next bytes; what has waited for them long enough is carried out meanwhile. ``None``: hung up."""
        receive = self._call.request.receive
        message = None
        while message is None and self._lines:
            try:
                async with asyncio.timeout_at(self._first_at + LINGER_SECONDS):
                    message = await receive()
            except TimeoutError:
                await self._put()
        message = message or await receive()
        if message["type"] == "http.disconnect":
            return None
        data: bytes = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._received += len(data)
        if self._received > LARGEST_BATCH:
            raise too_large(LARGEST_BATCH, "send the rest in another call")
        return data

    async def _take(self, number: int, text: bytes | None) -> None:
        """One line. A pass that stands on two is put twice, one after the other."""
        if text is not None and not text.strip():
            return
        if self._count == MOST_LINES:
            await self._put()
            self._next = number
            raise TooLarge(f"more than {MOST_LINES:,} lines in one call", hint="send the rest in another call")
        self._count += 1
        if self._count % AT_A_STRETCH == 0:
            await asyncio.sleep(0)
        asked = self._asked(text)
        if isinstance(asked, Wish):
            key = asked.pass_type, asked.serial
            if key in self._passes:
                await self._put()
            self._passes.add(key)
        if not self._lines:
            self._first_at = asyncio.get_running_loop().time()
        self._lines.append(Line(number, asked))
        self._gathered += len(text or b"")
        if len(self._lines) >= BATCH_LIMIT or self._gathered >= GATHERED_BYTES:
            await self._put()

    def _asked(self, text: bytes | None) -> Wish | Refusal:
        if text is None:
            return TooLarge(f"the line is longer than {LARGEST_LINE // 1024} KiB", hint="images belong in the template")
        try:
            line: BatchLine = decoded(_LINE, BatchLine, text)
            if not self._call.caller.sees(line.pass_type):
                return no_pass(line.pass_type, line.serial)
            return wish(
                line.pass_type, line.serial, line, token=line.authentication_token, web_service_url=line.web_service_url
            )
        except Refusal as refusal:
            return refusal

    async def _put(self) -> None:
        """Carry out what is gathered, and answer it."""
        lines = self._lines
        if not lines:
            return
        self._lines, self._passes, self._gathered = [], set(), 0
        self._next = lines[0].number
        await self._give_way()
        wishes = [line.asked for line in lines if isinstance(line.asked, Wish)]
        issuing = self._call.services.issuing
        put = issuing.rehearse_many(wishes) if self._dry_run else issuing.put_many(wishes, self._push)
        results = iter(await put)
        told = ((line.number, next(results) if isinstance(line.asked, Wish) else line.asked) for line in lines)
        self._spool.write(b"".join(_answer(*each) for each in told))
        self._answered = True
        self._next = lines[-1].number + 1

    async def _give_way(self) -> None:
        """Phones come first. A process that ends soon begins nothing more."""
        if self._load.leaving:
            raise stopping()
        loop = asyncio.get_running_loop()
        until = loop.time() + GIVE_WAY_SECONDS
        while self._load.level >= Level.LOG and loop.time() < until:  # noqa: ASYNC110 - pressure has no event
            await asyncio.sleep(0.1)

    async def _read_away(self) -> None:
        """Who sends everything before reading anything would never read why we stopped."""
        left = LEFT_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEFT_SECONDS):
                while self._more and left > 0:
                    message = await self._call.request.receive()
                    self._more = message.get("more_body", False)
                    left -= len(message.get("body", b""))


def _answer(number: int, result: Issued | Refusal) -> bytes:
    if isinstance(result, Refusal):
        return _encoded(BatchProblem(number, False, problem(result)))
    return _encoded(BatchResult(*msgspec.structs.astuple(PassResult.of(result)), line=number, created=result.created))


def _encoded(line: msgspec.Struct) -> bytes:
    return _ENCODER.encode(line) + b"\n"


OPERATIONS = (
    Operation(
        "POST",
        "/passes:batch",
        "putPasses",
        f"Issue or change up to {MOST_LINES:,} passes, a line each, streamed both ways",
        batch,
        ("passes:write",),
        {200: Lines((BatchResult, BatchProblem, BatchEnd))},
        BatchQuery,
        Body(
            (NDJSON, "application/ndjson", "application/jsonl", "application/json", "text/plain"),
            LARGEST_BATCH,
            BatchLine,
            stream=True,
        ),
        no_key="its answer is a stream; a line that is sent again changes nothing that is already so",
    ),
)
