"""``${name}`` in the strings of a pass.json: found, checked and filled. Keys are never touched.

Filling works on the parsed document, never on its text, so no value can break out of the string it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from livepass.pkpass.pointer import down

_TOKEN = re.compile(r"\$\$\{|\$\{([^}]*)(\})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a variable stands. ``whole``: it is the entire string, so its value keeps its JSON type."""

    name: str
    pointer: str
    whole: bool


def uses(value: object, pointer: str = "") -> Iterator[Use]:
    """Every placeholder below ``value``, in document order; ``name`` is what stands in the braces, right or wrong."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from uses(each, down(pointer, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from uses(each, down(pointer, index))
    elif isinstance(value, str) and "${" in value:
        for match in _TOKEN.finditer(value):
            if match[1] is not None:
                name = match[1] if match[2] else match[0]
                yield Use(name, pointer, whole=match[0] == value)


def is_name(text: str) -> bool:
    """Whether ``text`` may name a variable: letters, digits and underscores, not starting with a digit."""
    return _NAME.fullmatch(text) is not None


def fill(value: object, values: Mapping[str, object]) -> object:
    """A copy of ``value`` with every placeholder filled from ``values`` and every ``$${`` turned into ``${``."""
    if isinstance(value, dict):
        return {key: fill(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, values) for each in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    match = _TOKEN.fullmatch(value)
    if match and match[2]:
        return values[match[1]]
    return _TOKEN.sub(lambda found: "${" if found[1] is None else _text(values[found[1]]), value)


def _text(value: object) -> str:
    # Numbers as JSON writes them, so that text and number fields of one pass agree.
    return value if isinstance(value, str) else orjson.dumps(value).decode()
