"""Two passes beside each other: each kind of difference, nothing twice, nothing missed, and no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.pkpass import canonical
from livepass.pkpass.difference import HIDDEN, HIDDEN_TOO, Change, Side, difference
from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.strings import strings_bytes
from pkpass.conftest import png

Json = dict[str, Any]
TOKEN = "2b7e151628aed2a6"


def side(document: Json, *, signed: bool = True, **files: bytes) -> Side:
    """``_`` in a file's name stands for its dot, ``__`` for a slash."""
    named = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}
    return Side(document, {**named, "pass.json": canonical(document), **({"manifest.json": b"{}"} if signed else {})})


def card(*fields: Json, group: str = "primaryFields", style: str = "storeCard", **more: object) -> Json:
    return {"description": "Card", style: {group: list(fields)}, **more}


POINTS: Json = {"key": "points", "label": "POINTS", "value": 1, "changeMessage": "Now %@"}
LEVEL: Json = {"key": "level", "label": "LEVEL", "value": "Gold"}


def fields(before: Json, after: Json) -> dict[str, tuple[str, dict[str, tuple[object, object]]]]:
    found = difference(side(before), side(after)).fields
    return {each.key: (each.state, {c.name: (c.before, c.after) for c in each.changes}) for each in found}


# ── fields


def test_each_attribute_of_a_field_is_told_apart() -> None:
    now = {**POINTS, "value": 2, "label": "PTS", "changeMessage": "%@", "currencyCode": "EUR"}
    state, changes = fields(card(POINTS, LEVEL), card(now, LEVEL))["points"]
    assert state == "changed"
    assert list(changes.items()) == [
        ("value", (1, 2)),
        ("label", ("POINTS", "PTS")),
        ("changeMessage", ("Now %@", "%@")),
        ("currencyCode", (None, "EUR")),
    ]


def test_new_gone_and_moved_fields() -> None:
    assert fields(card(POINTS), card(POINTS, LEVEL))["level"][0] == "added"
    assert fields(card(POINTS, LEVEL), card(POINTS))["level"] == (
        "removed",
        {"value": ("Gold", None), "label": ("LEVEL", None), "group": ("storeCard/primaryFields", None)},
    )
    moved = fields(card(POINTS), card(POINTS, group="backFields"))
    assert moved == {"points": ("changed", {"group": ("storeCard/primaryFields", "storeCard/backFields")})}
    assert list(fields(card(POINTS), card(POINTS, style="coupon"))) == ["points"], "another style, the same field"


def test_a_poster_and_its_fallback_are_told_apart() -> None:
    both = {**card(POINTS), "posterGeneric": {"headerFields": [POINTS]}}
    now = {**card(POINTS), "posterGeneric": {"headerFields": [{**POINTS, "value": 2}]}}
    [field] = difference(side(both), side(now)).fields
    assert (field.key, field.style, field.changes) == ("points", "posterGeneric", (Change("value", 1, 2),))


def test_one_and_true_and_one_point_zero_are_three_values() -> None:
    for value in (True, 1.0):
        assert fields(card(POINTS), card({**POINTS, "value": value}))


@pytest.mark.parametrize(
    ("gone", "new", "renamed"),
    [
        (POINTS, {**POINTS, "key": "pts"}, True),
        (POINTS, {**POINTS, "key": "pts", "value": 9, "label": "OTHER"}, True),
        (POINTS, {"key": "hall", "value": "B"}, False),
        (POINTS, {**LEVEL, "key": "pointz"}, True),
        (LEVEL, {"key": "gate", "label": "GATE", "value": "B4"}, False),
    ],
    ids=["only the key", "message and place", "nothing alike but the place", "name and place", "another field"],
)
def test_a_renamed_key_is_noticed(gone: Json, new: Json, renamed: bool) -> None:
    found = difference(side(card(gone)), side(card(new)))
    assert found.renames == (((gone["key"], new["key"]),) if renamed else ())
    assert found.notices[""].kind == "silent"
    assert len(found.warnings) == renamed and all(gone["key"] in warning for warning in found.warnings)


def test_each_new_key_is_the_rename_of_one() -> None:
    two = [{**POINTS, "key": key} for key in ("points", "pointsB")]
    assert difference(side(card(*two)), side(card({**POINTS, "key": "pts"}))).renames == (("points", "pts"),)


def test_several_messages_at_once_are_warned_of() -> None:
    loud = {**LEVEL, "changeMessage": "Level %@"}
    found = difference(side(card(POINTS, loud)), side(card({**POINTS, "value": 2}, {**loud, "value": "Silver"})))
    [warning] = found.warnings
    assert found.notices[""].kind == "general" and "points, level" in warning


# ── the rest


def test_other_keys_are_told_by_the_smallest_place_that_differs() -> None:
    before = {"barcodes": [{"message": "1", "format": "a"}], "backgroundColor": "#fff", "a/b": 1, "voided": True}
    after = {"barcodes": [{"message": "2", "format": "a"}], "backgroundColor": "#000", "a/b": 2, "locations": [{}]}
    found = difference(side(card(POINTS, **before)), side(card(POINTS, **after)))
    assert found.keys == (
        Change("/a~1b", 1, 2),
        Change("/backgroundColor", "#fff", "#000"),
        Change("/barcodes/0/message", "1", "2"),
        Change("/locations", None, [{}]),
        Change("/voided", True, None),
    )
    assert not found.fields and not found.warnings


def test_an_order_of_fields() -> None:
    found = difference(side(card(POINTS, LEVEL)), side(card(LEVEL, POINTS)))
    assert found.keys == (Change("/storeCard/primaryFields", "points, level", "level, points"),)
    assert not found.fields


def test_files_are_described_and_texts_are_read() -> None:
    small, large = png(29, 29), png(58, 58)
    before = side(card(POINTS), icon_png=small, logo_png=small, de_lproj__pass_strings=strings_bytes({"a": "1"}))
    texts = {"de_lproj__pass_strings": strings_bytes({"a": "2", "b": "3"})}
    after = side(card(POINTS), icon_png=large, fr_lproj__logo_png=small, **texts)
    found = difference(before, after)
    assert [(each.name, each.before is None, each.after is None) for each in found.files] == [
        ("fr.lproj/logo.png", True, False),
        ("icon.png", False, False),
        ("logo.png", False, True),
    ]
    icon = found.files[1]
    assert str(icon.before).startswith("29 × 29 px, ") and str(icon.after).startswith("58 × 58 px, ")
    assert found.texts == {"de": (Change("a", "1", "2"), Change("b", None, "3"))}
    assert found.languages == (Change("fr", None, "fr.lproj"),)
    assert set(found.notices) == {"", "de", "fr"}


def test_texts_that_cannot_be_read_are_a_file() -> None:
    spoiled = difference(side(card()), side(card(), de_lproj__pass_strings=b'"a" = '))
    assert [each.name for each in spoiled.files] == ["de.lproj/pass.strings"] and not spoiled.texts
    utf8 = side(card(), de_lproj__pass_strings=b'"a" = "1";')
    [file] = difference(utf8, side(card(), de_lproj__pass_strings=strings_bytes({"a": "1"}))).files
    assert file.name == "de.lproj/pass.strings", "the same texts in other bytes"


# ── what is the same


def test_the_same_in_other_bytes_is_fetched_for_nothing() -> None:
    one = side(card(POINTS))
    other = Side(one.document, {**one.files, "pass.json": b" " + one.files["pass.json"]})
    found = difference(one, other)
    assert not found.same and found.looks_same
    assert difference(one, Side(other.document, {"pass.json": b" {}"})).same, "unsigned: nobody knows the bytes"


def test_what_is_made_anew_each_time_is_no_difference() -> None:
    one, other = (side(card(POINTS), signature=data, manifest_json=data) for data in (b"1", b"2"))
    assert difference(one, other).same


def test_the_token_is_never_shown() -> None:
    with_token = [card(POINTS, authenticationToken=token) for token in (TOKEN, TOKEN[::-1])]
    found = difference(*map(side, with_token))
    assert found.keys == (Change("/authenticationToken", HIDDEN, HIDDEN_TOO),)
    assert difference(side(with_token[0]), side(card(POINTS))).keys == (Change("/authenticationToken", HIDDEN, None),)
    assert difference(side(with_token[0]), side(with_token[1], signed=False)).same, "what is unsigned has none"
    for pair in ((with_token[0], with_token[1]), (with_token[0], card()), (card(), with_token[0])):
        assert TOKEN not in repr(difference(*map(side, pair))) and TOKEN[::-1] not in repr(difference(*map(side, pair)))


def _shown(document: object) -> object:
    """Without what shows nothing: an empty list is as good as none, and null as what is not there."""
    if isinstance(document, dict):
        shown = {key: _shown(each) for key, each in document.items()}
        return {key: each for key, each in shown.items() if each is not None and each != []}
    return [_shown(each) for each in document] if isinstance(document, list) else document


values = st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab~/", max_size=2)
anything = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["key", "a", "b/"]), inner, max_size=2),
    max_leaves=3,
)
some_fields = st.dictionaries(st.sampled_from(["key", "value", "label", "group"]), values, max_size=3) | anything
groups = st.dictionaries(st.sampled_from([*FIELD_GROUPS, "transitType"]), st.lists(some_fields, max_size=2) | anything)
documents = st.dictionaries(st.sampled_from([*STYLES, "userInfo", "a/b"]), groups | anything, max_size=3)
sides = st.builds(
    lambda document, files, token: side(document | ({"authenticationToken": TOKEN} if token else {}), **files),
    documents,
    st.dictionaries(st.sampled_from(["icon_png", "de_lproj__pass_strings", "de_lproj__x"]), st.binary(max_size=3)),
    st.booleans(),
)


@settings(max_examples=300)
@given(sides, sides)
def test_nothing_is_missed_and_the_way_back_is_the_same_list(before: Side, after: Side) -> None:
    there, back = difference(before, after), difference(after, before)
    alike = json.dumps(before.document, sort_keys=True) == json.dumps(after.document, sort_keys=True)
    assert there.same is back.same is (before.files == after.files)
    assert alike or there.fields or there.keys or _shown(before.document) == _shown(after.document)
    assert {(c.name, repr(c.before), repr(c.after)) for c in (*there.keys, *there.files)} == {
        (c.name, repr(c.after), repr(c.before)) for c in (*back.keys, *back.files)
    }
    assert {(each.key, each.style) for each in there.fields} == {(each.key, each.style) for each in back.fields} or (
        {each.key for each in there.fields} == {each.key for each in back.fields}
    )
    assert TOKEN not in repr(there)
    assert difference(before, before).same
