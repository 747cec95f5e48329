"""What ``why`` reasons from and what it says: the facts of a pass, what a rule found in them, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

from livepass.core.findings import BY_CODE, Who
from livepass.core.frozen import frozen
from livepass.core.model import Held, Pass, Process, Target
from livepass.core.rotation import Link
from livepass.core.timeline import Event, Kind, Trip
from livepass.core.watching import Watched


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
    """Pushes of a pass type that stand still because APNs refused the credential: an APNs key, or the certificate."""

    open_until: int
    reason: str
    opened_at: int
    push_key_id: str | None = None


@frozen
class Cohort:
    """Of some phones that were pushed in the hour of a push: how many, and how many asked since."""

    pushed: int = 0
    asked: int = 0


@frozen
class Facts:
    """What the service knows of a pass. ``events`` are the pass's newest ones.

    ``lineage``: its certificates; ``more`` says that the pass has more phones than were looked at. Of its pass type:
    ``history``, the newest ``new_epoch``; ``strangers``, the newest asks of phones that we do not know. ``ours`` is
    what this service puts into new passes as webServiceURL ("": not known); ``watched``, what the last looks at
    certificates found.
    """

    pass_: Pass
    phones: Sequence[Phone] = ()
    events: Sequence[Event] = ()
    lineage: Sequence[Link] = ()
    circuit: Circuit | None = None
    processes: Sequence[Process] = ()
    cohort: Cohort = Cohort()
    more: bool = False
    history: Event | None = None
    strangers: Sequence[Event] = ()
    ours: str = ""
    watched: Sequence[Watched] = ()
    polled: Event | None = None
    """The newest fetch that a wallet which polls was served."""
    also_ours: Sequence[str] = ()
    """Other addresses that reach this service."""

    @property
    def document(self) -> Mapping[str, object]:
        """The pass.json of the newest version."""
        document: Mapping[str, object] = json.loads(self.pass_.document)
        return document

    @property
    def elsewhere(self) -> str | None:
        """The address that the pass calls, where it is not ours."""
        url = self.document.get("webServiceURL")
        ours = {one.rstrip("/") for one in (self.ours, *self.also_ours)}
        return url if isinstance(url, str) and self.ours and url.rstrip("/") not in ours else None


class Sure(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@frozen
class Verdict:
    """A finding about one pass. ``seen``: the observations that prove it; ``device_id``: the phone it is
    about, if one.
    """

    code: str
    name: str
    trip: Trip | None
    sentence: str
    seen: tuple[Event, ...]
    sure: Sure
    who: Who
    remedy: str
    look_again_at: int | None
    problem: bool
    device_id: str | None = None

    @property
    def proof(self) -> tuple[int, ...]:
        """The ids of what was seen."""
        return tuple(event.id for event in self.seen)


@frozen
class Found:
    """What a rule that fits has found: what fills the sentence, and what proves it."""

    words: Mapping[str, object]
    proof: tuple[Event, ...] = ()
    sure: Sure = Sure.CERTAIN
    again_at: int | None = None


def verdict(code: str, facts: Facts, now: int, found: Found, device_id: str | None = None) -> Verdict:
    """A finding of the catalogue, filled with what was found."""
    finding = BY_CODE[code]
    name = f"{facts.pass_.pass_type}/{facts.pass_.serial}"
    words = {"pass": name, "phone": f"Phone {str(device_id)[:8]}", **found.words}
    again = found.again_at
    if again is None and finding.again is not None:
        again = now + finding.again
    return Verdict(
        code,
        finding.name,
        finding.trip,
        finding.sentence.format_map(words),
        found.proof,
        found.sure,
        finding.who,
        finding.remedy.format_map(words),
        again,
        finding.problem,
        device_id,
    )


def newest(events: Sequence[Event], kinds: Sequence[Kind], since: int = 0) -> Event | None:
    """The newest event of these kinds, whatever their order."""
    fitting = [event for event in events if event.kind in kinds and event.at >= since]
    return max(fitting, key=lambda event: event.id, default=None)
