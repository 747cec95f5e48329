"""A typed client for the issuer API of a service that runs elsewhere: ``Client``, and ``AsyncClient`` that awaits.

    with Client("https://passes.example.com", key) as passes:
        passes.patch_pass("pass.com.example.gym", "1001", data={"visits_left": 8})

``calls.py`` says what can be called, ``sending.py`` how; answers are the structs that the service itself writes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livepass.client.awaiting import AsyncClient
    from livepass.client.blocking import Client
    from livepass.client.faults import Problem, Refused, Unreachable
    from livepass.client.sending import BatchEnded

__all__ = ["AsyncClient", "BatchEnded", "Client", "Problem", "Refused", "Unreachable"]

_HOMES = {
    "AsyncClient": "awaiting",
    "BatchEnded": "sending",
    "Client": "blocking",
    "Problem": "faults",
    "Refused": "faults",
    "Unreachable": "faults",
}


def __getattr__(name: str) -> Any:
    """Loaded when it is asked for: the command line needs the faults alone."""
    if name not in _HOMES:
        raise AttributeError(f"module 'livepass.client' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"livepass.client.{_HOMES[name]}"), name)
