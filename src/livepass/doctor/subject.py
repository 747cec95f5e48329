"""A .pkpass under examination, taken apart only as far as a check asks. Nothing in it is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from livepass.doctor.result import NotTested
from livepass.pkpass import InvalidPackage, SignatureFacts, verify_signature
from livepass.pkpass.certificate import issued_by
from livepass.pkpass.material import from_p12
from livepass.pkpass.names import DOCUMENT, GENERATED, MANIFEST, SIGNATURE
from livepass.pkpass.strict_json import JsonProblem, parse_object
from livepass.pkpass.zip_read import read_zip


class Subject:
    """The bytes of a package. ``roots`` are taken beside Apple's; ``now`` is aware.

    Properties raise what the readers of ``pkpass`` raise; the checks that come first turn that into an outcome.
    """

    def __init__(self, data: bytes, roots: Sequence[x509.Certificate], now: datetime) -> None:
        self._data = data
        self.roots = tuple(roots)
        self.now = now

    @classmethod
    def naming(cls, document: Mapping[str, object], now: datetime) -> Subject:
        """No package, only what a pass.json would say: for a service without a pass at hand."""
        made = cls(b"", (), now)
        made.__dict__["document"] = document
        return made

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file by name. Raises ``InvalidPackage``."""
        return read_zip(self._data)

    @cached_property
    def static(self) -> dict[str, bytes]:
        """Images and texts."""
        return {name: data for name, data in self.files.items() if name not in GENERATED}

    @cached_property
    def document(self) -> Mapping[str, object]:
        """pass.json. Raises ``JsonProblem``."""
        return parse_object(self.files[DOCUMENT])

    @cached_property
    def manifest(self) -> Mapping[str, object]:
        """manifest.json. Raises ``JsonProblem``."""
        return parse_object(self.files[MANIFEST])

    @cached_property
    def signature(self) -> SignatureFacts:
        """What the signature says. Raises ``InvalidSignature``."""
        return verify_signature(self.files[MANIFEST], self.files[SIGNATURE])

    @cached_property
    def intermediate(self) -> x509.Certificate | None:
        """The certificate inside the signature that issued the leaf."""
        leaf = self.signature.certificate
        return next((each for each in self.signature.others if issued_by(leaf, each)), None)

    @cached_property
    def root(self) -> x509.Certificate | None:
        """Which of ``roots`` issued the intermediate."""
        above = self.intermediate
        return next((each for each in self.roots if issued_by(above, each)), None) if above is not None else None

    def misfits(self) -> list[str]:
        """How manifest and files differ, in words."""
        present = self.files.keys() - {MANIFEST, SIGNATURE}
        found = [f"{name} is not listed" for name in sorted(present - self.manifest.keys())]
        found += [f"{name} is listed and not there" for name in sorted(self.manifest.keys() - present)]
        for name in sorted(present & self.manifest.keys()):
            if self.manifest[name] != hashlib.sha1(self.files[name], usedforsecurity=False).hexdigest():
                found.append(f"{name} has another SHA-1")
        return found

    # ── what a phone calls with

    def text(self, key: str) -> str:
        """A string of pass.json. Raises ``NotTested`` when there is none."""
        try:
            value = self.document.get(key)
        except (InvalidPackage, JsonProblem, KeyError):
            value = None
        if not isinstance(value, str) or not value:
            raise NotTested(f"pass.json has no {key}")
        return value

    @property
    def url(self) -> SplitResult:
        """``webServiceURL`` in parts. Raises ``NotTested``."""
        try:
            parts = urlsplit(self.text("webServiceURL"))
            _ = parts.port
        except ValueError as error:
            raise NotTested("webServiceURL is no address") from error
        if not parts.hostname:
            raise NotTested("webServiceURL names no host")
        return parts


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate with its private key, from a .p12. ``others`` are the further certificates in it."""

    certificate: x509.Certificate
    key: PrivateKeyTypes
    others: tuple[x509.Certificate, ...] = ()

    @classmethod
    def from_p12(cls, data: bytes, password: str) -> Credential:
        """Raises ``CertificateRefused``."""
        read = from_p12(data, password)
        assert read.key is not None
        return cls(read.leaf, read.key, read.others)

    @property
    def belongs(self) -> bool:
        """Whether the key is the certificate's."""
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return self.certificate.public_key().public_bytes(*form) == self.key.public_key().public_bytes(*form)
