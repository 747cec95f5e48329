"""How often one phone tolerates a push of one pass type: a score that rises with haste and falls with quiet.

On each push, with Z the "zero interval" and dt the seconds since the previous push of the type: d = (Z - dt) / Z; a
positive d adds its cube, a negative one is added as it is; the score never falls below zero. Z shrinks with the
number of passes of the type, to half an hour at least. The formula is a field report; the thresholds were never
published and are ours (quirk ``push-budget``), chosen so that a push a minute is cut off after about half an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from livepass.emulators.iphone.quirks import Quirks

FREE, MILD, MODERATE, SEVERE, CUT_OFF = range(5)

LEVEL_NAMES: Final = {MILD: "mild", MODERATE: "moderate", SEVERE: "severe"}

# Seconds between the last update of the type and the next ask, by level. At the cut-off nothing is asked at all.
DEFERRAL: Final[dict[int, float]] = {FREE: 0, MILD: 120, MODERATE: 600, SEVERE: 3600}

THRESHOLDS: Final[dict[str, tuple[float, float, float, float]]] = {
    "assumed": (3, 8, 15, 30),
    "strict": (1, 2, 3, 5),
}

# A deferral of this many seconds or more becomes a maintenance activity, which the system may start within this window.
MAINTENANCE_FROM: Final = 60.0
MAINTENANCE_WINDOW: Final = 600.0


def zero_interval(passes: int) -> float:
    """Seconds between pushes that leave the score unchanged, with that many passes of the type on the phone."""
    return max(1800.0, 7200.0 / max(1, passes))


def next_score(score: float, since_previous: float, passes: int) -> float:
    """The score after a push ``since_previous`` seconds after the one before."""
    zero = zero_interval(passes)
    haste = (zero - since_previous) / zero
    return max(0.0, score + (haste**3 if haste > 0 else haste))


@dataclass
class PushScore:
    """The score of one pass type on one phone."""

    score: float = 0.0
    last_push: float | None = None
    last_update: float | None = None

    def pushed(self, now: float, passes: int) -> None:
        """A push arrived. The first one costs nothing."""
        if self.last_push is not None:
            self.score = next_score(self.score, now - self.last_push, passes)
        self.last_push = now

    def level(self, quirks: Quirks) -> int:
        """FREE to CUT_OFF, by the thresholds in force."""
        thresholds = THRESHOLDS.get(quirks["push-budget"], ())
        return sum(self.score >= threshold for threshold in thresholds)

    def not_before(self, level: int) -> float:
        """The earliest time of the next ask at that level; 0 when nothing holds it back."""
        if level == FREE or self.last_update is None:
            return 0.0
        return self.last_update + DEFERRAL[level]
