"""From a pass.json back to the one before it: what has to be kept of a change beside the values of its fields.

Most changes move values of fields and nothing else, and those are noted anyway (``notices.Moved.row``). ``undo`` is
what they leave over: a merge patch (RFC 7396), applied after the values are put back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from livepass.pkpass.errors import InvalidDocument
from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.merge import merge_patch
from livepass.pkpass.notices import fields_of
from livepass.pkpass.strict_json import canonical

Json = Mapping[str, object]
Rows = Sequence[Mapping[str, object]]
"""``{"key", "before", "after"}`` each, as ``notices.Moved.row``."""

UNDO_BYTES = 4096
"""Of one change at most. A template that changes a pass beyond it is what a pass is not drawn back over."""


def undo(before: bytes, after: Json, rows: Rows) -> Json | None:
    """What leads from ``after`` to ``before``, a canonical pass.json, once these values are put back. Empty: nothing is
    left over. ``None``: it is too much to keep, or a merge patch cannot say it.
    """
    stepped = _with_values(after, rows)
    if canonical(stepped) == before:
        return {}
    patch = _patch(stepped, orjson.loads(before))
    try:
        kept = len(orjson.dumps(patch)) <= UNDO_BYTES and _patched(stepped, patch) == before
    except InvalidDocument:
        return None
    return patch if kept else None


def back(after: bytes, rows: Rows, patch: Json) -> bytes | None:
    """The pass.json before ``after``. ``None``: ``after`` does not hold what these values say it does."""
    document = orjson.loads(after)
    fields = fields_of(document)
    if any(fields.get(str(row["key"]), {}).get("value") != row["after"] for row in rows):
        return None
    return _patched(_with_values(document, rows), patch)


def _with_values(document: Json, rows: Rows) -> dict[str, object]:
    """The document with its fields' values put back. A field that is new or gone is left to the patch."""
    values = {str(row["key"]): row["before"] for row in rows if row["before"] is not None and row["after"] is not None}
    stepped = dict(document)
    for style in STYLES:
        groups = document.get(style)
        if isinstance(groups, dict):
            stepped[style] = {**groups, **_put_back(groups, values)}
    return stepped


def _put_back(groups: Json, values: Json) -> dict[str, object]:
    return {
        group: [
            {**field, "value": values[field["key"]]}
            if isinstance(field, dict) and isinstance(field.get("key"), str) and field["key"] in values
            else field
            for field in fields
        ]
        for group in FIELD_GROUPS
        if isinstance(fields := groups.get(group), list)
    }


def _patched(document: Json, patch: Json) -> bytes:
    made = merge_patch(document, patch)
    assert isinstance(made, dict)
    return canonical(made)


def _patch(source: Json, target: Json) -> dict[str, object]:
    """The merge patch from one to the other. Lists are taken whole, as RFC 7396 has it."""
    found: dict[str, object] = dict.fromkeys(source.keys() - target.keys())
    for key, wanted in target.items():
        had = source.get(key)
        if isinstance(had, Mapping) and isinstance(wanted, Mapping):
            if inner := _patch(had, wanted):
                found[key] = inner
        elif key not in source or orjson.dumps(had) != orjson.dumps(wanted):
            found[key] = wanted
    return found
