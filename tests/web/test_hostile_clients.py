"""Clients that send what no phone sends, against the running process: answered or hung up on, and nobody else notices.

After each test a phone makes its whole round trip, the log holds no error, and connections and memory are given back.
How long we wait for the silent is in tests/cli/test_patience.py.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from livepass.emulators.authority import Issued
from livepass.service.answering import SAID_A_MINUTE
from servers.livepass_process import DEVICE, PASS_TYPE, Answer, LivepassProcess, running

REGISTRATIONS = f"/wallet/v1/devices/{DEVICE}/registrations/{PASS_TYPE}"
FETCH = f"/wallet/v1/passes/{PASS_TYPE}/1"
LOG = "/wallet/v1/log"
FLOOD = 300
HANGS = 60.0
MORE_MEMORY = 64 << 20
MORE_FILES = 20


class Held(NamedTuple):
    """What the process holds: bytes of memory, and open files."""

    memory: int
    files: int


def held(service: LivepassProcess) -> Held:
    process = Path(f"/proc/{service.process.pid}")
    pages = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    assert pages is not None
    return Held(int(pages[1]) * 1024, len(list((process / "fd").iterdir())))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, pass_certificate: Issued) -> Iterator[LivepassProcess]:
    with running(tmp_path_factory.mktemp("hostile"), pass_certificate) as service:
        yield service


@pytest.fixture
def service(process: LivepassProcess) -> Iterator[LivepassProcess]:
    """The running service, which must be none the worse for what a test did to it."""
    round_trip(process)
    before = held(process)
    yield process
    round_trip(process)
    deadline = time.monotonic() + HANGS
    while held(process).files > before.files + MORE_FILES and time.monotonic() < deadline:
        time.sleep(0.1)
    after = held(process)
    assert after.files <= before.files + MORE_FILES
    assert after.memory <= before.memory + MORE_MEMORY
    assert [line for line in process.log.read_text().splitlines() if '"error"' in line or "Traceback" in line] == []


def round_trip(service: LivepassProcess) -> None:
    """What a phone does: register, ask, fetch, say something."""
    mine = {"Authorization": f"ApplePass {service.token}"}
    body = json.dumps({"pushToken": "ab" * 32}).encode()
    assert patiently(service, "POST", f"{REGISTRATIONS}/1", mine, body).status == 200
    assert patiently(service, "GET", REGISTRATIONS, {}).status == 200
    assert service.call("GET", FETCH, headers=mine).status == 200
    assert service.call("POST", LOG, b'{"logs": []}').status == 200


def patiently(
    service: LivepassProcess, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> Answer:
    """Phones come again after a 503 that says that there is too much to do."""
    deadline = time.monotonic() + HANGS
    while True:
        answer = service.call(method, path, body, headers)
        if answer.status != 503 or "retry-after" not in answer.headers or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def connected(service: LivepassProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=HANGS)


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def said_to(service: LivepassProcess, data: bytes) -> list[int]:
    """The statuses of all answers until the service closes the connection. Raises ``TimeoutError`` if it never does."""
    answer = bytearray()
    with connected(service) as connection, suppress(ConnectionError):
        sending = threading.Thread(target=_send, args=(connection, data))
        sending.start()
        try:
            while piece := connection.recv(1 << 16):
                answer += piece
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            sending.join()
    return statuses(bytes(answer))


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)


# ── one request, oddly put

LAST = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
"""What smugglers want to be taken for a request of its own; honest clients have it answered second."""


def post(headers: str, body: bytes, version: str = "1.1") -> bytes:
    return f"POST {LOG} HTTP/{version}\r\nHost: h\r\n{headers}\r\n".encode() + body


def get(target: str, headers: str = "Host: h\r\n", version: str = "1.1") -> bytes:
    return f"GET {target} HTTP/{version}\r\n{headers}Connection: close\r\n\r\n".encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"

# Two readings are possible: then there is none, and the connection ends, so that nothing after it is read either.
AMBIGUOUS = {
    "length and chunks": post(f"Content-Length: 5\r\n{CHUNKED}", EMPTY),
    "chunks and length": post(f"{CHUNKED}Content-Length: 5\r\n", EMPTY),
    "two lengths": post("Content-Length: 2\r\nContent-Length: 0\r\n", b"{}"),
    "a length twice": post("Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    "a list of lengths": post("Content-Length: 2, 2\r\n", b"{}"),
    "a signed length": post("Content-Length: +2\r\n", b"{}"),
    "a negative length": post("Content-Length: -2\r\n", b"{}"),
    "a hexadecimal length": post("Content-Length: 0x2\r\n", b"{}"),
    "a length beyond numbers": post(f"Content-Length: {10**30}\r\n", b"{}"),
    "an unknown coding": post("Transfer-Encoding: xchunked\r\n", EMPTY),
    "chunked, not last": post("Transfer-Encoding: chunked, identity\r\n", EMPTY),
    "two codings": post(f"{CHUNKED}Transfer-Encoding: identity\r\n", EMPTY),
    "chunked twice": post(CHUNKED * 2, EMPTY),
    "no coding": post("Transfer-Encoding: identity\r\n", b""),
    "a space before the colon": post("Transfer-Encoding : chunked\r\n", EMPTY),
    "a folded coding": post("Transfer-Encoding:\r\n chunked\r\n", EMPTY),
    "a coding behind a control": post("Transfer-Encoding: \x0bchunked\r\n", EMPTY),
    "a chunk of no size": post(CHUNKED, b"zz\r\n{}\r\n" + EMPTY),
    "a chunk beyond numbers": post(CHUNKED, b"f" * 17 + b"\r\n{}\r\n" + EMPTY),
    "a negative chunk": post(CHUNKED, b"-2\r\n{}\r\n" + EMPTY),
    "a chunk with a prefix": post(CHUNKED, b"0x2\r\n{}\r\n" + EMPTY),
    "chunks by line feeds": post(CHUNKED, b"2\n{}\n0\n\n"),
    "a chunk longer than it says": post(CHUNKED, b"2\r\n{}xx" + EMPTY),
    "a head by line feeds": b"GET /livez HTTP/1.1\nHost: h\n\n",
    "a head by carriage returns": b"GET /livez HTTP/1.1\rHost: h\r\r",
    "a NUL in a header": get("/livez", "X: a\0b\r\n"),
    "a space in a name": get("/livez", "X y: a\r\n"),
    "a folded header": get("/livez", "X: a\r\n b\r\n"),
    "no target": get(""),
    "a target without a slash": get("livez"),
    "bytes in a target": get("/\xff\xfe"),
    "half an address": get("http://[::1/livez"),
    "a method of its own": b"BREW /livez HTTP/1.1\r\nHost: h\r\n\r\n",
    "a tunnel": b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
    "HTTP/2 unasked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": get("/livez", version="1.2"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_not_read(service: LivepassProcess, sent: bytes) -> None:
    assert said_to(service, sent + LAST) == [400]


MINE, WRONG = "Authorization: ApplePass {token}\r\n", "Authorization: ApplePass wrong\r\n"
ODD = {
    "chunks": (post(CHUNKED, b"2\r\n{}\r\n" + EMPTY), [200, 200]),
    "a tab before the coding": (post("Transfer-Encoding:\tchunked\r\n", EMPTY), [200, 200]),
    "an extension of a chunk": (post(CHUNKED, b"2;a=b\r\n{}\r\n" + EMPTY), [200, 200]),
    "trailers that would authorize": (post(CHUNKED, b"2\r\n{}\r\n0\r\nAuthorization: x\r\n\r\n"), [200, 200]),
    "chunks in HTTP/1.0": (post(CHUNKED, EMPTY, "1.0"), [200]),
    "lines before": (b"\r\n" * 20, [200]),
    "a hundred at once": (b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n" * 100, [200] * 101),
    "HTTP/1.0": (get("/livez", "", "1.0"), [200]),
    "an absolute target": (get("http://elsewhere/livez"), [200]),
    "two hosts": (get("/livez", "Host: h\r\nHost: elsewhere\r\n"), [200]),
    "a continue": (post("Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}"), [100, 200, 200]),
    "another expectation": (post("Expect: tea\r\nContent-Length: 2\r\n", b"{}"), [200, 200]),
    "an upgrade to HTTP/2": (get("/livez", "Host: h\r\nUpgrade: h2c\r\n"), [200]),
    "of two tokens the last is wrong": (get(FETCH, MINE + WRONG), [401]),
    "a long header": (get(REGISTRATIONS, f"X: {'a' * 20_000}\r\n"), [400]),
    "many headers": (get(REGISTRATIONS, "X: a\r\n" * 5_000), [400]),
    "a long target": (get("/wallet/v1/" + "a" * 20_000), [400]),
    "a long target of issuers": (get("/api/v1/" + "a" * 20_000), [400]),
    "a long query": (get(f"{REGISTRATIONS}?passesUpdatedSince={'a' * 20_000}"), [200]),
    "a large log": (post("Content-Length: 10000000\r\n", b"a" * 10_000_000), [200, 200]),
    "a large registration": (
        f"POST {REGISTRATIONS}/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n".encode() + b"a" * 10_000_000,
        [413, 200],
    ),
}


@pytest.mark.parametrize(("sent", "expected"), ODD.values(), ids=ODD)
def test_what_is_only_odd_is_answered(service: LivepassProcess, sent: bytes, expected: list[int]) -> None:
    sent = sent.replace(b"{token}", service.token.encode())
    assert said_to(service, sent if b"Connection: close" in sent else sent + LAST) == expected


def test_a_target_or_head_beyond_all_bounds(service: LivepassProcess) -> None:
    """The answer may be lost: who still sends when we close is told so by the kernel, which forgets the rest."""
    for begun in (b"GET /", b"GET / HTTP/1.1\r\nX: ", post(CHUNKED, b"0\r\nX: "), post(CHUNKED, b"2;")):
        assert set(said_to(service, begun + b"a" * 20_000_000)) <= {400}
        assert held(service).memory < 512 << 20


# ── many at once


HOLDING = {
    "silent": b"",
    "half a head": b"GET / HTTP/1.1\r\nX: ",
    "half a body": post("Content-Length: 9\r\n", b"{"),
    "an answer that nobody reads": get("/api/v1/openapi.json"),
    "half closed": None,
}


@pytest.mark.parametrize("sent", HOLDING.values(), ids=HOLDING)
def test_a_flood_of_connections_keeps_no_phone_out(service: LivepassProcess, sent: bytes | None) -> None:
    with ExitStack() as stack:
        for _ in range(FLOOD):
            connection = stack.enter_context(connected(service))
            if sent is None:
                connection.sendall(get("/livez"))
                connection.shutdown(socket.SHUT_WR)
            else:
                connection.sendall(sent)
        round_trip(service)


def test_who_pipelines_and_never_reads_costs_little(service: LivepassProcess) -> None:
    before = held(service).memory
    requests = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n" * 200
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(connected(service))
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(requests)
        round_trip(service)
        assert held(service).memory < before + MORE_MEMORY


@pytest.mark.parametrize("callers", [1, 8], ids=["one phone", "many phones"])
def test_who_says_too_much_is_answered_and_not_kept(service: LivepassProcess, callers: int) -> None:
    """50 calls of 50 lines a caller; a process keeps so many a minute. Other phones' asks are answered meanwhile."""
    began, kept = time.monotonic(), lines_kept(service)
    context = f"pass type {PASS_TYPE}, serial number 1; with web service url https://x"
    said = f"Get pass task ({context}) encountered error: Unexpected response code 500 {'x' * 900}"
    body = json.dumps({"logs": [said] * 50}).encode()
    with ThreadPoolExecutor(callers) as pool:
        calls = [pool.submit(service.call, "POST", LOG, body) for _ in range(50 * callers)]
        while not all(call.done() for call in calls):
            round_trip(service)
        assert {call.result().status for call in calls} == {200}
    time.sleep(1)  # the recorder gathers
    minutes = (time.monotonic() - began) / 60
    assert lines_kept(service) - kept <= SAID_A_MINUTE * (1 + minutes)


def lines_kept(service: LivepassProcess) -> int:
    """Of what phones said, all pages of it."""
    count, page = 0, "/device-logs?limit=500"
    while page:
        shown = service.api("GET", page)
        if shown.status == 503:
            time.sleep(0.5)
            continue
        found = shown.json()
        count += len(found["data"])
        page = f"/device-logs?limit=500&cursor={quote(found['next_cursor'])}" if found["next_cursor"] else ""
    return count


def test_who_connects_and_leaves_is_forgotten(service: LivepassProcess) -> None:
    for number in range(FLOOD):
        with connected(service) as connection:
            if number % 2:
                # No good-bye: the kernel answers for us with a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(get("/api/v1/openapi.json") if number % 3 else b"GET / HT")
    round_trip(service)
