"""Which events are told, what stands in a message, when it is tried again."""

from __future__ import annotations

import json

import pytest

from livepass.core import testimony
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.webhooks import (
    EVENTS,
    NAMES,
    OVERLAP_MS,
    SCHEDULE_MS,
    Endpoint,
    Secrets,
    about,
    body,
    erased,
    log_kind,
    news,
    next_at,
    told_of,
)
from livepass.core.webhooks import test_body as example

TYPE = "pass.test.livepass"
DEVICE = "d0d0d0d0d0d0d0d0"


def told(kind: Kind, **more: object) -> dict[str, object]:
    event = Event(kind, 1_700_000_000_123, TYPE, "1", **more)  # type: ignore[arg-type]
    [found] = news([event], {TYPE: 7})
    message: dict[str, object] = json.loads(found.body())
    assert message["type"] == found.name and message["timestamp"] == "2023-11-14T22:13:20.123Z"
    data = message["data"]
    assert isinstance(data, dict)
    return data


def test_a_message_is_thin_and_holds_no_raw_device_id() -> None:
    data = told(Kind.REGISTERED, device_id=DEVICE, seq=TAKEN, detail={"push_token": "aa", "name": "Ada"})
    assert data.pop("device") != DEVICE
    assert data == {"pass_type": TYPE, "serial": "1", "number": 7}
    assert told(Kind.CHANGED, seq=5)["number"] == 5, "only what the transaction takes is looked up"


def test_a_phone_that_left_says_why_and_a_rejected_push_what_apns_said() -> None:
    assert told(Kind.UNREGISTERED)["reason"] == "unregistered"
    assert told(Kind.REGISTRATION_SUPERSEDED, detail={"by": "x"})["reason"] == "superseded"
    data = told(Kind.PUSH_REJECTED, detail={"status": 400, "reason": "BadTopic", "apns_id": "x"})
    assert (data["status"], data["reason"]) == (400, "BadTopic") and "apns_id" not in data
    assert "reason" not in told(Kind.TOKEN_DEAD)


def test_what_is_erased_is_told_without_its_phones() -> None:
    found = erased(1_700_000_000_123, TYPE, "1")
    message = json.loads(found.body())
    assert (found.name, found.pass_type, message["type"]) == ("registration.ended", TYPE, "registration.ended")
    assert message["data"] == {"pass_type": TYPE, "number": 0, "serial": "1", "reason": "erased"}


def test_a_pass_type_s_event_names_no_pass() -> None:
    event = Event(Kind.CERTIFICATE_EXPIRING, 0, TYPE, detail={"days": 7})
    found = told_of(event)
    assert found is not None
    assert json.loads(body(found, event, {}))["data"] == {"pass_type": TYPE, "number": 0, "days": 7}


def test_a_fetch_by_nobody_who_is_registered_confirms_nothing() -> None:
    assert told_of(Event(Kind.FETCHED, 0, TYPE, "1")) is None
    assert told_of(Event(Kind.ASKED, 0, TYPE)) is None
    assert told(Kind.FETCHED, device_id=DEVICE)


def test_every_event_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(EVENTS)
    kinds = [kind for each in EVENTS for kind in each.kinds]
    assert len(set(kinds)) == len(kinds)


def test_what_did_not_happen_says_so() -> None:
    assert json.loads(example("pass.issued", 0, TYPE)) == {
        "type": "pass.issued",
        "timestamp": "1970-01-01T00:00:00.000Z",
        "data": {"pass_type": TYPE, "test": True},
    }


def test_attempts_come_further_and_further_apart_and_end() -> None:
    assert [next_at(count, 0, 0.5) for count in range(len(SCHEDULE_MS))] == list(SCHEDULE_MS)
    assert next_at(len(SCHEDULE_MS), 0, 0.5) is None
    assert next_at(1, 100, 0.0) == 100 + 4500 and next_at(1, 100, 1.0) == 100 + 5500
    assert SCHEDULE_MS[-1] == 36_000_000 and len(SCHEDULE_MS) == 8


def test_two_secrets_sign_for_a_day() -> None:
    secrets = Secrets("one").rotated("two", 1000)
    assert secrets.valid(1000) == secrets.valid(1000 + OVERLAP_MS - 1) == ["two", "one"]
    assert secrets.valid(1000 + OVERLAP_MS) == ["two"]
    assert Secrets.of_bytes(secrets.to_bytes()) == secrets
    assert secrets.rotated("three", 2000).valid(2000) == ["three", "two"]
    assert "one" not in repr(secrets) and "two" not in repr(secrets)


@pytest.mark.parametrize(
    ("events", "pass_types", "wanted"),
    [
        (None, None, True),
        (("pass.issued",), None, True),
        (("pass.changed",), None, False),
        (None, (TYPE,), True),
        (None, ("pass.test.other",), False),
    ],
)
def test_an_endpoint_hears_what_it_asked_for(
    events: tuple[str, ...] | None, pass_types: tuple[str, ...] | None, wanted: bool
) -> None:
    assert (
        Endpoint("default", "e", "https://a.example", pass_types, events, b"", 0).wants("pass.issued", TYPE) is wanted
    )


def test_a_message_says_which_change_it_is_about() -> None:
    event = Event(Kind.CHANGED, 0, TYPE, "1", seq=TAKEN)
    found = told_of(event)
    assert found is not None
    assert about(body(found, event, {TYPE: 7})) == (TYPE, 7)
    assert about(example("webhook.test", 0, TYPE)) == (TYPE, 0)


def test_a_line_is_of_the_kind_of_its_sentence_or_else_of_its_shape() -> None:
    kinds = {
        log_kind(testified)
        for line in (
            "Web service error for pass.a (https://a.example): Connection error",
            "Web service error for pass.b (https://b.example): Connection error",
            "Web service error for pass.a (https://a.example): the 'dog' ate it",
            "Web service error for pass.a (https://a.example): the 'cat' ate it",
            "Web service error for pass.a (https://a.example): the 'cat' left",
        )
        if (testified := testimony.testify(line, 0)) is not None
    }
    assert len(kinds) == 3
