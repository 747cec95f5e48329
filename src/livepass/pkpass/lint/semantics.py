"""Semantic tags: known ones, of their types and words, in both spellings where Apple has two.

They stand at the top, in fields, and in upcoming events; a phone ignores what it does not understand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from livepass.pkpass.dates import parse_date
from livepass.pkpass.fields import FIELD_GROUPS, KINDS, OBJECT, STYLES
from livepass.pkpass.lint import fraction
from livepass.pkpass.lint.keys import objects
from livepass.pkpass.lint.problem import Problem, Problems, problem
from livepass.pkpass.pointer import did_you_mean, down
from livepass.pkpass.semantic_tags import ENUMS, LISTS, OBJECTS, SPELLINGS, TAGS
from livepass.pkpass.upcoming import ENTRY_GROUPS

KEYS = frozenset({"semantics", "upcomingPassInformation", *STYLES})
_DATE = "a date such as 2026-11-23T18:30:00+01:00"


def check(document: Mapping[str, object]) -> Problems:
    """Every tag of the pass, wherever it stands."""
    for pointer, tags in _holders(document):
        for tag, value in tags.items():
            yield from _tag(down(pointer, tag), tag, value)
        yield from _spellings(pointer, tags)


def _holders(document: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each ``semantics`` object with its pointer."""
    yield from _own("", document)
    for style in STYLES:
        groups = document.get(style)
        if isinstance(groups, OBJECT):
            yield from _of_fields(f"/{style}", groups, FIELD_GROUPS)
    for pointer, entry in objects(document, "upcomingPassInformation"):
        yield from _own(pointer, entry)
        yield from _of_fields(pointer, entry, ENTRY_GROUPS)


def _own(pointer: str, holder: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    tags = holder.get("semantics")
    if isinstance(tags, Mapping):
        yield f"{pointer}/semantics", tags


def _of_fields(
    pointer: str, holder: Mapping[str, object], groups: tuple[str, ...]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    for group in groups:
        fields = holder.get(group)
        for index, field in enumerate(fields if isinstance(fields, list) else ()):
            if isinstance(field, OBJECT) and "semantics" in field:
                yield from _own(f"{pointer}/{group}/{index}", field)


def _tag(pointer: str, tag: str, value: object) -> Problems:
    kind = TAGS.get(tag)
    if kind is None:
        yield _unknown(pointer, tag, TAGS)
    elif kind == "amount":
        yield from _amount(pointer, tag, value)
    elif kind in LISTS:
        if not KINDS["objects"][0](value):
            yield _mistyped(pointer, tag, KINDS["objects"][1])
        for index, each in enumerate(value if isinstance(value, list) else ()):
            yield from _object(down(pointer, index), each, OBJECTS[LISTS[kind]])
    elif kind in OBJECTS:
        if not isinstance(value, Mapping):
            yield _mistyped(pointer, tag, KINDS["object"][1])
        yield from _object(pointer, value, OBJECTS[kind])
    else:
        yield from _plain(pointer, tag, kind, value)
        if tag in ENUMS:
            yield from _words(pointer, tag, value)


def _object(pointer: str, value: object, table: Mapping[str, str]) -> Problems:
    for key, each in value.items() if isinstance(value, Mapping) else ():
        if key in table:
            yield from _plain(down(pointer, key), key, table[key], each)
        else:
            yield _unknown(down(pointer, key), key, table)


def _plain(pointer: str, name: str, kind: str, value: object) -> Problems:
    fits, phrase = (parse_date(value) is not None, _DATE) if kind == "date" else (KINDS[kind][0](value), KINDS[kind][1])
    if not fits:
        yield _mistyped(pointer, name, phrase)
    elif kind == "date":
        yield from fraction.check(pointer, value, "warning")


def _words(pointer: str, tag: str, value: object) -> Problems:
    """An enumeration, or a list of its words."""
    for word in value if isinstance(value, list) else [value]:
        if isinstance(word, str) and word not in ENUMS[tag]:
            yield problem(
                "semantic-enum",
                pointer,
                f"{tag} has no {word!r}{did_you_mean(word, ENUMS[tag])}",
                f"write one of {', '.join(ENUMS[tag])}",
            )


def _spellings(pointer: str, tags: Mapping[str, object]) -> Problems:
    for pair in SPELLINGS:
        there = [spelling for spelling in pair if spelling in tags]
        if len(there) == 1:
            (other,) = (spelling for spelling in pair if spelling not in tags)
            yield problem(
                "semantic-spelling",
                down(pointer, there[0]),
                f"Apple's documentation and Apple's builder disagree between {pair[0]} and {pair[1]}",
                f"write both: add {other}",
            )


def _amount(pointer: str, tag: str, value: object) -> Problems:
    if not (isinstance(value, Mapping) and all(isinstance(value.get(key), str) for key in OBJECTS["amount"])):
        yield problem(
            "semantic-amount",
            pointer,
            f"{tag} needs amount and currencyCode, both strings",
            'write {"amount": "12.50", "currencyCode": "EUR"}',
        )
        return
    yield from _object(pointer, value, OBJECTS["amount"])


def _unknown(pointer: str, name: str, table: Mapping[str, str]) -> Problem:
    return problem(
        "semantic-tag",
        pointer,
        f"neither Apple's documentation nor its builder knows {name!r} here{did_you_mean(str(name), table)}",
        "correct the name, or move your own data under userInfo",
    )


def _mistyped(pointer: str, name: str, phrase: str) -> Problem:
    return problem("semantic-type", pointer, f"{name} must be {phrase}", f"write {name} as {phrase}")
