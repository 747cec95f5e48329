"""What each level of pressure refuses, and what it never touches: row by row, over the real application."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from livepass.core.shedding import Level
from livepass.emulators.authority import Issued
from livepass.web.app import App
from livepass.web.phone import PhoneApp
from service.rig import TYPE, Rig, rig
from web.asgi import PASS_TYPE, Api, send, with_api
from web.test_phone import BODY, FETCH, LIST, REGISTRATION, call

NONE, LOG, READ, ASK, REGISTER = Level

SAID = (
    f"Get pass task (pass type {TYPE}, serial number 1; with web service url https://x.example) encountered error:"
    " Authentication failure"
)
LOGGED = json.dumps({"logs": [SAID]}).encode()

TABLE = (
    # what phones send → what they get at level 0, 1, 2, 3, 4
    ("a log call", "POST", "/v1/log", LOGGED, (200, 200, 200, 200, 200)),
    ("an unknown call", "POST", f"/v1/passes/{TYPE}/1/other", b"{}", (200, 200, 200, 200, 200)),
    ("an ask", "GET", LIST, b"", (200, 200, 200, 503, 503)),
    ("the head of an ask", "HEAD", LIST, b"", (200, 200, 200, 503, 503)),
    ("a registration", "POST", REGISTRATION, BODY, (200, 200, 200, 200, 503)),
    ("leaving", "DELETE", REGISTRATION, b"", (200, 200, 200, 200, 503)),
    ("a fetch", "GET", FETCH, b"", (200, 200, 200, 200, 200)),
    ("the head of a fetch", "HEAD", FETCH, b"", (200, 200, 200, 200, 200)),
)


@pytest.mark.parametrize("level", list(Level), ids=lambda level: level.name.lower())
def test_phones(tmp_path: Path, pass_certificate: Issued, engine: str, level: Level) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            allowed = await service.allowed("1")
            service.answering.load.level = int(level)
            for what, method, path, body, statuses in TABLE:
                await service.register("1")
                answer = await call(service, method, path, body, allowed=allowed)
                assert answer is not None
                assert answer.status == statuses[level], what
                if answer.status == 503:
                    assert int(answer.headers[b"retry-after"]) > 0 and answer.body == b"", what
                    assert b"no-store" in answer.headers[b"cache-control"], what

    asyncio.run(main())


def test_what_is_refused_or_dropped_touches_no_database_and_is_counted(
    tmp_path: Path, pass_certificate: Issued, engine: str
) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"the database was asked: {name}")

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            allowed, load = await service.allowed("1"), service.answering.load
            load.level = int(REGISTER)
            service.answering._store = Untouched()  # type: ignore[assignment]
            for _, method, path, body, _ in TABLE:
                if path != FETCH:
                    assert await call(service, method, path, body, allowed=allowed) is not None
            await service.recorder.settle()
            assert load.shed == {LOG: 2, ASK: 2, REGISTER: 2}
            service.answering._store = service.store
            assert await recorded(service) == 0
            load.level = int(NONE)
            await call(service, "POST", "/v1/log", LOGGED)
            assert await recorded(service) == 1, "it would have been"

    asyncio.run(main())


async def recorded(service: Rig) -> int:
    await service.recorder.settle()
    return len(await service.store.testimony(pass_type=None, code=None, before=2**60, limit=10))


def test_only_phones_fetches_are_measured(tmp_path: Path, pass_certificate: Issued, engine: str) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            load, seen = service.answering.load, []
            real = service.store.fetch_snapshot

            async def slowly(*arguments: Any) -> Any:
                seen.append(load.in_flight)
                service.clock.pass_(300)
                return await real(*arguments)

            service.store.fetch_snapshot = slowly  # type: ignore[method-assign]
            await call(service, "GET", FETCH, allowed="ApplePass wrong-token-0123456789")
            assert (load.fetch_p95(), load.in_flight) == (None, 0), "a stranger's says nothing"
            await call(service, "GET", FETCH, allowed=await service.allowed("1"))
            assert (load.fetch_p95(), load.in_flight, seen) == (pytest.approx(0.3), 0, [1, 1])

            async def breaks(*_: Any) -> Any:
                raise RuntimeError

            service.store.fetch_snapshot = breaks  # type: ignore[method-assign]
            service.store.ask_snapshot = breaks  # type: ignore[method-assign]
            await call(service, "GET", FETCH)
            await call(service, "GET", LIST)
            assert load.in_flight == 0, "also when it goes wrong"

    asyncio.run(main())


@with_api
async def test_issuers_read_nothing_and_change_everything(api: Api, engine: str) -> None:
    await api.issue("1")
    load = api.services.answering.load
    load.level = int(LOG)
    assert (await api.call("GET", f"/passes/{PASS_TYPE}/1")).status == 200
    load.level = int(READ)
    for target in (f"/passes/{PASS_TYPE}/1", "/passes", "/stats", f"/passes/{PASS_TYPE}/1/pkpass"):
        reply = await api.call("GET", target)
        api.replies.pop()
        assert (reply.status, reply.json()["code"]) == (503, "overloaded")
        assert reply.headers["content-type"] == "application/problem+json" and int(reply.headers["retry-after"]) > 0
    bundle = {"passes": [{"pass_type": PASS_TYPE, "serial": "1"}]}
    assert (await api.call("POST", "/passes:bundle", bundle)).status == 503, "reading too"
    api.replies.pop()
    # It costs nothing to refuse: not even the key is looked up.
    assert (await api.call("GET", "/passes", key="lp_nobody")).status == 503
    api.replies.pop()
    assert load.shed[READ] == 6
    await api.issue("1", 2)
    assert (await api.call("POST", "/pushes", {"pass_type": PASS_TYPE})).status == 200
    assert (await api.call("GET", "/openapi.json", key=None)).status == 200
    assert (await api.call("GET", "/nowhere")).status == 404
    load.level = int(NONE)
    assert (await api.call("GET", "/passes")).status == 200


@with_api
async def test_it_stays_ready_and_says_what_it_gives_up(api: Api) -> None:
    services = api.services
    app = App(PhoneApp(services.answering), api.app, services.ready, services.answering.load)
    assert (await send(app, "GET", "/readyz")).body == b"ready\n"
    services.answering.load.level = int(ASK)
    reply = await send(app, "GET", "/readyz")
    assert reply.status == 200
    assert (
        reply.body
        == b"ready\nunder pressure, given up now: log records, issuer reads and share pages, asks and shared files\n"
    )
    services.answering.load.level = int(NONE)
