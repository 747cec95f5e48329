"""What counts as a change, and the version id it gets.

A change is a manifest that differs: pass.json or any file. An identical manifest moves nothing, because a phone
compares manifests and complains when it is called for nothing.
"""

from __future__ import annotations

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moves(stored_manifest_sha: str | None, manifest_sha: str) -> bool:
    """Whether a pass with this manifest is a new version. ``None``: the pass does not exist yet."""
    return stored_manifest_sha != manifest_sha


def next_last_modified(previous: int | None, now: int, floor: int = 0) -> int:
    """The version id of a change at ``now`` (ms), in whole seconds, strictly later than ``previous``, not below
    ``floor``.

    The header has one-second grain: without the step, the second change of a second would be answered 304.
    """
    second = max(now // 1000, floor)
    return second if previous is None else max(second, previous + 1)


AHEAD_SECONDS = 60
"""How far dates are taken to have run, in a history that was lost, ahead of the clock and of the newest date that the
database still knows, whichever is later: a second with each change beyond one a second. Nothing bounds it: where a pass
had run further ahead in what was lost, and only another process knows of it, two versions may get one date.
"""


def floor_of_a_new_epoch(now: int, lost: int = 0) -> int:
    """The least ``Last-Modified`` (seconds) of versions made after history went back, at ``now`` (ms).

    The lost history gave away seconds up to now, and some more where passes changed several times in a second; ``lost``
    is the newest that it is known to have given away, here: other processes may have given away later ones. The store
    keeps the same distance from the newest date in the database: the clock may have been set back.
    """
    return max(now // 1000 + AHEAD_SECONDS, lost + 1)


def http_date(seconds: int) -> str:
    """``Last-Modified`` as RFC 9110 wants it (IMF-fixdate), independent of the locale."""
    days, rest = divmod(seconds, 86400)
    year, month, day = _civil(days)
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    weekday = _DAYS[(days + 3) % 7]
    return f"{weekday}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def _civil(days: int) -> tuple[int, int, int]:
    """Days since 1970-01-01 as (year, month, day), proleptic Gregorian; eras of 400 years start on 1 March."""
    shifted = days + 719468
    era, day_of_era = divmod(shifted, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_index = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_index + 2) // 5 + 1
    month = month_index + 3 if month_index < 10 else month_index - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year, month, day
