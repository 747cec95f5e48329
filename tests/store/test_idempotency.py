"""Claims on a request: one holds it at a time, and who lost it neither answers nor gives it up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass.core.idempotency import KEPT_MS, LEASE_MS, Claim, KeptAnswer, Used
from store.hand import T0, opened

pytestmark = pytest.mark.usefixtures("engine")

ANSWER = KeptAnswer(201, "application/json", (("etag", '"x"'),), b"{}", "pass.test", "1")


def claim(lease: str, request: str = "r") -> Claim:
    return Claim("default", "key", "k", request, lease)


def test_who_lost_a_claim_neither_answers_nor_releases_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:

            async def claimed(one: Claim, at: int) -> Used | None:
                return await hand.store.write(lambda tx: tx.claim_answer(one, at))

            first, second = claim("a"), claim("b")
            assert await claimed(first, T0) is None
            assert await claimed(second, T0 + LEASE_MS - 1) == Used("r")
            assert await claimed(claim("c", "other"), T0 + LEASE_MS) == Used("r"), "only for the same request"
            assert await claimed(second, T0 + LEASE_MS) is None
            assert not await hand.store.write(lambda tx: tx.keep_answer(first, ANSWER))
            await hand.store.write(lambda tx: tx.release_answer(first))
            assert await hand.store.write(lambda tx: tx.keep_answer(second, ANSWER))
            assert not await hand.store.write(lambda tx: tx.keep_answer(second, ANSWER)), "answered once"
            await hand.store.write(lambda tx: tx.release_answer(second))
            assert await claimed(claim("d"), T0 + 2 * LEASE_MS) == Used("r", ANSWER)
            assert await claimed(claim("e", "other"), T0 + LEASE_MS + KEPT_MS + 1) is None, "too old to count"

    asyncio.run(main())
