"""The fields of a pass, one by one and against each other.

Phones are strict in front and lenient at the back: what is only logged for a back field makes the whole pass invalid
for a header, primary, secondary or auxiliary field (observed on phones). ``severity`` follows that line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from livepass.pkpass.dates import parse_date, without_fraction
from livepass.pkpass.fields import (
    DATA_DETECTORS,
    DATE_OPTIONS,
    FIELD_ENUMS,
    FIELD_GROUPS,
    FIELD_KEYS,
    FRONT_GROUPS,
    KINDS,
    NUMBER_OPTIONS,
    OBJECT,
    UNALIGNED_GROUPS,
    is_number,
)
from livepass.pkpass.lint import fraction
from livepass.pkpass.lint.keys import typed
from livepass.pkpass.lint.problem import Problems, Severity, problem
from livepass.pkpass.lint.remembered import remembered
from livepass.pkpass.pointer import did_you_mean, down

_CURRENCY = re.compile(r"[A-Z]{3}")
_OTHER_MARKUP = re.compile(r"<(?!/?a\b)[/!a-z]", re.IGNORECASE)


class _Field(NamedTuple):
    """A field with its place."""

    group: str
    pointer: str
    content: Mapping[str, object]

    @property
    def severity(self) -> Severity:
        return "fatal" if self.group in FRONT_GROUPS else "warning"


def check(pointer: str, groups: Mapping[str, object]) -> Problems:
    """Every field of one style, or of another object that holds groups of fields."""
    fields = list(_fields(pointer, groups))
    yield from _unique(fields)
    for field in fields:
        yield from _of_one((field.group, field.pointer), _alike(field.content))


def alike(groups: Mapping[str, object]) -> dict[str, object]:
    """The same for all passes of a template whose fields differ in their values only."""
    return {
        name: [_alike(each) if isinstance(each, OBJECT) else each for each in fields]
        if name in FIELD_GROUPS and isinstance(fields, list)
        else fields
        for name, fields in groups.items()
    }


def _alike(content: Mapping[str, object]) -> Mapping[str, object]:
    """Of a value the rules see its kind, and of one that is shown as a date whether it is one."""
    value = content.get("value")
    if type(value) not in _STANDING_IN:
        return content
    if _DATED.isdisjoint(content):
        return {**content, "value": _STANDING_IN[type(value)]}
    if parse_date(value) is None or without_fraction(value) is not None:
        return content
    return {**content, "value": _A_DATE}


_DATED = frozenset(DATE_OPTIONS)
_STANDING_IN: Mapping[type, object] = {str: "", int: 0, float: 0}
_A_DATE = "2026-11-23T17:30:00Z"


@remembered(most=512, longest=2048)
def _of_one(place: tuple[str, str], content: Mapping[str, object]) -> Problems:
    """Most fields of a template are the same on each of its passes, but for their values."""
    return _judged(_Field(*place, content))


def _judged(field: _Field) -> Problems:
    yield from typed(
        {key: value for key, value in field.content.items() if key not in {"key", "value"}},
        FIELD_KEYS,
        field.pointer,
        field.severity,
    )
    yield from _key_and_value(field)
    yield from _enums(field)
    yield from _date_and_number(field)
    yield from _placement(field)
    yield from _texts(field)


def _fields(pointer: str, groups: Mapping[str, object]) -> Iterator[_Field]:
    for group in FIELD_GROUPS:
        content = groups.get(group)
        for index, each in enumerate(content if isinstance(content, list) else ()):
            if isinstance(each, OBJECT):
                yield _Field(group, f"{pointer}/{group}/{index}", each)


def _unique(fields: list[_Field]) -> Problems:
    first: dict[str, _Field] = {}
    for field in fields:
        key = field.content.get("key")
        if not isinstance(key, str) or not key:
            continue
        other = first.setdefault(key, field)
        if other is not field:
            # Groups come front first, so the earlier one is in front if either is.
            yield problem(
                "field-key-duplicate",
                f"{field.pointer}/key",
                f"the field key {key!r} is already used at {other.pointer}",
                "give each field of the pass its own key",
                other.severity,
            )


def _key_and_value(field: _Field) -> Problems:
    key, value = field.content.get("key"), field.content.get("value")
    if not isinstance(key, str) or not key:
        yield problem("field-key", f"{field.pointer}/key", "the field needs a key, a string", "give it a unique key")
    if value is None:
        yield problem(
            "field-value", f"{field.pointer}/value", "the field has no value", "give it a value", field.severity
        )
    elif not KINDS["scalar"][0](value):
        yield problem(
            "field-value-type",
            f"{field.pointer}/value",
            "a field's value must be a string or a number",
            "write the value as a string or a number",
        )


def _enums(field: _Field) -> Problems:
    for key, allowed in FIELD_ENUMS.items():
        value = field.content.get(key)
        if isinstance(value, str) and value not in allowed:
            yield problem(
                "field-enum",
                down(field.pointer, key),
                f"{key} has no {value!r}{did_you_mean(value, allowed)}",
                f"write one of {', '.join(allowed)}",
                field.severity,
            )
    code = field.content.get("currencyCode")
    if isinstance(code, str) and not _CURRENCY.fullmatch(code):
        yield problem(
            "field-currency",
            f"{field.pointer}/currencyCode",
            f"{code!r} is no ISO 4217 currency",
            "write three capital letters, such as EUR",
            field.severity,
        )


def _date_and_number(field: _Field) -> Problems:
    """What a value is formatted as must be what it is. At most one problem: the others would follow from it."""
    content, value = field.content, field.content.get("value")
    dates = [key for key in DATE_OPTIONS if key in content]
    numbers = [key for key in NUMBER_OPTIONS if key in content]
    if dates and numbers:
        rule, message = "field-date-and-number", f"{dates[0]} and {numbers[0]} exclude each other"
    elif len(numbers) == len(NUMBER_OPTIONS):
        rule, message = "field-number-style-and-currency", "numberStyle and currencyCode exclude each other"
    elif dates and KINDS["scalar"][0](value) and parse_date(value) is None:
        rule, message = "field-date", f"{dates[0]} needs a date, but the value is none"
    elif numbers and isinstance(value, str):
        rule, message = "field-number", f"{numbers[0]} needs a number, but the value is a string"
    else:
        yield from fraction.check(f"{field.pointer}/value", value if dates else None, field.severity)
        return
    remedy = {
        "field-date": "write the value as 2026-11-23T18:30:00+01:00",
        "field-number": "write the value as a JSON number, without quotes",
    }.get(rule, "keep one of them")
    yield problem(rule, field.pointer, message, remedy, field.severity)


def _placement(field: _Field) -> Problems:
    """Options that only some groups take."""
    content, group = field.content, field.group
    row = content.get("row")
    if is_number(row) and (group != "auxiliaryFields" or row not in {0, 1}):
        yield problem(
            "field-row",
            f"{field.pointer}/row",
            "row is 0 or 1, and only in auxiliary fields",
            "write 0 or 1, or remove row",
            "fatal" if group == "auxiliaryFields" else "warning",
        )
    if "textAlignment" in content and group in UNALIGNED_GROUPS:
        yield problem(
            "field-alignment", f"{field.pointer}/textAlignment", f"{group} take no textAlignment", "remove it"
        )
    detectors = content.get("dataDetectorTypes")
    if isinstance(detectors, list):
        unknown = [each for each in detectors if isinstance(each, str) and each not in DATA_DETECTORS]
        if unknown or group in FRONT_GROUPS:
            yield problem(
                "field-detectors",
                f"{field.pointer}/dataDetectorTypes",
                f"there is no detector {unknown[0]!r}" if unknown else f"{group} take no data detectors",
                f"use {', '.join(DATA_DETECTORS)}, in back fields",
            )


def _texts(field: _Field) -> Problems:
    message, attributed = field.content.get("changeMessage"), field.content.get("attributedValue")
    if isinstance(message, str) and "%@" not in message:
        yield problem(
            "change-message",
            f"{field.pointer}/changeMessage",
            "changeMessage has no %@, the place for the new value",
            "write for example 'Now %@'",
        )
    if isinstance(attributed, str) and _OTHER_MARKUP.search(attributed):
        yield problem(
            "field-attributed",
            f"{field.pointer}/attributedValue",
            "attributedValue may hold <a href='…'> and no other markup",
            "remove the other tags",
        )
