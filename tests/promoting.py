"""A certificate is promoted as an operator would have it, without being proved before."""

from __future__ import annotations

from livepass.core.rotation import Step
from livepass.service.rotating import take
from livepass.service.seams import Tx


async def promote(tx: Tx, pass_type: str, certificate_id: str, now: int) -> None:
    lineage = await tx.locked_lineage(pass_type)
    [link] = [link for link in lineage if link.id == certificate_id]
    await take(tx, Step.PROMOTE, link, lineage, now)
