"""Privacy requests: what is kept of a person is handed over whole, and is gone from the whole database once erased."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.core.authorization import fingerprint
from livepass.core.console import Audited
from livepass.core.timeline import Event, Kind
from livepass.emulators.authority import Issued
from livepass.service.access import SCOPES, Caller
from web.asgi import OTHER, PASS_TYPE, Api, opened, with_api

ADA, BOB = "crm-ada-4711", "crm-bob-0815"
TOKENS = {"ada": "adadadad" * 8, "bob": "b0bb0b0b" * 8, "both": "cafecafe" * 8}
POINTS = {"ada": 918273645, "bob": 546372819}


async def seed(api: Api) -> None:
    """Two people, each with a pass of either type, phones, enrolments, lines of logs, kept answers; and one phone that
    holds passes of both.
    """
    for who, holder in (("ada", ADA), ("bob", BOB)):
        for pass_type in (PASS_TYPE, OTHER):
            serial = f"serial-{who}"
            body = {"template": "membership", "data": {"points": POINTS[who]}, "holder": holder}
            keyed = [(b"idempotency-key", f"{serial} {pass_type}".replace(" ", ":").encode())]
            await api.ok("PUT", f"/passes/{pass_type}/{serial}", body, headers=keyed)
            await api.register(serial, f"device-{who}", TOKENS[who], pass_type)
            await api.enrol(serial, f"Name of {who}", pass_type)
            line = (
                f"[2026-11-23 10:00:00 +0000] Get pass task (pass type {pass_type}, serial number {serial}; with web"
                f" service url https://passes.example.com/wallet) encountered error: words-{who}"
            )
            api.services.answering.testify(json.dumps({"logs": [line]}).encode(), f"connection-{who}")
            row = Audited(1, "default", "clerk", "admin", "pass: set", f"{pass_type}/{serial}", {})
            await api.services.store.write(lambda tx, row=row: tx.add_audit(row))
            pushed = Event(Kind.PUSH_ACCEPTED, 1, pass_type, target=fingerprint(TOKENS[who]), seq=1)
            await api.services.store.write(lambda tx, pushed=pushed: tx.add_events([pushed]))
            await api.services.answering.ask(pass_type, f"device-{who}", None, f"connection-{who}")
            token = f"ApplePass {await api.token(serial, pass_type)}"
            (await api.services.answering.fetch(pass_type, serial, token, None, f"connection-{who}")).written()
            polled = await api.services.answering.fetch(pass_type, serial, token, None, None, user_agent="okhttp/4")
            polled.written()
        await api.register(f"serial-{who}", "device-both", TOKENS["both"])
    await api.services.answering.ask(PASS_TYPE, "device-both", None, None)
    await api.services.recorder.settle()


WORDS = {
    who: (
        *(holder, f"serial-{who}", f"device-{who}", f"words-{who}"),
        *(str(POINTS[who]), TOKENS[who], fingerprint(TOKENS[who])),
    )
    for who, holder in (("ada", ADA), ("bob", BOB))
}


def whole(url: str) -> bytes:
    """Every byte that the database keeps: SQLite's file, vacuumed as the runbook says; else all rows of all tables."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))
    rows = [row for table in engines.tables(url) for row in engines.look(url, f"SELECT * FROM {table}")]
    return b"".join(map(_plainly, rows))


def _plainly(row: dict[str, Any]) -> bytes:
    """With what is bytes as bytes, too."""
    texts = [str(value) for value in row.values()]
    return repr(row).encode() + b"".join(bytes.fromhex(text[2:]) for text in texts if text.startswith("\\x"))


@pytest.mark.usefixtures("engine")
def test_what_is_erased_is_gone_from_the_whole_database(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            await seed(api)
            url = api.services.config.database_url
            before = await asyncio.to_thread(whole, url)
            assert [word for words in WORDS.values() for word in words if word.encode() not in before] == []
            sealed = [one.sealed for one in await api.services.store.enrolments_of(PASS_TYPE, "serial-ada")]
            would = await api.ok("DELETE", f"/holders/{ADA}?dry_run=1")
            receipt = await api.ok("DELETE", f"/holders/{ADA}")
            assert {**would, "dry_run": False, "at": ""} == {**receipt, "at": ""}
            assert [(one["pass_type"], one["serial"]) for one in receipt["passes"]] == [
                (PASS_TYPE, "serial-ada"),
                (OTHER, "serial-ada"),
            ]
            assert (receipt["registrations"], receipt["enrolments"]) == (3, 2)
            assert any("backups" in one for one in receipt["remains"])
            assert any("webhooks" in one for one in receipt["remains"])
            await api.services.recorder.settle()
            after = await asyncio.to_thread(whole, url)
            assert [word for word in WORDS["ada"] if word.encode() in after] == []
            assert [one for one in sealed if one in after] == []
            assert [word for word in WORDS["bob"] if word.encode() not in after] == []
            assert b"device-both" in after
            assert (await api.call("GET", f"/holders/{ADA}")).status == 404
            assert (await api.call("DELETE", f"/holders/{ADA}")).status == 404
            done = [(row["who"], row["subject"]) for row in engines.look(url, "SELECT * FROM audit ORDER BY id")]
            bobs = [("clerk", f"{pass_type}/serial-bob") for pass_type in (PASS_TYPE, OTHER)]
            assert done == [("clerk", "(erased)")] * 2 + bobs

    asyncio.run(work())


@with_api
async def test_what_is_kept_is_handed_over_whole(api: Api) -> None:
    await seed(api)
    found = await api.ok("GET", f"/holders/{ADA}")
    text = json.dumps(found)
    for word in (*WORDS["ada"], "Name of ada"):
        assert word in text or word == TOKENS["ada"], word
    assert TOKENS["ada"] not in text, "whoever has a push token can push"
    assert await api.token("serial-ada") not in text
    assert [word for word in (*WORDS["bob"], "Name of bob") if word in text] == []
    for one in found["passes"]:
        assert one["data"] == {"points": POINTS["ada"]}
        kinds = {"issued", "registered", "asked", "fetched", "polled", "testified"}
        assert {event["kind"] for event in one["timeline"]} >= kinds
        assert not one["more_events"]


@with_api
async def test_whose_a_pass_is(api: Api) -> None:
    one = f"/passes/{PASS_TYPE}/1"
    first = await api.call("PUT", one, {"template": "membership", "data": {"points": 1}, "holder": ADA})
    package = (await api.call("GET", f"{one}/pkpass")).body
    named = await api.call("PATCH", one, {"holder": BOB})
    assert not named.json()["changed"], "no phone sees it"
    assert named.headers["etag"] != first.headers["etag"]
    assert ADA.encode() not in package and (await api.ok("GET", one))["holder"] == BOB
    # What is left out stays; null takes it away.
    await api.ok("PUT", one, {"data": {"points": 2}})
    assert [row["serial"] for row in (await api.ok("GET", f"/passes?holder={BOB}"))["data"]] == ["1"]
    assert (await api.ok("GET", f"/passes?holder={ADA}"))["data"] == []
    await api.ok("PATCH", one, {"holder": None})
    assert (await api.ok("GET", one))["holder"] is None
    assert (await api.call("GET", f"/holders/{BOB}")).status == 404


@with_api
async def test_who_may_and_of_which_passes(api: Api) -> None:
    await seed(api)
    others = await api.key("passes:read", "passes:write", "enrolments:read", "logs:read")
    assert (await api.call("GET", f"/holders/{ADA}", key=others)).status == 403
    assert (await api.call("DELETE", f"/holders/{ADA}", key=others)).status == 403
    limited = await api.key("holders:admin", pass_types=[OTHER])
    found = await api.ok("GET", f"/holders/{ADA}", key=limited)
    assert [one["pass_type"] for one in found["passes"]] == [OTHER]
    await api.ok("DELETE", f"/holders/{ADA}", key=limited)
    assert await api.row("serial-ada") is not None
    assert await api.row("serial-ada", OTHER) is None
    assert (await api.call("DELETE", f"/holders/{ADA}", key=limited)).status == 404


@with_api
async def test_what_was_given_to_another_meanwhile_is_not_erased(api: Api) -> None:
    await seed(api)
    holders = api.app.services.holders
    rows = await holders._passes(Caller("root", "default", frozenset(SCOPES)), ADA)
    await api.ok("PATCH", f"/passes/{PASS_TYPE}/serial-ada", {"holder": BOB})
    assert [await holders._erase(row, ADA) for row in rows if row.pass_type == PASS_TYPE] == [(0, 0)]
    assert await api.row("serial-ada") is not None
