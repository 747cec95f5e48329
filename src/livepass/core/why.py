"""Why is this pass not up to date? ``explain(facts, now)`` answers from what was seen, and says no more.

For each phone: where it stands (``timeline.first_gap``), then the first rule of the table that fits that stand. A
trip that is closed is never accused; what a phone itself says of a fetch counts although we saw it served, because
only the phone knows what it made of the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from livepass.core.authorization import NO_TOKEN
from livepass.core.misdirected import DOUBLED
from livepass.core.provider_token import meaning, to_certificate
from livepass.core.retelling import RETELL_FIRST_MS
from livepass.core.timeline import Event, Kind, Stand, Trip, first_gap
from livepass.core.trip2_push import HOUR, MINUTE, UNASKED_LADDER, Next, action_for
from livepass.core.verdict import Facts, Found, Phone, Sure, Verdict, newest, verdict
from livepass.core.why_pass import of_certificate, of_change, of_crowd, of_nobody
from livepass.core.why_said import NOT_REGISTERED, Said, has_not_asked, not_ours, told_otherwise, without_tag_since
from livepass.core.why_view import Rule, View

WORKER_SILENT_MS = MINUTE
PUSH_PATIENCE_MS = MINUTE
ASK_PATIENCE_MS = UNASKED_LADDER[1]
FETCH_PATIENCE_MS = RETELL_FIRST_MS
"""How long a trip may stand before it is called anything but in flight."""
RETRIES = 3
"""The same version sent so often to a phone that does not come to have it. We chose: more often than by accident."""
COHORT = 10
"""Fewer phones than this prove nothing about all phones."""


def explain(facts: Facts, now: int) -> tuple[Verdict, ...]:
    """What is to be said of a pass: what is wrong first, worst first; one state at least."""
    followed = [phone for phone in facts.phones if phone.followed]
    of_phones = [_of_phone(facts, phone, now) for phone in followed]
    said = [*of_certificate(facts, now), *of_change(facts, now), *of_crowd(facts, now)]
    said += sorted(of_phones, key=_rank) if followed else [of_nobody(facts, now)]
    problems = [one for one in said if one.problem]
    return (*problems, *(one for one in said if not one.problem))


def _rank(said: Verdict) -> tuple[bool, int]:
    """Worst first: what is not current yet; of these, what stands on the earliest trip. Problems come before all."""
    return (said.code == "LP000", _TRIPS.index(said.trip))


_TRIPS: tuple[Trip | None, ...] = (Trip.REGISTER, Trip.PUSH, Trip.ASK, Trip.FETCH, None)


def _of_phone(facts: Facts, phone: Phone, now: int) -> Verdict:
    view = View(facts, phone, first_gap(phone.held.watermarks), now)
    for code, stands, rule in RULES:
        if view.stand in stands and (found := rule(view)):
            return verdict(code, facts, now, found, phone.held.registration.device_id)
    raise AssertionError("the table ends with a rule for every stand")  # pragma: no cover


def leads_to(code: str, about: Trip, status: int | None = None, task: str | None = None) -> str | None:
    """The finding that a sentence of a phone's log proves while its phone stands there; ``None``: none by itself."""
    for finding, _, rule in RULES:
        if isinstance(rule, Said) and rule.fits(code, about, status, task):
            return finding
    return None


# ── what is said of a phone


def _current(view: View) -> Found | None:
    """Certain only where it was told before it was served: what is fetched unasked may have been fetched by another
    phone, and does not become this one's when this one is told of it later.
    """
    held = view.phone.held
    evidence = min(held.registration.confirmed, held.watermarks.told)
    certain = evidence >= held.watermarks.changed and _told_first(view)
    return Found({}, (), Sure.CERTAIN if certain else Sure.LIKELY)


def _told_first(view: View) -> bool:
    held = view.phone.held
    if (held.registration.served_at or 0) >= (held.device.asked_at or 0):
        return True
    changed = held.watermarks.changed
    told = [event.at for event in view.phone.events if event.kind is Kind.ASKED and event.seq >= changed]
    own = held.registration.device_id
    served = [
        event.at
        for event in view.facts.events
        if event.kind is Kind.FETCHED and event.device_id == own and event.seq >= changed
    ]
    return bool(told and served) and max(served) >= min(told)


def _dead(*reasons: str) -> Rule:
    """APNs ended the push token; without ``reasons``, whatever it gave as one."""

    def rule(view: View) -> Found | None:
        held = view.phone.held
        if held.dead_at is None or (reasons and held.dead_reason not in reasons):
            return None
        event = newest(view.phone.events, (Kind.TOKEN_DEAD,))
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


def _of_key(rule: Rule) -> Rule:
    """The same, where what was refused is an APNs key: which one, what its refusal means, and what to do."""

    def of_key(view: View) -> Found | None:
        found, circuit = rule(view), view.facts.circuit
        if found is None or circuit is None or circuit.push_key_id is None:
            return None
        known, pass_type = meaning(str(found.words["reason"])), view.facts.pass_.pass_type
        words = {
            "key": circuit.push_key_id,
            "means": f" ({known.means})" if known.means else "",
            "do": known.do[0].upper() + known.do[1:],
            "back": to_certificate(pass_type),
        }
        return replace(found, words={**found.words, **words})

    return of_key


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
        if event is None or event.kind is not kind or event.detail.get("reason") == DOUBLED:
            return None
        if reason not in (None, event.detail.get("reason")):
            return None
        words = {key: event.detail.get(key, "?") for key in ("status", "reason")}
        return Found(words, (event,), Sure.LIKELY if view.alone else Sure.POSSIBLE)

    return rule


def _doubled(view: View) -> Found | None:
    """The last thing heard of the phone, or of a fetch, came with /v1 twice. Only an ask names the phone, and anybody
    may send a fetch.
    """
    event = view.last(Kind.ASKED, Kind.ASK_REFUSED, Kind.FETCHED, Kind.FETCH_REFUSED)
    if event is None or event.detail.get("reason") != DOUBLED:
        return None
    unnamed = Sure.LIKELY if view.alone else Sure.POSSIBLE
    return Found({}, (event,), Sure.CERTAIN if event.device_id is not None else unnamed)


def _elsewhere(view: View) -> Found | None:
    url = view.facts.elsewhere
    return Found({"url": url, "ours": view.facts.ours}, (), Sure.LIKELY) if url is not None else None


def _followed_elsewhere(*, heir: bool) -> Rule:
    """It took the version that names another address, after which phones register there: somebody did, or nobody."""

    def rule(view: View) -> Found | None:
        one, since = view.phone.held.registration, view.facts.pass_.url_seq
        if not since or not one.joined <= since <= one.served:
            return None
        others = [phone for phone in view.facts.phones if phone is not view.phone and phone.followed]
        found = any(phone.held.registration.joined > since for phone in others)
        url = view.facts.document.get("webServiceURL", "?")
        return Found({"url": url}, (), Sure.LIKELY) if found is heir else None

    return rule


def _restarted(view: View) -> Found | None:
    """It is owed what a new history owes everybody, and nothing that changed since."""
    history = view.facts.history
    if history is None or view.phone.held.watermarks.changed != history.seq:
        return None
    return Found({"reason": str(history.detail.get("reason", "?")).replace("_", " ")}, (history,))


def _tag_gone(view: View) -> Found | None:
    """What it took shows that the list arrived, and the list had a tag; and yet it asks as if it had none. Unless it
    took the pass by itself, and the list was lost.
    """
    asks = sorted((event for event in view.phone.events if event.kind is Kind.ASKED), key=lambda event: event.id)
    if not asks or asks[-1].detail.get("tag") is not None:
        return None
    device_id = view.phone.held.registration.device_id
    before = [one for one in view.facts.events if one.device_id == device_id and one.at < asks[-1].at]
    fetched = newest(before, (Kind.FETCHED,), view.changed_at)
    if fetched is None:
        return None
    given = [one for one in asks if view.changed_at <= one.at <= fetched.at and one.detail.get("status") == 200]
    return Found({}, (given[-1], fetched, asks[-1]), Sure.POSSIBLE) if given else None


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


def _always(view: View) -> Found | None:
    event = newest(view.phone.events, (Kind.ASKED, Kind.PUSH_ACCEPTED))
    return Found({}, (event,) if event else ())


_PUSH, _ASK, _FETCH, _CURRENT = ({stand} for stand in (Stand.PUSH, Stand.ASK, Stand.FETCH, Stand.CURRENT))
_OPEN = _PUSH | _ASK | _FETCH
# What a phone says of a fetch counts also where we saw the fetch.
_SERVED = _FETCH | _CURRENT

_TAG_LOST = Said(("S5", "S6"), when=without_tag_since, until_served=False)

RULES: Sequence[tuple[str, set[Stand], Rule]] = (
    ("LP353", _SERVED, Said(("T4",))),
    ("LP354", _SERVED, Said(("T5", "T5b"))),
    # Not where it is current: a phone that is told again, to be sure, finds nothing new and says so.
    ("LP355", _FETCH, Said(("S0", "S2"))),
    ("LP357", _SERVED, Said(("S1",))),
    ("LP362", _SERVED, Said(("T1",), Trip.FETCH, redirect=True)),
    ("LP359", _SERVED, Said(("T0", "T1", "T3"), Trip.FETCH, when=not_ours)),
    ("LP361", _CURRENT, _sent_again),
    # What is lost is the tag, not the pass: it fetches everything, each time.
    ("LP305", _CURRENT, _TAG_LOST),
    ("LP309", _CURRENT, _tag_gone),
    ("LP000", _CURRENT, _current),
    # It is registered, and does not know, so it may never ask.
    ("LP108", _OPEN, replace(NOT_REGISTERED, when=has_not_asked)),
    # Before any accusation: nothing says that it is behind.
    ("LP003", _OPEN, _unverified),
    ("LP111", _OPEN, _followed_elsewhere(heir=True)),
    # A dead token keeps a phone from asking, whether or not a push went before it died.
    ("LP204", _PUSH | _ASK, _dead("DeviceTokenNotForTopic")),
    ("LP205", _PUSH | _ASK, _dead("BadDeviceToken")),
    ("LP203", _PUSH | _ASK, _dead()),
    ("LP201", _PUSH, _no_worker),
    ("LP212", _PUSH, _of_key(_circuit)),
    ("LP202", _PUSH, _circuit),
    ("LP212", _PUSH, _of_key(_push_answered(Next.STOP_CREDENTIAL))),
    ("LP202", _PUSH, _push_answered(Next.STOP_CREDENTIAL)),
    ("LP206", _PUSH, _no_answer),
    ("LP207", _PUSH, _push_answered(Next.LATER, Next.MUCH_LATER, Next.QUARANTINE, Next.TOKEN_DEAD)),
    ("LP209", _PUSH, _push_answered(Next.OUR_BUG)),
    ("LP208", _PUSH, _held_back),
    ("LP310", _ASK | _FETCH, _doubled),
    ("LP312", _ASK | _FETCH, Said(("T1",), Trip.ASK, redirect=True)),
    ("LP303", _ASK | _FETCH, Said(("T0", "T1"), Trip.ASK)),
    ("LP304", _ASK | _FETCH, Said(("T3",), Trip.ASK)),
    ("LP305", _ASK | _FETCH, _TAG_LOST),
    ("LP307", _FETCH, Said(("S4",))),
    ("LP308", _ASK | _FETCH, Said(("S3",), when=told_otherwise)),
    ("LP358", _FETCH, _fetch_event(Kind.FETCH_FAILED)),
    ("LP360", _FETCH, _fetch_event(Kind.FETCH_REFUSED, NO_TOKEN)),
    ("LP351", _FETCH, _fetch_event(Kind.FETCH_REFUSED)),
    ("LP001", _OPEN, _in_flight),
    # Below here patience is over.
    ("LP112", _OPEN, _followed_elsewhere(heir=False)),
    ("LP211", _PUSH, _not_owed),
    ("LP210", _PUSH, _always),
    ("LP311", _ASK, _elsewhere),
    ("LP302", _ASK, _nobody_asks),
    ("LP306", _ASK, _restarted),
    ("LP301", _ASK, _always),
    ("LP352", _FETCH, _always),
)
"""In this order; the first that fits is the verdict. Each may only speak where the phone stands."""
