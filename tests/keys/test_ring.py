"""The key ring: tokens that outlive a rotation of the secret key, and certificates that are opened once."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from livepass.core.model import TokenSource
from livepass.emulators.authority import Authority, Issued
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import CannotUnseal, Secrets
from livepass.pkpass import CertificateRefused, verify_signature

TYPE = "pass.test.livepass"
FIRST, SECOND = "A" * 43, "B" * 43
NOW = 1000


def ring(*texts: str) -> SealedKeyRing:
    return SealedKeyRing(Secrets(texts, random.Random(3).randbytes), b"password of this process")


def parts(issued: Issued) -> tuple[bytes, bytes, bytes]:
    return issued.certificate_pem, issued.key_pem, issued.intermediate_pem


# ── tokens


def test_a_token_is_the_same_in_every_process_and_another_for_every_pass() -> None:
    ours, salt = ring(FIRST), b"s" * 16
    source = TokenSource(ours.token_key_id, salt)
    token = ours.token("default", TYPE, "1", source)
    assert len(token) == 43
    assert ring(FIRST).token("default", TYPE, "1", source) == token
    others = {
        ours.token("another", TYPE, "1", source),
        ours.token("default", TYPE, "2", source),
        ours.token("default", "pass.test.other", "1", source),
        ours.token("default", TYPE, "1", TokenSource(ours.token_key_id, b"t" * 16)),
        ring(SECOND).token("default", TYPE, "1", TokenSource(ring(SECOND).token_key_id, salt)),
        ours.stranger_token("default", TYPE, "1"),
    }
    assert len(others) == 6
    assert token not in others


def test_tokens_of_old_passes_stay_when_the_secret_key_is_replaced() -> None:
    old, both = ring(FIRST), ring(SECOND, FIRST)
    source = TokenSource(old.token_key_id, b"s" * 16)
    assert both.token("default", TYPE, "1", source) == old.token("default", TYPE, "1", source)
    assert both.token_key_id != old.token_key_id, "new passes are made under the new one"
    with pytest.raises(CannotUnseal, match=old.token_key_id):
        ring(SECOND).token("default", TYPE, "1", source)


def test_an_imported_token_is_kept_sealed() -> None:
    ours = ring(FIRST)
    sealed = TokenSource("", b"", ours.seal(b"the token it came with", "pass token"))
    assert ring(SECOND, FIRST).token("default", TYPE, "1", sealed) == "the token it came with"
    other = TokenSource("", b"", ours.seal(b"-----BEGIN", "certificate key"))
    with pytest.raises(CannotUnseal):
        ours.token("default", TYPE, "1", other)
    assert repr(sealed) == "TokenSource(key_id='', salt=b'')"


def test_a_stranger_has_a_token_of_the_same_kind() -> None:
    ours = ring(FIRST)
    assert len(ours.stranger_token("default", TYPE, "1")) == 43
    assert ours.stranger_token("default", TYPE, "1") != ours.stranger_token("default", TYPE, "2")


def test_tags_are_signed_with_a_key_of_their_own() -> None:
    assert ring(FIRST).tag_key == ring(FIRST).tag_key != ring(SECOND).tag_key


# ── certificates


def test_what_is_taken_in_is_what_the_certificate_says(pass_certificate: Issued) -> None:
    taken = ring(FIRST).from_pem(*parts(pass_certificate), NOW)
    leaf = pass_certificate.certificate
    assert (taken.pass_type, taken.team, taken.created_at) == (TYPE, "TEAM123456", NOW)
    assert taken.not_after == int(leaf.not_valid_after_utc.timestamp() * 1000)
    assert taken.not_before == int(leaf.not_valid_before_utc.timestamp() * 1000)
    assert taken.intermediate_not_after > taken.not_after
    assert (taken.proven_at, taken.retired_at, taken.live, taken.nfc) == (None, None, False, False)
    packed = ring(FIRST).from_p12(pass_certificate.p12("secret"), "secret", NOW)
    assert replace(packed, key_sealed=b"") == replace(taken, key_sealed=b""), "however it came"


def test_the_key_is_taken_in_either_form(pass_certificate: Issued) -> None:
    certificate, _, intermediate = parts(pass_certificate)
    der = pass_certificate.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    old = pass_certificate.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for key in (der, old):
        taken = ring(FIRST).from_pem(certificate, key, intermediate, NOW)
        assert ring(FIRST).open(taken).id == taken.id


def test_an_opened_certificate_signs_and_is_opened_once(pass_certificate: Issued) -> None:
    ours = ring(FIRST)
    taken = ours.from_pem(*parts(pass_certificate), NOW)
    identity = ours.open(taken)
    assert ours.open(taken) is identity
    assert identity.facts.pass_type == TYPE
    at = datetime.fromtimestamp(taken.not_before / 1000 + 5000, UTC)
    verify_signature(b"manifest", identity.sign(b"manifest", at))


def test_a_push_credential_carries_its_key_encrypted(pass_certificate: Issued) -> None:
    ours = ring(FIRST)
    credential = ours.open(ours.from_pem(*parts(pass_certificate), NOW)).push_credential()
    assert credential.topic == TYPE
    assert credential.chain_pem.count(b"BEGIN CERTIFICATE") == 2
    with pytest.raises(TypeError):
        load_pem_private_key(credential.key_pem, None)
    opened = load_pem_private_key(credential.key_pem, credential.password)
    assert opened.private_numbers() == pass_certificate.key.private_numbers()  # type: ignore[union-attr]


def test_a_certificate_opens_after_the_secret_key_was_replaced(pass_certificate: Issued) -> None:
    taken = ring(FIRST).from_pem(*parts(pass_certificate), NOW)
    assert ring(SECOND, FIRST).open(taken).id == taken.id
    with pytest.raises(CannotUnseal):
        ring(SECOND).open(taken)


def test_a_swapped_or_altered_key_does_not_open(pass_certificate: Issued, authority: Authority) -> None:
    ours = ring(FIRST)
    taken = ours.from_pem(*parts(pass_certificate), NOW)
    with pytest.raises(CannotUnseal):
        ours.open(replace(taken, key_sealed=taken.key_sealed[:-1] + b"\x00"))
    other = ours.from_pem(*parts(authority.pass_certificate(TYPE, "TEAM123456")), NOW)
    with pytest.raises(CertificateRefused):
        ours.open(replace(taken, key_sealed=other.key_sealed))


def test_a_key_with_a_password_is_refused_with_a_hint(pass_certificate: Issued) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    locked = pass_certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(CertificateRefused) as refused:
        ring(FIRST).from_pem(pass_certificate.certificate_pem, locked, pass_certificate.intermediate_pem, NOW)
    assert refused.value.hint


# ── nothing shows


def test_no_repr_shows_a_secret(pass_certificate: Issued) -> None:
    ours = ring(FIRST)
    taken = ours.from_pem(*parts(pass_certificate), NOW)
    identity = ours.open(taken)
    credential = identity.push_credential()
    shown = "".join(map(repr, (ours, taken, identity, credential))) + "".join(map(str, (taken, identity, credential)))
    assert "password of this process" not in shown
    assert "PRIVATE" not in shown
    for blob in (taken.key_sealed, credential.key_pem, credential.password):
        assert repr(blob)[2:30] not in shown
    assert TYPE in shown, "what is public does show"
