"""``/metrics`` of a process: what it counted itself, and what the database says.

What a scrape reads is a few rows from indexes, once in some seconds at most: it asks for no key. How all registrations
stand is counted beside it (``cli.aged``), only by processes that push: one that only answers phones has no time for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepass._version import __version__
from livepass.cli import scrape
from livepass.cli.aged import Aged
from livepass.config import Config
from livepass.looking import looking
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
        self._outbox: tuple[float, metrics.Found] | None = None

    async def __call__(self) -> str:
        services = self._services
        answering = services.answering
        parts = [
            metrics.of_process(__version__, self._started_at),
            metrics.of_meters(answering.meters, services.recorder),
            metrics.of_load(answering.load),
            metrics.of_certificates(await services.watching.told_lately()),
            await self._outbox_lately(),
        ]
        if services.tracing is not None:
            parts.append(metrics.of_spans(services.tracing.became()))
        held = await self._aged.look() if services.dispatcher is not None else None
        if held is not None:
            parts.append(metrics.of_figures(held.found, held.at, held.took_ms))
        return metrics.exposition(*parts)

    async def _outbox_lately(self) -> metrics.Found:
        stopwatch, store = self._clock.stopwatch(), self._services.store
        if self._outbox is None or stopwatch - self._outbox[0] >= REMEMBERED_SECONDS:
            self._outbox = (stopwatch, await scrape.outbox(store, self._clock.now()))
        return self._outbox[1]


async def _count(config: Config, clock: Clock) -> Figures:
    async with looking(config) as explaining:
        return await figures(explaining, clock.now())
