"""What a console knows only from whoever started it: the configuration, the secret keys' names, and the doctor.

The doctor shares no code with the service, and the environment is read in one place: both are handed in here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Edge:
    """``settings``: rows of ``name``, ``what``, ``source``, ``secret``, ``given`` and ``value``, empty for what is
    secret. ``secret_ids``: names of the configured secret keys, the one that seals first. ``judge``: the doctor's
    report of a package, without sending anything; it computes, so it is called on a thread. ``ready``: what is wrong
    with each part of this process ("": nothing). ``canaries``: the pass types that the settings name for canaries.
    """

    settings: Sequence[Mapping[str, Any]] = ()
    secret_ids: Sequence[str] = ()
    judge: Callable[[bytes], Mapping[str, Any]] | None = None
    ready: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    canaries: Sequence[str] = ()
