"""What a run of seeds found, in figures; and what a failure prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from simulation.world import Result

SHOWN = ("pushes", "ask", "fetch", "register", "unregister", "restores", "failovers", "crashes")


@dataclass
class Failure:
    """The first rule that a seed broke, with the last lines of the history that it is about."""

    seed: int
    profile: str
    rule: str
    text: str
    history: list[str]


@dataclass
class Summary:
    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    phone_days: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.counts += result.counts
        self.phone_days += result.phone_days
        self.digests[result.seed] = result.digest
        if result.violations:
            first = result.violations[0]
            history = result.trace.of(first.about or ("!",), 60)
            self.failures.append(Failure(result.seed, result.profile, first.rule, first.text, history))

    def join(self, other: Summary) -> None:
        self.seeds += other.seeds
        self.counts += other.counts
        self.phone_days += other.phone_days
        self.failures += other.failures
        self.digests |= other.digests

    def figures(self, seconds: float) -> dict[str, float]:
        return {
            "seeds": self.seeds,
            "seconds": round(seconds, 1),
            "seeds_per_second": round(self.seeds / max(seconds, 0.001), 1),
            "device_years": round(self.phone_days / 365.25, 2),
            **{name: self.counts[name] for name in SHOWN},
            "violations": len(self.failures),
        }


def commit() -> str:
    """The commit that is checked out, where that is known."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    return found.stdout.strip() or "unknown"


def show(failure: Failure, days: float) -> None:
    print(f"\nseed {failure.seed} ({failure.profile}) at commit {commit()}: {failure.rule} {failure.text}")
    for line in failure.history:
        print("   ", line)
    print(f"again: ./scripts/simulate --replay {failure.seed} --profile {failure.profile} --days {days}", flush=True)


def show_figures(figures: dict[str, float], as_json: bool) -> None:
    if as_json:
        json.dump(figures, sys.stdout)
        print()
        return
    print(", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in figures.items()))
