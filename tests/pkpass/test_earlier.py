"""What is kept of a change leads back to the pass before it, whatever changed."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from livepass.pkpass import canonical
from livepass.pkpass.earlier import back, undo
from livepass.pkpass.fields import FIELD_GROUPS
from livepass.pkpass.notices import moved_fields

VALUES: list[Any] = [0, 1, 1.0, True, "", "Gold", "Silver", None, [1], {"a": 1}]


def _some(chance: random.Random) -> dict[str, Any]:
    """A pass.json of few keys and values, so that two of them have much in common; some keys stand twice."""
    groups: dict[str, Any] = {}
    for group in chance.sample(FIELD_GROUPS, 3):
        keys = chance.choices(["points", "level", "name", "%", 7], k=chance.randrange(4))
        groups[group] = [{"key": key, "value": chance.choice(VALUES), "label": chance.choice("ab")} for key in keys]
        if chance.random() < 0.1:
            groups[group] = chance.choice([[None, "x"], {}, "x"])
    found: dict[str, Any] = {"storeCard": groups, "description": chance.choice(["a", "b"])}
    if chance.random() < 0.3:
        found["generic"] = {"backFields": [{"key": "points", "value": chance.choice(VALUES)}]}
    return found


@pytest.mark.parametrize("seed", range(3))
def test_it_leads_back(seed: int) -> None:
    chance, led, alone = random.Random(seed), 0, 0
    for _ in range(400):
        before = _some(chance)
        after = _some(chance) if chance.random() < 0.3 else copy.deepcopy(before)
        for group in after["storeCard"].values():
            for one in group if isinstance(group, list) else ():
                if isinstance(one, dict) and chance.random() < 0.5:
                    one["value"] = chance.choice(VALUES)
        rows, as_it_was = [each.row() for each in moved_fields(before, after)], copy.deepcopy(after)
        patch = undo(canonical(before), after, rows)
        assert after == as_it_was, "the pass is on its way to the database"
        if patch is not None:
            assert back(canonical(after), rows, patch) == canonical(before)
            led += 1
            alone += bool(rows) and patch == {}
    assert led > 200 and alone > 20
