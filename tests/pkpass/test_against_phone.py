"""What we sign with, a phone trusts: our judgement of a certificate beside that of the emulated phone, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from livepass.emulators.authority import Authority
from livepass.emulators.authority.shapes import new_key
from livepass.emulators.iphone import cms, trust
from livepass.pkpass import CertificateNotValid, CertificateRefused, Signer

PASS_TYPE, TEAM = "pass.test.livepass", "TEAM123456"

SIGNED: list[dict[str, Any]] = [
    {},
    {"nfc": True},
    {"push": "none"},  # cannot push; signing is another matter
    {"push": "development"},
    {"generation": "G3"},
    {"generation": "G6"},  # EC, below another root
    {"starts": timedelta(days=-394)},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"marker": "My gym"}, "marked"),
    ({"uid": "pass.other"}, "marked"),
    ({"passbook_eku": False}, "not meant for signing"),
    ({"starts": timedelta(days=-396)}, "certificate expired"),
    ({"starts": timedelta(days=2)}, "valid from"),
    ({"generation": "G1"}, "intermediate expired"),
    ({"generation": "G2"}, "lacks the WWDR marker"),
]


def signature(authority: Authority, wanted: dict[str, Any]) -> bytes:
    issued = authority.pass_certificate(PASS_TYPE, TEAM, **wanted)
    signer = Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    return signer.sign(b"{}", datetime.now(UTC))


def judged_by_phone(authority: Authority, signed: bytes) -> None:
    roots = [authority.root, authority.ec_root]
    trust.check(cms.verify(signed, b"{}"), roots, PASS_TYPE, TEAM)


@pytest.mark.parametrize("wanted", SIGNED, ids=str)
def test_what_we_sign_with_a_phone_trusts(authority: Authority, wanted: dict[str, Any]) -> None:
    judged_by_phone(authority, signature(authority, wanted))


@pytest.mark.parametrize(("wanted", "why"), REFUSED, ids=str)
def test_what_a_phone_would_not_trust_we_do_not_sign_with(
    authority: Authority, wanted: dict[str, Any], why: str
) -> None:
    with pytest.raises((CertificateRefused, CertificateNotValid), match=why):
        signature(authority, wanted)


def test_keys_that_apple_was_never_seen_to_issue(authority: Authority) -> None:
    for key in (new_key(bits=1024), new_key("ec")):
        with pytest.raises(CertificateRefused, match="RSA"):
            signature(authority, {"key": key})
