"""What the tests of ``why`` are made of: a pass that changed three hours ago, and phones that got so far with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from livepass.core.model import (
    Device,
    Held,
    Pass,
    Process,
    Registration,
    Target,
    TokenSource,
    Watermarks,
)
from livepass.core.rotation import Link
from livepass.core.timeline import Event, Kind, Stand, Trip
from livepass.core.trip2_push import DAY, HOUR, MINUTE
from livepass.core.verdict import Facts, Phone, Verdict
from livepass.core.watching import Problem, Watched, What
from livepass.core.why import explain

NOW = 1_790_000_000_000
AGO = NOW - 3 * HOUR
TYPE, SERIAL, PHONE = "pass.test", "s1", "phone-a"

PASS = Pass(
    TYPE,
    SERIAL,
    5,
    1,
    AGO // 1000,
    "sha",
    b"{}",
    "t",
    "r",
    False,
    b"{}",
    b"{}",
    TokenSource("k", b"s"),
    False,
    AGO,
    AGO,
)
LIVE = Link(*("c", TYPE, 0, NOW + 90 * DAY, NOW + 900 * DAY, False, 1, 1))
WORKER = Process("p", "h", 1, "serve+worker", 1, AGO, NOW - 1000, None, 0)
REACHED = {Stand.CURRENT: (5, 5, 5), Stand.FETCH: (5, 5, 1), Stand.ASK: (5, 1, 1), Stand.PUSH: (1, 1, 1)}
"""(pushed, told, served) of a pass whose number is 5."""


def held(stand: Stand, *, id: str = PHONE, dead: str | None = None, **registration: Any) -> Held:
    pushed, told, served = REACHED[stand]
    served_at = AGO if stand is Stand.CURRENT else None
    row = Registration(TYPE, SERIAL, id, 1, 1, AGO, None, None, served, served_at, served, 0, None)
    return Held(
        replace(row, **registration),
        Device(TYPE, id, "token", AGO, 1, told, AGO),
        Watermarks(5, pushed, 1, told, registration.get("served", served)),
        "fp",
        AGO,
        AGO if dead else None,
        dead,
    )


def target(next_at: int = AGO, wanted: int = 5) -> Target:
    return Target(TYPE, "token", AGO, wanted, 1, 1, 0, 0, 1, next_at, None, 0.0, None, 1, None, None)


def event(kind: Kind, *, at: int = AGO + MINUTE, id: int = 7, device: str | None = None, **detail: object) -> Event:
    return Event(kind, at, TYPE, SERIAL, device, None, 5, detail, id)


def line(code: str, about: Trip = Trip.FETCH, **more: Any) -> Event:
    return event(Kind.TESTIFIED, **{"device": PHONE, "code": code, "about": about.value, "line": "it {said} so"} | more)


UNSOUND = Watched(
    f"signature:{LIVE.id}", What.SIGNATURE, LIVE.pass_type, None, None, NOW, NOW, Problem.UNSOUND, "no key"
)


def facts(phone: Phone | None = None, *events: Event, **more: Any) -> Facts:
    given: dict[str, Any] = {
        "pass_": PASS,
        "phones": (phone,) if phone else (),
        "events": events,
        "lineage": (LIVE,),
        "processes": (WORKER,),
    }
    if "certificate" in more:
        live = more.pop("certificate")
        given["lineage"] = () if live is None else (live,)
    return Facts(**given | more)


def on(stand: Stand, *events: Event, owed: Target | None = None, **more: Any) -> Phone:
    return Phone(held(stand, **more), owed or target(), events)


CURRENT, FETCH, ASK, PUSH = Stand.CURRENT, Stand.FETCH, Stand.ASK, Stand.PUSH
LEFT = {"left_at": NOW}


def first(given: Facts) -> Verdict:
    return explain(given, NOW)[0]


def codes(given: Facts) -> list[str]:
    return [verdict.code for verdict in explain(given, NOW)]
