"""Trip 3b, fetch: 401, then 304, then 200, in that order of checks.

Apple, "Getting the latest version of a pass"; the archived reference adds ``Last-Modified`` and 304, and phones
complain without them. A fetch names no device, so who took a version is worked out from evidence, and marked as sure
only when there is no other reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from livepass.core.authorization import TO_FETCH, accepts, refusal
from livepass.core.change import http_date
from livepass.core.decision import Decision, RaiseServed, Reply, Resurrect, Write
from livepass.core.frozen import frozen
from livepass.core.model import Device, PassHead, Registration
from livepass.core.timeline import Event, Kind
from livepass.core.trip1_register import followed

JUST_ASKED_MS = 5 * 60_000
"""How long after an ask a fetch is taken for its consequence."""


CANDIDATES = 100
"""Phones of a pass that are looked at for who fetched it. Of more than that, a guess by who asked last is worth little,
and to look at a million of them after each fetch of theirs costs more than everything else.
"""


@frozen
class FetchFacts:
    """What a fetch is decided on. ``expected_token`` is never ``None``: see ``authorization``."""

    pass_type: str
    serial: str
    authorization: str | None
    if_modified_since: str | None
    expected_token: str
    head: PassHead | None
    now: int
    wallet: str = ""
    """The family of a wallet that polls (``core.polling``); empty: it may be a phone."""


class Verdict(StrEnum):
    """What the shell does next: refuse, say 'not modified', or build and send."""

    REFUSE = "refuse"
    NOT_MODIFIED = "not_modified"
    SEND = "send"


def fetch(facts: FetchFacts) -> tuple[Verdict, Decision]:
    """Decide ``GET /v1/passes/{type}/{serial}`` before any building. A 200's body is added by the shell.

    (1) the token, (2) the condition, (3) the version.
    """
    # (1) before the condition, or a stranger learns that a pass exists and when it changed.
    known = facts.head is not None
    if not accepts(facts.authorization, facts.expected_token, known=known, schemes=TO_FETCH) or facts.head is None:
        return Verdict.REFUSE, _refuse(facts)
    last_modified = http_date(facts.head.last_modified)
    headers = ((b"last-modified", last_modified.encode()),)
    # (2) textual equality only: the header is a version id. Comparing as times answers 304 wrongly after a restore.
    if facts.if_modified_since == last_modified:
        return Verdict.NOT_MODIFIED, Decision(Reply(304, headers))
    # (3)
    return Verdict.SEND, Decision(Reply(200, ((b"content-type", b"application/vnd.apple.pkpass"), *headers)))


def _refuse(facts: FetchFacts) -> Decision:
    if facts.head is None:
        return Decision(Reply(401))
    if facts.wallet:
        return Decision(Reply(401))  # no phone's trouble: counted apart
    detail = {"status": 401, "reason": refusal(facts.authorization, TO_FETCH)}
    event = Event(Kind.FETCH_REFUSED, facts.now, facts.pass_type, facts.serial, detail=detail)
    return Decision(Reply(401), (), (event,))


class Evidence(StrEnum):
    """How we know which phone fetched: the best first."""

    SAME_CONNECTION = "same connection as its ask"
    ONLY_ONE = "only one phone has it"
    JUST_TOLD = "just told"
    NONE = "unknown"


@frozen
class Candidate:
    """A phone that may have fetched. ``same_connection``: its last ask came over the connection of this fetch."""

    registration: Registration
    device: Device
    same_connection: bool


@frozen
class ServedFacts:
    """A fetch that was answered 200 and written out, or 304: version ``seq`` of ``epoch`` is in somebody's hands.

    ``crowded``: more phones follow the pass than are candidates.
    """

    pass_type: str
    serial: str
    seq: int
    status: int
    conditional: bool
    size: int
    candidates: Sequence[Candidate]
    now: int
    epoch: str
    crowded: bool = False


def served(facts: ServedFacts) -> tuple[tuple[Write, ...], tuple[Event, ...]]:
    """Whose ``served`` rises, and the events to write."""
    candidate, evidence = attribute(facts.candidates, facts.seq, facts.now, crowded=facts.crowded)
    writes: list[Write] = []
    events: list[Event] = []
    if candidate is not None:
        registration = candidate.registration
        # Whoever just adds the pass has no version yet, and may fetch before its registration is known.
        sure = evidence is Evidence.SAME_CONNECTION or (evidence is Evidence.ONLY_ONE and facts.conditional)
        phone, pass_ = registration.device_id, (facts.serial, facts.seq)
        writes.append(RaiseServed(facts.pass_type, phone, *pass_, facts.now, sure, facts.epoch))
        if _came_back(candidate, facts.now):
            writes.append(Resurrect(facts.pass_type, registration.device_id, facts.serial))
            events.append(Event(Kind.RESURRECTED, facts.now, facts.pass_type, facts.serial, registration.device_id))
    detail = {
        "status": facts.status,
        "conditional": facts.conditional,
        "bytes": facts.size,
        "evidence": evidence.value,
    }
    device_id = candidate.registration.device_id if candidate is not None else None
    fetched = Event(Kind.FETCHED, facts.now, facts.pass_type, facts.serial, device_id, None, facts.seq, detail)
    return tuple(writes), (fetched, *events)


def attribute(
    candidates: Sequence[Candidate], seq: int, now: int, *, crowded: bool = False
) -> tuple[Candidate | None, Evidence]:
    """The phone that most likely fetched version ``seq``, and on what evidence. ``crowded``: there are others."""
    here = _phones([c for c in candidates if followed(c.registration, now)])
    connected = [c for c in here if c.same_connection]
    if len(connected) == 1:
        return connected[0], Evidence.SAME_CONNECTION
    if len(here) == 1 and not crowded:
        return here[0], Evidence.ONLY_ONE
    waiting = [c for c in here if _waiting(c, seq, now)]
    if waiting and not crowded:
        return max(waiting, key=_last_asked), Evidence.JUST_TOLD
    return None, Evidence.NONE


def _phones(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """One for each phone: what a superseded device id did, the phone did that superseded it.

    Only while both have one push token. When one of them has got another, they were two phones all along.
    """
    superseded = [c for c in candidates if c.registration.superseded_at is not None]
    if not superseded:
        return candidates
    counted = [c for c in candidates if c.registration.superseded_at is None]
    tokens = {c.device.push_token for c in counted}
    with_past = [_with(c, [s for s in superseded if s.device.push_token == c.device.push_token]) for c in counted]
    return [*with_past, *(s for s in superseded if s.device.push_token not in tokens)]


def _with(one: Candidate, past: Sequence[Candidate]) -> Candidate:
    """A phone with what it did under its older device ids."""
    acts = [one, *past]
    asked_at = max((c.device.asked_at for c in acts if c.device.asked_at is not None), default=None)
    device = replace(one.device, asked_at=asked_at, told=max(c.device.told for c in acts))
    return replace(one, device=device, same_connection=any(c.same_connection for c in acts))


def _waiting(candidate: Candidate, seq: int, now: int) -> bool:
    """Told of this version, not yet seen to take it, and heard from lately."""
    asked_at = candidate.device.asked_at
    lately = asked_at is not None and now - asked_at < JUST_ASKED_MS
    return lately and candidate.device.told >= seq and candidate.registration.served < seq


def _last_asked(candidate: Candidate) -> tuple[int, str]:
    return candidate.device.asked_at or 0, candidate.registration.device_id


def _came_back(candidate: Candidate, now: int) -> bool:
    """It asked after it 'left' and takes what it was told of: that DELETE was a late one. An ask that is later than
    this fetch was dated by a clock that was ahead, and says nothing.
    """
    left_at, asked_at = candidate.registration.left_at, candidate.device.asked_at
    return left_at is not None and asked_at is not None and left_at < asked_at <= now and candidate.same_connection
