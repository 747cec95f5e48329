"""A change can be followed from whoever made it to the phone that fetched it, through all processes, by its spans."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from journeys.service_process import command, serve, worker
from journeys.test_crashes import issuer
from journeys.world import PASS_TYPE, World, journey, shows, until
from outside.collector import Collector, Span

SERIAL = "adas-card-0815"
CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
ASK = "GET /v1/devices/{device}/registrations/{type}"
FETCH = "GET /v1/passes/{type}/{serial}"


@journey(elsewhere=True)
async def test_from_a_change_to_its_push_ask_and_fetch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.issue(SERIAL, 1)
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        serving, pushing = serve(world, "--no-worker"), worker(world)
        async with serving, pushing, issuer(world) as client:
            phone = await world.phone()
            await phone.install(await world.pkpass(SERIAL))
            await until(lambda: phone.wallet[SERIAL].registered)
            await phone.settle()
            over_http = await change(client, 2)
            await shows(phone, SERIAL, 2)
            assert (await command(world, "pass", "set", f"{PASS_TYPE}/{SERIAL}", "points=3", "--push", "now"))[0] == 0
            await shows(phone, SERIAL, 3)
            metrics = (await client.get(f"{world.issuer_url}/metrics")).text
            assert 'livepass_spans_total{outcome="failed"} 0\n' in metrics
            await asyncio.gather(serving.stop(), pushing.stop())
        by_api, by_command = sorted(collector.named("change"), key=lambda span: span.facts["livepass.number"])
        assert by_api.facts["livepass.number"] == over_http
        follows(collector, by_api)
        follows(collector, by_command)
        assert by_command.links == frozenset()
        called(collector, by_api)
        registered(collector)
        assert all(span.resource["service.name"] == "livepass" for span in collector.spans)
        names_nobody(world, collector)


async def change(client: httpx2.AsyncClient, value: int) -> int:
    """Change the pass as a caller that traces itself; its number."""
    answer = await client.patch(
        f"/passes/{PASS_TYPE}/{SERIAL}",
        json={"data": {"points": value}},
        headers={"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"},
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["tag"].split(".")[2])


def follows(collector: Collector, change: Span) -> None:
    """One trace: the change, and below it one push, one ask and one fetch, from the processes that did them."""
    below = {span.name: span for span in collector.spans if span.trace == change.trace and span.id != change.id}
    assert set(below) == {"push", "ask", "fetch"}
    assert {span.parent for span in below.values()} == {change.id}
    assert change.parent == ""
    assert below["push"].facts["livepass.status"] == 200
    assert all(span.facts["livepass.number"] == change.facts["livepass.number"] for span in below.values())
    pids = [span.resource["process.pid"] for span in (below["push"], below["ask"], below["fetch"])]
    assert pids[0] != pids[1] == pids[2]
    for work, route in (("ask", ASK), ("fetch", FETCH)):
        [request] = [span for span in collector.named(route) if span.place in below[work].links]
        assert change.place in request.links, "and back"


def called(collector: Collector, change: Span) -> None:
    """The caller's own trace goes on in the request, which leads to the change, and back."""
    [request] = collector.named("PATCH /api/v1/passes/{type}/{serial}")
    assert (request.trace, request.parent) == CALLER
    assert (request.links, change.links) == ({change.place}, {request.place})
    assert request.facts["http.response.status_code"] == 200


def registered(collector: Collector) -> None:
    """A registration takes a number too, and begins a trace of its own."""
    [register] = collector.named("register")
    [request] = [span for span in collector.spans if span.place in register.links]
    assert request.name == "POST /v1/devices/{device}/registrations/{type}/{serial}"
    assert (register.parent, register.facts["livepass.status"]) == ("", 201)


def names_nobody(world: World, collector: Collector) -> None:
    [(device, push_token)] = world.sql("SELECT device_id, push_token FROM device")
    for secret in (SERIAL, device, push_token, world.config.admin_key, "ApplePass"):
        assert str(secret).encode() not in collector.raw
        assert str(secret).encode().hex().encode() not in collector.raw
