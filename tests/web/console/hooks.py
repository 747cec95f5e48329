"""Webhook endpoints as a worker leaves them: what was sent there, and what was answered."""

from __future__ import annotations

from livepass.core.webhooks import Attempt
from livepass.service.webhooks import Webhooks
from web.asgi import Api

KEY = "T0-key-of-the-receiver"
ADDRESS = f"https://hooks.example.com/services/{KEY}"


async def endpoint(api: Api, tenant: str = "default") -> tuple[str, str]:
    """A new one: its id and its secret."""
    hooks: Webhooks = api.services.webhooks
    made, secret = await hooks.add(tenant, ADDRESS, None, None)
    return made.id, secret


async def answered(api: Api, id_: str, status: int, said: str = "", *, retry: bool = False, ago: int = 0) -> list[str]:
    """Everything that is due there was sent and answered so, as a worker writes it down. ``ago``: for so long (ms)."""
    services = api.services
    now = services.clock.now()

    async def work(tx: object) -> list[str]:
        lease = {"lease": "l", "now": now, "lease_until": now + 60_000, "limit": 500}
        due = await tx.claim_webhooks(id_, **lease)  # type: ignore[attr-defined]
        for each in due:
            attempt = Attempt(id_, each.id, each.attempts + 1, now - ago, 12, status, said)
            assert await tx.record_webhook("l", attempt, now + 60_000 if retry else None)  # type: ignore[attr-defined]
        await tx.judge_webhook_endpoint(id_, 200 <= status < 300, now - ago, 0)  # type: ignore[attr-defined]
        return [each.id for each in due]

    return list(await services.store.write(work))


async def given_up(api: Api, id_: str) -> None:
    """It failed for five days, and a worker disabled it."""
    now = api.services.clock.now()

    async def work(tx: object) -> bool:
        await tx.judge_webhook_endpoint(id_, False, 1, 0)  # type: ignore[attr-defined]
        return bool(await tx.judge_webhook_endpoint(id_, False, now, now))  # type: ignore[attr-defined]

    assert await api.services.store.write(work)
