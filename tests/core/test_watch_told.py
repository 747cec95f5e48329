"""How each certificate stands, in words, and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.test_watching import TYPE, link
from livepass.core.rotation import DAY, Link
from livepass.core.watch_told import HELP, State, Told, gauges, survey
from livepass.core.watching import Problem, Watched, What, subject

NOW = 100 * DAY
LIVE = link("a", ends=NOW + 200 * DAY, promoted=1)


def signature(problem: Problem = Problem.NONE, at: int | None = NOW - 1, id_: str = "a") -> Watched:
    return Watched(subject(What.SIGNATURE, id_), What.SIGNATURE, TYPE, None, None, 0, at, problem, "no key")


def tls(kind: What = What.PUBLIC_TLS, problem: Problem = Problem.NONE, ends: int | None = 50 * DAY) -> Watched:
    ends_at = None if ends is None else NOW + ends
    return Watched(subject(kind), kind, "", NOW - 40 * DAY, ends_at, 0, NOW - 1, problem, "what was seen")


def leaf(lineage: Sequence[Link], *watched: Watched, id_: str = "a", within: int | None = None) -> Told:
    [found] = [
        one
        for one in survey([lineage], watched, NOW, within)
        if (one.kind, one.certificate_id) == (What.CERTIFICATE, id_)
    ]
    return found


def one_tls(*watched: Watched, kind: What = What.PUBLIC_TLS, within: int | None = None) -> Told:
    [found] = [one for one in survey([], watched, NOW, within) if one.kind is kind]
    return found


def test_all_is_well() -> None:
    told = leaf([LIVE], signature())
    assert (told.state, told.needs, told.remedy, told.finding) == (State.FINE, False, "", "")
    assert told.sentence == "the certificate of pass.test (a) ends in 200 days"
    assert (told.days, told.sound, told.checked_at, told.revoked_at) == (200, True, NOW - 1, None)


@pytest.mark.parametrize(
    ("changed", "watched", "state", "said", "finding"),
    [
        ({"not_after": NOW + 30 * DAY}, [], State.FINE, "ends in 30 days", ""),
        ({"not_after": NOW + 30 * DAY - 1}, [], State.SOON, "ends in 29 days", "LP503"),
        ({"not_after": NOW + 1}, [], State.SOON, "ends within a day", "LP503"),
        ({"not_after": NOW}, [], State.ENDED, "has expired", "LP502"),
        ({"not_after": NOW - 3 * DAY}, [], State.ENDED, "has expired, 3 days ago", "LP502"),
        ({"not_after": NOW - DAY}, [], State.ENDED, "has expired, 1 day ago", "LP502"),
        ({"not_after": NOW}, [signature(Problem.UNSOUND)], State.ENDED, "has expired", "LP502"),
        ({}, [signature(Problem.UNSOUND)], State.UNSOUND, "failed its test signature: no key", "LP506"),
        ({"revoked_at": 7}, [signature(Problem.UNSOUND)], State.REVOKED, "is revoked", "LP505"),
        ({"revoked_at": 7, "not_after": NOW}, [], State.REVOKED, "is revoked", "LP505"),
    ],
)
def test_the_worst_is_told(
    changed: dict[str, int], watched: list[Watched], state: State, said: str, finding: str
) -> None:
    told = leaf([replace(LIVE, **changed)], *watched)
    assert (told.state, told.finding) == (state, finding)
    assert told.sentence == f"the certificate of pass.test (a) {said}"
    assert told.needs is (state is not State.FINE)
    assert ("livepass cert import" in told.remedy) is told.needs
    if state in (State.REVOKED, State.ENDED, State.UNSOUND):
        assert "phones register and ask" in told.remedy, "what still works is told too"


def test_what_was_not_tried_yet_is_neither_sound_nor_unsound() -> None:
    assert leaf([LIVE]).sound is None
    assert leaf([LIVE], signature(at=None)).sound is None
    assert leaf([LIVE], signature(Problem.UNKNOWN)).sound is None


def test_the_intermediate_has_an_end_of_its_own() -> None:
    short = replace(LIVE, intermediate_not_after=NOW + 3 * DAY)
    first, second = survey([[short]], [signature(Problem.UNSOUND)], NOW)[:2]
    assert (first.kind, first.state) == (What.CERTIFICATE, State.UNSOUND)
    assert (second.kind, second.state, second.sound, second.checked_at) == (What.INTERMEDIATE, State.SOON, None, None)
    assert second.sentence == "the intermediate of the certificate of pass.test (a) ends in 3 days"


def test_only_what_is_live_is_told() -> None:
    waiting, gone = link("b", proven=1), replace(link("c", promoted=1), retired_at=2)
    assert {one.certificate_id for one in survey([[LIVE, waiting, gone]], [], NOW)} == {"a", ""}


def test_what_waits_is_the_remedy() -> None:
    ending = replace(LIVE, not_after=NOW + 3 * DAY)
    told = leaf([ending, link("b", proven=1)])
    assert told.remedy == "livepass cert promote b; livepass cert plan shows what stops when"


def test_a_successor_leaves_nothing_to_do() -> None:
    after = link("b", promoted=2)
    ending = leaf([replace(LIVE, not_after=NOW + 3 * DAY), after])
    assert (ending.state, ending.needs, ending.heir) == (State.SOON, False, "b")
    assert ending.sentence.endswith("ends in 3 days; b signs instead")
    assert ending.remedy == "nothing is to be done"
    ended = leaf([replace(LIVE, not_after=NOW - 1), after])
    assert (ended.needs, ended.remedy) == (False, "nothing needs it any more: livepass cert retire a")
    revoked = leaf([replace(LIVE, revoked_at=7), after])
    assert (revoked.needs, revoked.heir) == (True, "b"), "passes on phones carry its signature"
    unsound = leaf([link("a", ends=NOW + 100 * DAY, promoted=3), after], signature(Problem.UNSOUND))
    assert (unsound.needs, unsound.remedy) == (True, "livepass cert rollback a, or retire it: b signs then")
    assert "instead" not in unsound.sentence, "it still is the one that signs"


def test_how_soon_is_soon_may_be_said() -> None:
    assert leaf([LIVE], within=201 * DAY).state is State.SOON
    assert leaf([replace(LIVE, not_after=NOW + DAY)], within=0).state is State.FINE


# ── TLS


def test_tls_that_nobody_looked_at() -> None:
    unseen = replace(tls(), checked_at=None)
    for told in (one_tls(), one_tls(unseen)):
        assert (told.state, told.needs, told.sound, told.checked_at) == (State.FINE, False, None, None)
        assert told.sentence == "the TLS certificate of the public address was not looked at yet"


@pytest.mark.parametrize("problem", [each for each in Problem if each])
@pytest.mark.parametrize("kind", [What.PUBLIC_TLS, What.APNS_TLS])
def test_a_problem_has_words_and_a_remedy(kind: What, problem: Problem) -> None:
    told = one_tls(tls(kind, problem, None), kind=kind)
    assert told.state is (State.UNCLEAR if problem in (Problem.UNREACHABLE, Problem.UNKNOWN) else State.UNSOUND)
    assert told.needs is (told.state is State.UNSOUND)
    assert "what was seen" in told.sentence
    assert told.remedy
    assert told.sound is False


def test_our_own_tls_certificate_ends() -> None:
    assert one_tls(tls()).state is State.FINE
    assert one_tls(tls(ends=23 * DAY)).state is State.FINE, "its life is 63 days: a quarter of that"
    soon = one_tls(tls(ends=10 * DAY))
    assert (soon.state, soon.needs, soon.days) == (State.SOON, True, 10)
    assert "renew it where TLS ends" in soon.remedy
    assert one_tls(tls(ends=23 * DAY), within=24 * DAY).state is State.SOON
    assert one_tls(replace(tls(ends=29 * DAY), starts_at=None)).state is State.SOON
    ended = one_tls(tls(ends=-2 * DAY))
    assert (ended.state, ended.sound) == (State.ENDED, False), "it ended since the last look"
    assert ended.sentence.endswith("has expired, 2 days ago")
    assert one_tls(tls(problem=Problem.UNREACHABLE, ends=-2 * DAY)).state is State.ENDED
    bare = one_tls(tls(ends=None))
    assert (bare.state, bare.sentence) == (State.FINE, "the TLS certificate of the public address is as phones need it")


def test_the_end_of_apples_is_not_ours_to_tell() -> None:
    told = one_tls(tls(What.APNS_TLS, ends=-DAY), kind=What.APNS_TLS)
    assert (told.state, told.sentence) == (State.FINE, "the TLS certificate of APNs is trusted")


def test_what_needs_somebody_comes_first() -> None:
    fine, ended = replace(LIVE, pass_type="pass.a"), replace(LIVE, pass_type="pass.z", not_after=NOW)
    told = survey([[fine], [ended]], [tls(problem=Problem.WRONG_NAME)], NOW)
    assert [one.state for one in told][:2] == [State.ENDED, State.UNSOUND]
    assert not any(one.needs for one in told[2:])


# ── numbers


def numbers(*told: Told) -> dict[tuple[str, str, str], int]:
    return {
        (one.name.removeprefix("livepass_certificate_"), one.kind.value, one.pass_type): one.value
        for one in gauges(told)
    }


def test_a_number_for_each_kind_of_each_pass_type() -> None:
    found = numbers(*survey([[LIVE]], [signature(), tls(), tls(What.APNS_TLS)], NOW))
    assert found[("not_after_timestamp_seconds", "certificate", TYPE)] == LIVE.not_after // 1000
    assert found[("not_after_timestamp_seconds", "intermediate", TYPE)] == LIVE.intermediate_not_after // 1000
    assert found[("not_after_timestamp_seconds", "public_tls", "")] == (NOW + 50 * DAY) // 1000
    assert found[("not_after_timestamp_seconds", "apns_tls", "")] == (NOW + 50 * DAY) // 1000
    assert found[("sound", "certificate", TYPE)] == found[("sound", "public_tls", "")] == 1
    assert found[("revoked", "certificate", TYPE)] == 0
    assert found[("checked_timestamp_seconds", "certificate", TYPE)] == (NOW - 1) // 1000
    assert ("sound", "intermediate", TYPE) not in found
    assert ("revoked", "intermediate", TYPE) not in found
    assert [one.name for one in gauges(survey([[LIVE]], [], NOW))] == sorted(
        (one.name for one in gauges(survey([[LIVE]], [], NOW))), key=list(HELP).index
    )


def test_several_live_certificates_make_one_number() -> None:
    old, new = replace(LIVE, not_after=NOW + DAY), link("b", ends=NOW + 300 * DAY, promoted=2)
    failed = signature(Problem.UNSOUND, id_="a")
    found = numbers(*survey([[old, new]], [failed, signature(at=NOW - 9000, id_="b")], NOW))
    assert found[("not_after_timestamp_seconds", "certificate", TYPE)] == new.not_after // 1000
    assert found[("sound", "certificate", TYPE)] == 0
    assert found[("checked_timestamp_seconds", "certificate", TYPE)] == (NOW - 9000) // 1000
    revoked = numbers(*survey([[old, replace(new, revoked_at=7)]], [], NOW))
    assert revoked[("not_after_timestamp_seconds", "certificate", TYPE)] == old.not_after // 1000
    assert revoked[("revoked", "certificate", TYPE)] == 1
    alone = numbers(*survey([[replace(new, revoked_at=7)]], [], NOW))
    assert alone[("not_after_timestamp_seconds", "certificate", TYPE)] == new.not_after // 1000
