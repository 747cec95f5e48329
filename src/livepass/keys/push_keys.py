"""APNs keys: reads Apple's .p8 files, and signs as APNs wants it (ES256, RFC 7518 §3.4)."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from livepass.core.provider_token import KEY_ID_LENGTH, KeyRefused, PushKey

LARGEST = 16 * 1024
"""Bytes. Apple's files have under 300."""
_MAKE_ONE = (
    "at developer.apple.com, under Keys, make a key with the Apple Push Notifications service and download its .p8"
)


def read_p8(data: bytes) -> bytes:
    """The key of a .p8 file, as DER (PKCS#8). Raises ``KeyRefused``."""
    text = data.strip()
    if len(data) > LARGEST:
        raise KeyRefused(f"the file has {len(data)} bytes, and a .p8 of Apple's under 300", _MAKE_ONE)
    if b"-----BEGIN CERTIFICATE-----" in text or _is_certificate(data):
        raise KeyRefused("this is a certificate, not a key", "certificates: livepass cert import FILE.p12")
    if b"ENCRYPTED" in text.partition(b"\n")[0]:
        hint = (
            "Apple's .p8 files have no password; take it off: openssl pkcs8 -in FILE.p8 -out PLAIN.p8 -nocrypt -topk8"
        )
        raise KeyRefused("the key is encrypted", hint)
    if not text.startswith(b"-----BEGIN "):
        raise KeyRefused("this is not PEM: it does not begin with -----BEGIN PRIVATE KEY-----", _MAKE_ONE)
    try:
        key = load_pem_private_key(text, None)
    except TypeError:
        raise KeyRefused("the key is encrypted", _MAKE_ONE) from None
    except Exception:  # of several kinds; without its words, which may hold parts of the file
        raise KeyRefused("this holds no private key that can be read: it is damaged, or cut off", _MAKE_ONE) from None
    _require_signs(key)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _is_certificate(data: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(data)
    except ValueError:
        return False
    return True


def _require_p256(key: object) -> ec.EllipticCurvePrivateKey:
    if isinstance(key, rsa.RSAPrivateKey):
        raise KeyRefused(
            "this is an RSA key, as certificates have them", "an APNs key is an elliptic one: " + _MAKE_ONE
        )
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyRefused(f"this is a key of another kind ({type(key).__name__})", _MAKE_ONE)
    if not isinstance(key.curve, ec.SECP256R1):
        raise KeyRefused(f"the key is on curve {key.curve.name}, and APNs takes P-256 only", _MAKE_ONE)
    return key


def _require_signs(key: object) -> None:
    """Raise unless it signs as we need it; before it is stored, and not when the first push is due."""
    _sign(_require_p256(key), b"")


def _sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    try:
        # RFC 6979: every process that signs the same token sends the same bytes.
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    except UnsupportedAlgorithm as error:
        hint = "use a cryptography package that is built with OpenSSL 3.2 or newer: its wheels are"
        raise KeyRefused("the OpenSSL here cannot sign deterministically (RFC 6979)", hint) from error
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def check_ids(key_id: str, team: str) -> None:
    """Raise ``KeyRefused`` unless both look like Apple's."""
    for what, text, where in (
        ("key id", key_id, "the name of Apple's file has it: AuthKey_ABC123DEFG.p8"),
        ("team id", team, "it stands under Membership at developer.apple.com, and in the pass.json of your passes"),
    ):
        if len(text) != KEY_ID_LENGTH or not (text.isascii() and text.isalnum() and text == text.upper()):
            raise KeyRefused(
                f"{text[:40]!r} is no {what}: those have {KEY_ID_LENGTH} capital letters and digits", where
            )


def opened(key_der: bytes, key_id: str, team: str) -> PushKey:
    """A key that signs. Raises ``KeyRefused`` for bytes that ``read_p8`` did not make."""
    key = _require_p256(load_der_private_key(key_der, None))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = f"{key_id}-{team}-{hashlib.sha256(public).hexdigest()[:8]}"
    return PushKey(name, key_id, team, lambda message: _sign(key, message))
