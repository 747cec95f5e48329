"""How the certificates stand, over the API."""

from __future__ import annotations

from web.asgi import PASS_TYPE, Api, with_api


@with_api
async def test_how_they_stand(api: Api) -> None:
    rows = (await api.ok("GET", "/certificate-watch"))["data"]
    assert {row["kind"] for row in rows} == {"certificate", "intermediate", "public_tls", "apns_tls"}
    assert {(row["state"], row["needs"], row["checked_at"]) for row in rows} == {("fine", False, None)}
    mine = (await api.ok("GET", f"/certificate-watch?pass_type={PASS_TYPE}"))["data"]
    assert {row["pass_type"] for row in mine} == {PASS_TYPE, None}
    soon = (await api.ok("GET", "/certificate-watch?days=3650"))["data"]
    leaf = next(row for row in soon if row["kind"] == "certificate")
    assert (leaf["state"], leaf["finding"], leaf["needs"]) == ("soon", "LP503", True)
    assert "livepass cert import" in leaf["remedy"]


@with_api
async def test_a_look_is_remembered(api: Api) -> None:
    assert (await api.call("POST", "/certificate-watch:look", json={})).status == 204
    rows = (await api.ok("GET", "/certificate-watch"))["data"]
    assert {row["state"] for row in rows if row["kind"].endswith("tls")} == {"unclear"}
    assert {row["sound"] for row in rows if row["kind"] == "certificate"} == {True}
    assert all(row["checked_at"] for row in rows if row["kind"] != "intermediate")


@with_api
async def test_days_are_days(api: Api) -> None:
    for wrong in ("null", "-1", "3651", "soon", ""):
        reply = await api.call("GET", f"/certificate-watch?days={wrong}")
        assert reply.status in (400, 422), (wrong, reply.body)
        assert "days" in reply.body.decode()
