"""The events we write down, and what they add up to.

Every event is an observation on a wire or an act of the issuer, never an intention. ``fold`` turns the events of one
registration into its watermarks; the stored watermarks are the same numbers kept by the transaction that wrote the
event, and tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.model import Watermarks

TAKEN = -1
"""Stands in ``Event.seq`` for the number that the same transaction takes."""


class Trip(StrEnum):
    """The round trips, and the two things that belong to none."""

    REGISTER = "register"
    PUSH = "push"
    ASK = "ask"
    FETCH = "fetch"
    TESTIMONY = "testimony"
    CHANGE = "change"
    CERTIFICATE = "certificate"


class Kind(StrEnum):
    """What happened. The value is what the API, the CLI and the database show."""

    ISSUED = "issued"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    VOIDED = "voided"
    PERSONALIZED = "personalized"
    ENROLLED_AGAIN = "enrolled_again"
    PERSONALIZE_REFUSED = "personalize_refused"
    PERSONALIZE_FAILED = "personalize_failed"
    NEW_EPOCH = "new_epoch"
    SHARE_VIEWED = "share_viewed"
    PKPASS_DOWNLOADED = "pkpass_downloaded"
    REGISTERED = "registered"
    REGISTRATION_REFRESHED = "registration_refreshed"
    TOKEN_CHANGED = "token_changed"
    REGISTRATION_REFUSED = "registration_refused"
    REGISTRATION_SUPERSEDED = "registration_superseded"
    TOO_MANY_PHONES = "too_many_phones"
    UNREGISTERED = "unregistered"
    UNREGISTER_REFUSED = "unregister_refused"
    RESURRECTED = "resurrected"
    PUSH_ACCEPTED = "push_accepted"
    PUSH_REJECTED = "push_rejected"
    PUSH_FAILED = "push_failed"
    PUSH_HELD = "push_held"
    TOKEN_DEAD = "token_dead"
    RETOLD = "retold"
    ASKED = "asked"
    ASKED_UNKNOWN = "asked_unknown"
    ASK_REFUSED = "ask_refused"
    FETCHED = "fetched"
    FETCH_REFUSED = "fetch_refused"
    FETCH_FAILED = "fetch_failed"
    POLLED = "polled"
    TESTIFIED = "testified"
    UNKNOWN_DEVICE_MESSAGE = "unknown_device_message"
    CERTIFICATE_IMPORTED = "certificate_imported"
    CERTIFICATE_PROVEN = "certificate_proven"
    CERTIFICATE_CANARY = "certificate_canary"
    CERTIFICATE_PROMOTED = "certificate_promoted"
    CERTIFICATE_ROLLED_BACK = "certificate_rolled_back"
    CERTIFICATE_RETIRED = "certificate_retired"
    PUSH_CREDENTIAL_CHOSEN = "push_credential_chosen"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    CERTIFICATE_ENDED = "certificate_ended"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_UNSOUND = "certificate_unsound"
    CIRCUIT_OPENED = "circuit_opened"
    TEMPLATE_REFUSED = "template_refused"
    CANARY_RAN = "canary_ran"


TRIP_OF: Mapping[Kind, Trip] = {
    Kind.ISSUED: Trip.CHANGE,
    Kind.CHANGED: Trip.CHANGE,
    Kind.UNCHANGED: Trip.CHANGE,
    Kind.VOIDED: Trip.CHANGE,
    Kind.PERSONALIZED: Trip.CHANGE,
    Kind.ENROLLED_AGAIN: Trip.CHANGE,
    Kind.PERSONALIZE_REFUSED: Trip.CHANGE,
    Kind.PERSONALIZE_FAILED: Trip.CHANGE,
    Kind.NEW_EPOCH: Trip.ASK,
    # A share page comes before any phone: what is seen of it is how a registration begins.
    Kind.SHARE_VIEWED: Trip.REGISTER,
    Kind.PKPASS_DOWNLOADED: Trip.REGISTER,
    Kind.REGISTERED: Trip.REGISTER,
    Kind.REGISTRATION_REFRESHED: Trip.REGISTER,
    Kind.TOKEN_CHANGED: Trip.REGISTER,
    Kind.REGISTRATION_REFUSED: Trip.REGISTER,
    Kind.REGISTRATION_SUPERSEDED: Trip.REGISTER,
    Kind.TOO_MANY_PHONES: Trip.REGISTER,
    Kind.UNREGISTERED: Trip.REGISTER,
    Kind.UNREGISTER_REFUSED: Trip.REGISTER,
    Kind.RESURRECTED: Trip.REGISTER,
    Kind.PUSH_ACCEPTED: Trip.PUSH,
    Kind.PUSH_REJECTED: Trip.PUSH,
    Kind.PUSH_FAILED: Trip.PUSH,
    Kind.PUSH_HELD: Trip.PUSH,
    Kind.TOKEN_DEAD: Trip.PUSH,
    Kind.RETOLD: Trip.PUSH,
    Kind.ASKED: Trip.ASK,
    Kind.ASKED_UNKNOWN: Trip.ASK,
    Kind.ASK_REFUSED: Trip.ASK,
    Kind.FETCHED: Trip.FETCH,
    Kind.FETCH_REFUSED: Trip.FETCH,
    Kind.FETCH_FAILED: Trip.FETCH,
    Kind.POLLED: Trip.FETCH,
    Kind.TESTIFIED: Trip.TESTIMONY,
    Kind.UNKNOWN_DEVICE_MESSAGE: Trip.TESTIMONY,
    Kind.CERTIFICATE_IMPORTED: Trip.CERTIFICATE,
    Kind.CERTIFICATE_PROVEN: Trip.CERTIFICATE,
    Kind.CERTIFICATE_CANARY: Trip.CERTIFICATE,
    Kind.CERTIFICATE_PROMOTED: Trip.CERTIFICATE,
    Kind.CERTIFICATE_ROLLED_BACK: Trip.CERTIFICATE,
    Kind.CERTIFICATE_RETIRED: Trip.CERTIFICATE,
    Kind.PUSH_CREDENTIAL_CHOSEN: Trip.PUSH,
    Kind.CERTIFICATE_EXPIRING: Trip.CERTIFICATE,
    Kind.CERTIFICATE_ENDED: Trip.CERTIFICATE,
    Kind.CERTIFICATE_REVOKED: Trip.CERTIFICATE,
    Kind.CERTIFICATE_UNSOUND: Trip.CERTIFICATE,
    Kind.CIRCUIT_OPENED: Trip.PUSH,
    Kind.TEMPLATE_REFUSED: Trip.CHANGE,
    # A run goes through all of them, and ends with what a phone has.
    Kind.CANARY_RAN: Trip.FETCH,
}


@frozen
class Event:
    """One line of a timeline.

    ``seq`` is the change number concerned (0: none). ``target`` is a fingerprint of the push token, never the token.
    ``detail`` holds JSON scalars and lists of them, and nothing secret.
    """

    kind: Kind
    at: int
    pass_type: str
    serial: str | None = None
    device_id: str | None = None
    target: str | None = None
    seq: int = 0
    detail: Mapping[str, object] = field(default_factory=dict)
    id: int = 0

    @property
    def trip(self) -> Trip:
        return TRIP_OF[self.kind]


_RAISES: Mapping[Kind, str] = {
    Kind.ISSUED: "changed",
    Kind.CHANGED: "changed",
    Kind.VOIDED: "changed",
    Kind.PERSONALIZED: "changed",
    Kind.PUSH_ACCEPTED: "pushed",
    Kind.FETCHED: "served",
}


JOINED = frozenset({Kind.REGISTERED, Kind.TOKEN_CHANGED})
"""From here on it counts what a phone is told and served of a pass."""


def fold(events: Iterable[Event], *, serial: str, device_id: str, target: str) -> Watermarks:
    """The watermarks of one registration: the highest number seen on each trip.

    Events of other passes, phones and tokens are skipped, so a whole pass type's events may be given.
    """
    marks = {"changed": 0, "pushed": 0, "asked": 0, "told": 0, "served": 0}
    joined = 0
    for event in events:
        if event.kind is Kind.ASKED and event.device_id == device_id:
            marks["asked"] = max(marks["asked"], _number(event, "asked"))
            if event.seq >= joined:  # else it was answered before, and written down after
                marks["told"] = max(marks["told"], event.seq)
        elif event.kind is Kind.NEW_EPOCH:
            marks["changed"] = max(marks["changed"], event.seq)
        elif event.kind in JOINED and (event.serial, event.device_id) == (serial, device_id):
            # What this phone was told before it had this copy, or another copy of it was served, says nothing of it.
            marks["told"] = marks["served"] = 0
            joined = event.seq
        elif _concerns(event, serial, device_id, target):
            mark = _RAISES[event.kind]
            marks[mark] = max(marks[mark], event.seq)
    return Watermarks(**marks)


def _concerns(event: Event, serial: str, device_id: str, target: str) -> bool:
    mark = _RAISES.get(event.kind)
    if mark == "changed":
        return event.serial == serial
    if mark == "pushed":
        return event.target == target
    return mark == "served" and event.serial == serial and event.device_id == device_id


def _number(event: Event, key: str) -> int:
    value = event.detail.get(key, 0)
    return value if isinstance(value, int) else 0


class Stand(StrEnum):
    """Where a registration stands: the first gap, read from the end."""

    CURRENT = "current"
    FETCH = "fetch"
    ASK = "ask"
    PUSH = "push"
    REGISTER = "register"


def first_gap(marks: Watermarks | None) -> Stand:
    """The trip that is not closed yet; ``None`` (nobody registered) stands on the first trip.

    Read from the end because a phone may come unasked: pull to refresh goes straight to the fetch.
    """
    if marks is None:
        return Stand.REGISTER
    if marks.served >= marks.changed:
        return Stand.CURRENT
    if marks.told >= marks.changed:
        return Stand.FETCH
    if marks.pushed >= marks.changed:
        return Stand.ASK
    return Stand.PUSH
