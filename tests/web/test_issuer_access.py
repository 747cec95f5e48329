"""Who may do what: every route × (its scope, no key, a wrong scope, a foreign pass type). The table holds them all."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from livepass.emulators.authority import Issued
from livepass.service.access import OF_ALL_PASS_TYPES, SCOPES
from livepass.web.issuer import OPERATIONS
from livepass.web.operations import Operation
from provider_keys import Minted
from web.asgi import ADMIN, NDJSON, OTHER, PASS_TYPE, Api, Reply, folder_zip, push_token_of, with_api

PASSES = "application/vnd.apple.pkpass"
"""What a pass, or several, comes as: it holds its token."""
REFUSED = ("importCertificate", "createSigningRequest", "createKey", "importApnsKey", "lookAtCertificates")
OF_ALL = ("importApnsKey", "retireApnsKey", "lookAtCertificates")
TENANTS = ("addTenant", "listTenants", "getTenant", "renameTenant", "removeTenant")
WEBHOOKS = tuple(each.name for each in OPERATIONS if each.scopes == ("webhooks:admin",))
UNLIMITED = ("publishTemplate", *TENANTS, *WEBHOOKS)
"""What a key that is limited to pass types cannot be made for."""


@dataclass(frozen=True)
class Sample:
    """A call that succeeds. ``{type}`` stands for the pass type it is about."""

    target: str
    status: int = 200
    json: Any = None
    body: bytes = b""
    media: str | None = None


PUT = {"template": "membership", "data": {"points": 1}}
LINE = {"pass_type": "{type}", "serial": "1", **PUT}
SAMPLES = {
    "exportHolder": Sample("/holders/{holder}"),
    "eraseHolder": Sample("/holders/{holder}"),
    "createPass": Sample("/passes", 201, {"pass_type": "{type}", **PUT}),
    "putPass": Sample("/passes/{type}/new", 201, PUT),
    "patchPass": Sample("/passes/{type}/1", json={"data": {"points": 2}}),
    "getPass": Sample("/passes/{type}/1"),
    "deletePass": Sample("/passes/{type}/1"),
    "getPkpass": Sample("/passes/{type}/1/pkpass"),
    "draftPass": Sample("/passes/{type}/1:draft", json={"data": {"points": 2}}),
    "previewPass": Sample("/passes/{type}/1/preview"),
    "listVersions": Sample("/passes/{type}/1/versions"),
    "getPassFiles": Sample("/passes/{type}/1/files"),
    "getTimeline": Sample("/passes/{type}/1/timeline"),
    "getWhy": Sample("/passes/{type}/1/why"),
    "pushPass": Sample("/passes/{type}/1:push"),
    "sharePass": Sample("/passes/{type}/1:share", 201, {}),
    "getFunnel": Sample("/funnel"),
    "push": Sample("/pushes", json={"pass_type": "{type}", "serial": "1"}),
    "putPasses": Sample("/passes:batch", body=json.dumps(LINE).encode(), media=NDJSON),
    "importPasses": Sample("/imports?pass_type={type}", 202, body=json.dumps(LINE).encode(), media=NDJSON),
    "listImports": Sample("/imports"),
    "getImport": Sample("/imports/{import}"),
    "listImportErrors": Sample("/imports/{import}/errors"),
    "cancelImport": Sample("/imports/{import}", 204),
    "bundlePasses": Sample("/passes:bundle", json={"passes": [{"pass_type": "{type}", "serial": "1"}]}),
    "listPasses": Sample("/passes"),
    "listRegistrations": Sample("/registrations"),
    "listPushes": Sample("/pushes"),
    "listDeviceLogs": Sample("/device-logs"),
    "getEnrolments": Sample("/passes/{type}/1/enrolments"),
    "listEnrolments": Sample("/enrolments?pass_type={type}"),
    "getStats": Sample("/stats"),
    "getWhyAll": Sample("/why"),
    "importCertificate": Sample("/certificates", 201, {"p12": "{p12}", "password": "sesame"}),
    "listCertificates": Sample("/certificates"),
    "getCertificate": Sample("/certificates/{certificate}"),
    # The only certificate there is can do no more than sign, and APNs is not there.
    "proveCertificate": Sample("/certificates/{certificate}:prove", 422, {}),
    "canaryCertificate": Sample("/certificates/{certificate}:canary", 422, {}),
    "promoteCertificate": Sample("/certificates/{certificate}:promote", 200, {}),
    "rollBackCertificate": Sample("/certificates/{certificate}:rollback", 422, {}),
    "retireCertificate": Sample("/certificates/{certificate}:retire", 422, {}),
    "planCertificates": Sample("/certificate-plan"),
    "importApnsKey": Sample("/apns-keys", 201, {"p8": "{p8}", "id": "KEY0000009", "team": "TEAM123456"}),
    "listApnsKeys": Sample("/apns-keys"),
    "getApnsKey": Sample("/apns-keys/{apns_key}"),
    "retireApnsKey": Sample("/apns-keys/SPARE00001"),
    "choosePushCredential": Sample("/pass-types/{type}/push-credential", json={"apns_key": None}),
    "createSigningRequest": Sample("/signing-requests", 201, {"pass_type": "{type}"}),
    "listSigningRequests": Sample("/signing-requests"),
    "removeSigningRequest": Sample("/signing-requests/{request}", 204),
    "watchCertificates": Sample("/certificate-watch"),
    "lookAtCertificates": Sample("/certificate-watch:look", 204, {}),
    "addWebhookEndpoint": Sample("/webhook-endpoints", 201, {"url": "https://a.example/"}),
    "listWebhookEndpoints": Sample("/webhook-endpoints"),
    "getWebhookEndpoint": Sample("/webhook-endpoints/{webhook}"),
    "changeWebhookEndpoint": Sample("/webhook-endpoints/{webhook}", json={"enabled": True}),
    "removeWebhookEndpoint": Sample("/webhook-endpoints/{webhook}", 204),
    "rotateWebhookSecret": Sample("/webhook-endpoints/{webhook}:rotate", json={}),
    "testWebhookEndpoint": Sample("/webhook-endpoints/{webhook}:test", 202, {}),
    "listWebhookMessages": Sample("/webhook-endpoints/{webhook}/messages"),
    "listWebhookAttempts": Sample("/webhook-endpoints/{webhook}/attempts?message=msg_1"),
    "resendWebhook": Sample("/webhook-endpoints/{webhook}:resend", 204, {"message": "{webhook_message}"}),
    "recoverWebhooks": Sample("/webhook-endpoints/{webhook}:recover", json={}),
    "publishTemplate": Sample("/templates?name=gold", 201, body=folder_zip(), media="application/zip"),
    "listTemplates": Sample("/templates"),
    "getTemplate": Sample("/templates/membership"),
    "previewTemplate": Sample("/templates/membership/preview"),
    "createKey": Sample("/keys", 201, {"name": "k", "scopes": ["keys:admin"], "pass_types": ["{type}"]}),
    "listKeys": Sample("/keys"),
    "getKey": Sample("/keys/{key}"),
    "revokeKey": Sample("/keys/{key}", 204),
    "addTenant": Sample("/tenants", 201, {"name": "second"}),
    "listTenants": Sample("/tenants"),
    "getTenant": Sample("/tenants/default"),
    "renameTenant": Sample("/tenants/first", json={"title": "The First"}),
    "removeTenant": Sample("/tenants/first", 204),
    "getOpenapi": Sample("/openapi.json"),
}
NAMED_PASS = (
    *("putPass", "patchPass", "getPass", "deletePass", "getPkpass", "draftPass", "getTimeline", "getWhy"),
    *("previewPass", "listVersions", "getPassFiles", "pushPass", "push"),
    *("bundlePasses", "getEnrolments"),
)
LISTS = (
    "listPasses",
    "listRegistrations",
    "listPushes",
    "listDeviceLogs",
    "listCertificates",
    "listKeys",
    "listSigningRequests",
)


def test_every_operation_has_a_sample() -> None:
    assert {operation.name for operation in OPERATIONS} == set(SAMPLES)


class Prepared:
    """Two pass types with a pass, a phone, a line of its log and a key each."""

    def __init__(self, api: Api, certificates: tuple[Issued, ...]) -> None:
        self.api = api
        self.p12 = dict(zip((PASS_TYPE, OTHER), (each.p12("sesame") for each in certificates), strict=True))
        self.certificate: dict[str, str] = {}
        self.key: dict[str, str] = {}
        self.apns_key = {PASS_TYPE: "OURS000001", OTHER: "THEIRS0001"}
        self.request: dict[str, str] = {}
        self.webhook = self.webhook_message = ""
        self.import_: dict[str, str] = {}

    async def start(self) -> Prepared:
        for pass_type in (PASS_TYPE, OTHER):
            await self.api.issue("1", pass_type=pass_type)
            await self.api.register("1", f"phone-{pass_type}", pass_type=pass_type)
            line = (
                f"[2026-11-23 10:00:00 +0000] Get pass task (pass type {pass_type}, serial number 1; with web service"
                " url https://passes.example.com/wallet) encountered error: Authentication failure"
            )
            self.api.services.answering.testify(json.dumps({"logs": [line]}).encode())
            await self.api.enrol("1", f"Ada of {pass_type}", pass_type)
            await self.api.ok("PATCH", f"/passes/{pass_type}/1", {"holder": f"holder of {pass_type}"})
            await self.api.key("passes:read", pass_types=[pass_type])
            made, _ = await self.api.services.admitting.requests.make(pass_type)
            self.request[pass_type] = made.id
            asked = f"/imports?pass_type={pass_type}&template=membership"
            taken = await self.api.call("POST", asked, body=b"serial,points\nnew,1\n", media="text/csv")
            self.import_[pass_type] = taken.json()["id"]
        hooks = self.api.services.webhooks
        self.webhook = (await hooks.add("default", "https://a.example/", None, None))[0].id
        self.webhook_message = (await hooks.test("default", self.webhook)).id
        await self.api.services.recorder.settle()
        team = "TEAM123456"
        for pass_type, key_id in (*self.apns_key.items(), (None, "SPARE00001")):
            await self.api.services.apns_keys.import_("default", Minted().p8, key_id, team)
            if pass_type is not None:
                await self.api.services.apns_keys.use("default", pass_type, key_id, probe=False)
        for row in await self.api.services.store.certificates(None):
            self.certificate[row.pass_type] = row.id
        for key in await self.api.services.store.api_keys():
            self.key[(key.pass_types or ("",))[0]] = key.id
        return self

    def filled(self, text: str, pass_type: str) -> str:
        places = {
            "{type}": pass_type,
            "{p12}": base64.b64encode(self.p12.get(pass_type, b"")).decode(),
            "{certificate}": self.certificate.get(pass_type, ""),
            "{key}": self.key.get(pass_type, ""),
            "{apns_key}": self.apns_key.get(pass_type, ""),
            '"{p8}"': json.dumps(Minted().p8.decode()),
            "{request}": self.request.get(pass_type, ""),
            "{import}": self.import_.get(pass_type, ""),
            "{webhook}": self.webhook,
            "{webhook_message}": self.webhook_message,
            "{holder}": quote(f"holder of {pass_type}"),
        }
        for place, value in places.items():
            text = text.replace(place, value)
        return text

    async def call(self, operation: Operation, key: str | None, pass_type: str = PASS_TYPE, target: str = "") -> Reply:
        sample = SAMPLES[operation.name]
        if operation.name in TENANTS and "first" not in {row.name for row in await self.api.services.store.tenants()}:
            await self.api.app.services.tenants.add("first")
        body = sample.body if b"{type}" not in sample.body else self.filled(sample.body.decode(), pass_type).encode()
        return await self.api.call(
            operation.method,
            self.filled(target or sample.target, pass_type),
            None if sample.json is None else json.loads(self.filled(json.dumps(sample.json), pass_type)),
            body=body,
            media=sample.media,
            key=key,
        )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_route(operation: Operation, tmp_path: Any, certificates: tuple[Issued, ...]) -> None:
    """With the least that it needs a route does its work; with anything less it does nothing."""

    @with_api
    async def run(api: Api) -> None:
        prepared = await Prepared(api, certificates).start()
        if operation.scopes:
            await refuses_strangers(prepared)
            await refuses_other_scopes(prepared)
            if operation.name not in UNLIMITED:
                await knows_no_foreign_pass_type(prepared)
        for scope in operation.scopes or ("passes:read",):
            whole = scope in OF_ALL_PASS_TYPES or operation.name in OF_ALL
            limit = None if whole else [PASS_TYPE]
            key = await api.key(scope, pass_types=limit)
            done = await prepared.call(operation, key)
            assert done.status == SAMPLES[operation.name].status, done.body
            assert all(line["ok"] for line in done.lines()) if operation.name == "putPasses" else True

    async def refuses_strangers(prepared: Prepared) -> None:
        for key in (None, "", "nobody", "lp_x_y", "lp__", f"lp_{prepared.key[PASS_TYPE]}_wrong", ADMIN[:-1]):
            reply = await prepared.call(operation, key)
            assert (reply.status, reply.json()["code"]) == (401, "unauthenticated")
            assert reply.headers["www-authenticate"].startswith("Bearer")

    async def refuses_other_scopes(prepared: Prepared) -> None:
        others = [scope for scope in SCOPES if scope not in operation.scopes]
        reply = await prepared.call(operation, await prepared.api.key(*others))
        assert (reply.status, reply.json()["code"]) == (403, "missing_scope")
        assert operation.scopes[0] in reply.json()["detail"]

    async def knows_no_foreign_pass_type(prepared: Prepared) -> None:
        key = await prepared.api.key(operation.scopes[0], pass_types=[PASS_TYPE])
        before = await prepared.api.row("1", OTHER)
        reply = await prepared.call(operation, key, OTHER)
        if operation.name in NAMED_PASS:
            assert reply.status == 404
            if operation.name != "putPass":
                missing = await prepared.call(operation, key, "pass.test.missing-really")
                assert alike(reply, OTHER) == alike(missing, "pass.test.missing-really")
        elif operation.name == "putPasses":
            [line] = reply.lines()
            assert (line["ok"], line["problem"]["status"]) == (False, 404)
        elif operation.name in LISTS:
            await shows_none_of(prepared, key)
        elif operation.name in REFUSED:
            assert (reply.status, reply.json()["code"]) == (403, "foreign_pass_type")
        elif "{id}" in operation.path or "{holder}" in operation.path or operation.name == "choosePushCredential":
            assert reply.status == 404
        elif operation.name == "listApnsKeys":
            assert [one["id"] for one in reply.json()["data"]] == ["OURS000001"]
        elif operation.name == "planCertificates":
            assert [one["pass_type"] for one in reply.json()["data"]] == [PASS_TYPE]
        elif operation.name == "watchCertificates":
            assert {one["pass_type"] for one in reply.json()["data"]} == {PASS_TYPE, None}
        elif operation.name == "listEnrolments":
            assert reply.json() == {"data": [], "next_cursor": None}
        elif operation.name == "getFunnel":
            assert [one["pass_type"] for one in reply.json()["data"]] == [PASS_TYPE]
        elif operation.name == "getStats":
            assert (reply.json()["passes"], reply.json()["registrations"]) == (1, 1)
        elif operation.name == "getWhyAll":
            assert reply.json()["registrations"] == 1 and OTHER.encode() not in reply.body
        assert await prepared.api.row("1", OTHER) == before
        assert await prepared.api.row("new", OTHER) is None

    async def shows_none_of(prepared: Prepared, key: str) -> None:
        target = SAMPLES[operation.name].target
        seen = await prepared.call(operation, key)
        everything = await prepared.call(operation, ADMIN)
        assert OTHER.encode() in everything.body
        assert seen.json()["data"] and OTHER.encode() not in seen.body
        if operation.name not in ("listKeys", "listSigningRequests"):
            asked = await prepared.call(operation, key, target=f"{target}?pass_type={OTHER}")
            assert asked.json() == {"data": [], "next_cursor": None}

    run(tmp_path=tmp_path, certificates=certificates)


def alike(reply: Reply, pass_type: str) -> dict[str, Any]:
    """A problem without what differs from request to request."""
    return json.loads(reply.body.replace(pass_type.encode(), b"T")) | {"request_id": ""}  # type: ignore[no-any-return]


@with_api
async def test_a_revoked_key_is_refused_at_once(api: Api) -> None:
    key = await api.key("passes:read")
    assert (await api.call("GET", "/passes", key=key)).status == 200
    [row] = (await api.ok("GET", "/keys"))["data"]
    assert row["last_used_at"] is not None and "key" not in row
    for _ in range(2):
        assert (await api.call("DELETE", f"/keys/{row['id']}")).status == 204
    assert (await api.call("GET", "/passes", key=key)).status == 401
    assert (await api.ok("GET", f"/keys/{row['id']}"))["revoked_at"] is not None


@with_api
async def test_nobody_hands_out_more_than_they_have(api: Api) -> None:
    one = await api.key("keys:admin", "passes:read", pass_types=[PASS_TYPE])
    cases = [
        ({"scopes": ["passes:write"], "pass_types": [PASS_TYPE]}, 403, "missing_scope"),
        ({"scopes": ["passes:read"]}, 403, "foreign_pass_type"),
        ({"scopes": ["passes:read"], "pass_types": [PASS_TYPE, OTHER]}, 403, "foreign_pass_type"),
        ({"scopes": ["passes:read"], "pass_types": [PASS_TYPE]}, 201, None),
    ]
    for wanted, status, code in cases:
        reply = await api.call("POST", "/keys", {"name": "more", **wanted}, key=one)
        assert (reply.status, reply.json().get("code")) == (status, code)
    reply = await api.call("POST", "/keys", {"name": "t", "scopes": ["templates:write"], "pass_types": [PASS_TYPE]})
    assert (reply.status, reply.json()["errors"][0]["pointer"]) == (422, "/pass_types")


@with_api
async def test_no_secret_leaves(api: Api, caplog: pytest.LogCaptureFixture, certificates: tuple[Issued, ...]) -> None:
    """Every route with everything allowed and everything wrong: no body and no log line holds a secret."""
    caplog.set_level(logging.DEBUG)
    prepared = await Prepared(api, certificates).start()
    token = await api.token("1")
    keys = [await api.key(*SCOPES), await api.key("logs:read")]
    for operation in OPERATIONS:
        if operation.name != "revokeKey":
            for key in (*keys, ADMIN, keys[0] + "x", ADMIN + "x"):
                await prepared.call(operation, key)
    wrong = {"p12": "MIIB", "password": "sesame-marker"}
    await api.call("POST", "/certificates", wrong)
    pem = {"certificate_pem": "a", "private_key_pem": certificates[0].key_pem.decode(), "intermediate_pem": "b"}
    await api.call("POST", "/certificates", pem)
    await api.call("POST", "/certificates", {**pem, "intermediate_pem": 7})
    await api.call("PUT", f"/passes/{PASS_TYPE}/1", {"content": {"webServiceURL": 1, "description": 1}})
    await api.call("PUT", f"/passes/{PASS_TYPE}/1", {"data": {"points": 1}, "content": {"userInfo": 10**40}})
    private = certificates[0].key_pem.decode().splitlines()[5]
    secrets = [ADMIN, *(key.split("_", 2)[2] for key in api.keys), "sesame-marker", private]
    secrets += [await api.token("1", OTHER), token, push_token_of(f"phone-{PASS_TYPE}")]
    bodies = [reply for reply in api.replies if not reply.headers.get("content-type", "").startswith(PASSES)]
    assert len(bodies) > 100
    for secret in secrets:
        assert len(secret) >= 12
        assert secret not in caplog.text
        for reply in bodies:
            assert secret.encode() not in reply.body and secret not in str(reply.headers), reply.body
