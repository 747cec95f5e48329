"""Keeps house: makes due what was put off, tells again what shows no delivery, ends roll-outs, forgets what is old or
was removed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from livepass.core.idempotency import KEPT_MS as ANSWERS_KEPT_MS
from livepass.core.importing import KEPT_MS as IMPORTS_KEPT_MS
from livepass.core.model import Prunable
from livepass.core.trip2_push import DEAD_KEPT_MS
from livepass.core.webhooks import KEPT_MS as WEBHOOKS_KEPT_MS
from livepass.service.issuing import Issuing
from livepass.service.rounds import Rounds
from livepass.service.seams import Clock, Scheduler, Signal, Store

log = logging.getLogger(__name__)

ROUND_SECONDS = 15.0
DAY_MS = 86_400_000
PRUNE_EVERY_MS = 3_600_000
EVENTS_KEPT_MS = 90 * DAY_MS
TOMBSTONES_KEPT_MS = DAY_MS
AT_ONCE = 500
SPREAD = 5000
FAN_OUT = 5000
PRUNED = 2000
"""Rows that one transaction forgets."""
BREATH_SECONDS = 0.05
"""Between two of them: phones come first."""
KEPT_MS: Mapping[Prunable, int] = {
    Prunable.EVENTS: EVENTS_KEPT_MS,
    Prunable.TOMBSTONES: TOMBSTONES_KEPT_MS,
    Prunable.DEAD: DEAD_KEPT_MS,
    Prunable.DEVICES: DAY_MS,
    Prunable.TARGETS: DAY_MS,
    # An outbox that was away for longer than this may bring what was done already.
    Prunable.RECEIPTS: 90 * DAY_MS,
    Prunable.PROCESSES: DAY_MS,
    Prunable.ANSWERS: ANSWERS_KEPT_MS,
    Prunable.WEBHOOKS: WEBHOOKS_KEPT_MS,
    Prunable.WEBHOOK_ATTEMPTS: WEBHOOKS_KEPT_MS,
    Prunable.IMPORTS: IMPORTS_KEPT_MS,
}


class Keeper:
    """The chores of a process. Several processes may do them at once: each is one transaction and repeatable."""

    def __init__(self, store: Store, issuing: Issuing, clock: Clock, scheduler: Scheduler, due: Signal) -> None:
        self._store = store
        self._issuing = issuing
        self._clock = clock
        self._scheduler = scheduler
        self._due = due
        self._prune_at = 0
        self._rounds = Rounds(scheduler)

    async def run(self) -> None:
        """Work until ``stop``. A chore that fails is logged and tried again next round."""
        with self._rounds.going():
            while not self._rounds.stopping:
                left_off = False
                try:
                    left_off = await self.once()
                except Exception:
                    log.exception("a chore failed; it is tried again")
                if not left_off:
                    await self._rounds.wait(ROUND_SECONDS)

    async def once(self) -> bool:
        """One round of every chore that is due. Answers whether a roll-out was left off, for the others to get their
        turn: one of a million passes takes many rounds.
        """
        await self.spread_epochs()
        await self.fan_out()
        await self.retell()
        await self.drop_removed()
        until = self._clock.stopwatch() + ROUND_SECONDS
        await self._issuing.follow_all(lambda: self._rounds.stopping or self._clock.stopwatch() > until)
        now = self._clock.now()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_MS
            await self.prune()
        return self._clock.stopwatch() > until

    async def spread_epochs(self) -> None:
        """After a restore every phone is owed a push: made due some thousands at a time, which pacing then spreads."""
        while not self._rounds.stopping:
            now = self._clock.now()
            if not await self._store.write(lambda tx, now=now: tx.spread_epoch(now, SPREAD)):  # type: ignore[misc]
                return
            self._due.set()

    async def fan_out(self) -> None:
        """Go on with what more phones are owed than are made due at once. A crash leaves it where it is."""
        while not self._rounds.stopping:
            now = self._clock.now()
            if not await self._store.write(lambda tx, now=now: tx.fan_out(now, FAN_OUT)):  # type: ignore[misc]
                return
            self._due.set()

    async def retell(self) -> int:
        """Told is not delivered: list passes again that were told and not fetched, and wake their phones."""
        now = self._clock.now()
        count = await self._store.write(lambda tx: tx.retell(now, AT_ONCE))
        if count:
            self._due.set()
        return count

    async def drop_removed(self) -> None:
        """What was sent to webhook endpoints that are removed by now."""
        while not self._rounds.stopping:
            if not await self._store.write(lambda tx: tx.drop_removed_webhooks(PRUNED)):
                return
            await self._scheduler.sleep(BREATH_SECONDS)

    async def prune(self) -> int:
        """Bound what is kept: 90 days of events and dead tokens, a day of the rest. In many transactions, because
        others wait for each. Answers how many rows went.
        """
        now, count = self._clock.now(), 0
        for what, kept in KEPT_MS.items():
            removed = PRUNED
            while removed >= PRUNED and not self._rounds.stopping:
                removed = await self._store.write(
                    lambda tx, what=what, before=now - kept: tx.prune(what, before, PRUNED)  # type: ignore[misc]
                )
                count += removed
                await self._scheduler.sleep(BREATH_SECONDS)
        return count

    async def stop(self, seconds: float = 20.0) -> None:
        await self._rounds.stop(seconds)
