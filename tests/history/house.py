"""An installation whose database can be put back to an earlier state, with phones that remember what they were told."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import engines
from livepass import wiring
from livepass.config import Config
from livepass.core.timeline import Event, Kind
from livepass.emulators.authority import Authority
from livepass.service.drafting import Wish
from livepass.wiring import Services
from servers.postgres import require
from service.rig import template

TYPE, OTHER = "pass.test.livepass", "pass.test.other"
TYPES = (TYPE, OTHER)


class House:
    """One database, and every process that is opened on it. ``engine`` as ``engines`` has chosen."""

    def __init__(self, directory: Path, authority: Authority, **settings: Any) -> None:
        self.directory = directory
        self.authority = authority
        self.url = engines.new_database(directory / "livepass.db")
        self.config = Config(
            database_url=self.url,
            public_url="https://passes.example.com",
            secret_key=(secrets.token_urlsafe(32),),
            admin_key="",
            witness_file=str(directory / "witness"),
            **settings,
        )

    @property
    def witness(self) -> Path:
        return self.directory / "witness"

    @asynccontextmanager
    async def process(self, **changes: Any) -> AsyncIterator[Process]:
        """A process on the database. Replays the journal when it is due, as ``serve`` and ``worker`` do."""
        async with wiring.opened(replace(self.config, **changes)) as services:
            services.recovering.replays = True
            yield Process(services)

    async def set_up(self) -> None:
        """Two pass types with a pass each: numbers are taken."""
        async with self.process() as process:
            for pass_type in TYPES:
                issued = self.authority.pass_certificate(pass_type, "TEAM123456")
                await process.services.admitting.import_pem(
                    issued.certificate_pem, issued.key_pem, issued.intermediate_pem
                )
            await process.services.publishing.publish(template(), wait=True)
            for pass_type in TYPES:
                await process.issue("1", pass_type=pass_type)

    # ── going back. Nobody may have the database open, unless it says so.

    def save(self) -> str:
        """A copy of the database as it is now."""
        if engines.chosen() == "postgres":
            return require().copy_of(self.url)
        path = self.directory / f"saved-{secrets.token_hex(2)}.db"
        with closing(sqlite3.connect(self.config.sqlite_path)) as db, closing(sqlite3.connect(path)) as copy:
            db.backup(copy)
        return str(path)

    def put_back(self, saved: str, *, unnoticed: bool = False) -> None:
        """Put the copy in the database's place. ``unnoticed``: PostgreSQL does not say that it is another copy, as some
        hosted ones; it is then as with a snapshot of the storage.
        """
        if engines.chosen() == "postgres":
            server, name = require(), self.url.rpartition("/")[2]
            server.drop_database(name)
            server.create_database(name, template=saved.rpartition("/")[2])
            if unnoticed:
                engines.run(self.url, "UPDATE installation SET physical = ''")
            return
        # Another file, as a restore makes one; whoever has the old one open keeps that.
        copy = self.directory / "copy.db"
        shutil.copy(saved, copy)
        copy.replace(self.config.sqlite_path)

    # ── looking

    def counter(self, pass_type: str = TYPE) -> dict[str, Any]:
        [row] = engines.look(self.url, f"SELECT * FROM counter WHERE pass_type = '{pass_type}'")
        return row

    def epochs(self) -> dict[str, str]:
        return {row["pass_type"]: row["epoch"] for row in engines.look(self.url, "SELECT * FROM counter")}

    def begun(self, pass_type: str = TYPE) -> list[str]:
        """Why each new epoch of a pass type was begun."""
        found = engines.look(
            self.url, f"SELECT detail FROM event WHERE kind = 'new_epoch' AND pass_type = '{pass_type}' ORDER BY id"
        )
        return [json.loads(row["detail"])["reason"] for row in found]

    def registrations(self) -> dict[tuple[str, str], str]:
        """The push token of each live registration, by (phone, serial)."""
        rows = engines.look(
            self.url,
            "SELECT r.device_id, r.serial, d.push_token FROM registration r JOIN device d"
            " ON d.pass_type = r.pass_type AND d.device_id = r.device_id WHERE r.left_at IS NULL",
        )
        return {(row["device_id"], row["serial"]): row["push_token"] for row in rows}


class Process:
    """One process's services, and short words."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def issue(self, serial: str, points: int = 0, pass_type: str = TYPE) -> Any:
        wish = Wish(pass_type, serial, template="membership", data={"points": points})
        return await self.services.issuing.put(wish)

    async def change(self, serial: str, points: int, pass_type: str = TYPE) -> Any:
        wish = Wish(pass_type, serial, data={"points": points}, patch=True)
        return await self.services.issuing.put(wish)

    async def allowed(self, serial: str, pass_type: str = TYPE) -> str:
        row = await self.services.store.pass_(pass_type, serial)
        assert row is not None
        return f"ApplePass {self.services.keys.token('default', pass_type, serial, row.token)}"

    async def register(
        self, device: str, serial: str = "1", token: str = "aa", pass_type: str = TYPE, allowed: str | None = None
    ) -> int:
        body = json.dumps({"pushToken": token}).encode()
        allowed = allowed or await self.allowed(serial, pass_type)
        return (await self.services.answering.register(pass_type, serial, device, allowed, body)).status

    async def unregister(self, device: str, serial: str = "1", pass_type: str = TYPE) -> int:
        allowed = await self.allowed(serial, pass_type)
        return (await self.services.answering.unregister(pass_type, serial, device, allowed)).status

    async def ask(self, device: str, tag: str | None = None, pass_type: str = TYPE) -> tuple[Sequence[str], str | None]:
        """(serials, tag); nothing and the old tag on 204."""
        reply = await self.services.answering.ask(pass_type, device, tag, None)
        await self.services.recorder.settle()
        if reply.status == 204:
            return [], tag
        told = json.loads(reply.body)
        return told["serialNumbers"], told["lastUpdated"]

    async def look(self) -> Mapping[str, str]:
        """What the process does once a second; answers the epochs that it began."""
        return {one.pass_type: one.epoch for one in await self.services.recovering._lookout.look()}

    async def events(self, kind: Kind, pass_type: str = TYPE) -> Sequence[Event]:
        await self.services.recorder.settle()
        return await self.services.store.events(kinds=[kind.value], pass_type=pass_type, after=0, limit=10_000)


@asynccontextmanager
async def house(directory: Path, authority: Authority, **settings: Any) -> AsyncIterator[House]:
    made = House(directory, authority, **settings)
    async with asyncio.timeout(60):
        await made.set_up()
        yield made
