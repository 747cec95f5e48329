"""The issuer API under ``/api/v1``: who calls, what they may do, what they sent; then the operation; then the answer.

Whatever goes wrong is answered as a problem, with an id that also stands in the log.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from collections.abc import AsyncGenerator, Mapping

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from livepass.core.shedding import Level
from livepass.service.access import TENANT_HEADER, Access, Caller
from livepass.service.admitting import Admitting
from livepass.service.apns_keys import ApnsKeys
from livepass.service.explaining import Explaining
from livepass.service.holders import Holders
from livepass.service.idempotency import Idempotency
from livepass.service.imports import Imports
from livepass.service.issuing import Issuing
from livepass.service.past import Past
from livepass.service.preconditions import Precondition, precondition
from livepass.service.pressure import Load
from livepass.service.publishing import Publishing
from livepass.service.rates import Rates
from livepass.service.refusals import Refusal
from livepass.service.rotating import Rotating
from livepass.service.seams import Clock, Store
from livepass.service.sharing import Sharing
from livepass.service.showing import Showing
from livepass.service.tenants import Tenants
from livepass.service.watching import Watching
from livepass.service.webhooks import Webhooks
from livepass.web import (
    issuer_admin,
    issuer_apns_keys,
    issuer_batch,
    issuer_bundle,
    issuer_certificates,
    issuer_enrolments,
    issuer_holders,
    issuer_imports,
    issuer_lists,
    issuer_passes,
    issuer_previews,
    issuer_rotation,
    issuer_sharing,
    issuer_signing,
    issuer_tenants,
    issuer_versions,
    issuer_watch,
    issuer_webhooks,
    openapi,
    problems,
    request_ids,
)
from livepass.web import once as once_
from livepass.web.bodies import body_of, query_of, segments_of
from livepass.web.joined import Joined
from livepass.web.operations import BASE, JSON, Answer, Call, Operation, Routes, Services
from livepass.web.phone import Receive, Scope, Send
from livepass.web.traced import ROUTE

log = logging.getLogger(__name__)

NOBODY = Caller("nobody", "", frozenset(), ())

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PREFIX = tuple(BASE.strip("/").split("/"))
_ALWAYS = {
    # Answers hold people's data and, once, a key: nothing between here and the caller may keep them.
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
}


async def describe(call: Call) -> Answer:
    """This document."""
    return Answer(200, DOCUMENT)


_DESCRIBE = Operation(
    "GET", "/openapi.json", "getOpenapi", "This API as OpenAPI 3.1", describe, (), {200: JSON}, group="meta"
)
OPERATIONS = (
    *issuer_passes.OPERATIONS,
    *issuer_sharing.OPERATIONS,
    *issuer_batch.OPERATIONS,
    *issuer_bundle.OPERATIONS,
    *issuer_imports.OPERATIONS,
    *issuer_lists.OPERATIONS,
    *issuer_enrolments.OPERATIONS,
    *issuer_holders.OPERATIONS,
    *issuer_certificates.OPERATIONS,
    *issuer_admin.OPERATIONS,
    *issuer_rotation.OPERATIONS,
    *issuer_apns_keys.OPERATIONS,
    *issuer_signing.OPERATIONS,
    *issuer_tenants.OPERATIONS,
    *issuer_watch.OPERATIONS,
    *issuer_webhooks.OPERATIONS,
    *issuer_previews.OPERATIONS,
    *issuer_versions.OPERATIONS,
    _DESCRIBE,
)
DOCUMENT = openapi.document(OPERATIONS)


class IssuerApp:
    """An ASGI application; it needs no lifespan. Paths begin with ``/api/v1``."""

    def __init__(
        self,
        store: Store,
        access: Access,
        issuing: Issuing,
        publishing: Publishing,
        admitting: Admitting,
        rotating: Rotating,
        clock: Clock,
        load: Load | None = None,
        *,
        apns_keys: ApnsKeys,
        watching: Watching,
        sharing: Sharing,
        webhooks: Webhooks,
        rates: Rates | None = None,
    ) -> None:
        self._load = load or Load(clock)
        self._rates = rates or Rates(clock)
        holders = Holders(store, issuing.enrolments, clock)
        explaining = Explaining(store, clock, issuing.web_service_url, issuing.other_urls)
        parts = (store, access, issuing, publishing, admitting, rotating, clock, self._load, explaining)
        more = (Showing(store, issuing.builder), Past(store, issuing.builder), Tenants(store, clock), holders, webhooks)
        imports = Imports(store, issuing.builder, clock, issuing.chance)
        self.services = Services(*parts, apns_keys, watching, sharing, *more, imports, Joined(issuing))
        self._routes = Routes(OPERATIONS)
        self._idempotency = Idempotency(store, clock, issuing.chance)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        request_id = _request_id(request)
        logged = request_ids.begin(request_id)
        try:
            await self._reply(request, request_id, scope, receive, send)
        finally:
            request_ids.end(logged)

    async def _reply(self, request: Request, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answered(request, request_id)
        except ClientDisconnect:
            return
        if request.method not in ("GET", "HEAD"):
            # Neither address nor body: they name people.
            log.info("request %s: %s: %d", request_id, getattr(request.state, "wants", "refused"), answer.status)
        if answer.pieces is not None:
            await _send_pieces(answer, answer.pieces, request_id, send)
        else:
            await _response(request, answer, request_id)(scope, receive, send)

    async def _answered(self, request: Request, request_id: str) -> Answer:
        try:
            return await self._answer(request, request_id)
        except ClientDisconnect:
            raise
        except Exception as error:
            return _problem(problems.of_error(error, request_id), request_id)

    async def _answer(self, request: Request, request_id: str) -> Answer:
        segments = segments_of(request.scope)
        if segments[: len(_PREFIX)] != _PREFIX:
            raise problems.NoRoute("there is nothing at this address", hint=f"the API is under {BASE}")
        operation, path = self._routes.find(request.method, segments[len(_PREFIX) :])
        request.scope[ROUTE] = BASE + operation.path
        if self._load.level >= Level.READ and operation.reads and operation.scopes:
            self._load.shed[Level.READ] += 1
            raise problems.overloaded()
        caller = await self._caller(request, operation)
        request.state.wants = f"{operation.name} by {caller.name}"
        query = query_of(request.scope.get("query_string", b""), operation.query)
        body = None if operation.body is None else await body_of(request, operation.body)
        only_if = _condition(request, operation)
        call = Call(self.services, caller, path, query, body, request, request_id, only_if)
        return await once_.carry_out(self._idempotency, operation, call)

    async def _caller(self, request: Request, operation: Operation) -> Caller:
        if not operation.scopes:
            return NOBODY
        caller = await self.services.access.authenticate(
            request.headers.get("authorization"), request.headers.get(TENANT_HEADER)
        )
        if caller is None:
            raise problems.Unauthenticated(
                "this request carries no API key that we know",
                hint="send Authorization: Bearer KEY; livepass key create makes one",
            )
        self._rates.take(caller)
        caller.require(*operation.scopes)
        return caller


def _condition(request: Request, operation: Operation) -> Precondition:
    """What an unsafe request depends on. A condition that cannot be heeded is refused: passed over, it would write."""
    if operation.method == "GET":
        return Precondition()
    found = precondition(request.headers.get("if-match"), request.headers.get("if-none-match"))
    if found and not operation.conditional:
        raise Refusal(
            "this call heeds neither If-Match nor If-None-Match",
            hint="leave them out: PUT, PATCH and DELETE of a pass heed them",
            code="precondition",
        )
    return found


def _request_id(request: Request) -> str:
    """The caller's own id where it is harmless, so that one id names a request from end to end."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"


def _problem(refusal: Refusal, request_id: str) -> Answer:
    body = problems.problem(refusal, request_id)
    return Answer(refusal.status, body, problems.MEDIA_TYPE, problems.headers_of(refusal))


async def _send_pieces(answer: Answer, pieces: AsyncGenerator[bytes, None], request_id: str, send: Send) -> None:
    headers = {**_ALWAYS, **answer.headers, "content-type": answer.media, "x-request-id": request_id}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    async with contextlib.aclosing(pieces) as sending:
        async for piece in sending:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _response(request: Request, answer: Answer, request_id: str) -> Response:
    headers: Mapping[str, str] = {**_ALWAYS, **answer.headers, "x-request-id": request_id}
    if answer.body is None:
        return Response(None, answer.status, headers)
    data = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    if request.method == "HEAD":
        return Response(
            None, answer.status, {**headers, "content-type": answer.media, "content-length": str(len(data))}
        )
    return Response(data, answer.status, {**headers, "content-type": answer.media})
