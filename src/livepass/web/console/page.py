"""What a page of the console is: one row that routing, the navigation and the checks are made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
from starlette.requests import Request

from livepass.service.access import Caller
from livepass.service.console_access import ConsoleAccess
from livepass.web.console.edge import Edge
from livepass.web.console.where import AT
from livepass.web.operations import Answer, Call, Services
from livepass.web.problems import Malformed, NoRoute

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may what those before it may."""


class Person(Protocol):
    """Who is looking."""

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> Role: ...

    @property
    def csrf(self) -> str:
        """What a form of this person must carry."""

    def caller(self) -> Caller:
        """The person as the issuer API knows callers."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How all registrations stand, and when that was counted (ms). Counting takes seconds where there are millions."""

    at: int
    took_ms: int
    data: Mapping[str, Any]


class Counts(Protocol):
    """What was counted last of a tenant; ``None``: nothing yet. Asking has it counted again soon."""

    async def __call__(self, tenant: str) -> Counted | None: ...


class Desk(Protocol):
    """The demonstration: its emulated phones, and what can be done to them. ``None`` elsewhere."""

    def held(self) -> list[Held]:
        """What each phone shows now."""

    async def change(self, serial: str, value: Any) -> None: ...

    def breaks(self) -> list[Mapping[str, Any]]:
        """``{"name", "sentence", "broken"}`` each."""

    async def cause(self, name: str) -> None: ...

    async def mend(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """A pass on an emulated phone: its files as that has them, and the last text on its lock screen."""

    phone: str
    pass_type: str
    serial: str
    title: str
    variable: str
    value: Any
    files: Mapping[str, bytes]
    version: str
    banner: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page by somebody who may see it. ``query`` and ``form``: one value a name. ``caller``: the person
    as one of the tenant that the page is about.
    """

    services: Services
    counting: Counts
    person: Person
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    request: Request
    now: int
    uploads: Mapping[str, bytes] = field(default_factory=dict)
    desk: Desk | None = None
    edge: Edge = field(default_factory=Edge)
    users: ConsoleAccess | None = None

    @property
    def operates(self) -> bool:
        """Whether the person may change something, and see what is personal."""
        return self.person.role != "viewer"

    async def counts(self) -> Counted | None:
        """How the registrations of the tenant stand."""
        return await self.counting(self.caller.tenant)

    async def asked(
        self,
        operation: Callable[[Call], Awaitable[Answer]],
        query: type[msgspec.Struct] | None = None,
        values: Mapping[str, Any] | None = None,
        *,
        path: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """What an operation of the issuer API answers to this person, as plain data. Raises ``Refusal``.

        ``values`` are its query; those that are ``None`` or empty are left out.
        """
        given = {name: value for name, value in (values or {}).items() if value not in (None, "")}
        try:
            asked = None if query is None else msgspec.convert(given, query, strict=False)
        except msgspec.ValidationError as error:
            raise Malformed(f"the address cannot be read: {error}", hint="start again from the page") from error
        call = Call(self.services, self.caller, path or self.path, asked, body, self.request, "console")
        return plain((await operation(call)).body)


def plain(body: Any) -> Any:
    """A struct as dictionaries and lists, with instants as ``datetime``."""
    return msgspec.to_builtins(body, builtin_types=(datetime,), enc_hook=_opened)


def _opened(raw: Any) -> Any:
    return msgspec.json.decode(raw)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows: its data, its title where that depends on the data, and the command that says the same."""

    data: Any
    title: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """Whoever sent a form goes on to another page: 303, with a sentence that is shown there once."""

    to: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """Bytes of a kind, shown and never run: a picture."""

    data: bytes
    media: str


Handler = Callable[[Visit], Awaitable[Shown | Gone | File]]


@dataclass(frozen=True, slots=True)
class Page:
    """One address. ``path``: below ``/console``, with ``{names}``. ``template``: its file, for what ``post`` shows too.

    ``menu``: its word in the navigation ("": it has none). ``role`` and ``post_role``: the least that may.
    """

    path: str
    title: str
    template: str
    get: Handler
    menu: str = ""
    role: Role = "viewer"
    post: Handler | None = None
    post_role: Role = "operator"


class Pages:
    """Finds the page of a path. An address that ends in ``.json`` is the same page as data; ``.html`` undoes that for
    what is really called so.
    """

    def __init__(self, pages: tuple[Page, ...]) -> None:
        self.all = pages
        self._patterns = [(tuple(page.path.split("/")) if page.path else (), page) for page in pages]

    def find(self, segments: tuple[str, ...]) -> tuple[Page, dict[str, str], bool]:
        """(page, what its path names, as JSON). Raises ``NoRoute``."""
        as_json = False
        if segments and segments[-1].endswith((".json", ".html")):
            stem, _, ending = segments[-1].rpartition(".")
            as_json = ending == "json"
            segments = (*segments[:-1], stem) if stem != "index" else segments[:-1]
        for pattern, page in self._patterns:
            named = _match(pattern, segments)
            if named is not None:
                return page, named, as_json
        raise NoRoute("there is no such page", hint=f"{AT.get()} leads to all of them")


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    named = {}
    for expected, given in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            if not given:
                return None
            named[expected[1:-1]] = given
        elif expected != given:
            return None
    return named
