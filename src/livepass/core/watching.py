"""What is watched so that no certificate ends or breaks unnoticed, and which alarm is due, given what was said before.

Each threshold is said once for each end: a certificate that was renewed starts anew. What every place tells of it
(status, check, API, metrics) is in ``core.watch_told``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.rotation import DAY, Link, Stage, signing

HOUR = 3_600_000


class What(StrEnum):
    """What is looked at. The value is what the API, the metrics and the database show."""

    CERTIFICATE = "certificate"
    INTERMEDIATE = "intermediate"
    SIGNATURE = "signature"
    REVOCATION = "revocation"
    PUBLIC_TLS = "public_tls"
    APNS_TLS = "apns_tls"


class Level(StrEnum):
    """How loudly a thing is said."""

    NOTE = "note"
    WARNING = "warning"
    ALARM = "alarm"


THRESHOLDS: Mapping[int, Level] = {
    # Days before the end. Apple gives no warning that we could rely on; the last ones come while a weekend passes.
    90: Level.NOTE,
    60: Level.NOTE,
    30: Level.WARNING,
    14: Level.WARNING,
    7: Level.ALARM,
    3: Level.ALARM,
    1: Level.ALARM,
    0: Level.ALARM,
}
SHARE = 4
"""Machines renew TLS certificates with a third of their life left. So a threshold counts for those only in the last
quarter: before it, nothing has gone wrong yet.
"""

BY_PEOPLE = (What.CERTIFICATE, What.INTERMEDIATE)
"""People renew these, whatever their life: every threshold counts."""


class Problem(StrEnum):
    """What a look found wrong."""

    NONE = ""
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_NAME = "wrong_name"
    INCOMPLETE_CHAIN = "incomplete_chain"
    UNTRUSTED = "untrusted"
    UNREACHABLE = "unreachable"
    UNSOUND = "unsound"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


PROBLEMS: Mapping[Problem, Level] = {
    Problem.NOT_YET_VALID: Level.ALARM,
    Problem.WRONG_NAME: Level.ALARM,
    Problem.INCOMPLETE_CHAIN: Level.ALARM,
    Problem.UNTRUSTED: Level.ALARM,
    Problem.UNSOUND: Level.ALARM,
    # An address may be out of reach from inside only; whoever answers for revocation may be behind a firewall.
    Problem.UNREACHABLE: Level.WARNING,
    Problem.UNKNOWN: Level.NOTE,
}
"""How loudly each is said. Not here: what ``THRESHOLDS`` says by its date, and what is revoked, which has its own."""
UNCLEAR = (Problem.UNREACHABLE, Problem.UNKNOWN)
"""The look could not be had: nothing is known to be wrong."""


@frozen
class Seen:
    """What a look found. Instants are milliseconds, ``None`` where there is none; ``detail`` is for people."""

    starts_at: int | None = None
    ends_at: int | None = None
    problem: Problem = Problem.NONE
    detail: str = ""


@frozen
class Watched:
    """A subject, as it was seen last. ``look_at``: when the next look is due; ``said_days``: the lowest threshold that
    was said of this end.
    """

    subject: str
    kind: What
    pass_type: str
    starts_at: int | None
    ends_at: int | None
    look_at: int
    checked_at: int | None = None
    problem: Problem = Problem.NONE
    detail: str = ""
    said_days: int | None = None

    @property
    def certificate_id(self) -> str:
        """ "": it is about no certificate of a pass type."""
        return self.subject.partition(":")[2]


@frozen
class Alarm:
    """An end to be told. ``days``: the threshold, which is not told again; ``left``: whole days, 0 on the last one."""

    days: int
    left: int
    level: Level

    @property
    def ended(self) -> bool:
        return self.days == 0


def subject(kind: What, certificate_id: str = "") -> str:
    """The key of what is watched."""
    return f"{kind.value}:{certificate_id}" if certificate_id else kind.value


def subjects(lineages: Iterable[Sequence[Link]], others: Iterable[What], look_at: int) -> Iterator[Watched]:
    """Everything to watch: of each live certificate the two ends and what ``others`` names of its looks; and the rest
    of ``others``. ``look_at``: when what is new is looked at first.
    """
    looks = list(others)
    for lineage in lineages:
        for link in lineage:
            if link.stage is Stage.LIVE:
                ends = {What.CERTIFICATE: link.not_after, What.INTERMEDIATE: link.intermediate_not_after}
                kinds = [*ends, *(kind for kind in looks if kind in OF_CERTIFICATES)]
                for kind in kinds:
                    starts = link.not_before if kind is What.CERTIFICATE else None
                    key = subject(kind, link.id)
                    yield Watched(key, kind, link.pass_type, starts, ends.get(kind), look_at)
    for kind in looks:
        if kind not in OF_CERTIFICATES:
            yield Watched(subject(kind), kind, "", None, None, look_at)


OF_CERTIFICATES = (What.SIGNATURE, What.REVOCATION)
"""Looks at a certificate of a pass type, each once a day."""


def heir(link: Link, lineage: Sequence[Link], now: int) -> Link | None:
    """Which certificate signs once this one does not any more; ``None``: none that is live."""
    at = now if link.revoked_at is not None else max(now, link.until)
    rest = signing([one for one in lineage if one.id != link.id], at)
    return rest if rest is not None and rest.signs_at(at) else None


def unsound(link: Link, watched: Iterable[Watched]) -> str | None:
    """Why its last test signature failed; ``None``: it did not, or there was none."""
    key = subject(What.SIGNATURE, link.id)
    return next((row.detail for row in watched if row.subject == key and row.problem is Problem.UNSOUND), None)


def alarm(row: Watched, now: int, *, inherited: bool = False) -> Alarm | None:
    """What is to be said of the end of a subject now; ``None``: nothing, or it was said. ``inherited``: another one
    signs then, so nobody has to do anything.
    """
    if row.ends_at is None or row.kind is What.APNS_TLS:
        return None  # when Apple's certificate ends is Apple's business: only that it is trusted is ours
    left = row.ends_at - now
    reached = [days for days in THRESHOLDS if left <= days * DAY and _counts(row, days)]
    if not reached or (row.said_days is not None and row.said_days <= min(reached)):
        return None
    days = min(reached)
    return Alarm(days, max(0, left // DAY), Level.NOTE if inherited else THRESHOLDS[days])


def _counts(row: Watched, days: int) -> bool:
    if row.kind in BY_PEOPLE or row.starts_at is None or row.ends_at is None:
        return True
    return days * DAY * SHARE <= row.ends_at - row.starts_at


def next_look(now: int, seen: Seen, fraction: float) -> int:
    """Once a day, spread over an hour; what was not well is looked at again in an hour. ``fraction`` is in [0, 1)."""
    return now + HOUR if seen.problem else now + DAY - int(fraction * HOUR)
