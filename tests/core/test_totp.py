"""One-time codes: the test vectors of RFC 6238 and RFC 4226, and which steps a code is taken of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.totp import STEP_MS, code_of, step_at, step_of

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(second: int, code: str) -> None:
    assert code_of(SECRET, step_at(second * 1000), digits=8) == code
    assert code_of(SECRET, step_at(second * 1000)) == code[2:], "six digits are the last six"


def test_the_vectors_of_rfc_4226() -> None:
    codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    assert [code_of(SECRET, counter) for counter in range(10)] == codes


@given(now=st.integers(0, 2**42), away=st.integers(-4, 4))
def test_a_code_is_taken_one_step_around_and_no_further(now: int, away: int) -> None:
    step = max(0, step_at(now) + away)
    taken = step_of(SECRET, code_of(SECRET, step), now, None)
    assert (taken == step) == (abs(step - step_at(now)) <= 1)


@given(now=st.integers(STEP_MS, 2**42), away=st.integers(-1, 1), after=st.integers(-3, 3))
def test_a_step_is_taken_only_after_the_last_one(now: int, away: int, after: int) -> None:
    step = step_at(now) + away
    taken = step_of(SECRET, code_of(SECRET, step), now, step + after)
    assert taken == (step if after < 0 else None)


@pytest.mark.parametrize("code", ["", "1", "7552240", "75522४", "\ud800", "755 22", "abcdef"])
def test_what_is_no_code(code: str) -> None:
    assert step_of(SECRET, code, 0, None) is None


def test_a_code_may_be_typed_as_apps_show_it() -> None:
    assert step_of(SECRET, "755 224", 0, None) == 0
