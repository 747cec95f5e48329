"""Does what hosts committed in their outboxes: reads it in order, does it, forgets it.

A wish is done in the transaction that also keeps its receipt, and forgotten in the host's database afterwards. Whoever
dies between the two leaves a row that is read again, and whose receipt says that it was done: so it happens once. Two
processes may read the same rows; each does those of one pass in order, and the second finds the receipts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import orjson

from livepass.core.model import Posted
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued, Issuing, Push
from livepass.service.refusals import Refusal
from livepass.service.rounds import Rounds
from livepass.service.seams import Outbox, Scheduler

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often to look: a host's commit tells nobody."""
AWAY_SECONDS = 5.0
AT_ONCE = 500

Read = tuple[Posted, Push, Wish]
"""A row, and what it asks for."""


class Draining:
    """The outbox of one process's host."""

    def __init__(self, outbox: Outbox, issuing: Issuing, scheduler: Scheduler) -> None:
        self._outbox = outbox
        self._issuing = issuing
        self._rounds = Rounds(scheduler)
        self._said = ""

    async def run(self) -> None:
        """Work until ``stop``. A database that is away is asked again after some seconds; that is said once."""
        with self._rounds.going():
            try:
                while not self._rounds.stopping:
                    try:
                        more, wait = await self.once(), LOOK_SECONDS
                        self._said = ""
                    except Exception as error:
                        more, wait = False, AWAY_SECONDS
                        said = f"{type(error).__name__}: {error}"
                        log.log(logging.DEBUG if said == self._said else logging.ERROR, "the outbox waits: %s", said)
                        self._said = said
                    if not more:
                        await self._rounds.wait(wait)
            finally:
                await self._outbox.close()

    async def once(self) -> bool:
        """Do what waits, and answer whether there may be more."""
        posted = await self._outbox.waiting(AT_ONCE)
        busy, read = False, list[tuple[Posted, Push, Wish]]()
        for each in posted:
            try:
                read.append((each, *_read(each)))
            except (ValueError, AttributeError, TypeError):
                await self._refuse(each, Refusal("the wish is not one that livepass wrote"))
        for wave in _waves(read):
            busy = await self._do(wave) or busy
            if busy:
                return False  # what follows of such a pass must not overtake it
        return len(posted) == AT_ONCE

    async def _do(self, wave: Sequence[Read]) -> bool:
        """Wishes of different passes. Answers whether some are to be tried again."""
        busy, done = False, list[str]()
        for push in sorted({push for _, push, _ in wave}):
            mine = [one for one in wave if one[1] == push]
            results = await self._issuing.put_many([wish for _, _, wish in mine], push)
            for (posted, _, _), result in zip(mine, results, strict=True):
                if isinstance(result, Issued):
                    done.append(posted.receipt)
                elif result.code == "busy":
                    busy = True
                else:
                    await self._refuse(posted, result)
        if done:
            await self._outbox.done(done)
        return busy

    async def _refuse(self, posted: Posted, refusal: Refusal) -> None:
        """Whoever wished it has gone on: it is kept where it is, with the reason."""
        faults = "; ".join(f"{fault.pointer}: {fault.message}" for fault in refusal.faults[:10])
        why = " · ".join(part for part in (refusal.title, faults, refusal.hint) if part)
        log.error("a wish in the outbox cannot be done: %s/%s: %s", posted.pass_type, posted.serial, why)
        await self._outbox.refuse(posted.receipt, why)

    async def stop(self, seconds: float = 20.0) -> None:
        await self._rounds.stop(seconds)


def _waves(read: Sequence[Read]) -> list[list[Read]]:
    """The first wish of each pass, then the second ones: in one call each pass may stand once."""
    waves: list[list[Read]] = []
    seen: dict[tuple[str, str], int] = {}
    for one in read:
        name = one[0].pass_type, one[0].serial
        place = seen.get(name, 0)
        seen[name] = place + 1
        if place == len(waves):
            waves.append([])
        waves[place].append(one)
    return waves


def _read(posted: Posted) -> tuple[Push, Wish]:
    """What ``embed/outbox.py`` wrote. Raises ``ValueError``, ``AttributeError`` or ``TypeError`` for anything else."""
    said: dict[str, Any] = orjson.loads(posted.wish)
    push: Push = said.get("push", "auto")
    template, values = said.get("template", ""), (said.get("data", {}), said.get("content", {}))
    if push not in ("auto", "now", "none") or not isinstance(template, str):
        raise ValueError("neither a push nor a template is called that")
    if not all(isinstance(each, dict) for each in values):
        raise ValueError("data and content are objects")
    wish = Wish(
        posted.pass_type,
        posted.serial,
        said.get("template"),
        said.get("data"),
        said.get("content"),
        patch=True,
        receipt=posted.receipt,
    )
    return push, wish
