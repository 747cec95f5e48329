"""Passes that exist, as passes of a template: which data and content make a template give that very pass.

    moulds = Moulds("gym")
    fitted = moulds.fit(open_source("1001.pkpass"))
    fitted.template.render(fitted.data, fitted.content)      # what the pass says, but for who it is

A pass whose files and fields are built as those of another one shares its template, in which each field's value is a
variable named by the field's key: so it can be changed by that name from then on. What else differs is its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from livepass.pkpass.errors import TemplateError
from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.names import DOCUMENT
from livepass.pkpass.placeholders import uses
from livepass.pkpass.source import Source
from livepass.pkpass.strict_json import JsonProblem, canonical, parse_object
from livepass.pkpass.takeover import IDENTITY, NOTHING, at, take_over
from livepass.pkpass.template import Template
from livepass.pkpass.variables import fits

MOST_TEMPLATES = 100
"""More than that, and the passes have little in common: each with images of its own, for example."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A pass as one of a template. ``new``: the template was made for it."""

    template: Template
    new: bool
    data: Mapping[str, object]
    content: Mapping[str, object]


class Moulds:
    """The templates of passes that exist. ``given``: the one that all are to be passes of."""

    def __init__(self, name: str, given: Template | None = None, most: int = MOST_TEMPLATES) -> None:
        self._name = name
        self._given = given
        self._most = most
        self._made: dict[str, Template] = {}

    def know(self, name: str, template: Template) -> None:
        """A template that an earlier run made."""
        self._made[name] = template

    def name_of(self, source: Source) -> str:
        """What the template of a pass is called, the same each time."""
        return self._given.name if self._given else f"{self._name}-{_build_of(source)}"

    def fit(self, source: Source) -> Fitted:
        """Raises ``TemplateError``, and ``TemplateDataError`` where the given template cannot be filled."""
        name, new = self.name_of(source), False
        template = self._given or self._made.get(name)
        if template is None:
            if len(self._made) == self._most:
                raise TemplateError(
                    f"{self._most} templates were made, and this pass is like none of them",
                    "make one by hand that fits them all, and name it: --template NAME",
                )
            template = self._made[name] = Template.from_files(name, take_over(source, every_field=True).files)
            new = True
        data, content = likeness(template, document_of(source))
        return Fitted(template, new, data, content)


def document_of(source: Source) -> dict[str, object]:
    """The pass.json of a pass. Raises ``TemplateError``."""
    try:
        return parse_object(source.files[DOCUMENT])
    except JsonProblem as problem:
        raise TemplateError(f"{DOCUMENT} is not usable JSON: {problem}", "write it as UTF-8 JSON") from problem


def likeness(template: Template, document: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The data and the content with which a template gives this document, but for who the pass is."""
    wanted = {key: value for key, value in document.items() if key not in IDENTITY}
    data: dict[str, object] = {}
    for use in uses(template.document):
        value = at(wanted, use.pointer) if use.whole else NOTHING
        if value is not NOTHING and use.name not in data and fits(value, template.variables[use.name]):
            data[use.name] = value
    return data, difference(template.render(data), wanted)


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """The merge patch (RFC 7396) from one document to the other."""
    patch: dict[str, object] = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            if inside := difference(old, value):
                patch[key] = inside
        elif value is not None and (key not in before or canonical({"": old}) != canonical({"": value})):
            patch[key] = value
    return {key: patch[key] for key in sorted(patch)}


def _build_of(source: Source) -> str:
    """What two passes share that can share a template: their files, their style, their fields without the values."""
    document = document_of(source)
    digest = hashlib.sha256()
    for name, data in sorted(source.files.items()):
        if name != DOCUMENT:
            digest.update(f"{name}\n{hashlib.sha256(data).hexdigest()}\n".encode())
    digest.update(canonical({style: _without_values(document[style]) for style in STYLES if style in document}))
    return digest.hexdigest()[:12]


def _without_values(style: object) -> object:
    if not isinstance(style, Mapping):
        return style
    return {
        key: [{**each, "value": ""} if isinstance(each, Mapping) else each for each in value]
        if key in FIELD_GROUPS and isinstance(value, list)
        else value
        for key, value in style.items()
    }
