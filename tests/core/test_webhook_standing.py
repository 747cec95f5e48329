"""How endpoints stand, which of them need somebody, and what is shown of their addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from livepass.core.webhook_standing import LONG_MS, Standing, masked, said_without, standing, trouble
from livepass.core.webhooks import FAILING_MS, HOUR, POLLED, SCHEDULE_MS, Endpoint

NOW = 2_000_000_000_000
URL = "https://hooks.example.com/services/T0-secret-part?key=another-secret"
ENDPOINT = Endpoint("default", "we_0123456789", URL, None, None, b"", 0)
GIVEN_UP = replace(ENDPOINT, disabled_at=NOW - HOUR, disabled_why="failing", failing_since=NOW - HOUR - FAILING_MS)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, Standing.UNTRIED),
        ({"answered_at": 1}, Standing.ANSWERS),
        ({"answered_at": 1, "failing_since": 2}, Standing.FAILING),
        ({"url": POLLED}, Standing.POLLED),
        ({"url": POLLED, "disabled_at": 1, "disabled_why": "by hand"}, Standing.DISABLED),
        ({"disabled_at": 1, "disabled_why": "failing", "failing_since": 1}, Standing.GIVEN_UP),
    ],
)
def test_how_an_endpoint_stands(changed: dict[str, object], found: Standing) -> None:
    assert standing(replace(ENDPOINT, **changed)) is found  # type: ignore[arg-type]


def test_who_has_failed_for_long_needs_somebody_and_who_begins_to_does_not() -> None:
    assert sum(SCHEDULE_MS[:5]) < LONG_MS < sum(SCHEDULE_MS[:6]), "five attempts of a message"
    assert trouble(replace(ENDPOINT, failing_since=NOW - LONG_MS + 1), NOW) is None
    assert trouble(replace(ENDPOINT, answered_at=NOW), NOW) is None
    assert trouble(replace(ENDPOINT, disabled_at=1, disabled_why="by hand", failing_since=1), NOW) is None, (
        "somebody knows"
    )
    found = trouble(replace(ENDPOINT, failing_since=NOW - LONG_MS), NOW)
    assert found is not None and not found.worse and "for 3 h" in found.sentence
    assert (found.endpoint, found.url, found.failing_since) == (
        "we_0123456789",
        "https://hooks.example.com/…",
        NOW - LONG_MS,
    )
    assert found.remedy.startswith("livepass webhook messages we_0123456789 lists")


def test_who_was_disabled_needs_somebody_and_the_commands_say_how_far_back() -> None:
    found = trouble(GIVEN_UP, NOW)
    assert found is not None and found.worse and found.standing is Standing.GIVEN_UP
    assert found.disabled_at == NOW - HOUR and "no event is noted" in found.sentence
    assert "livepass webhook enable we_0123456789, and" in found.remedy
    assert "livepass webhook recover we_0123456789 --since 2033-05-12T02:33:20Z " in found.remedy
    of_brand = trouble(replace(GIVEN_UP, tenant="brand"), NOW)
    assert of_brand is not None and of_brand.tenant == "brand"
    assert of_brand.remedy.count(" --tenant brand") == 2
    failing = trouble(replace(ENDPOINT, tenant="brand", failing_since=1), NOW)
    assert failing is not None and "we_0123456789 --tenant brand lists" in failing.remedy


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (NOW - HOUR - FAILING_MS, "2033-05-12T02:33:20Z"),
        (None, "2033-05-12T02:33:20Z"),
        (NOW - 10 * 24 * HOUR, "2033-05-07T03:33:20Z"),
    ],
)
def test_what_failed_first_is_sent_again_too(since: int | None, told: str) -> None:
    """Its event happened before it failed, and may have waited for a worker."""
    found = trouble(replace(GIVEN_UP, failing_since=since), NOW)
    assert int(datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC).timestamp() * 1000) == NOW
    assert found is not None and f"--since {told} " in found.remedy


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "https://hooks.example.com/…"),
        ("https://a.example:8443/x", "https://a.example:8443/…"),
        ("https://a.example/?key=x", "https://a.example/…"),
        ("https://a.example?key=x", "https://a.example/…"),
        ("https://a.example/X", "https://a.example/…"),
        ("https://a.example/", "https://a.example/"),
        ("https://a.example", "https://a.example"),
        (POLLED, POLLED),
    ],
)
def test_of_an_address_no_path_is_shown(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"cannot POST {URL}", "cannot POST …"),
        ("no route /services/T0-secret-part?key=another-secret", "no route …"),
        ("T0-secret-part is unknown", "… is unknown"),
        ("bad another-secret, or key=another-secret", "bad …, or key=…"),
        ("Bearer abcdefgh", "Bearer (struck)"),
        ("try the key", "try the key"),
    ],
)
def test_what_a_receiver_repeats_of_its_address_is_not_shown(said: str, shown: str) -> None:
    assert said_without(said, URL) == shown


def test_an_escaped_part_is_not_shown_unescaped_either() -> None:
    url = "https://a.example/secret%20part/x?k=other%2Bsecret"
    assert said_without("secret part, secret%20part, other+secret, other%2Bsecret", url) == "…, …, …, …"
    assert said_without("/x", "https://a.example/x") == "/x"


def test_the_longest_part_first_and_no_short_one() -> None:
    url = "https://a.example/eightchr/eightchr-and-more?k=seven77"
    assert said_without("eightchr-and-more", url) == "…"
    assert said_without("eightchr, seven77", url) == "…, seven77"
    assert said_without("\ufffd-not-utf-8", "https://a.example/%FF-not-utf-8") == "…"


def test_what_is_shown_keeps_its_wording() -> None:
    assert [each.value for each in Standing] == [
        "disabled, it failed for five days",
        "disabled by hand",
        "read by livepass listen",
        "failing",
        "has answered nothing yet",
        "answers",
    ]
    gone, failing = trouble(GIVEN_UP, NOW), trouble(replace(ENDPOINT, failing_since=NOW - 5 * HOUR - 1), NOW)
    assert gone is not None and failing is not None
    assert gone.sentence == (
        "webhook endpoint we_0123456789 (https://hooks.example.com/…) answered 2xx to nothing for five days and was "
        "disabled: no event is noted for it any more"
    )
    assert gone.remedy == (
        "mend the receiver, then livepass webhook enable we_0123456789, and livepass webhook recover we_0123456789 "
        "--since 2033-05-12T02:33:20Z for what failed"
    )
    assert failing.sentence == (
        "webhook endpoint we_0123456789 (https://hooks.example.com/…) has answered 2xx to nothing for 5 h: after five "
        "days it is disabled"
    )
    assert failing.remedy == "livepass webhook messages we_0123456789 lists what failed; with MESSAGE, what it answered"
