from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import CertificateNotValid, CertificateRefused, InvalidSignature, Signer, verify_signature
from livepass.pkpass.cms_read import _time, issuer_and_serial
from livepass.pkpass.der import DerError, oid, parse, set_of, tlv
from livepass.pkpass.rounds import rounds

MANIFEST = b'{"icon.png":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}'
APPLES_THREE = ("contentType", "messageDigest", "signingTime")
OPTION = pkcs7.PKCS7Options


def builder_output(issued: Issued, *options: pkcs7.PKCS7Options, digest: hashes.HashAlgorithm | None = None) -> bytes:
    assert issued.intermediate is not None
    return (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(MANIFEST)
        .add_signer(issued.certificate, issued.key, digest or hashes.SHA256())  # type: ignore[arg-type]
        .add_certificate(issued.intermediate)
        .sign(Encoding.DER, [OPTION.Binary, *options])
    )


def test_the_template_writes_byte_for_byte_what_the_pkcs7_builder_writes(
    pass_certificate: Issued, signer: Signer
) -> None:
    reference = builder_output(pass_certificate, OPTION.DetachedSignature, OPTION.NoCapabilities)
    assert signer.sign(MANIFEST, verify_signature(MANIFEST, reference).signed_at) == reference


def test_openssl_verifies_the_exact_bytes(authority: Authority, signer: Signer, now: datetime, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    (tmp_path / "signature").write_bytes(signer.sign(MANIFEST, now))
    (tmp_path / "root.pem").write_bytes(authority.root_pem)
    command = (
        "openssl cms -verify -binary -content manifest.json -inform DER -in signature -CAfile root.pem -purpose any"
    )
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == MANIFEST
    (tmp_path / "manifest.json").write_bytes(MANIFEST + b" ")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_signing_facts(signer: Signer, pass_certificate: Issued, now: datetime) -> None:
    facts = verify_signature(MANIFEST, signer.sign(MANIFEST, now))
    assert facts.signed_at == now
    assert facts.digest == "sha256"
    assert facts.attributes == APPLES_THREE
    assert facts.certificate == pass_certificate.certificate
    assert facts.others == (pass_certificate.intermediate,)


def test_the_time_is_whole_utc_seconds_whatever_the_zone(signer: Signer, now: datetime) -> None:
    elsewhere = now.astimezone(timezone(timedelta(hours=5, minutes=30))) + timedelta(microseconds=999_999)
    assert signer.sign(MANIFEST, elsewhere) == signer.sign(MANIFEST, now)
    with pytest.raises(ValueError, match="zone"):
        signer.sign(MANIFEST, now.replace(tzinfo=None))


def test_from_2050_on_times_are_generalized() -> None:
    moment = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    issued = Authority(moment).pass_certificate("pass.future", "TEAM123456")
    assert issued.intermediate is not None
    signer = Signer(issued.certificate, issued.key, issued.intermediate)
    for at, tag in ((moment, b"\x17\x0d491231235959Z"), (moment + timedelta(seconds=1), b"\x18\x0f20500101000000Z")):
        data = signer.sign(MANIFEST, at)
        assert tag in data
        assert verify_signature(MANIFEST, data).signed_at == at


def test_an_old_two_digit_year_is_of_the_last_century(signer: Signer, now: datetime) -> None:
    data = signer.sign(MANIFEST, now)
    stamp = now.strftime("%y%m%d%H%M%SZ").encode()
    # The signature breaks with it, so look at the time alone.
    assert _time(parse(b"\x17\x0d" + stamp)) == now
    assert _time(parse(b"\x17\x0d550101000000Z")).year == 1955
    assert stamp in data


def test_it_signs_only_while_everything_is_valid(signer: Signer) -> None:
    facts = signer.facts
    signer.sign(MANIFEST, facts.not_before)
    signer.sign(MANIFEST, facts.not_after)
    for at, reason in (
        (facts.not_before - timedelta(seconds=1), "certificate is valid from"),
        (facts.not_after + timedelta(seconds=1), "certificate expired"),
    ):
        with pytest.raises(CertificateNotValid, match=reason) as error:
            signer.sign(MANIFEST, at)
        assert error.value.hint


def test_an_expired_intermediate_stops_signing(authority: Authority) -> None:
    issued = authority.pass_certificate("pass.long", "TEAM123456", days=3000)
    assert issued.intermediate is not None
    signer = Signer(issued.certificate, issued.key, issued.intermediate)
    with pytest.raises(CertificateNotValid, match="intermediate expired"):
        signer.sign(MANIFEST, issued.intermediate.not_valid_after_utc + timedelta(seconds=1))


def test_facts(signer: Signer, pass_certificate: Issued) -> None:
    facts = signer.facts
    assert (facts.pass_type, facts.team, facts.nfc) == ("pass.test.livepass", "TEAM123456", False)
    assert facts.common_name == "Pass Type ID: pass.test.livepass"
    assert "OU=G4" in facts.issuer
    assert int(facts.serial, 16) == pass_certificate.certificate.serial_number
    assert facts.sha256 == pass_certificate.certificate.fingerprint(hashes.SHA256()).hex()
    assert facts.root == "foreign"
    assert not facts.root_is_apple
    assert "no phone" in facts.root_statement
    assert "pass.test.livepass" in repr(signer)


def test_nfc_certificates_are_told_apart(authority: Authority) -> None:
    issued = authority.pass_certificate("pass.nfc", "TEAM123456", nfc=True)
    assert Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem).facts.nfc


# ── where a signer comes from ──────────────────────────────────────────────────────────────────────────────────────


def test_from_pem_and_der_and_one_file(pass_certificate: Issued, signer: Signer) -> None:
    issued = pass_certificate
    key_der = issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    secret = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim"))
    for made in (
        Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem),
        Signer.from_pem(issued.certificate_pem + issued.intermediate_pem, issued.key_pem),
        Signer.from_pem(issued.intermediate_pem + issued.certificate_pem, issued.key_pem),
        Signer.from_pem(issued.certificate.public_bytes(Encoding.DER), key_der, issued.intermediate_pem),
        Signer.from_pem(issued.certificate_pem, secret, issued.intermediate_pem, "geheim"),
    ):
        assert made.facts == signer.facts


def test_the_chain_can_be_kept_and_read_back(
    authority: Authority, pass_certificate: Issued, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Signer.from_pem(signer.chain_pem, pass_certificate.key_pem).facts == signer.facts
    monkeypatch.setattr("livepass.pkpass.certificate.APPLE_ROOT", authority.root.fingerprint(hashes.SHA256()).hex())
    rooted = Signer.from_pem(signer.chain_pem + authority.root_pem, pass_certificate.key_pem)
    assert Signer.from_pem(rooted.chain_pem, pass_certificate.key_pem).facts.root_is_apple
    assert b"PRIVATE" not in rooted.chain_pem


@pytest.mark.parametrize("password", ["", "geheim"])
def test_from_p12(pass_certificate: Issued, signer: Signer, password: str) -> None:
    assert Signer.from_p12(pass_certificate.p12(password), password).facts == signer.facts


def test_from_a_p12_without_intermediate(pass_certificate: Issued, signer: Signer) -> None:
    bare = pkcs12.serialize_key_and_certificates(
        b"x", pass_certificate.key, pass_certificate.certificate, None, NoEncryption()
    )
    with pytest.raises(CertificateRefused, match="intermediate is missing") as error:
        Signer.from_p12(bare, None)
    assert "OU=G4" in error.value.hint
    assert Signer.from_p12(bare, None, pass_certificate.intermediate_pem).facts == signer.facts


@pytest.mark.parametrize("algorithm", [pkcs12.PBES.PBESv2SHA256AndAES256CBC, pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC])
def test_a_p12_that_asks_for_too_much_work_is_not_opened(pass_certificate: Issued, algorithm: pkcs12.PBES) -> None:
    issued = pass_certificate
    encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(0x5678).key_cert_algorithm(algorithm)
    data = pkcs12.serialize_key_and_certificates(
        b"x", issued.key, issued.certificate, [issued.intermediate], encryption.build(b"geheim")
    )
    assert rounds(data) == 0x5678
    assert Signer.from_p12(data, "geheim").facts.pass_type
    version, content, mac = (node.encoded for node in parse(data).children())
    digest, salt, _ = (node.encoded for node in parse(mac).children())
    endless = tlv(0x30, version, content, tlv(0x30, digest, salt, tlv(0x02, b"\x01\xff\xff\xff")))
    with pytest.raises(CertificateRefused, match="take minutes"):
        Signer.from_p12(endless, "geheim")


def test_unreadable_sources(pass_certificate: Issued, authority: Authority) -> None:
    issued = pass_certificate
    only_certificate = pkcs12.serialize_key_and_certificates(b"x", None, issued.certificate, None, NoEncryption())
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The key usage, renamed: an extended key usage that is none.
    damaged = issued.certificate.public_bytes(Encoding.DER).replace(b"\x55\x1d\x0f", b"\x55\x1d\x25")
    attempts = {
        "certificate is damaged": lambda: Signer.from_pem(damaged, issued.key_pem, issued.intermediate_pem),
        "could not be opened": lambda: Signer.from_p12(issued.p12("geheim"), "falsch"),
        "not a .p12": lambda: Signer.from_p12(b"rubbish", ""),
        "no certificate with its private key": lambda: Signer.from_p12(only_certificate, None),
        "private key could not be read": lambda: Signer.from_pem(issued.certificate_pem, b"rubbish", None),
        "certificate could not be read": lambda: Signer.from_pem(b"rubbish", issued.key_pem, None),
        "intermediate could not be read": lambda: Signer.from_pem(issued.certificate_pem, issued.key_pem, b"rubbish"),
        "key is not RSA": lambda: Signer.from_pem(issued.certificate_pem, curve, issued.intermediate_pem),
        "key does not belong": lambda: Signer.from_pem(
            issued.certificate_pem, authority.server_certificate().key_pem, issued.intermediate_pem
        ),
    }
    for reason, attempt in attempts.items():
        with pytest.raises(CertificateRefused, match=reason) as error:
            attempt()
        assert error.value.hint
        assert b"PRIVATE" not in str(error.value).encode()


# ── what a signer refuses ──────────────────────────────────────────────────────────────────────────────────────────


def refused(issued: Issued, intermediate: x509.Certificate | None = None) -> str:
    chosen = intermediate or issued.intermediate
    assert chosen is not None
    with pytest.raises(CertificateRefused) as error:
        Signer(issued.certificate, issued.key, chosen)
    assert error.value.hint
    return error.value.reason


def test_refuses_a_marker_that_is_not_the_pass_type(authority: Authority) -> None:
    assert "marked 'My Card'" in refused(authority.pass_certificate("pass.a", marker="My Card"))


def test_refuses_a_certificate_without_the_passbook_usage(authority: Authority) -> None:
    assert "100.4.14" in refused(authority.pass_certificate("pass.a", passbook_eku=False))


def test_refuses_an_intermediate_of_another_name(authority: Authority, pass_certificate: Issued) -> None:
    assert "OU=G1" in refused(pass_certificate, authority.other_intermediate("G1"))


def test_refuses_an_intermediate_of_the_right_name_and_another_key(
    authority: Authority, pass_certificate: Issued
) -> None:
    assert "did not sign" in refused(pass_certificate, authority.other_intermediate("G4"))


def test_refuses_small_keys(authority: Authority) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    assert "2048" in refused(authority.pass_certificate("pass.a", key=weak))


def test_refuses_certificates_that_are_for_something_else(authority: Authority) -> None:
    issued = authority.server_certificate()
    assert "UID" in refused(issued, authority.root)


class Forge:
    """Leaves and intermediates with one thing different, which the authority has no switch for."""

    def __init__(self, source: Issued) -> None:
        self.source = source

    def intermediate(
        self, *, issuer: x509.Name | None = None, drop: str = ""
    ) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
        assert self.source.intermediate is not None
        key = rsa.generate_private_key(65537, 2048)
        return self.copy(self.source.intermediate, key, key, issuer=issuer, drop=drop), key

    def copy(
        self,
        old: x509.Certificate,
        key: rsa.RSAPrivateKey,
        signing: rsa.RSAPrivateKey,
        *,
        issuer: x509.Name | None = None,
        drop: str = "",
        replace: bytes | None = None,
    ) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(old.subject)
            .issuer_name(issuer or old.issuer)
            .public_key(key.public_key())
            .serial_number(old.serial_number)
            .not_valid_before(old.not_valid_before_utc)
            .not_valid_after(old.not_valid_after_utc)
        )
        for extension in old.extensions:
            dotted = extension.oid.dotted_string
            if dotted == drop and replace is None:
                continue
            value = (
                x509.UnrecognizedExtension(extension.oid, replace) if dotted == drop and replace else extension.value
            )
            made = made.add_extension(value, extension.critical)
        return made.sign(signing, hashes.SHA256())


@pytest.fixture(scope="module")
def forge(pass_certificate: Issued) -> Forge:
    return Forge(pass_certificate)


def test_refuses_an_intermediate_that_is_not_wwdr(forge: Forge, pass_certificate: Issued) -> None:
    above, above_key = forge.intermediate(drop="1.2.840.113635.100.6.2.1")
    leaf = forge.copy(pass_certificate.certificate, pass_certificate.key, above_key)
    assert "WWDR marker" in refused(Issued(leaf, pass_certificate.key, above))


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "lacks"), (b"\x0c\x05abc", "damaged"), (b"\x0c\x01\xff", "damaged")]
)
def test_refuses_a_missing_or_damaged_marker(
    forge: Forge, pass_certificate: Issued, value: bytes | None, reason: str
) -> None:
    above, above_key = forge.intermediate()
    old = pass_certificate.certificate
    marker = "1.2.840.113635.100.6.1.16"
    leaf = forge.copy(old, pass_certificate.key, above_key, drop=marker, replace=value)
    assert reason in refused(Issued(leaf, pass_certificate.key, above))


def test_refuses_a_certificate_without_any_extended_usage(forge: Forge, pass_certificate: Issued) -> None:
    above, above_key = forge.intermediate()
    leaf = forge.copy(pass_certificate.certificate, pass_certificate.key, above_key, drop="2.5.29.37")
    assert "100.4.14" in refused(Issued(leaf, pass_certificate.key, above))


def test_a_claim_to_apples_root_is_called_a_claim(
    forge: Forge, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = x509.Name.from_rfc4514_string("CN=Apple Root CA,OU=Apple Certification Authority,O=Apple Inc.,C=US")
    above, above_key = forge.intermediate(issuer=name)
    leaf = forge.copy(pass_certificate.certificate, pass_certificate.key, above_key)
    facts = Signer(leaf, pass_certificate.key, above).facts
    assert facts.root == "claims-apple"
    assert not facts.root_is_apple
    pinned = frozenset({above.fingerprint(hashes.SHA256()).hex()})
    monkeypatch.setattr("livepass.pkpass.certificate.APPLE_INTERMEDIATES", pinned)
    assert Signer(leaf, pass_certificate.key, above).facts.root_is_apple


def test_a_root_is_apples_only_by_fingerprint(
    authority: Authority, other_authority: Authority, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (pass_certificate.certificate, pass_certificate.key, authority.intermediate)
    assert not Signer(*parts, authority.root).facts.root_is_apple
    for root, expected in ((authority.root, True), (other_authority.root, False)):
        monkeypatch.setattr("livepass.pkpass.certificate.APPLE_ROOT", root.fingerprint(hashes.SHA256()).hex())
        assert Signer(*parts, root).facts.root_is_apple is expected


# ── foreign and broken signatures ──────────────────────────────────────────────────────────────────────────────────


def test_other_makers_signatures_are_understood(pass_certificate: Issued, tmp_path: Path) -> None:
    with_capabilities = builder_output(pass_certificate, OPTION.DetachedSignature)
    assert len(verify_signature(MANIFEST, with_capabilities).attributes) == 4
    sha384 = builder_output(pass_certificate, OPTION.DetachedSignature, digest=hashes.SHA384())
    assert verify_signature(MANIFEST, sha384).digest == "sha384"


def openssl_signature(issued: Issued, folder: Path, *extra: str) -> bytes:
    (folder / "manifest.json").write_bytes(MANIFEST)
    (folder / "leaf.pem").write_bytes(issued.certificate_pem)
    (folder / "key.pem").write_bytes(issued.key_pem)
    (folder / "wwdr.pem").write_bytes(issued.intermediate_pem)
    command = (
        "openssl cms -sign -binary -in manifest.json -signer leaf.pem -inkey key.pem -certfile wwdr.pem "
        "-outform DER -out signature"
    )
    subprocess.run([*command.split(), *extra], cwd=folder, check=True, capture_output=True)
    return (folder / "signature").read_bytes()


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_openssl_signatures_are_understood(pass_certificate: Issued, tmp_path: Path, digest: str) -> None:
    data = openssl_signature(pass_certificate, tmp_path, "-md", digest)
    assert verify_signature(MANIFEST, data).digest == digest


def test_openssl_streaming_embeds_the_content_and_is_rejected(pass_certificate: Issued, tmp_path: Path) -> None:
    assert "content inside" in rejected(openssl_signature(pass_certificate, tmp_path, "-stream"))


def indefinite(data: bytes, levels: int) -> bytes:
    """The outer layers without lengths, as Apple's early signpass wrote them."""
    node = parse(data)
    body = b"".join(
        indefinite(each.encoded, levels - 1) if levels and each.tag in {0x30, 0x31, 0xA0} else each.encoded
        for each in node.children()
    )
    return bytes((node.tag, 0x80)) + body + b"\0\0"


def test_indefinite_lengths_are_understood(signer: Signer, now: datetime) -> None:
    assert verify_signature(MANIFEST, indefinite(signer.sign(MANIFEST, now), 2)).signed_at == now


def rejected(data: bytes, manifest: bytes = MANIFEST) -> str:
    with pytest.raises(InvalidSignature) as error:
        verify_signature(manifest, data)
    assert error.value.hint
    return error.value.reason


def test_rejects_another_manifest(signer: Signer, now: datetime) -> None:
    assert "another manifest" in rejected(signer.sign(MANIFEST, now), MANIFEST + b" ")


def test_rejects_what_is_missing(pass_certificate: Issued) -> None:
    detached = OPTION.DetachedSignature
    assert "signed attributes" in rejected(builder_output(pass_certificate, detached, OPTION.NoAttributes))
    assert "content inside" in rejected(builder_output(pass_certificate))
    assert "not in the signature" in rejected(builder_output(pass_certificate, detached, OPTION.NoCerts))


def test_rejects_two_signers(pass_certificate: Issued, authority: Authority) -> None:
    other = authority.pass_certificate("pass.b")
    data = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(MANIFEST)
        .add_signer(pass_certificate.certificate, pass_certificate.key, hashes.SHA256())
        .add_signer(other.certificate, other.key, hashes.SHA256())
        .sign(Encoding.DER, [OPTION.Binary, OPTION.DetachedSignature])
    )
    assert "2 signers" in rejected(data)


def test_rejects_a_flipped_bit_in_the_value(signer: Signer, now: datetime) -> None:
    data = bytearray(signer.sign(MANIFEST, now))
    data[-1] ^= 1
    assert "does not fit" in rejected(bytes(data))


def resigned(issued: Issued, now: datetime, attributes: list[bytes], **parts: bytes) -> bytes:
    """A signature assembled by hand, with one part changed."""
    assert issued.intermediate is not None
    leaf = issued.certificate.public_bytes(Encoding.DER)
    sha256 = tlv(0x30, oid("2.16.840.1.101.3.4.2.1"), b"\x05\0")
    value = issued.key.sign(tlv(0x31, *attributes), padding.PKCS1v15(), hashes.SHA256())
    info = tlv(
        0x30,
        b"\x02\x01\x01",
        parts.get("identity", tlv(0x30, issuer_and_serial(leaf))),
        parts.get("digest", sha256),
        tlv(0xA0, *attributes),
        parts.get("algorithm", tlv(0x30, oid("1.2.840.113549.1.1.11"))),
        tlv(0x04, value),
    )
    inner = tlv(0x30, parts.get("content", oid("1.2.840.113549.1.7.1")))
    certificates = set_of(0xA0, [parts.get("leaf", leaf), issued.intermediate.public_bytes(Encoding.DER)])
    signed = tlv(0x30, b"\x02\x01\x01", tlv(0x31, sha256), inner, certificates, tlv(0x31, info))
    return tlv(0x30, oid(parts["kind"].decode() if "kind" in parts else "1.2.840.113549.1.7.2"), tlv(0xA0, signed))


def attribute(kind: str, *values: bytes) -> bytes:
    return tlv(0x30, oid(kind), tlv(0x31, *values))


def three(now: datetime) -> dict[str, bytes]:
    return {
        "kind": attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1")),
        "time": attribute("1.2.840.113549.1.9.5", tlv(0x17, now.strftime("%y%m%d%H%M%SZ").encode())),
        "digest": attribute("1.2.840.113549.1.9.4", tlv(0x04, hashlib.sha256(MANIFEST).digest())),
    }


def test_the_hand_made_signature_is_good_unless_spoiled(pass_certificate: Issued, now: datetime) -> None:
    data = resigned(pass_certificate, now, list(three(now).values()))
    assert verify_signature(MANIFEST, data).signed_at == now


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": None}, "signing date"),
        ({"kind": None}, "content type"),
        ({"digest": None}, "another manifest"),
        ({"kind": attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.2"))}, "content type"),
        ({"time": attribute("1.2.840.113549.1.9.5", tlv(0x17, b"26112321441"))}, "not a time"),
        ({"time": attribute("1.2.840.113549.1.9.5", tlv(0x17, b"261399214418Z"))}, "not a time"),
        ({"time": attribute("1.2.840.113549.1.9.5", tlv(0x04, b"261123214418Z"))}, "not a time"),
        ({"time": attribute("1.2.840.113549.1.9.5")}, "parts were expected"),
        ({"extra": attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1"))}, "twice"),
    ],
)
def test_rejects_wrong_attributes(
    pass_certificate: Issued, now: datetime, change: dict[str, bytes | None], reason: str
) -> None:
    attributes = {**three(now), **change}
    assert reason in rejected(resigned(pass_certificate, now, [each for each in attributes.values() if each]))


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"identity": tlv(0x30, b"\x02\x01\x07")}, "not in the signature"),
        ({"identity": tlv(0x80, b"key id")}, "tag 0x30"),
        ({"digest": tlv(0x30, oid("1.2.840.113549.2.5"))}, "algorithm"),  # MD5
        ({"algorithm": tlv(0x30, oid("1.2.840.113549.1.1.5"))}, "algorithm"),  # implies SHA-1
        ({"algorithm": tlv(0x30, oid("1.2.840.10045.4.3.2"))}, "algorithm"),  # ECDSA
        ({"content": oid("1.2.840.113549.1.7.2")}, "content type"),
        ({"kind": b"1.2.840.113549.1.7.3"}, "not SignedData"),
        ({"leaf": tlv(0x30, b"\x02\x01\x07")}, "certificate in the signature is damaged"),
    ],
)
def test_rejects_wrong_parts(pass_certificate: Issued, now: datetime, part: dict[str, bytes], reason: str) -> None:
    assert reason in rejected(resigned(pass_certificate, now, list(three(now).values()), **part))


def test_rejects_a_leaf_with_another_kind_of_key(pass_certificate: Issued, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    old = pass_certificate.certificate
    leaf = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(key.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .sign(pass_certificate.key, hashes.SHA256())
    )
    data = resigned(pass_certificate, now, list(three(now).values()), leaf=leaf.public_bytes(Encoding.DER))
    assert "not RSA" in rejected(data)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"0", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x85\0\0\0\0\0", b"\x3f\x01\x00"),
        *(b"\x04\x80\0\0", b"\x30\x80" * 40, b"\x30\x00\x00", bytes(70_000), b"\x30\x02\x05\x00", b"\x30\x82\x01"),
        *(b"\x30\x80\x05\x00\0", b"\x30\x80\x05\x00", tlv(0x30, b"\x05\0" * 65), tlv(0x02, b"\x01")),
    ],
)
def test_rejects_garbage(data: bytes) -> None:
    assert rejected(data)


def test_signed_attributes_without_length_are_rejected(signer: Signer, now: datetime) -> None:
    assert "incomplete" in rejected(indefinite(signer.sign(MANIFEST, now), 5))


def test_an_end_mark_outside_its_container_is_none() -> None:
    with pytest.raises(DerError, match="cut short"):
        parse(b"\x30\x06\x30\x02\x30\x80\0\0").children()[0].children()


def test_long_forms_of_der() -> None:
    assert tlv(0x04, bytes(300))[:4] == b"\x04\x82\x01\x2c"
    assert oid("1.2.840.113549.1.7.1") == bytes.fromhex("06092a864886f70d010701")
    assert set_of(0x31, [b"\x02", b"\x01"]) == b"\x31\x02\x01\x02"
    with pytest.raises(DerError):
        parse(b"\x02\x01\x01").children()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_verdict(data: bytes) -> None:
    with pytest.raises(InvalidSignature):
        verify_signature(MANIFEST, data)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_damage_ends_in_a_verdict(signer: Signer, data: st.DataObject) -> None:
    good = signer.sign(MANIFEST, signer.facts.not_before)
    spoiled = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        spoiled[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(spoiled[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else spoiled)
    # Some bytes (of the intermediate, say) may change without touching the signature itself.
    try:
        facts = verify_signature(MANIFEST, cut)
    except InvalidSignature:
        return
    assert facts.signed_at == signer.facts.not_before
