"""Enrolments as issuers read them: each once, in order, none missed, and only with a scope of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import engines
from livepass.core.history import Reason
from livepass.service.access import SCOPES
from livepass.service.epochs import begin_epochs
from web.asgi import OTHER, PASS_TYPE, Api, with_api

PATH = f"/enrolments?pass_type={PASS_TYPE}"


async def names(api: Api, path: str = PATH) -> list[Any]:
    return [row["info"]["fullName"] for row in (await api.ok("GET", path))["data"]]


@with_api
async def test_those_of_a_pass_are_told_as_they_were_given(api: Api) -> None:
    await api.issue("1")
    assert await api.ok("GET", f"/passes/{PASS_TYPE}/1/enrolments") == {"data": []}
    kept = await api.enrol("1", "Ada Lovelace")
    await api.enrol("1", "Charles Babbage")
    [first, second] = (await api.ok("GET", f"/passes/{PASS_TYPE}/1/enrolments"))["data"]
    assert (first["id"], first["number"], first["serial"]) == (kept.id, kept.number, "1")
    assert (first["info"], first["unreadable"]) == ({"fullName": "Ada Lovelace"}, None)
    assert second["info"] == {"fullName": "Charles Babbage"}
    assert "token" not in first, "the phone's own, and nobody else's"
    missing = await api.call("GET", f"/passes/{PASS_TYPE}/nobody/enrolments")
    assert (missing.status, missing.json()["code"]) == (404, "not_found")


@with_api
async def test_who_reads_on_from_the_last_row_misses_none(api: Api) -> None:
    await api.issue("1")
    for n in range(5):
        await api.enrol("1", f"n{n}")
    page = await api.ok("GET", f"{PATH}&limit=2")
    assert [row["info"]["fullName"] for row in page["data"]] == ["n0", "n1"]
    assert await names(api, f"{PATH}&limit=2&cursor={page['next_cursor']}") == ["n2", "n3"]
    last = (await api.ok("GET", PATH))["data"][-1]["cursor"]
    assert await api.ok("GET", f"{PATH}&cursor={last}") == {"data": [], "next_cursor": None}
    await api.enrol("1", "later")
    assert await names(api, f"{PATH}&cursor={last}") == ["later"]


@with_api
async def test_pollers_beside_writers_see_each_once(api: Api) -> None:
    await api.issue("1")
    other = await engines.open_store(api.services.config.database_url)
    seen: list[str] = []
    cursor = ""

    async def read_on() -> None:
        nonlocal cursor
        for row in (await api.ok("GET", f"{PATH}&limit=3{cursor}"))["data"]:
            seen.append(row["info"]["fullName"])
            cursor = f"&cursor={row['cursor']}"

    writing = asyncio.gather(*(api.enrol("1", f"n{n}") for n in range(20)))
    while not writing.done():
        await read_on()
        await asyncio.sleep(0)
    await writing
    for _ in range(8):
        await read_on()
    assert sorted(seen) == sorted(f"n{n}" for n in range(20))
    await other.close()


@with_api
async def test_after_history_went_back_all_are_told_again(api: Api) -> None:
    """The numbers that were read may be given out once more: twice is better than not at all."""
    await api.issue("1")
    await api.enrol("1", "kept")
    cursor = (await api.ok("GET", PATH))["data"][-1]["cursor"]
    services = api.services

    async def go_back(tx: Any) -> None:
        counters = await tx.counters()
        await begin_epochs(tx, counters, Reason.RESTORED, now=services.clock.now(), chance=services.chance, lost={})

    await services.store.write(go_back)
    assert await names(api, f"{PATH}&cursor={cursor}") == ["kept"]


def _altered(sealed: bytes) -> bytes:
    """Another last byte, whatever it is: one in 256 is any that is written down here."""
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


@with_api
async def test_one_that_does_not_open_holds_up_none(api: Api) -> None:
    await api.issue("1")
    broken = await api.enrol("1", "altered")
    await api.enrol("1", "whole")
    url = api.services.config.database_url
    engines.run(url, "UPDATE enrolment SET sealed = ? WHERE id = ?", _altered(broken.sealed), broken.id)
    [first, second] = (await api.ok("GET", PATH))["data"]
    assert first["info"] is None and "altered" in first["unreadable"]
    assert second["info"] == {"fullName": "whole"}


@with_api
async def test_they_have_a_scope_of_their_own_and_a_pass_type(api: Api) -> None:
    await api.issue("1")
    await api.enrol("1", "Ada")
    others = await api.key(*(scope for scope in SCOPES if scope != "enrolments:read"))
    for path in (PATH, f"/passes/{PASS_TYPE}/1/enrolments"):
        reply = await api.call("GET", path, key=others)
        assert (reply.status, reply.json()["code"]) == (403, "missing_scope")
    foreign = await api.key("enrolments:read", pass_types=[OTHER])
    assert (await api.call("GET", PATH, key=foreign)).json() == {"data": [], "next_cursor": None}
    assert (await api.call("GET", f"/passes/{PASS_TYPE}/1/enrolments", key=foreign)).status == 404
    missing = await api.call("GET", "/enrolments")
    assert missing.status in (400, 422) and "pass_type" in missing.body.decode()


@with_api
async def test_an_erased_pass_has_none(api: Api) -> None:
    await api.issue("1")
    await api.enrol("1", "Ada")
    assert (await api.call("DELETE", f"/passes/{PASS_TYPE}/1?erase=1")).status == 204
    assert await names(api) == []


@pytest.mark.parametrize("cursor", ["x", "bm90aGluZw", "WyJwYXNzZXMiLFsiYSIsImIiXV0"])
def test_a_cursor_of_another_list_is_refused(tmp_path: Any, certificates: Any, cursor: str) -> None:
    @with_api
    async def run(api: Api) -> None:
        reply = await api.call("GET", f"{PATH}&cursor={cursor}")
        assert (reply.status, reply.json()["code"]) == (422, "cursor")

    run(tmp_path=tmp_path, certificates=certificates)
