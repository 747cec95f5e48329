"""Names looked up in threads of their own.

``loop.getaddrinfo`` works in the few threads that a loop has for everything, where a name server that does not answer
holds one for half a minute, whatever the patience of who asked: a few webhooks to such names, and nothing else that
needs one of these threads, such as the way to APNs, comes along.
"""

from __future__ import annotations

import _thread
import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AT_ONCE: Final = 64
"""Lookups under way. More of them wait, as long as who asked has patience."""


class Names:
    """For one event loop."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """All that a name has, in the system's order. Raises ``OSError``."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()

        def done(outcome: list[Any] | Exception) -> None:
            self._free.release()  # not when its caller gave up: the thread is busy until now
            if found.done():
                return
            if isinstance(outcome, Exception):
                found.set_exception(outcome)
            else:
                found.set_result(outcome)

        def work() -> None:
            outcome: list[Any] | Exception
            try:
                outcome = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except Exception as error:
                outcome = error
            with suppress(RuntimeError):  # the loop ended meanwhile
                loop.call_soon_threadsafe(done, outcome)

        # Not threading's: those hold the loop until they have begun, and the process until they have ended.
        try:
            _thread.start_new_thread(work, ())
        except RuntimeError as error:
            self._free.release()
            raise OSError(f"no thread to look {host} up in: {error}") from error
        return [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in await found]
