"""Apple's endpoints as a raw ASGI application.

No framework stands between a phone and its answer: phones accept a handful of status codes, and a framework's own
422, 405 or redirect breaks passes without a word. Whatever arrives, the answer is one that a phone understands.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from livepass.core.decision import Reply
from livepass.core.echo import TYPE
from livepass.core.metrics import HUNG_UP
from livepass.core.shedding import RETRY_AFTER_SECONDS, Level
from livepass.core.trip1_register import DEVICE_ID
from livepass.service.answering import Answering, Fetched
from livepass.service.personalizing import Personalizing
from livepass.web import request_ids
from livepass.web.begun import Begun

if TYPE_CHECKING:
    from livepass.web.echo import Echo

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
Client = tuple[str, int] | None

MAX_BODY = 4 * 1024
MAX_LOG_BODY = 64 * 1024
MAX_ENROLMENT = 16 * 1024
MAX_HEADERS = 8 * 1024
MAX_PATH = 2048

PASS_TYPE = re.compile(r"[A-Za-z0-9.-]{1,155}")

_ALWAYS = (
    # No cache between us and a phone may answer for us: it would know neither the token nor the change.
    (b"cache-control", b"private, no-store"),
    (b"vary", b"Authorization"),
)
_ALWAYS_LINES = b"".join(b"%b: %b\r\n" % header for header in _ALWAYS)
_EMPTY = ((b"content-length", b"0"),)
# Plain integers: this is compared on every request.
_LOG, _ASK, _REGISTER = int(Level.LOG), int(Level.ASK), int(Level.REGISTER)
_NOT_RECORDED = Reply(200)
_COME_AGAIN = Reply(503, ((b"retry-after", str(RETRY_AFTER_SECONDS).encode()),))


# What phones ask for as a rule, in letters that need no decoding. Anything else is read at length.
_PLAIN = re.compile(
    rb"/v1/(?:devices/[0-9A-Za-z-]{1,128}/registrations/[A-Za-z0-9.-]{1,155}"
    rb"|passes/[A-Za-z0-9.-]{1,155}/[A-Za-z0-9._-]{1,100})"
)
_PLAIN_QUERY = re.compile(rb"passesUpdatedSince=v1\.[0-9A-Za-z_.~-]{1,100}")
_TRIP_1 = {"POST": "register", "DELETE": "unregister"}
# What proxies add: the connection that such a request comes over is the proxy's, which many phones share.
_PROXIED = frozenset((b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"))
_READ = _PROXIED | {b"authorization", b"if-modified-since", b"x-request-start", b"user-agent"}
_CONNECTION = re.compile(r"[!-~]{1,128}")
_STARTED = re.compile(r"(?:t=)?([0-9]{10,16})(?:\.([0-9]{1,9}))?")


class Request(NamedTuple):
    """A device request, read: header values as text, the connection's name where it is known, and when the edge took it
    (milliseconds), where that says so.
    """

    method: str
    parts: tuple[str, ...]
    query: bytes
    authorization: str | None
    if_modified_since: str | None
    connection: str | None
    started_at: int | None = None
    user_agent: str | None = None


class Said(NamedTuple):
    """An answer, and what to call once its last byte is handed over, or where whoever asked was gone before."""

    reply: Reply
    wrote: Callable[[], None]
    gone: Callable[[], None]

    @property
    def head(self) -> bytes:
        """Its headers, each in a line."""
        if not self.reply.headers and not self.reply.body and self.reply.status == 204:
            return _ALWAYS_LINES
        lines = [b"%b: %b\r\n" % header for header in self.reply.headers]
        lines.append(_ALWAYS_LINES)
        lines += [b"%b: %b\r\n" % header for header in _length(self.reply)]
        return b"".join(lines)


class PhoneApp:
    """The device endpoints below ``webServiceURL``. Mount it anywhere: it needs no lifespan.

    Without ``personalizing`` an enrolment is a message like any other that we do not know. ``connection_header`` is
    where a proxy names the connection of its client, on every request that it passes on. ``echo`` answers the calls
    that this installation makes to itself. ``hung_up`` tells whether a client went, for what is not run by asyncio.
    """

    def __init__(
        self,
        answering: Answering,
        connection_header: str = "",
        personalizing: Personalizing | None = None,
        echo: Echo | None = None,
        hung_up: Callable[[Receive], Awaitable[bool]] | None = None,
    ) -> None:
        self._answering = answering
        self._personalizing = personalizing
        self._echo = echo
        self._hung_up = hung_up or _hung_up
        self._connection_header = connection_header.lower().encode()
        self._load = answering.load
        self._meters = answering.meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, route = monotonic(), "other"
        logged = request_ids.begin()
        status: int | str = HUNG_UP
        try:
            request = read_request(scope, self._connection_header)
            if request is None:
                status = 200 if _is_log(scope) else 400
                await _send(send, Reply(status))
                return
            if self._echo is not None and (ticket := self._echo.ticket(request)):
                length = len(await _body(receive, MAX_LOG_BODY))
                reply = self._echo.answer(request, ticket, _target(scope), length)
                status = reply.status
                await _send(send, reply, head=request.method == "HEAD")
                return
            route = route_of(request.method, request.parts)
            if route == "fetch":
                status = await self._fetch(request, receive, send)
            else:
                reply = await self._answer(request, receive)
                status = reply.status
                await _send(send, reply, head=request.method == "HEAD")
        except _TooLarge:
            status = 413
            await _send(send, Reply(413))
        except _Gone:
            return
        except Exception:
            # A fault of ours. 503 is what a phone tries again after; whatever was acknowledged before stands.
            status = 503
            log.exception("a device request could not be answered")
            with contextlib.suppress(Exception):
                await _send(send, Reply(503))
        finally:
            self._meters.answered(route, status, monotonic() - began)
            request_ids.end(logged)

    def at_once(self, raw_path: bytes, query: bytes, headers: Headers, client: Client) -> Said | Begun[Said] | None:
        """The answer to a phone's ``GET`` as most of them come, without a task and without ASGI; or what goes on
        to it, where it has to wait. ``None``: nothing has happened, and it is to be answered as any other.

        For a server that calls us where the bytes of a request arrived, and for a store that reads inline.
        """
        if not _PLAIN.fullmatch(raw_path) or (query and not _PLAIN_QUERY.fullmatch(query)):
            return None
        parts = tuple(raw_path[1:].decode().split("/"))
        request = _request("GET", parts, query, headers, client, self._connection_header)
        if request is None or TYPE in parts:
            return None
        logged = request_ids.begin()
        work = self._said(request)
        try:
            return Begun(work, work.send(None))
        except StopIteration as ended:
            said: Said = ended.value
            return said
        finally:
            request_ids.end(logged)

    async def _said(self, request: Request) -> Said:
        began, written = monotonic(), _nothing
        route = "ask" if request.parts[1] == "devices" else "fetch"
        try:
            if route == "ask":
                reply = await self._ask(request, request.parts[2], request.parts[4])
            else:
                fetched = await self._fetched(request)
                reply, written = fetched.reply, fetched.written
        except Exception:
            log.exception("a device request could not be answered")
            reply = Reply(503)

        def wrote() -> None:
            written()
            self._meters.answered(route, reply.status, monotonic() - began)

        return Said(reply, wrote, lambda: self._meters.answered(route, HUNG_UP, monotonic() - began))

    async def _answer(self, request: Request, receive: Receive) -> Reply:
        parts, method = request.parts, request.method
        if parts[:2] == ("v1", "v1"):
            # Not tolerated: a 200 would let the phone believe that it is registered.
            log.warning("a pass carries a webServiceURL that ends in /v1: phones add /v1 themselves")
            return self._answering.misdirected(method, parts[1:])
        match parts:
            case ("v1", "devices", device_id, "registrations", pass_type, serial):
                return await self._registration(request, device_id, pass_type, serial, receive)
            case ("v1", "devices", device_id, "registrations", pass_type) if method in ("GET", "HEAD"):
                return await self._ask(request, device_id, pass_type)
            case ("v1", "log") if method == "POST":
                return await self._log(receive, request.connection)
            case ("v1", "passes", pass_type, serial, "personalize") if method == "POST" and self._personalizing:
                # Never given up: the phone does not come again.
                body = await _body(receive, MAX_ENROLMENT)
                return await self._personalizing.personalize(pass_type, serial, request.authorization, body)
            case ("v1", *_) if method == "POST":
                body = await _body(receive, MAX_BODY)
                if self._load.level >= _LOG:
                    return self._given_up(Level.LOG)
                return self._answering.unknown_message("/" + "/".join(parts), body)
        return Reply(404)

    async def _registration(
        self, request: Request, device_id: str, pass_type: str, serial: str, receive: Receive
    ) -> Reply:
        if not DEVICE_ID.fullmatch(device_id) or not PASS_TYPE.fullmatch(pass_type):
            return Reply(400)
        if self._load.level >= _REGISTER:
            return self._given_up(Level.REGISTER)
        if request.method == "POST":
            body = await _body(receive, MAX_BODY)
            phone = (pass_type, serial, device_id)
            return await self._answering.register(*phone, request.authorization, body, request.started_at)
        if request.method == "DELETE":
            started_at = request.started_at
            return await self._answering.unregister(pass_type, serial, device_id, request.authorization, started_at)
        return Reply(404)

    async def _ask(self, request: Request, device_id: str, pass_type: str) -> Reply:
        """The list carries no credential: asking for one would stop every update without a word."""
        if not DEVICE_ID.fullmatch(device_id) or not PASS_TYPE.fullmatch(pass_type):
            return Reply(204)
        load = self._load
        if load.level >= _ASK:
            return self._given_up(Level.ASK)
        tag = _tag(request.query)
        load.asking += 1
        try:
            return await self._answering.ask(
                *(pass_type, device_id, tag, request.connection),
                body=request.method == "GET",
                started_at=request.started_at,
            )
        finally:
            load.asking -= 1

    async def _fetch(self, request: Request, receive: Receive, send: Send) -> int:
        """Never given up: the phone has stored its tag already, and tries a fetch only so many times. Whoever went
        meanwhile does not have the pass, and servers drop such an answer without a word.
        """
        fetched = await self._fetched(request)
        if fetched.reply.body and await self._hung_up(receive):
            raise _Gone
        await _send(send, fetched.reply, head=request.method == "HEAD")
        fetched.written()
        return fetched.reply.status

    async def _fetched(self, request: Request) -> Fetched:
        _, _, pass_type, serial = request.parts
        number, counts = self._load.fetch_begins(), True
        try:
            fetched: Fetched = await self._answering.fetch(
                pass_type,
                serial,
                request.authorization,
                request.if_modified_since,
                request.connection,
                body=request.method == "GET",
                started_at=request.started_at,
                user_agent=request.user_agent,
            )
            counts = fetched.reply.status != 401
            return fetched
        finally:
            self._load.fetch_ends(number, counts=counts)

    async def _log(self, receive: Receive, connection: str | None) -> Reply:
        """200 whatever it says: a phone repeats a log call that was not."""
        try:
            body = await _body(receive, MAX_LOG_BODY)
            if self._load.level >= _LOG:
                return self._given_up(Level.LOG)
            return self._answering.testify(body, connection)
        except _TooLarge:
            return Reply(200)

    def _given_up(self, level: Level) -> Reply:
        """What a request gets that there is no time for: 503, after which phones come again by themselves; 200 for what
        is merely recorded.
        """
        self._load.shed[level] += 1
        return _NOT_RECORDED if level is Level.LOG else _COME_AGAIN


def read_request(scope: Scope, connection_header: bytes = b"") -> Request | None:
    """The request in our terms; ``None`` when it cannot be one of Wallet's.

    The path is decoded once, here: servers decode ``path`` themselves and lose an escaped slash. Empty segments are
    dropped, because some wallets glue ``webServiceURL/`` and ``/v1`` together.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    root = scope.get("root_path", "").encode("utf-8", "surrogateescape")
    raw = raw.partition(b"?")[0]
    if root and raw.startswith(root):
        raw = raw[len(root) :]
    parts = _parts(raw)
    if parts is None:
        return None
    query = scope.get("query_string", b"")
    return _request(scope["method"], parts, query, scope["headers"], scope.get("client"), connection_header)


def _request(
    method: str, parts: tuple[str, ...], query: bytes, given: Headers, client: Client, connection_header: bytes
) -> Request | None:
    headers: dict[bytes, str] = {}
    size = 0
    for name, value in given:
        size += len(name) + len(value)
        if name in _READ or name == connection_header:
            headers[name] = value.decode("latin-1")
    if size > MAX_HEADERS:
        return None
    if connection_header:
        named = headers.get(connection_header)
        connection = named if named is not None and _CONNECTION.fullmatch(named) else None
    else:
        connection = _peer(client) if _PROXIED.isdisjoint(headers) else None
    return Request(
        method,
        parts,
        query,
        headers.get(b"authorization"),
        headers.get(b"if-modified-since"),
        connection,
        _started_at(headers.get(b"x-request-start")),
        headers.get(b"user-agent"),
    )


def _peer(client: Client) -> str | None:
    """The connection of the client, by its address; none where a server has put another address in its place."""
    return f"{client[0]}:{client[1]}" if client and client[1] else None


def _started_at(stamp: str | None) -> int | None:
    """``X-Request-Start`` in milliseconds: proxies write seconds with decimals, milliseconds or microseconds."""
    match = _STARTED.fullmatch(stamp) if stamp is not None else None
    if match is None:
        return None
    whole, rest = match[1], match[2] or ""
    digits = {10: whole + rest[:3].ljust(3, "0"), 13: whole, 16: whole[:-3]}.get(len(whole))
    return None if digits is None else int(digits)


def _parts(raw: bytes) -> tuple[str, ...] | None:
    """The decoded segments of a path; ``None`` for one that no phone sends."""
    if len(raw) > MAX_PATH:
        return None
    try:
        if b"%" not in raw and b"\x00" not in raw:
            return tuple([part for part in raw.decode("utf-8").split("/") if part])
        parts = tuple(unquote_to_bytes(part).decode("utf-8") for part in raw.split(b"/") if part)
    except UnicodeDecodeError:
        return None
    return None if any("\x00" in part for part in parts) else parts


def _target(scope: Scope) -> str:
    """Path and query as they came."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    query: bytes = scope.get("query_string", b"")
    return b"?".join([raw.partition(b"?")[0], *([query] if query else [])]).decode("latin-1")


def _is_log(scope: Scope) -> bool:
    """Whether a request that cannot be read is a log call, which is answered 200 whatever it carries."""
    return bool(scope["method"] == "POST" and scope["path"].endswith("/v1/log"))


def route_of(method: str, parts: tuple[str, ...]) -> str:
    """What is asked for, in the words of ``core.metrics.ROUTES``."""
    reads = method in ("GET", "HEAD")
    match parts:
        case ("v1", "devices", _, "registrations", _) if reads:
            return "ask"
        case ("v1", "passes", _, _) if reads:
            return "fetch"
        case ("v1", "devices", _, "registrations", _, _) if method in _TRIP_1:
            return _TRIP_1[method]
        case ("v1", "log") if method == "POST":
            return "log"
        case ("v1", "passes", _, _, "personalize") if method == "POST":
            return "personalize"
    return "other"


def _tag(query: bytes) -> str | None:
    """The tag as sent. Ours needs no decoding; foreign ones do, and mean nothing to us anyway."""
    if query.startswith(b"passesUpdatedSince=v1.") and b"&" not in query and b"%" not in query:
        return query[19:].decode("latin-1")
    try:
        values = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=20) if query else {}
    except ValueError:
        return None
    found = values.get("passesUpdatedSince")
    return found[0] if found else None


class _TooLarge(Exception):
    """The body is larger than any that Wallet sends."""


class _Gone(Exception):
    """The client hung up before its request was whole, or before its answer was."""


async def _body(receive: Receive, limit: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _hung_up(receive: Receive) -> bool:
    """Whether the server knows by now that the client went. It says so by a message, and waits where there is none.

    Through a middleware that passes messages on in a task of its own it is not heard in time: then nobody knows.
    """
    try:
        async with asyncio.timeout(0):
            for _ in range(2):  # what is left of the request comes before that
                if (await receive())["type"] == "http.disconnect":
                    return True
    except TimeoutError:
        pass
    return False


async def _send(send: Send, reply: Reply, *, head: bool = False) -> None:
    headers = [*reply.headers, *_ALWAYS, *_length(reply, head=head)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


def _length(reply: Reply, *, head: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    """Empty 204 and 304 carry no length; everything else says how long it is."""
    if reply.body:
        return ((b"content-length", str(len(reply.body)).encode()),)
    return () if head or reply.status in (204, 304) else _EMPTY


def _nothing() -> None:
    """There is nothing to note."""
