"""How long a failed task waits before its next try: tables of seconds, one per kind of task and quirk choice.

Apple says in words that Wallet tries several times with growing waits and then gives up. Field reports count ten
levels, and seven faster ones for log and lifecycle calls; nobody has published the intervals. We chose figures that
show a few tries within a minute, as a person watching expects, and end after about half a day.
"""

from __future__ import annotations

from livepass.emulators.iphone.quirks import Quirks

NORMAL: dict[str, tuple[float, ...]] = {
    "assumed": (5, 10, 30, 120, 300, 900, 1800, 3600, 10800, 21600),
    "doubling": tuple(60.0 * 2**level for level in range(10)),
    "short": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
}
FAST: dict[str, tuple[float, ...]] = {
    "assumed": (2, 5, 15, 60, 300, 900, 3600),
    "doubling": tuple(15.0 * 2**level for level in range(7)),
    "short": (1, 1, 1, 2, 2, 3, 3),
}
# Apple does not say how the phone retries a sign-up; field reports say it does not. A HEAD is our own guess and not
# worth one.
NEVER: tuple[float, ...] = ()

_TABLES = {"log": FAST, "lifecycle": FAST, "personalize": {}, "head": {}}


def waits(kind: str, quirks: Quirks) -> tuple[float, ...]:
    """Seconds before each retry of a task of that kind; empty = never retried."""
    return _TABLES.get(kind, NORMAL).get(quirks["backoff-schedule"], NEVER)


def wait(kind: str, level: int, quirks: Quirks) -> float | None:
    """Seconds to wait after failure number ``level`` (from 1), or None when the task is given up."""
    levels = waits(kind, quirks)
    return levels[level - 1] if level <= len(levels) else None
