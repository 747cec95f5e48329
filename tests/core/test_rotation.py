"""Which certificate signs, which steps may be taken, and that no step leaves a pass type without a signer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.rotation import (
    DAY,
    GUARD_MS,
    STEPS,
    WRONG_STAGE,
    Link,
    Stage,
    Step,
    after,
    diagram,
    fallback,
    live,
    overtaken,
    refusal,
    signing,
    signing_for,
)

NOW = 1_790_000_000_000
TYPE = "pass.test"
OLD = Link("old", TYPE, NOW - 300 * DAY, NOW + 95 * DAY, NOW + 900 * DAY, False, NOW - 300 * DAY, NOW - 300 * DAY)
NEW = Link("new", TYPE, NOW - DAY, NOW + 394 * DAY, NOW + 900 * DAY, False)
PROVEN = replace(NEW, proven_at=NOW)
PROMOTED = replace(PROVEN, promoted_at=NOW)


@pytest.mark.parametrize(
    ("link", "stage"),
    [
        (NEW, Stage.STAGED),
        (PROVEN, Stage.PROVEN),
        (replace(PROVEN, canary_percent=1), Stage.PROVEN),
        (PROMOTED, Stage.LIVE),
        (replace(PROMOTED, retired_at=NOW), Stage.RETIRED),
        (replace(NEW, retired_at=NOW), Stage.RETIRED),
    ],
)
def test_the_stage_follows_from_the_instants(link: Link, stage: Stage) -> None:
    assert link.stage is stage


@pytest.mark.parametrize("end", ["not_after", "intermediate_not_after"])
@pytest.mark.parametrize(
    ("left", "signs"),
    # The newest signs while it has a day; then whatever else is live; with nothing else, to its last instant.
    [(GUARD_MS + 1, "new"), (GUARD_MS, "old"), (1, "old"), (0, "old"), (-DAY, "old")],
)
def test_the_newest_that_is_live_and_has_a_day_left_signs(end: str, left: int, signs: str) -> None:
    ending = replace(PROMOTED, **{end: NOW + left})  # type: ignore[arg-type]
    used = signing([OLD, ending], NOW)
    assert used is not None and used.id == signs
    alone = signing([ending], NOW)
    assert alone is not None and alone.id == "new", "there is nothing better"


def test_with_none_that_has_a_day_left_the_newest_that_is_good_signs() -> None:
    ending, ended = replace(PROMOTED, not_after=NOW + 5), replace(OLD, not_after=NOW - 5)
    for lineage in ([ending, ended], [ended, ending]):
        assert signing(lineage, NOW) == ending
    assert signing([ended, replace(OLD, id="older", not_after=NOW + 5, promoted_at=1)], NOW).id == "older"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(PROMOTED, revoked_at=NOW),
        replace(PROMOTED, not_before=NOW + 1),
        replace(PROMOTED, retired_at=NOW),
        NEW,
        PROVEN,
    ],
)
def test_what_is_revoked_early_retired_or_waits_signs_nothing(spoiled: Link) -> None:
    assert signing([OLD, spoiled], NOW) == OLD


def test_promoted_last_signs_whatever_its_dates() -> None:
    """An operator may go back by promoting the older one again."""
    again = replace(OLD, promoted_at=NOW + 1)
    assert signing([PROMOTED, again], NOW) == again
    assert [link.id for link in live([PROMOTED, OLD, PROVEN])] == ["new", "old"]
    assert signing([], NOW) is None
    assert signing([PROVEN], NOW) is None


def test_a_canary_signs_its_share_of_the_serials_and_always_the_same() -> None:
    lineage = [OLD, replace(PROVEN, canary_percent=10)]
    serials = [f"serial-{n}" for n in range(10_000)]
    signed = {serial for serial in serials if signing_for(lineage, serial, NOW).id == "new"}  # type: ignore[union-attr]
    assert 900 < len(signed) < 1100
    wider = [OLD, replace(PROVEN, canary_percent=20)]
    assert all(signing_for(wider, serial, NOW).id == "new" for serial in signed)  # type: ignore[union-attr]
    assert signing(lineage, NOW) == OLD, "pushes go with the live one"
    for over in (replace(PROVEN, canary_percent=100, not_after=NOW + 1), replace(NEW, canary_percent=100)):
        assert signing_for([OLD, over], "serial-1", NOW) == OLD


def test_what_apns_refused_gives_way_to_what_was_promoted_before() -> None:
    assert fallback([OLD, PROMOTED], "new", NOW) == OLD
    assert fallback([OLD, PROMOTED], "old", NOW) is None, "it does not push"
    assert fallback([OLD, PROVEN], "old", NOW) is None, "what was not promoted is nobody's fallback"
    assert fallback([replace(OLD, not_after=NOW), PROMOTED], "new", NOW) is None
    assert fallback([OLD, PROMOTED], "a key", NOW) is None
    assert overtaken([OLD, PROVEN], "new", NOW) and not overtaken([OLD, PROVEN], "old", NOW)
    assert not overtaken([OLD, PROVEN], "a key", NOW)
    assert not overtaken([replace(OLD, not_after=NOW), PROVEN], "new", NOW)


def test_each_stage_takes_each_step_or_says_what_to_do() -> None:
    steps = {(stage, step) for stage in Stage for step in Step if step is not Step.IMPORT}
    assert steps == {pair for pair in STEPS if pair[1] is not Step.IMPORT} | set(WRONG_STAGE)
    assert not set(STEPS) & set(WRONG_STAGE)
    for (stage, step), hint in WRONG_STAGE.items():
        link = {Stage.STAGED: NEW, Stage.PROVEN: PROVEN, Stage.LIVE: PROMOTED}.get(stage, replace(NEW, retired_at=1))
        refused = refusal(step, link, [OLD, link], NOW)
        assert refused is not None and refused.code == "wrong_stage" and refused.hint == hint


NFC = replace(OLD, nfc=True)
ONLY = replace(PROMOTED, id="only")


@pytest.mark.parametrize(
    ("step", "link", "others", "code"),
    [
        (Step.PROVE, replace(NEW, revoked_at=1), [OLD], "revoked"),
        (Step.PROVE, replace(NEW, not_before=NOW + 1), [OLD], "not_valid_yet"),
        (Step.PROVE, replace(NEW, not_after=NOW), [OLD], "ends"),
        (Step.PROMOTE, replace(PROVEN, not_after=NOW + GUARD_MS), [OLD], "ends"),
        (Step.PROMOTE, replace(PROVEN, intermediate_not_after=NOW), [OLD], "ends"),
        (Step.CANARY, replace(PROVEN, revoked_at=1), [OLD], "revoked"),
        (Step.PROMOTE, PROVEN, [NFC], "nfc_lost"),
        (Step.CANARY, PROVEN, [NFC], "nfc_lost"),
        (Step.ROLL_BACK, ONLY, [], "last_live"),
        (Step.ROLL_BACK, ONLY, [PROVEN], "last_live"),
        (Step.ROLL_BACK, ONLY, [replace(OLD, not_after=NOW)], "last_live"),
        (Step.RETIRE, ONLY, [], "last_live"),
        (Step.RETIRE, ONLY, [replace(OLD, revoked_at=1)], "last_live"),
    ],
)
def test_a_step_that_would_do_harm_is_refused(step: Step, link: Link, others: list[Link], code: str) -> None:
    refused = refusal(step, link, [*others, link], NOW)
    assert refused is not None and (refused.code, bool(refused.hint)) == (code, True)
    assert link.id in refused.reason


@pytest.mark.parametrize(
    ("step", "link", "others"),
    [
        (Step.PROVE, NEW, [OLD]),
        (Step.CANARY, PROVEN, [OLD]),
        (Step.PROMOTE, PROVEN, []),
        (Step.PROMOTE, replace(PROVEN, nfc=True), [NFC]),
        (Step.PROMOTE, replace(PROVEN, not_after=NOW + GUARD_MS + 1), [OLD]),
        (Step.ROLL_BACK, ONLY, [OLD]),
        (Step.RETIRE, ONLY, [OLD]),
        (Step.RETIRE, NEW, []),
        (Step.RETIRE, replace(OLD, not_after=NOW), [PROMOTED]),
    ],
)
def test_a_step_that_does_none_is_taken(step: Step, link: Link, others: list[Link]) -> None:
    assert refusal(step, link, [*others, link], NOW) is None


def test_the_loss_of_nfc_can_be_accepted() -> None:
    assert refusal(Step.PROMOTE, PROVEN, [NFC, PROVEN], NOW, nfc_loss_accepted=True) is None


INSTANTS = st.integers(NOW - 3 * DAY, NOW + 3 * DAY)
# One that was promoted is proven: see ``after``.
LINKS = st.builds(
    Link,
    id=st.text("abcd", min_size=1, max_size=1),
    pass_type=st.just(TYPE),
    not_before=INSTANTS,
    not_after=INSTANTS,
    intermediate_not_after=INSTANTS,
    nfc=st.booleans(),
    proven_at=st.none() | INSTANTS,
    promoted_at=st.none() | INSTANTS,
    retired_at=st.none() | INSTANTS,
    revoked_at=st.none() | INSTANTS,
    canary_percent=st.integers(0, 50),
).map(lambda link: replace(link, proven_at=link.proven_at or link.promoted_at))


@pytest.mark.parametrize(
    ("step", "link", "changes"),
    [
        (Step.PROVE, NEW, {"proven_at": NOW}),
        (Step.CANARY, PROVEN, {"canary_percent": 7}),
        (Step.PROMOTE, PROVEN, {"promoted_at": NOW}),
        (Step.PROMOTE, replace(PROVEN, proven_at=5, canary_percent=7), {"promoted_at": NOW, "canary_percent": 0}),
        (Step.PROMOTE, NEW, {"promoted_at": NOW, "proven_at": NOW}),
        (Step.ROLL_BACK, PROMOTED, {"promoted_at": None}),
        (Step.RETIRE, replace(PROVEN, canary_percent=7), {"retired_at": NOW, "canary_percent": 0}),
    ],
)
def test_what_a_step_changes(step: Step, link: Link, changes: dict[str, int | None]) -> None:
    assert after(step, link, [OLD, link], NOW, 7) == replace(link, **changes)  # type: ignore[arg-type]


def test_a_promotion_comes_after_all_before_it_whatever_the_clock_says() -> None:
    ahead = replace(OLD, promoted_at=NOW + DAY)
    assert after(Step.PROMOTE, PROVEN, [ahead, PROVEN], NOW).promoted_at == NOW + DAY + 1
    again = after(Step.PROMOTE, ahead, [ahead], NOW)
    assert again.promoted_at is not None and again.promoted_at > NOW


@given(
    st.lists(LINKS, min_size=1, max_size=4, unique_by=lambda link: link.id),
    st.sampled_from(sorted(set(Step) - {Step.IMPORT})),
    st.data(),
)
def test_no_step_takes_the_last_signer_away(lineage: list[Link], step: Step, data: st.DataObject) -> None:
    link = data.draw(st.sampled_from(lineage))
    if refusal(step, link, lineage, NOW) is not None:
        return
    changed = after(step, link, lineage, NOW, 1)
    assert changed.stage is STEPS[link.stage, step]
    before, now = signing(lineage, NOW), signing([changed if each is link else each for each in lineage], NOW)
    if before is not None and before.signs_at(NOW):
        assert now is not None and now.signs_at(NOW)
    if step is Step.PROMOTE:
        assert now == changed and changed.signs_at(NOW, GUARD_MS)


def test_the_docs_show_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "certificates.md"
    assert f"```mermaid\n{diagram()}\n```" in page.read_text()
