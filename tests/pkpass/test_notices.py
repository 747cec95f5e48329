"""What the lock screen will say: by the rules, and as the emulated phone says it, which has rules of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.emulators.iphone import Quirks
from livepass.emulators.iphone.notices import GENERIC, announcements
from livepass.emulators.iphone.package import Package as OnPhone
from livepass.pkpass import notices
from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.notices import Notice, foretell, foretell_all, moved_fields
from livepass.pkpass.strings import strings_bytes

Json = dict[str, Any]


def document(*fields: Json, style: str = "storeCard", group: str = "primaryFields") -> Json:
    return {style: {group: list(fields)}}


def points(value: object, message: str | None = None, **more: object) -> Json:
    return {"key": "points", "value": value, **({"changeMessage": message} if message else {}), **more}


def level(value: object, message: str | None = None) -> Json:
    return {**points(value, message), "key": "level"}


def said(before: Json | None, after: Json, language: str | None = None, **strings: dict[str, str]) -> Notice:
    files = {f"{name}.lproj/pass.strings": strings_bytes(texts) for name, texts in strings.items()}
    return foretell(moved_fields(before, after), files, language, new=before is None)


# ── which fields moved


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        (None, document(points(1)), [("points", None, 1, None)]),
        (document(points(1)), document(points(1)), []),
        (document(points(1)), document(points(1, "Now %@", label="Points")), []),
        (document(points(1)), document(points(2, "Now %@")), [("points", 1, 2, "Now %@")]),
        (document(points(1, "Was %@")), document(points(2)), [("points", 1, 2, None)]),
        (document(points(1)), document(), [("points", 1, None, None)]),
        (document(points(1)), document(points(1), group="backFields"), []),
        (document(points(1)), document(points(2), style="generic"), [("points", 1, 2, None)]),
        (
            document(points(1), level("Gold")),
            document(level("Silver"), points(2)),
            [("level", "Gold", "Silver", None), ("points", 1, 2, None)],
        ),
        (document(points(1)), document(points(2), points(3)), [("points", 1, 2, None)]),
    ],
    ids=[
        "a new pass",
        "nothing",
        "label and message only",
        "value with a message",
        "the new document's message counts",
        "field removed",
        "field moved to the back",
        "other style",
        "two, in the new order",
        "of two with one key the first counts",
    ],
)
def test_fields_are_matched_by_key(before: Json | None, after: Json, rows: list[tuple[object, ...]]) -> None:
    found = [each.row() for each in moved_fields(before, after)]
    assert [(row["key"], row["before"], row["after"], row["message"]) for row in found] == rows


@pytest.mark.parametrize(
    "spoiled",
    [
        {"storeCard": []},
        {"storeCard": {"primaryFields": {"key": "points"}}},
        {"storeCard": {"primaryFields": ["points", None, {"value": 1}, {"key": 7, "value": 1}]}},
        {},
    ],
)
def test_what_is_not_a_field_is_passed_over(spoiled: Json) -> None:
    assert moved_fields(spoiled, spoiled) == moved_fields(None, spoiled) == []


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("group", FIELD_GROUPS)
def test_a_field_is_compared_wherever_apple_lets_it_stand(style: str, group: str) -> None:
    before, after = (document(points(value, "%@"), style=style, group=group) for value in (1, 2))
    assert said(before, after).text == "2"


# ── what is said of them


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (points(1), points(2, "You have %@ points"), "You have 2 points"),
        (points(1), points("all", "100%% of %@"), "100% of all"),
        (points(1), points("50%%", "%@ off"), "50%% off"),
        (points(1), points("%@", "%@ off"), "%@ off"),
        (points(1), points(2, "%%@ and %@"), "%@ and 2"),
        (points(1), points(130.0, "%@"), "130"),
        (points(1), points(1.5, "%@"), "1.5"),
        (points(1), points(12, "%@", currencyCode="EUR"), "EUR 12.00"),
        (points(1), points(0.25, "%@", numberStyle="PKNumberStylePercent"), "25%"),
        (points(1), points("free", "%@", currencyCode="EUR"), "free"),
    ],
)
def test_one_message_is_shown_with_the_new_value(before: Json, after: Json, text: str) -> None:
    notice = said(document(before), document(after))
    assert (notice.kind, notice.text, notice.line) == ("exact", text, text)
    assert notice.reason == "points changed and has a changeMessage"
    formatted = "currencyCode" in after or "numberStyle" in after
    assert notice.assumed == ((notices.FORMATTED,) if formatted else ())


def test_which_message_counts_beside_silent_ones() -> None:
    assert said(document(points(1), level("a")), document(points(2, "Now %@"), level("b"))).text == "Now 2"
    assert said(document(points(1), level("a", "L %@")), document(points(2, "Now %@"), level("a", "L %@"))).text


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (None, document(points(1, "%@")), "a pass that is added is not announced"),
        (document(points(1, "%@")), document(points(1, "%@", label="x")), "no field has another value"),
        (document(points(1, "%@")), document(points(2)), "points changed but has no changeMessage"),
        (document(points(1)), document(points(2, "")), "points changed but has no changeMessage"),
        (
            document(points(1), level(1)),
            document(points(2), level(2)),
            "points, level changed but have no changeMessage",
        ),
        (document(), document(points(1, "%@")), "points is new, and only a field that was there is announced"),
        (document(points(1, "%@")), document(), "points is gone"),
        (
            document(points(1, "%@")),
            document({**points(2, "%@"), "key": "pts"}),
            "pts is new, and only a field that was there is announced, points is gone",
        ),
    ],
)
def test_why_nothing_is_said(before: Json | None, after: Json, reason: str) -> None:
    notice = said(before, after)
    assert (notice.kind, notice.reason, notice.text, notice.line) == ("silent", reason, None, None)


def test_several_messages_are_said_to_become_a_general_line() -> None:
    notice = said(document(points(1), level(1)), document(points(2, "Now %@"), level(2, "L %@")))
    assert (notice.kind, notice.text) == ("general", None)
    assert notice.reason == "several fields with a changeMessage changed: points, level"
    assert notice.assumed == (notices.SEVERAL,) and notice.reason in str(notice.line)
    many = [{"key": f"f{number}", "value": 1, "changeMessage": "%@"} for number in range(8)]
    assert said(document(*({**each, "value": 2} for each in many)), document(*many)).reason.endswith("f4 and 3 more")


@pytest.mark.parametrize("message", ["it changed", "%%@", "100%%"])
def test_a_message_without_a_place_for_the_value(message: str) -> None:
    notice = said(document(points(1)), document(points(2, message)))
    assert (notice.kind, notice.text, notice.assumed) == ("general", None, (notices.NO_PLACEHOLDER,))


def test_a_second_place_for_the_value_is_filled_and_said_to_be_a_guess() -> None:
    notice = said(document(points(1)), document(points(2, "%@ of %@")))
    assert (notice.text, notice.assumed) == ("2 of 2", (notices.MANY_PLACEHOLDERS,))


# ── in each language


def test_each_language_has_its_own_words() -> None:
    german = {"Now %@": "Jetzt %@", "gold": "Gold"}
    strings = {"de": german, "fr": {"Now %@": "Promu"}}
    before, after = document(points("silver")), document(points("gold", "Now %@"))
    assert said(before, after, **strings).text == "Now gold"
    assert said(before, after, "de-CH", **strings).text == "Jetzt Gold"
    assert said(before, after, "it", **strings).text == "Now gold"
    assert said(before, after, "fr", **strings).kind == "general", "the translation lost its %@"
    files = {f"{name}.lproj/pass.strings": strings_bytes(texts) for name, texts in strings.items()}
    moved = moved_fields(before, after)
    assert {name: each.kind for name, each in foretell_all(moved, files).items()} == {"de": "exact", "fr": "general"}
    assert {each.kind for each in foretell_all(moved, files, new=True).values()} == {"silent"}


def test_values_are_spelt_in_the_language_where_somebody_can() -> None:
    def say(field: Any, language: str) -> str:
        return f"{language}:{field['value']}"

    files = {"de.lproj/pass.strings": strings_bytes({"gold": "Gold"})}
    for value, text in ((7, "de:7"), ("gold", "de:Gold")):
        moved = moved_fields(document(points(1)), document(points(value, "Now %@")))
        assert foretell_all(moved, files, say=say)["de"].text == f"Now {text}"
        assert foretell(moved, files, say=say).text == f"Now {value}", "in no language at all"


def test_texts_that_cannot_be_read_leave_the_message_as_it_is_written() -> None:
    moved = moved_fields(document(points(1)), document(points(2, "Now %@")))
    notice = foretell(moved, {"de.lproj/pass.strings": b'"Now %@" = '}, "de")
    assert (notice.text, notice.assumed) == ("Now 2", (notices.UNREADABLE.format(name="de.lproj/pass.strings"),))


# ── as the emulated phone says it

words = st.text('a%@é 0\\"\u202e', max_size=4)
messages = st.lists(st.sampled_from(["%@", "%%", "@", "%", "now "]), max_size=4).map("".join)
values = words | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9)
fields = st.fixed_dictionaries(
    {"key": st.sampled_from(["a", "b"]), "value": values | st.sampled_from([1, 2, "x"])},
    optional={"changeMessage": messages, "label": words, "currencyCode": st.just("EUR")},
)
passes = st.builds(
    lambda style, groups: {style: groups},
    st.sampled_from(STYLES),
    st.dictionaries(st.sampled_from(FIELD_GROUPS), st.lists(fields, min_size=1, max_size=2), min_size=1, max_size=2),
)


@settings(max_examples=400)
@given(passes, passes, st.data())
def test_the_emulated_phone_says_the_same(before: Json, after: Json, data: st.DataObject) -> None:
    """Two readings of Apple's rules that share no code, in each language and in one that the pass does not have."""
    texts = [str(text) for each in moved_fields({}, after) for text in (each.row()["message"], each.row()["after"])]
    keys = st.sampled_from(sorted({text for text in texts if not _is_number(text)}) or ["x"])
    strings = data.draw(st.dictionaries(keys, messages.map(str.strip), max_size=3))
    files = {"de.lproj/pass.strings": strings_bytes(strings)}
    old, new = (OnPhone(b"", each, "", files) for each in (json.loads(json.dumps(each)) for each in (before, after)))
    for language in ("de", "en"):
        [*shown] = announcements(old, new, Quirks(), language)
        notice = foretell(moved_fields(before, after), files, language)
        assert shown == {"silent": [], "general": [GENERIC], "exact": [notice.text]}[notice.kind]


def _is_number(text: str) -> bool:
    """A number is no text, so pass.strings does not concern it; the emulated phone looks up whatever it shows."""
    try:
        float(text)
    except ValueError:
        return False
    return True
