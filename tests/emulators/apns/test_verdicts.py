"""One valid request; spoil one thing; name the one reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from livepass.emulators.apns.verdicts import (
    CHECKS,
    REASONS,
    USUAL_REASON,
    Credential,
    DeviceState,
    Request,
    Verdict,
    is_token,
    judge,
    refusal,
)

NOW = 1_800_000_000.0
TOPIC = "pass.test.livepass"
PATH = "/3/device/" + "ab" * 32
REQUEST = Request(
    "POST",
    PATH,
    {
        "apns-topic": TOPIC,
        "apns-id": "123e4567-e89b-12d3-a456-426614174000",
        "apns-priority": "10",
        "apns-expiration": str(int(NOW) + 86_400),
    },
    b"{}",
)
CREDENTIAL = Credential(frozenset({TOPIC}), TOPIC, NOW - 1000, NOW + 1000)
DEVICE = DeviceState(topics=frozenset({TOPIC}))


def with_headers(**headers: str | None) -> Request:
    merged = {**REQUEST.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return replace(REQUEST, headers={name: value for name, value in merged.items() if value is not None})


def test_the_valid_request_is_accepted():
    assert judge(REQUEST, CREDENTIAL, DEVICE, NOW) == Verdict(200)
    assert judge(REQUEST, CREDENTIAL, DEVICE, NOW).body() == b""


SPOILT = [
    (replace(REQUEST, duplicates=frozenset({"apns-topic"})), "DuplicateHeaders"),
    (with_headers(apns_id="123"), "BadMessageId"),
    (with_headers(apns_id="123e4567e89b12d3a456426614174000"), "BadMessageId"),
    (with_headers(apns_id=""), "BadMessageId"),
    (replace(REQUEST, method="GET"), "MethodNotAllowed"),
    (replace(REQUEST, method="PUT"), "MethodNotAllowed"),
    (replace(REQUEST, path="/"), "BadPath"),
    (replace(REQUEST, path="/3/device"), "BadPath"),
    (replace(REQUEST, path="/2/device/" + "ab" * 32), "BadPath"),
    (replace(REQUEST, path="/3/device/"), "MissingDeviceToken"),
    (with_headers(apns_collapse_id="x" * 65), "BadCollapseId"),
    (with_headers(apns_collapse_id="ä" * 33), "BadCollapseId"),
    (with_headers(apns_priority="11"), "BadPriority"),
    (with_headers(apns_priority="high"), "BadPriority"),
    (with_headers(apns_push_type="background"), "BadPriority"),
    (with_headers(apns_push_type="wallet"), "InvalidPushType"),
    (with_headers(apns_push_type="location"), "InvalidPushType"),
    (with_headers(apns_expiration="tomorrow"), "BadExpirationDate"),
    (with_headers(apns_expiration="-1"), "BadExpirationDate"),
    (with_headers(apns_expiration="1.5"), "BadExpirationDate"),
    (with_headers(apns_expiration="9" * 30), "BadExpirationDate"),
    (replace(REQUEST, path="/3/device/abc"), "BadDeviceToken"),
    (replace(REQUEST, path="/3/device/" + "ab" * 31), "BadDeviceToken"),
    (replace(REQUEST, path="/3/device/" + "ab" * 32 + "a"), "BadDeviceToken"),
    (replace(REQUEST, path="/3/device/" + "xy" * 32), "BadDeviceToken"),
    (replace(REQUEST, path="/3/device/" + "ab" * 32 + "/"), "BadDeviceToken"),
    (replace(REQUEST, path="/3/device/" + "ab" * 32 + "?a=b"), "BadDeviceToken"),
    (with_headers(apns_topic="no topic"), "BadTopic"),
    (with_headers(apns_topic="x" * 300), "BadTopic"),
    (with_headers(apns_topic="pass.somebody.else"), "TopicDisallowed"),
    (replace(REQUEST, payload=b""), "PayloadEmpty"),
    (replace(REQUEST, payload=b"x" * 4097), "PayloadTooLarge"),
    (replace(with_headers(apns_push_type="voip"), payload=b"x" * 5121), "PayloadTooLarge"),
]


@pytest.mark.parametrize(("request_", "reason"), SPOILT)
def test_one_thing_spoilt_in_the_request(request_: Request, reason: str):
    verdict = judge(request_, CREDENTIAL, DEVICE, NOW)
    assert (verdict.status, verdict.reason, verdict.timestamp_ms) == (REASONS[reason].status, reason, None)


FINE = [
    with_headers(apns_id="123E4567-E89B-12D3-A456-426614174000"),
    with_headers(apns_id=None),
    with_headers(apns_topic=None),
    with_headers(apns_priority=None),
    with_headers(apns_expiration=None),
    with_headers(apns_expiration="0"),
    with_headers(apns_priority="1"),
    with_headers(apns_push_type="alert"),
    with_headers(apns_push_type="background", apns_priority="5"),
    with_headers(apns_push_type="background", apns_priority=None),
    with_headers(apns_collapse_id="x" * 64),
    with_headers(authorization="bearer ignored-with-a-certificate"),
    replace(REQUEST, payload=b"x" * 4096),
    replace(with_headers(apns_push_type="voip"), payload=b"x" * 5120),
    replace(REQUEST, path="/3/device/" + "AB" * 32),
    replace(REQUEST, path="/3/device/" + "ab" * 80),
]


@pytest.mark.parametrize("request_", FINE)
def test_what_is_optional_or_at_the_edge_is_accepted(request_: Request):
    assert judge(request_, CREDENTIAL, DEVICE, NOW).accepted


CREDENTIALS = [
    (None, "MissingProviderToken"),
    (replace(CREDENTIAL, valid_until=NOW - 1), "BadCertificate"),
    (replace(CREDENTIAL, valid_from=NOW + 1), "BadCertificate"),
    (replace(CREDENTIAL, problem="BadCertificateEnvironment"), "BadCertificateEnvironment"),
    (Credential(frozenset({"a.b", "c.d"}), None, 0, NOW + 1), "TopicDisallowed"),
]


@pytest.mark.parametrize(("credential", "reason"), CREDENTIALS)
def test_one_thing_spoilt_in_the_credential(credential: Credential | None, reason: str):
    assert judge(REQUEST, credential, DEVICE, NOW) == Verdict(REASONS[reason].status, reason)


def test_a_key_without_limits_may_push_to_all_topics():
    assert judge(REQUEST, replace(CREDENTIAL, topics=None, by_token=True), DEVICE, NOW).accepted


def test_without_a_single_topic_the_topic_must_be_named():
    several = replace(CREDENTIAL, topics=frozenset({TOPIC, "pass.b"}), default_topic=None)
    assert judge(with_headers(apns_topic=None), several, DEVICE, NOW).reason == "MissingTopic"
    assert judge(with_headers(apns_topic=None), None, DEVICE, NOW).reason == "MissingTopic"
    assert judge(REQUEST, several, DEVICE, NOW).accepted


DEVICES = [
    (DeviceState(known=False), Verdict(400, "BadDeviceToken")),
    (replace(DEVICE, dead_at_ms=1_700_000_000_123), Verdict(410, "Unregistered", 1_700_000_000_123)),
    (replace(DEVICE, dead_at_ms=5, dead_reason="ExpiredToken"), Verdict(410, "ExpiredToken", 5)),
    (replace(DEVICE, topics=frozenset({"pass.b"})), Verdict(400, "DeviceTokenNotForTopic")),
    (replace(DEVICE, too_many=True), Verdict(429, "TooManyRequests")),
]


@pytest.mark.parametrize(("device", "verdict"), DEVICES)
def test_one_thing_spoilt_in_the_device(device: DeviceState, verdict: Verdict):
    assert judge(REQUEST, CREDENTIAL, device, NOW) == verdict


def test_the_410_says_its_milliseconds():
    body = json.loads(Verdict(410, "Unregistered", 1_700_000_000_123).body())
    assert body == {"reason": "Unregistered", "timestamp": 1_700_000_000_123}
    assert refusal("Unregistered", None, NOW).timestamp_ms == int(NOW * 1000)


def test_the_order_of_the_checks():
    """Everything is wrong; mending one thing after the other brings up the reasons in Apple's order."""
    request = Request(
        "GET",
        "/elsewhere",
        {
            "apns-id": "x",
            "apns-collapse-id": "x" * 65,
            "apns-priority": "2",
            "apns-push-type": "wallet",
            "apns-expiration": "soon",
        },
        b"",
        frozenset({"a"}),
    )
    device = DeviceState(False, frozenset({"pass.b"}), 7, "Unregistered", True)

    def mend(**headers: str) -> None:
        nonlocal request
        request = replace(request, headers={**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})

    credential: Credential | None = None
    seen = []

    def look() -> None:
        seen.append(judge(request, credential, device, NOW).reason)

    look()
    request = replace(request, duplicates=frozenset())
    look()
    mend(apns_id=REQUEST.headers["apns-id"])
    look()
    request = replace(request, method="POST")
    look()
    request = replace(request, path="/3/device/")
    look()
    request = replace(request, path="/3/device/zz")
    look()
    mend(apns_topic="pass.foreign")
    look()
    mend(apns_collapse_id="x")
    look()
    mend(apns_priority="10")
    look()
    mend(apns_push_type="alert")
    look()
    mend(apns_expiration="0")
    look()
    request = replace(request, path=PATH)
    look()
    credential = CREDENTIAL
    look()
    mend(apns_topic=TOPIC)
    look()
    device = replace(device, known=True)
    look()
    device = replace(device, dead_at_ms=None)
    look()
    device = replace(device, topics=None)
    look()
    device = replace(device, too_many=False)
    look()
    request = replace(request, payload=b"{}")
    look()
    assert seen == [
        "DuplicateHeaders",
        "BadMessageId",
        "MethodNotAllowed",
        "BadPath",
        "MissingDeviceToken",
        "MissingTopic",
        "BadCollapseId",
        "BadPriority",
        "InvalidPushType",
        "BadExpirationDate",
        "BadDeviceToken",
        "MissingProviderToken",
        "TopicDisallowed",
        "BadDeviceToken",
        "Unregistered",
        "DeviceTokenNotForTopic",
        "TooManyRequests",
        "PayloadEmpty",
        None,
    ]


def test_the_table_is_consistent():
    assert len(CHECKS) == 17
    for status, reason in USUAL_REASON.items():
        assert REASONS[reason].status == status
    assert {row.status for row in REASONS.values()} == {400, 403, 404, 405, 410, 413, 429, 500, 503}


@pytest.mark.parametrize(("text", "good"), [("ab" * 32, True), ("AB" * 50, True), ("ab" * 31, False), ("", False)])
def test_what_looks_like_a_token(text: str, good: bool):
    assert is_token(text) is good
