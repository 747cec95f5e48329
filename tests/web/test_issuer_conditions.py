"""``ETag``, ``If-Match`` and ``If-None-Match``: of two changes of one version, one wins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass import wiring
from livepass.emulators.authority import Issued
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued as Changed
from livepass.service.preconditions import Precondition, PreconditionFailed
from web.asgi import PASS_TYPE, Api, opened, with_api

ONE = f"/passes/{PASS_TYPE}/1"
PUT = {"template": "membership", "data": {"points": 1}}


def match(tag: str) -> list[tuple[bytes, bytes]]:
    return [(b"if-match", tag.encode())]


def none_match(tag: str) -> list[tuple[bytes, bytes]]:
    return [(b"if-none-match", tag.encode())]


def points(number: int) -> dict[str, object]:
    return {"data": {"points": number}}


@with_api
async def test_a_change_of_the_version_that_was_read(api: Api) -> None:
    made = await api.call("PUT", ONE, PUT)
    read = await api.call("GET", ONE)
    assert made.headers["etag"] == read.headers["etag"] == (await api.call("HEAD", ONE)).headers["etag"]
    tag = read.headers["etag"]
    changed = await api.call("PATCH", ONE, points(2), headers=match(f'W/"weak", {tag}'))
    assert changed.status == 200
    assert changed.headers["etag"] != tag

    for method, json in (("PATCH", points(3)), ("PUT", PUT), ("DELETE", None)):
        for query in ("", "?dry_run=1", *(["?erase=1"] if method == "DELETE" else [])):
            refused = await api.call(method, ONE + query, json, headers=match(tag))
            assert (refused.status, refused.json()["code"]) == (412, "precondition_failed"), (method, query)
    now = await api.call("GET", ONE)
    assert now.headers["etag"] == changed.headers["etag"]
    assert now.json()["data"] == {"points": 2}
    gone = await api.call("DELETE", ONE + "?erase=1", headers=match(now.headers["etag"]))
    assert gone.status == 204


@with_api
async def test_a_version_is_one_of_a_pass_and_not_of_its_phones(api: Api) -> None:
    tag = (await api.call("PUT", ONE, PUT)).headers["etag"]
    await api.register("1", "phone")
    assert (await api.call("GET", ONE)).headers["etag"] == tag
    # Written anew with the same bytes it is another writing all the same: somebody was there.
    again = await api.call("PUT", ONE, PUT)
    assert not again.json()["changed"]
    assert again.headers["etag"] != tag
    # Erased and made again it starts at its first writing, and is another pass.
    await api.call("DELETE", ONE + "?erase=1")
    assert (await api.call("PUT", ONE, PUT)).headers["etag"] != tag


@with_api
async def test_only_if_there_is_none_and_only_if_there_is_one(api: Api) -> None:
    assert (await api.call("PUT", ONE, PUT, headers=match("*"))).status == 412
    assert await api.row("1") is None
    assert (await api.call("PUT", ONE, PUT, headers=none_match("*"))).status == 201
    assert (await api.call("PUT", ONE, PUT, headers=none_match("*"))).status == 412
    assert (await api.call("PUT", ONE, PUT, headers=match("*"))).status == 200
    tag = (await api.call("GET", ONE)).headers["etag"]
    assert (await api.call("PATCH", ONE, points(2), headers=none_match(f"W/{tag}"))).status == 412
    assert (await api.call("PATCH", ONE, points(2), headers=none_match('"another"'))).status == 200
    # A weak tag never matches strongly.
    tag = (await api.call("GET", ONE)).headers["etag"]
    assert (await api.call("PATCH", ONE, points(3), headers=match(f"W/{tag}"))).status == 412
    # What is not there is not there, whatever the condition; and reading is not held back by one.
    missing = await api.call("PATCH", f"/passes/{PASS_TYPE}/none", points(1), headers=match('"x"'))
    assert missing.status == 404
    assert (await api.call("GET", ONE, headers=none_match(tag))).status == 200


@with_api
@pytest.mark.parametrize("value", ["", "abc", '"a" "b"', '"a",', '"a', "*, *", ",".join(['"a"'] * 5000)])
async def test_a_condition_that_cannot_be_read_is_never_passed_over(api: Api, value: str) -> None:
    await api.call("PUT", ONE, PUT)
    reply = await api.call("PATCH", ONE, points(2), headers=match(value))
    assert (reply.status, reply.json()["code"]) == (422, "precondition")
    assert (await api.call("GET", ONE)).json()["data"] == {"points": 1}


@with_api
async def test_a_condition_where_none_is_heeded_is_refused(api: Api) -> None:
    reply = await api.call("POST", f"{ONE}:push", headers=match("*"))
    assert (reply.status, reply.json()["code"]) == (422, "precondition")


@pytest.mark.usefixtures("engine")
def test_of_many_changes_of_one_version_exactly_one_wins(tmp_path: Path, certificates: tuple[Issued, Issued]) -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api, wiring.opened(api.services.config) as other:
            processes = (api.services, other)
            for number in range(5):
                made = await api.call("PUT", ONE, PUT)
                only_if = Precondition((made.headers["etag"].strip('"'),))
                wishes = [
                    Wish(PASS_TYPE, "1", data={"points": 10 * number + each}, patch=True, only_if=only_if)
                    for each in range(6)
                ]
                results = await asyncio.gather(
                    *(processes[each % 2].issuing.put(wish) for each, wish in enumerate(wishes)),
                    return_exceptions=True,
                )
                won = [each for each in results if isinstance(each, Changed)]
                assert len(won) == 1, results
                assert all(isinstance(each, Changed | PreconditionFailed) for each in results)
                row = await api.row("1")
                assert row is not None
                [winner] = [wish for wish, result in zip(wishes, results, strict=True) if isinstance(result, Changed)]
                assert row.data == b'{"points":%d}' % (winner.data or {})["points"]

    asyncio.run(work())
