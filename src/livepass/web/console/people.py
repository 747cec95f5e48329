"""Who may come in: through a session, or, in a demonstration on this machine, without."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from livepass.core.model import DEFAULT_TENANT
from livepass.service.access import SCOPES, Caller
from livepass.web.console.page import Person, Role


class Doors(Protocol):
    """How people come in and go out. Raises ``Refusal`` where somebody may not."""

    @property
    def open(self) -> bool:
        """Nobody is asked who they are."""

    async def visitor(self, session: str | None) -> Person | None: ...

    def csrf_ok(self, visitor_session: str, given: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Anybody:
    """Whoever sits at this machine."""

    name: str = "demo"
    role: Role = "admin"
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def caller(self) -> Caller:
        return Caller(self.name, DEFAULT_TENANT, frozenset(SCOPES))


class OpenDoors:
    """For a demonstration on loopback. Forms need their token anyway: no other page in the browser may send one."""

    open = True

    def __init__(self) -> None:
        self._anybody = Anybody()

    async def visitor(self, session: str | None) -> Person | None:
        return self._anybody

    def csrf_ok(self, visitor_session: str, given: str) -> bool:
        return hmac.compare_digest(self._anybody.csrf.encode(), given.encode())
