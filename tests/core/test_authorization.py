"""Who may touch a pass."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.authorization import (
    MINIMUM_TOKEN_LENGTH,
    WELL_KNOWN_TOKENS,
    accepts,
    derive_token,
    fingerprint,
    presented_token,
    scheme_of,
    token_print,
    weakness,
)

TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZw"
KEY = b"k" * 32


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (f"ApplePass {TOKEN}", TOKEN),
        (f"applepass {TOKEN}", TOKEN),
        (f"APPLEPASS   {TOKEN} ", TOKEN),
        (f"AndroidPass {TOKEN}", None),
        (f"Bearer {TOKEN}", None),
        (f"ApplePass{TOKEN}", None),
        (TOKEN, None),
        ("ApplePass", None),
        ("ApplePass ", None),
        ("", None),
        (None, None),
    ],
)
def test_the_scheme_is_apple_pass_in_any_case(header: str | None, token: str | None) -> None:
    assert presented_token(header) == token


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        (f"WalletUnionPass {TOKEN}", "walletunionpass"),
        (f"  ApplePass {TOKEN}", "applepass"),
        ("BEARER", "bearer"),
        ("", ""),
        (None, ""),
    ],
)
def test_which_wallet_asks_is_told_by_the_scheme_in_any_case(header: str | None, scheme: str) -> None:
    assert scheme_of(header) == scheme


@pytest.mark.parametrize(
    ("header", "expected", "known", "accepted"),
    [
        (f"ApplePass {TOKEN}", TOKEN, True, True),
        (f"ApplePass {TOKEN}", TOKEN, False, False),
        (f"ApplePass {TOKEN}x", TOKEN, True, False),
        (f"ApplePass {TOKEN[:-1]}", TOKEN, True, False),
        (f"ApplePass {TOKEN.lower()}", TOKEN, True, False),
        (f"Bearer {TOKEN}", TOKEN, True, False),
        (None, TOKEN, True, False),
        (None, "", True, False),
        ("ApplePass ", "", True, False),
        ("ApplePass tökén", TOKEN, True, False),
    ],
    ids=[
        "right",
        "right, but the serial is unknown",
        "longer",
        "shorter",
        "other case",
        "other scheme",
        "no header",
        "no header, no expected token",
        "empty, no expected token",
        "not ASCII",
    ],
)
def test_only_the_pass_own_token_is_accepted(header: str | None, expected: str, known: bool, accepted: bool) -> None:
    assert accepts(header, expected, known=known) is accepted


@given(st.none() | st.text(st.characters(codec=None)))
def test_a_refusal_is_a_value_whatever_arrives(header: str | None) -> None:
    assert accepts(header, TOKEN, known=True) is (presented_token(header) == TOKEN)


def test_a_lone_surrogate_is_refused_and_not_an_error() -> None:
    assert not accepts("ApplePass \ud800", TOKEN, known=True)


def test_a_derived_token_is_256_bits_in_an_alphabet_that_headers_carry() -> None:
    token = derive_token(KEY, "default", "pass.a", "1", b"salt")
    assert re.fullmatch(r"[0-9A-Za-z_-]{43}", token)
    assert token == derive_token(KEY, "default", "pass.a", "1", b"salt")
    assert weakness(token) is None


PARTS = ("default", "pass.a", "1", b"salt")


@pytest.mark.parametrize(
    "other",
    [
        ("other", "pass.a", "1", b"salt"),
        ("default", "pass.b", "1", b"salt"),
        ("default", "pass.a", "2", b"salt"),
        ("default", "pass.a", "1", b"pepper"),
        ("defaultpass.a", "", "1", b"salt"),
        ("default", "pass.a1", "", b"salt"),
        ("default", "pass.a", "1salt", b""),
    ],
)
def test_no_two_passes_share_a_token(other: tuple[str, str, str, bytes]) -> None:
    assert derive_token(KEY, *other) != derive_token(KEY, *PARTS)


def test_another_key_gives_another_token() -> None:
    assert derive_token(b"x" * 32, *PARTS) != derive_token(KEY, *PARTS)


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        (TOKEN, None),
        (TOKEN[:MINIMUM_TOKEN_LENGTH], None),
        (TOKEN[: MINIMUM_TOKEN_LENGTH - 1], "15 characters"),
        ("", "0 characters"),
        ("aaaaaaaabbbbbbbb", "guessed"),
        ("01234" * 4, "guessed"),
        ("012345" * 3, None),
        ("schlüssel-des-hauses", "header"),
        (" a token with spaces ", "header"),
        *((token, "sample code") for token in sorted(WELL_KNOWN_TOKENS)),
    ],
)
def test_weak_tokens_are_refused(token: str, complaint: str | None) -> None:
    why = weakness(token)
    assert (why is None) if complaint is None else (why is not None and complaint in why)


def test_a_fingerprint_does_not_give_the_token_away() -> None:
    token = "ab" * 32
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint(token))
    assert fingerprint(token) not in token
    assert fingerprint(token) != fingerprint("ac" * 32)


def test_fingerprints_come_in_the_order_of_tokens() -> None:
    """What is pushed together, in that order, is written side by side."""
    tokens = [f"{number * 577:04x}" + "7f" * 30 for number in range(100)]
    assert sorted(tokens) == sorted(tokens, key=fingerprint)


def test_blanks_around_a_header_say_nothing() -> None:
    assert presented_token(f"  ApplePass {TOKEN}") == TOKEN


def test_no_token_at_all_never_equals_a_pass_token() -> None:
    assert not accepts(None, "XX", known=True)


@pytest.mark.parametrize("edge", ["!", "~"])
def test_every_printable_character_may_stand_in_an_imported_token(edge: str) -> None:
    assert weakness(f"{edge}abcdefghijklmnop") is None


@pytest.mark.parametrize("outside", [" ", "\x7f"])
def test_what_is_not_printable_may_not(outside: str) -> None:
    assert weakness(f"{outside}abcdefghijklmnop") is not None


def test_the_print_of_an_imported_token_is_keyed_and_the_same_each_time() -> None:
    print_ = token_print(KEY, TOKEN)
    assert print_ == token_print(KEY, TOKEN) and TOKEN not in print_
    assert len({print_, token_print(b"x" * 32, TOKEN), token_print(KEY, TOKEN[1:])}) == 3


def test_a_print_that_was_stored_is_found_again_by_every_version() -> None:
    """Else two passes could share a token. The HMAC-SHA256 of ``openssl dgst``, its first 128 bits."""
    assert token_print(KEY, TOKEN) == "4b178893afa489cea8ee6de49f77aa9c"
