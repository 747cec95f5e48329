"""A pass as a phone of one language shows it: which texts are looked up, in which folder, and what comes of it.

Source: Apple, Wallet Passes, "Creating the Source for a Pass". Where it is silent, the choice is named below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.pointer import down
from livepass.pkpass.strings import read_strings

STRINGS = "pass.strings"
FOLDER = ".lproj"

Path = tuple[str | int, ...]

# Where a text may stand that is looked up
TOP_TEXTS = ("description", "logoText", "organizationName")
FIELD_TEXTS = ("changeMessage", "label", "value")
RELEVANCE = ("beacons", "locations")
RELEVANT_TEXT = "relevantText"
SEMANTICS = "semantics"


def languages(files: Mapping[str, bytes]) -> dict[str, str]:
    """Language → its folder (``de.lproj``), of every folder that holds a file, sorted."""
    folders = {name.partition("/")[0] for name in files if "/" in name}
    found = sorted(each.removesuffix(FOLDER) for each in folders if each.endswith(FOLDER))
    return {language: f"{language}{FOLDER}" for language in found}


def folder_for(files: Mapping[str, bytes], language: str) -> str | None:
    """The folder that a phone of ``language`` (``de``, ``de-CH``, ``zh-Hans-CN``) takes its texts from, if any.

    ``de-CH`` takes ``de.lproj`` if there is no ``de-CH.lproj``; ``_`` is as good as ``-``, and case does not count.
    Apple does not say what a phone shows whose languages the pass has none of; we show the pass as it was written.
    """
    known = {_plain(name): folder for name, folder in languages(files).items()}
    wanted = _plain(language)
    while wanted:
        if wanted in known:
            return known[wanted]
        wanted = wanted.rpartition("-")[0]
    return None


def localized(document: Mapping[str, object], files: Mapping[str, bytes], language: str) -> dict[str, object]:
    """A copy of pass.json as a phone of ``language`` shows it. A text without a translation stays.

    Raises ``StringsProblem`` if that language's pass.strings cannot be read.
    """
    folder = folder_for(files, language)
    data = files.get(f"{folder}/{STRINGS}")
    translations = read_strings(data) if data is not None else {}
    changed = _walk(document, (), lambda _, text: translations.get(text, text))
    assert isinstance(changed, dict)
    return changed


def image_for(files: Mapping[str, bytes], name: str, language: str) -> str | None:
    """Which file a phone of ``language`` shows for the image ``name`` (``logo@2x.png``), if any.

    Apple: an image at the top level hides the localised ones.
    """
    if name in files:
        return name
    localised = f"{folder_for(files, language)}/{name}"
    return localised if localised in files else None


def texts(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Every text that is looked up, with its JSON pointer: the same as ``is_text`` says, found in much less time."""
    for key in TOP_TEXTS:
        yield from _text(f"/{key}", document.get(key))
    for key in RELEVANCE:
        for pointer, place in _objects(f"/{key}", document.get(key)):
            yield from _text(f"{pointer}/{RELEVANT_TEXT}", place.get(RELEVANT_TEXT))
    yield from _below(f"/{SEMANTICS}", document.get(SEMANTICS))
    for style in STYLES:
        groups = document.get(style)
        if not isinstance(groups, Mapping):
            continue
        for group in FIELD_GROUPS:
            for pointer, field in _objects(f"/{style}/{group}", groups.get(group)):
                for key in FIELD_TEXTS:
                    yield from _text(f"{pointer}/{key}", field.get(key))
                yield from _below(f"{pointer}/{SEMANTICS}", field.get(SEMANTICS))


def _text(pointer: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value


def _objects(pointer: str, value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        if isinstance(each, Mapping):
            yield f"{pointer}/{index}", each


def _below(pointer: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _below(down(pointer, key), each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _below(down(pointer, index), each)


def is_text(path: Path) -> bool:
    """Whether a string at this place of pass.json is looked up in pass.strings."""
    match path:
        case (str(key),):
            return key in TOP_TEXTS
        case (str(key), int(), "relevantText"):
            return key in RELEVANCE
        case ("semantics", *_):
            return True
        case (str(style), str(group), int(), str(key), *below) if style in STYLES and group in FIELD_GROUPS:
            return key == SEMANTICS or (key in FIELD_TEXTS and not below)
    return False


def _walk(value: object, path: Path, each: Callable[[Path, str], str]) -> object:
    """A copy of ``value``, with ``each`` applied to the texts."""
    if isinstance(value, Mapping):
        return {key: _walk(below, (*path, key), each) for key, below in value.items()}
    if isinstance(value, list):
        return [_walk(below, (*path, index), each) for index, below in enumerate(value)]
    return each(path, value) if isinstance(value, str) and is_text(path) else value


def _plain(language: str) -> str:
    return language.replace("_", "-").casefold()
