"""Which function measures which row, and what they share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from scaling.databases import Database, Folder

from beside import building, changing, children, device, device_peers, looping, pushing, scaled, starting
from beside.rows import Plan, Row


class Bench:
    """The plan of a run, and the databases it is run on."""

    def __init__(self, plan: Plan, folder: Folder) -> None:
        self.plan = plan
        self.folder = folder
        os.sched_setaffinity(0, {children.LOAD})

    def database(self, engine: str, size: int | None = None) -> Database:
        """As large as the plan says, filled when it is needed first; what is in memory after days of use, is."""
        found = self.folder.filled(engine, size or self.plan.registrations)
        self.folder.read_through(found)
        return found

    def opened(self, database: Database) -> Mapping[str, Any]:
        """What a child needs to open it."""
        return {"url": database.config.database_url, "secret": database.config.secret_key[0]}

    def close(self) -> None:
        self.folder.close()


ROWS: Mapping[str, Callable[[Bench, str], Row]] = {
    "build": building.build_row,
    "build-peers": building.peers_row,
    "register": device.beside_echo,
    "ask-204": device.beside_echo,
    "ask-changed": device.beside_echo,
    "fetch-304": device.beside_echo,
    "fetch-200": device.fetch_200,
    "ask-pg": device.ask_pg,
    "device-peers": device_peers.device_peers,
    "push": pushing.push,
    "dispatch-sqlite": pushing.dispatch,
    "dispatch-postgres": pushing.dispatch,
    "change-sqlite": changing.change,
    "change-postgres": changing.change,
    "batch-sqlite": changing.batch,
    "batch-postgres": changing.batch,
    "loop": looping.loop,
    "scale-sqlite": scaled.scale,
    "scale-postgres": scaled.scale,
    "memory": device.memory,
    "start": starting.start,
    "help": starting.help_,
}
