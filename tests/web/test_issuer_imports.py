"""``POST /imports``: taken in whole or not at all, worked off row by row exactly once, told truly, and forgotten."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass import wiring
from livepass.core.importing import ABANDONED_MS, KEPT_MS
from livepass.core.model import Prunable
from livepass.emulators.authority import Issued
from livepass.service import importer, imports
from servers.livepass_process import running
from web import asgi
from web.asgi import NDJSON, OTHER, PASS_TYPE, Api, Reply, folder_zip, opened, with_api
from web.import_child import LOT, importer_of

CSV = "text/csv"
GIVEN = f"pass_type={PASS_TYPE}&template=membership"
ALL = "/imports?" + GIVEN


def table(*rows: str, header: str = "serial,points") -> bytes:
    return "\n".join((header, *rows)).encode() + b"\n"


def numbered(count: int) -> bytes:
    return table(*(f"n{number},{number}" for number in range(1, count + 1)))


async def send(api: Api, body: bytes, target: str = ALL, media: str | None = CSV, **more: Any) -> Reply:
    return await api.call("POST", target, body=body, media=media, **more)


async def taken(api: Api, body: bytes, target: str = ALL, media: str | None = CSV, **more: Any) -> str:
    """The id of an import that was acknowledged."""
    reply = await send(api, body, target, media, **more)
    assert reply.status == 202, reply.body
    job = reply.json()
    assert reply.headers["location"] == f"/api/v1/imports/{job['id']}"
    assert (job["state"], job["made"]) == ("waiting", 0)
    return str(job["id"])


async def through(api: Api) -> None:
    worker = importer_of(api.services)
    while await worker.once():
        pass


async def told(api: Api, job: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await api.ok("GET", f"/imports/{job}", **more)
    return found


async def tally(api: Api, job: str) -> tuple[str, int, int, int, int, int]:
    found = await told(api, job)
    return tuple(found[name] for name in ("state", "made", "changed", "unchanged", "refused", "waiting"))  # type: ignore[return-value]


async def wrong(api: Api, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.ok("GET", f"/imports/{job}/errors"))["data"]
    return found


async def look(api: Api, statement: str) -> list[dict[str, Any]]:
    return await asyncio.to_thread(engines.look, api.services.config.database_url, statement)


async def run(api: Api, statement: str) -> None:
    await asyncio.to_thread(engines.run, api.services.config.database_url, statement)


async def edits(api: Api) -> dict[str, int]:
    """How often each pass was written."""
    return {row["serial"]: row["edit"] for row in await look(api, "SELECT serial, edit FROM pass")}


async def rows_left(api: Api) -> int:
    return len(await look(api, "SELECT 1 FROM import_row"))


async def points(api: Api, serial: str) -> Any:
    row = await api.row(serial)
    return None if row is None else json.loads(row.data).get("points")


@pytest.fixture
def small_lots() -> Iterator[None]:
    kept, importer.LOT = importer.LOT, LOT
    yield
    importer.LOT = kept


# ── what becomes of rows


@pytest.mark.usefixtures("engine")
@with_api
async def test_rows_become_passes_and_are_forgotten(api: Api) -> None:
    await api.issue("n1", "1")
    await api.issue("n2", 5)
    job = await taken(api, numbered(4))
    assert await tally(api, job) == ("waiting", 0, 0, 0, 0, 4)
    await through(api)
    assert await tally(api, job) == ("finished", 2, 1, 1, 0, 0)
    found = await told(api, job)
    assert found["rows"] == 4 and found["turn_at"] and found["ended_at"] < found["kept_until"]
    assert [await points(api, f"n{number}") for number in (1, 2, 3, 4)] == ["1", "2", "3", "4"]
    assert await rows_left(api) == 0, "holders' data is kept no longer than it is needed"


@with_api
async def test_ndjson_says_the_same_and_more(api: Api) -> None:
    lines = [
        {"serial": "a", "data": {"points": 1}, "content": {"description": "Gold"}},
        {"serial": "b", "points": 2, "colour": "red"},
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    job = await taken(api, body, media=NDJSON)
    await through(api)
    assert await tally(api, job) == ("finished", 2, 0, 0, 0, 0)
    row = await api.row("a")
    assert row is not None and json.loads(row.document)["description"] == "Gold"
    assert (await told(api, job))["unused_columns"] == ["colour"]
    assert await taken(api, b"\xef\xbb\xbf" + body, media=None), "what does not say what it is is looked at"


@with_api
async def test_columns_are_named_and_the_last_row_of_a_pass_counts(api: Api) -> None:
    body = table("x;7", "y;1", "x;8", header="Nummer;Punkte stand")
    job = await taken(api, body, ALL + "&map=serial=Nummer,points=Punkte%20stand&push=none")
    await through(api)
    assert await tally(api, job) == ("finished", 2, 1, 0, 0, 0)
    assert await points(api, "x") == "8"


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_dry_run_writes_nothing(api: Api) -> None:
    await api.issue("n1", "1")
    await api.issue("n2", 5)
    tables = "pass", "event", "counter", "push_target"
    before = {name: await look(api, f"SELECT * FROM {name}") for name in tables}
    job = await taken(api, numbered(4) + b"bad serial,1\n", ALL + "&dry_run=1")
    await through(api)
    assert await tally(api, job) == ("finished", 2, 1, 1, 1, 0)
    assert (await told(api, job))["dry_run"] is True
    assert {name: await look(api, f"SELECT * FROM {name}") for name in tables} == before


@with_api
async def test_a_row_that_is_refused_holds_up_no_other(api: Api) -> None:
    body = table("good,1", "bad serial,2", "short", "also-good,3", "\xff\xfe,4".encode("latin-1").decode("latin-1"))
    job = await taken(api, body.replace("ÿþ".encode(), b"\xff\xfe"))
    assert await tally(api, job) == ("waiting", 0, 0, 0, 2, 3)
    await through(api)
    assert await tally(api, job) == ("finished", 2, 0, 0, 3, 0)
    found = await wrong(api, job)
    assert [(each["row"], each["column"]) for each in found] == [(3, "serial"), (4, ""), (6, "serial")]
    assert found[0]["serial"] == "bad serial" and found[0]["pass_type"] == PASS_TYPE and found[0]["what_to_do"]
    assert found[2]["problem"] == "is not UTF-8"


@with_api
async def test_errors_come_as_pages(api: Api) -> None:
    job = await taken(api, table("good,1", *("short" for _ in range(5))))
    seen: list[int] = []
    target = f"/imports/{job}/errors?limit=2"
    while target:
        reply = await api.call("GET", target)
        page = reply.json()
        seen += [each["row"] for each in page["data"]]
        target = page["next_cursor"] and f"/imports/{job}/errors?limit=2&cursor={page['next_cursor']}"
        assert ("link" in reply.headers) == bool(target)
    assert seen == [3, 4, 5, 6, 7]


# ── what is refused as a whole


GARBAGE: Mapping[str, tuple[bytes, str, str | None, int, str]] = {
    "nothing": (b"", ALL, CSV, 422, "the file is empty"),
    "blanks": (b" \n\n", ALL, None, 422, "the file is empty"),
    "a header alone": (table(), ALL, CSV, 422, "there is no row"),
    "no serial": (table("1,2", header="a,b"), ALL, CSV, 422, "there is no column serial"),
    "no type": (table("1,2"), "/imports?template=membership", CSV, 422, "there is no column pass_type"),
    "UTF-16": (table("a,1").decode().encode("utf-16"), ALL, CSV, 422, "the header is not UTF-8"),
    "zeros": (bytes(1000), ALL, CSV, 422, "the header is not UTF-8"),
    "a picture": (asgi.png(38), ALL, "text/plain", 422, ""),
    "lines that are none": (b"{\n[]\n1\n", ALL, NDJSON, 422, "none of 3 rows"),
    "nested": (b"[" * 100_000, ALL, NDJSON, 422, "none of 1 rows"),
    "not a number": (b'{"serial":"a","data":{"points":NaN}}\n', ALL, NDJSON, 422, "none of 1 rows"),
    "half a character": (b'{"serial":"a","data":{"points":"\\ud800"}}\n', ALL, NDJSON, 422, "none of 1 rows"),
    "a serial that is none": (b'{"serial":[7]}\n', ALL, NDJSON, 422, "none of 1 rows"),
    "no such template": (
        numbered(1),
        f"/imports?pass_type={PASS_TYPE}&template=no",
        CSV,
        422,
        "there is no template no",
    ),
    "no such map": (numbered(1), ALL + "&map=points", CSV, 422, "map holds 'points'"),
    "mapped twice": (numbered(1), ALL + "&map=a=b,a=c", CSV, 422, "map names something twice"),
    "a map of no column": (numbered(1), ALL + "&map=points=Punkte", CSV, 422, "there is no such column: points=Punkte"),
    "pushed at once": (numbered(1), ALL + "&push=now", CSV, 422, ""),
    "another type": (numbered(1), ALL, "application/zip", 415, ""),
}


@with_api
async def test_what_cannot_be_read_is_refused_and_leaves_nothing(api: Api) -> None:
    for name, (body, target, media, status, said) in GARBAGE.items():
        reply = await send(api, body, target, media)
        assert reply.status == status, (name, reply.status, reply.body)
        assert said in reply.json()["detail"], (name, reply.body)
    refused = (await send(api, b'{"serial":7}\n', media=NDJSON)).json()
    assert refused["errors"][0]["pointer"].startswith("row 1") and refused["errors"][0]["remedy"]
    assert await look(api, "SELECT 1 FROM import_job") == []
    assert await rows_left(api) == 0


@with_api
async def test_a_token_does_not_wait_in_the_database(api: Api) -> None:
    line = {"serial": "theirs", "authentication_token": "tok-0123456789abcdefgh", "data": {"points": 1}}
    body = b'{"serial":"ours"}\n' + json.dumps(line).encode() + b"\n"
    job = await taken(api, body, media=NDJSON)
    [error] = await wrong(api, job)
    assert (error["row"], error["column"]) == (2, "authentication_token") and "passes:batch" in error["what_to_do"]
    for name in ("import_job", "import_row", "import_error"):
        assert "tok-0123" not in str(await look(api, f"SELECT * FROM {name}"))


@with_api
async def test_too_much_is_refused_and_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = await send(api, b"serial\n" + b"x" * (16 << 20))
    assert reply.status == 413 and "livepass import passes" in reply.json()["hint"]
    monkeypatch.setattr(imports, "MOST_ROWS", 7)
    monkeypatch.setattr(imports, "STORED", 3)
    reply = await send(api, numbered(8))
    assert reply.status == 413 and "more than 7 rows" in reply.json()["detail"]
    assert await rows_left(api) == 0
    [job] = await look(api, "SELECT id, state FROM import_job")
    assert job["state"] == "abandoned" and (await api.call("GET", f"/imports/{job['id']}")).status == 404
    await api.services.store.write(lambda tx: tx.prune(Prunable.IMPORTS, 0, 10))
    assert await look(api, "SELECT 1 FROM import_job") == []
    monkeypatch.setattr(imports, "MOST_IN_VAIN", 3)
    reply = await send(api, table("short", "short", "short", "short", "good,1"))
    assert reply.status == 422 and "none of the first 3 rows" in reply.json()["detail"]
    monkeypatch.setattr(imports, "MOST_UNDER_WAY", 2)
    for _ in range(2):
        await taken(api, numbered(7))
    reply = await send(api, numbered(1))
    assert (reply.status, reply.json()["code"]) == (409, "imports_under_way")
    await through(api)
    await taken(api, numbered(1))


# ── once


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_repeat_gets_the_same_import(api: Api) -> None:
    key = [(b"idempotency-key", b"the-key")]
    first, again = [await send(api, numbered(3), headers=key) for _ in range(2)]
    assert (first.status, first.body) == (again.status, again.body)
    assert again.headers["location"] == first.headers["location"]
    assert len(await look(api, "SELECT 1 FROM import_job")) == 1
    assert (await send(api, numbered(4), headers=key)).status == 422, "another file under the same key"


@pytest.mark.usefixtures("engine")
def test_an_import_that_was_not_acknowledged_is_not_begun(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    """The process dies between two transactions of taking it in: what is there is worked on by nobody, and goes."""

    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            store = api.services.store
            honest = store.write

            async def dies(work: Any) -> Any:
                if "_open" in work.__qualname__:
                    raise asyncio.CancelledError
                if "take.<locals>.<lambda>" in work.__qualname__ and (await rows_left(api)) >= 3:
                    raise asyncio.CancelledError  # nor does it clean up
                return await honest(work)

            kept, imports.STORED = imports.STORED, 3
            store.write = dies  # type: ignore[method-assign]
            try:
                with pytest.raises(asyncio.CancelledError):
                    await send(api, numbered(5))
            finally:
                store.write = honest  # type: ignore[method-assign]
                imports.STORED = kept
            [job] = await look(api, "SELECT id, state, created_at FROM import_job")
            assert job["state"] == "receiving" and await rows_left(api) == 3
            assert (await api.call("GET", f"/imports/{job['id']}")).status == 404
            assert not await importer_of(api.services).once()
            before = job["created_at"] + ABANDONED_MS - KEPT_MS
            for ms, left in ((0, 1), (1, 0)):
                while await store.write(lambda tx, ms=ms: tx.prune(Prunable.IMPORTS, before + ms, 2)):  # type: ignore[misc]
                    pass
                assert len(await look(api, "SELECT 1 FROM import_job")) == left
            assert await rows_left(api) == 0

    asyncio.run(work())


async def child(api: Api, after: int, *more: str) -> int:
    config = api.services.config
    command = [sys.executable, "-m", "web.import_child", config.database_url, config.secret_key[0], str(after), *more]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    ended = await asyncio.to_thread(subprocess.run, command, timeout=60, check=False, env=env)
    return ended.returncode


@pytest.mark.usefixtures("engine", "small_lots")
def test_whoever_is_killed_when_each_row_is_done_once(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    """kill -9 of real workers, one after the other, after each kind of transaction: claim, passes, leave."""

    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            job = await taken(api, numbered(3 * LOT) + b"bad serial,1\n")
            for after, done in ((1, 0), (2, LOT), (3, 2 * LOT)):
                assert await child(api, after) == -signal.SIGKILL
                assert (await told(api, job))["made"] == done
                assert len(await edits(api)) == done
                await run(api, "UPDATE import_job SET lease_until = 0")
            assert await child(api, 0) == 0
            assert await tally(api, job) == ("finished", 3 * LOT, 0, 0, 1, 0)
            assert set((await edits(api)).values()) == {1}

    asyncio.run(work())


@pytest.mark.usefixtures("engine", "small_lots")
def test_two_workers_at_once_share_what_there_is(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api, wiring.opened(api.services.config) as other:
            jobs = [await taken(api, numbered(3 * LOT)), await taken(api, table("m1,1", "m2,2", "n1,1", "n2,2"))]
            await asyncio.gather(through(api), *(_through(other) for _ in range(2)))
            found = [await told(api, job) for job in jobs]
            assert [each["state"] for each in found] == ["finished", "finished"]
            assert sum(each["made"] for each in found) == 3 * LOT + 2 == len(await edits(api))
            assert sum(each[name] for each in found for name in ("made", "changed", "unchanged")) == 3 * LOT + 4

    asyncio.run(work())


async def _through(services: wiring.Services) -> None:
    worker = importer_of(services)
    while await worker.once():
        pass


@pytest.mark.usefixtures("engine", "small_lots")
def test_who_lost_the_lease_changes_nothing(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    """A worker that was held up for longer than its lease comes back when another has done its rows."""

    async def work() -> None:
        async with opened(tmp_path, certificates) as api, wiring.opened(api.services.config) as other:
            job = await taken(api, numbered(LOT))
            slow = importer_of(other)
            drawn, go = asyncio.Event(), asyncio.Event()
            honest = other.issuing._draw

            async def held_up(wishes: Any) -> Any:
                drafts = await honest(wishes)
                drawn.set()
                await go.wait()
                return drafts

            other.issuing._draw = held_up  # type: ignore[method-assign]
            late = asyncio.create_task(slow.once())
            await drawn.wait()
            assert not await importer_of(api.services).once(), "it is somebody's"
            await run(api, "UPDATE import_job SET lease_until = 0")
            await through(api)
            go.set()
            assert await late
            assert await tally(api, job) == ("finished", LOT, 0, 0, 0, 0)
            assert set((await edits(api)).values()) == {1}

    asyncio.run(work())


# ── whose


@with_api
async def test_an_import_is_its_own_callers(api: Api) -> None:
    ours = await api.key("passes:read", "passes:write", pass_types=[PASS_TYPE])
    others = await api.key("passes:read", "passes:write", pass_types=[OTHER])
    colleague = await api.key("passes:read", pass_types=[PASS_TYPE])
    job = await taken(api, table("a,1"), key=ours)
    mixed = await taken(api, table(f"b,1,{PASS_TYPE}", f"c,2,{OTHER}", header="serial,points,pass_type"))
    assert (await told(api, job, key=ours))["rows"] == 1
    assert (await told(api, job, key=colleague))["rows"] == 1
    for key, one in ((others, job), (others, mixed), (ours, mixed)):
        for method, target in (("GET", ""), ("GET", "/errors"), ("DELETE", "")):
            assert (await api.call(method, f"/imports/{one}{target}", key=key)).status == 404
    reply = await send(api, table("c,2"), f"/imports?pass_type={OTHER}&template=membership", key=ours)
    assert reply.status == 422 and "there is no pass" in reply.body.decode()
    assert (await api.call("DELETE", f"/imports/{job}", key=colleague)).status == 403


@pytest.mark.usefixtures("engine")
@with_api
async def test_another_tenants_import_is_none(api: Api) -> None:
    await api.ok("POST", "/tenants", {"name": "brand"})
    job = await taken(api, numbered(1))
    api.tenant = "brand"
    for method, target in (("GET", ""), ("GET", "/errors"), ("DELETE", "")):
        assert (await api.call(method, f"/imports/{job}{target}")).status == 404
    assert (await send(api, numbered(1))).status == 422, "neither the template nor the pass type is theirs"
    await api.ok("POST", "/templates", body=folder_zip("membership/"), media="application/zip")
    assert (await send(api, numbered(1))).status == 422, "the pass type is not theirs"
    api.tenant = ""
    await through(api)
    assert await tally(api, job) == ("finished", 1, 0, 0, 0, 0)


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_tenant_goes_with_the_imports_that_are_over(api: Api) -> None:
    await api.ok("POST", "/tenants", {"name": "brand"})
    job = await taken(api, numbered(1) + b"short\n")
    await run(api, "UPDATE import_job SET tenant = 'brand'")
    reply = await api.call("DELETE", "/tenants/brand")
    assert reply.status == 409 and "1 imports that are not over" in reply.json()["detail"]
    api.tenant = "brand"
    assert (await api.call("DELETE", f"/imports/{job}")).status == 204
    api.tenant = ""
    assert (await api.call("DELETE", "/tenants/brand")).status == 204
    for name in ("import_job", "import_row", "import_error"):
        assert await look(api, f"SELECT * FROM {name}") == []


# ── all of them


async def listed(api: Api, limit: int = 50, **more: Any) -> list[list[str]]:
    """The ids of each page."""
    pages, target = [], f"/imports?limit={limit}"
    while target:
        reply = await api.call("GET", target, **more)
        page = reply.json()
        pages.append([each["id"] for each in page["data"]])
        target = page["next_cursor"] and f"/imports?limit={limit}&cursor={page['next_cursor']}"
        assert ("link" in reply.headers) == bool(target)
    return pages


@pytest.mark.usefixtures("engine")
@with_api
async def test_the_list_is_newest_first_and_says_what_one_says(api: Api) -> None:
    assert await listed(api) == [[]]
    jobs = [await taken(api, numbered(number)) for number in range(1, 6)]
    await run(api, f"UPDATE import_job SET created_at = 1000, turn_at = 1000 WHERE id IN ('{jobs[1]}', '{jobs[2]}')")
    for job in (jobs[0], jobs[3], jobs[4]):
        await run(
            api, f"UPDATE import_job SET created_at = {2000 + jobs.index(job)}, turn_at = 2000 WHERE id = '{job}'"
        )
    await run(api, f"UPDATE import_job SET state = 'receiving' WHERE id = '{jobs[3]}'")
    same = sorted(jobs[1:3], reverse=True)
    assert await listed(api) == [[jobs[4], jobs[0], *same]]
    assert await listed(api, 1) == [[jobs[4]], [jobs[0]], [same[0]], [same[1]]]
    assert await listed(api, 3) == [[jobs[4], jobs[0], same[0]], [same[1]]]
    assert await importer_of(api.services).once()
    assert (await api.call("DELETE", f"/imports/{jobs[4]}")).status == 204
    found = (await api.ok("GET", "/imports"))["data"]
    assert found == [await told(api, each["id"]) for each in found]
    assert {each["state"] for each in found} == {"waiting", "finished", "cancelled"}


@with_api
async def test_a_page_holds_what_its_reader_may_see_and_is_full(api: Api) -> None:
    await api.ok("POST", "/tenants", {"name": "brand"})
    ours = await api.key("passes:read", "passes:write", pass_types=[PASS_TYPE])
    nothing = await api.key("templates:write")
    seen = []
    for number in range(9):
        owner = {} if number % 3 else {"key": ours}
        pass_type = PASS_TYPE if number % 3 < 2 else OTHER
        job = await taken(api, table(f"a{number},1"), f"/imports?pass_type={pass_type}&template=membership", **owner)
        await run(api, f"UPDATE import_job SET created_at = {number} WHERE id = '{job}'")
        seen += [job] if number % 3 < 2 else []
    seen.reverse()
    assert await listed(api, 2, key=ours) == [seen[:2], seen[2:4], seen[4:]]
    assert len((await listed(api))[0]) == 9
    assert (await api.call("GET", "/imports", key=nothing)).status == 403
    errors = (await api.call("GET", f"/imports/{seen[0]}/errors")).json()
    assert errors["next_cursor"] is None
    for garbled in ("x", "WyJwYXNzZXMiLFsiYSIsImIiXV0"):
        assert (await api.call("GET", f"/imports?cursor={garbled}")).status == 422
    api.tenant = "brand"
    assert await listed(api) == [[]]


# ── ended early, erased, forgotten


@pytest.mark.usefixtures("engine", "small_lots")
def test_cancelled_it_ends_and_what_is_made_stays(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            job = await taken(api, numbered(2 * LOT))
            assert await importer_of(api.services).once()
            for _ in range(2):
                assert (await api.call("DELETE", f"/imports/{job}")).status == 204
            await through(api)
            assert await tally(api, job) == ("cancelled", LOT, 0, 0, 0, 0)
            assert len(await edits(api)) == LOT and await rows_left(api) == 0

    asyncio.run(work())


@pytest.mark.usefixtures("engine")
@with_api
async def test_an_erased_pass_is_made_by_no_row_that_waited(api: Api) -> None:
    await api.issue("n1", "1")
    job = await taken(api, numbered(3) + b"n2,,\n")
    for serial in ("n1", "n2"):  # n2 is nowhere but in the row
        assert (await api.call("DELETE", f"/passes/{PASS_TYPE}/{serial}?erase=1")).status == 204
    await through(api)
    assert set(await edits(api)) == {"n3"}
    found = await told(api, job)
    assert (found["state"], found["rows"], found["made"], found["refused"]) == ("finished", 4, 1, 1)
    assert (await api.call("DELETE", f"/passes/{PASS_TYPE}/n2?erase=1")).status == 404


@pytest.mark.usefixtures("engine")
def test_a_pass_that_is_erased_while_it_is_drawn_is_not_made(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            await api.issue("n1", "1")
            job = await taken(api, numbered(3))
            honest, first = api.services.issuing._draw, True

            async def drawn(wishes: Any) -> Any:
                nonlocal first
                drafts = await honest(wishes)
                if first:
                    first = False
                    for serial in ("n1", "n2"):
                        await api.services.issuing.erase(PASS_TYPE, serial)
                return drafts

            api.services.issuing._draw = drawn  # type: ignore[method-assign]
            await through(api)
            assert await edits(api) == {"n3": 1}
            assert await tally(api, job) == ("finished", 1, 0, 0, 0, 0)

    asyncio.run(work())


@pytest.mark.usefixtures("engine")
@with_api
async def test_errors_that_quote_a_pass_go_with_it(api: Api) -> None:
    await taken(api, b'{"serial":"n1","points":1}\n{"serial":"n1","data":7}\n{"serial":"n2","data":{}}\n', media=NDJSON)
    await through(api)
    assert [row["serial"] for row in await look(api, "SELECT serial FROM import_error")] == ["n1", "n2"]
    assert (await api.call("DELETE", f"/passes/{PASS_TYPE}/n1?erase=1")).status == 204
    assert [row["serial"] for row in await look(api, "SELECT serial FROM import_error")] == ["n2"]


@pytest.mark.usefixtures("engine")
@with_api
async def test_it_is_kept_for_a_week_after_its_end(api: Api) -> None:
    job = await taken(api, numbered(2) + b"short\n")
    waits = await taken(api, numbered(1))
    await run(api, f"UPDATE import_job SET turn_at = turn_at + 1000 WHERE id = '{waits}'")
    assert await importer_of(api.services).once()
    [row] = await look(api, f"SELECT ended_at FROM import_job WHERE id = '{job}'")

    async def prune(before: int) -> None:
        while await api.services.store.write(lambda tx: tx.prune(Prunable.IMPORTS, before, 1)):
            pass

    await prune(row["ended_at"])
    assert await wrong(api, job)
    await prune(row["ended_at"] + 1)
    assert (await api.call("GET", f"/imports/{job}")).status == 404
    assert await look(api, "SELECT 1 FROM import_error") == []
    assert (await told(api, waits))["waiting"] == 1, "what is not over is kept, however old"


# ── the loop


@with_api
async def test_a_worker_takes_it_up_by_itself_and_ends_when_asked(api: Api) -> None:
    worker = importer_of(api.services)
    running = asyncio.create_task(worker.run())
    try:
        job = await taken(api, numbered(3))
        async with asyncio.timeout(30):
            while (await told(api, job))["state"] != "finished":  # noqa: ASYNC110 - the database has no event
                await asyncio.sleep(0.02)
    finally:
        await worker.stop()
        async with asyncio.timeout(30):
            await running


@with_api
async def test_phones_that_are_served_slowly_come_first(api: Api) -> None:
    async def slow() -> float | None:
        return 0.5

    await taken(api, numbered(1))
    worker = importer_of(api.services)
    worker._slowest = slow
    assert await worker._one_round() == importer.LONGEST_REST_SECONDS
    assert await worker._one_round() is None


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("engine")
def test_workers_that_are_killed_at_any_moment_do_each_row_once(tmp_path: Path, pass_certificate: Issued) -> None:
    """``livepass worker`` as an operator runs it, two at a time, killed and started until the import is over."""
    chance = random.Random(20261129)
    count = 2000
    with running(tmp_path, pass_certificate, "--no-worker") as service:
        command = [sys.executable, "-m", "livepass", "worker"]
        reply = service.api("POST", ALL, numbered(count), CSV)
        assert reply.status == 202, reply.body
        url, job = service.environment["LIVEPASS_DATABASE_URL"], f"/imports/{reply.json()['id']}"
        kills, made = 0, 0
        while service.api("GET", job).json()["state"] != "finished":
            with (tmp_path / "worker.log").open("ab") as log:
                workers = [subprocess.Popen(command, env=dict(service.environment), stderr=log) for _ in range(2)]
            try:
                before = time.monotonic()
                rest = chance.uniform(0.05, 2.0)
                while time.monotonic() < before + 60 and service.api("GET", job).json()["made"] == made:
                    time.sleep(0.05)  # until they have begun; then for a while
                time.sleep(rest)
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()
            kills += len(workers)
            made = service.api("GET", job).json()["made"]
            engines.run(url, "UPDATE import_job SET lease_until = 0")
        told = service.api("GET", job).json()
        assert (told["made"], told["changed"], told["unchanged"], told["refused"]) == (count, 0, 0, 0)
        written = engines.look(url, "SELECT edit FROM pass WHERE serial LIKE 'n%'")
        assert [row["edit"] for row in written] == [1] * count
        assert kills >= 4
