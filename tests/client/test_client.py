"""The client against a service that runs: every call, its types, its refusals, and what is sent again."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from client.service import KEY, Running
from journeys.world import OTHER_TYPE, PASS_TYPE, pass_certificate, template
from livepass.client import AsyncClient, BatchEnded, Client, Refused, Unreachable, call, calls, sending
from livepass.client.address import BadAddress
from livepass.web.issuer import OPERATIONS
from livepass.web.issuer_answers import BatchProblem, BatchResult, PassDetail, PassResult


def test_a_pass_from_its_issue_to_its_end(client: Client) -> None:
    made = client.put_pass(PASS_TYPE, "c1", template="membership", data={"points": 1})
    assert isinstance(made, PassResult)
    assert (made.serial, made.changed, made.last_modified.tzinfo is not None) == ("c1", True, True)
    foreseen = client.foresee_patch(PASS_TYPE, "c1", data={"points": 2})
    assert [(field.key, field.after) for field in foreseen.fields] == [("points", 2)]
    assert client.patch_pass(PASS_TYPE, "c1", data={"points": 2}, push="none").changed
    found = client.get_pass(PASS_TYPE, "c1")
    assert isinstance(found, PassDetail)
    assert found.registrations == []
    assert client.pkpass(PASS_TYPE, "c1")[:2] == b"PK"
    assert client.bundle([(PASS_TYPE, "c1")])[:2] == b"PK"
    assert [event.kind for event in client.timeline(PASS_TYPE, "c1")] == ["issued", "changed"]
    assert client.why(PASS_TYPE, "c1").verdicts[0].code.startswith("LP")
    assert client.share_pass(PASS_TYPE, "c1", days=1).url.startswith("https://")
    assert client.push_pass(PASS_TYPE, "c1").pushes_due == 0
    assert client.void_pass(PASS_TYPE, "c1").changed
    client.erase_pass(PASS_TYPE, "c1")
    with pytest.raises(Refused, match="there is no pass") as refused:
        client.get_pass(PASS_TYPE, "c1")
    assert (refused.value.status, refused.value.code) == (404, "not_found")


def test_what_is_wrong_is_said_where(client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.put_pass(PASS_TYPE, "c2", template="membership", data={"poitns": 1})
    assert refused.value.status == 422
    assert [error.pointer for error in refused.value.errors]
    assert refused.value.request_id
    assert refused.value.hint in str(refused.value)


def test_many_passes_and_all_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"pass_type": PASS_TYPE, "serial": f"m{n:03}", "data": {"points": n}} for n in range(60)]
    found = list(client.put_passes([{**line, "template": "membership"} for line in lines] + [{"serial": "?"}]))
    assert [line.line for line in found] == list(range(1, 62))
    assert all(isinstance(line, BatchResult) for line in found[:60])
    assert isinstance(found[60], BatchProblem)
    monkeypatch.setattr(call, "PAGE", 25)
    serials = [row.serial for row in client.passes(pass_type=PASS_TYPE, serial_prefix="m")]
    assert serials == [line["serial"] for line in lines]


def test_certificates_templates_and_keys(client: Client, running: Running) -> None:
    given = pass_certificate(running.authority, OTHER_TYPE).p12("secret")
    row = client.import_p12(given, "secret")
    assert client.certificate(row.id).pass_type == OTHER_TYPE
    assert OTHER_TYPE in {each.pass_type for each in client.certificates()}
    with pytest.raises(Refused):
        client.promote_certificate("nothing")
    published = client.publish_template(template("second").to_zip())
    assert client.template(published.name).revision == published.revision
    assert {"membership", "second"} <= {each.name for each in client.templates()}
    key = client.create_key("reader", ["passes:read"], pass_types=[PASS_TYPE])
    with Client(running.url, str(key.key)) as reader:
        assert next(reader.passes()).pass_type == PASS_TYPE
        with pytest.raises(Refused) as refused:
            reader.void_pass(PASS_TYPE, "1")
        assert refused.value.status == 403
    assert key.id in {each.id for each in client.keys()}  # noqa: SIM118
    assert client.key(key.id).name == "reader"
    client.revoke_key(key.id)


def test_lists_and_figures(client: Client) -> None:
    assert list(client.registrations()) == []
    assert list(client.pushes(due=True)) == []
    assert list(client.device_logs(code="?")) == []
    assert client.stats().passes >= 1
    assert client.why_all().groups is not None
    assert client.push_all(PASS_TYPE).pushes_due == 0


def test_the_same_awaited(running: Running) -> None:
    async def run() -> None:
        async with AsyncClient(running.url, KEY) as client:
            assert (await client.get_pass(PASS_TYPE, "1")).serial == "1"
            assert "1" in [row.serial async for row in client.passes()]
            lines = [{"pass_type": PASS_TYPE, "serial": "a1", "template": "membership", "data": {"points": 1}}]
            assert [line.ok async for line in client.put_passes(lines)] == [True]
            with pytest.raises(Refused):
                await client.get_pass(PASS_TYPE, "nobody")

    asyncio.run(run())


# ── what is sent again


class Answers(httpx2.MockTransport):
    """Answers one after the other, and what was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)
        super().__init__(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.method)
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("livepass.client.blocking.sleep", found.append)

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("livepass.client.awaiting.sleep", sleep)
    return found


def busy(status: int = 503, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers=headers)


def fine() -> httpx2.Response:
    return httpx2.Response(200, content=b"PK")


def test_what_repeats_is_sent_again_when_the_service_says(slept: list[float]) -> None:
    asked = Answers(busy(503, **{"Retry-After": "7"}), busy(429), httpx2.ConnectError("gone"), fine())
    assert Client("https://here", KEY, transport=asked).pkpass(PASS_TYPE, "1") == b"PK"
    assert asked.asked == ["GET"] * 4
    assert slept[0] == 7
    assert sending.FIRST_WAIT <= slept[1] <= 2 * sending.FIRST_WAIT < slept[2] * 2

    async def run() -> bytes:
        return await AsyncClient("https://here", KEY, transport=Answers(busy(), fine())).pkpass(PASS_TYPE, "1")

    assert asyncio.run(run()) == b"PK"


Do = Callable[[Client], Any]


@pytest.mark.parametrize(
    ("do", "answer"),
    [
        (lambda c: c.patch_pass(PASS_TYPE, "1", data={}), busy()),
        (lambda c: c.push_pass(PASS_TYPE, "1"), busy()),
        (lambda c: c.push_pass(PASS_TYPE, "1"), httpx2.ReadTimeout("slow")),
        (lambda c: c.pkpass(PASS_TYPE, "1"), busy(500)),
        (lambda c: c.pkpass(PASS_TYPE, "1"), busy(404)),
    ],
)
def test_what_could_do_harm_or_is_hopeless_is_not(do: Do, answer: Any, slept: list[float]) -> None:
    asked = Answers(answer, fine())
    with pytest.raises((Refused, Unreachable)):
        do(Client("https://here", KEY, transport=asked))
    assert len(asked.asked) == 1
    assert slept == []


def test_it_gives_up_and_says_the_last_word(slept: list[float]) -> None:
    with pytest.raises(Refused) as refused:
        Client("https://here", KEY, attempts=3, transport=Answers(*[busy(503) for _ in range(3)])).stats()
    assert refused.value.status == 503
    with pytest.raises(Unreachable, match="gone"):
        Client("https://here", KEY, attempts=1, transport=Answers(httpx2.ConnectError("gone"))).stats()


def test_a_batch_that_ended_early_says_from_where() -> None:
    problem = '{"type": "", "title": "t", "status": 503, "code": "overloaded", "detail": "d", "hint": "", "errors": []}'
    body = f'{{"line": 1, "ok": false, "ended": true, "problem": {problem}}}\n'.encode()
    client = Client("https://here", KEY, transport=Answers(httpx2.Response(200, content=body)))
    with pytest.raises(BatchEnded) as ended:
        list(client.put_passes([{}]))
    assert ended.value.line == 1


def test_a_key_goes_nowhere_unencrypted() -> None:
    with pytest.raises(BadAddress, match="unencrypted"):
        Client("http://passes.example.com", KEY)
    with pytest.raises(BadAddress, match="not the address"):
        Client("passes.example.com", KEY)


def test_something_else_answered() -> None:
    page = httpx2.Response(404, headers={"Content-Type": "text/html"}, content=b"<html>")
    with pytest.raises(Refused, match="the service answered 404"):
        Client("https://here", KEY, transport=Answers(page)).stats()


# ── nothing is forgotten


def test_every_operation_can_be_called_or_is_left_out_with_a_reason() -> None:
    assert {each.name for each in OPERATIONS} == set(calls.OPERATIONS) | set(calls.LEFT_OUT)
    assert not set(calls.OPERATIONS) & set(calls.LEFT_OUT)
    assert all(calls.LEFT_OUT.values())
    for kind in (Client, AsyncClient):
        for names in calls.OPERATIONS.values():
            for name in names:
                assert inspect.getdoc(getattr(kind, name)), (kind, name)


def test_a_call_is_what_its_operation_says() -> None:
    """Method, path and the names in the query, held against the service's own table."""
    by_name = {each.name: each for each in OPERATIONS}
    samples = {"passes": [("t", "s")], "p12": b"", "certificate": b"", "folder": b"", "scopes": ["passes:read"]}
    for operation, names in calls.OPERATIONS.items():
        for name in names:
            if name == "put_passes":
                continue
            make = getattr(calls, name)
            needed = [
                p.name for p in inspect.signature(make).parameters.values() if p.default is inspect.Parameter.empty
            ]
            made = make(**{each: samples.get(each, "x") for each in needed})
            path = by_name[operation].path.format(type="x", serial="x", id="x", name="x", holder="x")
            method = "GET" if isinstance(made, call.List) else made.method
            assert (method, made.path) == (by_name[operation].method, path), name
            assert set(made.query) <= set(by_name[operation].query.__struct_fields__), name
