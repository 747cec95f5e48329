"""``/metrics`` of a process: what it counted itself, and what the database says.

What a scrape reads is a few rows from indexes, once in some seconds at most: it asks for no key. How all registrations
stand is counted beside it (``embed.aged``), only by processes that push: one that only answers phones has no time for
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepass._version import __version__
from livepass.cli import scrape
from livepass.config import Config
from livepass.embed.aged import Aged
from livepass.looking import looking
from livepass.service.canary_standings import standing
from livepass.service.figuring import Figures, figures
from livepass.service.seams import Clock
from livepass.web import metrics

if TYPE_CHECKING:
    from livepass.wiring import Services

REMEMBERED_SECONDS = 5.0


class Measured:
    """The text of one scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = services.clock
        self._started_at = services.clock.now()
        self._aged = Aged(services.clock, lambda: _count(services.config, services.clock))
        self._read: tuple[float, metrics.Found] | None = None

    async def __call__(self) -> str:
        services = self._services
        answering = services.answering
        parts = [
            metrics.of_process(__version__, self._started_at),
            metrics.of_meters(answering.meters, services.recorder),
            metrics.of_load(answering.load),
            metrics.of_certificates(await services.watching.told_lately()),
            await self._read_lately(),
            metrics.of_spans(services.tracing.became() if services.tracing is not None else {}),
        ]
        held = await self._aged.look() if services.dispatcher is not None else None
        if held is not None:
            parts.append(metrics.of_figures(held.found, held.at, held.took_ms))
        return metrics.exposition(*parts)

    async def _read_lately(self) -> metrics.Found:
        services, stopwatch = self._services, self._clock.stopwatch()
        if self._read is None or stopwatch - self._read[0] >= REMEMBERED_SECONDS:
            found = await scrape.outbox(services.store, self._clock.now())
            now = self._clock.now()
            canaries = [await standing(services.store, name, now) for name in services.canary.pass_types]
            self._read = (stopwatch, found | metrics.of_canaries(canaries))
        return self._read[1]


async def _count(config: Config, clock: Clock) -> Figures:
    async with looking(config) as explaining:
        return await figures(explaining, clock.now())
