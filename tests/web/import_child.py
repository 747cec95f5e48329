"""A process that works imports off and is killed: run by ``test_issuer_imports`` with a database, a secret key, and
after how many transactions it dies; 0: it is not, and ends when nothing is due. Rows may fail with it: see ``FAILS``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from livepass import wiring
from livepass.config import Config
from livepass.service import importer
from livepass.service.drafting import Wish
from livepass.service.issuing import Issuing
from web.asgi import ADMIN
from web.killed import dies_after

LOT = 4
FAILS: Mapping[str, Callable[[Wish], bool]] = {
    "fails": lambda wish: True,
    "third": lambda wish: int(wish.serial[1:]) % 3 == 0,
}


async def nobody_fetches() -> float | None:
    return None


def importer_of(services: wiring.Services) -> importer.Importer:
    """The import worker of these services."""
    common = (services.store, services.issuing, services.clock, services.chance, services.scheduler)
    return importer.Importer(*common, nobody_fetches)


def stumbles(patch: Callable[[Any, str, Any], None], spoilt: Callable[[Wish], bool]) -> None:
    """From now on, a lot with a row that is spoilt fails for a reason that nobody foresaw."""
    honest = Issuing.put_lot

    async def put_lot(self: Issuing, wishes: Sequence[Wish], *more: Any) -> Any:
        if any(map(spoilt, wishes)):
            raise ZeroDivisionError
        return await honest(self, wishes, *more)

    patch(Issuing, "put_lot", put_lot)


async def work(url: str, secret: str, after: int, *fails: str) -> None:
    importer.LOT = LOT
    for name in fails:
        stumbles(setattr, FAILS[name])
    config = Config(database_url=url, public_url="https://passes.example.com", secret_key=(secret,), admin_key=ADMIN)
    async with wiring.opened(config) as services:
        dies_after(services, after)
        worker = importer_of(services)
        while await worker.once():
            pass


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
