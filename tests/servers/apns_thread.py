"""An emulated APNs in a thread, for tests whose own loop is busy or that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority


@contextmanager
def apns_running(authority: Authority, directory: Path) -> Iterator[dict[str, str]]:
    """The settings with which a service pushes to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = ApnsServer.under(authority)
    root = directory / "apns-root.pem"
    root.write_bytes(authority.root_pem)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
        yield {"LIVEPASS_APNS_URL": server.url, "LIVEPASS_APNS_CA_FILE": str(root)}
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
