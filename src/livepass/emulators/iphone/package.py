"""The phone's own reading of a ``.pkpass``: zip, manifest, signature, document. A ``Package`` or ``Refused``.

Rules of this file. It shares nothing with the builder: what a phone would not open must fail here. Texts quoted from
field reports (protocol sheet 3.6) are verbatim; where none is known the text is ours and says what was wrong. The
manifest's SHA-1 identifies a package: two packages with the same manifest bytes are the same pass to a phone.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography import x509

from livepass.emulators.iphone import cms, document, trust
from livepass.emulators.iphone.document import Rules

MOST_BYTES: Final = 64 << 20
"""More than this unpacked is refused. Apple does not say; ours, so that a bomb cannot hurt the emulator."""

UNREADABLE: Final = "The pass cannot be read because it isn’t valid."
NOT_TRUSTED: Final = (
    "The passTypeIdentifier or teamIdentifier provided may not match your certificate, or the certificate trust chain "
    "could not be verified."
)
NO_SIGNING_DATE: Final = "Signature must contain a signing date"
NOT_VERIFIED: Final = "Data signature did not verify successfully"
NOT_ENHANCED: Final = "Data must be signed with an enhanced Passbook certificate."
ICONS: Final = ("icon.png", "icon@2x.png", "icon@3x.png")

_STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=\s*"((?:[^"\\]|\\.)*)"\s*;')


class Refused(Exception):
    """The phone does not take this package. ``text`` is what its console shows; ``why`` is our own addition."""

    def __init__(self, text: str, why: str = "") -> None:
        super().__init__(f"{text} ({why})" if why else text)
        self.text = text
        self.why = why


@dataclass(frozen=True)
class Package:
    """One accepted package. ``warnings`` are what the phone remarked without refusing."""

    raw: bytes
    document: Mapping[str, Any]
    manifest_hash: str
    files: Mapping[str, bytes]
    warnings: tuple[str, ...] = ()
    is_enhanced: bool = field(default=False, compare=False)

    @property
    def pass_type(self) -> str:
        return str(self.document["passTypeIdentifier"])

    @property
    def serial(self) -> str:
        return str(self.document["serialNumber"])

    @property
    def team(self) -> str:
        return str(self.document["teamIdentifier"])

    @property
    def organization(self) -> str:
        return str(self.document["organizationName"])

    @property
    def url(self) -> str | None:
        """The web service, without the trailing slash that makes no difference to the phone."""
        url = self.document.get("webServiceURL")
        return url.rstrip("/") if isinstance(url, str) else None

    @property
    def token(self) -> str | None:
        return self.document.get("authenticationToken")

    def fields(self) -> dict[str, Mapping[str, Any]]:
        """Every field of every group by key; the first of a duplicated key wins."""
        found: dict[str, Mapping[str, Any]] = {}
        for _, fields in document.groups(self.document):
            for entry in fields:
                if isinstance(entry, Mapping) and isinstance(entry.get("key"), str):
                    found.setdefault(entry["key"], entry)
        return found

    def localized(self, text: str, language: str = "en") -> str:
        """``text`` looked up in that language's ``pass.strings``, or itself."""
        return self.strings(language).get(text, text)

    def strings(self, language: str) -> dict[str, str]:
        """The ``pass.strings`` of one language, UTF-16 with a mark or UTF-8; empty when there is none."""
        data = self.files.get(f"{language}.lproj/pass.strings", b"")
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        pairs = _STRINGS.findall(data.decode(encoding, "replace"))
        return {_unescaped(key): _unescaped(value) for key, value in pairs}


def read(
    data: bytes,
    *,
    roots: Sequence[x509.Certificate],
    rules: Rules = Rules(),  # noqa: B008  # frozen
    nfc_needs_enhanced: bool = False,
) -> Package:
    """Open, check and return a package as a phone would before installing it. Raises ``Refused``."""
    package, signature = _open(data)
    _reject_hashes(package.files)
    if text := document.rejection(package.document, rules):
        raise Refused(text)
    if not any(icon in package.files for icon in ICONS):
        raise Refused("Pass does not contain icon.png/icon@2x.png/icon@3x.png")
    enhanced = _reject_signature(signature, package, roots)
    if nfc_needs_enhanced and "nfc" in package.document and not enhanced:
        raise Refused(NOT_ENHANCED)
    return Package(
        package.raw,
        package.document,
        package.manifest_hash,
        package.files,
        tuple(document.remarks(package.document, rules)),
        enhanced,
    )


def reopen(data: bytes) -> Package:
    """A package that this phone accepted before: no checks, since the roots or the rules may have changed since."""
    return _open(data)[0]


def _open(data: bytes) -> tuple[Package, bytes]:
    files = _unzip(data)
    for name in ("pass.json", "manifest.json"):
        if name not in files:
            raise Refused(UNREADABLE, f"there is no {name} at the root of the archive")
    content = _object(files["pass.json"], "pass.json")
    signature = files.get("signature", b"")
    return Package(data, content, hashlib.sha1(files["manifest.json"]).hexdigest(), files), signature  # noqa: S324


def _unzip(data: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                name = entry.filename
                if name.endswith("/"):
                    continue
                if name in files or name.startswith("/") or ".." in name.split("/") or entry.flag_bits & 1:
                    raise Refused(UNREADABLE, f"the archive entry {name!r} is duplicate, encrypted or outside")
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise Refused(UNREADABLE, f"the archive entry {name!r} is neither stored nor deflated")
                left -= entry.file_size
                if left < 0:
                    raise Refused(UNREADABLE, "the archive is too large")
                files[name] = archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, OSError) as broken:
        raise Refused(UNREADABLE, f"not a zip archive: {broken}") from broken
    return files


def parse_json(data: bytes) -> Any:
    """JSON as strictly as the phone reads it: UTF-8, no byte-order mark, no NaN. ``ValueError``."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        parsed = parse_json(data)
    except ValueError as broken:
        raise Refused(UNREADABLE, f"{name} is not JSON: {broken}") from broken
    if not isinstance(parsed, dict):
        raise Refused(UNREADABLE, f"{name} is not an object")
    return parsed


def _reject_hashes(files: Mapping[str, bytes]) -> None:
    manifest = _object(files["manifest.json"], "manifest.json")
    present = set(files) - {"manifest.json", "signature"}
    if unlisted := present - set(manifest):
        raise Refused(UNREADABLE, f"{min(unlisted)} is not in the manifest")
    if absent := set(manifest) - present:
        raise Refused(UNREADABLE, f"{min(absent)} is in the manifest but not in the archive")
    for name in sorted(present):
        if hashlib.sha1(files[name]).hexdigest() != manifest[name]:  # noqa: S324  # Apple's manifest is SHA-1
            raise Refused(UNREADABLE, f"the manifest's hash of {name} is not that of the file")


def _reject_signature(signature: bytes, package: Package, roots: Sequence[x509.Certificate]) -> bool:
    """Verify; return whether the signer is an NFC certificate."""
    if not signature:
        raise Refused("Signature is missing")
    try:
        read = cms.verify(signature, package.files["manifest.json"])
    except cms.BadSignature as bad:
        raise Refused(NOT_VERIFIED, str(bad)) from bad
    if read.signing_time is None:
        raise Refused(NO_SIGNING_DATE)
    try:
        trust.check(read, roots, package.pass_type, package.team)
    except trust.Distrusted as distrusted:
        raise Refused(NOT_TRUSTED, str(distrusted)) from distrusted
    return trust.is_enhanced(read.signer)


def _unescaped(text: str) -> str:
    return text.replace(r"\"", '"').replace(r"\n", "\n").replace(r"\\", "\\")
