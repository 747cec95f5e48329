"""A whole world on loopback: the service over TLS, an emulated APNs, emulated phones, a throwaway authority.

Everything runs in one event loop over real sockets; a journey that must kill the service runs it as a process instead
(``service_process.py``). A test is a coroutine under ``@journey``, which gives it a world and at the end looks at what
must hold after every journey: phones that had no reason to complain, and books that balance.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import random
import re
import secrets
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

import engines
from deploy import proxies
from free_ports import bound, free_port
from livepass import wiring
from livepass.config import Config
from livepass.core.model import Held
from livepass.core.timeline import Event, Kind, fold
from livepass.emulators.apns.history import Entry
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.authority import Issued as IssuedCertificate
from livepass.emulators.iphone import PhoneRunner, PushClient, Wallet
from livepass.emulators.iphone.addressing import user_agent
from livepass.pkpass import Template
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued
from livepass.web.app import App
from livepass.web.echo import Echo
from livepass.web.phone import Message, PhoneApp, Receive, Scope, Send
from livepass.web.share import ShareApp

PASS_TYPE = "pass.test.livepass"
OTHER_TYPE = "pass.test.other"
TEAM = "TEAM123456"
PROXY = os.environ.get("LIVEPASS_TEST_PROXY", "")
"""``nginx`` or ``caddy``: every world stands behind that, with the files that ship."""
SHED = re.compile("Get serial #s task .*Unexpected response code 503$")
"""How phones complain where a busy machine serves phones that fetch, and asks are to come again."""
DIED = "Unexpected response code 502"
"""How phones complain where a proxy says for a process that it died under a request, or that there is none."""
CONNECTION_HEADER = "X-Connection-Id"

MEMBERSHIP: Mapping[str, Any] = {
    "description": "Membership",
    "organizationName": "Gym",
    "storeCard": {
        "primaryFields": [
            {"key": "points", "label": "POINTS", "value": "${points}", "changeMessage": "You have %@ points"}
        ],
        "backFields": [{"key": "terms", "label": "Terms", "value": "Be kind."}],
    },
}


@functools.cache
def server_certificate(authority: Authority) -> IssuedCertificate:
    """For the service and APNs alike; keys are slow to make, so every world of a session shares them."""
    return authority.server_certificate("localhost", "127.0.0.1")


@functools.cache
def pass_certificate(authority: Authority, pass_type: str) -> IssuedCertificate:
    return authority.pass_certificate(pass_type, TEAM)


def png(side: int, colour: tuple[int, int, int] = (32, 128, 192)) -> bytes:
    """A plain square."""
    rows = b"".join(b"\0" + bytes(colour) * side for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def template(
    name: str = "membership", document: Mapping[str, Any] = MEMBERSHIP, files: Mapping[str, bytes] | None = None
) -> Template:
    """A template with icons; ``files`` are added to them, or take their place."""
    icons = {"icon.png": png(38), "icon@2x.png": png(76), "icon@3x.png": png(114)}
    return Template.from_files(name, {"pass.json": json.dumps(document).encode(), **icons, **(files or {})})


class Answer:
    """What the service is about to answer, for a ``Spoil`` to change."""

    def __init__(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status = status
        self.headers = headers
        self.body = b""


Spoil = Callable[[Scope, Answer], None]
"""Makes the service misbehave: looks at a request and changes its answer."""


class World:
    """The service, its APNs and its phones. Made by ``world``."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.directory = directory
        self.authority = authority
        self.ca_file = directory / "ca.crt"
        self.ca_file.write_bytes(authority.root_pem)
        server = server_certificate(authority)
        accepted = authority.root_pem + pass_certificate(authority, PASS_TYPE).intermediate_pem
        self.apns = ApnsServer(server.certificate_pem, server.key_pem, accepted, port=free_port())
        self.stack = AsyncExitStack()
        self.socket = bound()
        self.port: int = self.socket.getsockname()[1]
        self.front: int | None = None
        self.proxied = False
        self.elsewhere = False
        """Processes serve and push: what they answer is not seen from here."""
        self.ended = False
        """A process that served was killed or stopped on purpose."""
        self.config: Config
        self.services: wiring.Services
        self.phones: list[PhoneRunner] = []
        self.answers: list[tuple[str, str, int]] = []
        self._spoil: Spoil | None = None

    async def start(self, *, elsewhere: bool = False) -> None:
        """``elsewhere``: nothing is served or pushed from here, because processes do it on the same database."""
        self.elsewhere = elsewhere
        await self.apns.start()
        self.stack.push_async_callback(self.apns.stop)
        self.config = Config(
            database_url=engines.new_database(self.directory / "livepass.db"),
            public_url=f"https://localhost:{self.front or self.port}",
            secret_key=(secrets.token_urlsafe(32),),
            admin_key=secrets.token_hex(16),
            apns_url=self.apns.url,
            apns_ca_file=self.ca_file,
            public_ca_file=self.ca_file,
            connection_header=CONNECTION_HEADER.lower() if self.proxied else "",
        )
        await wiring.upgrade(self.config)
        self.services = await self.stack.enter_async_context(wiring.opened(self.config))
        if elsewhere:
            self.socket.close()
        else:
            await self.stack.enter_async_context(self.services.working())
            await self.stack.enter_async_context(self._serving())
        await self.certify(PASS_TYPE)
        await self.services.publishing.publish(template(), wait=True)

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        certificate, key = (None, None) if self.proxied else self.tls_files()
        services = self.services
        echo = Echo(services.keys, services.clock, services.chance)
        header = self.config.connection_header
        phone = PhoneApp(services.answering, header, personalizing=services.personalizing, echo=echo)
        share = ShareApp(services.sharing, services.answering.load, services.clock)
        app = App(phone, phone, services.ready, share=share)
        server = uvicorn.Server(
            uvicorn.Config(
                self._watched(app), log_config=None, lifespan="off", ssl_certfile=certificate, ssl_keyfile=key
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[self.socket]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    async def stop(self) -> None:
        await self.stack.aclose()

    def tls_files(self) -> tuple[Path, Path]:
        """The service's certificate and its key."""
        issued = server_certificate(self.authority)
        certificate, key = self.directory / "tls.crt", self.directory / "tls.secret"
        certificate.write_bytes(issued.certificate_pem)
        key.write_bytes(issued.key_pem)
        return certificate, key

    def _watched(self, app: App) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """The service as it stands on the wire: every answer is noted, and spoiled on request."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            spoil = self._spoil
            held: list[Answer] = []

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.answers.append((scope["method"], scope["path"], message["status"]))
                if spoil is None:
                    await send(message)
                elif message["type"] == "http.response.start":
                    held.append(Answer(message["status"], dict(message["headers"])))
                else:
                    held[0].body += message.get("body", b"")
                    if not message.get("more_body", False):
                        await _send_spoiled(spoil, scope, held[0], send)

            await app(scope, receive, sending)

        return watched

    @contextmanager
    def spoiled(self, spoil: Spoil) -> Iterator[None]:
        """Let the service misbehave for the length of a block."""
        self._spoil = spoil
        try:
            yield
        finally:
            self._spoil = None

    async def certify(self, pass_type: str) -> None:
        issued = pass_certificate(self.authority, pass_type)
        await self.services.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)

    # ── the issuer

    async def issue(self, serial: str, points: int, pass_type: str = PASS_TYPE, **wish: Any) -> Issued:
        wanted = {"template": "membership", "data": {"points": points}} | wish
        return await self.services.issuing.put(Wish(pass_type, serial, **wanted))

    async def change(self, serial: str, points: int, pass_type: str = PASS_TYPE, **options: Any) -> Issued:
        wish = Wish(pass_type, serial, data={"points": points}, patch=True)
        return await self.services.issuing.put(wish, **options)

    async def pkpass(self, serial: str, pass_type: str = PASS_TYPE) -> bytes:
        return await self.services.issuing.pkpass(pass_type, serial)

    async def timeline(self, serial: str, pass_type: str = PASS_TYPE) -> list[Event]:
        await self.services.recorder.settle()
        return list(await self.services.store.timeline(pass_type, serial, after=0, limit=5000))

    async def held(self, serial: str, pass_type: str = PASS_TYPE) -> list[Held]:
        """The registrations of a pass, with their watermarks, once everything seen is written down."""
        await self.services.recorder.settle()
        return list(await self.services.store.held(pass_type, serial))

    async def registrations(self, serial: str, pass_type: str = PASS_TYPE) -> int:
        return sum(1 for one in await self.held(serial, pass_type) if one.registration.left_at is None)

    async def number(self, pass_type: str = PASS_TYPE) -> int:
        """The newest change number of a pass type."""
        counter = await self.services.store.counter(pass_type)
        assert counter is not None
        return counter.seq

    # ── the wire, by hand

    @property
    def url(self) -> str:
        """Where phones send their calls, without ``/v1``."""
        return f"{self.config.public_url}/wallet"

    @property
    def issuer_url(self) -> str:
        """Where the issuer API is, and all else but phones' paths: behind a proxy, which lets none of it through."""
        return f"http://127.0.0.1:{self.port}" if self.proxied else self.config.public_url

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client that trusts the service, for calls that no phone would make. It says that it is one."""
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        phone = {"User-Agent": user_agent("26.0")}
        async with httpx2.AsyncClient(
            verify=trust, trust_env=False, timeout=30, base_url=self.url, headers=phone
        ) as client:
            yield client

    async def authorization(self, serial: str, pass_type: str = PASS_TYPE) -> dict[str, str]:
        """The header that a phone holding the pass would send."""
        row = await self.services.store.pass_(pass_type, serial)
        assert row is not None
        return {"Authorization": f"ApplePass {self.services.keys.token('default', pass_type, serial, row.token)}"}

    async def register(
        self, client: httpx2.AsyncClient, device: str, serial: str, push_token: str, pass_type: str = PASS_TYPE
    ) -> int:
        """Register as a phone would; the status of the answer."""
        answer = await client.post(
            f"/v1/devices/{device}/registrations/{pass_type}/{serial}",
            headers=await self.authorization(serial, pass_type),
            json={"pushToken": push_token},
        )
        return answer.status_code

    # ── the database, by hand

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read by one statement, with ``?`` for each parameter, behind the service's back."""
        assert statement.lstrip().startswith(("SELECT", "WITH", "PRAGMA", "EXPLAIN")), "await alter"
        return engines.run(self.config.database_url, statement, *parameters)

    async def alter(self, statement: str, *parameters: object) -> None:
        """As ``sql``, for what writes. Whoever holds a row may be a transaction of this loop, so it is not held up."""
        await asyncio.to_thread(engines.run, self.config.database_url, statement, *parameters)

    # ── what was pushed

    def mark(self) -> int:
        """The number of the last push that APNs was asked for."""
        entries = self.apns.history()
        return entries[-1].number if entries else 0

    def pushed(self, after: int = 0, token: str | None = None) -> list[Entry]:
        """What APNs was asked for since a mark."""
        return self.apns.history(token=token, after=after)

    async def nothing_due(self) -> None:
        """Wait until no push is under way and none will go in the next seconds: the history is complete."""

        async def at_rest() -> bool:
            due = "SELECT count(*) FROM push_target WHERE wanted > acked AND dead_at IS NULL AND (lease IS NOT NULL"
            soon = self.services.clock.now() + 5_000
            return self.sql(f"{due} OR next_at <= ?)", soon) == [(0,)]

        await self.services.recorder.settle()
        await until(at_rest, "no push is due any more")

    # ── what holds after every journey

    async def check_phones(self) -> None:
        """No phone complained, and no call was answered with a fault of ours."""
        for phone in self.phones:
            said = [one for one in phone.wallet.complaints if not (self.ended and one.endswith(DIED))]
            assert [one for one in said if not (self.elsewhere and SHED.search(one))] == [], said
        assert [answer for answer in self.answers if answer[2] >= 500] == []

    async def check_books(self) -> None:
        """Double entry: the timeline adds up to the stored watermarks, and no change number is missing."""
        for kept in await self.services.store.pass_types():
            rows = self.sql("SELECT serial FROM pass WHERE pass_type = ?", kept.pass_type)
            for (serial,) in rows:
                events, all_held = await self._of_one_moment(serial, kept.pass_type)
                for held in all_held:
                    device_id = held.registration.device_id
                    folded = fold(events, serial=serial, device_id=device_id, target=held.target)
                    assert folded == held.watermarks, (serial, device_id, [event.kind.value for event in events])
            taken = await self.services.store.events(
                kinds=[kind.value for kind in NUMBERED], pass_type=kept.pass_type, after=0, limit=100_000
            )
            numbers = {event.seq for event in taken}
            assert numbers == set(range(1, await self.number(kept.pass_type) + 1)), kept.pass_type
        findings = (await wiring.verify(self.config, sample=100, quick=False)).findings
        assert findings == (), findings

    async def _of_one_moment(self, serial: str, pass_type: str) -> tuple[list[Event], list[Held]]:
        """Timeline and watermarks as they stood together: a phone may still be asking or fetching."""
        events = await self.timeline(serial, pass_type)
        while True:
            held = await self.held(serial, pass_type)
            before, events = events, await self.timeline(serial, pass_type)
            if events == before:
                return events, held

    # ── the phones

    def rng(self) -> random.Random:
        """Randomness for one more phone, its own and repeatable."""
        return random.Random(len(self.phones))

    async def phone(self, wallet: Wallet | None = None, **options: Any) -> PhoneRunner:
        """A phone that is switched on and connected to our APNs."""
        if wallet is None:
            wallet = Wallet([self.authority.root], rng=self.rng(), **options)
        runner = PhoneRunner(wallet, ca_file=self.ca_file, pushes=PushClient(self.apns.control_url))
        await self.stack.enter_async_context(runner)
        self.phones.append(runner)
        return runner

    async def holding(self, serial: str, points: int, pass_type: str = PASS_TYPE) -> PhoneRunner:
        """A new phone with a new pass on it, registered."""
        await self.issue(serial, points, pass_type)
        phone = await self.phone()
        await phone.install(await self.pkpass(serial, pass_type))
        await phone.settle()
        return phone


NUMBERED = (Kind.ISSUED, Kind.CHANGED, Kind.VOIDED, Kind.REGISTERED, Kind.TOKEN_CHANGED, Kind.RETOLD)
NUMBERED += (Kind.PERSONALIZED, Kind.ENROLLED_AGAIN)
"""The events that take a change number."""


async def _send_spoiled(spoil: Spoil, scope: Scope, answer: Answer, send: Send) -> None:
    had_length = b"content-length" in answer.headers
    spoil(scope, answer)
    if had_length and scope["method"] != "HEAD":
        answer.headers[b"content-length"] = str(len(answer.body)).encode()
    headers = list(answer.headers.items())
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def is_fetch(scope: Scope) -> bool:
    return scope["method"] == "GET" and "/v1/passes/" in scope["path"]


def is_ask(scope: Scope) -> bool:
    return scope["method"] == "GET" and "/registrations/" in scope["path"]


def points(phone: PhoneRunner, serial: str) -> object:
    return phone.wallet[serial].field("points")


async def until(
    true: Callable[[], object | Awaitable[object]], what: str | Callable[[], str] = "", seconds: float = 20.0
) -> None:
    """Wait for something to become true: an event, not a time, ends a journey's step."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = true()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"never happened: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(0.02)


async def shows(phone: PhoneRunner, serial: str, value: object) -> None:
    """Wait until the phone shows a value, and has nothing more to do."""
    await until(
        lambda: points(phone, serial) == value, lambda: f"{serial} shows {value}; it shows {points(phone, serial)}"
    )
    await phone.settle()


@asynccontextmanager
async def world(
    directory: Path, authority: Authority, *, elsewhere: bool = False, front: int | None = None
) -> AsyncIterator[World]:
    """``front``: the port of the public address, where a proxy will stand that the test starts."""
    made = World(directory, authority)
    made.front, made.proxied = front, front is not None
    with behind(made, PROXY) if PROXY and front is None else nullcontext():
        await made.start(elsewhere=elsewhere)
        try:
            yield made
        finally:
            await made.stop()


@contextmanager
def behind(made: World, kind: str, **options: Any) -> Iterator[None]:
    """A real proxy before a world that has not started yet, which then speaks plain HTTP itself."""
    made.front, made.proxied = free_port(), True
    place = proxies.Place(made.directory / kind, made.front, made.port, *made.tls_files())
    with proxies.running(kind, place, **options):
        yield


def without_proxy(reason: str) -> pytest.MarkDecorator:
    """A journey that says something else behind a proxy, or nothing."""
    return pytest.mark.skipif(bool(PROXY), reason=reason)


Steps = Callable[..., Awaitable[None]]

LIMIT_SECONDS = 60.0
TIDY_SECONDS = 60.0
"""After the limit, for a world to end in."""


def journey(
    steps: Steps | None = None,
    *,
    content: bool = True,
    books: bool = True,
    elsewhere: bool = False,
    limit: float = LIMIT_SECONDS,
) -> Callable[..., Any]:
    """Make a test of a coroutine whose first parameter is a running world; others stay fixtures and parameters.

    ``content`` and ``books``: whether at the end phones must have had nothing to complain of, and the books balance.
    ``elsewhere``: the journey starts the service itself, as processes. ``limit``: seconds until it counts as stuck.
    """

    def decorate(steps: Steps) -> Callable[..., None]:
        async def travel(directory: Path, authority: Authority, more: Mapping[str, Any]) -> None:
            async with (
                asyncio.timeout(limit),
                world(directory, authority, elsewhere=elsewhere) as made,
            ):
                await steps(made, **more)
                if not elsewhere:
                    await made.nothing_due()
                if books:
                    await made.check_books()
                if content:
                    await made.check_phones()

        def test(tmp_path: Path, authority: Authority, engine: str, **more: Any) -> None:
            asyncio.run(travel(tmp_path, authority, more))

        _, *others = inspect.signature(steps).parameters.values()
        own = [parameter for parameter in inspect.signature(test).parameters.values() if parameter.name != "more"]
        test.__signature__ = inspect.Signature([*own, *others])  # type: ignore[attr-defined]
        test.__name__, test.__doc__, test.__module__ = steps.__name__, steps.__doc__, steps.__module__
        # Or pytest would stop a long one before its limit, whose end tidies up.
        return pytest.mark.timeout(limit + TIDY_SECONDS)(test)

    return decorate(steps) if steps is not None else decorate
