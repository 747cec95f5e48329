"""From configuration to running services: the only file that sees both the use cases and the shells."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from livepass._version import __version__
from livepass.config import Config
from livepass.core.echo import Heard, Shot
from livepass.core.history import Reason, Witness, lost_modified
from livepass.core.trip2_push import Credential, PushAnswer, PushMessage
from livepass.core.watching import Seen, What
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import CannotUnseal, Secrets
from livepass.looking import postgres_store
from livepass.outside.authorities import HttpAuthorities
from livepass.outside.outbox import PostgresOutbox, SqliteOutbox
from livepass.outside.webhooks import WebhookPoster
from livepass.outside.witness import JsonWitness
from livepass.runtime import AsyncScheduler, AsyncSignal, SharedClock, SystemChance, WallClock
from livepass.service.admitting import Admitting
from livepass.service.adopting import Adopting
from livepass.service.answering import Answering
from livepass.service.apns_keys import ApnsKeys
from livepass.service.building import Builder
from livepass.service.canary import Canary
from livepass.service.console_access import ConsoleAccess
from livepass.service.draining import Draining
from livepass.service.epochs import begin_epochs, say_loudly
from livepass.service.explaining import Explaining
from livepass.service.importer import Importer
from livepass.service.issuing import Issuing
from livepass.service.keeping import Keeper
from livepass.service.lookout import Lookout
from livepass.service.moving import Moving
from livepass.service.observing import Recorder
from livepass.service.personalizing import Personalizing
from livepass.service.presence import Fetching, Presence, Role
from livepass.service.pressure import Watch
from livepass.service.public_way import PublicWay
from livepass.service.publishing import Publishing
from livepass.service.pushing import Dispatcher
from livepass.service.recovering import Recovering
from livepass.service.revocation import asking
from livepass.service.rotating import Rotating
from livepass.service.safekeeping import NoSharedKey, Safekeeping
from livepass.service.seams import Caller, Clock, Look, Outbox, Prober, Sender, Store, Tx
from livepass.service.sharing import Sharing
from livepass.service.stale import StaleWatch
from livepass.service.telling import Teller
from livepass.service.watching import Watching
from livepass.service.webhooks import Webhooks
from livepass.store import archive, sqlite
from livepass.store.archive import Archive, BadArchive, Manifest
from livepass.store.losses import Loss, Lost, losses
from livepass.store.named import migrations
from livepass.store.schema import SchemaMismatch, StillRunning, WrongEncoding
from livepass.store.verify import Verified
from livepass.store.verify import verify as _verify
from livepass.store.whole import CannotSetAside, Filled, NotEmpty, NotSetAside, StillWorking, Whole
from livepass.store.whole_sqlite import WholeSqlite

if TYPE_CHECKING:
    from livepass.outside.journal_folder import JournalFolder
    from livepass.outside.tracing import OtelTracing

__all__ = [
    "Archive",
    "BadArchive",
    "CannotSetAside",
    "Filled",
    "Loss",
    "Lost",
    "Manifest",
    "NoSharedKey",
    "NotEmpty",
    "NotSetAside",
    "SchemaMismatch",
    "Services",
    "StillRunning",
    "StillWorking",
    "Verified",
    "WrongEncoding",
    "backup",
    "check",
    "examined",
    "lost",
    "opened",
    "restore",
    "upgrade",
    "verify",
    "witnessed",
]

log = logging.getLogger(__name__)

SILENT_WORKER_MS = 120_000
SEND_SECONDS, PROBE_SECONDS = 15.0, 5.0
"""How long a batch of pushes may take, and one that somebody waits for."""
SETTLE_SECONDS = 10.0
"""How long a process that ends waits for a database that is away."""
JOURNAL = "registration journal"
"""What the journal's lines are sealed for."""


@dataclass(slots=True)
class Services:
    """The use cases of one process, over one open database."""

    config: Config
    clock: Clock
    chance: SystemChance
    scheduler: AsyncScheduler
    store: Store
    keys: SealedKeyRing
    safekeeping: Safekeeping
    recovering: Recovering
    journal: JournalFolder | None
    builder: Builder
    recorder: Recorder
    answering: Answering
    personalizing: Personalizing
    issuing: Issuing
    publishing: Publishing
    sharing: Sharing
    adopting: Adopting
    moving: Moving
    admitting: Admitting
    rotating: Rotating
    apns_keys: ApnsKeys
    webhooks: Webhooks
    watching: Watching
    way: PublicWay
    canary: Canary
    console: ConsoleAccess
    due: AsyncSignal
    tracing: OtelTracing | None = None
    dispatcher: Dispatcher | None = None
    keeper: Keeper | None = None
    draining: tuple[Draining, ...] = ()
    hears_of_stale: Callable[[], bool] = lambda: False
    """Whether somebody in this process wants to hear of passes that go stale."""

    @classmethod
    async def open(cls, config: Config) -> Self:
        """Open the database and build the services.

        Raises ``SchemaMismatch``, ``BadSecretKey``, ``Unavailable``, and ``PkpassError`` when the keys that all hosts
        share do not open.
        """
        chance, scheduler = SystemChance(), AsyncScheduler()
        clock: WallClock | SharedClock = SharedClock() if config.on_postgres else WallClock()
        opener = Secrets(config.secret_key, secrets.token_bytes)
        keys = SealedKeyRing(opener, secrets.token_hex(16).encode())
        witness = JsonWitness(config.witness) if config.witness is not None else None
        journal = _journal(config, opener)
        lookouts: list[Lookout] = []
        store = await _store(config, _renewal(clock, chance, witness, lookouts))
        safekeeping = Safekeeping(store, keys, clock)
        due = scheduler.signal()
        builder = Builder(store, keys, clock, scheduler)
        recorder = Recorder(store, scheduler)
        tracing = _tracing(config, keys)
        common = (store, keys, builder, clock, chance, due)
        issuing = Issuing(*common, config.web_service_url, config.other_urls, tracing)
        lookout = Lookout(store, clock, chance, witness, lambda: issuing.gave)
        try:
            if isinstance(clock, SharedClock):
                await clock.measure(store.database_time)
            await lookout.open()
            lookouts.append(lookout)
            await safekeeping.open()
        except BaseException:
            await store.close()
            if tracing is not None:
                await tracing.close()
            raise
        publishing = Publishing(store, issuing, clock, scheduler)
        answering = Answering(
            *(store, keys, builder, recorder, clock, chance),
            phones_per_pass=config.phones_per_pass,
            lookout=lookout,
            journal=journal,
            tracing=tracing,
        )
        prober, authorities = _prober(config, clock), HttpAuthorities(config.certificate_hosts)
        recovering = Recovering(store, keys, clock, scheduler, lookout, journal)
        scheduler.spawn(safekeeping.run(scheduler), "shared-keys")
        scheduler.spawn(recovering.run(), "lookout")
        if isinstance(clock, SharedClock):
            scheduler.spawn(clock.follow(store.database_time), "clock")
        return cls(
            config=config,
            clock=clock,
            chance=chance,
            scheduler=scheduler,
            store=store,
            keys=keys,
            safekeeping=safekeeping,
            recovering=recovering,
            journal=journal,
            builder=builder,
            recorder=recorder,
            answering=answering,
            personalizing=Personalizing(*(store, keys, builder, recorder, clock, chance, scheduler), issuing),
            issuing=issuing,
            publishing=publishing,
            adopting=Adopting(store, keys, clock, due, journal),
            moving=Moving(store, issuing, clock),
            sharing=Sharing(*(store, keys, builder, recorder, clock, scheduler), config.public_url),
            rotating=Rotating(store, keys, clock, chance, prober),
            apns_keys=ApnsKeys(store, keys, clock, chance, prober),
            webhooks=Webhooks(store, keys, _poster(config), clock, chance),
            admitting=Admitting(*(store, keys, clock, chance, scheduler), authorities),
            watching=Watching(*(store, keys, clock, chance, scheduler), _looks(config), asking(authorities)),
            way=PublicWay(
                *(keys, clock, chance, scheduler, _caller(config)),
                urlsplit(config.web_service_url).path,
                config.connection_header,
            ),
            canary=Canary(
                *(store, keys, issuing, publishing, clock, scheduler, answering.meters),
                config.canary,
                config.canary_within * 1000,
            ),
            console=ConsoleAccess(store, keys, clock, chance, scheduler),
            due=due,
            tracing=tracing,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run the push worker and the chores meanwhile. Leaving drains what is under way, 20 seconds at most."""
        self.recovering.replays = True
        sender = _sender(self.config, self.clock)
        slowest = Fetching(self.store, self.clock, self.answering.load).slowest
        self.dispatcher = Dispatcher(
            self.store,
            sender,
            self.builder,
            self.clock,
            self.chance,
            self.scheduler,
            self.due,
            slowest,
            refused=self.rotating.refused,
            meters=self.answering.meters,
            tracing=self.tracing,
        )
        self.keeper = Keeper(self.store, self.issuing, self.clock, self.scheduler, self.due)
        poster = _poster(self.config)
        poster.prepare()
        teller = Teller(self.store, self.keys, poster, self.clock, self.chance, self.scheduler, self.tracing, slowest)
        explaining = Explaining(self.store, self.clock, self.config.web_service_url, self.config.other_urls)
        importer = Importer(self.store, self.issuing, self.clock, self.chance, self.scheduler, slowest)
        stale = StaleWatch(self.store, explaining, self.clock, self.scheduler, lambda: self.hears_of_stale())
        self.scheduler.spawn(self.dispatcher.run(), "push-worker")
        self.scheduler.spawn(teller.run(), "webhooks")
        self.scheduler.spawn(stale.run(), "stale-passes")
        self.scheduler.spawn(importer.run(), "imports")
        self.scheduler.spawn(self.keeper.run(), "keeper")
        self.scheduler.spawn(self.watching.run(), "watching")
        self.draining = tuple(Draining(each, self.issuing, self.scheduler) for each in _outboxes(self.config))
        for each in self.draining:
            self.scheduler.spawn(each.run(), "outbox")
        try:
            yield
        finally:
            # Side by side: all have the same twenty seconds, and nothing is claimed meanwhile.
            stopping = (self.dispatcher.stop(), self.keeper.stop(), self.watching.stop(), teller.stop())
            await asyncio.gather(*stopping, stale.stop(), importer.stop(), *(each.stop() for each in self.draining))
            await sender.close()

    @asynccontextmanager
    async def present(
        self, role: Role, *, sheds: bool = True, canaries: Sequence[str] | None = None
    ) -> AsyncIterator[None]:
        """Stand among the running processes meanwhile; where phones are answered, watch how hard that is, and shed load
        (unless not ``sheds``), and look at the way that phones take here. ``canaries``: the pass types of which it runs
        them; ``None``: it runs none, whatever the settings say.
        """
        self.recovering.replays = True
        presence = Presence(
            self.store,
            self.clock,
            self.chance,
            self.scheduler,
            self.answering.load,
            host=socket.gethostname(),
            pid=os.getpid(),
            role=role,
            schema=migrations("postgres" if self.config.on_postgres else "sqlite")[-1].number,
            canaries=canaries,
        )
        watch = Watch(self.answering.load, self.clock, self.scheduler, presence.changed)
        self.scheduler.spawn(presence.run(), "presence")
        if role != "worker" and sheds:
            self.scheduler.spawn(watch.run(), "watch")
            self.scheduler.spawn(self.way.run(), "public-way")
        try:
            yield
        finally:
            watch.stop()
            await presence.stop()

    async def ready(self) -> dict[str, str]:
        """What is wrong with each part of this process; ``""`` where nothing is."""
        found = {"database": "", "worker": ""}
        try:
            await self.store.pass_types()
        except Exception as error:  # whatever is wrong with the database is the answer here
            found["database"] = f"{type(error).__name__}: {error}"
        if self.dispatcher is not None and self.dispatcher.heard_at is not None:
            silent = self.clock.now() - self.dispatcher.heard_at
            if silent > SILENT_WORKER_MS:
                found["worker"] = f"has not looked for due pushes for {silent // 1000} s"
        return found

    async def close(self) -> None:
        """Write what was observed, stop, and close the database; one that is away is waited for some seconds."""
        if not await self.recorder.settle(SETTLE_SECONDS):
            log.error("%d observations were not written: the database is away", self.recorder.waiting)
        await self.recovering.close()
        await self.scheduler.close()
        if self.journal is not None:
            await self.journal.close()
        await self.store.close()
        if self.tracing is not None:
            await self.tracing.close()


Renewal = Callable[[Tx, str], Awaitable[None]]
"""Begins a new history in a transaction, with what the database's storage is called now."""


def _renewal(clock: Clock, chance: SystemChance, witness: JsonWitness | None, lookouts: Sequence[Lookout]) -> Renewal:
    """The database is another copy than the one that was known. ``lookouts``: this process's, once there is one."""

    async def renew(tx: Tx, physical: str) -> None:
        lost = lookouts[0].lost_modified() if lookouts else lost_modified(await witness.read() if witness else None)
        now = await tx.database_time() or clock.now()
        begun = await begin_epochs(tx, await tx.counters(), Reason.OTHER_COPY, now=now, chance=chance, lost=lost)
        say_loudly(begun, f"{Reason.OTHER_COPY}, {physical}")

    return renew


def _public_ca(config: Config) -> bytes | None:
    return config.public_ca_file.read_bytes() if config.public_ca_file else None


def _caller(config: Config) -> Caller:
    async def call(shots: Iterable[Shot]) -> list[tuple[Shot, Heard]]:
        from livepass.outside import way

        return await way.call(config.public_url, _public_ca(config), shots)

    return call


def _looks(config: Config) -> Mapping[What, Look]:
    async def public() -> Seen:
        from livepass.outside import tls

        return await tls.look(config.public_url, _public_ca(config))

    async def apns() -> Seen:
        from livepass.outside import tls

        ca_pem = config.apns_ca_file.read_bytes() if config.apns_ca_file else None
        return await tls.look(config.apns_url, ca_pem, alpn=("h2",))

    return {What.PUBLIC_TLS: public, What.APNS_TLS: apns}


def _tracing(config: Config, keys: SealedKeyRing) -> OtelTracing | None:
    """Whatever is wrong with it is said, and stops nothing."""
    traces = config.traces
    if traces is None:
        return None
    if traces.refused:
        log.warning("no spans are sent: %s", traces.refused)
        return None
    try:
        from livepass.outside.tracing import OtelTracing  # an extra; and nobody pays for it who does not trace

        return OtelTracing(lambda: keys.tag_key, __version__, traces.waiting)
    except ImportError as error:
        log.warning("no spans are sent, though OTEL_… names a collector: %s (pip install 'livepass[otel]')", error)
    except Exception as error:
        log.warning("no spans are sent: OpenTelemetry cannot begin: %s", error)
    return None


def _poster(config: Config) -> WebhookPoster:
    ca_pem = config.webhook_ca_file.read_bytes() if config.webhook_ca_file else None
    return WebhookPoster(loopback=config.webhook_loopback, ca_pem=ca_pem)


def _sender(config: Config, clock: Clock, deadline: float = SEND_SECONDS) -> Sender:
    """Dated by the clock that all hosts share, so that all of them show APNs the same token of a key."""
    from livepass.apns import ApnsSender  # here, because most commands push nothing

    ca_pem = config.apns_ca_file.read_bytes() if config.apns_ca_file else None
    return ApnsSender(config.apns_url, ca_pem=ca_pem, deadline=deadline, now=clock.now)


def _prober(config: Config, clock: Clock) -> Prober:
    """Over a connection of its own: the workers' may be in another process, and know nothing of a topic made later."""

    async def probe(credential: Credential, message: PushMessage) -> PushAnswer:
        sender, answers = _sender(config, clock, PROBE_SECONDS), list[PushAnswer]()
        try:
            await sender.send(credential, [message], answers.append)
        finally:
            await sender.close()
        return answers[0]

    return probe


def _outboxes(config: Config) -> Sequence[Outbox]:
    """The host's, where there is one."""
    if not config.outbox_url:
        return ()
    if config.outbox_url.startswith("sqlite:"):
        return (SqliteOutbox(Path(config.outbox_url.removeprefix("sqlite:///"))),)
    postgres_store()
    return (PostgresOutbox(config.outbox_url),)


def _journal(config: Config, opener: Secrets) -> JournalFolder | None:
    if config.registration_journal is None:
        return None
    from livepass.outside.journal_folder import JournalFolder

    return JournalFolder(
        config.registration_journal,
        lambda entry: opener.seal(entry, JOURNAL),
        lambda sealed: opener.unseal(sealed, JOURNAL),
        name=f"{socket.gethostname()}-{os.getpid()}",
        fresh=lambda: secrets.token_hex(4),
    )


async def _store(config: Config, renew: Renewal) -> Store:
    if config.on_postgres:
        store: Store = await postgres_store().PostgresStore.open(config.database_url, renew=renew)
        return store
    return sqlite.SqliteStore(config.sqlite_path)


def _postgres_schema() -> Any:
    postgres_store()
    from livepass.store import postgres_schema

    return postgres_schema


async def upgrade(config: Config) -> list[str]:
    """Bring the database to this version's schema; answers the migrations that ran.

    Raises ``StillRunning``, ``WrongEncoding``.
    """
    uuid, now = secrets.token_hex(16), WallClock().now()
    if config.on_postgres:
        ran: list[str] = await _postgres_schema().upgrade(config.database_url, uuid=uuid, now=now)
        return ran
    return sqlite.upgrade(config.sqlite_path, uuid=uuid, now=now)


async def check(config: Config) -> None:
    """Raise ``SchemaMismatch`` unless this version can work on the database."""
    if config.on_postgres:
        await _postgres_schema().check_schema(config.database_url)
    else:
        sqlite.check_schema(config.sqlite_path)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Services]:
    """Services for the length of a block."""
    services = await Services.open(config)
    try:
        yield services
    finally:
        await services.close()


# ── the database as a whole


def _whole(config: Config) -> Whole:
    if not config.on_postgres:
        return WholeSqlite(config.sqlite_path)
    postgres_store()
    from livepass.store.whole_postgres import WholePostgres

    return WholePostgres(config.database_url)


async def backup(config: Config, stream: IO[bytes]) -> Manifest:
    """Write everything that the database holds to an archive, beside running processes."""
    at = WallClock().now()
    async with _whole(config).snapshot() as snapshot:
        return await archive.write(snapshot, stream, livepass=__version__, created_at=at)


def examined(file: IO[bytes]) -> Archive:
    """An archive, read back whole. Raises ``BadArchive``."""
    found = Archive(file)
    found.verify()
    return found


async def restore(config: Config, archived: Archive, *, replace: bool) -> Filled:
    """Make an archive (``examined``) the content of the database, and begin a new history with it: both or neither.

    Raises ``BadArchive``, ``NotEmpty``, ``StillWorking`` and ``CannotSetAside`` with nothing touched.
    """
    archive.require_restorable(archived.manifest)
    _require_opens(config, archived)
    try:
        await check(config)
    except SchemaMismatch as error:
        if error.found.number:
            raise
        await upgrade(config)
    witness = await witnessed(config)

    async def renew(tx: Tx) -> None:
        now, lost_before = await tx.database_time() or WallClock().now(), lost_modified(witness)
        await begin_epochs(tx, await tx.counters(), Reason.RESTORED, now=now, chance=SystemChance(), lost=lost_before)

    return await _whole(config).fill(archived, replace=replace, now=WallClock().now(), renew=renew)


def _require_opens(config: Config, archived: Archive) -> None:
    """Phones are refused, and nothing is signed, without the secret keys that the archive's keys are sealed with. There
    are several in a backup that was made while ``key reseal`` was at work, which begins with the shared keys.
    """
    ring = SealedKeyRing(Secrets(config.secret_key, secrets.token_bytes), b"")
    try:
        for one in archived.sealed():
            ring.require_opens(one)
    except CannotUnseal as error:
        raise BadArchive(f"its keys do not open: {error}", error.hint) from error


async def witnessed(config: Config) -> Witness | None:
    """How far the database had come, as far as the witness outside it knows."""
    return await JsonWitness(config.witness).read() if config.witness is not None else None


async def lost(config: Config, set_aside: str) -> AsyncIterator[Loss]:
    """What the data that was set aside holds and the database does not."""
    whole = _whole(config)
    async with whole.snapshot(set_aside) as old, whole.snapshot() as new:
        async for loss in losses(old, new):
            yield loss


async def verify(config: Config, *, sample: int, quick: bool) -> Verified:
    """Look whether the database holds together, beside running processes."""
    async with _whole(config).snapshot() as snapshot:
        return await _verify(snapshot, now=WallClock().now(), sample=sample, quick=quick)
