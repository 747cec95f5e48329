"""Where the console is for whoever asks: under ``/console``, or where an application has mounted it (``root_path``).

Links, redirects and the paths of cookies are made of that, and a mount may be part of what an address says: only plain
ones are used.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass

from livepass.manual import ADDRESS as DOCS
from livepass.web.operations import Segments
from livepass.web.phone import Scope
from livepass.web.problems import NoRoute

BASE = "/console"
AT: ContextVar[str] = ContextVar("console at", default=BASE)
"""Of the request that is answered. No slash at its end."""
PLAIN = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
DOORS = ("login", "enter", "logout")


@dataclass(frozen=True, slots=True)
class Manual:
    """A page of the manual is asked for: its path as ``web.docs`` has it, and below which that is."""

    path: str
    root: str


def where(scope: Scope) -> str:
    """What ``AT`` is to be."""
    root = _root(scope)
    return root if PLAIN.fullmatch(root) else BASE


def require_plain(scope: Scope) -> None:
    """Raise ``NoRoute`` where it is mounted at what no address can be made of."""
    if (root := _root(scope)) and not PLAIN.fullmatch(root):
        hint = "mount it at a path of letters, digits and . _ ~ - between its slashes"
        raise NoRoute("the console cannot be mounted at this path", hint=hint)


def below(segments: Segments) -> Segments:
    """The path from where the console is, without an empty end. Raises ``NoRoute``."""
    there = tuple(AT.get().split("/")[1:])
    if segments[: len(there)] != there:
        raise NoRoute("there is no such page", hint=f"the console is at {AT.get()}")
    rest = segments[len(there) :]
    return rest[:-1] if rest[-1:] == ("",) else rest


def inside(back: str) -> str:
    """An address of the console, whatever was asked for."""
    at = AT.get()
    outside = not back.startswith(f"{at}/") or "//" in back or "\\" in back
    return f"{at}/" if outside or back.startswith(tuple(f"{at}/{door}" for door in DOORS)) else back


def manual(path: str) -> Manual | None:
    """Below the console, which links there; and where the service has it, as data says."""
    for root in (AT.get(), ""):
        if path == root + DOCS or path.startswith(f"{root}{DOCS}/"):
            return Manual(path.removeprefix(root), root)
    return None


def _root(scope: Scope) -> str:
    return str(scope.get("root_path", "")).rstrip("/")
