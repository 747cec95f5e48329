"""Files as people have them: old and new .p12, keys with passwords, DER and PEM, in any order."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from emulators.authority.exported import p12_of_old_keychain
from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import CertificateRefused, Signer
from livepass.pkpass.material import from_p12, from_pem
from livepass.pkpass.old_encryption import CONVERT, refused_here

OPEN = """
import sys
from livepass.pkpass import CertificateRefused, Signer
try:
    print(Signer.from_p12(open(sys.argv[1], "rb").read(), sys.argv[2]).facts.pass_type)
except CertificateRefused as error:
    print(error.reason, error.hint, sep="\\n")
"""


@pytest.fixture
def old(pass_certificate: Issued, tmp_path: Path) -> bytes:
    """What Keychain Access wrote for years: RC2-40 around the certificates."""
    return p12_of_old_keychain(pass_certificate, "geheim", tmp_path)


def elsewhere(p12: Path, password: str, **environment: str) -> list[str]:
    """What another process says of it, whose OpenSSL may be without its legacy provider."""
    command = [sys.executable, "-c", OPEN, str(p12), password]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.splitlines()


def test_an_old_p12_is_opened_where_openssl_still_does(old: bytes, pass_certificate: Issued) -> None:
    assert Signer.from_p12(old, "geheim").facts.pass_type == "pass.test.livepass"
    assert Signer.from_p12(pass_certificate.p12("geheim", legacy=True), "geheim").facts.pass_type
    with pytest.raises(CertificateRefused, match="wrong password"):
        from_p12(old, "falsch")


def test_where_openssl_refuses_an_old_p12_it_says_exactly_that(
    old: bytes, pass_certificate: Issued, tmp_path: Path
) -> None:
    (tmp_path / "old.p12").write_bytes(old)
    (tmp_path / "3des.p12").write_bytes(pass_certificate.p12("geheim", legacy=True))
    (tmp_path / "new.p12").write_bytes(pass_certificate.p12("geheim"))
    without = {"CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1"}
    for password in ("geheim", "falsch"):
        reason, hint = elsewhere(tmp_path / "old.p12", password, **without)
        assert reason == "the .p12 is encrypted with RC2-40, which the OpenSSL of this installation refuses"
        assert hint == CONVERT
    for name in ("3des.p12", "new.p12"):
        assert elsewhere(tmp_path / name, "geheim", **without) == ["pass.test.livepass"], "RC2 is what is refused"
        assert "wrong password" in elsewhere(tmp_path / name, "falsch", **without)[0]
    assert elsewhere(tmp_path / "old.p12", "geheim") == ["pass.test.livepass"]
    assert refused_here(old) == []


def test_the_command_that_converts_an_old_p12_does(old: bytes, tmp_path: Path) -> None:
    """The command is taken from the hint, with the passwords that openssl would ask for."""
    (tmp_path / "OLD.p12").write_bytes(old)
    command = CONVERT.partition(": ")[2].partition(";")[0].split()
    assert command[:3] == ["openssl", "pkcs12", "-legacy"]
    passwords = ["-passin", "pass:geheim", "-passout", "pass:another"]
    subprocess.run([*command, *passwords], cwd=tmp_path, check=True, capture_output=True, timeout=20)
    pem = (tmp_path / "NEW.pem").read_bytes()
    read = from_pem(pem, pem, "another")
    assert (len(read.certificates), read.key is not None) == (2, True)
    assert Signer.from_pem(pem, pem, None, "another").facts.pass_type == "pass.test.livepass"


def test_the_leaf_is_found_by_its_key_or_as_no_authority(authority: Authority, pass_certificate: Issued) -> None:
    issued = pass_certificate
    everything = authority.root_pem + issued.intermediate_pem + issued.certificate_pem
    for read in (from_pem(everything), from_pem(everything, issued.key_pem)):
        assert read.leaf == issued.certificate
        assert read.others == (authority.root, authority.intermediate)
    assert from_pem(issued.cer).leaf == issued.certificate
    assert from_pem(issued.intermediate_pem).leaf == authority.intermediate, "there is nothing else"
    two = from_pem(issued.certificate_pem + authority.pass_certificate("pass.b").certificate_pem, issued.key_pem)
    assert two.leaf == issued.certificate
    assert "key" not in repr(two)


def test_a_p12_whose_parts_are_not_joined(authority: Authority, pass_certificate: Issued) -> None:
    """Some tools leave the mark out that joins key and certificate; the key itself says which one is its own."""
    issued, other = pass_certificate, authority.pass_certificate("pass.test.livepass")
    unjoined = pkcs12.serialize_key_and_certificates(
        b"x", issued.key, None, [authority.intermediate, issued.certificate], NoEncryption()
    )
    assert from_p12(unjoined, None).leaf == issued.certificate
    assert Signer.from_p12(unjoined).facts.pass_type
    with pytest.raises(CertificateRefused, match="does not belong to the certificate"):
        Signer.from_p12(replace(issued, key=other.key).p12("geheim"), "geheim")
    for key, certificate in ((issued.key, None), (None, issued.certificate)):
        data = pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, NoEncryption())
        with pytest.raises(CertificateRefused, match="holds no certificate with its private key"):
            from_p12(data, None)


def test_a_key_with_a_password(pass_certificate: Issued) -> None:
    for traditional in (True, False):
        pem, key = pass_certificate.pem_pair("geheim", traditional=traditional)
        assert isinstance(from_pem(pem, key, "geheim").key, rsa.RSAPrivateKey)
        for password, said in (("falsch", "could not be read"), ("", "it is encrypted"), (None, "it is encrypted")):
            with pytest.raises(CertificateRefused, match=said) as refused:
                from_pem(pem, key, password)
            assert refused.value.hint
    with pytest.raises(CertificateRefused, match="has no password"):
        from_pem(pass_certificate.certificate_pem, pass_certificate.key_pem, "geheim")
