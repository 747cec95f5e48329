"""RFC 7396, JSON Merge Patch: objects merge, ``null`` removes, everything else replaces."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.errors import InvalidDocument

_DEEPEST = 64


def merge_patch(target: object, patch: object, *, _depth: int = 0) -> object:
    """``patch`` applied to ``target``. Neither is changed, and the result shares no list or dict with either.

    Raises ``InvalidDocument`` beyond 64 levels.
    """
    _check(_depth)
    if not isinstance(patch, Mapping):
        return _copy(patch, _depth)
    result = {key: _copy(value, _depth + 1) for key, value in target.items()} if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value, _depth=_depth + 1)
    return result


def _copy(value: object, depth: int) -> object:
    _check(depth)
    if isinstance(value, Mapping):
        return {key: _copy(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(each, depth + 1) for each in value]
    return value


def _check(depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidDocument(
            f"the content is nested deeper than {_DEEPEST} levels", "a pass.json needs fewer than ten"
        )
