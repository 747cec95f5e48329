"""What tells a wallet that polls from a phone, and what is counted of it."""

from __future__ import annotations

import pytest

from livepass.core.authorization import TO_FETCH, accepts, presented_token
from livepass.core.polling import Polling, family_of, polling
from livepass.core.timeline import Event, Kind

TOKEN = "T" * 8 + "abcdefgh"


@pytest.mark.parametrize(
    ("authorization", "user_agent", "family"),
    [
        ("ApplePass x", "passd/1.0 CFNetwork/3860.100.1 Darwin/25.0.0", ""),
        ("ApplePass x", None, ""),
        ("ApplePass x", "", ""),
        (None, None, ""),
        # A proxy that puts its own name there says nothing of who fetches.
        ("ApplePass x", "Amazon CloudFront", ""),
        ("ApplePass x", "okhttp/4.12.0", "android"),
        ("ApplePass x", "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)", "android"),
        ("walletunionpass x", None, "android"),
        ("WalletUnionPass x", "passd/1.0 CFNetwork/1 Darwin/1", ""),
        ("Bearer x", None, ""),
        ("ApplePass x", "KDE Itinerary/24.12", "kde"),
        ("ApplePass x", "gnome-passes libsoup/3.4", "gnome"),
        ("ApplePass x", "curl/8.5.0", "script"),
        ("ApplePass x", "python-requests/2.32", "script"),
        ("ApplePass x", "curly", ""),
    ],
)
def test_who_fetches(authorization: str | None, user_agent: str | None, family: str) -> None:
    assert family_of(authorization, user_agent) == family


def test_which_schemes_a_fetch_may_come_with() -> None:
    for scheme in ("ApplePass", "applepass", "WalletUnionPass"):
        assert accepts(f"{scheme} {TOKEN}", TOKEN, known=True, schemes=TO_FETCH)
    for scheme in ("Bearer", "Basic", "Token", "AndroidPass", ""):
        assert not accepts(f"{scheme} {TOKEN}", TOKEN, known=True, schemes=TO_FETCH)
    assert not accepts(f"WalletUnionPass {TOKEN}", TOKEN, known=True)
    assert presented_token("WalletUnionPass ", TO_FETCH) is None


def polled(at: int, wallet: str, seq: int, status: int = 200, **detail: object) -> Event:
    return Event(Kind.POLLED, at, "t", "1", seq=seq, detail={"wallet": wallet, "status": status, **detail})


def test_what_is_counted() -> None:
    events = [
        polled(3, "kde", 2),
        polled(5, "android", 4, fetches=3),
        polled(4, "android", 5, 304),
        polled(6, "android", 0, 401, fetches=2),
        polled(7, "kde", 1, fetches="many"),
    ]
    assert polling(events) == (Polling("android", 6, 5, 4, 2), Polling("kde", 7, 2, 2, 0))
