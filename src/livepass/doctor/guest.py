"""Checks that need a fake device at the service: register, ask, tags, unregister. ``Visit.leave`` always ends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from livepass.doctor.result import Outcome, Status, failed, passed, warning, worst
from livepass.doctor.service import as_told, refuses
from livepass.doctor.visit import WRONG, Visit, authorization, serials
from livepass.doctor.wire import Reply

ACCEPTED: Final = frozenset({200, 201})
"""What phones take for register and unregister alike (observed); Apple's pages name 200 and 201."""
RAW: Final = frozenset("+&=;")
"""What phones do not escape in a tag (observed), and servers take for something else."""
FOREIGN: Final = "livepass-doctor"


def registers(visit: Visit) -> Outcome:
    wrong = refuses("registering with a wrong token", visit.register(authorization(WRONG)))
    first, again = visit.register(visit.token).status, visit.register(visit.token).status
    found = [wrong, passed(f"registering is answered {first}, and {again} when repeated")]
    if first not in ACCEPTED:
        found.append(failed(f"registering is answered {first}; phones take 200 and 201 only", first))
    elif again not in ACCEPTED:
        found.append(failed(f"registering again is answered {again}; phones take 200 and 201 only", again))
    return worst(*found)


def is_told(visit: Visit) -> Outcome:
    serial = visit.subject.text("serialNumber")
    reply = visit.ask()
    if reply.status == 204:
        return failed("a phone without a tag is answered 204: it never gets a tag, and is never told this pass", 204)
    if reply.status != 200:
        return failed(f"the ask of a registered phone is answered {reply.status}", reply.status)
    told = as_told(reply)
    if isinstance(told, Outcome):
        return told
    if serial not in told["serialNumbers"]:
        return failed("a phone without a tag is not told the pass it registered", told["serialNumbers"][:3])
    found = [passed("told the pass, and a tag")]
    if set(told["serialNumbers"]) != {serial}:
        found.append(warning("told passes that it did not register; phones log each of them"))
    tag = told.get("lastUpdated")
    if tag is None:
        return worst(*found, warning("lastUpdated is missing: phones are told everything, each time", "missing"))
    again = _repeated(visit.ask(tag), tag, serial)
    if again.status is not Status.PASSED and RAW.intersection(tag):
        # Phones leave + & = as they are, and servers read + as a space.
        escaped = visit.link.call("GET", f"{visit.device_target}?passesUpdatedSince={quote(tag, safe='')}", {})
        if _repeated(escaped, tag, serial).status is Status.PASSED:
            again = replace(again, evidence=f"{again.evidence}; it misreads {tag[:40]!r}, written as phones write it")
    return worst(*found, again)


def _repeated(reply: Reply, tag: str, serial: str) -> Outcome:
    """The same phone comes back with the tag it was just given."""
    if reply.status == 204:
        return passed("204 for that tag")
    if reply.status != 200:
        return failed(f"asked with its own tag {tag[:60]!r}, it answers {reply.status}", reply.status)
    told = as_told(reply)
    if isinstance(told, Outcome):
        return told
    if serial not in told["serialNumbers"]:
        return passed("an empty list for that tag")
    same = "the same tag" if told.get("lastUpdated") == tag else "another tag"
    return warning(f"told the same pass again for its own tag, with {same}: a fetch for nothing at each ask")


def hides_nothing(visit: Visit) -> Outcome:
    told = as_told(visit.ask())
    tag = told.get("lastUpdated") if isinstance(told, dict) else None
    found = [_shown("an empty tag", visit, ""), _shown("a tag of another service", visit, FOREIGN)]
    ahead = _ahead(tag) if isinstance(tag, str) else None
    if ahead is not None:
        found.append(_shown(f"a tag of the future ({ahead})", visit, ahead))
    return worst(*found)


def _shown(what: str, visit: Visit, tag: str) -> Outcome:
    reply = visit.ask(tag)
    if visit.subject.text("serialNumber") in serials(reply):
        return passed(f"the pass is listed for {what}")
    if reply.status in (200, 204):
        return warning(f"{what} hides the pass", f"{reply.status} for {what}")
    return warning(f"{what} is answered {reply.status}", f"{reply.status} for {what}")


def _ahead(tag: str) -> str | None:
    """A later tag of the same form, where the form shows: a number or an ISO date."""
    if tag.isdecimal() and tag.isascii() and len(tag) < 30:
        return str(int(tag) + 10**9)
    try:
        at = datetime.fromisoformat(tag)
        return at.replace(year=at.year + 10, day=min(at.day, 28)).isoformat()
    except ValueError:
        return None


def unregisters(visit: Visit) -> Outcome:
    wrong = refuses("unregistering with a wrong token", visit.unregister(authorization(WRONG)))
    first = visit.unregister(visit.token).status
    if first not in ACCEPTED and first != 204:
        return worst(wrong, failed(f"unregistering is answered {first}; phones take 200 only", first))
    found = [wrong, passed(f"unregistering is answered {first}")]
    if first == 204:
        found.append(warning("unregistering is answered 204, and phones take 200 only: they log and repeat it", 204))
    listed = visit.subject.text("serialNumber") in serials(visit.ask())
    again = visit.unregister(visit.token).status
    if again not in ACCEPTED and again != first:
        found.append(warning(f"unregistering again is answered {again}; phones take 200 only", again))
    back = visit.register(visit.token).status
    if back not in ACCEPTED:
        found.append(failed(f"registering anew is answered {back}", back))
    if listed:
        found.append(_still_listed(back))
    return worst(*found)


def _still_listed(back: int) -> Outcome:
    """A service may tell phones for a while what they left: their DELETE may have overtaken a newer registration, and
    phones forgive it for an hour (observed). 201 for a new registration shows that the old one was gone.
    """
    if back == 201:
        return passed("still listed, as phones forgive for an hour, but a new registration is new (201)")
    return failed("still listed after it unregistered, and known when it registers anew", back)


OF_GUEST: Final[Mapping[str, Callable[[Visit], Outcome]]] = {
    "WS8": registers,
    "WS9": is_told,
    "WS10": hides_nothing,
    "WS11": unregisters,
}
