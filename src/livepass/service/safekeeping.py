"""The keys that all hosts share, and everything that is sealed: made once, followed, sealed anew.

Tokens and tags are derived with keys of the installation, not with ``LIVEPASS_SECRET_KEY``, which only seals: so that
one can be replaced, and hosts that order theirs differently still agree.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from livepass.core.model import TokenSource
from livepass.core.sealed import TAGS, TOKENS, Sealable, Sealed, SealedCount, SharedKey
from livepass.pkpass import PkpassError
from livepass.service.seams import Clock, KeyRing, Reader, Scheduler, Store, Tx

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 15.0
AT_ONCE = 100
"""Things sealed anew in one transaction: others wait for it no longer than for a small batch of passes."""
FIRST: tuple[tuple[str, str], ...] = ((TOKENS, "tokens-1"), (TAGS, "tags-1"))
"""Purpose and id of the keys that an installation begins with. Fixed, so that two first starts agree on one."""


class NoSharedKey(PkpassError):
    """The database lacks a shared key that its passes depend on."""


@dataclass(frozen=True, slots=True)
class Seals:
    """What is sealed with which secret key. ``first`` seals; ``configured`` are all that open, ``first`` included."""

    first: str
    configured: tuple[str, ...]
    counts: tuple[SealedCount, ...]

    @property
    def due(self) -> int:
        """How many things still need another secret key than the first."""
        return sum(one.count for one in self.counts if one.secret != self.first)


@dataclass(frozen=True, slots=True)
class Resealed:
    """What a round of sealing anew did. ``closed`` says why of each thing that did not open."""

    count: int
    closed: tuple[str, ...]


class Safekeeping:
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    # ── shared keys

    async def open(self) -> None:
        """Take in the shared keys, making those that an installation begins with. Before everything else.

        Raises ``PkpassError`` when one does not open, or when passes are there and their key is not: a new one would
        refuse every phone.
        """
        stored = await self._store.shared_keys()
        if _missing(stored):
            await self._store.write(self._make_first)
            stored = await self._store.shared_keys()
        if missing := _missing(stored):
            raise NoSharedKey(
                f"the database holds passes, but not the key for {' and '.join(missing)} (table shared_key)",
                "restore the whole database from a backup: tokens of passes that phones hold cannot be derived anew",
            )
        self._keys.adopt(stored)

    async def _make_first(self, tx: Tx) -> None:
        if await tx.passes(pass_type=None, template=None, prefix="", after=("", ""), limit=1):
            return
        now = self._clock.now()
        for purpose, key_id in FIRST:
            await tx.add_shared_key(self._keys.new_shared_key(key_id, purpose, now))

    async def renew(self) -> str:
        """Make another key for the tokens of passes to come; answers its id. Passes that exist keep theirs."""

        async def work(tx: Tx) -> str:
            there = [key for key in await tx.shared_keys() if key.purpose == TOKENS]
            # Later than all of them, whatever the clocks of other hosts say: the newest is the last.
            at = max([self._clock.now(), *(key.created_at + 1 for key in there)])
            made = self._keys.new_shared_key(f"tokens-{len(there) + 1}", TOKENS, at)
            await tx.add_shared_key(made)
            return made.id

        made = await self._store.write(work)
        await self.follow()
        return made

    async def follow(self) -> None:
        """Take in what other processes added. Raises ``PkpassError`` for what does not open."""
        self._keys.adopt(await self._store.shared_keys())

    async def run(self, scheduler: Scheduler) -> None:
        """Follow until cancelled. What fails is logged once, and tried again."""
        said = ""
        while True:
            await scheduler.sleep(FOLLOW_SECONDS)
            try:
                await self.follow()
                said = ""
            except Exception as error:
                if said != str(error):
                    log.error("the shared keys cannot be followed: %s (%s)", error, getattr(error, "hint", ""))
                said = str(error)

    # ── sealing anew

    @property
    def secret_ids(self) -> tuple[str, ...]:
        """The names of the secret keys that are configured; the first seals."""
        return tuple(self._keys.secret_ids)

    async def seals(self) -> Seals:
        """What is sealed with which secret key."""
        configured = self.secret_ids
        return Seals(configured[0], configured, tuple(await self._store.sealed_counts()))

    async def reseal(self) -> Resealed:
        """Seal with the first secret key whatever another one sealed. May be cut off anywhere, and done again."""
        count, closed = 0, list[str]()
        for kind in Sealable:
            after = ("", "")
            while found := await self._store.sealed_otherwise(
                kind, self._keys.secret_ids[0], after=after, limit=AT_ONCE
            ):
                after = (found[-1].within, found[-1].id)
                renewed = self._renewed(found, closed)
                await self._store.write(lambda tx, kind=kind, renewed=renewed: tx.reseal(kind, renewed))  # type: ignore[misc]
                count += len(renewed)
        return Resealed(count, tuple(closed))

    def _renewed(self, found: Sequence[Sealed], closed: list[str]) -> list[tuple[Sealed, bytes]]:
        renewed = []
        for one in found:
            try:
                renewed.append((one, self._keys.reseal(one)))
            except PkpassError as error:
                closed.append(str(error))
        return renewed


async def keep_up(reader: Reader, keys: KeyRing, source: TokenSource | None) -> None:
    """Another process may have made the key of this token: fetch it, once. ``token`` says what it finds missing."""
    if source is not None and not keys.knows(source):
        with contextlib.suppress(PkpassError):
            keys.adopt(await reader.shared_keys())


def _missing(stored: Sequence[SharedKey]) -> list[str]:
    return [purpose for purpose, _ in FIRST if all(key.purpose != purpose for key in stored)]
