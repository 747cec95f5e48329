"""Apple's .p8 files, good and bad, and signatures that openssl checks."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from livepass.core.model import DEFAULT_TENANT
from livepass.core.provider_token import ApnsKey, KeyRefused, signed
from livepass.core.sealed import Sealable, Sealed
from livepass.emulators.authority import Issued
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import CannotUnseal, Secrets

KEY_ID, TEAM, NOW = "ABC123DEFG", "TEAM123456", 1_790_000_000_000


def p8(key: object | None = None, how: KeySerializationEncryption | None = None) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption())  # type: ignore[attr-defined,no-any-return]


def ring(*secrets: str) -> SealedKeyRing:
    keys = secrets or ("A" * 43,)
    return SealedKeyRing(Secrets(keys, lambda count: b"\x07" * count), b"password")


def taken(keys: SealedKeyRing, data: bytes, key_id: str = KEY_ID, team: str = TEAM) -> ApnsKey:
    return keys.from_p8(
        data, tenant=DEFAULT_TENANT, key_id=key_id, team=team, topics=["pass.a"], environment="production", now=NOW
    )


def test_openssl_verifies_a_token_with_the_public_key(tmp_path: Path) -> None:
    data, keys = p8(), ring()
    key = taken(keys, data)
    text = signed(keys.open_push_key(key), 1_790_000_000)
    message, _, signature = text.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = load_pem_private_key(data, None).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("message", message.encode()), ("signature", der), ("public.pem", public)):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "message"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert (checked.returncode, checked.stdout.strip()) == (0, "Verified OK")


def test_every_process_signs_the_same_bytes() -> None:
    data = p8()
    texts = {signed(ring().open_push_key(taken(ring(), data)), 1_790_000_000) for _ in range(5)}
    assert len(texts) == 1


def test_a_key_openssl_made_is_taken(tmp_path: Path) -> None:
    """As Apple's: PKCS#8 in PEM, made by another program."""
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        cwd=tmp_path, capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    key = taken(ring(), b"\n" + made.stdout.replace(b"\n", b"\r\n"))
    assert (key.id, key.team, key.topics, key.created_at, key.retired_at) == (KEY_ID, TEAM, ("pass.a",), NOW, None)
    assert ring().open_push_key(key).key_id == KEY_ID


def test_another_file_or_team_under_the_same_id_gets_connections_of_its_own() -> None:
    one, other, keys = p8(), p8(), ring()
    opened = [
        keys.open_push_key(taken(keys, data, team=team)) for data, team in ((one, TEAM), (other, TEAM), (one, "T" * 10))
    ]
    assert len({key.id for key in opened}) == 3
    assert keys.open_push_key(taken(keys, one)).id == opened[0].id


def refused(data: bytes, key_id: str = KEY_ID, team: str = TEAM) -> str:
    with pytest.raises(KeyRefused) as error:
        taken(ring(), data, key_id, team)
    assert error.value.hint
    return f"{error.value} — {error.value.hint}"


def test_what_is_no_apns_key_is_refused_with_a_reason_and_a_remedy(pass_certificate: Issued) -> None:
    good = p8()
    der = load_pem_private_key(good, None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert "not PEM" in refused(der)
    assert "not PEM" in refused(b"")
    assert "not PEM" in refused(b"hello")
    assert "damaged" in refused(good[:90] + b"\n-----END PRIVATE KEY-----\n")
    assert "damaged" in refused(good.replace(b"\n", b"\n?", 1))
    assert "bytes" in refused(good + b" " * 20_000)
    assert "RSA" in refused(p8(rsa.generate_private_key(65537, 2048)))
    assert "secp384r1" in refused(p8(ec.generate_private_key(ec.SECP384R1())))
    assert "another kind" in refused(p8(ed25519.Ed25519PrivateKey.generate()))
    encrypted = refused(p8(how=BestAvailableEncryption(b"sesame")))
    assert "encrypted" in encrypted and "openssl pkcs8" in encrypted
    old = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"sesame")
    )
    assert "encrypted" in refused(old)
    assert "livepass cert import" in refused(pass_certificate.certificate_pem)
    assert "livepass cert import" in refused(pass_certificate.certificate_pem + good)


@pytest.mark.parametrize(
    "text", ["", "abc123defg", "ABC123DEF", "ABC123DEFGH", "ABC 23DEFG", "ÄBC123DEFG", "ABC-23DEFG"]
)
def test_ids_have_ten_capital_letters_and_digits(text: str) -> None:
    assert "no key id" in refused(p8(), key_id=text)
    assert "no team id" in refused(p8(), team=text)


def test_the_key_is_sealed_for_its_row_and_sealed_anew() -> None:
    old, new, both = "A" * 43, "B" * 43, ring("B" * 43, "A" * 43)
    key = taken(ring(old), data := p8())
    assert data.split(b"\n")[1] not in key.key_sealed
    assert "key_sealed" not in repr(key)
    with pytest.raises(CannotUnseal):
        ring(new).open_push_key(key)
    row = Sealed(Sealable.APNS_KEY, key.tenant, key.id, key.key_sealed)
    moved = ApnsKey(key.tenant, key.id, key.team, key.topics, key.environment, both.reseal(row), NOW, None)
    assert ring(new).open_push_key(moved).id == ring(old).open_push_key(key).id
    elsewhere = ApnsKey("other", key.id, key.team, key.topics, key.environment, key.key_sealed, NOW, None)
    with pytest.raises(CannotUnseal):
        ring(old).open_push_key(elsewhere)
