"""Each fault as a sender meets it: frames, not fields."""

from __future__ import annotations

import asyncio

import pytest

from emulators.apns.conftest import OTHER, PASS_TYPE, TOKEN

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        ("status:500", 500, "InternalServerError"),
        ("status:503", 503, "ServiceUnavailable"),
        ("status:503:Shutdown", 503, "Shutdown"),
        ("429", 429, "TooManyRequests"),
        ("status:403:BadCertificate", 403, "BadCertificate"),
        ("status:418:Teapot", 418, "Teapot"),
    ],
)
async def test_status(apns, sender, spec: str, status: int, reason: str):
    apns.chaos.set(spec, count=1)
    reply = await sender.push(TOKEN)
    assert (reply.status, reply.reason) == (status, reason)
    assert (await sender.push(TOKEN)).status == 200
    assert [(entry.fault, entry.push is None) for entry in apns.history()] == [(spec, True), (None, False)]


async def test_a_made_up_410_has_a_timestamp(apns, sender):
    apns.chaos.set("status:410", count=1)
    assert b'"timestamp":' in (await sender.push(TOKEN)).body


async def test_a_target(apns, sender):
    apns.register_device(OTHER, [PASS_TYPE])
    apns.chaos.set("429", token=OTHER)
    assert ((await sender.push(TOKEN)).status, (await sender.push(OTHER)).status) == (200, 429)


async def test_goaway_leaves_streams_unprocessed(apns, sender):
    apns.register_device(OTHER, [PASS_TYPE])
    apns.chaos.set("goaway:Shutdown", count=1, token=OTHER)
    before = [sender.send(TOKEN, flush=False) for _ in range(3)]
    after = [sender.send(OTHER, flush=False), sender.send(TOKEN, flush=False)]
    sender.flush()
    assert [reply.status for reply in await asyncio.gather(*before)] == [200, 200, 200]
    assert all(reply.lost and reply.status == 0 for reply in await asyncio.wait_for(asyncio.gather(*after), 10))
    assert (sender.goaway.last_stream_id, sender.goaway.error_code) == (5, 0)
    assert sender.goaway.additional_data == b'{"reason":"Shutdown"}'
    assert [entry.status for entry in apns.history()] == [200, 200, 200, 0, 0]
    assert [entry.fault for entry in apns.history()][3:] == ["goaway:Shutdown", "goaway"]
    assert sum(apns.phones.fates[fate] for fate in ("stored",)) == 3


async def test_goaway_answers_what_is_in_flight_below_the_last_stream(apns, sender):
    apns.chaos.set("latency:60", token=TOKEN)
    replies = [sender.send(TOKEN) for _ in range(3)]
    await sender.push(OTHER)
    assert apns.goaway("IdleTimeout") == 1
    await sender.until(lambda: sender.goaway is not None)
    assert sender.goaway.last_stream_id == 7
    assert [reply.status for reply in await asyncio.gather(*replies)] == [200, 200, 200]
    await sender.until(sender.gone.is_set)


async def test_goaway_drops_what_is_in_flight_above_the_last_stream(apns, sender):
    apns.chaos.set("latency:60", token=TOKEN)
    replies = [sender.send(TOKEN) for _ in range(3)]
    await sender.push(OTHER)
    apns.goaway("Shutdown", last_stream=3)
    done = await asyncio.wait_for(asyncio.gather(*replies), 10)
    assert [(reply.status, reply.lost) for reply in done] == [(200, False), (200, False), (0, True)]
    assert apns.phones.fates["stored"] == 2


async def test_a_push_behind_a_goaway_is_not_processed(apns, sender):
    apns.chaos.set("latency:100", token=TOKEN)
    first = sender.send(TOKEN)
    await sender.push(OTHER)  # answered, so the one before it has arrived
    apns.goaway("Shutdown")
    late = sender.send(TOKEN)
    assert (await asyncio.wait_for(first, 10)).status == 200
    assert (await asyncio.wait_for(late, 10)).lost
    assert [entry.status for entry in apns.history()] == [400, 0, 200]


@pytest.mark.parametrize(("spec", "code"), [("rst", 7), ("rst:REFUSED_STREAM", 7), ("rst:INTERNAL_ERROR", 2)])
async def test_rst(apns, sender, spec: str, code: int):
    apns.chaos.set(spec, count=1)
    assert (await sender.push(TOKEN)).reset == code
    assert (await sender.push(TOKEN)).status == 200
    assert apns.phones.fates["stored"] == 1


async def test_streams_are_lowered_after_a_refusal_and_restored_after_a_success(apns, sender):
    apns.chaos.set("streams:1")
    assert sender.limits == [1000]
    assert (await sender.push(OTHER)).status == 400
    await sender.until(lambda: sender.limits == [1000, 1])
    assert (await sender.push(OTHER)).status == 400
    assert (await sender.push(TOKEN)).status == 200
    await sender.until(lambda: sender.limits == [1000, 1, 1000])


async def test_streams_already_open_survive_the_lowering(apns, sender):
    apns.chaos.set("streams:1")
    apns.chaos.set("latency:80", token=TOKEN)
    open_ones = [sender.send(TOKEN) for _ in range(60)]
    assert (await sender.push(OTHER)).status == 400
    await sender.until(lambda: sender.limits[-1] == 1)
    assert {reply.status for reply in await asyncio.gather(*open_ones)} == {200}
    await sender.until(lambda: sender.limits == [1000, 1, 1000])


async def test_breaking_the_lowered_limit_is_a_goaway(apns, sender):
    apns.limit_streams(1)
    await sender.until(lambda: sender.limits == [1000, 1])
    await sender.push(TOKEN)  # the acknowledgement is on its way before it
    apns.chaos.set("latency:5000")
    sender.h2.remote_settings.max_concurrent_streams = 1000
    sender.h2.remote_settings.acknowledge()
    replies = [sender.send(TOKEN) for _ in range(2)]
    assert all(reply.lost for reply in await asyncio.wait_for(asyncio.gather(*replies), 10))
    assert sender.goaway.additional_data == b"Maximum active streams violated for this endpoint"
    assert sender.goaway.last_stream_id == 1


async def test_limits_hold_for_later_connections_too(apns, open_sender):
    apns.limit_streams(7)
    assert (await open_sender(apns)).limits == [7]


async def test_latency_keeps_the_order_of_thinking(apns, sender):
    apns.chaos.set("latency:150", count=1)
    slow, quick = sender.send(TOKEN), sender.send(TOKEN)
    await asyncio.wait_for(quick, 10)
    assert not slow.done()
    assert (await asyncio.wait_for(slow, 10)).status == 200
    assert [entry.stream for entry in apns.history()] == [3, 1]


@pytest.mark.parametrize(("spec", "processed"), [("stall", 0), ("stall:after", 1)])
async def test_stall(apns, sender, spec: str, processed: int):
    apns.chaos.set(spec, count=1)
    stalled = sender.send(TOKEN)
    assert (await sender.push(TOKEN)).status == 200
    assert not stalled.done()
    assert apns.phones.fates["stored"] == 1 + processed
    assert apns.history()[0].fault == spec


@pytest.mark.parametrize(("spec", "processed"), [("cut", 0), ("cut:after", 1)])
async def test_cut(apns, sender, open_sender, spec: str, processed: int):
    apns.chaos.set(spec, count=1)
    reply = await sender.push(TOKEN)
    assert reply.lost
    assert sender.goaway is None
    assert apns.phones.fates["stored"] == processed
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


async def test_drop_delivery(apns, sender):
    apns.chaos.set("drop-delivery", count=1)
    assert (await sender.push(TOKEN)).status == 200
    assert await apns.phones.poll(TOKEN, 0) == []
    assert (apns.history()[0].push.fate, apns.history()[0].fault) == ("dropped", "drop-delivery")


async def test_in_a_hostile_world_a_sender_that_tries_again_gets_through(apns, open_sender):
    apns.chaos.preset("hostile")
    sender, accepted, tries = None, 0, 0
    while accepted < 120:
        tries += 1
        assert tries < 2000
        if sender is None or sender.goaway is not None or sender.gone.is_set():
            sender = await open_sender(apns)
        try:
            reply = await asyncio.wait_for(sender.send(TOKEN), 0.3)
        except TimeoutError:
            continue
        accepted += reply.status == 200
    assert tries > 120
    assert sum(fault.struck for fault in apns.chaos.faults) > 20
