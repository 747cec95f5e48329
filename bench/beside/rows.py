"""What a row is, which rows there are, and what each is held to.

A row has rounds. In each, ours and everything beside it are measured one after the other, and what counts is the ratio
within the round: a machine that is slow for a minute is slow for both. The ratio of a row is the median of its rounds'.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["at least", "at most"]


@dataclass(frozen=True)
class Bar:
    """What a row's ratio is held to. ``what`` says what is divided by what."""

    value: float
    side: Side
    what: str

    def met(self, ratio: float) -> bool:
        return ratio >= self.value if self.side == "at least" else ratio <= self.value


BARS: Mapping[str, Bar] = {
    "build": Bar(0.85, "at least", "passes to RSA signatures of openssl speed, on one core"),
    "build-peers": Bar(20, "at least", "passes to those of the fastest peer, on one core"),
    "register": Bar(0.20, "at least", "requests to those of a bare ASGI echo, per second of the server's CPU"),
    "ask-204": Bar(0.45, "at least", "requests to those of a bare ASGI echo, per second of the server's CPU"),
    "ask-changed": Bar(0.35, "at least", "requests to those of a bare ASGI echo, per second of the server's CPU"),
    "fetch-304": Bar(0.40, "at least", "requests to those of a bare ASGI echo, per second of the server's CPU"),
    "fetch-200": Bar(0.80, "at least", "fetches of passes not built before to builds in a loop, per second of CPU"),
    "ask-pg": Bar(0.5, "at least", "asks to the one query by the bare driver, per second of the client's CPU"),
    "device-peers": Bar(
        8, "at least", "scripts of register, ask and fetch to those of the fastest peer, per second of CPU"
    ),
    "push": Bar(5, "at least", "pushes to those of the fastest peer, per second of CPU"),
    "dispatch-sqlite": Bar(0.5, "at least", "pushes claimed, sent and recorded to pushes sent alone"),
    "dispatch-postgres": Bar(0.5, "at least", "pushes claimed, sent and recorded to pushes sent alone"),
    "change-sqlite": Bar(0.4, "at least", "changes through the API, one to a call, to the bare driver's statements"),
    "change-postgres": Bar(0.4, "at least", "changes through the API, one to a call, to the bare driver's statements"),
    "batch-sqlite": Bar(0.6, "at least", "changes through the API, 1,000 to a call, to the bare driver's statements"),
    "batch-postgres": Bar(0.6, "at least", "changes through the API, 1,000 to a call, to the bare driver's statements"),
    "loop": Bar(2, "at most", "seconds to those that builds and echoes alone would take for as many"),
    "scale-sqlite": Bar(1.5, "at most", "99th percentile of an ask at the largest size to that at the smallest"),
    "scale-postgres": Bar(1.5, "at most", "99th percentile of an ask at the largest size to that at the smallest"),
    "memory": Bar(200, "at most", "MiB resident of one worker, after it has served every registration"),
    "start": Bar(1.5, "at most", "seconds from livepass serve to the first answer"),
    "help": Bar(0.3, "at most", "seconds of livepass --help"),
}
"""Rows in the order they are measured."""


@dataclass
class Row:
    """One row's samples. ``beside``: by name, one figure a round each. ``divisor``: the name in ``beside`` that ours is
    divided by, ``"best"`` for the largest of all, and ``""`` where the figure itself is held to the bar.
    """

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    beside: dict[str, list[float]] = field(default_factory=dict)
    divisor: str = "best"
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def add(self, ours: float, **beside: float) -> None:
        """One round. What stands beside is named as in the table: underscores are hyphens there."""
        self.ours.append(ours)
        for name, figure in beside.items():
            self.beside.setdefault(name.replace("_", "-"), []).append(figure)

    def ratios(self) -> list[float]:
        if not self.divisor:
            return self.ours
        return [ours / self._divisor(number) for number, ours in enumerate(self.ours)]

    def _divisor(self, number: int) -> float:
        if self.divisor != "best":
            return self.beside[self.divisor][number]
        return max(figures[number] for figures in self.beside.values())

    def result(self) -> dict[str, Any]:
        """The row as JSON: medians, ratios, the bar, and every sample."""
        bar, ratio = BARS[self.name], statistics.median(self.ratios())
        return {
            "unit": self.unit,
            "ours": statistics.median(self.ours),
            "beside": {name: statistics.median(figures) for name, figures in self.beside.items()},
            "divisor": self.divisor,
            "ratio": round(ratio, 3),
            "ratio_of_each_round": [round(one, 3) for one in self.ratios()],
            "bar": bar.value,
            "side": bar.side,
            "what": bar.what,
            "met": bar.met(ratio),
            "note": self.note,
            "samples": {"ours": self.ours, **self.beside},
            **self.more,
        }


@dataclass(frozen=True)
class Plan:
    """How much is measured. Of ``phones``, three quarters have a pass of their own: they are in the loop."""

    rounds: int
    seconds: float
    registrations: int
    scale: tuple[int, int]
    phones: int
    due: int


FULL = Plan(rounds=3, seconds=3.0, registrations=1_000_000, scale=(10_000, 1_000_000), phones=67_000, due=20_000)
QUICK = Plan(rounds=3, seconds=1.0, registrations=50_000, scale=(10_000, 50_000), phones=5_000, due=5_000)
BRIEF = Plan(rounds=3, seconds=0.5, registrations=5_000, scale=(1_000, 5_000), phones=500, due=1_000)
BRIEF_ROWS = (
    *("build", "register", "ask-204", "ask-changed", "fetch-304", "fetch-200"),
    *("dispatch-sqlite", "change-sqlite"),
)
"""For CI: ratios, on what every machine has; nothing that is an absolute time. Not batches: what they are divided by
swings by a third from run to run, with the disk.
"""


def below(results: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Rows that miss their bar."""
    return [name for name, found in results.items() if not found["met"]]
