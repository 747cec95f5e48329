"""Looks whether the database holds together: statements that must answer nothing, and a sample of diaries.

Read in one snapshot beside a running service, which waits for none of it. A finding says what it means and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from livepass.core.authorization import fingerprint
from livepass.core.model import Held, Watermarks
from livepass.core.timeline import JOINED, Event, Kind, fold
from livepass.store.reading import Reading
from livepass.store.rows import Row
from livepass.store.whole import Snapshot

DAY_MS = 86_400_000
SHOWN = 5
"""Keys shown of each finding."""
PAGE = 2000
LONGEST = 20_000
"""Events of one pass that are read at most; a longer diary is left out of the sample."""
NO_NUMBER = 2**63
"""Where the first number would stand that is still written down, when none is: all numbers are older than that."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """What a finding means, and what to do. ``keys`` says what the statement answers, in order."""

    means: str
    remedy: str
    keys: str = "pass_type serial device_id"


_RESTORE = "restore a backup from before it: livepass restore; keep this database, and report it"
_REPORT = "report it: no livepass writes this, and it does no harm by itself"
_RECOVER = "a new history makes every phone ask anew: livepass db recover"
_BY_ITSELF = "it goes by itself within a day where livepass runs; report it if it stays"

INVARIANTS: Mapping[str, Invariant] = {
    "no_installation": Invariant("the database does not say once which installation it is", _RESTORE, "rows"),
    "pass_type_without_counter": Invariant("no pass of the type can change: it has no numbers", _RESTORE),
    "counter_without_pass_type": Invariant("numbers of a pass type that is not there", _RESTORE),
    "pass_without_pass_type": Invariant("passes that belong to nobody, and are answered as unknown", _RESTORE),
    "of_no_tenant": Invariant(
        "it belongs to a tenant that is not there, and nobody can reach it",
        "make the tenant again, under that name: livepass tenant add NAME",
        "tenant what id",
    ),
    "import_row_of_no_import": Invariant(
        "rows of an import wait, and nobody will make passes of them",
        "send them again, and report it: no livepass writes this",
        "import row",
    ),
    "pass_without_template": Invariant(
        "the pass cannot be built: its template's revision is gone, or its pass type is another tenant's",
        "import the template again: livepass template import FOLDER; passes that follow it get its revision",
    ),
    "pass_without_token_key": Invariant(
        "phones with the pass are refused: the key that its token comes from is gone", _RESTORE
    ),
    "template_without_revision": Invariant(
        "the template names a revision that is not there",
        "import it again: livepass template import FOLDER",
        "tenant name",
    ),
    "certificate_of_no_pass_type": Invariant(
        "the certificate signs and pushes nothing: its pass type is gone",
        "import it again: livepass cert import",
        "pass_type certificate",
    ),
    "live_certificate_unproven": Invariant(
        "passes are signed with a certificate that never proved itself",
        "livepass cert prove ID, or livepass cert rollback ID",
        "pass_type certificate",
    ),
    "live_certificate_of_another_team": Invariant(
        "phones take an update only from the team that made the pass",
        "make a certificate of the pass type's own team live: livepass cert list shows them",
        "pass_type certificate",
    ),
    "push_key_missing": Invariant(
        "nothing is pushed for the pass type: the APNs key that pushes is not there",
        "livepass apns-key import FILE.p8; or with the certificate: livepass apns-key use TYPE --certificate",
        "pass_type key",
    ),
    "push_key_retired": Invariant(
        "the pass type is pushed with an APNs key that was retired",
        "livepass apns-key use TYPE KEYID, or livepass apns-key use TYPE --certificate",
        "pass_type key",
    ),
    "push_key_of_another_team": Invariant(
        "APNs refuses an APNs key of another team than the pass type's",
        "use a key of that team, or livepass apns-key use TYPE --certificate",
        "pass_type key",
    ),
    "registration_without_pass": Invariant("a phone follows a pass that is gone: it can be told of nothing", _RESTORE),
    "registration_without_device": Invariant("nobody knows where to push: the phone's record is gone", _RESTORE),
    "device_without_target": Invariant(
        "the phone is never pushed, until it registers again", _RESTORE, "pass_type device_id"
    ),
    "target_without_device": Invariant("a push token that belongs to no phone", _BY_ITSELF, "pass_type push_token"),
    "device_without_registration": Invariant("a phone that follows nothing", _BY_ITSELF, "pass_type device_id"),
    "enrolment_without_pass": Invariant("what somebody gave for a pass that is gone", _REPORT, "pass_type serial"),
    "pass_without_enrolment": Invariant(
        "the pass cannot be built: what the person gave who enrolled for it is gone", _RESTORE, "pass_type serial"
    ),
    "fan_out_without_pass": Invariant(
        "pushes are to be made due of a pass that is gone", _BY_ITSELF, "pass_type serial"
    ),
    "epoch_above_counter": Invariant("the history begins with a number that was never taken", _RECOVER),
    "pass_above_counter": Invariant(
        "the counter went back: phones miss changes that get these numbers again", _RECOVER
    ),
    "registration_above_counter": Invariant("the counter went back: what was told or served is no more", _RECOVER),
    "device_above_counter": Invariant(
        "the counter went back: the phone asks with a number that comes again", _RECOVER, "pass_type device_id"
    ),
    "target_above_counter": Invariant(
        "the counter went back: pushes count as sent that are not", _RECOVER, "pass_type push_token"
    ),
    "fan_out_above_counter": Invariant(
        "the counter went back: pushes are to be made due of a number that is not taken yet",
        _RECOVER,
        "pass_type serial",
    ),
    "enrolment_above_counter": Invariant(
        "the counter went back: whoever reads enrolments misses those that come", _RECOVER, "pass_type serial"
    ),
    "event_above_counter": Invariant(
        "the counter went back: the diary knows later numbers", _RECOVER, "pass_type event"
    ),
    "served_above_changed": Invariant("the pass went back: a phone holds a later version than there is", _RECOVER),
    "confirmed_above_served": Invariant("more was confirmed than served", _REPORT),
    "joined_after_its_number": Invariant("the phone was told of the pass before it joined", _REPORT),
    "number_below_zero": Invariant("a change number below zero", _RESTORE, "pass_type serial"),
    "retell_without_reason": Invariant("a pass is to be told again that was served, or that the phone left", _REPORT),
    "lease_forgotten": Invariant(
        "pushes that a worker claimed more than a day ago, and nobody took over",
        "start a worker: livepass serve, or livepass worker",
        "pass_type push_token",
    ),
    "lease_by_halves": Invariant(
        "a claim without its end, or an end without its claim", _REPORT, "pass_type push_token"
    ),
    "dead_by_halves": Invariant(
        "a token that died without a reason, or lives with one", _REPORT, "pass_type push_token"
    ),
    "version_from_the_future": Invariant(
        "Last-Modified is more than a day ahead: a host's clock was wrong when the pass changed",
        "set the clock right; the pass follows it again once that instant has come",
        "pass_type serial",
    ),
    "version_later_than_the_newest": Invariant(
        "a version is later than the newest that was ever given away: a new history may give its date away again",
        _REPORT,
        "pass_type serial",
    ),
    "event_id_given_twice": Invariant("the diary cannot be written: its next id is taken", _RESTORE, "last_id"),
}
"""By the name of the statement in verify.sql."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows of which something is not true. ``first`` names some of them."""

    name: str
    count: int
    first: tuple[str, ...]
    means: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what was found. ``sampled``: passes whose diary was added up."""

    checks: int
    sampled: int
    findings: tuple[Finding, ...]


async def verify(snapshot: Snapshot, *, now: int, sample: int, quick: bool) -> Verified:
    """Look at everything, and at the diaries of ``sample`` passes; ``quick``: do not compare indexes with tables."""
    findings = []
    damage = await snapshot.damage(quick=quick)
    if damage:
        means = "the file is damaged: some of it cannot be read, or contradicts itself"
        remedy = "stop every livepass, keep a copy of the file, and restore a backup"
        findings.append(Finding("damaged_file", len(damage), tuple(damage[:SHOWN]), means, remedy))
    parameters = {"before": now - DAY_MS, "tomorrow": (now + DAY_MS) // 1000}
    for name, invariant in INVARIANTS.items():
        count, first = 0, list[str]()
        async for rows in snapshot.stream(name, parameters):
            count += len(rows)
            first += [shown(row, invariant.keys.split()) for row in rows[: SHOWN - len(first)]]
        if count:
            findings.append(Finding(name, count, tuple(first), invariant.means, invariant.remedy))
    sampled, wrong = await _add_up(snapshot, sample)
    if wrong:
        means = "the diary does not add up to what is stored: one of the two was changed by hand, or by a fault of ours"
        findings.append(Finding("diary_disagrees", len(wrong), tuple(wrong[:SHOWN]), means, _RECOVER))
    return Verified(len(INVARIANTS) + 1, sampled, tuple(findings))


def shown(row: Row, keys: Sequence[str]) -> str:
    """The keys of a row on one line. A push token is shown as the fingerprint that the diary knows it by."""
    cells = [fingerprint(cell) if key == "push_token" else str(cell) for cell, key in zip(row, keys, strict=False)]
    return " ".join(["/".join(cells[:2]), *cells[2:]])


# ── the diary


async def _add_up(snapshot: Snapshot, sample: int) -> tuple[int, list[str]]:
    first: dict[str, int] = {}
    async for rows in snapshot.stream("first_numbers", {}):
        first |= {row[0]: row[1] for row in rows}
    chosen = [(row[0], row[1]) async for rows in snapshot.stream("some_passes", {"limit": sample}) for row in rows]
    count, wrong = 0, list[str]()
    for pass_type, serial in chosen:
        events = await _diary(snapshot.reading, pass_type, serial)
        if events is not None:
            count += 1
            for held in await snapshot.reading.held(pass_type, serial):
                wrong += disagreements(events, held, first.get(pass_type, NO_NUMBER))
    return count, wrong


async def _diary(reading: Reading, pass_type: str, serial: str) -> list[Event] | None:
    events: list[Event] = []
    while found := await reading.timeline(pass_type, serial, after=events[-1].id if events else 0, limit=PAGE):
        events += found
        if len(events) > LONGEST:
            return None
    return events


def disagreements(events: Sequence[Event], held: Held, first: int) -> Iterator[str]:
    """Where the watermarks of a registration are not what its events say.

    What has a number from ``first`` on is still written down; what is older may be forgotten. A phone that was
    forgotten and came back starts anew, and its older events do not count: so events since it registered are the least
    that must be stored, and all events the most. The pass itself does not go back. A push token that was given up and
    came back starts anew too, and no event of this pass says so.
    """
    registration = held.registration
    key = {"serial": registration.serial, "device_id": registration.device_id, "target": held.target}
    most = fold(events, **key)
    least = fold(_since_registered(_of_their_history(events), registration.serial, registration.device_id), **key)
    name = f"{registration.pass_type}/{registration.serial} {registration.device_id}"
    for mark in Watermarks.__dataclass_fields__:
        stored, low, high = getattr(held.watermarks, mark), getattr(least, mark), getattr(most, mark)
        if stored > high and stored >= first:
            yield f"{name}: {mark} is {stored}, the diary says {high}"
        elif stored < (high if mark == "changed" else low) and mark != "pushed":
            yield f"{name}: {mark} is {stored}, the diary says {high if mark == 'changed' else low}"


def _of_their_history(events: Sequence[Event]) -> Sequence[Event]:
    kept, began = list[Event](), 0
    for event in events:
        began = event.seq if event.kind is Kind.NEW_EPOCH else began
        if event.kind not in (Kind.ASKED, Kind.FETCHED) or event.seq >= began:
            kept.append(event)
    return kept


def _since_registered(events: Sequence[Event], serial: str, device_id: str) -> Sequence[Event]:
    at = [
        place
        for place, event in enumerate(events)
        if event.kind in JOINED and (event.serial, event.device_id) == (serial, device_id)
    ]
    return events[at[-1] :] if at else events
