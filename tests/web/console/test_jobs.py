"""The page of what goes on by itself: progress as numbers, and where counting stops."""

from __future__ import annotations

import secrets

import pytest

import engines
from livepass.web.console import jobs
from web.asgi import PASS_TYPE
from web.console.console_app import Console, with_console
from web.import_child import importer_of, stumbles


@with_console
async def test_nothing_to_do(console: Console) -> None:
    await console.count()
    data = await console.data("jobs")
    assert (data["roll_outs"], data["fan_outs"]) == ([], [])
    assert data["retelling"] == {"waiting": 0, "due": 0, "first_at": None}
    assert data["sealed"]["to_reseal"] == 0 and {row["state"] for row in data["sealed"]["rows"]} == {"current"}
    page = await console.html("jobs")
    assert "None: all pushes that are owed are due" in page.text and "Nothing is to be sealed anew" in page.text


@with_console
async def test_progress_of_everything_that_goes_on(console: Console) -> None:
    url, now = console.api.services.config.database_url, console.api.services.clock.now()
    for serial in ("a", "b", "c"):
        await console.api.issue(serial)
        await console.api.register(serial, f"d-{serial}")
    engines.run(url, "UPDATE pass SET revision = '0' WHERE serial <> 'a'")
    engines.run(url, "UPDATE pass SET refused_revision = (SELECT revision FROM template) WHERE serial = 'c'")
    row = (PASS_TYPE, "changed", "a", 7, 7, 0, now, "40000000", "80000000", "20000000")
    engines.run(url, f"INSERT INTO fan_out VALUES ({', '.join('?' * 10)})", *row)
    engines.run(url, "UPDATE registration SET retell_at = ? WHERE serial = 'a'", now - 1000)
    engines.run(url, "UPDATE registration SET retell_at = ? WHERE serial = 'b'", now + 60_000_000)
    engines.run(url, "UPDATE registration SET left_at = ? WHERE serial = 'c'", now)
    engines.run(url, "UPDATE push_target SET dead_at = ?, dead_reason = 'Unregistered'", now)
    data = await console.data("jobs")
    assert [(one["template"], one["left"], one["refused"]) for one in data["roll_outs"]] == [("membership", 1, 1)]
    assert [(one["serial"], one["percent"], one["again"]) for one in data["fan_outs"]] == [("a", 50, True)]
    assert (data["retelling"]["waiting"], data["retelling"]["due"]) == (2, 1)
    assert (data["pruning"]["ended"], data["pruning"]["dead"]) == (1, 3)
    assert data["sealed"] is None
    page = await console.html("jobs")
    assert "50 %" in page.text and "and round once more" in page.text and "Counting." in page.text


@with_console
async def test_imports_show_what_became_of_their_rows(console: Console) -> None:
    table = b"serial,points\na,1\nb,2\nbad serial,3\n"
    target = f"/imports?pass_type={PASS_TYPE}&template=membership&dry_run="
    for dry_run in ("0", "1"):
        assert (await console.api.call("POST", target + dry_run, body=table, media="text/csv")).status == 202
    page = (await console.html("jobs")).text
    assert "under way" in page and "nothing is changed" in page
    while await importer_of(console.api.services).once():
        pass
    newest, first = (await console.data("jobs"))["imports"]
    assert (newest["dry_run"], first["dry_run"]) == (True, False)
    assert (first["state"], first["made"], first["refused"], first["percent"]) == ("finished", 2, 1, 100)
    assert "3 of 3" in (await console.html("jobs")).text


@with_console
async def test_imports_say_what_fails(console: Console) -> None:
    target = f"/imports?pass_type={PASS_TYPE}&template=membership"
    assert (await console.api.call("POST", target, body=b"serial\na\nb\n", media="text/csv")).status == 202
    with pytest.MonkeyPatch.context() as patch:
        stumbles(patch.setattr, lambda wish: True)
        assert await importer_of(console.api.services).once()
        assert "failed 1 times, is tried again" in (await console.html("jobs")).text
        engines.run(console.api.services.config.database_url, "UPDATE import_job SET vain = 99, lease_until = 0")
        assert await importer_of(console.api.services).once()
    [one] = (await console.data("jobs"))["imports"]
    assert (one["state"], one["refused"], one["failed"], one["next_try_at"]) == ("finished", 0, 2, None)
    assert "0, and 2 failed" in (await console.html("jobs")).text


@with_console
async def test_what_is_sealed_with_an_older_key_and_with_one_that_is_not_here(console: Console) -> None:
    services = console.api.services
    await console.count()
    first = services.keys.secret_ids[0]
    rows = {row["secret"] for row in (await console.data("jobs"))["sealed"]["rows"]}
    assert rows == {first}
    # The same database with another key in front, and then without the one that sealed it.
    from livepass.embed.console import counted
    from livepass.looking import looking

    async with looking(services.config) as explaining:
        older = await counted(explaining, "default", services.clock.now(), ("another", first))
        foreign = await counted(explaining, "default", services.clock.now(), (secrets.token_hex(8),))
    assert {row["state"] for row in older["sealed"]["rows"]} == {"old"}
    assert older["sealed"]["to_reseal"] == sum(row["count"] for row in older["sealed"]["rows"]) > 0
    assert {row["state"] for row in foreign["sealed"]["rows"]} == {"unknown"} and foreign["sealed"]["to_reseal"] == 0


@with_console
async def test_counting_stops_and_says_so(console: Console) -> None:
    url = console.api.services.config.database_url
    for number in range(4):
        await console.api.issue(f"s{number}")
        await console.api.register(f"s{number}", f"d{number}")
    engines.run(url, "UPDATE registration SET left_at = 5")
    engines.run(url, "UPDATE pass SET revision = '0'")
    kept, jobs.MOST = jobs.MOST, 3
    try:
        data = await console.data("jobs")
        assert (data["pruning"]["ended"], data["roll_outs"][0]["left"]) == (3, 3)
        assert "3 or more" in (await console.html("jobs")).text
    finally:
        jobs.MOST = kept
    assert "4 kept" in (await console.html("jobs")).text
