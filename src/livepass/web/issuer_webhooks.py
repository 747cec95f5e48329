"""Webhook endpoints: where events are sent, and what came of it.

An endpoint hears of every pass type of its tenant unless it says of which, so an API key that is limited to pass types
has nothing to do here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from livepass.core.webhooks import TEST, Attempt, Endpoint, Message
from livepass.service.access import Scope
from livepass.service.refusals import Fault, Refusal
from livepass.web.issuer_answers_events import Instant, at, maybe_at
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import NoQuery, PageQuery, PassType
from livepass.web.operations import Answer, Call, Operation, json_body
from livepass.web.paging import Cursor, page, sliced

_ENDPOINTS = Cursor("webhook-endpoints", str)
_MESSAGES = Cursor("webhook-messages", tuple[int, str])
HOUR_MS, DAY_HOURS = 3_600_000, 24

_Name = Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")]
_Url = Annotated[str, Meta(max_length=2000, pattern=r"^[^\u0000]*$")]

# ── bodies and queries


class WebhookEndpointCreate(Struct, forbid_unknown_fields=True, frozen=True):
    """Where events are to be sent. `events`, `pass_types`: only those; left out or empty: all."""

    url: Annotated[_Url, Meta(description="An https address of the open internet; or poll: and nothing is sent")]
    events: Annotated[list[_Name], Meta(max_length=100)] = []
    pass_types: Annotated[list[PassType], Meta(max_length=400)] = []


class WebhookEndpointPatch(Struct, forbid_unknown_fields=True, frozen=True):
    """Disabled: nothing is sent there, nor noted for it. Enabled again, what waited is sent."""

    enabled: bool


class WebhookTest(Struct, forbid_unknown_fields=True, frozen=True):
    """The name of the message to be sent about nothing that happened; its data says `"test": true`."""

    event: _Name = TEST


class WebhookResend(Struct, forbid_unknown_fields=True, frozen=True):
    """Which message is to be sent again."""

    message: _Name


class WebhookRecover(Struct, forbid_unknown_fields=True, frozen=True):
    """How far back what failed for good is sent again, by when its event happened: `hours`, or `since` when; neither: a
    day. Messages are kept for 30 days.
    """

    hours: Annotated[int, Meta(ge=1, le=720)] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None

    def began(self, now: int) -> int:
        """As milliseconds. Raises ``Refusal``."""
        if self.hours is not None and self.since is not None:
            fault = Fault("/since", "hours is there as well")
            raise Refusal("hours and since both say how far back", hint="name one of them", faults=[fault])
        if self.since is not None:
            return round(1000 * self.since.timestamp())
        return now - (self.hours or DAY_HOURS) * HOUR_MS


class WebhookRotate(Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing to say."""


class WebhookAttemptsQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Of which message."""

    message: _Name


# ── answers


class WebhookEndpointRow(Struct, frozen=True):
    """An endpoint. `failing_since`: the first of the attempts that failed in a row; `answered_at`: its last 2xx, to
    some seconds. `secret` is shown when the endpoint is made and when the secret is rotated, and then never again.
    """

    id: str
    url: str
    events: list[str]
    pass_types: list[str]
    created_at: Instant
    failing_since: Instant | None
    answered_at: Instant | None
    disabled_at: Instant | None
    disabled_why: str
    secret: str | None = None

    @classmethod
    def of(cls, row: Endpoint, secret: str | None = None) -> WebhookEndpointRow:
        return cls(
            *(row.id, row.url, list(row.events or ()), list(row.pass_types or ()), at(row.created_at)),
            *(maybe_at(row.failing_since), maybe_at(row.answered_at), maybe_at(row.disabled_at)),
            *(row.disabled_why, secret),
        )


class WebhookEndpointPage(Struct, frozen=True):
    """A page of endpoints."""

    data: list[WebhookEndpointRow]
    next_cursor: str | None


class WebhookMessageRow(Struct, frozen=True):
    """A message. `answered`: a 2xx came; without it and without `next_at` it has failed, and is sent again by hand."""

    id: str
    event: str
    at: Instant
    attempts: int
    next_at: Instant | None
    answered: bool
    body: str

    @classmethod
    def of(cls, row: Message) -> WebhookMessageRow:
        return cls(row.id, row.name, at(row.at), row.attempts, maybe_at(row.next_at), row.ok, row.body.decode())


class WebhookMessagePage(Struct, frozen=True):
    """A page of messages, newest first."""

    data: list[WebhookMessageRow]
    next_cursor: str | None


class WebhookAttemptRow(Struct, frozen=True):
    """One request. `status` 0: no answer came, and `said` says why; otherwise `said` is the beginning of the answer."""

    number: int
    at: Instant
    took_ms: int
    status: int
    said: str

    @classmethod
    def of(cls, row: Attempt) -> WebhookAttemptRow:
        return cls(row.number, at(row.at), row.took_ms, row.status, row.said)


class WebhookAttempts(Struct, frozen=True):
    """The attempts to send a message, in order."""

    data: list[WebhookAttemptRow]


class WebhooksRecovered(Struct, frozen=True):
    """How many messages are sent again."""

    messages: int


# ── operations


async def add(call: Call) -> Answer:
    """A new endpoint, with its secret, which is shown this once."""
    body: WebhookEndpointCreate = call.body
    made, secret = await call.services.webhooks.add(call.caller.tenant, body.url, body.events, body.pass_types)
    return Answer(201, WebhookEndpointRow.of(made, secret))


async def endpoints(call: Call) -> Answer:
    """Endpoints by id, disabled ones too."""
    rows = await call.services.webhooks.all(call.caller.tenant)
    shown, cursor = sliced(rows, call.query, _ENDPOINTS, "", lambda row: row.id)
    return linked(call, WebhookEndpointPage([WebhookEndpointRow.of(row) for row in shown], cursor), cursor)


async def endpoint(call: Call) -> Answer:
    """One endpoint."""
    return Answer(200, WebhookEndpointRow.of(await call.services.webhooks.get(*_named(call))))


async def change(call: Call) -> Answer:
    """Enable or disable an endpoint."""
    body: WebhookEndpointPatch = call.body
    return Answer(200, WebhookEndpointRow.of(await call.services.webhooks.enable(*_named(call), enabled=body.enabled)))


async def remove(call: Call) -> Answer:
    """Remove an endpoint with its messages; what was not sent yet is not sent any more."""
    await call.services.webhooks.remove(*_named(call))
    return Answer(204)


async def rotate(call: Call) -> Answer:
    """A fresh secret. The one before it signs beside it for a day, so that receivers can change over meanwhile."""
    return Answer(200, WebhookEndpointRow.of(*await call.services.webhooks.rotate(*_named(call))))


async def test(call: Call) -> Answer:
    """Send a message about nothing that happened; its attempts tell what came of it."""
    body: WebhookTest = call.body
    return Answer(202, WebhookMessageRow.of(await call.services.webhooks.test(*_named(call), body.event)))


async def messages(call: Call) -> Answer:
    """What was sent to an endpoint, and is to be, newest first."""
    query: PageQuery = call.query
    before = None if query.cursor is None else _MESSAGES.read(query.cursor, (0, ""))
    rows = await call.services.webhooks.messages(*_named(call), before=before, limit=query.limit + 1)
    shown, cursor = page(rows, query.limit, _MESSAGES, lambda row: (row.at, row.id))
    return linked(call, WebhookMessagePage([WebhookMessageRow.of(row) for row in shown], cursor), cursor)


async def attempts(call: Call) -> Answer:
    """The attempts to send a message; none of one that there is not."""
    query: WebhookAttemptsQuery = call.query
    rows = await call.services.webhooks.attempts(*_named(call), query.message)
    return Answer(200, WebhookAttempts([WebhookAttemptRow.of(row) for row in rows]))


async def resend(call: Call) -> Answer:
    """Send a message again, with the same id: a receiver that has had it can tell."""
    body: WebhookResend = call.body
    await call.services.webhooks.resend(*_named(call), body.message)
    return Answer(204)


async def recover(call: Call) -> Answer:
    """Send again what failed for good."""
    body: WebhookRecover = call.body
    since = body.began(call.services.clock.now())
    return Answer(200, WebhooksRecovered(await call.services.webhooks.recover(*_named(call), since)))


def _named(call: Call) -> tuple[str, str]:
    return call.caller.tenant, call.path["id"]


_ALL, _ONE = "/webhook-endpoints", "/webhook-endpoints/{id}"
_SCOPES: tuple[Scope, ...] = ("webhooks:admin",)
_SECRET = "its answer holds a secret, which is kept nowhere in the open"


def _operation(
    method: str, path: str, name: str, summary: str, handler: Any, answers: Any, query: type = NoQuery, **more: Any
) -> Operation:
    return Operation(method, path, name, summary, handler, _SCOPES, answers, query, group="webhooks", **more)


OPERATIONS = (
    _operation(
        *("POST", _ALL, "addWebhookEndpoint", "Add a webhook endpoint", add, {201: (WebhookEndpointRow,)}),
        body=json_body(WebhookEndpointCreate),
        no_key=_SECRET,
    ),
    _operation(
        *("GET", _ALL, "listWebhookEndpoints", "Webhook endpoints", endpoints, {200: (WebhookEndpointPage,)}, PageQuery)
    ),
    _operation("GET", _ONE, "getWebhookEndpoint", "A webhook endpoint", endpoint, {200: (WebhookEndpointRow,)}),
    _operation(
        *("PATCH", _ONE, "changeWebhookEndpoint", "Enable or disable a webhook endpoint", change),
        {200: (WebhookEndpointRow,)},
        body=json_body(WebhookEndpointPatch),
    ),
    _operation("DELETE", _ONE, "removeWebhookEndpoint", "Remove a webhook endpoint", remove, {204: None}),
    _operation(
        *("POST", f"{_ONE}:rotate", "rotateWebhookSecret", "Rotate a webhook secret", rotate),
        {200: (WebhookEndpointRow,)},
        body=json_body(WebhookRotate),
        no_key=_SECRET,
    ),
    _operation(
        *("POST", f"{_ONE}:test", "testWebhookEndpoint", "Send a test webhook", test, {202: (WebhookMessageRow,)}),
        body=json_body(WebhookTest),
    ),
    _operation(
        *("GET", f"{_ONE}/messages", "listWebhookMessages", "Webhooks sent, and to be sent", messages),
        {200: (WebhookMessagePage,)},
        PageQuery,
    ),
    _operation(
        *("GET", f"{_ONE}/attempts", "listWebhookAttempts", "Attempts to send a webhook", attempts),
        {200: (WebhookAttempts,)},
        WebhookAttemptsQuery,
    ),
    _operation(
        *("POST", f"{_ONE}:resend", "resendWebhook", "Send a webhook again", resend, {204: None}),
        body=json_body(WebhookResend),
    ),
    _operation(
        *("POST", f"{_ONE}:recover", "recoverWebhooks", "Send again what failed", recover, {200: (WebhooksRecovered,)}),
        body=json_body(WebhookRecover),
    ),
)
