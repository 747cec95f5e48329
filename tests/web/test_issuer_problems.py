"""What is wrong with a request is said as a problem: what, where, what to do; and never more than that."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from livepass.core.unavailable import Unavailable
from livepass.service import admitting, completing, issuing, refusals, requesting, rotating
from livepass.service.access import Access
from livepass.web import problems
from livepass.web.issuer import IssuerApp
from livepass.web.operations import MIB
from web.asgi import ADMIN, PASS_TYPE, Api, Reply, escaped, send, with_api

ONE = f"/passes/{PASS_TYPE}/1"
PUT = {"template": "membership", "data": {"points": 1}}
KEYS = {"type", "title", "status", "code", "detail", "hint", "errors", "request_id"}


def problem_of(reply: Reply, status: int, code: str) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()
    assert (reply.status, found.get("code")) == (status, code), found
    assert reply.headers["content-type"] == "application/problem+json"
    assert set(found) == KEYS and found["status"] == status
    assert found["type"] == f"urn:livepass:problem:{code}"
    assert found["title"] == problems.TITLES[code]
    assert found["request_id"] == reply.headers["x-request-id"]
    return found


@with_api
async def test_unknown_fields_get_a_suggestion(api: Api) -> None:
    cases = [
        ("PUT", ONE, {"templte": "membership"}, "/templte", "did you mean template?"),
        ("PATCH", ONE, {"date": {}}, "/date", "did you mean data?"),
        ("POST", "/keys", {"name": "x", "scope": []}, "/scope", "did you mean scopes?"),
        ("POST", "/pushes", {"pass-type": PASS_TYPE}, "/pass-type", "did you mean pass_type?"),
        ("POST", "/certificates", {"p21": ""}, "/p21", "did you mean p12?"),
        ("PUT", ONE, {"a/b~c": 1}, "/a~1b~0c", "known here: template, data, content, revision, holder"),
        ("PUT", f"{ONE}?dryrun=1", PUT, "?dryrun", "did you mean dry_run?"),
        ("GET", "/passes?type=x", None, "?type", "did you mean pass_type?"),
        ("GET", f"{ONE}?x=1", None, "?x", "known here: nothing"),
    ]
    for method, target, body, pointer, hint in cases:
        found = problem_of(await api.call(method, target, body), 422, "unknown_field")
        assert found["errors"][0]["pointer"] == pointer
        assert found["hint"] == found["errors"][0]["remedy"] == hint
    assert await api.row("1") is None


@with_api
async def test_wrong_types_are_pointed_at(api: Api) -> None:
    cases = [
        ("PUT", ONE, {"template": 7}, "/template", ""),
        ("PUT", ONE, {"data": []}, "/data", ""),
        ("PUT", ONE, {"data": None}, "/data", ""),
        ("PUT", ONE, [], "", ""),
        ("PUT", ONE, {"template": "a\0b"}, "/template", ""),
        ("POST", "/keys", {"name": "x", "scopes": ["passes:raed"]}, "/scopes/0", "one of passes:read, passes:write"),
        ("POST", "/keys", {"name": "x", "scopes": []}, "/scopes", ""),
        ("POST", "/certificates", {"p12": "?"}, "/p12", ""),
        ("PUT", f"{ONE}?push=later", PUT, "?push", "one of auto, now, none"),
        ("PUT", f"{ONE}?dry_run=maybe", PUT, "?dry_run", ""),
        ("GET", "/passes?limit=501", None, "?limit", ""),
        ("GET", "/passes?limit=0", None, "?limit", ""),
        ("GET", "/passes?limit=many", None, "?limit", ""),
        ("GET", f"{ONE}/timeline?after={'9' * 30}", None, "?after", ""),
        ("GET", "/passes?limit=1&limit=2", None, "?limit", ""),
    ]
    for method, target, body, pointer, remedy in cases:
        found = problem_of(await api.call(method, target, body), 422, "invalid")
        assert found["errors"][0]["pointer"] == pointer, found
        assert found["errors"][0]["remedy"].startswith(remedy)


@with_api
async def test_of_a_value_under_some_name_the_object_is_pointed_at(api: Api) -> None:
    """msgspec does not say under which name it stood."""
    for field, body in (("data", b'{"data":{"a":1e400}}'), ("content", b'{"content":{"a":{"b":1e400}}}')):
        reply = await api.call("PUT", ONE, body=body, media="application/json")
        assert problem_of(reply, 422, "invalid")["errors"][0]["pointer"] == f"/{field}"


@with_api
async def test_what_is_not_json_is_malformed(api: Api) -> None:
    bodies = [b"", b"{", b"\xff\xfe", b'{"template":"\xff"}', b'{"template":"\\ud800"}', b'{"data":{"a":NaN}}']
    for body in [*bodies, b'{"data":{"a":' + b"[" * 100_000]:
        problem_of(await api.call("PUT", ONE, body=body, media="application/json"), 400, "malformed")


@with_api
async def test_addresses_that_cannot_be(api: Api) -> None:
    for target in (
        f"/passes/{PASS_TYPE}/%ff",
        f"/passes/{PASS_TYPE}/%00",
        "/passes?serial_prefix=%ff",
        "/passes?x=%00",
    ):
        problem_of(await api.call("GET", target), 400, "malformed")
    problem_of(await api.call("GET", "/passes/" + "a" * 5000), 400, "malformed")
    problem_of(await api.call("GET", "/passes?" + "a" * 9000), 400, "malformed")
    for target in ("/", "/nothing", "/passes/", f"/passes/{PASS_TYPE}", f"{ONE}/", f"{ONE}/why/not", "/passes:other"):
        problem_of(await api.call("GET", target), 404, "no_route")
    problem_of(await api.call("GET", f"/passes/{PASS_TYPE}/%zz"), 404, "not_found")
    problem_of(await api.call("GET", f"/passes/{PASS_TYPE}/{escaped('a/b:c')}"), 404, "not_found")
    outside = await send(api.app, "GET", "/elsewhere")
    problem_of(outside, 404, "no_route")


@with_api
async def test_wrong_methods_say_which_are_right(api: Api) -> None:
    cases = [
        ("POST", ONE, "DELETE, GET, HEAD, PATCH, PUT"),
        ("DELETE", "/passes", "GET, HEAD, POST"),
        ("GET", "/passes:batch", "POST"),
        ("PUT", "/pushes", "GET, HEAD, POST"),
        ("DELETE", f"{ONE}:push", "POST"),
    ]
    for method, target, allowed in cases:
        reply = await api.call(method, target, key=None)
        problem_of(reply, 405, "method_not_allowed")
        assert reply.headers["allow"] == allowed


@with_api
async def test_a_verb_at_the_end_of_an_address_is_never_part_of_a_serial(api: Api) -> None:
    await api.issue("1")
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        reply = await api.call(method, f"/passes/{PASS_TYPE}/1:push", {"template": "membership"})
        assert (reply.status, reply.headers["allow"]) == (405, "POST"), method
    await api.ok("POST", f"/passes/{PASS_TYPE}/1:push")
    # What is neither a verb nor a serial is said to be no serial.
    problem_of(await api.call("PUT", f"/passes/{PASS_TYPE}/1:pull", {"template": "membership"}), 422, "invalid")


@with_api
async def test_bodies_have_bounds(api: Api) -> None:
    filler = b'{"template":"' + b"a" * (MIB + 1) + b'"}'
    problem_of(await api.call("PUT", ONE, body=filler, media="application/json"), 413, "too_large")
    chunks = [b"x" * 100_000] * 20
    problem_of(await api.call("PUT", ONE, body=chunks, media="application/json"), 413, "too_large")
    declared = [(b"content-length", str(17 * MIB).encode())]
    for target in ("/templates", "/certificates"):
        problem_of(await api.call("POST", target, body=b"x", headers=declared), 413, "too_large")


@with_api
async def test_bodies_of_another_kind_are_refused(api: Api) -> None:
    for method, target, media in (("PUT", ONE, "text/xml"), ("POST", "/templates", "application/json")):
        found = problem_of(await api.call(method, target, body=b"{}", media=media), 415, "unsupported_media_type")
        assert found["hint"].startswith("send it as application/")
    put = b'{"template":"membership","data":{"points":1}}'
    for media in (None, "application/json; charset=utf-8", "APPLICATION/JSON"):
        assert (await api.call("PUT", ONE, body=put, media=media)).status in (200, 201)


@with_api
async def test_a_request_id_goes_through(api: Api) -> None:
    given = await api.call("GET", "/nothing", headers=[(b"x-request-id", b"trace-1")])
    assert problem_of(given, 404, "no_route")["request_id"] == "trace-1"
    odd = await api.call("GET", "/nothing", headers=[(b"x-request-id", b"a b\x01")])
    assert problem_of(odd, 404, "no_route")["request_id"].startswith("req_")


@with_api
async def test_our_own_failures_say_nothing_and_are_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("inner detail")

    services, broken = api.services, Broken()
    access = Access(services.store, services.clock, services.chance, [ADMIN])
    app = IssuerApp(
        *(broken, access, services.issuing, services.publishing, services.admitting, services.rotating),
        services.clock,
        apns_keys=services.apns_keys,
        watching=services.watching,
        sharing=services.sharing,
        webhooks=services.webhooks,
    )  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        reply = await send(app, "GET", "/api/v1/passes", headers=[(b"authorization", b"Bearer " + ADMIN.encode())])
    found = problem_of(reply, 500, "internal")
    assert b"inner" not in reply.body
    assert found["request_id"] in caplog.text and "inner detail" in caplog.text


@with_api
async def test_a_database_that_cannot_answer_is_503_and_worth_another_try(api: Api) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise Unavailable("the database cannot be reached: inner detail")

    services = api.services
    access = Access(services.store, services.clock, services.chance, [ADMIN])
    app = IssuerApp(
        *(Away(), access, services.issuing, services.publishing, services.admitting, services.rotating),
        services.clock,
        apns_keys=services.apns_keys,
        watching=services.watching,
        sharing=services.sharing,
        webhooks=services.webhooks,
    )  # type: ignore[arg-type]
    reply = await send(app, "GET", "/api/v1/passes", headers=[(b"authorization", b"Bearer " + ADMIN.encode())])
    problem_of(reply, 503, "unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert b"inner" not in reply.body


def test_every_code_has_a_title() -> None:
    """A code without a row would be titled by its status alone."""
    import inspect
    import re

    from livepass.service import access, apns_keys, building, publishing
    from livepass.web import bodies, issuer_admin, issuer_apns_keys, issuer_certificates, issuer_passes, paging

    modules = (
        access,
        building,
        publishing,
        issuing,
        refusals,
        admitting,
        completing,
        requesting,
        rotating,
        apns_keys,
        issuer_apns_keys,
        problems,
        bodies,
        issuer_admin,
        issuer_certificates,
        issuer_passes,
        paging,
    )
    codes = {code for module in modules for code in re.findall(r'code\s*=\s*"(\w+)"', inspect.getsource(module))}
    assert len(codes) > 15
    assert codes <= set(problems.TITLES)
