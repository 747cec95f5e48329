"""A pass on too many phones: no registration is refused, no phone that asks is forgotten, and it is said once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from livepass.core.timeline import Event, Kind
from livepass.emulators.authority import Issued
from livepass.service.answering import Answering
from service.rig import HOUR, MINUTE, SECOND, TYPE, Rig, rig

CAP = 4


def capped(service: Rig, cap: int = CAP) -> None:
    parts = (service.store, service.keys, service.builder, service.recorder, service.clock, service.chance)
    service.answering = Answering(*parts, phones_per_pass=cap)


async def register(service: Rig, *devices: str) -> None:
    for device in devices:
        service.clock.pass_(SECOND)
        assert await service.register("1", device, device.encode().hex()) == 201
        await service.recorder.settle()


async def phones(service: Rig) -> list[str]:
    return sorted(one.device.device_id for one in await service.store.held(TYPE, "1"))


async def said(service: Rig) -> list[Event]:
    return [event for event in await service.timeline("1") if event.kind is Kind.TOO_MANY_PHONES]


def test_those_that_never_asked_go_the_oldest_first(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            capped(service)
            await service.issue("1")
            await register(service, "a", "b", "c", "d", "e", "f")
            assert await phones(service) == list("abcdef"), "an hour to ask"
            [event] = await said(service)
            assert event.detail == {"phones": 5, "cap": CAP, "never_asked": 0}
            for device in ("b", "d"):
                await service.ask(device)
            service.clock.pass_(2 * HOUR)
            await register(service, "g")
            assert await phones(service) == list("bdfg"), "a, c, e were three too many; f was not"
            assert [event.detail["never_asked"] for event in await said(service)] == [0, 3]
            assert sorted(service.elsewhere("SELECT device_id FROM device")) == [(device,) for device in "bdfg"]
            assert service.elsewhere("SELECT count(*) FROM push_target") == [(4,)]
            assert (await service.ask("b"))[0] == ["1"]

    asyncio.run(main())


def test_a_crowd_that_lives_stays_and_is_said_once_an_hour(tmp_path: Path, pass_certificate: Issued) -> None:
    """One coupon for everybody: each of its phones is reached, however many they are."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            capped(service)
            await service.issue("1")
            for n in range(40):
                await register(service, f"p{n:02}")
                await service.ask(f"p{n:02}")
                service.clock.pass_(MINUTE)
            assert len(await phones(service)) == 40
            assert len(await said(service)) == 1
            service.clock.pass_(HOUR)
            await register(service, "q0", "q1")
            assert len(await said(service)) == 2
            capped(service)  # as after a start: what was said stands in the database
            await register(service, "q2")
            assert len(await said(service)) == 2
            assert len(await phones(service)) == 43

    asyncio.run(main())


def test_several_that_come_at_once_are_said_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            capped(service, 1)
            await service.issue("1")
            await asyncio.gather(*(service.register("1", f"p{n}", f"a{n}") for n in range(8)))
            assert len(await said(service)) == 1

    asyncio.run(main())


def test_a_phone_that_registers_again_is_alive(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            capped(service, 2)
            await service.issue("1")
            await register(service, "a", "b")
            service.clock.pass_(2 * HOUR)
            assert await service.register("1", "a", b"a".hex()) == 200
            await register(service, "c", "d")
            assert await phones(service) == list("acd")

    asyncio.run(main())


def test_without_a_cap_everybody_stays_and_nothing_is_said(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            capped(service, 0)
            await service.issue("1")
            await register(service, *(f"p{n}" for n in range(8)))
            service.clock.pass_(2 * HOUR)
            await register(service, "q")
            assert len(await phones(service)) == 9
            assert await said(service) == []

    asyncio.run(main())


def test_at_the_cap_nothing_is_said(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            capped(service)
            await service.issue("1")
            await register(service, "a", "b", "c", "d")
            assert await said(service) == []
            assert await service.register("1", "a", b"a".hex()) == 200
            await service.recorder.settle()
            assert await said(service) == [], "one that is there is not one more"

    asyncio.run(main())
