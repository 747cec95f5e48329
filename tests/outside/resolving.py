"""A resolver that says of some names what a test wants; of all others, what the system says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest


def resolving(
    monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Sequence[Sequence[str]]], until: threading.Event | None = None
) -> list[str]:
    """``names``: what each has when it is looked up the first time, the second time, and so on; the last stays. Nothing
    is answered before ``until``. Answers the names that were looked up, as they are.
    """
    asked: list[str] = []
    system = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in names:
            return system(host, port, *more, **options)
        turn = min(asked.count(host), len(names[host]) - 1)
        asked.append(host)
        if until is not None:
            until.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in names[host][turn]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked
