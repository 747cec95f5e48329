"""The control port, call by call."""

from __future__ import annotations

import asyncio
import json

import pytest

from emulators.apns.conftest import OTHER, PASS_TYPE, TOKEN
from emulators.apns.h2client import call, eventually
from livepass.emulators.apns.control import ROUTES

pytestmark = pytest.mark.anyio


async def test_the_index_lists_every_call(apns):
    status, said = await call(apns.control_url, "GET", "/")
    assert status == 200
    assert said["apns"] == apns.url
    assert len(said["calls"]) == len(ROUTES)


async def test_a_device_is_born_pushed_dies_and_comes_back(apns, sender):
    control = apns.control_url
    status, said = await call(control, "POST", f"/devices/{OTHER}", {"topics": [PASS_TYPE]})
    assert (status, said["fresh"], said["topics"], said["listening"]) == (200, True, [PASS_TYPE], False)
    assert (await sender.push(OTHER)).status == 200
    assert [push["topic"] for push in (await call(control, "GET", f"/devices/{OTHER}"))[1]["stored"]] == [PASS_TYPE]
    status, said = await call(control, "DELETE", f"/devices/{OTHER}", {"timestamp_ms": 1_700_000_000_001})
    assert (said["dead_at_ms"], said["dead_reason"], said["stored"]) == (1_700_000_000_001, "Unregistered", [])
    assert (await sender.push(OTHER)).body == b'{"reason":"Unregistered","timestamp":1700000000001}'
    await call(control, "DELETE", f"/devices/{OTHER}", {"reason": "ExpiredToken"})
    assert (await sender.push(OTHER)).reason == "ExpiredToken"
    status, said = await call(control, "POST", f"/devices/{OTHER}", {"topics": ["*"]})
    assert (said["fresh"], said["dead_at_ms"]) == (True, None)
    await call(control, "DELETE", f"/devices/{OTHER}", {"topics": [PASS_TYPE], "timestamp_ms": 5})
    assert (await sender.push(OTHER)).status == 410
    assert {device["token"] for device in (await call(control, "GET", "/devices"))[1]["devices"]} == {TOKEN, OTHER}


async def test_a_long_poll_hears_a_push(apns, sender):
    waiting = asyncio.create_task(call(apns.control_url, "GET", f"/devices/{TOKEN}/pushes?wait=30"))
    await eventually(lambda: apns.phones.describe(TOKEN)["listening"])
    reply = await sender.push(TOKEN, apns_expiration="0")
    status, said = await asyncio.wait_for(waiting, 10)
    (push,) = said["pushes"]
    assert (status, push["topic"], push["apns_id"]) == (200, PASS_TYPE, reply.headers["apns-id"])
    assert push["at_ms"] == apns.history()[0].at_ms


async def test_a_poll_that_hangs_up_loses_nothing(apns, sender):
    host, port = apns.control_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /devices/{TOKEN}/pushes?wait=30 HTTP/1.1\r\n\r\n".encode())
    await eventually(lambda: apns.phones.describe(TOKEN)["listening"])
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.01)
    await sender.push(TOKEN)
    said = (await call(apns.control_url, "GET", f"/devices/{TOKEN}/pushes?wait=5"))[1]
    assert len(said["pushes"]) == 1


async def test_an_offline_phone_polls_in_vain(apns, sender):
    control = apns.control_url
    assert (await call(control, "POST", f"/devices/{TOKEN}/offline"))[1]["offline"] is True
    for _ in range(3):
        await sender.push(TOKEN)
    assert (await call(control, "GET", f"/devices/{TOKEN}/pushes"))[1] == {"pushes": []}
    assert (await call(control, "POST", f"/devices/{TOKEN}/online"))[1]["offline"] is False
    said = (await call(control, "GET", f"/devices/{TOKEN}/pushes?wait=1"))[1]
    assert [push["apns_id"] for push in said["pushes"]] == [apns.history()[-1].apns_id]


async def test_history_can_be_filtered_and_forgotten(apns, sender):
    apns.register_device(OTHER, [PASS_TYPE])
    await sender.push(TOKEN, apns_priority="10")
    await sender.push(OTHER)
    await sender.push(OTHER, "pass.else")
    control = apns.control_url

    async def numbers(query: str) -> list[int]:
        return [entry["number"] for entry in (await call(control, "GET", f"/history{query}"))[1]["history"]]

    assert await numbers("") == [1, 2, 3]
    assert await numbers(f"?token={OTHER.upper()}") == [2, 3]
    assert await numbers("?topic=pass.else") == [3]
    assert await numbers(f"?token={OTHER}&after=2") == [3]
    first = (await call(control, "GET", "/history"))[1]["history"][0]
    assert (first["status"], first["reason"], first["delivery"], first["payload"]) == (200, None, "stored", "{}")
    assert (first["headers"]["apns-priority"], first["connection"], first["method"]) == ("10", 1, "POST")
    await call(control, "DELETE", "/history")
    assert await numbers("") == []
    await sender.push(TOKEN)
    assert await numbers("") == [4]


async def test_chaos_is_set_read_and_cleared(apns, sender):
    control = apns.control_url
    faults = [{"fault": "status:500", "count": 1}, {"fault": "429", "token": OTHER, "probability": 0.5}]
    status, said = await call(control, "PUT", "/chaos", {"faults": faults, "seed": 9})
    assert (status, said["seed"], [fault["fault"] for fault in said["faults"]]) == (200, 9, ["status:500", "429"])
    assert (await sender.push(TOKEN)).status == 500
    assert (await call(control, "GET", "/chaos"))[1]["faults"][0]["struck"] == 1
    assert len((await call(control, "DELETE", "/chaos?fault=429"))[1]["faults"]) == 1
    assert len((await call(control, "PUT", "/chaos", {"preset": "hostile"}))[1]["faults"]) > 5
    assert (await call(control, "DELETE", "/chaos"))[1]["faults"] == []


async def test_goaway_and_settings(apns, sender):
    control = apns.control_url
    await call(control, "POST", "/settings", {"max_concurrent_streams": 3})
    await sender.until(lambda: sender.limits == [1000, 3])
    assert (await call(control, "POST", "/goaway", {"reason": "Shutdown"}))[1] == {"connections": 1}
    await sender.until(lambda: sender.goaway is not None)
    assert sender.goaway.additional_data == b'{"reason":"Shutdown"}'


async def test_down_up_and_stats(apns, sender, open_sender):
    control = apns.control_url
    await sender.push(TOKEN)
    await sender.push(OTHER)
    said = (await call(control, "GET", "/stats"))[1]
    assert said["outcomes"] == {"200": 1, "400 BadDeviceToken": 1}
    assert (said["up"], said["connections_open"], said["requests"]) == (True, 1, 2)
    assert (await call(control, "POST", "/down"))[1] == {"up": False}
    with pytest.raises(OSError):
        await open_sender(apns)
    assert (await call(control, "POST", "/up"))[1] == {"up": True}
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("GET", "/nowhere", None, 404, "nothing is at"),
        ("PUT", "/stats", None, 405, "GET"),
        ("GET", f"/devices/{OTHER}", None, 404, "no phone"),
        ("GET", f"/devices/{OTHER}/pushes", None, 404, "no phone"),
        ("POST", f"/devices/{OTHER}/offline", None, 404, "no phone"),
        ("POST", f"/devices/{OTHER}", None, 400, "topics"),
        ("POST", f"/devices/{OTHER}", {"topics": "pass.a"}, 400, "list of strings"),
        ("POST", f"/devices/{OTHER}", {"topics": [5]}, 400, "list of strings"),
        ("POST", f"/devices/{OTHER}", {"topics": ["no topic"]}, 400, "topics"),
        ("POST", f"/devices/{OTHER}", {"topic": ["pass.a"]}, 400, "known here: topics"),
        ("POST", f"/devices/{OTHER}", [1], 400, "JSON object"),
        ("POST", "/devices/zz", {"topics": ["pass.a"]}, 400, "not a device token"),
        ("DELETE", "/devices/zz", None, 400, "not a device token"),
        ("DELETE", f"/devices/{TOKEN}", {"timestamp_ms": "now"}, 400, "timestamp_ms"),
        ("DELETE", f"/devices/{TOKEN}", {"reason": "BadDeviceToken"}, 400, "ExpiredToken"),
        ("GET", f"/devices/{TOKEN}/pushes?wait=long", None, 400, "wait"),
        ("GET", f"/devices/{TOKEN}/pushes?wait=-1", None, 400, "wait"),
        ("GET", f"/devices/{TOKEN}/pushes?wait=nan", None, 400, "wait"),
        ("GET", "/history?after=x", None, 400, "after"),
        ("GET", "/history?tokn=x", None, 400, "tokn"),
        ("PUT", "/chaos", {}, 400, "either"),
        ("PUT", "/chaos", {"preset": "nice"}, 400, "hostile"),
        ("PUT", "/chaos", {"preset": 5}, 400, "string"),
        ("PUT", "/chaos", {"faults": "status:500"}, 400, "list of objects"),
        ("PUT", "/chaos", {"faults": [{"fault": "boom"}]}, 400, "no fault is called"),
        ("PUT", "/chaos", {"faults": [], "seed": "x"}, 400, "seed"),
        ("POST", "/goaway", {"reason": 5}, 400, "reason"),
        ("POST", "/goaway", {"last_stream_id": -1}, 400, "last_stream_id"),
        ("POST", "/settings", {}, 400, "max_concurrent_streams"),
        ("POST", "/settings", {"max_concurrent_streams": True}, 400, "whole number"),
    ],
)
async def test_a_wrong_call_says_what_was_wrong(apns, method, path, body, status, word):
    found, said = await call(apns.control_url, method, path, body)
    assert found == status
    assert word in said["error"]


async def test_bodies_that_are_no_json(apns):
    for body in (b"{", b"\xff\xfe", b"[" * 3000):
        raw = b"PUT /chaos HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        status, said = await call(apns.control_url, "", "", raw=raw)
        assert (status, "not JSON" in said["error"]) == (400, True)


async def test_a_kept_connection_serves_call_after_call(apns):
    host, port = apns.control_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for _ in range(3):
        writer.write(b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(length))["up"] is True
    writer.close()
    await writer.wait_closed()
