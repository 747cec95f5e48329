"""Requests that carry an ``Idempotency-Key``: carried out once, and a repeat gets the first one's answer."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import parse_qsl

import msgspec

from livepass.core.idempotency import KeptAnswer
from livepass.service.idempotency import Idempotency, Once, keep_with_effect
from livepass.service.issuing import Issued, Then
from livepass.service.refusals import Fault, Refusal
from livepass.service.seams import Tx
from livepass.web.operations import Answer, Call, Operation

HEADER = "Idempotency-Key"
REPLAYED = "idempotency-replayed"
_CONDITIONS = ("if-match", "if-none-match")


async def carry_out(idempotency: Idempotency, operation: Operation, call: Call) -> Answer:
    """The operation's answer: a fresh one, or the one that the same request got before. What changes nothing is carried
    out again.
    """
    header = call.request.headers.get(HEADER)
    if header is None or operation.reads:
        return await operation.handler(call)
    if operation.no_key:
        raise Refusal(
            f"this call takes no {HEADER}: {operation.no_key}",
            hint="leave the header out",
            faults=[Fault(HEADER, f"is not taken here: {operation.no_key}", "leave it out")],
            code="idempotency_refused",
        )
    claimed = await idempotency.claim(call.caller, header, _request(operation, call))
    if isinstance(claimed, KeptAnswer):
        return Answer(claimed.status, claimed.body or None, claimed.media, {**dict(claimed.headers), REPLAYED: "true"})
    once = Once(claimed)
    try:
        answer = await operation.handler(replace(call, once=once))
        if not once.kept:
            await idempotency.keep(claimed, _kept(answer, call.path.get("type", ""), call.path.get("serial", "")))
    except Exception:
        # Also where a commit's outcome is not known: what was answered in it is not released.
        with contextlib.suppress(Exception):
            await idempotency.release(claimed)
        raise
    return answer


def with_change(call: Call, answer_of: Callable[[Issued], Answer]) -> Then | None:
    """What keeps the answer to a change in the change's own transaction."""
    if call.once is None:
        return None
    once = call.once
    once.kept = True

    async def then(tx: Tx, issued: Issued) -> None:
        await keep_with_effect(tx, once.claim, _kept(answer_of(issued), issued.pass_type, issued.serial))

    return then


def with_effect(call: Call, answer: Answer) -> Callable[[Tx], Awaitable[None]] | None:
    """The same for an answer that is known before, and names no pass: of an erasure, or of an import."""
    if call.once is None:
        return None
    once = call.once
    once.kept = True

    async def then(tx: Tx) -> None:
        await keep_with_effect(tx, once.claim, _kept(answer))

    return then


def _kept(answer: Answer, pass_type: str = "", serial: str = "") -> KeptAnswer:
    body = answer.body
    data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    return KeptAnswer(answer.status, answer.media, tuple(answer.headers.items()), data, pass_type, serial)


def _request(operation: Operation, call: Call) -> list[bytes]:
    """All that makes it another request. Of JSON, what it says: neither blanks nor the order of names."""
    query = parse_qsl(call.request.scope.get("query_string", b"").decode(), keep_blank_values=True)
    body = call.body if isinstance(call.body, bytes) else msgspec.json.encode(call.body, order="sorted")
    headers = [(call.request.headers.get(name) or "").encode() for name in _CONDITIONS]
    path = [value.encode() for _, value in sorted(call.path.items())]
    return [operation.name.encode(), *path, repr(sorted(query)).encode(), *headers, body]
