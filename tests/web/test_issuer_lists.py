"""Lists: every row exactly once whatever the page size, filters, cursors that are not ours, and no token in sight."""

from __future__ import annotations

import base64
import json
from typing import Any

from livepass.core.model import Process
from livepass.core.shedding import Level
from web.asgi import OTHER, PASS_TYPE, Api, push_token_of, with_api

SERIALS = [f"{letter}{number}" for letter in "ab" for number in range(4)]


async def filled(api: Api) -> None:
    """Eight passes in each of two types, with a phone each and one that has them all."""
    for pass_type in (PASS_TYPE, OTHER):
        for serial in SERIALS:
            await api.issue(serial, pass_type=pass_type)
            await api.register(serial, f"phone-{serial}", pass_type=pass_type)
            await api.register(serial, "phone-of-all", pass_type=pass_type)
        for number in range(7):
            line = (
                f"Get pass task (pass type {pass_type}, serial number {number}; with web service url https://x.example)"
                f" encountered error: {'Authentication failure' if number else 'no sentence of ours'}"
            )
            api.services.answering.testify(json.dumps({"logs": [line]}).encode())
    await api.services.recorder.settle()


async def walk(api: Api, target: str, limit: int) -> list[dict[str, Any]]:
    """All rows, by following the links."""
    rows: list[dict[str, Any]] = []
    following: str | None = f"{target}{'&' if '?' in target else '?'}limit={limit}"
    while following is not None:
        reply = await api.call("GET", following)
        assert reply.status == 200, reply.body
        page = reply.json()
        assert set(page) == {"data", "next_cursor"} and len(page["data"]) <= limit
        rows += page["data"]
        link = reply.headers.get("link")
        assert (link is None) == (page["next_cursor"] is None)
        if link is not None:
            address, _, relation = link.partition(">")
            assert relation == '; rel="next"'
            assert page["next_cursor"] in address
        following = address.removeprefix("</api/v1") if link else None
    return rows


@with_api
async def test_walking_shows_every_row_once(api: Api) -> None:
    await filled(api)
    for _ in range(4):
        await api.key("passes:read")
    counts = {
        "/passes": 16,
        f"/passes?pass_type={OTHER}": 8,
        "/passes?serial_prefix=a": 8,
        "/passes?template=none": 0,
        "/registrations": 32,
        "/registrations?device_id=phone-of-all": 16,
        f"/registrations?pass_type={OTHER}&device_id=phone-a1": 1,
        "/pushes": 18,
        f"/pushes?pass_type={OTHER}": 9,
        "/device-logs": 14,
        f"/device-logs?pass_type={OTHER}": 7,
        "/device-logs?code=T0": 12,
        "/device-logs?code=%3F": 2,
        "/certificates": 2,
        f"/certificates?pass_type={OTHER}": 1,
        "/templates": 1,
        "/keys": 4,
    }
    for target, count in counts.items():
        whole = await walk(api, target, 500)
        assert len(whole) == count, target
        for limit in (1, 3, 16):
            assert await walk(api, target, limit) == whole, (target, limit)
    timeline = f"/passes/{PASS_TYPE}/a0/timeline"
    assert await walk(api, timeline, 2) == await walk(api, timeline, 500)


@with_api
async def test_rows_are_what_they_say(api: Api) -> None:
    await filled(api)
    newest, *_ = logs = (await api.ok("GET", "/device-logs"))["data"]
    assert [row["id"] for row in logs] == sorted((row["id"] for row in logs), reverse=True)
    assert (newest["code"], newest["about"]) == ("T0", "fetch")
    pushes = (await api.ok("GET", "/pushes?due=1"))["data"]
    assert all(row["due"] and row["next_at"] for row in pushes)
    shared = next(row for row in pushes if row["device_id"] == "phone-of-all")
    assert (shared["passes"], shared["wanted"] > shared["acked"], shared["dead_at"]) == (8, True, None)
    registration = (await api.ok("GET", "/registrations?limit=1"))["data"][0]
    assert (registration["served"], registration["left_at"]) == (0, None)
    stats = await api.ok("GET", "/stats")
    assert stats == {
        "passes": 16,
        "registrations": 32,
        "unverified": 32,
        "stands_on": {"current": 0, "fetch": 0, "ask": 0, "push": 32},
        "processes": [],
    }
    assert (await api.ok("GET", f"/stats?pass_type={OTHER}"))["passes"] == 8


@with_api
async def test_a_shared_push_token_is_one_row(api: Api) -> None:
    await api.issue("1")
    await api.register("1", "phone-b", push_token_of("x"))
    await api.register("1", "phone-a", push_token_of("x"))
    [row] = (await api.ok("GET", "/pushes"))["data"]
    assert row["device_id"] == "phone-a"


@with_api
async def test_foreign_and_garbled_cursors_are_refused(api: Api) -> None:
    await filled(api)
    cursor = (await api.ok("GET", "/passes?limit=1"))["next_cursor"]
    nul = base64.urlsafe_b64encode(b'["passes",["a\\u0000","b"]]').decode().rstrip("=")
    huge = base64.urlsafe_b64encode(b'["device-logs",99999999999999999999999]').decode().rstrip("=")
    old = base64.urlsafe_b64encode(b'["keys",[99999999999999999999999,"a"]]').decode().rstrip("=")
    cases = [("/passes", text) for text in ("", "x", "%C3%BC", "!!!", "e30", cursor[:-3], cursor + "AAAA", nul)]
    cases += [
        ("/registrations", cursor),
        ("/pushes", cursor),
        ("/keys", cursor),
        ("/device-logs", huge),
        ("/keys", old),
    ]
    for target, text in cases:
        reply = await api.call("GET", f"{target}?cursor={text}")
        assert (reply.status, reply.json()["code"]) == (422, "cursor"), (target, text)
        assert reply.json()["errors"][0]["pointer"] == "?cursor"


@with_api
async def test_no_cursor_holds_a_push_token(api: Api) -> None:
    await filled(api)
    cursor = (await api.ok("GET", "/pushes?limit=1"))["next_cursor"]
    held = base64.urlsafe_b64decode(cursor + "==").decode()
    assert push_token_of("phone-a0")[:6] not in held and push_token_of("phone-of-all")[:6] not in held
    assert "phone-a0" in held


@with_api
async def test_a_walk_survives_passes_that_come_and_go(api: Api) -> None:
    for serial in ("b", "d", "f"):
        await api.issue(serial)
    first = await api.ok("GET", "/passes?limit=2")
    await api.call("DELETE", f"/passes/{PASS_TYPE}/d?erase=1")
    await api.issue("e")
    rest = await api.ok("GET", f"/passes?cursor={first['next_cursor']}")
    assert [row["serial"] for row in first["data"] + rest["data"]] == ["b", "d", "e", "f"]


@with_api
async def test_which_processes_run_is_for_who_sees_everything(api: Api, engine: str) -> None:
    now = api.services.clock.now()
    row = Process("a1", "host-a", 7, "serve", 1, now - 90_000, now - 2_500, 120, int(Level.ASK))
    await api.services.store.write(lambda tx: tx.put_process(row))
    [shown] = (await api.ok("GET", "/stats"))["processes"]
    assert shown.pop("started_at") < shown.pop("heard_at")
    assert shown.pop("silent_seconds") >= 2
    assert shown == {
        "host": "host-a", "pid": 7, "role": "serve", "schema": 1, "fetch_ms": 120, "shedding": 3,
        "given_up": "log records, issuer reads and share pages, asks and shared files",
    }  # fmt: skip
    narrow = await api.key("passes:read", pass_types=[OTHER])
    assert (await api.ok("GET", "/stats", key=narrow))["processes"] == []
