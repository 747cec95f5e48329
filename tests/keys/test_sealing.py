"""Sealing: for one purpose, under one key, and nothing of a key ever shows."""

from __future__ import annotations

import base64
import itertools
import random
import traceback

import pytest

from livepass.keys.sealing import BadSecretKey, CannotUnseal, Secrets, key_id, sealed_with


def text_of(seed: int) -> str:
    return base64.urlsafe_b64encode(random.Random(seed).randbytes(32)).decode().rstrip("=")


FIRST, SECOND = text_of(1), text_of(2)


def secrets(*texts: str, seed: int = 7) -> Secrets:
    return Secrets(texts, random.Random(seed).randbytes)


def test_what_is_sealed_opens_again() -> None:
    ours = secrets(FIRST)
    for secret in (b"", b"x", b"\x00" * 5000):
        assert ours.unseal(ours.seal(secret, "p"), "p") == secret
        assert secrets(FIRST, seed=8).unseal(ours.seal(secret, "p"), "p") == secret, "in another process too"


def test_no_two_seals_are_alike_and_none_shows_what_is_in_it() -> None:
    ours = secrets(FIRST)
    first, second = (ours.seal(b"a secret of some length", "p") for _ in range(2))
    assert first != second
    assert b"secret" not in first
    assert first[:9] == b"\x01" + bytes.fromhex(ours.first)


def test_it_opens_for_its_purpose_alone() -> None:
    ours = secrets(FIRST)
    with pytest.raises(CannotUnseal):
        ours.unseal(ours.seal(b"secret", "pass token"), "certificate key")


def test_every_altered_bit_is_noticed() -> None:
    ours = secrets(FIRST)
    sealed = ours.seal(b"secret", "p")
    for position, bit in itertools.product(range(len(sealed)), range(8)):
        altered = bytearray(sealed)
        altered[position] ^= 1 << bit
        with pytest.raises(CannotUnseal):
            ours.unseal(bytes(altered), "p")


def test_a_part_is_not_the_whole() -> None:
    ours = secrets(FIRST)
    sealed = ours.seal(b"secret", "p")
    for cut in [*(sealed[:n] for n in range(len(sealed))), sealed + b"\x00"]:
        with pytest.raises(CannotUnseal):
            ours.unseal(cut, "p")


def test_an_old_key_opens_what_it_sealed_and_the_first_seals() -> None:
    old = secrets(FIRST)
    both = secrets(SECOND, FIRST)
    assert both.unseal(old.seal(b"secret", "p"), "p") == b"secret"
    renewed = both.seal(b"secret", "p")
    assert secrets(SECOND).unseal(renewed, "p") == b"secret"
    with pytest.raises(CannotUnseal) as closed:
        old.unseal(renewed, "p")
    assert f"p: sealed with secret key {secrets(SECOND).first}" in str(closed.value), "it names the key that is missing"
    assert "LIVEPASS_SECRET_KEY" in closed.value.hint
    assert old.first in closed.value.hint, "and those that are here"


def test_what_sealed_it_can_be_read_off() -> None:
    both = secrets(SECOND, FIRST)
    assert both.ids == (secrets(SECOND).first, secrets(FIRST).first)
    assert sealed_with(both.seal(b"secret", "p")) == both.first == secrets(SECOND).first


def test_an_altered_value_is_not_blamed_on_the_configuration() -> None:
    ours = secrets(FIRST)
    sealed = ours.seal(b"secret", "p")
    for altered in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:21], b""):
        with pytest.raises(CannotUnseal, match=r"^p: .*altered") as closed:
            ours.unseal(altered, "p")
        assert "backup" in closed.value.hint


def test_a_new_key_is_nothing_but_chance() -> None:
    ours = secrets(FIRST)
    drawn = {ours.new_key() for _ in range(10)}
    assert len(drawn) == 10
    assert {len(key) for key in drawn} == {32}


def test_a_key_is_named_without_telling_of_it() -> None:
    raw = random.Random(1).randbytes(32)
    assert key_id(raw) == secrets(FIRST).first
    assert len(key_id(raw)) == 16
    assert key_id(raw) not in raw.hex()


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "there is no secret key"),
        ([""], "secret key 1 has 0 bytes"),
        ([FIRST[:-2]], "secret key 1"),
        ([FIRST, FIRST + "AAAA"], "secret key 2 has 35 bytes"),
        (["ünïcode" + FIRST], "secret key 1 is not base64url"),
        ([FIRST, "A"], "secret key 2 is not base64url"),
        ([FIRST, "correct horse battery staple"], "secret key 2"),
    ],
)
def test_an_unusable_key_is_told_by_its_place_and_never_by_what_it_holds(texts: list[str], says: str) -> None:
    with pytest.raises(BadSecretKey) as bad:
        secrets(*texts)
    assert says in str(bad.value)
    assert "token_urlsafe(32)" in bad.value.hint
    shown = str(bad.value) + repr(bad.value) + bad.value.hint
    shown += "".join(traceback.format_exception(bad.value))
    for text in texts:
        pieces = {text[n : n + 6] for n in range(len(text) - 5)}
        assert not [piece for piece in pieces if piece in shown.replace("base64url", "")]


def test_nothing_shows_a_key() -> None:
    ours = secrets(FIRST, SECOND)
    shown = repr(ours) + str(ours)
    for text in (FIRST, SECOND):
        assert text not in shown
        assert base64.urlsafe_b64decode(text + "=").hex() not in shown
