"""What a field says, from how it is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from livepass.preview import View
from livepass.preview.values import say

WHEN = "2027-05-04T20:05:09+02:00"
OWN = {"ignoresTimeZone": True}
SHORT = {"dateStyle": "PKDateStyleShort", "timeStyle": "PKDateStyleShort"}
MEDIUM = {"dateStyle": "PKDateStyleMedium"}
FULL = {"dateStyle": "PKDateStyleFull", "timeStyle": "PKDateStyleMedium"}
NO_DAY = {"dateStyle": "PKDateStyleNone", "timeStyle": "PKDateStyleShort"}
PERCENT = {"numberStyle": "PKNumberStylePercent"}
_ = "\u00a0"

SAID = [
    # language, field, text
    ("en", {"value": WHEN}, WHEN),
    ("en", {"value": WHEN, **SHORT, **OWN}, f"5/4/27, 8:05{_}PM"),
    ("en", {"value": WHEN, **MEDIUM, **OWN}, "May 4, 2027"),
    ("en", {"value": WHEN, **FULL, **OWN}, f"Tuesday, May 4, 2027, 8:05:09{_}PM"),
    ("en", {"value": WHEN, **NO_DAY, **OWN}, f"8:05{_}PM"),
    ("en", {"value": WHEN, **OWN}, f"May 4, 2027, 8:05{_}PM"),
    ("en", {"value": "2027-05-04T00:05:00Z", **NO_DAY, **OWN}, f"12:05{_}AM"),
    ("en", {"value": "2027-05-04T12:05:00Z", **NO_DAY, **OWN}, f"12:05{_}PM"),
    ("en", {"value": "soon", **SHORT, **OWN}, "soon"),
    ("de", {"value": WHEN, **SHORT, **OWN}, "04.05.27, 20:05"),
    ("de-AT", {"value": WHEN, **FULL, **OWN}, "Dienstag, 4. Mai 2027, 20:05:09"),
    ("fr", {"value": WHEN, **FULL, **OWN}, "mardi 4 mai 2027 20:05:09"),
    ("es", {"value": WHEN, **FULL, **OWN}, "martes, 4 de mayo de 2027, 20:05:09"),
    ("nl", {"value": WHEN, **SHORT, **OWN}, "04-05-2027 20:05"),
    ("ja", {"value": WHEN, **SHORT, **OWN}, "2027-05-04 20:05"),
    ("en", {"value": "1234"}, "1234"),
    ("en", {"value": 1234}, "1,234"),
    ("de", {"value": 1234.5}, "1.234,5"),
    ("en", {"value": 0}, "0"),
    ("en", {"value": -1234.5678}, "-1,234.568"),
    ("en", {"value": 8, "currencyCode": "EUR"}, "€8.00"),
    ("en", {"value": -8.5, "currencyCode": "usd"}, "-$8.50"),
    ("en", {"value": 8, "currencyCode": "XYZ"}, f"XYZ{_}8.00"),
    ("en", {"value": 1200, "currencyCode": "JPY"}, "¥1,200"),
    ("en", {"value": 1, "currencyCode": "KWD"}, f"KWD{_}1.000"),
    ("de", {"value": 1234.5, "currencyCode": "EUR"}, f"1.234,50{_}€"),
    ("en", {"value": 0.25, **PERCENT}, "25%"),
    ("de", {"value": 0.25, **PERCENT}, f"25{_}%"),
    ("en", {"value": 1200, "numberStyle": "PKNumberStyleScientific"}, "1.2E3"),
    ("de", {"value": 0.0015, "numberStyle": "PKNumberStyleScientific"}, "1,5E-3"),
    ("en", {"value": 2**63, "numberStyle": "PKNumberStyleDecimal"}, "9,223,372,036,854,775,808"),
    (
        "en",
        {"value": "a", "attributedValue": "See <a href='https://example.com'>here &amp; now</a>."},
        "See here & now.",
    ),
    ("en", {"value": "a", "attributedValue": "1 < 2 <b>bold</b>"}, "1 < 2 bold"),
    ("en", {"value": "a", "attributedValue": 5}, "5"),
    ("en", {"value": None}, ""),
    ("en", {}, ""),
]


@pytest.mark.parametrize(("language", "field", "text"), SAID)
def test_what_it_says(language: str, field: dict[str, object], text: str) -> None:
    notes: list[str] = []
    assert say(field, View(language=language), notes.append).text == text
    assert [note for note in notes if "not known here" not in note] == []


@pytest.mark.parametrize(
    ("field", "note"),
    [
        ({"value": WHEN, **SHORT}, "in the time zone they are written in"),
        ({"value": WHEN, "isRelative": True, **OWN}, "relative dates"),
        ({"value": 5, "numberStyle": "PKNumberStyleSpellOut"}, "in digits"),
        ({"key": "a", "value": True}, "the field 'a' is neither"),
        ({"key": "a", "value": [1]}, "the field 'a' is neither"),
    ],
)
def test_what_is_said_about_it(field: dict[str, object], note: str) -> None:
    notes: list[str] = []
    say(field, View(), notes.append)
    assert any(note in each for each in notes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2027-05-04T12:00:00Z", "in 3 days"),
        ("2027-05-01T13:30:00Z", "in 1 hour"),
        ("2027-05-01T11:58:00Z", "2 minutes ago"),
        ("2027-05-01T12:00:20Z", "now"),
    ],
)
def test_relative_dates_need_an_instant(value: str, text: str) -> None:
    view = View(now=datetime(2027, 5, 1, 12, tzinfo=UTC))
    assert say({"value": value, "isRelative": True, **OWN}, view, [].append).text == text


def test_links_are_told_from_text() -> None:
    said = say({"attributedValue": "See <a href='x'>here</a>."}, View(), [].append)
    assert said.pieces == (("See ", False), ("here", True), (".", False))
