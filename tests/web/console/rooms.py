"""The console in process, over a real database: visited by somebody of a role, with and without data."""

from __future__ import annotations

import asyncio
import inspect
import json as jsonlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from livepass.embed.console import counted
from livepass.embed.console_edge import edge
from livepass.emulators.authority import Issued
from livepass.service.access import SCOPES, Caller
from livepass.service.explaining import Explaining
from livepass.service.refusals import Refusal
from livepass.web.console.app import SESSION, ConsoleApp
from livepass.web.console.page import Counted, Person, Role
from web.asgi import Api, Reply, empty, opened, send

HOST = "passes.example.com"
_MAY: Mapping[Role, frozenset[str]] = {
    "viewer": frozenset({"passes:read"}),
    "operator": frozenset({"passes:read", "passes:write", "pushes:write", "logs:read"}),
    "admin": frozenset(SCOPES),
}


class Somebody:
    """A person of a role, whose session and form token are called after it."""

    def __init__(self, role: Role) -> None:
        self.name, self.role, self.csrf = f"a {role}", role, f"token-of-{role}"

    def caller(self) -> Caller:
        return Caller(self.name, "default", _MAY[self.role])


class ThreeDoors:
    """One for each role; the session is the role's name."""

    open = hosted = False
    users = None

    def __init__(self) -> None:
        self.noted: list[tuple[str, str, str]] = []

    async def note(self, person: Person, action: str, subject: str) -> None:
        self.noted.append((person.name, action, subject))

    async def visitor(self, session: str | None, request: Request) -> Somebody | None:
        return Somebody(session) if session in _MAY else None  # type: ignore[arg-type]

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        raise Refusal("nobody signs in here")

    async def redeem(self, link: str) -> str:
        raise Refusal("nobody signs in here")

    async def logout(self, session: str) -> None: ...


class Room:
    """The console and the API beside it. What is counted is counted when it is asked for."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.doors = ThreeDoors()
        self.cookies = ""
        """Beside the session's."""
        self.app = ConsoleApp(api.app.services, self.doors, self.counted, edge=edge(api.services))

    async def counted(self, tenant: str) -> Counted:
        services = self.api.services
        explaining = Explaining(services.store, services.clock, services.issuing.web_service_url)
        return Counted(
            services.clock.now(), 1, await counted(explaining, tenant, services.clock.now(), services.keys.secret_ids)
        )

    async def get(self, path: str, role: Role = "admin") -> Reply:
        """A page; ``path`` goes on after ``/console``."""
        return await self._sent("GET", path, role)

    async def json(self, path: str, role: Role = "admin") -> Any:
        """The data of a page that has to be there."""
        reply = await self.get(path + ".json", role)
        assert reply.status == 200, (reply.status, reply.body)
        return jsonlib.loads(reply.body)

    async def post(
        self,
        path: str,
        role: Role = "admin",
        *,
        files: Mapping[str, bytes] | None = None,
        origin: str | None = f"https://{HOST}",
        csrf: str | None = None,
        **fields: str,
    ) -> Reply:
        """A form; ``csrf`` "": none."""
        token = f"token-of-{role}" if csrf is None else csrf
        given = {**fields, **({"csrf": token} if token else {})}
        headers = [] if origin is None else [(b"origin", origin.encode())]
        if files is None:
            media, body = b"application/x-www-form-urlencoded", urlencode(given).encode()
        else:
            media, body = b"multipart/form-data; boundary=edge", _multipart(given, files)
        return await self._sent("POST", path, role, [body], [(b"content-type", media), *headers])

    async def _sent(
        self, method: str, path: str, role: Role, chunks: Sequence[bytes] = (b"",), headers: Any = ()
    ) -> Reply:
        cookie = (b"cookie", f"{SESSION}={role}{self.cookies}".encode())
        reply = await send(self.app, method, f"/console{path}", chunks, [cookie, *headers])
        self.api.replies.append(reply)
        return reply


def _multipart(fields: Mapping[str, str], files: Mapping[str, bytes]) -> bytes:
    parts = [
        b'--edge\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    ]
    parts += [
        b'--edge\r\ncontent-disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in files.items()
    ]
    return b"".join(parts) + b"--edge--\r\n"


def with_room(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Turn a coroutine that wants a ``room`` into a test on both engines. With an argument ``bare`` that is true,
    nothing was put into the database.
    """
    wanted = [each for name, each in inspect.signature(test).parameters.items() if name != "room"]
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
        for name in ("tmp_path", "certificates", "engine")
        if name not in {each.name for each in wanted}
    ]

    def run(**given: Any) -> None:
        async def work() -> None:
            directory: Path = given["tmp_path"]
            issued: Sequence[Issued] = given["certificates"]
            async with empty(directory) if given.get("bare") else opened(directory, issued) as api:
                await test(room=Room(api), **{each.name: given[each.name] for each in wanted})

        asyncio.run(work())

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in wanted]
    run.__signature__ = inspect.Signature(parameters + ours)  # type: ignore[attr-defined]
    run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]
    return run
