"""``Idempotency-Key``: carried out once, whoever repeats it and whoever is killed; a repeat gets the first answer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.core.idempotency import KEPT_MS
from livepass.core.model import Prunable
from livepass.emulators.authority import Issued
from web.asgi import PASS_TYPE, Api, Reply, folder_zip, opened, with_api
from web.once_child import BODY, KEYED

ONE = f"/passes/{PASS_TYPE}/1"
PUT = {"template": "membership", "data": {"points": 1}}


def keyed(key: str = "the-key") -> list[tuple[bytes, bytes]]:
    return [(b"idempotency-key", key.encode())]


def same(first: Reply, again: Reply) -> bool:
    """The same answer, and marked as a repeat."""
    ours = ("etag", "location", "content-type")
    return (
        (first.status, first.body) == (again.status, again.body)
        and [first.headers.get(name) for name in ours] == [again.headers.get(name) for name in ours]
        and "idempotency-replayed" not in first.headers
        and again.headers["idempotency-replayed"] == "true"
    )


async def kept(api: Api) -> list[dict[str, Any]]:
    return await asyncio.to_thread(engines.look, api.services.config.database_url, "SELECT * FROM idempotency")


@with_api
async def test_a_pass_that_is_made_twice_is_made_once(api: Api) -> None:
    first = await api.call("POST", "/passes", BODY, headers=KEYED)
    assert first.status == 201
    serial = first.json()["serial"]
    assert first.headers["location"] == f"/api/v1/passes/{PASS_TYPE}/{serial}"
    again = await api.call("POST", "/passes", dict(reversed(BODY.items())), headers=keyed('"the-key"'))
    assert same(first, again)
    assert [row["serial"] for row in (await api.ok("GET", "/passes"))["data"]] == [serial]
    assert (await api.call("POST", "/passes", BODY)).json()["serial"] != serial


@with_api
async def test_it_is_answered_as_then_and_not_as_now(api: Api) -> None:
    first = await api.call("PUT", ONE, PUT, headers=keyed("put"))
    await api.call("PATCH", ONE, {"data": {"points": 2}})
    assert same(first, await api.call("PUT", ONE, PUT, headers=keyed("put")))
    assert (await api.call("GET", ONE)).json()["data"] == {"points": 2}

    tag = (await api.call("GET", ONE)).headers["etag"]
    conditional = [*keyed("patch"), (b"if-match", tag.encode())]
    first = await api.call("PATCH", ONE, {"data": {"points": 3}}, headers=conditional)
    # The repeat of a change that went through is no second change of an old version.
    assert same(first, await api.call("PATCH", ONE, {"data": {"points": 3}}, headers=conditional))

    first = await api.call("DELETE", ONE, headers=keyed("void"))
    assert same(first, await api.call("DELETE", ONE, headers=keyed("void")))
    first = await api.call("DELETE", ONE + "?erase=1", headers=keyed("erase"))
    assert (first.status, first.body) == (204, b"")
    await api.issue("1")
    assert same(first, await api.call("DELETE", ONE + "?erase=1", headers=keyed("erase")))
    assert await api.row("1") is not None


@with_api
async def test_another_request_with_the_same_key_is_a_mistake(api: Api) -> None:
    await api.call("PUT", ONE, PUT, headers=KEYED)
    for method, target, json, more in (
        ("PUT", ONE, {**PUT, "data": {"points": 2}}, []),
        ("PUT", ONE + "?push=now", PUT, []),
        ("PATCH", ONE, PUT, []),
        ("PUT", f"/passes/{PASS_TYPE}/2", PUT, []),
        ("PUT", ONE, PUT, [(b"if-match", b"*")]),
    ):
        reply = await api.call(method, target, json, headers=[*KEYED, *more])
        assert (reply.status, reply.json()["code"]) == (422, "idempotency_key_used"), (method, target)
    assert await api.row("2") is None


@with_api
async def test_a_key_is_of_one_api_key(api: Api) -> None:
    first = await api.call("POST", "/passes", BODY, headers=KEYED)
    other = await api.key("passes:write")
    second = await api.call("POST", "/passes", BODY, headers=KEYED, key=other)
    assert second.status == 201
    assert second.json()["serial"] != first.json()["serial"]


@with_api
async def test_what_was_refused_is_looked_at_anew(api: Api) -> None:
    refused = await api.call("PATCH", ONE, {"data": {"points": 2}}, headers=KEYED)
    assert refused.status == 404
    assert await kept(api) == []
    await api.issue("1")
    assert (await api.call("PATCH", ONE, {"data": {"points": 2}}, headers=KEYED)).status == 200


@with_api
async def test_where_it_is_not_taken_and_where_it_is_nothing(api: Api) -> None:
    await api.issue("1")
    for target, json in (
        ("/keys", {"name": "k", "scopes": ["passes:read"]}),
        (f"{ONE}:share", {}),
        ("/passes:batch", {"pass_type": PASS_TYPE, "serial": "9", **PUT}),
    ):
        reply = await api.call("POST", target, json, headers=KEYED)
        assert (reply.status, reply.json()["code"]) == (422, "idempotency_refused"), target
    assert await api.row("9") is None
    for key in ("", '""', "x" * 256, "a b", 'a"b', "\u00e4"):
        reply = await api.call("PUT", ONE, PUT, headers=[(b"idempotency-key", key.encode("latin-1"))])
        assert (reply.status, reply.json()["code"]) == (422, "idempotency_key"), key
    assert (await api.call("GET", ONE, headers=KEYED)).status == 200
    assert (await api.call("POST", f"{ONE}:draft", {"data": {"points": 3}}, headers=KEYED)).status == 200
    assert await kept(api) == []


@with_api
async def test_other_calls_are_answered_the_same_too(api: Api) -> None:
    folder = {"body": folder_zip(), "media": "application/zip", "headers": keyed("template")}
    first = await api.call("POST", "/templates?name=gold", **folder)
    assert first.status == 201
    assert same(first, await api.call("POST", "/templates?name=gold", **folder))
    first = await api.call("POST", "/signing-requests", {}, headers=keyed("csr"))
    assert same(first, await api.call("POST", "/signing-requests", {}, headers=keyed("csr")))
    assert len(await api.services.store.signing_requests()) == 1


@with_api
async def test_nothing_is_kept_of_people_after_a_pass_is_erased(api: Api) -> None:
    await api.call("PUT", ONE, PUT, headers=keyed("ada@example.com"))
    [row] = await kept(api)
    assert "ada@example.com" not in str(row)
    await api.call("DELETE", ONE + "?erase=1", headers=keyed("erase"))
    [row] = await kept(api)
    assert (row["pass_type"], row["serial"], row["status"]) == ("", "", 204)


@with_api
async def test_keys_are_kept_for_a_day(api: Api) -> None:
    first = await api.call("POST", "/passes", BODY, headers=KEYED)
    store, url = api.services.store, api.services.config.database_url
    now = api.services.clock.now()
    assert await store.write(lambda tx: tx.prune(Prunable.ANSWERS, now - KEPT_MS, 10)) == 0
    engines.run(url, "UPDATE idempotency SET at = at - ?", KEPT_MS + 1)
    # Not pruned yet, and of yesterday all the same.
    second = await api.call("POST", "/passes", BODY, headers=KEYED)
    assert second.json()["serial"] != first.json()["serial"]
    engines.run(url, "UPDATE idempotency SET at = ?", now - KEPT_MS - 1)
    assert await store.write(lambda tx: tx.prune(Prunable.ANSWERS, now - KEPT_MS, 10)) == 1


@pytest.mark.usefixtures("engine")
def test_of_many_repeats_at_once_one_is_carried_out(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            calls = [api.call("POST", "/passes", BODY, headers=KEYED) for _ in range(8)]
            replies = await asyncio.gather(*calls)
            made = [each for each in replies if each.status == 201 and "idempotency-replayed" not in each.headers]
            assert len(made) == 1
            for each in replies:
                if each.status == 409:
                    assert each.json()["code"] == "idempotency_in_progress"
                    assert each.headers["retry-after"] == "1"
                else:
                    assert each.body == made[0].body
            assert len((await api.ok("GET", "/passes"))["data"]) == 1

    asyncio.run(work())


CLAIMED, CARRIED_OUT = 1, 2


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("after", [CLAIMED, CARRIED_OUT])
def test_a_process_that_is_killed_leaves_both_or_neither(
    tmp_path: Path, certificates: Sequence[Issued], after: int
) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            config = api.services.config
            command = [sys.executable, "-m", "web.once_child", config.database_url, config.secret_key[0], str(after)]
            died = await asyncio.to_thread(
                subprocess.run,
                command,
                timeout=60,
                check=False,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            )
            assert died.returncode == -signal.SIGKILL
            rows = (await api.ok("GET", "/passes"))["data"]
            assert len(rows) == after - CLAIMED
            if after == CLAIMED:
                waiting = await api.call("POST", "/passes", BODY, headers=KEYED)
                assert (waiting.status, waiting.json()["code"]) == (409, "idempotency_in_progress")
                engines.run(config.database_url, "UPDATE idempotency SET lease_until = 0")
                assert (await api.call("PUT", ONE, PUT, headers=KEYED)).status == 422
            repeat = await api.call("POST", "/passes", BODY, headers=KEYED)
            assert repeat.status == 201
            assert ("idempotency-replayed" in repeat.headers) == (after == CARRIED_OUT)
            rows = (await api.ok("GET", "/passes"))["data"]
            assert [row["serial"] for row in rows] == [repeat.json()["serial"]]

    asyncio.run(work())


@pytest.mark.usefixtures("engine")
def test_who_was_taken_over_changes_nothing(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    """A request that hangs longer than its lease, while a repeat is carried out."""

    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            url = api.services.config.database_url
            draft, begun, go_on = api.services.issuing.drafting.draft_or_refusal, asyncio.Event(), asyncio.Event()

            async def slow(*given: Any) -> Any:
                drawn = await draft(*given)
                if not begun.is_set():
                    begun.set()
                    await go_on.wait()
                return drawn

            api.services.issuing.drafting.draft_or_refusal = slow  # type: ignore[method-assign]
            first = asyncio.create_task(api.call("POST", "/passes", BODY, headers=KEYED))
            await begun.wait()
            await asyncio.to_thread(engines.run, url, "UPDATE idempotency SET lease_until = 0")
            second = await api.call("POST", "/passes", BODY, headers=KEYED)
            go_on.set()
            assert second.status == 201
            assert (await first).status == 409
            assert same(second, await api.call("POST", "/passes", BODY, headers=KEYED))
            assert len((await api.ok("GET", "/passes"))["data"]) == 1

    asyncio.run(work())
