"""Two passes beside each other: what a phone that has the one would see of the other.

fields    matched by key, as Wallet matches them; each of their attributes apart, and the group they stand in
keys      everything else of pass.json, by JSON pointer
files     images and other files by name; the texts of a language by their keys
notices   what the lock screen would say of the update, see ``notices``
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.localize import FOLDER, STRINGS, languages
from livepass.pkpass.names import GENERATED
from livepass.pkpass.notices import Field, Notice, Say, foretell, foretell_all, moved_fields
from livepass.pkpass.png import PngProblem, read_png
from livepass.pkpass.pointer import down
from livepass.pkpass.strings import StringsProblem, read_strings

Json = Mapping[str, object]
State = Literal["added", "removed", "changed"]

TOKEN = "authenticationToken"
HIDDEN, HIDDEN_TOO = "(secret)", "(another secret)"
GROUP = "group"
"""Named like an attribute of a field: where it stands, as in ``storeCard/backFields``."""

ALIKE = 0.5
"""How near two keys have to be (difflib) to look like one that was renamed."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is another one: under a JSON pointer, an attribute's name, a file's name or a text's key.

    ``None`` where there is none.
    """

    name: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that is new, gone, or has another attribute. ``value`` is among the changes of every new or gone one."""

    key: str
    style: str
    state: State
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """``files`` hold descriptions (size in bytes, and in pixels), ``texts`` and ``languages`` what pass.strings say.

    ``same``: nothing a phone would fetch differs. ``looks_same``: it differs, but says the same in other bytes.
    ``notices``: language → what the lock screen says; the key "" is every other language.
    """

    same: bool
    fields: tuple[FieldChange, ...]
    keys: tuple[Change, ...]
    files: tuple[Change, ...]
    languages: tuple[Change, ...]
    texts: Mapping[str, tuple[Change, ...]]
    renames: tuple[tuple[str, str], ...]
    notices: Mapping[str, Notice]
    warnings: tuple[str, ...]

    @property
    def looks_same(self) -> bool:
        return not (self.same or self.fields or self.keys or self.files or self.languages or self.texts)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: pass.json, and the files by name. Unsigned, it has no manifest.json and no token."""

    document: Json
    files: Mapping[str, bytes]

    @property
    def is_signed(self) -> bool:
        return "manifest.json" in self.files


def difference(before: Side, after: Side, say: Say | None = None) -> Difference:
    """What is different in ``after``. Raises nothing: what cannot be read is compared as bytes.

    ``say`` spells values in a language, see ``notices.foretell``.
    """
    old, new = _without_secrets(before, after)
    static = [{name: data for name, data in side.files.items() if name not in GENERATED} for side in (before, after)]
    fields = tuple(_fields(old, new))
    texts = dict(_texts(*static))
    files = tuple(_files(*static, beside={f"{language}{FOLDER}/{STRINGS}" for language in texts}))
    keys = tuple(_keys(old, new))
    renames = tuple(_renames(fields, old, new))
    moved = moved_fields(old, new)
    same = _equal(old, new) and static[0] == static[1] and _same_bytes(before, after)
    notices = {"": foretell(moved), **foretell_all(moved, static[1], say=say)}
    spoken = tuple(_changes(languages(static[0]), languages(static[1])))
    return Difference(same, fields, keys, files, spoken, texts, renames, notices, _warnings(renames, notices[""]))


def _warnings(renames: Iterable[tuple[str, str]], notice: Notice) -> tuple[str, ...]:
    found = [
        f"the key changed, which announces nothing: {old} → {new} looks like a rename; keep the key {old}"
        for old, new in renames
    ]
    if notice.kind == "general":
        found.append(f"{notice.reason}; let one field with a message change at a time, its message with one %@")
    return tuple(found)


def _without_secrets(before: Side, after: Side) -> tuple[Json, Json]:
    """The documents without the token; that it is another one is told where both have one."""
    tokens = [side.document.get(TOKEN) for side in (before, after)]
    old, new = ({key: value for key, value in side.document.items() if key != TOKEN} for side in (before, after))
    if before.is_signed and after.is_signed:
        shown = [None if token is None else HIDDEN for token in tokens]
        if None not in tokens and tokens[0] != tokens[1]:
            shown[1] = HIDDEN_TOO
        for document, token in zip((old, new), shown, strict=True):
            if token is not None:
                document[TOKEN] = token
    return old, new


def _same_bytes(before: Side, after: Side) -> bool:
    """Whether pass.json is written alike, where both are as phones get them: a phone compares manifests."""
    if not (before.is_signed and after.is_signed):
        return True
    return before.files.get("pass.json") == after.files.get("pass.json")


# ── fields


@dataclass(frozen=True, slots=True)
class _Placed:
    field: Field
    style: str
    group: str

    def attributes(self) -> dict[str, object]:
        return {
            **{key: value for key, value in self.field.items() if key != "key"},
            GROUP: f"{self.style}/{self.group}",
        }


def _placed(document: Json, *, by_style: bool) -> dict[tuple[str, str], _Placed]:
    """The fields by style and key; with one style on each side by key alone, since the style may be another."""
    found: dict[tuple[str, str], _Placed] = {}
    for style in STYLES:
        groups = document.get(style)
        for group in FIELD_GROUPS if isinstance(groups, Mapping) else ():
            fields = groups.get(group) if isinstance(groups, Mapping) else None
            for field in fields if isinstance(fields, list) else ():
                if isinstance(field, Mapping) and isinstance(field.get("key"), str):
                    name = (style if by_style else "", str(field["key"]))
                    found.setdefault(name, _Placed(field, style, group))
    return found


def groups_of(document: Json, key: str) -> list[str]:
    """The groups that hold a field of this key, one for each style."""
    return [each.group for (_, name), each in _placed(document, by_style=True).items() if name == key]


def _fields(before: Json, after: Json) -> Iterator[FieldChange]:
    by_style = any(sum(style in document for style in STYLES) > 1 for document in (before, after))
    old, new = (_placed(document, by_style=by_style) for document in (before, after))
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        changes = tuple(_changes(was.attributes() if was else {}, now.attributes() if now else {}))
        if changes:
            state: State = "added" if was is None else "removed" if now is None else "changed"
            yield FieldChange(name[1], (now or was or _Placed({}, "", "")).style, state, changes)


def _changes(before: Json, after: Json) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys(), key=lambda key: (_ORDER.get(key, len(_ORDER)), key)):
        if not _equal(before.get(key), after.get(key)):
            yield Change(key, before.get(key), after.get(key))


_ORDER = {key: place for place, key in enumerate(("value", "label", "changeMessage", GROUP))}


def _renames(fields: Sequence[FieldChange], before: Json, after: Json) -> Iterator[tuple[str, str]]:
    """Keys that went, each with a new one that is like it: same label, same message, same place, a similar name."""
    old, new = (_placed(document, by_style=False) for document in (before, after))
    fresh = [each.key for each in fields if each.state == "added"]
    for each in fields:
        if each.state != "removed" or ("", each.key) not in old:
            continue
        was = old["", each.key]
        best = max(fresh, key=lambda key: _likeness(each.key, was, key, new["", key]), default=None)
        if best is not None and _likeness(each.key, was, best, new["", best]) >= 2:
            fresh.remove(best)
            yield each.key, best


def _likeness(key: str, was: _Placed, other: str, now: _Placed) -> int:
    alike = [bool(was.field.get(name)) and was.field.get(name) == now.field.get(name) for name in _TELLING]
    near = SequenceMatcher(None, key, other).ratio() >= ALIKE
    return sum([*alike, near, (was.style, was.group) == (now.style, now.group)])


_TELLING = ("label", "changeMessage", "value")


# ── the rest of pass.json


def _keys(before: Json, after: Json) -> Iterator[Change]:
    """What is different outside the fields, and where the fields that are on both sides stand in another order."""
    yield from _below("", _without_fields(before), _without_fields(after))
    old, new = _odd(before), _odd(after)
    for pointer in sorted(old.keys() | new.keys()):
        yield from _below(pointer, old.get(pointer), new.get(pointer))
    for style in STYLES:
        for group in FIELD_GROUPS:
            was, now = (_order(document, style, group) for document in (before, after))
            both = set(was) & set(now)
            was, now = ([key for key in keys if key in both] for keys in (was, now))
            if was != now:
                yield Change(f"/{style}/{group}", ", ".join(was), ", ".join(now))


def _without_fields(document: Json) -> dict[str, object]:
    return {
        key: {inner: each for inner, each in value.items() if inner not in FIELD_GROUPS}
        if key in STYLES and isinstance(value, Mapping)
        else value
        for key, value in document.items()
    }


def _odd(document: Json) -> dict[str, object]:
    """By pointer, what stands in a group and is not matched by key: it has none, or one that was there before."""
    found: dict[str, object] = {}
    for style in STYLES:
        groups, seen = document.get(style), set[str]()
        for group in FIELD_GROUPS if isinstance(groups, Mapping) else ():
            fields = groups.get(group) if isinstance(groups, Mapping) else None
            odd = [each for each in fields if not _is_first(each, seen)] if isinstance(fields, list) else fields
            if odd is not None and odd != []:
                found[f"/{style}/{group}"] = odd
    return found


def _is_first(field: object, seen: set[str]) -> bool:
    key = field.get("key") if isinstance(field, Mapping) else None
    if not isinstance(key, str) or key in seen:
        return False
    seen.add(key)
    return True


def _order(document: Json, style: str, group: str) -> list[str]:
    groups = document.get(style)
    fields = groups.get(group) if isinstance(groups, Mapping) else None
    return [
        field["key"]
        for field in (fields if isinstance(fields, list) else ())
        if isinstance(field, Mapping) and isinstance(field.get("key"), str)
    ]


def _below(pointer: str, before: object, after: object) -> Iterator[Change]:
    """The smallest places that differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            if key in before and key in after:
                yield from _below(down(pointer, key), before[key], after[key])
            else:
                yield Change(down(pointer, key), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (was, now) in enumerate(zip(before, after, strict=True)):
            yield from _below(down(pointer, index), was, now)
    elif not _equal(before, after):
        yield Change(pointer, before, after)


def _equal(before: object, after: object) -> bool:
    """As JSON: ``1``, ``1.0`` and ``true`` are three."""
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


# ── files


def _files(before: Mapping[str, bytes], after: Mapping[str, bytes], *, beside: Iterable[str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now and name not in beside:
            yield Change(name, _described(was), _described(now))


def _described(data: bytes | None) -> str | None:
    """``58 × 58 px, 1234 bytes, 3f2a9c41``: the end tells two images of one size apart."""
    if data is None:
        return None
    size = f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()[:8]}"
    try:
        image = read_png(data)
    except PngProblem:
        return size
    return f"{image.width} × {image.height} px, {size}"


def _texts(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[tuple[str, tuple[Change, ...]]]:
    """Language → its texts that differ. A pass.strings that cannot be read, or differs in bytes only, is a file."""
    for name in sorted(before.keys() | after.keys()):
        language, _, rest = name.partition(f"{FOLDER}/")
        if rest != STRINGS or before.get(name) == after.get(name):
            continue
        try:
            was, now = (read_strings(files[name]) if name in files else {} for files in (before, after))
        except StringsProblem:
            continue
        if changes := tuple(_changes(was, now)):
            yield language, changes
