"""Faults: how they are written, whom they strike, how often."""

from __future__ import annotations

import pytest

from livepass.emulators.apns.chaos import NO_CHAOS, PRESETS, Chaos, fault_from_json, read_fault

WRONG = [
    ("typo", "no fault is called"),
    ("status", "takes 1 to 2 arguments"),
    ("status:200", "between 400 and 599"),
    ("status:x", "invalid literal"),
    ("status:418", "name one"),
    ("status:", "takes"),
    ("rst:NOPE", "no HTTP/2 error code"),
    ("streams", "takes 1 to 1"),
    ("streams:-1", "must be between"),
    ("latency:9-1", "the lower first"),
    ("latency:nan", "the lower first"),
    ("latency:99999999", "the lower first"),
    ("stall:before", "'after'"),
    ("drop-delivery:x", "takes 0 to 0"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_a_wrong_spec_says_what_is_wrong(spec: str, message: str):
    with pytest.raises(ValueError, match=message):
        read_fault(spec)


@pytest.mark.parametrize(("probability", "count"), [(1.1, None), (-0.1, None), (1, 0), (1, -3), (float("nan"), None)])
def test_numbers_out_of_range(probability: float, count: int | None):
    with pytest.raises(ValueError, match="must be"):
        read_fault("429", probability, count)


def test_what_a_spec_means():
    assert (read_fault("status:503:Shutdown").status, read_fault("status:503:Shutdown").reason) == (503, "Shutdown")
    assert (read_fault("429").status, read_fault("429").reason) == (429, "TooManyRequests")
    assert read_fault("status:418:Teapot").reason == "Teapot"
    assert read_fault("rst").code == 7
    assert read_fault("latency:5-80").milliseconds == (5.0, 80.0)
    assert read_fault("cut:after").after and not read_fault("cut").after


def test_no_chaos_by_default():
    assert Chaos().draw("t", "x") is NO_CHAOS


def test_count_token_and_topic_limit_a_fault():
    chaos = Chaos(1)
    chaos.set("status:500", count=2, token="AA", topic="pass.a")
    assert chaos.draw("bb", "pass.a").ending is None
    assert chaos.draw("aa", "pass.b").ending is None
    assert [chaos.draw("aa", "pass.a").ending is not None for _ in range(4)] == [True, True, False, False]


def test_the_first_ending_wins_and_others_add_up():
    chaos = Chaos(1)
    chaos.set("latency:10")
    chaos.set("latency:20-20")
    chaos.set("rst", count=1)
    chaos.set("status:500")
    chaos.set("drop-delivery")
    plan = chaos.draw("t", "x")
    assert (plan.latency, plan.ending and plan.ending.spec, plan.drop is not None) == (0.03, "rst", True)
    assert chaos.draw("t", "x").ending.spec == "status:500"
    assert [fault.struck for fault in chaos.faults] == [2, 2, 1, 1, 2]


def test_streams_is_drawn_for_refusals_only():
    chaos = Chaos(1)
    chaos.set("streams:1", count=1)
    assert chaos.draw("t", "x").ending is None
    assert (chaos.draw_limit("t", "x"), chaos.draw_limit("t", "x")) == (1, None)


def test_the_same_seed_makes_the_same_faults():
    def run(chaos: Chaos) -> list[str | None]:
        plans = [chaos.draw("t", "x") for _ in range(300)]
        return [plan.ending.spec if plan.ending else None for plan in plans]

    one, two = Chaos(7), Chaos(7)
    one.preset("hostile")
    two.preset("hostile")
    first = run(one)
    assert first == run(two)
    assert len(set(first)) > 3
    one.preset("hostile")
    one.reseed(7)
    assert run(one) == first


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_switched_on_and_off(name: str):
    chaos = Chaos()
    chaos.preset(name)
    assert {fault.spec for fault in chaos.faults} == set(PRESETS[name])
    chaos.clear()
    assert chaos.faults == []


def test_setting_again_replaces_and_clearing_one_leaves_the_rest():
    chaos = Chaos()
    chaos.set("429", 0.5)
    chaos.set("429", 0.1)
    chaos.set("429", token="aa")
    chaos.set("stall")
    assert len(chaos.faults) == 3
    chaos.clear("429")
    assert [fault.spec for fault in chaos.faults] == ["stall"]
    with pytest.raises(ValueError, match="there are: polite"):
        chaos.preset("nice")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"fault": 5},
        {"fault": "429", "probability": "often"},
        {"fault": "429", "probability": True},
        {"fault": "429", "count": 1.5},
        {"fault": "429", "token": 7},
        {"fault": "429", "colour": "red"},
    ],
)
def test_wrong_json(given: dict[str, object]):
    with pytest.raises(ValueError):
        fault_from_json(given)


def test_json_there_and_back():
    given = {"fault": "status:500", "probability": 0.5, "count": 3, "token": "aa", "topic": "pass.a"}
    assert fault_from_json(given).as_json() == {**given, "struck": 0}
