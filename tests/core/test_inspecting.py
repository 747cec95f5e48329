"""A phone's requests as the diary holds them: method, path, status, and what phones are taken to do next."""

from __future__ import annotations

from typing import Any

import pytest

from livepass.core.inspecting import RETRIES, WAITS, Request, request_of
from livepass.core.misdirected import misdirected
from livepass.core.timeline import TRIP_OF, Event, Kind, Trip
from livepass.emulators.iphone import QUIRKS

TYPE, PHONE = "pass.test.livepass", "d3v1ce"


def seen(kind: Kind, serial: str | None = None, **detail: Any) -> Request:
    found = request_of(Event(kind, 5, TYPE, serial, PHONE, detail=detail))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "serial", "detail", "line", "says"),
    [
        (Kind.REGISTERED, "1", {"status": 201}, f"POST /v1/devices/…/registrations/{TYPE}/1 201", "waits for a push"),
        (Kind.TOKEN_CHANGED, "1", {"status": 200}, f"POST /v1/devices/…/registrations/{TYPE}/1 200", WAITS),
        (Kind.REGISTRATION_REFUSED, "1", {"status": 401}, f"POST /v1/devices/…/registrations/{TYPE}/1 401", RETRIES),
        (Kind.UNREGISTERED, "1", {}, f"DELETE /v1/devices/…/registrations/{TYPE}/1 200", "no longer followed"),
        (
            Kind.ASKED,
            None,
            {"status": 200, "tag": "v1.a"},
            f"GET /v1/devices/…/registrations/{TYPE} 200",
            "fetches what",
        ),
        (Kind.ASKED, None, {"status": 204, "tag": ""}, f"GET /v1/devices/…/registrations/{TYPE} 204", WAITS),
        (Kind.FETCHED, "1", {"status": 304, "conditional": True}, f"GET /v1/passes/{TYPE}/1 304", WAITS),
        (Kind.FETCH_REFUSED, "1", {"status": 401}, f"GET /v1/passes/{TYPE}/1 401", RETRIES),
        (Kind.FETCH_FAILED, "1", {"status": 503}, f"GET /v1/passes/{TYPE}/1 503", RETRIES),
    ],
)
def test_each_kind_as_it_came_and_what_comes_next(
    kind: Kind, serial: str | None, detail: dict[str, Any], line: str, says: str
) -> None:
    found = seen(kind, serial, **detail)
    assert f"{found.method} {found.path} {found.status}" == line
    assert says in found.next.says
    assert PHONE not in found.path


def test_what_it_said_beside_its_path() -> None:
    assert seen(Kind.ASKED, status=204, tag="v1.abc").asked_with == ("passesUpdatedSince=v1.abc",)
    assert seen(Kind.ASKED, status=204, tag=None).asked_with == ("no passesUpdatedSince",)
    assert seen(Kind.FETCHED, "1", status=200, conditional=False).asked_with == ("no If-Modified-Since",)
    assert seen(Kind.FETCHED, "1", status=200, conditional=True, bytes=7).size == 7


def test_a_fetch_is_this_phones_only_over_the_connection_of_its_ask() -> None:
    assert seen(Kind.FETCHED, "1", status=200, evidence="same connection as its ask").certain
    assert not seen(Kind.FETCHED, "1", status=200, evidence="just told").certain
    assert not seen(Kind.FETCH_REFUSED, "1", status=401).certain
    assert seen(Kind.ASKED, status=204).certain


def test_an_address_with_v1_twice_is_shown_as_it_came() -> None:
    for method, parts in (
        ("GET", ["v1", "passes", TYPE, "1"]),
        ("GET", ["v1", "devices", PHONE, "registrations", TYPE]),
    ):
        event = misdirected(method, parts, 5)
        assert event is not None
        found = request_of(event)
        assert found is not None and found.path.startswith("/v1/v1/") and found.status == 404
        assert found.next.says == RETRIES


def test_what_no_phone_sent_is_no_request() -> None:
    trips = (Trip.CHANGE, Trip.PUSH, Trip.CERTIFICATE)
    for kind in (kind for kind, trip in TRIP_OF.items() if trip in trips):
        assert request_of(Event(kind, 5, TYPE, "1", PHONE)) is None, kind


def test_what_is_assumed_is_an_assumption_of_the_emulated_phone() -> None:
    names = {quirk.name for quirk in QUIRKS}
    assumed = {
        name
        for kind in Kind
        for status in (200, 201, 204, 304, 401, 404, 503)
        if (found := request_of(Event(kind, 5, TYPE, "1", PHONE, detail={"status": status})))
        for name in found.next.assumed
    }
    assert assumed and assumed <= names, assumed - names
