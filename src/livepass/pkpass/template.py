"""A template: a folder with pass.json, images and localisations, from which any number of passes are rendered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import cast

from livepass.pkpass.bundle import StaticFiles
from livepass.pkpass.errors import InvalidPackage, TemplateError
from livepass.pkpass.limits import DEFAULT_LIMITS, Limits
from livepass.pkpass.lint.grants import grants_needed
from livepass.pkpass.lint.problem import Problem
from livepass.pkpass.merge import merge_patch
from livepass.pkpass.names import DOCUMENT, is_junk
from livepass.pkpass.personalization import is_enrolment, offers_enrolment
from livepass.pkpass.placeholders import fill, uses
from livepass.pkpass.strict_json import JsonProblem, canonical, parse_object
from livepass.pkpass.variables import Variable, VariableType, check, gather
from livepass.pkpass.zip_read import read_zip
from livepass.pkpass.zip_write import archive, entry, head

DECLARATIONS = "variables.json"  # for us, never packed into a pass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_REVISION_OF = b"livepass template 1\n"  # change it when the meaning of a template changes


@dataclass(frozen=True, slots=True)
class Template:
    """One immutable revision. Equal content is an equal ``revision``, on every host and in every file order."""

    name: str
    files: Mapping[str, bytes] = field(repr=False)
    revision: str
    declarations: Mapping[str, Variable] = field(repr=False)
    static: StaticFiles = field(repr=False)
    enrolled: StaticFiles = field(repr=False)
    """The same without an enrolment: the files of a pass that somebody has enrolled for."""
    _document: dict[str, object] = field(repr=False)

    @classmethod
    def from_folder(cls, path: str | Path) -> Template:
        """From a folder on disk, named after it. Follows no links. Raises ``TemplateError``."""
        folder = Path(path).resolve()
        if not folder.is_dir():
            raise TemplateError(f"{folder} is not a folder", "name a folder that holds a pass.json")
        return cls.from_files(folder.name, _folder_files(folder, DEFAULT_LIMITS))

    @classmethod
    def from_zip(cls, data: bytes, name: str | None = None) -> Template:
        """From a zip of the folder, or of its content; in the latter case give a ``name``. Raises ``TemplateError``."""
        try:
            files = {path: content for path, content in read_zip(data).items() if not is_junk(path)}
        except InvalidPackage as error:
            raise TemplateError(error.reason, error.hint) from error
        top, files = _strip_top(files)
        if not (name := name or top):
            raise TemplateError("the template has no name", "zip the folder itself, or give a name")
        return cls.from_files(name, files)

    @classmethod
    def from_files(cls, name: str, files: Mapping[str, bytes]) -> Template:
        """From relative path → bytes. Raises ``TemplateError`` with everything that is wrong."""
        if not _NAME.fullmatch(name):
            raise TemplateError(
                f"{name[:80]!r} cannot name a template", "use up to 64 letters, digits, dots, underscores and hyphens"
            )
        kept = {path: bytes(files[path]) for path in sorted(files) if not is_junk(path)}
        document = _json(kept, DOCUMENT)
        if document is None:
            raise TemplateError("the template has no pass.json", "put pass.json at the top level of the folder")
        declared = _json(kept, DECLARATIONS)
        declarations, problems = gather(uses(document), declared)
        if problems:
            raise TemplateError("; ".join(problems), "mend pass.json or variables.json")
        static = _static(kept)
        return cls(
            name=name,
            files=MappingProxyType(kept),
            revision=_revision(kept, document, declared),
            declarations=MappingProxyType(declarations),
            static=static,
            enrolled=_enrolled(static),
            _document=document,
        )

    @property
    def variables(self) -> Mapping[str, VariableType]:
        """Name → type of every variable; ``declarations`` tells defaults, descriptions and places too."""
        return {name: variable.type for name, variable in self.declarations.items()}

    @property
    def offers_enrolment(self) -> bool:
        """Whether its passes come with the form of a rewards enrolment."""
        return offers_enrolment(self.static.files)

    @property
    def grants_needed(self) -> list[Problem]:
        """What its passes need a grant of Apple's for, whatever they are filled with."""
        return grants_needed(self._document)

    @property
    def document(self) -> Mapping[str, object]:
        """The pass.json as its author wrote it, with its ``${variables}``."""
        return self._document

    def render(self, data: Mapping[str, object], content: Mapping[str, object] | None = None) -> dict[str, object]:
        """A new pass.json: ``data`` fills the variables, then ``content`` is merged over it (RFC 7396).

        Raises ``TemplateDataError`` with every variable that is missing, unknown or of the wrong type.
        """
        filled = fill(self._document, check(self.declarations, data))
        return cast("dict[str, object]", merge_patch(filled, content) if content else filled)

    def to_zip(self) -> bytes:
        """The folder as a zip, the same bytes each time; ``from_zip`` gives this template back."""
        return archive(
            head([entry(f"{self.name}/{path}", data, deflate=True) for path, data in self.files.items()]), ()
        )


def _json(files: Mapping[str, bytes], name: str) -> dict[str, object] | None:
    if name not in files:
        return None
    try:
        return parse_object(files[name])
    except JsonProblem as problem:
        raise TemplateError(
            f"{name} is not usable JSON: {problem}", "write it as UTF-8 JSON, each key once"
        ) from problem


def _static(files: Mapping[str, bytes]) -> StaticFiles:
    try:
        return StaticFiles.prepare({path: data for path, data in files.items() if path not in {DOCUMENT, DECLARATIONS}})
    except InvalidPackage as error:
        raise TemplateError(error.reason, error.hint) from error


def _enrolled(static: StaticFiles) -> StaticFiles:
    kept = {path: data for path, data in static.files.items() if not is_enrolment(path)}
    return static if len(kept) == len(static.files) else StaticFiles.prepare(kept)


def _revision(files: Mapping[str, bytes], document: dict[str, object], declared: dict[str, object] | None) -> str:
    """SHA-256 over names and contents. How the JSON is laid out does not count; its meaning does."""
    digest = hashlib.sha256(_REVISION_OF)
    for path, data in sorted(files.items()):
        if path == DOCUMENT:
            data = canonical(document)
        elif path == DECLARATIONS:
            data = canonical(declared or {})
        digest.update(f"{path}\n{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def _strip_top(files: dict[str, bytes]) -> tuple[str | None, dict[str, bytes]]:
    """The one folder that everything lies in, if so, and the files without it."""
    tops = {path.partition("/")[0] for path in files}
    if len(tops) != 1 or not all("/" in path for path in files):
        return None, files
    (top,) = tops
    if top.endswith(".lproj"):
        return None, files
    return top, {path.partition("/")[2]: data for path, data in files.items()}


def _folder_files(folder: Path, limits: Limits) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = limits.total_bytes
    for path in _walk(folder):
        size = path.stat().st_size
        room -= size
        if size > limits.file_bytes or room < 0 or len(files) == limits.entries:
            raise TemplateError(
                f"{path} makes the folder too large",
                f"a template has at most {limits.entries} files of {limits.file_bytes} bytes",
            )
        files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def _walk(folder: Path, top: bool = True) -> list[Path]:
    """Files at the top and in ``*.lproj``. A link could lead out of the folder, so none is followed."""
    found = []
    for path in sorted(folder.iterdir()):
        if is_junk(path.name):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TemplateError(f"{path} is a link or a device", "put the files themselves into the folder")
        if path.is_file():
            found.append(path)
        elif not top or path.suffix != ".lproj":
            raise TemplateError(f"{path} is a folder that no pass has", "keep only xx.lproj folders in a template")
        else:
            found.extend(_walk(path, top=False))
    return found
