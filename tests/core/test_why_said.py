"""What ``why`` makes of a phone's own words: where they count, whose they are, and when they are over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.why_facts import AGO, ASK, CURRENT, FETCH, NOW, PUSH, codes, event, facts, first, line, on
from livepass.core.timeline import Event, Kind, Stand, Trip
from livepass.core.verdict import Sure

UNSAID = {CURRENT: "LP000", FETCH: "LP352", ASK: "LP301", PUSH: "LP210"}
"""The verdict where no words count."""

WORDS: list[tuple[str, Trip, str, set[Stand]]] = [
    # What came of the fetch, also where we saw it served.
    ("T4", Trip.FETCH, "LP353", {FETCH, CURRENT}),
    ("T5", Trip.FETCH, "LP354", {FETCH, CURRENT}),
    ("T5b", Trip.FETCH, "LP354", {FETCH, CURRENT}),
    ("S1", Trip.FETCH, "LP357", {FETCH, CURRENT}),
    ("T0", Trip.FETCH, "LP359", {FETCH, CURRENT}),
    ("T1", Trip.FETCH, "LP359", {FETCH, CURRENT}),
    ("T3", Trip.FETCH, "LP359", {FETCH, CURRENT}),
    # The same pass again is a fault only where there is a newer one.
    ("S0", Trip.FETCH, "LP355", {FETCH}),
    ("S2", Trip.FETCH, "LP355", {FETCH}),
    # What came of the ask.
    ("T0", Trip.ASK, "LP303", {ASK, FETCH}),
    ("T1", Trip.ASK, "LP303", {ASK, FETCH}),
    ("T3", Trip.ASK, "LP304", {ASK, FETCH}),
    ("S5", Trip.ASK, "LP305", {ASK, FETCH}),
    ("S6", Trip.ASK, "LP305", {ASK, FETCH}),
    ("S4", Trip.ASK, "LP307", {FETCH}),
    ("S3", Trip.ASK, "LP308", {ASK, FETCH}),
    # Of another trip, or unknown.
    ("T0", Trip.REGISTER, "", set()),
    ("T1", Trip.REGISTER, "", set()),
    ("T3", Trip.REGISTER, "", set()),
    ("?", Trip.FETCH, "", set()),
    ("?", Trip.ASK, "", set()),
]


@pytest.mark.parametrize("stand", UNSAID)
@pytest.mark.parametrize(("code", "about", "finding", "stands"), WORDS)
def test_each_sentence_counts_where_the_phone_stands_at_its_trip(
    code: str, about: Trip, finding: str, stands: set[Stand], stand: Stand
) -> None:
    verdict = first(facts(on(stand), line(code, about, id=3)))
    assert verdict.code == (finding if stand in stands else UNSAID[stand])
    if stand in stands:
        assert verdict.proof == (3,)


@pytest.mark.parametrize(
    ("line_of_log", "quoted"),
    [("Received invalid pass data", "Received invalid pass data"), ("x" * 201, "x" * 200), ("{pass}", "{pass}")],
    ids=["as it is", "200 characters of it", "braces and all"],
)
def test_its_words_are_quoted(line_of_log: str, quoted: str) -> None:
    verdict = first(facts(on(FETCH), line("T4", line=line_of_log)))
    assert verdict.sentence == f"Phone phone-a says that the pass it fetched is invalid: “{quoted}”."


def test_words_that_were_not_kept_are_quoted_as_none() -> None:
    without = event(Kind.TESTIFIED, code="T4")
    assert first(facts(on(FETCH), without)).sentence.endswith(": “”.")


@pytest.mark.parametrize(
    ("device", "other", "more", "sure"),
    [
        ("phone-a", False, False, Sure.CERTAIN),
        ("phone-a", True, False, Sure.CERTAIN),
        ("phone-a", True, True, Sure.CERTAIN),
        (None, False, False, Sure.LIKELY),
        (None, True, False, Sure.POSSIBLE),
        (None, False, True, Sure.POSSIBLE),
    ],
    ids=[
        "it names itself",
        "it names itself, of two",
        "it names itself, of many",
        "nameless, and alone",
        "nameless, of two",
        "nameless, of many",
    ],
)
def test_words_are_surely_this_phones_when_they_name_it_and_likely_when_no_other_follows_the_pass(
    device: str | None, other: bool, more: bool, sure: Sure
) -> None:
    phones = [on(FETCH), on(CURRENT, id="left", left_at=NOW), *([on(CURRENT, id="b")] if other else [])]
    found = facts(None, line("S0", device=device), phones=phones, more=more)
    assert (first(found).code, first(found).sure) == ("LP355", sure)


@pytest.mark.parametrize("stand", [CURRENT, FETCH])
@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (line("T4", at=AGO), True),
        (line("T4", at=AGO - 1), False),
        (line("T4", device="phone-b"), False),
    ],
    ids=["at the change", "before the change", "of another phone"],
)
def test_words_about_this_version_and_this_phone_count(stand: Stand, said: Event, counts: bool) -> None:
    assert codes(facts(on(stand), said)) == ["LP353" if counts else UNSAID[stand]]


def test_its_newest_words_count() -> None:
    assert codes(facts(on(FETCH), line("T4", id=3), line("S1", id=4))) == ["LP357"]
    assert codes(facts(on(FETCH), line("T4", id=4), line("S1", id=3))) == ["LP353"], "by number, whatever the order"
    assert codes(facts(on(FETCH), line("T4", id=3), event(Kind.FETCHED, id=4))) == ["LP353"]


@pytest.mark.parametrize(
    ("stand", "after", "code"),
    [(CURRENT, 0, "LP353"), (CURRENT, 1, "LP000"), (FETCH, 1, "LP353")],
    ids=["at that instant", "after it", "after it, an older version"],
)
def test_a_newer_fetch_of_the_newest_version_shows_that_its_words_are_over(stand: Stand, after: int, code: str) -> None:
    said = line("T4")
    assert codes(facts(on(stand, served_at=said.at + after), said)) == [code]


def test_words_of_the_fetch_come_before_words_of_the_ask_and_before_what_we_saw() -> None:
    refused = event(Kind.FETCH_REFUSED, id=9, status=401)
    assert codes(facts(on(FETCH), line("T4"), refused)) == ["LP353"]
    assert codes(facts(on(FETCH), replace(line("T0", Trip.ASK), id=8), refused)) == ["LP303"]


@pytest.mark.parametrize(
    ("said", "ours", "code"),
    [
        (line("T0"), event(Kind.FETCH_REFUSED, id=9, status=401), "LP351"),
        (line("T1", status=503), event(Kind.FETCH_FAILED, id=9, status=503), "LP358"),
        (line("T1", status=502), event(Kind.FETCH_FAILED, id=9, status=503), "LP359"),
        (line("T0"), event(Kind.FETCH_FAILED, id=9, status=503), "LP359"),
        (line("T3"), event(Kind.FETCH_REFUSED, id=9, status=401), "LP359"),
        (line("T0"), event(Kind.FETCHED, id=9, status=200), "LP359"),
    ],
    ids=["our 401", "our 503", "another's 502", "not our 503", "no status", "we served it"],
)
def test_what_we_answered_ourselves_was_not_answered_on_its_way(said: Event, ours: Event, code: str) -> None:
    assert first(facts(on(FETCH), said, ours)).code == code
