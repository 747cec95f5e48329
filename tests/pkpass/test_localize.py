"""A pass as a phone of one language shows it; held against the emulated phone, which looks texts up by itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from livepass.emulators.iphone.package import Package
from livepass.pkpass.localize import folder_for, image_for, is_text, languages, localized, texts
from livepass.pkpass.strings import StringsProblem, strings_bytes

DOCUMENT: dict[str, Any] = {
    "description": "Card",
    "organizationName": "Club",
    "logoText": "Club",
    "serialNumber": "Card",
    "userInfo": {"label": "Card", "value": ["Card"]},
    "barcode": {"message": "Card", "altText": "Card"},
    "locations": [{"latitude": 1, "relevantText": "Near"}],
    "beacons": [{"proximityUUID": "Near", "relevantText": "Near"}],
    "relevantDates": [{"relevantText": "Near"}],
    "upcoming": {"headerFields": [{"label": "Card"}]},
    "semantics": {"venueName": "Hall", "seats": [{"seatSection": "Left", "seatNumber": 7}]},
    "storeCard": {
        "headerFields": [{"key": "Card", "label": "Card", "value": "Gold", "changeMessage": "Now %@"}],
        "backFields": [{"key": "a", "value": 7, "semantics": {"venueName": "Hall"}, "dateStyle": "Card"}],
        "otherFields": [{"label": "Card"}],
        "transitType": "Card",
    },
}
GERMAN = {
    "Card": "Karte",
    "Club": "Verein",
    "Near": "Nah",
    "Hall": "Halle",
    "Left": "Links",
    "Gold": "Gold!",
    "Now %@": "Jetzt %@",
}
SHOWN: dict[str, Any] = {
    **DOCUMENT,
    "description": "Karte",
    "organizationName": "Verein",
    "logoText": "Verein",
    "locations": [{"latitude": 1, "relevantText": "Nah"}],
    "beacons": [{"proximityUUID": "Near", "relevantText": "Nah"}],
    "semantics": {"venueName": "Halle", "seats": [{"seatSection": "Links", "seatNumber": 7}]},
    "storeCard": {
        "headerFields": [{"key": "Card", "label": "Karte", "value": "Gold!", "changeMessage": "Jetzt %@"}],
        "backFields": [{"key": "a", "value": 7, "semantics": {"venueName": "Halle"}, "dateStyle": "Card"}],
        "otherFields": [{"label": "Card"}],
        "transitType": "Card",
    },
}


def test_what_is_looked_up_is_translated_and_nothing_else() -> None:
    before = copy.deepcopy(DOCUMENT)
    files = {"de.lproj/pass.strings": strings_bytes(GERMAN)}
    assert localized(DOCUMENT, files, "de") == SHOWN
    assert before == DOCUMENT, "a copy"
    assert localized(DOCUMENT, files, "fr") == DOCUMENT == localized(DOCUMENT, {}, "de")


def test_the_emulated_phone_shows_the_same() -> None:
    files = {"de.lproj/pass.strings": strings_bytes(GERMAN)}
    phone = Package(b"", DOCUMENT, "", files)
    for pointer, text in texts(DOCUMENT):
        shown: Any = localized(DOCUMENT, files, "de")
        for step in pointer.split("/")[1:]:
            shown = shown[int(step) if isinstance(shown, list) else step]
        assert shown == phone.localized(text, "de")


def test_texts_are_told_with_their_place() -> None:
    found = dict(texts(DOCUMENT))
    assert found["/semantics/seats/0/seatSection"] == "Left" and found["/beacons/0/relevantText"] == "Near"
    assert len(found) == 11


def test_a_text_that_is_no_text_stays() -> None:
    for odd in (None, 7, [], {}, ["Card"], {"headerFields": [7, ["Card"], {"label": ["Card"]}]}):
        document = {"storeCard": odd, "locations": odd, "description": odd}
        assert localized(document, {"de.lproj/pass.strings": strings_bytes(GERMAN)}, "de") == document


@pytest.mark.parametrize(
    ("language", "folder"),
    [
        ("de", "de.lproj"),
        ("de-CH", "de-CH.lproj"),
        ("de_ch", "de-CH.lproj"),
        ("de-AT", "de.lproj"),
        ("zh-Hans-CN", "zh_Hans.lproj"),
        ("zh", None),
        ("d", None),
        ("", None),
    ],
)
def test_which_folder_a_language_takes(language: str, folder: str | None) -> None:
    files = dict.fromkeys(["de.lproj/a", "de-CH.lproj/a", "zh_Hans.lproj/a", "icon.png", "other/a"], b"")
    assert folder_for(files, language) == folder
    assert list(languages(files)) == ["de", "de-CH", "zh_Hans"]


def test_which_image_a_language_shows() -> None:
    files = dict.fromkeys(["icon.png", "de.lproj/icon.png", "de.lproj/logo.png"], b"")
    assert image_for(files, "icon.png", "de") == "icon.png", "Apple: the top level hides the others"
    assert image_for(files, "logo.png", "de-AT") == "de.lproj/logo.png"
    assert image_for(files, "logo.png", "fr") is None


def test_texts_that_cannot_be_read_are_not_guessed_at() -> None:
    with pytest.raises(StringsProblem, match="line 1, column 4"):
        localized(DOCUMENT, {"de.lproj/pass.strings": b'"a"'}, "de")


def test_the_quick_search_for_texts_finds_what_the_rule_says() -> None:
    """Every place that a text may stand at, and some where none is looked up."""
    field = {
        "key": "a",
        "label": "L",
        "value": "V",
        "changeMessage": "M",
        "row": "x",
        "semantics": {"seats": [{"n/o": "S"}]},
    }
    document: dict[str, object] = {
        "description": "D", "logoText": "T", "organizationName": "O", "serialNumber": "1", "relevantText": "no",
        "locations": [{"relevantText": "near", "name": "no"}, "no"], "beacons": [{"relevantText": "here"}],
        "semantics": {"venue": {"name": ["one", 2]}}, "userInfo": {"label": "no"},
        "storeCard": {"primaryFields": [field, 7], "others": [field]}, "generic": "no",
        "coupon": {"backFields": [field]},
    }  # fmt: skip
    found: list[tuple[str, str]] = []

    def walk(value: object, path: tuple[str | int, ...]) -> None:
        for step, each in (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        ):
            walk(each, (*path, step))
        if isinstance(value, str) and is_text(path):
            found.append(("".join(f"/{str(step).replace('/', '~1')}" for step in path), value))

    walk(document, ())
    assert sorted(texts(document)) == sorted(found)
    assert len(found) == 14
