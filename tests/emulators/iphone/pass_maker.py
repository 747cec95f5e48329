"""Signed packages for tests, made with nothing of ours: zipfile, hashlib and cryptography's CMS builder."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from livepass.emulators.authority import Authority, Issued

PASS_TYPE, TEAM = "pass.test.livepass", "TEAM123456"
URL = "https://wallet.example/w"
TOKEN = "0123456789abcdef"
FORM = {
    "description": "Join, and collect points.",
    "requiredPersonalizationFields": ["PKPassPersonalizationFieldName", "PKPassPersonalizationFieldPostalCode"],
    "termsAndConditions": "Be kind.",
}
MESSAGE = "You have %@ points"

Document = dict[str, Any]


def document(serial: str = "S-1", points: Any = 120, **changes: Any) -> Document:
    """A valid pass.json; ``None`` among the changes removes the key."""
    fields = {"key": "points", "label": "POINTS", "value": points, "changeMessage": MESSAGE}
    whole: Document = {
        "formatVersion": 1,
        "passTypeIdentifier": PASS_TYPE,
        "serialNumber": serial,
        "teamIdentifier": TEAM,
        "organizationName": "Coffee Club",
        "description": "Coffee card",
        "webServiceURL": URL,
        "authenticationToken": TOKEN,
        "storeCard": {"primaryFields": [fields], "backFields": [{"key": "terms", "value": "none"}]},
    }
    whole.update(changes)
    return {key: value for key, value in whole.items() if value is not None}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def signed(
    content: bytes,
    issued: Issued,
    intermediate: x509.Certificate | None = None,
    options: tuple[PKCS7Options, ...] = (PKCS7Options.DetachedSignature, PKCS7Options.Binary),
    digest: Any = None,
) -> bytes:
    builder = PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(issued.certificate, issued.key, digest or hashes.SHA256())
    middle = intermediate or issued.intermediate
    if middle is not None:
        builder = builder.add_certificate(middle)
    return builder.sign(Encoding.DER, list(options))


class Maker:
    """Builds packages below one authority. ``spoil`` of ``files`` lets a test break one thing."""

    def __init__(self, authority: Authority, issued: Issued) -> None:
        self.authority = authority
        self.issued = issued
        self._made: dict[str, bytes] = {}

    def files(self, content: Document | bytes, extra: dict[str, bytes] | None = None) -> dict[str, bytes]:
        raw = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
        files = {"pass.json": raw, "icon.png": b"icon", **(extra or {})}
        manifest = {name: hashlib.sha1(data).hexdigest() for name, data in sorted(files.items())}
        files["manifest.json"] = json.dumps(manifest, sort_keys=True).encode()
        return files

    def sealed(self, files: dict[str, bytes], issued: Issued | None = None, **how: Any) -> bytes:
        return zipped(files | {"signature": signed(files["manifest.json"], issued or self.issued, **how)})

    def build(self, content: Document | bytes, extra: dict[str, bytes] | None = None, **how: Any) -> bytes:
        return self.sealed(self.files(content, extra), **how)

    def __call__(self, serial: str = "S-1", points: Any = 120, form: Any = None, **changes: Any) -> bytes:
        """A valid package; the same arguments give the same bytes. ``form``: the sign-up that it offers."""
        content = document(serial, points, **changes)
        key = json.dumps([content, form], sort_keys=True)
        if key not in self._made:
            offer = {} if form is None else {"personalization.json": json.dumps(form).encode()}
            self._made[key] = self.build(content, offer)
        return self._made[key]
