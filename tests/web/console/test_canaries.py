"""Canaries on the overview: one that fails or is silent needs attention, a healthy one has its line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import engines
from livepass import manual
from livepass.core import canary
from livepass.core.canary import Leg, Run, Step
from livepass.core.canary_standing import SILENT_MS
from livepass.core.model import Process
from livepass.emulators.authority import Authority, Issued
from livepass.web.console.canaries import RUNBOOK
from web import asgi
from web.asgi import OTHER, PASS_TYPE
from web.console import rooms
from web.console.console_app import Console, with_console
from web.console.rooms import Room
from web.console.test_tenants import of
from web.matrix import BRAND, Place

MINUTE = 60_000


async def ran(room: Room, age: int, wrong: str = "", pass_type: str = PASS_TYPE) -> None:
    at, step = room.api.services.clock.now() - age, Step(Leg.REGISTER, 5, wrong)
    run = Run(pass_type, at, [step], None if wrong else 40, 60_000)
    await room.api.services.store.write(lambda tx: tx.add_events([run.event()]))


async def runs(room: Room, pid: int, canaries: str | None) -> None:
    now = room.api.services.clock.now()
    process = Process(f"p{pid}", "host", pid, "serve", 1, now - MINUTE, now, None, 0, canaries)
    await room.api.services.store.write(lambda tx: tx.put_process(process))


@with_console
async def test_without_canaries_nothing_is_said(console: Console) -> None:
    await runs(console, 1, "")
    assert "anary" not in (await console.html("")).text
    found = await console.data("")
    assert (found["canaries"], found["canaries_apart"]) == ([], [])


@with_console
async def test_one_that_fails_needs_attention_with_its_leg_since_when_and_what_to_do(console: Console) -> None:
    await runs(console, 1, PASS_TYPE)
    for age in (20, 10, 5):
        await ran(console, age * MINUTE, "no answer: nobody <listens>" if age < 20 else "")
    page = await console.html("")
    assert "canary: broke on register" in page.text.replace("\xa0", " ")
    assert f"The canary of {PASS_TYPE}: register: no answer: nobody <listens>, since" in page.text
    assert "10 min ago" in page.text and "livepass doctor judges the way" in page.text
    assert "Nothing needs attention" not in page.text and "&lt;listens&gt;" in page.raw
    assert f"/console{RUNBOOK}" in page.links()
    [row] = (await console.data(""))["canaries"]
    assert (row["state"], row["leg"], row["needs"], row["runs"], row["share"]) == ("fails", "register", True, 3, 33.3)
    assert row["since"] < row["last_run_at"] and row["runbook"] == RUNBOOK


@with_console
async def test_one_that_is_silent_needs_attention(console: Console) -> None:
    await runs(console, 1, PASS_TYPE)
    await ran(console, SILENT_MS + MINUTE)
    page = await console.html("")
    assert "canary: silent" in page.text.replace("\xa0", " ") and "nothing has run it for 31 min" in page.text
    assert "LIVEPASS_CANARY" in page.text and "Nothing needs attention" not in page.text
    assert (await console.data(""))["canaries"][0]["state"] == "silent"


@with_console
async def test_a_healthy_one_has_a_quiet_line(console: Console) -> None:
    await runs(console, 1, f"{PASS_TYPE} {OTHER}")
    for age in (3, 2, 1):
        await ran(console, age * MINUTE, "broke" if age == 3 else "")
    page = await console.html("")
    assert (
        f"The canary of {PASS_TYPE} saw 66.6 % of its changes of the last day within 60 s (3 runs, the last"
        in page.text
    )
    assert "Nothing needs attention" in page.text and "canary:" not in page.text
    assert f"The canary of {OTHER} has not run yet." in page.text


@with_console
async def test_what_is_turned_off_is_said_to_be(console: Console) -> None:
    """Its pass is left, and no running process has it."""
    await runs(console, 1, "")
    await ran(console, MINUTE, "broke")
    await console.api.issue("1")
    assert "canary" not in (await console.html("")).text
    await _left(console)
    page = await console.html("")
    assert f"The canary of {PASS_TYPE} is turned off; its pass is forgotten within minutes." in page.text
    assert "Nothing needs attention" in page.text


async def _left(room: Room) -> None:
    """A pass called as a canary's: renamed behind the service, as nobody may issue it."""
    url = room.api.services.config.database_url
    engines.run(url, "UPDATE pass SET serial = ? WHERE serial = '1'", canary.SERIAL)


@with_console
async def test_processes_that_disagree_are_told_to_who_sees_all(console: Console) -> None:
    await runs(console, 1, PASS_TYPE)
    await runs(console, 2, "")
    await runs(console, 3, None)
    await ran(console, MINUTE)
    page = await console.html("", "admin")
    said = f"LIVEPASS_CANARY names {PASS_TYPE} for serve on host (pid 1), and not for serve on host (pid 2)."
    assert said in page.text and "Nothing needs attention" not in page.text


@pytest.mark.usefixtures("engine")
def test_tenants_see_their_own(
    tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with asgi.opened(tmp_path, certificates[:1]) as api:
            place = await Place(api, authority, certificates, BRAND).ours()
            await place.theirs()
            room, found = Room(api), {}
            await runs(room, 1, f"{PASS_TYPE} {OTHER}")
            await runs(room, 2, "")
            await ran(room, MINUTE, "broke", OTHER)
            await ran(room, MINUTE)
            for tenant in ("default", BRAND):
                monkeypatch.setattr(rooms.Somebody, "caller", of(tenant))
                seen = await room.json("/index")
                found[tenant] = [row["pass_type"] for row in seen["canaries"]], bool(seen["canaries_apart"])
            assert found == {"default": ([PASS_TYPE], True), BRAND: ([OTHER], False)}

    asyncio.run(work())


def test_the_runbook_is_there() -> None:
    assert any((folder / RUNBOOK.removeprefix(f"{manual.ADDRESS}/")).exists() for folder in manual.FOLDERS)
