"""Whatever was seen: something true is said, and no trip that is closed is accused."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from core.why_facts import AGO, LIVE, NOW, PASS, PHONE, SERIAL, TYPE, WORKER, target
from livepass.core.misdirected import DOUBLED
from livepass.core.model import Device, Held, Registration, Watermarks
from livepass.core.timeline import Event, Kind, Stand, Trip, first_gap
from livepass.core.trip2_push import MINUTE
from livepass.core.verdict import Circuit, Cohort, Facts, Phone
from livepass.core.why import explain

NUMBERS = st.integers(0, 9)
TIMES = st.sampled_from([0, AGO - 1, AGO, AGO + MINUTE, NOW - 1000, NOW, NOW + 1])
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(["T0", "T1", "T3", "T4", "T5", "S0", "S1", "S2", "S3", "S4", "S6", "?"]),
        "about": st.sampled_from([trip.value for trip in Trip]),
        "status": st.sampled_from([0, 200, 302, 400, 401, 403, 410, 429, 503, "?", None]),
        "reason": st.sampled_from(["Unreachable", "BadPath", "{", "Unregistered", DOUBLED, None]),
        "fields": st.sampled_from([[], [{"key": "{"}], "no list", [1]]),
        "notice": st.sampled_from(["silent", "exact", "general", None]),
        "faults": st.sampled_from([["{x}"], "no list", None]),
        "line": st.text(max_size=9),
    },
)
EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(Kind),
        TIMES,
        st.just(TYPE),
        st.just(SERIAL),
        st.sampled_from([None, "phone-a", "phone-b"]),
        st.none(),
        NUMBERS,
        DETAILS,
        st.integers(1, 99),
    ),
    max_size=6,
)
MAYBE = st.none() | TIMES
PHONES = st.lists(
    st.builds(
        Phone,
        st.builds(
            Held,
            st.builds(
                Registration,
                *(st.just(TYPE), st.just(SERIAL), st.sampled_from(["phone-a", "phone-b"]), NUMBERS, NUMBERS, TIMES),
                *(st.none() | TIMES, st.none() | TIMES, NUMBERS, MAYBE, NUMBERS, NUMBERS, MAYBE),
            ),
            st.builds(Device, st.just(TYPE), st.just(PHONE), st.just("t"), TIMES, NUMBERS, NUMBERS, MAYBE),
            st.builds(Watermarks, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
            st.just("fp"),
            MAYBE,
            MAYBE,
            st.sampled_from([None, "Unregistered", "BadDeviceToken"]),
        ),
        st.none() | st.builds(target, TIMES, NUMBERS),
        EVENTS,
    ),
    max_size=3,
)
DOCUMENTS = st.sampled_from(
    [
        b"{}",
        b'{"nfc": {}, "webServiceURL": "https://a.test/"}',
        b'{"expirationDate": "2020-01-01T00:00:00"}',
        b'{"expirationDate": "2020-01-01T00:00:00+02:00"}',
        b'{"expirationDate": "then"}',
        b'{"expirationDate": 7}',
    ]
)
ANY = st.builds(
    Facts,
    st.builds(replace, st.just(PASS), voided=st.booleans(), changed_at=TIMES, document=DOCUMENTS),
    PHONES,
    EVENTS,
    st.just(()) | st.builds(replace, st.just(LIVE), not_after=TIMES).map(lambda link: (link,)),
    st.none() | st.builds(Circuit, TIMES, st.just("x"), TIMES),
    st.lists(st.builds(replace, st.just(WORKER), heard_at=TIMES), max_size=1),
    st.builds(Cohort, st.integers(0, 20), st.integers(0, 2)),
    st.booleans(),
    st.none() | st.builds(Event, st.just(Kind.NEW_EPOCH), TIMES, st.just(TYPE), seq=NUMBERS),
    EVENTS,
    st.sampled_from(["", "https://a.test", "https://b.test"]),
)
CLOSED = {
    Stand.PUSH: {Trip.PUSH},
    # A dead token, and a tag or a list that the phone calls wrong, show after the trip was closed.
    Stand.ASK: {Trip.ASK, Trip.PUSH},
    Stand.FETCH: {Trip.FETCH, Trip.ASK},
    # A phone that says that it lost its tag may have been served by itself.
    Stand.CURRENT: {Trip.FETCH, Trip.ASK},
}


@settings(max_examples=500)
@given(ANY)
def test_something_true_is_said_of_any_facts(given: Facts) -> None:
    found = explain(given, NOW)
    assert found, "no state is said"
    phones = [phone.held for phone in given.phones if phone.followed]
    assert len([one for one in found if one.device_id is not None]) == len(phones)
    assert [one.problem for one in found] == sorted((one.problem for one in found), reverse=True)
    for verdict in found:
        stands = [first_gap(one.watermarks) for one in phones if one.registration.device_id == verdict.device_id]
        if verdict.code == "LP000":
            assert Stand.CURRENT in stands, "a stale pass is called current"
        elif verdict.device_id is not None and verdict.trip is not None:
            assert any(verdict.trip in CLOSED[stand] for stand in stands), (verdict.code, stands)
            if Stand.ASK in stands and verdict.trip is Trip.PUSH and len(stands) == 1:
                assert verdict.code in {"LP203", "LP204", "LP205"}
            if set(stands) == {Stand.CURRENT}:
                assert verdict.proof, "a phone that was served is accused without its own words"
