"""What operators and programs do beside passes, through both clients, against a service that runs."""

from __future__ import annotations

import io
import json
import secrets
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx2
import pytest

from client.service import KEY, Running
from journeys.world import PASS_TYPE
from livepass.client import AsyncClient, Client, Refused, calls
from livepass.client.call import List
from livepass.embed.blocking import LoopThread
from provider_keys import Minted


class Awaited:
    """An ``AsyncClient`` whose methods are awaited for whoever calls; lists are gathered."""

    def __init__(self, url: str, key: str, **options: Any) -> None:
        self.thread = LoopThread("client-tests")
        self.client = AsyncClient(url, key, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            made = getattr(calls, name)(*args, **kwargs)
            ask = self._gathered if isinstance(made, List) else self._one
            return self.thread.run(ask(name, *args, **kwargs))

        return call

    async def _one(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self.client, name)(*args, **kwargs)

    async def _gathered(self, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        return [row async for row in getattr(self.client, name)(*args, **kwargs)]

    def close(self) -> None:
        self.thread.run(self.client.close())
        self.thread.close()


@pytest.fixture(params=[Client, Awaited], ids=["plain", "awaited"])
def made(request: pytest.FixtureRequest, running: Running) -> Iterator[Callable[..., Any]]:
    """Makes clients of either kind."""
    opened: list[Any] = []

    def make(key: str = KEY, **options: Any) -> Any:
        opened.append(request.param(running.url, key, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def any_client(made: Callable[..., Any]) -> Any:
    return made()


def named(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"


def files(data: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(data)).namelist())


def test_a_person_is_handed_over_and_forgotten(any_client: Any) -> None:
    holder, serial = named("crm"), named("h")
    any_client.put_pass(PASS_TYPE, serial, template="membership", data={"points": 1})
    any_client.patch_pass(PASS_TYPE, serial, holder=holder)
    assert [row.serial for row in any_client.passes(holder=holder)] == [serial]
    export = any_client.export_holder(holder)
    assert [(one.serial, one.registrations, one.enrolments) for one in export.passes] == [(serial, [], [])]
    assert b'"points":1' in bytes(export.passes[0].data).replace(b" ", b"")
    assert any_client.enrolments_of(PASS_TYPE, serial).data == []
    assert list(any_client.enrolments(PASS_TYPE)) == []
    foreseen = any_client.foresee_erasure(holder)
    assert (foreseen.dry_run, [each.serial for each in foreseen.passes]) == (True, [serial])
    assert any_client.get_pass(PASS_TYPE, serial).holder == holder
    receipt = any_client.erase_holder(holder)
    assert (receipt.dry_run, [each.serial for each in receipt.passes]) == (False, [serial])
    for ask in (lambda: any_client.get_pass(PASS_TYPE, serial), lambda: any_client.erase_holder(holder)):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.status == 404


def test_what_a_pass_was_would_be_and_looks_like(any_client: Any) -> None:
    serial = named("v")
    first = any_client.put_pass(PASS_TYPE, serial, template="membership", data={"points": 1})
    second = any_client.patch_pass(PASS_TYPE, serial, data={"points": 2})
    known = any_client.versions(PASS_TYPE, serial)
    assert [one.number for one in known.data] == [second.number, first.number]
    old = zipfile.ZipFile(io.BytesIO(any_client.pass_files(PASS_TYPE, serial, number=first.number)))
    now = zipfile.ZipFile(io.BytesIO(any_client.pass_files(PASS_TYPE, serial)))
    drafted = zipfile.ZipFile(io.BytesIO(any_client.draft_pass(PASS_TYPE, serial, data={"points": 3})))
    assert len({each.read("pass.json") for each in (old, now, drafted)}) == 3
    assert "signature" not in drafted.namelist()
    assert any_client.get_pass(PASS_TYPE, serial).number == second.number, "a draft changes nothing"
    assert any_client.preview_pass(PASS_TYPE, serial, format="svg", scheme="dark").startswith(b"<?xml")
    assert b"<html" in any_client.preview_template("membership", ios=26, language="de", side="back")
    assert any_client.funnel(pass_type=PASS_TYPE, days=7).days == 7


def test_tenants_and_whoever_acts_as_one(made: Callable[..., Any]) -> None:
    client, name = made(), named("brand")
    assert client.add_tenant(name, title="A brand").title == "A brand"
    assert client.rename_tenant(name, "Another").title == "Another"
    assert name in {row.name for row in client.tenants()}
    theirs = made(tenant=name)
    assert list(theirs.passes()) == []
    key = theirs.create_key("theirs", ["passes:read"])
    with pytest.raises(Refused):
        made(str(key.key)).get_pass(PASS_TYPE, "1")
    assert any(each.count for each in client.tenant(name).holds)
    with pytest.raises(Refused) as refused:
        client.remove_tenant(name)
    assert refused.value.status == 409
    theirs.revoke_key(key.id)


def test_an_empty_tenant_goes(any_client: Any) -> None:
    name = named("brand")
    any_client.add_tenant(name)
    any_client.remove_tenant(name)
    with pytest.raises(Refused):
        any_client.tenant(name)


class Receiver(HTTPServer):
    """Answers 204 to everything, and counts."""

    def __init__(self) -> None:
        heard: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                heard.append(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.heard = heard
        threading.Thread(target=self.serve_forever, daemon=True).start()


def until(found: Callable[[], Any]) -> Any:
    for _ in range(600):
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it never came")


def test_imports_are_worked_off_and_told_of(any_client: Any) -> None:
    serial = named("imported")
    file = f"Nummer,points,colour\n{serial},2,red\nbad serial,2,red\nshort\n".encode()
    given = {"pass_type": PASS_TYPE, "template": "membership", "columns": {"serial": "Nummer"}}
    job = any_client.import_passes(file, once=serial, **given)
    assert any_client.import_passes(file, once=serial, **given).id == job.id
    assert job.id in {each.id for each in any_client.imports()}
    until(lambda: any_client.import_job(job.id).state == "finished")
    done = any_client.import_job(job.id)
    assert (done.rows, done.made, done.refused, done.unused_columns) == (3, 1, 2, ["colour"])
    assert [(each.row, each.column) for each in any_client.import_errors(job.id)] == [(3, "Nummer"), (4, "")]
    assert any_client.get_pass(PASS_TYPE, serial).serial == serial
    lines = json.dumps({"pass_type": PASS_TYPE, "serial": serial, "data": {}}).encode()
    later = any_client.import_passes(lines, kind="ndjson", dry_run=True)
    assert later.dry_run
    any_client.cancel_import(later.id)
    until(lambda: any_client.import_job(later.id).state in ("cancelled", "finished"))


def test_webhooks_are_sent_and_told_of(any_client: Any) -> None:
    receiver = Receiver()
    added = any_client.add_webhook(f"http://127.0.0.1:{receiver.server_port}/", pass_types=[PASS_TYPE])
    assert added.secret
    assert any_client.webhook(added.id).secret is None
    assert added.id in {row.id for row in any_client.webhooks()}
    sent = any_client.send_test_webhook(added.id)
    [attempt] = until(lambda: any_client.webhook_attempts(added.id, sent.id).data)
    assert attempt.status == 204
    assert sent.id in {row.id for row in any_client.webhook_messages(added.id)}
    any_client.resend_webhook(added.id, sent.id)
    until(lambda: receiver.heard.count(sent.id) == 2)
    assert any_client.recover_webhooks(added.id, hours=1).messages == 0
    assert any_client.recover_webhooks(added.id, since=datetime.now(UTC)).messages == 0
    assert any_client.rotate_webhook(added.id).secret != added.secret
    assert any_client.enable_webhook(added.id, enabled=False).disabled_at
    assert any_client.enable_webhook(added.id).disabled_at is None
    any_client.remove_webhook(added.id)
    receiver.shutdown()
    receiver.server_close()
    with pytest.raises(Refused):
        any_client.webhook(added.id)


def test_certificates_from_a_request_on_and_apns_keys(any_client: Any, running: Running) -> None:
    pass_type = f"pass.test.{secrets.token_hex(4)}"
    asked = any_client.create_signing_request(pass_type=pass_type)
    assert asked.id in {row.id for row in any_client.signing_requests()}
    cer = running.authority.from_csr(asked.csr_pem.encode(), pass_type, "TEAM123456")
    assert any_client.import_certificate(cer).pass_type == pass_type
    other = any_client.create_signing_request()
    any_client.remove_signing_request(other.id)
    assert not {asked.id, other.id} & {row.id for row in any_client.signing_requests()}
    assert [one.pass_type for one in any_client.certificate_plan(pass_type=pass_type).data] == [pass_type]
    any_client.look_at_certificates()
    assert any(row.pass_type == PASS_TYPE for row in any_client.watch_certificates(days=10).data)
    key = Minted(f"K{secrets.token_hex(5)[:9]}".upper())
    assert any_client.import_apns_key(key.p8.decode(), key.id, key.team, topics=[PASS_TYPE]).id == key.id
    assert any_client.choose_push_credential(PASS_TYPE, key.id, probe=False).apns_key == key.id
    assert any_client.apns_key(key.id).pass_types == [PASS_TYPE]
    assert any_client.choose_push_credential(PASS_TYPE, None).apns_key is None
    assert any_client.retire_apns_key(key.id).retired_at
    assert key.id in {row.id for row in any_client.apns_keys()}


# ── a new pass, whose answer is lost


class Loses(httpx2.HTTPTransport):
    """The service hears everything; its first answers are lost on the way."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.lost = lost
        self.sent = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent += 1
        answer = super().handle_request(request)
        if self.sent <= self.lost:
            answer.read()
            raise httpx2.ReadError("lost")
        return answer


def test_a_pass_whose_answer_was_lost_is_made_once(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livepass.client.blocking.sleep", lambda seconds: None)
    losing, holder = Loses(2), named("once")
    with Client(running.url, KEY, transport=losing) as client:
        new = client.create_pass(PASS_TYPE, template="membership", data={"points": 1}, holder=holder)
        assert losing.sent == 3
        assert [row.serial for row in client.passes(holder=holder)] == [new.serial]
        other = client.create_pass(PASS_TYPE, template="membership", data={"points": 1}, holder=holder)
        assert other.serial != new.serial, "a key of its own for each call"
        again = [client.create_pass(PASS_TYPE, template="membership", data={"points": 2}, once=holder) for _ in "ab"]
        assert again[0].serial == again[1].serial


def test_what_is_still_under_way_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("livepass.client.blocking.sleep", slept.append)
    under_way = {"code": "idempotency_in_progress", "detail": "not answered yet"}
    answers = [httpx2.Response(409, json=under_way), httpx2.Response(409, json={**under_way, "code": "conflict"})]
    keys: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["idempotency-key"])
        return answers[len(keys) - 1]

    with pytest.raises(Refused) as refused:
        Client("https://here", KEY, transport=httpx2.MockTransport(answer)).create_pass(PASS_TYPE, template="t")
    assert refused.value.code == "conflict"
    assert len(slept) == 1
    assert keys[0] == keys[1]
