"""Too many phones on one pass: nobody is refused, and nobody who was heard asking is forgotten."""

from __future__ import annotations

import pytest

from livepass.core.crowd import AT_ONCE, SAY_EVERY_MS, SILENT_MS, CrowdFacts, crowded, thin_out
from livepass.core.decision import Forget
from livepass.core.snapshots import Crowd, Silent
from livepass.core.timeline import Kind

TYPE, SERIAL = "pass.test", "coupon"
NOW = 1_790_000_000_000
LONG_AGO = SILENT_MS + 1


def silent(name: str, ago: int = LONG_AGO, *, heard_ago: int | None = None) -> Silent:
    return Silent(name, f"{name}-token", NOW - ago, NOW - (ago if heard_ago is None else heard_ago))


def forgotten(*phones: Silent, count: int = 9, cap: int = 2, said_ago: int | None = None) -> list[str]:
    said_at = None if said_ago is None else NOW - said_ago
    writes, _ = thin_out(CrowdFacts(TYPE, SERIAL, Crowd(count, phones, said_at), cap, NOW))
    assert all(isinstance(write, Forget) for write in writes)
    return [write.device_id for write in writes if isinstance(write, Forget)]


@pytest.mark.parametrize(
    ("phones", "cap", "too_many"), [(0, 1, False), (1, 1, True), (63, 64, False), (64, 64, True), (999, 0, False)]
)
def test_one_more_is_one_too_many(phones: int, cap: int, too_many: bool) -> None:
    assert crowded(phones, cap) is too_many


def test_the_oldest_go_first_and_no_more_than_are_too_many() -> None:
    phones = (silent("b", LONG_AGO + 2), silent("c", LONG_AGO + 1), silent("a", LONG_AGO + 2), silent("d"))
    assert forgotten(*phones, count=5) == ["a", "b", "c"]
    assert forgotten(*phones, count=3) == ["a"]
    assert forgotten(*phones, count=AT_ONCE) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "one",
    [silent("a", SILENT_MS), silent("a", 0), silent("a", 9 * SILENT_MS, heard_ago=SILENT_MS)],
    ids=["an hour old", "new", "registered again within the hour"],
)
def test_a_phone_has_an_hour_to_ask(one: Silent) -> None:
    assert forgotten(one) == []


def test_what_is_forgotten_is_what_was_seen() -> None:
    one = silent("a")
    writes, _ = thin_out(CrowdFacts(TYPE, SERIAL, Crowd(9, (one,), None), 2, NOW))
    assert writes == (Forget(TYPE, "a", SERIAL, "a-token", one.heard_at, told=0),)
    assert "a-token" not in repr(writes)


@pytest.mark.parametrize(("count", "cap"), [(2, 2), (1, 2), (0, 2), (9999, 0)])
def test_below_the_cap_nothing_happens(count: int, cap: int) -> None:
    assert thin_out(CrowdFacts(TYPE, SERIAL, Crowd(count, (silent("a"),), None), cap, NOW)) == ((), ())


@pytest.mark.parametrize(("said_ago", "again"), [(None, True), (SAY_EVERY_MS, True), (SAY_EVERY_MS - 1, False)])
def test_it_is_said_once_an_hour(said_ago: int | None, again: bool) -> None:
    assert forgotten(silent("a"), said_ago=said_ago) == ["a"] * again
    said_at = None if said_ago is None else NOW - said_ago
    _, events = thin_out(CrowdFacts(TYPE, SERIAL, Crowd(9, (silent("a"),), said_at), 2, NOW))
    assert [(event.kind, event.serial, event.device_id, event.detail) for event in events] == [
        (Kind.TOO_MANY_PHONES, SERIAL, None, {"phones": 9, "cap": 2, "never_asked": 1})
    ] * again


def test_a_crowd_of_phones_that_ask_is_left_alone_and_said() -> None:
    writes, events = thin_out(CrowdFacts(TYPE, SERIAL, Crowd(9, (), None), 2, NOW))
    assert writes == ()
    assert [event.detail["never_asked"] for event in events] == [0]
