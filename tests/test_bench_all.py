"""What ``bench/all`` makes of its samples: ratios within a round, bars on both sides, what is kept, what fell."""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

BENCH = Path(__file__).parents[1] / "bench"
if not BENCH.exists():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.append(str(BENCH))

from beside import report  # noqa: E402
from beside.rows import BARS, BRIEF, BRIEF_ROWS, Row, below  # noqa: E402


def command() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("bench_all", str(BENCH / "all"))
    spec = importlib.util.spec_from_loader("bench_all", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() -> None:
    row = Row("register", "requests/CPU-s")
    for ours, echo in ((20, 100), (10, 20), (30, 100)):
        row.add(ours, echo=echo)
    found = row.result()
    assert found["ratio_of_each_round"] == [0.2, 0.5, 0.3]
    assert found["ratio"] == 0.3
    assert found["samples"] == {"ours": [20, 10, 30], "echo": [100, 20, 100]}


def test_of_several_peers_the_fastest_of_each_round_counts() -> None:
    row = Row("push", "pushes/CPU-s")
    row.add(100, **{"aioapns": 10, "node-apn": 50})
    row.add(100, **{"aioapns": 25, "node-apn": 20})
    assert row.ratios() == [2, 4]


def test_a_bar_may_be_a_floor_or_a_ceiling() -> None:
    fast, slow, large = Row("ask-204", ""), Row("ask-204", ""), Row("memory", "MiB", divisor="")
    fast.add(45, echo=100)
    slow.add(44, echo=100)
    large.add(201)
    results = {"fast": fast.result(), "slow": slow.result(), "large": large.result()}
    assert list(below(results)) == ["slow", "large"]


def test_what_was_measured_is_kept_and_what_was_not_is_named(tmp_path: Path) -> None:
    row = Row("ask-204", "requests/CPU-s", note="A note.")
    row.add(45_000, echo=100_000)
    result = {"rows": {"ask-204": row.result()}, "failed": {"push": "it broke"}, "machine": {"cpu": "x"}}
    result |= {"rounds": 1, "minutes": 2.0}
    report.keep(tmp_path / "out", result)
    assert json.loads((tmp_path / "out/all.json").read_text()) == result
    text = (tmp_path / "out/all.md").read_text()
    assert "| ask-204 | 45,000 requests/CPU-s | echo 100,000 | 0.45 | ≥ 0.45 | met |" in text
    assert "A note." in text
    assert "push (it broke)" in text


def test_a_row_that_fell_is_named_and_noise_is_not() -> None:
    before = {name: {"ratio": 0.5, "side": BARS[name].side} for name in ("ask-204", "register", "memory", "push")}
    now = {
        "ask-204": {"ratio": 0.39, "side": "at least"},
        "register": {"ratio": 0.41, "side": "at least"},
        "memory": {"ratio": 0.7, "side": "at most"},
        "build": {"ratio": 0.1, "side": "at least"},
    }
    assert command().fell(now, before) == ["ask-204: 0.39, was 0.5", "memory: 0.7, was 0.5"]


def test_every_row_has_a_bar_and_a_measure() -> None:
    assert list(command().measures.ROWS) == list(BARS)


def test_a_row_that_fell_is_measured_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One short run on a busy machine says little; two that say the same say it."""
    bench, ratios = command(), {"ask-204": [0.3, 0.5], "register": [0.3, 0.3], "build": [0.5]}

    def measured(_: object, name: str) -> Row:
        row = Row(name, "", divisor="")
        row.add(ratios[name].pop(0))
        return row

    monkeypatch.setattr(bench.measures, "ROWS", dict.fromkeys(ratios, measured))
    monkeypatch.setattr(bench.measures, "Bench", lambda *_: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(bench, "Folder", lambda _: None)
    before = {name: {"ratio": 0.5, "side": "at least"} for name in ratios}
    options = SimpleNamespace(rows=tuple(ratios), against=before, output=None)
    rows = bench.measure(options, BRIEF, tmp_path)["rows"]
    assert bench.fell(rows, before) == ["register: 0.3, was 0.5"]
    assert not any(ratios.values()), "each was measured as often as it had to be"


def test_what_is_no_run_is_told_from_one(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    for name in ("other.json", "none.json"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"{name} is no all.json"):
            command().earlier(str(tmp_path / name))


def test_a_brief_run_measures_rows_that_there_are() -> None:
    assert set(BRIEF_ROWS) < set(BARS)
