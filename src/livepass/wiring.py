"""From configuration to running services: the only file that sees both the use cases and the shells."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from livepass.apns import ApnsSender
from livepass.config import Config, ConfigError
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import Secrets
from livepass.runtime import AsyncScheduler, AsyncSignal, SystemChance, WallClock
from livepass.service.answering import Answering
from livepass.service.building import Builder
from livepass.service.issuing import Issuing
from livepass.service.keeping import Keeper
from livepass.service.observing import Recorder
from livepass.service.publishing import Publishing
from livepass.service.pushing import Dispatcher
from livepass.service.rotating import Rotating
from livepass.service.seams import Store
from livepass.store import sqlite
from livepass.store.schema import SchemaMismatch, StillRunning

__all__ = ["SchemaMismatch", "Services", "StillRunning", "check", "opened", "upgrade"]

SILENT_WORKER_MS = 120_000


@dataclass(slots=True)
class Services:
    """The use cases of one process, over one open database."""

    config: Config
    clock: WallClock
    chance: SystemChance
    scheduler: AsyncScheduler
    store: Store
    keys: SealedKeyRing
    builder: Builder
    recorder: Recorder
    answering: Answering
    issuing: Issuing
    publishing: Publishing
    rotating: Rotating
    due: AsyncSignal
    dispatcher: Dispatcher | None = None
    keeper: Keeper | None = None

    @classmethod
    async def open(cls, config: Config) -> Self:
        """Open the database and build the services. Raises ``SchemaMismatch``, ``BadSecretKey``, ``Unavailable``."""
        clock, chance, scheduler = WallClock(), SystemChance(), AsyncScheduler()
        keys = SealedKeyRing(Secrets(config.secret_key, secrets.token_bytes), secrets.token_hex(16).encode())
        store = await _store(config)
        due = scheduler.signal()
        builder = Builder(store, keys, clock, scheduler)
        recorder = Recorder(store, scheduler)
        issuing = Issuing(store, keys, builder, clock, chance, due, config.web_service_url)
        return cls(
            config=config,
            clock=clock,
            chance=chance,
            scheduler=scheduler,
            store=store,
            keys=keys,
            builder=builder,
            recorder=recorder,
            answering=Answering(store, keys, builder, recorder, clock, chance),
            issuing=issuing,
            publishing=Publishing(store, issuing, clock, scheduler),
            rotating=Rotating(store, keys, clock, chance),
            due=due,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run the push worker and the chores meanwhile. Leaving drains what is under way, 20 seconds at most."""
        ca_pem = self.config.apns_ca_file.read_bytes() if self.config.apns_ca_file else None
        sender = ApnsSender(self.config.apns_url, ca_pem=ca_pem)
        self.dispatcher = Dispatcher(
            self.store,
            sender,
            self.builder,
            self.clock,
            self.chance,
            self.scheduler,
            self.due,
            self.answering.fetch_times,
        )
        self.keeper = Keeper(self.store, self.issuing, self.clock, self.scheduler, self.due)
        self.scheduler.spawn(self.dispatcher.run(), "push-worker")
        self.scheduler.spawn(self.keeper.run(), "keeper")
        try:
            yield
        finally:
            await self.keeper.stop()
            await self.dispatcher.stop()
            await sender.close()

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
        """Write what was observed, stop, and close the database."""
        await self.recorder.settle()
        await self.scheduler.close()
        await self.store.close()


async def _store(config: Config) -> Store:
    if config.on_postgres:
        store: Store = await _postgres().PostgresStore.open(config.database_url)
        return store
    return sqlite.SqliteStore(config.sqlite_path)


def _postgres() -> Any:
    """The engine, loaded when it is asked for: its driver is an extra that SQLite does without."""
    try:
        from livepass.store import postgres
    except ImportError as error:
        hint = "install livepass[postgres]"
        raise ConfigError("LIVEPASS_DATABASE_URL names PostgreSQL, and its driver is not installed", hint) from error
    return postgres


async def upgrade(config: Config) -> list[str]:
    """Bring the database to this version's schema; answers the migrations that ran. Raises ``StillRunning``."""
    uuid, now = secrets.token_hex(16), WallClock().now()
    if config.on_postgres:
        ran: list[str] = await _postgres().upgrade(config.database_url, uuid=uuid, now=now)
        return ran
    return sqlite.upgrade(config.sqlite_path, uuid=uuid, now=now)


async def check(config: Config) -> None:
    """Raise ``SchemaMismatch`` unless this version can work on the database."""
    if config.on_postgres:
        await _postgres().check_schema(config.database_url)
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
