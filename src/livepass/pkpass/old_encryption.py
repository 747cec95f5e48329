"""How old .p12 files are encrypted, and whether this installation's OpenSSL still opens that.

OpenSSL keeps RC2 and RC4 in its legacy provider, which a system may leave out; a .p12 that needs it fails there as one
does whose password is wrong. So this asks for the ciphers by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, RC2, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from livepass.pkpass.der import oid

CONVERT = (
    "convert it where OpenSSL has its legacy provider: openssl pkcs12 -legacy -in OLD.p12 -out NEW.pem; then "
    "livepass cert import --pem NEW.pem --key NEW.pem --key-password-file FILE"
)


def _rc2() -> None:
    Cipher(RC2(bytes(16)), modes.CBC(bytes(8))).encryptor()


def _rc4() -> None:
    Cipher(ARC4(bytes(16)), None).encryptor()


def _des() -> None:
    Cipher(TripleDES(bytes(range(24))), modes.CBC(bytes(8))).encryptor()


# RFC 7292 appendix C: what Keychain Access and OpenSSL before 3.0 encrypt with (RC2-40 around certificates, 3DES around
# the key).
OLD: Mapping[str, tuple[str, Callable[[], None]]] = {
    "1.2.840.113549.1.12.1.1": ("RC4-128", _rc4),
    "1.2.840.113549.1.12.1.2": ("RC4-40", _rc4),
    "1.2.840.113549.1.12.1.3": ("3DES", _des),
    "1.2.840.113549.1.12.1.4": ("2-key 3DES", _des),
    "1.2.840.113549.1.12.1.5": ("RC2-128", _rc2),
    "1.2.840.113549.1.12.1.6": ("RC2-40", _rc2),
}


def refused_here(data: bytes) -> list[str]:
    """The ciphers of a .p12 that this OpenSSL refuses, by name."""
    return [name for dotted, (name, ask) in OLD.items() if oid(dotted) in data and _refused(ask)]


def _refused(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except UnsupportedAlgorithm:
        return True
    return False
