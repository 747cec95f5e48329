"""Every start as a real browser shows it: all of its texts, nothing over its edge, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from livepass.cli.starts import STYLES, TRANSITS
from livepass.preview import View, draw, page, svg
from preview.conftest import Screen
from preview.samples import document_of, sample

# In the browser: what sticks out of the card or lies over another field, and what is cut off
LAID_OUT = """
() => [...document.querySelectorAll('.livepass-pass')].flatMap(pass => {
  const wrong = [], card = pass.querySelector('.lp-card');
  const edge = card.getBoundingClientRect();
  if (pass.scrollWidth > pass.clientWidth || pass.scrollHeight > pass.clientHeight) wrong.push('the pass overflows');
  const kinds = '.lp-field, .lp-panel, .lp-logo-box, .lp-logo-text, .lp-footer, .lp-back-row';
  const seen = [...pass.querySelectorAll(kinds)];
  const boxes = seen.filter(each => !each.closest('.lp-on-strip')).map(each => [each, each.getBoundingClientRect()]);
  for (const each of pass.querySelectorAll('.lp-value, .lp-label, .lp-logo-text, .lp-alt')) {
    const style = getComputedStyle(each);
    if (each.scrollWidth > each.clientWidth + 1 && (style.overflowX != 'hidden' || style.textOverflow != 'ellipsis'))
      wrong.push(each.textContent + ' is not cut off');
  }
  for (const [each, box] of boxes) {
    const name = each.dataset.field || each.className;
    if (box.left < edge.left - .5 || box.right > edge.right + .5 ||
        box.top < edge.top - .5 || box.bottom > edge.bottom + .5)
      wrong.push(name + ' sticks out of the card');
    for (const [other, its] of boxes)
      if (each !== other && !each.contains(other) && !other.contains(each) &&
          box.left < its.right - 1 && its.left < box.right - 1 && box.top < its.bottom - 1 && its.top < box.bottom - 1)
        wrong.push(name + ' lies over ' + (other.dataset.field || other.className));
  }
  return wrong;
})
"""
CUT_OFF = """
() => [...document.querySelectorAll('.lp-value, .lp-label, .lp-logo-text, .lp-alt, .lp-back-value, .lp-back-label')]
  .filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.textContent)
"""
LONG = "Donaudampfschifffahrtsgesellschaftskapitän von und zu Mühlenbergen an der Unteren Havel"


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def said(files: dict[str, bytes], style: str) -> dict[str, str]:
    """Field key → label, of the fields that the front of a classic style or of posterGeneric shows."""
    document = document_of(files)
    kind = next(
        each for each in ("posterGeneric", *document) if isinstance(document.get(each), dict) and each in STYLES
    )
    groups = ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "footerFields")
    return {field["key"]: field["label"] for group in groups for field in document[kind].get(group, [])}


def test_every_start_is_drawn_whole(screen: Screen, screens: dict[str, Screen]) -> None:
    for scheme, each in screens.items():
        drawings = [(style, draw(sample(style), View(scheme=scheme))) for style in STYLES]
        backs = [(f"{style}, back", draw(sample(style), View(scheme=scheme, side="back"))) for style in STYLES]
        shown = each.show(page([*drawings, *backs], "Starts"))
        assert shown.evaluate(LAID_OUT) == []
        assert shown.evaluate(CUT_OFF) == []
        sizes = shown.evaluate(
            "() => [...document.querySelectorAll('.livepass-pass')].map(e => [e.offsetWidth, e.offsetHeight])"
        )
        assert sizes[: len(STYLES)] == [list(drawing.size) for _, drawing in drawings]
        assert shown.evaluate("() => [...document.images].every(each => each.complete && each.naturalWidth > 0)")
        for (style, _), card in zip(drawings, shown.query_selector_all(".livepass-pass"), strict=False):
            if style in ("posterEventTicket", "semanticBoardingPass"):
                continue
            for key, label in said(sample(style), style).items():
                field = card.query_selector(f"[data-field={key}]")
                assert field is not None, f"{style} does not show {key}"
                assert label in field.text_content() and field.query_selector(".lp-value").text_content().strip()


@pytest.mark.parametrize(
    ("style", "tags"),
    [
        (
            "posterEventTicket",
            ["An evening of songs", "The Samples", "Example Hall", "Berlin", "Stalls", "14", "North"],
        ),
        (
            "semanticBoardingPass",
            ["BER", "LIS", "Berlin", "Lisbon", "EX 417", "8:05\xa0AM", "12A", "Ada Sample", "SAMPLE"],
        ),
    ],
)
def test_layouts_of_tags_show_them(screen: Screen, style: str, tags: list[str]) -> None:
    shown = screen.show(page([("", draw(sample(style)))], style))
    text = shown.query_selector(".livepass-pass").text_content()
    assert [tag for tag in tags if tag not in text] == []


def stretched(document: dict[str, Any]) -> None:
    """Every text is long, and every group full."""
    document["logoText"] = document["organizationName"] = LONG
    for style in STYLES:
        for group, fields in document.get(style, {}).items():
            if group.endswith("Fields"):
                for field in fields:
                    field.update(label=LONG, value=LONG)
                    field.pop("dateStyle", None), field.pop("timeStyle", None), field.pop("currencyCode", None)
                    field.pop("numberStyle", None), field.pop("ignoresTimeZone", None)
                fields.extend({"key": f"{group}{at}", "label": LONG, "value": LONG} for at in range(5))
    tags = document.get("semantics", {})
    for key in (
        "eventName",
        "venueName",
        "departureCityName",
        "departureGate",
        "destinationAirportCode",
        "boardingGroup",
    ):
        if key in tags:
            tags[key] = LONG
    for barcode in document["barcodes"]:
        barcode["altText"] = LONG


def crowded(document: dict[str, Any]) -> None:
    """As much as an event ticket can hold, above a square barcode with a text."""
    rows = [{"key": f"row{at}", "label": "Row", "value": "C", "row": 1} for at in range(2)]
    document["eventTicket"]["auxiliaryFields"][3:] = rows[:1]


@pytest.mark.parametrize("language", ["de", "ar"])
def test_long_texts_stay_within(screen: Screen, language: str) -> None:
    drawings = [
        (f"{style} {side}", draw(sample(style, change=stretched), View(language=language, side=side)))
        for style in STYLES
        for side in ("front", "back")
    ]
    drawings.append(("", draw(sample("eventTicket", change=crowded))))
    shown = screen.show(page(drawings, "Long texts"))
    assert shown.evaluate(LAID_OUT) == []


def test_what_is_not_valid_says_so_in_words(screen: Screen) -> None:
    def ended(document: dict[str, Any]) -> None:
        document["expirationDate"] = "2027-01-01T00:00:00Z"

    late = View(now=datetime(2027, 6, 1, tzinfo=UTC))
    for style in STYLES:
        void = draw(sample(style, change=lambda document: document.update(voided=True)))
        shown = screen.show(page([("", void), ("", draw(sample(style, change=ended), late))], style))
        cards = [each.text_content() for each in shown.query_selector_all(".livepass-pass")]
        assert "Void" in cards[0] and "Expired" in cards[1]
        assert shown.query_selector(".lp-symbol") is None


def test_changed_fields_are_outlined(screen: Screen) -> None:
    shown = screen.show(page([("", draw(sample("storeCard"), changed=["points"]))], "Changed"))
    outlined = "each => getComputedStyle(each).outlineStyle == 'solid'"
    found = shown.evaluate(
        f"() => [...document.querySelectorAll('[data-field]')].filter({outlined}).map(e => e.dataset.field)"
    )
    assert found == ["points"]
    assert "(changed)" in shown.query_selector("[data-field=points]").text_content()


def test_an_svg_is_drawn_too(screen: Screen) -> None:
    drawing = draw(sample("boardingPass", "train"))
    shown = screen.show(svg(drawing), "image/svg+xml")
    box = shown.evaluate(
        "() => { const b = document.querySelector('.lp-card').getBoundingClientRect(); return [b.width, b.height] }"
    )
    assert box == [358, 448]
    spaces = shown.evaluate("() => [...document.querySelectorAll('.lp-ground, .lp-symbol')].map(e => e.namespaceURI)")
    assert spaces == ["http://www.w3.org/2000/svg"] * 2
    assert shown.evaluate(LAID_OUT) == []


def test_each_way_to_travel_has_its_sign(screen: Screen) -> None:
    drawings = [(transit, draw(sample("boardingPass", transit))) for transit in TRANSITS]
    shown = screen.show(page(drawings, "Signs"))
    signs = [each.get_attribute("aria-label") for each in shown.query_selector_all(".lp-sign")]
    assert signs == ["Plane", "Boat", "Bus", "To", "Train"]
