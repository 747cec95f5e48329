"""An emulated Apple Push Notification service: HTTP/2 over TLS for senders, plain JSON for whoever runs the test.

Run any sender against it: give it the server's CA and a client certificate whose subject UID is the topic. Register
phones by their tokens, push, and read what arrived; switch on chaos, and see what the sender makes of it.

Limits, honestly: this follows Apple's published rules and what sender projects report. That a push is accepted here
promises nothing about Apple: real thresholds, timings, stream limits and some orderings are unknown. There are no
channels and no idle time-out. All state is lost on exit.

Both kinds of credential are taken: client certificates, and provider tokens (.p8) of the keys that were made known; a
connection with neither gets 403.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from h2.settings import SettingCodes

from livepass.emulators.apns import credential as certificates
from livepass.emulators.apns import tls
from livepass.emulators.apns.chaos import Chaos
from livepass.emulators.apns.connection import BadCertificate, Connection
from livepass.emulators.apns.control import Control
from livepass.emulators.apns.credential import Environment
from livepass.emulators.apns.history import DEFAULT_LIMIT, Entry, History
from livepass.emulators.apns.listening import closed, place, port_of
from livepass.emulators.apns.phones import Phones, Push
from livepass.emulators.apns.provider_token import Provider, ProviderKey
from livepass.emulators.apns.secured import Secured
from livepass.emulators.apns.service import Service
from livepass.emulators.apns.standing import Lapsed, Revoked, Standing
from livepass.emulators.apns.verdicts import Credential
from livepass.emulators.apns.wire import SETTINGS
from livepass.emulators.authority import Authority

BACKLOG = 512
LOOK_SECONDS = 0.1  # how often standing connections are asked for their certificates


class ApnsServer:
    """One emulated APNs: two listeners on loopback and the state behind them.

    ``server_cert_pem``, ``server_key_pem``: what the sender verifies. ``client_ca_pem``: who may have issued client
    certificates. ``port`` and ``control_port`` 0 mean any free port. ``strict_tokens`` knows registered tokens only;
    otherwise every well-formed token is known. ``bad_certificate`` chooses how an expired or foreign client
    certificate is refused: in the handshake (``"tls"``), with 403 (``"403"``) or with GOAWAY (``"goaway"``); for the
    latter two, foreign ones must hang under ``foreign_ca_pem``. ``lapsed`` is what a standing connection meets when its
    certificate expires or is revoked (``standing.LAPSED``), ``revoked`` gives the serial numbers revoked at an instant
    (UNIX seconds). ``burst_limit`` pushes for one token and topic within ``burst_seconds`` pass, then 429. ``clock``
    gives UNIX seconds; ``move_clock`` adds to it.

    Use the methods from the event loop that runs the server; from elsewhere use the control port.
    """

    def __init__(
        self,
        server_cert_pem: bytes,
        server_key_pem: bytes,
        client_ca_pem: bytes,
        host: str = "127.0.0.1",
        port: int = 0,
        control_port: int = 0,
        *,
        strict_tokens: bool = True,
        environment: Environment = "production",
        bad_certificate: BadCertificate = "tls",
        foreign_ca_pem: bytes = b"",
        lapsed: Lapsed = "cut",
        revoked: Revoked | None = None,
        max_concurrent_streams: int = SETTINGS[SettingCodes.MAX_CONCURRENT_STREAMS],
        burst_limit: int | None = None,
        burst_seconds: float = 1.0,
        grace: float = 2.0,
        history_limit: int = DEFAULT_LIMIT,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.standing = Standing(clock, revoked, lapsed)
        self._doors = tls.Doors(
            server_cert_pem,
            server_key_pem,
            client_ca_pem,
            foreign_ca_pem if bad_certificate != "tls" else b"",
            self._turns_away,
        )
        self._trusted = tls.certificates_in(client_ca_pem) if foreign_ca_pem else None
        self._host, self._port, self._environment = host, port, environment
        self.bad_certificate: BadCertificate = bad_certificate
        self.development = environment == "development"
        self.max_concurrent_streams = max_concurrent_streams
        self.internal_errors = 0
        now = self.standing.now
        phones = Phones(now, strict=strict_tokens, grace=grace, burst_limit=burst_limit, burst_seconds=burst_seconds)
        self.chaos = Chaos(seed)
        self.service = Service(phones, self.chaos, History(history_limit), self.standing, Provider(environment))
        self._listener: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()
        self._opened = 0
        self._control = Control(self, host, control_port)

    @classmethod
    def under(cls, authority: Authority, host: str = "127.0.0.1", **options: Any) -> ApnsServer:
        """A server for ``authority``: its own TLS certificate, and client certificates from the same authority.

        What the authority revokes, it knows of at once. ``options`` are those of the constructor.
        """
        issued = authority.server_certificate("localhost", host)
        accepted = authority.root_pem + authority.intermediate.public_bytes(Encoding.PEM)
        options.setdefault("revoked", lambda now: authority.revoked(dt.datetime.fromtimestamp(now, dt.UTC)))
        return cls(issued.certificate_pem, issued.key_pem, accepted, host, **options)

    # -- running ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on both ports. ``OSError`` when a port is taken."""
        await self.up()
        try:
            await self._control.start()
        except OSError:
            await self.down()
            raise

    async def stop(self) -> None:
        """Close both ports and every connection; ``wait`` and ``deliveries`` end."""
        self.phones.close()
        await self._control.stop()
        await self.down()

    async def __aenter__(self) -> ApnsServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def up(self) -> None:
        """Listen for senders (again); nothing happens when it does already. The port stays the same."""
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Secured(self._doors.open, lambda: Connection(self)), self._host, self._port, backlog=BACKLOG
        )
        self._port = port_of(self._listener)
        self._watch = loop.create_task(self._watch_certificates())

    async def down(self) -> None:
        """Be unreachable: refuse connections and cut those that stand. Phones, history and control port stay."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        if self._watch is not None:
            self._watch.cancel()
        for connection in list(self._connections):
            connection.cut()
        await asyncio.sleep(0)  # lets the transports call connection_lost before anyone looks
        await closed(listener)

    @property
    def is_up(self) -> bool:
        return self._listener is not None

    @property
    def url(self) -> str:
        """Where senders go: ``https://host:port``."""
        return f"https://{place(self._host, self._port)}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def control_url(self) -> str:
        """Where the control port is: ``http://host:port``."""
        return self._control.url

    # -- what the control port offers, as methods -------------------------------------------------------------------

    @property
    def phones(self) -> Phones:
        return self.service.phones

    def register_device(self, token: str, topics: Collection[str]) -> bool:
        """Make ``token`` live for just ``topics`` (``"*"``: all); True when unknown or dead before. ``ValueError``."""
        return self.phones.register(token, topics)

    def kill_device(self, token: str, timestamp_ms: int | None = None, topics: Collection[str] = ()) -> int:
        """Answer 410 for ``token`` from now on (or for ``topics`` only), with this timestamp; returns it (ms)."""
        return self.phones.kill(token, timestamp_ms=timestamp_ms, topics=topics)

    def set_offline(self, token: str, offline: bool = True) -> None:
        """Switch the phone off or on. ``UnknownToken`` when it was never registered."""
        self.phones.set_online(token, not offline)

    async def deliveries(self, token: str) -> AsyncIterator[Push]:
        """Be the phone: every push that reaches ``token``, until the server stops. ``UnknownToken``."""
        while not self.phones.closed:
            for push in await self.phones.poll(token, None):
                yield push

    def history(self, token: str | None = None, topic: str | None = None, after: int = 0) -> list[Entry]:
        """What was asked of us, oldest first, with a number above ``after``."""
        return self.service.history.entries(token=token, topic=topic, after=after)

    def clear_history(self) -> None:
        self.service.history.clear()

    def goaway(self, reason: str = "Shutdown", last_stream: int | None = None) -> int:
        """GOAWAY on every connection; returns how many. Streams in flight above ``last_stream`` stay unprocessed."""
        connections = list(self._connections)
        for connection in connections:
            connection.goaway(reason, last_stream)
        return len(connections)

    def limit_streams(self, limit: int) -> None:
        """MAX_CONCURRENT_STREAMS for every connection, now and later."""
        self.max_concurrent_streams = limit
        for connection in list(self._connections):
            connection.limit_streams(limit)

    def move_clock(self, seconds: float) -> None:
        """Be that far ahead of the true time (behind, when negative), in all that this APNs judges by time."""
        self.standing.offset = seconds
        self._look_at_certificates()

    def revoke(self, serial: int) -> None:
        """Take the certificate of this serial number for revoked."""
        self.standing.revoke(serial)
        self._look_at_certificates()

    def stats(self) -> dict[str, object]:
        """Counters since the start, JSON-able."""
        outcomes: Counter[str] = self.service.history.outcomes
        return {
            "up": self.is_up,
            "connections_open": len(self._connections),
            "connections_total": self._opened,
            "requests": sum(outcomes.values()),
            "outcomes": dict(outcomes),
            "deliveries": dict(self.phones.fates),
            "devices": len(self.phones.tokens()),
            "max_concurrent_streams": self.max_concurrent_streams,
            "internal_errors": self.internal_errors,
        }

    # -- provider tokens --------------------------------------------------------------------------------------------

    @property
    def provider(self) -> Provider:
        """What is known of keys and teams."""
        return self.service.provider

    def know_key(self, key: ProviderKey) -> None:
        """Take provider tokens of this key from now on."""
        self.provider.put(key)

    def revoke_key(self, key_id: str) -> bool:
        """Take them no more, and close every connection (Apple: open new ones); false when it was not known."""
        known = self.provider.revoke(key_id)
        for connection in list(self._connections) if known else ():
            connection.goaway(None)
        return known

    # -- what connections need (``connection.Owner``) ---------------------------------------------------------------

    def credential(self, tls_object: ssl.SSLObject | None) -> Credential | None:
        """What the client certificate of a connection allows; ``None`` when there is none."""
        der = tls_object.getpeercert(binary_form=True) if tls_object is not None else None
        if tls_object is None or der is None:
            return None
        foreign = self._trusted is not None and self._trusted.isdisjoint(tls.verified_chain(tls_object))
        return certificates.read(der, self._environment, foreign=foreign)

    def opened(self, connection: Connection) -> int:
        """A connection stands; returns its number, counted from 1."""
        self._connections.add(connection)
        self._opened += 1
        if self._listener is None:  # its handshake ended after down()
            asyncio.get_running_loop().call_soon(connection.cut)
        return self._opened

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    # -- certificates -----------------------------------------------------------------------------------------------

    def _turns_away(self, der: bytes) -> bool:
        """Whether a certificate fails in the handshake for its dates or as revoked; asked in the middle of it."""
        return self.bad_certificate == "tls" and self.standing.is_lapsed(certificates.read(der, self._environment))

    async def _watch_certificates(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look_at_certificates()

    def _look_at_certificates(self) -> None:
        for connection in list(self._connections):
            connection.look_again()
