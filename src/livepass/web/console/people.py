"""Who may come in: through a session, by what a proxy says, or, in a demonstration on this machine, without."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from livepass.core.model import DEFAULT_TENANT
from livepass.service.access import SCOPES, Caller
from livepass.service.console_access import ConsoleAccess
from livepass.service.console_roles import Visitor
from livepass.service.refusals import Refusal
from livepass.web.console.page import BASE, Person, Role


class Doors(Protocol):
    """How people come in and go out. Raises ``Refusal`` where somebody may not."""

    @property
    def open(self) -> bool:
        """Nobody is asked who they are."""

    async def visitor(self, session: str | None, headers: Mapping[str, str]) -> Person | None:
        """Who it is, by a session or by what a trusted proxy says; ``None``: nobody we know."""

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        """A new session."""

    async def redeem(self, link: str) -> str:
        """A new session, for a link that works once."""

    async def logout(self, session: str) -> None: ...

    async def note(self, person: Person, action: str, subject: str) -> None:
        """Write down what somebody is about to do."""

    @property
    def users(self) -> ConsoleAccess | None:
        """Who may come in; ``None``: nobody signs in."""


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

    async def visitor(self, session: str | None, headers: Mapping[str, str]) -> Person | None:
        return self._anybody

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        raise _nobody_signs_in()

    async def redeem(self, link: str) -> str:
        raise _nobody_signs_in()

    async def logout(self, session: str) -> None:
        raise _nobody_signs_in()

    async def note(self, person: Person, action: str, subject: str) -> None:
        """There is nobody to tell apart."""

    @property
    def users(self) -> None:
        return None


Who = Callable[[Mapping[str, str]], Awaitable[tuple[str, Role] | None]]
"""By the headers of a request: somebody's name and role; ``None``: nobody who may look."""


class HostDoors:
    """Inside another application, which knows who it is: its own cookie, its own rules. Nobody signs in here.

    A user of that name who was shut out here stays out. What people do is written down all the same.
    """

    open = False

    def __init__(self, users: ConsoleAccess, who: Who) -> None:
        self.users = users
        self._who = who

    async def visitor(self, session: str | None, headers: Mapping[str, str]) -> Person | None:
        found = await self._who(headers)
        return None if found is None else await self.users.proxied(*found)

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        raise _elsewhere()

    async def redeem(self, link: str) -> str:
        raise _elsewhere()

    async def logout(self, session: str) -> None:
        raise _elsewhere()

    async def note(self, person: Person, action: str, subject: str) -> None:
        assert isinstance(person, Visitor)
        await self.users.note(person, action, subject)


class SessionDoors:
    """Sign in with a name, a link, or through a proxy that says who it is in ``user_header``.

    Whom a proxy names gets the role that the user of that name has here; one that is not known here is a viewer.
    """

    open = False

    def __init__(self, users: ConsoleAccess, user_header: str = "") -> None:
        self.users = users
        self._header = user_header

    async def visitor(self, session: str | None, headers: Mapping[str, str]) -> Person | None:
        named = headers.get(self._header, "").strip() if self._header else ""
        if not named:
            return await self.users.visitor(session)
        known = await self.users.user(named)
        return await self.users.proxied(named, known.role if known is not None else "viewer")

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        return await self.users.login(name, password, code, source=source)

    async def redeem(self, link: str) -> str:
        return await self.users.redeem(link)

    async def logout(self, session: str) -> None:
        await self.users.logout(session)

    async def note(self, person: Person, action: str, subject: str) -> None:
        assert isinstance(person, Visitor)
        await self.users.note(person, action, subject)


def _elsewhere() -> Refusal:
    return Refusal("nobody signs in here", hint="the application around this console knows who you are: sign in there")


def _nobody_signs_in() -> Refusal:
    return Refusal("nobody signs in at this console", hint=f"{BASE} is open to whoever sits at this machine")
