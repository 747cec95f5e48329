"""The console as a process of its own: what it shows is the database's, and phones are answered elsewhere.

How all registrations stand is counted on a thread of its own, over a connection of its own: where there are millions
that takes seconds, in which other pages are shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from livepass.cli.aged import Aged
from livepass.cli.console_edge import edge
from livepass.cli.demo_desk import DemoDesk
from livepass.config import Config, sources
from livepass.embed import apps
from livepass.keys.sealing import Secrets
from livepass.looking import looking
from livepass.service.explaining import Explaining
from livepass.service.seams import Clock
from livepass.web.console import figures
from livepass.web.console.app import ConsoleApp
from livepass.web.console.page import Counted, plain
from livepass.web.console.people import Doors, HostDoors, OpenDoors, SessionDoors, Who
from livepass.web.issuer_answers_phones import Standing, Stats
from livepass.web.issuer_answers_why import WhyAll

if TYPE_CHECKING:
    from livepass.cli.demo_world import Demo
    from livepass.wiring import Services

COUNTED = ("passes", "registrations", "unverified", "current", "fetch", "ask", "push")
FIRST_SECONDS = 0.2
"""How long the first visitor waits for the first count."""


def application(services: Services, who: Who | None = None) -> ConsoleApp:
    """The console of an installation. People sign in, or come through the proxy that the settings name.

    ``who``: inside an application of yours, which says who it is. Mount it as ``/console``; its path stays whole.
    """
    known = apps.issuer(services, ())
    counting = Counting(services.config, services.clock)
    doors: Doors = (
        SessionDoors(services.console, services.config.console_user_header)
        if who is None
        else HostDoors(services.console, who)
    )
    return ConsoleApp(known.services, doors, counting, edge=edge(services, sources()))


def of_demo(world: Demo) -> ConsoleApp:
    """The console of a demonstration, which whoever sits at this machine may use."""
    services = world.services
    known = apps.issuer(services, ())
    return ConsoleApp(
        known.services, OpenDoors(), Counting(services.config, services.clock), DemoDesk(world), edge(services)
    )


class Counting:
    """What was counted last for the pages, by tenant."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._aged: dict[str, Aged[Mapping[str, Any]]] = {}

    async def __call__(self, tenant: str) -> Counted | None:
        aged = self._aged.get(tenant)
        if aged is None:
            config, clock = self._config, self._clock
            aged = self._aged[tenant] = Aged(clock, lambda: _counted(config, tenant, clock.now()))
        held = await aged.look(FIRST_SECONDS)
        return None if held is None else Counted(held.at, held.took_ms, held.found)


async def _counted(config: Config, tenant: str, now: int) -> Mapping[str, Any]:
    names = Secrets(config.secret_key, secrets.token_bytes).ids
    async with looking(config) as explaining:
        return await counted(explaining, tenant, now, names)


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
