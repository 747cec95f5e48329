"""Why is this pass not up to date? ``explain(facts, now)`` answers from what was seen, and says no more.

For each phone: where it stands (``timeline.first_gap``), then the first rule of the table that fits that stand. A
trip that is closed is never accused; what a phone itself says of a fetch counts although we saw it served, because
only the phone knows what it made of the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeGuard

from livepass.core.authorization import NO_TOKEN, WRONG_TOKEN
from livepass.core.findings import BY_CODE, Finding, Who
from livepass.core.frozen import frozen
from livepass.core.model import Certificate, Held, Pass, Process, Target
from livepass.core.testimony import read_line
from livepass.core.timeline import Event, Kind, Stand, Trip, first_gap
from livepass.core.trip2_push import DAY, HOUR, MINUTE, UNASKED_LADDER, Next, action_for
from livepass.core.trip3_ask import RETELL_FIRST_MS

WORKER_SILENT_MS = MINUTE
PUSH_PATIENCE_MS = MINUTE
ASK_PATIENCE_MS = UNASKED_LADDER[1]
FETCH_PATIENCE_MS = RETELL_FIRST_MS
"""How long a trip may stand before it is called anything but in flight."""
EXPIRES_SOON_MS = 30 * DAY
BURST = 5
"""Pushes within an hour, after which a phone that left may have been asked to. Apple does not say; we chose."""
RETRIES = 3
"""The same version sent so often to a phone that does not come to have it. We chose: more often than by accident."""
COHORT = 10
"""Fewer phones than this prove nothing about all phones."""


@frozen
class Phone:
    """A registration, what is owed to it, and its newest events, oldest first: its own, and those of its pushes."""

    held: Held
    target: Target | None = None
    events: Sequence[Event] = ()

    @property
    def followed(self) -> bool:
        return self.held.registration.left_at is None and self.held.registration.superseded_at is None


@frozen
class Circuit:
    """Pushes of a pass type that stand still because APNs refused the credential."""

    open_until: int
    reason: str
    opened_at: int


@frozen
class Cohort:
    """Of some phones that were pushed in the hour of a push: how many, and how many asked since."""

    pushed: int = 0
    asked: int = 0


@frozen
class Facts:
    """What the service knows of a pass. ``events`` are the pass's newest ones, oldest first.

    ``certificate`` is the live one; ``more`` says that the pass has more phones than were looked at.
    """

    pass_: Pass
    phones: Sequence[Phone] = ()
    events: Sequence[Event] = ()
    certificate: Certificate | None = None
    circuit: Circuit | None = None
    processes: Sequence[Process] = ()
    cohort: Cohort = Cohort()
    more: bool = False


class Sure(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@frozen
class Verdict:
    """A finding about one pass. ``proof``: ids of events; ``device_id``: the phone it is about, if one."""

    code: str
    name: str
    trip: Trip | None
    sentence: str
    proof: tuple[int, ...]
    sure: Sure
    who: Who
    remedy: str
    look_again_at: int | None
    problem: bool
    device_id: str | None = None


@frozen
class Found:
    """What a rule that fits has found: what fills the sentence, and what proves it."""

    words: Mapping[str, object]
    proof: tuple[Event, ...] = ()
    sure: Sure = Sure.CERTAIN
    again_at: int | None = None


@frozen
class View:
    """What a rule sees: everything, one phone, where it stands."""

    facts: Facts
    phone: Phone
    stand: Stand
    now: int

    @property
    def changed_at(self) -> int:
        """Since when there is something to wait for: the change, or joining after it."""
        return max(self.facts.pass_.changed_at, self.phone.held.registration.registered_at)

    @property
    def alone(self) -> bool:
        """Whether no other phone follows the pass."""
        return sum(phone.followed for phone in self.facts.phones) == 1 and not self.facts.more

    def last(self, *kinds: Kind) -> Event | None:
        """The newest event of these kinds since there is something to wait for."""
        return _last([*self.phone.events, *self.facts.events], kinds, self.changed_at, self.phone)


Rule = Callable[[View], Found | None]


def explain(facts: Facts, now: int) -> tuple[Verdict, ...]:
    """What is to be said of a pass: what is wrong first, worst first; one state at least."""
    followed = [phone for phone in facts.phones if phone.followed]
    of_phones = [_of_phone(facts, phone, now) for phone in followed]
    said = [*_of_certificate(facts, now), *_of_change(facts, now)]
    said += sorted(of_phones, key=_rank) if followed else [_of_nobody(facts, now)]
    problems = [one for one in said if one.problem]
    return (*problems, *(one for one in said if not one.problem))


def _rank(verdict: Verdict) -> tuple[bool, int]:
    """Worst first: what is not current yet; of these, what stands on the earliest trip. Problems come before all."""
    return (verdict.code == "LP000", _TRIPS.index(verdict.trip))


_TRIPS: tuple[Trip | None, ...] = (Trip.REGISTER, Trip.PUSH, Trip.ASK, Trip.FETCH, None)


def _of_phone(facts: Facts, phone: Phone, now: int) -> Verdict:
    view = View(facts, phone, first_gap(phone.held.watermarks), now)
    for code, stands, rule in RULES:
        if view.stand in stands and (found := rule(view)):
            return _verdict(code, facts, now, found, phone)
    raise AssertionError("the table ends with a rule for every stand")  # pragma: no cover


def _verdict(code: str, facts: Facts, now: int, found: Found, phone: Phone | None = None) -> Verdict:
    finding: Finding = BY_CODE[code]
    name = f"{facts.pass_.pass_type}/{facts.pass_.serial}"
    device_id = phone.held.registration.device_id if phone else None
    words = {"pass": name, "phone": f"Phone {str(device_id)[:8]}", **found.words}
    again = found.again_at
    if again is None and finding.again is not None:
        again = now + finding.again
    return Verdict(
        code,
        finding.name,
        finding.trip,
        _filled(finding.sentence, words),
        tuple(event.id for event in found.proof),
        found.sure,
        finding.who,
        _filled(finding.remedy, words),
        again,
        finding.problem,
        device_id,
    )


def _filled(text: str, words: Mapping[str, object]) -> str:
    return text.format_map(words)


# ── what is said of the pass


def _of_certificate(facts: Facts, now: int) -> Iterator[Verdict]:
    live = facts.certificate
    if live is None:
        yield _verdict("LP501", facts, now, Found({}))
        return
    ends = min(live.not_after, live.intermediate_not_after)
    if ends <= now:
        yield _verdict("LP502", facts, now, Found({}))
    elif ends - now < EXPIRES_SOON_MS:
        yield _verdict("LP503", facts, now, Found({"days": (ends - now) // DAY}))


_CHANGES = (Kind.ISSUED, Kind.CHANGED, Kind.VOIDED, Kind.UNCHANGED, Kind.TEMPLATE_REFUSED)


def _of_change(facts: Facts, now: int) -> Iterator[Verdict]:
    newest = _last(facts.events, _CHANGES)
    if newest is not None and newest.kind is Kind.TEMPLATE_REFUSED:
        faults = newest.detail.get("faults")
        said = ", ".join(map(str, faults)) if isinstance(faults, list | tuple) else ""
        yield _verdict("LP402", facts, now, Found({"reason": said or newest.detail.get("reason", "?")}, (newest,)))
    if newest is not None and newest.kind is Kind.UNCHANGED:
        yield _verdict("LP401", facts, now, Found({}, (newest,)))
    if facts.pass_.voided:
        yield _verdict("LP004", facts, now, Found({}))


_REGISTER = (Kind.UNREGISTERED, Kind.REGISTRATION_REFUSED, Kind.TOO_MANY_PHONES, Kind.REGISTRATION_SUPERSEDED)


def _of_nobody(facts: Facts, now: int) -> Verdict:
    """No phone follows the pass: by what came last of trip 1."""
    newest = _last(facts.events, _REGISTER)
    line = _last(facts.events, (Kind.TESTIFIED,))
    if _could_not_register(line) and (newest is None or newest.id < line.id) and not _just_refused(line, newest):
        return _verdict("LP108", facts, now, Found({"line": _quoted(line)}, (line,)))
    if newest is None:
        return _verdict("LP105" if facts.phones else "LP002", facts, now, Found({}))
    if newest.kind is Kind.REGISTRATION_REFUSED:
        words = {"status": newest.detail.get("status", "?"), "reason": newest.detail.get("reason", "?")}
        if words["reason"] not in (WRONG_TOKEN, "?"):
            # Anybody can send such a thing; phones do not.
            return _verdict("LP109", facts, now, Found(words, (newest,), Sure.LIKELY))
        return _verdict("LP101", facts, now, Found(words, (newest,)))
    if newest.kind is Kind.TOO_MANY_PHONES:
        return _verdict("LP104", facts, now, Found({}, (newest,)))
    if newest.kind is Kind.REGISTRATION_SUPERSEDED:
        return _verdict("LP105", facts, now, Found({}, (newest,), Sure.LIKELY))
    # By id: device ids of one phone have one push token, and each lists its pushes.
    pushes = {
        event.id: event
        for phone in facts.phones
        for event in phone.events
        if event.kind is Kind.PUSH_ACCEPTED and newest.at - HOUR <= event.at <= newest.at
    }
    if len(pushes) >= BURST:
        return _verdict("LP103", facts, now, Found({"count": len(pushes)}, (newest, *pushes.values()), Sure.POSSIBLE))
    return _verdict("LP102", facts, now, Found({}, (newest,)))


def _could_not_register(line: Event | None) -> TypeGuard[Event]:
    """Whether a phone says that. That one could not leave is no matter."""
    if line is None or line.detail.get("code") not in ("T0", "T1"):
        return False
    return str(line.detail.get("shape", "")).startswith("Register ")


def _just_refused(line: Event, ours: Event | None) -> bool:
    """Whether what a phone complains of is an answer that the service gave: a phone does so at once."""
    refused = (Kind.REGISTRATION_REFUSED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED)
    return ours is not None and ours.kind in refused and abs(line.at - ours.at) < MINUTE


# ── what is said of a phone


def _said(*codes: str, about: Trip | None = None) -> Rule:
    """A phone's own words, while nothing that came later shows that they are over."""

    def rule(view: View) -> Found | None:
        line = view.last(Kind.TESTIFIED)
        if line is None or line.detail.get("code") not in codes:
            return None
        if about is not None and line.detail.get("about") != about:
            return None
        registration = view.phone.held.registration
        if view.stand is Stand.CURRENT and line.at < (registration.served_at or 0):
            return None
        return Found({"line": _quoted(line)}, (line,), _whose(line, view))

    return rule


def _quoted(line: Event) -> str:
    """What it says, without the envelope, which would fill the sentence."""
    return read_line(str(line.detail.get("line", ""))).said[:200]


def _whose(line: Event, view: View) -> Sure:
    """How sure it is that this phone said it, and that it is not over. Lines name no phone by themselves, and phones
    that left, or that we lost, say things, too.
    """
    fetched = view.last(Kind.FETCHED)
    if fetched is not None and fetched.device_id is None and fetched.at > line.at:
        return Sure.POSSIBLE  # it may have been this phone
    if line.device_id == view.phone.held.registration.device_id:
        # Where the line does not name it, the connection did, over which it came.
        return Sure.LIKELY if "evidence" in line.detail else Sure.CERTAIN
    return Sure.LIKELY if view.alone and view.stand is not Stand.CURRENT else Sure.POSSIBLE


def _said_to_register(view: View) -> Found | None:
    """It is registered, and does not know, so it may never ask. One that asked since knows: its words came late."""
    held, line = view.phone.held, view.last(Kind.TESTIFIED)
    if not _could_not_register(line) or (held.device.asked_at or 0) > held.registration.registered_at:
        return None
    return Found({"line": _quoted(line)}, (line,), _whose(line, view))


def _not_ours(rule: Rule) -> Rule:
    """Not where the service itself answered the fetch like this: that is another verdict."""

    def alone(view: View) -> Found | None:
        found = rule(view)
        ours = view.last(Kind.FETCHED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED)
        return None if found is None or _just_refused(found.proof[0], ours) else found

    return alone


def _list_lost(view: View) -> Found | None:
    """It says that it was told of nothing: we told it of something, or were not even asked since the push."""
    found = _said("S3")(view)
    if found is None:
        return None
    line, asked = found.proof[0], _last(view.phone.events, (Kind.ASKED,))
    if view.stand is Stand.ASK:
        return found if line.at >= (view.phone.held.pushed_at or 0) else None
    told = asked is not None and asked.at <= line.at and asked.detail.get("status") == 200
    return found if told else None


def _tag_lost(view: View) -> Found | None:
    """What it says of the tag is over once it asks with the one that it was given then, or with a newer one."""
    line = view.last(Kind.TESTIFIED)
    if line is None or line.detail.get("code") not in ("S5", "S6"):
        return None
    asks = [event for event in view.phone.events if event.kind is Kind.ASKED]
    given = max((event.seq for event in asks if event.at <= line.at), default=0)
    if any(event.at > line.at and _number(event, "asked") >= given for event in asks):
        return None
    return Found({"line": _quoted(line)}, (line,), _whose(line, view))


def _tag_gone(view: View) -> Found | None:
    """What it took shows that the list arrived, and the list had a tag; and yet it asks as if it had none. Unless it
    took the pass by itself, and the list was lost.
    """
    asks = sorted((event for event in view.phone.events if event.kind is Kind.ASKED), key=lambda event: event.id)
    if not asks or asks[-1].detail.get("tag") is not None:
        return None
    device_id = view.phone.held.registration.device_id
    before = [one for one in view.facts.events if one.device_id == device_id and one.at < asks[-1].at]
    fetched = _last(before, (Kind.FETCHED,), view.changed_at)
    if fetched is None:
        return None
    given = [one for one in asks if view.changed_at <= one.at <= fetched.at and one.detail.get("status") == 200]
    return Found({}, (given[-1], fetched, asks[-1]), Sure.POSSIBLE) if given else None


def _number(event: Event, key: str) -> int:
    value = event.detail.get(key, 0)
    return value if isinstance(value, int) else 0


def _sent_again(view: View) -> Found | None:
    """It was sent the newest version again and again, and said each time, by its condition, that it has another. The
    last one may have arrived.
    """
    held, since = view.phone.held, max(view.changed_at, view.now - HOUR)
    sent: list[Event] = []
    for event in sorted(view.facts.events, key=lambda event: event.id):
        mine = event.kind is Kind.FETCHED and event.device_id == held.registration.device_id
        if not mine or event.seq < held.watermarks.changed or event.at < since:
            continue
        if event.detail.get("status") == 304:
            sent = []
        elif event.detail.get("conditional"):
            sent.append(event)
    return Found({"count": len(sent)}, tuple(sent), Sure.POSSIBLE) if len(sent) >= RETRIES else None


def _current(view: View) -> Found | None:
    """Certain only where it was told before: what is fetched unasked may have been fetched by another phone."""
    held = view.phone.held
    evidence = min(held.registration.confirmed, held.watermarks.told)
    return Found({}, (), Sure.CERTAIN if evidence >= held.watermarks.changed else Sure.LIKELY)


def _dead(*reasons: str) -> Rule:
    """APNs ended the push token; without ``reasons``, whatever it gave as one."""

    def rule(view: View) -> Found | None:
        held = view.phone.held
        if held.dead_at is None or (reasons and held.dead_reason not in reasons):
            return None
        event = _last(view.phone.events, (Kind.TOKEN_DEAD,))
        return Found({"reason": held.dead_reason or "?"}, (event,) if event else ())

    return rule


def _no_worker(view: View) -> Found | None:
    heard = [one for one in view.facts.processes if "worker" in one.role]
    return None if any(view.now - one.heard_at < WORKER_SILENT_MS for one in heard) else Found({})


def _push_answered(*actions: Next) -> Rule:
    """The last push of what is due was answered like this. One that was held back had no answer, and no status."""

    def rule(view: View) -> Found | None:
        event = view.last(Kind.PUSH_REJECTED, Kind.PUSH_FAILED, Kind.PUSH_HELD, Kind.PUSH_ACCEPTED)
        if event is None:
            return None
        status, reason = event.detail.get("status"), str(event.detail.get("reason", "?"))
        if not isinstance(status, int) or action_for(status, reason) not in actions:
            return None
        target = view.phone.target
        return Found({"status": status, "reason": reason}, (event,), again_at=target.next_at if target else None)

    return rule


def _no_answer(view: View) -> Found | None:
    found = _push_answered(Next.LATER)(view)
    return found if found and found.words["status"] == 0 else None


def _circuit(view: View) -> Found | None:
    circuit = view.facts.circuit
    if circuit is None or circuit.open_until <= view.now:
        return None
    return Found({"reason": circuit.reason}, again_at=circuit.open_until)


def _held_back(view: View) -> Found | None:
    event = view.last(Kind.PUSH_HELD, Kind.PUSH_ACCEPTED, Kind.PUSH_REJECTED, Kind.PUSH_FAILED)
    target = view.phone.target
    if event is None or event.kind is not Kind.PUSH_HELD or target is None or target.next_at <= view.now:
        return None
    return Found({}, (event,), again_at=target.next_at)


def _not_owed(view: View) -> Found | None:
    target = view.phone.target
    owed = target is not None and target.wanted >= view.phone.held.watermarks.changed
    return None if owed else Found({}, (), Sure.LIKELY)


def _young(view: View, patience: int, since: int | None = None) -> bool:
    return view.now - (view.changed_at if since is None else since) < patience


def _unverified(view: View) -> Found | None:
    """It joined after the last change, and showed by no fetch what it holds: so it is not called behind."""
    held = view.phone.held
    joined_later = held.registration.joined > held.watermarks.changed
    return Found({}) if held.watermarks.served == 0 and joined_later else None


def _in_flight(view: View) -> Found | None:
    held = view.phone.held
    since = {Stand.PUSH: None, Stand.ASK: held.pushed_at, Stand.FETCH: held.device.asked_at}[view.stand]
    patience = {Stand.PUSH: PUSH_PATIENCE_MS, Stand.ASK: ASK_PATIENCE_MS, Stand.FETCH: FETCH_PATIENCE_MS}[view.stand]
    # A phone that is told again is not on its way any more: it was told, and did not come.
    if view.stand is Stand.FETCH and held.registration.retold > 1:
        return None
    return Found({"trip": view.stand.value}) if _young(view, patience, since) else None


def _nobody_asks(view: View) -> Found | None:
    cohort = view.facts.cohort
    if cohort.pushed < COHORT or cohort.asked:
        return None
    return Found({"pushed": cohort.pushed}, (), Sure.LIKELY)


def _fetch_event(kind: Kind, reason: str | None = None) -> Rule:
    """The last fetch of the pass went like this. It names no phone, and anybody may send one."""

    def rule(view: View) -> Found | None:
        event = view.last(Kind.FETCHED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED)
        if event is None or event.kind is not kind or reason not in (None, event.detail.get("reason")):
            return None
        words = {key: event.detail.get(key, "?") for key in ("status", "reason")}
        return Found(words, (event,), Sure.LIKELY if view.alone else Sure.POSSIBLE)

    return rule


def _always(view: View) -> Found | None:
    event = _last(view.phone.events, (Kind.ASKED, Kind.PUSH_ACCEPTED))
    return Found({}, (event,) if event else ())


_PUSH, _ASK, _FETCH, _CURRENT = ({stand} for stand in (Stand.PUSH, Stand.ASK, Stand.FETCH, Stand.CURRENT))
_OPEN = _PUSH | _ASK | _FETCH
# What a phone says of a fetch counts also where we saw the fetch.
_SERVED = _FETCH | _CURRENT

RULES: Sequence[tuple[str, set[Stand], Rule]] = (
    ("LP353", _SERVED, _said("T4")),
    ("LP354", _SERVED, _said("T5", "T5b")),
    # Not where it is current: a phone that is told again, to be sure, finds nothing new and says so.
    ("LP355", _FETCH, _said("S0", "S2")),
    ("LP357", _SERVED, _said("S1")),
    ("LP359", _SERVED, _not_ours(_said("T0", "T1", "T3", about=Trip.FETCH))),
    ("LP361", _CURRENT, _sent_again),
    # What is lost is the tag, not the pass: it fetches everything, each time.
    ("LP305", _CURRENT, _tag_lost),
    ("LP309", _CURRENT, _tag_gone),
    ("LP000", _CURRENT, _current),
    ("LP108", _OPEN, _said_to_register),
    # Before any accusation: nothing says that it is behind.
    ("LP003", _OPEN, _unverified),
    # A dead token keeps a phone from asking, whether or not a push went before it died.
    ("LP204", _PUSH | _ASK, _dead("DeviceTokenNotForTopic")),
    ("LP205", _PUSH | _ASK, _dead("BadDeviceToken")),
    ("LP203", _PUSH | _ASK, _dead()),
    ("LP201", _PUSH, _no_worker),
    ("LP202", _PUSH, _circuit),
    ("LP202", _PUSH, _push_answered(Next.STOP_CREDENTIAL)),
    ("LP206", _PUSH, _no_answer),
    ("LP207", _PUSH, _push_answered(Next.LATER, Next.MUCH_LATER, Next.QUARANTINE, Next.TOKEN_DEAD)),
    ("LP209", _PUSH, _push_answered(Next.OUR_BUG)),
    ("LP208", _PUSH, _held_back),
    ("LP303", _ASK | _FETCH, _said("T0", "T1", about=Trip.ASK)),
    ("LP304", _ASK | _FETCH, _said("T3", about=Trip.ASK)),
    ("LP305", _ASK | _FETCH, _tag_lost),
    ("LP308", _ASK | _FETCH, _list_lost),
    ("LP307", _FETCH, _said("S4")),
    ("LP358", _FETCH, _fetch_event(Kind.FETCH_FAILED)),
    ("LP360", _FETCH, _fetch_event(Kind.FETCH_REFUSED, NO_TOKEN)),
    ("LP351", _FETCH, _fetch_event(Kind.FETCH_REFUSED)),
    ("LP001", _OPEN, _in_flight),
    # Below here patience is over.
    ("LP211", _PUSH, _not_owed),
    ("LP210", _PUSH, _always),
    ("LP302", _ASK, _nobody_asks),
    ("LP301", _ASK, _always),
    ("LP352", _FETCH, _always),
)
"""In this order; the first that fits is the verdict. Each may only speak where the phone stands."""


def _last(events: Sequence[Event], kinds: Sequence[Kind], since: int = 0, phone: Phone | None = None) -> Event | None:
    """The newest of these kinds; with ``phone``, none that names another one."""
    own = (None, phone.held.registration.device_id) if phone else ()
    fitting = [
        event
        for event in events
        if event.kind in kinds and event.at >= since and (phone is None or event.device_id in own)
    ]
    return max(fitting, key=lambda event: event.id, default=None)
