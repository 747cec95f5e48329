"""Dates as a language writes them, in the five lengths of pass.json.

Apple does not say what a phone takes for a style that is missing beside the other; we chose none. With neither, but
``isRelative`` or ``ignoresTimeZone``: medium and short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from livepass.preview.locales import LOCALES, Locale
from livepass.preview.shapes import View

_LENGTHS = {"Short": "short", "Medium": "medium", "Long": "long", "Full": "full"}
_SECONDS_TOO = ("medium", "long", "full")
_ZONE_TOO = ("long", "full")
_STEPS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


def say_date(
    field: Mapping[str, object], when: datetime, view: View, locale: Locale, note: Callable[[str], None]
) -> str:
    """The instant in the zone that it is written in."""
    if field.get("ignoresTimeZone") is not True:
        note("times are drawn in the time zone they are written in: a phone shows its own, unless ignoresTimeZone")
    if field.get("isRelative") is True:
        if view.now is not None and locale is LOCALES["en"]:
            return _relative(when - view.now)
        note("relative dates (isRelative) are drawn as dates")
    day, time = (_length(field.get(key)) for key in ("dateStyle", "timeStyle"))
    if "dateStyle" not in field and "timeStyle" not in field:
        day, time = "medium", "short"
    said = [_day(when, day, locale) if day else "", _time(when, time, locale) if time else ""]
    return locale.joint.join(filter(None, said))


def _length(style: object) -> str:
    return _LENGTHS.get(style.removeprefix("PKDateStyle"), "") if isinstance(style, str) else ""


def _day(when: datetime, length: str, locale: Locale) -> str:
    month = locale.months[when.month - 1] if locale.months else ""
    pattern: str = getattr(locale, length)
    return pattern.format(
        d=when.day,
        dd=f"{when.day:02}",
        m=when.month,
        mm=f"{when.month:02}",
        y=f"{when.year:04}",
        yy=f"{when.year % 100:02}",
        month=month,
        mon=month[:3],
        day=locale.days[when.weekday()] if locale.days else "",
    )


def _time(when: datetime, length: str, locale: Locale) -> str:
    hour = when.hour if locale.clock == 24 else (when.hour - 1) % 12 + 1
    shown = f"{hour:02}" if locale.clock == 24 else str(hour)
    text = f"{shown}:{when.minute:02}" + (f":{when.second:02}" if length in _SECONDS_TOO else "")
    if locale.clock == 12:
        text += "\u00a0AM" if when.hour < 12 else "\u00a0PM"
    return f"{text} {when.tzname()}" if length in _ZONE_TOO else text


def _relative(ahead: timedelta) -> str:
    """``in 3 days``, ``2 hours ago``."""
    away = abs(ahead)
    for step, name in _STEPS:
        if count := away // step:
            words = f"{count} {name}{'' if count == 1 else 's'}"
            return f"in {words}" if ahead > timedelta() else f"{words} ago"
    return "now"
