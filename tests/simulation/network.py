"""Between phone and service: a request is lost, held up, sent twice; an answer is cut off, or never arrives."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from simulation.faults import Faults
from simulation.loop import Future, Killed, Loop, Lost
from simulation.process import URL, Process
from simulation.trace import Trace

TIMEOUT = 60.0
"""How long a phone waits for an answer."""
BASE = URL.removesuffix("/wallet")


class Broken(ConnectionError):
    """What a server's send raises when the client is gone."""


@dataclass
class Exchange:
    """A request, who makes it, and what the service answered. The ``*_index`` are places in the order of commits."""

    who: str
    kind: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    pass_type: str
    serial: str
    device_id: str
    port: int
    held: str = ""
    """The hash of the manifest that the phone held when it sent this."""
    arrived_index: int = 0
    seen_index: int | None = None
    started: float = 0.0
    copy: int = 0
    again: bool = False
    gone: bool = False
    """Whether the server knows that who asked went."""
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer_body: bytes = b""

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("ApplePass ")

    @property
    def tag(self) -> str:
        return self.query.partition("passesUpdatedSince=")[2]


class Observer(Protocol):
    def arriving(self, exchange: Exchange) -> None: ...

    def answering(self, exchange: Exchange) -> None: ...


class Network:
    def __init__(self, loop: Loop, rng: random.Random, trace: Trace, faults: Faults, observer: Observer) -> None:
        self.loop = loop
        self.rng = rng
        self.trace = trace
        self.faults = faults
        self.observer = observer
        self.processes: Callable[[], list[Process]] = list
        self.host_now: Callable[[], int] = lambda: 0
        self.stamps = True
        self.connections = True
        self.swallowed: dict[tuple[str, str, str], float] = {}
        """When a phone last lost an answer to a fetch that the service had written out whole."""
        self.written: dict[tuple[str, str, str], float] = {}
        """When a whole answer to its fetch was last written, whether or not it, or anybody, got that."""
        self.unheard: dict[str, None] = {}
        """Phones whose DELETE nobody hears."""
        self.outrun: dict[tuple[str, str], None] = {}
        """Phones, by pass type, whose last registration to arrive was sent before another with a newer push token."""
        self._registered: dict[str, Exchange] = {}
        """The registration that each phone sent last."""
        self._arrived: dict[tuple[str, str], tuple[float, bytes]] = {}
        """When the newest registration that arrived was sent, and its body."""
        self._routes: dict[tuple[str, int], str] = {}

    def send(self, exchange: Exchange, then: Callable[[Exchange | None], None]) -> None:
        """``then`` gets the answered exchange, or ``None`` when no answer came."""
        outcome: Future[Exchange | None] = self.loop.future()
        self.loop.later(TIMEOUT, lambda: outcome.set(None))

        async def wait() -> None:
            then(await outcome.get())

        self.loop.spawn(self._carry(exchange, outcome), None, "exchange")
        self.loop.spawn(wait(), None, "phone waits")

    async def _carry(self, exchange: Exchange, outcome: Future[Exchange | None]) -> None:
        faults, draw = self.faults, self.rng.random
        await self.loop.sleep(0.01 + 0.1 * draw())
        if draw() < faults.request_lost or (exchange.kind == "unregister" and exchange.who in self.unheard):
            if draw() < 0.5:
                outcome.set(None)
            return
        exchange.started, sent = self.host_now(), self.loop.now
        before = None
        if exchange.kind == "register":
            before, self._registered[exchange.who] = self._registered.get(exchange.who), exchange
        if draw() < faults.late:
            held_up = self.rng.expovariate(1 / 15) if self.stamps else 2 * draw()
            if before is not None and before.body != exchange.body and self.stamps and faults.duplicated:
                # The proxy that holds this one up carries out the last one once more, which names another push token.
                self.loop.later(held_up * draw(), lambda: self._repeat(before))
            await self.loop.sleep(held_up)
        # Registrations are few, and what is late of them does most harm.
        if self.stamps and draw() < faults.duplicated * (1 if exchange.method == "GET" else 3):
            self.loop.later(self._when_again(exchange), lambda: self._repeat(exchange))
        await self._reach(exchange)
        if exchange.kind == "register" and exchange.status in (200, 201):
            self._note_order(exchange, sent)
        if exchange.status == 0 or draw() < faults.answer_lost:
            if exchange.status in (200, 304) and exchange.kind == "fetch":
                self.swallowed[exchange.who, exchange.pass_type, exchange.serial] = self.loop.now
            if exchange.status == 0 or draw() < 0.5:
                outcome.set(None)
            return
        outcome.set(exchange)

    def _note_order(self, exchange: Exchange, sent: float) -> None:
        whose = exchange.who, exchange.pass_type
        newest, body = self._arrived.get(whose, (sent, exchange.body))
        if sent < newest and body != exchange.body:
            self.outrun[whose] = None
        elif sent >= newest:
            self._arrived[whose] = sent, exchange.body
            self.outrun.pop(whose, None)

    def _when_again(self, exchange: Exchange) -> float:
        """At once, or when the one who asked has long gone. Between the two, nobody can tell a repetition of an ask or
        a fetch from one that took its time; of a registration or its end, everybody can.
        """
        if exchange.method == "GET":
            return self.rng.random() if self.rng.random() < 0.2 else 31.0 + self.rng.expovariate(1 / 900)
        return 28 * self.rng.random() if self.rng.random() < 0.4 else self.rng.expovariate(1 / 900)

    def _repeat(self, first: Exchange) -> None:
        """A proxy sends it once more, much later; nobody waits for that answer."""
        again = Exchange(
            *(first.who, first.kind, first.method, first.path, first.query, first.headers, first.body),
            *(first.pass_type, first.serial, first.device_id, first.port, first.held),
            started=first.started,
            again=True,
        )
        self.loop.spawn(self._reach(again), None, "again")

    async def _reach(self, exchange: Exchange) -> None:
        process = self._route(exchange)
        if process is None:
            return
        self.observer.arriving(exchange)
        sent: list[dict[str, Any]] = []
        chance = self.rng.random()
        cut = chance < self.faults.half_written
        exchange.gone = chance < self.faults.half_written / 2

        async def send(message: dict[str, Any]) -> None:
            await self._point(process)
            if message["type"] == "http.response.body" and cut:
                raise Broken("the client is gone")
            sent.append(message)
            if message["type"] == "http.response.body":
                self._answer(exchange, sent)
                await self._point(process)

        received = [{"type": "http.request", "body": exchange.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            await self._point(process)
            return received.pop()

        async def serve() -> None:
            assert self.loop.current is not None
            self.loop.current.exchange = exchange
            await process.app(self._scope(exchange), receive, send)  # type: ignore[arg-type]

        try:
            await process.call(serve)
        except Lost:
            if len(sent) < 2:
                exchange.status = 0

    def _answer(self, exchange: Exchange, sent: list[dict[str, Any]]) -> None:
        exchange.status = sent[0]["status"]
        exchange.answer_headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        exchange.answer_body = sent[1]["body"]
        if exchange.kind == "fetch" and exchange.status == 200:
            self.written[exchange.who, exchange.pass_type, exchange.serial] = self.loop.now
        task = self.loop.current
        exchange.seen_index = task.seen if task is not None else None
        self.observer.answering(exchange)

    async def _point(self, process: Process) -> None:
        if process.dead:
            raise Killed
        await self.loop.pause()

    def _route(self, exchange: Exchange) -> Process | None:
        """A connection stays with one process while that lives."""
        alive = [process for process in self.processes() if process.open]
        if not alive:
            return None
        known = self._routes.get((exchange.who, exchange.port))
        for process in alive:
            if str(process) == known:
                return process
        process = alive[int(self.rng.random() * len(alive))]
        self._routes[exchange.who, exchange.port] = str(process)
        return process

    def _scope(self, exchange: Exchange) -> dict[str, Any]:
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in exchange.headers.items()]
        if self.stamps:
            headers.append((b"x-request-start", f"t={exchange.started / 1000:.3f}".encode()))
        if not self.connections:
            headers.append((b"x-forwarded-for", b"192.0.2.1"))
        return {
            "type": "http",
            "method": exchange.method,
            "path": exchange.path,
            "raw_path": exchange.path.encode(),
            "root_path": "/wallet",
            "query_string": exchange.query.encode(),
            "headers": headers,
            "client": (exchange.who, exchange.port),
        }
