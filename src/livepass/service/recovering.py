"""History went back: a new epoch for every pass type, the journal replayed, and a report of what was lost.

    recovered = await services.recovering.recover("restored")

Safe to repeat: each time phones are told everything once more, which costs each of them one list.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from livepass.core.history import Reason
from livepass.core.timeline import Kind
from livepass.core.unavailable import Unavailable
from livepass.service.epochs import Begun
from livepass.service.lookout import Lookout
from livepass.service.replaying import Replayed, Replaying, summary
from livepass.service.seams import Clock, Journal, KeyRing, Scheduler, Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
REST_LOOKS = 60
"""How many looks long a replay that failed is not tried again: it reads everything."""
PAGE = 1000
TURN_SECONDS = 30.0
"""How long an operator waits for a replay that is under way."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done. ``replayed`` ``None``: there is no journal, or (``trouble``) it could not be read."""

    reason: str
    pass_types: tuple[Begun, ...]
    replayed: Replayed | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class LostPhone:
    """A phone that asks with a tag of ours and follows nothing that we know of: its registration is gone."""

    pass_type: str
    device_id: str
    asked_at: int
    times: int


class Recovering:
    """One object per process."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        clock: Clock,
        scheduler: Scheduler,
        lookout: Lookout,
        journal: Journal | None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._scheduler = scheduler
        self._lookout = lookout
        self._journal = journal
        self.replays = False
        """Whether this process brings back registrations after a loss, also one that somebody else noticed."""
        self._replayed_for: Mapping[str, str] | None = None
        self._busy = False
        self._rest = 0
        self._said = ""

    async def recover(
        self, reason: str = Reason.ASKED_FOR, since: int | None = None, *, rest_follows: bool = False
    ) -> Recovered:
        """Begin new epochs, then replay the journal, or its entries from ``since`` (ms) on. ``rest_follows``: whoever
        serves next replays all of it.
        """
        async with AsyncExitStack() as stack:
            trouble = await self._take_turn(stack)
            begun = await self._lookout.renew(reason)
            if trouble or self._journal is None:
                return Recovered(reason, begun, None, trouble)
            try:
                return Recovered(reason, begun, await self._replay(since, done=not rest_follows))
            except OSError as error:
                return Recovered(reason, begun, None, self._unread(error))

    async def replay_if_due(self) -> Replayed | None:
        """Replay the journal when the database has begun an epoch that this folder has not been replayed for. One
        process does it, the others find it done; a host whose folder is its own does its own. Raises ``OSError``.
        """
        epochs = await self._epochs()
        if self._journal is None or self._replayed_for == epochs:
            return None
        async with self._journal.turn(0.0) as ours:
            if not ours:
                return None
            before = await self._journal.replayed()
            if before is None or any(before.get(name, epoch) != epoch for name, epoch in epochs.items()):
                return await self._replay(None)
            # Nothing but pass types that are new: their history begins with the journal.
            if before != epochs:
                await self._journal.mark_replayed(epochs)
            self._replayed_for = epochs
        return None

    async def lost_phones(self) -> list[LostPhone]:
        """The phones that still ask, and whose registration is known to be gone, since the newest epoch."""
        found: dict[tuple[str, str], LostPhone] = {}
        for counter in await self._store.counters():
            epochs = await self._store.new_epochs(counter.pass_type)
            await self._asked_in_vain(counter.pass_type, epochs[-1].id if epochs else 0, found)
        return [found[key] for key in sorted(found) if not await self._follows(*key)]

    # ── while a process runs

    async def run(self) -> None:
        """Look out until cancelled."""
        while True:
            await self._scheduler.sleep(LOOK_SECONDS)
            try:
                await self._lookout.look()
                self._rest -= 1
                if self.replays and self._journal is not None and not self._busy and self._rest < 0:
                    self._busy = True
                    self._scheduler.spawn(self._replay_beside(), "journal-replay")
                self._said = ""
            except Exception as error:
                self._say(error)

    async def close(self) -> None:
        """Leave the witness as new as can be."""
        try:
            await self._lookout.keep()
        except Exception as error:
            self._say(error)

    # ── inside

    async def _take_turn(self, stack: AsyncExitStack) -> str:
        """Ours before the epochs are: a process that sees those begin would replay the journal instead of us. Answers
        what is in the way, or nothing.
        """
        if self._journal is None:
            return ""
        try:
            ours = await stack.enter_async_context(self._journal.turn(TURN_SECONDS))
        except OSError as error:
            return self._unread(error)
        return "" if ours else "another process is replaying the registration journal; its log says what became of it"

    def _unread(self, error: OSError) -> str:
        log.error("the registration journal cannot be replayed: %s", error)
        return f"the registration journal cannot be replayed: {error}"

    async def _replay_beside(self) -> None:
        try:
            await self.replay_if_due()
        except Exception as error:
            self._rest = REST_LOOKS
            log.error("the registration journal cannot be replayed: %s: %s", type(error).__name__, error)
        finally:
            self._busy = False

    async def _replay(self, since: int | None, *, done: bool = True) -> Replayed:
        assert self._journal is not None
        epochs = await self._epochs()
        report = await Replaying(self._store, self._keys, self._clock, self._scheduler, self._journal).run(since)
        if done:
            await self._journal.mark_replayed(epochs)
            self._replayed_for = epochs
        if report.lost or report.unreadable:
            log.error("the registration journal was replayed: %s; livepass db recover names them", summary(report))
        elif report.entries:
            level = logging.WARNING if report.replayed else logging.INFO
            log.log(level, "the registration journal was replayed: %s", summary(report))
        return report

    async def _epochs(self) -> dict[str, str]:
        return {counter.pass_type: counter.epoch for counter in await self._store.counters()}

    async def _asked_in_vain(self, pass_type: str, after: int, found: dict[tuple[str, str], LostPhone]) -> None:
        while page := await self._store.events(
            kinds=[Kind.ASKED_UNKNOWN.value], pass_type=pass_type, after=after, limit=PAGE
        ):
            after = page[-1].id
            for event in page:
                if event.detail.get("ours") is True and event.device_id is not None:
                    key = (pass_type, event.device_id)
                    before = found.get(key)
                    times = before.times + 1 if before is not None else 1
                    found[key] = LostPhone(*key, event.at, times)

    async def _follows(self, pass_type: str, device_id: str) -> bool:
        known = await self._store.registrations(
            pass_type=pass_type, device_id=device_id, after=("", "", ""), limit=PAGE
        )
        return any(one.left_at is None for one in known)

    def _say(self, error: Exception) -> None:
        """Once, until it changes: this runs every second."""
        said = f"{type(error).__name__}: {error}"
        if said != self._said:
            if isinstance(error, Unavailable | OSError):
                log.warning("cannot look out for a database that went back in time: %s", said)
            else:
                log.error("looking out for a database that went back in time failed", exc_info=error)
        self._said = said
