"""How far back webhooks are recovered, as the API takes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from livepass.core.webhooks import Attempt
from web.asgi import Api, with_api


@with_api
async def test_since_an_instant_or_so_many_hours_and_not_both(api: Api) -> None:
    made = await api.ok("POST", "/webhook-endpoints", {"url": "https://hooks.example.com/"})
    path = f"/webhook-endpoints/{made['id']}:recover"
    wishes: list[tuple[dict[str, Any], int]] = [
        ({}, 200),
        ({"hours": 720}, 200),
        ({"since": "2026-11-01T00:00:00+02:00"}, 200),
        ({"since": "0001-01-01T00:00:00+14:00"}, 200),
        ({"since": "9999-12-31T23:59:59Z"}, 200),
        ({"hours": 1, "since": "2026-11-01T00:00:00Z"}, 422),
        ({"since": "2026-11-01T00:00:00"}, 422),
        ({"since": "yesterday"}, 422),
        ({"hours": 0}, 422),
    ]
    for body, status in wishes:
        reply = await api.call("POST", path, body)
        assert reply.status == status, (body, reply.body)
    both = (await api.call("POST", path, wishes[5][0])).json()
    assert both["errors"][0]["pointer"] == "/since" and both["hint"] == "name one of them"


@pytest.mark.parametrize(("since", "again"), [(0, 1), (1, 0)])
@with_api
async def test_the_instant_itself_counts(api: Api, since: int, again: int) -> None:
    made = await api.ok("POST", "/webhook-endpoints", {"url": "https://hooks.example.com/"})
    message = await api.services.webhooks.test("default", made["id"])
    store = api.services.store

    async def fail(tx: Any) -> None:
        [due] = await tx.claim_webhooks(made["id"], lease="l", now=message.at, lease_until=message.at + 1, limit=1)
        assert await tx.record_webhook("l", Attempt(made["id"], due.id, 1, message.at, 1, 500, ""), None)

    await store.write(fail)
    instant = datetime.fromtimestamp((message.at + since) / 1000, UTC).isoformat()
    found = await api.ok("POST", f"/webhook-endpoints/{made['id']}:recover", {"since": instant})
    assert found == {"messages": again}
