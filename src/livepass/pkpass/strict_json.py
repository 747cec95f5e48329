"""JSON, read so that no two readers can disagree about it, and written so that the same value is the same bytes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

import orjson

from livepass.pkpass.errors import InvalidDocument

# Anything but plain JSON types is refused rather than guessed at: a datetime has several spellings in pass.json.
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_DEPTH = 32
# Possessive, and content with a string that never ends: linear in hostile input.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_WIDEST = 1 << 63


class JsonProblem(ValueError):
    """``kind`` is "syntax", "depth" or "duplicate"; ``str`` says where."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def canonical(document: Mapping[str, object]) -> bytes:
    """The one spelling of a pass.json: UTF-8, sorted keys, no whitespace.

    A phone compares manifests to see whether a pass changed, so equal documents must be equal bytes on every host.
    Raises ``InvalidDocument`` for what JSON cannot say (NaN, dates, keys that are not strings, integers over 64 bit).
    """
    try:
        data = orjson.dumps(dict(document), option=_CANONICAL)
    except (TypeError, ValueError) as error:  # orjson's own error is a TypeError
        raise InvalidDocument(
            f"pass.json cannot be written: {error}", "use strings, numbers, booleans, lists and objects only"
        ) from error
    # NaN and infinity would be written as null, silently; only then is the walk worth its time.
    if b"null" in data and not _finite(document):
        raise InvalidDocument("pass.json holds a number that is not finite", "JSON has no NaN and no infinity")
    return data


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return True


def parse_object(data: bytes, depth: int = _DEPTH) -> dict[str, object]:
    """Strict JSON whose top is an object: UTF-8 without a mark, no duplicate keys, at most ``depth`` levels.

    Raises ``JsonProblem``.
    """
    if deepest(data) > depth:
        raise JsonProblem("depth", f"nested deeper than {depth} levels")
    try:
        orjson.loads(data)  # strict about encoding, surrogates, NaN and trailing bytes, where json is lenient
    except ValueError as error:
        raise JsonProblem("syntax", str(error)) from error
    parsed = json.loads(data, object_pairs_hook=_no_duplicates, parse_int=_bounded_int)
    if not isinstance(parsed, dict):
        raise JsonProblem("syntax", "the top level is not an object")
    return parsed


def deepest(data: bytes) -> int:
    """How many objects and arrays are open at once, at most: known before any parser recurses."""
    level = most = 0
    for match in _STRING_OR_BRACKET.finditer(data):
        first = match[0][0]
        if first in b"[{":
            level += 1
            most = max(most, level)
        elif first in b"]}":
            level -= 1
    return most


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    keys = [key for key, _ in pairs]
    twice = next(key for index, key in enumerate(keys) if key in keys[:index])
    raise JsonProblem("duplicate", f"the key {twice!r} is there twice in one object")


def _bounded_int(text: str) -> int:
    # A longer one could not be written again: refuse it here, where the source is at hand.
    if len(text) > 20 or not -_WIDEST <= (number := int(text)) < 2 * _WIDEST:
        raise JsonProblem("syntax", f"the integer {text[:24]} does not fit 64 bits")
    return number
