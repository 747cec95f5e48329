from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import (
    InvalidPackage,
    InvalidSignature,
    Package,
    PkpassError,
    Signer,
    StaticFiles,
    build,
    canonical,
    read,
    verify,
)


@pytest.fixture
def package(static: StaticFiles, document: dict[str, object], signer: Signer, now: datetime) -> Package:
    return read(build(static, canonical(document), signer, now))


def test_facts(package: Package, authority: Authority, now: datetime) -> None:
    verified = verify(package, roots=[authority.root])
    assert (verified.pass_type, verified.team, verified.serial) == (
        "pass.test.livepass",
        "TEAM123456",
        "membership.42",
    )
    assert verified.signature.signed_at == now
    assert verified.certificate.pass_type == verified.pass_type
    assert verified.root_checked
    assert not verify(package).root_checked


def with_files(package: Package, **changes: bytes | None) -> Package:
    files = {name: data for name, data in {**package.files, **changes}.items() if data is not None}
    return dataclasses.replace(package, files=files)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: with_files(p, **{"icon.png": b"another"}), "is not the file"),
        (lambda p: with_files(p, **{"icon.png": None}), "'icon.png', which"),
        (lambda p: with_files(p, **{"extra.png": b"x"}), "'extra.png' is not listed"),
        (lambda p: with_files(p, **{"pass.json": b"{}"}), "'pass.json' is not the file"),
        (lambda p: dataclasses.replace(p, manifest={**p.manifest, "signature": "0" * 40}), "should not"),
    ],
)
def test_files_and_manifest_must_agree(package: Package, change: Callable[[Package], Package], reason: str) -> None:
    with pytest.raises(InvalidPackage, match=reason):
        verify(change(package))


def test_the_signature_covers_the_manifest_as_it_is(package: Package) -> None:
    with pytest.raises(InvalidSignature, match="another manifest"):
        verify(dataclasses.replace(package, manifest_bytes=json.dumps(dict(package.manifest)).encode()))


@pytest.mark.parametrize("key", ["passTypeIdentifier", "teamIdentifier"])
@pytest.mark.parametrize("value", ["other", None, 7])
def test_pass_and_certificate_must_agree(
    static: StaticFiles, document: dict[str, object], signer: Signer, now: datetime, key: str, value: object
) -> None:
    package = read(build(static, canonical({**document, key: value}), signer, now))
    with pytest.raises(InvalidPackage, match=key):
        verify(package)


def test_the_chain_must_reach_a_given_root(package: Package, other_authority: Authority, authority: Authority) -> None:
    with pytest.raises(InvalidSignature, match="none of the given roots"):
        verify(package, roots=[other_authority.root])
    assert verify(package, roots=[other_authority.root, authority.root]).root_checked


def test_certificates_are_judged_at_the_signing_time(
    static: StaticFiles, document: dict[str, object], authority: Authority, now: datetime
) -> None:
    lapsed = authority.pass_certificate("pass.test.livepass", "TEAM123456", starts=timedelta(days=-400), days=395)
    signer = Signer.from_pem(lapsed.certificate_pem, lapsed.key_pem, lapsed.intermediate_pem)
    package = read(build(static, canonical(document), signer, now - timedelta(days=100)))
    verify(package, roots=[authority.root])
    verify(package, at_signing_time=False, at=now - timedelta(days=50))
    with pytest.raises(InvalidSignature, match="expired"):
        verify(package, at_signing_time=False, at=now)
    with pytest.raises(ValueError, match="instant"):
        verify(package, at_signing_time=False)


def test_the_root_is_judged_too(package: Package, authority: Authority, now: datetime) -> None:
    lapsed = (
        x509.CertificateBuilder()
        .subject_name(authority.root.subject)
        .issuer_name(authority.root.subject)
        .public_key(authority.root.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
        .sign(authority._root_key, hashes.SHA256())
    )
    with pytest.raises(InvalidSignature, match="root does not cover"):
        verify(package, roots=[lapsed])


def resigned(package: Package, issued: Issued, *certificates: x509.Certificate) -> Package:
    """The same package, signed by a careless tool."""
    made = pkcs7.PKCS7SignatureBuilder().set_data(package.manifest_bytes)
    made = made.add_signer(issued.certificate, issued.key, hashes.SHA256())
    for each in certificates:
        made = made.add_certificate(each)
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.DetachedSignature]
    return dataclasses.replace(package, signature=made.sign(Encoding.DER, options))


def test_the_intermediate_must_be_inside_and_right(
    package: Package, pass_certificate: Issued, authority: Authority
) -> None:
    for certificates in ([], [authority.other_intermediate("G4")], [authority.root]):
        with pytest.raises(InvalidSignature, match="lacks the intermediate"):
            verify(resigned(package, pass_certificate, *certificates))
    verify(resigned(package, pass_certificate, authority.root, authority.intermediate))


def test_certificates_that_phones_refuse(package: Package, authority: Authority) -> None:
    pass_type = "pass.test.livepass"
    cases = {
        "marked": authority.pass_certificate(pass_type, "TEAM123456", marker="Le Rendez Vous"),
        "100.4.14": authority.pass_certificate(pass_type, "TEAM123456", passbook_eku=False),
        "2048": authority.pass_certificate(pass_type, "TEAM123456", key=rsa.generate_private_key(65537, 1024)),
        "valid from": authority.pass_certificate(pass_type, "TEAM123456", starts=timedelta(days=1)),
    }
    for reason, issued in cases.items():
        with pytest.raises(InvalidSignature, match=reason) as error:
            verify(resigned(package, issued, authority.intermediate))
        assert error.value.hint


def test_hashes_are_sha1_of_the_bytes(package: Package) -> None:
    for name, digest in package.manifest.items():
        assert hashlib.sha1(package.files[name]).hexdigest() == digest


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damaged_certificate_ends_in_a_verdict(package: Package, data: st.DataObject) -> None:
    spoiled = bytearray(package.signature)
    for _ in range(data.draw(st.integers(1, 3))):
        spoiled[data.draw(st.integers(60, 2200))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PkpassError):
        verify(dataclasses.replace(package, signature=bytes(spoiled)))
