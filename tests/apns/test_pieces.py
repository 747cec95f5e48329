"""The small pure parts: HPACK numbers, reasons, patience and pace, addresses."""

from __future__ import annotations

import pytest
from hpack.hpack import decode_integer
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.apns.blocks import integer
from livepass.apns.patience import Look, Pace, Patience
from livepass.apns.reasons import read_reason
from livepass.apns.sender import endpoint_of


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 8))
def test_numbers_read_back(value: int, bits: int) -> None:
    octets = integer(value, bits, 0)
    assert decode_integer(octets, bits) == (value, len(octets))


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"reason":"Unregistered","timestamp":1700000000000}', ("Unregistered", 1_700_000_000_000)),
        (b'{"reason":"BadDeviceToken"}', ("BadDeviceToken", None)),
        (b'{"timestamp":true,"reason":7}', ("", None)),
        (b"", ("", None)),
        (b"[1]", ("", None)),
        (b"\xff\xfe", ("", None)),
        (b"[" * 8000, ("", None)),
        (b'{"reason":"Dead\\ud800\\u0000"}', ("Dead??", None)),
        (b'{"timestamp":1' + b"0" * 30 + b"}", ("", None)),
        (b'{"timestamp":-1}', ("", None)),
        (b'{"reason":"' + b"x" * 500 + b'"}', ("x" * 100, None)),
    ],
)
def test_reasons(body: bytes, read: tuple[str, int | None]) -> None:
    assert read_reason(body) == read


@pytest.mark.parametrize(
    ("quiet", "asked", "busy", "look"),
    [
        (59, None, True, Look.FINE),
        (60, None, True, Look.ASK),
        (60, None, False, Look.FINE),
        (3599, None, False, Look.FINE),
        (3600, None, False, Look.ASK),
        (70, 9, True, Look.FINE),
        (70, 10, True, Look.DEAD),
        (3610, 10, False, Look.DEAD),
    ],
)
def test_patience(quiet: float, asked: float | None, busy: bool, look: Look) -> None:
    now = 10_000.0
    assert Patience().look(now, now - quiet, None if asked is None else now - asked, busy) is look


class TestPace:
    def test_back_off_doubles_up_to_a_minute(self) -> None:
        pace, waits = Pace(), []
        for _ in range(9):
            pace.failed(100.0, 0.0)
            waits.append(pace.next_at(100.0) - 100.0)
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]

    def test_jitter_only_adds(self) -> None:
        pace = Pace()
        pace.failed(0.0, 0.999)
        assert 1.0 < pace.next_at(0.0) < 1.25

    def test_an_answer_clears_the_way(self) -> None:
        pace = Pace()
        pace.failed(0.0, 0.5)
        pace.answered()
        assert pace.next_at(0.0) == 0.0
        pace.failed(0.0, 0.0)
        assert pace.next_at(0.0) == 1.0

    def test_even_successes_are_bounded(self) -> None:
        pace, now, opened = Pace(), 0.0, 0
        while now < 60:
            if pace.next_at(now) <= now:
                pace.opening(now)
                opened += 1
            else:
                now += 0.1
        assert opened <= 20 + 60

    def test_an_idle_hour_refills_the_budget(self) -> None:
        pace = Pace()
        for _ in range(20):
            assert pace.next_at(0.0) <= 0.0
            pace.opening(0.0)
        assert pace.next_at(0.0) > 0.0
        assert pace.next_at(3600.0) <= 3600.0


def test_addresses() -> None:
    assert endpoint_of("https://api.push.apple.com").authority == "api.push.apple.com"
    assert endpoint_of("https://api.push.apple.com:2197/").authority == "api.push.apple.com:2197"
    assert endpoint_of("https://[::1]:8443").authority == "[::1]:8443"


@pytest.mark.parametrize(
    "url", ["http://a", "https://", "a.example", "https://a/path", "https://u:p@a", "https://a?x=1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError):
        endpoint_of(url)
