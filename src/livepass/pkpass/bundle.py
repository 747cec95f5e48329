"""The .pkpass, put together. Reading is in ``reader``, believing in ``verifier``; both are reachable from here too.

Only three files change from one pass of a template to the next: pass.json, manifest.json and signature. Everything
else is hashed, compressed and laid out once, in ``StaticFiles``, so that a build costs little more than its signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

import orjson

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.limits import Limits
from livepass.pkpass.names import DOCUMENT, GENERATED, MANIFEST, SIGNATURE, check_files
from livepass.pkpass.reader import Package, read
from livepass.pkpass.strict_json import canonical
from livepass.pkpass.verifier import Verified, verify
from livepass.pkpass.zip_write import Head, archive, entry, head

__all__ = ["Limits", "Package", "Signs", "StaticFiles", "Verified", "build", "canonical", "manifest", "read", "verify"]

# Deflating costs more than it saves below this; most documents are under 5 KB. Bytes.
_DEFLATE_ABOVE = 16 * 1024


class Signs(Protocol):
    """What ``build`` needs of a signer; ``Signer`` is one, and so is whatever wraps one."""

    def sign(self, manifest: bytes, at: datetime) -> bytes:
        """The ``signature`` file for this manifest."""


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """The images and localisations of one template revision, ready to be copied into any number of packages.

    Make it with ``prepare``. Safe to share between threads; worth caching for as long as the revision is used.
    """

    files: Mapping[str, bytes]
    _head: Head = field(repr=False)
    _manifest_before: bytes = field(repr=False)
    _manifest_after: bytes = field(repr=False)
    memo: dict[str, object] = field(default_factory=dict, repr=False, compare=False)
    """What somebody worked out of these files, and need not again for every pass: see ``lint``."""

    @classmethod
    def prepare(cls, files: Mapping[str, bytes]) -> StaticFiles:
        """Hash and compress ``files`` (relative path → bytes) once.

        Raises ``InvalidPackage`` for a name or size that ``read`` would refuse, and for the three generated names.
        """
        for name in files:
            if name.casefold() in GENERATED:
                raise InvalidPackage(f"{name!r} is made anew for each pass", "leave it out of the static files")
        check_files({**files, **dict.fromkeys(GENERATED, b"")})
        ordered = {name: bytes(files[name]) for name in sorted(files)}
        before = {name: data for name, data in ordered.items() if name < DOCUMENT}
        after = {name: data for name, data in ordered.items() if name > DOCUMENT}
        entries = [entry(name, data, deflate=True) for name, data in ordered.items()]
        return cls(
            files=MappingProxyType(ordered),
            _head=head(entries),
            _manifest_before=b"{"
            + b"".join(_line(name, data) + b"," for name, data in before.items())
            + b'"pass.json":"',
            _manifest_after=b'"' + b"".join(b"," + _line(name, data) for name, data in after.items()) + b"}",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The file names, sorted."""
        return tuple(self.files)


def _line(name: str, data: bytes) -> bytes:
    return orjson.dumps(name) + b":" + orjson.dumps(_sha1(data))


def _sha1(data: bytes) -> str:
    # The format's own digest: Apple, Wallet Passes, "Building a Pass". The signature over it is SHA-256.
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def manifest(static: StaticFiles, document: bytes) -> bytes:
    """manifest.json for these files and this pass.json: sorted keys, no whitespace, the same bytes on every host.

    A phone takes an update for a change exactly when these bytes differ, so nothing may depend on hash order or time.
    """
    return static._manifest_before + _sha1(document).encode() + static._manifest_after


def build(static: StaticFiles, document: bytes, signer: Signs, at: datetime) -> bytes:
    """The .pkpass: ``document`` (see ``canonical``) with its manifest, signed as of ``at`` (aware), and ``static``.

    Raises ``CertificateNotValid`` when the certificate does not cover ``at``.
    """
    listing = manifest(static, document)
    entries = (
        entry(DOCUMENT, document, deflate=len(document) > _DEFLATE_ABOVE),
        entry(MANIFEST, listing, deflate=False),
        entry(SIGNATURE, signer.sign(listing, at), deflate=False),
    )
    return archive(static._head, entries)
