"""A process that works imports off and is killed: run by ``test_issuer_imports`` with a database, a secret key, and
after how many transactions it dies; 0: it is not, and ends when nothing is due.
"""

from __future__ import annotations

import asyncio
import sys

from livepass import wiring
from livepass.config import Config
from livepass.service import importer
from web.asgi import ADMIN
from web.killed import dies_after

LOT = 4


async def nobody_fetches() -> float | None:
    return None


def importer_of(services: wiring.Services) -> importer.Importer:
    """The import worker of these services."""
    common = (services.store, services.issuing, services.clock, services.chance, services.scheduler)
    return importer.Importer(*common, nobody_fetches)


async def work(url: str, secret: str, after: int) -> None:
    importer.LOT = LOT
    config = Config(database_url=url, public_url="https://passes.example.com", secret_key=(secret,), admin_key=ADMIN)
    async with wiring.opened(config) as services:
        dies_after(services, after)
        worker = importer_of(services)
        while await worker.once():
            pass


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
