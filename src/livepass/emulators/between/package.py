"""What may happen to a ``.pkpass`` on its way: the file is one that a phone must refuse. What is none is left alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from livepass.emulators.authority import Authority, Issued


def with_wrong_hash(pkpass: bytes) -> bytes:
    """``pass.json`` is written anew, in other bytes: the manifest has the hash of the old ones."""
    files = _files(pkpass)
    if not files:
        return pkpass
    return _zipped({**files, "pass.json": json.dumps(json.loads(files["pass.json"]), indent=1).encode()})


def signed_by_another(pkpass: bytes) -> bytes:
    """The same files, signed with a certificate of somebody else's authority for the same pass type."""
    files = _files(pkpass)
    if not files:
        return pkpass
    document = json.loads(files["pass.json"])
    other = _stranger(document["passTypeIdentifier"], document["teamIdentifier"])
    builder = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(files["manifest.json"])
        .add_signer(other.certificate, other.key, hashes.SHA256())
        .add_certificate(_authority().intermediate)
    )
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    return _zipped({**files, "signature": builder.sign(Encoding.DER, options)})


@cache
def _authority() -> Authority:
    return Authority(name="Somebody Else")


@cache
def _stranger(pass_type: str, team: str) -> Issued:
    return _authority().pass_certificate(pass_type, team)


def _files(pkpass: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(pkpass)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return {}


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
