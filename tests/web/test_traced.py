"""A request's span says what kind of request it was; the path, which names passes and phones, is nowhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from livepass import wiring
from livepass.config import PRODUCTION_APNS, Config
from livepass.embed import apps
from livepass.web.issuer import OPERATIONS
from livepass.web.operations import BASE
from livepass.web.traced import found_route, phones_route, traced

KEY = "A" * 43
Told = list[tuple[str, str, int]]


class Requests:
    """``service.seams.Tracing``, of which only requests are looked at."""

    def __init__(self) -> None:
        self.told: Told = []

    @contextmanager
    def serving(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Callable[[str, int], None]]:
        yield lambda route, status: self.told.append((method, route, status))

    async def close(self) -> None:
        """As the process ends."""

    def tell(self, *_: Any, **__: Any) -> None:
        raise AssertionError("no use case is called here")


def scope(path: str, method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": []}


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/v1/devices/d0d0/registrations/pass.a/1001", "/v1/devices/{device}/registrations/{type}/{serial}"),
        ("DELETE", "//v1/devices/d0d0/registrations/pass.a/1001", "/v1/devices/{device}/registrations/{type}/{serial}"),
        ("GET", "/v1/devices/d0d0/registrations/pass.a", "/v1/devices/{device}/registrations/{type}"),
        ("HEAD", "/v1/passes/pass.a/10%2F01", "/v1/passes/{type}/{serial}"),
        ("POST", "/v1/passes/pass.a/1001/personalize", "/v1/passes/{type}/{serial}/personalize"),
        ("POST", "/v1/log", "/v1/log"),
        ("GET", "/v1/devices/d0d0/secret/1001", ""),
        ("GET", "/v1/passes/%ff/1001", ""),
        ("PUT", "/d0d0", ""),
    ],
)
def test_what_phones_call(method: str, path: str, route: str) -> None:
    assert phones_route(scope(path, method)) == route


async def _answers(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


async def _breaks(*_: Any) -> None:
    raise RuntimeError("gone")


async def _nothing(*_: Any) -> Any:
    return {"type": "http.disconnect"}


def test_a_request_that_breaks_is_told_as_one_without_an_answer() -> None:
    requests = Requests()
    asyncio.run(traced(_answers, requests, lambda _: "/a")(scope("/a"), _nothing, _nothing))
    with pytest.raises(RuntimeError, match="gone"):
        asyncio.run(traced(_breaks, requests, lambda _: "/b")(scope("/b"), _nothing, _nothing))
    assert requests.told == [("GET", "/a", 204), ("GET", "/b", 0)]


def test_where_nobody_traces_nothing_stands_between() -> None:
    assert traced(_answers, None, found_route) is _answers


def test_every_operation_and_every_page_is_told_by_its_pattern(tmp_path: Path) -> None:
    """Through the application as a process has it; nobody is let in, and that is told as well."""
    requests = Requests()

    async def main() -> None:
        config = Config(f"sqlite:///{tmp_path}/livepass.db", "https://passes.example.com", (KEY,), "", PRODUCTION_APNS)
        await wiring.upgrade(config)
        async with wiring.opened(config) as services:
            services.tracing = requests  # type: ignore[assignment]
            app = apps.everything(services)
            for operation in OPERATIONS:
                path = re.sub(r"\{[a-z_]+\}", "adas-id", BASE + operation.path)
                await app(scope(path, operation.method), _nothing, _nothing)
            await app(scope("/api/v1/adas-id"), _nothing, _nothing)
            await app(scope("/p/adas-id/pass.pkpass"), _nothing, _nothing)
            await app(scope("/wallet/v1/passes/pass.a/adas-id"), _nothing, _nothing)

    asyncio.run(main())
    patterns = [BASE + operation.path for operation in OPERATIONS]
    assert [route for _, route, _ in requests.told] == [*patterns, "", "/p/{link}", "/v1/passes/{type}/{serial}"]
    assert {status for _, _, status in requests.told} == {200, 401, 404}
