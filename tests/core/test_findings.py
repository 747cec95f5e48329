"""The catalogue of verdicts keeps its word: what scripts were built on stays, and nothing unseen is said."""

from __future__ import annotations

import string

import pytest

from livepass.core.findings import BY_CODE, FINDINGS, Who
from livepass.core.timeline import Trip
from livepass.core.trip2_push import DAY, HOUR, MINUTE

PUBLISHED: list[tuple[str, str, Who, bool, int | None]] = [
    # What it is called, who acts, whether ``livepass why`` leaves with 1, and when another look may show more.
    ("LP000", "current", Who.NOBODY, False, None),
    ("LP001", "in flight", Who.NOBODY, False, MINUTE),
    ("LP002", "nobody has it", Who.NOBODY, False, None),
    ("LP003", "unverified", Who.NOBODY, False, HOUR),
    ("LP004", "voided", Who.NOBODY, False, None),
    ("LP005", "expired", Who.NOBODY, False, None),
    ("LP006", "fetched, not registered", Who.NOBODY, False, None),
    ("LP101", "registration refused", Who.ISSUER, True, None),
    ("LP102", "stopped listening", Who.HOLDER, True, None),
    ("LP103", "stopped listening after a burst", Who.ISSUER, True, None),
    ("LP104", "too many phones", Who.ISSUER, True, None),
    ("LP105", "superseded", Who.HOLDER, True, None),
    ("LP106", "registrations lost", Who.OPERATOR, True, None),
    ("LP107", "pass calls another address", Who.OPERATOR, True, None),
    ("LP108", "registration answered otherwise on its way", Who.PROXY, True, None),
    ("LP109", "registration spoiled on its way", Who.PROXY, True, None),
    ("LP110", "registered at /v1/v1", Who.PROXY, True, None),
    ("LP111", "registered at the new address", Who.NOBODY, False, None),
    ("LP112", "not registered at the new address", Who.OPERATOR, True, HOUR),
    ("LP201", "no worker", Who.OPERATOR, True, MINUTE),
    ("LP202", "APNs refuses the certificate or topic", Who.OPERATOR, True, 5 * MINUTE),
    ("LP203", "push token no longer valid", Who.HOLDER, True, None),
    ("LP204", "push token of another topic", Who.OPERATOR, True, None),
    ("LP205", "bad push token", Who.OPERATOR, True, None),
    ("LP206", "APNs out of reach", Who.OPERATOR, True, 15 * MINUTE),
    ("LP207", "APNs asks for patience", Who.NOBODY, False, 15 * MINUTE),
    ("LP208", "held by the budget", Who.NOBODY, False, None),
    ("LP209", "APNs refuses the request", Who.OPERATOR, True, DAY),
    ("LP210", "push overdue", Who.OPERATOR, True, MINUTE),
    ("LP211", "no push is owed", Who.ISSUER, True, None),
    ("LP212", "APNs refuses the key", Who.OPERATOR, True, 5 * MINUTE),
    ("LP301", "not asked yet", Who.NOBODY, False, HOUR),
    ("LP302", "nobody asks", Who.PROXY, True, 15 * MINUTE),
    ("LP303", "ask refused", Who.PROXY, True, None),
    ("LP304", "answer malformed", Who.PROXY, True, None),
    ("LP305", "tag lost or repeated", Who.PROXY, True, None),
    ("LP306", "history restarted", Who.OPERATOR, False, HOUR),
    ("LP307", "told of a pass it does not follow", Who.HOLDER, True, None),
    ("LP308", "list lost on its way", Who.PROXY, True, None),
    ("LP309", "tag does not come back", Who.PROXY, True, None),
    ("LP310", "asked at /v1/v1", Who.PROXY, True, None),
    ("LP311", "asks go to another address", Who.OPERATOR, True, None),
    ("LP312", "ask redirected", Who.PROXY, True, None),
    ("LP351", "fetch refused", Who.ISSUER, True, None),
    ("LP352", "asked, did not fetch", Who.OPERATOR, True, HOUR),
    ("LP353", "phone rejects the pass", Who.ISSUER, True, None),
    ("LP354", "another pass arrived", Who.PROXY, True, None),
    ("LP355", "told, and found nothing new", Who.PROXY, True, None),
    ("LP357", "Last-Modified lost", Who.PROXY, True, None),
    ("LP358", "pass cannot be built", Who.OPERATOR, True, None),
    ("LP359", "fetch answered otherwise on its way", Who.PROXY, True, None),
    ("LP360", "token lost on its way", Who.PROXY, True, None),
    ("LP361", "fetched again and again", Who.PROXY, True, 15 * MINUTE),
    ("LP362", "fetch redirected", Who.PROXY, True, None),
    ("LP401", "unchanged", Who.ISSUER, False, None),
    ("LP402", "template refused", Who.ISSUER, True, None),
    ("LP403", "changed where no field shows it", Who.ISSUER, False, None),
    ("LP404", "changed without a message", Who.ISSUER, False, None),
    ("LP405", "a general line, no message", Who.ISSUER, False, None),
    ("LP501", "no certificate", Who.OPERATOR, True, None),
    ("LP502", "certificate expired", Who.OPERATOR, True, None),
    ("LP503", "certificate expires soon", Who.OPERATOR, False, DAY),
    ("LP504", "NFC capability lost", Who.OPERATOR, True, None),
    ("LP505", "certificate revoked", Who.OPERATOR, True, None),
    ("LP506", "certificate unsound", Who.OPERATOR, True, None),
]


@pytest.mark.parametrize(("code", "name", "who", "problem", "again"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_a_number_stays_what_it_was_published_as(
    code: str, name: str, who: Who, problem: bool, again: int | None
) -> None:
    finding = BY_CODE[code]
    assert (finding.name, finding.who, finding.problem, finding.again) == (name, who, problem, again)


def test_every_number_is_published_and_given_once() -> None:
    assert [finding.code for finding in FINDINGS] == [row[0] for row in PUBLISHED]
    assert len(FINDINGS) == len(BY_CODE)


def test_who_acts_is_said_in_words_for_people() -> None:
    assert [who.value for who in Who] == [
        "nobody",
        "the issuer",
        "the operator of the service",
        "whoever runs the proxy",
        "the holder of the pass",
    ]


@pytest.mark.parametrize("code", [finding.code for finding in FINDINGS if finding.who is Who.NOBODY])
def test_where_nobody_must_act_there_is_nothing_to_do_but_what_somebody_may_want(code: str) -> None:
    offers = {"LP002": "Add the pass to a phone", "LP004": "If it should be valid again", "LP005": "If it should be"}
    assert BY_CODE[code].remedy.startswith(offers.get(code, "Nothing"))
    assert not BY_CODE[code].problem


def test_numbers_follow_the_round_trips() -> None:
    trips = {"LP1": Trip.REGISTER, "LP2": Trip.PUSH, "LP30": Trip.ASK, "LP35": Trip.FETCH, "LP5": Trip.CERTIFICATE}
    for finding in FINDINGS:
        for start, trip in trips.items():
            assert not finding.code.startswith(start) or finding.trip is trip, finding.code


def test_what_was_seen_is_all_that_is_said() -> None:
    for finding in FINDINGS:
        words = finding.sentence.lower().translate(str.maketrans("", "", string.punctuation)).split()
        assert not {"delivered", "installed", "uninstalled", "removed"} & set(words), finding.code
