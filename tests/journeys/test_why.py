"""Each break caused for real, over sockets: the first verdict names it, and a healthy pass is accused of nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from journeys.test_testimony import damaged, numeric_tag, unauthorized, without_last_modified
from journeys.world import (
    MEMBERSHIP,
    PASS_TYPE,
    Answer,
    Spoil,
    World,
    is_ask,
    is_fetch,
    journey,
    shows,
    template,
    until,
)
from livepass import wiring
from livepass.core.history import Reason
from livepass.core.model import Prunable
from livepass.core.timeline import Kind
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.core.trip2_push import DAY, HOUR, MINUTE, RACE_MARGIN_MS
from livepass.core.verdict import Verdict
from livepass.core.why import COHORT
from livepass.core.why_pass import BURST
from livepass.emulators.iphone import PhoneSettings
from livepass.service.drafting import Wish
from livepass.service.explaining import Explaining
from livepass.service.seams import Clock
from livepass.web.phone import Scope


@dataclass(frozen=True)
class Later:
    """The service's clock, as it will stand then: patience runs out without waiting."""

    clock: Clock
    ms: int

    def now(self) -> int:
        return self.clock.now() + self.ms

    def stopwatch(self) -> float:
        return self.clock.stopwatch()


async def explain(world: World, serial: str = "1", later: int = 0) -> tuple[Verdict, ...]:
    await world.services.recorder.settle()
    services, clock = world.services, Later(world.services.clock, later)
    if later:  # whoever runs now runs then
        await world.alter("UPDATE process SET heard_at = ?", clock.now())
    explaining = Explaining(services.store, clock, services.issuing.web_service_url)
    return (await explaining.explain(PASS_TYPE, serial)).verdicts


async def codes(world: World, serial: str = "1", later: int = 0) -> list[str]:
    return [verdict.code for verdict in await explain(world, serial, later)]


async def first(world: World, code: str, later: int = 0) -> Verdict:
    """Wait until the first verdict is this one, and see that what it calls proof was written down."""

    async def said() -> bool:
        return (await codes(world, later=later))[0] == code

    try:
        await until(said, seconds=10)
    except AssertionError:
        raise AssertionError(f"never {code}: {await explain(world, later=later)}") from None
    verdict = (await explain(world, later=later))[0]
    assert set(verdict.proof) <= {id for (id,) in world.sql("SELECT id FROM event")}
    return verdict


# ── states


@journey
async def test_a_healthy_pass_is_accused_of_nothing(world: World) -> None:
    phone = await world.holding("1", 1)
    assert await codes(world) == ["LP000"]
    await world.change("1", 2)
    await shows(phone, "1", 2)
    assert await codes(world) == await codes(world, later=HOUR) == ["LP000"]


@journey
async def test_nobody_has_it(world: World) -> None:
    await world.issue("1", 1)
    assert await codes(world) == ["LP002"]


@journey
async def test_in_flight_and_then_not_asked_yet(world: World) -> None:
    phone = await world.holding("1", 1)
    phone.set_airplane_mode(True)
    await world.change("1", 2)
    await until(lambda: world.sql("SELECT 1 FROM push_target WHERE pushed >= wanted"), "APNs accepted it")
    assert not (await first(world, "LP001")).problem
    assert not (await first(world, "LP301", later=HOUR)).problem
    phone.set_airplane_mode(False)
    await shows(phone, "1", 2)
    await first(world, "LP000")


@journey
async def test_unverified(world: World) -> None:
    await world.issue("1", 1)
    async with world.client() as client:
        assert await world.register(client, "quiet", "1", "ab" * 32) == 201
    await world.nothing_due()
    await first(world, "LP003", later=HOUR)


@journey
async def test_voided(world: World) -> None:
    await world.holding("1", 1)
    await world.services.issuing.put(Wish(PASS_TYPE, "1", patch=True, void=True))
    assert (await first(world, "LP004")).who == "nobody"


# ── trip 1


@journey
async def test_a_refused_registration(world: World) -> None:
    await world.issue("1", 1)
    async with world.client() as client:
        answer = await client.post(
            f"/v1/devices/phone/registrations/{PASS_TYPE}/1",
            headers={"Authorization": "ApplePass 0123456789abcdef"},
            json={"pushToken": "ab" * 32},
        )
    assert answer.status_code == 401
    assert "401" in (await first(world, "LP101")).sentence


@journey
async def test_a_phone_that_stopped_listening(world: World) -> None:
    phone = await world.holding("1", 1)
    phone.wallet.delete(PASS_TYPE, "1", phone.clock.now())
    phone.wake()
    await first(world, "LP102")
    assert (await codes(world, later=2 * TOMBSTONE_MS))[0] == "LP102"


@journey
async def test_a_phone_that_left_after_a_burst(world: World) -> None:
    """Pushed on the holder's behalf without the budget: what Wallet may ask about then."""
    phone = await world.holding("1", 1)
    for value in range(BURST):
        await world.change("1", 2 + value, push="now")
        accepted = "SELECT 1 FROM event WHERE kind = ?"
        await until(lambda: len(world.sql(accepted, Kind.PUSH_ACCEPTED.value)) > value, "APNs accepted it")  # noqa: B023
    phone.wallet.delete(PASS_TYPE, "1", phone.clock.now())
    phone.wake()
    assert (await first(world, "LP103")).sure == "possible"


@journey
async def test_a_crowd(world: World) -> None:
    await world.issue("1", 1)
    world.services.answering._phones_per_pass = 1
    async with world.client() as client:
        for number in range(2):
            assert await world.register(client, f"phone{number}", "1", f"{number:064x}") == 201
    assert "2 phones" in (await first(world, "LP104")).sentence


@journey(books=False)
async def test_only_a_used_up_device_id_is_left(world: World) -> None:
    """The newer one is gone, and what it did is forgotten: as a backup may leave it."""
    await world.issue("1", 1)
    async with world.client() as client:
        assert await world.register(client, "old", "1", "ab" * 32) == 201
        assert await world.register(client, "new", "1", "ab" * 32) == 201
    await world.services.recorder.settle()
    await world.alter("DELETE FROM registration WHERE device_id = ?", "new")
    assert (await first(world, "LP105")).sure == "likely"
    now = world.services.clock.now() + 1
    await world.services.store.write(lambda tx: tx.prune(Prunable.EVENTS, now, 100))
    assert (await first(world, "LP105")).sure == "certain"


@journey
async def test_a_wallet_that_polls(world: World) -> None:
    await world.issue("1", 1)
    async with world.client() as client:
        answer = await client.get(f"/v1/passes/{PASS_TYPE}/1", headers=await world.authorization("1"))
    assert answer.status_code == 200
    assert not (await first(world, "LP006")).problem


@journey(books=False)
async def test_lost_registrations(world: World) -> None:
    """The rows of a phone are gone, as after a restore from a backup, and the service was told so."""
    phone = await world.holding("1", 1)
    record = next(iter(phone.wallet.records.values()))
    for table in ("registration", "device", "push_target"):
        await world.alter(f"DELETE FROM {table}")
    await world.alter("DELETE FROM event WHERE kind = ?", Kind.REGISTERED.value)
    await world.services.recovering.recover(Reason.RESTORED)
    async with world.client() as client:
        query = {"passesUpdatedSince": record.tag}
        asked = await client.get(f"/v1/devices/{record.device_id}/registrations/{PASS_TYPE}", params=query)
    assert asked.status_code == 204
    await first(world, "LP106")


@journey
async def test_a_pass_that_calls_an_address_of_the_past(world: World) -> None:
    """The service moved, and nothing leads from the old address to the new one."""
    await world.issue("1", 1)
    moved = replace(world.config, public_url="https://moved.example")
    async with wiring.opened(moved) as services:
        explaining = Explaining(services.store, services.clock, services.issuing.web_service_url)
        [said, *_] = (await explaining.explain(PASS_TYPE, "1")).verdicts
    assert said.code == "LP107"
    assert f"calls {world.url}, and this service says that it is https://moved.example/wallet" in said.sentence


@journey
async def test_a_registration_at_an_address_that_ends_in_v1(world: World) -> None:
    await world.issue("1", 1)
    async with world.client() as client:
        answer = await client.post(
            f"/v1/v1/devices/phone/registrations/{PASS_TYPE}/1",
            headers=await world.authorization("1"),
            json={"pushToken": "ab" * 32},
        )
    assert answer.status_code == 404
    await first(world, "LP110")


# ── trip 2


async def present(world: World) -> None:
    """Let the service stand among the running processes, as ``livepass serve`` does."""
    await world.stack.enter_async_context(world.services.present("serve+worker", sheds=False))
    await until(lambda: world.sql("SELECT 1 FROM process"), "the process has given a sign")


@journey
async def test_no_worker(world: World) -> None:
    """No process stands in the list: what is pushed here is pushed by nobody that anyone knows of."""
    await world.holding("1", 1)
    world.apns.chaos.set("status:503")
    await world.change("1", 2)
    await first(world, "LP201")
    await present(world)
    assert not (await first(world, "LP207")).problem


@journey
async def test_a_dead_token(world: World) -> None:
    phone = await world.holding("1", 1)
    world.apns.kill_device(phone.wallet.push_token, timestamp_ms=world.services.clock.now() + RACE_MARGIN_MS + MINUTE)
    await world.change("1", 2)
    assert "Unregistered" in (await first(world, "LP203")).sentence


@journey
async def test_apns_out_of_reach(world: World) -> None:
    phone = await world.holding("1", 1)
    await present(world)
    world.apns.chaos.set("cut")
    await world.change("1", 2)
    assert "ConnectionLost" in (await first(world, "LP206")).sentence
    world.apns.chaos.clear()
    await world.services.issuing.push(PASS_TYPE, "1")
    await shows(phone, "1", 2)


@journey
async def test_a_refused_certificate(world: World) -> None:
    await present(world)
    await world.holding("1", 1)
    world.apns.chaos.set("status:403:BadCertificate")
    await world.change("1", 2)
    assert "BadCertificate" in (await first(world, "LP202")).sentence


@journey
async def test_held_by_the_budget(world: World) -> None:
    await present(world)
    await world.holding("1", 1)
    await world.alter("UPDATE push_target SET score = 9, last_push_at = ?", world.services.clock.now())
    await world.change("1", 2)
    assert not (await first(world, "LP208")).problem


@journey(content=False)
async def test_a_push_that_apns_calls_wrong(world: World) -> None:
    await present(world)
    await world.holding("1", 1)
    world.apns.chaos.set("status:400:BadPath")
    await world.change("1", 2)
    assert "400 BadPath" in (await first(world, "LP209")).sentence
    world.apns.chaos.clear()


@journey
async def test_a_change_without_pushing(world: World) -> None:
    await present(world)
    await world.holding("1", 1)
    await world.change("1", 2, push="none")
    await first(world, "LP001")
    assert (await first(world, "LP211", later=HOUR)).who == "the issuer"


@journey
async def test_a_push_that_is_overdue(world: World) -> None:
    """A process says that it pushes, and its push is still on its way."""
    await present(world)
    phone = await world.holding("1", 1)
    world.apns.chaos.set("latency:3000")
    await world.change("1", 2)
    await first(world, "LP210", later=2 * MINUTE)
    await shows(phone, "1", 2)


# ── trip 3


async def spoiled(world: World, spoil: Spoil, code: str) -> Verdict:
    """What is said of a pass that changed while the service was spoiled like this."""
    phone = await world.holding("1", 1)
    with world.spoiled(spoil):
        await world.change("1", 2)
        await until(lambda: phone.wallet.complaints, "the phone complains")
        await phone.settle()
        verdict = await first(world, code)
    assert verdict.problem and verdict.proof
    return verdict


@journey(content=False)
async def test_a_phone_that_rejects_the_pass(world: World) -> None:
    await spoiled(world, damaged, "LP353")


@journey(content=False)
async def test_a_fetch_refused_on_its_way(world: World) -> None:
    await spoiled(world, unauthorized, "LP359")


@journey(content=False)
async def test_a_lost_last_modified(world: World) -> None:
    await spoiled(world, without_last_modified, "LP357")


def refused_ask(scope: Scope, answer: Answer) -> None:
    if is_ask(scope):
        answer.status, answer.body = 401, b""


@journey(content=False)
async def test_an_ask_refused_on_its_way(world: World) -> None:
    """We saw the ask and told it, so it stands on the fetch; the phone knows better."""
    await spoiled(world, refused_ask, "LP303")


def redirected(call: Callable[[Scope], bool]) -> Spoil:
    def spoil(scope: Scope, answer: Answer) -> None:
        if call(scope):
            answer.status, answer.body = 301, b""
            answer.headers[b"location"] = b"https://www.passes.example/"

    return spoil


@journey(content=False)
async def test_an_ask_redirected_on_its_way(world: World) -> None:
    await spoiled(world, redirected(is_ask), "LP312")


@journey(content=False)
async def test_a_fetch_redirected_on_its_way(world: World) -> None:
    await spoiled(world, redirected(is_fetch), "LP362")


@journey
async def test_asks_that_go_to_an_address_of_the_past(world: World) -> None:
    """The service moved, and nothing leads from the old address to the new one."""
    phone = await world.holding("1", 1)
    phone.set_airplane_mode(True)
    await world.change("1", 2)
    await until(lambda: world.sql("SELECT 1 FROM push_target WHERE pushed >= wanted"), "APNs accepted it")
    moved = Explaining(world.services.store, Later(world.services.clock, HOUR), "https://moved.example/wallet")
    assert (await moved.explain(PASS_TYPE, "1")).verdicts[0].code == "LP311"
    phone.set_airplane_mode(False)


@journey
async def test_nobody_asks(world: World) -> None:
    """Ten phones are pushed, and there is nothing that lets them through."""
    await world.issue("1", 1)
    async with world.client() as client:
        for number in range(COHORT):
            world.apns.register_device(f"{number:064x}", [PASS_TYPE])
            assert await world.register(client, f"phone{number}", "1", f"{number:064x}") == 201
    await world.change("1", 2, push="now")
    accepted = "SELECT count(*) FROM push_target WHERE pushed >= wanted"
    await until(lambda: world.sql(accepted) == [(COHORT,)], "APNs accepted all")
    assert str(COHORT) in (await first(world, "LP302", later=HOUR)).sentence


@journey(content=False)
async def test_a_list_with_a_malformed_tag(world: World) -> None:
    await spoiled(world, numeric_tag, "LP304")


async def by_hand(world: World, authorization: str | None) -> None:
    """A phone that is told of a change; with ``authorization``, it fetches with that."""
    await world.issue("1", 1)
    async with world.client() as client:
        assert await world.register(client, "hand", "1", "ab" * 32) == 201
        await world.change("1", 2)
        asked = await client.get(f"/v1/devices/hand/registrations/{PASS_TYPE}")
        assert json.loads(asked.content)["serialNumbers"] == ["1"]
        if authorization is not None:
            headers = {"Authorization": f"ApplePass {authorization}"}
            assert (await client.get(f"/v1/passes/{PASS_TYPE}/1", headers=headers)).status_code == 401


@journey
async def test_a_wrong_token_on_the_fetch(world: World) -> None:
    await by_hand(world, "0123456789abcdef")
    await first(world, "LP351")


@journey
async def test_asked_and_did_not_fetch(world: World) -> None:
    await by_hand(world, None)
    await first(world, "LP001")
    await first(world, "LP352", later=HOUR)


@journey(content=False)
async def test_a_pass_that_cannot_be_built(world: World) -> None:
    """The certificate lapses between the change and the fetch."""
    phone = await world.holding("1", 1)
    phone.set_airplane_mode(True)
    await world.change("1", 2)
    await until(lambda: world.sql("SELECT 1 FROM push_target WHERE pushed >= wanted"), "APNs accepted it")
    kept = world.sql("SELECT promoted_at FROM certificate WHERE pass_type = ?", PASS_TYPE)
    await world.alter("UPDATE certificate SET promoted_at = NULL WHERE pass_type = ?", PASS_TYPE)
    phone.set_airplane_mode(False)
    await until(lambda: world.sql("SELECT 1 FROM event WHERE kind = ?", Kind.FETCH_FAILED.value), "a fetch failed")
    assert {"LP501", "LP358"} <= {*await codes(world)}, "the root first, and what came of it"
    await world.alter("UPDATE certificate SET promoted_at = ? WHERE pass_type = ?", *kept[0], PASS_TYPE)
    assert "503" in (await first(world, "LP358")).sentence


@journey(books=False)
async def test_a_history_that_began_anew(world: World) -> None:
    phone = await world.holding("1", 1)
    await world.change("1", 2)
    await shows(phone, "1", 2)
    phone.set_airplane_mode(True)
    await world.services.recorder.settle()
    await world.services.recovering.recover(Reason.RESTORED)
    pushed = "SELECT 1 FROM push_target g JOIN counter c ON c.pass_type = g.pass_type WHERE g.pushed >= c.began"
    await until(lambda: world.sql(pushed), "APNs accepted it")
    assert not (await first(world, "LP306", later=HOUR)).problem
    phone.set_airplane_mode(False)
    await first(world, "LP000")


# ── the change, the certificate


@journey
async def test_a_change_that_changes_nothing(world: World) -> None:
    await world.holding("1", 1)
    await world.change("1", 1)
    assert await codes(world) == ["LP401", "LP000"]


@journey
async def test_a_refused_template(world: World) -> None:
    await world.holding("1", 1)
    field = {"key": "level", "label": "LEVEL", "value": "${level}"}
    more = {**MEMBERSHIP, "storeCard": {**MEMBERSHIP["storeCard"], "secondaryFields": [field]}}
    await world.services.publishing.publish(template(document=more), wait=True)
    await until(lambda: world.sql("SELECT 1 FROM event WHERE kind = ?", Kind.TEMPLATE_REFUSED.value))
    await first(world, "LP402")


@journey
async def test_an_expired_certificate(world: World) -> None:
    await world.holding("1", 1)
    await first(world, "LP502", later=3650 * DAY)


@journey
async def test_a_certificate_that_expires_soon(world: World) -> None:
    await world.holding("1", 1)
    [both] = world.sql("SELECT not_after, intermediate_not_after FROM certificate")
    assert not (await first(world, "LP503", later=min(both) - world.services.clock.now() - DAY)).problem


@journey(content=False)
async def test_no_certificate(world: World) -> None:
    await world.holding("1", 1)
    await world.alter("UPDATE certificate SET promoted_at = NULL")
    await first(world, "LP501")


@journey
async def test_a_certificate_without_nfc_for_an_nfc_pass(world: World) -> None:
    """The one that is imported now lacks what the one before had: the pass is what it was."""
    await world.holding("1", 1)
    [(document,)] = world.sql("SELECT document FROM pass")
    await world.alter("UPDATE pass SET document = ?", json.dumps({**json.loads(bytes(document)), "nfc": {}}).encode())
    await first(world, "LP504")
    await world.alter("UPDATE pass SET document = ?", bytes(document))


@journey
async def test_an_expired_pass(world: World) -> None:
    await world.issue("1", 1, content={"expirationDate": "2020-01-01T00:00:00Z"})
    phone = await world.phone()
    await phone.install(await world.pkpass("1"))
    await phone.settle()
    assert not (await first(world, "LP005")).problem


SILENT = {"key": "level", "label": "LEVEL", "value": 1}


@journey
async def test_a_change_that_nobody_notices(world: World) -> None:
    """It reaches the phone: an image, a field without a message, and then two messages at once."""
    await world.issue("1", 1)
    # Otherwise it takes its time after so many changes.
    phone = await world.phone(settings=PhoneSettings(disable_rate_limiting=True))
    await phone.install(await world.pkpass("1"))
    await phone.settle()

    async def said(code: str, **content: Any) -> None:
        await world.services.issuing.put(Wish(PASS_TYPE, "1", patch=True, **content), "now")
        assert not (await first(world, code)).problem
        await phone.settle()

    await said("LP403", content={"groupingIdentifier": "a", "userInfo": {"a": 1}})
    await said("LP404", content={"storeCard": {"secondaryFields": [SILENT]}})
    loud = {**SILENT, "changeMessage": "Level %@"}
    await said("LP403", content={"storeCard": {"secondaryFields": [loud]}})
    await said("LP405", data={"points": 3}, content={"storeCard": {"secondaryFields": [{**loud, "value": 2}]}})
    await said("LP000", data={"points": 4})


# ── all passes at once


@journey
async def test_the_morning_round_counts_who_waits_and_names_some(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    phones = [await world.holding(str(number), 1) for number in range(4)]
    for phone in phones[1:]:
        phone.set_airplane_mode(True)
    for number in range(4):
        await world.change(str(number), 2)
    await shows(phones[0], "0", 2)
    await until(lambda: not world.sql("SELECT 1 FROM push_target WHERE pushed < wanted"), "APNs accepted all")
    await world.services.recorder.settle()
    services = world.services
    found = await Explaining(services.store, Later(services.clock, HOUR)).everything([PASS_TYPE])
    assert (found.registrations, found.current, found.looked_at) == (4, 1, 3)
    [group] = found.groups
    assert (group.verdict.code, group.people, group.exact) == ("LP301", 3, True)
    assert {one.serial for one in group.examples} == {"1", "2", "3"}
    one = await Explaining(services.store, Later(services.clock, HOUR)).explain(PASS_TYPE, "1")
    assert (one.cohort.pushed, one.cohort.asked) == (4, 1)
    monkeypatch.setattr("livepass.service.explaining.MOST_PLACED", 2)
    estimated = await Explaining(services.store, Later(services.clock, HOUR)).everything([PASS_TYPE])
    assert (estimated.registrations, estimated.current, estimated.looked_at) == (4, 1, 2)
    [group] = estimated.groups
    assert (group.verdict.code, group.people, group.exact) == ("LP301", 3, False)


@journey
async def test_a_phone_beyond_those_that_are_looked_at_is_found_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livepass.service.explaining.MOST_PHONES", 1)
    await world.issue("1", 1)
    async with world.client() as client:
        for number in range(3):
            assert await world.register(client, f"quiet{number}", "1", f"{number:064x}") == 201
    await world.services.recorder.settle()
    services = world.services
    found = await Explaining(services.store, Later(services.clock, HOUR)).everything([PASS_TYPE])
    assert (found.looked_at, sum(group.people for group in found.groups)) == (3, 3)
