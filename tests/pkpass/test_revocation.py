"""What an authority says is believed when it is signed, about this certificate, and fresh; else nothing is known."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp

from livepass.emulators.authority import Authority, AuthorityServer
from livepass.emulators.authority.ca import Issuer
from livepass.emulators.authority.status import Lies, crl, ocsp_answer, refusal
from livepass.pkpass.revocation import TOLERANCE, Standing, lists, ocsp_request, read_crl, read_ocsp, responders
from pkpass.spoiled import resigned, responder

AT = dt.datetime.now(dt.UTC).replace(microsecond=0)
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
URL = "http://crl.apple.com/wwdrg4-10.crl"


@pytest.fixture(scope="module")
def apple() -> Authority:
    made = Authority(name="Of Revocation")
    made.clock = lambda: AT
    return made


@pytest.fixture(scope="module")
def issuer(apple: Authority) -> Issuer:
    return apple.issuer("G4")


@pytest.fixture(scope="module")
def leaf(apple: Authority) -> x509.Certificate:
    return apple.pass_certificate("pass.test.livepass").certificate


@pytest.fixture(scope="module")
def bad(apple: Authority) -> x509.Certificate:
    certificate = apple.pass_certificate("pass.test.livepass").certificate
    apple.revoke(certificate, AT - DAY, x509.ReasonFlags.key_compromise)
    return certificate


def asked(issuer: Issuer, leaf: x509.Certificate, at: dt.datetime = AT, **more: object) -> Standing:
    question = ocsp_request(leaf, issuer.certificate)
    answer, serial = ocsp_answer(issuer, question, AT, **more)  # type: ignore[arg-type]
    assert serial == leaf.serial_number
    return read_ocsp(answer, leaf, issuer.certificate, at)


# ── OCSP


@pytest.mark.parametrize("delegated", [True, False])
def test_good_and_revoked(issuer: Issuer, leaf: x509.Certificate, bad: x509.Certificate, delegated: bool) -> None:
    assert asked(issuer, leaf, delegated=delegated) == Standing("good")
    assert asked(issuer, bad, delegated=delegated) == Standing("revoked", "keyCompromise", AT - DAY)


@pytest.mark.parametrize(
    ("lies", "why"),
    [
        (Lies(stale=True), "was good until"),
        (Lies(another=True), "about another certificate"),
        (Lies(wrong_key=True), "not signed by the issuer"),
        (Lies(wrong_responder=True), "nor by a responder that it authorised"),
    ],
)
def test_an_answer_that_cannot_be_believed_says_nothing(
    issuer: Issuer, leaf: x509.Certificate, bad: x509.Certificate, lies: Lies, why: str
) -> None:
    for certificate in (leaf, bad):
        standing = asked(issuer, certificate, lies=lies)
        assert (standing.state, why in standing.why) == ("unknown", True), standing


def test_clocks_may_differ_a_little(issuer: Issuer, leaf: x509.Certificate) -> None:
    """The answers are dated five minutes ago, and good for twelve hours."""
    begins, ends = AT - 5 * MINUTE, AT - 5 * MINUTE + 12 * 60 * MINUTE
    for at, state in (
        (begins - TOLERANCE, "good"),
        (begins - TOLERANCE - MINUTE, "unknown"),
        (ends + TOLERANCE, "good"),
        (ends + TOLERANCE + MINUTE, "unknown"),
    ):
        assert asked(issuer, leaf, at).state == state, at
    assert "in the future here" in asked(issuer, leaf, AT - DAY).why


def test_refusals_and_rubbish_say_nothing(issuer: Issuer, leaf: x509.Certificate) -> None:
    later = refusal(ocsp.OCSPResponseStatus.TRY_LATER)
    for data, why in ((later, "try_later"), (b"", "cannot be read"), (b"<html>", "cannot be read")):
        standing = read_ocsp(data, leaf, issuer.certificate, AT)
        assert (standing.state, why in standing.why) == ("unknown", True), standing
    answer, _ = ocsp_answer(issuer, ocsp_request(leaf, issuer.certificate), AT)
    for cut in range(0, len(answer), 61):
        assert read_ocsp(answer[:cut], leaf, issuer.certificate, AT).state == "unknown"
    for at in range(0, len(answer), 97):
        spoiled = answer[:at] + bytes([answer[at] ^ 0x40]) + answer[at + 1 :]
        assert read_ocsp(spoiled, leaf, issuer.certificate, AT).state in ("unknown", "good"), at


def test_an_unknown_serial_is_not_good(apple: Authority, issuer: Issuer) -> None:
    stranger = Authority(name="Of Revocation").pass_certificate("pass.test.livepass").certificate
    standing = asked(issuer, stranger)
    assert standing == Standing("unknown", "the responder does not know the certificate")


def built(
    issuer: Issuer,
    leaf: x509.Certificate,
    key: rsa.RSAPrivateKey,
    signer: x509.Certificate,
    *,
    about: Issuer | None = None,
    encoding: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.NAME,
    following: dt.datetime | None = AT + DAY,
    issued: dt.datetime = AT - MINUTE,
) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf, (about or issuer).certificate, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, issued, following, None, None
    )
    builder = builder.responder_id(encoding, signer).certificates([signer])
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("encoding", list(ocsp.OCSPResponderEncoding))
def test_whom_an_issuer_lets_answer(
    issuer: Issuer, leaf: x509.Certificate, encoding: ocsp.OCSPResponderEncoding
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    answers = {
        "good": built(issuer, leaf, key, responder(issuer, key, AT), encoding=encoding),
        "not for OCSP": built(issuer, leaf, key, responder(issuer, key, AT, usage=False), encoding=encoding),
        "expired": built(issuer, leaf, key, responder(issuer, key, AT, days=-1), encoding=encoding),
        "of another issuer": built(issuer, leaf, key, responder(Authority().issuer("G4"), key, AT), encoding=encoding),
    }
    found = {name: read_ocsp(answer, leaf, issuer.certificate, AT).state for name, answer in answers.items()}
    assert found == {name: "good" if name == "good" else "unknown" for name in answers}


def test_the_same_serial_number_of_another_issuer_is_another_certificate(
    apple: Authority, issuer: Issuer, leaf: x509.Certificate
) -> None:
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    answer = built(issuer, leaf, issuer.key, issuer.certificate, about=apple.issuer("G3"))
    assert read_ocsp(answer, leaf, issuer.certificate, AT).why == "the answer is about another certificate"
    assert read_ocsp(built(issuer, leaf, issuer.key, issuer.certificate), leaf, issuer.certificate, AT).state == "good"


def test_an_answer_without_the_time_of_the_next_one_is_good_for_a_day(issuer: Issuer, leaf: x509.Certificate) -> None:
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    for age, state in ((DAY, "good"), (DAY + 6 * MINUTE, "unknown")):
        answer = built(issuer, leaf, issuer.key, issuer.certificate, following=None, issued=AT - age)
        assert read_ocsp(answer, leaf, issuer.certificate, AT).state == state, age


def test_openssl_answers_and_is_understood(tmp_path: Path, issuer: Issuer, leaf: x509.Certificate) -> None:
    """A responder that shares no line with the emulated one, and takes our question."""
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    (tmp_path / "ca.pem").write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "ca.key").write_bytes(issuer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "question.der").write_bytes(ocsp_request(leaf, issuer.certificate))
    serial = f"{leaf.serial_number:X}"
    serial = serial if len(serial) % 2 == 0 else f"0{serial}"
    valid = f"V\t{AT + 300 * DAY:%y%m%d%H%M%SZ}\t\t{serial}\tunknown\t/CN=x\n"
    revoked = f"R\t{AT + 300 * DAY:%y%m%d%H%M%SZ}\t{AT - DAY:%y%m%d%H%M%SZ},superseded\t{serial}\tunknown\t/CN=x\n"
    for index, expected in (
        (valid, Standing("good")),
        (revoked, Standing("revoked", "superseded", AT - DAY)),
        ("", Standing("unknown", "the responder does not know the certificate")),
    ):
        (tmp_path / "index.txt").write_text(index)
        command = "openssl ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1"
        subprocess.run(
            [*command.split(), "-reqin", "question.der", "-respout", "answer.der"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=20,
        )
        answer = (tmp_path / "answer.der").read_bytes()
        assert read_ocsp(answer, leaf, issuer.certificate, dt.datetime.now(dt.UTC)) == expected


# ── lists


def listed(issuer: Issuer, leaf: x509.Certificate, at: dt.datetime = AT, **lies: bool) -> Standing:
    return read_crl(crl(issuer, AT, lies=Lies(**lies)), leaf, issuer.certificate, at, URL)


def test_a_list_says_it_too(issuer: Issuer, leaf: x509.Certificate, bad: x509.Certificate) -> None:
    assert listed(issuer, leaf) == Standing("good")
    assert listed(issuer, bad) == Standing("revoked", "keyCompromise", AT - DAY)
    assert "not signed by the issuer" in listed(issuer, bad, wrong_key=True).why
    assert "was good until" in listed(issuer, bad, stale=True).why
    assert "in the future" in listed(issuer, bad, AT - DAY).why
    pem = x509.load_der_x509_crl(crl(issuer, AT)).public_bytes(Encoding.PEM)
    assert read_crl(pem, bad, issuer.certificate, AT, URL).state == "revoked"


def test_another_authoritys_list_and_rubbish_say_nothing(
    apple: Authority, issuer: Issuer, leaf: x509.Certificate
) -> None:
    other = crl(apple.issuer("G3"), AT)
    for data in (other, b"", b"<html>", crl(issuer, AT)[:200]):
        assert read_crl(data, leaf, issuer.certificate, AT, URL).state == "unknown"


@pytest.mark.parametrize(
    ("part", "covers"),
    [
        ({"full_name": [x509.UniformResourceIdentifier(URL)]}, True),
        ({"full_name": [x509.UniformResourceIdentifier(URL)], "only_contains_user_certs": True}, True),
        ({"full_name": [x509.UniformResourceIdentifier("http://crl.apple.com/other.crl")]}, False),
        ({"only_contains_ca_certs": True}, False),
        ({"only_contains_attribute_certs": True}, False),
        ({"indirect_crl": True}, False),
        ({"only_some_reasons": frozenset({x509.ReasonFlags.key_compromise})}, False),
        (None, False),
    ],
)
def test_a_list_of_a_part_covers_that_part(
    issuer: Issuer, leaf: x509.Certificate, part: dict[str, object] | None, covers: bool
) -> None:
    blank: dict[str, object] = {"full_name": None, "relative_name": None, "only_some_reasons": None}
    blank |= dict.fromkeys(
        ["only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs"], False
    )
    extension: x509.ExtensionType = x509.DeltaCRLIndicator(1)
    if part is not None:
        extension = x509.IssuingDistributionPoint(**{**blank, **part})  # type: ignore[arg-type]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(AT)
        .next_update(AT + DAY)
        .add_extension(extension, critical=True)
    )
    data = builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
    standing = read_crl(data, leaf, issuer.certificate, AT, URL)
    assert standing.state == ("good" if covers else "unknown"), standing
    assert covers or "does not cover" in standing.why


def test_a_list_under_another_name_is_another_list(apple: Authority, issuer: Issuer, leaf: x509.Certificate) -> None:
    """Also where the key is right: an authority may sign for several names."""
    for name, state in ((issuer.certificate.subject, "good"), (apple.issuer("G3").certificate.subject, "unknown")):
        builder = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(AT).next_update(AT + DAY)
        data = builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
        assert read_crl(data, leaf, issuer.certificate, AT, URL).state == state


def test_what_is_signed_with_a_weak_hash_says_nothing(issuer: Issuer, leaf: x509.Certificate) -> None:
    question = ocsp_request(leaf, issuer.certificate)
    answer, _ = ocsp_answer(issuer, question, AT, delegated=False)
    weak = resigned(answer, ocsp.load_der_ocsp_response(answer).tbs_response_bytes, issuer, "SHA1")
    assert "not signed by the issuer" in read_ocsp(weak, leaf, issuer.certificate, AT).why
    data = crl(issuer, AT)
    weak = resigned(data, x509.load_der_x509_crl(data).tbs_certlist_bytes, issuer, "SHA1")
    assert "signed weakly" in read_crl(weak, leaf, issuer.certificate, AT, URL).why


# ── where to ask


def test_whom_to_ask_stands_in_the_certificate(leaf: x509.Certificate) -> None:
    assert (responders(leaf), lists(leaf)) == ([], [])
    fresh = Authority()
    with AuthorityServer(fresh) as server:
        made = fresh.pass_certificate("pass.test.livepass").certificate
    assert responders(made) == [f"{server.url}/ocsp03-wwdrg4"]
    assert lists(made) == [f"{server.url}/wwdrg4.crl"]
