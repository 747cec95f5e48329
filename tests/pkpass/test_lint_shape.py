"""Semantic tags, layouts, upcoming events, enrolment and versions of iOS: the ways to get them wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livepass.pkpass import RULES, lint
from livepass.pkpass.links import BOARDING_LINKS, EVENT_LINKS
from livepass.pkpass.semantic_tags import ENUMS, LISTS, OBJECTS, SPELLINGS, TAGS
from livepass.pkpass.since import IOS, KEYS_SINCE
from pkpass.lint_pairs import (
    ACTION,
    AIR,
    CODE39,
    ENTRY,
    FLIGHT_TAGS,
    PERSONALIZATION,
    POSTER_EVENT,
    QR,
    REMOVE,
    REWARDS,
    SEMANTIC_BOARDING,
    applied,
)

GOOD: dict[str, Any] = {
    "string": "x",
    "number": 1,
    "boolean": True,
    "date": "2026-12-01T20:00:00+01:00",
    "strings": ["x"],
    "amount": {"amount": "1", "currencyCode": "EUR"},
    "coordinates": {"latitude": 48.1, "longitude": 11.5},
    "event date": {"date": "2026-12-01T20:00Z", "unannounced": False},
    "person name": {"givenName": "Ada"},
    "seats": [{"seatNumber": "7"}],
    "networks": [{"ssid": "hall", "password": "opensesame"}],
}
ENTRIES = "/upcomingPassInformation"
IMAGE = f"{ENTRIES}/0/images/headerImage/URLs/0"

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("semantic-tag", "/semantics/seats/0/seatRom", {"/semantics/seats": [{"seatRom": "7"}]}),
    ("semantic-tag", "/semantics/balance/unit", {"/semantics/balance/unit": "x"}),
    ("semantic-tag", "/storeCard/backFields/0/semantics/x", {"/storeCard/backFields/0/semantics": {"x": 1}}),
    ("semantic-type", "/semantics/seats", {"/semantics/seats": {}}),
    ("semantic-type", "/semantics/wifiAccess/0/ssid", {"/semantics/wifiAccess": [{"ssid": 1}]}),
    ("semantic-type", "/semantics/venueLocation", {"/semantics/venueLocation": "here"}),
    ("semantic-type", "/semantics/venueLocation/latitude", {"/semantics/venueLocation": {"latitude": "48"}}),
    ("semantic-type", "/semantics/passengerName", {"/semantics/passengerName": "Ada"}),
    ("semantic-type", "/semantics/eventEndDate", {"/semantics/eventEndDate": "tomorrow"}),
    ("semantic-type", "/semantics/eventStartDateInfo/date", {"/semantics/eventStartDateInfo": {"date": "soon"}}),
    ("semantic-type", "/semantics/performerNames", {"/semantics/performerNames": "x"}),
    ("semantic-enum", "/semantics/passengerCapabilities", {"/semantics/passengerCapabilities": ["CarryOn"]}),
    *(
        ("semantic-spelling", f"/semantics/{pair[index]}", {f"/semantics/{pair[index]}": GOOD[TAGS[pair[index]]]})
        for pair in SPELLINGS
        for index in (0, 1)
        if pair[index] not in ENUMS
    ),
    *(
        ("poster-event", "/preferredStyleSchemes", {**POSTER_EVENT, what: REMOVE})
        for what in (
            *(f"/semantics/{tag}" for tag in ("eventName", "venueName", "venueRegionName", "performerNames")),
            "/nfc",
            "/nfc/requiresAuthentication",
            "background.png",
        )
    ),
    *(
        ("semantic-boarding", "/preferredStyleSchemes", {**SEMANTIC_BOARDING, f"/semantics/{tag}": REMOVE})
        for tag in FLIGHT_TAGS
        if tag != "seats" and "TimeZone" not in tag
    ),
    *(("link-style", f"/{key}", {f"/{key}": "x"}) for key in (*EVENT_LINKS, *BOARDING_LINKS)),
    ("link-style", "/sellURL", {**AIR, "/sellURL": "https://example.com"}),
    ("link-style", "/sellURL", {"/storeCard": REMOVE, "/eventTicket": {}, "/sellURL": "https://example.com"}),
    *(
        ("upcoming-entry", f"{ENTRIES}/0/{key}", {ENTRIES: [{**ENTRY, key: ""}]})
        for key in ("identifier", "name", "type")
    ),
    ("upcoming-entry", f"{ENTRIES}/0/type", {ENTRIES: [{**ENTRY, "type": "flight"}]}),
    ("upcoming-image", f"{IMAGE}/SHA256", {ENTRIES: [ENTRY], f"{IMAGE}/SHA256": REMOVE}),
    ("upcoming-image", f"{IMAGE}/URL", {ENTRIES: [ENTRY], f"{IMAGE}/URL": REMOVE}),
    ("upcoming-image", f"{IMAGE}/size", {ENTRIES: [ENTRY], f"{IMAGE}/size": 2_097_153}),
    (
        "upcoming-image",
        f"{ENTRIES}/0/images/headerImage/reuseExisting",
        {ENTRIES: [ENTRY], f"{ENTRIES}/0/images/headerImage/reuseExisting": True},
    ),
    ("date", f"{ENTRIES}/0/dateInformation/date", {ENTRIES: [{**ENTRY, "dateInformation": {"date": "soon"}}]}),
    ("value-type", f"{ENTRIES}/0/isActive", {ENTRIES: [{**ENTRY, "isActive": "yes"}]}),
    ("unknown-key", f"{ENTRIES}/0/active", {ENTRIES: [{**ENTRY, "active": True}]}),
    ("unknown-key", f"{ENTRIES}/0/URLs/sellUrl", {ENTRIES: [{**ENTRY, "URLs": {"sellUrl": "x"}}]}),
    ("field-value", f"{ENTRIES}/0/backFields/0/value", {ENTRIES: [{**ENTRY, "backFields": [{"key": "x"}]}]}),
    ("semantic-tag", f"{ENTRIES}/0/semantics/x", {ENTRIES: [{**ENTRY, "semantics": {"x": 1}}]}),
    (
        "semantic-type",
        f"{ENTRIES}/0/backFields/0/semantics/eventName",
        {ENTRIES: [{**ENTRY, "backFields": [{"key": "x", "value": 1, "semantics": {"eventName": 1}}]}]},
    ),
    ("unknown-key", "/featuredActions/0/URL", {"/featuredActions": [{**ACTION, "URL": "x"}]}),
    ("value-type", "/featuredActions/0/url", {"/featuredActions": [{**ACTION, "url": 1}]}),
    *(
        (
            "personalization",
            "personalization.json",
            {**REWARDS, "personalization.json": json.dumps({**json.loads(PERSONALIZATION), **change}).encode()},
        )
        for change in (
            {"description": ""},
            {"description": 1},
            {"requiredPersonalizationFields": []},
            {"requiredPersonalizationFields": ["Name"]},
            {"terms": "x"},
        )
    ),
    ("personalization", "personalization.json", {**REWARDS, "personalizationLogo@2x.png": REMOVE}),
]


@pytest.mark.parametrize(("rule", "where", "changes"), CASES)
def test_one_thing_wrong_is_one_warning(
    document: dict[str, Any], files: dict[str, bytes], rule: str, where: str, changes: dict[str, Any]
) -> None:
    found = lint(*applied(document, files, changes))
    assert [(each.rule, each.severity, each.pointer) for each in found] == [(rule, "warning", where)]


def good(tag: str) -> Any:
    """A value that the tag takes."""
    if tag not in ENUMS:
        return GOOD[TAGS[tag]]
    return list(ENUMS[tag]) if TAGS[tag] == "strings" else ENUMS[tag][0]


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_is_taken_and_its_type_checked(document: dict[str, Any], files: dict[str, bytes], tag: str) -> None:
    both = {each: good(each) for pair in SPELLINGS if tag in pair for each in pair}
    assert lint({**document, "semantics": {**both, tag: good(tag)}}, files) == []
    (found,) = lint({**document, "semantics": {**both, tag: None}}, files)
    assert found.rule == ("semantic-amount" if TAGS[tag] == "amount" else "semantic-type")


def test_the_tables_of_tags_hang_together() -> None:
    assert set(TAGS.values()) == set(GOOD)
    assert set(LISTS.values()) <= set(OBJECTS)
    assert ENUMS.keys() <= TAGS.keys()
    assert {each for pair in SPELLINGS for each in pair} <= TAGS.keys()
    assert all(set(rule.ios) <= set(IOS) and rule.ios for rule in RULES.values())


@pytest.mark.parametrize("key", KEYS_SINCE)
def test_an_older_ios_ignores_a_newer_key(document: dict[str, Any], files: dict[str, bytes], key: str) -> None:
    values: dict[str, Any] = {"featuredActions": [ACTION], "posterGeneric": {}, "upcomingPassInformation": [ENTRY]}
    document = {**document, key: values.get(key, "https://example.com")}
    if key in BOARDING_LINKS:
        document["boardingPass"] = {"transitType": "PKTransitTypeAir"}
        del document["storeCard"]
    older = tuple(version for version in IOS if version < KEYS_SINCE[key])
    (found,) = lint(document, files, ios=IOS)
    assert (found.rule, found.pointer, found.ios) == ("newer-than-ios", f"/{key}", older)
    assert all(f"iOS {version}" in found.message for version in older)
    assert lint(document, files, ios=[27]) == []
    assert lint(document, files) == [], "nobody asked"


def test_newer_barcodes_and_layouts(document: dict[str, Any], files: dict[str, bytes]) -> None:
    mixed, _ = applied(document, files, {"/barcodes": [CODE39, QR]})
    assert [each.pointer for each in lint(mixed, files, ios=[26])] == ["/barcodes/0/format"]
    alone, _ = applied(document, files, {"/barcode": REMOVE, "/barcodes": [CODE39]})
    assert [each.rule for each in lint(alone, files, ios=[26])] == ["barcode-fallback"]
    assert lint(alone, files, ios=[27]) == []
    assert lint({**document, "barcodes": [CODE39]}, files) == [], "they show the one in barcode"
    layout, _ = applied(document, files, SEMANTIC_BOARDING)
    assert [(each.rule, each.pointer) for each in lint(layout, files, ios=IOS)] == [
        ("newer-than-ios", "/preferredStyleSchemes/0")
    ]


def test_each_spelling_of_a_date_is_for_its_own_ios(document: dict[str, Any], files: dict[str, bytes]) -> None:
    for key, lost in (("date", (18,)), ("relevantDate", (26, 27))):
        (found,) = lint({**document, "relevantDates": [{key: "2026-12-01T20:00Z"}]}, files)
        assert (found.rule, found.ios) == ("relevant-date-spelling", lost)


def test_a_poster_alone_is_refused_by_older_phones_only(document: dict[str, Any], files: dict[str, bytes]) -> None:
    poster, _ = applied(document, files, {"/storeCard": REMOVE, "/posterGeneric": {}})
    (found,) = lint(poster, files, ios=IOS)
    assert (found.rule, found.effect, found.ios) == ("style-fallback", "refused", (18, 26))
    assert lint(poster, files, ios=[27]) == []


def test_what_is_fatal_in_front_is_logged_at_the_back(document: dict[str, Any], files: dict[str, bytes]) -> None:
    for group, effect in (("headerFields", "refused"), ("backFields", "logged")):
        (found,) = lint(applied(document, files, {f"/storeCard/{group}/0/label": 1})[0], files)
        assert found.effect == effect
