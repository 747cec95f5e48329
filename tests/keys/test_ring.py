"""The key ring: shared keys that outlive every secret key, and certificates that are opened once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from livepass.core.authorization import derive_token
from livepass.core.model import Certificate, TokenSource
from livepass.core.rotation import Stage
from livepass.core.sealed import TAGS, TOKENS, Sealable, Sealed, SharedKey
from livepass.emulators.authority import Authority, Issued
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import CannotUnseal, Secrets
from livepass.pkpass import CertificateRefused, verify_signature

TYPE = "pass.test.livepass"
FIRST, SECOND = "A" * 43, "B" * 43
NOW = 1000
CHANCE = random.Random(3)


def ring(*texts: str, keys: Sequence[SharedKey] | None = None) -> SealedKeyRing:
    """The ring of a process. ``keys`` are what the database holds: by default, what FIRST sealed there."""
    ours = bare(*texts)
    ours.adopt(stored() if keys is None else keys)
    return ours


def bare(*texts: str) -> SealedKeyRing:
    return SealedKeyRing(Secrets(texts, CHANCE.randbytes), b"password of this process")


@cache
def stored() -> tuple[SharedKey, ...]:
    maker = bare(FIRST)
    return tuple(maker.new_shared_key(id_, purpose, NOW) for id_, purpose in (("tokens-1", TOKENS), ("tags-1", TAGS)))


def newer(maker: SealedKeyRing, id_: str = "tokens-2", purpose: str = TOKENS) -> SharedKey:
    return maker.new_shared_key(id_, purpose, NOW + 1)


def resealed(keys: Sequence[SharedKey], maker: SealedKeyRing) -> list[SharedKey]:
    return [
        replace(key, sealed=maker.reseal(Sealed(Sealable.SHARED_KEY, key.purpose, key.id, key.sealed))) for key in keys
    ]


def taken_in(ours: SealedKeyRing, issued: Issued) -> Certificate:
    assert isinstance(issued.key, rsa.RSAPrivateKey)
    assert issued.intermediate is not None
    return ours.take_in(issued.certificate, issued.key, issued.intermediate, None, NOW)


# ── tokens


def test_a_token_is_the_same_in_every_process_and_another_for_every_pass() -> None:
    ours, salt = ring(FIRST), b"s" * 16
    source = TokenSource(ours.token_key_id, salt)
    token = ours.token("default", TYPE, "1", source)
    assert len(token) == 43
    assert ring(FIRST).token("default", TYPE, "1", source) == token
    elsewhere = ring(SECOND, keys=[newer(bare(SECOND), "tokens-1"), newer(bare(SECOND), "tags-1", TAGS)])
    others = {
        ours.token("another", TYPE, "1", source),
        ours.token("default", TYPE, "2", source),
        ours.token("default", "pass.test.other", "1", source),
        ours.token("default", TYPE, "1", TokenSource(ours.token_key_id, b"t" * 16)),
        elsewhere.token("default", TYPE, "1", source),
        ours.stranger_token("default", TYPE, "1"),
    }
    assert len(others) == 6
    assert token not in others


def test_tokens_and_tags_do_not_care_about_the_secret_key() -> None:
    source = TokenSource("tokens-1", b"s" * 16)
    renewed = resealed(stored(), bare(SECOND, FIRST))
    rings = [
        ring(FIRST),
        ring(FIRST, SECOND),
        ring(SECOND, FIRST),
        ring(SECOND, FIRST, keys=renewed),
        ring(SECOND, keys=renewed),
    ]
    assert len({one.token("default", TYPE, "1", source) for one in rings}) == 1
    assert len({one.tag_key for one in rings}) == 1
    assert {one.token_key_id for one in rings} == {"tokens-1"}


def test_an_imported_token_is_kept_sealed() -> None:
    ours = ring(FIRST)
    sealed = TokenSource("", b"", ours.seal(Sealable.TOKEN, TYPE, "1", b"the token it came with"))
    assert ring(SECOND, FIRST).token("default", TYPE, "1", sealed) == "the token it came with"
    assert repr(sealed) == "TokenSource(key_id='', salt=b'')"
    assert ours.knows(sealed)
    for kind, within, id_ in (
        (Sealable.CERTIFICATE, TYPE, "1"),
        (Sealable.TOKEN, "pass.test.other", "1"),
        (Sealable.TOKEN, TYPE, "2"),
    ):
        other = TokenSource("", b"", ours.seal(kind, within, id_, b"-----BEGIN"))
        with pytest.raises(CannotUnseal):
            ours.token("default", TYPE, "1", other)


def test_a_stranger_has_a_token_of_the_same_kind() -> None:
    ours = ring(FIRST)
    assert len(ours.stranger_token("default", TYPE, "1")) == 43
    assert ours.stranger_token("default", TYPE, "1") != ours.stranger_token("default", TYPE, "2")


def test_tags_are_signed_with_a_key_of_their_own() -> None:
    ours = ring(FIRST)
    assert len(ours.tag_key) == 32
    same = derive_token(ours.tag_key, "default", TYPE, "1", b"s" * 16)
    assert ours.token("default", TYPE, "1", TokenSource("tokens-1", b"s" * 16)) != same


# ── shared keys


def test_the_newest_key_derives_new_tokens_and_the_others_stay() -> None:
    ours, source = ring(FIRST), TokenSource("tokens-1", b"s" * 16)
    before = ours.token("default", TYPE, "1", source)
    later = TokenSource("tokens-2", b"s" * 16)
    assert not ours.knows(later)
    with pytest.raises(CannotUnseal, match="tokens-2 is not in the database"):
        ours.token("default", TYPE, "1", later)
    tag_key = ours.tag_key
    ours.adopt([*stored(), newer(bare(FIRST)), newer(bare(FIRST), "tags-2", TAGS), newer(bare(SECOND), "x-1", "else")])
    assert ours.knows(later)
    assert ours.token_key_id == "tokens-2"
    assert ours.token("default", TYPE, "1", later) != before == ours.token("default", TYPE, "1", source)
    assert ours.tag_key == tag_key, "tags that phones hold stay valid"


def test_what_is_open_is_not_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, unsealed = ring(FIRST), []
    monkeypatch.setattr(Secrets, "unseal", lambda *_: unsealed.append(1))
    for _ in range(3):
        ours.adopt(stored())
        ours.token("default", TYPE, "1", TokenSource("tokens-1", b"s" * 16))
    assert not unsealed


def test_a_key_that_does_not_open_is_named_and_holds_up_no_other() -> None:
    strange = newer(bare(SECOND), "tokens-2")
    last = newer(bare(FIRST), "tokens-3")
    ours = bare(FIRST)
    with pytest.raises(CannotUnseal, match=r"shared key pass tokens/tokens-2: sealed with secret key") as closed:
        ours.adopt([*stored(), strange, last])
    assert bare(SECOND).secret_ids[0] in str(closed.value)
    assert ours.token_key_id == "tokens-3"
    assert ours.tag_key
    with pytest.raises(CannotUnseal, match="shared key pass tokens/tokens-2"):
        ours.token("default", TYPE, "1", TokenSource("tokens-2", b"s" * 16))


def test_a_running_process_keeps_a_key_whose_new_seal_it_cannot_open() -> None:
    ours, source = ring(FIRST), TokenSource("tokens-1", b"s" * 16)
    before, tag_key = ours.token("default", TYPE, "1", source), ours.tag_key
    with pytest.raises(CannotUnseal):
        ours.adopt(resealed(stored(), bare(SECOND, FIRST)))
    assert ours.token("default", TYPE, "1", source) == before
    assert (ours.tag_key, ours.token_key_id) == (tag_key, "tokens-1")


def test_another_key_under_the_same_name_takes_its_place() -> None:
    """A database that was made anew under a running process."""
    ours, source = ring(FIRST), TokenSource("tokens-1", b"s" * 16)
    anew = [newer(bare(FIRST), "tokens-1"), newer(bare(FIRST), "tags-1", TAGS)]
    before, tag_key = ours.token("default", TYPE, "1", source), ours.tag_key
    ours.adopt(anew)
    assert ours.token("default", TYPE, "1", source) != before
    assert ours.tag_key != tag_key


def test_after_a_restore_nothing_is_derived_with_a_key_that_is_gone() -> None:
    ours = ring(FIRST, keys=[*stored(), newer(bare(FIRST))])
    later = TokenSource("tokens-2", b"s" * 16)
    assert ours.token_key_id == "tokens-2"
    ours.adopt(stored())
    assert ours.token_key_id == "tokens-1"
    assert ours.knows(later), "passes that it did derive stay good here"


def test_a_shared_key_opens_in_its_own_row_alone() -> None:
    tokens, tags = stored()
    for moved in (
        replace(tokens, sealed=tags.sealed),
        replace(tokens, id="tokens-2"),
        replace(tokens, purpose=TAGS),
    ):
        with pytest.raises(CannotUnseal, match="altered"):
            bare(FIRST).adopt([moved])


# ── certificates


def test_what_is_taken_in_is_what_the_certificate_says(pass_certificate: Issued) -> None:
    taken = taken_in(ring(FIRST), pass_certificate)
    leaf = pass_certificate.certificate
    assert (taken.pass_type, taken.team, taken.created_at) == (TYPE, "TEAM123456", NOW)
    assert taken.not_after == int(leaf.not_valid_after_utc.timestamp() * 1000)
    assert taken.not_before == int(leaf.not_valid_before_utc.timestamp() * 1000)
    assert taken.intermediate_not_after > taken.not_after
    assert (taken.link.stage, taken.nfc) == (Stage.STAGED, False)


def test_a_key_that_lies_here_is_taken_in_from_its_seal(authority: Authority) -> None:
    ours = ring(FIRST)
    waiting, request = ours.new_signing_request(TYPE, "TEAM123456", "a@b.example", NOW)
    assert waiting.id == waiting.public_sha256[:16]
    leaf = x509.load_der_x509_certificate(authority.from_csr(request, TYPE, "TEAM123456"))
    lies = Sealed(Sealable.SIGNING_REQUEST, TYPE, waiting.id, waiting.key_sealed)
    taken = ours.take_in(leaf, lies, authority.intermediate, None, NOW)
    assert (taken.pass_type, taken.key_sealed != waiting.key_sealed) == (TYPE, True)
    at = datetime.fromtimestamp(taken.not_before / 1000 + 5000, UTC)
    verify_signature(b"manifest", ours.open(taken).sign(b"manifest", at))
    with pytest.raises(CannotUnseal, match="signing request key"):
        ours.take_in(leaf, replace(lies, within="pass.other"), authority.intermediate, None, NOW)


def test_a_key_of_another_certificate_is_refused(pass_certificate: Issued, authority: Authority) -> None:
    other = authority.pass_certificate(TYPE, "TEAM123456")
    assert other.intermediate is not None
    with pytest.raises(CertificateRefused, match="does not belong") as refused:
        ring(FIRST).take_in(other.certificate, pass_certificate.key, other.intermediate, None, NOW)  # type: ignore[arg-type]
    assert refused.value.hint


def test_an_opened_certificate_signs_and_is_opened_once(pass_certificate: Issued) -> None:
    ours = ring(FIRST)
    taken = taken_in(ours, pass_certificate)
    identity = ours.open(taken)
    assert ours.open(taken) is identity
    assert identity.facts.pass_type == TYPE
    at = datetime.fromtimestamp(taken.not_before / 1000 + 5000, UTC)
    verify_signature(b"manifest", identity.sign(b"manifest", at))


def test_a_push_credential_carries_its_key_encrypted(pass_certificate: Issued) -> None:
    ours = ring(FIRST)
    credential = ours.open(taken_in(ours, pass_certificate)).push_credential()
    assert credential.topic == TYPE
    assert credential.chain_pem.count(b"BEGIN CERTIFICATE") == 2
    with pytest.raises(TypeError):
        load_pem_private_key(credential.key_pem, None)
    opened = load_pem_private_key(credential.key_pem, credential.password)
    assert opened.private_numbers() == pass_certificate.key.private_numbers()  # type: ignore[union-attr]


def test_a_certificate_opens_after_the_secret_key_was_replaced(pass_certificate: Issued) -> None:
    taken = taken_in(ring(FIRST), pass_certificate)
    assert ring(SECOND, FIRST).open(taken).id == taken.id
    with pytest.raises(CannotUnseal):
        ring(SECOND).open(taken)


def test_a_swapped_or_altered_key_does_not_open(pass_certificate: Issued, authority: Authority) -> None:
    ours = ring(FIRST)
    taken = taken_in(ours, pass_certificate)
    with pytest.raises(CannotUnseal):
        ours.open(replace(taken, key_sealed=taken.key_sealed[:-1] + bytes([taken.key_sealed[-1] ^ 1])))
    other = taken_in(ours, authority.pass_certificate(TYPE, "TEAM123456"))
    with pytest.raises(CannotUnseal, match=f"certificate key {TYPE}/{taken.id}"):
        ours.open(replace(taken, key_sealed=other.key_sealed))


# ── nothing shows


def test_no_repr_shows_a_secret(pass_certificate: Issued) -> None:
    ours = ring(FIRST)
    taken = taken_in(ours, pass_certificate)
    identity = ours.open(taken)
    credential = identity.push_credential()
    shown = "".join(map(repr, (ours, taken, identity, credential))) + "".join(map(str, (taken, identity, credential)))
    assert "password of this process" not in shown
    assert "PRIVATE" not in shown
    for blob in (taken.key_sealed, credential.key_pem, credential.password):
        assert repr(blob)[2:30] not in shown
    assert TYPE in shown, "what is public does show"
