"""What is called when something happened, and what it cannot do to a phone."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import engines
from embed.hosts import apns_of, authorization, client, embedded, register
from journeys.world import PASS_TYPE
from livepass import Happening, Livepass
from livepass.core import webhooks
from livepass.core.timeline import Event, Kind
from livepass.embed.handlers import NAMES, Handlers, Lane
from livepass.emulators.authority import Authority


async def until(true, seconds: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def hearing(lp: Livepass) -> list[Happening]:
    found: list[Happening] = []
    for name in NAMES:
        lp.on(name)(found.append)
    return found


def test_a_phone_s_life_is_heard(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            found = hearing(lp)
            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                await register(http, lp)
                await lp.change(PASS_TYPE, "1", data={"points": 101})
                own = await authorization(lp)
                await http.get(f"/wallet/v1/devices/d1/registrations/{PASS_TYPE}")
                await http.get(f"/wallet/v1/passes/{PASS_TYPE}/1", headers=own)
                await (await lp.services()).recorder.settle()
                await http.delete(f"/wallet/v1/devices/d1/registrations/{PASS_TYPE}/1", headers=own)
            expected = ["pass.changed", "registration.created", "registration.ended", "update.confirmed"]
            await until(lambda: len(found) >= len(expected))
            assert sorted(one.name for one in found) == expected
            [joined] = [one for one in found if one.name == "registration.created"]
            assert (joined.pass_type, joined.serial, joined.device_id) == (PASS_TYPE, "1", "d1")
            assert joined.at.tzinfo is not None

    asyncio.run(run())


def log_of(lp: Livepass, text: str) -> dict[str, list[str]]:
    """As a phone posts it of its fetch of pass 1."""
    there = f"(pass type {PASS_TYPE}, serial number 1; with web service url {lp.config.web_service_url})"
    return {"logs": [f"[2026-11-23 10:00:00 +0000] Get pass task {there} encountered error: {text}"]}


def test_a_new_kind_of_line_in_a_log_is_heard_once(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            found = hearing(lp)
            recorder = (await lp.services()).recorder
            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                for text in ("Authentication failure", "Authentication failure", "the dog ate it"):
                    await http.post("/wallet/v1/log", json=log_of(lp, text))
                    await recorder.settle()
            await until(lambda: len(found) >= 5)
            assert [one.name for one in found].count("device_log.line") == 3
            new = [one for one in found if one.name == "device_log.new_kind"]
            assert [(one.serial, one.kind, one.detail["code"]) for one in new] == [("1", "", "T0"), ("1", "", "?")]
            assert "number" not in new[0].detail and new[0].detail["meaning"]

    asyncio.run(run())


def test_a_registration_whose_token_is_dead_is_heard_to_have_ended(
    tmp_path: Path, authority: Authority, engine: str
) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                await register(http, lp)
            found = hearing(lp)
            store = (await lp.services()).store
            token = engines.look(lp.config.database_url, "SELECT push_token FROM device")[0]["push_token"]
            dead = Event(Kind.TOKEN_DEAD, 1, PASS_TYPE, detail={"status": 410})
            await store.write(lambda tx: tx.tell_dead([(token, dead)]))  # type: ignore[attr-defined]
            await until(lambda: found)
            [ended] = found
            assert (ended.name, ended.device_id, ended.serial) == ("registration.ended", "d1", "1")
            assert ended.detail == {"reason": "apns_410"}

    asyncio.run(run())


def test_a_pass_that_went_stale_is_heard_where_livepass_runs(tmp_path: Path, authority: Authority, engine: str) -> None:
    """Without any webhook; by the process that found it, and by it alone."""

    async def run() -> None:
        async with apns_of(tmp_path, authority) as apns, embedded(tmp_path, authority, **apns) as lp:
            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                await register(http, lp)
                await lp.change(PASS_TYPE, "1", data={"points": 101})
                await http.get(f"/wallet/v1/devices/d1/registrations/{PASS_TYPE}")
                await (await lp.services()).recorder.settle()
                await http.post("/wallet/v1/log", json=log_of(lp, "Authentication failure"))
                await (await lp.services()).recorder.settle()
            assert not (await lp.services()).hears_of_stale()
            found: list[Happening] = []
            lp.on("pass.stale")(found.append)
            assert (await lp.services()).hears_of_stale()
            [verdict, *_] = (await lp.why(PASS_TYPE, "1")).verdicts
            assert verdict.problem and verdict.device_id == "d1"
            async with lp.running():
                await until(lambda: found)
            [stale] = found
            assert (stale.serial, stale.device_id, stale.detail["code"]) == ("1", "d1", verdict.code)
            assert stale.detail["remedy"] and engines.look(lp.config.database_url, "SELECT serial FROM stale_pass")

    asyncio.run(run())


def test_what_is_rolled_back_is_not_heard(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            found = hearing(lp)
            store = (await lp.services()).store

            async def fails(tx):  # type: ignore[no-untyped-def]
                await tx.add_events([Event(Kind.CHANGED, 1, PASS_TYPE, "1")])
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await store.write(fails)
            await lp.change(PASS_TYPE, "1", data={"points": 5})
            await until(lambda: found)
            assert [one.name for one in found] == ["pass.changed"]
            assert engines.look(lp.config.database_url, "SELECT kind FROM event WHERE kind = 'changed'")

    asyncio.run(run())


def test_a_handler_delays_no_phone_and_no_other_handler(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            release, quick = threading.Event(), list[str]()

            @lp.on("registration.created")
            def slow(happening: Happening) -> None:
                release.wait(10)

            @lp.on("registration.created")
            def broken(happening: Happening) -> None:
                raise ValueError("no such member")

            @lp.on("registration.created")
            async def fine(happening: Happening) -> None:
                quick.append(happening.name)

            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                assert await register(http, lp) == 201
                assert quick == []
                assert await register(http, lp, device="d2") == 201
            await until(lambda: len(quick) == 2)
            release.set()

    asyncio.run(run())
    assert "broken failed at registration.created of 1" in caplog.text
    assert "no such member" in caplog.text


def test_each_handler_hears_in_order_and_the_end_waits_for_it() -> None:
    async def run() -> None:
        handlers, found = Handlers(), list[int]()

        def hear(happening: Happening) -> None:
            time.sleep(0.001)
            found.append(int(happening.serial or 0))

        handlers.add("pass.changed", hear)
        for number in range(50):
            handlers.heard([Event(Kind.CHANGED, number, PASS_TYPE, str(number))])
        await handlers.end()
        assert found == list(range(50))

    asyncio.run(run())


def test_what_is_too_much_for_a_handler_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        monkeypatch.setattr("livepass.embed.handlers.BACKLOG", 10)
        found: list[Happening] = []
        lane = Lane(found.append)
        handlers = Handlers({"pass.changed": [found.append]})
        handlers._lanes = {found.append: lane}
        handlers.heard([Event(Kind.CHANGED, number, PASS_TYPE, str(number)) for number in range(15)])
        await handlers.end()
        assert [one.serial for one in found] == [str(number) for number in range(5, 15)]

    asyncio.run(run())
    assert "5 happenings were dropped" in caplog.text


def test_names_that_are_not_there() -> None:
    lp = Livepass(public_url="https://club.example", secret_key="x")
    with pytest.raises(ValueError, match=r"did you mean 'registration\.created'"):
        lp.on("registration_created")
    assert {told.name for told in webhooks.EVENTS} < set(NAMES), "one table names them for both"
