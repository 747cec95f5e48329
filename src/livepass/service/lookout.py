"""Looks out for a database that went back in time: at the start against a witness outside the database, and from then
on against what this process has seen itself.

Nothing here stands between a phone and its answer: the witness is written beside the answers, some seconds behind.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from livepass.core.history import Heard, Present, Reason, Witness, doubt, lost_modified, unclear, witnessed
from livepass.core.model import Counter
from livepass.service.epochs import Begun, begin_epochs, say_loudly
from livepass.service.seams import Chance, Clock, Store, Tx, WitnessFile

log = logging.getLogger(__name__)

KEEP_SECONDS = 5.0
KEEP_NUMBERS = 1000
"""The witness is at most so far behind, in time or in numbers, whichever comes first."""

Gave = Callable[[], Mapping[str, int]]
"""The newest ``last_modified`` that this process gave away, by pass type."""


class Lookout:
    """One object per process. ``file`` is the witness outside the database, where there is one."""

    def __init__(self, store: Store, clock: Clock, chance: Chance, file: WitnessFile | None, gave: Gave) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._file = file
        self._gave = gave
        self._seen: Witness | None = None
        self._heard: Heard | None = None
        self._kept: Witness | None = None
        self._kept_at = 0.0
        self._trouble = ""

    def registered(self, pass_type: str, device_id: str, at: int) -> None:
        """A registration was acknowledged: it must never be missing from now on."""
        if self._heard is None or at >= self._heard.at:
            self._heard = Heard(pass_type, device_id, at)

    def lost_modified(self) -> Mapping[str, int]:
        """The newest ``last_modified`` known to have been given away, by pass type."""
        known = lost_modified(self._seen)
        return {name: max(known.get(name, 0), at) for name, at in {**known, **self._gave()}.items()}

    async def open(self) -> tuple[Begun, ...]:
        """The look at the start, before anybody is answered: begins new epochs when the witness says so.

        Held meanwhile, so that of several processes that start at once one finds it, and the others find it done.
        """
        if self._file is None:
            self._seen = witnessed(None, await self._present(None), self._gave(), None)
            return ()
        async with self._holding():
            self._seen = self._kept = await self._read()
            present = await self._present(self._seen)
            reason = doubt(self._seen, present)
            if reason is None:
                self._take(present)
            begun = await self._begin(reason, present.counters) if reason is not None else ()
            if self._seen != self._kept:
                await self._write()
            return begun

    async def look(self) -> tuple[Begun, ...]:
        """The look while running: what this process has seen must still be there. Raises ``Unavailable``."""
        await self._store.recheck()
        present = await self._present(self._seen)
        reason = doubt(self._seen, present)
        if reason is None:
            self._take(present)
            return await self.keep() if self._worth_keeping() else ()
        return await self.renew(reason, present.counters)

    async def renew(self, reason: str, counters: Sequence[Counter] | None = None) -> tuple[Begun, ...]:
        """Begin new epochs, and take the database as it is now for the one to be held to."""
        async with self._holding():
            begun = await self._begin(reason, counters)
            await self._write()
        return begun

    async def keep(self) -> tuple[Begun, ...]:
        """Write the witness now. Where that fails it is said once, and tried again. Begins new epochs when another
        process has seen more than the database now knows, and wrote it down: nobody may be left who remembers.
        """
        if self._file is None:
            return ()
        async with self._holding():
            # Read again now that it is our turn: what others wrote meanwhile is never taken back.
            written = await self._read()
            present = await self._present(self._seen)
            if doubt(self._seen, present) is not None:
                return ()  # the next look finds that too
            reason = None
            if written is not None and written.uuid == present.uuid:
                reason = doubt(written, await self._present(written))
            if reason is None:
                self._take(present, also=written)
            begun = await self._begin(reason, present.counters, also=written) if reason is not None else ()
            await self._write()
            return begun

    # ── inside

    async def _present(self, witness: Witness | None) -> Present:
        uuid = await self._store.installation()
        counters = await self._store.counters()
        ended = {
            pass_type: frozenset(str(event.detail.get("from", "")) for event in await self._store.new_epochs(pass_type))
            for pass_type in unclear(witness, counters)
        }
        heard = witness.heard if witness is not None else None
        device = None
        if heard is not None:
            device = (await self._store.register_snapshot(heard.pass_type, "", heard.device_id)).device
        return Present(uuid, counters, ended, device.token_registered_at if device is not None else None)

    def _take(self, present: Present, also: Witness | None = None) -> None:
        """The database is the one that we know, and has come this far. ``also``: what other processes wrote."""
        if self._seen is not None and _renewed(self._seen, present, self._heard):
            # Somebody began a new history meanwhile: nobody promised that this registration is part of it.
            self._heard = None
        self._seen = witnessed(self._seen, present, self._gave(), self._heard)
        if also is not None and also.uuid == present.uuid:
            self._seen = witnessed(also, present, self.lost_modified(), self._seen.heard)

    async def _begin(
        self, reason: str, counters: Sequence[Counter] | None, also: Witness | None = None
    ) -> tuple[Begun, ...]:
        now, lost, theirs = self._clock.now(), self.lost_modified(), lost_modified(also)
        lost = {name: max(lost.get(name, 0), theirs.get(name, 0)) for name in {**lost, **theirs}}

        async def work(tx: Tx) -> tuple[Begun, ...]:
            known = counters if counters is not None else await tx.counters()
            return await begin_epochs(tx, known, reason, now=now, chance=self._chance, lost=lost)

        begun = await self._store.write(work)
        if reason in (Reason.WITNESS_AHEAD, Reason.WITNESS_MISSING):
            say_loudly(begun, reason)
        self._heard = None
        present = await self._present(None)
        self._seen = witnessed(None, present, lost, None)
        return begun

    def _worth_keeping(self) -> bool:
        if self._file is None or self._seen == self._kept:
            return False
        before = self._kept.marks if self._kept is not None else {}
        marks = self._seen.marks if self._seen is not None else {}
        taken = sum(mark.seq - before[name].seq for name, mark in marks.items() if name in before)
        return taken >= KEEP_NUMBERS or self._clock.stopwatch() - self._kept_at >= KEEP_SECONDS

    @contextlib.asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        async with self._file.held() if self._file is not None else contextlib.nullcontext():
            yield

    async def _read(self) -> Witness | None:
        try:
            return await self._file.read() if self._file is not None else None
        except OSError as error:
            self._say(f"cannot be read: {error}")
            return None

    async def _write(self) -> None:
        if self._file is None or self._seen is None:
            return
        try:
            await self._file.write(self._seen)
        except OSError as error:
            self._say(f"cannot be written: {error}")
            return
        self._kept, self._kept_at, self._trouble = self._seen, self._clock.stopwatch(), ""

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.error("the witness (LIVEPASS_WITNESS_FILE) %s; without it, a restored backup may go unnoticed", trouble)
            self._trouble = trouble


def _renewed(seen: Witness, present: Present, heard: Heard | None) -> bool:
    mark = seen.marks.get(heard.pass_type) if heard is not None else None
    here = {counter.pass_type: counter.epoch for counter in present.counters}
    return heard is not None and mark is not None and here.get(heard.pass_type) != mark.epoch
