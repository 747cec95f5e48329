"""Signatures with a part too many, too few or of another kind: what other readers stop at, we do not step over."""

from __future__ import annotations

import random

import pytest

from livepass.pkpass import InvalidSignature, verify_signature
from pkpass.mutations import SPOILERS, Cms, Kit, Materials

MANIFEST = b'{"icon.png":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}'

ODD = {
    "a field more before the signers": "parts that nobody knows",
    "a field that nobody knows": "parts that nobody knows",
    "certificates twice": "parts that nobody knows",
    "a field more for the signer": "what nobody knows",
    "message digest of two values": "1 parts were expected",
    "message digest of no value": "1 parts were expected",
    "another digest is announced": "among those that the signature announces",
    "parameters that none has": "parameters that it does not take",
    "parameters twice": "parameters that it does not take",
    "a NULL that is none": "parameters that it does not take",
}
EVEN = ("nothing", "revocation lists, none", "unsigned attributes", "no parameters", "an attribute more")


def signature(materials: Materials, spoiler: str) -> bytes:
    kit = Kit(random.Random(1), materials, {}, {}, Cms(materials.good, materials.now))
    SPOILERS[spoiler](kit)
    return kit.cms.made(MANIFEST)


@pytest.mark.parametrize("spoiler", ODD)
def test_what_other_readers_refuse_is_refused(materials: Materials, spoiler: str) -> None:
    with pytest.raises(InvalidSignature, match=ODD[spoiler]) as error:
        verify_signature(MANIFEST, signature(materials, spoiler))
    assert error.value.hint


@pytest.mark.parametrize("spoiler", EVEN)
def test_what_the_standard_allows_is_taken(materials: Materials, spoiler: str) -> None:
    assert verify_signature(MANIFEST, signature(materials, spoiler)).certificate == materials.good.certificate


def test_a_certificate_is_written_in_one_way(materials: Materials) -> None:
    """Bits of its signature that "are left over" are covered by nothing, and openssl refuses them."""
    issued = materials.good
    while issued.certificate.signature[-1] & 1:  # only a bit that is zero can be left over
        issued = materials.authority.pass_certificate("pass.test.livepass", "TEAM123456", key=issued.key)
    good = Cms(issued, materials.now).made(MANIFEST)
    assert verify_signature(MANIFEST, good).certificate == issued.certificate
    head = b"\x03\x82\x01\x01"
    value = issued.certificate.signature
    assert good.count(head + b"\0" + value) == 1
    with pytest.raises(InvalidSignature, match="damaged"):
        verify_signature(MANIFEST, good.replace(head + b"\0" + value, head + b"\1" + value))
