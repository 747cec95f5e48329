"""The languages of a pass against each other and against pass.json: texts, keys, and the sizes of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from livepass.pkpass.fields import IMAGES, SCALES
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.localize import FOLDER, STRINGS, texts
from livepass.pkpass.strings import Pair, StringsProblem, read_pairs

_IMAGE_FILES = {f"{image}{scale}.png": (image, scale) for image in IMAGES for scale in SCALES}
_SHOWN = 5  # names of a list that a message holds
_SHOWN_LENGTH = 60  # characters of a name


def check(document: Mapping[str, object], files: Mapping[str, bytes]) -> Problems:
    """Every ``xx.lproj`` of the pass."""
    read: dict[str, _Texts] = {}
    for name in sorted(name for name in files if _is_localised(name, STRINGS)):
        found = _texts(files[name])
        if isinstance(found, StringsProblem):
            rule = "strings-encoding" if found.kind == "encoding" else "strings-syntax"
            yield problem(rule, name, f"{name}: {found}", found.hint)
            continue
        if found.twice:
            pair, other = found.twice
            yield problem(
                "strings-duplicate",
                name,
                f"{name}: line {pair.line}, column {pair.column}: {_cut(pair.key)} says otherwise in line {other.line}",
                "keep one of the two",
            )
        read[name] = found
    yield from _missing(read)
    if read:
        yield from _against(list(texts(document)), read)
    yield from _resolutions(files)


@dataclass(frozen=True, slots=True)
class _Texts:
    """What one pass.strings says. ``alike``: key, spelled loosely → key; ``twice``: the first key with two texts."""

    own: Mapping[str, str]
    alike: Mapping[str, str]
    twice: tuple[Pair, Pair] | None


@lru_cache(maxsize=32)
def _texts(data: bytes) -> _Texts | StringsProblem:
    """A file is the same for all passes of a template, and is read once for many of them."""
    try:
        pairs = read_pairs(data)
    except StringsProblem as fault:
        return fault
    own = {pair.key: pair.value for pair in pairs}
    return _Texts(own, {_loosely(key): key for key in own}, _twice(pairs))


def _is_localised(name: str, base: str) -> bool:
    folder, _, rest = name.partition("/")
    return rest == base and folder.endswith(FOLDER)


def _twice(pairs: Sequence[Pair]) -> tuple[Pair, Pair] | None:
    """One says enough: a merge gone wrong has hundreds."""
    first: dict[str, Pair] = {}
    return next(
        ((pair, first[pair.key]) for pair in pairs if first.setdefault(pair.key, pair).value != pair.value), None
    )


def _missing(read: Mapping[str, _Texts]) -> Problems:
    everywhere = dict.fromkeys(key for texts_ in read.values() for key in texts_.own)
    for name, texts_ in read.items():
        if lacking := [key for key in everywhere if key not in texts_.own]:
            yield problem(
                "strings-keys",
                name,
                f"{name} lacks {_listed(lacking)}, which other languages have",
                "give every language the same keys; what is missing is shown as it stands in pass.json",
            )


def _against(placed: Sequence[tuple[str, str]], read: Mapping[str, _Texts]) -> Problems:
    """Translations against the texts they are for.

    That nothing uses a key is not certain from one pass: the next one of the same template may. That its twin in
    another spelling stands in this pass is.
    """
    exact = dict.fromkeys(text for _, text in placed)
    messages = dict.fromkeys(text for pointer, text in placed if "%@" in text and pointer.endswith("/changeMessage"))
    for name, texts_ in read.items():
        for text in exact:
            key = text if text in texts_.own else texts_.alike.get(_loosely(text), text)
            if key not in exact:
                yield problem(
                    "strings-key-spelling",
                    name,
                    f"{name}: nothing is called {_cut(key)} in pass.json, but {_cut(text)} is",
                    "write the key exactly as the text stands in pass.json",
                )
        for message in messages:
            said = texts_.own.get(message, message)
            if "%@" not in said:
                yield problem(
                    "strings-change-message",
                    name,
                    f"{name}: the change message {_cut(message)} has no %@ in {_cut(said)}",
                    "put %@ where the new value belongs; without it the phone shows no message",
                )


def _resolutions(files: Mapping[str, bytes]) -> Problems:
    """Apple: each language has the same resolutions of an image."""
    found: dict[str, dict[str, set[str]]] = {}
    for name in files:
        folder, _, rest = name.partition("/")
        if rest in _IMAGE_FILES and folder.endswith(FOLDER):
            image, scale = _IMAGE_FILES[rest]
            found.setdefault(image, {}).setdefault(folder, set()).add(scale)
    for image, scales in found.items():
        everywhere = set().union(*scales.values())
        for folder, own in sorted(scales.items()):
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
