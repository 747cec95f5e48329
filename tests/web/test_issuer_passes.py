"""One pass through the issuer API: issue, change, read, void, erase; what is refused leaves no trace."""

from __future__ import annotations

import io
import json
import zipfile

from livepass.pkpass import read, verify
from web.asgi import MEMBERSHIP, OTHER, PASS_TYPE, Api, folder_zip, with_api

ONE = f"/passes/{PASS_TYPE}/1"
PUT_KEYS = {
    "pass_type",
    "serial",
    "tag",
    "number",
    "changed",
    "last_modified",
    "registrations",
    "pushes_due",
    "warnings",
}


@with_api
async def test_put_creates_then_changes(api: Api) -> None:
    first = await api.call("PUT", ONE, {"template": "membership", "data": {"points": 1}})
    again = await api.call("PUT", ONE, {"data": {"points": 2}})
    assert (first.status, again.status) == (201, 200)
    assert set(first.json()) == PUT_KEYS
    assert first.json()["last_modified"].endswith("Z")
    assert first.json()["changed"] and again.json()["changed"]
    assert again.json()["number"] == first.json()["number"] + 1
    assert again.json()["tag"] != first.json()["tag"]


@with_api
async def test_a_put_that_changes_nothing_moves_nothing(api: Api) -> None:
    first = await api.issue("1", 5)
    again = await api.issue("1", 5)
    assert again["changed"] is False
    assert {**again, "changed": True} == first


@with_api
async def test_patch_merges_and_null_removes(api: Api) -> None:
    await api.ok(
        "PUT",
        ONE,
        {"template": "membership", "data": {"points": 1}, "content": {"logoText": "A", "userInfo": {"a": 1, "b": 2}}},
    )
    changed = await api.ok(
        "PATCH",
        ONE,
        {"content": {"logoText": None, "userInfo": {"b": None, "c": 3}}},
        media="application/merge-patch+json",
    )
    got = await api.ok("GET", ONE)
    assert changed["changed"]
    assert got["data"] == {"points": 1}
    assert got["content"] == {"userInfo": {"a": 1, "c": 3}}
    assert "logoText" not in got["document"] and got["document"]["userInfo"] == {"a": 1, "c": 3}


@with_api
async def test_patch_of_a_missing_pass_is_404(api: Api) -> None:
    reply = await api.call("PATCH", ONE, {"data": {"points": 1}})
    assert (reply.status, reply.json()["code"]) == (404, "not_found")


@with_api
async def test_put_pins_to_a_revision_and_unpins(api: Api) -> None:
    await api.issue("1")
    revision = (await api.ok("GET", "/templates/membership"))["revision"]
    body = {"data": {"points": 1}}
    await api.ok("PUT", ONE, {**body, "revision": revision})
    assert (await api.ok("GET", ONE))["pinned"] is True
    await api.ok("PUT", ONE, body)
    assert (await api.ok("GET", ONE))["pinned"] is False
    wrong = await api.call("PUT", ONE, {**body, "revision": "0" * 64})
    assert (wrong.status, wrong.json()["code"]) == (404, "no_revision")


@with_api
async def test_dry_run_writes_nothing(api: Api) -> None:
    fresh = await api.ok("PUT", f"{ONE}?dry_run=1", {"template": "membership", "data": {"points": 1}})
    assert fresh["dry_run"] and fresh["created"] and fresh["changed"]
    assert await api.row("1") is None
    await api.issue("1", 1)
    before = await api.row("1")
    for method, query, body in (("PUT", "", {"data": {"points": 9}}), ("PATCH", "&push=now", {"data": {"points": 9}})):
        preview = await api.ok(method, f"{ONE}?dry_run=true{query}", body)
        assert preview["fields"] == [{"key": "points", "before": 1, "after": 9, "message": "You have %@ points"}]
        assert preview["lock_screen"] == preview["notice"]["text"] == "You have 9 points"
        assert preview["notice"] == {
            "kind": "exact",
            "reason": "points changed and has a changeMessage",
            "text": "You have 9 points",
            "assumed": [],
            "languages": {},
        }
    assert (await api.ok("DELETE", f"{ONE}?dry_run=1"))["changed"] is True
    assert await api.row("1") == before


@with_api
async def test_a_dry_run_tells_what_is_said_in_each_language(api: Api) -> None:
    buffer = io.BytesIO(folder_zip())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("de.lproj/pass.strings", '"You have %@ points" = "Sie haben %@ Punkte";')
        archive.writestr("fr.lproj/pass.strings", '"You have %@ points" = "Des points";')
    await api.ok("POST", "/templates?name=membership", body=buffer.getvalue(), media="application/zip")
    await api.issue("1", 1)
    notice = (await api.ok("PATCH", f"{ONE}?dry_run=1", {"data": {"points": 1234.5}}))["notice"]
    assert notice["text"] == "You have 1234.5 points"
    assert (notice["languages"]["de"]["text"], notice["languages"]["fr"]["kind"]) == (
        "Sie haben 1.234,5 Punkte",
        "general",
    )


@with_api
async def test_a_draft_is_what_the_change_would_make_without_signature_and_token(api: Api) -> None:
    await api.issue("1", 1)
    before = await api.row("1")
    wanted = {"data": {"points": 9}, "content": {"logoText": "New"}}
    reply = await api.call("POST", f"{ONE}:draft", wanted)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(files) == ["icon.png", "icon@2x.png", "pass.json"]
    drafted = json.loads(files["pass.json"])
    assert await api.row("1") == before, "nothing was changed"
    await api.ok("PATCH", ONE, wanted)
    made = read((await api.call("GET", f"{ONE}/pkpass")).body)
    assert {**drafted, "authenticationToken": made.document["authenticationToken"]} == made.document
    assert "authenticationToken" not in drafted and drafted["logoText"] == "New"
    assert (await api.call("POST", f"/passes/{PASS_TYPE}/none:draft", wanted)).status == 404
    assert (await api.call("POST", f"{ONE}:draft", {"data": {"pnts": 9}})).json()["code"] == "template_data"


@with_api
async def test_a_change_of_several_messages_says_that_none_is_shown(api: Api) -> None:
    await api.issue("1", 1)
    level = {"key": "level", "value": "Gold", "changeMessage": "Level %@"}
    await api.ok("PATCH", ONE, {"content": {"storeCard": {"secondaryFields": [level]}}})
    both = {"data": {"points": 2}, "content": {"storeCard": {"secondaryFields": [{**level, "value": "Silver"}]}}}
    seen = await api.ok("PATCH", f"{ONE}?dry_run=1", both)
    done = await api.ok("PATCH", ONE, both)
    assert (seen["notice"]["kind"], seen["notice"]["text"]) == ("general", None)
    assert "points, level" in seen["lock_screen"] and seen["notice"]["assumed"]
    for answer in (seen, done):
        [warning] = [each for each in answer["warnings"] if each["rule"] == "several-messages"]
        assert "points, level" in warning["message"]
    [*_, event] = (await api.ok("GET", f"{ONE}/timeline"))["data"]
    assert (event["detail"]["notice"], event["detail"]["because"]) == ("general", seen["notice"]["reason"])


@with_api
async def test_get_shows_the_pass_and_where_each_phone_stands(api: Api) -> None:
    issued = await api.issue("1")
    await api.register("1", "phone-a")
    got = await api.ok("GET", ONE)
    assert got["tag"] == issued["tag"] and got["number"] == issued["number"]
    assert "authenticationToken" not in got["document"]
    [phone] = got["registrations"]
    assert phone["watermarks"] == {"changed": 1, "pushed": 0, "asked": 0, "told": 0, "served": 0}
    assert (phone["device_id"], phone["stands_on"], phone["unverified"]) == ("phone-a", "push", True)
    changed = await api.ok("PATCH", ONE, {"data": {"points": 2}})
    assert (changed["registrations"], changed["pushes_due"]) == (1, 1)
    quiet = await api.ok("PATCH", f"{ONE}?push=none", {"data": {"points": 3}})
    assert (quiet["registrations"], quiet["pushes_due"]) == (1, 0)


@with_api
async def test_delete_voids_and_erase_forgets(api: Api) -> None:
    await api.issue("1")
    await api.register("1", "phone-a")
    voided = await api.ok("DELETE", ONE)
    assert voided["changed"] and voided["pushes_due"] == 1
    got = await api.ok("GET", ONE)
    assert got["voided"] and got["document"]["voided"] is True
    assert (await api.ok("DELETE", ONE))["changed"] is False
    both = await api.call("DELETE", f"{ONE}?erase=1&dry_run=1")
    assert both.status == 422 and await api.row("1") is not None
    erased = await api.call("DELETE", f"{ONE}?erase=1")
    assert (erased.status, erased.body) == (204, b"")
    assert (await api.call("GET", ONE)).status == 404
    assert (await api.call("DELETE", f"{ONE}?erase=1")).status == 404
    assert (await api.ok("GET", "/registrations"))["data"] == []


@with_api
async def test_pkpass_is_a_valid_signed_pass(api: Api) -> None:
    await api.issue("1", 7)
    reply = await api.call("GET", f"{ONE}/pkpass")
    package = read(reply.body)
    verify(package)
    assert reply.headers["content-type"] == "application/vnd.apple.pkpass"
    assert reply.headers["content-disposition"] == 'attachment; filename="1.pkpass"'
    assert json.loads(package.files["pass.json"])["authenticationToken"] == await api.token("1")
    assert (await api.call("GET", f"/passes/{PASS_TYPE}/none/pkpass")).status == 404


@with_api
async def test_head_answers_like_get_without_a_body(api: Api) -> None:
    await api.issue("1")
    got, head = await api.call("GET", ONE), await api.call("HEAD", ONE)
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == str(len(got.body))


@with_api
async def test_timeline_tells_what_happened_in_order(api: Api) -> None:
    await api.issue("1", 1)
    await api.register("1", "phone-a")
    await api.issue("1", 2)
    found = await api.ok("GET", f"{ONE}/timeline")
    kinds = [event["kind"] for event in found["data"]]
    assert [kind for kind in kinds if kind != "registration_refreshed"] == ["issued", "registered", "changed"]
    assert set(found["data"][0]) == {"id", "at", "trip", "kind", "seq", "serial", "device_id", "target", "detail"}
    rest = await api.ok("GET", f"{ONE}/timeline?after={found['data'][0]['id']}")
    assert rest["data"] == found["data"][1:]
    assert (await api.call("GET", f"/passes/{PASS_TYPE}/none/timeline")).status == 404


@with_api
async def test_push_makes_what_is_due_due_now(api: Api) -> None:
    for serial in ("1", "2"):
        await api.issue(serial)
        await api.register(serial, f"phone-{serial}")
    await api.ok("PATCH", f"{ONE}?push=auto", {"data": {"points": 3}})
    assert await api.ok("POST", f"{ONE}:push") == {"pushes_due": 1}
    assert await api.ok("POST", "/pushes", {"pass_type": PASS_TYPE, "serial": "1"}) == {"pushes_due": 1}
    assert (await api.ok("POST", "/pushes", {"pass_type": PASS_TYPE}))["pushes_due"] == 2
    assert (await api.call("POST", f"/passes/{PASS_TYPE}/none:push")).status == 404
    assert (await api.call("POST", "/pushes", {"pass_type": "pass.test.none"})).status == 404


@with_api
async def test_what_lint_refuses_is_not_stored(api: Api) -> None:
    reply = await api.call("PUT", ONE, {"template": "membership", "data": {"points": 1}, "content": {"description": 7}})
    problem = reply.json()
    assert (reply.status, problem["code"]) == (422, "lint")
    assert problem["errors"][0]["pointer"] == "/description"
    assert problem["errors"][0]["rule"]
    assert await api.row("1") is None


@with_api
async def test_what_is_missing_is_said_with_a_pointer(api: Api) -> None:
    cases: list[tuple[str, object, int, str, str]] = [
        (ONE, {"template": "membership"}, 422, "template_data", "/data/points"),
        (ONE, {"template": "membership", "data": {"points": 1, "pionts": 1}}, 422, "template_data", "/data/pionts"),
        (ONE, {"template": "membershp", "data": {"points": 1}}, 422, "no_template", ""),
        (ONE, {}, 422, "invalid", "/template"),
        ("/passes/pass.test.unknown/1", {"template": "membership", "data": {"points": 1}}, 422, "no_certificate", ""),
        ("/passes/not-a-type/1", {"template": "membership", "data": {"points": 1}}, 422, "invalid", "/pass_type"),
        (f"/passes/{PASS_TYPE}/a b", {"template": "membership", "data": {"points": 1}}, 422, "invalid", "/serial"),
    ]
    for target, body, status, code, pointer in cases:
        reply = await api.call("PUT", target.replace(" ", "%20"), body)
        problem = reply.json()
        assert (reply.status, problem["code"]) == (status, code), problem
        assert pointer in [error["pointer"] for error in problem["errors"]] or not pointer
        assert problem["detail"] and problem["hint"]


@with_api
async def test_numbers_and_depths_that_no_pass_can_hold(api: Api) -> None:
    deep: object = 1
    for _ in range(200):
        deep = {"a": deep}
    for content in ({"userInfo": 10**30}, {"authenticationToken": 10**30}, {"userInfo": deep}):
        reply = await api.call("PUT", ONE, {"template": "membership", "data": {"points": 1}, "content": content})
        assert reply.status == 422, reply.body
    assert await api.row("1") is None


@with_api
async def test_passes_follow_a_new_revision(api: Api) -> None:
    await api.issue("1")
    changed = folder_zip(document={**MEMBERSHIP, "description": "Other"})
    await api.ok("POST", "/templates?name=membership", body=changed, media="application/octet-stream")
    await api.services.issuing.follow_all()
    await api.services.issuing.follow_all()
    assert (await api.ok("GET", ONE))["document"]["description"] == "Other"


@with_api
async def test_two_pass_types_count_for_themselves(api: Api) -> None:
    mine, other = await api.issue("1"), await api.issue("1", pass_type=OTHER)
    assert (mine["number"], other["number"]) == (1, 1)
    assert mine["tag"] != other["tag"]
