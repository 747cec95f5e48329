"""Ports for what listens at an address that must be known before, and for what listens there again later.

Not those that the system gives to whoever calls somebody: of the many tests beside this one, one would have it by then.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress

BELOW_THE_SYSTEMS = range(20_000, 32_000)
_CHANCE = random.SystemRandom()


def bound() -> socket.socket:
    """A socket at a port that nobody has."""
    for _ in range(100):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        with suppress(OSError):
            found.bind(("127.0.0.1", _CHANCE.choice(BELOW_THE_SYSTEMS)))
            return found
        found.close()
    raise AssertionError("no port of a hundred was free")


def free_port() -> int:
    """Nobody has it now."""
    with bound() as found:
        port: int = found.getsockname()[1]
        return port
