"""The languages of a pass against each other and against pass.json: texts, keys, and the sizes of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from livepass.pkpass.fields import IMAGES, SCALES
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.localize import FOLDER, STRINGS, texts
from livepass.pkpass.strings import Pair, StringsProblem, read_pairs

_SHOWN = 5  # names of a list that a message holds
_SHOWN_LENGTH = 60  # characters of a name


def check(document: Mapping[str, object], files: Mapping[str, bytes]) -> Problems:
    """Every ``xx.lproj`` of the pass."""
    read: dict[str, dict[str, str]] = {}
    for name in sorted(files):
        if not _is_localised(name, STRINGS):
            continue
        try:
            pairs = read_pairs(files[name])
        except StringsProblem as fault:
            rule = "strings-encoding" if fault.kind == "encoding" else "strings-syntax"
            yield problem(rule, name, f"{name}: {fault}", fault.hint)
            continue
        yield from _twice(name, pairs)
        read[name] = {pair.key: pair.value for pair in pairs}
    yield from _missing(read)
    yield from _against(document, read)
    yield from _resolutions(files)


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


def _against(document: Mapping[str, object], read: Mapping[str, Mapping[str, str]]) -> Problems:
    """Translations against the texts they are for.

    That nothing uses a key is not certain from one pass: the next one of the same template may. That its twin in
    another spelling stands in this pass is.
    """
    placed = list(texts(document))
    exact = {text for _, text in placed}
    alike = {_loosely(text): text for text in sorted(exact)}
    messages = {text for pointer, text in placed if pointer.endswith("/changeMessage") and "%@" in text}
    for name, own in read.items():
        for key, value in own.items():
            near = alike.get(_loosely(key))
            if near is not None and key not in exact and near not in own:
                yield problem(
                    "strings-key-spelling",
                    name,
                    f"{name}: nothing is called {_cut(key)} in pass.json, but {_cut(near)} is",
                    "write the key exactly as the text stands in pass.json",
                )
            if key in messages and "%@" not in value:
                yield problem(
                    "strings-change-message",
                    name,
                    f"{name}: the change message {_cut(key)} has no %@ in {_cut(value)}",
                    "put %@ where the new value belongs; without it the phone shows no message",
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
