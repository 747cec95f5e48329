"""What an operation of the issuer API is: one row that routing, checking and the OpenAPI document are made from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request

from livepass.service.access import Access, Caller, Scope
from livepass.service.admitting import Admitting
from livepass.service.apns_keys import ApnsKeys
from livepass.service.explaining import Explaining
from livepass.service.holders import Holders
from livepass.service.idempotency import Once
from livepass.service.imports import Imports
from livepass.service.issuing import Issuing
from livepass.service.past import Past
from livepass.service.preconditions import WHATEVER, Precondition
from livepass.service.pressure import Load
from livepass.service.publishing import Publishing
from livepass.service.refusals import no_pass
from livepass.service.rotating import Rotating
from livepass.service.seams import Clock, Store
from livepass.service.sharing import Sharing
from livepass.service.showing import Showing
from livepass.service.tenants import Tenants
from livepass.service.watching import Watching
from livepass.service.webhooks import Webhooks
from livepass.web.issuer_requests import NoQuery
from livepass.web.joined import Joined
from livepass.web.problems import MethodNotAllowed, NoRoute

BASE = "/api/v1"
JSON = "application/json"
NDJSON = "application/x-ndjson"
PKPASS = "application/vnd.apple.pkpass"
PKPASSES = "application/vnd.apple.pkpasses"
ZIP = "application/zip"

MIB = 1 << 20
LARGEST_UPLOAD = 16 * MIB
BUNDLES_AT_ONCE = 2
"""In the making, each of up to a hundred megabytes; others wait their turn."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the operations work with."""

    store: Store
    access: Access
    issuing: Issuing
    publishing: Publishing
    admitting: Admitting
    rotating: Rotating
    clock: Clock
    load: Load
    explaining: Explaining
    apns_keys: ApnsKeys
    watching: Watching
    sharing: Sharing
    showing: Showing
    past: Past
    tenants: Tenants
    holders: Holders
    webhooks: Webhooks
    imports: Imports
    joined: Joined
    bundles: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BUNDLES_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be carried out: its caller is known, its query and body are of the operation's types."""

    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Any
    body: Any
    request: Request
    request_id: str
    only_if: Precondition = WHATEVER
    once: Once | None = None
    """Where it carries an ``Idempotency-Key``."""

    def named_pass(self) -> tuple[str, str]:
        """The pass of the path; one that the caller may not see is answered like one that is not there."""
        pass_type, serial = self.path["type"], self.path["serial"]
        if not self.caller.sees(pass_type):
            raise no_pass(pass_type, serial)
        return pass_type, serial


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body: a struct (JSON), bytes of some kind, or nothing; or ``pieces``, sent as they come."""

    status: int
    body: msgspec.Struct | bytes | None = None
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: AsyncGenerator[bytes, None] | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What an operation takes: the media types, the bound in bytes, and the type it is decoded to.

    Without a ``struct`` the handler gets bytes; ``stream`` leaves the reading, and the bound, to the handler.
    """

    media: tuple[str, ...]
    limit: int
    struct: type[msgspec.Struct] | None = None
    stream: bool = False
    too_large: str = "send less at once"
    decoder: msgspec.json.Decoder[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoder", msgspec.json.Decoder(self.struct or Any))


def json_body(struct: type[msgspec.Struct], limit: int = MIB, also: Sequence[str] = ()) -> Body:
    """A JSON body of one type."""
    return Body((JSON, *also), limit, struct)


@dataclass(frozen=True, slots=True)
class Lines:
    """An answer of many lines, each one of these."""

    structs: tuple[type[msgspec.Struct], ...]


@dataclass(frozen=True, slots=True)
class Media:
    """An answer of bytes in one of these media types, as the caller asks."""

    types: tuple[str, ...]


Carried = tuple[type[msgspec.Struct], ...] | Lines | Media | str | None
"""What an answer carries: one of these structs, lines, bytes of a media type (or of one of several), or nothing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address. ``scopes``: any of them will do; none at all: no key is asked for.

    ``no_key``: why it takes no ``Idempotency-Key``; ``conditional``: it heeds ``If-Match`` and ``If-None-Match``.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[Call], Awaitable[Answer]]
    scopes: tuple[Scope, ...]
    answers: Mapping[int, Carried]
    query: type[msgspec.Struct] = NoQuery
    body: Body | None = None
    group: str = "passes"
    no_key: str = ""
    conditional: bool = False

    @property
    def reads(self) -> bool:
        """Whether it changes nothing: it waits where there is more to do than can be done."""
        return self.method == "GET" or all(scope.endswith(":read") for scope in self.scopes)


Segments = tuple[str, ...]


class Routes:
    """Finds the operation of a request. Works on the segments of the path, so that an escaped slash stays inside."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._by_length: dict[int, list[tuple[Segments, Operation]]] = {}
        for operation in operations:
            pattern = tuple(operation.path.strip("/").split("/"))
            self._by_length.setdefault(len(pattern), []).append((pattern, operation))
        for candidates in self._by_length.values():
            candidates.sort(key=lambda candidate: candidate[0][-1].endswith("}"))

    def find(self, method: str, segments: Segments) -> tuple[Operation, dict[str, str]]:
        """The operation and what its path names. Raises ``NoRoute``, ``MethodNotAllowed``.

        ``…/1:push`` is the verb of the pass 1 and never a pass called ``1:push``: the first pattern that fits decides.
        """
        allowed: set[str] = set()
        first: Segments | None = None
        for pattern, operation in self._by_length.get(len(segments), ()):
            named = _match(pattern, segments) if first in (None, pattern) else None
            if named is None:
                continue
            first = pattern
            if operation.method == method or (method == "HEAD" and operation.method == "GET"):
                return operation, named
            allowed.update({"GET", "HEAD"} if operation.method == "GET" else {operation.method})
        if allowed:
            raise MethodNotAllowed(method, sorted(allowed))
        raise NoRoute("there is nothing at this address", hint=f"{BASE}/openapi.json lists every address")


def _match(pattern: Segments, segments: Segments) -> dict[str, str] | None:
    named: dict[str, str] = {}
    for expected, given in zip(pattern, segments, strict=True):
        if not expected.startswith("{"):
            if expected != given:
                return None
            continue
        name, _, suffix = expected[1:].partition("}")
        if not given.endswith(suffix) or len(given) == len(suffix):
            return None
        named[name] = given.removesuffix(suffix)
    return named
