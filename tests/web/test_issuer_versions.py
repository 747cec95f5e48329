"""What a pass was: worked out from what was noted of its changes, and never drawn where that does not suffice."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import engines
from livepass.service.past import VERSIONS
from web.asgi import PASS_TYPE, Api, with_api

ONE = f"/passes/{PASS_TYPE}/1"


async def document(api: Api, number: int | None = None) -> dict[str, Any]:
    reply = await api.call("GET", f"{ONE}/files" + ("" if number is None else f"?number={number}"))
    assert reply.status == 200, reply.body
    files = zipfile.ZipFile(io.BytesIO(reply.body))
    assert "icon.png" in files.namelist()
    found: dict[str, Any] = json.loads(files.read("pass.json"))
    assert "authenticationToken" not in found
    return found


async def change(api: Api, **body: Any) -> int:
    """Change the pass; answers the number that it has then."""
    assert (await api.ok("PATCH", ONE, body))["changed"]
    found: int = (await api.ok("GET", ONE))["number"]
    return found


@with_api
async def test_every_version_is_again_what_it_was(api: Api) -> None:
    await api.issue("1")
    was = {(await api.ok("GET", ONE))["number"]: await document(api)}
    row = {"key": "rows", "label": "Rows", "value": "<&> \u00e4"}
    for body in (
        {"data": {"points": 2}},
        {"content": {"logoText": "New"}},
        {"content": {"storeCard": {"backFields": [row]}}, "data": {"points": 3}},
        {"content": {"logoText": None, "storeCard": {"backFields": None}}},
        {"content": {"storeCard": {"backFields": [{"key": f"f{i}", "value": i} for i in range(30)]}}},
        {"content": {"storeCard": {"backFields": [{"key": f"f{i}", "value": i + 1} for i in range(30)]}}},
        {"data": {"points": 2.5}},
    ):
        number = await change(api, **body)
        was[number] = await document(api)
    await api.ok("DELETE", ONE)
    number = (await api.ok("GET", ONE))["number"]
    was[number] = await document(api)
    assert was[max(was)]["voided"] is True
    found = await api.ok("GET", f"{ONE}/versions")
    assert [row["number"] for row in found["data"]] == sorted(was, reverse=True)
    assert found["ends"] == "" and all(row["known"] for row in found["data"])
    assert found["data"][-2]["fields"][0]["before"] is not None
    for number, then in was.items():
        assert await document(api, number) == then, number


@with_api
async def test_a_change_of_a_value_alone_keeps_nothing_twice(api: Api) -> None:
    await api.issue("1")
    await change(api, data={"points": 2})
    [*_, event] = (await api.ok("GET", f"{ONE}/timeline"))["data"]
    assert set(event["detail"]) <= {"fields", "lock_screen", "notice", "because"}


@with_api
async def test_what_is_too_much_to_keep_is_said_and_nothing_is_drawn(api: Api) -> None:
    await api.issue("1")
    first = (await api.ok("GET", ONE))["number"]
    large = await change(api, content={"storeCard": {"backFields": [{"key": "k", "value": "x" * 6000}]}})
    small = await change(api, content={"storeCard": {"backFields": None}})
    last = await change(api, data={"points": 9})
    newest, middle, big, issued = (await api.ok("GET", f"{ONE}/versions"))["data"]
    assert [row["number"] for row in (newest, middle, big, issued)] == [last, small, large, first]
    assert newest["known"] and middle["known"]
    assert not big["known"] and not issued["known"]
    assert f"n{small}" in big["unknown"] and big["unknown"] == issued["unknown"]
    reply = await api.call("GET", f"{ONE}/files?number={first}")
    assert (reply.status, reply.json()["code"]) == (422, "no_version")
    assert reply.json()["hint"] == big["unknown"]


@with_api
async def test_where_the_diary_was_pruned_it_says_so(api: Api) -> None:
    await api.issue("1")
    second = await change(api, data={"points": 2})
    third = await change(api, data={"points": 3})
    engines.run(api.services.config.database_url, "DELETE FROM event WHERE kind = 'issued'")
    found = await api.ok("GET", f"{ONE}/versions")
    assert [row["number"] for row in found["data"]] == [third, second]
    assert f"n{second}" in found["ends"]
    engines.run(api.services.config.database_url, "DELETE FROM event WHERE seq = ?", third)
    found = await api.ok("GET", f"{ONE}/versions")
    assert [(row["number"], row["kind"], row["known"]) for row in found["data"]] == [(third, None, True)]
    assert (await api.call("GET", f"{ONE}/files?number={second}")).status == 404


@with_api
async def test_what_does_not_lead_to_what_came_after_is_not_drawn(api: Api) -> None:
    await api.issue("1")
    await change(api, data={"points": 2})
    third = await change(api, data={"points": 3})
    url = api.services.config.database_url
    engines.run(url, "UPDATE event SET detail = replace(detail, '\"after\":3', '\"after\":4') WHERE seq = ?", third)
    newest, *older = (await api.ok("GET", f"{ONE}/versions"))["data"]
    assert newest["known"] and not any(row["known"] for row in older)
    assert all("does not lead" in row["unknown"] for row in older)


@with_api
async def test_an_erased_pass_has_no_versions_and_its_successor_none_of_its(api: Api) -> None:
    await api.issue("1")
    await change(api, data={"points": 2})
    assert (await api.call("DELETE", f"{ONE}?erase=1")).status == 204
    assert (await api.call("GET", f"{ONE}/versions")).status == 404
    await api.issue("1")
    found = await api.ok("GET", f"{ONE}/versions")
    assert [row["kind"] for row in found["data"]] == ["issued"]


@with_api
async def test_it_goes_so_far_back_and_no_further(api: Api) -> None:
    await api.issue("1")
    for points in range(2, VERSIONS + 3):
        await api.ok("PATCH", ONE, {"data": {"points": points}})
    found = await api.ok("GET", f"{ONE}/versions")
    assert len(found["data"]) == VERSIONS and found["ends"]
