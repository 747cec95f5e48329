"""Passes: the list, one of them with everything that is known of it, and what may be done with it."""

from __future__ import annotations

from typing import Any

from livepass.core import budget
from livepass.core.authorization import fingerprint
from livepass.core.inspecting import Request, request_of
from livepass.core.model import Held, Target
from livepass.service.refusals import NotFound, Refusal
from livepass.web import issuer_lists, issuer_passes, issuer_sharing
from livepass.web.console import asking
from livepass.web.console.drawing import url
from livepass.web.console.page import Gone, Shown, Visit, plain
from livepass.web.console.pictures import value_of
from livepass.web.issuer_answers import PassRegistration
from livepass.web.issuer_answers_events import EventRow, maybe_at
from livepass.web.issuer_answers_why import VerdictRow
from livepass.web.issuer_requests import DeleteQuery, NoQuery, PassesQuery, PassPatch, PutQuery
from livepass.web.issuer_sharing import ShareRequest

EVENTS = 60
A_PAGE = 50
MOST_PASSES = 200
"""Of one type on a phone that are counted."""


async def passes(visit: Visit) -> Shown:
    """By pass type and serial; what is searched for is the beginning of a serial."""
    asked = {name: visit.query.get(name, "").strip() for name in ("pass_type", "template", "serial_prefix")}
    found = await visit.asked(
        issuer_lists.passes, PassesQuery, {"limit": A_PAGE, "cursor": visit.query.get("cursor"), **asked}
    )
    types = await _types(visit)
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in _flags(asked) if value)
    return Shown({**found, "asked": asked, "pass_types": types}, command=f"livepass pass list {words}".strip())


async def _types(visit: Visit) -> list[str]:
    return [row.pass_type for row in await visit.services.store.pass_types() if visit.caller.sees(row.pass_type)]


def _flags(asked: dict[str, str]) -> list[tuple[str, str]]:
    return [("type", asked["pass_type"]), ("template", asked["template"]), ("prefix", asked["serial_prefix"])]


async def search(visit: Visit) -> Gone:
    """From anywhere: a serial that exists leads to its pass, anything else to the list."""
    wanted = visit.query.get("q", "").strip()
    pass_type, slash, serial = wanted.partition("/")
    types = await _types(visit)
    named = [(one, serial if slash else wanted) for one in types if not slash or one == pass_type]
    found = [name for name in named if wanted and await visit.services.store.pass_(*name) is not None]
    if len(found) == 1:
        return Gone(url("passes", *found[0]))
    return Gone(url("passes", serial_prefix=serial if slash else wanted, pass_type=pass_type if slash else None))


async def pass_(visit: Visit) -> Shown:
    """A pass: its values, its phones with their round trips, the verdicts, and what happened."""
    return await _shown(visit)


async def _shown(visit: Visit, problem: Refusal | None = None, preview: Any = None, shared: Any = None) -> Shown:
    name = visit.path["type"], visit.path["serial"]
    found = await visit.asked(issuer_passes.get, NoQuery)
    why = await visit.asked(issuer_passes.why, NoQuery)
    events = await visit.services.store.last_of_pass(*name, limit=EVENTS)
    data = {
        "pass": found,
        "why": why,
        "events": [plain(EventRow.of(event)) for event in events],
        "preview": preview,
        "shared": shared,
        "problem": None if problem is None else asking.problem(problem),
        "given": dict(visit.form) if problem is not None or preview is not None else {},
    }
    return Shown(data, title=f"{name[1]} · {name[0]}", command=f"livepass why {name[0]}/{name[1]}")


async def change(visit: Visit) -> Shown | Gone:
    """Set a value (looked at first), push what is due, or void: the last only when the serial is typed."""
    try:
        return await _changed(visit)
    except NotFound:
        raise
    except Refusal as problem:
        return await _shown(visit, problem)


async def _changed(visit: Visit) -> Shown | Gone:
    name = visit.path["type"], visit.path["serial"]
    here, act = url("passes", *name), visit.form.get("act", "")
    if act == "share":
        return await _shown(visit, shared=await visit.asked(issuer_sharing.share, body=ShareRequest()))
    if act == "push":
        done = await visit.asked(issuer_passes.push, NoQuery)
        return Gone(here, f"{done['pushes_due']} pushes are due now")
    if act == "void":
        asking.confirmed(visit.form.get("confirm", ""), name[1])
        done = await visit.asked(issuer_passes.delete, DeleteQuery)
        return Gone(here, f"voided; {done['pushes_due']} pushes are due")
    if act not in ("look", "set"):
        raise Refusal("this form asks for nothing that there is", hint="load the page again")
    body = PassPatch(data={visit.form.get("key", ""): value_of(visit.form.get("value", ""))})
    if act == "look":
        preview = await visit.asked(issuer_passes.patch, PutQuery, {"dry_run": True}, body=body)
        return await _shown(visit, preview=preview)
    done = await visit.asked(issuer_passes.patch, PutQuery, {"push": visit.form.get("push", "auto")}, body=body)
    said = f"changed: {done['pushes_due']} pushes are due" if done["changed"] else "nothing changes on a phone"
    return Gone(here, said)


async def phone(visit: Visit) -> Shown:
    """A pass on one phone: its three round trips, what is to be said of it, and what it did."""
    name = visit.path["type"], visit.path["serial"]
    held = await _held(visit, *name)
    device_id = held.registration.device_id
    why = await visit.services.explaining.explain(*name, devices=[device_id])
    verdicts = [plain(VerdictRow.of(one)) for one in why.verdicts if one.device_id in (device_id, None)]
    store = visit.services.store
    [(_, owed)] = await store.held_and_owed(*name, limit=1, first=device_id) or [(held, None)]
    of_phone = await store.last_of_phone(name[0], device_id, held.target, limit=EVENTS)
    of_pass = [event for event in await store.last_of_pass(*name, limit=EVENTS) if event.device_id in (device_id, None)]
    events = sorted({event.id: event for event in (*of_phone, *of_pass)}.values(), key=lambda event: -event.id)
    data = {
        "pass_type": name[0],
        "serial": name[1],
        "registration": plain(PassRegistration.of(held)),
        "patience": _patience(owed, await _listening(visit, name[0], device_id), visit.now),
        "verdicts": verdicts,
        "events": [plain(EventRow.of(event)) for event in events[:EVENTS]],
        "requests": [_request(one) for one in map(request_of, events[:EVENTS]) if one is not None],
    }
    return Shown(data, title=f"A phone with {name[1]}", command=f"livepass why {name[0]}/{name[1]}")


def _request(one: Request) -> dict[str, Any]:
    return {
        "at": maybe_at(one.at),
        "method": one.method,
        "path": one.path,
        "asked_with": list(one.asked_with),
        "status": one.status,
        "bytes": one.size,
        "certain": one.certain,
        "next": one.next.says,
        "assumed": list(one.next.assumed),
    }


async def _listening(visit: Visit, pass_type: str, device_id: str) -> int:
    """How many passes of a type a phone follows."""
    found = await visit.services.store.registrations(
        pass_type=pass_type, device_id=device_id, after=("", "", ""), limit=MOST_PASSES
    )
    return sum(row.left_at is None and row.superseded_at is None for row in found)


def _patience(owed: Target | None, passes: int, now: int) -> dict[str, Any] | None:
    """How often this phone was pushed of late, against what phones are taken to tolerate (``core.budget``)."""
    if owed is None:
        return None
    due = owed.wanted > owed.acked and owed.dead_at is None
    return {
        "score": round(owed.score, 1),
        "limit": budget.LIMIT,
        "passes": passes,
        "last_push_at": maybe_at(owed.last_push_at),
        "free_every_minutes": budget.zero_interval(passes) // 60_000,
        "may_go_at": maybe_at(budget.go_at(owed.score, owed.last_push_at, passes, now)),
        "due": due,
        "attempts": owed.attempts,
        "next_at": maybe_at(owed.next_at) if due else None,
    }


async def _held(visit: Visit, pass_type: str, serial: str) -> Held:
    there = await visit.services.store.held(pass_type, serial) if visit.caller.sees(pass_type) else ()
    for held in there:
        if fingerprint(held.registration.device_id) == visit.path["phone"]:
            return held
    raise NotFound("no such phone follows this pass", hint="it may have left: look at the pass")
