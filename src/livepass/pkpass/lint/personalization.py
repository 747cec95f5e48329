"""The rewards enrolment: personalization.json, and what it needs beside it."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.fields import KINDS, SCALES
from livepass.pkpass.lint.problem import Problem, Problems, problem
from livepass.pkpass.personalization import (
    PERSONALIZATION,
    PERSONALIZATION_FIELDS,
    PERSONALIZATION_KEYS,
    PERSONALIZATION_LOGO,
    PERSONALIZATION_NEEDS,
)
from livepass.pkpass.pointer import did_you_mean
from livepass.pkpass.strict_json import JsonProblem, parse_object

_LOGOS = frozenset(f"{PERSONALIZATION_LOGO}{scale}.png" for scale in SCALES)


def check(document: Mapping[str, object], files: Mapping[str, bytes]) -> Problems:
    """Nothing for the passes that have no such file, which is nearly all."""
    if PERSONALIZATION not in files:
        return
    try:
        content = parse_object(files[PERSONALIZATION])
    except JsonProblem:
        return  # package_files says so
    for key in PERSONALIZATION_NEEDS:
        if not content.get(key):
            yield _wrong(f"it has no {key}", f"give it a {key}")
    for key, value in content.items():
        kind = PERSONALIZATION_KEYS.get(key)
        if kind is None:
            yield _wrong(
                f"Wallet knows no key {key!r} in it{did_you_mean(key, PERSONALIZATION_KEYS)}", "correct or remove it"
            )
        elif value and not KINDS[kind][0](value):
            yield _wrong(f"{key} must be {KINDS[kind][1]}", f"write {key} as {KINDS[kind][1]}")
    fields = content.get("requiredPersonalizationFields")
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, str) and field not in PERSONALIZATION_FIELDS:
            yield _wrong(
                f"there is no field {field!r}{did_you_mean(field, PERSONALIZATION_FIELDS)}",
                f"use {', '.join(PERSONALIZATION_FIELDS)}",
            )
    if "nfc" not in document:
        yield _wrong("the pass has no nfc, which enrolment is said to need", "add nfc, or remove the file")
    if not any(name.rpartition("/")[2] in _LOGOS for name in files):
        yield _wrong(f"there is no {PERSONALIZATION_LOGO}@2x.png", "add the logo that the form shows")


def _wrong(message: str, remedy: str) -> Problem:
    return problem("personalization", PERSONALIZATION, f"{PERSONALIZATION}: {message}", remedy)
