"""A finished .pkpass, opened: its files, its pass.json and its manifest, with nothing trusted yet.

``read`` decides whether the bytes may be looked at; whether a phone would believe them is ``verifier``'s question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.limits import DEFAULT_LIMITS, Limits
from livepass.pkpass.names import DOCUMENT, GENERATED, MANIFEST, SIGNATURE, check_level
from livepass.pkpass.strict_json import JsonProblem, parse_object
from livepass.pkpass.zip_read import read_zip

_SHA1_HEX = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Package:
    """What a .pkpass holds. ``files`` is every file of the archive by name, the three generated ones included."""

    files: Mapping[str, bytes]
    document: Mapping[str, object]
    document_bytes: bytes
    manifest: Mapping[str, str]
    manifest_bytes: bytes
    signature: bytes

    def static_files(self) -> dict[str, bytes]:
        """Images and localisations: everything but pass.json, manifest.json and signature."""
        return {name: data for name, data in self.files.items() if name not in GENERATED}


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Package:
    """Open a .pkpass in memory. Raises ``InvalidPackage`` for anything hostile, damaged or incomplete."""
    files = read_zip(data, limits)
    for name in files:
        check_level(name)
    _refuse_nested(files)
    for needed in GENERATED:
        if needed not in files:
            raise InvalidPackage(
                f"the package has no {needed}",
                f"{', '.join(GENERATED)} stand at the top level of the zip, in no folder",
            )
    document = _object(DOCUMENT, files[DOCUMENT], limits)
    manifest = _object(MANIFEST, files[MANIFEST], limits)
    for name, digest in manifest.items():
        if not isinstance(digest, str) or not _SHA1_HEX.fullmatch(digest):
            raise InvalidPackage(
                f"manifest.json gives no SHA-1 for {name!r}", "each value is 40 lower-case hexadecimal digits"
            )
    return Package(
        files=MappingProxyType(files),
        document=MappingProxyType(document),
        document_bytes=files[DOCUMENT],
        manifest=MappingProxyType(cast("dict[str, str]", manifest)),
        manifest_bytes=files[MANIFEST],
        signature=files[SIGNATURE],
    )


def _object(name: str, data: bytes, limits: Limits) -> dict[str, object]:
    try:
        return parse_object(data, limits.json_depth)
    except JsonProblem as problem:
        raise InvalidPackage(
            f"{name} is not usable JSON: {problem}", "write it as UTF-8 JSON, each key once"
        ) from problem


def _refuse_nested(files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        if data.startswith(b"PK\x03\x04"):
            raise InvalidPackage(f"{name!r} is itself a zip archive", "a package holds images and texts, no archives")
