"""An ask or a fetch that a proxy held up, or repeats, long after its phone has gone: answered, and proof of nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from livepass.core.trip1_register import LATE_MS
from livepass.emulators.authority import Issued
from livepass.service.answering import LATE_SAID_MS
from livepass.web.phone import PhoneApp
from service.rig import TYPE, Rig, rig

ASK = f"/v1/devices/phone/registrations/{TYPE}"
FETCH = f"/v1/passes/{TYPE}/1"


async def _call(service: Rig, path: str, late_ms: int, headers: dict[str, str] | None = None) -> int:
    stamped = {"X-Request-Start": f"t={service.clock.now() - late_ms}", **(headers or {})}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in stamped.items()],
        "client": ("10.9.9.9", 40_000),
    }
    await PhoneApp(service.answering)(scope, receive, send)
    await service.recorder.settle()
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize(("late_ms", "counts"), [(0, True), (LATE_MS, True), (LATE_MS + 1, False)])
def test_what_comes_too_late_acknowledges_nothing_and_delivers_nothing(
    late_ms: int, counts: bool, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            changed = await service.change("1", 5)
            assert await _call(service, ASK, late_ms) == 200
            allowed = {"Authorization": await service.allowed("1")}
            assert await _call(service, FETCH, late_ms, allowed) == 200
            target, [held] = await service.target(), await service.store.held(TYPE, "1")
            assert (target.acked >= changed.number) is counts
            assert (held.watermarks.told >= changed.number) is counts
            assert (held.watermarks.served >= changed.number) is counts
            dated = {**allowed, "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
            assert await _call(service, FETCH, late_ms, dated) == 200

    asyncio.run(main())


def test_that_requests_come_late_is_said_now_and_then(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy whose clock is wrong makes every request late: nothing else would show why no delivery is ever seen."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            await _call(service, ASK, LATE_MS)
            assert "X-Request-Start" not in caplog.text
            for _ in range(3):
                await _call(service, ASK, LATE_MS + 5000)
                service.clock.pass_(1000)
            service.clock.pass_(LATE_SAID_MS)
            await _call(service, FETCH, LATE_MS + 5000, {"Authorization": await service.allowed("1")})

    asyncio.run(main())
    assert caplog.text.count("a request came 35 s after its X-Request-Start") == 2


def test_a_late_304_proves_nothing_either(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            dated = dict((await service.fetch("1")).headers)[b"last-modified"].decode()
            changed = await service.change("1", 0)
            headers = {"Authorization": await service.allowed("1"), "If-Modified-Since": dated}
            before = (await service.kinds("1")).count("fetched")
            assert await _call(service, FETCH, LATE_MS + 1, headers) == 304
            assert (await service.kinds("1")).count("fetched") == before
            assert await _call(service, FETCH, 0, headers) == 304
            assert (await service.kinds("1")).count("fetched") == before + 1
            assert not changed.changed

    asyncio.run(main())


@pytest.mark.parametrize(("ahead_ms", "counts"), [(LATE_MS, True), (LATE_MS + 1, False)])
def test_a_fetch_that_was_dated_in_the_future_proves_nothing(
    ahead_ms: int, counts: bool, tmp_path: Path, pass_certificate: Issued
) -> None:
    """A clock that was ahead was set right since, and a proxy repeats what it had dated."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            changed = await service.change("1", 5)
            assert await _call(service, ASK, 0) == 200
            assert await _call(service, FETCH, -ahead_ms, {"Authorization": await service.allowed("1")}) == 200
            [held] = await service.store.held(TYPE, "1")
            assert (held.watermarks.served >= changed.number) is counts

    asyncio.run(main())
