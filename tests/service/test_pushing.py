"""The push worker: one message a token, the phone's patience, what each answer does, and what survives a crash."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from livepass.core import budget
from livepass.core.trip2_push import CIRCUIT_MS, FAILED_LADDER, RACE_RETRY_MS, UNASKED_LADDER
from livepass.emulators.authority import Authority, Issued
from livepass.service import pushing
from livepass.service.presence import Slowest
from livepass.service.pushing import LEASE_MS, Dispatcher
from promoting import promote
from service.rig import DAY, HOUR, MINUTE, OTHER, SECOND, TEAM, TYPE, Rig, rig, until


async def holding(service: Rig, *phones: tuple[str, str], serial: str = "1", pass_type: str = TYPE) -> None:
    """A pass on some phones, each of which has asked: nothing is due."""
    await service.issue(serial, pass_type=pass_type)
    for device, token in phones:
        await service.register(serial, device, token, pass_type)
        await service.ask(device, pass_type=pass_type)
    service.clock.pass_(2 * DAY)


async def count(service: Rig, kind: str) -> int:
    return len(await service.store.events(kinds=[kind], pass_type=None, after=0, limit=1000))


# ── a lease


def test_a_batch_that_comes_too_late_for_its_lease_is_left_to_the_next(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away between the claim and the sending: by then somebody else may be sending it."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 5)
            real = pushing._Batch.flush_held

            async def slowly(batch: Any) -> None:
                service.clock.pass_(LEASE_MS * 3 // 4)
                await real(batch)

            with monkeypatch.context() as patched:
                patched.setattr(pushing._Batch, "flush_held", slowly)
                await service.dispatcher.work_once()
            assert service.sender.taken() == []
            assert await service.dispatcher.work_once() == 0, "the lease still runs"
            service.clock.pass_(LEASE_MS)
            assert await service.dispatcher.work_once() == 1
            assert service.sender.taken() == ["aa"]

    asyncio.run(main())


# ── one message a token


def test_one_message_a_token_however_many_records_and_passes(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"), ("same phone", "aa"), ("two", "bb"))
            await holding(service, ("one", "aa"), serial="2")
            await service.change("1", 5)
            await service.change("2", 5)
            assert await service.dispatcher.work_once() == 2
            assert sorted(service.sender.taken()) == ["aa", "bb"]
            assert await service.dispatcher.work_once() == 0

    asyncio.run(main())


def test_a_push_says_the_pass_type_and_nothing_else(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"), ("two", "bb"))
            await service.change("1", 5)
            await service.dispatcher.work_once()
            first, second = service.sender.sent
            assert (first.topic, first.payload, first.push_type, first.priority) == (TYPE, b"{}", None, 10)
            assert first.expiration > service.clock.now() // 1000 + 86_400
            assert first.apns_id != second.apns_id
            assert first.apns_id[14] == "4", "a version 4 UUID"
            [credential] = service.sender.credentials
            assert credential.topic == TYPE
            assert b"ENCRYPTED" in credential.key_pem

    asyncio.run(main())


# ── patience


def test_the_second_push_of_a_burst_waits_and_then_goes(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 1)
            await service.dispatcher.work_once()
            assert service.sender.taken() == ["aa"]
            await service.ask("one")
            await service.change("1", 2)
            await service.change("1", 3)
            assert await service.dispatcher.work_once() == 1
            assert service.sender.taken() == []
            assert await service.store.due() == [(TYPE, service.clock.now() + budget.SPACING_MS)]
            service.clock.pass_(budget.SPACING_MS - 1)
            assert await service.dispatcher.work_once() == 0
            service.clock.pass_(1)
            await service.dispatcher.work_once()
            assert service.sender.taken() == ["aa"], "one push for both changes"
            assert await count(service, "push_held") == 1

    asyncio.run(main())


def test_a_phone_is_not_worn_out_however_often_the_pass_changes(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            pushes = 0
            for n in range(60):
                await service.change("1", n + 1)
                await service.dispatcher.work_once()
                if service.sender.taken():
                    pushes += 1
                    await service.ask("one")
                assert (await service.target()).score <= budget.LIMIT
                service.clock.pass_(MINUTE)
            assert 3 <= pushes < 10
            service.clock.pass_(HOUR)
            await service.dispatcher.work_once()
            assert (await service.ask("one"))[0] == ["1"], "held, never lost"

    asyncio.run(main())


def test_what_cannot_wait_goes_at_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            for n in range(8):
                await service.change("1", n + 1, "now")
                await service.dispatcher.work_once()
                assert service.sender.taken() == ["aa"]
            await service.ask("one")
            await service.change("1", 99)
            await service.dispatcher.work_once()
            assert service.sender.taken() == [], "the hurry was for those changes, not for every later one"

    asyncio.run(main())


# ── answers


def test_an_accepted_push_that_nobody_asks_after_is_repeated_ever_more_slowly(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 5)
            waits = []
            while len(waits) < 8:
                await service.dispatcher.work_once()
                [(_, due_at)] = await service.store.due()
                if service.sender.taken():
                    waits.append(due_at - service.clock.now())
                service.clock.pass_(due_at - service.clock.now())
            assert waits == list(UNASKED_LADDER[:8])
            await service.ask("one")
            assert await service.store.due() == []
            await service.change("1", 6)
            await service.dispatcher.work_once()
            assert (await service.target()).next_at == service.clock.now() + UNASKED_LADDER[0], (
                "an ask starts it afresh"
            )

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "reason", "wait"),
    [
        (429, "TooManyRequests", FAILED_LADDER[0]),
        (503, "ServiceUnavailable", 15 * MINUTE),
        (500, "InternalServerError", 15 * MINUTE),
        (0, "Unreachable", FAILED_LADDER[0]),
        (0, "Timeout", FAILED_LADDER[0]),
        (400, "PayloadTooLarge", DAY),
        (418, "SomethingNew", 15 * MINUTE),
    ],
)
def test_a_push_that_was_not_taken_waits_and_stays_due(
    status: int, reason: str, wait: int, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"), ("two", "bb"))
            changed = await service.change("1", 5)
            service.sender.answers["aa"] = (status, reason)
            await service.dispatcher.work_once()
            refused, taken = await service.target("aa"), await service.target("bb")
            assert (refused.next_at, refused.pushed, refused.dead_at) == (service.clock.now() + wait, 0, None)
            assert refused.last_push_at is None, "a push that never arrived costs no patience"
            assert taken.pushed == changed.number
            [event] = await service.store.events(
                kinds=["push_rejected", "push_failed"], pass_type=TYPE, after=0, limit=9
            )
            assert (event.detail["status"], event.detail["reason"]) == (status, reason)
            await service.change("1", 6)
            assert (await service.target("aa")).next_at >= service.clock.now() + wait, "whatever changes meanwhile"

    asyncio.run(main())


@pytest.mark.parametrize("answer", [(410, "Unregistered"), (400, "BadDeviceToken"), (400, "DeviceTokenNotForTopic")])
def test_a_dead_token_is_not_pushed_again_and_stops_nobody(
    answer: tuple[int, str], tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"), ("two", "bb"), ("three", "cc"))
            service.sender.answers["bb"] = answer
            service.sender.timestamps["bb"] = service.clock.now()
            await service.change("1", 5)
            await service.dispatcher.work_once()
            assert sorted(service.sender.taken()) == ["aa", "bb", "cc"]
            assert (await service.target("bb")).dead_reason == answer[1]
            service.clock.pass_(DAY)
            await service.change("1", 6)
            await service.dispatcher.work_once()
            assert sorted(service.sender.taken()) == ["aa", "cc"]
            assert await service.register("1", "two", "bb") == 200, "and it lives again when the phone says so"
            service.sender.answers.clear()
            service.clock.pass_(2 * MINUTE)
            await service.dispatcher.work_once()
            assert "bb" in service.sender.taken()

    asyncio.run(main())


def test_a_late_410_does_not_bury_a_phone_that_just_registered(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            service.sender.answers["aa"] = (410, "Unregistered")
            service.sender.timestamps["aa"] = service.clock.now()

            async def registers() -> None:
                service.clock.pass_(10 * MINUTE)
                await service.register("1", "one", "aa")
                service.clock.pass_(-10 * MINUTE)

            service.sender.before_answer = registers
            await service.change("1", 5)
            await service.dispatcher.work_once()
            assert (await service.target()).dead_at is None
            service.sender.before_answer = None
            service.clock.pass_(11 * MINUTE)
            await service.dispatcher.work_once()
            target = await service.target()
            assert (target.dead_at, target.next_at) == (None, service.clock.now() + RACE_RETRY_MS)

    asyncio.run(main())


def test_when_many_tokens_are_called_bad_the_configuration_is_and_no_phone_is_buried(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            phones = [(f"p{n}", f"{n:02}") for n in range(12)]
            await holding(service, *phones)
            service.sender.answers = {token: (400, "BadDeviceToken") for _, token in phones}
            await service.change("1", 5)
            await service.dispatcher.work_once()
            dead = service.elsewhere("SELECT count(*) FROM push_target WHERE dead_at IS NOT NULL")
            assert dead == [(5,)], "the first few, before it could be known"

    asyncio.run(main())


def test_a_refused_credential_stops_its_type_and_only_it(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.certify(authority.pass_certificate(OTHER, TEAM))
            await holding(service, ("one", "aa"))
            await holding(service, ("one", "bb"), pass_type=OTHER)
            service.sender.answers["aa"] = (403, "BadCertificate")
            for pass_type in (TYPE, OTHER):
                await service.change("1", 5, pass_type=pass_type)
            await service.dispatcher.work_once()
            assert sorted(service.sender.taken()) == ["aa", "bb"]
            await service.register("1", "late", "cc")
            await service.change("1", 6)
            await service.change("1", 6, "now", pass_type=OTHER)
            service.clock.pass_(MINUTE)
            await service.dispatcher.work_once()
            assert service.sender.taken() == ["bb"], "not even a new phone of the refused type"
            [event] = await service.store.events(kinds=["circuit_opened"], pass_type=None, after=0, limit=9)
            assert (event.pass_type, event.detail["reason"]) == (TYPE, "BadCertificate")
            assert (await service.target("aa")).attempts == 0, "no token is to blame"
            service.sender.answers.clear()
            service.clock.pass_(CIRCUIT_MS)
            await service.dispatcher.work_once()
            assert {"aa", "cc"} <= set(service.sender.taken())

    asyncio.run(main())


def test_promoting_another_certificate_closes_the_circuit_and_retires_the_old_connection(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 5)
            await service.dispatcher.work_once()
            await service.store.write(lambda tx: tx.open_circuit(TYPE, service.clock.now() + DAY, "x", 1))
            first = service.sender.credentials[0].id
            second = await service.certify(authority.pass_certificate(TYPE, TEAM))
            await service.store.write(lambda tx: promote(tx, TYPE, second, 0))
            service.clock.pass_(UNASKED_LADDER[0])
            await service.dispatcher.work_once()
            assert [credential.id for credential in service.sender.credentials] == [first, second]
            await until(lambda: service.sender.retired == [first], "the old connection is given up")

    asyncio.run(main())


def test_without_a_certificate_the_type_waits_and_nobody_is_to_blame(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 5)
            service.without_certificate()
            await service.dispatcher.work_once()
            assert service.sender.taken() == []
            target = await service.target()
            assert (target.lease, target.attempts, target.dead_at) == (None, 0, None)
            assert await service.store.due() == [(TYPE, service.clock.now() + CIRCUIT_MS)]
            assert await count(service, "circuit_opened") == 1

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "cert import" in caplog.text, "with the hint"


# ── crashes and leases


def test_a_crash_between_sending_and_recording_costs_one_more_push(tmp_path: Path, pass_certificate: Issued) -> None:
    class Crash(BaseException):
        pass

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"), ("two", "bb"))
            changed = await service.change("1", 5)
            real = service.sender.send

            async def send_and_die(*arguments: Any) -> None:
                await real(*arguments)
                raise Crash

            service.sender.send = send_and_die  # type: ignore[method-assign]
            with pytest.raises(Crash):
                await service.dispatcher.work_once()
            assert sorted(service.sender.taken()) == ["aa", "bb"]
            assert (await service.target()).pushed == 0
            service.sender.send = real  # type: ignore[method-assign]
            successor = Dispatcher(
                *(service.store, service.sender, service.builder, service.clock, service.chance),
                *(service.scheduler, service.due),
            )
            assert await successor.work_once() == 0, "the lease still stands"
            service.clock.pass_(LEASE_MS)
            assert await successor.work_once() == 2
            assert sorted(service.sender.taken()) == ["aa", "bb"], "once more, and not again"
            assert (await service.target()).pushed == changed.number
            assert await successor.work_once() == 0

    asyncio.run(main())


def test_two_workers_never_send_the_same_push(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, *((f"p{n}", f"{n:02}") for n in range(16)))
            await service.change("1", 5)

            async def yields() -> None:
                await asyncio.sleep(0)

            service.sender.before_answer = yields
            workers = [
                Dispatcher(
                    *(service.store, service.sender, service.builder, service.clock, service.chance),
                    *(service.scheduler, service.due),
                )
                for _ in range(4)
            ]
            await asyncio.gather(*(worker.work_once() for worker in workers))
            assert sorted(service.sender.taken()) == [f"{n:02}" for n in range(16)]

    asyncio.run(main())


def test_a_fault_of_ours_does_not_end_the_worker_nor_starve_other_types(
    tmp_path: Path, pass_certificate: Issued, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate whose key cannot be opened is a fault that nobody foresaw here."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.certify(authority.pass_certificate(OTHER, TEAM))
            await holding(service, ("one", "aa"))
            await holding(service, ("one", "bb"), pass_type=OTHER)
            for pass_type in (TYPE, OTHER):
                await service.change("1", 5, pass_type=pass_type)
            real = service.builder.identity

            async def stumbles(pass_type: str) -> Any:
                if pass_type == TYPE:
                    raise ValueError("unforeseen")
                return await real(pass_type)

            service.builder.identity = stumbles  # type: ignore[method-assign]
            running = asyncio.create_task(service.dispatcher.run())
            await until(lambda: service.sender.taken() == ["bb"], "the other type is pushed")
            await service.dispatcher.stop()
            await running

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "unforeseen" in caplog.text


# ── running


def test_the_running_worker_is_woken_by_a_change_and_stops_when_told(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            running = asyncio.create_task(service.dispatcher.run())
            await asyncio.sleep(0.05)
            assert service.sender.taken() == []
            await service.change("1", 5)
            await until(lambda: service.sender.sent, "the change is pushed")
            assert service.dispatcher.heard_at == service.clock.now()
            await service.dispatcher.stop()
            await asyncio.wait_for(running, 5)

    asyncio.run(main())


def test_the_running_worker_hears_of_another_process(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            running = asyncio.create_task(service.dispatcher.run())
            async with rig(tmp_path, None, clock=service.clock, publish=False, seed=2) as other:
                await other.change("1", 5)
            await until(lambda: service.sender.sent, "long before the sweep")
            await service.dispatcher.stop()
            await running

    asyncio.run(main())


def test_stopping_lets_what_is_under_way_finish(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"), ("two", "bb"))
            changed = await service.change("1", 5)
            under_way, may_go_on = asyncio.Event(), asyncio.Event()

            async def slowly() -> None:
                under_way.set()
                await may_go_on.wait()

            service.sender.before_answer = slowly
            running = asyncio.create_task(service.dispatcher.run())
            await asyncio.wait_for(under_way.wait(), 5)
            stopping = asyncio.create_task(service.dispatcher.stop())
            await asyncio.sleep(0.05)
            assert not stopping.done()
            may_go_on.set()
            await asyncio.wait_for(stopping, 5)
            await asyncio.wait_for(running, 5)
            assert [(await service.target(token)).pushed for token in ("aa", "bb")] == [changed.number] * 2
            assert (await service.target()).lease is None

    asyncio.run(main())


def test_stopping_does_not_wait_for_ever(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await asyncio.wait_for(service.dispatcher.stop(0.05), 5)

    asyncio.run(main())


def test_nothing_is_claimed_once_it_is_to_stop(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await holding(service, ("one", "aa"))
            await service.change("1", 5)
            await service.dispatcher.stop(0.01)
            await asyncio.wait_for(service.dispatcher.run(), 5)
            assert service.sender.taken() == []
            target = await service.target()
            assert (target.lease, target.next_at) == (None, service.clock.now())

    asyncio.run(main())


def test_a_push_that_stalls_holds_up_no_other_type_and_no_later_change(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.certify(authority.pass_certificate(OTHER, TEAM))
            await holding(service, ("one", "aa"))
            await holding(service, ("two", "bb"), serial="2")
            await holding(service, ("three", "cc"), pass_type=OTHER)
            real, may_go_on = service.sender.send, asyncio.Event()

            async def stalls(credential: Any, messages: Any, answered: Any) -> None:
                if messages[0].push_token == "aa":
                    await may_go_on.wait()
                await real(credential, messages, answered)

            service.sender.send = stalls  # type: ignore[method-assign]
            running = asyncio.create_task(service.dispatcher.run())
            await service.change("1", 5, "now")
            await until(lambda: service.elsewhere("SELECT 1 FROM push_target WHERE push_token='aa' AND lease <> ''"))
            service.clock.pass_(SECOND)
            await service.change("2", 5, "now")
            await service.change("1", 5, "now", pass_type=OTHER)
            await until(lambda: service.clock.pass_(5) or len(service.sender.sent) == 2, "the others go meanwhile")
            assert sorted(service.sender.taken()) == ["bb", "cc"]
            may_go_on.set()
            await service.dispatcher.stop()
            await asyncio.wait_for(running, 5)
            assert service.sender.taken() == ["aa"], "and it is seen through before the end"

    asyncio.run(main())


# ── pace


def worker(service: Rig, slowest: Slowest, **pace: float) -> Dispatcher:
    """Another worker, which knows how slowly phones are served."""
    return Dispatcher(
        *(service.store, service.sender, service.builder, service.clock, service.chance),
        *(service.scheduler, service.due, slowest, budget.Pace(**pace)),
    )


def test_pushing_slows_down_when_the_phones_that_come_back_are_served_slowly(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:

            async def slowest() -> float:
                return 2.0

            slowed = worker(service, slowest, rate=4000.0)
            await holding(service, *((f"p{n}", f"{n:02}") for n in range(20)))
            pauses = []
            for n in range(5):
                service.clock.pass_(DAY)
                await service.change("1", n + 1, "now")
                assert await slowed.work_once() == 20
                pauses.append(await slowed._one_round())
            for pause, longer in pairwise(pauses):
                assert longer == pytest.approx(2 * pause, rel=0.01), "half the rate each time"
            service.clock.pass_(1 + int(1000 * pauses[-1]))
            assert await slowed._one_round() != pauses[-1], "and then it goes on"

    asyncio.run(main())


def test_the_pace_is_looked_after_once_a_second_however_many_batches_go(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            looked = 0

            async def slowest() -> None:
                nonlocal looked
                looked += 1

            paced = worker(service, slowest)
            await holding(service, *((f"p{n}", f"{n:02}") for n in range(4)))
            for n in range(10):
                await service.change("1", n, "now")
                await paced.work_once()
                service.clock.pass_(250)
            assert looked == 3

    asyncio.run(main())


def test_a_batch_is_the_pushes_of_a_quarter_of_a_second(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:

            async def slowest() -> None:
                return None

            paced = worker(service, slowest, rate=28.0)
            await holding(service, *((f"p{n}", f"{n:02}") for n in range(20)))
            await service.change("1", 1, "now")
            assert await paced.work_once() == 7
            assert await paced._one_round() == pytest.approx(0.25)

    asyncio.run(main())


def test_when_nothing_is_due_it_sleeps_until_something_is(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            assert await service.dispatcher._one_round() == 30.0
            await service.issue("1")
            await service.register("1")
            service.clock.pass_(MINUTE - 10 * SECOND)
            assert await service.dispatcher._one_round() == 10.0
            service.clock.pass_(10 * SECOND)
            assert await service.dispatcher._one_round() == 0.0

    asyncio.run(main())
