"""The issuer API over a real database, real keys and real certificates, called in process.

``with_api`` gives a test an ``Api``: the application, its services, and a record of every body that left it.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import io
import json as jsonlib
import secrets
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import engines
from livepass import wiring
from livepass.config import Config
from livepass.core.model import Enrolment, Pass
from livepass.core.personalize import Asked, write_asked
from livepass.core.sealed import Sealable
from livepass.core.timeline import TAKEN
from livepass.core.trip2_push import Credential, PushAnswer, PushMessage
from livepass.core.watching import Problem, Seen, What
from livepass.emulators.authority import Issued
from livepass.service.access import Access
from livepass.web.issuer import IssuerApp

PASS_TYPE = "pass.test.livepass"
OTHER = "pass.test.other"
ADMIN = "admin-key-marker-0123456789"
NDJSON = "application/x-ndjson"

MEMBERSHIP: Mapping[str, Any] = {
    "description": "Membership",
    "organizationName": "Gym",
    "storeCard": {
        "primaryFields": [
            {"key": "points", "label": "POINTS", "value": "${points}", "changeMessage": "You have %@ points"}
        ]
    },
}


def png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side + 1) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def folder_zip(top: str = "", document: Mapping[str, Any] = MEMBERSHIP) -> bytes:
    """A template's folder as a zip; ``top`` as ``"membership/"`` puts it into a folder."""
    files = {"pass.json": jsonlib.dumps(document).encode(), "icon.png": png(38), "icon@2x.png": png(76)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return buffer.getvalue()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return jsonlib.loads(self.body)

    def lines(self) -> list[Any]:
        return [jsonlib.loads(line) for line in self.body.splitlines()]


class Api:
    """The application and short words for what tests do to it."""

    def __init__(self, services: wiring.Services, app: IssuerApp) -> None:
        self.services = services
        self.app = app
        self.replies: list[Reply] = []
        self.keys: list[str] = []
        self.tenant = ""
        """As which the admin acts."""

    async def call(
        self,
        method: str,
        target: str,
        json: Any = None,
        *,
        body: bytes | Sequence[bytes] = b"",
        media: str | None = None,
        key: str | None = ADMIN,
        headers: Sequence[tuple[bytes, bytes]] = (),
        hangs_up: bool = False,
    ) -> Reply:
        """One request; ``target`` goes on after ``/api/v1`` and is sent as it stands."""
        if json is not None:
            body, media = jsonlib.dumps(json).encode(), media or "application/json"
        sent = list(headers)
        if media is not None:
            sent.append((b"content-type", media.encode()))
        if key is not None:
            sent.append((b"authorization", b"Bearer " + key.encode()))
        if key == ADMIN and self.tenant:
            sent.append((b"livepass-tenant", self.tenant.encode()))
        chunks = [body] if isinstance(body, bytes) else body
        reply = await send(self.app, method, "/api/v1" + target, chunks, sent, hangs_up=hangs_up)
        self.replies.append(reply)
        return reply

    async def ok(self, method: str, target: str, json: Any = None, **more: Any) -> Any:
        """The JSON of a call that has to succeed."""
        reply = await self.call(method, target, json, **more)
        assert reply.status in (200, 201), (reply.status, reply.body)
        return reply.json()

    async def issue(self, serial: str, points: object = 1, pass_type: str = PASS_TYPE) -> Any:
        return await self.ok(
            "PUT", f"/passes/{pass_type}/{serial}", {"template": "membership", "data": {"points": points}}
        )

    async def key(self, *scopes: str, pass_types: Sequence[str] | None = None) -> str:
        """A new API key."""
        made = await self.ok("POST", "/keys", {"name": "test", "scopes": scopes, "pass_types": pass_types})
        self.keys.append(made["key"])
        self.replies.pop()  # the one answer that may hold the secret
        return str(made["key"])

    async def row(self, serial: str, pass_type: str = PASS_TYPE) -> Pass | None:
        return await self.services.store.pass_(pass_type, serial)

    async def token(self, serial: str, pass_type: str = PASS_TYPE) -> str:
        """The pass's own token, as only the pass itself has it."""
        row = await self.row(serial, pass_type)
        known = await self.services.store.pass_type(pass_type)
        assert row is not None and known is not None
        return self.services.keys.token(known.tenant, pass_type, serial, row.token)

    async def enrol(self, serial: str, name: str, pass_type: str = PASS_TYPE) -> Enrolment:
        """Somebody signs up for rewards with a pass, as far as the database knows."""
        id_ = hashlib.sha256(f"{pass_type}/{serial}/{name}".encode()).hexdigest()[:16]
        kept = write_asked(Asked("token", {"fullName": name}))
        sealed = self.services.keys.seal(Sealable.ENROLMENT, pass_type, id_, kept)
        row = Enrolment(pass_type, id_, serial, TAKEN, self.services.clock.now(), False, sealed)
        number = await self.services.store.write(lambda tx: tx.put_enrolment(row))
        return replace(row, number=number)

    async def register(self, serial: str, device: str, push_token: str = "", pass_type: str = PASS_TYPE) -> None:
        """A phone starts to follow a pass."""
        body = jsonlib.dumps({"pushToken": push_token or push_token_of(device)}).encode()
        token = await self.token(serial, pass_type)
        reply = await self.services.answering.register(pass_type, serial, device, f"ApplePass {token}", body)
        assert reply.status in (200, 201)


def push_token_of(device: str) -> str:
    """The push token of a phone that has none of its own."""
    return hashlib.sha256(device.encode()).hexdigest()


async def send(
    app: Callable[..., Awaitable[None]],
    method: str,
    target: str,
    chunks: Sequence[bytes] = (b"",),
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    hangs_up: bool = False,
) -> Reply:
    """One request through ASGI, as a server makes it of the bytes on the wire. ``hangs_up``: before it is whole."""
    raw, _, query = target.encode("latin-1").partition(b"?")
    scope = {
        "type": "http",
        "method": method,
        "path": _decoded(raw),
        "raw_path": raw,
        "query_string": query,
        "headers": [(b"host", b"passes.example.com"), *headers],
    }
    pending = list(chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pending and hangs_up:
            return {"type": "http.disconnect"}
        chunk = pending.pop(0) if pending else b""
        return {"type": "http.request", "body": chunk, "more_body": bool(pending) or hangs_up}

    async def take(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, take)
    start = sent[0]
    names = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))


def _decoded(raw: bytes) -> str:
    return unquote(raw.decode("latin-1"))


def escaped(text: str) -> str:
    return quote(text, safe="")


async def nobody_there(credential: Credential, message: PushMessage) -> PushAnswer:
    """APNs is none of these tests' business."""
    return PushAnswer(message, 0, "Unreachable", None, message.apns_id)


async def out_of_reach() -> Seen:
    """Nor is what the network shows."""
    return Seen(problem=Problem.UNREACHABLE, detail="no network here")


def app_of(services: wiring.Services, config: Config) -> IssuerApp:
    """The issuer API of these services, with its admin key."""
    access = Access(services.store, services.clock, services.chance, [config.admin_key])
    parts = (services.issuing, services.publishing, services.admitting, services.rotating)
    more = {"apns_keys": services.apns_keys, "watching": services.watching, "sharing": services.sharing}
    more["webhooks"] = services.webhooks
    return IssuerApp(services.store, access, *parts, services.clock, services.answering.load, **more)


@asynccontextmanager
async def empty(directory: Path) -> AsyncIterator[Api]:
    """The API over a database that nothing was put into."""
    config = Config(
        database_url=engines.new_database(directory / "livepass.db"),
        public_url="https://passes.example.com",
        secret_key=(secrets.token_urlsafe(32),),
        admin_key=ADMIN,
    )
    async with wiring.opened(config) as services:
        services.rotating._prober = nobody_there
        services.watching._looks = {What.PUBLIC_TLS: out_of_reach, What.APNS_TLS: out_of_reach}
        api = Api(services, app_of(services, config))
        yield api
        assert [reply for reply in api.replies if reply.status >= 500] == []


@asynccontextmanager
async def opened(directory: Path, certificates: Sequence[Issued]) -> AsyncIterator[Api]:
    """The API with two pass types and one template."""
    async with empty(directory) as api:
        for issued in certificates:
            pems = (issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
            await api.services.admitting.import_pem(*pems)
        await api.ok("POST", "/templates", body=folder_zip("membership/"), media="application/zip")
        yield api


def with_api(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Turn a coroutine that wants an ``api`` into a test."""
    parameters = [each for name, each in inspect.signature(test).parameters.items() if name != "api"]
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
        for name in ("tmp_path", "certificates")
        if name not in {each.name for each in parameters}
    ]

    def run(**given: Any) -> None:
        wanted = {each.name: given[each.name] for each in parameters}

        async def work() -> None:
            async with opened(given["tmp_path"], given["certificates"]) as api:
                await test(api=api, **wanted)

        asyncio.run(work())

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters] + ours
    )
    run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]
    return run
