"""Pushes: what is due, what became of those of each change, and which credential APNs refuses."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from livepass.core import push_told
from livepass.core.timeline import Event
from livepass.service.refusals import Refusal
from livepass.web import issuer_passes
from livepass.web.console import asking
from livepass.web.console.drawing import url
from livepass.web.console.page import Gone, Shown, Visit, plain
from livepass.web.issuer_answers_events import at, maybe_at
from livepass.web.issuer_answers_phones import PushRow
from livepass.web.issuer_requests import NoQuery, PushRequest

DUE, CHANGES = 25, 40
MOST_DUE = 10_000
"""How far is counted."""
EVENTS, LOOKED_AT = 4000, 20_000
"""Events of pushes that are put together, and the newest of all events that they are looked for in."""


async def pushes(visit: Visit) -> Shown:
    """Everything in bounds, whatever the database holds: the newest events, the pushes that go first."""
    return await _shown(visit)


async def _shown(visit: Visit, problem: Refusal | None = None) -> Shown:
    store, caller = visit.services.store, visit.caller
    types = [row.pass_type for row in await store.pass_types() if caller.sees(row.pass_type)]
    wanted = visit.query.get("pass_type", "").strip()
    chosen = [name for name in types if wanted in ("", name)]
    circuits = {name: circuit for name, circuit in await store.circuits() if name in chosen}
    events = await store.newest(
        kinds=[kind.value for kind in push_told.KINDS],
        pass_type=wanted or None,
        limit=EVENTS,
        most=LOOKED_AT,
        within=caller.within,
    )
    data = {
        "asked": {"pass_type": wanted},
        "pass_types": types,
        "types": [await _type(visit, name, circuits.get(name)) for name in chosen],
        "most_due": MOST_DUE,
        "due": await _due(visit, chosen),
        "changes": [_change(line) for line in push_told.told(events)[:CHANGES]],
        "looked_at": {"events": LOOKED_AT, "since": maybe_at(min((one.at for one in events), default=None))},
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, command=f"livepass push list --due{f' --type {wanted}' if wanted else ''}")


async def _type(visit: Visit, name: str, circuit: Any) -> dict[str, Any]:
    owed = await visit.services.store.due_up_to(name, visit.now, most=MOST_DUE)
    shown = None
    if circuit is not None:
        shown = {
            "reason": circuit.reason,
            "open": circuit.open_until > visit.now,
            "until": at(circuit.open_until),
            "since": at(circuit.opened_at),
            "credential": f"APNs key {circuit.push_key_id}" if circuit.push_key_id else "certificate",
        }
    return {"pass_type": name, "due": owed.due, "accepted": owed.accepted, "ready": owed.ready, "circuit": shown}


async def _due(visit: Visit, types: Sequence[str]) -> list[dict[str, Any]]:
    found = [await visit.services.store.due_first(name, limit=DUE) for name in types]
    first = heapq.merge(*found, key=lambda one: one[1].next_at)
    rows = [PushRow.of(*one) for one, _ in zip(first, range(DUE), strict=False)]
    return [plain(row) for row in rows]


def _change(line: push_told.Told) -> dict[str, Any]:
    said = [
        {
            "status": one.status,
            "reason": one.reason,
            "times": one.times,
            "phones": one.phones,
            "whose": one.whose.value,
            "next": one.next,
        }
        for one in line.said
    ]
    return {
        "pass_type": line.pass_type,
        "number": line.seq,
        "cause": None if line.cause is None else _cause(line.cause),
        "phones": line.phones,
        "accepted": line.accepted,
        "held": line.held,
        "held_until": maybe_at(line.held_until),
        "answers": said,
        "first_at": maybe_at(line.first_at),
        "last_at": maybe_at(line.last_at),
        "first_after_ms": None if line.cause is None or line.first_at is None else line.first_at - line.cause.at,
    }


def _cause(event: Event) -> dict[str, Any]:
    fields = event.detail.get("fields")
    return {
        "kind": event.kind.value,
        "serial": event.serial,
        "at": at(event.at),
        "fields": fields if isinstance(fields, list) else [],
    }


async def push_now(visit: Visit) -> Shown | Gone:
    """Send what is due of a pass type at once, when its name is typed: phones' patience is not waited for."""
    name = visit.form.get("pass_type", "").strip()
    try:
        asking.confirmed(visit.form.get("confirm", ""), name)
        done = await visit.asked(issuer_passes.push_some, NoQuery, body=PushRequest(name))
    except Refusal as problem:
        return await _shown(visit, problem)
    return Gone(url("pushes", pass_type=name), f"{done['pushes_due']} pushes of {name} are due now")
