"""What designers and other generators leave behind, opened with nothing trusted: a .pkpass, a .pkpasstemplate of
Apple's designer (a folder or a zip of it), or the folder ``name.pass`` that generators on Node read.

What these formats hold is known only in part (Apple documents ``.pkpass`` alone): what is not known is named, and what
must not get into a pass (keys above all) is left out by its name, unread where it lies in a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from livepass.pkpass.errors import InvalidPackage, TemplateError
from livepass.pkpass.fields import IMAGES, LOCALIZED_TEXTS, OTHER_FILES, SCALES
from livepass.pkpass.limits import DEFAULT_LIMITS, Limits
from livepass.pkpass.names import DOCUMENT, GENERATED, MANIFEST, SIGNATURE, check_level, check_name, is_junk
from livepass.pkpass.zip_read import read_zip

DESIGN_SUFFIX = ".pkpasstemplate"
MODEL_SUFFIX = ".pass"
TOOLING = "tooling.json"  # names the version of Apple's designer or builder

_KEY_SUFFIXES = frozenset({".cer", ".crt", ".csr", ".der", ".jks", ".key", ".p12", ".p7b", ".p8", ".pem", ".pfx"})
_KEY_MARK, _ZIP_MARK = b"-----BEGIN ", b"PK\x03\x04"
_KNOWN = frozenset(
    {DOCUMENT, *OTHER_FILES, *LOCALIZED_TEXTS, *(f"{name}{scale}.png" for name in IMAGES for scale in SCALES)}
)


class Kind(StrEnum):
    """What a source is."""

    PACKAGE = "pkpass"
    DESIGN = "pkpasstemplate"
    MODEL = "model"


class Act(StrEnum):
    """What was done with a part of a source."""

    REPAIRED = "repaired"
    LEFT_OUT = "left out"
    KEPT = "kept as it was"
    TO_DO = "to do"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report. ``where``: a file, or a JSON pointer into pass.json."""

    act: Act
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Source:
    """The files that may become a template, by name, and what was done about the others.

    ``archive``: the bytes that were opened, where it was a file. ``signed``: there was a manifest and a signature.
    """

    name: str
    kind: Kind
    files: Mapping[str, bytes]
    notes: tuple[Note, ...]
    archive: bytes | None
    signed: bool


def open_source(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Source:
    """A file or a folder, opened. Raises ``TemplateError`` for what is hostile, too large or no pass at all, and
    ``OSError`` where the disk does not let us look.
    """
    path = Path(path)
    if path.is_symlink():
        raise TemplateError(f"{path} is a link", "name the file or folder itself")
    if path.is_dir():
        kind = Kind.DESIGN if path.suffix == DESIGN_SUFFIX or (path / TOOLING).exists() else Kind.MODEL
        names, notes = _chosen(_walk(path), kind)
        return _source(path.resolve().stem, kind, _read(path, names, limits), notes, None, signed=False)
    if path.exists() and not path.is_file():
        raise TemplateError(f"{path} is a device", "name a file or a folder")
    if path.stat().st_size > limits.archive_bytes:
        raise TemplateError(
            f"{path} has {path.stat().st_size} bytes", f"at most {limits.archive_bytes} are read: shrink its images"
        )
    data = path.read_bytes()
    try:
        files = _without_top(read_zip(data, limits))
    except InvalidPackage as error:
        raise TemplateError(f"{path}: {error.reason}", error.hint) from error
    signed = MANIFEST in files and SIGNATURE in files
    kind = _kind(path, files, signed=signed)
    names, notes = _chosen(files, kind)
    return _source(path.stem, kind, {name: files[name] for name in names}, notes, data, signed=signed)


def _kind(path: Path, files: Mapping[str, bytes], *, signed: bool) -> Kind:
    if path.suffix == DESIGN_SUFFIX:
        return Kind.DESIGN
    if signed or path.suffix == ".pkpass":
        return Kind.PACKAGE
    return Kind.DESIGN if TOOLING in files else Kind.MODEL


def _source(
    name: str, kind: Kind, files: dict[str, bytes], notes: list[Note], archive: bytes | None, *, signed: bool
) -> Source:
    if DOCUMENT not in files:
        raise TemplateError(
            f"{name} has no {DOCUMENT} at its top level", "name the .pkpass, or the folder that pass.json lies in"
        )
    secret = [
        each for each, data in files.items() if each != DOCUMENT and (_KEY_MARK in data or data.startswith(_ZIP_MARK))
    ]
    for each in secret:
        del files[each]
    notes = [note for note in notes if note.where not in secret]
    notes += [Note(Act.LEFT_OUT, each, "a key, a certificate or an archive never goes into a pass") for each in secret]
    return Source(name, kind, MappingProxyType(files), tuple(notes), archive, signed)


def _chosen(names: Iterable[str], kind: Kind) -> tuple[list[str], list[Note]]:
    """The names to take, and a note on each other, and on each that is taken without being known."""
    chosen, notes = [], []
    for name in sorted(names):
        if reason := _why_not(name, kind):
            notes.append(Note(Act.LEFT_OUT, name, reason))
            continue
        chosen.append(name)
        if name.rpartition("/")[2] not in _KNOWN:
            notes.append(Note(Act.KEPT, name, "Wallet knows no such file, and nothing is known of what it is for"))
    return chosen, notes


def _why_not(name: str, kind: Kind) -> str | None:
    """Why a file is left out; ``None``: it is taken."""
    base = name.rpartition("/")[2]
    if name.endswith("/"):
        return "a folder that no pass has: not looked into"
    if is_junk(name):
        return "no part of a pass, but of a desktop or a tool"
    if name.casefold() in GENERATED and name != DOCUMENT:
        return "made anew by every build"
    if Path(base).suffix.casefold() in _KEY_SUFFIXES:
        return "keys and certificates never go into a pass"
    if name == TOOLING and kind is Kind.DESIGN:
        return "it names the version of Apple's designer"
    if name == "variables.json":
        return "livepass means something of its own by that name"
    try:
        check_name(name)
        check_level(name)
    except InvalidPackage as error:
        return f"no pass can hold it: {error.reason}"
    if kind is Kind.MODEL and base not in _KNOWN:
        return "Wallet knows no such file"
    return None


def _without_top(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without the one folder that everything lies in, if it does: what zipping a folder makes."""
    tops = {name.partition("/")[0] for name in files if not is_junk(name)}
    if len(tops) != 1 or DOCUMENT in files:
        return files
    return {name if is_junk(name) else name.partition("/")[2]: data for name, data in files.items()}


def _walk(folder: Path, below: str = "") -> list[str]:
    """Relative names of files at the top and in ``*.lproj``; a folder that is not looked into ends with a slash."""
    found = []
    for path in sorted(folder.iterdir()):
        name = below + path.name
        if is_junk(path.name) or (path.is_dir() and not path.is_symlink() and (below or path.suffix != ".lproj")):
            found.append(f"{name}/" if path.is_dir() else name)
        elif path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TemplateError(f"{path} is a link or a device", "put the file itself into the folder, or remove it")
        elif path.is_dir():
            found.extend(_walk(path, f"{name}/"))
        else:
            found.append(name)
    return found


def _read(folder: Path, names: list[str], limits: Limits) -> dict[str, bytes]:
    sizes = [(folder / name).stat().st_size for name in names]
    if len(names) > limits.entries or max(sizes, default=0) > limits.file_bytes or sum(sizes) > limits.total_bytes:
        raise TemplateError(
            f"{folder} holds {len(names)} files of {sum(sizes)} bytes",
            f"a template has at most {limits.entries} files of {limits.file_bytes} bytes",
        )
    return {name: (folder / name).read_bytes() for name in names}
