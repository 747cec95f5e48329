"""Trip 3b: 401, then 304, then 200; and whose hands a version is in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livepass.core.change import http_date
from livepass.core.decision import RaiseServed, Resurrect
from livepass.core.model import Device, PassHead, Registration, TokenSource
from livepass.core.timeline import Kind
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.core.trip3_fetch import (
    JUST_ASKED_MS,
    Candidate,
    Evidence,
    FetchFacts,
    ServedFacts,
    Verdict,
    attribute,
    fetch,
    served,
)

TYPE, SERIAL = "pass.test", "membership.42"
TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZw"
NOW = 1_790_000_000_000
SECONDS = 1_789_999_000
CURRENT = http_date(SECONDS)

HEAD = PassHead(7, SECONDS, TokenSource("k1", b"salt"))
CALL = FetchFacts(TYPE, SERIAL, f"ApplePass {TOKEN}", None, TOKEN, HEAD, NOW)


@pytest.mark.parametrize(
    ("condition", "verdict", "status"),
    [
        (None, Verdict.SEND, 200),
        (CURRENT, Verdict.NOT_MODIFIED, 304),
        (http_date(SECONDS - 1), Verdict.SEND, 200),
        (http_date(SECONDS + 1), Verdict.SEND, 200),
        (http_date(SECONDS + 86_400 * 365), Verdict.SEND, 200),
        (CURRENT.lower(), Verdict.SEND, 200),
        (CURRENT.replace("GMT", "+0000"), Verdict.SEND, 200),
        (f" {CURRENT}", Verdict.SEND, 200),
        ("", Verdict.SEND, 200),
        ("yesterday", Verdict.SEND, 200),
    ],
    ids=["none", "equal", "older", "newer", "much newer", "other case", "other zone", "padded", "empty", "garbled"],
)
def test_304_only_on_textual_equality(condition: str | None, verdict: Verdict, status: int) -> None:
    decided, decision = fetch(replace(CALL, if_modified_since=condition))
    assert (decided, decision.reply.status) == (verdict, status)
    assert dict(decision.reply.headers)[b"last-modified"] == CURRENT.encode()
    assert (decision.reply.body, decision.writes, decision.events) == (b"", (), ())


def test_200_is_a_pass_and_304_is_nothing() -> None:
    assert dict(fetch(CALL)[1].reply.headers)[b"content-type"] == b"application/vnd.apple.pkpass"
    assert b"content-type" not in dict(fetch(replace(CALL, if_modified_since=CURRENT))[1].reply.headers)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"authorization": None},
        {"authorization": "ApplePass " + "x" * 22},
        {"authorization": f"Bearer {TOKEN}"},
        {"head": None},
        {"head": None, "authorization": None},
    ],
)
@pytest.mark.parametrize("condition", [None, CURRENT])
def test_the_token_is_checked_before_the_condition(spoiled: dict[str, object], condition: str | None) -> None:
    verdict, decision = fetch(replace(CALL, if_modified_since=condition, **spoiled))  # type: ignore[arg-type]
    assert verdict is Verdict.REFUSE
    assert (decision.reply.status, decision.reply.headers, decision.reply.body) == (401, (), b"")
    assert decision.writes == ()


def test_a_refusal_leaves_a_trace_only_for_passes_that_exist() -> None:
    (event,) = fetch(replace(CALL, authorization=None))[1].events
    assert (event.kind, event.pass_type, event.serial, event.device_id) == (Kind.FETCH_REFUSED, TYPE, SERIAL, None)
    assert fetch(replace(CALL, head=None))[1].events == ()


def test_a_wallet_with_a_scheme_of_its_own_may_fetch_with_the_pass_token_and_no_other() -> None:
    assert fetch(replace(CALL, authorization=f"WalletUnionPass {TOKEN}"))[0] is Verdict.SEND
    assert fetch(replace(CALL, authorization=f"WalletUnionPass {TOKEN}x"))[0] is Verdict.REFUSE


def test_a_refused_fetch_of_a_wallet_that_polls_is_counted_and_no_event_of_the_pass() -> None:
    """Such a wallet polls for ever: an event each time would bury those of phones."""
    verdict, decision = fetch(replace(CALL, authorization=None, wallet="android"))
    assert (verdict, decision.reply.status, decision.events, decision.writes) == (Verdict.REFUSE, 401, (), ())


# ── a fetch names no device


def phone(
    name: str,
    *,
    told: int = 7,
    asked_ago: int | None = 1_000,
    took: int = 0,
    left_ago: int | None = None,
    here: bool = False,
) -> Candidate:
    asked_at = None if asked_ago is None else NOW - asked_ago
    left_at = None if left_ago is None else NOW - left_ago
    device = Device(TYPE, name, "ab" * 32, NOW - 9_000, asked=0, told=told, asked_at=asked_at)
    return Candidate(
        Registration(TYPE, SERIAL, name, 1, 1, NOW - 9_000, left_at, None, took, None, 0, 0, None), device, here
    )


LONG_AGO = TOMBSTONE_MS


@pytest.mark.parametrize(
    ("candidates", "who", "evidence"),
    [
        ([], None, Evidence.NONE),
        ([phone("a", told=0, asked_ago=None)], "a", Evidence.ONLY_ONE),
        ([phone("a"), phone("b", left_ago=LONG_AGO)], "a", Evidence.ONLY_ONE),
        ([phone("a", left_ago=LONG_AGO)], None, Evidence.NONE),
        ([phone("a"), phone("b", here=True, told=0)], "b", Evidence.SAME_CONNECTION),
        ([phone("a"), phone("b", left_ago=1_000, here=True)], "b", Evidence.SAME_CONNECTION),
        ([phone("a", asked_ago=9, here=True), phone("b", asked_ago=5, here=True)], "b", Evidence.JUST_TOLD),
        ([phone("a", asked_ago=9), phone("b", asked_ago=5)], "b", Evidence.JUST_TOLD),
        ([phone("a", asked_ago=5), phone("b", asked_ago=5)], "b", Evidence.JUST_TOLD),
        ([phone("a"), phone("b", asked_ago=5, took=7)], "a", Evidence.JUST_TOLD),
        ([phone("a"), phone("b", asked_ago=5, told=6)], "a", Evidence.JUST_TOLD),
        ([phone("a"), phone("b", asked_ago=None)], "a", Evidence.JUST_TOLD),
        ([phone("a", asked_ago=JUST_ASKED_MS), phone("b", asked_ago=None)], None, Evidence.NONE),
        ([phone("a", took=7), phone("b", took=7)], None, Evidence.NONE),
    ],
    ids=[
        "nobody",
        "one phone",
        "one phone and an old tombstone",
        "an old tombstone",
        "same connection",
        "same connection, though it left",
        "two over one connection: the last that asked",
        "the last that asked",
        "a tie is broken the same way every time",
        "the last that asked has it already",
        "the last that asked was not told of it",
        "one never asked",
        "too long ago",
        "both have it",
    ],
)
def test_a_fetch_names_no_device(candidates: list[Candidate], who: str | None, evidence: Evidence) -> None:
    for order in (candidates, candidates[::-1]):
        found, why = attribute(order, 7, NOW)
        assert (found.registration.device_id if found else None, why) == (who, evidence)


@pytest.mark.parametrize(
    ("candidates", "who", "evidence"),
    [
        ([], None, Evidence.NONE),
        ([phone("a")], None, Evidence.NONE),
        ([phone("a", here=True)], "a", Evidence.SAME_CONNECTION),
        ([phone("a", here=True, left_ago=LONG_AGO)], None, Evidence.NONE),
    ],
    ids=["nobody is named", "over another connection by now", "same connection", "it left"],
)
def test_in_a_crowd_only_the_connection_tells(candidates: list[Candidate], who: str | None, evidence: Evidence) -> None:
    """Fails when the only one that is looked at counts as the only one that there is."""
    found, why = attribute(candidates, 7, NOW, crowded=True)
    assert (found.registration.device_id if found else None, why) == (who, evidence)
    [event, *_] = served(replace(facts(*candidates), crowded=True))[1]
    assert event.device_id == who


def facts(*candidates: Candidate, status: int = 200) -> ServedFacts:
    return ServedFacts(TYPE, SERIAL, 7, status, status == 304, 2048, candidates, NOW, "e1")


@pytest.mark.parametrize(
    ("candidates", "conditional", "who", "confirmed"),
    [
        ([phone("a")], True, "a", True),
        ([phone("a")], False, "a", False),
        ([phone("a", here=True)], False, "a", True),
        ([phone("a"), phone("b", here=True)], False, "b", True),
        ([phone("a"), phone("b", asked_ago=5)], True, "b", False),
    ],
    ids=["only one", "or a newcomer", "only one, same connection", "same connection", "just told"],
)
def test_served_is_sure_only_when_there_is_no_other_reading(
    candidates: list[Candidate], conditional: bool, who: str, confirmed: bool
) -> None:
    writes, (event,) = served(replace(facts(*candidates), conditional=conditional))
    assert writes == (RaiseServed(TYPE, who, SERIAL, 7, NOW, confirmed, "e1"),)
    assert (event.kind, event.device_id, event.serial, event.seq) == (Kind.FETCHED, who, SERIAL, 7)


def test_nobody_s_fetch_is_written_down_and_raises_nothing() -> None:
    writes, (event,) = served(facts())
    assert writes == ()
    assert (event.device_id, event.seq) == (None, 7)
    assert event.detail == {"status": 200, "conditional": False, "bytes": 2048, "evidence": "unknown"}


def test_a_304_is_evidence_of_delivery_too() -> None:
    writes, (event,) = served(facts(phone("a"), status=304))
    assert writes == (RaiseServed(TYPE, "a", SERIAL, 7, NOW, True, "e1"),)
    assert (event.detail["status"], event.detail["conditional"]) == (304, True)


@pytest.mark.parametrize(
    ("candidate", "back"),
    [
        (phone("a", left_ago=5_000, asked_ago=1_000, here=True), True),
        (phone("a", left_ago=5_000, asked_ago=1_000), False),
        (phone("a", left_ago=1_000, asked_ago=1_000, here=True), False),
        (phone("a", left_ago=1_000, asked_ago=5_000, here=True), False),
        (phone("a", left_ago=1_000, asked_ago=None, here=True), False),
        (phone("a", asked_ago=1_000, here=True), False),
        (phone("a", left_ago=5_000, asked_ago=0, here=True), True),
        (phone("a", left_ago=5_000, asked_ago=-1, here=True), False),
    ],
    ids=[
        *("asked after it left", "over another connection", "at that instant", "before it left", "never asked", "live"),
        *("asked just now", "by a clock that was ahead"),
    ],
)
def test_a_late_delete_is_undone_by_the_phone_that_still_fetches(candidate: Candidate, back: bool) -> None:
    writes, events = served(facts(candidate))
    assert (Resurrect(TYPE, "a", SERIAL) in writes) is back
    assert [event.kind for event in events] == [Kind.FETCHED] + [Kind.RESURRECTED] * back
    assert {(event.serial, event.device_id, event.at) for event in events} == {(SERIAL, "a", NOW)}


# ── one phone under several device ids


def twin(of: Candidate, name: str, *, token: str | None = None, **changes: object) -> Candidate:
    """The phone of ``of`` under another device id, which ``of`` superseded."""
    made = phone(name, **changes)  # type: ignore[arg-type]
    device = replace(made.device, push_token=token or of.device.push_token)
    return replace(made, device=device, registration=replace(made.registration, superseded_at=NOW - 500))


def of_its_own(candidate: Candidate, token: str) -> Candidate:
    return replace(candidate, device=replace(candidate.device, push_token=token))


MINE = phone("new", told=0, asked_ago=None)
OTHER = of_its_own(phone("other", told=0, asked_ago=None), "cd" * 32)


@pytest.mark.parametrize(
    ("candidates", "who", "evidence"),
    [
        ([MINE, twin(MINE, "old")], "new", Evidence.ONLY_ONE),
        ([MINE, twin(MINE, "old"), twin(MINE, "older")], "new", Evidence.ONLY_ONE),
        ([MINE, twin(MINE, "old", here=True), OTHER], "new", Evidence.SAME_CONNECTION),
        ([MINE, twin(MINE, "old", asked_ago=5), OTHER], "new", Evidence.JUST_TOLD),
        ([MINE, twin(MINE, "old", asked_ago=5, told=6), OTHER], None, Evidence.NONE),
        ([MINE, twin(MINE, "old", token="ef" * 32)], "old", Evidence.JUST_TOLD),
        ([MINE, twin(MINE, "old", token="ef" * 32, here=True)], "old", Evidence.SAME_CONNECTION),
        ([twin(MINE, "old")], "old", Evidence.ONLY_ONE),
    ],
    ids=[
        "the one that stands for it",
        "two of the past",
        "what the old one did on this connection",
        "what the old one was told",
        "not told of this version, by either",
        "another token by now: two phones",
        "another token, and it is here",
        "nobody stands for it any more",
    ],
)
def test_what_a_superseded_device_id_did_its_phone_did(
    candidates: list[Candidate], who: str | None, evidence: Evidence
) -> None:
    for order in (candidates, candidates[::-1]):
        found, why = attribute(order, 7, NOW)
        assert (found.registration.device_id if found else None, why) == (who, evidence)


def test_the_last_that_asked_is_not_the_last_by_name() -> None:
    found, why = attribute([phone("a", asked_ago=5), phone("b", asked_ago=9)], 7, NOW)
    assert (found.registration.device_id if found else None, why) == ("a", Evidence.JUST_TOLD)


def test_a_phone_asked_last_when_any_of_its_device_ids_did() -> None:
    mine = phone("new", told=7, asked_ago=JUST_ASKED_MS + 1)
    found, why = attribute([mine, twin(mine, "old", asked_ago=5), OTHER], 7, NOW)
    assert (found.registration.device_id if found else None, why) == ("new", Evidence.JUST_TOLD)


def test_a_refused_fetch_says_with_what() -> None:
    for sent, reason in ((None, "no token"), ("ApplePass 0123456789abcdef", "wrong token")):
        [event] = fetch(replace(CALL, authorization=sent))[1].events
        assert (event.kind, event.serial) == (Kind.FETCH_REFUSED, SERIAL)
        assert event.detail == {"status": 401, "reason": reason}
