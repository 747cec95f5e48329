"""The files beside pass.json: the icon that must be there, and what should not be there."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.fields import IMAGES, LOCALIZED_TEXTS, OTHER_FILES, SCALES
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.names import GENERATED, check_level, check_name, is_junk
from livepass.pkpass.pointer import did_you_mean
from livepass.pkpass.strict_json import JsonProblem, parse_object

IMAGE_FILES = frozenset(f"{name}{scale}.png" for name in IMAGES for scale in SCALES)
_KNOWN = IMAGE_FILES | {*OTHER_FILES, *LOCALIZED_TEXTS}


def check(files: Mapping[str, bytes]) -> Problems:
    """All static files of a pass."""
    yield from _icon(files)
    for name in sorted(files):
        yield from _name(name)
        base = name.rpartition("/")[2]
        if base in IMAGE_FILES and base != name and base in files:
            yield problem("image-shadowed", name, f"{base} at the top level hides {name}", "keep one of the two")
        elif base in OTHER_FILES:
            yield from _json(name, files[name])


def _icon(files: Mapping[str, bytes]) -> Problems:
    if "icon.png" not in files:
        yield problem("icon-missing", "icon.png", "the pass has no icon.png", "add icon.png, 38 by 38 pixels")
    elif "icon@2x.png" not in files and "icon@3x.png" not in files:
        yield problem(
            "icon-scale", "icon.png", "the icon has one size only, and is blurred on every phone",
            "add icon@2x.png and icon@3x.png, 76 and 114 pixels",
        )  # fmt: skip


def _name(name: str) -> Problems:
    base = name.rpartition("/")[2]
    if name.casefold() in GENERATED:
        yield problem("reserved-name", name, f"{name} is made anew by every build", "leave it out of the files")
    elif is_junk(name):
        yield problem("stray-file", name, f"{name} was left behind by a desktop", "remove it")
    elif fault := _fault(name):
        yield problem("file-name", name, fault.reason, fault.hint)
    elif base not in _KNOWN:
        yield problem(
            "unknown-file", name, f"Wallet knows no file {base!r}{did_you_mean(base, _KNOWN)}", "rename or remove it"
        )


def _fault(name: str) -> InvalidPackage | None:
    try:
        check_name(name)
        check_level(name)
    except InvalidPackage as error:
        return error
    return None


def _json(name: str, data: bytes) -> Problems:
    try:
        parse_object(data)
    except JsonProblem as fault:
        rule = "json-duplicate-key" if fault.kind == "duplicate" else "json-invalid"
        yield problem(rule, name, f"{name}: {fault}", "write it as UTF-8 JSON, each key once")
