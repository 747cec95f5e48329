"""From what others made to a template of ours: pass.json stays what it means, values become variables where asked.

    source = open_source("Membership.pkpasstemplate")
    taken = take_over(source, every_field=True)
    Template.from_files("membership", taken.files)

What a template does not say itself is taken out (who the pass is, its token, its service: livepass fills these in);
keys that nobody knows stay. Filled with its defaults, the template gives the pass.json that it came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from livepass.pkpass.dates import parse_date, without_fraction
from livepass.pkpass.errors import TemplateError
from livepass.pkpass.fields import DATE_OPTIONS, FIELD_GROUPS, STYLES, is_number
from livepass.pkpass.image_set import NoPillow, steps
from livepass.pkpass.lint import lint
from livepass.pkpass.names import DOCUMENT
from livepass.pkpass.placeholders import is_name, uses
from livepass.pkpass.png import PngProblem
from livepass.pkpass.pointer import down
from livepass.pkpass.source import Act, Kind, Note, Source
from livepass.pkpass.strict_json import JsonProblem, parse_object
from livepass.pkpass.template import DECLARATIONS
from livepass.pkpass.variables import DECLARABLE, VariableType, fits

# Key → who says it instead. The service writes them into every pass.
IDENTITY: Mapping[str, str] = {
    "passTypeIdentifier": "each pass is issued as TYPE/SERIAL",
    "serialNumber": "each pass is issued as TYPE/SERIAL",
    "teamIdentifier": "the certificate says it",
    "webServiceURL": "livepass writes its own address; livepass import folder takes along the phones that hold a pass",
    "authenticationToken": "livepass makes one for each pass",
}
ICON = "icon.png"
DESIGNER_KEY = "_id"  # in objects of Apple's designer, which means something by it; Wallet does not
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """A value that is to become a variable. ``type`` ``None``: what its JSON type says."""

    pointer: str
    name: str
    type: VariableType | None = None


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The files of a template, and the report. ``variables``: name → its declaration, as in variables.json."""

    files: Mapping[str, bytes] = field(repr=False)
    notes: tuple[Note, ...]
    fields: int
    variables: Mapping[str, Mapping[str, object]]


def take_over(source: Source, wishes: Sequence[Wish] = (), *, every_field: bool = False) -> TakenOver:
    """A template's files from ``source``. ``every_field``: each field's value becomes a variable named by its key.

    Raises ``TemplateError`` with everything that is wrong with pass.json or with a wish.
    """
    document = _document(source)
    notes = list(source.notes)
    if source.kind is Kind.DESIGN:
        document, count = _without_ids(document)
        if count:
            notes.append(Note(Act.REPAIRED, DOCUMENT, f"{count} {DESIGNER_KEY!r} keys of Apple's designer removed"))
    for key in [key for key in IDENTITY if key in document]:
        del document[key]
        notes.append(Note(Act.LEFT_OUT, down("", key), IDENTITY[key]))
    notes.extend(_dates(document))
    if document.get("voided") is True:
        notes.append(Note(Act.TO_DO, "/voided", "every pass of this template would be void: take it out"))
    fields = dict(_fields(document))
    names = _Names()
    for wish in wishes:
        names.add(wish.pointer, wish.name, at(document, wish.pointer), wish.type)
    if every_field:
        notes.extend(_name_fields(fields, names))
    if names.problems:
        raise TemplateError("; ".join(names.problems), "correct --variable POINTER=name:type")
    files = {name: data for name, data in source.files.items() if name != DOCUMENT}
    notes.extend(_icon(files))
    files[DOCUMENT] = _json(_written(document, names.by_pointer))
    if names.declared:
        files[DECLARATIONS] = _json(names.declared)
    return TakenOver(MappingProxyType(files), tuple(notes), len(fields), MappingProxyType(names.declared))


def _document(source: Source) -> dict[str, object]:
    try:
        document = parse_object(source.files[DOCUMENT])
    except JsonProblem as problem:
        raise TemplateError(
            f"{DOCUMENT} is not usable JSON: {problem}", "write it as UTF-8 JSON, each key once"
        ) from problem
    if source.kind is Kind.MODEL and (found := next((use for use in uses(document) if is_name(use.name)), None)):
        raise TemplateError(
            f"{source.name} is a template of livepass already: ${{{found.name}}} stands at {found.pointer}",
            "livepass template import FOLDER takes it in: without a second name, and if its own ends not with .pass",
        )
    return document


def _without_ids(value: dict[str, object]) -> tuple[dict[str, object], int]:
    """A copy without the designer's keys, and how many there were. userInfo is the issuer's own: left alone."""
    count = 0

    def clean(each: object, *, top: bool = False) -> object:
        nonlocal count
        if isinstance(each, list):
            return [clean(item) for item in each]
        if not isinstance(each, dict):
            return each
        count += DESIGNER_KEY in each
        return {
            key: item if top and key == "userInfo" else clean(item) for key, item in each.items() if key != DESIGNER_KEY
        }

    cleaned = clean(value, top=True)
    assert isinstance(cleaned, dict)
    return cleaned, count


def _dates(document: dict[str, object]) -> Iterator[Note]:
    """Drop fractions of seconds, in place, wherever lint finds one."""
    for found in lint(document, {}):
        if found.rule == "date-fraction":
            parent, _, key = found.pointer.rpartition("/")
            holder = at(document, parent) if parent else document
            assert isinstance(holder, dict)
            holder[key] = without_fraction(holder[key])
            yield Note(Act.REPAIRED, found.pointer, "written without fractions of a second")


# ── values that become variables


class _Names:
    """Which value gets which name. One name may stand for several values if they are equal."""

    def __init__(self) -> None:
        self.by_pointer: dict[str, str] = {}
        self.declared: dict[str, dict[str, object]] = {}
        self.problems: list[str] = []

    def add(self, pointer: str, name: str, value: object, kind: VariableType | None, description: str = "") -> None:
        """Take a wish, or note what is wrong with it."""
        kind = kind or _type(value)
        if value is NOTHING:
            self.problems.append(f"pass.json has nothing at {pointer!r}")
        elif not is_name(name):
            self.problems.append(f"{pointer}: {name!r} is no variable name: letters, digits, underscores")
        elif kind is None or kind not in DECLARABLE:
            self.problems.append(f"{pointer}: only a string, a number, true or false can become a variable")
        elif not fits(value, kind):
            self.problems.append(f"{pointer}: {json.dumps(value)[:60]} is no {kind}")
        elif not self.free(name, value, kind):
            self.problems.append(f"{pointer}: {name} stands for another value already")
        elif self.by_pointer.get(pointer, name) != name:
            self.problems.append(f"{pointer}: is called {self.by_pointer[pointer]} already")
        else:
            self.by_pointer[pointer] = name
            declaration: dict[str, object] = {"type": kind.value, "default": value}
            self.declared.setdefault(name, {**declaration, **({"description": description} if description else {})})

    def free(self, name: str, value: object, kind: VariableType) -> bool:
        """Whether the name is new, or stands for the same."""
        known = self.declared.get(name)
        return known is None or (known["type"], type(known["default"]), known["default"]) == (kind, type(value), value)


NOTHING = object()
"""What ``at`` answers where nothing stands."""


def _name_fields(fields: Mapping[str, Mapping[str, object]], names: _Names) -> Iterator[Note]:
    for pointer, each in fields.items():
        value, key, label = each.get("value"), each.get("key"), each.get("label")
        where = down(pointer, "value")
        dated = any(option in each for option in DATE_OPTIONS) and parse_date(value) is not None
        kind = VariableType.DATE if dated else _type(value)
        if where in names.by_pointer:
            continue
        if kind is None or not isinstance(key, str) or not key:
            yield Note(Act.KEPT, pointer, "a field without a key, or without a text or number as its value")
            continue
        name = base = re.sub(r"[^A-Za-z0-9_]", "_", key if not key[0].isdigit() else f"_{key}")[:_LONGEST_NAME]
        number = 2
        while not names.free(name, value, kind):
            name, number = f"{base[: _LONGEST_NAME - 4]}_{number}", number + 1
        names.add(where, name, value, kind, label if isinstance(label, str) else "")


def _fields(document: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for style in STYLES:
        inside = document.get(style)
        for group in FIELD_GROUPS if isinstance(inside, dict) else ():
            found = inside.get(group) if isinstance(inside, dict) else None
            for index, each in enumerate(found if isinstance(found, list) else ()):
                if isinstance(each, dict):
                    yield f"/{style}/{group}/{index}", each


def _type(value: object) -> VariableType | None:
    if isinstance(value, bool):
        return VariableType.BOOLEAN
    if is_number(value):
        return VariableType.NUMBER
    return VariableType.STRING if isinstance(value, str) else None


def at(document: object, pointer: str) -> object:
    """What stands at a JSON pointer; ``NOTHING`` for nothing."""
    if not pointer.startswith("/"):
        return NOTHING
    for step in pointer[1:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and re.fullmatch(r"0|[1-9][0-9]{0,6}", key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return NOTHING
    return document


def _written(value: object, names: Mapping[str, str], pointer: str = "") -> object:
    """A copy with its variables, and with every ``${`` that was text kept as text."""
    if pointer in names:
        return f"${{{names[pointer]}}}"
    if isinstance(value, dict):
        return {key: _written(each, names, down(pointer, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_written(each, names, down(pointer, index)) for index, each in enumerate(value)]
    return value.replace("${", "$${") if isinstance(value, str) else value


# ── the icon


def _icon(files: dict[str, bytes]) -> Iterator[Note]:
    """Apple's designer writes icon@2x.png and icon@3x.png alone; phones refuse a pass without the plain one."""
    larger = next((name for name in ("icon@3x.png", "icon@2x.png") if name in files), None)
    if ICON in files:
        return
    if larger is None:
        yield Note(Act.TO_DO, ICON, "there is no icon, and phones refuse a pass without: add it, 38 by 38 pixels")
        return
    try:
        files[ICON] = next(step.data for step in steps({larger: files[larger]}) if step.name == ICON) or b""
        yield Note(Act.REPAIRED, ICON, f"was missing, phones refuse a pass without: scaled from {larger}")
    except NoPillow:
        what = "with pip install 'livepass[images]', import does it"
        yield Note(Act.TO_DO, ICON, f"is missing, phones refuse a pass without: scale {larger} to 38 by 38; {what}")
    except PngProblem as fault:
        yield Note(Act.TO_DO, ICON, f"is missing, and cannot be made: {fault} ({fault.hint})")


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
