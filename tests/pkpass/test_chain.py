"""Which intermediate wins: by key id and signature, given before at hand, and of those the one that lasts longest."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509

from livepass.emulators.authority import Authority, AuthorityServer
from livepass.pkpass import CertificateRefused, chain
from pkpass.spoiled import again

AT = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def leaf(authority: Authority) -> x509.Certificate:
    return authority.pass_certificate("pass.test.livepass", "TEAM123456").certificate


def renewed(authority: Authority, days: int, *, without: type[x509.ExtensionType] | None = None) -> x509.Certificate:
    """The same authority key, certified anew until so many days from now."""
    root = authority.at("root")
    assert root is not None
    return again(authority.intermediate, root, ends=AT + days * DAY, without=without)


def test_it_fits_by_key_id_and_by_signature(authority: Authority, leaf: x509.Certificate) -> None:
    assert chain.fits(leaf, authority.intermediate)
    assert chain.fits(leaf, renewed(authority, 5))
    assert chain.fits(leaf, renewed(authority, 5, without=x509.SubjectKeyIdentifier)), "one that says no key id"
    for other in (authority.other_intermediate("G4"), authority.issuer("G3").certificate, authority.root, leaf):
        assert not chain.fits(leaf, other)
    root = authority.at("root")
    assert root is not None
    liar = again(
        authority.intermediate, root, without=x509.SubjectKeyIdentifier, instead=x509.SubjectKeyIdentifier(b"\1" * 20)
    )
    assert not chain.fits(leaf, liar), "the key is right, the key id is not"


def test_of_those_at_hand_the_valid_one_that_lasts_longest_wins(authority: Authority, leaf: x509.Certificate) -> None:
    short, long, over = (renewed(authority, days) for days in (5, 50, -5))
    root = authority.at("root")
    assert root is not None
    later = again(authority.intermediate, root, starts=AT + DAY, ends=AT + 9000 * DAY)
    others = [authority.root, authority.issuer("G3").certificate]
    for order in ([short, long, over, later], [later, over, long, short]):
        assert chain.at_hand(leaf, [*others, *order], AT) == (long, True)
    assert chain.at_hand(leaf, [over, *others], AT) == (over, False)
    assert chain.at_hand(leaf, others, AT) == (None, False)
    assert chain.at_hand(leaf, [], AT) == (None, False)


def test_what_is_given_is_taken_or_refused_never_passed_over(authority: Authority, leaf: x509.Certificate) -> None:
    short = renewed(authority, 5)
    assert chain.given(leaf, []) is None
    assert chain.given(leaf, [authority.root, short]) == short
    for wrong, said in (
        (authority.issuer("G3").certificate, r"\(G3\), but the certificate was issued by .*\(G4\)"),
        (authority.other_intermediate("G4"), "has the right name, but its key did not sign"),
    ):
        with pytest.raises(CertificateRefused, match=said) as refused:
            chain.given(leaf, [wrong])
        assert "download the WWDR intermediate G4" in refused.value.hint


def test_the_root_is_found_above(authority: Authority) -> None:
    there = [authority.intermediate, authority.issuer("G3").certificate, authority.ec_root, authority.root]
    assert chain.root_of(authority.intermediate, there) == authority.root
    assert chain.root_of(authority.intermediate, there[:3]) is None


def test_where_to_fetch_it_stands_in_the_certificate(authority: Authority, leaf: x509.Certificate) -> None:
    assert chain.addresses(leaf) == []
    assert chain.WHERE in chain.download(leaf)
    fresh = Authority()
    with AuthorityServer(fresh) as server:
        made = fresh.pass_certificate("pass.test.livepass").certificate
    assert chain.addresses(made) == [f"{server.url}/wwdrg4.der"]
    assert f"{server.url}/wwdrg4.der" in chain.download(made)
