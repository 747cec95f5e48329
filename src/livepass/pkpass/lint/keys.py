"""Are the right keys there, with the right types?"""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.fields import KINDS, OBJECT, REQUIRED, TOP_LEVEL
from livepass.pkpass.lint.problem import Problems, Severity, problem
from livepass.pkpass.pointer import did_you_mean, down


def check(document: Mapping[str, object]) -> Problems:
    """Required, typed and known keys at the top level."""
    for key in REQUIRED:
        value = document.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield problem("required-key", down("", key), f"{key} is missing or empty", f"give the pass a {key}")
    yield from typed(document, TOP_LEVEL)
    version = document.get("formatVersion")
    if KINDS["number"][0](version) and version != 1:
        yield problem("format-version", "/formatVersion", f"formatVersion is {version}, but only 1 exists", "write 1")


def typed(
    value: Mapping[str, object], table: Mapping[str, str], pointer: str = "", severity: Severity | None = None
) -> Problems:
    """Types and unknown keys of one object against its table of key → kind."""
    for key, each in value.items():
        kind = table.get(key)
        if kind is None:
            yield problem(
                "unknown-key",
                down(pointer, key),
                f"Wallet knows no key {key!r} here{did_you_mean(str(key), table)}",
                "correct the key, or move your own data under userInfo",
            )
        elif not KINDS[kind][0](each) and not (each is None and not pointer and key in REQUIRED):
            phrase = KINDS[kind][1]
            yield problem(
                "value-type", down(pointer, key), f"{key} must be {phrase}", f"write {key} as {phrase}", severity
            )


def objects(document: Mapping[str, object], key: str) -> list[tuple[str, Mapping[str, object]]]:
    """The objects of a list with their pointers; whatever else stands there is the type rule's business."""
    value = document.get(key)
    if not isinstance(value, list):
        return []
    return [(down(down("", key), index), each) for index, each in enumerate(value) if isinstance(each, OBJECT)]
