"""Which layout a phone takes, what there is room for, and what is said about the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from livepass.preview import Drawing, View, draw
from livepass.preview.colours import contrast, parse_colour
from pkpass.conftest import png
from preview.samples import fields, made, sample


def layout(drawing: Drawing) -> str:
    return drawing.element.get("class", "").split()[-1].removeprefix("lp-")


def text(drawing: Drawing) -> str:
    return " ".join(drawing.element.itertext())


def keys(drawing: Drawing) -> list[str]:
    """Of the fields that are drawn, in order."""
    return [key for each in drawing.element.iter() if (key := each.get("data-field"))]


def classes(drawing: Drawing) -> set[str]:
    return {each.removeprefix("lp-") for one in drawing.element.iter() for each in one.get("class", "").split()}


def listed(*names: str) -> list[dict[str, Any]]:
    return [{"key": name, "label": name.upper(), "value": name} for name in names]


def without(*names: str) -> Any:
    def change(document: dict[str, Any]) -> None:
        for name in names:
            document.pop(name, None) or document["semantics"].pop(name)

    return change


@pytest.mark.parametrize(
    ("style", "ios", "drawn", "note"),
    [
        ("posterGeneric", 27, "posterGeneric", None),
        ("posterGeneric", 26, "generic", "iOS 26 knows no posterGeneric: it shows generic"),
        ("posterGeneric", 18, "generic", "iOS 18 knows no posterGeneric: it shows generic"),
        ("semanticBoardingPass", 26, "semanticBoardingPass", None),
        ("semanticBoardingPass", 18, "boardingPass", "iOS 18 knows no semanticBoardingPass: it shows boardingPass"),
        ("posterEventTicket", 18, "posterEventTicket", None),
        ("storeCard", 18, "storeCard", None),
    ],
)
def test_the_layout_of_an_ios(style: str, ios: int, drawn: str, note: str | None) -> None:
    drawing = draw(sample(style), View(ios=ios))
    assert layout(drawing) == drawn
    assert note is None or note in drawing.notes


@pytest.mark.parametrize(
    ("style", "missing", "drawn"),
    [
        ("posterEventTicket", "nfc", "eventTicket"),
        ("posterEventTicket", "venueRoom", "eventTicket"),
        ("semanticBoardingPass", "departureAirportCode", "boardingPass"),
    ],
)
def test_a_layout_that_lacks_something_falls_back(style: str, missing: str, drawn: str) -> None:
    drawing = draw(sample(style, change=without(missing)))
    assert layout(drawing) == drawn
    assert any(f"{drawn} is drawn in place of {style}" in note and missing in note for note in drawing.notes)


def test_a_poster_alone_is_refused_by_older_phones() -> None:
    alone = made({"posterGeneric": {"primaryFields": listed("a")}})
    assert any("it refuses the pass" in note for note in draw(alone, View(ios=26)).notes)
    assert "has no style" in draw(made({})).notes[0]


@pytest.mark.parametrize(
    ("style", "group", "most"),
    [
        ("generic", "headerFields", 3),
        ("generic", "primaryFields", 1),
        ("boardingPass", "primaryFields", 2),
        ("boardingPass", "auxiliaryFields", 5),
        ("eventTicket", "secondaryFields", 4),
        ("posterGeneric", "primaryFields", 4),
        ("posterGeneric", "footerFields", 1),
    ],
)
def test_how_many_fields_there_is_room_for(style: str, group: str, most: int) -> None:
    names = [f"f{at}" for at in range(8)]
    drawing = draw(fields(style, **{group: listed(*names)}))
    assert keys(drawing) == names[:most]
    assert f"{group} has 8 fields: {style} has room for {most}" in drawing.notes


@pytest.mark.parametrize(
    ("style", "format_", "rows"),
    [
        ("generic", "QR", 1),  # above a square barcode, secondary and auxiliary fields share a row
        ("generic", "PDF417", 2),
        ("storeCard", "PDF417", 1),
        ("coupon", "QR", 1),
        ("eventTicket", "QR", 2),
        ("boardingPass", "Aztec", 2),
    ],
)
def test_rows_are_shared(style: str, format_: str, rows: int) -> None:
    code = {"format": f"PKBarcodeFormat{format_}", "message": "a", "messageEncoding": "utf-8"}
    content = {"secondaryFields": listed("s"), "auxiliaryFields": listed("a"), "transitType": "PKTransitTypeAir"}
    drawing = draw(made({"barcodes": [code], style: content}))
    drawn = [each for each in drawing.element.iter() if "lp-row" in each.get("class", "").split()]
    assert len(drawn) == rows
    assert keys(drawing) == (["a", "s"] if style == "boardingPass" else ["s", "a"])


def test_a_second_row_of_auxiliary_fields() -> None:
    below = [{**each, "row": 1} for each in listed("c")]
    drawing = draw(fields("eventTicket", auxiliaryFields=[*below, *listed("a", "b")]))
    assert keys(drawing) == ["a", "b", "c"]


def test_a_strip_hides_the_background() -> None:
    content = {"eventTicket": {"primaryFields": listed("a")}}
    behind = {"background.png": png(180, 220)}
    assert "backdrop" in classes(draw({**made(content), **behind}))
    both = draw({**made(content), **behind, "strip.png": png(375, 98)})
    assert "backdrop" not in classes(both) and "strip-94" in classes(both)
    assert "the background image is not shown beside a strip" in both.notes


def test_a_language_has_its_texts_and_images() -> None:
    files = fields("generic", primaryFields=listed("points"))
    files |= {"de.lproj/pass.strings": b'"POINTS" = "Punkte";', "de.lproj/logo@2x.png": png(100, 100)}
    german, english = draw(files, View(language="de-AT")), draw(files, View(language="en"))
    assert "Punkte" in text(german) and "logo-box" in classes(german)
    assert "Punkte" not in text(english) and "logo-box" not in classes(english)
    assert german.element.get("lang") == "de-AT"
    assert (german.element.get("dir"), draw(files, View(language="he")).element.get("dir")) == ("ltr", "rtl")


def test_unreadable_texts_are_said() -> None:
    files = fields("generic", primaryFields=listed("a")) | {"en.lproj/pass.strings": b'"a" = "b'}
    assert any("pass.strings cannot be read (line 1" in note for note in draw(files).notes)


@pytest.mark.parametrize(
    ("change", "now", "word"),
    [
        ({"expirationDate": "2027-01-01T00:00:00Z"}, datetime(2027, 1, 1, tzinfo=UTC), "Expired"),
        ({"expirationDate": "2027-01-01T00:00:00Z"}, datetime(2026, 12, 31, tzinfo=UTC), ""),
        ({"expirationDate": "2027-01-01T00:00:00Z"}, None, ""),
        ({"expirationDate": "tomorrow"}, datetime(2027, 1, 1, tzinfo=UTC), ""),
        ({"voided": True}, None, "Void"),
        ({"voided": "true"}, None, ""),
    ],
)
def test_when_a_pass_is_not_valid(change: dict[str, object], now: datetime | None, word: str) -> None:
    for side in ("front", "back"):
        drawing = draw(made({"generic": {}, **change}), View(now=now, side=side))
        assert [each for each in ("Expired", "Void") if each in text(drawing)] == ([word] if word else [])


def test_the_back_lists_what_is_there() -> None:
    event = {"type": "event", "identifier": "1", "name": "Final", "dateInformation": {"date": "2027-06-01T20:00:00Z"}}
    document = {
        "organizationName": "Example",
        "eventTicket": {"backFields": listed("terms"), "additionalInfoFields": listed("more")},
        "sellURL": "https://example.com/sell",
        "upgradeURL": "https://example.com/upgrade",  # of boarding passes
        "featuredActions": [{"type": "viewSchedule", "url": "https://example.com/plan"}],
        "upcomingPassInformation": [{**event, "backFields": listed("gate")}],
    }
    drawing = draw(made(document), View(side="back"))
    assert keys(drawing) == ["terms", "more", "sellURL", "gate"]
    said = text(drawing)
    assert all(
        each in said for each in ("Sell", "https://example.com/sell", "View schedule", "Final", "2027-06-01 20:00")
    )
    assert "upgrade" not in said
    old = draw(made(document), View(side="back", ios=18))
    assert keys(old) == ["terms", "more", "sellURL"]
    assert {"iOS 18 knows no featuredActions", "iOS 18 knows no upcomingPassInformation"} <= set(old.notes)


def test_the_least_height_of_a_back_grows_with_its_text() -> None:
    short, long = (
        draw(fields("generic", backFields=[{"key": "a", "value": "word " * n}]), View(side="back")) for n in (1, 500)
    )
    assert short.size == (374, 464) and long.size[1] > 1200


def test_what_changed_and_is_not_in_sight_is_said() -> None:
    files = fields("generic", primaryFields=listed("a"), backFields=listed("b"))
    assert draw(files, changed=["a", "b", "gone"]).notes == ("changed, and not on this side: b",)
    assert draw(files, View(side="back"), changed=["a"]).notes == ("changed, and not on this side: a",)


@pytest.mark.parametrize(
    ("written", "colour"),
    [
        ("rgb(1, 20, 255)", (1, 20, 255)),
        (" RGB(1,20,255) ", (1, 20, 255)),
        ("#fff", (255, 255, 255)),
        ("#0114Ff", (1, 20, 255)),
        ("rgb(1, 20, 256)", None),
        ("rgba(1, 2, 3, 1)", None),
        ("white", None),
        ("#12345", None),
        ("rgb(１, 2, 3)", None),
        (5, None),
    ],
)
def test_colours(written: object, colour: object) -> None:
    assert parse_colour(written) == colour


def test_odd_colours_are_said_and_text_stays_readable() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    drawing = draw(made({"generic": {}, "backgroundColor": "white"}))
    assert drawing.notes == ("backgroundColor is no colour that a phone reads: it is left out",)
    pale = {"backgroundColor": "rgb(250, 250, 250)", "foregroundColor": "#fff", "labelColor": "#000"}
    assert draw(made({"generic": {}, **pale})).notes == (
        "foregroundColor is hard to read on backgroundColor: their contrast is 1.0 to 1",
    )


def test_an_unknown_way_to_travel_is_an_arrow() -> None:
    drawing = draw(fields("boardingPass", primaryFields=listed("a", "b"), transitType="PKTransitTypeRocket"))
    assert "sign-generic" in classes(drawing) and any("transitType" in note for note in drawing.notes)
