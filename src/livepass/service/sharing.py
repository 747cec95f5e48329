"""Share links: made for an issuer, opened by whoever holds one, and what is noted of that.

What anybody may cause is bounded: a file is built only so many times at once, and of one pass a view and a download are
written down once a minute and platform. No address and no browser is kept, only the coarse platform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from livepass.core.frozen import frozen
from livepass.core.model import Pass
from livepass.core.share import LONGEST, SHORTEST, USUAL, Link, opens, read, write
from livepass.core.timeline import Event, Kind
from livepass.pkpass import PkpassError
from livepass.pkpass.dates import parse_date
from livepass.pkpass.localize import folder_for, localized
from livepass.pkpass.names import DOCUMENT
from livepass.service.building import Builder, Recent
from livepass.service.observing import Noted, Recorder
from livepass.service.refusals import Fault, Refusal, no_pass
from livepass.service.seams import Clock, KeyRing, Scheduler, Store, Tx

MOST_AT_ONCE = 8
"""Files and pictures being made for share pages: phones that fetch need the same threads."""
MINUTE_MS = 60_000
MOST_NOTED = 10_000
"""Notes a minute, whatever is opened: beyond it nothing is written down until the minute is over."""
PICTURES_BYTES = 16 * 1024 * 1024
Picture = Callable[[Mapping[str, bytes], str], bytes]
"""Draws a package's files in a language, as SVG."""


class Busy(Exception):
    """Too much is being made at once: come again."""


@frozen
class Shared:
    """A link. ``expires_at``: milliseconds."""

    url: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opened: the pass, and what its page says of it in the language of whoever looks."""

    row: Pass
    tenant: str
    files: Mapping[str, bytes]
    link: Link

    def language(self, languages: Sequence[str]) -> str:
        """The first of these that the pass is translated to; else the first, which dates are written in."""
        return next((each for each in languages if folder_for(self.files, each)), (*languages, "en")[0])

    def document(self, languages: Sequence[str]) -> Mapping[str, Any]:
        """pass.json as a phone of whoever reads these languages shows it."""
        written: dict[str, Any] = orjson.loads(self.files[DOCUMENT])
        try:
            return localized(written, self.files, self.language(languages))
        except PkpassError:  # a pass.strings that cannot be read: phones show what is written, too
            return written

    def expired(self, now: int) -> bool:
        """Whether the pass says that its time is over."""
        end = parse_date(orjson.loads(self.files[DOCUMENT]).get("expirationDate"))
        return end is not None and end.timestamp() * 1000 <= now


class Sharing:
    """One object per process."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        builder: Builder,
        recorder: Recorder,
        clock: Clock,
        scheduler: Scheduler,
        public_url: str,
    ) -> None:
        self._store = store
        self._keys = keys
        self._builder = builder
        self._recorder = recorder
        self._clock = clock
        self._scheduler = scheduler
        self._public_url = public_url
        self._noted: set[tuple[str, str, str, Kind]] = set()
        self._minute = 0
        self._making = 0
        self._pictures: Recent[tuple[str, str, int, int, str], bytes] = Recent(PICTURES_BYTES)

    # ── the issuer

    async def share(self, pass_type: str, serial: str, seconds: int = USUAL) -> Shared:
        """Make a link that opens for so long."""
        if not SHORTEST <= seconds <= LONGEST:
            raise Refusal(
                f"a link may open for 1 minute to {LONGEST // 86_400} days, not for {seconds} seconds",
                hint="give minutes or days within that",
                faults=[Fault("", "outside 1 minute to 365 days")],
            )
        head = (await self._store.fetch_snapshot(pass_type, serial)).head
        if head is None:
            raise no_pass(pass_type, serial)
        link = Link(pass_type, serial, self._clock.now() // 1000 + seconds)
        return Shared(self.address(write(link, head.token.salt, self._keys.share_key)), link.expires_at * 1000)

    def address(self, token: str) -> str:
        """Where the page of a token is, as everybody reaches it."""
        return f"{self._public_url}/p/{token}"

    # ── whoever holds a link

    async def open(self, token: str) -> Opened | None:
        """What it opens. ``None``, after the same steps, for one that is garbled, over, or of no pass any more. Raises
        ``CannotBuild``.
        """
        presented = read(token)
        link = presented.link
        known = await self._store.fetch_snapshot(link.pass_type, link.serial)
        salt = None if known.head is None else known.head.token.salt
        if not opens(presented, salt, self._keys.share_key, self._clock.now() // 1000):
            return None
        row = await self._store.pass_(link.pass_type, link.serial)
        if row is None:
            return None
        return Opened(row, known.tenant, await self._builder.shown(row, known.tenant), link)

    async def pkpass(self, opened: Opened) -> bytes:
        """The signed file. Raises ``Busy`` and ``CannotBuild``."""
        with self._making_one():
            return await self._builder.pkpass(opened.row, opened.tenant)

    async def drawn(self, opened: Opened, language: str, draw: Picture) -> bytes:
        """The pass as a picture (SVG): no signature is needed to draw, and no token of the pass comes near it. Raises
        ``Busy``.
        """
        row = opened.row
        key = (row.pass_type, row.serial, row.seq, row.last_modified, language)
        known = self._pictures.get(key)
        if known is None:
            with self._making_one():
                known = await self._scheduler.off_loop(lambda: draw(opened.files, language))
            self._pictures.put(key, known, len(known))
        return known

    @contextmanager
    def _making_one(self) -> Iterator[None]:
        if self._making >= MOST_AT_ONCE:
            raise Busy
        self._making += 1
        try:
            yield
        finally:
            self._making -= 1

    def note(self, opened: Opened, kind: Kind, platform: str) -> None:
        """Write down soon that the page was viewed, or the file downloaded."""
        row, now = opened.row, self._clock.now()
        if now // MINUTE_MS != self._minute:
            self._minute = now // MINUTE_MS
            self._noted.clear()
        key = (row.pass_type, row.serial, platform, kind)
        if key in self._noted or len(self._noted) >= MOST_NOTED:
            return
        self._noted.add(key)
        event = Event(kind, now, row.pass_type, row.serial, detail={"platform": platform})

        async def write_down(tx: Tx) -> Noted:
            """Unless the pass was erased meanwhile: then nothing of it is to be kept."""
            there = await tx.pass_(row.pass_type, row.serial)
            return (), (event,) if there is not None and there.token.salt == row.token.salt else ()

        self._recorder.later(write_down)
