"""Trip 2: what a push says, and what each answer of APNs makes us do next."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.authorization import fingerprint
from livepass.core.model import Target
from livepass.core.timeline import Kind
from livepass.core.trip2_push import (
    ANSWERS,
    CIRCUIT_MS,
    DAY,
    DEAD_KEPT_MS,
    FAILED_LADDER,
    HOUR,
    MINUTE,
    RACE_MARGIN_MS,
    RACE_OVER_MS,
    RACE_RETRY_MS,
    STATUS_CLASSES,
    UNASKED_LADDER,
    Next,
    Outcome,
    PushAnswer,
    PushCredential,
    TokenErrors,
    action_for,
    message,
    random_uuid,
    read_answer,
)

NOW = 1_790_000_000_000
TOKEN = "ab" * 32
REGISTERED = NOW - 90 * DAY
DUE = Target(
    pass_type="pass.test",
    push_token=TOKEN,
    token_registered_at=REGISTERED,
    wanted=9,
    acked=4,
    pushed=5,
    urgent=0,
    sending=8,
    attempts=0,
    next_at=NOW,
    lease="lease",
    score=1.5,
    last_push_at=NOW - HOUR,
    passes=1,
    dead_at=None,
    dead_reason=None,
)


def answered(
    status: int,
    reason: str = "",
    target: Target = DUE,
    *,
    timestamp: int | None = None,
    jitter: float = 1.0,
    trust: bool = True,
) -> Outcome:
    answer = PushAnswer(message(target, "id-1", NOW), status, reason, timestamp, "id-1")
    return read_answer(target, answer, NOW, jitter, trust_token_errors=trust)


# ── what a push says


def test_a_push_names_the_pass_type_and_nothing_else() -> None:
    push = message(DUE, "id-1", NOW)
    assert (push.push_token, push.topic, push.apns_id) == (TOKEN, "pass.test", "id-1")
    assert (push.payload, push.priority, push.push_type) == (b"{}", 10, None)


def test_a_push_waits_for_a_phone_for_days() -> None:
    assert message(DUE, "id-1", NOW).expiration == NOW // 1000 + 14 * 86_400


@pytest.mark.parametrize("drawn", [bytes(16), b"\xff" * 16, bytes(range(16))], ids=["zeros", "ones", "all differ"])
def test_the_number_of_a_push_is_a_random_uuid(drawn: bytes) -> None:
    assert random_uuid(drawn) == str(UUID(bytes=drawn, version=4)), "RFC 9562: all of chance but version and variant"


def test_neither_push_tokens_nor_keys_are_printed() -> None:
    push = message(DUE, "id-1", NOW)
    assert TOKEN not in repr(push) + repr(answered(200)) + repr(DUE)
    assert "hunter2" not in repr(PushCredential("c1", "pass.test", b"chain", b"hunter2", b"hunter2"))


# ── the table

BY_ACTION = {
    Next.TOKEN_DEAD: "410 Unregistered, 410 ExpiredToken",
    Next.QUARANTINE: "400 BadDeviceToken, 400 DeviceTokenNotForTopic",
    Next.STOP_CREDENTIAL: "400 BadTopic, 400 MissingTopic, 400 TopicDisallowed, 403 BadCertificate,"
    " 403 BadCertificateEnvironment, 403 ExpiredProviderToken, 403 InvalidProviderToken, 403 MissingProviderToken,"
    " 403 UnrelatedKeyIdInToken, 403 BadEnvironmentKeyIdInToken, 403 BadEnvironmentKeyInToken, 403 Forbidden,"
    " 0 CertificateRefused",
    Next.LATER: "429 TooManyRequests, 429 TooManyProviderTokenUpdates, 503 Shutdown, 400 IdleTimeout, 0 Unreachable,"
    " 0 ConnectionLost, 0 Timeout, 0 ProtocolError",
    Next.MUCH_LATER: "500 InternalServerError, 503 ServiceUnavailable",
}


def test_the_table_by_what_it_makes_us_do() -> None:
    rows = {row: action for action, listed in BY_ACTION.items() for row in listed.split(", ")}
    assert {f"{status} {reason}": action for (status, reason), action in ANSWERS.items()} == rows


@pytest.mark.parametrize(("status", "reason", "action"), [(*key, action) for key, action in ANSWERS.items()])
def test_every_row_of_the_table_decides(status: int, reason: str, action: Next) -> None:
    """What each action does is written out here once more, independently of the code."""
    outcome = answered(status, reason)
    stands = (outcome.pushed, outcome.score, outcome.last_push_at) == (0, DUE.score, DUE.last_push_at)
    assert stands, "only an accepted push counts as pushed"
    dead, stop = outcome.dead_reason, outcome.stop_until
    wait = outcome.next_at - NOW
    match action:
        case Next.TOKEN_DEAD | Next.QUARANTINE:
            assert (dead, stop, outcome.event.kind) == (reason, None, Kind.TOKEN_DEAD)
        case Next.STOP_CREDENTIAL:
            assert (dead, stop, outcome.attempts) == (None, NOW + CIRCUIT_MS, DUE.attempts)
        case Next.LATER:
            assert (dead, stop, wait) == (None, None, FAILED_LADDER[0])
        case Next.MUCH_LATER:
            assert (dead, stop, wait) == (None, None, 15 * MINUTE)
        case _:
            pytest.fail(f"{action} has no test")
    if action is not Next.STOP_CREDENTIAL:
        assert outcome.attempts == 1
    if action in (Next.LATER, Next.MUCH_LATER):
        assert outcome.event.kind is (Kind.PUSH_FAILED if status == 0 else Kind.PUSH_REJECTED)


@pytest.mark.parametrize(("status", "action"), STATUS_CLASSES.items())
def test_a_reason_that_apple_adds_tomorrow_falls_back_to_its_class(status: int, action: Next) -> None:
    assert action_for(status, "AddedTomorrow") is action
    assert action_for(status, "") is action


@pytest.mark.parametrize(
    ("status", "reason", "action"),
    [
        (200, "", Next.ACCEPTED),
        (200, "BadDeviceToken", Next.ACCEPTED),
        (502, "", Next.MUCH_LATER),
        (504, "AddedTomorrow", Next.MUCH_LATER),
        (500, "AddedTomorrow", Next.MUCH_LATER),
        (302, "", Next.MUCH_LATER),
        (0, "AddedTomorrow", Next.MUCH_LATER),
        (410, "BadDeviceToken", Next.TOKEN_DEAD),
        (400, "Unregistered", Next.OUR_BUG),
    ],
)
def test_what_nobody_foresaw_is_treated_as_load(status: int, reason: str, action: Next) -> None:
    assert action_for(status, reason) is action


def test_a_wrong_request_is_not_repeated_for_a_day() -> None:
    outcome = answered(413, "PayloadTooLarge", jitter=0.8)
    assert (outcome.dead_reason, outcome.next_at) == (None, NOW + int(DAY * 0.8))
    assert outcome.event.kind is Kind.PUSH_REJECTED


# ── accepted is not acknowledged


def test_pushing_is_level_triggered() -> None:
    """APNs' 200 raises ``pushed`` to what was sent, and the next attempt is already planned."""
    outcome = answered(200)
    assert (outcome.pushed, outcome.attempts, outcome.next_at) == (DUE.sending, 1, NOW + MINUTE)
    assert (outcome.dead_reason, outcome.stop_until) == (None, None)
    assert (outcome.event.kind, outcome.event.seq) == (Kind.PUSH_ACCEPTED, DUE.sending)
    assert not hasattr(outcome, "acked")


def test_an_accepted_push_costs_the_phone_s_patience() -> None:
    outcome = answered(200)
    assert outcome.score == pytest.approx(1.625)
    assert outcome.last_push_at == NOW


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [
        (0, MINUTE),
        (1, 5 * MINUTE),
        (2, 30 * MINUTE),
        (3, 2 * HOUR),
        (4, 6 * HOUR),
        (5, DAY),
        (34, DAY),
        (35, 7 * DAY),
        (10_000, 7 * DAY),
    ],
)
def test_a_phone_that_does_not_ask_is_pushed_ever_more_rarely(attempts: int, wait: int) -> None:
    assert UNASKED_LADDER[min(attempts, len(UNASKED_LADDER) - 1)] == wait
    assert answered(200, target=replace(DUE, attempts=attempts)).next_at == NOW + wait


@pytest.mark.parametrize("attempts", range(8))
def test_failures_are_repeated_ever_more_rarely(attempts: int) -> None:
    wait = FAILED_LADDER[min(attempts, 5)]
    target = replace(DUE, attempts=attempts)
    assert answered(0, "Timeout", target).next_at == NOW + wait
    assert answered(503, "ServiceUnavailable", target).next_at == NOW + max(15 * MINUTE, wait)


@given(st.floats(0.8, 1.2), st.integers(0, 100), st.sampled_from(sorted(ANSWERS)))
def test_jitter_spreads_and_never_undercuts_what_apple_asks(jitter: float, attempts: int, key: tuple[int, str]) -> None:
    outcome = answered(*key, replace(DUE, attempts=attempts), jitter=jitter, trust=False)
    assert outcome.next_at >= NOW
    if key[0] in (500, 503) and key[1] != "Shutdown":
        assert outcome.next_at >= NOW + 15 * MINUTE


# ── the token's fate


@pytest.mark.parametrize(
    ("registered_ago", "dead_ago", "dead"),
    [
        (90 * DAY, 1_000, True),
        (90 * DAY, 90 * DAY + HOUR, True),
        (HOUR, 2 * HOUR, False),
        (HOUR, HOUR, False),
        (HOUR, HOUR - RACE_MARGIN_MS, False),
        (HOUR, HOUR - RACE_MARGIN_MS - 1, True),
        (RACE_OVER_MS, RACE_OVER_MS, False),
        (RACE_OVER_MS + 1, RACE_OVER_MS + HOUR, True),
        (HOUR, None, True),
        (MINUTE, None, False),
        (90 * DAY, None, True),
        (-MINUTE, 0, False),
    ],
    ids=[
        "long registered, just died",
        "older than a registration that APNs has long learnt of",
        "older than the registration",
        "at the registration",
        "newer, within the skew of clocks",
        "newer beyond any skew",
        "at the registration, which APNs may not have learnt of",
        "older, but APNs has had two days to learn of the registration",
        "no timestamp: as of now",
        "no timestamp, just registered",
        "no timestamp, settled",
        "registered while the push was under way",
    ],
)
def test_a_410_is_compared_with_the_registration_s_own_time(
    registered_ago: int, dead_ago: int | None, dead: bool
) -> None:
    timestamp = None if dead_ago is None else NOW - dead_ago
    target = replace(DUE, token_registered_at=NOW - registered_ago)
    outcome = answered(410, "Unregistered", target, timestamp=timestamp)
    assert outcome.event.detail.get("timestamp") == timestamp
    if dead:
        assert (outcome.dead_reason, outcome.event.kind) == ("Unregistered", Kind.TOKEN_DEAD)
    else:
        assert (outcome.dead_reason, outcome.event.kind) == (None, Kind.PUSH_REJECTED)
        assert outcome.next_at == NOW + RACE_RETRY_MS


def test_a_410_without_a_reason_still_names_one() -> None:
    assert answered(410, "").dead_reason == "410"


@pytest.mark.parametrize("reason", ["BadDeviceToken", "DeviceTokenNotForTopic"])
def test_bad_tokens_are_not_believed_while_many_are_called_bad(reason: str) -> None:
    outcome = answered(400, reason, trust=False, jitter=1.2)
    assert (outcome.dead_reason, outcome.event.kind) == (None, Kind.PUSH_REJECTED)
    assert outcome.next_at == NOW + int(RACE_RETRY_MS * 1.2)


def test_a_dead_token_may_come_back_for_90_days() -> None:
    assert DEAD_KEPT_MS == 90 * DAY, "as the guide to restores and the reference of webhooks say"


def test_a_410_needs_no_such_doubt() -> None:
    assert answered(410, "Unregistered", trust=False).dead_reason == "Unregistered"


def test_a_refused_credential_blames_no_token() -> None:
    outcome = answered(403, "BadCertificate", replace(DUE, attempts=3), jitter=1.2)
    assert (outcome.dead_reason, outcome.attempts) == (None, 3)
    assert outcome.stop_until == outcome.next_at == NOW + int(CIRCUIT_MS * 1.2)


# ── the event


def test_the_event_names_a_fingerprint_and_what_apns_said() -> None:
    event = answered(410, "Unregistered", timestamp=NOW - 5).event
    assert (event.pass_type, event.target, event.seq, event.at) == ("pass.test", fingerprint(TOKEN), DUE.sending, NOW)
    assert (event.serial, event.device_id) == (None, None)
    assert event.detail == {"status": 410, "apns_id": "id-1", "reason": "Unregistered", "timestamp": NOW - 5}
    assert answered(200).event.detail == {"status": 200, "apns_id": "id-1"}


# ── may answers that blame tokens be believed?


@pytest.mark.parametrize(
    ("bad", "good", "believable"),
    [(0, 0, True), (5, 0, True), (6, 0, False), (6, 293, False), (6, 294, True), (10, 490, True), (11, 489, False)],
    ids=["nothing seen", "a few", "more than a few", "over 2 %", "2 % of 300", "2 % of 500", "over 2 % of 500"],
)
def test_token_errors_are_believable_while_rare(bad: int, good: int, believable: bool) -> None:
    errors = TokenErrors()
    for _ in range(bad):
        errors.seen(400, "BadDeviceToken")
    for _ in range(good):
        errors.seen(200, "")
    assert errors.believable is believable


def test_token_errors_are_forgotten_after_500_answers() -> None:
    errors = TokenErrors()
    for _ in range(100):
        errors.seen(400, "DeviceTokenNotForTopic")
    assert not errors.believable
    for _ in range(490):
        errors.seen(410, "Unregistered")
    assert errors.believable


def test_a_share_is_of_the_last_500_answers_and_the_501st_takes_the_place_of_the_first() -> None:
    errors = TokenErrors()
    for _ in range(490):
        errors.seen(200, "")
    for _ in range(10):
        errors.seen(400, "BadDeviceToken")
    assert errors.believable, "2 % of 500"
    errors.seen(400, "BadDeviceToken")
    assert not errors.believable


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (400, Next.OUR_BUG),
        (403, Next.STOP_CREDENTIAL),
        (404, Next.OUR_BUG),
        (405, Next.OUR_BUG),
        (410, Next.TOKEN_DEAD),
        (413, Next.OUR_BUG),
        (429, Next.LATER),
        (402, Next.MUCH_LATER),
        (500, Next.MUCH_LATER),
    ],
)
def test_each_status_class_of_apple_has_its_action(status: int, action: Next) -> None:
    assert action_for(status, "SomethingNew") is action


@pytest.mark.parametrize(("jitter", "minutes"), [(0.8, 15), (1.0, 15), (1.2, 18)])
def test_after_a_5xx_apple_gets_its_quarter_of_an_hour_and_never_less(jitter: float, minutes: int) -> None:
    assert answered(503, "ServiceUnavailable", jitter=jitter).next_at == NOW + minutes * MINUTE


def test_when_bad_tokens_are_believed_is_documented() -> None:
    errors = TokenErrors()
    assert (errors.window, errors.few, errors.share) == (500, 5, 0.02)
