"""The authorisation matrix: which objects each route can be asked about, by whom, and a place where all of them exist.

An object of somebody else always comes with its twin: names of the same length that are nobody's. Whatever a caller
is told of the one must be what it is told of the other, byte for byte, once the caller's own words are taken out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import engines
from livepass.emulators.authority import Authority, Issued
from livepass.service.access import OF_ALL_PASS_TYPES, SCOPES
from livepass.service.admitting import Terms
from livepass.service.imports import NEWEST
from livepass.web.issuer_lists import _LOGS, _PASSES, _PUSHES, _REGISTRATIONS
from livepass.web.issuer_passes import _EVENTS
from livepass.web.operations import Operation
from livepass.web.paging import Cursor
from provider_keys import Minted
from web.asgi import MEMBERSHIP, NDJSON, OTHER, PASS_TYPE, Api, Reply, folder_zip

NOBODY = "pass.test.nihil"
assert len(NOBODY) == len(OTHER)
THEIR_APNS_KEY = "THEIRAPNSK"
DEFAULT, BRAND = "default", "brand"

# ── the objects

Names = Mapping[str, str]


@dataclass(frozen=True)
class Foreign:
    """Somebody else's object and its twin, which does not exist. ``ours``: in the caller's own pass type, so that
    writing to it would be the caller's right.
    """

    theirs: Names
    nobodys: Names
    ours: bool = False


def named(pass_type: str, serial: str, **more: str) -> Names:
    return {"type": pass_type, "serial": serial, **more}


PASSES = {
    "a pass": Foreign(named(OTHER, "theirs-01"), named(NOBODY, "nobody-01")),
    "a pass of the same serial": Foreign(named(OTHER, "1"), named(NOBODY, "1")),
    "a serial of another type": Foreign(named(PASS_TYPE, "theirs-01"), named(PASS_TYPE, "nobody-01"), ours=True),
    "an erased pass": Foreign(named(PASS_TYPE, "erased-01"), named(PASS_TYPE, "nobody-01"), ours=True),
    "an erased pass of another type": Foreign(named(OTHER, "erased-01"), named(NOBODY, "nobody-01")),
}

# ── the rows


@dataclass(frozen=True)
class Row:
    """How a route is asked about an object: every query and body that can name one. ``{id}`` of its path is of this
    kind; ``creates``: in the caller's own pass type it may well do what it is asked for, whether or not there is such
    an object.
    """

    queries: Sequence[str] = ("",)
    bodies: Sequence[Any] = (None,)
    media: str | None = None
    id: str = ""
    creates: bool = False


PUT = {"template": "membership", "data": {"points": 7}}
WRITING = ("", "dry_run=1", "push=now")
ROWS: Mapping[str, Row] = {
    "exportHolder": Row(),
    "eraseHolder": Row(("", "dry_run=1")),
    "createPass": Row(
        ("", "dry_run=1"), ({"pass_type": "{type}", **PUT}, {"pass_type": "{type}", "template": "no"}), creates=True
    ),
    "putPass": Row((*WRITING, "push=none"), (PUT, {}, {"template": "missing"}), creates=True),
    "patchPass": Row(
        WRITING, ({"data": {"points": 7}}, {"content": {"description": 1}}, {"template": "missing"}), creates=True
    ),
    "getPass": Row(),
    "deletePass": Row((*WRITING, "erase=1", "erase=1&dry_run=1"), creates=True),
    "getPkpass": Row(),
    "draftPass": Row(bodies=({"data": {"points": 7}}, {"template": "missing"}), creates=True),
    "previewPass": Row(("", "side=back", "format=svg&ios=18&scheme=dark&language=de")),
    "listVersions": Row(),
    "getPassFiles": Row(("", "number=1", "number=999")),
    "getTimeline": Row(("", "limit=1", "after=1", "cursor={timeline}")),
    "getWhy": Row(),
    "pushPass": Row(),
    "sharePass": Row(bodies=({}, {"minutes": 5}, {"days": 1})),
    "getFunnel": Row(("", "pass_type={type}", "pass_type={type}&days=90")),
    "push": Row(bodies=({"pass_type": "{type}", "serial": "{serial}"}, {"pass_type": "{type}"}), creates=True),
    "putPasses": Row(bodies=({"pass_type": "{type}", "serial": "{serial}", **PUT},), media=NDJSON, creates=True),
    "importPasses": Row(
        ("", "pass_type={type}", "pass_type={type}&template=membership", "map=points=points&dry_run=1&push=none"),
        ({"pass_type": "{type}", "serial": "{serial}", **PUT},),
        media=NDJSON,
        creates=True,
    ),
    "listImports": Row(("", "limit=1", "cursor={imports}")),
    "getImport": Row(id="import"),
    "listImportErrors": Row(("", "cursor={imported}"), id="import"),
    "cancelImport": Row(id="import"),
    "bundlePasses": Row(
        bodies=(
            {"passes": [{"pass_type": "{type}", "serial": "{serial}"}]},
            {"passes": [{"pass_type": PASS_TYPE, "serial": "1"}, {"pass_type": "{type}", "serial": "{serial}"}]},
        )
    ),
    "listPasses": Row(
        (
            *("", "pass_type={type}", "serial_prefix={serial}", "pass_type={type}&serial_prefix={serial}"),
            *("holder={holder}", "template=membership", "template={type}", "cursor={passes}"),
            "cursor={passes}&pass_type={type}",
        )
    ),
    "listRegistrations": Row(
        ("", "pass_type={type}", "device_id={device}", "cursor={registrations}", "pass_type={type}&device_id={device}")
    ),
    "listPushes": Row(("", "pass_type={type}", "due=1", "due=1&pass_type={type}", "cursor={pushes}")),
    "listDeviceLogs": Row(("", "pass_type={type}", "code=?", "code=?&pass_type={type}", "cursor={logs}")),
    "getEnrolments": Row(),
    "listEnrolments": Row(("pass_type={type}", "pass_type={type}&limit=1", "pass_type={type}&cursor={enrolments}")),
    "getStats": Row(("", "pass_type={type}")),
    "getWhyAll": Row(("", "pass_type={type}")),
    "importCertificate": Row(
        bodies=(
            {"p12": "{p12}", "password": "sesame"},
            {"p12": "{p12}", "password": "wrong"},
            {"certificate": "{cer}"},
        ),
        creates=True,
    ),
    "listCertificates": Row(("", "pass_type={type}", "cursor={certificates}")),
    "getCertificate": Row(id="certificate"),
    "proveCertificate": Row(bodies=({}, {"push_token": "aa"}), id="certificate"),
    "canaryCertificate": Row(bodies=({}, {"percent": 0}), id="certificate"),
    "promoteCertificate": Row(bodies=({}, {"accept_nfc_loss": True}), id="certificate"),
    "rollBackCertificate": Row(bodies=({},), id="certificate"),
    "retireCertificate": Row(bodies=({},), id="certificate"),
    "planCertificates": Row(("", "pass_type={type}")),
    "importApnsKey": Row(
        bodies=({"p8": "no key", "id": "{apns_key}", "team": "TEAM123456", "topics": ["{type}"]},), creates=True
    ),
    "listApnsKeys": Row(("", "cursor={apns_keys}")),
    "getApnsKey": Row(id="apns_key"),
    "retireApnsKey": Row(id="apns_key"),
    "choosePushCredential": Row(bodies=({"apns_key": "{apns_key}", "probe": False},)),
    "addWebhookEndpoint": Row(bodies=({"url": "https://a.example/", "pass_types": ["{type}"]},), creates=True),
    "listWebhookEndpoints": Row(("", "cursor={webhooks}")),
    "getWebhookEndpoint": Row(id="webhook"),
    "changeWebhookEndpoint": Row(bodies=({"enabled": False},), id="webhook"),
    "removeWebhookEndpoint": Row(id="webhook"),
    "rotateWebhookSecret": Row(bodies=({},), id="webhook"),
    "testWebhookEndpoint": Row(bodies=({}, {"event": "pass.issued"}), id="webhook"),
    "listWebhookMessages": Row(("", "cursor={messages}"), id="webhook"),
    "listWebhookAttempts": Row(("message=msg_1",), id="webhook"),
    "resendWebhook": Row(bodies=({"message": "msg_1"},), id="webhook"),
    "recoverWebhooks": Row(bodies=({}, {"hours": 720}, {"since": "2026-11-01T00:00:00Z"}), id="webhook"),
    "createSigningRequest": Row(bodies=({"pass_type": "{type}"},), creates=True),
    "listSigningRequests": Row(("", "cursor={requests}")),
    "removeSigningRequest": Row(id="request"),
    "watchCertificates": Row(("", "pass_type={type}", "pass_type={type}&days=60")),
    "lookAtCertificates": Row(bodies=({},)),
    "publishTemplate": Row(("name=gold",), (folder_zip(),), "application/zip"),
    "listTemplates": Row(("", "cursor={templates}")),
    "getTemplate": Row(),
    "previewTemplate": Row(),
    "createKey": Row(
        bodies=(
            {"name": "k", "scopes": ["passes:read"], "pass_types": ["{type}"]},
            {"name": "k", "scopes": ["passes:read"], "pass_types": [PASS_TYPE, "{type}"]},
        ),
        creates=True,
    ),
    "listKeys": Row(("", "cursor={keys}")),
    "getKey": Row(id="key"),
    "revokeKey": Row(id="key"),
    "addTenant": Row(bodies=({"name": "{tenant}"},), creates=True),
    "listTenants": Row(("", "cursor={tenants}")),
    "getTenant": Row(id="tenant"),
    "renameTenant": Row(bodies=({"title": "Another"},), id="tenant"),
    "removeTenant": Row(id="tenant"),
    "getOpenapi": Row(),
}
SAYS_NOTHING = {"limit", "push", "dry_run", "erase", "due", "ios", "scheme", "language", "side", "format"}
"""Parameters that name no object."""
OF_EVERYBODY = (
    "publishTemplate",
    "lookAtCertificates",
    "listTemplates",
    "getTemplate",
    "previewTemplate",
    "addTenant",
    "listTenants",
    "getOpenapi",
)
"""What belongs to no pass type: templates are the whole tenant's, and every key that may read them reads all."""


@dataclass(frozen=True)
class Ask:
    """One call of the matrix, to be filled with names."""

    operation: Operation
    query: str
    body: Any
    media: str | None

    @property
    def target(self) -> str:
        row = ROWS[self.operation.name]
        path = self.operation.path.replace("{id}", "{" + row.id + "}").replace("{name}", "{template}")
        return path + ("?" + self.query if self.query else "")

    def __str__(self) -> str:
        return f"{self.operation.method} {self.target} {self.body if not isinstance(self.body, bytes) else '…'}"


def asks_of(operation: Operation) -> list[Ask]:
    row = ROWS[operation.name]
    return [Ask(operation, query, body, row.media) for query in row.queries for body in row.bodies]


def filled(text: str, names: Names) -> str:
    """A text with every ``{name}`` that we have a name for."""
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), text)


# ── the place


class Place:
    """Two issuers on one installation, each with everything that there can be; what is foreign comes in a second step,
    so that answers from before it can be compared with those after.
    """

    def __init__(self, api: Api, authority: Authority, certificates: Sequence[Issued], tenant: str = DEFAULT) -> None:
        """``tenant``: whose the foreign things are."""
        self.tenant = tenant
        self.api = api
        self.authority = authority
        self.certificate = certificates[1]
        self.more: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self.keys: dict[str, str] = {}
        self.erased_token = ""

    async def ours(self) -> Place:
        for serial in ("1", "2", "erased-01"):
            await self.api.issue(serial)
        await self._live(PASS_TYPE, ("1", "2"))
        for _ in range(2):
            await self.api.services.admitting.requests.make(PASS_TYPE)
            await self._import(PASS_TYPE, "1,5\n")
        self.erased_token = await self.api.token("erased-01")
        assert (await self.api.call("DELETE", f"/passes/{PASS_TYPE}/erased-01?erase=1")).status == 204
        read = [scope for scope in SCOPES if scope not in OF_ALL_PASS_TYPES]
        self.keys = {
            "ours": await self.api.key(*read, pass_types=[PASS_TYPE]),
            "reading": await self.api.key("passes:read", "logs:read", pass_types=[PASS_TYPE]),
            "revoked": await self.api.key(*SCOPES),
        }
        [revoked] = [key for key in await self.api.services.store.api_keys() if key.pass_types is None]
        assert (await self.api.call("DELETE", f"/keys/{revoked.id}")).status == 204
        for key in self.keys.values():  # so that ``last_used_at`` does not move later: it is exact to the hour
            await self.api.call("GET", "/passes", key=key)
        return self

    async def theirs(self) -> Place:
        issued = self.certificate
        if self.tenant != DEFAULT:
            await self.api.ok("POST", "/tenants", {"name": self.tenant})
        self.api.tenant = self.tenant
        parts = (issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        await self.api.services.admitting.import_pem(*parts, terms=Terms(tenant=self.tenant))
        if self.tenant != DEFAULT:
            for name in ("membership", "theirs-card"):
                folder = folder_zip(document={**MEMBERSHIP, "description": f"Their {name}"})
                await self.api.ok("POST", f"/templates?name={name}", body=folder, media="application/zip")
        for serial in ("1", "2", "theirs-01", "erased-01"):
            await self.api.issue(serial, pass_type=OTHER)
        await self.api.ok("PATCH", f"/passes/{OTHER}/theirs-01", {"holder": "holder-theirs"})
        await self._live(OTHER, ("1", "theirs-01"))
        assert (await self.api.call("DELETE", f"/passes/{OTHER}/erased-01?erase=1")).status == 204
        await self.api.key("passes:read", pass_types=[OTHER])
        await self.api.services.apns_keys.import_(self.tenant, Minted().p8, THEIR_APNS_KEY, "TEAM123456")
        await self.api.services.apns_keys.use(self.tenant, OTHER, THEIR_APNS_KEY, probe=False)
        await self.api.services.admitting.requests.make(OTHER, tenant=self.tenant)
        await self.api.services.webhooks.add(self.tenant, "https://theirs.example/", None, None)
        rows = "".join(f"{serial},\n" for serial in ("theirs-01", "theirs-02")) + "one too many,,\n"
        await self._import(OTHER, rows)
        await self._names()
        self.api.tenant = ""
        return self

    async def _live(self, pass_type: str, serials: Sequence[str]) -> None:
        """Phones that follow, a push that is due, and lines in the diary and in the log."""
        for serial in serials:
            await self.api.register(serial, device_of(pass_type, serial), pass_type=pass_type)
            await self.api.issue(serial, 2, pass_type)
            await self.api.enrol(serial, f"Ada of {pass_type}", pass_type)
            line = (
                f"[2026-11-23 10:00:00 +0000] Get pass task (pass type {pass_type}, serial number {serial}; with web"
                " service url https://passes.example.com/wallet) encountered error: Authentication failure"
            )
            self.api.services.answering.testify(json.dumps({"logs": [line]}).encode())
        await self.settle()

    async def settle(self) -> None:
        await self.api.services.recorder.settle()

    async def _import(self, pass_type: str, rows: str) -> None:
        asked = f"/imports?pass_type={pass_type}&template=membership"
        taken = await self.api.call("POST", asked, body=f"serial,points\n{rows}".encode(), media="text/csv")
        assert taken.status == 202, taken.body

    async def _names(self) -> None:
        """What only exists once it is made: certificates, keys, and the cursors of other callers' lists."""
        store = self.api.services.store
        [certificate] = await store.certificates(OTHER)
        [key] = [key for key in await store.api_keys() if key.pass_types == (OTHER,)]
        [request] = [each for each in await store.signing_requests(self.tenant) if each.pass_type == OTHER]
        [webhook] = await store.webhook_endpoints(self.tenant)
        imports = await store.import_jobs(self.tenant, before=NEWEST, limit=9)
        [imported] = [each for each in imports if each.pass_types == (OTHER,)]
        certificate_id, key_id = unlike(certificate.id), unlike(key.id)
        nobody = self.authority.pass_certificate(NOBODY, "TEAM123456")
        events = await store.timeline(OTHER, "theirs-01", after=0, limit=1)
        for at, pass_type, serial, certificate_name, key_name, apns_key, request_name, issued in (
            (0, OTHER, "theirs-01", certificate.id, key.id, THEIR_APNS_KEY, request.id, self.certificate),
            (1, NOBODY, "nobody-01", certificate_id, key_id, "NOBODYSKEY", unlike(request.id), nobody),
        ):
            device = device_of(pass_type, serial)
            self.more[at].update(
                certificate=certificate_name,
                key=key_name,
                apns_key=apns_key,
                apns_keys=_cursor("apns-keys", apns_key),
                device=device,
                holder=("holder-theirs", "holder-nobody")[at],
                p12=base64.b64encode(issued.p12("sesame")).decode(),
                cer=base64.b64encode(issued.cer).decode(),
                request=request_name,
                webhook=(webhook.id, unlike(webhook.id))[at],
                imports=_cursor("imports", (imported.created_at, (imported.id, unlike(imported.id))[at])),
                imported=_cursor("import-errors", (1, 0)),
                **{"import": (imported.id, unlike(imported.id))[at]},
                messages=_cursor("webhook-messages", (1, "msg_1")),
                webhooks=_cursor("webhook-endpoints", (webhook.id, unlike(webhook.id))[at]),
                timeline=_EVENTS.write(events[0].id),
                passes=_PASSES.write((pass_type, serial)),
                registrations=_REGISTRATIONS.write((pass_type, device, serial)),
                pushes=_PUSHES.write((pass_type, device)),
                logs=_LOGS.write(events[0].id),
                enrolments=_cursor("enrolments", ("", 0)),
                certificates=_cursor("certificates", (pass_type, certificate.not_after, certificate_name)),
                requests=_cursor("signing-requests", (request.created_at, request_name)),
                templates=_cursor("templates", "membership"),
                keys=_cursor("keys", (key.created_at, key_name)),
                tenant=(BRAND, "nomad")[at],
                tenants=_cursor("tenants", (BRAND, "nomad")[at]),
                template="membership" if self.tenant == DEFAULT else ("theirs-card", "nobody-card")[at],
            )

    def names(self, foreign: Foreign) -> tuple[Names, Names]:
        return {**self.more[0], **foreign.theirs}, {**self.more[1], **foreign.nobodys}

    async def call(self, ask: Ask, names: Names, key: str | None, method: str = "") -> Reply:
        body = ask.body
        if body is not None and not isinstance(body, bytes):
            body = filled(json.dumps(body), names).encode()
        media = None if body is None else ask.media or "application/json"
        headers = [(b"x-request-id", b"the-same-for-all")]
        target = filled(ask.target, names)
        method = method or ask.operation.method
        return await self.api.call(method, target, body=body or b"", media=media, key=key, headers=headers)

    async def everything(self) -> dict[str, list[str]]:
        """Every row of every table, once what was merely observed is written down."""
        await self.settle()
        return engines.content(self.api.services.config.database_url)


def device_of(pass_type: str, serial: str) -> str:
    return f"phone-{pass_type.rpartition('.')[2]}-{serial}"


def unlike(name: str) -> str:
    """A name of the same length and alphabet that nobody has."""
    return name.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))


def plain(reply: Reply, names: Names) -> tuple[int, dict[str, str], bytes]:
    """An answer without what the caller itself sent: longest names first, because some stand inside others."""
    body, headers = reply.body, json.dumps(reply.headers)
    for kind, name in sorted(names.items(), key=lambda item: -len(item[1])):
        if len(name) > 1:
            body = body.replace(name.encode(), f"<{kind}>".encode())
            headers = headers.replace(name, f"<{kind}>")
    return reply.status, json.loads(headers), body


def _cursor(name: str, key: object) -> str:
    return Cursor(name, Any).write(key)
