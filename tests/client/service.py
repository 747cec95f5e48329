"""The service that the clients of the tests talk to."""

from __future__ import annotations

import asyncio
import threading
import time

import uvicorn

from embed.hosts import furnish
from livepass import Livepass
from livepass.emulators.authority import Authority

KEY = "a key of the tests, long enough"


class Running:
    """The issuer API on loopback, in a thread, with whoever sends webhooks."""

    def __init__(self, lp: Livepass, authority: Authority) -> None:
        self.authority = authority
        self.server = uvicorn.Server(uvicorn.Config(lp.api_app(), port=0, log_config=None, lifespan="off"))
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve(lp)))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    async def _serve(self, lp: Livepass) -> None:
        await furnish(lp, self.authority)
        async with lp.running():
            await self.server.serve()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
