"""What lint remembers from one pass to the next, and does not look at in vain, changes nothing in what it finds."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from livepass.pkpass import RULES, Problem, lint
from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.lint import pass_fields, style, web_service
from pkpass.lint_pairs import PAIRS, applied

RULES_OF_LINT = importlib.import_module("livepass.pkpass.lint")
VALUES: list[Any] = [
    *("Gold", "", "2026-11-23T18:30:00+01:00", "2026-11-23T18:30:00.5Z", "2026-02-30T10:00Z", "tomorrow", "7"),
    *(7, 7.0, 0, -1, float("nan"), True, False, None, [], ["Gold"], {}, "x" * 20_000),
]
OPTIONS: list[dict[str, Any]] = [
    *({}, {}, {}, {"dateStyle": "PKDateStyleShort"}, {"timeStyle": "PKDateStyleShort", "isRelative": True}),
    *({"numberStyle": "PKNumberStylePercent"}, {"currencyCode": "EUR"}, {"currencyCode": "euro"}),
    *({"changeMessage": "Now %@"}, {"changeMessage": "New"}, {"attributedValue": "<b>x</b>"}, {"row": 2}),
    {"dateStyle": "PKDateStyleShort", "numberStyle": "PKNumberStylePercent"},
]
Whole = Callable[[Mapping[str, Any], Mapping[str, bytes]], list[Problem]]


class _Everything(frozenset[str]):
    def isdisjoint(self, _: Any) -> bool:
        return False


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Whole:
    """Lint that looks at all of a pass, and remembers nothing."""

    def whole_(document: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Problem]:
        with monkeypatch.context() as patched:
            for module, name in ((pass_fields, "_of_one"), (style, "_of_style"), (web_service, "_fault")):
                patched.setattr(module, name, getattr(module, name).__wrapped__)
            patched.setattr(pass_fields, "alike", dict)
            patched.setattr(pass_fields, "_alike", dict)
            every = [(_Everything(), check) for _, check in RULES_OF_LINT._OF_SOME]
            patched.setattr(RULES_OF_LINT, "_OF_SOME", every)
            return lint(document, files)

    return whole_


def _with_odd_fields(chance: random.Random, document: dict[str, Any]) -> None:
    for kind in STYLES:
        for group in FIELD_GROUPS if isinstance(document.get(kind), dict) else ():
            fields = document[kind].get(group)
            for one in fields if isinstance(fields, list) else ():
                if isinstance(one, dict) and chance.random() < 0.7:
                    one |= {"value": chance.choice(VALUES)} | chance.choice(OPTIONS)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_is_what_all_of_the_pass_shows(
    document: dict[str, Any], files: dict[str, bytes], whole: Whole, seed: int
) -> None:
    chance, rules = random.Random(seed), sorted(PAIRS)
    found = 0
    for _ in range(120):
        changed, beside = dict(document), files
        for rule in chance.sample(rules, chance.randrange(3)):
            pair = PAIRS[rule]
            changes = chance.choice([pair.broken, pair.fixed])
            try:
                changed, beside = applied(changed, beside, {key: value for key, value in changes.items() if key})
            except (KeyError, IndexError, TypeError):
                continue  # changed away by the one before
        changed, _ = applied(changed, {}, {})
        _with_odd_fields(chance, changed)
        expected = whole(changed, beside)
        assert lint(changed, beside) == expected == lint(changed, beside)
        found += len(expected)
    assert found > 200, "or this compares nothing with nothing"


@pytest.mark.parametrize("rule", RULES)
def test_a_check_that_is_left_out_would_have_found_nothing(document: dict[str, Any], whole: Whole, rule: str) -> None:
    """Of each pass that breaks a rule, each key alone: no other key keeps its check from being left out."""
    changes = {key: value for key, value in PAIRS[rule].broken.items() if key.startswith("/")}
    changed, _ = applied(document, {}, changes)
    for key, value in changed.items():
        assert lint({key: value}, {}) == whole({key: value}, {})


def test_nor_is_one_left_out_that_looks_into_fields(whole: Whole) -> None:
    for kind in STYLES:
        field = {"key": "a", "value": 1, "semantics": {"balanc": 1}}
        found = lint({kind: {"backFields": [field]}}, {})
        assert found == whole({kind: {"backFields": [field]}}, {})
        assert "semantic-tag" in {each.rule for each in found}
