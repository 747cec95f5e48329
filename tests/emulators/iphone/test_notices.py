"""What the lock screen says after an update."""

from __future__ import annotations

from typing import Any

import pytest

from emulators.iphone.hand import Hand
from emulators.iphone.pass_maker import PASS_TYPE, Maker, document
from livepass.emulators.iphone import PhoneSettings, Quirks
from livepass.emulators.iphone.notices import GENERIC, announcements, shown
from livepass.emulators.iphone.package import reopen


def card(**fields: tuple[Any, str | None]) -> dict[str, Any]:
    return {
        "storeCard": {
            "headerFields": [
                {"key": key, "value": value} | ({"changeMessage": message} if message else {})
                for key, (value, message) in fields.items()
            ]
        }
    }


CASES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (card(a=(1, "Now %@!")), card(a=(2, "Now %@!")), ["Now 2!"]),
    (card(a=(1, "Now %@!")), card(a=(1, "Now %@!")), []),
    (card(a=(1, None)), card(a=(2, None)), []),
    (card(a=(1, None)), card(a=(2, "%@")), ["2"]),
    (card(a=(1, "%@")), card(b=(2, "%@")), []),
    (card(a=(1, "%@"), b=(1, "%@")), card(a=(2, "%@"), b=(2, "%@")), [GENERIC]),
    (card(a=(1, "%@"), b=(1, None)), card(a=(2, "%@"), b=(2, None)), ["2"]),
    (card(a=(1, "100%% of %@")), card(a=("all", "100%% of %@")), ["100% of all"]),
    (card(a=(1, "changed")), card(a=(2, "changed")), [GENERIC]),
    (card(a=(1, "%%@")), card(a=(2, "%%@")), [GENERIC]),
]


@pytest.mark.parametrize(("old", "new", "texts"), CASES)
def test_the_difference_speaks_through_change_messages(
    maker: Maker, old: dict[str, Any], new: dict[str, Any], texts: list[str]
) -> None:
    assert announcements(reopen(maker(**old)), reopen(maker(**new)), Quirks()) == texts


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ({"value": 130}, "130"),
        ({"value": 130.0}, "130"),
        ({"value": 1.5}, "1.5"),
        ({"value": 12, "currencyCode": "EUR"}, "EUR 12.00"),
        ({"value": 0.25, "numberStyle": "PKNumberStylePercent"}, "25%"),
        ({"value": "Gate 4"}, "Gate 4"),
    ],
)
def test_values_are_shown_as_text(field: dict[str, Any], text: str) -> None:
    assert shown(field) == text


def test_a_banner_names_the_organization_in_the_phones_language(maker: Maker) -> None:
    strings = {"de.lproj/pass.strings": b'"Coffee Club" = "Kaffeeklub"; "You have %@ points" = "%@ Punkte";'}
    hand = Hand(maker, settings=PhoneSettings(language="de"))
    hand.wallet.add(maker.build(document(), strings), hand.now)
    held = hand.wallet["S-1"]
    before = held.package
    hand.wallet.move(held, reopen(maker.build(document(points=7), strings)), hand.now)
    hand.wallet.announce(before, held, hand.now)
    banner = hand.wallet.banners[-1]
    assert (banner.title, banner.text, banner.serial) == ("Kaffeeklub", "7 Punkte", "S-1")


def test_notifications_can_be_turned_off(hand: Hand) -> None:
    hand.add()
    hand.wallet.set_notifications(PASS_TYPE, "S-1", False)
    hand.change()
    assert hand.wallet["S-1"].field("points") == 130 and hand.wallet.last_banner is None
