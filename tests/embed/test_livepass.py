"""The object itself: lazily opened, mounted anywhere, running or not."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from embed.hosts import HOST, apns_of, client, embedded, furnish, register, settings
from journeys.world import PASS_TYPE
from livepass import ConfigError, Livepass, Refusal
from livepass.embed.livepass import WrongLoop
from livepass.emulators.authority import Authority

PREFIXES = {
    "/wallet": (HOST, "/wallet"),
    "/passkit": (f"{HOST}/passkit", "/passkit/wallet"),
    "/deep/down/wallet": (f"{HOST}/deep/down", "/deep/down/wallet"),
}


@pytest.mark.parametrize("mount", PREFIXES)
def test_phones_are_answered_at_any_prefix(
    tmp_path: Path, authority: Authority, mount: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        public, told = PREFIXES[mount]
        async with embedded(tmp_path, authority, public_url=public) as lp:
            app = Starlette(routes=[Mount(mount, lp.device_app()), Route("/", lambda _: PlainTextResponse("club"))])
            async with client(app) as http:
                assert (await http.get("/")).text == "club"
                assert await register(http, lp, told) == 201
                # An escaped slash stays one: it is part of a serial, and no separator.
                odd = f"{told}/v1/devices/d1/registrations/{PASS_TYPE}/1%2F2"
                assert (await http.post(odd, json={"pushToken": "ab" * 32})).status_code == 401
            assert lp.config.web_service_url == HOST + told

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert "mount device_app()" not in caplog.text


def test_the_api_and_share_pages_are_mounted_too(tmp_path: Path, authority: Authority) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority, admin_key="a key of the tests") as lp:
            key = {"Authorization": "Bearer a key of the tests"}
            inner = Starlette(routes=[Mount("/api/v1", lp.api_app()), Mount("/p", lp.share_app())])
            for app, under in ((inner, ""), (Starlette(routes=[Mount("/club", inner)]), "/club"), (lp.api_app(), "")):
                async with client(app) as http:
                    found = await http.get(f"{under}/api/v1/passes/{PASS_TYPE}/1", headers=key)
                    assert found.json()["serial"] == "1"
                    assert (await http.get(f"{under}/api/v1/passes")).status_code == 401
            async with client(inner) as http:
                page = await http.get((await lp.share_link(PASS_TYPE, "1")).removeprefix(HOST))
                assert page.status_code == 200

    asyncio.run(run())


def test_a_mount_that_passes_do_not_name_is_said_once(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            app = Starlette(routes=[Mount("/elsewhere", lp.device_app())])
            async with client(app) as http:
                assert await register(http, lp, "/elsewhere") == 201
                assert await register(http, lp, "/elsewhere") == 200

    asyncio.run(run())
    assert caplog.text.count("mount device_app() at /wallet") == 1
    assert f"phones are told {HOST}/wallet/v1/" in caplog.text


def test_a_proxy_may_take_the_front_away(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority, public_url=f"{HOST}/shop") as lp:
            app = Starlette(routes=[Mount("/wallet", lp.device_app())])
            async with client(app) as http:
                assert await register(http, lp, "/wallet") == 201

    asyncio.run(run())
    assert "mount device_app()" not in caplog.text


def test_around_a_host_that_knows_no_lifespan(tmp_path: Path, authority: Authority) -> None:
    """As Django's: its own requests reach it, phones' do not, and the worker runs between startup and shutdown."""
    seen: list[str] = []

    async def host(scope, receive, send):  # type: ignore[no-untyped-def]
        if scope["type"] == "lifespan":
            raise ValueError("only http")
        seen.append(scope["path"])
        await PlainTextResponse("host")(scope, receive, send)

    async def run() -> None:
        async with apns_of(tmp_path, authority) as apns:
            lp = Livepass(**settings(tmp_path, **apns))
            await furnish(lp, authority)
            app = lp.around(host)
            said: asyncio.Queue[str] = asyncio.Queue()
            told: asyncio.Queue[str] = asyncio.Queue()

            async def receive():  # type: ignore[no-untyped-def]
                return {"type": await said.get()}

            async def send(message):  # type: ignore[no-untyped-def]
                await told.put(message["type"])

            lifespan = asyncio.create_task(app({"type": "lifespan"}, receive, send))
            await said.put("lifespan.startup")
            assert await told.get() == "lifespan.startup.complete"
            assert lp.is_running
            async with client(app) as http:
                assert (await http.get("/wallet-shop")).text == "host"
                assert await register(http, lp) == 201
            await said.put("lifespan.shutdown")
            assert await told.get() == "lifespan.shutdown.complete"
            await lifespan
            assert not lp.is_running
        assert seen == ["/wallet-shop"]

    asyncio.run(run())


def test_nobody_pushes_and_that_is_said(tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with apns_of(tmp_path, authority) as apns, embedded(tmp_path, authority, **apns) as lp:
            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                await register(http, lp)
            await lp.change(PASS_TYPE, "1", data={"points": 101})
            await lp.change(PASS_TYPE, "1", data={"points": 102})
            assert caplog.text.count("no process sends them") == 1
            caplog.clear()
            async with Livepass(config=lp.config).running():
                store = (await lp.services()).store
                while not await store.processes():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                lp._reminded = float("-inf")
                await lp.change(PASS_TYPE, "1", data={"points": 103})
            assert "no process sends them" not in caplog.text

    asyncio.run(run())


def test_it_belongs_to_the_loop_that_opened_it(tmp_path: Path, authority: Authority) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            found: list[object] = []

            def elsewhere() -> None:
                try:
                    asyncio.run(lp.pkpass(PASS_TYPE, "1"))
                except WrongLoop as error:
                    found.append(error)
                found.append(lp.sync.pkpass(PASS_TYPE, "1"))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            await asyncio.to_thread(thread.join)
            refused, pkpass = found
            assert "lp.sync" in str(refused)
            assert isinstance(pkpass, bytes)
            lp.sync.close()

    asyncio.run(run())


def test_one_loop_after_another(tmp_path: Path, authority: Authority) -> None:
    """As scripts do it: what the loop before left open is opened anew."""
    lp = Livepass(**settings(tmp_path))
    asyncio.run(furnish(lp, authority))
    assert asyncio.run(lp.pkpass(PASS_TYPE, "1"))[:2] == b"PK"


def test_what_cannot_be_done_is_said(tmp_path: Path, authority: Authority) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            with pytest.raises(Refusal, match="there is no pass"):
                await lp.pkpass(PASS_TYPE, "nobody")
            with pytest.raises(Refusal):
                await lp.change(PASS_TYPE, "1", data={"poitns": 1})
            assert (await lp.void(PASS_TYPE, "1")).changed
            assert [event.kind.value for event in await lp.timeline(PASS_TYPE, "1")] == ["issued", "voided"]
            await lp.erase(PASS_TYPE, "1")

    asyncio.run(run())


def test_settings_are_checked_as_everywhere() -> None:
    with pytest.raises(ConfigError, match="databse_url is not a setting") as caught:
        Livepass(databse_url="sqlite:///x.db")
    assert caught.value.hint == "did you mean database_url?"
    with pytest.raises(ConfigError, match="https"):
        Livepass(public_url="http://club.example", secret_key="x")


def test_two_do_not_run_at_once(tmp_path: Path, authority: Authority) -> None:
    async def run() -> None:
        async with apns_of(tmp_path, authority) as apns, embedded(tmp_path, authority, **apns) as lp, lp.running():
            with pytest.raises(RuntimeError, match="runs already"):
                async with lp.running():
                    pass
            assert lp.is_running

    asyncio.run(run())


def test_importing_it_is_quick() -> None:
    """What costs is loaded when it is asked for."""
    code = "import sys, livepass; print(sorted(m for m in sys.modules if m.startswith(('livepass', 'cryptography'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['livepass', 'livepass._version']"
