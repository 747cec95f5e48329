"""The files of a pass as one phone reads them: its pass.json in a language, the layout it chooses, fields by group.

Whatever has the wrong type is left out here, once; nobody behind this module meets it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.fields import CLASSIC_STYLES, FIELD_GROUPS, POSTER_STYLE
from livepass.pkpass.lint.layouts import check as missing_for_layout
from livepass.pkpass.localize import localized
from livepass.pkpass.names import DOCUMENT
from livepass.pkpass.since import KEYS_SINCE, SCHEMES_SINCE
from livepass.pkpass.strict_json import JsonProblem, parse_object
from livepass.pkpass.strings import StringsProblem
from livepass.preview.shapes import View
from livepass.preview.values import Said, say

POSTER_EVENT, SEMANTIC_BOARDING = "posterEventTicket", "semanticBoardingPass"
# Layout that a pass may ask for → the style it is made of, the rule of lint that tells what it lacks
_SCHEMES = {
    POSTER_EVENT: ("eventTicket", "poster-event"),
    SEMANTIC_BOARDING: ("boardingPass", "semantic-boarding"),
}
_MOST_FIELDS = 60  # of a group; more are no pass but an attack on whoever draws it


@dataclass(frozen=True, slots=True)
class Field:
    """One field, its value as a phone says it. ``align``: left, center, right; empty: as the language runs."""

    key: str
    label: str
    said: Said
    align: str = ""
    row: int = 0
    changed: bool = False


@dataclass(slots=True)
class Reading:
    """``layout``: a style, ``posterEventTicket`` or ``semanticBoardingPass``. ``notes`` grow while it is drawn."""

    files: Mapping[str, bytes]
    document: Mapping[str, object]
    view: View
    layout: str
    style: str
    notes: list[str]
    changed: Collection[str]
    groups: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def text(self, key: str) -> str:
        """A text at the top of pass.json; empty if there is none."""
        return text_in(self.document, key)

    def inner(self, key: str) -> Mapping[str, object]:
        return object_in(self.document, key)

    @property
    def fields(self) -> Mapping[str, object]:
        """The object of the style, as it is written."""
        return self.inner(self.style)


def read_files(files: Mapping[str, bytes], view: View, changed: Collection[str]) -> Reading:
    """Raises ``InvalidPackage`` if there is no pass.json, or none that can be read."""
    if DOCUMENT not in files:
        raise InvalidPackage("there is no pass.json among the files", "give the files of a pass or of a template")
    try:
        written = parse_object(files[DOCUMENT])
    except JsonProblem as problem:
        raise InvalidPackage(
            f"pass.json is not usable JSON: {problem}", "write it as UTF-8 JSON, each key once"
        ) from problem
    notes: list[str] = []
    document: Mapping[str, object] = written
    try:
        document = localized(written, files, view.language)
    except StringsProblem as problem:
        notes.append(f"the texts are shown as pass.json has them: pass.strings cannot be read ({problem})")
    style = _style(document, view, notes)
    layout = _layout(document, files, style, view, notes)
    reading = Reading(files, document, view, layout, style, notes, frozenset(changed))
    reading.groups = {group: read_fields(reading, reading.fields.get(group), group) for group in FIELD_GROUPS}
    return reading


def _style(document: Mapping[str, object], view: View, notes: list[str]) -> str:
    known = [style for style in CLASSIC_STYLES if isinstance(document.get(style), Mapping)]
    if isinstance(document.get(POSTER_STYLE), Mapping):
        if view.ios >= KEYS_SINCE[POSTER_STYLE]:
            return POSTER_STYLE
        if not known:
            notes.append(f"iOS {view.ios} knows no posterGeneric, and the pass has no other style: it refuses the pass")
            return POSTER_STYLE
        notes.append(f"iOS {view.ios} knows no posterGeneric: it shows {known[0]}")
    if not known:
        notes.append("the pass has no style: a phone refuses it; it is drawn as generic")
        return "generic"
    if len(known) > 1:
        notes.append(f"the pass has the styles {' and '.join(known)}: drawn is {known[0]}")
    return known[0]


def _layout(
    document: Mapping[str, object], files: Mapping[str, bytes], style: str, view: View, notes: list[str]
) -> str:
    wanted = document.get("preferredStyleSchemes")
    for scheme in wanted if isinstance(wanted, list) else ():
        made_of, rule = _SCHEMES.get(scheme, ("", "")) if isinstance(scheme, str) else ("", "")
        if made_of != style:
            continue
        since = SCHEMES_SINCE.get(scheme, 18)
        if view.ios < since:
            notes.append(f"iOS {view.ios} knows no {scheme}: it shows {style}")
            continue
        missing = [each for each in missing_for_layout(document, files) if each.rule == rule]
        if not missing:
            return str(scheme)
        lacks = "; ".join(each.message.partition(": ")[2] for each in missing)
        notes.append(f"{style} is drawn in place of {scheme}: {lacks}")
    return style


def read_fields(reading: Reading, written: object, group: str) -> tuple[Field, ...]:
    """Fields as they are drawn. What is no field is left out with a note."""
    found: list[Field] = []
    for index, each in enumerate(written if isinstance(written, list) else ()):
        if index == _MOST_FIELDS:
            reading.note(f"{group} has more than {_MOST_FIELDS} fields: the rest is not drawn")
            break
        if not isinstance(each, Mapping):
            reading.note(f"{group}/{index} is no object: it is not drawn")
            continue
        key = text_in(each, "key")
        align = text_in(each, "textAlignment").removeprefix("PKTextAlignment").lower()
        row = each.get("row")
        found.append(
            Field(
                key=key,
                label=text_in(each, "label"),
                said=say(each, reading.view, reading.note),
                align=align if align in ("left", "center", "right") else "",
                row=1 if row == 1 else 0,
                changed=key in reading.changed,
            )
        )
    return tuple(found)


def text_in(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def object_in(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}
