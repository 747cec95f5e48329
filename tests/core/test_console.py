"""How long sessions and links are good, whatever clocks show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livepass.core.console import (
    AHEAD_MS,
    IDLE_MS,
    LONGEST_LINK_MS,
    LONGEST_MS,
    ConsoleLink,
    ConsoleSession,
    ConsoleUser,
    alive,
    open_link,
)

T0 = 1_800_000_000_000
USER = ConsoleUser("default", "ada", "operator", "$argon2id$…", None, None, T0, None)
SESSION = ConsoleSession("s", "default", "ada", "operator", T0, T0)
LINK = ConsoleLink("l", "default", "admin", T0 + 60_000, None)


def test_the_figures() -> None:
    assert (IDLE_MS, LONGEST_MS) == (30 * 60_000, 12 * 3_600_000)


@pytest.mark.parametrize(
    ("created", "seen", "good"),
    [
        (0, 0, True),
        (IDLE_MS, IDLE_MS, True),
        (IDLE_MS + 1, IDLE_MS + 1, False),
        (IDLE_MS + 1, 0, True),
        (LONGEST_MS, 0, True),
        (LONGEST_MS + 1, 0, False),
        (-AHEAD_MS, -AHEAD_MS, True),
        (-AHEAD_MS - 1, 0, False),
        (0, -AHEAD_MS - 1, False),
    ],
)
def test_a_session_is_good_for_half_an_hour_and_half_a_day(created: int, seen: int, good: bool) -> None:
    """How long ago it was created and seen."""
    assert alive(replace(SESSION, created_at=T0 - created, seen_at=T0 - seen), USER, T0) is good


@pytest.mark.parametrize(
    "user", [None, replace(USER, disabled_at=1), replace(USER, role="admin"), replace(USER, role="viewer")]
)
def test_a_session_is_its_users(user: ConsoleUser | None) -> None:
    assert alive(SESSION, USER, T0)
    assert not alive(SESSION, user, T0)
    assert alive(replace(SESSION, name="link 12345678"), None, T0), "by a link came nobody who could be disabled"


@pytest.mark.parametrize(
    ("sealed", "step", "asks"), [(None, None, False), (b"x", None, False), (b"x", 0, True), (None, 1, False)]
)
def test_a_code_is_asked_for_once_the_first_was_given(sealed: bytes | None, step: int | None, asks: bool) -> None:
    assert replace(USER, totp_sealed=sealed, totp_step=step).asks_code is asks


@pytest.mark.parametrize(
    ("link", "now", "good"),
    [
        (LINK, T0, True),
        (LINK, T0 + 59_999, True),
        (LINK, T0 + 60_000, False),
        (replace(LINK, used_at=T0), T0, False),
        (LINK, LINK.expires_at - LONGEST_LINK_MS - AHEAD_MS, True),
        (LINK, LINK.expires_at - LONGEST_LINK_MS - AHEAD_MS - 1, False),
    ],
)
def test_a_link_is_good_once_and_in_its_time(link: ConsoleLink, now: int, good: bool) -> None:
    assert open_link(link, now) is good
