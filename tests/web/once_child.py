"""A process that carries out a request with an ``Idempotency-Key`` and is killed: run by ``test_issuer_once`` with a
database, a secret key, and after how many transactions it dies.
"""

from __future__ import annotations

import asyncio
import sys

from livepass import wiring
from livepass.config import Config
from web.asgi import ADMIN, PASS_TYPE, Api, app_of
from web.killed import dies_after

KEYED = [(b"idempotency-key", b"the-key")]
BODY = {"pass_type": PASS_TYPE, "template": "membership", "data": {"points": 1}}


async def die(url: str, secret: str, after: int) -> None:
    config = Config(database_url=url, public_url="https://passes.example.com", secret_key=(secret,), admin_key=ADMIN)
    async with wiring.opened(config) as services:
        dies_after(services, after)
        await Api(services, app_of(services, config)).call("POST", "/passes", BODY, headers=KEYED)


if __name__ == "__main__":
    asyncio.run(die(sys.argv[1], sys.argv[2], int(sys.argv[3])))
