"""A phone's requests, read from what was noted of each: how it asked, what it got, what phones do next, as observed.

Nothing is recorded for this: it is the diary, seen from the wire. A token is in none of it. What a phone does next was
observed by others or is taken to be so, never documented by Apple: ``assumed`` names what (``livepass phone quirks``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from livepass.core.frozen import frozen
from livepass.core.misdirected import DOUBLED
from livepass.core.timeline import Event, Kind
from livepass.core.trip3_fetch import Evidence

PHONE = "…"
"""Stands in a path for the device id."""

RETRIES = "tries again, with growing waits, until it gives up"
WAITS = "nothing until the next push, or until somebody pulls to refresh"


@frozen
class Next:
    """What a phone does after an answer, and the assumptions that this rests on, by name."""

    says: str
    assumed: tuple[str, ...] = ()


@frozen
class Request:
    """One request. ``asked_with``: what it said beside its path; ``size``: bytes of the answer, where noted.

    ``certain``: whether the request named this phone. A fetch names none.
    """

    at: int
    kind: Kind
    method: str
    path: str
    status: int | None
    asked_with: tuple[str, ...]
    size: int | None
    certain: bool
    next: Next


def request_of(event: Event) -> Request | None:
    """The request that an event was noted of; ``None``: it was none."""
    shape = _SHAPES.get(event.kind)
    if shape is None:
        return None
    method, path = shape
    status, size = event.detail.get("status", _STATUS.get(event.kind)), event.detail.get("bytes")
    return Request(
        event.at,
        event.kind,
        method,
        path(event),
        status if isinstance(status, int) else None,
        _asked_with(event),
        size if isinstance(size, int) else None,
        event.kind not in _FETCHES or event.detail.get("evidence") == Evidence.SAME_CONNECTION.value,
        _next(event, status),
    )


def _registrations(event: Event) -> str:
    end = f"/{event.serial}" if event.serial is not None else ""
    return f"{_root(event)}/devices/{PHONE}/registrations/{event.pass_type}{end}"


def _pass(event: Event) -> str:
    return f"{_root(event)}/passes/{event.pass_type}/{event.serial}"


def _root(event: Event) -> str:
    return "/v1/v1" if event.detail.get("reason") == DOUBLED else "/v1"


_SHAPES: Mapping[Kind, tuple[str, Callable[[Event], str]]] = {
    Kind.REGISTERED: ("POST", _registrations),
    Kind.TOKEN_CHANGED: ("POST", _registrations),
    Kind.REGISTRATION_REFRESHED: ("POST", _registrations),
    Kind.REGISTRATION_REFUSED: ("POST", _registrations),
    Kind.UNREGISTERED: ("DELETE", _registrations),
    Kind.UNREGISTER_REFUSED: ("DELETE", _registrations),
    Kind.ASKED: ("GET", _registrations),
    Kind.ASKED_UNKNOWN: ("GET", _registrations),
    Kind.ASK_REFUSED: ("GET", _registrations),
    Kind.FETCHED: ("GET", _pass),
    Kind.FETCH_REFUSED: ("GET", _pass),
    Kind.FETCH_FAILED: ("GET", _pass),
}
_FETCHES = (Kind.FETCHED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED)
_STATUS: Mapping[Kind, int] = {Kind.UNREGISTERED: 200}


def _asked_with(event: Event) -> tuple[str, ...]:
    if event.kind in (Kind.ASKED, Kind.ASKED_UNKNOWN):
        tag = event.detail.get("tag")
        return (f"passesUpdatedSince={tag}",) if tag else ("no passesUpdatedSince",)
    if event.kind is Kind.FETCHED:
        return ("If-Modified-Since",) if event.detail.get("conditional") else ("no If-Modified-Since",)
    return ()


_TRIED_AGAIN = Next(RETRIES, ("backoff-schedule",))
_TRIED_AGAIN_401 = Next(RETRIES, ("unauthorized-is-retried", "backoff-schedule"))


def _next(event: Event, status: object) -> Next:
    if status == 401:
        return _TRIED_AGAIN_401
    if event.kind is Kind.ASKED and status == 200:
        return Next("fetches what the list names; it holds the new tag already", ("tag-stored-before-download",))
    if event.kind in (Kind.UNREGISTERED, Kind.UNREGISTER_REFUSED) and status == 200:
        return Next("nothing: to the phone this pass is no longer followed", ("success-is-200-or-201",))
    if status == 201:
        return Next("asks or fetches once, then waits for a push", ("second-pass-fetches-directly",))
    if status in (200, 204, 304):
        return Next(WAITS)
    return _TRIED_AGAIN
