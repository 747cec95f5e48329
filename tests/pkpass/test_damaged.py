"""A bit that fell over anywhere in what somebody sent: refused or unknown, never a crash, and never believed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.emulators.authority import Authority
from livepass.emulators.authority.status import crl, ocsp_answer
from livepass.pkpass import CertificateRefused, chain
from livepass.pkpass.admission import check_intermediate, check_leaf
from livepass.pkpass.material import certificates_in, from_pem
from livepass.pkpass.revocation import lists, ocsp_request, read_crl, read_ocsp, responders

AT = dt.datetime.now(dt.UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def apple() -> Authority:
    made = Authority()
    made.clock = lambda: AT
    made.address = "http://certs.example"
    return made


@pytest.fixture(scope="module")
def revoked(apple: Authority) -> x509.Certificate:
    certificate = apple.pass_certificate("pass.test.livepass").certificate
    apple.revoke(certificate)
    return certificate


def spoiled(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def outcomes(data: bytes, read: Callable[[bytes], str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in spoiled(data):
        try:
            found[read(each)] += 1
        except CertificateRefused as error:
            found["refused" if error.hint else "left alone"] += 1
    return found


def test_answers_and_lists(apple: Authority, revoked: x509.Certificate) -> None:
    issuer = apple.issuer("G4")
    answer, _ = ocsp_answer(issuer, ocsp_request(revoked, issuer.certificate), AT)
    listed = crl(issuer, AT)
    asked = outcomes(answer, lambda data: read_ocsp(data, revoked, issuer.certificate, AT).state)
    read = outcomes(listed, lambda data: read_crl(data, revoked, issuer.certificate, AT, "http://certs.example").state)
    for found in (asked, read):
        # What is not signed (how a NULL is written, say) may be spoiled without harm; nothing turns good.
        assert found["good"] == 0 and found["revoked"] < 20 < found["unknown"], found


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_certificate(apple: Authority) -> None:
    def admit(data: bytes) -> str:
        leaf = from_pem(data).leaf
        check_leaf(leaf, AT)
        _ = chain.addresses(leaf), responders(leaf), lists(leaf), chain.at_hand(leaf, [apple.intermediate], AT)
        check_intermediate(leaf, apple.intermediate, AT)
        return "taken"

    found = outcomes(apple.pass_certificate("pass.test.livepass").cer, admit)
    assert found["taken"] < 5 < found["refused"], found


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_an_intermediate(apple: Authority) -> None:
    """Without the root nobody can say who signed it: what a spoiled one still says may be taken, and never crashes."""
    leaf = apple.pass_certificate("pass.test.livepass").certificate

    def admit(data: bytes) -> str:
        [given] = certificates_in(data, "intermediate")
        chain.given(leaf, [given])
        chain.root_of(given, [apple.root])
        check_intermediate(leaf, given, AT)
        return "taken"

    found = outcomes(apple.intermediate.public_bytes(Encoding.DER), admit)
    assert found["refused"] > 500, found
