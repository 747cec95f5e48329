"""What the edge says of a request: over which connection its client came, and when it came."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from livepass.core.trip1_register import LATE_MS
from livepass.core.trip3_fetch import Evidence
from livepass.emulators.authority import Issued
from livepass.web.phone import PhoneApp, read_request
from service.rig import TYPE, Rig, rig

REGISTRATION = f"/v1/devices/phone/registrations/{TYPE}/1"
PROXY = ("10.9.9.9", 40_000)
"""One connection of a proxy, which it uses for many phones."""


def scope(
    method: str, path: str, headers: dict[str, str] | None = None, client: Any = PROXY, query: bytes = b""
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": client,
    }


def connection(headers: dict[str, str], header: str = "", client: Any = PROXY) -> str | None:
    request = read_request(scope("GET", "/v1/x", headers, client), header.encode())
    assert request is not None
    return request.connection


def started_at(stamp: str | None) -> int | None:
    request = read_request(scope("DELETE", "/v1/x", {} if stamp is None else {"X-Request-Start": stamp}))
    assert request is not None
    return request.started_at


async def status(service: Rig, request: dict[str, Any], body: bytes = b"", header: str = "") -> int:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await PhoneApp(service.answering, header)(request, receive, send)
    await service.recorder.settle()
    found: int = sent[0]["status"]
    return found


# ── over which connection


def test_without_a_proxy_the_connection_is_the_client_s() -> None:
    assert connection({}) == "10.9.9.9:40000"
    assert connection({}, client=None) is None
    assert connection({}, client=("10.0.0.1", 0)) is None, "a server put the address of a header in its place"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_s_own_connection_says_nothing(name: str) -> None:
    """It is shared by many phones: taken for evidence, one phone's fetch would end the retelling of another."""
    assert connection({name: "10.0.0.1"}) is None


def test_the_connection_that_a_proxy_names_counts() -> None:
    assert connection({"X-Connection-Id": "web1-77-12"}, "x-connection-id") == "web1-77-12"
    assert connection({"X-Connection-Id": "12", "X-Forwarded-For": "10.0.0.1"}, "x-connection-id") == "12"
    assert connection({"X-Connection-Id": "12"}) == "10.9.9.9:40000", "nobody said that it may be trusted"


@pytest.mark.parametrize("headers", [{}, {"X-Connection-Id": ""}, {"X-Connection-Id": "a b"}, {"X-Connection-Id": "é"}])
def test_where_it_should_be_named_and_is_not_there_is_none(headers: dict[str, str]) -> None:
    assert connection(headers, "x-connection-id") is None
    assert connection({"X-Connection-Id": "x" * 129}, "x-connection-id") is None


@pytest.mark.parametrize(
    ("header", "evidence"), [("", Evidence.JUST_TOLD), ("X-Connection-Id", Evidence.SAME_CONNECTION)]
)
def test_behind_a_proxy_the_phone_that_asked_over_a_connection_fetched_over_it(
    header: str, evidence: Evidence, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            allowed = await service.allowed("1")
            for device, token in (("one", "aa"), ("two", "bb")):
                await service.register("1", device, token)
            for device in ("one", "two"):
                seen = {"X-Connection-Id": device, "X-Forwarded-For": "10.0.0.1"}
                ask = scope("GET", f"/v1/devices/{device}/registrations/{TYPE}", seen)
                assert await status(service, ask, header=header) == 200
            seen = {"X-Connection-Id": "one", "X-Forwarded-For": "10.0.0.1", "Authorization": allowed}
            assert await status(service, scope("GET", f"/v1/passes/{TYPE}/1", seen), header=header) == 200
            [fetched] = [event for event in await service.timeline("1") if event.kind.value == "fetched"]
            assert fetched.detail["evidence"] == evidence.value
            if header:
                assert fetched.device_id == "one"

    asyncio.run(main())


# ── when it came


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("t=1790000000", 1_790_000_000_000),
        ("t=1790000000.5", 1_790_000_000_500),
        ("t=1790000000.123", 1_790_000_000_123),
        ("t=1790000000.123456", 1_790_000_000_123),
        ("t=1790000000123", 1_790_000_000_123),
        ("t=1790000000123456", 1_790_000_000_123),
        ("1790000000123", 1_790_000_000_123),
        (None, None),
        ("", None),
        ("t=", None),
        ("t=soon", None),
        ("t=-1790000000", None),
        ("t=17900000001", None),
        ("t=1790000000123, t=1790000000999", None),
        ("t=١٧٩٠٠٠٠٠٠٠".encode().decode("latin-1"), None),
        ("t=1790000000.", None),
        ("t=" + "9" * 4000, None),
    ],
)
def test_the_stamp_of_the_edge(stamp: str | None, at: int | None) -> None:
    assert started_at(stamp) == at


@pytest.mark.parametrize(
    ("late_ms", "expected", "left"), [(0, 200, True), (LATE_MS, 200, True), (LATE_MS + 1, 503, False)]
)
def test_a_delete_that_was_held_up_is_to_be_repeated(
    late_ms: int, expected: int, left: bool, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            service.clock.pass_(10 * LATE_MS)
            headers = {"X-Request-Start": f"t={service.clock.now() - late_ms}", "Authorization": ""}
            assert await status(service, scope("DELETE", REGISTRATION, headers)) == 401
            headers["Authorization"] = await service.allowed("1")
            assert await status(service, scope("DELETE", REGISTRATION, headers)) == expected
            [held] = await service.store.held(TYPE, "1")
            assert (held.registration.left_at is not None) is left
            refused = [e.detail["status"] for e in await service.timeline("1") if e.kind.value == "unregister_refused"]
            assert refused == [401, *([] if left else [503])]
            again = headers | {"X-Request-Start": "garbled"}
            assert await status(service, scope("DELETE", REGISTRATION, again)) == 200
            [held] = await service.store.held(TYPE, "1")
            assert held.registration.left_at is not None

    asyncio.run(main())


def test_a_delete_that_the_phone_overtook_is_left_alone(tmp_path: Path, pass_certificate: Issued) -> None:
    """It had started before the phone registered anew, and comes after it."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            service.clock.pass_(1000)
            started = service.clock.now()
            service.clock.pass_(1000)
            assert await service.register("1") == 200
            service.clock.pass_(1000)
            headers = {"X-Request-Start": f"t={started / 1000:.3f}", "Authorization": await service.allowed("1")}
            assert await status(service, scope("DELETE", REGISTRATION, headers)) == 200
            [held] = await service.store.held(TYPE, "1")
            assert held.registration.left_at is None
            last = (await service.timeline("1"))[-1]
            assert last.kind.value == "unregister_refused"
            assert last.detail["reason"] == "the phone registered after this DELETE had started"

    asyncio.run(main())


def test_nothing_but_a_delete_is_ever_too_late(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            headers = {"X-Request-Start": "t=1000000000", "Authorization": await service.allowed("1")}
            assert await status(service, scope("POST", REGISTRATION, headers), b'{"pushToken": "aa"}') == 201
            assert await status(service, scope("GET", REGISTRATION.rpartition("/")[0], headers)) == 200
            assert await status(service, scope("GET", f"/v1/passes/{TYPE}/1", headers)) == 200

    asyncio.run(main())
