"""A pass that an installation issues to itself, and an emulated phone that follows it: what each leg of a run has to
bring, how a run came out, and which share of the last ones saw their change in time.

The phone has no device behind it, and so no push token that APNs would know: what stands in its place is never sent.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from livepass.core.echo import Heard
from livepass.core.frozen import frozen
from livepass.core.timeline import Event, Kind

SERIAL: Final = "livepass-canary"
"""Of the canary pass of each pass type. Nobody else may issue it."""
TEMPLATE: Final = "livepass-canary"
TARGET: Final = 0.99
"""The share of runs that is aimed at."""
EVERY_MS: Final = 300_000
BOUND_MS: Final = 240_000
"""A run that began longer ago has ended, one way or another: less than that is left for ``WITHIN`` and ten calls."""
RESTS_MS: Final = 15_000
"""A pass that changed longer ago, and has no phone, is in no run: between its change and its phone lies one call."""
WINDOW_MS: Final = 86_400_000
MOST_RUNS: Final = WINDOW_MS // EVERY_MS + 12
"""Of the last day, and those that somebody began by hand."""
TAKEN_MS: Final = 3_600_000
"""For how long a worker puts off a push that has nowhere to go."""

_MARK: Final = b"livepass-canary\0".hex()


class Leg(StrEnum):
    """What a run goes through, in this order; it ends with the first that breaks."""

    ISSUE = "issue"
    REGISTER = "register"
    CHANGE = "change"
    PUSH = "push"
    ASK = "ask"
    FETCH = "fetch"
    AGAIN = "again"
    UNREGISTER = "unregister"


COHERENT: Final = "coherent"
LATE: Final = "late"
OUTCOMES: Final[Sequence[str]] = (COHERENT, LATE, *(leg.value for leg in Leg))
SEEN: Final = "seen"
"""From the change to the fetch that brought it: all legs together."""
TIMED: Final[Sequence[str]] = (*(leg.value for leg in Leg), SEEN)

REMEDIES: Final[Mapping[str, str]] = {
    LATE: "look which leg takes so long: livepass canary status",
    Leg.ISSUE: "livepass cert list shows whether a certificate signs for this pass type",
    Leg.REGISTER: "livepass doctor judges the way from the public address to here",
    Leg.CHANGE: "livepass status; the log says what the database refused",
    Leg.PUSH: "livepass status shows whether a worker runs, and livepass push list whether pushes are halted",
    Leg.ASK: "livepass doctor judges the way; let no proxy keep answers below /wallet/",
    Leg.FETCH: "livepass cert check shows whether passes are signed; livepass doctor judges the way: let no proxy keep "
    "or rewrite answers below /wallet/",
    Leg.AGAIN: "livepass doctor judges the way: If-Modified-Since and Last-Modified have to arrive as sent",
    Leg.UNREGISTER: "livepass doctor judges the way: DELETE has to arrive as sent",
}


@frozen
class Step:
    """One leg as it went. ``wrong``: what broke it, in a sentence; empty: nothing."""

    leg: Leg
    ms: int
    wrong: str = ""


@frozen
class Run:
    """One run. ``seen_ms``: from the change to the fetch that brought it; ``None``: it was not seen."""

    pass_type: str
    at: int
    steps: Sequence[Step]
    seen_ms: int | None
    within_ms: int

    @property
    def broken(self) -> Step | None:
        return next((step for step in self.steps if step.wrong), None)

    @property
    def outcome(self) -> str:
        """One of ``OUTCOMES``."""
        if self.broken is not None:
            return self.broken.leg.value
        if self.seen_ms is None or self.seen_ms > self.within_ms:
            return LATE
        return COHERENT

    @property
    def coherent(self) -> bool:
        return self.outcome == COHERENT

    @property
    def sentence(self) -> str:
        """What went wrong; empty: nothing."""
        if self.broken is not None:
            return f"{self.broken.leg}: {self.broken.wrong}"
        if self.coherent:
            return ""
        return f"the change was seen after {(self.seen_ms or 0) / 1000:.1f} s; {self.within_ms / 1000:g} s are allowed"

    @property
    def remedy(self) -> str:
        return REMEDIES.get(self.outcome, "")

    def took(self) -> dict[str, float]:
        """Seconds by name (``TIMED``); of what is done twice, as it went after the change."""
        seconds = {step.leg.value: step.ms / 1000 for step in self.steps if not step.wrong}
        return seconds if self.seen_ms is None else seconds | {SEEN: self.seen_ms / 1000}

    def event(self) -> Event:
        """As it is written down: of the pass type, so that it outlives the pass."""
        steps = [f"{step.leg} {step.ms} {step.wrong}".rstrip() for step in self.steps]
        detail = {"outcome": self.outcome, "seen_ms": self.seen_ms, "within_ms": self.within_ms, "steps": steps}
        return Event(Kind.CANARY_RAN, self.at, self.pass_type, detail=detail)


def run_of(event: Event) -> Run:
    """A run as it was written down."""
    detail: Mapping[str, Any] = event.detail
    cut = [text.split(" ", 2) for text in detail["steps"]]
    steps = [Step(Leg(parts[0]), int(parts[1]), parts[2] if len(parts) > 2 else "") for parts in cut]
    return Run(event.pass_type, event.at, steps, detail["seen_ms"], detail["within_ms"])


def share(runs: Sequence[Run], now: int) -> float | None:
    """Of the runs of the last day, those that saw their change in time. ``None``: there was no run."""
    lately = [run for run in runs if now - run.at <= WINDOW_MS]
    return sum(run.coherent for run in lately) / len(lately) if lately else None


# ── the phone


def identity(key: bytes, pass_type: str) -> tuple[str, str]:
    """Device id and push token of the canary of a pass type, always the same: after one that died in the middle, the
    same phone registers anew. ``key`` is one that all processes share; nobody else can ask as this phone.
    """
    made = hmac.digest(key, b"livepass canary v1 " + pass_type.encode(), "sha256").hex()
    return made[:32], _MARK + made[32:]


def is_canary(token: str) -> bool:
    return token.lower().startswith(_MARK)


# ── what each leg has to bring: "" or what is wrong with it


def of_register(heard: Heard) -> str:
    if heard.status in (200, 201):
        return ""
    return refused(heard) or f"answered {heard.status}; phones take 200 and 201 only"


def of_unregister(heard: Heard) -> str:
    return "" if heard.status == 200 else refused(heard) or f"answered {heard.status}; phones take 200 only"


@frozen
class Listed:
    """A well-formed answer to an ask."""

    serials: Sequence[str]
    tag: str


def listed(heard: Heard) -> Listed | str:
    """What an ask was told; or what is wrong with the answer."""
    if heard.status == 204:
        return "answered 204: nothing changed, it says"
    if heard.status != 200:
        return refused(heard) or f"answered {heard.status}"
    try:
        found = json.loads(heard.body)
        serials, tag = found["serialNumbers"], found["lastUpdated"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "answered with something else than serial numbers and a tag"
    if not isinstance(serials, list) or not isinstance(tag, str):
        return "answered with something else than serial numbers and a tag"
    return Listed([str(serial) for serial in serials], tag)


def of_ask(heard: Heard, tag: str | None, number: int, read: Callable[[str], int | None]) -> str:
    """``tag``: the one that was sent, ``None``: none. ``number``: of the change. ``read``: the number in a tag of ours;
    ``None``: it is none.
    """
    told = listed(heard)
    if isinstance(told, str):
        return told
    if SERIAL not in told.serials:
        return "the answer does not name the pass that changed"
    if told.tag == tag:
        return "the tag does not move: phones would ask and fetch for nothing, again and again"
    found = read(told.tag)
    if found is None:
        return "the tag is none of this installation's"
    return "" if found >= number else "an old answer came: something on the way keeps answers"


def of_fetch(heard: Heard) -> str:
    """Whether it is an answer to be opened; what is in it is judged by who can open it."""
    if heard.status == 304:
        return "answered 304: not modified, it says"
    if heard.status != 200:
        return refused(heard) or f"answered {heard.status}"
    return "" if heard.headers.get("last-modified") else "the answer has no Last-Modified"


def of_value(found: object, wanted: int) -> str:
    """The number on the pass that was fetched. A later one is as good: somebody else began a run meanwhile."""
    if not isinstance(found, int):
        return "the pass is not the canary's"
    return "" if found >= wanted else "an old version came: something on the way keeps answers"


def of_again(heard: Heard) -> str:
    if heard.status == 304:
        return ""
    return refused(heard) or f"If-Modified-Since was answered {heard.status} instead of 304"


def refused(heard: Heard) -> str:
    """What says the same on every leg."""
    if heard.status == 0:
        return f"no answer: {ascii(heard.fault)[1:-1][:200]}"
    if heard.status == 401:
        return "answered 401: the Authorization header was lost on the way, or another installation answers"
    if 300 <= heard.status < 400 and heard.status != 304:
        return f"redirected with {heard.status}"
    return ""
