"""``pass show`` and ``device list``: a device id that a phone no longer uses says so."""

from __future__ import annotations

import asyncio
import json

from cli.conftest import PASS_TYPE, Livepass
from livepass import config, wiring


def register(*devices: str) -> None:
    """One phone, under one device id after the other."""

    async def work() -> None:
        async with wiring.opened(config.load()) as services:
            row = await services.store.pass_(PASS_TYPE, "1001")
            assert row is not None
            allowed = f"ApplePass {services.keys.token('default', PASS_TYPE, '1001', row.token)}"
            body = json.dumps({"pushToken": "ab"}).encode()
            for device in devices:
                assert (await services.answering.register(PASS_TYPE, "1001", device, allowed, body)).status == 201

    asyncio.run(work())


def line_of(text: str, device: str) -> str:
    [found] = [line for line in text.splitlines() if device in line]
    return found


def test_a_superseded_device_id_says_so(project: Livepass) -> None:
    name = f"{PASS_TYPE}/1001"
    project("pass", "issue", name, "--template", "membership", 'member_no="1001"', "name=Ada", "points=1")
    register("old-phone", "new-phone")
    for words in (("pass", "show", name), ("device", "list")):
        shown = project(*words).out
        assert "superseded" in line_of(shown, "old-phone")
        assert "superseded" not in line_of(shown, "new-phone")
    rows = project("device", "list", "--json").rows
    assert {row["device_id"]: row["superseded"] for row in rows} == {"old-phone": True, "new-phone": False}
