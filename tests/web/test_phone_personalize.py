"""``POST …/personalize`` as it arrives: whatever is in it, the answer is one that a phone understands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livepass.core.shedding import Level
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Issued
from livepass.web.phone import MAX_ENROLMENT
from service.rewards import card, form, openssl_verifies, pems
from service.rig import TYPE, Rig, rig
from web.test_phone import call, status

PATH = f"/v1/passes/{TYPE}/1/personalize"


def test_the_answer_is_the_signature_and_nothing_else(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            answer = await call(service, "POST", PATH, form(), allowed=await service.allowed("1"))
            assert answer is not None and answer.status == 200
            assert answer.headers[b"content-type"] == b"application/octet-stream"
            assert openssl_verifies(answer.body, b"VG9rZW4tMQ", *pems(pass_certificate), tmp_path)
            assert len(await service.store.enrolments_of(TYPE, "1")) == 1

    asyncio.run(main())


@pytest.mark.parametrize("path", [f"//v1/passes/{TYPE}/1/personalize", PATH.replace("/1/", "/%31/"), f"{PATH}/"])
def test_it_is_found_however_the_path_is_written(tmp_path: Path, pass_certificate: Issued, path: str) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            assert await status(service, "POST", path, form(), allowed=await service.allowed("1")) == 200

    asyncio.run(main())


def test_another_method_and_another_path_are_what_they_were(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            allowed = await service.allowed("1")
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                assert await status(service, method, PATH, allowed=allowed) == 404
            assert await status(service, "POST", f"{PATH}/more", form(), allowed=allowed) == 200
            assert await status(service, "POST", f"/v1{PATH}", form(), allowed=allowed) == 404
            assert service.elsewhere("SELECT count(*) FROM enrolment") == [(0,)]

    asyncio.run(main())


def test_a_body_that_no_phone_sends_is_too_large_and_half_a_one_is_nothing(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    whole = form({"fullName": "x"})
    largest = whole + b" " * (MAX_ENROLMENT - len(whole))

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            allowed = await service.allowed("1")
            assert await call(service, "POST", PATH, whole[:20], allowed=allowed, hangs_up=True) is None
            assert await status(service, "POST", PATH, largest + b" ", allowed=allowed) == 413
            assert service.elsewhere("SELECT count(*) FROM enrolment") == [(0,)]
            assert await status(service, "POST", PATH, [largest[:9], largest[9:]], allowed=allowed) == 200

    asyncio.run(main())


def test_it_is_never_given_up_for_want_of_time(tmp_path: Path, pass_certificate: Issued) -> None:
    """Other calls come again; this one does not."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            service.answering.load.level = Level.REGISTER
            registration = f"/v1/devices/phone/registrations/{TYPE}/1"
            assert await status(service, "POST", registration, b'{"pushToken": "aa"}') == 503
            assert await status(service, "POST", PATH, form(), allowed=await service.allowed("1")) == 200

    asyncio.run(main())


def test_a_database_that_is_away_is_503_and_no_signature(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            allowed = await service.allowed("1")

            async def away(work: Any) -> None:
                raise Unavailable("gone")

            monkeypatch.setattr(service.store, "write", away)
            answer = await call(service, "POST", PATH, form(), allowed=allowed)
            monkeypatch.undo()
            assert answer is not None
            assert (answer.status, answer.body) == (503, b"")
            assert service.elsewhere("SELECT count(*) FROM enrolment") == [(0,)]

    asyncio.run(main())


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory, pass_certificate: Issued) -> Iterator[tuple[Any, Rig, str]]:
    """One service for many requests, on a loop of its own."""
    with asyncio.Runner() as runner:
        context = rig(tmp_path_factory.mktemp("living"), pass_certificate)
        service = runner.run(context.__aenter__())
        runner.run(card(service))
        yield runner, service, runner.run(service.allowed("1"))
        runner.run(context.__aexit__(None, None, None))


KEYS = st.sampled_from(["personalizationToken", "requiredPersonalizationInfo", "fullName", "phoneNumber"]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
WELL_FORMED = st.builds(form, info=JSON, token=st.just("VG9rZW4tMQ") | JSON)
CUT = st.tuples(WELL_FORMED, st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]])
BODY = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()) | WELL_FORMED | CUT


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODY, with_token=st.booleans())
def test_whatever_body_arrives(living: tuple[Any, Rig, str], body: bytes, with_token: bool) -> None:
    """Once ten are kept of the pass, further ones are not acknowledged: 503."""
    runner, service, allowed = living
    answer = runner.run(call(service, "POST", PATH, body, allowed=allowed if with_token else None))
    [(before,)] = service.elsewhere("SELECT count(*) FROM enrolment")
    assert answer is not None
    if not with_token:
        assert answer.status == 401
    else:
        assert answer.status in ((200, 400) if before < 10 else (200, 400, 503))
    assert bool(answer.body) == (answer.status == 200)


def test_and_nothing_was_left_out_of_the_diary(living: tuple[Any, Rig, str]) -> None:
    runner, service, _ = living
    runner.run(service.recorder.settle())
    assert service.recorder.dropped == 0
    assert runner.run(service.fetch("1")).status == 200, "whatever was given, the pass can be built"
