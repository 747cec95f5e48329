"""The console over the services of one process, whoever lets people in.

How all registrations stand is counted on a thread of its own, over a connection of its own: where there are millions
that takes seconds, in which other pages are shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from livepass.config import Config
from livepass.embed import apps
from livepass.embed.aged import Aged
from livepass.embed.console_edge import edge
from livepass.looking import looking
from livepass.service.explaining import Explaining
from livepass.service.seams import Clock
from livepass.web.console import figures
from livepass.web.console.app import ConsoleApp
from livepass.web.console.page import Counted, Desk, plain
from livepass.web.console.people import Doors, HostDoors, Who
from livepass.web.issuer_answers_phones import Standing, Stats
from livepass.web.issuer_answers_why import WhyAll

if TYPE_CHECKING:
    from livepass.wiring import Services

COUNTED = ("passes", "registrations", "unverified", "current", "fetch", "ask", "push")
FIRST_SECONDS = 0.2
"""How long the first visitor waits for the first count."""


def console(
    services: Services, doors: Doors, sources: Mapping[str, str] | None = None, desk: Desk | None = None
) -> ConsoleApp:
    """Its pages for whom ``doors`` let in. ``sources``: where each setting came from (``config.sources``); ``None``:
    from whoever started this.
    """
    counting = Counting(services.config, services.clock, services.safekeeping.secret_ids)
    return ConsoleApp(apps.issuer(services, ()).services, doors, counting, desk, edge(services, sources))


def of_host(services: Services, who: Who, sources: Mapping[str, str] | None) -> ConsoleApp:
    """Its pages inside an application, for whom that knows."""
    return console(services, HostDoors(services.console, who), sources)


class Counting:
    """What was counted last for the pages, by tenant. ``secret_ids``: the names of the secret keys, in their order."""

    def __init__(self, config: Config, clock: Clock, secret_ids: Sequence[str]) -> None:
        self._config = config
        self._clock = clock
        self._secret_ids = secret_ids
        self._aged: dict[str, Aged[Mapping[str, Any]]] = {}

    async def __call__(self, tenant: str) -> Counted | None:
        aged = self._aged.get(tenant)
        if aged is None:
            aged = self._aged[tenant] = Aged(self._clock, lambda: self._counted(tenant))
        held = await aged.look(FIRST_SECONDS)
        return None if held is None else Counted(held.at, held.took_ms, held.found)

    async def _counted(self, tenant: str) -> Mapping[str, Any]:
        async with looking(self._config) as explaining:
            return await counted(explaining, tenant, self._clock.now(), self._secret_ids)


async def counted(explaining: Explaining, tenant: str, now: int, secret_ids: Sequence[str]) -> Mapping[str, Any]:
    """How many registrations of a tenant stand where, what is to be said of those that wait, and figures beside it."""
    store = explaining.store
    types = [row.pass_type for row in await store.pass_types() if row.tenant == tenant]
    of_types = {name: await store.stats(name) for name in types}
    counts = {name: sum(each[name] for each in of_types.values()) for name in COUNTED}
    standing = Standing(counts["current"], counts["fetch"], counts["ask"], counts["push"])
    stats = Stats(counts["passes"], counts["registrations"], counts["unverified"], standing, [])
    why = WhyAll.of(await explaining.everything(types))
    hanging = {
        name: {"passes": each["passes"], "registrations": each["registrations"]} for name, each in of_types.items()
    }
    heard = counts["registrations"] - counts["unverified"]
    more = await figures.gathered(store, types, now, heard=heard, first=secrets.token_hex(16), secrets=secret_ids)
    return {"stats": plain(stats), "why": plain(why), "pass_types": hanging, **more}
