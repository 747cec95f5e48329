"""What became of the pushes of each change, put together from the events: whom they went to, what APNs said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import Next, action_for

WHAT_NEXT: Mapping[Next, str] = {
    Next.ACCEPTED: "the push is with Apple; livepass waits for the phone to ask, and pushes again if it does not",
    Next.TOKEN_DEAD: "livepass stops pushing to this token, unless the phone registered again since its timestamp",
    Next.QUARANTINE: "livepass stops pushing to this token; if many are called bad at once, it blames itself instead",
    Next.LATER: "livepass pushes again, a little later each time",
    Next.MUCH_LATER: "livepass pushes again, after 15 minutes at the earliest",
    Next.STOP_CREDENTIAL: "livepass stops pushing for this pass type for minutes: the credential is to blame, no token",
    Next.OUR_BUG: "livepass tries again after a day: the request itself was wrong, which is a bug to report",
}


class Whose(StrEnum):
    """Where an answer of APNs points to."""

    NOBODY = "nobody"
    PHONE = "phone"
    CREDENTIAL = "certificate or key"
    NETWORK = "network"
    APNS = "APNs"
    LIVEPASS = "livepass"


_WHOSE: Mapping[Next, Whose] = {
    Next.ACCEPTED: Whose.NOBODY,
    Next.TOKEN_DEAD: Whose.PHONE,
    Next.QUARANTINE: Whose.PHONE,
    Next.LATER: Whose.APNS,
    Next.MUCH_LATER: Whose.APNS,
    Next.STOP_CREDENTIAL: Whose.CREDENTIAL,
    Next.OUR_BUG: Whose.LIVEPASS,
}

ANSWERED = (Kind.PUSH_ACCEPTED, Kind.PUSH_REJECTED, Kind.PUSH_FAILED, Kind.TOKEN_DEAD)
CAUSES = (Kind.CHANGED, Kind.VOIDED, Kind.NEW_EPOCH, Kind.ISSUED, Kind.RETOLD, Kind.REGISTERED, Kind.TOKEN_CHANGED)
"""What takes a number that phones are pushed for."""
KINDS = (*ANSWERED, Kind.PUSH_HELD, *CAUSES)
_OF_ITSELF = frozenset({Kind.CHANGED, Kind.VOIDED, Kind.NEW_EPOCH})
"""Worth a line also where no push was seen: nobody follows the pass, or a later change took its pushes along."""


def whose(status: int, reason: str) -> Whose:
    """Where the answer points to. Status 0: none came (``PushAnswer``)."""
    action = action_for(status, reason)
    unanswered = status == 0 and action in (Next.LATER, Next.MUCH_LATER)
    return Whose.NETWORK if unanswered else _WHOSE[action]


@frozen
class Said:
    """An answer that came to some pushes of a change: how often, and to how many push tokens."""

    status: int
    reason: str
    times: int
    phones: int

    @property
    def whose(self) -> Whose:
        return whose(self.status, self.reason)

    @property
    def next(self) -> str:
        return WHAT_NEXT[action_for(self.status, self.reason)]


@frozen
class Told:
    """The pushes for one number of a pass type. ``cause``: the event that took the number (``None``: it is older than
    what was looked at). ``phones``: push tokens that a push was sent to, ``accepted``: those of which APNs took one,
    ``held``: those whose push waits, or waited, for the phone's patience, at the longest until ``held_until``. Instants
    are of the first and the last answer (``None``: there was none).
    """

    pass_type: str
    seq: int
    cause: Event | None
    phones: int
    accepted: int
    held: int
    held_until: int | None
    said: Sequence[Said]
    first_at: int | None
    last_at: int | None


def told(events: Iterable[Event]) -> list[Told]:
    """Events of ``KINDS``, in any order, as one line for each number, the newest event first."""
    lots: dict[tuple[str, int], list[Event]] = {}
    for event in sorted(events, key=lambda event: -event.id):
        if event.kind in KINDS and event.seq > 0:
            lots.setdefault((event.pass_type, event.seq), []).append(event)
    lines = [_told(*key, lot) for key, lot in lots.items()]
    return [line for line in lines if line.phones or line.held or (line.cause and line.cause.kind in _OF_ITSELF)]


def _told(pass_type: str, seq: int, lot: Sequence[Event]) -> Told:
    causes = sorted((event for event in lot if event.kind in CAUSES), key=lambda event: CAUSES.index(event.kind))
    answers = [event for event in lot if event.kind in ANSWERED]
    held = [event for event in lot if event.kind is Kind.PUSH_HELD]
    said: dict[tuple[int, str], list[Event]] = {}
    for event in answers:
        said.setdefault((_number(event, "status") or 0, str(event.detail.get("reason", ""))), []).append(event)
    until = [at for at in (_number(event, "until") for event in held) if at is not None]
    instants = [event.at for event in answers]
    return Told(
        pass_type,
        seq,
        causes[0] if causes else None,
        _phones(answers),
        _phones(event for event in answers if event.kind is Kind.PUSH_ACCEPTED),
        _phones(held),
        max(until, default=None),
        [Said(*key, len(same), _phones(same)) for key, same in sorted(said.items(), key=lambda one: -len(one[1]))],
        min(instants, default=None),
        max(instants, default=None),
    )


def _phones(events: Iterable[Event]) -> int:
    return len({event.target for event in events})


def _number(event: Event, key: str) -> int | None:
    value = event.detail.get(key)
    return value if isinstance(value, int) else None
