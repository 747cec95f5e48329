"""The languages of a pass against each other and against pass.json: texts, keys, and the sizes of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from livepass.pkpass.fields import IMAGES, SCALES
from livepass.pkpass.lint.problem import Problem, Problems, problem
from livepass.pkpass.localize import FOLDER, STRINGS, texts
from livepass.pkpass.strings import Pair, StringsProblem, read_pairs

_SHOWN = 5  # names of a list that a message holds
_SHOWN_LENGTH = 60  # characters of a name


@dataclass(frozen=True, slots=True)
class Language:
    """The texts of one pass.strings, and its keys by how they read aloud: without case and spacing."""

    texts: Mapping[str, str]
    loosely: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Language:
        texts = {pair.key: pair.value for pair in pairs}
        loosely: dict[str, list[str]] = defaultdict(list)
        for key in texts:
            loosely[_loosely(key)].append(key)
        return cls(texts, dict(loosely))


def languages(files: Mapping[str, bytes]) -> tuple[dict[str, Language], Problems]:
    """Every pass.strings that can be read, by its name, and what files say against each other."""
    found: dict[str, Language] = {}
    problems: list[Problem] = []
    for name in sorted(files):
        if not _is_localised(name, STRINGS):
            continue
        try:
            pairs = read_pairs(files[name])
        except StringsProblem as fault:
            rule = "strings-encoding" if fault.kind == "encoding" else "strings-syntax"
            problems.append(problem(rule, name, f"{name}: {fault}", fault.hint))
            continue
        problems += _twice(name, pairs)
        found[name] = Language.of(pairs)
    problems += _missing({name: language.texts for name, language in found.items()})
    problems += _resolutions(files)
    return found, iter(problems)


def check(document: Mapping[str, object], found: Mapping[str, Language]) -> Problems:
    """Translations against the texts they are for.

    That nothing uses a key is not certain from one pass: the next one of the same template may. That its twin in
    another spelling stands in this pass is.
    """
    if not found:
        return
    alike: dict[str, dict[str, None]] = defaultdict(dict)
    placed = list(texts(document))
    for _, text in placed:
        alike[_loosely(text)][text] = None
    messages = dict.fromkeys(text for pointer, text in placed if pointer.endswith("/changeMessage") and "%@" in text)
    for name, language in found.items():
        for loose, spellings in alike.items():
            if loose not in language.loosely:
                continue
            key = next((key for key in language.loosely[loose] if key not in spellings), None)
            meant = next((text for text in spellings if text not in language.texts), None)
            if key is not None and meant is not None:
                yield problem(
                    "strings-key-spelling",
                    name,
                    f"{name}: nothing is called {_cut(key)} in pass.json, but {_cut(meant)} is",
                    "write the key exactly as the text stands in pass.json",
                )
        for text in messages:
            if "%@" not in (value := language.texts.get(text, text)):
                yield problem(
                    "strings-change-message",
                    name,
                    f"{name}: the change message {_cut(text)} has no %@ in {_cut(value)}",
                    "put %@ where the new value belongs; without it the phone shows no message",
                )


def _is_localised(name: str, base: str) -> bool:
    folder, _, rest = name.partition("/")
    return rest == base and folder.endswith(FOLDER)


def _twice(name: str, pairs: Sequence[Pair]) -> Problems:
    first: dict[str, Pair] = {}
    for pair in pairs:
        other = first.setdefault(pair.key, pair)
        if other.value != pair.value:
            yield problem(
                "strings-duplicate",
                name,
                f"{name}: line {pair.line}, column {pair.column}: {_cut(pair.key)} says otherwise in line {other.line}",
                "keep one of the two",
            )
            return  # one says enough: a merge gone wrong has hundreds


def _missing(read: Mapping[str, Mapping[str, str]]) -> Problems:
    everywhere = dict.fromkeys(key for texts_ in read.values() for key in texts_)
    for name, own in read.items():
        if lacking := [key for key in everywhere if key not in own]:
            yield problem(
                "strings-keys",
                name,
                f"{name} lacks {_listed(lacking)}, which other languages have",
                "give every language the same keys; what is missing is shown as it stands in pass.json",
            )


def _resolutions(files: Mapping[str, bytes]) -> Problems:
    """Apple: each language has the same resolutions of an image."""
    for image in IMAGES:
        found: dict[str, set[str]] = defaultdict(set)
        for name in files:
            for scale in SCALES:
                if _is_localised(name, f"{image}{scale}.png"):
                    found[name.partition("/")[0]].add(scale)
        everywhere = set().union(*found.values())
        for folder, own in sorted(found.items()):
            if lacking := [f"{image}{scale}.png" for scale in SCALES if scale in everywhere and scale not in own]:
                yield problem(
                    "image-languages",
                    folder,
                    f"{folder} lacks {', '.join(lacking)}, which other languages have",
                    "give every language the same sizes of an image",
                )


def _loosely(text: str) -> str:
    return " ".join(text.split()).casefold()


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(_cut(each) for each in every[:_SHOWN]) + more


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…")
