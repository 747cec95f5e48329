"""The use cases over a real database, real keys and real certificates, with time and APNs in the test's hand."""

from __future__ import annotations

import asyncio
import json
import random
import re
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import engines
from livepass.core.decision import Reply
from livepass.core.model import StoredTemplate, Target
from livepass.core.rotation import signing
from livepass.core.timeline import Event
from livepass.core.trip2_push import Credential, PushAnswer, PushMessage
from livepass.emulators.authority import Issued
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import Secrets
from livepass.outside.authorities import HttpAuthorities
from livepass.pkpass import Template, read, verify
from livepass.runtime import AsyncScheduler
from livepass.service.admitting import Admitting, Terms
from livepass.service.answering import Answering
from livepass.service.apns_keys import ApnsKeys
from livepass.service.building import Builder
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued as Result
from livepass.service.issuing import Issuing
from livepass.service.keeping import Keeper
from livepass.service.observing import Recorder
from livepass.service.personalizing import Personalizing
from livepass.service.proving import NOBODY
from livepass.service.publishing import Publishing
from livepass.service.pushing import Dispatcher
from livepass.service.rotating import Rotating
from livepass.service.safekeeping import Safekeeping
from livepass.service.seams import Authorities, Store, Tracing

TYPE = "pass.test.livepass"
OTHER = "pass.test.other"
TEAM = "TEAM123456"
SECRET = "A" * 43
URL = "https://passes.example.com/wallet"
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

MEMBERSHIP: Mapping[str, Any] = {
    "description": "Membership",
    "organizationName": "Gym",
    "storeCard": {
        "primaryFields": [{"key": "points", "label": "POINTS", "value": "${points}", "changeMessage": "%@ points"}],
        "backFields": [{"key": "terms", "label": "Terms", "value": "Be kind."}],
    },
}


def _png(side: int, colour: int) -> bytes:
    rows = (b"\0" + bytes((32, 128, colour)) * side) * side

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def template(name: str = "membership", *, colour: int = 192, **changes: Any) -> Template:
    files = {"pass.json": json.dumps({**MEMBERSHIP, **changes}).encode()}
    files |= {f"icon{scale}.png": _png(side, colour) for scale, side in (("", 38), ("@2x", 76), ("@3x", 114))}
    return Template.from_files(name, files)


class SetClock:
    """Time stands until the test moves it. The stopwatch goes with it."""

    def __init__(self, start: int) -> None:
        self.at = start

    def now(self) -> int:
        return self.at

    def stopwatch(self) -> float:
        return self.at / 1000

    def pass_(self, ms: int) -> None:
        self.at += ms


class Dice:
    """The same throws in every run."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def fraction(self) -> float:
        return 0.5


class Hurried(AsyncScheduler):
    """Sleeps no longer than it must to let the others run."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class ScriptedSender:
    """APNs as the test wants it: records what was sent, answers by token, 200 unless told otherwise."""

    def __init__(self) -> None:
        self.sent: list[PushMessage] = []
        self.credentials: list[Credential] = []
        self.retired: list[str] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.timestamps: dict[str, int] = {}
        self.refuses: dict[str, tuple[int, str]] = {}
        """What is answered to every push of a certificate, by its id."""
        self.before_answer: Callable[[], Any] | None = None

    async def send(
        self, credential: Credential, messages: Sequence[PushMessage], answered: Callable[[PushAnswer], None]
    ) -> None:
        self.credentials.append(credential)
        for message in messages:
            self.sent.append(message)
            if self.before_answer is not None:
                await self.before_answer()
            status, reason = self.refuses.get(credential.id) or self.answers.get(message.push_token, (200, ""))
            timestamp = self.timestamps.get(message.push_token)
            answered(PushAnswer(message, status, reason, timestamp, message.apns_id))

    async def probe(self, credential: Credential, message: PushMessage) -> PushAnswer:
        """A push on a connection of its own."""
        if message.push_token == NOBODY:
            self.answers.setdefault(NOBODY, (400, "BadDeviceToken"))
        heard: list[PushAnswer] = []
        await self.send(credential, [message], heard.append)
        return heard[0]

    async def retire(self, credential_id: str) -> None:
        self.retired.append(credential_id)

    async def close(self) -> None:
        return None

    def taken(self) -> list[str]:
        """The tokens pushed to since the last call."""
        tokens = [message.push_token for message in self.sent]
        self.sent.clear()
        return tokens


class Rig:
    """One process: its services, and short words for phones and issuers."""

    def __init__(
        self,
        database: str,
        store: Store,
        clock: SetClock,
        *,
        secrets: Sequence[str] = (SECRET,),
        url: str = URL,
        seed: int = 1,
        authorities: Authorities | None = None,
        tracing: Callable[[SealedKeyRing], Tracing] | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.chance = Dice(seed)
        self.scheduler = Hurried(2)
        self.store = store
        self.keys = SealedKeyRing(Secrets(secrets, random.Random(seed).randbytes), b"password of this process")
        self.safekeeping = Safekeeping(store, self.keys, clock)
        self.sender = ScriptedSender()
        self.due = self.scheduler.signal()
        self.builder = Builder(self.store, self.keys, clock, self.scheduler)
        self.recorder = Recorder(self.store, self.scheduler)
        self.tracing = tracing(self.keys) if tracing is not None else None
        common = (self.store, self.keys, self.builder)
        self.issuing = Issuing(*common, clock, self.chance, self.due, url, tracing=self.tracing)
        self.answering = Answering(*common, self.recorder, clock, self.chance, tracing=self.tracing)
        self.personalizing = Personalizing(
            *(self.store, self.keys, self.builder, self.recorder, clock, self.chance, self.scheduler), self.issuing
        )
        self.publishing = Publishing(self.store, self.issuing, clock, self.scheduler)
        self.rotating = Rotating(self.store, self.keys, clock, self.chance, self.sender.probe)
        self.apns_keys = ApnsKeys(self.store, self.keys, clock, self.chance, self.sender.probe)
        self.admitting = Admitting(
            *(self.store, self.keys, clock, self.chance, self.scheduler), authorities or HttpAuthorities([])
        )
        self.dispatcher = Dispatcher(
            *(self.store, self.sender, self.builder, clock, self.chance, self.scheduler, self.due),
            refused=self.rotating.refused,
            meters=self.answering.meters,
            tracing=self.tracing,
        )
        self.keeper = Keeper(self.store, self.issuing, clock, self.scheduler, self.due)

    async def signs(self) -> str | None:
        """The certificate that signs and pushes now."""
        link = signing(await self.store.lineage(TYPE), self.clock.now())
        return None if link is None else link.id

    def without_certificate(self) -> None:
        """As if none had ever been made live."""
        self.elsewhere("UPDATE certificate SET promoted_at = NULL")

    async def close(self) -> None:
        await self.recorder.settle()
        await self.scheduler.close()
        await self.store.close()

    def elsewhere(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What another process reads, or changes behind our back, at this moment."""
        names = re.findall(r":(\w+)", query)
        return engines.run(self.database, re.sub(r":\w+", "?", query), *(parameters[name] for name in names))

    def tables(self) -> list[str]:
        source = "sqlite_master WHERE type = 'table'"
        if engines.chosen() == "postgres":
            source = "(SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public') one"
        return [row[0] for row in self.elsewhere(f"SELECT name FROM {source}")]

    def on_disk(self) -> bytes:
        """The database as a thief finds it: its files, or everything that a dump would hold."""
        if engines.chosen() == "sqlite":
            path = Path(self.database.removeprefix("sqlite:///"))
            return b"".join(path.read_bytes() for path in path.parent.glob(f"{path.name}*"))
        values = [value for table in self.tables() for row in self.elsewhere(f"SELECT * FROM {table}") for value in row]
        return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)

    # ── issuers

    async def certify(self, issued: Issued, *, accept_nfc_loss: bool = False) -> str:
        parts = (issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        taken = await self.admitting.import_pem(*parts, terms=Terms(accept_nfc_loss=accept_nfc_loss))
        return taken.certificate.id

    async def issue(self, serial: str, points: int = 0, push: Any = "auto", pass_type: str = TYPE) -> Result:
        wish = Wish(pass_type, serial, template="membership", data={"points": points})
        return await self.issuing.put(wish, push)

    async def change(self, serial: str, points: int, push: Any = "auto", pass_type: str = TYPE) -> Result:
        return await self.issuing.put(Wish(pass_type, serial, data={"points": points}, patch=True), push)

    async def document(self, serial: str, pass_type: str = TYPE) -> dict[str, Any]:
        row = await self.store.pass_(pass_type, serial)
        assert row is not None
        found: dict[str, Any] = json.loads(row.document)
        return found

    async def token(self, serial: str, pass_type: str = TYPE) -> str:
        row = await self.store.pass_(pass_type, serial)
        assert row is not None
        return self.keys.token("default", pass_type, serial, row.token)

    # ── phones

    async def allowed(self, serial: str, pass_type: str = TYPE) -> str:
        return f"ApplePass {await self.token(serial, pass_type)}"

    async def register(self, serial: str, device: str = "phone", token: str = "aa", pass_type: str = TYPE) -> int:
        body = json.dumps({"pushToken": token}).encode()
        allowed = await self.allowed(serial, pass_type)
        return (await self.answering.register(pass_type, serial, device, allowed, body)).status

    async def ask(
        self, device: str = "phone", tag: str | None = None, connection: str | None = None, pass_type: str = TYPE
    ) -> tuple[list[str], str]:
        """(serials, tag); nothing and the old tag on 204."""
        reply = await self.answering.ask(pass_type, device, tag, connection)
        await self.recorder.settle()
        if reply.status == 204:
            return [], tag or ""
        told = json.loads(reply.body)
        return told["serialNumbers"], told["lastUpdated"]

    async def fetch(self, serial: str, since: str | None = None, connection: str | None = None) -> Reply:
        fetched = await self.answering.fetch(TYPE, serial, await self.allowed(serial), since, connection)
        fetched.written()
        await self.recorder.settle()
        return fetched.reply

    async def announce(self, template: Template) -> None:
        """A new revision, which nobody follows yet: what a process leaves behind that dies right after it published."""
        variables = {name: kind.value for name, kind in template.variables.items()}
        stored = StoredTemplate(template.name, template.revision, template.to_zip(), variables, self.clock.now(), True)
        await self.store.write(lambda tx: tx.put_template("default", stored))

    # ── looking

    async def timeline(self, serial: str, pass_type: str = TYPE) -> list[Event]:
        await self.recorder.settle()
        return list(await self.store.timeline(pass_type, serial, after=0, limit=1000))

    async def kinds(self, serial: str, pass_type: str = TYPE) -> list[str]:
        return [event.kind.value for event in await self.timeline(serial, pass_type)]

    async def target(self, token: str = "aa", pass_type: str = TYPE) -> Target:
        listed = await self.store.targets(pass_type=pass_type, due_only=False, after=("", ""), limit=1000)
        [found] = [target for _, target in listed if target.push_token == token]
        return found


def points_of(pkpass: bytes) -> Any:
    """What a phone would show of a package that it takes."""
    package = read(pkpass)
    verify(package)
    document: Any = package.document
    return document["storeCard"]["primaryFields"][0]["value"]


def clock_of(issued: Issued) -> SetClock:
    """A clock that stands within the certificate's validity."""
    return SetClock(int(issued.certificate.not_valid_before_utc.timestamp() * 1000) + DAY)


@asynccontextmanager
async def rig(
    directory: Path, issued: Issued | None, *, publish: bool = True, clock: SetClock | None = None, **options: Any
) -> AsyncIterator[Rig]:
    """A process on the directory's database, with a live certificate (if given one) and the membership template."""
    if clock is None:
        assert issued is not None
        clock = clock_of(issued)
    database = _database(directory)
    made = Rig(database, await engines.open_store(database), clock, **options)
    try:
        await made.safekeeping.open()
        if issued is not None:
            await made.certify(issued)
        if publish:
            await made.publishing.publish(template(), wait=True)
        yield made
    finally:
        await made.close()


def _database(directory: Path) -> str:
    """The directory's database, of whichever engine; made by the first process on it."""
    noted = directory / "database.url"
    if not noted.exists():
        noted.write_text(engines.new_database(directory / "livepass.db"))
    return noted.read_text()


async def until(true: Callable[[], object], what: str = "", seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
