"""What a phone's enrolment is taken for, what is signed of it, and what of it a pass and a diary may show."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core import personalize
from livepass.core.decision import Decision
from livepass.core.personalize import KEYS, Asked, PersonalizeFacts, asked_of, fill_in, stand_in, values
from livepass.core.timeline import TAKEN, Kind, Trip, fold

TOKEN, NOW = "t" * 43, 1_790_000_000_000
ADA = {"fullName": "Ada Lovelace", "emailAddress": "ada@example.com"}
FACTS = PersonalizeFacts("pass.t", "s", f"ApplePass {TOKEN}", b"", TOKEN, True, NOW)


def body(token: Any = "abc-DEF_123=", info: Any = ADA, **more: Any) -> bytes:
    return json.dumps({"personalizationToken": token, "requiredPersonalizationInfo": info, **more}).encode()


def test_what_is_sent_as_it_should_be_is_taken_in() -> None:
    asked = personalize.read(replace(FACTS, body=body()))
    assert asked == Asked("abc-DEF_123=", ADA)
    assert asked.given == ("fullName", "emailAddress")


@pytest.mark.parametrize("authorization", [None, "ApplePass wrong", f"Bearer {TOKEN}"])
def test_the_token_comes_before_the_body(authorization: str | None) -> None:
    refused = personalize.read(replace(FACTS, authorization=authorization, body=b"{"))
    assert isinstance(refused, Decision)
    assert (refused.reply.status, refused.reply.body, refused.writes) == (401, b"", ())
    [event] = refused.events
    assert (event.kind, event.detail["status"]) == (Kind.PERSONALIZE_REFUSED, 401)


def test_a_stranger_is_answered_the_same_and_leaves_no_trace() -> None:
    refused = personalize.read(replace(FACTS, known=False, body=body()))
    assert isinstance(refused, Decision)
    assert (refused.reply.status, refused.events) == (401, ())


@pytest.mark.parametrize(
    "tolerated",
    [
        body(info={}),
        body(info=None),
        body(info="Ada"),
        b'{"personalizationToken": "abc"}',
        body(info={**ADA, "shoeSize": 38, "deep": {"er": [1]}}),
        body(info={"fullName": 7, "emailAddress": None}),
        body(more="keys"),
        b"\n " + body(),
    ],
)
def test_what_can_be_tolerated_is(tolerated: bytes) -> None:
    """The phone does not come again."""
    assert isinstance(asked_of(tolerated), Asked)


@pytest.mark.parametrize(
    ("malformed", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"personalizationToken": "a", "requiredPersonalizationInfo": {"fullName": "\\ud800"}}', "not JSON"),
        (b'{"personalizationToken": "a", "requiredPersonalizationInfo": {"a": NaN}}', "not JSON"),
        (b"[]", "not a JSON object"),
        (body(token=None), "no personalizationToken"),
        (body(token=""), "no personalizationToken"),
        (body(token=7), "no personalizationToken"),
    ],
)
def test_what_cannot_be_read_is_refused_and_said(malformed: bytes, why: str) -> None:
    refused = personalize.read(replace(FACTS, body=malformed))
    assert isinstance(refused, Decision)
    [event] = refused.events
    assert refused.reply.status == 400
    assert why in str(event.detail["reason"])


MANIFEST = '{"pass.json":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}'


@pytest.mark.parametrize(
    "text", [MANIFEST, f" {MANIFEST}", "\0" + "\0".join(MANIFEST), "a b", "a\n", "é", "<a>", "x" * 1025]
)
def test_what_could_be_the_manifest_of_a_pass_is_never_signed(text: str) -> None:
    """A holder of any pass could make passes with such a signature, also with one over UTF-16 as it is in UTF-8."""
    assert isinstance(asked_of(body(token=text)), str)


@given(st.binary() | st.text().map(str.encode))
def test_any_body_is_one_or_says_why_not(garbage: bytes) -> None:
    found = asked_of(garbage)
    assert isinstance(found, str) or found.token


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), st.text() | st.none() | st.integers()))
def test_what_is_kept_is_what_was_given(info: dict[str, Any]) -> None:
    asked = asked_of(body(info=info))
    if isinstance(asked, str):
        return  # a lone surrogate
    kept = personalize.write_asked(asked)
    assert personalize.read_asked(kept) == asked == Asked("abc-DEF_123=", info)
    assert personalize.same(asked, [b"{}", kept])
    assert not personalize.same(asked, [])
    assert not personalize.same(replace(asked, token="another"), [kept])


def test_the_diary_says_which_fields_and_no_value() -> None:
    asked = Asked("token-1", {**ADA, "shoeSize": "38", "givenName": " "})
    first = personalize.personalized("pass.t", "s", asked, ["emailAddress"], NOW)
    assert (first.kind, first.trip, first.seq, first.at) == (Kind.PERSONALIZED, Trip.CHANGE, TAKEN, NOW)
    assert first.detail == {
        "fields": ["fullName", "emailAddress"],
        "other_fields": 1,
        "on_pass": ["emailAddress"],
    }
    assert not any(word in repr(first) for word in ("Ada", "example", "38", "shoeSize", "token-1"))


def test_a_first_enrolment_changes_the_pass_and_another_does_not() -> None:
    asked = Asked("token-1", ADA)
    first = replace(personalize.personalized("pass.t", "s", asked, (), NOW), seq=5)
    other = personalize.enrolled_again("pass.t", "s", asked, 6, NOW)
    assert fold([first, other], serial="s", device_id="d", target="g").changed == 5
    assert (other.kind, other.trip, other.seq) == (Kind.ENROLLED_AGAIN, Trip.CHANGE, 6)
    assert other.detail == {"fields": ["fullName", "emailAddress"], "other_fields": 0}


def test_a_failure_is_said_and_the_phone_is_told() -> None:
    failed = personalize.failed(FACTS, "no certificate is live")
    assert failed.reply.status == 503
    assert failed.events[0].kind is Kind.PERSONALIZE_FAILED
    assert failed.events[0].detail == {"status": 503, "reason": "no certificate is live"}


def test_nothing_that_was_given_is_shown_by_accident() -> None:
    facts = replace(FACTS, body=body())
    assert not any(word in repr([facts, asked_of(facts.body)]) for word in ("Ada", "example", "abc-DEF", TOKEN[1:]))


# ── on the pass


def test_a_value_on_the_pass_is_one_line_and_ends() -> None:
    shown = values(Asked("t", {"fullName": " Ada\r\n\x00Lovelace\u2028 ", "postalCode": "9" * 1000, "emailAddress": 7}))
    assert shown == {"fullName": "Ada Lovelace", "postalCode": "9" * 256}


def test_values_stand_where_their_stand_ins_stood() -> None:
    document = {
        "a": [f"Dear {stand_in('fullName')},", 1, None, {"b": stand_in("emailAddress")}],
        stand_in("fullName"): "a key is never touched",
        "c": f"{stand_in('postalCode')} ⟦other⟧",
    }
    assert fill_in(document, ADA) == {
        "a": ["Dear Ada Lovelace,", 1, None, {"b": "ada@example.com"}],
        stand_in("fullName"): "a key is never touched",
        "c": f"{stand_in('postalCode')} ⟦other⟧",
    }


def test_a_value_that_looks_like_a_stand_in_is_a_value() -> None:
    given = {"fullName": stand_in("emailAddress"), "emailAddress": "ada@example.com"}
    assert fill_in([stand_in("fullName")], given) == [stand_in("emailAddress")]
