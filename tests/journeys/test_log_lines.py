"""What stands in the log at INFO after a life of passes and phones: no serial number, device id or push token."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter

from journeys.leaks import forms
from journeys.service_process import serve
from journeys.test_crashes import patient_phone
from journeys.world import PASS_TYPE, World, journey, shows, until

SERIALS = ("AdaMarkerByron", "serial-marker-4711.x")
"""The first one looks like a word, as a part of a path that Apple might have thought of does."""


@journey(elsewhere=True, books=False, content=False, limit=60)
async def test_nobody_is_named_in_the_log_and_lines_of_a_request_carry_its_id(world: World) -> None:
    """Fails when a line at INFO names a pass, a phone or a push token, in any form, or does not name its request."""
    with tempfile.TemporaryFile() as said:
        async with serve(world, stderr=said.fileno()) as service, world.client() as client:
            named = {"a serial": SERIALS[0], "another serial": SERIALS[1], "a stranger": "stranger-marker-99"}
            for serial in SERIALS:
                await _issuer(world, client, "PUT", serial, {"template": "membership", "data": {"points": 1}})
            phone = await patient_phone(world)
            await phone.install(await world.pkpass(SERIALS[0]))
            await until(lambda: phone.wallet[SERIALS[0]].registered)
            await _issuer(world, client, "PATCH", f"{SERIALS[0]}?push=now", {"data": {"points": 2}})
            await shows(phone, SERIALS[0], 2)
            [record] = phone.wallet.records.values()
            named |= {"push token": phone.wallet.push_token, "device id": record.device_id}
            statuses = [await _stranger(world, client, *call) for call in _calls(named)]
            assert Counter(statuses)[401] >= 2 and 200 in statuses
            await _issuer(world, client, "PUT", SERIALS[0], {"template": "none of ours", "data": {}}, status=422)
            await asyncio.sleep(0.5)
            await service.stop()
        said.seek(0)
        lines = [json.loads(line) for line in said.read().splitlines()]
    text = json.dumps(lines, ensure_ascii=False).encode()
    found = [(name, form) for name, value in named.items() for form, look in forms(value.encode()) if look in text]
    assert found == [], text.decode()
    unknown = [line for line in lines if "unknown message" in line["message"]]
    assert [line["message"].split(" to ")[1] for line in unknown] == ["/v1/passes/…/…/news (2 bytes)"] * 2
    ids = [line["request"] for line in unknown]
    assert all(each.startswith("dev_") for each in ids) and len(set(ids)) == 2
    asked = [line for line in lines if line["message"].startswith("request mine-17:")]
    assert len(asked) == 4 and {line["request"] for line in asked} == {"mine-17"}


async def _issuer(world: World, client, method: str, path: str, body: object, status: int = 0) -> None:
    target = f"{world.issuer_url}/api/v1/passes/{PASS_TYPE}/{path}"
    headers = {"Authorization": f"Bearer {world.config.admin_key}", "X-Request-Id": "mine-17"}
    answer = await client.request(method, target, headers=headers, json=body)
    assert answer.status_code in ((status,) if status else (200, 201)), answer.text


def _calls(named: dict[str, str]) -> list[tuple[str, str, object]]:
    """What a stranger asks for: refused, misunderstood, or in a path that we do not know."""
    serial, other, token = SERIALS[0], named["a stranger"], named["push token"]
    line = (
        f"Get pass task (pass type {PASS_TYPE}, serial number {serial}) encountered error: {named['device id']} {token}"
    )
    return [
        ("POST", f"/v1/devices/{other}/registrations/{PASS_TYPE}/{serial}", {"pushToken": token}),
        ("DELETE", f"/v1/devices/{other}/registrations/{PASS_TYPE}/{serial}", None),
        ("GET", f"/v1/passes/{PASS_TYPE}/{serial}", None),
        ("GET", f"/v1/devices/{other}/registrations/{PASS_TYPE}?passesUpdatedSince={other}", None),
        ("POST", f"/v1/passes/{PASS_TYPE}/{serial}/news", {}),
        ("POST", f"/v1/passes/{PASS_TYPE}/{SERIALS[1]}/news", {}),
        ("POST", f"/v1/v1/devices/{other}/registrations/{PASS_TYPE}/{serial}", {"pushToken": token}),
        ("POST", "/v1/log", {"logs": [line, other]}),
    ]


async def _stranger(world: World, client, method: str, path: str, body: object) -> int:
    answer = await client.request(method, f"{world.url}{path}", json=body)
    return int(answer.status_code)
