"""The device endpoints as a phone meets them: the table of answers, and that nothing else is ever answered."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from livepass.core.change import http_date
from livepass.emulators.authority import Issued
from livepass.web.phone import MAX_BODY, MAX_HEADERS, MAX_LOG_BODY, MAX_PATH, PhoneApp
from service.rig import TYPE, Rig, points_of, rig

BODY = b'{"pushToken": "aa"}'
REGISTRATION = f"/v1/devices/phone/registrations/{TYPE}/1"
LIST = f"/v1/devices/phone/registrations/{TYPE}"
FETCH = f"/v1/passes/{TYPE}/1"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Gone(Exception):
    """The client went away: its server tells us by raising from ``send``."""


async def call(
    service: Rig,
    method: str,
    path: str | bytes,
    body: bytes | list[bytes] = b"",
    *,
    query: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    allowed: str | None = None,
    hangs_up: bool = False,
    unheard: bool = False,
    root: str = "",
    client: Any = ("10.0.0.1", 50_000),
) -> Answer | None:
    """One request, by hand. Checks what holds for every answer; ``None`` when there was none."""
    raw = path if isinstance(path, bytes) else path.encode()
    pieces = [body] if isinstance(body, bytes) else body
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = hangs_up
    if hangs_up:
        messages.append({"type": "http.disconnect"})
    incoming = iter(messages)
    sent: list[Any] = []

    async def receive() -> Any:
        return next(incoming, None) or await asyncio.Event().wait()  # until the client goes

    async def send(message: Any) -> None:
        if unheard:
            raise Gone
        sent.append(message)

    given_headers = list(headers or [])
    if allowed is not None:
        given_headers.append((b"authorization", allowed.encode("latin-1")))
    scope = {
        "type": "http",
        "method": method,
        "path": raw.decode("utf-8", "replace"),
        "raw_path": raw,
        "root_path": root,
        "query_string": query,
        "headers": given_headers,
        "client": client,
    }
    await PhoneApp(service.answering, personalizing=service.personalizing)(scope, receive, send)
    if not sent:
        return None
    start, end = sent
    assert (start["type"], end["type"]) == ("http.response.start", "http.response.body")
    assert not end.get("more_body")
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "no header twice"
    assert all(name == name.lower() for name in names)
    answer = Answer(start["status"], dict(start["headers"]), end["body"])
    assert answer.headers[b"cache-control"] == b"private, no-store"
    assert answer.headers[b"vary"] == b"Authorization"
    if answer.status in (204, 304) or method == "HEAD":
        assert answer.body == b""
    if answer.status in (204, 304):
        assert b"content-length" not in answer.headers
    elif method != "HEAD":
        assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
    return answer


async def status(service: Rig, method: str, path: str | bytes, *arguments: Any, **options: Any) -> int:
    answer = await call(service, method, path, *arguments, **options)
    assert answer is not None, "every request has an answer"
    return answer.status


REQUESTED = [
    ("GET", "/v1/devices/d/registrations/pass.a", "ask"),
    ("HEAD", "/v1/devices/d/registrations/pass.a", "ask"),
    ("GET", "/v1/passes/pass.a/1", "fetch"),
    ("HEAD", "/v1/passes/pass.a/1", "fetch"),
    ("POST", "/v1/devices/d/registrations/pass.a/1", "register"),
    ("DELETE", "/v1/devices/d/registrations/pass.a/1", "unregister"),
    ("PUT", "/v1/devices/d/registrations/pass.a/1", "other"),
    ("POST", "/v1/log", "log"),
    ("GET", "/v1/log", "other"),
    ("POST", "/v1/passes/pass.a/1/personalize", "personalize"),
    ("POST", "/v1/something", "other"),
    ("GET", "/%FF", "other"),
]


@pytest.mark.parametrize(("method", "path", "route"), REQUESTED)
def test_each_request_is_counted_once(
    method: str, path: str, route: str, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            sent = await status(service, method, path)
            meters = service.answering.meters
            assert {key: count for key, count in meters.requests.items() if count} == {(route, sent): 1}
            assert sum(meters.took[route].counts) == 1

    asyncio.run(main())


@asynccontextmanager
async def one_pass(directory: Path, issued: Issued) -> AsyncIterator[tuple[Rig, str]]:
    async with rig(directory, issued) as service:
        await service.issue("1", 10)
        yield service, await service.allowed("1")


# ── the table, row by row


def test_register(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, "POST", REGISTRATION, BODY, allowed=allowed) == 201
            assert await status(service, "POST", REGISTRATION, BODY, allowed=allowed) == 200
            assert await status(service, "POST", REGISTRATION, b'{"pushToken":"bb","new":[1]}', allowed=allowed) == 200
            assert service.elsewhere("SELECT push_token FROM device") == [("bb",)], "the newest token, also on 200"
            assert await status(service, "POST", REGISTRATION, BODY) == 401
            assert await status(service, "POST", REGISTRATION, BODY, allowed="ApplePass wrong" * 3) == 401
            assert (
                await status(service, "POST", REGISTRATION, BODY, allowed=allowed.replace("ApplePass", "Bearer")) == 401
            )
            assert await status(service, "POST", REGISTRATION, BODY, allowed=allowed.upper()) == 401
            lower = allowed.replace("ApplePass", "applepass")
            assert await status(service, "POST", REGISTRATION, BODY, allowed=lower) == 200
            for bad in (b"", b"{}", b"[]", b"null", b'{"pushToken": 3}', b'{"pushToken": "xyz"}', b"\xff", b"[" * 4000):
                assert await status(service, "POST", REGISTRATION, bad, allowed=allowed) == 400
            assert await status(service, "POST", REGISTRATION, BODY[:5], allowed="wrong") == 401, (
                "the token comes first"
            )

    asyncio.run(main())


def test_unregister(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, "DELETE", REGISTRATION, allowed=allowed) == 200, "never 404"
            await status(service, "POST", REGISTRATION, BODY, allowed=allowed)
            for _ in range(2):
                assert await status(service, "DELETE", REGISTRATION, allowed=allowed) == 200
            assert await status(service, "DELETE", REGISTRATION) == 401
            assert await status(service, "DELETE", REGISTRATION.replace("/1", "/nobody"), allowed=allowed) == 401

    asyncio.run(main())


def test_ask(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, "GET", LIST) == 204, "an unknown phone looks like one that is up to date"
            await status(service, "POST", REGISTRATION, BODY, allowed=allowed)
            answer = await call(service, "GET", LIST)
            assert answer is not None
            assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/json")
            told = json.loads(answer.body)
            assert set(told) == {"serialNumbers", "lastUpdated"}
            assert told["serialNumbers"] == ["1"]
            tag = told["lastUpdated"]
            assert isinstance(tag, str)
            assert set(tag) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.~-")
            since = f"passesUpdatedSince={tag}".encode()
            assert await status(service, "GET", LIST, query=since) == 204
            assert await status(service, "GET", LIST, query=since, allowed="ApplePass wrong") == 204, (
                "no credential is asked"
            )
            await service.change("1", 20)
            newer = await call(service, "GET", LIST, query=since)
            assert newer is not None
            assert json.loads(newer.body)["lastUpdated"] != tag
            everything = [
                *(
                    b"",
                    b"passesUpdatedSince",
                    b"passesUpdatedSince=",
                    b"passesUpdatedSince=garbage",
                    b"other=1",
                    b"&&=&",
                ),
                *(
                    b"passesUpdatedSince=1234567890",
                    since + b"x",
                    since[:-1],
                    b"passesUpdatedSince=v1.\xff\xfe",
                    b"%%%",
                ),
                *(b"passesUpdatedSince=2024-07-08T08:03:13.588412+00:00", b"a=1&" * 50, b"x" * 100_000, since.lower()),
                since.replace(b"v1", b"v2"),
            ]
            for query in everything:
                found = await call(service, "GET", LIST, query=query)
                assert found is not None
                assert (found.status, json.loads(found.body)["serialNumbers"]) == (200, ["1"]), query
            current = json.loads(newer.body)["lastUpdated"]
            for query in (f"passesUpdatedSince={quote(current, safe='')}", f"a=1&passesUpdatedSince={current}&b"):
                assert await status(service, "GET", LIST, query=query.encode()) == 204, (
                    "decoded as others may encode it"
                )

    asyncio.run(main())


def test_fetch(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            answer = await call(service, "GET", FETCH, allowed=allowed)
            assert answer is not None
            assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/vnd.apple.pkpass")
            assert points_of(answer.body) == 10
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            condition = answer.headers[b"last-modified"]
            assert condition == http_date(row.last_modified).encode()
            same = [(b"if-modified-since", condition)]
            unchanged = await call(service, "GET", FETCH, headers=same, allowed=allowed)
            assert unchanged is not None
            assert (unchanged.status, unchanged.headers[b"last-modified"]) == (304, condition)
            for method in ("GET", "HEAD"):
                assert await status(service, method, FETCH) == 401
                assert await status(service, method, FETCH, headers=same) == 401, "the token before the condition"
                assert await status(service, method, FETCH, headers=same, allowed=allowed) == 304
                assert await status(service, method, f"/v1/passes/{TYPE}/nobody", allowed=allowed) == 401
                assert await status(service, method, "/v1/passes/pass.test.nobody/1", allowed=allowed) == 401
            for other in (b"", b"garbage", http_date(row.last_modified + 60).encode(), b"\xff"):
                assert (
                    await status(service, "GET", FETCH, headers=[(b"if-modified-since", other)], allowed=allowed) == 200
                )
            changed = await service.change("1", 20)
            newer = await call(service, "GET", FETCH, headers=same, allowed=allowed)
            assert newer is not None
            assert newer.headers[b"last-modified"] == http_date(changed.last_modified).encode()

    asyncio.run(main())


def test_head_of_a_pass_says_what_get_says_without_its_body_and_serves_nobody(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            await service.register("1")
            head = await call(service, "HEAD", FETCH, allowed=allowed)
            await service.recorder.settle()
            assert (await service.store.held(TYPE, "1"))[0].registration.served == 0
            get = await call(service, "GET", FETCH, allowed=allowed)
            assert head is not None
            assert get is not None
            assert head.status == get.status
            same = {name: value for name, value in get.headers.items() if name != b"content-length"}
            assert dict(head.headers) == same
            await service.recorder.settle()
            assert (await service.store.held(TYPE, "1"))[0].registration.served == 1

    asyncio.run(main())


def test_head_of_a_list_tells_nobody_anything(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, _):
            await service.register("1")
            head = await call(service, "HEAD", LIST)
            await service.recorder.settle()
            [held] = await service.store.held(TYPE, "1")
            assert (held.watermarks.told, held.device.asked_at) == (0, None)
            assert (await service.target()).acked == 0, "the push is still owed"
            get = await call(service, "GET", LIST)
            assert head is not None
            assert get is not None
            assert head.status == get.status == 200
            assert head.headers.get(b"content-length") in (None, get.headers[b"content-length"])

    asyncio.run(main())


def test_a_fetch_whose_client_went_away_was_not_served(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            await service.register("1")
            assert await call(service, "GET", FETCH, allowed=allowed, unheard=True) is None
            await service.recorder.settle()
            assert (await service.store.held(TYPE, "1"))[0].registration.served == 0

    asyncio.run(main())


def test_log_is_200_whatever_it_says(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, _):
            said = json.dumps({"logs": [f"Web service error for {TYPE} (https://x): boom\x1b[31m\u202e"]}).encode()
            many = [(b"x-more", b"x" * MAX_HEADERS)]
            for body in (said, b"", b"garbage", b"[" * 5000, b"\xff", b"x" * (MAX_LOG_BODY + 1), [b"x" * 1000] * 100):
                assert await status(service, "POST", "/v1/log", body) == 200
            assert await status(service, "POST", "/v1/log", said, headers=many) == 200
            await service.recorder.settle()
            [kept] = await service.store.testimony(pass_type=TYPE, code=None, before=2**62, limit=9)
            assert "\x1b" not in str(kept.detail["line"])
            assert "\u202e" not in str(kept.detail["line"])

    asyncio.run(main())


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/passes/{TYPE}/1/passLifecycleUpdate",
        f"/v1/passes/{TYPE}/1",
        f"/v1/devices/phone/registrations/{TYPE}",
        "/v1/something/new",
        "/v1",
        "/v1/log/more",
    ],
)
def test_any_other_post_of_a_device_is_200_and_empty(path: str, tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, _):
            answer = await call(service, "POST", path, b'{"passState": "x"}')
            assert answer is not None
            assert (answer.status, answer.body) == (200, b"")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", REGISTRATION),
        ("PATCH", REGISTRATION),
        ("GET", REGISTRATION),
        ("OPTIONS", LIST),
        ("DELETE", LIST),
        ("PUT", FETCH),
        ("DELETE", FETCH),
        ("GET", "/v1/log"),
        ("GET", "/"),
        ("GET", "/v2/passes"),
        ("POST", "/"),
        ("BREW", "/v1/log"),
        ("get", FETCH),
    ],
)
def test_what_no_phone_sends_is_404(method: str, path: str, tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, method, path, BODY, allowed=allowed) == 404

    asyncio.run(main())


# ── paths as phones write them


@pytest.mark.parametrize(
    "path",
    [
        "/" + FETCH,
        f"///v1//passes//{TYPE}/1/",
        f"/v1/passes/{TYPE.replace('.', '%2E')}/1",
        f"/%76%31/passes/{TYPE}/%31",
        f"/v1/passes/{TYPE}/%2531",
    ],
)
def test_slashes_and_escapes_that_mean_the_same_are_the_same(
    path: str, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, "GET", path, allowed=allowed) == 200

    asyncio.run(main())


def test_an_escaped_slash_is_a_letter_and_no_segment(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, "GET", f"/v1/passes/{TYPE}%2F1", allowed=allowed) == 404
            assert await status(service, "GET", f"/v1/passes/{TYPE}/1%2F..%2F1", allowed=allowed) == 401
            assert await status(service, "GET", f"/v1/passes/{TYPE}/1/../1", allowed=allowed) == 404

    asyncio.run(main())


@pytest.mark.parametrize(
    "path", [b"/v1/passes/%00/1", b"/v1/passes/a/\x00", b"/v1/%ff/x", b"/v1/\xff", b"/" + b"a" * (MAX_PATH + 1)]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_is_no_text_is_400(method: str, path: bytes, tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, method, path, allowed=allowed) == 400

    asyncio.run(main())


@pytest.mark.parametrize("device", ["a" * 129, "a_b", "a.b", "%20", "é", "..", "a%00"])
def test_a_device_id_that_none_is(device: str, tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            path = f"/v1/devices/{quote(device, safe='%')}/registrations/{TYPE}"
            assert await status(service, "POST", f"{path}/1", BODY, allowed=allowed) == 400
            assert await status(service, "DELETE", f"{path}/1", allowed=allowed) == 400
            assert await status(service, "GET", path) in (204, 400), "the list is never 401 or 404"

    asyncio.run(main())


@pytest.mark.parametrize("device", ["a", "A" * 128, "0123456789abcdef0123456789abcdef", "8-4-4"])
def test_any_device_id_of_the_alphabet_will_do(device: str, tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            path = f"/v1/devices/{device}/registrations/{TYPE}"
            assert await status(service, "POST", f"{path}/1", BODY, allowed=allowed) == 201
            assert await status(service, "GET", path) == 200

    asyncio.run(main())


def test_a_doubled_v1_is_noticed_and_serves_nothing(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            for method, path, expected in (("GET", FETCH, 404), ("POST", REGISTRATION, 404), ("GET", LIST, 404)):
                caplog.clear()
                assert await status(service, method, f"/v1{path}", BODY, allowed=allowed) == expected
                assert "ends in /v1" in caplog.text
            assert service.elsewhere("SELECT count(*) FROM registration") == [(0,)]

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())


def test_below_a_mount_the_rest_of_the_path_counts(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            assert await status(service, "GET", f"/wallet{FETCH}", allowed=allowed, root="/wallet") == 200
            assert await status(service, "GET", FETCH, allowed=allowed, root="/wallet") == 200, "or was it cut already"
            assert await status(service, "GET", f"{FETCH}?a=b".encode(), allowed=allowed) == 200

    asyncio.run(main())


# ── sizes and interruptions


def test_too_much_is_413_and_too_many_headers_400(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            padded = BODY + b" " * (MAX_BODY - len(BODY))
            assert await status(service, "POST", REGISTRATION, padded, allowed=allowed) == 201
            assert await status(service, "POST", REGISTRATION, padded + b" ", allowed=allowed) == 413
            assert await status(service, "POST", REGISTRATION, [b" " * 100] * 100, allowed=allowed) == 413
            assert await status(service, "POST", "/v1/other", padded + b" ") == 413
            many = [(b"x-more", b"x" * MAX_HEADERS)]
            assert await status(service, "POST", REGISTRATION, BODY, headers=many, allowed=allowed) == 400
            assert await status(service, "GET", FETCH, headers=many, allowed=allowed) == 400
            assert await status(service, "GET", FETCH, headers=[(b"x", b"y")] * 1000, allowed=allowed) == 200

    asyncio.run(main())


def test_a_body_may_come_in_pieces(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            pieces = [BODY[n : n + 1] for n in range(len(BODY))] + [b""]
            assert await status(service, "POST", REGISTRATION, pieces, allowed=allowed) == 201

    asyncio.run(main())


def test_who_hangs_up_has_said_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            for path in (REGISTRATION, "/v1/log", "/v1/other"):
                assert await call(service, "POST", path, [BODY], allowed=allowed, hangs_up=True) is None
            assert service.elsewhere("SELECT count(*) FROM registration") == [(0,)]

    asyncio.run(main())


def test_what_is_no_http_is_left_alone() -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("nothing to say")

    for kind in ("lifespan", "websocket"):
        asyncio.run(PhoneApp(SimpleNamespace(load=None, meters=None))({"type": kind}, never, never))  # type: ignore[arg-type]


def test_a_fault_of_ours_is_503_which_a_phone_tries_again_after(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):

            async def broken(*_: Any) -> Any:
                raise OSError("the disk is gone")

            for name in ("fetch_snapshot", "ask_snapshot", "register_snapshot"):
                monkeypatch.setattr(service.store, name, broken)
            for method, path in (("GET", FETCH), ("GET", LIST), ("POST", REGISTRATION)):
                assert await status(service, method, path, BODY, allowed=allowed) == 503

    asyncio.run(main())
    assert "could not be answered" in caplog.text


def test_without_a_certificate_a_fetch_is_503(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            service.without_certificate()
            assert await status(service, "GET", FETCH, allowed=allowed) == 503

    asyncio.run(main())


def test_nothing_of_a_token_reaches_the_log(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    token = ""

    async def main() -> None:
        nonlocal token
        async with one_pass(tmp_path, pass_certificate) as (service, allowed):
            token = allowed.split()[1]
            for method, path in (("POST", REGISTRATION), ("GET", LIST), ("GET", FETCH), ("POST", "/v1/odd")):
                await status(service, method, path, BODY.replace(b"aa", b"c0ffee"), allowed=allowed)
                await status(service, method, path, BODY, allowed=allowed + "x")
            stored = str(service.elsewhere("SELECT * FROM event"))
            assert token not in stored
            assert "c0ffee" not in stored, "a fingerprint, never the push token"

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert token not in caplog.text
    assert "c0ffee" not in caplog.text


# ── whatever arrives


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory, pass_certificate: Issued) -> Iterator[tuple[Any, Rig, str]]:
    """One service for many requests, on a loop of its own."""
    with asyncio.Runner() as runner:
        context = one_pass(tmp_path_factory.mktemp("living"), pass_certificate)
        service, allowed = runner.run(context.__aenter__())
        yield runner, service, allowed
        runner.run(context.__aexit__(None, None, None))


WORDS = [
    "v1",
    "passes",
    "devices",
    "registrations",
    "log",
    TYPE,
    "1",
    "phone",
    "",
    "..",
    "%2F",
    "%00",
    "%ff",
    "%31",
    "é",
]
SEGMENT = (
    st.sampled_from(WORDS) | st.text(max_size=8).map(quote) | st.binary(max_size=6).map(lambda b: b.decode("latin-1"))
)
SENSIBLE = st.sampled_from([REGISTRATION, LIST, FETCH, "/v1/log", f"{FETCH}/personalize", f"/v1{FETCH}", f"/{LIST}"])
PATH = SENSIBLE | st.lists(SEGMENT, max_size=8).map(lambda parts: "/" + "/".join(parts))
METHOD = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "TRACE", "x"])
QUERY = st.binary(max_size=60) | st.binary(max_size=20).map(lambda b: b"passesUpdatedSince=" + b) | st.just(b"a&" * 30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["pushToken", "logs", "x"]), inner),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
SENT = st.binary(max_size=200) | JSON | st.just(BODY) | st.integers(4000, 70_000).map(lambda n: b"x" * n)
HEADER = st.tuples(
    st.sampled_from([b"authorization", b"if-modified-since", b"x", b"content-type"]),
    st.binary(max_size=60)
    | st.sampled_from([b"ApplePass", b"ApplePass ", b"ApplePass x y", b"Basic Og==", b"\xff" * 9000]),
)


def readable(path: str) -> bool:
    """Whether it is text, and has no NUL: nobody's pass is named with one."""
    with suppress(UnicodeDecodeError):
        return "\x00" not in unquote_to_bytes(path).decode()
    return False


def possible(method: str, path: str, headers_too_large: bool) -> set[int]:
    """The statuses that the table allows for this route."""
    if path.startswith("//"):
        path = path[1:]
    if path == "/v1/log" and method == "POST":
        return {200}
    if headers_too_large:
        return {400}
    if path.startswith("/v1/v1/"):
        return {404} if readable(path) else {200, 400}
    rows = {
        (REGISTRATION, "POST"): {200, 201, 400, 401, 413},
        (REGISTRATION, "DELETE"): {200, 401},
        (LIST, "GET"): {200, 204},
        (LIST, "HEAD"): {200, 204},
        (FETCH, "GET"): {200, 304, 401},
        (FETCH, "HEAD"): {200, 304, 401},
    }
    known = rows.get((path, method))
    if known is not None:
        return known
    if path == f"{FETCH}/personalize" and method == "POST":
        return {400, 401, 413}
    if path in (REGISTRATION, LIST, FETCH, f"{FETCH}/personalize"):
        return {200, 413} if method == "POST" else {404}
    return {200, 201, 204, 304, 400, 401, 404, 413}


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=METHOD,
    path=PATH,
    query=QUERY,
    headers=st.lists(HEADER, max_size=4),
    body=SENT,
    with_token=st.booleans(),
    client=st.sampled_from([None, ("10.0.0.1", 1), ("", 0), ("unix", None)]),
)
@example(method="HEAD", path="/v1/v1/%00", query=b"", headers=[], body=b"", with_token=False, client=None)
@example(method="POST", path="/v1/v1/%ff/v1/log", query=b"", headers=[], body=b"", with_token=False, client=None)
def test_whatever_arrives_the_answer_is_one_that_a_phone_understands(
    living: tuple[Any, Rig, str],
    method: str,
    path: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    with_token: bool,
    client: Any,
) -> None:
    runner, service, allowed = living
    given_allowed = allowed if with_token else None
    raw = path.encode("utf-8")
    answer = runner.run(
        call(service, method, raw, body, query=query, headers=headers, allowed=given_allowed, client=client)
    )
    assert answer is not None
    size = sum(len(name) + len(value) for name, value in headers) + len(given_allowed or "") + len("authorization")
    too_large = size > MAX_HEADERS
    assert answer.status in possible(method, path, too_large), answer.status
    assert answer.status < 500


def test_and_the_service_is_still_well_after_it(living: tuple[Any, Rig, str]) -> None:
    runner, service, allowed = living
    assert runner.run(status(service, "POST", REGISTRATION, BODY, allowed=allowed)) in (200, 201)
    assert runner.run(status(service, "GET", LIST)) == 200
    runner.run(service.recorder.settle())
    assert service.recorder.dropped == 0, "every observation could be written"
