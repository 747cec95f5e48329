"""What every order begins with: a database that is put back as it was, two processes, and a phone that asks.

One database serves all pairs. What a pair needs besides is made before its first order and put back before each.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from concurrency.office import ICON, OTHER_TYPE, PASS_TYPE, TEAM, config, settings
from livepass import wiring
from livepass.core.model import Tag, Target
from livepass.core.trip3_ask import read_tag
from livepass.emulators.authority import Authority
from livepass.pkpass import Template
from livepass.service.answering import CROWDS
from livepass.service.building import Recent
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued

ASKER = "asker"
"""Follows passes 1 and 2, and asks at every step."""
OLD = "old"
"""Follows pass 1."""
HOUR_MS = 3_600_000
TOKENS = {ASKER: "aa" * 32, OLD: "01" * 32}
CONTENT = ("value", "other")

DOCUMENT = {
    "description": "Membership",
    "organizationName": "Gym",
    "generic": {"primaryFields": [{"key": key, "label": key, "value": f"${{{key}}}"} for key in CONTENT]},
}

TABLES = (
    *("pass_type", "counter", "pass", "device", "registration", "push_target", "fan_out", "circuit", "certificate"),
    *("event", "template", "template_revision", "apns_key", "webhook_endpoint", "webhook_message", "webhook_attempt"),
)
AGED = """
UPDATE device SET token_registered_at = token_registered_at - {0}, asked_at = asked_at - {0};
UPDATE registration SET registered_at = registered_at - {0}, served_at = served_at - {0}, retell_at = retell_at - {0},
       left_at = left_at - {0};
UPDATE push_target SET token_registered_at = token_registered_at - {0}, next_at = next_at - {0};
UPDATE event SET at = at - {0};
"""


@dataclass(frozen=True)
class Told:
    """An answer to ``ASKER``: it asked with ``since``, and has ``tag`` now, which came with these passes."""

    since: Tag | None
    tag: Tag | None
    serials: Sequence[str]


@dataclass(frozen=True)
class Claim:
    lease: str
    targets: Sequence[Target]
    until: int


@dataclass
class Log:
    """What was answered in one order, for the rules. ``registered``: (device id, serial, push token);
    ``recorded``: leases that were given back. ``enabled``: webhook endpoints.
    """

    told: list[Told] = field(default_factory=list)
    looked: list[tuple[frozenset[int], Tag, int]] = field(default_factory=list)
    changed: list[tuple[str, Wish, Issued]] = field(default_factory=list)
    registered: list[tuple[str, str, str]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)


@dataclass
class Side:
    """One of two processes."""

    name: str
    services: wiring.Services
    scene: Scene

    @property
    def log(self) -> Log:
        return self.scene.log

    @property
    def now(self) -> int:
        return self.services.clock.now()

    async def write(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await self.services.store.write(work)

    async def settle(self) -> None:
        await self.services.recorder.settle()


Work = Callable[[Side], Awaitable[Any]]


class Scene:
    """``claim``: what a worker claimed before the pair began; ``tag``: what ``ASKER`` had by then. ``webhook``: an
    endpoint, and a message that is on its way there.
    """

    def __init__(self, url: str, watch: asyncpg.Connection, desk: wiring.Services) -> None:
        self.url = url
        self.watch = watch
        self.desk = desk
        self.sides: dict[str, Side] = {}
        self.log = Log()
        self.claim: Claim | None = None
        self.tag: str | None = None
        self.webhook = ("", "")
        self._allowed: dict[tuple[str, str], str] = {}

    async def remember(self, name: str) -> None:
        """Keep the database as it is under a name."""
        copies = [f"CREATE TABLE {name}.{table} AS TABLE public.{table}" for table in TABLES]
        await self.watch.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; {'; '.join(copies)}")

    async def put_back(self, name: str) -> None:
        """The database is what it was, and nobody remembers what came after."""
        again = (
            f"DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {name}.{table}"
            for table in TABLES
        )
        await self.watch.execute("; ".join(again))
        self.log = Log()
        for side in self.sides.values():
            side.services.answering._crowds = Recent(CROWDS)

    async def age(self) -> None:
        """What happened so far was an hour ago."""
        await self.watch.execute(AGED.format(HOUR_MS))

    async def authorization(self, pass_type: str, serial: str) -> str:
        """Of a pass that is there, or was when it was first asked for."""
        key = pass_type, serial
        if key not in self._allowed:
            row = await self.desk.store.pass_(pass_type, serial)
            assert row is not None
            self._allowed[key] = f"ApplePass {self.desk.keys.token('default', pass_type, serial, row.token)}"
        return self._allowed[key]

    def read(self, reply: Any, since: str | None) -> Told:
        key = self.desk.keys.tag_key
        before = read_tag(since, PASS_TYPE, key)
        if reply.status == 204:
            return Told(before, before, ())
        said = json.loads(reply.body)
        return Told(before, read_tag(said["lastUpdated"], PASS_TYPE, key), said["serialNumbers"])

    async def ask(self) -> None:
        """``ASKER`` asks twice, with its tag and without one; a HEAD, which leaves nothing behind."""
        for since in (self.tag, None):
            reply = await self.desk.answering.ask(PASS_TYPE, ASKER, since, None, body=False)
            self.log.told.append(self.read(reply, since))
        await self._look_at_numbers(self.log.told[-1].tag)

    async def _look_at_numbers(self, tag: Tag | None) -> None:
        if tag is None:
            return
        rows = await self.watch.fetch("SELECT seq FROM pass WHERE pass_type = $1", PASS_TYPE)
        counter = await self.watch.fetchval("SELECT seq FROM counter WHERE pass_type = $1", PASS_TYPE)
        self.log.looked.append((frozenset(row[0] for row in rows), tag, counter))


@asynccontextmanager
async def opened(folder: Path, authority: Authority) -> AsyncIterator[Scene]:
    """Two processes and a desk on a new database of the engine that was chosen, without their chores."""
    shared = settings(folder)
    async with AsyncExitStack() as stack:
        first, second, desk = [await stack.enter_async_context(wiring.opened(config(shared))) for _ in range(3)]
        for services in (first, second, desk):
            for task in list(services.scheduler._tasks):
                task.cancel()
        for pass_type in (PASS_TYPE, OTHER_TYPE):
            issued = authority.pass_certificate(pass_type, TEAM)
            await desk.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        files = {"pass.json": json.dumps(DOCUMENT).encode(), "icon.png": ICON, "icon@2x.png": ICON}
        await desk.publishing.publish(Template.from_files("membership", files), wait=True)
        data = dict.fromkeys(CONTENT, "new")
        wishes = [
            Wish(pass_type, serial, template="membership", data=data)
            for pass_type, serials in ((PASS_TYPE, "123"), (OTHER_TYPE, "1"))
            for serial in serials
        ]
        assert all(isinstance(made, Issued) for made in await desk.issuing.put_many(wishes))
        watch = await asyncpg.connect(shared["database_url"])
        stack.push_async_callback(watch.close)
        scene = Scene(shared["database_url"], watch, desk)
        scene.sides = {"a": Side("a", first, scene), "b": Side("b", second, scene)}
        for device, serials in ((ASKER, "12"), (OLD, "1")):
            for serial in serials:
                await join(scene.sides["a"], serial, device)
        scene.tag = json.loads((await desk.answering.ask(PASS_TYPE, ASKER, None, None)).body)["lastUpdated"]
        await desk.recorder.settle()
        await scene.age()
        await scene.remember("stocked")
        yield scene


async def join(side: Side, serial: str, device: str, token: str | None = None, pass_type: str = PASS_TYPE) -> int:
    """A phone registers; the status that it is answered."""
    token = token or TOKENS[device]
    allowed = await side.scene.authorization(pass_type, serial)
    body = json.dumps({"pushToken": token}).encode()
    reply = await side.services.answering.register(pass_type, serial, device, allowed, body)
    if reply.status in (200, 201):
        side.log.registered.append((device, serial, token))
    return reply.status


def wish(serial: str, pass_type: str = PASS_TYPE, **data: str) -> Wish:
    return Wish(pass_type, serial, data=data, patch=True)
