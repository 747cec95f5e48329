"""Issuers see which device ids a phone no longer uses, and do not count them."""

from __future__ import annotations

from web.asgi import PASS_TYPE, Api, with_api


@with_api
async def test_a_superseded_device_id_is_shown_as_such_and_not_counted(api: Api) -> None:
    await api.issue("1")
    for device in ("old", "new"):
        await api.register("1", device, "ab" * 32)
    await api.register("1", "other", "cd" * 32)
    expected = {"old": True, "new": False, "other": False}
    shown = await api.ok("GET", f"/passes/{PASS_TYPE}/1")
    assert {row["device_id"]: row["superseded"] for row in shown["registrations"]} == expected
    listed = await api.ok("GET", f"/registrations?pass_type={PASS_TYPE}")
    assert {row["device_id"]: row["superseded"] for row in listed["data"]} == expected
    assert (await api.ok("GET", "/stats"))["registrations"] == 2
    changed = await api.ok("PATCH", f"/passes/{PASS_TYPE}/1", {"data": {"points": 7}})
    assert (changed["registrations"], changed["pushes_due"]) == (2, 2)
    pushes = (await api.ok("GET", "/pushes"))["data"]
    assert [row["passes"] for row in pushes] == [1, 1]
    timeline = await api.ok("GET", f"/passes/{PASS_TYPE}/1/timeline")
    [event] = [row for row in timeline["data"] if row["kind"] == "registration_superseded"]
    assert (event["device_id"], event["detail"]) == ("old", {"by": "new"})
