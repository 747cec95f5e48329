"""Calls the public address as a phone would, after the start and from time to time, and says what is wrong on the way.

Each process that answers phones looks for itself: several may stand behind different proxies. What it finds is a line
in the log, with the line of a proxy to look for, and a line of ``/readyz``; phones are answered all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from livepass.core.echo import NONCE_BYTES, echo_key, make_ticket, shots
from livepass.core.public_way import Finding, judge
from livepass.service.seams import Caller, Chance, Clock, KeyRing, Scheduler

log = logging.getLogger(__name__)

FIRST_SECONDS = 3.0
"""Whoever starts us may start the proxy in the same moment, and should not wait for this."""
AGAIN_SECONDS: Sequence[float] = (15.0, 60.0, 300.0)
"""After a first, second and later look that found something."""
ROUND_SECONDS = 3600.0
PATIENCE = 2
"""Looks in a row that got no answer before that is said: proxies start, too."""


class PublicWay:
    """One object per process. ``base`` is the path of ``webServiceURL``."""

    def __init__(
        self,
        keys: KeyRing,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        call: Caller,
        base: str,
        connection_header: str = "",
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._call = call
        self._base = base
        self._connection_header = connection_header
        self._found: Sequence[Finding] = ()
        self._said: set[str] = set()
        self._unwell = 0

    async def look(self) -> list[Finding]:
        """What is wrong now."""
        key = echo_key(self._keys.tag_key)
        ticket = make_ticket(self._clock.now(), self._chance.token_bytes(NONCE_BYTES), key)
        heard = await self._call(shots(self._base, ticket, self._connection_header))
        return judge(heard, key, ticket, self._connection_header)

    def told(self) -> list[str]:
        """What the last look found, for ``/readyz``: taken out of service for it, a process would be of no more use."""
        return [one.sentence for one in self._found if not one.unclear]

    async def run(self) -> None:
        """Look until cancelled. What fails is logged, and tried again."""
        await self._scheduler.sleep(FIRST_SECONDS)
        while True:
            try:
                self._take(await self.look())
            except Exception:
                log.exception("the public address could not be looked at; it is tried again in an hour")
                self._unwell = 0
            await self._scheduler.sleep(self._pause())

    def _pause(self) -> float:
        return AGAIN_SECONDS[min(self._unwell, len(AGAIN_SECONDS)) - 1] if self._unwell else ROUND_SECONDS

    def _take(self, found: Sequence[Finding]) -> None:
        """Each finding is said once, for as long as it lasts."""
        self._found = found
        self._unwell = self._unwell + 1 if found else 0
        if not found and self._said:
            log.warning("the public address is as phones need it again")
        self._said &= {one.fault for one in found}
        for one in found:
            if one.fault in self._said or (one.unclear and self._unwell < PATIENCE):
                continue
            self._said.add(one.fault)
            log.log(logging.WARNING if one.unclear else logging.ERROR, "%s: %s", one.sentence, one.remedy)
