"""Share links: only what was written opens, and only its own pass, until its end."""

from __future__ import annotations

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livepass.core.share import DAY, LONGEST, NOBODY, SHORTEST, USUAL, Link, opens, read, share_key, write

KEY = share_key(b"k" * 32)
SALT = bytes(range(16))
LINK = Link("pass.com.example.gym", "0042", 1_800_000_000)
BEFORE = LINK.expires_at - 1

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
links = st.builds(Link, names, names, st.integers(0, 2**40 - 1))
salts = st.binary(min_size=16, max_size=16)


@given(links, salts)
def test_a_link_says_what_was_written_and_opens_until_its_end(link: Link, salt: bytes) -> None:
    presented = read(write(link, salt, KEY))
    assert presented.link == link
    assert opens(presented, salt, KEY, link.expires_at - 1)
    assert not opens(presented, salt, KEY, link.expires_at)


@given(st.data())
def test_no_other_spelling_opens(data: st.DataObject) -> None:
    """Fails when any bit of the token does not count, among them the spare ones of its last character."""
    token = write(data.draw(links), SALT, KEY)
    at, bit = data.draw(st.integers(0, len(token) - 1)), data.draw(st.integers(0, 7))
    other = token[:at] + chr(ord(token[at]) ^ 1 << bit) + token[at + 1 :]
    assert not opens(read(other), SALT, KEY, 0)


@pytest.mark.parametrize("serial", ["0042", "42", "042"])
def test_the_last_character_has_one_spelling(serial: str) -> None:
    """Of three lengths, so that there are 0, 2 and 4 spare bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = write(Link("pass.com.example.gym", serial, LINK.expires_at), SALT, KEY)
    opening = [last for last in alphabet if opens(read(token[:-1] + last), SALT, KEY, 0)]
    assert opening == [token[-1]]


@given(links, links, salts, salts)
def test_a_link_opens_no_other_pass(link: Link, other: Link, salt: bytes, other_salt: bytes) -> None:
    """Fails when the MAC leaves out a part: what it was made for is put on another link."""
    assume((link, salt) != (other, other_salt))
    moved = base64.urlsafe_b64decode(_padded(write(other, other_salt, KEY)))[:-16]
    mac = base64.urlsafe_b64decode(_padded(write(link, salt, KEY)))[-16:]
    token = base64.urlsafe_b64encode(moved + mac).rstrip(b"=").decode()
    assert not opens(read(token), other_salt, KEY, 0)


def test_names_cannot_change_places() -> None:
    """Fails when the parts are put together without saying where one ends."""
    mac = base64.urlsafe_b64decode(_padded(write(Link("ab", "c", 9), SALT, KEY)))[-16:]
    assert mac != base64.urlsafe_b64decode(_padded(write(Link("a", "bc", 9), SALT, KEY)))[-16:]


@given(st.text(max_size=80))
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert not opens(read(text), SALT, KEY, 0)
    assert not opens(read(text), None, KEY, 0)


@given(st.binary(max_size=60))
def test_bytes_that_nobody_signed_open_nothing(raw: bytes) -> None:
    token = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert not opens(read(token), SALT, KEY, 0)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes(5) + b"\x00" + b"serial" + bytes(16), id="no pass type"),
        pytest.param(bytes(5) + b"\x06" + b"serial" + bytes(16), id="no serial"),
        pytest.param(bytes(5) + b"\x02" + b"\xff\xffx" + bytes(16), id="no text"),
        pytest.param(bytes(5) + b"\x02" + b"a\0x" + bytes(16), id="a NUL, which no database takes"),
    ],
)
def test_what_names_no_pass_is_nobodys(raw: bytes) -> None:
    assert read(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) is NOBODY


def test_a_pass_that_is_gone_or_was_issued_anew_is_not_opened() -> None:
    """Fails when the salt does not count, or when no pass is taken for the one without a salt."""
    presented = read(write(LINK, SALT, KEY))
    assert opens(presented, SALT, KEY, BEFORE)
    assert not opens(presented, bytes(16), KEY, BEFORE)
    assert not opens(presented, None, KEY, BEFORE)
    assert not opens(read(write(LINK, bytes(16), KEY)), None, KEY, BEFORE)


def test_the_key_is_of_links_alone() -> None:
    """Fails when links are signed with the shared key itself, which signs other things too."""
    assert share_key(b"k" * 32) != b"k" * 32
    assert not opens(read(write(LINK, SALT, b"k" * 32)), SALT, KEY, BEFORE)


def test_tokens_are_short_and_need_no_escaping() -> None:
    token = write(LINK, SALT, KEY)
    assert len(token) == 62
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_bounds() -> None:
    assert (SHORTEST, USUAL, LONGEST) == (60, 7 * DAY, 365 * DAY)


def _padded(token: str) -> str:
    return token + "=" * (-len(token) % 4)
