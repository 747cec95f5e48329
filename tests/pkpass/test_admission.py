"""What may come in: each rule refuses a certificate that is spoiled in exactly that one thing, and says what to do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from livepass.emulators.authority import Authority
from livepass.emulators.authority.shapes import Generation
from livepass.pkpass import CertificateRefused
from livepass.pkpass.admission import check_intermediate, check_leaf
from livepass.pkpass.certificate import facts, generation
from pkpass.spoiled import again, weakly_signed

TYPE, TEAM = "pass.test.livepass", "TEAM123456"
DAY = dt.timedelta(days=1)


def leaf(authority: Authority, **wanted: object) -> x509.Certificate:
    return authority.pass_certificate(TYPE, TEAM, **wanted).certificate  # type: ignore[arg-type]


@dataclass(frozen=True)
class Spoiled:
    """How a leaf is spoiled, what is said of it, and a word of the remedy."""

    make: Callable[[Authority], x509.Certificate]
    reason: str
    remedy: str


SPOILED = {
    "UID is another": Spoiled(lambda a: leaf(a, uid="pass.test.other"), "but marked", "name field"),
    "marker is another": Spoiled(lambda a: leaf(a, marker="Le Club"), "marked 'Le Club'", "name field"),
    "not for passes": Spoiled(lambda a: leaf(a, passbook_eku=False), "not meant for signing passes", "Pass Type ID"),
    "for a server": Spoiled(lambda a: a.server_certificate().certificate, "names no pass type", "Pass Type IDs"),
    "sandbox only": Spoiled(lambda a: leaf(a, push="development"), "sandbox alone", "production"),
    "expired": Spoiled(lambda a: leaf(a, starts=-40 * DAY, days=39), "expired on", "issue another"),
    "not yet valid": Spoiled(lambda a: leaf(a, starts=DAY), "is valid from", "clock"),
    "weak key": Spoiled(
        lambda a: leaf(a, key=rsa.generate_private_key(public_exponent=65537, key_size=1024)), "not RSA of 2048", "anew"
    ),
    "EC key": Spoiled(lambda a: leaf(a, key=ec.generate_private_key(ec.SECP256R1())), "not RSA of 2048", "anew"),
    "SHA-1": Spoiled(lambda a: weakly_signed(leaf(a), a.issuer("G4"), "SHA1"), "signed with SHA1", "issue another"),
    "MD5": Spoiled(lambda a: weakly_signed(leaf(a), a.issuer("G4"), "MD5"), "signed with MD5", "issue another"),
    "an authority": Spoiled(lambda a: a.intermediate, "of an authority", "--intermediate"),
}


@pytest.fixture(scope="module")
def at() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("name", SPOILED)
def test_a_leaf_that_is_spoiled_in_one_thing_is_refused_with_a_remedy(
    name: str, authority: Authority, at: dt.datetime
) -> None:
    row = SPOILED[name]
    with pytest.raises(CertificateRefused, match=row.reason) as refused:
        check_leaf(row.make(authority), at)
    assert row.remedy in refused.value.hint


@pytest.mark.parametrize("push", ["production", "both", "none"])
def test_a_leaf_that_is_not_spoiled_is_taken(push: str, authority: Authority, at: dt.datetime) -> None:
    good = leaf(authority, push=push, nfc=True)
    assert check_leaf(good, at) == (TYPE, TEAM)
    check_intermediate(good, authority.intermediate, at)
    read = facts(good, authority.intermediate)
    assert (read.generation, read.key_bits, read.nfc, read.pushes) == ("G4", 2048, True, push != "none")
    assert check_leaf(again(good, authority.issuer("G4")), at) == (TYPE, TEAM), "the spoiling itself spoils nothing"


# ── the intermediate


def other_key(authority: Authority) -> x509.Certificate:
    return authority.other_intermediate("G4")


def spoiled_intermediate(authority: Authority, **changes: object) -> x509.Certificate:
    root = authority.at("root")
    assert root is not None
    return again(authority.intermediate, root, **changes)  # type: ignore[arg-type]


NOT_AN_AUTHORITY = x509.BasicConstraints(ca=False, path_length=None)
INTERMEDIATES: dict[str, Spoiled] = {
    "another generation": Spoiled(lambda a: a.issuer("G3").certificate, "but the intermediate is", "G4"),
    "another key": Spoiled(other_key, "did not sign", "download"),
    "the root": Spoiled(lambda a: a.root, "but the intermediate is", "G4"),
    "expired": Spoiled(
        lambda a: spoiled_intermediate(a, ends=dt.datetime.now(dt.UTC) - DAY), "intermediate expired on", "wwdrg4|G4"
    ),
    "SHA-1": Spoiled(
        lambda a: weakly_signed(a.intermediate, a.at("root"), "SHA1"),  # type: ignore[arg-type]
        "signed with SHA1",
        "G4",
    ),
    "no marker": Spoiled(lambda a: spoiled_intermediate(a, without=x509.UnrecognizedExtension), "WWDR marker", "WWDR"),
    "no authority": Spoiled(
        lambda a: spoiled_intermediate(a, without=x509.BasicConstraints, instead=NOT_AN_AUTHORITY),
        "not the certificate of an authority",
        "G4",
    ),
}


@pytest.mark.parametrize("name", INTERMEDIATES)
def test_an_intermediate_that_is_spoiled_in_one_thing_is_refused_with_a_remedy(
    name: str, authority: Authority, at: dt.datetime
) -> None:
    row = INTERMEDIATES[name]
    with pytest.raises(CertificateRefused, match=row.reason) as refused:
        check_intermediate(leaf(authority), row.make(authority), at)
    assert any(word in refused.value.hint for word in row.remedy.split("|"))


def test_an_intermediate_with_a_weak_key_is_refused(at: dt.datetime) -> None:
    """What signs the leaf is as strong as the leaf."""
    weak = Authority(name="Weak")
    issuer = weak.issuer("G4")
    issuer.key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    root = weak.at("root")
    assert root is not None
    issuer.certificate = again(issuer.certificate, root, key=issuer.key)
    with pytest.raises(CertificateRefused, match="too weak"):
        check_intermediate(leaf(weak), issuer.certificate, at)


def test_an_expired_generation_is_refused(at: dt.datetime, authority: Authority) -> None:
    """The outage of 2023: G1 ended."""
    old = authority.introduce(Generation("G1", "rsa", -4850, -1200)).certificate
    with pytest.raises(CertificateRefused, match="intermediate expired"):
        check_intermediate(leaf(authority, generation="G1"), old, at)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((("CN", "Apple Worldwide Developer Relations Certification Authority"), ("OU", "G4")), "G4"),
        ((("CN", "Apple Worldwide Developer Relations CA - G2"), ("OU", "Apple Certification Authority")), "G2"),
        (
            (
                ("CN", "Apple Worldwide Developer Relations Certification Authority"),
                ("OU", "Apple Worldwide Developer Relations"),
            ),
            "G1",
        ),
        ((("CN", "Somebody"), ("OU", "Else")), ""),
        ((), ""),
    ],
)
def test_a_generation_is_known_by_the_names_of_apples_intermediates(
    parts: tuple[tuple[str, str], ...], expected: str
) -> None:
    names = {"CN": x509.NameOID.COMMON_NAME, "OU": x509.NameOID.ORGANIZATIONAL_UNIT_NAME}
    assert generation(x509.Name([x509.NameAttribute(names[kind], text) for kind, text in parts])) == expected
