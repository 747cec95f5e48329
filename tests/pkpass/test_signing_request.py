"""A request that Apple's portal takes: openssl and the emulated portal are the judges."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from livepass.emulators.authority import Authority
from livepass.pkpass import CertificateRefused
from livepass.pkpass.signing_request import public_sha256, request_pem


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_openssl_and_the_portal_take_it(key: rsa.RSAPrivateKey, authority: Authority, tmp_path: Path) -> None:
    pem = request_pem(key, "pass.com.example.gym", "Gym & Söhne", "ada@example.com")
    (tmp_path / "a.csr").write_bytes(pem)
    command = "openssl req -in a.csr -verify -noout -subject -nameopt utf8,sep_comma_plus"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True)
    assert "self-signature verify OK" in done.stderr
    for said in ("CN=pass.com.example.gym", "O=Gym & Söhne", "emailAddress=ada@example.com"):
        assert said in done.stdout
    leaf = x509.load_der_x509_certificate(authority.from_csr(pem, "pass.com.example.gym"))
    assert public_sha256(leaf.public_key()) == public_sha256(key.public_key())
    assert len(public_sha256(key.public_key())) == 64


def test_nothing_needs_to_be_said_and_a_long_pass_type_is_cut(key: rsa.RSAPrivateKey) -> None:
    for pass_type, shown in (("", "livepass"), ("pass." + "x" * 100, "pass." + "x" * 59)):
        found = x509.load_pem_x509_csr(request_pem(key, pass_type))
        assert [each.value for each in found.subject] == [shown]


@pytest.mark.parametrize("wrong", [{"team": "x" * 65}, {"email": "ü@example.com"}])
def test_what_no_request_can_hold_is_refused(key: rsa.RSAPrivateKey, wrong: dict[str, str]) -> None:
    with pytest.raises(CertificateRefused) as refused:
        request_pem(key, **wrong)
    assert "at most" in refused.value.hint
