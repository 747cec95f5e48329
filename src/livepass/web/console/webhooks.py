"""Webhooks: where events are sent, whether that answers, what waits and what failed; and mending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from livepass.core.webhook_standing import Standing, masked, said_without, standing, trouble
from livepass.core.webhooks import NAMES, POLLED, TEST, Attempt, Endpoint, Message
from livepass.service.refusals import NotFound, Refusal
from livepass.web import issuer_webhooks
from livepass.web.console import asking
from livepass.web.console.drawing import url
from livepass.web.console.page import Gone, Shown, Visit
from livepass.web.issuer_answers_events import at, maybe_at
from livepass.web.issuer_webhooks import (
    WebhookEndpointPatch,
    WebhookRecover,
    WebhookResend,
    WebhookTest,
)

MOST = 10_000
"""How far messages are counted."""
MESSAGES, OF_ONE = 5, 50
"""Shown of each endpoint, waiting and failed; and of one that was asked for."""
ALL_KEPT_HOURS = 720
SIGNS: Mapping[Standing, str] = {
    Standing.GIVEN_UP: "bad",
    Standing.FAILING: "warn",
    Standing.DISABLED: "dim",
    Standing.UNTRIED: "dim",
    Standing.ANSWERS: "good",
    Standing.POLLED: "dim",
}
"""In the order in which endpoints are shown."""
_PLACES = {found: place for place, found in enumerate(SIGNS)}


async def webhooks(visit: Visit) -> Shown:
    """In bounds, whatever waits: some messages of each endpoint, counts up to ``MOST``."""
    return await _shown(visit)


async def _shown(visit: Visit, problem: Refusal | None = None) -> Shown:
    tenant, asked = visit.caller.tenant, visit.query.get("endpoint", "").strip()
    found = sorted(await visit.services.webhooks.all(tenant), key=lambda one: (_PLACES[standing(one)], one.id))
    chosen = [await visit.services.webhooks.get(tenant, asked)] if asked else found
    counts = await visit.services.store.webhook_counts(tenant, most=MOST)
    each = OF_ONE if asked else MESSAGES
    data = {
        "asked": {"endpoint": asked},
        "most": MOST,
        "each": each,
        "endpoints": [_endpoint(one, visit.now, counts.get(one.id, (0, 0))) for one in found],
        "messages": [*await _messages(visit, chosen, each, failed=True), *await _messages(visit, chosen, each)],
        "events": [TEST, *NAMES],
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, command=f"livepass webhook messages {asked}" if asked else "livepass webhook list")


def _endpoint(one: Endpoint, now: int, counts: tuple[int, int]) -> dict[str, Any]:
    found, said = standing(one), trouble(one, now)
    return {
        "id": one.id,
        "url": masked(one.url),
        "events": list(one.events or ()),
        "pass_types": list(one.pass_types or ()),
        "sign": SIGNS[found],
        "standing": found.value,
        "polled": found is Standing.POLLED,
        "enabled": one.disabled_at is None,
        "created_at": at(one.created_at),
        "answered_at": maybe_at(one.answered_at),
        "failing_since": maybe_at(one.failing_since),
        "disabled_at": maybe_at(one.disabled_at),
        "waiting": counts[0],
        "failed": counts[1],
        "needs": None if said is None else {"sentence": said.sentence, "remedy": said.remedy},
    }


async def _messages(
    visit: Visit, chosen: Sequence[Endpoint], limit: int, *, failed: bool = False
) -> list[dict[str, Any]]:
    """Those that failed, or those that wait. Where it is polled nothing waits: it is read."""
    store, sent = visit.services.store, [one for one in chosen if one.url != POLLED]
    return [
        _message(one, *found)
        for one in sent
        for found in await store.webhooks_unanswered(one.id, failed=failed, limit=limit)
    ]


def _message(one: Endpoint, message: Message, last: Attempt | None) -> dict[str, Any]:
    answer = None
    if last is not None:
        answer = {"at": at(last.at), "status": last.status, "said": said_without(last.said, one.url)}
    return {
        "endpoint": one.id,
        "id": message.id,
        "event": message.name,
        "at": at(message.at),
        "attempts": message.attempts,
        "next_at": maybe_at(message.next_at),
        "failed": message.next_at is None,
        "held": message.next_at is not None and one.disabled_at is not None,
        "answer": answer,
    }


async def mend(visit: Visit) -> Shown | Gone:
    """Enable an endpoint, or disable it when its id is typed; try it; send again what failed."""
    try:
        return Gone(url("webhooks", endpoint=visit.query.get("endpoint")), await _mended(visit))
    except NotFound:
        raise
    except Refusal as problem:
        return await _shown(visit, problem)


async def _mended(visit: Visit) -> str:
    form = visit.form
    path = {"id": form.get("id", "")}
    match form.get("act"):
        case "enable":
            await visit.asked(issuer_webhooks.change, path=path, body=WebhookEndpointPatch(True))
            return f"{path['id']} is enabled: what waited is sent"
        case "disable":
            one = await visit.asked(issuer_webhooks.endpoint, path=path)
            asking.confirmed(form.get("confirm", ""), start=one["id"])
            await visit.asked(issuer_webhooks.change, path=path, body=WebhookEndpointPatch(False))
            return f"{path['id']} is disabled: nothing is sent there, and no event is noted for it"
        case "test":
            body = asking.body(WebhookTest, {"event": form.get("event")})
            made = await visit.asked(issuer_webhooks.test, path=path, body=body)
            return f"{made['id']} ({made['event']}) is on its way to {path['id']}"
        case "replay":
            done = await visit.asked(issuer_webhooks.recover, path=path, body=WebhookRecover(hours=ALL_KEPT_HOURS))
            return f"{done['messages']} messages are sent again to {path['id']}"
        case "resend":
            message = form.get("message", "")
            await visit.asked(issuer_webhooks.resend, path=path, body=asking.body(WebhookResend, {"message": message}))
            return f"{message} is sent again"
    raise Refusal("this form asks for nothing that there is", hint="load the page again")
