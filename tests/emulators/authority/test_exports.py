"""The files that people bring: openssl opens each, and says how it is locked."""

from __future__ import annotations

import dataclasses

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emulators.authority.exported import p12_of_old_keychain
from emulators.authority.openssl import OpenSSL
from livepass.emulators.authority import Issued
from livepass.emulators.authority.shapes import PrivateKey, new_key

OLD_LOCK, NEW_LOCK = "pbeWithSHA1And3-KeyTripleDES-CBC", "AES-256-CBC"


def opened(openssl: OpenSSL, p12: bytes, password: str = "secret") -> str:
    (openssl.folder / "some.p12").write_bytes(p12)
    said = openssl("pkcs12", "-in", "some.p12", "-passin", f"pass:{password}", "-nodes", "-info", "-legacy")
    assert said.ok, said.text
    return said.text


def key_in(openssl: OpenSSL, text: str) -> str:
    start = text.index("-----BEGIN PRIVATE KEY-----")
    (openssl.folder / "found.key").write_text(text[start : text.index("-----END PRIVATE KEY-----") + 25])
    return openssl("pkey", "-in", "found.key", "-pubout").text


def public(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_modern_p12(pass_certificate: Issued, openssl: OpenSSL) -> None:
    text = opened(openssl, pass_certificate.p12("secret"))
    assert NEW_LOCK in text and OLD_LOCK not in text
    assert text.count("BEGIN CERTIFICATE") == 2 and "OU = G4" in text
    assert key_in(openssl, text) == public(pass_certificate.key)
    (openssl.folder / "some.p12").write_bytes(pass_certificate.p12("secret"))
    assert not openssl("pkcs12", "-in", "some.p12", "-passin", "pass:wrong", "-nodes").ok


def test_a_legacy_p12(pass_certificate: Issued, openssl: OpenSSL) -> None:
    text = opened(openssl, pass_certificate.p12("secret", legacy=True))
    assert text.count(OLD_LOCK) == 2 and "MAC: sha1" in text and NEW_LOCK not in text
    assert key_in(openssl, text) == public(pass_certificate.key)
    with pytest.raises(ValueError, match="password"):
        pass_certificate.p12(legacy=True)


def test_a_p12_of_an_old_keychain(pass_certificate: Issued, openssl: OpenSSL) -> None:
    text = opened(openssl, p12_of_old_keychain(pass_certificate, "secret", openssl.folder))
    assert "pbeWithSHA1And40BitRC2-CBC" in text and OLD_LOCK in text and "MAC: sha1" in text
    assert text.count("BEGIN CERTIFICATE") == 2


def test_a_p12_without_lock_and_without_intermediate(pass_certificate: Issued, openssl: OpenSSL) -> None:
    text = opened(openssl, pass_certificate.p12(intermediate=False), "")
    assert text.count("BEGIN CERTIFICATE") == 1 and OLD_LOCK not in text and NEW_LOCK not in text


def test_a_p12_with_the_wrong_key(pass_certificate: Issued, openssl: OpenSSL) -> None:
    other = new_key()
    text = opened(openssl, dataclasses.replace(pass_certificate, key=other).p12("secret"))
    assert key_in(openssl, text) == public(other) != public(pass_certificate.key)
    assert text.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("password", "traditional", "begins"),
    [
        ("", False, "-----BEGIN PRIVATE KEY-----"),
        ("", True, "-----BEGIN RSA PRIVATE KEY-----"),
        ("secret", False, "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        ("secret", True, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED"),
    ],
)
def test_pairs_of_pem(
    pass_certificate: Issued, openssl: OpenSSL, password: str, traditional: bool, begins: str
) -> None:
    certificate, key = pass_certificate.pem_pair(password, traditional=traditional)
    assert certificate == pass_certificate.certificate_pem and key.decode().startswith(begins)
    (openssl.folder / "some.key").write_bytes(key)
    said = openssl("pkey", "-in", "some.key", "-passin", f"pass:{password}", "-pubout")
    assert said.text == public(pass_certificate.key)


def test_the_file_of_the_portal(pass_certificate: Issued, openssl: OpenSSL) -> None:
    (openssl.folder / "pass.cer").write_bytes(pass_certificate.cer)
    assert "UID" in openssl("x509", "-inform", "DER", "-in", "pass.cer", "-noout", "-subject").text
    assert x509.load_der_x509_certificate(pass_certificate.cer) == pass_certificate.certificate
