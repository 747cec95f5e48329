"""A batch: a line each way, one number for all, and no bad line in the way of a good one."""

from __future__ import annotations

import json
from typing import Any

from livepass.web.issuer_batch import LARGEST_BATCH, LARGEST_LINE
from web.asgi import NDJSON, OTHER, PASS_TYPE, Api, with_api


def line(serial: str, points: object = 1, pass_type: str = PASS_TYPE, **more: Any) -> bytes:
    body = {"pass_type": pass_type, "serial": serial, "template": "membership", "data": {"points": points}, **more}
    return json.dumps(body).encode() + b"\n"


@with_api
async def test_bad_lines_hold_up_nothing(api: Api) -> None:
    body = b"".join(
        [
            line("1"),
            b"\r\n",
            b"{not json\n",
            line("2", templte="x"),
            line("3", []),
            line("4", pass_type="pass.test.none"),
            line("1", 2),
            line("5", pass_type=OTHER),
            b'{"serial":"6"}\n',
            b"\xff\n",
            line("7").strip(),
        ]
    )
    reply = await api.call("POST", "/passes:batch", body=body, media=NDJSON)
    lines = reply.lines()
    assert reply.status == 200 and reply.headers["content-type"] == NDJSON
    assert [each["line"] for each in lines] == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [each["line"] for each in lines if each["ok"]] == [1, 8, 11]
    problems = {each["line"]: each["problem"]["code"] for each in lines if not each["ok"]}
    assert problems == {
        3: "malformed",
        4: "unknown_field",
        5: "template_data",
        6: "no_certificate",
        7: "invalid",
        9: "invalid",
        10: "malformed",
    }
    assert (await api.row("1")) is not None and (await api.row("2")) is None
    assert lines[0]["number"] == lines[-1]["number"] == 1
    assert lines[0]["changed"] is True and lines[0]["tag"]


@with_api
async def test_a_thousand_is_the_most(api: Api) -> None:
    reply = await api.call("POST", "/passes:batch", body=b"{}\n" * 1001, media=NDJSON)
    assert (reply.status, reply.json()["code"]) == (413, "too_large")
    assert "1000" in reply.json()["hint"]
    assert len((await api.call("POST", "/passes:batch", body=b"{}\n" * 1000, media=NDJSON)).lines()) == 1000
    empty = await api.call("POST", "/passes:batch", body=b"\n\n", media=NDJSON)
    assert (empty.status, empty.body) == (200, b"")


@with_api
async def test_lines_may_arrive_in_any_pieces(api: Api) -> None:
    body = line("1") + line("2")
    pieces = [body[i : i + 7] for i in range(0, len(body), 7)]
    reply = await api.call("POST", "/passes:batch?push=none", body=pieces, media=NDJSON)
    assert [each["ok"] for each in reply.lines()] == [True, True]


@with_api
async def test_sizes_are_bounded(api: Api) -> None:
    long = b'{"pass_type":"' + b"a" * LARGEST_LINE
    chunks = [long[:600_000], long[600_000:], b'"}\n', line("1")]
    lines = (await api.call("POST", "/passes:batch", body=chunks, media=NDJSON)).lines()
    assert [each["ok"] for each in lines] == [False, True]
    assert lines[0]["problem"]["code"] == "too_large"
    whole = (await api.call("POST", "/passes:batch", body=long + b"\n" + line("2"), media=NDJSON)).lines()
    assert [each["ok"] for each in whole] == [False, True]
    chunk = b" " * (1 << 20)
    much = await api.call("POST", "/passes:batch", body=[chunk] * (LARGEST_BATCH // len(chunk) + 1), media=NDJSON)
    assert much.status == 413


@with_api
async def test_a_batch_that_changes_nothing_takes_no_number(api: Api) -> None:
    body = line("1") + line("2")
    await api.call("POST", "/passes:batch", body=body, media=NDJSON)
    again = (await api.call("POST", "/passes:batch", body=body, media=NDJSON)).lines()
    assert [(each["changed"], each["number"]) for each in again] == [(False, 1), (False, 1)]
    counter = await api.services.store.counter(PASS_TYPE)
    assert counter is not None and counter.seq == 1
