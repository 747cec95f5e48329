"""Steps of a certificate's life, over a real database: what each writes, who follows, and what APNs undoes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from livepass.core.rotation import Stage
from livepass.core.timeline import Event, Kind
from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import read, verify
from livepass.service.proving import NOBODY
from livepass.service.refusals import NotFound, Refusal
from service.rig import DAY, TEAM, TYPE, Rig, points_of, rig
from service.test_pushing import holding

Scene = Callable[[Rig, str, str], Awaitable[None]]


def with_two(tmp_path: Path, pass_certificate: Issued, newer: Issued, scene: Scene) -> None:
    """A pass type with one certificate that is live, and one that is staged."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            old = await service.signs()
            assert old is not None
            await scene(service, old, await service.certify(newer, accept_nfc_loss=True))

    asyncio.run(main())


@pytest.fixture(scope="module")
def newer(authority: Authority) -> Issued:
    return authority.pass_certificate(TYPE, TEAM)


async def told(service: Rig) -> list[Event]:
    kinds = [f"certificate_{step}" for step in ("proven", "canary", "promoted", "rolled_back", "retired")]
    return [*await service.store.events(kinds=kinds, pass_type=TYPE, after=0, limit=99)]


def test_the_whole_life(tmp_path: Path, pass_certificate: Issued, newer: Issued) -> None:
    async def scene(service: Rig, old: str, new: str) -> None:
        await service.issue("1", 10)
        before = await service.issuing.pkpass(TYPE, "1")
        rotating = service.rotating
        with pytest.raises(Refusal, match="is staged") as refused:
            await rotating.promote(new)
        assert (refused.value.code, refused.value.hint) == ("wrong_stage", f"prove it first: livepass cert prove {new}")
        proven = await rotating.prove(new)
        assert (proven.certificate.link.stage, proven.tried.reason) == (Stage.PROVEN, "BadDeviceToken")
        assert [message.push_token for message in service.sender.sent] == [NOBODY]
        assert await service.signs() == old
        assert (await rotating.canary(new, 50)).canary_percent == 50
        assert (await rotating.promote(new)).link.stage is Stage.LIVE
        assert await service.signs() == new
        after = await service.issuing.pkpass(TYPE, "1")
        verify(read(after))
        assert read(after).manifest_bytes == read(before).manifest_bytes
        assert service.elsewhere("SELECT seq FROM counter") == [(1,)], "no pass got a new version"
        assert (await rotating.roll_back(new)).link.stage is Stage.PROVEN
        assert await service.signs() == old
        await rotating.promote(new)
        assert (await rotating.retire(old)).link.stage is Stage.RETIRED
        with pytest.raises(Refusal, match="no other would sign"):
            await rotating.retire(new)
        with pytest.raises(Refusal, match="no other would sign"):
            await rotating.roll_back(new)
        kinds = [event.kind.value.removeprefix("certificate_") for event in await told(service)]
        assert kinds == ["proven", "canary", "promoted", "rolled_back", "promoted", "retired"]

    with_two(tmp_path, pass_certificate, newer, scene)


def test_a_canary_signs_its_share(tmp_path: Path, pass_certificate: Issued, newer: Issued) -> None:
    async def scene(service: Rig, old: str, new: str) -> None:
        await service.rotating.prove(new)
        for serial in (f"s{n}" for n in range(20)):
            await service.issue(serial)
        await service.rotating.canary(new, 50)

        async def signers() -> list[str]:
            links = [await service.builder.signs(TYPE, f"s{n}") for n in range(20)]
            return [link.id if link else "nobody" for link in links]

        signed = await signers()
        assert {old, new} == set(signed)
        for n, by in enumerate(signed):
            leaf = verify(read(await service.issuing.pkpass(TYPE, f"s{n}"))).certificate.sha256
            assert leaf.startswith(by)
        await service.rotating.canary(new, 0)
        assert set(await signers()) == {old}
        for percent in (-1, 51):
            with pytest.raises(Refusal, match="is no canary"):
                await service.rotating.canary(new, percent)

    with_two(tmp_path, pass_certificate, newer, scene)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, "BadCertificate"), "APNs answered 403 BadCertificate"),
        ((400, "TopicDisallowed"), "APNs answered 400 TopicDisallowed"),
        ((0, "CertificateRefused"), "APNs answered CertificateRefused"),
        ((0, "Unreachable"), "it signs; whether APNs takes it is not known: Unreachable"),
        ((503, "ServiceUnavailable"), "it signs; whether APNs takes it is not known: 503 ServiceUnavailable"),
    ],
)
def test_what_apns_does_not_take_is_not_proven(
    answer: tuple[int, str], said: str, tmp_path: Path, pass_certificate: Issued, newer: Issued
) -> None:
    async def scene(service: Rig, _: str, new: str) -> None:
        service.sender.refuses[new] = answer
        with pytest.raises(Refusal) as refused:
            await service.rotating.prove(new)
        assert (str(refused.value), refused.value.code) == (said, "unproven")
        assert refused.value.hint
        assert (await service.rotating.get(new)).link.stage is Stage.STAGED
        assert await told(service) == []

    with_two(tmp_path, pass_certificate, newer, scene)


def test_a_phone_of_ones_own_must_take_the_push(tmp_path: Path, pass_certificate: Issued, newer: Issued) -> None:
    async def scene(service: Rig, _: str, new: str) -> None:
        service.sender.answers["aa"] = (400, "BadDeviceToken")
        with pytest.raises(Refusal, match="400 BadDeviceToken") as refused:
            await service.rotating.prove(new, "aa")
        assert "not the token" in refused.value.hint
        assert (await service.rotating.prove(new, "bb")).tried.status == 200

    with_two(tmp_path, pass_certificate, newer, scene)


def test_nfc_is_not_lost_by_mistake(tmp_path: Path, authority: Authority, newer: Issued) -> None:
    async def scene(service: Rig, old: str, new: str) -> None:
        await service.rotating.prove(new)
        for step in (lambda: service.rotating.promote(new), lambda: service.rotating.canary(new, 1)):
            with pytest.raises(Refusal, match="may not sign NFC passes") as refused:
                await step()  # type: ignore[no-untyped-call]
            assert refused.value.code == "nfc_lost"
        assert await service.signs() == old
        await service.rotating.promote(new, accept_nfc_loss=True)
        assert await service.signs() == new

    with_two(tmp_path, authority.pass_certificate(TYPE, TEAM, nfc=True), newer, scene)


def test_what_apns_refuses_is_rolled_back_by_itself_and_nothing_waits(
    tmp_path: Path, pass_certificate: Issued, newer: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(service: Rig, old: str, new: str) -> None:
        await holding(service, ("one", "aa"))
        await service.change("1", 5)
        await service.rotating.prove(new)
        await service.rotating.promote(new)
        service.sender.refuses[new] = (403, "BadCertificate")
        await service.dispatcher.work_once()
        assert await service.signs() == old
        assert await service.store.circuit(TYPE) is None
        service.sender.sent.clear()
        await service.dispatcher.work_once()
        assert service.sender.taken() == ["aa"], "at once, with the one before"
        assert service.sender.credentials[-1].id == old
        event = (await told(service))[-1]
        assert event.detail == {"certificate": new, "by": "livepass", "reason": "BadCertificate", "instead": old}
        assert (await service.rotating.get(new)).link.stage is Stage.PROVEN

    with caplog.at_level(logging.ERROR):
        with_two(tmp_path, pass_certificate, newer, scene)
    assert "is rolled back, because APNs refused it (BadCertificate)" in caplog.text


def test_with_nothing_to_fall_back_on_the_type_waits(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 5)
            only = await service.signs()
            assert only is not None
            service.sender.refuses[only] = (403, "BadCertificate")
            await service.dispatcher.work_once()
            assert await service.signs() == only
            assert await service.store.circuit(TYPE) is not None
            assert await told(service) == []

    asyncio.run(main())


def test_a_late_refusal_of_what_was_rolled_back_stops_nothing(
    tmp_path: Path, pass_certificate: Issued, newer: Issued
) -> None:
    async def scene(service: Rig, old: str, new: str) -> None:
        await service.rotating.prove(new)
        await service.rotating.promote(new)
        assert await service.rotating.refused(TYPE, new, "BadCertificate") == old
        await service.store.write(lambda tx: tx.open_circuit(TYPE, service.clock.now() + DAY, "BadCertificate", 1))
        assert await service.rotating.refused(TYPE, new, "BadCertificate") is None
        assert await service.store.circuit(TYPE) is None
        await service.store.write(lambda tx: tx.open_circuit(TYPE, service.clock.now() + DAY, "BadCertificate", 1))
        assert await service.rotating.refused(TYPE, old, "BadCertificate") is None
        assert await service.store.circuit(TYPE) is not None, "that one is the one that pushes"

    with_two(tmp_path, pass_certificate, newer, scene)


def test_a_day_before_its_end_the_other_live_one_takes_over(tmp_path: Path, authority: Authority) -> None:
    """Without anybody doing anything: also for pushes."""

    async def scene(service: Rig, old: str, new: str) -> None:
        await service.rotating.prove(new)
        await service.rotating.promote(new)
        await service.rotating.promote(old)
        assert await service.signs() == old
        plan = await service.rotating.plan(TYPE)
        assert (plan.passes, plan.registrations) == (0, 0)
        assert plan.dates[0].what == f"{new} signs and pushes instead of {old}"
        service.clock.pass_(19 * DAY)
        assert await service.signs() == new
        assert (await service.builder.identity(TYPE)).id == new

    short, long = (authority.pass_certificate(TYPE, TEAM, days=days) for days in (20, 300))
    with_two(tmp_path, short, long, scene)


def test_nobody_has_that_certificate(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for step in (service.rotating.prove, service.rotating.promote, service.rotating.retire):
                with pytest.raises(NotFound):
                    await step("nobody")

    asyncio.run(main())


def test_what_is_revoked_signs_nothing_and_changes_are_kept(
    tmp_path: Path, pass_certificate: Issued, newer: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            assert (await service.fetch("1")).status == 200
            [link] = await service.store.lineage(TYPE)
            await service.store.write(lambda tx: tx.put_link(replace(link, revoked_at=1)))
            assert (await service.fetch("1")).status == 503, "also not what was signed and remembered before"
            await service.change("1", 11)
            assert await service.register("1") == 201
            assert (await service.ask())[0] == ["1"]
            [failed] = [one for one in await service.timeline("1") if one.kind is Kind.FETCH_FAILED]
            assert failed.detail["reason"] == f"certificate {link.id} of {TYPE} is revoked"
            await service.certify(newer)  # nothing better is live
            reply = await service.fetch("1")
            assert (reply.status, points_of(reply.body)) == (200, 11)

    asyncio.run(main())
