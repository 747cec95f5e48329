"""Answers that are kept to be repeated, as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from livepass.core.idempotency import KEPT_MS, LEASE_MS, Claim, KeptAnswer, Used

if TYPE_CHECKING:
    from livepass.store.reading import Connection


class IdempotencyWriting:
    """``service.idempotency_seams.IdempotencyTx``. Whoever changes a row of a key holds it last of all."""

    _db: Connection

    async def claim_answer(self, claim: Claim, now: int) -> Used | None:
        life = {"at": now, "lease_until": now + LEASE_MS, "kept_since": now - KEPT_MS}
        if await self._db.rows("claim_answer", {**_key(claim), "request": claim.request, **life}):
            return None
        key = {name: value for name, value in _key(claim).items() if name != "lease"}
        [(request, status, media, headers, body, *of_pass)] = await self._db.rows("kept_answer", key)
        if status is None:
            return Used(request)
        named = tuple((name, value) for name, value in json.loads(headers))
        return Used(request, KeptAnswer(status, media, named, bytes(body), *of_pass))

    async def keep_answer(self, claim: Claim, answer: KeptAnswer) -> bool:
        given = {name: getattr(answer, name) for name in ("status", "media", "body", "pass_type", "serial")}
        return await self._db.run("keep_answer", {**_key(claim), **given, "headers": json.dumps(answer.headers)}) > 0

    async def release_answer(self, claim: Claim) -> None:
        await self._db.run("release_answer", _key(claim))


def _key(claim: Claim) -> dict[str, Any]:
    return {"tenant": claim.tenant, "caller": claim.caller, "key": claim.key, "lease": claim.lease}
