"""What the authority issues: openssl reads the chain, and each spoilt certificate is spoilt in one thing only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier

from emulators.authority.openssl import OpenSSL
from livepass.emulators.authority import Authority, AuthorityServer
from livepass.emulators.authority.shapes import GENERATIONS, Generation, new_key

PASS_TYPE = "pass.test.livepass"
TEAM = "TEAM123456"
MARKER, NFC = "1.2.840.113635.100.6.1.16", "1.2.840.113635.100.6.1.26"
WWDR, WWDR_EC = "1.2.840.113635.100.6.2.1", "1.2.840.113635.100.6.2.15"
DEVELOPMENT, PRODUCTION = "1.2.840.113635.100.6.3.1", "1.2.840.113635.100.6.3.2"


def extension(certificate: x509.Certificate, oid: str) -> bytes | None:
    try:
        value = certificate.extensions.get_extension_for_oid(ObjectIdentifier(oid)).value
    except x509.ExtensionNotFound:
        return None
    assert isinstance(value, x509.UnrecognizedExtension)
    return value.value


def attribute(name: x509.Name, oid: ObjectIdentifier) -> str:
    return str(name.get_attributes_for_oid(oid)[0].value)


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_leaf_of_each_generation(authority: Authority, openssl: OpenSSL, name: str) -> None:
    issued = authority.pass_certificate(PASS_TYPE, TEAM, generation=name)
    issuer = authority.issuer(name).certificate
    root = authority.root if GENERATIONS[name].key == "rsa" else authority.ec_root
    assert attribute(issuer.subject, NameOID.ORGANIZATIONAL_UNIT_NAME) == name
    assert issued.intermediate == issuer
    said = openssl.verify(root, issuer, issued.certificate)
    assert said.ok == (name != "G1"), said.text
    assert name != "G1" or "certificate has expired" in said.text
    markers = [oid for oid in (WWDR, WWDR_EC) if extension(issuer, oid) is not None]
    assert markers == [WWDR_EC if name == "G2" else WWDR]


def test_a_generation_is_of_its_own_root_and_key(authority: Authority, openssl: OpenSSL) -> None:
    issued = authority.pass_certificate(PASS_TYPE, generation="G6")
    key = authority.issuer("G6").certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and key.key_size == 384
    assert not openssl.verify(authority.root, authority.issuer("G6").certificate, issued.certificate).ok
    assert not openssl.verify(authority.root, authority.intermediate, issued.certificate).ok


def test_a_generation_that_comes_later(openssl: OpenSSL) -> None:
    authority = Authority(name="Later")
    with pytest.raises(KeyError):
        authority.pass_certificate(PASS_TYPE, generation="G9")
    introduced = authority.introduce(Generation("G9", "rsa", -1, 3650))
    issued = authority.pass_certificate(PASS_TYPE, generation="G9")
    assert openssl.verify(authority.root, introduced.certificate, issued.certificate).ok
    assert authority.generations[-1] == "G9"


def test_another_generation_of_an_old_name(openssl: OpenSSL) -> None:
    authority = Authority(name="Twice")
    old = authority.pass_certificate(PASS_TYPE, generation="G1")
    renewed = authority.introduce(Generation("G1", "rsa", -10, 100)).certificate
    new = authority.pass_certificate(PASS_TYPE, generation="G1")
    assert renewed.subject == old.intermediate.subject and renewed != old.intermediate
    assert openssl.verify(authority.root, renewed, new.certificate).ok
    assert not openssl.verify(authority.root, renewed, old.certificate).ok
    authority.revoke(old.certificate)
    assert authority.revoked() == {old.certificate.serial_number}
    assert set(authority.certificates(PASS_TYPE)) == {old.certificate, new.certificate}


SPOILT = [
    ({}, {}),
    ({"nfc": True}, {"nfc": True, "cn": f"Pass Type ID with NFC: {PASS_TYPE}"}),
    ({"marker": "My gym"}, {"marker": "My gym"}),
    ({"uid": "pass.other"}, {"uid": "pass.other"}),
    ({"team": "OTHER00000"}, {"ou": "OTHER00000"}),
    ({"passbook_eku": False}, {"usages": 1}),
    ({"push": "development"}, {"push": [DEVELOPMENT]}),
    ({"push": "both"}, {"push": [DEVELOPMENT, PRODUCTION]}),
    ({"push": "none"}, {"push": []}),
]


@pytest.mark.parametrize(("wanted", "differs"), SPOILT)
def test_a_leaf_says_what_was_wanted(authority: Authority, wanted: dict, differs: dict) -> None:
    usual = {
        "uid": PASS_TYPE,
        "cn": f"Pass Type ID: {PASS_TYPE}",
        "ou": TEAM,
        "marker": PASS_TYPE,
        "nfc": False,
        "usages": 2,
        "push": [PRODUCTION],
    }
    issued = authority.pass_certificate(**{"pass_type": PASS_TYPE, "team": TEAM, **wanted})
    found = issued.certificate
    marker, nfc = extension(found, MARKER), extension(found, NFC)
    assert marker is not None
    assert {
        "uid": attribute(found.subject, NameOID.USER_ID),
        "cn": attribute(found.subject, NameOID.COMMON_NAME),
        "ou": attribute(found.subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
        "marker": marker[2:].decode(),
        "nfc": nfc is not None,
        "usages": len(list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)),
        "push": [oid for oid in (DEVELOPMENT, PRODUCTION) if extension(found, oid) is not None],
    } == usual | differs


def test_keys_of_other_kinds(authority: Authority) -> None:
    weak = authority.pass_certificate(PASS_TYPE, key=new_key(bits=1024))
    assert isinstance(weak.certificate.public_key(), rsa.RSAPublicKey) and weak.key.key_size == 1024
    curve = authority.pass_certificate(PASS_TYPE, key=new_key("ec"))
    assert isinstance(curve.certificate.public_key(), ec.EllipticCurvePublicKey)


def test_validity_at_will(authority: Authority) -> None:
    moment = datetime(2031, 5, 1, tzinfo=UTC)
    found = Authority(moment).pass_certificate(PASS_TYPE, starts=timedelta(days=2), days=0.5).certificate
    assert found.not_valid_before_utc == moment + timedelta(days=2)
    assert found.not_valid_after_utc == moment + timedelta(days=2.5)


# ── addresses


def addresses(certificate: x509.Certificate) -> dict[str, str]:
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    found = {
        {AuthorityInformationAccessOID.OCSP: "ocsp"}.get(each.access_method, "issuer"): each.access_location.value
        for each in access
    }
    [point] = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    return found | {"crl": point.full_name[0].value}


def test_addresses_stand_in_a_certificate_only_when_something_is_there(server: AuthorityServer) -> None:
    served = server.authority.pass_certificate(PASS_TYPE, generation="G6").certificate
    assert addresses(served) == {
        "issuer": f"{server.url}/wwdrg6.der",
        "ocsp": f"{server.url}/ocsp03-wwdrg6",
        "crl": f"{server.url}/wwdrg6.crl",
    }
    alone = Authority().pass_certificate(PASS_TYPE).certificate
    for kind in (x509.AuthorityInformationAccess, x509.CRLDistributionPoints):
        with pytest.raises(x509.ExtensionNotFound):
            alone.extensions.get_extension_for_class(kind)


# ── the portal


def request(openssl: OpenSSL, *key: str) -> bytes:
    arguments = ["-nodes", "-keyout", "key.pem", "-subj", "/CN=Ada/UID=pass.not.this", "-out", "request.pem"]
    assert openssl("req", "-new", *(key or ("-newkey", "rsa:2048")), *arguments).ok
    return (openssl.folder / "request.pem").read_bytes()


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_request_becomes_a_certificate(authority: Authority, openssl: OpenSSL, encoding: Encoding) -> None:
    asked = x509.load_pem_x509_csr(request(openssl)).public_bytes(encoding)
    cer = authority.from_csr(asked, PASS_TYPE, TEAM, nfc=True)
    certificate = x509.load_der_x509_certificate(cer)
    assert openssl.verify(authority.root, authority.intermediate, certificate).ok
    assert attribute(certificate.subject, NameOID.USER_ID) == PASS_TYPE, "the subject of the request is ignored"
    assert attribute(certificate.subject, NameOID.COMMON_NAME) == f"Pass Type ID with NFC: {PASS_TYPE}"
    (openssl.folder / "leaf.cer").write_bytes(cer)
    of_key = openssl("pkey", "-in", "key.pem", "-pubout").text
    assert openssl("x509", "-in", "leaf.cer", "-noout", "-pubkey").text == of_key


def test_what_the_portal_refuses(authority: Authority, openssl: OpenSSL) -> None:
    with pytest.raises(ValueError, match="2048"):
        authority.from_csr(request(openssl, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), PASS_TYPE)
    with pytest.raises(ValueError, match="2048"):
        authority.from_csr(request(openssl, "-newkey", "rsa:1024"), PASS_TYPE)
    der = x509.load_pem_x509_csr(request(openssl)).public_bytes(Encoding.DER)
    with pytest.raises(ValueError, match="its own key"):
        authority.from_csr(der[:-1] + bytes([der[-1] ^ 1]), PASS_TYPE)
    with pytest.raises(ValueError):
        authority.from_csr(b"-----BEGIN CERTIFICATE REQUEST-----\nrubbish", PASS_TYPE)


def test_only_what_was_issued_here_can_be_revoked(authority: Authority) -> None:
    stranger = Authority(name="Strangers").pass_certificate(PASS_TYPE).certificate
    with pytest.raises(ValueError, match="not issued here"):
        authority.revoke(stranger)
    own = authority.pass_certificate(PASS_TYPE).certificate
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    authority.revoke(own, tomorrow, x509.ReasonFlags.superseded)
    assert own.serial_number not in authority.revoked()
    assert own.serial_number in authority.revoked(tomorrow)
