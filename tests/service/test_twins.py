"""One phone under several device ids: the newest stands for it, whatever registers, asks, leaves and at what time."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from livepass.core.model import Held
from livepass.core.timeline import Kind, fold
from livepass.core.trip1_register import TWINS_KEPT
from livepass.emulators.authority import Issued
from service.rig import MINUTE, TYPE, Rig, rig


async def holders(service: Rig, serial: str = "1") -> dict[str, Held]:
    await service.recorder.settle()
    return {one.device.device_id: one for one in await service.store.held(TYPE, serial)}


async def counted(service: Rig, serial: str = "1") -> list[str]:
    """The device ids that stand for a phone."""
    found = await holders(service, serial)
    live = [one.registration for one in found.values() if one.registration.left_at is None]
    return sorted(row.device_id for row in live if row.superseded_at is None)


def count(service: Rig, table: str) -> int:
    [(found,)] = service.elsewhere(f"SELECT count(*) FROM {table}")
    return int(found)


async def leave(service: Rig, device: str, serial: str = "1", started_at: int | None = None) -> int:
    allowed = await service.allowed(serial)
    return (await service.answering.unregister(TYPE, serial, device, allowed, started_at)).status


def test_the_newest_device_id_is_counted_and_all_are_answered(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device in ("old", "new"):
                assert await service.register("1", device) == 201
            assert await counted(service) == ["new"]
            issued = await service.change("1", 5)
            assert (issued.registrations, issued.pushes_due) == (1, 1)
            assert await service.store.followed_by(TYPE, ["1"]) == {"1": (1, 1)}
            assert (await service.store.stats(TYPE))["registrations"] == 1
            assert await service.dispatcher.work_once() == 1, "one push for the two"
            for device in ("old", "new"):
                assert (await service.ask(device))[0] == ["1"]
            assert (await service.target()).passes == 1, "the phone has the pass once"
            superseded = [e for e in await service.timeline("1") if e.kind is Kind.REGISTRATION_SUPERSEDED]
            assert [(event.device_id, event.detail) for event in superseded] == [("old", {"by": "new"})]

    asyncio.run(main())


def test_one_phone_that_fetches_is_beyond_doubt_whichever_device_id_it_used(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            issued = await service.issue("1")
            for device in ("old", "new"):
                await service.register("1", device)
                await service.ask(device, connection="c")
            await service.fetch("1", connection="c")
            found = await holders(service)
            assert found["new"].registration.confirmed == issued.number
            service.clock.pass_(60 * MINUTE)
            assert await service.keeper.retell() == 0, "what was delivered to the phone is not told again to its past"

    asyncio.run(main())


def test_what_is_not_delivered_is_told_again_to_the_newest_alone(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device in ("old", "new"):
                await service.register("1", device)
            for device in ("old", "new"):
                await service.ask(device)
            service.clock.pass_(15 * MINUTE)
            assert await service.keeper.retell() == 1
            retold = [event.device_id for event in await service.timeline("1") if event.kind is Kind.RETOLD]
            assert retold == ["new"]
            assert service.elsewhere("SELECT count(*) FROM registration WHERE retell_at IS NOT NULL") == [(0,)]

    asyncio.run(main())


def test_a_device_id_that_is_used_again_stands_for_the_phone_again(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device, status in (("one", 201), ("two", 201), ("one", 200), ("one", 200), ("two", 200)):
                assert await service.register("1", device) == status
                assert await counted(service) == [device]

    asyncio.run(main())


def test_another_push_token_is_another_phone(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1", "one", "aa")
            await service.register("1", "two", "bb")
            assert await counted(service) == ["one", "two"]
            await service.register("1", "two", "aa")
            assert await counted(service) == ["two"], "and one that gets the same push token is the same phone"

    asyncio.run(main())


def test_two_phones_that_seemed_one_are_two_again(tmp_path: Path, pass_certificate: Issued) -> None:
    """A phone restored from a backup brought the other's push token at first. The other is reached all along."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1", "first", "aa")
            _, tag = await service.ask("first")
            await service.register("1", "restored", "aa")
            await service.register("1", "restored", "bb")
            assert await counted(service) == ["restored"]
            issued = await service.change("1", 5, "now")
            await service.dispatcher.work_once()
            assert sorted(service.sender.taken()) == ["aa", "bb"]
            assert (await service.ask("first", tag))[0] == ["1"]
            assert await counted(service) == ["first", "restored"], "it was heard, and nobody has its push token"
            await service.fetch("1")
            found = await holders(service)
            assert found["restored"].registration.confirmed < issued.number, "there are two phones that may have it"
            service.clock.pass_(15 * MINUTE)
            assert await service.keeper.retell() == 1

    asyncio.run(main())


def test_an_ask_alone_does_not_bring_back_what_the_phone_superseded(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device in ("old", "new"):
                await service.register("1", device)
            for points in (1, 2):
                await service.change("1", points)
                assert (await service.ask("old"))[0] == ["1"]
                assert await counted(service) == ["new"]

    asyncio.run(main())


def test_a_phone_that_leaves_is_pushed_no_more_for_its_past(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device in ("oldest", "old", "new"):
                await service.register("1", device)
            assert await leave(service, "old") == 200
            assert await counted(service) == ["new"], "what is left under an old device id, is not left under the new"
            assert await leave(service, "new") == 200
            assert await counted(service) == []
            assert count(service, "device") == 2
            service.clock.pass_(61 * MINUTE)
            assert (await service.change("1", 5)).pushes_due == 0

    asyncio.run(main())


def test_a_phone_that_makes_a_new_device_id_every_minute_costs_a_few_rows(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1", "somebody", "bb")
            for n in range(300):
                service.clock.pass_(MINUTE)
                assert await service.register("1", f"d{n}") == 201
            assert await counted(service) == ["d299", "somebody"]
            kept = sorted(f"d{n}" for n in range(299 - TWINS_KEPT, 300))
            assert sorted(await holders(service)) == [*kept, "somebody"]
            assert (count(service, "device"), count(service, "push_target")) == (TWINS_KEPT + 2, 2)
            assert (await service.ask("d298"))[0] == ["1"]
            assert (await service.ask("d0"))[0] == [], "forgotten: the phone is told under its other device ids"

    asyncio.run(main())


# ── at the same time


def test_device_ids_of_one_phone_that_register_at_the_same_time(tmp_path: Path, pass_certificate: Issued) -> None:
    """Each sees the others or waits for them: without that, all would stay, or each would supersede another."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for n in range(25):
                serial = f"p{n}"
                await service.issue(serial)
                devices = [f"{serial}-{m}" for m in range(2 + n % 4)]
                statuses = await asyncio.gather(*(service.register(serial, device) for device in devices))
                assert statuses == [201] * len(devices)
                assert len(await counted(service, serial)) == 1, serial
                again = await asyncio.gather(*(service.register(serial, device) for device in devices[-2:]))
                assert set(again) <= {200, 201}
                assert len(await counted(service, serial)) == 1, serial

    asyncio.run(main())


def test_whatever_phones_do_at_the_same_time_each_is_counted_once_and_none_is_lost(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    """Register, ask, fetch, leave, change tokens, all at once; then each phone says under which device id it is."""
    rng = random.Random(5)
    tokens, devices, serials = ("aa", "bb"), ("d1", "d2", "d3", "d4"), ("1", "2")

    async def something(service: Rig) -> None:
        device, serial = rng.choice(devices), rng.choice(serials)
        what = rng.random()
        if what < 0.5:
            assert await service.register(serial, device, rng.choice(tokens)) in (200, 201)
        elif what < 0.75:
            await service.answering.ask(TYPE, device, None, device)
        elif what < 0.85:
            (await service.answering.fetch(TYPE, serial, await service.allowed(serial), None, device)).written()
        elif what < 0.95:
            assert await leave(service, device, serial) == 200
        else:
            await service.change(serial, rng.randrange(1000))

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in serials:
                await service.issue(serial)
            for _ in range(40):
                await asyncio.gather(*(something(service) for _ in range(12)))
            held = dict(zip(tokens, ("d1", "d2"), strict=True))
            for token, device in held.items():
                for serial in serials:
                    assert await service.register(serial, device, token) in (200, 201)
            for serial in serials:
                found = await holders(service, serial)
                for token, device in held.items():
                    live = [
                        one.device.device_id
                        for one in found.values()
                        if one.device.push_token == token
                        and one.registration.left_at is None
                        and one.registration.superseded_at is None
                    ]
                    assert live == [device]
                    assert len(found) <= len(devices)

    asyncio.run(main())


# ── a push token that comes back


def test_a_push_token_that_comes_back_was_pushed_to_before(tmp_path: Path, pass_certificate: Issued) -> None:
    """The stored watermark and the one that the events add up to are the same number, for every pass of the phone."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in ("1", "2"):
                await service.issue(serial)
                await service.register(serial, token="aa")
            service.clock.pass_(2 * MINUTE)
            await service.change("1", 5, "now")
            await service.dispatcher.work_once()
            for token in ("bb", "aa", "bb", "aa"):
                assert await service.register("1", token=token) == 200
                for serial in ("1", "2"):
                    [held] = (await holders(service, serial)).values()
                    folded = fold(await service.timeline(serial), serial=serial, device_id="phone", target=held.target)
                    assert folded == held.watermarks, (token, serial)
                    assert (held.watermarks.pushed > 0) is (token == "aa")
            await leave(service, "phone", "1")
            await leave(service, "phone", "2")
            service.clock.pass_(3 * 24 * 60 * MINUTE)
            await service.keeper.prune()
            await service.keeper.prune()
            assert count(service, "push_target") == 0
            assert await service.register("1", token="aa") == 201
            [held] = (await holders(service)).values()
            folded = fold(await service.timeline("1"), serial="1", device_id="phone", target=held.target)
            assert folded == held.watermarks, "also when it was forgotten meanwhile"

    asyncio.run(main())
