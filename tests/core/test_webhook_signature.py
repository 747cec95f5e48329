"""What we sign, the library receivers use verifies; and nothing else."""

from __future__ import annotations

import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from livepass.core.webhook_signature import BadSecret, headers, secret_of

OLD, NEW, OTHER = (secret_of(bytes([n]) * 32) for n in (1, 2, 3))
BODY = '{"type":"pass.changed","note":"é"}'.encode()


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_secret_verifies_while_both_are_valid(secret: str) -> None:
    sent = headers([NEW, OLD], "msg_1", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, sent)["type"] == "pass.changed"


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body", "secret"])
def test_whatever_is_changed_no_longer_verifies(changed: str) -> None:
    now = int(time.time())
    sent = headers([NEW], "msg_1", now, BODY)
    other = {"webhook-id": "msg_2", "webhook-timestamp": str(now - 1)}
    if changed in other:
        sent[changed] = other[changed]
    body = BODY + b" " if changed == "body" else BODY
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER if changed == "secret" else NEW).verify(body, sent)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!!", NEW.removeprefix("whsec_"), "whsec_c2hvcnQ="])
def test_a_bad_secret_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(BadSecret) as refused:
        headers([secret], "msg_1", 1, BODY)
    assert len(secret) < 8 or secret not in str(refused.value)


@pytest.mark.parametrize("message", ["", "msg.1"])
def test_an_id_that_has_two_readings_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match="no dot"):
        headers([NEW], message, 1, BODY)


@pytest.mark.parametrize("length", [23, 65])
def test_a_key_of_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(BadSecret):
        secret_of(b"x" * length)


def test_no_secret_signs_nothing() -> None:
    with pytest.raises(BadSecret):
        headers([], "msg_1", 1, BODY)
