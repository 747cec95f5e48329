"""When and where the pass shows itself: dates, places, beacons."""

from __future__ import annotations

import re
from collections.abc import Mapping

from livepass.pkpass.dates import parse_date
from livepass.pkpass.fields import BEACON_KEYS, DATES, LOCATION_KEYS, MOST_LOCATIONS, RELEVANT_DATE_KEYS, is_number
from livepass.pkpass.lint import fraction
from livepass.pkpass.lint.keys import objects, typed
from livepass.pkpass.lint.problem import Problems, Severity, problem
from livepass.pkpass.since import RELEVANT_DATE_READ_BY, ios_names

KEYS = frozenset({*DATES, "relevantDates", "locations", "maxDistance", "beacons"})
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_RELEVANT_DATE = dict.fromkeys(RELEVANT_DATE_KEYS, "string")


def check(document: Mapping[str, object]) -> Problems:
    """A bad top-level date or location makes the pass invalid; bad relevantDates and beacons are only logged."""
    for key in DATES:
        yield from _date(document, key, f"/{key}", "fatal")
    for pointer, each in objects(document, "relevantDates"):
        yield from _relevant(pointer, each)
    for pointer, each in objects(document, "locations"):
        yield from _location(pointer, each)
    if len(objects(document, "locations")) > MOST_LOCATIONS:
        yield problem("location-count", "/locations", f"only {MOST_LOCATIONS} locations count", "keep the best ten")
    distance = document.get("maxDistance")
    if isinstance(distance, int | float) and is_number(distance) and not distance > 0:
        yield problem(
            "max-distance", "/maxDistance", "maxDistance must be greater than zero", "write metres, or remove it"
        )
    for pointer, each in objects(document, "beacons"):
        yield from _beacon(pointer, each)


def _date(content: Mapping[str, object], key: str, pointer: str, severity: Severity) -> Problems:
    value = content.get(key)
    if isinstance(value, str) and parse_date(value) is None:
        yield problem(
            "date",
            pointer,
            f"{key} {value[:40]!r} is not in the form that phones read",
            "write 2026-11-23T18:30:00+01:00 or 2026-11-23T17:30:00Z",
            severity,
        )
    yield from fraction.check(pointer, value, severity)


def _relevant(pointer: str, content: Mapping[str, object]) -> Problems:
    yield from typed(content, _RELEVANT_DATE, pointer, "warning")
    for key in RELEVANT_DATE_KEYS:
        yield from _date(content, key, f"{pointer}/{key}", "warning")
    start, end = parse_date(content.get("startDate")), parse_date(content.get("endDate"))
    single = "date" in content or "relevantDate" in content
    span = "startDate" in content and "endDate" in content
    if not (single or span) or (start and end and start > end):
        yield problem(
            "relevant-date",
            pointer,
            "a relevant date needs date, or startDate and a later endDate",
            "give it one or the other",
        )
    for key, other in (("date", "relevantDate"), ("relevantDate", "date")):
        if key in content and other not in content:
            yield problem(
                "relevant-date-spelling",
                pointer,
                f"{key} has no {other} beside it, the spelling of {ios_names(RELEVANT_DATE_READ_BY[other])}",
                f"write the same date as {other} too",
                ios=RELEVANT_DATE_READ_BY[other],
            )


def _location(pointer: str, content: Mapping[str, object]) -> Problems:
    degrees = {"latitude": 90, "longitude": 180}
    yield from typed({key: each for key, each in content.items() if key not in degrees}, LOCATION_KEYS, pointer)
    for key, most in degrees.items():
        value = content.get(key)
        if not _within(value, -most, most):
            yield problem(
                "location",
                f"{pointer}/{key}",
                f"{key} must be a number from -{most} to {most}",
                "write degrees as a JSON number",
            )


def _beacon(pointer: str, content: Mapping[str, object]) -> Problems:
    numbers = ("major", "minor")
    own = ("proximityUUID", *numbers)
    yield from typed({key: each for key, each in content.items() if key not in own}, BEACON_KEYS, pointer, "warning")
    beacon = content.get("proximityUUID")
    if not isinstance(beacon, str) or not _UUID.fullmatch(beacon):
        yield problem(
            "beacon", f"{pointer}/proximityUUID", "a beacon needs a proximityUUID", "write it as 8-4-4-4-12 hex"
        )
    for key in numbers:
        if key in content and not _within(content[key], 0, 65535):
            yield problem("beacon", f"{pointer}/{key}", f"{key} must be 0 to 65535", "write it as a JSON number")


def _within(value: object, least: int, most: int) -> bool:
    return isinstance(value, int | float) and is_number(value) and least <= value <= most
