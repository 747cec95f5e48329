"""The mutation tool itself, on a sample that is tested well in one half and badly in the other; and its table."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutation.__main__ import CORE, ROOT, stale_rows
from mutation.operators import mutants_of
from mutation.runner import Subject
from mutation.survivors import ACCEPTED

SAMPLE = """
from functools import lru_cache

LIMIT = 3
TAX = 2
PRICES = {"small": 5, "large": 8}

@lru_cache
def allowed(count):
    return count <= LIMIT

def price(size):
    return PRICES[size]

def down(count):
    while count > 0:
        count -= 1
    return count

class Till:
    @property
    def open(self):
        return True

class Closed(Exception):
    def __init__(self, why):
        super().__init__(f"closed: {why}")
"""
ATTIC = """
def dust():
    return 1
"""
TESTS = """
from sample_shop.shop import Closed, Till, allowed, down, price
from tests.shelf import TAX

def test_the_tax():
    assert TAX == 2

def test_three_are_allowed():
    assert [allowed(n) for n in (3, 4)] == [True, False]

def test_the_small_price():
    assert price("small") == 5

def test_down_to_nothing():
    assert down(2) == 0

def test_the_till_is_looked_at():
    Till().open

def test_why_it_is_closed():
    assert str(Closed("late")) == "closed: late"
"""
SHELF = "from sample_shop.shop import TAX"
RUN = """
import json, sys
from pathlib import Path
from mutation.runner import Subject, run
print(json.dumps(run(Subject("sample_shop", Path(sys.argv[1])), lambda every: every, 1, lambda *_: None, 2)))
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "sample_shop").mkdir()
    (folder / "sample_shop" / "__init__.py").touch()
    (folder / "sample_shop" / "shop.py").write_text(SAMPLE)
    (folder / "sample_shop" / "attic.py").write_text(ATTIC)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_shop.py").write_text(TESTS)
    (folder / "tests" / "shelf.py").write_text(SHELF)
    path = os.pathsep.join([str(ROOT / "tests"), str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "tests")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("mutant", "verdict"),
    [
        ("shop: allowed: return count <= LIMIT → return count < LIMIT", "killed"),
        ("shop: LIMIT = 3 → LIMIT = 4", "killed"),
        ("shop: TAX = 2 → TAX = 3", "killed"),
        ("shop: PRICES = {'small': 5, 'large': 8} → PRICES = {'large': 8}", "killed"),
        ("shop: PRICES = {'small': 5, 'large': 8} → PRICES = {'small': 5}", "survived"),
        ("shop: PRICES = {'small': 5, 'large': 8} → PRICES = {'small': 5, 'large': 9}", "survived"),
        ("shop: down: while count > 0: pass → while count >= 0: pass", "killed"),
        ("shop: down: count -= 1 → pass", "timed out"),
        ("shop: Till.open: return True → return False", "survived"),
        ("shop: Closed.__init__: super().__init__(f'closed: {why}') → pass", "killed"),
        ("attic: dust: return 1 → return 2", "survived"),  # no test imports it
    ],
)
def test_a_known_mutant_gets_its_verdict(verdicts: dict[str, str], mutant: str, verdict: str) -> None:
    assert verdicts.get(mutant) == verdict, sorted(verdicts)


def test_a_mutant_leaves_the_tree_as_it_was() -> None:
    tree = ast.parse(SAMPLE)
    before = ast.dump(tree)
    for mutant in mutants_of(tree, "shop"):
        mutant.apply()
        assert ast.dump(tree) != before, mutant.name
        mutant.undo()
        assert ast.dump(tree) == before, mutant.name


def test_no_two_mutants_of_the_core_share_a_name() -> None:
    names = [one.name for one in Subject(CORE, ROOT / "tests" / "core").mutants()]
    assert len(names) > 2000
    assert len(names) == len(set(names))


def test_every_accepted_survivor_is_a_mutant_of_the_core_and_says_why() -> None:
    assert stale_rows([], Subject(CORE, Path("tests/core")).mutants(), ()) == []
    assert all(len(reason) > 20 for reason in ACCEPTED.values())


def test_an_accepted_survivor_that_is_killed_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = mutants_of(ast.parse(SAMPLE), "shop")[0]
    monkeypatch.setattr("mutation.__main__.ACCEPTED", {mutant.name: "why", "shop: gone": "why"})
    assert stale_rows([(mutant, "survived")], [mutant], ()) == ["shop: gone"]
    assert stale_rows([(mutant, "killed")], [mutant], ()) == [mutant.name, "shop: gone"]
