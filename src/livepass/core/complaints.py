"""What phones said, in lots that mean the same: by sentence, and by shape where nobody knows the sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from livepass.core.frozen import frozen
from livepass.core.timeline import Event, Trip
from livepass.core.trip2_push import DAY
from livepass.core.why import leads_to

UNKNOWN = "?"
DAYS = 7
LINES = 5


@frozen
class Complaint:
    """Lines of one sentence and shape. ``phones`` and ``passes``: how many different ones they name. ``finding``: what
    such a line proves while its phone stands there. ``days``: how many came on each of the last ``DAYS`` days, the
    newest last. ``lines``: the newest ones, as phones sent them: anybody's text.
    """

    code: str
    meaning: str
    about: str
    level: str
    shape: str
    count: int
    phones: int
    passes: int
    first_at: int
    last_at: int
    finding: str | None
    days: Sequence[int]
    lines: Sequence[Event]

    @property
    def known(self) -> bool:
        return self.code != UNKNOWN


def grouped(events: Iterable[Event], now: int) -> list[Complaint]:
    """Events of kind ``testified``; the lot that most phones are in first."""
    lots: dict[tuple[str, str], list[Event]] = {}
    for event in sorted(events, key=lambda event: -event.id):
        lots.setdefault((_text(event, "code") or UNKNOWN, _text(event, "shape")), []).append(event)
    found = [_complaint(*key, lot, now) for key, lot in lots.items()]
    return sorted(found, key=lambda one: (-one.phones, -one.count, one.code, one.shape))


def _complaint(code: str, shape: str, lot: Sequence[Event], now: int) -> Complaint:
    newest = lot[0]
    days = [0] * DAYS
    for event in lot:
        age = max(0, now - event.at) // DAY
        if age < DAYS:
            days[DAYS - 1 - age] += 1
    about, status = _text(newest, "about"), newest.detail.get("status")
    known_trip = about in set(Trip)
    return Complaint(
        code,
        _text(newest, "meaning"),
        about,
        _text(newest, "level"),
        shape,
        len(lot),
        len({event.device_id for event in lot} - {None}),
        len({(event.pass_type, event.serial) for event in lot if event.serial is not None}),
        min(event.at for event in lot),
        max(event.at for event in lot),
        leads_to(code, Trip(about), status if isinstance(status, int) else None) if known_trip else None,
        days,
        lot[:LINES],
    )


def _text(event: Event, key: str) -> str:
    value = event.detail.get(key, "")
    return value if isinstance(value, str) else ""
