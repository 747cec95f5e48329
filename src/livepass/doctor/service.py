"""Checks of the web service that change nothing there: fetch, ask, and on request a line of the log.

Which answers phones accept: Apple, "Adding a Web Service to Update Passes" and the endpoint pages; where they are
silent, as observed on phones. Anything that phones accept passes, however differently our own service does it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final

from livepass.doctor.package import OF_FILE
from livepass.doctor.result import Outcome, Status, failed, passed, warning, worst
from livepass.doctor.subject import Subject
from livepass.doctor.visit import WRONG, Visit, authorization
from livepass.doctor.wire import USER_AGENT, Reply
from livepass.pkpass import InvalidPackage
from livepass.pkpass.names import MANIFEST

PASS_MEDIA: Final = "application/vnd.apple.pkpass"
TRACES: Final = (b"Traceback (most recent call last)", b"\n    at ", b"&nbsp; &nbsp;at ", b"Stack trace:", b".rb:")
TICK: Final = timedelta(seconds=1.1)
LONG_AGO: Final = "Mon, 01 Jan 2001 00:00:00 GMT"
_MUST_HOLD: Final = ("PKG1", "PKG2", "PKG3", "PKG4", "SIG1", "SIG2", "SIG3", "SIG4", "SIG5", "SIG6", "SIG7")
"""What a served package must pass. A check that cannot be made, because one before failed, says nothing more."""


def handed_out(visit: Visit) -> Outcome:
    reply = visit.fetched()
    if reply.status != 200:
        return failed(f"a fetch with the pass's token is answered {reply.status}", reply.status)
    found = [passed(f"200, {len(reply.body)} bytes")]
    if reply.media_type != PASS_MEDIA:
        found.append(warning("another media type; phones do not look at it here, browsers do", reply.media_type))
    modified = reply.header("Last-Modified")
    if not modified:
        found.append(warning("no Last-Modified: phones log it, and cannot ask for changes only", "missing"))
    elif not _http_date(modified):
        found.append(warning("Last-Modified is no HTTP date; phones echo it, proxies may drop it", modified[:60]))
    return worst(*found)


def right_pass(visit: Visit) -> Outcome:
    served = Subject(visit.fetched().body, visit.subject.roots, visit.now)
    for check in _MUST_HOLD:
        outcome = OF_FILE[check](served)
        if outcome.status is Status.FAILED:
            return failed(f"{check}: {outcome.evidence}", outcome.actual)
    for key in ("passTypeIdentifier", "serialNumber"):
        if served.document.get(key) != visit.subject.document.get(key):
            return failed(f"another {key} than the one asked for", repr(served.document.get(key))[:100])
    found = [passed("the same pass, as phones accept it")]
    for check in ("JSN1", "JSN2", "JSN3", "JSN4", "JSN5", "PKG5"):
        outcome = OF_FILE[check](served)
        if outcome.status is Status.FAILED:
            found.append(failed(f"{check}: {outcome.evidence}", outcome.actual))
    if served.document.get("webServiceURL") != visit.subject.document.get("webServiceURL"):
        found.append(
            warning(
                "another webServiceURL inside: each phone registers there anew", served.document.get("webServiceURL")
            )
        )
    if served.document.get("authenticationToken") != visit.subject.document.get("authenticationToken"):
        found.append(warning("another authenticationToken inside, which Apple says cannot be updated"))
    return worst(*found)


def conditional(visit: Visit) -> Outcome:
    first = visit.fetched()
    modified = first.header("Last-Modified")
    if not modified:
        return warning("without Last-Modified every look is a full download", "missing")
    same = visit.fetch({**visit.token, "If-Modified-Since": modified}).status
    if same == 200:
        again: Outcome = warning("If-Modified-Since is ignored: each look is a full download", "200 instead of 304")
    elif same == 304:
        again = passed("304 for the same Last-Modified")
    else:
        again = failed(f"a fetch with If-Modified-Since is answered {same}", same)
    return worst(again, _older(visit, first, LONG_AGO), *_steady(visit, first, modified))


def _older(visit: Visit, first: Reply, since: str) -> Outcome:
    reply = visit.fetch({**visit.token, "If-Modified-Since": since})
    if reply.status == 304:
        return failed(f"304 for {since}, before the last change: phones never get it", "304 instead of 200")
    if reply.status != 200:
        return failed(f"a fetch with an older If-Modified-Since is answered {reply.status}", reply.status)
    if _manifest(reply) != _manifest(first):
        return warning("another manifest at each fetch, though nothing changed: each counts as a change", "changes")
    return passed(f"200 for {since}")


def _steady(visit: Visit, first: Reply, modified: str) -> list[Outcome]:
    """Whether Last-Modified belongs to the pass: only then a second before it means anything."""
    at, answered = _http_date(modified), _http_date(first.header("Date"))
    if at is None or answered is None or abs(at - answered) <= TICK:
        time.sleep(TICK.total_seconds())  # two answers within a second would have one date in any case
    second = visit.fetch(visit.token).header("Last-Modified")
    if second != modified:
        return [warning("Last-Modified is the time of the answer: a change in the same second is lost", "changes")]
    if at is None:
        return []
    return [_older(visit, first, format_datetime(at - timedelta(seconds=1), usegmt=True))]


def _manifest(reply: Reply) -> bytes:
    try:
        return Subject(reply.body, (), datetime.now(UTC)).files.get(MANIFEST, b"")
    except InvalidPackage:
        return b""


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return at if at.tzinfo is not None else None


def guarded(visit: Visit) -> Outcome:
    return worst(
        refuses("a wrong token", visit.fetch(authorization(WRONG))),
        _keeps("no token", visit.fetch({})),
    )


def refuses(what: str, reply: Reply) -> Outcome:
    """Apple: 401. Anything else is repeated by phones as a fault of the server; a 2xx lets everybody in."""
    if reply.status == 401:
        return passed(f"401 for {what}")
    return failed(f"{what} is answered {reply.status}", f"{reply.status} instead of 401")


def _keeps(what: str, reply: Reply) -> Outcome:
    """No phone comes without a token, so any refusal will do."""
    if 200 <= reply.status < 400:
        return failed(f"{what} is answered {reply.status}", reply.status)
    return passed(f"{reply.status} for {what}")


def head(visit: Visit) -> Outcome:
    status = visit.fetch(visit.token, "HEAD").status
    if status == 405 or status >= 500:
        return warning(f"HEAD is answered {status}", status)
    return passed(f"HEAD is answered {status}")


def open_ask(visit: Visit) -> Outcome:
    reply = visit.stranger()
    if reply.status in (204, 404):
        return passed(f"an unknown device is answered {reply.status}")
    if reply.status == 401:
        return failed("an ask without Authorization is answered 401, and no phone sends one", 401)
    if reply.status == 400:
        return warning("400: for an unknown device, or because there is no tag? Phones have none at first", 400)
    if reply.status != 200:
        return failed(f"an ask of an unknown device is answered {reply.status}", reply.status)
    told = as_told(reply)
    if isinstance(told, Outcome):
        return told
    if told["serialNumbers"]:
        return failed(f"an unknown device is told {len(told['serialNumbers'])} serial numbers of others")
    return passed("an unknown device is answered 200 with an empty list")


def as_told(reply: Reply) -> Outcome | dict[str, Any]:
    """An answer to an ask in the shape that phones demand, or what is wrong with it."""
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return failed("the answer to an ask is not JSON", reply.media_type or "no media type")
    if not isinstance(found, dict):
        return failed("the answer to an ask is no JSON object", type(found).__name__)
    listed, tag = found.get("serialNumbers"), found.get("lastUpdated")
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        return failed("serialNumbers is no list of strings", json.dumps(listed)[:100])
    if tag is not None and not isinstance(tag, str):
        kind = "a number" if isinstance(tag, int | float) else f"a JSON {type(tag).__name__}"
        return failed(f"lastUpdated is {kind} ({json.dumps(tag)[:60]}), and phones take a string only", tag)
    return found


def heard(visit: Visit) -> Outcome:
    status = visit.complain(f"{USER_AGENT} looks whether this is kept").status
    return (
        passed("200") if status == 200 else failed(f"POST /v1/log is answered {status}; phones take 200 only", status)
    )


def unknown_pass(visit: Visit) -> Outcome:
    reply = visit.link.call("GET", visit.nowhere_target, authorization(WRONG))
    if any(trace in reply.body[:200_000] for trace in TRACES):
        return failed(f"an unknown serial is answered {reply.status} with a stack trace", reply.status)
    if reply.status >= 500:
        return failed(f"an unknown serial is answered {reply.status}", reply.status)
    if reply.status < 400:
        return failed(f"an unknown serial with a made-up token is answered {reply.status}", reply.status)
    return passed(f"{reply.status} for an unknown serial")


OF_SERVICE: Final[Mapping[str, Callable[[Visit], Outcome]]] = {
    "WS1": handed_out,
    "WS2": right_pass,
    "WS3": conditional,
    "WS4": guarded,
    "WS5": head,
    "WS6": open_ask,
    "WS7": heard,
    "WS12": unknown_pass,
}
