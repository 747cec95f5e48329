"""What a phone would refuse or ignore, found before a phone sees it. Problems are values, never exceptions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from livepass.pkpass.bundle import StaticFiles
from livepass.pkpass.certificate import CertificateFacts
from livepass.pkpass.fields import STYLES
from livepass.pkpass.lint import (
    barcodes,
    extras,
    identity,
    images,
    keys,
    layouts,
    localisation,
    look,
    newer,
    package_files,
    personalization,
    relevance,
    semantics,
    style,
    upcoming,
    web_service,
)
from livepass.pkpass.lint.grants import grants_needed
from livepass.pkpass.lint.messages import shared_messages
from livepass.pkpass.lint.problem import RULES, Problem, Rule, problem
from livepass.pkpass.strict_json import JsonProblem, parse_object

__all__ = [
    "RULES",
    "Problem",
    "Rule",
    "grants_needed",
    "is_looked_at",
    "lint",
    "lint_bytes",
    "look_at",
    "shared_messages",
]

_OF_SOME: tuple[tuple[frozenset[str], Callable[[Mapping[str, object]], Iterable[Problem]]], ...] = (
    (look.KEYS, look.check),
    (barcodes.KEYS, barcodes.check),
    (relevance.KEYS, relevance.check),
    (extras.KEYS, extras.check),
    (semantics.KEYS, semantics.check),
    (upcoming.KEYS, upcoming.check),
)
"""Checks with the keys that they look at: they find nothing in a pass that has none of these."""
_LOOKED_FOR = frozenset[str]().union(*(each for each, _ in _OF_SOME))


def lint(
    document: Mapping[str, object],
    files: Mapping[str, bytes] | StaticFiles,
    certificate: CertificateFacts | None = None,
    ios: Collection[int] | None = None,
) -> list[Problem]:
    """Every problem of a pass: ``document`` is its pass.json, ``files`` everything beside it (images, .lproj).

    With ``certificate``, also whether it may sign this pass. With ``ios`` (of 18, 26 and 27), only the problems that
    concern one of these versions, and also what one of them is too old for.

    Fatal problems come first; otherwise in reading order. Never raises for anything that JSON can say.
    """
    there = _LOOKED_FOR.intersection(document)
    static, looked = files.files if isinstance(files, StaticFiles) else files, _looked_at(files)
    found = [
        *keys.check(document),
        *identity.check(document, certificate),
        *web_service.check(document),
        *style.check(document),
        *(each for looked_at, check in _OF_SOME if not looked_at.isdisjoint(there) for each in check(document)),
        *layouts.check(document, static),
        *looked.problems,
        *looked.sizes(document),
        *personalization.check(document, static),
        *localisation.check(document, looked.languages),
    ]
    if ios is not None:
        found.extend(newer.check(document, ios))
        found = [each for each in found if not set(ios).isdisjoint(each.ios)]
    return sorted(found, key=lambda each: each.severity != "fatal")


@dataclass(frozen=True, slots=True)
class _Looked:
    """What files say by themselves, whatever pass.json stands beside them."""

    problems: tuple[Problem, ...]
    sides: images.Sides
    languages: Mapping[str, localisation.Language]
    _sizes: dict[tuple[str, ...], tuple[Problem, ...]] = field(default_factory=dict)

    def sizes(self, document: Mapping[str, object]) -> tuple[Problem, ...]:
        """What is wrong with the images' sizes in a pass of these styles, which all passes of a template share."""
        styles = tuple(style for style in STYLES if style in document)
        if styles not in self._sizes:
            self._sizes[styles] = tuple(images.check(styles, self.sides))
        return self._sizes[styles]

    @classmethod
    def at(cls, files: Mapping[str, bytes]) -> _Looked:
        sides, of_images = images.sides(files)
        languages, of_languages = localisation.languages(files)
        return cls((*package_files.check(files), *of_images, *of_languages), sides, languages)


def _looked_at(files: Mapping[str, bytes] | StaticFiles) -> _Looked:
    """Once for the files of a template, not again for each of its passes."""
    if not isinstance(files, StaticFiles):
        return _Looked.at(files)
    known = files.memo.get("lint")
    if not isinstance(known, _Looked):
        known = files.memo["lint"] = _Looked.at(files.files)
    return known


def is_looked_at(files: StaticFiles) -> bool:
    """Whether ``lint`` has looked at these files already: what is left to it takes a tenth of a millisecond."""
    return "lint" in files.memo


def look_at(files: StaticFiles) -> None:
    """Look at these files for ``lint``. Inflates every image, up to 128 MiB: for a thread of its own."""
    _looked_at(files)


def lint_bytes(
    document: bytes,
    files: Mapping[str, bytes] | StaticFiles,
    certificate: CertificateFacts | None = None,
    ios: Collection[int] | None = None,
) -> list[Problem]:
    """As ``lint``, from the text of a pass.json: finds duplicate keys and broken JSON too."""
    try:
        parsed = parse_object(document)
    except JsonProblem as fault:
        rule = "json-duplicate-key" if fault.kind == "duplicate" else "json-invalid"
        return [problem(rule, "", f"pass.json: {fault}", "write it as UTF-8 JSON, each key once")]
    return lint(parsed, files, certificate, ios)
