"""What phones ask is answered at once, and to the byte as it is the long way round."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.sockets import said, served
from livepass.cli import patience, serving
from livepass.core.metrics import HUNG_UP
from livepass.core.model import Tag
from livepass.core.trip3_ask import write_tag
from livepass.emulators.authority import Issued
from livepass.pkpass import read, verify
from livepass.web.app import App
from livepass.web.begun import Begun
from livepass.web.echo import Echo
from livepass.web.phone import PhoneApp
from service.rig import TYPE, Rig, rig

ASK = f"/wallet/v1/devices/phone/registrations/{TYPE}"
FETCH = f"/wallet/v1/passes/{TYPE}/1"
END = b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"

Ask = Callable[[bytes], Any]


def request(path: str, method: str = "GET", *lines: str, version: str = "1.1", body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/{version}", "Host: here", *lines]
    return "\r\n".join([*head, *([f"Content-Length: {len(body)}"] if body else []), "", ""]).encode() + body


@contextlib.asynccontextmanager
async def whole(service: Rig, at_once: Any) -> AsyncIterator[int]:
    """The whole application over sockets; its port."""
    phone = PhoneApp(service.answering, personalizing=service.personalizing)
    async with served(App(phone, None, None, phone_at_once=at_once)) as port:  # type: ignore[arg-type]
        yield port


class Counted:
    """``PhoneApp.at_once``, and what it said."""

    def __init__(self, service: Rig) -> None:
        self._app = PhoneApp(service.answering, personalizing=service.personalizing)
        self.found: list[str] = []

    def __call__(self, *arguments: Any) -> Any:
        found = self._app.at_once(*arguments)
        kind = "no" if found is None else "waits" if isinstance(found, Begun) else str(found.reply.status)
        self.found.append(kind)
        return found


def requests(allowed: str, since: str, tag: str) -> Sequence[tuple[str, bytes, list[str]]]:
    """What is sent, and what is said of it at once."""
    token = f"Authorization: {allowed}"
    return [
        ("a list", request(ASK), ["200"]),
        ("nothing new", request(f"{ASK}?passesUpdatedSince={tag}"), ["204"]),
        ("a stranger", request(ASK.replace("phone", "other")), ["204"]),
        ("of no pass type of ours", request(ASK.replace(TYPE, "pass.none")), ["204"]),
        ("a foreign tag", request(f"{ASK}?passesUpdatedSince=v1.abc.7.xxxxxxxx"), ["200"]),
        ("a fetch", request(FETCH, "GET", token), ["200"]),
        ("not modified", request(FETCH, "GET", token, f"If-Modified-Since: {since}"), ["304"]),
        ("no token", request(FETCH), ["401"]),
        ("another's token", request(FETCH, "GET", "Authorization: ApplePass 0123456789abcdef"), ["401"]),
        ("no such pass", request(f"{FETCH}9", "GET", token), ["401"]),
        ("with a body", request(FETCH, "GET", token, body=b"{}"), ["200"]),
        ("a tag in other letters", request(f"{ASK}?passesUpdatedSince=%31"), ["no"]),
        ("another parameter", request(f"{ASK}?passesUpdatedSince={tag}&x=1"), ["no"]),
        ("an escaped path", request(FETCH.replace("/1", "/%31"), "GET", token), ["no"]),
        ("two slashes", request(FETCH.replace("/v1", "//v1"), "GET", token), ["no"]),
        ("the head of it", request(FETCH, "HEAD", token), []),
        ("large headers", request(ASK, "GET", f"X-Large: {'x' * 9000}"), ["no"]),
        ("another method", request(ASK, "PUT"), []),
        ("elsewhere", request("/livez"), []),
        ("once told to go on", request(ASK, "GET", "Expect: 100-continue"), []),
    ]


def test_to_the_byte(tmp_path: Path, pass_certificate: Issued) -> None:
    """Each request alone on its connection, and again after itself."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            first = await service.fetch("1")  # built, and so remembered
            since, allowed = dict(first.headers)[b"last-modified"].decode(), await service.allowed("1")
            _, tag = await service.ask()
            counted = Counted(service)
            async with whole(service, counted) as near, whole(service, None) as far:
                for what, sent, found in requests(allowed, since, tag):
                    assert await said(near, sent + END) == await said(far, sent + END), what
                    assert counted.found == found, what
                    counted.found.clear()
                    if found not in ([], ["no"]):
                        assert await said(near, sent, END) == await said(far, sent + END), what
                        counted.found.clear()

    asyncio.run(main())


def test_of_what_arrives_together_one_is_answered_at_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            counted = Counted(service)
            async with whole(service, counted) as near, whole(service, None) as far:
                many = request(ASK) * 5 + request(FETCH) + request(ASK)
                assert await said(near, many + END) == await said(far, many + END)
            assert counted.found == ["200"]

    asyncio.run(main())


@pytest.mark.parametrize("last", [b"", request(ASK)])
def test_what_has_to_be_built_is_waited_for(tmp_path: Path, pass_certificate: Issued, last: bytes) -> None:
    """And what comes after it on its connection waits too."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            counted, token = Counted(service), f"Authorization: {await service.allowed('1')}"
            async with whole(service, counted) as near, whole(service, None) as far:
                sent = request(FETCH, "GET", token) + last + END
                assert await said(near, sent) == await said(far, sent)
                assert counted.found == ["waits"]
            assert [kind for kind in await service.kinds("1") if kind == "fetched"] == ["fetched"] * 2
            assert service.answering.meters.requests["fetch", 200] == 2
            assert service.answering.load.in_flight == 0

    asyncio.run(main())


def test_who_goes_or_is_told_to_go_while_a_pass_is_built(tmp_path: Path, pass_certificate: Issued) -> None:
    """Whoever hangs up disturbs nobody, and is not taken for one who has the pass; whoever waits when the service stops
    is answered, and told that it was last.
    """

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service, asyncio.timeout(60):
            for serial in ("1", "2"):
                await service.issue(serial, 10)
            go, real = asyncio.Event(), service.scheduler.off_loop

            async def held(work: Any, **how: Any) -> Any:
                await asyncio.wait([asyncio.ensure_future(go.wait())])
                return await real(work, **how)

            service.scheduler.off_loop = held  # type: ignore[method-assign]
            counted, token = Counted(service), f"Authorization: {await service.allowed('1')}"

            async def go_when_nobody_is_let_in(port: int) -> None:
                with contextlib.suppress(OSError):
                    while True:
                        _, one = await asyncio.open_connection("127.0.0.1", port)
                        one.close()
                        await asyncio.sleep(0.02)
                go.set()

            async with whole(service, counted) as port:
                _, gone = await asyncio.open_connection("127.0.0.1", port)
                gone.write(request(FETCH, "GET", token))
                while counted.found != ["waits"]:  # noqa: ASYNC110 - it is nobody's event
                    await asyncio.sleep(0.01)
                gone.transport.abort()
                token = f"Authorization: {await service.allowed('2')}"
                asked = asyncio.create_task(said(port, request(FETCH.replace("/1", "/2"), "GET", token)))
                while counted.found != ["waits"] * 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                stopping = asyncio.create_task(go_when_nobody_is_let_in(port))
            await stopping
            head, _, body = (await asked).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\nconnection: close")
            assert verify(read(body)).serial == "2"
            assert service.answering.load.in_flight == 0
            assert "fetched" not in await service.kinds("1"), "it is known that nobody has it"
            assert "fetched" in await service.kinds("2")

    asyncio.run(main())


def test_who_goes_while_a_pass_is_built_the_long_way(tmp_path: Path, pass_certificate: Issued) -> None:
    """As over PostgreSQL and in an application: neither noted as having it, nor counted as answered."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service, asyncio.timeout(60):
            await service.issue("1", 10)
            go, builds, real = asyncio.Event(), asyncio.Event(), service.scheduler.off_loop

            async def held(work: Any, **how: Any) -> Any:
                builds.set()
                await go.wait()
                return await real(work, **how)

            service.scheduler.off_loop = held  # type: ignore[method-assign]
            sent = request(FETCH, "GET", f"Authorization: {await service.allowed('1')}")
            meters = service.answering.meters
            async with whole(service, None) as port:
                _, gone = await asyncio.open_connection("127.0.0.1", port)
                gone.write(sent)
                await builds.wait()
                gone.transport.abort()
                await asyncio.sleep(0.05)  # in which the server hears of it
                go.set()
                while not meters.requests["fetch", HUNG_UP]:  # noqa: ASYNC110 - it is nobody's event
                    await asyncio.sleep(0.01)
                assert "fetched" not in await service.kinds("1")
                assert (await said(port, sent + END)).startswith(b"HTTP/1.1 200 ")
            assert "fetched" in await service.kinds("1")
            assert (meters.requests["fetch", HUNG_UP], meters.requests["fetch", 200]) == (1, 1)

    asyncio.run(main())


def test_a_new_history_is_waited_for(tmp_path: Path, pass_certificate: Issued) -> None:
    """A tag from beyond what the database knows: its answer leaves when the new epoch is durable."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            counter = await service.store.counter(TYPE)
            assert counter is not None
            ahead = write_tag(Tag(counter.epoch, counter.seq + 5), TYPE, service.keys.tag_key)
            counted = Counted(service)
            async with whole(service, counted) as port:
                answer = await said(port, request(f"{ASK}?passesUpdatedSince={ahead}") + END)
            assert answer.startswith(b"HTTP/1.1 200 ") and counted.found == ["waits"]
            after = await service.store.counter(TYPE)
            assert after is not None and after.epoch != counter.epoch
            assert f"v1.{after.epoch}.".encode() in answer

    asyncio.run(main())


def test_a_fault_of_ours_is_503(tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            counted = Counted(service)
            service.answering._store = None  # type: ignore[assignment]
            async with whole(service, counted) as near, whole(service, None) as far:
                for path in (ASK, FETCH):
                    answer = await said(near, request(path) + END)
                    assert answer == await said(far, request(path) + END)
                    assert answer.startswith(b"HTTP/1.1 503 ")
            assert counted.found == ["503", "503"]

    asyncio.run(main())
    assert "could not be answered" in caplog.text


def test_who_asks_for_nothing_more_is_hung_up_on(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After uvicorn's own time, though no timer of its own runs; and not while something comes."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service, asyncio.timeout(30):
            counted = Counted(service)
            async with whole(service, counted) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                for _ in range(3):
                    writer.write(request(ASK))
                    assert b"204" in await reader.readuntil(b"\r\n\r\n")
                    await asyncio.sleep(0.6)
                assert await reader.read() == b""
                writer.close()
            assert counted.found == ["204"] * 3

    monkeypatch.setattr(serving, "KEEP_ALIVE_SECONDS", 1)
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.05)
    asyncio.run(main())


def test_a_call_of_ours_is_none_of_it(tmp_path: Path, pass_certificate: Issued) -> None:
    """What is sent to ourselves to see how it arrives goes all the way."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            app = PhoneApp(service.answering, echo=Echo(service.keys, service.clock, service.chance))
            assert app.at_once(b"/v1/devices/x/registrations/pass.livepass.echo", b"", [], None) is None

    asyncio.run(main())
