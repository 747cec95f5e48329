"""Whether a database went back: every way in which what was seen is covered, and every way in which it is not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from livepass.core.history import (
    Heard,
    Mark,
    Present,
    Reason,
    Witness,
    doubt,
    lost_modified,
    unclear,
    witnessed,
)
from livepass.core.model import Counter

TYPE, OTHER = "pass.test.one", "pass.test.other"
SEEN = Witness("u", {TYPE: Mark("e1", 5, 150, 900)})


def present(*counters: Counter, uuid: str = "u", ended: tuple[str, ...] = (), heard_at: int | None = None) -> Present:
    return Present(uuid, counters, {TYPE: ended}, heard_at)


@pytest.mark.parametrize(
    ("counter", "ended"),
    [
        (Counter(TYPE, "e1", 150, 5), ()),
        (Counter(TYPE, "e1", 151, 5), ()),
        (Counter(TYPE, "e2", 151, 151), ("e1",)),
        (Counter(TYPE, "e3", 400, 399), ("e1", "e2")),
        (Counter(TYPE, "e2", 101, 101), ("e0", "e1")),
    ],
    ids=["the same", "gone on", "a new epoch at once", "two new epochs", "begun for this very loss"],
)
def test_what_was_seen_is_covered(counter: Counter, ended: tuple[str, ...]) -> None:
    assert doubt(SEEN, present(counter, ended=ended)) is None


@pytest.mark.parametrize(
    ("counter", "ended"),
    [
        (Counter(TYPE, "e1", 149, 5), ()),
        (Counter(TYPE, "e0", 4, 0), ()),
        (Counter(TYPE, "e0", 9999, 0), ()),
        (Counter(TYPE, "e2", 150, 150), ()),
        (Counter(TYPE, "e2", 101, 101), ("e0",)),
        (Counter(TYPE, "e0", 400, 399), ("e-1",)),
        (Counter(OTHER, "e9", 9999, 0), ()),
    ],
    ids=[
        *("a number less", "before this epoch", "before it, and far on since", "an epoch that began within it"),
        *(
            "an epoch that knows nothing of ours",
            "a history before ours that had come further",
            "the pass type is gone",
        ),
    ],
)
def test_anything_else_went_back(counter: Counter, ended: tuple[str, ...]) -> None:
    assert doubt(SEEN, present(counter, ended=ended)) is Reason.WITNESS_AHEAD


@pytest.mark.parametrize("witness", [None, replace(SEEN, uuid="another")])
def test_without_a_witness_a_database_with_numbers_is_in_doubt(witness: Witness | None) -> None:
    assert doubt(witness, present(Counter(TYPE, "e1", 0), Counter(OTHER, "e1", 1))) is Reason.WITNESS_MISSING
    assert doubt(witness, present(Counter(TYPE, "e1", 0))) is None, "nobody can have heard anything of it"
    assert doubt(witness, present()) is None


def test_every_other_epoch_than_the_one_that_was_seen_is_asked_about() -> None:
    assert unclear(SEEN, [Counter(TYPE, "e2", 160, 150)]) == [TYPE]
    assert unclear(SEEN, [Counter(TYPE, "e2", 160, 151)]) == [TYPE]
    assert unclear(SEEN, [Counter(TYPE, "e1", 3, 0), Counter(OTHER, "e2", 1, 0)]) == []
    assert unclear(None, [Counter(TYPE, "e2", 160, 150)]) == []


# ── registrations that take no number


def heard(at: int, pass_type: str = TYPE) -> Witness:
    return replace(SEEN, heard=Heard(pass_type, "phone", at))


@pytest.mark.parametrize(
    ("heard_at", "reason"), [(999, Reason.WITNESS_AHEAD), (1000, None), (1001, None), (None, None)]
)
def test_a_registration_that_was_acknowledged_must_still_be_known(heard_at: int | None, reason: Reason | None) -> None:
    """``None``: the phone's row is gone, as after an erasure; had it been new, its number would be missing too."""
    assert doubt(heard(1000), present(Counter(TYPE, "e1", 150, 5), heard_at=heard_at)) is reason


def test_a_registration_of_an_epoch_that_has_ended_is_nobodys_proof() -> None:
    assert doubt(heard(1000), present(Counter(TYPE, "e2", 151, 151), ended=("e1",), heard_at=999)) is None
    assert doubt(heard(1000, OTHER), present(Counter(TYPE, "e1", 150, 5), heard_at=999)) is None


# ── what is remembered


def test_a_witness_takes_the_database_as_it_is_and_keeps_the_newest_of_the_rest() -> None:
    now = present(Counter(TYPE, "e1", 160, 5), Counter(OTHER, "o1", 3))
    new = witnessed(heard(1000), now, {TYPE: 800, OTHER: 7}, Heard(OTHER, "tablet", 2000))
    assert new.marks == {TYPE: Mark("e1", 5, 160, 900), OTHER: Mark("o1", 0, 3, 7)}
    assert new.heard == Heard(OTHER, "tablet", 2000)
    assert witnessed(heard(1000), now, {}, None).heard == Heard(TYPE, "phone", 1000)
    assert witnessed(heard(3000), now, {}, Heard(OTHER, "tablet", 2000)).heard == Heard(TYPE, "phone", 3000)
    assert witnessed(None, now, {}, None) == Witness("u", {TYPE: Mark("e1", 5, 160), OTHER: Mark("o1", 0, 3)})
    assert lost_modified(new) == {TYPE: 900, OTHER: 7}
    assert lost_modified(None) == {}


@pytest.mark.parametrize(
    ("old", "counter"),
    [
        (heard(1000), Counter(TYPE, "e2", 151, 151)),
        (heard(1000, OTHER), Counter(TYPE, "e1", 150, 5)),
        (replace(heard(1000), uuid="another"), Counter(TYPE, "e1", 150, 5)),
    ],
    ids=["a new epoch", "an unknown pass type", "another installation"],
)
def test_a_registration_of_another_history_is_forgotten(old: Witness, counter: Counter) -> None:
    assert witnessed(old, present(counter), {}, None).heard is None


def test_a_database_that_never_goes_back_is_never_in_doubt_and_one_that_does_always_is() -> None:
    """Fails when any rule above is wrong for some sequence of numbers, epochs, losses and looks."""
    rng = random.Random(7)
    for _ in range(300):
        states = [(Counter(TYPE, "e0", 0), frozenset[str]())]
        witness: Witness | None = None
        for step in range(30):
            counter, ended = states[-1]
            if rng.random() < 0.2:
                began = counter.seq + 1
                states.append((Counter(TYPE, f"e{step}x", began, began), ended | {counter.epoch}))
            else:
                states.append((replace(counter, seq=counter.seq + rng.randrange(3)), ended))
            if rng.random() < 0.5:
                counter, ended = states[-1]
                now = Present("u", [counter], {TYPE: ended})
                assert witness is None or doubt(witness, now) is None
                witness = witnessed(witness, now, {}, None)
        if witness is None:
            continue
        seen = witness.marks[TYPE]
        for counter, ended in states:
            back = (counter.began, counter.seq) < (seen.began, seen.seq)
            assert (doubt(witness, Present("u", [counter], {TYPE: ended})) is not None) == back, (counter, seen)


def test_a_registration_of_a_pass_type_that_the_database_does_not_count_is_not_remembered() -> None:
    now = present(Counter(TYPE, "e1", 150, 5))
    assert witnessed(None, now, {}, Heard(OTHER, "tablet", 2000)).heard is None


def test_who_acknowledged_no_registration_misses_none() -> None:
    assert doubt(SEEN, present(Counter(TYPE, "e1", 150, 5), heard_at=999)) is None
