"""The console as a process of its own: what it shows is the database's, and phones are answered elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepass.cli.demo_desk import DemoDesk
from livepass.config import sources
from livepass.embed.console import console
from livepass.web.console.app import ConsoleApp
from livepass.web.console.people import OpenDoors, SessionDoors

if TYPE_CHECKING:
    from livepass.cli.demo_world import Demo
    from livepass.wiring import Services


def application(services: Services) -> ConsoleApp:
    """The console of an installation. People sign in, or come through the proxy that the settings name."""
    return console(services, SessionDoors(services.console, services.config.console_user_header), sources())


def of_demo(world: Demo) -> ConsoleApp:
    """The console of a demonstration, which whoever sits at this machine may use."""
    return console(world.services, OpenDoors(), desk=DemoDesk(world))
