"""Answers that leave in one write are, to the byte, those that uvicorn writes in two."""

from __future__ import annotations

from typing import Any

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from cli.sockets import said, served
from livepass.cli import patience
from livepass.cli.at_once import AtOnce

GET = b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n"
SIZED = [(b"content-length", b"5"), (b"cache-control", b"private, no-store")]
ANSWERS: dict[str, tuple[int, list[tuple[bytes, bytes]], list[bytes]]] = {
    "/whole": (200, SIZED, [b"whole"]),
    "/none": (204, [(b"vary", b"Authorization")], [b""]),
    "/same": (304, [(b"last-modified", b"x")], [b""]),
    "/other": (200, [*SIZED, (b"x-other", b"1")], [b"whole"]),
    "/parts": (200, SIZED, [b"who", b"le"]),
    "/stream": (200, [], [b"a", b"b"]),
    "/short": (200, SIZED, [b"shor"]),
    "/long": (200, SIZED, [b"longer"]),
    "/split": (200, [*SIZED, (b"content-type", b"a\r\nset-cookie: b")], [b"whole"]),
    "/close": (200, [*SIZED, (b"connection", b"close")], [b"whole"]),
    "/begun": (200, SIZED, []),
}


async def app(scope: Any, _: Any, send: Any) -> None:
    status, headers, parts = ANSWERS[scope["path"]]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if not parts:
        raise RuntimeError("nothing to say after all")
    for number, part in enumerate(parts, 1):
        await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})


def answers(sent: bytes) -> bytes:
    """What comes back, but for the date. The last request hangs up."""

    async def main() -> bytes:
        async with served(app) as port:
            return await said(port, sent)

    return uvloop.run(main())


def last(path: str, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    return b"%b %b HTTP/%b\r\nHost: here\r\nConnection: close\r\n\r\n" % (method, path.encode(), version)


ASKED = [
    *(GET % path.encode() + last("/whole") for path in ANSWERS if path not in ("/short", "/long", "/split", "/begun")),
    *(last(path, method) for path in ("/whole", "/none") for method in (b"GET", b"HEAD")),
    GET % b"/whole" + GET % b"/none" + GET % b"/stream" + last("/whole"),
    *(last(path) for path in ("/short", "/long")),
    last("/whole", version=b"1.0"),
]


@pytest.mark.parametrize("sent", ASKED)
def test_uvicorns_own_bytes(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = answers(sent)
    monkeypatch.setattr(patience, "AtOnce", RequestResponseCycle)
    assert ours == answers(sent)


def test_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole answers go out by themselves, and uvicorn is asked to write none of them."""
    went: list[bool] = []
    by_itself = AtOnce._went

    def watched(self: AtOnce, start: Any, message: Any) -> bool:
        went.append(by_itself(self, start, message))
        return went[-1]

    monkeypatch.setattr(AtOnce, "_went", watched)
    answers(GET % b"/whole" + GET % b"/none" + GET % b"/same" + GET % b"/other" + last("/whole"))
    assert went == [True, True, True, False, False]


@pytest.mark.parametrize(("path", "begins"), [("/split", b""), ("/begun", b"HTTP/1.1 500")])
def test_a_fault_is_no_answer(path: str, begins: bytes) -> None:
    """Where a header would be two, nothing is said; where a body fails to come, its head was not said either."""
    assert answers(last(path))[:12] == begins
