"""Which kind of pass is this, and are its groups of fields in order?"""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.fields import (
    CLASSIC_STYLES,
    FIELD_GROUPS,
    OBJECT,
    POSTER_STYLE,
    STYLE_SCHEMES,
    STYLES,
    TRANSIT_TYPES,
)
from livepass.pkpass.lint import pass_fields
from livepass.pkpass.lint.keys import typed
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.lint.remembered import remembered
from livepass.pkpass.pointer import did_you_mean, down

_GROUPS = dict.fromkeys(FIELD_GROUPS, "objects")
_POSTER_LIMITS = {"headerFields": 1, "primaryFields": 4, "secondaryFields": 0, "auxiliaryFields": 0, "footerFields": 1}


def check(document: Mapping[str, object]) -> Problems:
    """The style key, what hangs on it, and every field."""
    classic = [style for style in CLASSIC_STYLES if style in document]
    if len(classic) > 1 or (not classic and POSTER_STYLE not in document):
        found = " and ".join(classic) or "none"
        yield problem(
            "style", "", f"a pass has exactly one style, this one has {found}", f"keep one of {', '.join(STYLES)}"
        )
    elif not classic:
        yield problem(
            "style-fallback",
            f"/{POSTER_STYLE}",
            "phones before iOS 27 refuse a pass with posterGeneric alone",
            "add generic or another classic style beside it",
        )
    for style in STYLES:
        group = document.get(style)
        if isinstance(group, OBJECT):
            yield from _of_style(style, pass_fields.alike(group))
    yield from _schemes(document)


@remembered(most=128, longest=16 * 1024)
def _of_style(style: str, group: Mapping[str, object]) -> Problems:
    yield from _style(style, group)
    yield from pass_fields.check(f"/{style}", group)


def _style(style: str, group: Mapping[str, object]) -> Problems:
    pointer = f"/{style}"
    if style == "boardingPass":
        yield from _transit(group, pointer)
        group = {key: value for key, value in group.items() if key != "transitType"}
    elif "transitType" in group:
        yield problem(
            "transit-type", f"{pointer}/transitType", f"{style} has no transitType", "remove it", severity="warning"
        )
        group = {key: value for key, value in group.items() if key != "transitType"}
    yield from typed(group, _GROUPS, pointer)
    if style == POSTER_STYLE:
        yield from _poster(group, pointer)


def _transit(group: Mapping[str, object], pointer: str) -> Problems:
    kind = group.get("transitType")
    if kind not in TRANSIT_TYPES:
        yield problem(
            "transit-type",
            f"{pointer}/transitType",
            f"a boarding pass needs a known transitType{did_you_mean(str(kind), TRANSIT_TYPES)}",
            f"write one of {', '.join(TRANSIT_TYPES)}",
        )


def _poster(group: Mapping[str, object], pointer: str) -> Problems:
    for name, most in _POSTER_LIMITS.items():
        fields = group.get(name)
        if isinstance(fields, list) and len(fields) > most:
            yield problem(
                "poster-groups",
                down(pointer, name),
                f"posterGeneric shows {most} of the {len(fields)} {name}",
                "move the others to backFields or additionalInfoFields",
            )


def _schemes(document: Mapping[str, object]) -> Problems:
    schemes = document.get("preferredStyleSchemes")
    for index, scheme in enumerate(schemes if isinstance(schemes, list) else ()):
        if isinstance(scheme, str) and scheme not in STYLE_SCHEMES:
            yield problem(
                "style-scheme",
                f"/preferredStyleSchemes/{index}",
                f"there is no style scheme {scheme!r}{did_you_mean(scheme, STYLE_SCHEMES)}",
                f"use {', '.join(STYLE_SCHEMES)}",
            )
