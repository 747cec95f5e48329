"""Errors as RFC 9457 problems: what happened, where in the request, and what to do about it.

``title`` says what kind of thing went wrong and is always the same for a code; ``detail`` is about this request.
"""

from __future__ import annotations

import logging
import re
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from http import HTTPStatus

import msgspec

from livepass.core.shedding import RETRY_AFTER_SECONDS
from livepass.core.unavailable import Unavailable
from livepass.manual import of_finding
from livepass.service.rates import TooOften
from livepass.service.refusals import Fault, NotFound, Refusal, TooLarge

if typing.TYPE_CHECKING:
    from livepass.pkpass import PkpassError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[str, str] = {
    "apns_key_closed": "This APNs key cannot be opened",
    "apns_key_refused": "This APNs key cannot push",
    "apns_not_asked": "APNs did not answer for this APNs key",
    "busy": "Others are changing the same thing",
    "cannot_build": "This pass cannot be built now",
    "certificate_refused": "This certificate cannot sign passes",
    "conflict": "This clashes with what is there",
    "cursor": "This cursor is not one of ours",
    "document": "This cannot be written as a pass.json",
    "forbidden": "This API key may not do that",
    "foreign_pass_type": "This API key is for other pass types",
    "foreign_tenant": "This API key is one tenant's",
    "idempotency_in_progress": "The same request is under way",
    "idempotency_key": "This Idempotency-Key cannot be used",
    "idempotency_key_used": "This Idempotency-Key belongs to another request",
    "idempotency_refused": "This call takes no Idempotency-Key",
    "identity": "The template names another pass",
    "in_use": "This is in use",
    "internal": "livepass failed; this is not your request's fault",
    "invalid": "The request is not valid",
    "lint": "Wallet would refuse this pass",
    "malformed": "The request cannot be read",
    "method_not_allowed": "This address does not do that",
    "missing_scope": "This API key lacks a scope",
    "no_apns_key": "There is no such APNs key",
    "nfc_lost": "This certificate can do less than the live one",
    "no_certificate": "No certificate is live for this pass type",
    "no_key": "The private key of this certificate is not here",
    "no_revision": "There is no such revision",
    "no_route": "There is nothing at this address",
    "no_template": "There is no such template",
    "no_tenant": "There is no such tenant",
    "not_found": "There is no such thing",
    "overloaded": "Phones come first now",
    "package": "The file cannot be used",
    "rate_limited": "Too many requests at once",
    "precondition": "The condition of this request cannot be heeded",
    "precondition_failed": "It is another version than the one you named",
    "retired": "This is out of use",
    "revoked": "This certificate was revoked",
    "signing_request": "No signing request can be made of this",
    "stopping": "This process is about to end",
    "template": "This is not a usable template",
    "template_data": "The data does not fit the template",
    "tenant_not_empty": "This tenant is not empty",
    "too_large": "That is more than one call may hold",
    "unauthenticated": "An API key is needed",
    "unavailable": "The database cannot answer now",
    "unknown_field": "The request has a field that we do not know",
    "unproven": "This certificate could not sign a sample",
    "unsupported_media_type": "The body is of another kind than this call takes",
    "wrong_environment": "This APNs key is for Apple's other environment",
    "wrong_team": "This credential belongs to another team",
    "wrong_topic": "This APNs key is limited to other topics",
}


class ProblemError(msgspec.Struct, frozen=True):
    """One thing wrong. `pointer` is a JSON pointer into the body, or `?name` for a query parameter."""

    pointer: str
    message: str
    remedy: str
    rule: str


PAGES: Mapping[str, str] = {"cannot_build": "LP358", "no_certificate": "LP501"}
"""The finding whose page explains a code."""


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457 problem details. `docs`, where there is one, is the path of a page about it on this service."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    errors: list[ProblemError]
    request_id: str | msgspec.UnsetType = msgspec.UNSET
    docs: str | msgspec.UnsetType = msgspec.UNSET


class Malformed(Refusal):
    """Bytes that are not what they claim to be."""

    status = 400
    code = "malformed"


class Unauthenticated(Refusal):
    """No key, an unknown one, or one that was revoked."""

    status = 401
    code = "unauthenticated"


class UnsupportedMedia(Refusal):
    """A body of a kind that the operation does not take."""

    status = 415
    code = "unsupported_media_type"


class NoRoute(NotFound):
    """An address that nothing answers at."""

    code = "no_route"


class MethodNotAllowed(Refusal):
    """An address that answers other methods."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not possible here", hint=f"this address answers {', '.join(allowed)}")
        self.allowed = tuple(allowed)


def too_large(limit: int, hint: str) -> TooLarge:
    """A body over its bound."""
    return TooLarge(f"the body is larger than {limit // 1024} KiB", hint=hint)


def problem(refusal: Refusal, request_id: str | msgspec.UnsetType = msgspec.UNSET) -> Problem:
    """A refusal as the caller gets it."""
    return Problem(
        type=f"urn:livepass:problem:{refusal.code}",
        title=TITLES.get(refusal.code) or HTTPStatus(refusal.status).phrase,
        status=refusal.status,
        code=refusal.code,
        detail=refusal.title,
        hint=refusal.hint,
        errors=[error_of(fault) for fault in refusal.faults],
        request_id=request_id,
        docs=of_finding(PAGES[refusal.code]) if refusal.code in PAGES else msgspec.UNSET,
    )


def error_of(fault: Fault) -> ProblemError:
    return ProblemError(fault.pointer, fault.message, fault.remedy, fault.rule)


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Headers that a status demands."""
    if isinstance(refusal, Unauthenticated):
        return {"www-authenticate": 'Bearer realm="livepass"'}
    if isinstance(refusal, MethodNotAllowed):
        return {"allow": ", ".join(refusal.allowed)}
    if isinstance(refusal, TooOften):
        return {"retry-after": str(refusal.seconds)}
    if refusal.code == "idempotency_in_progress":
        return {"retry-after": "1"}
    if refusal.status == 503:
        return {"retry-after": str(RETRY_AFTER_SECONDS) if refusal.code == "overloaded" else "5"}
    return {}


def internal() -> Refusal:
    """Something broke in here. What, stands in the log under the request's id, and nowhere else."""
    refusal = Refusal(
        "something failed while answering", hint="look for request_id in the service's log", code="internal"
    )
    refusal.status = 500
    return refusal


def unavailable() -> Refusal:
    """The database cannot answer now; nothing was acknowledged."""
    refusal = Refusal("the database cannot be reached or is too busy", hint=Unavailable.hint, code="unavailable")
    refusal.status = 503
    return refusal


def overloaded() -> Refusal:
    """There is more to do than can be done: reading waits, changes are taken."""
    refusal = Refusal(
        "this process answers phones first at the moment, and no lists",
        hint="read again in a minute; changes are taken meanwhile, and /readyz says when it is over",
        code="overloaded",
    )
    refusal.status = 503
    return refusal


def stopping() -> Refusal:
    """The process ends and does not begin anything long."""
    refusal = Refusal("this process is about to end", hint="send the rest again: another one takes it", code="stopping")
    refusal.status = 503
    return refusal


def of_error(error: Exception, request_id: str) -> Refusal:
    """Whatever went wrong, as the caller may know it. What is not the caller's fault goes to the log."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Unavailable):
        log.warning("request %s: %s", request_id, error)
        return unavailable()
    from livepass.pkpass import PkpassError  # here, because it brings cryptography along

    if isinstance(error, PkpassError):
        return of_package(error)
    log.error("request %s failed", request_id, exc_info=error)
    return internal()


def of_package(error: PkpassError) -> Refusal:
    """What ``livepass.pkpass`` refused, where no use case put it into words."""
    return Refusal(error.reason, hint=error.hint, code="package")


# ── what msgspec says, in our words

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")


def invalid(error: msgspec.ValidationError, struct: type[msgspec.Struct], *, query: bool = False) -> Refusal:
    """A body (or query) that is readable and not of its type, with a pointer to the place."""
    parts = _MESSAGE.fullmatch(str(error))
    what, path = (parts["what"], parts["path"] or "") if parts else (str(error), "")
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        return _unknown_field(unknown["name"], struct, query)
    named = path.partition("[...]")[0]  # some key of an object, which msgspec does not name
    steps = [step["name"] or step["index"] for step in _STEP.finditer(named)]
    pointer = _pointer(steps, query)
    fault = Fault(pointer, what, _allowed(struct, steps), "type")
    where = f" at {pointer}" if pointer else ""
    return Refusal(f"{what}{where}", hint=fault.remedy or "the API's fields: /api/v1/openapi.json", faults=[fault])


def _unknown_field(name: str, struct: type[msgspec.Struct], query: bool) -> Refusal:
    hint = _nearest(name[:100], struct.__struct_fields__)
    kind = "query parameter" if query else "field"
    fault = Fault(_pointer([name], query), f"is not a {kind} of this call", hint, "unknown-field")
    return Refusal(f"{name[:100]!r} is not a {kind} of this call", hint=hint, faults=[fault], code="unknown_field")


@lru_cache(1024)
def _nearest(name: str, known: tuple[str, ...]) -> str:
    """Looked for once: in a batch the same mistake stands on every line."""
    close = get_close_matches(name, known, 1, 0.5)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known) or 'nothing'}"


def _pointer(steps: Sequence[str], query: bool) -> str:
    if query:
        return f"?{steps[0]}" if steps else ""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _allowed(struct: type[msgspec.Struct], steps: Sequence[str]) -> str:
    """The values of a field that takes only some."""
    field = _fields(struct).get(steps[0]) if steps else None
    values = _literals(field)
    return f"one of {', '.join(values)}" if values else ""


@lru_cache(64)
def _fields(struct: type[msgspec.Struct]) -> Mapping[str, object]:
    return typing.get_type_hints(struct)


def _literals(kind: object) -> list[str]:
    if typing.get_origin(kind) is typing.Literal:
        return [str(value) for value in typing.get_args(kind)]
    return [value for each in typing.get_args(kind) for value in _literals(each)]
