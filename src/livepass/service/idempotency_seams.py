"""The part of ``service.seams.Tx`` that keeps answers to be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from livepass.core.idempotency import Claim, KeptAnswer, Used


class IdempotencyTx(Protocol):
    """Writes. Of a key that is looked at in a transaction, nobody else changes the row until the end."""

    async def claim_answer(self, claim: Claim, now: int) -> Used | None:
        """Claim a key that is new, too old to count, or was left behind by a process that died on the same request.
        ``None``: it is ours; else how it was used.
        """

    async def keep_answer(self, claim: Claim, answer: KeptAnswer) -> bool:
        """Whether the claim still was ours: then this is the answer from now on."""

    async def release_answer(self, claim: Claim) -> None:
        """Nothing was carried out: forget the claim, unless it was answered or is not ours any more."""
