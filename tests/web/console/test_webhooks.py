"""The page of webhooks: how endpoints stand, what failed with its answer, mending it; the notice on the overview."""

from __future__ import annotations

from livepass.core.webhook_standing import LONG_MS
from web.console.console_app import Console, with_console
from web.console.hooks import KEY, answered, endpoint, given_up

TENANT = "default"


async def row(console: Console, id_: str) -> dict[str, object]:
    [found] = [one for one in (await console.data("webhooks"))["endpoints"] if one["id"] == id_]
    return dict(found)


@with_console
async def test_how_endpoints_stand_and_what_failed_with_its_last_answer(console: Console) -> None:
    api, hooks = console.api, console.api.services.webhooks
    good, _ = await endpoint(api)
    bad, secret = await endpoint(api)
    await hooks.add(TENANT, "poll:", ["pass.issued"], None)
    await hooks.test(TENANT, good)
    await answered(api, good, 204)
    failed = await hooks.test(TENANT, bad)
    await answered(api, bad, 404, f"no such hook: {KEY}")
    waits = await hooks.test(TENANT, bad, "pass.issued")
    await answered(api, bad, 503, "later", retry=True)
    untried = await hooks.test(TENANT, bad)

    assert (await row(console, good))["answered_at"] and (await row(console, good))["standing"] == "answers"
    found = await row(console, bad)
    assert (found["standing"], found["sign"], found["waiting"], found["failed"]) == ("failing", "warn", 2, 1)
    assert found["failing_since"] and found["url"] == "https://hooks.example.com/…"
    messages = {one["id"]: one for one in (await console.data("webhooks"))["messages"]}
    assert [one["id"] for one in (await console.data("webhooks"))["endpoints"]][:2] == [bad, good], (
        "what is wrong first"
    )
    assert list(messages) == [failed.id, untried.id, waits.id], "failed, then what is tried next"
    assert messages[failed.id]["failed"] and messages[failed.id]["answer"]["said"] == "no such hook: …"
    assert (messages[waits.id]["answer"]["status"], messages[waits.id]["failed"]) == (503, False)
    assert messages[waits.id]["event"] == "pass.issued" and messages[untried.id]["answer"] is None

    page = await console.html("webhooks")
    for said in ("● answers", "▲ failing", "○ read by livepass listen", "✕ failed", "▲ tried again", "○ not tried yet"):
        assert said in page.text, said
    assert "livepass webhook list" in page.text and "404" in page.text
    assert KEY not in page.raw and secret not in page.raw
    assert f"/console/webhooks?endpoint={bad}" in page.links()
    one = await console.html(f"webhooks?endpoint={good}")
    assert "Nothing waits, and nothing failed" in one.text and f"livepass webhook messages {good}" in one.text
    assert (await console.page("webhooks?endpoint=we_none")).status == 404


@with_console
async def test_of_many_messages_some_are_shown_and_all_are_counted(console: Console) -> None:
    hooks = console.api.services.webhooks
    id_, _ = await endpoint(console.api)
    for _ in range(7):
        await hooks.test(TENANT, id_)
    await answered(console.api, id_, 500)
    found = await console.data("webhooks")
    assert len(found["messages"]) == 5 and found["endpoints"][0]["failed"] == 7
    assert len((await console.data(f"webhooks?endpoint={id_}"))["messages"]) == 7


@with_console
async def test_what_failed_is_sent_again_one_by_one_and_all_at_once(console: Console) -> None:
    api, hooks = console.api, console.api.services.webhooks
    id_, _ = await endpoint(api)
    first = await hooks.test(TENANT, id_)
    await hooks.test(TENANT, id_)
    await answered(api, id_, 500)
    again = {"act": "resend", "id": id_, "message": first.id}
    reply = await console.page("webhooks", form=again)
    assert reply.status == 303 and first.id in reply.headers["set-cookie"]
    assert [(one["waiting"], one["failed"]) for one in [await row(console, id_)]] == [(1, 1)]
    reply = await console.page("webhooks", form={"act": "replay", "id": id_})
    assert "1%20messages" in reply.headers["set-cookie"]
    assert len(await answered(api, id_, 200)) == 2, "both are due"
    assert (await row(console, id_))["failed"] == 0
    assert ("a operator", "Webhooks: resend", id_) in console.doors.noted
    assert (await console.page("webhooks", form={**again, "message": "msg_none"})).status == 404


@with_console
async def test_it_is_disabled_once_its_id_is_typed_and_enabled_again(console: Console) -> None:
    id_, _ = await endpoint(console.api)
    await console.api.services.webhooks.test(TENANT, id_, "pass.issued")
    await answered(console.api, id_, 503, retry=True)
    for typed in ("", "we_", "yes"):
        reply = await console.page("webhooks", form={"act": "disable", "id": id_, "confirm": typed})
        assert reply.status == 200 and b"nothing was done" in reply.body
    assert (await row(console, id_))["enabled"]
    assert (await console.page("webhooks", form={"act": "disable", "id": id_, "confirm": id_[:8]})).status == 303
    assert (await row(console, id_))["standing"] == "disabled by hand"
    assert ([one["held"] for one in (await console.data("webhooks"))["messages"]]) == [True]
    page = await console.html("webhooks")
    assert "○ waits until it is enabled" in page.text and "tried again" not in page.text
    refused = await console.page("webhooks", form={"act": "test", "id": id_})
    assert refused.status == 200 and f"{id_} is disabled".encode() in refused.body
    assert (await console.page("webhooks", form={"act": "enable", "id": id_})).status == 303
    assert (await console.page("webhooks", form={"act": "test", "id": id_, "event": "pass.stale"})).status == 303
    assert [one["event"] for one in (await console.data("webhooks"))["messages"]] == ["pass.stale", "pass.issued"]
    unknown = await console.page("webhooks", form={"act": "test", "id": id_, "event": "pass.lost"})
    assert unknown.status == 200 and b"no event is called" in unknown.body
    assert [action for _, action, _ in console.doors.noted] == [
        *["Webhooks: disable"] * 4,
        "Webhooks: test",
        "Webhooks: enable",
        *["Webhooks: test"] * 2,
    ], "what is refused is written down as well: before it is tried"


@with_console
async def test_another_tenants_endpoint_is_as_if_there_were_none(console: Console) -> None:
    await console.api.ok("POST", "/tenants", {"name": "brand"})
    theirs, _ = await endpoint(console.api, "brand")
    assert (await console.data("webhooks"))["endpoints"] == []
    for act in ("enable", "disable", "test", "replay", "resend"):
        form = {"act": act, "id": theirs, "confirm": theirs, "message": "msg_1"}
        assert (await console.page("webhooks", "admin", form)).status == 404, act
    assert (await console.page(f"webhooks?endpoint={theirs}")).status == 404
    await given_up(console.api, theirs)
    assert (await console.data(""))["webhooks"] == []


@with_console
async def test_viewers_look_and_press_nothing(console: Console) -> None:
    id_, _ = await endpoint(console.api)
    await console.api.services.webhooks.test(TENANT, id_)
    await answered(console.api, id_, 400, "Ida is unknown")
    assert "Ida is unknown" in (await console.html("webhooks")).text
    seen = await console.html("webhooks", role="viewer")
    assert "form" not in [tag for tag, attributes in seen.elements if attributes.get("method") == "post"]
    assert "Ida" not in seen.raw and "(hidden)" in seen.text and "400" in seen.text and "Send again" not in seen.text


@with_console
async def test_the_overview_says_which_endpoint_needs_somebody(console: Console) -> None:
    api = console.api
    id_, _ = await endpoint(api)
    await answered(api, id_, 500, ago=LONG_MS // 2)
    assert (await console.data(""))["webhooks"] == [] and "Nothing needs attention" in (await console.html("")).text
    other, _ = await endpoint(api)
    await answered(api, other, 500, ago=LONG_MS)
    page = await console.html("")
    assert "▲ webhook: failing" in page.text and f"/console/webhooks?endpoint={other}" in page.links()
    assert "Nothing needs attention" not in page.text
    await given_up(api, id_)
    [gone] = [one for one in (await console.data("", "viewer"))["webhooks"] if one["worse"]]
    assert gone["endpoint"] == id_ and f"livepass webhook enable {id_}" in gone["remedy"]
    assert [one["worse"] for one in (await console.data(""))["webhooks"]] == [True, False]
    page = await console.html("")
    assert "✕ webhook: disabled" in page.text and KEY not in page.raw
    for each in (id_, other):
        await api.services.webhooks.enable(TENANT, each, enabled=True)
    assert (await console.data(""))["webhooks"] == []
