"""The issuer API, the same way whether the service runs elsewhere or only its database is here.

Remote: HTTPS. Local: the issuer application is called in process, with an admin key that lives as long as the command.
So a command does the same checks and prints the same words in both cases.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from livepass.cli.database import explained, services
from livepass.cli.faults import Exit, Fault, Where, refused, unchecked, usage
from livepass.cli.session import Session
from livepass.client.address import API, BadAddress, checked, possible
from livepass.client.address import path as address
from livepass.client.faults import Refused

if TYPE_CHECKING:
    import httpx2  # loaded where a call is made, because it takes long

__all__ = ["API", "Answer", "Caught", "Client", "address", "connected", "problem", "trusting"]

SECONDS = 60.0
PAGE = 500
"""Rows asked for at once when a list has more pages."""

EXITS: Mapping[int, Exit] = {
    # Status → exit code; other 4xx are a problem with what was asked, 5xx mean that nobody could look.
    401: Exit.UNCHECKED,
    403: Exit.UNCHECKED,
    429: Exit.UNCHECKED,
}
HINTS: Mapping[int, str] = {
    401: "check --key or LIVEPASS_KEY; livepass key list shows the keys",
    403: "use a key with that scope and pass type: livepass key create NAME --scope SCOPE",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        import json

        try:
            found = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise unchecked("the service answered something else than JSON", "does --url name a livepass service?")
        return found


class Client:
    """Calls the issuer API. Every problem is a ``Fault``."""

    def __init__(self, http: httpx2.AsyncClient, caught: Caught | None = None) -> None:
        self._http = http
        self._caught = caught
        self.wrote = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: object = None,
        body: bytes | None = None,
        content_type: str = "application/octet-stream",
        reads: bool = False,
        if_match: str | None = None,
    ) -> Answer:
        """One call; ``path`` begins after ``/api/v1``. Queries that are ``None`` are left out. ``reads``: it changes
        nothing, although it is no GET. ``if_match``: the version that it is to find.
        """
        import httpx2

        given = {key: value for key, value in (query or {}).items() if value is not None}
        headers = {"Content-Type": content_type} if body is not None else {}
        if if_match is not None:
            headers["If-Match"] = if_match
        try:
            reply = await self._http.request(method, API + path, params=given, json=json, content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unreachable(str(self._http.base_url), error) from error
        self.wrote = self.wrote or not (reads or method == "GET")
        if self._caught is not None and self._caught.error is not None:
            raise self._caught.error  # the service is in here: nobody else has its log
        if reply.status_code >= 300:
            raise problem(reply.status_code, reply.content, str(reply.headers.get("content-type", "")))
        return Answer(reply.status_code, dict(reply.headers.items()), reply.content)

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """One object."""
        return (await self.request("GET", path, query=query)).json()

    async def rows(self, path: str, *, limit: int, start: str | None = None, **query: Any) -> list[dict[str, Any]]:
        """Up to ``limit`` rows of a list, over as many pages as that takes, after the cursor ``start``."""
        found: list[dict[str, Any]] = []
        cursor = start
        while len(found) < limit:
            page = await self.get(path, **query, limit=min(PAGE, limit - len(found)), cursor=cursor)
            found.extend(page["data"])
            cursor = page.get("next_cursor")
            if not cursor or not page["data"]:
                break
        return found


@contextlib.asynccontextmanager
async def connected(session: Session) -> AsyncIterator[Client]:
    """A client for the service that the session names, or for the database of the environment."""
    remote = session.remote()
    opened = _far(*remote, session) if remote else _near(session)
    async with opened as client:
        yield client


@contextlib.asynccontextmanager
async def _far(url: str, key: str, session: Session) -> AsyncIterator[Client]:
    import httpx2

    base = _checked(url)
    verify = trusting(session.ca) if base.startswith("https:") else True
    headers = _as_whom(session, key)
    async with httpx2.AsyncClient(base_url=base, headers=headers, verify=verify, timeout=SECONDS) as http:
        yield Client(http)


@contextlib.asynccontextmanager
async def _near(session: Session) -> AsyncIterator[Client]:
    import httpx2

    config = session.config()
    async with services(config) as opened:
        from livepass.embed.apps import issuer

        key = secrets.token_urlsafe(32)
        transport = httpx2.ASGITransport(app=issuer(opened, [key]))
        headers = _as_whom(session, key)
        async with httpx2.AsyncClient(transport=transport, base_url="http://here", headers=headers) as http:
            with explained(config), Caught.listening(session) as caught:
                client = Client(http, caught)
                yield client
                if client.wrote:
                    # What a service does in the background afterwards has to be done before this process ends.
                    await opened.issuing.follow_all()
                await opened.recorder.settle()


def _as_whom(session: Session, key: str) -> dict[str, str]:
    if not possible(key):
        raise usage("the API key holds a character that no key has", "copy it anew, without the end of its line")
    headers = {"Authorization": f"Bearer {key}"}
    if tenant := session.as_tenant():
        if not possible(tenant):
            raise usage(f"{tenant!r} is no name of a tenant", "livepass tenant list shows them")
        headers["Livepass-Tenant"] = tenant
    return headers


class Caught(logging.Handler):
    """The log of the service while it runs in here: its words go to stderr, its exception to the caller."""

    def __init__(self, session: Session) -> None:
        super().__init__(logging.WARNING)
        self._out = session.out
        self.error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.error = record.exc_info[1]
        else:
            self._out.note(f"livepass: {record.getMessage()}")

    @classmethod
    @contextlib.contextmanager
    def listening(cls, session: Session) -> Iterator[Self]:
        """Take over the log for the length of a block."""
        log, caught = logging.getLogger("livepass"), cls(session)
        before, log.propagate = log.propagate, False
        log.addHandler(caught)
        try:
            yield caught
        finally:
            log.removeHandler(caught)
            log.propagate = before


def trusting(ca: Path | None) -> ssl.SSLContext:
    """TLS that trusts the system's roots, and those in the file."""
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise usage(
                f"--ca {ca} cannot be used: {error}", "name a PEM file with one or more certificates"
            ) from error
    return context


def _checked(url: str) -> str:
    """The service's address without ``/api/v1``. A key is not sent where others can read it."""
    try:
        return checked(url)
    except BadAddress as error:
        if error.unencrypted:
            raise refused(str(error), "use https") from error
        raise usage(str(error), "give it as in --url https://wallet.example.com") from error


def _unreachable(url: str, error: Exception) -> Fault:
    said = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return unchecked(f"{url} shows a certificate that is not trusted here", "name its root with --ca FILE")
    hint = f"is the service running? curl {url.rstrip('/')}/livez"
    return Fault(f"{url} cannot be reached: {said}", Exit.UNCHECKED, hint=hint, code="unreachable")


def problem(status: int, body: bytes, content_type: str) -> Fault:
    """The service's refusal (RFC 9457) in the words of this command line."""
    exit_ = EXITS.get(status, Exit.UNCHECKED if status >= 500 or status < 400 else Exit.PROBLEM)
    found = Refused(status, {"content-type": content_type}, body)
    if not found.is_problem:
        hint = HINTS.get(status, "does --url name a livepass service?")
        return Fault(f"the service answered {status}", exit_, hint=hint, code=str(status))
    # The title is about the kind of problem, the detail about this one.
    title = found.detail or found.title or f"the service answered {status}"
    where = [Where(each.pointer, each.message, each.remedy) for each in found.errors]
    return Fault(title, exit_, hint=found.hint or HINTS.get(status, ""), where=where, code=found.code)
