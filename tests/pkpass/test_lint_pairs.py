"""Every rule of lint has a pass that breaks only it, and a fixed twin about which there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lint_page import PAGE, page
from livepass.pkpass import RULES, Problem, Signer, canonical, grants_needed, lint, lint_bytes, shared_messages
from pkpass.lint_pairs import PAIRS, applied

OF_TEMPLATES = {"nfc-grant", "change-message-shared"}
BY_CERTIFICATE = {"certificate-pass-type", "certificate-team", "certificate-nfc"}


@pytest.fixture
def judge(document: dict[str, Any], files: dict[str, bytes], signer: Signer) -> Any:
    """What the part of lint that knows a rule says of the sound pass with these changes."""

    def judge_(rule: str, changes: Mapping[str, Any], ios: tuple[int, ...] | None) -> list[Problem]:
        if "" in changes:
            return lint_bytes(changes[""], files, ios=ios)
        changed, beside = applied(document, files, changes)
        if rule == "nfc-grant":
            return [*lint(changed, beside), *grants_needed(changed)]
        if rule == "change-message-shared":
            return [*lint(changed, beside), *shared_messages(changed)]
        if not changes and rule not in BY_CERTIFICATE:
            return lint_bytes(canonical(changed), beside, ios=ios)
        return lint(changed, beside, signer.facts if rule in BY_CERTIFICATE else None, ios)

    return judge_


@pytest.mark.parametrize("rule", RULES)
def test_a_pass_breaks_only_this_rule_and_its_twin_none(judge: Any, rule: str) -> None:
    assert rule in PAIRS, "give it a pass that breaks only it, and the fixed twin"
    pair = PAIRS[rule]
    assert [each.rule for each in judge(rule, pair.broken, pair.ios)] == [rule]
    assert judge(rule, pair.fixed, pair.ios) == []


def test_the_fallback_for_older_phones_shares_no_message() -> None:
    groups = {"primaryFields": [{"key": "a", "value": "${points}", "changeMessage": "Now %@"}]}
    assert shared_messages({"posterGeneric": groups, "generic": groups}) == []
    twice = {"primaryFields": [*groups["primaryFields"], *groups["primaryFields"]]}
    assert len(shared_messages({"posterGeneric": groups, "generic": twice})) == 1


def test_every_pair_is_of_a_rule() -> None:
    assert PAIRS.keys() == RULES.keys()


@pytest.mark.parametrize("rule", RULES)
def test_a_problem_tells_its_effect_and_its_ios(judge: Any, rule: str) -> None:
    (found,) = judge(rule, PAIRS[rule].broken, PAIRS[rule].ios)
    assert found.effect == RULES[rule].effect_as(found.severity)
    assert set(found.ios) <= set(RULES[rule].ios)
    if found.severity == "fatal":
        assert found.effect in {"refused", "grant"}
    assert found.message and found.remedy


@pytest.mark.parametrize("rule", sorted(RULES.keys() - BY_CERTIFICATE - OF_TEMPLATES))
@pytest.mark.parametrize("version", [18, 26, 27])
def test_what_concerns_no_asked_ios_is_left_out(judge: Any, rule: str, version: int) -> None:
    (all_,) = judge(rule, PAIRS[rule].broken, PAIRS[rule].ios)
    found = [each.rule for each in judge(rule, PAIRS[rule].broken, (version,)) if each.rule == rule]
    assert found == ([rule] if version in all_.ios else [])


def test_the_page_of_rules_is_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "python tests/lint_page.py"
