"""The phone over real sockets: TLS on loopback, a naive web service and a naive APNs control port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from emulators.iphone.hand import Service, reply
from emulators.iphone.pass_maker import PASS_TYPE, Maker
from livepass.emulators.iphone import (
    PhoneEvent,
    PhoneRunner,
    PushClient,
    Quirks,
    Refused,
    Request,
    Unreachable,
    VirtualClock,
    Wallet,
)

App = Callable[..., Awaitable[None]]


class Site:
    """An ASGI app: the naive service under /w, a download under /get, and the control port of a naive APNs."""

    def __init__(self, maker: Maker) -> None:
        self.service = Service(maker)
        self.topics: dict[str, list[str]] = {}
        self.forgotten: list[str] = []
        self.pushes: asyncio.Queue[str] = asyncio.Queue()
        self.clients: set[Any] = set()
        self.control_down = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = message.get("body", b"")
        path = scope["path"]
        self.clients.add(tuple(scope["client"]))
        if path.startswith("/devices/"):
            answer = await self.control(scope["method"], path.split("/")[2], path, body)
        elif path == "/get":
            answer = reply(200, self.service.put(), Content_Type="application/vnd.apple.pkpass")
        elif path == "/html":
            answer = reply(200, "hello", Content_Type="text/html")
        elif path.startswith("/old"):
            answer = reply(302, Location=path.replace("/old", "/w"))
        else:
            answer = self.service(self.request(scope, body))
        status, headers, content = answer
        raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})

    def request(self, scope: Any, body: bytes) -> Request:
        parts = scope["path"].split("/")
        kind: Any = {"POST": "register", "DELETE": "unregister", "GET": "ask"}[scope["method"]]
        kind = "log" if parts[-1] == "log" else "fetch" if parts[3] == "passes" else kind
        headers = {k.decode().title(): v.decode() for k, v in scope["headers"]}
        url = "https://x" + scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        return Request(0, kind, scope["method"], url, headers, body, PASS_TYPE, parts[-1])

    async def control(self, method: str, token: str, path: str, body: bytes) -> Any:
        if self.control_down > 0:
            self.control_down -= 1
            return reply(503)
        if method == "POST":
            self.topics[token] = json.loads(body)["topics"]
        elif method == "DELETE":
            self.forgotten.append(token)
        elif path.endswith("/pushes"):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    topic = await self.pushes.get()
                    return reply(200, {"pushes": [{"topic": topic, "apns_id": "1", "at_ms": 5}]})
            return reply(200, {"pushes": []})
        return reply(200, {})


@contextlib.asynccontextmanager
async def serving(app: App, maker: Maker, folder: Path) -> AsyncIterator[str]:
    certificate = maker.authority.server_certificate("localhost", "127.0.0.1")
    (folder / "cert.pem").write_bytes(certificate.certificate_pem)
    (folder / "key.pem").write_bytes(certificate.key_pem)
    (folder / "ca.pem").write_bytes(maker.authority.root_pem)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, lifespan="off", log_level="error", ssl_certfile=folder / "cert.pem", ssl_keyfile=str(folder / "key.pem")
    )
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def phone(maker: Maker, quirks: dict[str, str] | None = None) -> Wallet:
    return Wallet([maker.authority.root], rng=random.Random(3), quirks=Quirks(quirks))


Scenario = Callable[[Site, str], Awaitable[None]]


def over_sockets(maker: Maker, folder: Path, scenario: Scenario) -> None:
    async def run() -> None:
        site = Site(maker)
        async with asyncio.timeout(30), serving(site, maker, folder) as base:
            await scenario(site, base)

    asyncio.run(run())


def test_the_whole_loop_over_one_connection(maker: Maker, tmp_path: Path) -> None:
    events: list[PhoneEvent] = []

    async def scenario(site: Site, base: str) -> None:
        async with PhoneRunner(phone(maker), ca_file=tmp_path / "ca.pem", on_event=events.append) as runner:
            url = f"{base}/w"
            held = await runner.install(site.service.put(webServiceURL=url))
            await runner.settle()
            assert held.registered and runner.wallet.complaints == []
            site.service.put(points=130, webServiceURL=url)
            await runner.deliver_push(PASS_TYPE)
            await runner.settle()
            assert held.field("points") == 130
            assert runner.wallet.last_banner == "You have 130 points"
            runner.wallet.delete(PASS_TYPE, "S-1", runner.clock.now())
            runner.wake()
            await runner.settle()
            assert site.service.registered == {}
            assert len(site.clients) == 1
            assert all(request.headers["User-Agent"].startswith("passd/1.0 ") for request in site.service.requests)

    over_sockets(maker, tmp_path, scenario)
    assert [event.text for event in events if event.what == "answer"] == [
        "register: 201", "ask: 200", "fetch: 200", "ask: 200", "fetch: 200", "unregister: 200",
    ]  # fmt: skip
    assert {event.what for event in events} == {"request", "answer", "push", "banner", "console"}


def test_retries_follow_the_virtual_clock(maker: Maker, tmp_path: Path) -> None:
    async def scenario(site: Site, base: str) -> None:
        clock = VirtualClock()
        async with PhoneRunner(phone(maker), ca_file=tmp_path / "ca.pem", clock=clock) as runner:
            site.service.replies["register"] = reply(503)
            await runner.install(site.service.put(webServiceURL=f"{base}/w"))
            await runner.settle()
            assert runner.wallet.complaints and not runner.wallet["S-1"].registered
            del site.service.replies["register"]
            clock.advance(6)
            await runner.settle()
            assert runner.wallet["S-1"].registered
            assert runner.wallet["S-1"].last_modified is not None

    over_sockets(maker, tmp_path, scenario)


def test_the_real_clock_retries_by_itself(maker: Maker, tmp_path: Path) -> None:
    async def scenario(site: Site, base: str) -> None:
        wallet = phone(maker, {"backoff-schedule": "short"})
        async with PhoneRunner(wallet, ca_file=tmp_path / "ca.pem") as runner:
            site.service.replies["register"] = reply(500)
            await runner.install(site.service.put(webServiceURL=f"{base}/w"))
            await runner.settle()
            del site.service.replies["register"]
            await runner.settle(grace=3)
            assert wallet["S-1"].registered

    over_sockets(maker, tmp_path, scenario)


def test_a_server_of_another_authority_hears_nothing(maker: Maker, tmp_path: Path) -> None:
    events: list[PhoneEvent] = []

    async def scenario(site: Site, base: str) -> None:
        verify = ssl.create_default_context()
        async with PhoneRunner(phone(maker), verify=verify, on_event=events.append) as runner:
            await runner.install(site.service.put(webServiceURL=f"{base}/w"))
            await runner.settle()
            assert site.service.requests == [] and runner.wallet.complaints == []
            assert runner.wallet.history[0].reason

    over_sockets(maker, tmp_path, scenario)
    assert [event.what for event in events if event.what in ("answer", "failure")] == ["failure"]


@pytest.mark.parametrize("follows", ["yes", "no"])
def test_redirects_are_an_assumption(maker: Maker, tmp_path: Path, follows: str) -> None:
    async def scenario(site: Site, base: str) -> None:
        wallet = phone(maker, {"follows-redirects": follows})
        async with PhoneRunner(wallet, ca_file=tmp_path / "ca.pem") as runner:
            await runner.install(site.service.put(webServiceURL=f"{base}/w"))
            await runner.settle()
            site.service.put(points=1, webServiceURL=f"{base}/old")
            await runner.deliver_push(PASS_TYPE)
            await runner.settle()
            runner.wallet.pull_to_refresh(PASS_TYPE, "S-1", runner.clock.now())
            runner.wake()
            await runner.settle()
            last = [exchange.status for exchange in wallet.history if exchange.request.kind == "fetch"][-1]
            assert last == (304 if follows == "yes" else 302)

    over_sockets(maker, tmp_path, scenario)


def test_a_link_installs_like_safari(maker: Maker, tmp_path: Path) -> None:
    async def scenario(site: Site, base: str) -> None:
        async with PhoneRunner(phone(maker), ca_file=tmp_path / "ca.pem") as runner:
            runner.set_airplane_mode(True)
            assert (await runner.install(f"{base}/get")).serial == "S-1"
            with pytest.raises(Refused, match="Content-Type"):
                await runner.install(f"{base}/html")
            with pytest.raises(Refused, match="302"):
                await runner.install(f"{base}/old")
            with pytest.raises(Unreachable):
                await runner.install("https://localhost:1/x")

    over_sockets(maker, tmp_path, scenario)


def test_pushes_arrive_from_the_emulated_apns(maker: Maker, tmp_path: Path) -> None:
    async def scenario(site: Site, base: str) -> None:
        wallet = phone(maker)
        site.control_down = 2
        client = PushClient(base + "/", verify=ssl.create_default_context(cafile=str(tmp_path / "ca.pem")))
        got_it = asyncio.Event()

        def notice(event: PhoneEvent) -> None:
            if event.what == "banner":
                got_it.set()

        runner = PhoneRunner(wallet, ca_file=tmp_path / "ca.pem", pushes=client, on_event=notice)
        async with runner:
            url = f"{base}/w"
            await runner.install(site.service.put(webServiceURL=url))
            await runner.settle()
            assert site.topics[wallet.push_token] == [PASS_TYPE]
            site.service.put(points=130, webServiceURL=url)
            await site.pushes.put(PASS_TYPE)
            await got_it.wait()
            old = wallet.push_token
            await runner.replace_push_token()
            await runner.settle()
            assert site.forgotten == [old]
            assert set(site.service.registered.values()) == {wallet.push_token}
            assert site.topics[wallet.push_token] == [PASS_TYPE]
            runner.set_airplane_mode(True)
            runner.set_airplane_mode(False)
            await runner.wipe()
            assert site.forgotten == [old, wallet.push_token]
            await runner.settle()

    over_sockets(maker, tmp_path, scenario)


def test_what_was_under_way_at_the_end_is_made_again(maker: Maker, tmp_path: Path) -> None:
    async def scenario(site: Site, base: str) -> None:
        wallet = phone(maker)
        async with PhoneRunner(wallet, ca_file=tmp_path / "ca.pem") as runner:
            await runner.install(site.service.put(webServiceURL=f"{base}/w"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert wallet.queue.under_way == {} and wallet.queue.waiting
        async with PhoneRunner(wallet, ca_file=tmp_path / "ca.pem") as runner:
            await runner.settle()
        assert wallet["S-1"].registered

    over_sockets(maker, tmp_path, scenario)


def test_settling_has_an_end(maker: Maker) -> None:
    async def run() -> None:
        wallet = phone(maker)
        async with PhoneRunner(wallet, verify=True, clock=VirtualClock()) as runner:
            wallet.add(maker(), runner.clock.now())
            wallet.due(runner.clock.now())
            with pytest.raises(TimeoutError):
                await runner.settle(timeout=0.05)

    asyncio.run(run())
