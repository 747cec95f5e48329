"""``POST /passes:bundle``: the passes as they are now in one file, or none and a word about each that cannot be."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import zipfile
from dataclasses import replace

import pytest

from livepass.emulators.authority import Authority
from livepass.pkpass import several
from livepass.web import issuer_requests, operations
from web.asgi import OTHER, PASS_TYPE, Api, Reply, with_api

MINE = (PASS_TYPE, "2")
Name = tuple[str, str]


async def ask(api: Api, *named: Name, key: str | None = None) -> Reply:
    passes = [{"pass_type": pass_type, "serial": serial} for pass_type, serial in named]
    return await api.call("POST", "/passes:bundle", {"passes": passes}, **({"key": key} if key else {}))


def pointers(reply: Reply) -> list[str]:
    return [each["pointer"] for each in reply.json()["errors"]]


def test_the_document_says_what_a_bundle_holds() -> None:
    assert issuer_requests.MOST_IN_BUNDLE == several.MOST_PASSES and several.MEDIA_TYPE == operations.PKPASSES


@with_api
async def test_a_phone_believes_each_and_another_program_unzips_it(
    api: Api, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [(PASS_TYPE, "2"), (OTHER, "1"), (PASS_TYPE, "1")]
    for pass_type, serial in named:
        await api.issue(serial, 3, pass_type)
    threads: list[str] = []
    whole = several.bundle
    monkeypatch.setattr(
        several, "bundle", lambda passes: (threads.append(threading.current_thread().name), whole(passes))[1]
    )
    reply = await ask(api, *named)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/vnd.apple.pkpasses")
    assert reply.headers["content-disposition"] == 'attachment; filename="passes.pkpasses"'
    assert reply.headers["cache-control"] == "private, no-store", "a pass holds its token"
    found = several.verify_all(reply.body, roots=[authority.root])
    assert [(each.pass_type, each.serial) for each in found.values()] == named
    assert list(found) == ["2.pkpass", "1.pkpass", "1-2.pkpass"], "one serial of two types"
    with zipfile.ZipFile(io.BytesIO(reply.body)) as other:
        assert other.testzip() is None
        assert [other.read(name) for name in other.namelist()] == [
            (await api.call("GET", f"/passes/{pass_type}/{serial}/pkpass")).body for pass_type, serial in named
        ]
    assert [name.startswith("livepass-build") for name in threads] == [True]


@with_api
async def test_what_is_not_there_is_named_and_nothing_is_built(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.issue("1", pass_type=OTHER)
    await api.issue("2")
    built: list[str] = []
    whole = api.services.issuing.pkpass

    async def watched(pass_type: str, serial: str) -> bytes:
        built.append(serial)
        return await whole(pass_type, serial)

    monkeypatch.setattr(api.services.issuing, "pkpass", watched)
    narrow = await api.key("passes:read", pass_types=[PASS_TYPE])
    reply = await ask(api, MINE, (OTHER, "1"), (PASS_TYPE, "3"), key=narrow)
    assert (reply.status, reply.json()["code"], pointers(reply)) == (404, "not_found", ["/passes/1", "/passes/2"])
    assert reply.json()["detail"] == "2 of these passes are not there"
    unseen, unknown = [(await ask(api, MINE, (OTHER, serial), key=narrow)).json() for serial in ("1", "9")]
    assert json.dumps({**unseen, "request_id": ""}).replace("other/1", "other/9") == json.dumps(
        {**unknown, "request_id": ""}
    )
    assert built == []
    assert (await ask(api, MINE, (OTHER, "1"))).status == 200 and built == ["2", "1"]


@with_api
async def test_what_cannot_be_built_is_named(api: Api) -> None:
    """A certificate that is revoked signs no pass of its type; the other type's is named nowhere."""
    for pass_type, serial in ((OTHER, "1"), MINE, (OTHER, "2")):
        await api.issue(serial, pass_type=pass_type)
    [link] = await api.services.store.lineage(OTHER)
    await api.services.store.write(lambda tx: tx.put_link(replace(link, revoked_at=1)))
    reply = await ask(api, (OTHER, "1"), MINE, (OTHER, "2"))
    said = reply.json()
    assert (reply.status, said["code"], pointers(reply)) == (422, "cannot_build", ["/passes/0", "/passes/2"])
    assert said["detail"].startswith(f"{OTHER}/1: certificate ") and said["detail"].endswith(
        "and 1 more that cannot be built now"
    )
    assert said["hint"] == said["errors"][0]["remedy"] == "livepass help LP505"


@with_api
async def test_it_holds_each_pass_once_and_one_to_ten(api: Api) -> None:
    await api.issue("2")
    reply = await ask(api, MINE, (PASS_TYPE, "1"), MINE, MINE)
    assert (reply.status, reply.json()["code"], pointers(reply)) == (422, "invalid", ["/passes/2", "/passes/3"])
    assert f"{PASS_TYPE}/2 is /passes/0 again" in reply.json()["detail"]
    for named in ([], [(PASS_TYPE, str(number)) for number in range(11)]):
        reply = await ask(api, *named)
        assert (reply.status, pointers(reply)) == (422, ["/passes"])


@with_api
async def test_what_is_too_large_together_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.issue("1")
    await api.issue("2")
    size = len((await ask(api, MINE, (PASS_TYPE, "1"))).body)
    monkeypatch.setattr(several, "MOST_BYTES", size - 1)
    reply = await ask(api, MINE, (PASS_TYPE, "1"))
    assert (reply.status, reply.json()["code"]) == (422, "cannot_build")
    assert f"has {size} bytes" in reply.json()["detail"]


@with_api
async def test_no_more_than_two_are_in_the_making(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.issue("2")
    making = most = 0
    whole = api.services.issuing.bundled

    async def watched(passes: dict[str, bytes]) -> bytes:
        nonlocal making, most
        making += 1
        most = max(most, making)
        await asyncio.sleep(0.01)
        making -= 1
        return await whole(passes)

    monkeypatch.setattr(api.services.issuing, "bundled", watched)
    replies = await asyncio.gather(*(ask(api, MINE) for _ in range(6)))
    assert [reply.status for reply in replies] == [200] * 6 and most == 2
