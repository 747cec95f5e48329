"""Certificates are watched over a real database, with real keys, while the test moves the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from livepass.core.timeline import Event
from livepass.core.watch_told import State
from livepass.core.watching import Problem, Seen, What
from livepass.emulators.authority import Authority, Issued
from livepass.service.explaining import Explaining
from livepass.service.seams import Revocation
from livepass.service.watching import Watching
from service.rig import DAY, HOUR, TEAM, TYPE, Rig, clock_of, rig

LEAF_DAYS = 395
WELL = Seen()
GOOD = Revocation("good")


@dataclass
class Sky:
    """What the network shows to those who look, and how often they did."""

    public: Seen = WELL
    revocation: Revocation = GOOD
    looks: int = 0
    asked: int = 0

    async def look_public(self) -> Seen:
        self.looks += 1
        return self.public

    async def look_apns(self) -> Seen:
        return WELL

    async def __call__(self, chain_pem: bytes, now: int) -> Revocation:
        assert chain_pem.count(b"BEGIN CERTIFICATE") == 2
        self.asked += 1
        return self.revocation


def watching(service: Rig, sky: Sky, *, asks: bool = True) -> Watching:
    """What another process of the same installation would run."""
    looks = {What.PUBLIC_TLS: sky.look_public, What.APNS_TLS: sky.look_apns}
    parts = (service.store, service.keys, service.clock, service.chance, service.scheduler)
    return Watching(*parts, looks, sky if asks else None)


async def events(service: Rig, *kinds: str) -> Sequence[Event]:
    names = [f"certificate_{kind}" for kind in kinds or ("expiring", "ended", "revoked", "unsound")]
    return await service.store.events(kinds=names, pass_type=None, after=0, limit=999)


def test_each_threshold_is_said_once_by_one_of_all_processes(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    """Three processes on one database look every twelve hours, from the first day to a week after the end."""
    caplog.set_level(logging.INFO, "livepass")

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            sky = Sky()
            processes = [watching(service, sky) for _ in range(3)]
            for _ in range(2 * (LEAF_DAYS + 7)):
                await asyncio.gather(*(each.once() for each in processes))
                service.clock.pass_(DAY // 2)
            leaf = [event for event in await events(service) if event.detail["what"] == "certificate"]
            assert [(event.kind.value, event.detail["days"]) for event in leaf] == [
                *(("certificate_expiring", days) for days in (90, 60, 30, 14, 7, 3, 1)),
                ("certificate_ended", 0),
            ]
            assert {event.pass_type for event in leaf} == {TYPE}
            [told] = [one for one in await processes[0].told() if one.kind is What.CERTIFICATE]
            assert (told.state, told.needs, told.finding) == (State.ENDED, True, "LP502")

    asyncio.run(main())
    said = [record for record in caplog.records if "of pass.test.livepass (" in record.message]
    assert [record.levelname for record in said] == [*["INFO"] * 2, *["WARNING"] * 2, *["ERROR"] * 4]
    assert all("cert import" in record.message for record in said[3:]), "the remedy stands in it"
    assert "phones register and ask" in said[-1].message


def test_what_comes_late_is_said_once_and_not_what_was_missed(tmp_path: Path, pass_certificate: Issued) -> None:
    """The worker was off for months."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            each = watching(service, Sky())
            await each.once()
            service.clock.pass_((LEAF_DAYS - 7) * DAY)
            for _ in range(3):
                await each.once()
            assert [event.detail["days"] for event in await events(service)] == [6]

    asyncio.run(main())


def test_a_successor_makes_it_a_note_and_starts_anew(
    tmp_path: Path, pass_certificate: Issued, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "livepass")

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            each = watching(service, Sky())
            old = await service.signs()
            service.clock.pass_(310 * DAY)
            await each.once()
            new = await service.certify(authority.pass_certificate(TYPE, TEAM, days=700))
            await service.rotating.prove(new)
            await service.rotating.promote(new)
            caplog.clear()
            service.clock.pass_(70 * DAY)
            await each.once()
            assert [record.levelname for record in caplog.records if f"({old})" in record.message] == ["INFO"]
            told = {one.certificate_id: one for one in await each.told() if one.kind is What.CERTIFICATE}
            assert old is not None
            assert (told[old].state, told[old].needs, told[old].heir) == (State.SOON, False, new)
            assert told[old].remedy == "nothing is to be done"
            assert (told[new].state, told[new].needs) == (State.FINE, False)
            await service.rotating.retire(old)
            service.clock.pass_(300 * DAY)
            await each.once()
            said = [event.detail["certificate"] for event in await events(service)]
            assert said == [old, old, new], "90 days, then 14 of the old one; and 30 of the new"

    asyncio.run(main())


def test_a_look_a_day_by_one_of_all_processes(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            sky = Sky(revocation=Revocation("good"))
            processes = [watching(service, sky) for _ in range(3)]
            await asyncio.gather(*(each.once() for each in processes))
            assert (sky.looks, sky.asked) == (0, 0), "within the first hour, spread"
            for _ in range(24 * 5):
                service.clock.pass_(HOUR)
                await asyncio.gather(*(each.once() for each in processes))
            assert sky.looks == sky.asked == 5
            [signed] = [row for row in await service.store.watched() if row.kind is What.SIGNATURE]
            assert signed.checked_at is not None
            assert service.clock.now() - signed.checked_at < DAY

    asyncio.run(main())


def test_what_is_not_well_is_looked_at_every_hour_and_told_once(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "livepass")

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            sky = Sky(public=Seen(problem=Problem.WRONG_NAME, detail="it is for a.example, not for b.example"))
            each = watching(service, sky)
            await each.once()
            for hour in range(12):
                service.clock.pass_(HOUR)
                sky.public = replace(sky.public, detail=f"it is for a.example, not for b.example ({hour})")
                await each.once()
            assert sky.looks == 12
            [event] = await events(service)
            assert (event.kind.value, event.detail["problem"]) == ("certificate_unsound", "wrong_name")
            [told] = [one for one in await each.told() if one.kind is What.PUBLIC_TLS]
            assert (told.state, told.needs, told.sound) == (State.UNSOUND, True, False)
            sky.public = Seen()
            service.clock.pass_(HOUR)
            await each.once()
            [told] = [one for one in await each.told() if one.kind is What.PUBLIC_TLS]
            assert (told.state, told.sound) == (State.FINE, True)

    asyncio.run(main())
    said = [record.message for record in caplog.records if "public" in record.message]
    assert len(said) == 2
    assert "have one issued for the host of LIVEPASS_PUBLIC_URL" in said[0]
    assert "well again" in said[1]


def test_a_renewed_tls_certificate_starts_anew(tmp_path: Path, pass_certificate: Issued) -> None:
    """Of 90 days, as machines renew them: nothing is said before the last quarter."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            begin = service.clock.now()
            sky = Sky(public=Seen(begin, begin + 90 * DAY))
            each = watching(service, sky)
            for day in range(180):
                if day == 88:
                    sky.public = Seen(begin + 88 * DAY, begin + 178 * DAY)
                await each.once()
                service.clock.pass_(DAY)
            said = [event.detail["days"] for event in await events(service) if event.detail["what"] == "public_tls"]
            assert said == [14, 7, 3, 14, 7, 3, 1, 0]

    asyncio.run(main())


def test_a_revoked_certificate_signs_no_more_where_another_is_live(
    tmp_path: Path, pass_certificate: Issued, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            old = await service.signs()
            new = await service.certify(authority.pass_certificate(TYPE, TEAM))
            await service.rotating.prove(new)
            await service.rotating.promote(new)
            sky = Sky()
            processes = [watching(service, sky) for _ in range(2)]
            await processes[0].once()
            at = service.clock.now() - HOUR
            sky.revocation = Revocation("revoked", at, "keyCompromise")
            assert old is not None
            await service.rotating.retire(old)  # it is not asked about
            service.clock.pass_(HOUR)
            await asyncio.gather(*(each.once() for each in processes))
            assert (await service.rotating.get(new)).revoked_at == at
            assert (await service.rotating.get(old)).revoked_at is None
            [event] = await events(service, "revoked")
            assert event.detail == {"certificate": new, "revoked_at": at, "reason": "keyCompromise"}
            [told] = [one for one in await processes[0].told() if one.kind is What.CERTIFICATE]
            assert (told.state, told.finding, told.heir) == (State.REVOKED, "LP505", "")
            assert "livepass cert import" in told.remedy
            assert await processes[0].ended() == [f"the certificate of {TYPE} ({new}) is revoked"]
            await service.certify(pass_certificate)  # nothing better is live, so it goes live
            assert await service.signs() == old
            [first, *_] = await processes[0].told()
            assert (first.state, first.needs, first.heir) == (State.REVOKED, True, old)
            sky.revocation = Revocation("good")
            asked = sky.asked
            for _ in range(3):
                service.clock.pass_(DAY)
                await processes[0].once()
            assert sky.asked - asked == 3, "the other one; what is revoked is not asked about again"
            assert len(await events(service, "revoked")) == 1

    asyncio.run(main())
    assert sum("is revoked" in record.message for record in caplog.records) == 1


class AtOnce(Sky):
    """Answers when three have asked, and so none before another has written down what it heard."""

    def __init__(self, revocation: Revocation) -> None:
        super().__init__(revocation=revocation)
        self._three = asyncio.Barrier(3)

    async def __call__(self, chain_pem: bytes, now: int) -> Revocation:
        async with asyncio.timeout(60):
            await self._three.wait()
        return await super().__call__(chain_pem, now)


def test_three_that_hear_of_it_at_once_write_it_down_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await watching(service, Sky(), asks=False).once()
            sky = AtOnce(Revocation("revoked", None, "unspecified"))
            await asyncio.gather(*(watching(service, sky).once(at_once=True) for _ in range(3)))
            assert sky.asked == 3
            [event] = await events(service, "revoked")
            assert event.detail["revoked_at"] == service.clock.now(), "nobody said when"

    asyncio.run(main())


def test_who_cannot_be_asked_is_unknown_and_no_alarm(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "livepass")

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            sky = Sky(revocation=Revocation("unknown", reason="no answer"))
            each = watching(service, sky)
            for _ in range(4):
                await each.once(at_once=True)
            assert sky.asked == 4
            assert await events(service) == []
            assert not any(one.needs for one in await each.told())

    asyncio.run(main())
    assert [record.levelname for record in caplog.records if "no answer" in record.message] == ["INFO"]


def test_a_certificate_that_does_not_sign_any_more_is_told(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sealed key was damaged behind our back; it signed when it came in."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            sealed = service.elsewhere("SELECT key_sealed FROM certificate")[0][0]
            service.elsewhere("UPDATE certificate SET key_sealed = :sealed", sealed=bytes(sealed[:-9]) + b"\0" * 9)
        async with rig(tmp_path, None, clock=clock_of(pass_certificate), publish=False, seed=2) as after:
            each = watching(after, Sky())
            for _ in range(3):
                await each.once(at_once=True)
            [event] = await events(after)
            assert (event.kind.value, event.pass_type) == ("certificate_unsound", TYPE)
            [first, *_] = await each.told()
            assert (first.state, first.sound, first.finding) == (State.UNSOUND, False, "LP506")
            said = await Explaining(after.store, after.clock).explain(TYPE, "1")
            assert said.verdicts[0].code == "LP506"

    asyncio.run(main())
    assert sum("failed its test signature" in record.message for record in caplog.records) == 1


def test_one_look_that_breaks_does_not_end_the_others(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            sky = Sky()
            each = watching(service, sky)
            each._looks = {What.APNS_TLS: _break, What.PUBLIC_TLS: sky.look_public}
            await each.once(at_once=True)
            assert sky.looks == 1
            assert [one.state for one in await each.told() if one.kind is What.APNS_TLS] == [State.UNCLEAR]

    asyncio.run(main())


async def _break() -> Seen:
    raise RuntimeError("nobody thought of this")


def test_it_runs_until_it_is_stopped_and_survives_a_failing_round(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            each = watching(service, Sky())
            rounds = asyncio.Event()
            whole = each.once

            async def once(*, at_once: bool = False) -> None:
                rounds.set()
                await whole(at_once=at_once)
                raise RuntimeError("the database is away")

            each.once = once  # type: ignore[method-assign]
            service.scheduler.spawn(each.run(), "watching")
            await asyncio.wait_for(rounds.wait(), 10)
            await each.stop()
            assert len(await service.store.watched()) == 6

    asyncio.run(main())
    assert "could not be watched" in caplog.text


def test_a_look_that_hangs_does_not_hold_up_the_end(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            each = watching(service, Sky())
            hangs = asyncio.Event()

            async def look() -> Seen:
                hangs.set()
                await asyncio.Event().wait()
                raise AssertionError("nobody sets it")

            each._looks = {What.PUBLIC_TLS: look}
            await each.once()
            service.clock.pass_(HOUR)
            service.scheduler.spawn(each.run(), "watching")
            await asyncio.wait_for(hangs.wait(), 10)
            await asyncio.wait_for(each.stop(), 10)

    asyncio.run(main())
