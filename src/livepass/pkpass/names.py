"""Which file names a package may hold, and what the known ones mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.limits import DEFAULT_LIMITS, Limits

DOCUMENT = "pass.json"
MANIFEST = "manifest.json"
SIGNATURE = "signature"

# Written by every build, so no template or upload may bring them.
GENERATED = (DOCUMENT, MANIFEST, SIGNATURE)

# Left behind by desktops and archivers. Apple, Wallet Passes, "Building a Pass": the package must hold none.
JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

_ALPHABET = re.compile(r"[A-Za-z0-9._@/-]+")


def check_name(name: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse a path that could mean anything but a plain file inside the package. Raises ``InvalidPackage``."""
    shown = name[:80]
    if not name or len(name) > limits.name_length:
        raise InvalidPackage(
            f"the file name {shown!r} has {len(name)} characters",
            f"names have 1 to {limits.name_length} characters",
        )
    if not _ALPHABET.fullmatch(name):
        raise InvalidPackage(
            f"the file name {shown!r} holds characters that are not allowed",
            "use letters, digits, dot, underscore, at sign and hyphen, and / only after an .lproj folder",
        )
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise InvalidPackage(
            f"the file name {shown!r} points outside the package or names nothing",
            "store plain relative paths, with no leading slash and no . or .. steps",
        )


def check_level(name: str) -> None:
    """Only ``xx.lproj/`` folders, one level deep. Apple, Wallet Passes, "Creating the Source for a Pass"."""
    folder, slash, rest = name.rpartition("/")
    if slash and ("/" in folder or not folder.endswith(".lproj") or folder == ".lproj" or not rest):
        raise InvalidPackage(
            f"{name!r} lies in a folder that is not a localisation",
            "put files at the top level of the package, or into one xx.lproj folder",
        )


def check_distinct(names: Iterable[str]) -> None:
    """No two names that a case-insensitive disk would take for one. Raises ``InvalidPackage``."""
    seen: dict[str, str] = {}
    for name in names:
        folded = name.casefold()
        if folded in seen:
            raise InvalidPackage(
                f"{seen[folded]!r} and {name!r} are one name", "keep one file of each name, in any case"
            )
        seen[folded] = name


def check_files(files: Mapping[str, bytes], limits: Limits = DEFAULT_LIMITS) -> None:
    """The rules that ``read`` will apply to a finished package, applied before there is one."""
    if len(files) > limits.entries:
        raise InvalidPackage(f"{len(files)} files are too many", f"a package holds at most {limits.entries}")
    check_distinct(files)
    for name, data in files.items():
        check_name(name, limits)
        check_level(name)
        if len(data) > limits.file_bytes:
            raise InvalidPackage(f"{name!r} has {len(data)} bytes", f"a file has at most {limits.file_bytes}")
    if sum(map(len, files.values())) > limits.archive_bytes:
        raise InvalidPackage("the files are too large together", f"keep them under {limits.archive_bytes} bytes")


def is_junk(name: str) -> bool:
    """What a desktop leaves in a folder (``.DS_Store``, ``__MACOSX/``, ``Thumbs.db``), and all dot files."""
    return any(part.startswith(".") or part.casefold() in JUNK_NAMES for part in name.split("/"))
