"""A batch: a line each way, one number for those that go together, and no bad line in the way of a good one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from livepass.core.shedding import Level
from livepass.core.unavailable import Unavailable
from livepass.service.issuing import BATCH_LIMIT
from livepass.web import issuer_batch
from livepass.web.issuer_batch import LARGEST_LINE
from livepass.web.spool import IN_MEMORY, Spool
from web.asgi import NDJSON, OTHER, PASS_TYPE, Api, with_api


def line(serial: str, points: object = 1, pass_type: str = PASS_TYPE, **more: Any) -> bytes:
    body = {"pass_type": pass_type, "serial": serial, "template": "membership", "data": {"points": points}, **more}
    return json.dumps(body).encode() + b"\n"


async def sent(api: Api, body: bytes | list[bytes], **more: Any) -> list[Any]:
    """The result lines of a batch."""
    reply = await api.call("POST", "/passes:batch", body=body, media=NDJSON, **more)
    assert reply.status == 200, reply
    return reply.lines()


async def seq(api: Api, pass_type: str = PASS_TYPE) -> int:
    counter = await api.services.store.counter(pass_type)
    assert counter is not None
    return counter.seq


# ── lines


@with_api
async def test_bad_lines_hold_up_nothing(api: Api, engine: str) -> None:
    body = b"".join(
        [
            line("1"),
            b"\r\n",
            b"{not json\n",
            line("2", templte="x"),
            line("3", []),
            line("4", pass_type="pass.test.none"),
            line("5", pass_type=OTHER),
            b'{"serial":"6"}\n',
            b"\xff\n",
            line("7").strip(),
        ]
    )
    reply = await api.call("POST", "/passes:batch", body=body, media=NDJSON)
    lines = reply.lines()
    assert reply.status == 200 and reply.headers["content-type"] == NDJSON
    assert [each["line"] for each in lines] == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [each["line"] for each in lines if each["ok"]] == [1, 7, 10]
    problems = {each["line"]: each["problem"]["code"] for each in lines if not each["ok"]}
    assert problems == {
        3: "malformed",
        4: "unknown_field",
        5: "template_data",
        6: "no_certificate",
        8: "invalid",
        9: "malformed",
    }
    assert "did you mean template?" in lines[2]["problem"]["hint"]
    assert (await api.row("1")) is not None and (await api.row("2")) is None
    assert lines[0]["number"] == lines[-1]["number"] == 1, "one transaction and one number"
    assert lines[0]["changed"] is True and lines[0]["tag"]


@with_api
async def test_lines_may_arrive_in_any_pieces(api: Api) -> None:
    body = line("1") + line("2")
    pieces = [body[i : i + 7] for i in range(0, len(body), 7)]
    assert [each["ok"] for each in await sent(api, pieces)] == [True, True]


@with_api
async def test_nothing_is_a_batch_too(api: Api) -> None:
    assert await sent(api, b"") == await sent(api, b"\n \r\n") == []


@with_api
async def test_a_line_is_bounded_and_the_others_go_on(api: Api) -> None:
    long = b'{"pass_type":"' + b"a" * LARGEST_LINE
    lines = await sent(api, [long[:600_000], long[600_000:], b'"}\n', line("1")])
    assert [(each["line"], each["ok"]) for each in lines] == [(1, False), (2, True)]
    assert lines[0]["problem"]["code"] == "too_large" and "1024 KiB" in lines[0]["problem"]["detail"]
    assert [each["ok"] for each in await sent(api, long + b"\n" + line("2"))] == [False, True]
    assert [each["ok"] for each in await sent(api, line("3") + long)] == [True, False], "also without an end"


@with_api
async def test_a_pass_type_that_the_key_may_not_see_is_not_there(api: Api) -> None:
    narrow = await api.key("passes:write", pass_types=[OTHER])
    refused, done = await sent(api, line("1") + line("1", pass_type=OTHER), key=narrow)
    assert refused["problem"]["code"] == "not_found" and done["ok"]
    reply = await api.call("POST", "/passes:batch", body=line("2"), media=NDJSON, key=await api.key("passes:read"))
    assert (reply.status, reply.json()["code"]) == (403, "missing_scope")


# ── transactions


@with_api
async def test_so_many_lines_share_a_number_and_no_more(api: Api, engine: str) -> None:
    body = b"".join(line(str(n)) for n in range(BATCH_LIMIT + 1))
    lines = await sent(api, body)
    assert [each["line"] for each in lines] == list(range(1, BATCH_LIMIT + 2))
    assert {each["number"] for each in lines[:BATCH_LIMIT]} == {1} and lines[-1]["number"] == 2
    again = await sent(api, body)
    assert not any(each["changed"] for each in again)
    assert await seq(api) == 2, "what changes nothing takes no number"


@with_api
async def test_many_bytes_make_a_transaction_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_batch, "GATHERED_BYTES", 2 * len(line("1")) - 2)
    assert [each["number"] for each in await sent(api, b"".join(line(str(n)) for n in range(5)))] == [1, 1, 2, 2, 3]


@with_api
async def test_of_two_lines_for_a_pass_the_later_one_counts(api: Api, engine: str) -> None:
    lines = await sent(api, line("1", 1) + line("2", 1) + line("1", 2) + line("1", 2) + line("1", 3, OTHER))
    assert [(each["changed"], each["number"]) for each in lines] == [
        (True, 1), (True, 1), (True, 2), (False, 2), (True, 1),
    ]  # fmt: skip
    row = await api.row("1")
    assert row is not None and json.loads(row.data) == {"points": 2}


# ── ends


@with_api
async def test_what_was_cut_off_is_as_if_never_sent(api: Api, engine: str) -> None:
    first = b"".join(line(str(n)) for n in range(BATCH_LIMIT))
    # The last line is whole JSON, and may yet be only the first part of what was meant.
    reply = await api.call(
        "POST", "/passes:batch", body=[first, line("later"), line("last").strip()], media=NDJSON, hangs_up=True
    )
    assert len(reply.lines()) == BATCH_LIMIT
    assert (await api.row("999")) is not None
    assert (await api.row("later")) is None and (await api.row("last")) is None
    again = await sent(api, first + line("later") + line("last"))
    assert [each["changed"] for each in again] == [False] * BATCH_LIMIT + [True, True], "sending it again is safe"
    assert await seq(api) == 2


@with_api
async def test_too_many_lines_end_the_call_where_they_begin(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_batch, "MOST_LINES", 3)
    body = b"".join(line(str(n)) for n in range(3)) + b"\n" + line("4") + b"x" * 100_000
    *done, end = await sent(api, [body[i : i + 5000] for i in range(0, len(body), 5000)])
    assert [each["ok"] for each in done] == [True, True, True]
    assert (end["line"], end["ok"], end["ended"], end["problem"]["code"]) == (5, False, True, "too_large")
    assert await api.row("4") is None
    assert len(await sent(api, b"\n" * 10 + b"".join(line(str(n)) for n in range(3)))) == 3, "empty ones do not count"


@with_api
async def test_too_many_bytes_end_the_call(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_batch, "LARGEST_BATCH", 1000)
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 1)
    first, end = await sent(api, [line("1"), b" " * 500, b" " * 500, line("2")])
    assert first["ok"] and end["problem"]["code"] == "too_large" and end["ended"]
    declared = [(b"content-length", b"99999999999")]
    reply = await api.call("POST", "/passes:batch", body=line("3"), media=NDJSON, headers=declared)
    assert (reply.status, reply.json()["code"]) == (413, "too_large")


@with_api
async def test_a_database_that_goes_away_ends_the_call_with_the_first_line_that_is_open(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 2)
    real = api.services.issuing.put_many

    async def goes_away(wishes: Any, push: Any) -> Any:
        if wishes[0].serial == "2":
            raise Unavailable("gone")
        return await real(wishes, push)

    monkeypatch.setattr(api.services.issuing, "put_many", goes_away)
    *done, end = await sent(api, b"".join(line(str(n)) for n in range(5)))
    assert [each["ok"] for each in done] == [True, True]
    assert (end["line"], end["ended"], end["problem"]["code"]) == (3, True, "unavailable")
    assert end["problem"]["request_id"]
    # Where nothing was answered yet, the answer's status can say it.
    reply = await api.call("POST", "/passes:batch", body=line("2"), media=NDJSON)
    api.replies.pop()
    assert (reply.status, reply.json()["code"], reply.headers["retry-after"]) == (503, "unavailable", "5")


@with_api
async def test_a_fault_of_ours_ends_the_call_and_says_nothing_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 1)
    real = api.services.issuing.put_many

    async def breaks(wishes: Any, push: Any) -> Any:
        if wishes[0].serial == "2":
            raise ValueError("a secret detail")
        return await real(wishes, push)

    monkeypatch.setattr(api.services.issuing, "put_many", breaks)
    _, end = await sent(api, line("1") + line("2"), headers=[(b"x-request-id", b"mine")])
    assert (end["problem"]["code"], end["problem"]["request_id"]) == ("internal", "mine")
    assert "secret" not in json.dumps(end) and "a secret detail" in caplog.text and "mine" in caplog.text


@with_api
async def test_a_process_that_is_about_to_end_begins_nothing_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 1)
    load, real = api.services.answering.load, api.services.issuing.put_many

    async def told_meanwhile(wishes: Any, push: Any) -> Any:
        load.leaving = True
        return await real(wishes, push)

    monkeypatch.setattr(api.services.issuing, "put_many", told_meanwhile)
    first, end = await sent(api, line("1") + line("2"))
    assert first["ok"] and (end["line"], end["problem"]["code"]) == (2, "stopping")
    assert await api.row("2") is None


# ── pressure


@with_api
async def test_a_mass_change_gives_way_to_phones_and_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    real = issuer_batch.asyncio.sleep

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            load.level = 0
        await real(0)

    load = api.services.answering.load
    load.level = int(Level.REGISTER)
    monkeypatch.setattr(issuer_batch.asyncio, "sleep", sleep)
    assert [each["ok"] for each in await sent(api, line("1"))] == [True]
    assert len([each for each in waited if each]) == 3
    monkeypatch.setattr(issuer_batch, "GIVE_WAY_SECONDS", 0.0)
    load.level = int(Level.REGISTER)
    assert [each["ok"] for each in await sent(api, line("2"))] == [True], "delayed, never refused"
    load.level = 0


@with_api
async def test_phones_get_their_turn_between_lines_that_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 10_000)
    turns = 0

    async def phone() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    asking = asyncio.create_task(phone())
    assert len(await sent(api, b"{}\n" * 2000)) == 2000
    asking.cancel()
    assert turns > 2000 / issuer_batch.AT_A_STRETCH


# ── the spool


@with_api
async def test_the_spool_gives_back_what_it_got(api: Api) -> None:
    spool = Spool()
    pieces = [bytes([n % 251]) * 4093 for n in range(3 * IN_MEMORY // 4093)]
    for piece in pieces:
        spool.write(piece)
    spool.end()
    read = []
    while data := await spool.read():
        read.append(data)
    assert b"".join(read) == b"".join(pieces) and await spool.read() == b""
    spool.close()


@with_api
async def test_a_spool_that_is_read_as_it_fills_stays_small(api: Api) -> None:
    spool = Spool()
    for n in range(100):
        spool.write(bytes([n]) * 40_000)
        assert await spool.read() == bytes([n]) * 40_000
    assert not spool._file._rolled  # type: ignore[attr-defined]
    spool.close()
