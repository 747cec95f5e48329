"""One application: each request reaches the part that answers it."""

from __future__ import annotations

import asyncio
from typing import Any

from livepass.web.app import App


class Part:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(dict(scope))


class World:
    def __init__(self, **wrong: str) -> None:
        self.phone, self.issuer, self.share = Part(), Part(), Part()
        self.wrong = wrong
        self.bad: list[str] = []
        self.away = False
        more = {"ended": self.ended, "metrics": self.metrics, "share": self.share}
        self.app = App(self.phone, self.issuer, self.ready, **more)  # type: ignore[arg-type]

    async def ready(self) -> dict[str, str]:
        return {"database": "", "worker": ""} | self.wrong

    async def ended(self) -> list[str]:
        if self.away:
            raise RuntimeError("the database is away")
        return self.bad

    async def metrics(self) -> str:
        if self.away:
            raise RuntimeError("the database is away")
        return "up 1\n"

    def get(self, path: str, **more: Any) -> tuple[int, str]:
        """(status, text); (0, "") when another part has taken it."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), **more}
        asyncio.run(self.app(scope, None, send))  # type: ignore[arg-type]
        if not sent:
            return 0, ""
        headers = dict(sent[0]["headers"])
        assert int(headers[b"content-length"]) == len(sent[1]["body"])
        return sent[0]["status"], sent[1]["body"].decode()


def test_holders_of_links_are_below_p() -> None:
    world = World()
    assert world.get("/p/token") == world.get("/p/") == (0, "")
    assert [scope["path"] for scope in world.share.scopes] == ["/p/token", "/p/"]
    assert world.get("/passes")[0] == world.get("/p")[0] == 404


def test_phones_are_below_wallet_and_issuers_below_their_version() -> None:
    world = World()
    assert world.get("/wallet/v1/log") == world.get("/api/v1/passes") == (0, "")
    [phone], [issuer] = world.phone.scopes, world.issuer.scopes
    assert (phone["path"], phone["root_path"]) == ("/wallet/v1/log", "/wallet")
    assert issuer["path"] == "/api/v1/passes"


def test_below_a_mount_the_roots_add_up() -> None:
    world = World()
    world.get("/wallet/v1/log", root_path="/passes")
    assert world.phone.scopes[0]["root_path"] == "/passes/wallet"


def test_alive_is_not_ready() -> None:
    assert World().get("/livez") == (200, "alive\n")
    assert World().get("/readyz") == (200, "ready\n")
    broken = World(worker="has not looked for 130 s", database="is locked")
    assert broken.get("/livez") == (200, "alive\n")
    assert broken.get("/readyz") == (503, "database: is locked\nworker: has not looked for 130 s\n")


def test_a_certificate_that_ended_is_told_and_the_process_stays_ready() -> None:
    world = World()
    world.bad = ["the certificate of pass.test (a) has expired"]
    assert world.get("/readyz") == (200, "ready\ncertificate: the certificate of pass.test (a) has expired\n")
    world.away = True
    assert world.get("/readyz") == (200, "ready\ncertificates could not be looked at: RuntimeError\n")
    broken = World(database="is locked")
    broken.away = True
    assert broken.get("/readyz") == (503, "database: is locked\n"), "it is not asked twice"


def test_metrics_are_all_there_or_none() -> None:
    world = World()
    assert world.get("/metrics") == (200, "up 1\n")
    world.away = True
    assert world.get("/metrics") == (503, "the metrics cannot be had: RuntimeError\n")


def test_anything_else_is_told_where_to_go() -> None:
    world = World()
    for path in ("/", "/wallet", "/walletx/v1/log", "/api/v1", "/api/v2/x", "/v1/log"):
        found, text = world.get(path)
        assert found == 404
        assert "/wallet" in text
    assert world.phone.scopes == world.issuer.scopes == []


def test_a_server_may_start_and_stop_it() -> None:
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(World().app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_web_socket_has_nothing_here() -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("nothing to say")

    asyncio.run(World().app({"type": "websocket", "path": "/wallet/v1/log"}, never, never))
