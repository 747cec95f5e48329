"""Who may come in: through a session, by what a proxy or the application around the console says, or, in a
demonstration on this machine, without.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request

from livepass.core.model import DEFAULT_TENANT
from livepass.service.access import SCOPES, Caller
from livepass.service.console_access import ConsoleAccess
from livepass.service.console_roles import Visitor, full_name
from livepass.service.refusals import Forbidden, Refusal
from livepass.web.console.page import ROLES, Person, Role
from livepass.web.console.where import BASE

log = logging.getLogger(__name__)


class Doors(Protocol):
    """How people come in and go out. Raises ``Refusal`` where somebody may not."""

    @property
    def open(self) -> bool:
        """Nobody is asked who they are."""

    @property
    def hosted(self) -> bool:
        """An application around the console says who comes: nobody signs in, and nothing is shown to others."""

    async def visitor(self, session: str | None, request: Request) -> Person | None:
        """Who it is, by a session or by what somebody trusted says; ``None``: nobody we know."""

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
    hosted = False

    def __init__(self) -> None:
        self._anybody = Anybody()

    async def visitor(self, session: str | None, request: Request) -> Person | None:
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


Named = tuple[str, str] | tuple[str, str, str] | None
"""A name, a role, and the tenant where that is not the one that is always there; ``None``: nobody who may look."""
Who = Callable[[Request], Awaitable[Named] | Named]
"""Who sends a request (without its body). One that does not await is called on a thread."""


class Nobody(Forbidden):
    """The application around the console lets nobody in by this request."""

    code = "nobody"


class HostDoors:
    """Inside another application, which knows who it is: its own cookie, its own rules. Nobody signs in here.

    Whatever goes wrong with asking it, nobody is let in. A user of that name who was shut out here stays out. What
    people do is written down all the same.
    """

    open = False
    hosted = True

    def __init__(self, users: ConsoleAccess, who: Who) -> None:
        self.users = users
        self._who = who

    async def visitor(self, session: str | None, request: Request) -> Visitor:
        """Raises ``Nobody``, and never answers ``None``."""
        found = await self._asked(request)
        if found is None:
            raise Nobody("nobody is signed in who may look here", hint="sign in at the application around this console")
        try:
            return await self.users.proxied(*_named(found))
        except Forbidden as error:
            log.warning("console_app: somebody is not let in: %s", error.title)
            raise Nobody(error.title, hint=error.hint) from error
        except Unusable as error:
            log.error("console_app: who() answered %s, so nobody is let in; it has to answer (name, role)", error)
            raise _not_said() from error

    async def _asked(self, request: Request) -> Named:
        # Without the body: a form is the console's to read.
        asked = Request(request.scope)
        try:
            found: Any = self._who(asked) if _awaits(self._who) else await asyncio.to_thread(self._who, asked)
            return await found if inspect.isawaitable(found) else found  # type: ignore[no-any-return]
        except Exception as error:
            if isinstance(error, HTTPException) and error.status_code in (401, 403):
                return None
            log.exception("console_app: who() failed, so nobody is let in")
            raise _not_said() from error

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        raise _elsewhere()

    async def redeem(self, link: str) -> str:
        raise _elsewhere()

    async def logout(self, session: str) -> None:
        raise _elsewhere()

    async def note(self, person: Person, action: str, subject: str) -> None:
        assert isinstance(person, Visitor)
        await self.users.note(person, action, subject)


class Unusable(Exception):
    """What an application answered is no name and no role."""


def _named(found: Any) -> tuple[str, Role]:
    """The name in full, as ``brand/ada``, and the role. Raises ``Unusable``.

    A name holds no slash: with one, whoever may choose their name would choose their tenant.
    """
    if not isinstance(found, tuple) or len(found) not in (2, 3) or not all(isinstance(one, str) for one in found):
        raise Unusable(f"something of the type {type(found).__name__}")
    name, said, tenant = (*found, DEFAULT_TENANT)[:3]
    if "/" in name or "/" in tenant or not name.strip() or not tenant:
        raise Unusable("a name or a tenant that is empty or holds a slash")
    role = next((one for one in ROLES if one == said), None)
    if role is None:
        raise Unusable(f"the role {said!r}, which is none of {', '.join(ROLES)}")
    return full_name(tenant, name.strip()), role


def _awaits(who: Any) -> bool:
    return inspect.iscoroutinefunction(who) or inspect.iscoroutinefunction(getattr(who, "__call__", None))  # noqa: B004


def _not_said() -> Nobody:
    return Nobody("the application around this console could not say who you are", hint="its log says why")


class SessionDoors:
    """Sign in with a name, a link, or through a proxy that says who it is in ``user_header``.

    Whom a proxy names gets the role that the user of that name has here; one that is not known here is a viewer.
    """

    open = False
    hosted = False

    def __init__(self, users: ConsoleAccess, user_header: str = "") -> None:
        self.users = users
        self._header = user_header

    async def visitor(self, session: str | None, request: Request) -> Person | None:
        named = request.headers.get(self._header, "").strip() if self._header else ""
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
