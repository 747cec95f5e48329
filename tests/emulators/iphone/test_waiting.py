"""Back-off and patience on a clock that the test turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from emulators.iphone.hand import Hand, kinds, reply
from emulators.iphone.pass_maker import PASS_TYPE, Maker
from livepass.emulators.iphone import PhoneSettings, Quirks
from livepass.emulators.iphone.patience import PushScore, next_score, zero_interval
from livepass.emulators.iphone.schedule import FAST, NORMAL, waits

Held = Callable[..., Hand]


def times(hand: Hand, kind: str, seconds: float) -> list[float]:
    """When tasks of that kind are sent within the coming seconds, relative to now."""
    start = hand.now
    hand.wait(seconds)
    return [x.sent_at - start for x in hand.wallet.history if x.request.kind == kind and x.sent_at >= start]


def test_the_tables_have_ten_and_seven_growing_levels() -> None:
    for table, levels in ((NORMAL, 10), (FAST, 7)):
        for row in table.values():
            assert len(row) == levels and list(row) == sorted(row)
    assert waits("personalize", Quirks()) == ()


@pytest.mark.parametrize("answer", [reply(401), reply(404), reply(503), reply(200, "<html>")])
def test_a_failed_fetch_is_tried_ten_more_times_and_given_up(
    held: Held, answer: tuple[int, dict[str, str], bytes]
) -> None:
    hand = held()
    hand.service.replies["fetch"] = answer
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    gaps = times(hand, "fetch", 1e6)
    assert [b - a for a, b in itertools.pairwise(gaps)] == list(NORMAL["assumed"])
    assert hand.wallet.next_due() is None
    assert any(line.endswith("failed for good") for line in hand.wallet.console)
    assert any("will retry after 5 seconds" in line for line in hand.wallet.console)


def test_a_new_identical_task_resets_the_back_off(held: Held) -> None:
    hand = held()
    hand.service.replies["ask"] = reply(500)
    hand.push()
    hand.wait(600)
    asks = len([x for x in hand.wallet.history if x.request.kind == "ask"])
    hand.push()
    assert len([x for x in hand.wallet.history if x.request.kind == "ask"]) == asks + 1
    assert (hand.wallet.next_due() or 0) - hand.now == NORMAL["assumed"][0]


def test_a_failure_does_not_replace_the_newer_task(held: Held) -> None:
    hand = held()
    hand.wallet.push(PASS_TYPE, hand.now)
    (ask,) = hand.wallet.due(hand.now)
    hand.wallet.push(PASS_TYPE, hand.now)
    hand.wallet.answered(ask.id, 500, {}, b"", hand.now)
    assert "ask" in kinds(hand.wallet.due(hand.now))
    assert len(hand.wallet.rounds) == 1


def test_it_heals_by_itself_within_the_schedule(held: Held) -> None:
    hand = held()
    hand.service.replies["ask"] = reply(401)
    hand.change()
    hand.wait(60)
    del hand.service.replies["ask"]
    hand.wait(120)
    assert hand.wallet["S-1"].field("points") == 130


def test_the_score_follows_the_formula() -> None:
    assert zero_interval(1) == 7200 and zero_interval(4) == zero_interval(40) == 1800
    assert next_score(0, 7200, 1) == 0
    assert next_score(0, 3600, 1) == pytest.approx(0.125)
    assert next_score(0, 1800, 1) == pytest.approx(0.42, abs=0.01)
    assert next_score(0, 60, 1) == pytest.approx(0.975, abs=0.01)
    assert next_score(2, 7200 + 3600, 1) == pytest.approx(1.5)
    assert next_score(0.2, 72000, 1) == 0
    assert next_score(0, 1800, 4) == 0


def test_the_first_push_costs_nothing() -> None:
    score = PushScore()
    score.pushed(1e9, 1)
    assert score.score == 0
    assert score.not_before(1) == 0


def test_a_push_every_two_hours_is_never_deferred(held: Held) -> None:
    hand = held()
    for _ in range(50):
        assert kinds(hand.push())[0] == "ask"
        hand.wait(7200)
    assert not any("Too many pushes" in line for line in hand.wallet.console)


def test_haste_defers_then_cuts_off_with_an_alert_and_deletes(held: Held) -> None:
    hand = held()
    hand.add("S-2", webServiceURL="https://other.example/w")
    hand.add("S-3")
    hand.wallet.set_automatic_updates(PASS_TYPE, "S-3", False, hand.now)
    hand.wait(7200)
    hand.service.requests.clear()
    for _ in range(60):
        hand.push()
        hand.wait(30)
    levels = [line for line in hand.wallet.console if "Too many pushes" in line]
    assert [line.split(" -- ")[1] for line in levels] == [
        "mild rate limiting will apply.",
        "moderate rate limiting will apply.",
        "severe rate limiting will apply.",
        "topic will be unregistered.",
    ]
    assert any("is in effect - deferring update until" in line for line in hand.wallet.console)
    assert kinds([r for r in hand.service.requests if r.kind == "unregister"]) == ["unregister"] * 2
    (alert,) = hand.wallet.alerts
    assert "Coffee Club" in alert.text and alert.answer is None
    assert hand.wallet.topics == []
    hand.wallet.answer_alert(alert, True, hand.now)
    assert alert.answer == "re-enable"
    assert kinds(hand.settle()).count("register") == 3
    assert "ask" in kinds(hand.push())


def test_a_deferred_ask_keeps_its_distance_from_the_last_one(held: Held) -> None:
    hand = held(quirks={"push-budget": "strict"})
    sent: list[float] = []
    for _ in range(3):
        hand.push()
        hand.wait(10)
    sent = [x.sent_at for x in hand.wallet.history if x.request.kind == "ask"]
    due = hand.wallet.next_due()
    assert due is not None and due - sent[-1] == 120
    hand.wait(200)
    assert [x.sent_at for x in hand.wallet.history if x.request.kind == "ask"] == [*sent, due]


def test_quiet_brings_patience_back(held: Held) -> None:
    hand = held(quirks={"push-budget": "strict"})
    for _ in range(3):
        hand.push()
        hand.wait(10)
    hand.wait(100_000)
    assert kinds(hand.push())[0] == "ask"


def test_the_alert_may_wait_for_an_answer(maker: Maker) -> None:
    hand = Hand(maker, quirks={"push-budget": "strict", "cutoff-unregisters-at-once": "no"})
    hand.add()
    for _ in range(10):
        hand.push()
        hand.wait(1)
    assert hand.wallet["S-1"].automatic_updates and len(hand.wallet.alerts) == 1
    assert "ask" not in kinds(hand.wait(5)) or hand.push() == []
    hand.wallet.answer_alert(hand.wallet.alerts[0], False, hand.now)
    assert hand.wallet.alerts[0].answer == "ok"
    assert "unregister" in kinds(hand.settle())


def test_the_developer_switch_lifts_the_limit(held: Held) -> None:
    hand = held(settings=PhoneSettings(disable_rate_limiting=True))
    for _ in range(60):
        assert kinds(hand.push())[0] == "ask"
        hand.wait(1)
    assert hand.wallet.alerts == []
