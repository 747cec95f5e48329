"""kill -9 of the PostgreSQL server under load: nobody hangs, nothing acknowledged is lost, nothing is restarted."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx2
import pytest

import engines
from concurrency import ledger
from concurrency.office import PASS_TYPE, config, settings, stock
from crashes.scene import register
from livepass import wiring
from livepass.core.trip2_push import PushMessage
from livepass.embed.apps import everything
from livepass.emulators.authority import Authority
from livepass.service.drafting import Wish
from livepass.service.pushing import SWEEP_SECONDS, Dispatcher
from servers import postgres as servers
from servers.postgres import NoPostgres, Server, without
from service.rig import ScriptedSender, until

PASSES = [f"p{number}" for number in range(20)]
CRASHES = 3
HANGS_SECONDS = 30.0
"""Longer than every wait that the product allows itself."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """One of our own, which everything that is asked of ``engines`` goes to."""
    try:
        started = Server.start()
    except NoPostgres as error:
        without(str(error))
    monkeypatch.setattr(servers, "shared", lambda: started)
    monkeypatch.setattr(engines, "_template", engines._template.__wrapped__)
    yield started
    started.close()


class Load:
    """Phones that register and ask, and issuers that change passes, as fast as the answers come."""

    def __init__(self, services: wiring.Services, tokens: dict[str, str]) -> None:
        self.services = services
        self.tokens = tokens
        self.registered: dict[tuple[str, str], str] = {}
        self.changed: set[tuple[str, int]] = set()
        self.answers: Counter[int] = Counter()
        self.ending = False
        transport = httpx2.ASGITransport(app=everything(services))
        self.client = httpx2.AsyncClient(transport=transport, base_url=services.config.public_url)

    async def call(self, method: str, path: str, **more: object) -> httpx2.Response:
        async with asyncio.timeout(HANGS_SECONDS):
            answer = await self.client.request(method, path, **more)
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            await asyncio.sleep(0.02)
        return answer

    async def phone(self, name: str) -> None:
        for number in count():
            if self.ending:
                return
            serial, device, token = random.choice(PASSES), f"{name}-{number}", secrets.token_hex(32)
            url = f"/wallet/v1/devices/{device}/registrations/{PASS_TYPE}"
            allowed = {"Authorization": f"ApplePass {self.tokens[serial]}"}
            answer = await self.call("POST", f"{url}/{serial}", headers=allowed, json={"pushToken": token})
            assert answer.status_code in (201, 503), answer
            if answer.status_code == 201:
                self.registered[device, serial] = token
                told = await self.call("GET", url)
                assert told.status_code in (200, 503), told
            fetched = await self.call("GET", f"/wallet/v1/passes/{PASS_TYPE}/{serial}", headers=allowed)
            assert fetched.status_code in (200, 503), fetched

    async def issuer(self, name: str) -> None:
        key = {"Authorization": f"Bearer {self.services.config.admin_key}"}
        for number in count():
            if self.ending:
                return
            serial = random.choice(PASSES)
            body = {"data": {"value": f"{name}-{number}"}}
            answer = await self.call("PATCH", f"/api/v1/passes/{PASS_TYPE}/{serial}", headers=key, json=body)
            # 409: another change of this pass was faster, many times over.
            assert answer.status_code in (200, 409, 503), answer.text
            if answer.status_code == 200:
                self.changed.add((serial, int(answer.json()["tag"].split(".")[2])))

    async def goes_on(self) -> None:
        """Wait until more of everything is acknowledged."""
        registered, changed = len(self.registered), len(self.changed)
        enough = lambda: len(self.registered) > registered + 9 and len(self.changed) > changed + 9  # noqa: E731
        await until(enough, "phones and issuers are answered", 60)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_server_that_is_killed_under_load_costs_503s_and_nothing_acknowledged(
    tmp_path: Path, authority: Authority, engine: str, server: Server
) -> None:
    async def main() -> None:
        shared = settings(tmp_path, admin_key=secrets.token_hex(16), phones_per_pass=0)
        await stock(shared, authority, {PASS_TYPE: PASSES})
        url = shared["database_url"]
        async with wiring.opened(config(shared)) as services, wiring.opened(config(shared)) as elsewhere:
            rows = {serial: await services.store.pass_(PASS_TYPE, serial) for serial in PASSES}
            tokens = {
                serial: services.keys.token("default", PASS_TYPE, serial, row.token)
                for serial, row in rows.items()
                if row is not None
            }
            load = Load(services, tokens)
            sender = ScriptedSender()
            parts = (elsewhere.builder, elsewhere.clock, elsewhere.chance, elsewhere.scheduler, elsewhere.due)
            worker = Dispatcher(elsewhere.store, sender, *parts)
            working = asyncio.create_task(worker.run())
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(load.phone(f"phone{number}"))
                    group.create_task(load.issuer(f"issuer{number}"))
                for _ in range(CRASHES):
                    await load.goes_on()
                    await asyncio.to_thread(server.kill)
                    refused = load.answers[503]
                    await until(lambda refused=refused: load.answers[503] > refused + 20, "503 while it is away", 60)
                    await asyncio.to_thread(server.start_again)
                    await load.goes_on()
                load.ending = True
            assert set(load.answers) <= {200, 201, 409, 503}

            # The worker in the other process was not restarted either, and hears of changes as before.
            assert await register(services, "last", "ab" * 32, "p0") == 201
            await services.issuing.put(Wish(PASS_TYPE, "p0", data={"value": "last"}, patch=True), "now")
            await until(lambda: _sent(sender.sent, "ab" * 32), "a push long before the sweep", SWEEP_SECONDS / 2)
            await worker.stop()
            await working
        engines.require_sound(url)
        _all_there(url, load)

    asyncio.run(main())


def _all_there(url: str, load: Load) -> None:
    history = ledger.History.of(url)
    assert list(ledger.gaps(history)) == []
    assert ledger.loose_ends(url) == []
    for serial, number in load.changed:
        assert number in history.numbers[PASS_TYPE, serial], "a change that was acknowledged"
    rows = engines.run(url, "SELECT r.device_id, r.serial, d.push_token FROM registration r "
                            "JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id")  # fmt: skip
    present = {(device, serial): token for device, serial, token in rows}
    assert load.registered.items() <= present.items()


def _sent(messages: list[PushMessage], token: str) -> bool:
    return any(message.push_token == token for message in messages)
