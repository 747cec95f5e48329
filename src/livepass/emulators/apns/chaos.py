"""Named faults, each with a probability, an optional count and an optional target, drawn from a seeded source.

A fault is written as in the table ``FAULTS``; its arguments follow colons::

    status:500                   answer 500 with the usual reason         status:503:Shutdown
    429                          short for status:429:TooManyRequests
    goaway  goaway:Shutdown      GOAWAY with that JSON reason; this request and later streams are not processed
    rst  rst:INTERNAL_ERROR      RST_STREAM (default REFUSED_STREAM); the request is not processed
    streams:1                    after a refusal lower MAX_CONCURRENT_STREAMS, restore it with the next success
    latency:80  latency:5-80     think that many milliseconds before doing anything (a range is uniform)
    stall  stall:after           never answer; the request is not processed, or (after) processed all the same
    cut  cut:after               drop the TCP connection before, or after, processing the request
    drop-delivery                answer 200, and the phone never gets the push

Nothing is switched on by default; the comments at ``PRESETS`` say which bugs of senders each set finds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from h2.errors import ErrorCodes

from livepass.emulators.apns.verdicts import USUAL_REASON

Kind = Literal["status", "goaway", "rst", "streams", "latency", "stall", "cut", "drop-delivery"]

MAX_LATENCY_MS = 600_000


@dataclass(slots=True)
class Fault:
    """One fault that is switched on.

    ``spec`` as written, ``probability`` per request it could strike, ``count`` how often it may still strike
    (``None``: for ever), ``token`` and ``topic`` whom it may strike (``None``: all). The other fields are read from
    ``spec``.
    """

    spec: str
    kind: Kind
    probability: float = 1.0
    count: int | None = None
    token: str | None = field(default=None, repr=False)
    topic: str | None = None
    status: int = 0
    reason: str = ""
    code: int = 0
    limit: int = 0
    milliseconds: tuple[float, float] = (0.0, 0.0)
    after: bool = False
    struck: int = 0

    @property
    def target(self) -> tuple[str, str | None, str | None]:
        return self.spec, self.token, self.topic

    def as_json(self) -> dict[str, object]:
        return {
            "fault": self.spec,
            "probability": self.probability,
            "count": self.count,
            "token": self.token,
            "topic": self.topic,
            "struck": self.struck,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What chaos holds for one request: think ``latency`` seconds, then meet ``ending``; ``drop`` the delivery."""

    latency: float = 0.0
    ending: Fault | None = None
    drop: Fault | None = None


NO_CHAOS = Plan()

Arguments = list[str]
Reading = dict[str, Any]


def _status(arguments: Arguments) -> Reading:
    status = int(arguments[0])
    if not 400 <= status <= 599:
        raise ValueError("the status must be between 400 and 599")
    reason = arguments[1] if len(arguments) > 1 else USUAL_REASON.get(status, "")
    if not reason:
        raise ValueError(f"no reason is usual for {status}: name one")
    return {"status": status, "reason": reason}


def _too_many(arguments: Arguments) -> Reading:
    return {"status": 429, "reason": arguments[0] if arguments else USUAL_REASON[429]}


def _goaway(arguments: Arguments) -> Reading:
    return {"reason": arguments[0] if arguments else "Shutdown"}


def _rst(arguments: Arguments) -> Reading:
    return {"code": int(ErrorCodes[arguments[0] if arguments else "REFUSED_STREAM"])}


def _streams(arguments: Arguments) -> Reading:
    limit = int(arguments[0])
    if not 0 <= limit <= 2**31 - 1:
        raise ValueError("the number of streams must be between 0 and 2147483647")
    return {"limit": limit}


def _latency(arguments: Arguments) -> Reading:
    low, _, high = arguments[0].partition("-")
    bounds = (float(low), float(high or low))
    if not 0 <= bounds[0] <= bounds[1] <= MAX_LATENCY_MS:
        raise ValueError(f"milliseconds go from 0 to {MAX_LATENCY_MS}, the lower first")
    return {"milliseconds": bounds}


def _when(arguments: Arguments) -> Reading:
    if arguments not in ([], ["after"]):
        raise ValueError("the only argument is 'after'")
    return {"after": bool(arguments)}


def _nothing(_: Arguments) -> Reading:
    return {}


# name → (kind, fewest arguments, most arguments, reader of the arguments)
FAULTS: dict[str, tuple[Kind, int, int, Callable[[Arguments], Reading]]] = {
    "status": ("status", 1, 2, _status),
    "429": ("status", 0, 1, _too_many),
    "goaway": ("goaway", 0, 1, _goaway),
    "rst": ("rst", 0, 1, _rst),
    "streams": ("streams", 1, 1, _streams),
    "latency": ("latency", 1, 1, _latency),
    "stall": ("stall", 0, 1, _when),
    "cut": ("cut", 0, 1, _when),
    "drop-delivery": ("drop-delivery", 0, 0, _nothing),
}

# Kinds that decide how a request ends; at most one of them strikes a request.
ENDINGS = frozenset[Kind]({"status", "goaway", "rst", "stall", "cut"})

# name → {fault: probability}. The numbers are ours: high enough to be met within some hundred pushes.
PRESETS: dict[str, dict[str, float]] = {
    # A good day.
    "polite": {},
    # What Apple is reported to do on every good day: one stream after a refusal. Hangs senders that count streams once.
    "apple": {"streams:1": 1.0, "latency:5-60": 1.0},
    # Servers leave one after another. Strands senders that keep a session after GOAWAY, or do not send again.
    "restarts": {"goaway:Shutdown": 0.01, "status:503:Shutdown": 0.01},
    # Too much to do. Finds senders that retry at once, or blame the token.
    "overload": {"latency:50-800": 0.5, "429": 0.05, "status:503": 0.05, "rst:REFUSED_STREAM": 0.05},
    # A bad line. Finds senders without a deadline, and those that take silence for success.
    "bad-line": {"stall": 0.01, "stall:after": 0.005, "cut": 0.005, "cut:after": 0.005, "latency:20-300": 0.3},
    # All of it.
    "hostile": {
        "streams:1": 1.0,
        "latency:1-40": 0.5,
        "status:500": 0.02,
        "status:503": 0.02,
        "429": 0.02,
        "rst:REFUSED_STREAM": 0.02,
        "rst:INTERNAL_ERROR": 0.005,
        "goaway:Shutdown": 0.005,
        "stall": 0.003,
        "cut": 0.003,
        "cut:after": 0.003,
        "drop-delivery": 0.01,
    },
}


def read_fault(
    spec: str,
    probability: float = 1.0,
    count: int | None = None,
    token: str | None = None,
    topic: str | None = None,
) -> Fault:
    """A fault from its written form. ``ValueError`` says what is wrong with it."""
    name, *arguments = spec.split(":")
    if name not in FAULTS:
        raise ValueError(f"no fault is called {name!r}; there are: {', '.join(FAULTS)}")
    kind, fewest, most, read = FAULTS[name]
    if not fewest <= len(arguments) <= most or "" in arguments:
        raise ValueError(f"{spec!r}: {name} takes {fewest} to {most} arguments")
    if not 0 <= probability <= 1:
        raise ValueError(f"{spec!r}: the probability must be between 0 and 1")
    if count is not None and count < 1:
        raise ValueError(f"{spec!r}: the count must be 1 or more")
    try:
        reading = read(arguments)
    except KeyError as error:
        raise ValueError(f"{spec!r}: no HTTP/2 error code is called {error}") from None
    except ValueError as error:
        raise ValueError(f"{spec!r}: {error}") from None
    return Fault(spec, kind, probability, count, token.lower() if token else None, topic, **reading)


class Chaos:
    """The faults that are switched on, in the order in which they were set; the first ending that strikes wins."""

    def __init__(self, seed: int | None = None) -> None:
        self._faults: dict[tuple[str, str | None, str | None], Fault] = {}
        self.seed = seed
        self._random = random.Random(seed)

    def set(
        self,
        spec: str,
        probability: float = 1.0,
        count: int | None = None,
        token: str | None = None,
        topic: str | None = None,
    ) -> Fault:
        """Switch a fault on; the same spec for the same target is replaced. ``ValueError`` for a wrong spec."""
        fault = read_fault(spec, probability, count, token, topic)
        self._faults[fault.target] = fault
        return fault

    def clear(self, spec: str | None = None) -> None:
        """Switch one fault off (for every target), or all of them."""
        self._faults = {key: fault for key, fault in self._faults.items() if spec is not None and fault.spec != spec}

    def preset(self, name: str) -> None:
        """Replace everything by a preset. ``ValueError`` when there is none of that name."""
        if name not in PRESETS:
            raise ValueError(f"no preset is called {name!r}; there are: {', '.join(PRESETS)}")
        self.replace([read_fault(spec, probability) for spec, probability in PRESETS[name].items()])

    def replace(self, faults: Iterable[Fault]) -> None:
        """Switch on exactly ``faults``."""
        self._faults = {fault.target: fault for fault in faults}

    def reseed(self, seed: int | None) -> None:
        """Start the source of chance again; the same requests in the same order then meet the same faults."""
        self.seed = seed
        self._random = random.Random(seed)

    @property
    def faults(self) -> list[Fault]:
        return list(self._faults.values())

    def draw(self, token: str, topic: str) -> Plan:
        """What happens to the next request for ``token`` and ``topic``."""
        if not self._faults:
            return NO_CHAOS
        latency, ending, drop = 0.0, None, None
        for fault in self._faults.values():
            wanted = fault.kind in ("latency", "drop-delivery") or (ending is None and fault.kind in ENDINGS)
            if not wanted or not self._strikes(fault, token, topic):
                continue
            if fault.kind == "latency":
                latency += self._random.uniform(*fault.milliseconds) / 1000
            elif fault.kind == "drop-delivery":
                drop = fault
            else:
                ending = fault
        return Plan(latency, ending, drop)

    def draw_limit(self, token: str, topic: str) -> int | None:
        """To how many streams the connection falls after this refusal; ``None``: it does not."""
        for fault in self._faults.values():
            if fault.kind == "streams" and self._strikes(fault, token, topic):
                return fault.limit
        return None

    def as_json(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "faults": [fault.as_json() for fault in self._faults.values()],
            "presets": list(PRESETS),
        }

    def _strikes(self, fault: Fault, token: str, topic: str) -> bool:
        if fault.count is not None and fault.struck >= fault.count:
            return False
        if (fault.token is not None and fault.token != token) or (fault.topic is not None and fault.topic != topic):
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        fault.struck += 1
        return True


FAULT_KEYS = ("fault", "probability", "count", "token", "topic")


def fault_from_json(given: Mapping[str, object]) -> Fault:
    """A fault from ``{"fault": spec, "probability": 0.1, "count": 3, "token": …, "topic": …}``. ``ValueError``."""
    unknown = sorted(set(given) - set(FAULT_KEYS))
    if unknown:
        raise ValueError(f"unknown keys {unknown}; a fault has: {', '.join(FAULT_KEYS)}")
    spec, probability, count = given.get("fault"), given.get("probability", 1.0), given.get("count")
    token, topic = given.get("token"), given.get("topic")
    if not isinstance(spec, str):
        raise ValueError('"fault" must be a string such as "status:500"')
    if isinstance(probability, bool) or not isinstance(probability, int | float):
        raise ValueError('"probability" must be a number')
    if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
        raise ValueError('"count" must be a whole number or null')
    if not isinstance(token, str | None) or not isinstance(topic, str | None):
        raise ValueError('"token" and "topic" must be strings or null')
    return read_fault(spec, float(probability), count, token, topic)
