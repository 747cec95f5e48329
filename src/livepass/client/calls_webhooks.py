"""Webhook endpoints: where events are sent, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from livepass.client.address import path
from livepass.client.call import Call, List, as_json, given, nothing, reads
from livepass.web import issuer_webhooks as answers


def add_webhook(
    url: str, *, events: Sequence[str] = (), pass_types: Sequence[str] = ()
) -> Call[answers.WebhookEndpointRow]:
    """Send events there from now on; none named: all. The answer holds the secret, which is shown only now."""
    body = as_json({"url": url, "events": list(events), "pass_types": list(pass_types)})
    return Call("POST", "/webhook-endpoints", reads(answers.WebhookEndpointRow), body=body)


def webhooks() -> List[answers.WebhookEndpointRow]:
    """All endpoints, disabled ones too."""
    return List("/webhook-endpoints", reads(answers.WebhookEndpointPage))


def webhook(endpoint_id: str) -> Call[answers.WebhookEndpointRow]:
    """One endpoint."""
    return Call("GET", _one(endpoint_id), reads(answers.WebhookEndpointRow))


def enable_webhook(endpoint_id: str, *, enabled: bool = True) -> Call[answers.WebhookEndpointRow]:
    """Enable an endpoint, or disable it. Enabled again, what waited is sent."""
    body = as_json({"enabled": enabled})
    return Call("PATCH", _one(endpoint_id), reads(answers.WebhookEndpointRow), body=body)


def remove_webhook(endpoint_id: str) -> Call[None]:
    """Remove an endpoint with its messages; what was not sent yet is not sent any more."""
    return Call("DELETE", _one(endpoint_id), nothing)


def rotate_webhook(endpoint_id: str) -> Call[answers.WebhookEndpointRow]:
    """A fresh secret, which is shown only now. The one before it signs beside it for a day."""
    return Call("POST", f"{_one(endpoint_id)}:rotate", reads(answers.WebhookEndpointRow), body=b"{}")


def send_test_webhook(endpoint_id: str, *, event: str | None = None) -> Call[answers.WebhookMessageRow]:
    """Send a message about nothing that happened; ``webhook_attempts`` tells what came of it."""
    body = as_json(given(event=event))
    return Call("POST", f"{_one(endpoint_id)}:test", reads(answers.WebhookMessageRow), body=body)


def webhook_messages(endpoint_id: str) -> List[answers.WebhookMessageRow]:
    """What was sent to an endpoint, and is to be, newest first."""
    return List(f"{_one(endpoint_id)}/messages", reads(answers.WebhookMessagePage))


def webhook_attempts(endpoint_id: str, message: str) -> Call[answers.WebhookAttempts]:
    """The attempts to send a message, in order."""
    return Call("GET", f"{_one(endpoint_id)}/attempts", reads(answers.WebhookAttempts), {"message": message})


def resend_webhook(endpoint_id: str, message: str) -> Call[None]:
    """Send a message again, under the same id: a receiver that has had it can tell."""
    return Call("POST", f"{_one(endpoint_id)}:resend", nothing, body=as_json({"message": message}))


def recover_webhooks(
    endpoint_id: str, *, hours: int | None = None, since: datetime | None = None
) -> Call[answers.WebhooksRecovered]:
    """Send again what failed for good, by when its event happened: within so many hours, or since an instant (with its
    time zone); neither: a day.
    """
    body = as_json(given(hours=hours, since=since and since.isoformat()))
    return Call("POST", f"{_one(endpoint_id)}:recover", reads(answers.WebhooksRecovered), body=body)


def _one(endpoint_id: str) -> str:
    return path("webhook-endpoints", endpoint_id)
