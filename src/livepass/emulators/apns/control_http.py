"""As much HTTP/1.1 as the control port needs: JSON bodies of known length, JSON answers, kept connections.

Meant for loopback. Calls that carry an ``Origin`` are refused: a page open in a browser on the same machine must not
steer a test run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 32_768
MAX_BODY_BYTES = 1_048_576
METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})


class Refused(Exception):
    """The call cannot be answered as asked; ``status`` and ``error`` (one sentence) go back as JSON."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``path`` is percent-decoded, ``query`` holds the last value of each name.

    ``hung_up`` tells whether the caller has gone meanwhile; ``headers`` have names in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    hung_up: Callable[[], bool]
    headers: Mapping[str, str]

    def document(self, *known: str) -> dict[str, object]:
        """The body as a JSON object with no keys but ``known``; an empty body is an empty object. ``Refused`` 400."""
        if not self.body.strip():
            return {}
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, f"the body is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise Refused(400, "the body must be a JSON object")
        _only(found, known, "key")
        return found

    def expect_query(self, *known: str) -> None:
        """``Refused`` 400 when the query has any other name."""
        _only(self.query, known, "query parameter")


Answer = Callable[[Call], Awaitable[object]]


def _only(found: Mapping[str, object], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise Refused(400, f"unknown {what} {unknown[0]!r}; known here: {', '.join(known) or 'none'}")


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Serve one connection until it ends. Never raises but for cancellation."""
    try:
        while await _one_call(reader, writer, answer):
            pass
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _one_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> bool:
    keep = False
    try:
        found = await _read(reader)
        if found is None:
            return False
        call, keep = found
        status, said = 200, await answer(call)
    except Refused as refused:
        status, said = refused.status, {"error": refused.error}
    except (ConnectionError, asyncio.IncompleteReadError):
        raise
    except Exception:
        log.exception("a control call failed inside the emulator")
        status, said = 500, {"error": "the emulator failed; see its log"}
    body = orjson.dumps(said)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return keep


async def _read(reader: asyncio.StreamReader) -> tuple[Call, bool] | None:
    """The next call and whether the connection is kept after it; ``None`` at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise Refused(400, "the request head is cut off") from None
        return None
    except asyncio.LimitOverrunError:
        raise Refused(400, f"the request head is larger than {MAX_HEAD_BYTES} bytes") from None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0") or not parts[1].startswith("/"):
        raise Refused(400, f"not an HTTP/1.1 request line: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refused(400, f"not a header: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    body = await _body(reader, headers)
    if "origin" in headers:
        raise Refused(403, "the control port does not answer web pages")
    if parts[0] not in METHODS:
        raise Refused(405, f"{parts[0][:20]} is not a method of the control port")
    try:
        target = urlsplit(parts[1])
        query = dict(parse_qsl(target.query, keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise Refused(400, f"not a request target: {error}") from None
    keep = parts[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Call(parts[0], unquote(target.path), query, body, reader.at_eof, headers), keep


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise Refused(411, "send the body with a Content-Length")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12:
        raise Refused(400, f"not a Content-Length: {length[:40]!r}")
    if int(length) > MAX_BODY_BYTES:
        raise Refused(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return await reader.readexactly(int(length))
