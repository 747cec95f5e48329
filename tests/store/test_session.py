"""What the statements mean: joining, retargeting, leases, fencing, acknowledging, telling again, forgetting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from livepass.core.budget import SHARED_INTERVAL_MS, go_at, score_after
from livepass.core.change import AHEAD_SECONDS
from livepass.core.decision import Leave, NewEpoch, RaiseAsked, RaiseServed, Resurrect, Retarget, Revive, SaveDevice
from livepass.core.model import Certificate, Counter, Prunable, StoredTemplate, Tag
from livepass.core.morning import Behind
from livepass.core.retelling import RETELL_LIMIT, next_retelling
from livepass.core.timeline import TAKEN, Event, Kind, Stand
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.store import owing
from store.hand import OTHER, T0, TYPE, Hand, opened, outcome, version

pytestmark = pytest.mark.usefixtures("engine")

MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def asked(
    device: str, told: int, *named: str, token: str = "aa", seen: int = 0, at: int = T0, epoch: str = "e1"
) -> RaiseAsked:
    pairs = tuple((serial, at + 15 * MINUTE) for serial in named)
    return RaiseAsked(TYPE, device, token, seen, told, pairs, at, epoch)


def served(
    device: str, serial: str, seq: int, *, confirmed: bool = True, at: int = T0, epoch: str = "e1"
) -> RaiseServed:
    return RaiseServed(TYPE, device, serial, seq, at, confirmed, epoch)


# ── trip 1: joining


def test_joining_takes_a_number_and_is_owed_a_push_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            assert await hand.join("phone", "a") == 2
            assert hand.registration("phone", "a")["seq"] == 2
            target = hand.target()
            assert (target["wanted"], target["acked"], target["next_at"]) == (2, 0, T0 + MINUTE)
            snapshot = await hand.store.ask_snapshot(TYPE, "phone", None)
            assert [(one.registration.serial, one.newest) for one in snapshot.listed] == [("a", 2)]

    asyncio.run(main())


def test_joining_again_starts_a_new_copy(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(asked("phone", 2, "a"), served("phone", "a", 2), Leave(TYPE, "phone", "a", T0 + 5))
            assert hand.registration("phone", "a")["left_at"] == T0 + 5
            assert await hand.join("phone", "a", at=T0 + 9) == 3
            row = hand.registration("phone", "a")
            kept = {name: row[name] for name in ("seq", "registered_at", "left_at", "served", "served_at", "confirmed")}
            assert kept == {
                "seq": 3,
                "registered_at": T0 + 9,
                "left_at": None,
                "served": 0,
                "served_at": None,
                "confirmed": 0,
            }
            assert (row["retold"], row["retell_at"]) == (0, None)

    asyncio.run(main())


def test_joining_does_not_put_off_a_push_that_is_due_sooner(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("phone", "a")
            await hand.put("a", now=T0)
            assert hand.target()["next_at"] == T0
            await hand.join("phone", "b", at=T0 + 1)
            assert (hand.target()["wanted"], hand.target()["next_at"]) == (4, T0)

    asyncio.run(main())


def test_a_registration_bumps_the_time_of_its_token_and_never_lowers_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a", at=T0)
            for at, expected in ((T0 + 9, T0 + 9), (T0 + 3, T0 + 9)):
                await hand.apply(SaveDevice(TYPE, "phone", "aa", at))
                assert hand.target()["token_registered_at"] == expected
                assert hand.row("device")["token_registered_at"] == expected

    asyncio.run(main())


def test_leaving_keeps_the_first_instant_and_a_resurrection_clears_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(Leave(TYPE, "phone", "a", T0 + 1), Leave(TYPE, "phone", "a", T0 + 9))
            assert hand.registration("phone", "a")["left_at"] == T0 + 1
            await hand.apply(Resurrect(TYPE, "phone", "a"))
            assert hand.registration("phone", "a")["left_at"] is None

    asyncio.run(main())


# ── trip 1: another token


async def move(hand: Hand, device: str, old: str, new: str, at: int = T0) -> None:
    await hand.apply(SaveDevice(TYPE, device, new, at), Retarget(TYPE, device, old, new, at + MINUTE))


def test_what_is_still_owed_moves_to_the_new_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(asked("phone", 2))
            await hand.put("a")
            await move(hand, "phone", "aa", "bb", T0 + 7)
            [target] = hand.rows("push_target")
            assert target["push_token"] == "bb"
            assert (target["wanted"], target["acked"], target["next_at"]) == (3, 2, T0 + 7 + MINUTE)
            assert target["token_registered_at"] == T0 + 7

    asyncio.run(main())


def test_a_phone_that_is_owed_nothing_is_not_pushed_for_its_new_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(asked("phone", 2))
            await move(hand, "phone", "aa", "bb")
            assert await hand.store.due() == []

    asyncio.run(main())


def test_an_old_token_that_another_record_still_names_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a", "aa")
            await hand.join("two", "b", "aa")
            await move(hand, "one", "aa", "bb")
            assert {row["push_token"] for row in hand.rows("push_target")} == {"aa", "bb"}
            await move(hand, "two", "aa", "cc")
            assert {row["push_token"] for row in hand.rows("push_target")} == {"bb", "cc"}

    asyncio.run(main())


def test_moving_to_a_token_that_another_record_has_owes_it_to_both(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a", "aa")
            await hand.join("two", "b", "bb")
            await hand.apply(asked("two", 3, token="bb"))
            assert hand.target("bb")["wanted"] == hand.target("bb")["acked"] == 3
            await move(hand, "one", "aa", "bb")
            target = hand.target("bb")
            assert (target["wanted"], target["acked"]) == (3, 0), (
                "what the first is owed is not lost in the second's ask"
            )

    asyncio.run(main())


def test_moving_revives_a_token_that_was_buried(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a", "aa")
            await hand.join("two", "b", "bb")
            [_, second] = sorted(await hand.claim(now=T0 + MINUTE), key=lambda target: target.push_token)
            await hand.record("l1", outcome(second, pushed=0, dead_reason="Unregistered"), now=T0 + MINUTE)
            assert hand.target("bb")["dead_reason"] == "Unregistered"
            await move(hand, "one", "aa", "bb", T0 + 2 * MINUTE)
            assert (hand.target("bb")["dead_at"], hand.target("bb")["dead_reason"]) == (None, None)

    asyncio.run(main())


def test_reviving_makes_a_dead_token_due_and_leaves_a_live_one_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            before = hand.target()
            await hand.apply(Revive(TYPE, "aa", T0 + 5))
            assert hand.target() == before
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.record("l1", outcome(target, pushed=0, next_at=T0 + MINUTE, dead_reason="410"))
            assert await hand.store.due() == []
            await hand.apply(Revive(TYPE, "aa", T0 + 2 * MINUTE))
            assert await hand.store.due() == [(TYPE, T0 + 2 * MINUTE)]

    asyncio.run(main())


# ── a change


def test_a_change_wants_a_push_for_every_phone_once_whatever_it_holds(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b", "c")
            await hand.join("one", "a", "aa")
            await hand.join("one", "b", "aa")
            await hand.join("other-record", "a", "aa")
            await hand.join("two", "b", "bb")
            await hand.join("three", "c", "cc")
            number, due = await hand.put("a", "b")
            assert due == 2, "tokens, not registrations"
            assert [hand.target(token)["wanted"] for token in ("aa", "bb")] == [number, number]
            assert hand.target("cc")["wanted"] < number

    asyncio.run(main())


def test_the_dead_are_marked_but_not_counted(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("one", "a", "aa")
            await hand.join("two", "a", "bb")
            [first, _] = sorted(await hand.claim(now=T0 + MINUTE), key=lambda target: target.push_token)
            await hand.record("l1", outcome(first, pushed=0, dead_reason="410"))
            number, due = await hand.put("a")
            assert due == 1
            assert hand.target("aa")["wanted"] == number, "so that a revival knows what is owed"

    asyncio.run(main())


def test_a_phone_that_left_is_pushed_for_an_hour(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(Leave(TYPE, "phone", "a", T0))
            assert (await hand.put("a", now=T0 + TOMBSTONE_MS - 1))[1] == 1
            assert (await hand.put("a", now=T0 + TOMBSTONE_MS))[1] == 0

    asyncio.run(main())


def test_without_a_push_the_number_still_rises(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(asked("phone", 2))
            assert await hand.put("a", push_at=None) == (3, 0)
            assert await hand.store.due() == []
            assert hand.row("pass")["seq"] == 3

    asyncio.run(main())


def test_what_does_not_move_takes_no_number_and_wants_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            before, row = hand.target(), hand.row("pass")
            still = version("a", moves=False)
            still = replace(still, row=replace(still.row, seq=row["seq"], edit=7), event=replace(still.event, seq=1))
            result = await hand.store.write(
                lambda tx: tx.put_passes(TYPE, [still], now=T0, push_at=T0 + 99, urgent=True)
            )
            assert result == (0, 0)
            assert hand.target() == before
            assert (hand.row("pass")["edit"], hand.row("pass")["seq"], hand.row("counter")["seq"]) == (7, 1, 2)

    asyncio.run(main())


def test_types_are_counted_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.pass_type(OTHER, "e2")
            await hand.put("a")
            await hand.put("a")
            assert await hand.put("a", pass_type=OTHER) == (1, 0)
            assert await hand.store.counter(TYPE) == Counter(TYPE, "e1", 2)
            assert await hand.store.counter(OTHER) == Counter(OTHER, "e2", 1)
            await hand.join("phone", "a", "aa", pass_type=OTHER)
            assert (await hand.put("a"))[1] == 0, "the same token under another type is another target"

    asyncio.run(main())


def test_a_type_that_was_never_set_up_has_no_numbers(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            with pytest.raises(LookupError, match="never set up"):
                await hand.put("a", pass_type="pass.test.nobody")
            assert hand.rows("pass") == []

    asyncio.run(main())


# ── trip 2: leases


def test_nobody_else_holds_what_is_leased(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for n in range(30):
                await hand.join(f"p{n}", "a", f"{n:02}")
            claims = await asyncio.gather(*(hand.claim(f"l{n}", T0 + MINUTE, limit=7) for n in range(8)))
            tokens = [target.push_token for claim in claims for target in claim]
            assert sorted(tokens) == sorted(f"{n:02}" for n in range(30)), "each once, none twice"
            assert await hand.claim("late", T0 + MINUTE) == []
            await hand.put("a", now=T0 + MINUTE, push_at=T0 + MINUTE)
            assert await hand.claim("late", T0 + MINUTE + 1) == [], "not for a newer change either"

    asyncio.run(main())


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [slow] = await hand.claim("slow", T0 + MINUTE, lasting=1000)
            assert await hand.claim("quick", T0 + MINUTE + 999) == []
            [taken] = await hand.claim("quick", T0 + MINUTE + 1000)
            assert (taken.push_token, taken.lease) == ("aa", "quick")
            held = hand.target()
            await hand.record("slow", outcome(slow, dead_reason="410", attempts=9))
            await hand.store.write(lambda tx: tx.hold_targets("slow", [(slow, T0)]))
            assert hand.target() == held
            await hand.record("quick", outcome(taken))
            assert (hand.target()["pushed"], hand.target()["lease"], hand.target()["attempts"]) == (2, None, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("score", "last_push_at", "passes"),
    [
        pytest.param(0.0, T0 + DAY - MINUTE, 2, id="pushed lately"),
        pytest.param(0.0, T0 + DAY - SHARED_INTERVAL_MS + 1, 2, id="within the longest interval"),
        pytest.param(0.1, T0 + MINUTE, 2, id="still has a score"),
        pytest.param(0.0, T0 + DAY - SHARED_INTERVAL_MS, 0, id="left alone long enough"),
        pytest.param(0.0, None, 0, id="never pushed"),
    ],
)
def test_what_is_claimed_tells_how_many_passes_the_phone_holds_where_that_matters(
    tmp_path: Path, score: float, last_push_at: int | None, passes: int
) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b", "c")
            for serial in "abc":
                await hand.join("phone", serial)
            await hand.apply(Leave(TYPE, "phone", "c", T0))
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.record("l1", outcome(target, score=score, last_push_at=last_push_at, next_at=T0 + DAY))
            now = T0 + DAY
            [target] = await hand.claim("l2", now=now)
            assert (target.passes, target.wanted, target.sending) == (passes, 4, 4)
            for after in (score_after, go_at):
                known = after(score, last_push_at, 2, now)
                assert after(score, last_push_at, target.passes, now) == known, "as if they had been counted"

    asyncio.run(main())


def test_only_what_is_due_is_claimed_the_earliest_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b", "c")
            await hand.join("late", "a", "aa", at=T0 + 2)
            await hand.join("early", "b", "bb", at=T0)
            await hand.join("mid", "c", "cc", at=T0 + 1)
            assert await hand.claim(now=T0 + MINUTE - 1) == []
            found = await hand.claim(now=T0 + 2 * MINUTE, limit=2)
            assert {target.push_token for target in found} == {"bb", "cc"}

    asyncio.run(main())


def test_giving_back_keeps_a_newer_change_at_its_own_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.store.write(lambda tx: tx.hold_targets("l1", [(target, T0 + 9 * MINUTE)]))
            assert (hand.target()["next_at"], hand.target()["lease"]) == (T0 + 9 * MINUTE, None)
            [target] = await hand.claim(now=T0 + 9 * MINUTE)
            await hand.put("a", push_at=T0 + 10 * MINUTE)
            await hand.store.write(lambda tx: tx.hold_targets("l1", [(target, T0 + 99 * MINUTE)]))
            assert hand.target()["next_at"] == T0 + 10 * MINUTE

    asyncio.run(main())


# ── trip 2: outcomes


def test_an_accepted_push_stays_due_until_the_phone_asks(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.record("l1", outcome(target, next_at=T0 + 2 * MINUTE))
            row = hand.target()
            assert (row["pushed"], row["acked"], row["score"], row["last_push_at"]) == (2, 0, 0.5, T0)
            assert await hand.store.due() == [(TYPE, T0 + 2 * MINUTE)]
            await hand.apply(asked("phone", 2))
            assert await hand.store.due() == []
            assert hand.target()["attempts"] == 0

    asyncio.run(main())


def test_a_change_that_came_while_the_push_was_under_way_stays_due(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.put("a", push_at=T0 + MINUTE + 5)
            await hand.record("l1", outcome(target, next_at=T0 + 99 * MINUTE))
            row = hand.target()
            assert (row["pushed"], row["wanted"], row["next_at"]) == (2, 3, T0 + MINUTE + 5)
            [again] = await hand.claim("l2", T0 + MINUTE + 5)
            assert again.sending == 3

    asyncio.run(main())


def test_when_apns_asked_for_patience_a_change_does_not_cut_it_short(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.put("a", push_at=T0 + MINUTE)
            await hand.record("l1", outcome(target, pushed=0, next_at=T0 + 15 * MINUTE))
            assert hand.target()["next_at"] == T0 + 15 * MINUTE, "the change that came meanwhile"
            await hand.put("a", push_at=T0 + 2 * MINUTE)
            assert hand.target()["next_at"] == T0 + 15 * MINUTE, "and the one that came after"

    asyncio.run(main())


def test_a_token_that_was_registered_again_meanwhile_is_not_marked_dead(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.apply(SaveDevice(TYPE, "phone", "aa", T0 + MINUTE + 1))
            await hand.record("l1", outcome(target, pushed=0, dead_reason="Unregistered"), now=T0 + MINUTE + 2)
            assert (hand.target()["dead_at"], hand.target()["dead_reason"]) == (None, None)
            [target] = await hand.claim("l2", T0 + 9 * MINUTE)
            await hand.record("l2", outcome(target, pushed=0, dead_reason="Unregistered"), now=T0 + 9 * MINUTE)
            assert (hand.target()["dead_at"], hand.target()["dead_reason"]) == (T0 + 9 * MINUTE, "Unregistered")
            assert hand.rows("registration"), "marked, never deleted"

    asyncio.run(main())


def test_wanting_now_overrides_patience_for_what_is_due_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b", "c")
            await hand.join("one", "a", "aa")
            await hand.join("two", "b", "bb")
            await hand.join("three", "c", "cc")
            await hand.apply(asked("three", 4, token="cc"))
            want = lambda serial: hand.store.write(lambda tx: tx.want_now(TYPE, serial, T0 + 5))  # noqa: E731
            assert await want("a") == 1
            row = hand.target("aa")
            assert (row["next_at"], row["urgent"], row["attempts"]) == (T0 + 5, row["wanted"], 0)
            assert hand.target("bb")["next_at"] == T0 + MINUTE
            assert await want("c") == 0, "a phone that heard it all is not due"
            assert await want(None) == 2

    asyncio.run(main())


def test_a_circuit_puts_off_its_type_and_only_it_until_a_promotion(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.pass_type(OTHER)
            for pass_type in (TYPE, OTHER):
                await hand.put("a", pass_type=pass_type)
                await hand.join("phone", "a", pass_type=pass_type)
            until = T0 + 99 * MINUTE
            await hand.store.write(lambda tx: tx.open_circuit(TYPE, until, "BadCertificate", T0))
            assert dict(await hand.store.due()) == {TYPE: until, OTHER: T0 + MINUTE}
            await hand.store.write(lambda tx: tx.use_credential(TYPE, T0 + 1))
            assert dict(await hand.store.due()) == {TYPE: T0 + 1, OTHER: T0 + MINUTE}, "what waited goes at once"

    asyncio.run(main())


@pytest.mark.parametrize("pushes", [owing.AT_ONCE, 1], ids=["at once", "in steps"])
def test_what_failed_before_it_was_refused_is_resumed_and_what_was_accepted_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushes: int
) -> None:
    """Fails when only first tries are resumed: a push that met a 503 before the refusal would wait its minutes."""
    monkeypatch.setattr(owing, "AT_ONCE", pushes)

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            phones = {"refused": "aa", "accepted": "bb", "patient": "cc"}
            for device, token in phones.items():
                await hand.join(device, "a", token)
            claim = {"lease": "l", "now": T0 + MINUTE, "lease_until": T0 + 2 * MINUTE, "limit": 9}
            claimed = await hand.store.write(lambda tx: tx.claim_targets(TYPE, **claim))
            refused, accepted, patient = sorted(claimed, key=lambda target: target.push_token)
            late = T0 + 99 * MINUTE
            outcomes = [
                outcome(refused, pushed=0, attempts=3, next_at=late, stop_until=late),
                outcome(accepted, attempts=3, next_at=late),
                outcome(patient, pushed=0, attempts=3, next_at=late),
            ]
            await hand.store.write(lambda tx: tx.record_outcomes("l", outcomes, T0 + MINUTE))
            now = T0 + 2 * MINUTE
            await hand.store.write(lambda tx: tx.resume_pushes(TYPE, now))
            while await hand.store.write(lambda tx: tx.fan_out(now, 2)):
                pass
            found = {device: hand.target(token)["next_at"] for device, token in phones.items()}
            assert found == {"refused": now, "accepted": late, "patient": late}

    asyncio.run(main())


# ── trip 3


def test_watermarks_only_rise(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            for _ in range(7):
                await hand.put("b")
            await hand.apply(asked("phone", 9, seen=8, at=T0 + 5), served("phone", "a", 9, at=T0 + 5))
            await hand.apply(asked("phone", 3, seen=2, at=T0), served("phone", "a", 3, at=T0))
            device, row = hand.row("device"), hand.registration("phone", "a")
            assert (device["asked"], device["told"], device["asked_at"]) == (8, 9, T0 + 5)
            assert (row["served"], row["confirmed"], row["served_at"]) == (9, 9, T0 + 5)
            assert hand.target()["acked"] == 9

    asyncio.run(main())


def test_an_ask_that_acknowledges_nothing_leaves_the_push_target_as_it_is(tmp_path: Path) -> None:
    """A page is logged for every row that is written, whether it changes or not."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.put("b", "c")
            key = {"pass_type": TYPE, "push_token": "aa", "device_id": "phone", "epoch": "e1", "siblings_since": T0}

            async def acknowledges(told: int) -> int:
                return await hand.store.write(lambda tx: tx._db.run("acknowledge", {**key, "told": told}))

            assert [await acknowledges(told) for told in (2, 2, 1)] == [1, 0, 0]
            engines.run(hand.url, "UPDATE push_target SET attempts = 3")
            assert (await acknowledges(2), hand.target()["attempts"]) == (1, 0), "the waiting of a silent phone ends"
            engines.run(hand.url, "UPDATE push_target SET attempts = 3, wanted = 3")
            assert (await acknowledges(2), hand.target()["attempts"]) == (0, 3), "it is owed more"
            assert (await acknowledges(3), hand.target()["acked"], hand.target()["attempts"]) == (1, 3, 0)

    asyncio.run(main())


def test_an_attribution_in_doubt_raises_served_and_confirms_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(asked("phone", 2, "a"), served("phone", "a", 2, confirmed=False))
            row = hand.registration("phone", "a")
            assert (row["served"], row["confirmed"]) == (2, 0)
            assert row["retell_at"] == T0 + 15 * MINUTE, "so it is told again"
            await hand.apply(served("phone", "a", 2))
            assert hand.registration("phone", "a")["retell_at"] is None

    asyncio.run(main())


def test_an_epoch_is_replaced_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            assert await hand.apply(NewEpoch(TYPE, "e1", "e2", 77)) == 2, "it takes a number"
            assert await hand.apply(NewEpoch(TYPE, "e1", "e3", 99)) == 0
            row = hand.row("counter")
            assert (row["epoch"], row["seq"], row["began"]) == ("e2", 2, 2)
            assert row["modified_floor"] == row["newest_modified"] + AHEAD_SECONDS, "whatever the clock says"
            assert row["newest_modified"] == hand.row("pass")["last_modified"]
            assert await hand.apply(NewEpoch(TYPE, "e2", "e4", 10**12)) == 3
            assert hand.row("counter")["modified_floor"] == 10**12

    asyncio.run(main())


@pytest.mark.parametrize("begun", [True, False], ids=["a new one began", "not noticed yet"])
def test_what_was_seen_in_a_lost_history_says_nothing_in_this_one(tmp_path: Path, begun: bool) -> None:
    """Else a number that is given a second time counts as told, and its push as not needed."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            if begun:
                assert await hand.apply(NewEpoch(TYPE, "e1", "e2", 77)) == 3
                await hand.put("a")
            # Said of a database that had come to 4, and written to the copy that is in its place now.
            await hand.apply(asked("phone", 4, seen=4), served("phone", "a", 4))
            device, row = hand.row("device"), hand.registration("phone", "a")
            assert (device["asked"], device["told"]) == (0, 0)
            assert (row["served"], row["confirmed"], hand.target()["acked"]) == (0, 0, 0)

    asyncio.run(main())


def test_an_unknown_phone_an_unknown_type_and_a_phone_without_passes_read_as_such(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            nobody = await hand.store.ask_snapshot(TYPE, "nobody", None)
            assert (nobody.counter, nobody.device, list(nobody.listed)) == (Counter(TYPE, "e1", 0), None, [])
            foreign = await hand.store.ask_snapshot("pass.test.nobody", "phone", None)
            assert (foreign.counter, foreign.device, list(foreign.listed)) == (None, None, [])
            fetched = await hand.store.fetch_snapshot("pass.test.nobody", "a")
            assert (fetched.head, fetched.tenant) == (None, "")
            registering = await hand.store.register_snapshot(TYPE, "nobody", "phone")
            assert (registering.token, registering.device, registering.registration) == (None, None, None)

    asyncio.run(main())


def test_the_list_is_left_out_only_for_the_newest_tag_of_this_history(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")

            async def listed(tag: Tag | None) -> list[str]:
                snapshot = await hand.store.ask_snapshot(TYPE, "phone", tag)
                assert (snapshot.counter, snapshot.device is None) == (Counter(TYPE, "e1", 2), False)
                return [one.registration.serial for one in snapshot.listed]

            for tag in (None, Tag("e1", 1), Tag("e1", 3), Tag("e0", 2), Tag("", -1)):
                assert await listed(tag) == ["a"], tag
            assert await listed(Tag("e1", 2)) == ["a"], "nobody wrote down that it was told of it"
            await hand.apply(asked("phone", 2, "a"))
            assert await listed(Tag("e1", 2)) == []
            # The newest number of a moment ago is no reason to leave anything out.
            await hand.put("a")
            snapshot = await hand.store.ask_snapshot(TYPE, "phone", Tag("e1", 2))
            assert [(one.registration.serial, one.newest) for one in snapshot.listed] == [("a", 3)]

    asyncio.run(main())


# ── telling again


async def retell(hand: Hand, at: int) -> int:
    return await hand.store.write(lambda tx: tx.retell(at, 500))


def test_what_was_told_without_evidence_is_told_again_under_a_number_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("phone", "a")
            await hand.join("phone", "b")
            await hand.apply(asked("phone", 3, "a", "b"), served("phone", "b", 3))
            assert await retell(hand, T0 + 15 * MINUTE - 1) == 0
            assert await retell(hand, T0 + 15 * MINUTE) == 1
            row = hand.registration("phone", "a")
            assert (row["seq"], row["retold"], row["retell_at"]) == (4, 1, None)
            assert hand.registration("phone", "b")["retold"] == 0
            assert (hand.target()["wanted"], hand.target()["next_at"]) == (4, T0 + 15 * MINUTE)
            assert hand.row("pass", serial="a")["seq"] == 1, "the pass itself did not change"
            [event] = hand.rows("event", kind="retold")
            assert (event["serial"], event["device_id"], event["seq"]) == ("a", "phone", 4)
            assert await retell(hand, T0 + 99 * MINUTE) == 0, "not before the phone was told again"

    asyncio.run(main())


def test_telling_again_has_an_end_and_a_new_version_starts_afresh(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            now, rounds = T0, 0
            while True:
                retold = hand.registration("phone", "a")["retold"]
                told = hand.row("counter")["seq"]
                named = (("a", next_retelling(retold, now)),)
                await hand.apply(RaiseAsked(TYPE, "phone", "aa", 0, told, named, now, "e1"))
                due_at = hand.registration("phone", "a")["retell_at"]
                if due_at is None:
                    break
                now, rounds = due_at, rounds + 1
                assert await retell(hand, now) == 1
            assert rounds == RETELL_LIMIT
            await hand.put("a", now=now)
            assert hand.registration("phone", "a")["retold"] == 0
            await hand.apply(asked("phone", hand.row("counter")["seq"], "a", at=now))
            assert await retell(hand, now + 15 * MINUTE) == 1

    asyncio.run(main())


def test_nobody_is_told_again_who_left_or_has_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(served("phone", "a", 1), asked("phone", 2, "a"))
            assert hand.registration("phone", "a")["retell_at"] is None, "it was served before it was named"
            await hand.put("a")
            await hand.apply(asked("phone", 3, "a"))
            await hand.apply(Leave(TYPE, "phone", "a", T0))
            assert hand.registration("phone", "a")["retell_at"] is None
            await hand.apply(asked("phone", 3, "a"))  # it is still told, for an hour
            assert await retell(hand, T0 + 99 * MINUTE) == 0

    asyncio.run(main())


def test_retelling_takes_one_number_a_type(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("phone", "a")
            await hand.join("phone", "b")
            await hand.apply(asked("phone", 3, "a", "b"))
            assert await retell(hand, T0 + 15 * MINUTE) == 2
            assert {row["seq"] for row in hand.rows("registration")} == {4}

    asyncio.run(main())


# ── timeline


def test_an_event_gets_the_number_its_transaction_took(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            detail = {"text": "naïve \u2028 'quote' \"double\" \x00 🎟", "n": 3, "none": None, "list": ["x"]}
            event = Event(Kind.REGISTERED, T0, TYPE, "a", "phone", "f00", TAKEN, detail)
            await hand.store.write(lambda tx: tx.add_events([event]))
            [_, found] = await hand.store.timeline(TYPE, "a", after=0, limit=10)
            assert found.detail == detail
            assert found.kind is Kind.REGISTERED

    asyncio.run(main())


def test_a_timeline_holds_the_events_of_its_phones_and_their_tokens_and_of_nobody_else(tmp_path: Path) -> None:
    from livepass.core.authorization import fingerprint

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a", "aa")
            await hand.join("two", "b", "bb")
            events = [
                Event(Kind.ASKED, T0, TYPE, device_id="one", seq=1),
                Event(Kind.ASKED, T0, TYPE, device_id="two", seq=2),
                Event(Kind.PUSH_ACCEPTED, T0, TYPE, target=fingerprint("aa"), seq=3),
                Event(Kind.PUSH_ACCEPTED, T0, TYPE, target=fingerprint("bb"), seq=4),
                Event(Kind.ASKED, T0, OTHER, device_id="one", seq=5),
            ]
            await hand.store.write(lambda tx: tx.add_events(events))
            found = await hand.store.timeline(TYPE, "a", after=0, limit=100)
            assert [(event.kind.value, event.seq) for event in found] == [
                ("changed", 1),
                ("asked", 1),
                ("push_accepted", 3),
            ]
            after = await hand.store.timeline(TYPE, "a", after=found[1].id, limit=100)
            assert list(after) == [found[2]]
            assert len(await hand.store.timeline(TYPE, "a", after=0, limit=2)) == 2
            pushes = await hand.store.events(kinds=["push_accepted"], pass_type=None, after=0, limit=10)
            assert [event.seq for event in pushes] == [3, 4]

    asyncio.run(main())


def test_testimony_comes_newest_first_within_what_the_caller_may_see(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            said = [
                Event(Kind.TESTIFIED, T0 + n, (TYPE, OTHER)[n % 2], detail={"code": f"T{n}", "line": "x"})
                for n in range(4)
            ]
            await hand.store.write(lambda tx: tx.add_events(said))

            async def codes(**options: object) -> list[object]:
                wanted = {"pass_type": None, "code": None, "before": 2**62, "limit": 10} | options
                return [event.detail["code"] for event in await hand.store.testimony(**wanted)]  # type: ignore[arg-type]

            assert await codes() == ["T3", "T2", "T1", "T0"]
            assert await codes(within=[OTHER]) == ["T3", "T1"]
            assert await codes(within=[]) == []
            assert await codes(pass_type=TYPE, limit=1) == ["T2"]
            assert await codes(code="T1") == ["T1"]

    asyncio.run(main())


# ── forgetting


def everything(hand: Hand) -> str:
    """All cells of all tables as text."""
    tables = engines.tables(hand.url)
    return "\n".join(f"{table}: {row}" for table in tables for row in hand.rows(table))


def test_erasing_leaves_nothing_of_the_pass(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("secret-serial", "kept")
            await hand.join("phone", "secret-serial", "c0ffee")
            await hand.join("both", "secret-serial", "dddd")
            await hand.join("both", "kept", "dddd")
            await hand.apply(asked("phone", 3, "secret-serial", token="c0ffee"))
            await hand.store.write(
                lambda tx: tx.add_events(
                    [
                        Event(Kind.FETCHED, T0, TYPE, "secret-serial", "phone", seq=1),
                        Event(Kind.ASKED, T0, TYPE, None, "phone", seq=3, detail={"serials": ["secret-serial"]}),
                        Event(Kind.ASKED, T0, TYPE, None, "both", seq=3, detail={"serials": ["kept", "secret-serial"]}),
                        Event(Kind.ASKED, T0, TYPE, None, "both", seq=4, detail={"serials": ["kept"], "count": 1}),
                    ]
                )
            )
            assert everything(hand).count("secret-serial") > 5
            assert await hand.store.write(lambda tx: tx.erase_pass(TYPE, "secret-serial"))
            left = everything(hand)
            assert "secret-serial" not in left
            assert "c0ffee" not in left, "nor of a phone that held nothing else"
            assert "dddd" in left
            assert hand.registration("both", "kept")
            asks = [event for event in await hand.store.timeline(TYPE, "kept", after=0, limit=50) if event.device_id]
            assert [event.seq for event in asks if event.kind is Kind.ASKED] == [3, 4], "what the others saw stays"
            assert asks[-1].detail == {"serials": ["kept"], "count": 1}
            assert not await hand.store.write(lambda tx: tx.erase_pass(TYPE, "secret-serial"))

    asyncio.run(main())


def test_pruning_takes_what_is_old_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", now=T0)
            await hand.put("a", now=T0 + 10)
            await hand.join("left", "a", "aa")
            await hand.join("gone", "a", "bb")
            await hand.join("here", "a", "cc")
            await hand.apply(Leave(TYPE, "left", "a", T0 + 5))
            [dead] = [target for target in await hand.claim(now=T0 + MINUTE) if target.push_token == "bb"]
            await hand.record("l1", outcome(dead, pushed=0, dead_reason="410"), now=T0 + 5)

            async def prune(limit: int = 5000, **before: int) -> int:
                given = {"events_before": 0, "tombstones_before": 0, "dead_before": 0, "idle_before": T0 + 1} | before
                bounds = (*given.values(), *[given["idle_before"]] * (len(Prunable) - len(given)))
                count = 0
                for what, before in zip(Prunable, bounds, strict=True):
                    count += await hand.store.write(lambda tx, what=what, at=before: tx.prune(what, at, limit))
                return count

            assert await prune() == 0
            assert await prune(tombstones_before=T0 + 5, dead_before=T0 + 5) == 0, "the bound itself is kept"
            assert await prune(tombstones_before=T0 + 6, idle_before=T0) == 1, "what is idle stays for a while"
            assert await prune(tombstones_before=T0 + 6) == 2, "phone and target"
            assert await prune(dead_before=T0 + 6) == 3
            assert [row["device_id"] for row in hand.rows("registration")] == ["here"]
            assert [row["device_id"] for row in hand.rows("device")] == ["here"]
            assert [row["push_token"] for row in hand.rows("push_target")] == ["cc"]
            before = len(hand.rows("event"))
            assert await prune(events_before=T0 + 1, limit=1) == 1
            assert await prune(events_before=T0 + 1) == before - 1 - len(hand.rows("event", at=T0 + 10))
            assert [row["at"] for row in hand.rows("event")] == [T0 + 10]

    asyncio.run(main())


def test_a_dead_token_is_kept_while_it_may_come_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            [target] = await hand.claim(now=T0 + MINUTE)
            await hand.record("l1", outcome(target, pushed=0, dead_reason="410"), now=T0)
            for what in set(Prunable) - {Prunable.EVENTS}:
                before = T0 if what is Prunable.DEAD else 2 * T0
                await hand.store.write(lambda tx, what=what, before=before: tx.prune(what, before, 9))
            assert hand.target()["dead_reason"] == "410"

    asyncio.run(main())


# ── lists


def test_lists_page_and_keep_to_what_the_caller_may_see(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.pass_type(OTHER)
            await hand.put("a", "b_1", "bx1")
            await hand.put("a", pass_type=OTHER)
            await hand.join("one", "a", "aa")
            await hand.join("two", "a", "aa")
            await hand.join("one", "b_1", "aa")
            await hand.join("one", "a", "aa", pass_type=OTHER)

            async def serials(**options: object) -> list[tuple[str, str]]:
                wanted = {"pass_type": None, "template": None, "prefix": "", "after": ("", ""), "limit": 9} | options
                return [(row.pass_type, row.serial) for row in await hand.store.passes(**wanted)]  # type: ignore[arg-type]

            everyone = [(OTHER, "a"), (TYPE, "a"), (TYPE, "b_1"), (TYPE, "bx1")]
            assert await serials() == everyone
            assert await serials(after=everyone[1], limit=1) == [everyone[2]]
            assert await serials(prefix="b_") == [(TYPE, "b_1")], "a prefix is text, not a pattern"
            both = [(OTHER, "a"), (TYPE, "a")]
            assert await serials(prefix="a") == both and await serials(prefix="a", limit=1) == both[:1]
            assert (
                await serials(prefix="a", after=both[0]) == both[1:] and await serials(prefix="a", after=both[1]) == []
            )
            assert await serials(prefix="b", after=(TYPE, "a")) == [(TYPE, "b_1"), (TYPE, "bx1")]
            assert await serials(prefix="b", after=(TYPE, "b_1")) == [(TYPE, "bx1")]
            assert await serials(prefix="a", within=[TYPE]) == await serials(prefix="a", pass_type=TYPE) == both[1:]
            assert await serials(prefix="c") == await serials(prefix="a", template="nobody") == []
            assert await serials(within=[OTHER]) == [(OTHER, "a")]
            assert await serials(within=[]) == await serials(template="nobody") == []

            listed = await hand.store.registrations(pass_type=TYPE, device_id=None, after=("", "", ""), limit=9)
            assert [(row.device_id, row.serial) for row in listed] == [("one", "a"), ("one", "b_1"), ("two", "a")]
            after = (TYPE, "one", "a")
            listed = await hand.store.registrations(
                pass_type=None, device_id="one", after=after, limit=9, within=[TYPE]
            )
            assert [row.serial for row in listed] == ["b_1"]

            targets = await hand.store.targets(pass_type=None, due_only=True, after=("", ""), limit=9)
            assert [(device, target.pass_type) for device, target in targets] == [("one", OTHER), ("one", TYPE)]
            assert await hand.store.targets(pass_type=None, due_only=True, after=(TYPE, "one"), limit=9) == []

    asyncio.run(main())


def test_who_waits_alike_is_counted_together_and_some_are_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for n in range(5):
                await hand.join(f"p{n}", "a", f"{n:04x}")
            await hand.put("a", push_at=T0)
            targets = {target.push_token: target for target in await hand.claim()}
            gone = [replace(outcome(targets[f"{n:04x}"]), dead_reason="Unregistered", pushed=0) for n in (0, 1, 2)]
            await hand.record("l1", *gone)
            await hand.apply(Leave(TYPE, "p2", "a", T0))
            unregistered, fine = (
                await hand.store.behind(TYPE, some=1, most=99),
                await hand.store.behind(TYPE, some=9, most=99),
            )
            assert [(one.ended, one.people, len(one.some)) for one in unregistered] == [
                ("", 2, 1),
                ("Unregistered", 2, 1),
            ]
            assert [one.some for one in fine] == [[("a", "p3"), ("a", "p4")], [("a", "p0"), ("a", "p1")]]

    asyncio.run(main())


def test_counts_stand_on_each_trip(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for n, token in enumerate(("aa", "bb", "cc", "dd")):
                await hand.join(f"p{n}", "a", token)
            number, _ = await hand.put("a", push_at=T0)
            targets = {target.push_token: target for target in await hand.claim()}
            await hand.record("l1", *(outcome(targets[token]) for token in ("aa", "bb", "cc")))
            await hand.apply(
                asked("p0", number, "a", token="aa"), served("p0", "a", number), asked("p1", number, "a", token="bb")
            )
            assert await hand.store.stats(TYPE) == {
                "passes": 1,
                "registrations": 4,
                "current": 1,
                "fetch": 1,
                "ask": 1,
                "push": 1,
                "unverified": 3,
            }
            assert (await hand.store.stats(None, within=[OTHER]))["registrations"] == 0
            assert (await hand.store.count_followed(TYPE), await hand.store.count_followed(OTHER)) == (4, 0)
            assert await hand.store.behind(TYPE, some=5, most=99) == [
                Behind(TYPE, Stand.ASK, "", 1, [("a", "p2")]),
                Behind(TYPE, Stand.FETCH, "", 1, [("a", "p1")]),
                Behind(TYPE, Stand.PUSH, "", 1, [("a", "p3")]),
            ]
            everybody = await hand.store.held_and_owed(TYPE, "a", limit=9)
            assert [one.registration.device_id for one, _ in everybody] == ["p0", "p1", "p2", "p3"]
            assert await hand.store.held_and_owed(TYPE, "a", limit=2, first="p1") == everybody[1:3]
            held = await hand.store.held(TYPE, "a")
            assert [one.watermarks.served for one in held] == [number, 0, 0, 0]
            assert [one.watermarks.pushed for one in held] == [number, number, number, 0]

    asyncio.run(main())


# ── templates and certificates


def test_a_template_points_at_its_newest_revision_and_keeps_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            for revision in ("r1", "r2"):
                stored = StoredTemplate("membership", revision, b"zip", {"points": "number"}, T0, True)
                await hand.store.write(lambda tx, stored=stored: tx.put_template("default", stored))
            current = await hand.store.template("default", "membership", None)
            assert current is not None
            assert (current.revision, current.variables, current.current) == ("r2", {"points": "number"}, True)
            old = await hand.store.template("default", "membership", "r1")
            assert old is not None
            assert not old.current
            assert [one.revision for one in await hand.store.templates("default")] == ["r2"]
            assert await hand.store.template("another tenant", "membership", None) is None

            await hand.put("a", "b", "c")
            behind = await hand.store.templates_behind()
            assert list(behind) == [("default", "membership", "r2")]
            follow = lambda: hand.store.followers("default", "membership", "r2", limit=9)  # noqa: E731
            assert [row.serial for row in await follow()] == ["a", "b", "c"]
            await hand.store.write(lambda tx: tx.refuse_revision(TYPE, "b", "r2"))
            assert [row.serial for row in await follow()] == ["a", "c"]

            counted = lambda revision, most=9: hand.store.following("default", "membership", revision, most=most)  # noqa: E731
            assert await counted("r1") == (3, 0, 0)
            assert await counted("r2") == (0, 3, 1), "one of the three cannot be built from it"
            assert await counted("r0") == (0, 3, 0), "older than theirs is another one too"
            assert await counted("r1", most=2) == (2, 0, 0)
            assert (await counted("r2", most=2))[:2] == (0, 2)
            assert await hand.store.following("another tenant", "membership", "r1", most=9) == (0, 0, 0)

    asyncio.run(main())


def test_a_team_is_adopted_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            set_up = lambda team: hand.store.write(  # noqa: E731
                lambda tx: tx.ensure_pass_type(OTHER, "default", team, "e9", T0)
            )
            for team, kept in (("", ""), ("TEAM1", "TEAM1"), ("TEAM2", "TEAM1"), ("", "TEAM1")):
                await set_up(team)
                found = await hand.store.pass_type(OTHER)
                assert found is not None
                assert found.team == kept
            assert await hand.store.counter(OTHER) == Counter(OTHER, "e9", 0)

    asyncio.run(main())


def test_a_certificate_that_comes_again_is_the_same_and_not_retired(tmp_path: Path) -> None:
    def certificate(**changes: object) -> Certificate:
        fields = ["id", "pass_type", "team", "common_name", "organization", "issuer", "serial_number"]
        numbers = dict.fromkeys(["not_before", "not_after", "intermediate_not_after", "created_at"], T0)
        blank = dict.fromkeys(fields, "x") | numbers | {"nfc": False, "chain_pem": b"c", "key_sealed": b"k"}
        rest = {"pass_type": TYPE, "proven_at": None, "retired_at": None}
        return Certificate(**(blank | rest | changes))  # type: ignore[arg-type]

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.store.write(lambda tx: tx.put_certificate(certificate(retired_at=T0)))
            await hand.store.write(lambda tx: tx.put_certificate(certificate(key_sealed=b"again", proven_at=T0)))
            [found] = await hand.store.certificates(None)
            assert (found.key_sealed, found.proven_at, found.retired_at) == (b"again", None, None), (
                "it proves itself anew"
            )
            live = replace(found.link, proven_at=T0, promoted_at=T0 + 1, canary_percent=3)
            await hand.store.write(lambda tx: tx.put_link(live))
            [found] = await hand.store.certificates(TYPE, within=[TYPE])
            assert [found.link] == list(await hand.store.lineage(TYPE)) == [live]
            await hand.store.write(lambda tx: tx.put_certificate(certificate(key_sealed=b"once more")))
            [again] = await hand.store.certificates(TYPE)
            assert again == replace(found, key_sealed=b"once more"), "what it proved, it proved"
            found = again
            assert await hand.store.certificates(None, within=[OTHER]) == []
            assert await hand.store.certificate("x") == found

    asyncio.run(main())
