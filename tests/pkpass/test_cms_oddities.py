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
