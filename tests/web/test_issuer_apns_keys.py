"""APNs keys through the issuer API. APNs itself is asked in tests/journeys."""

from __future__ import annotations

import pytest

from provider_keys import Minted
from web.asgi import OTHER, PASS_TYPE, Api, with_api

pytestmark = pytest.mark.usefixtures("engine")
KEY = Minted()
CHOICE = f"/pass-types/{PASS_TYPE}/push-credential"


def body(key: Minted = KEY, **more: object) -> dict[str, object]:
    return {"p8": key.p8.decode(), "id": key.id, "team": key.team, **more}


@with_api
async def test_a_key_from_import_to_retirement(api: Api) -> None:
    made = await api.ok("POST", "/apns-keys", body(topics=[PASS_TYPE]))
    facts = {"id": KEY.id, "team": KEY.team, "topics": [PASS_TYPE], "environment": "production", "pass_types": []}
    assert made == {**made, **facts, "retired_at": None}
    assert set(made) == {*facts, "created_at", "retired_at"}, "and nothing of the key itself"
    assert await api.ok("GET", f"/apns-keys/{KEY.id}") == made
    assert (await api.ok("GET", "/apns-keys"))["data"] == [made]
    chosen = await api.ok("PUT", CHOICE, {"apns_key": KEY.id, "probe": False})
    assert chosen == {"pass_type": PASS_TYPE, "apns_key": KEY.id, "heard": ""}
    assert (await api.ok("GET", f"/apns-keys/{KEY.id}"))["pass_types"] == [PASS_TYPE]
    reply = await api.call("DELETE", f"/apns-keys/{KEY.id}")
    assert (reply.status, reply.json()["code"]) == (409, "in_use")
    assert reply.json()["hint"].endswith(f"livepass apns-key use {PASS_TYPE} --certificate")
    assert (await api.ok("PUT", CHOICE, {"apns_key": None}))["apns_key"] is None
    assert (await api.ok("DELETE", f"/apns-keys/{KEY.id}"))["retired_at"] is not None
    reply = await api.call("PUT", CHOICE, {"apns_key": KEY.id, "probe": False})
    assert (reply.status, reply.json()["code"]) == (409, "retired")


@with_api
async def test_keys_that_cannot_be(api: Api) -> None:
    for wrong, status, code in (
        (body(p8="nonsense"), 422, "apns_key_refused"),
        (body(id="short"), 422, "apns_key_refused"),
        (body(team="short"), 422, "apns_key_refused"),
        (body(environment="moon"), 422, "invalid"),
        ({"p8": KEY.p8.decode()}, 422, "invalid"),
        (body(extra=1), 422, "unknown_field"),
    ):
        reply = await api.call("POST", "/apns-keys", wrong)
        assert (reply.status, reply.json()["code"]) == (status, code), wrong
        assert "PRIVATE KEY" not in reply.body.decode().replace("BEGIN PRIVATE KEY-----", "")
    for method, path, sent in (
        ("GET", "/apns-keys/NOSUCHKEY1", None),
        ("DELETE", "/apns-keys/NOSUCHKEY1", None),
        ("PUT", CHOICE, {"apns_key": "NOSUCHKEY1"}),
        ("PUT", "/pass-types/pass.no.such/push-credential", {"apns_key": None}),
    ):
        assert (await api.call(method, path, sent)).status == 404, (method, path)


@with_api
async def test_who_is_limited_to_pass_types_chooses_among_what_pushes_for_them(api: Api) -> None:
    second = Minted("SECOND1234")
    for key in (KEY, second):
        await api.ok("POST", "/apns-keys", body(key))
    await api.ok("PUT", CHOICE, {"apns_key": KEY.id, "probe": False})
    await api.ok("PUT", f"/pass-types/{OTHER}/push-credential", {"apns_key": KEY.id, "probe": False})
    limited = await api.key("certs:admin", pass_types=[PASS_TYPE])
    [seen] = (await api.ok("GET", "/apns-keys", key=limited))["data"]
    assert (seen["id"], seen["pass_types"]) == (KEY.id, [PASS_TYPE]), "nothing of others"
    for method, path, sent, status in (
        ("GET", f"/apns-keys/{second.id}", None, 404),
        ("DELETE", f"/apns-keys/{second.id}", None, 404),
        ("DELETE", f"/apns-keys/{KEY.id}", None, 403),
        ("POST", "/apns-keys", body(second), 403),
        ("PUT", CHOICE, {"apns_key": second.id, "probe": False}, 404),
        ("PUT", f"/pass-types/{OTHER}/push-credential", {"apns_key": None}, 404),
        ("PUT", CHOICE, {"apns_key": KEY.id, "probe": False}, 200),
        ("PUT", CHOICE, {"apns_key": None}, 200),
    ):
        assert (await api.call(method, path, sent, key=limited)).status == status, (method, path, sent)
    assert (await api.ok("GET", "/apns-keys", key=limited))["data"] == []


@with_api
async def test_the_list_comes_in_pages(api: Api) -> None:
    keys = [Minted(f"KEY000000{n}") for n in range(3)]
    for key in reversed(keys):
        await api.ok("POST", "/apns-keys", body(key))
    found, cursor = [], ""
    while cursor is not None:
        page = await api.ok("GET", f"/apns-keys?limit=1{cursor and '&cursor=' + cursor}")
        found += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert found == [key.id for key in keys]
