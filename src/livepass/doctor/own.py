"""Checks of our own installation, from facts that somebody else gathered, and of its public address from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final

from livepass.doctor.checks import BY_ID, CHECKS
from livepass.doctor.examination import Options, outcome, visiting
from livepass.doctor.network import OF_NETWORK
from livepass.doctor.package import SOON, lasts
from livepass.doctor.report import Report, Result
from livepass.doctor.result import NotTested, Outcome, Status, failed, not_tested, passed, warning, worst
from livepass.doctor.service import OF_SERVICE
from livepass.doctor.subject import Subject
from livepass.doctor.visit import Visit

SILENT: Final = timedelta(minutes=1)
OVERDUE: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=5)
BACKUP: Final = timedelta(days=1)
ROOM_BYTES: Final = 1 << 30
FROM_OUTSIDE: Final = ("NET1", "NET2", "NET3", "NET4", "NET5", "NET6", "NET7", "NET8", "WS6")
_NO_TYPE: Final = "pass.livepass.doctor"


@dataclass(frozen=True, slots=True)
class Process:
    """A process that told of itself: ``role`` holds serve, worker or both."""

    role: str
    host: str
    silent: timedelta


@dataclass(frozen=True, slots=True)
class Installation:
    """What is known. ``None``: could not be looked at, and ``unknown`` says why, by the name of the field.

    ``schema``: what is wrong with it, or "". ``findings``: of livepass db verify. ``overdue``: by how long each push
    that is due has waited. ``certificates``: pass type → until when its live one is valid, or ``None`` where none is;
    ``spoiled``: what the service found revoked or unsound, in words. ``unwritable``: of the ``outside`` files kept
    beside the database. ``room``: free and all bytes. ``way``: what is wrong between phones and the service, in words.
    """

    url: str
    now: datetime
    schema: str | None = None
    findings: Sequence[str] | None = None
    processes: Sequence[Process] | None = None
    overdue: Sequence[timedelta] | None = None
    certificates: Mapping[str, datetime | None] | None = None
    spoiled: Sequence[str] = ()
    outside: int = 0
    unwritable: Sequence[str] | None = None
    room: tuple[int, int] | None = None
    backup: datetime | None = None
    way: Sequence[str] | None = None
    unknown: Mapping[str, str] | None = None


def examine_own(own: Installation, options: Options) -> Report:
    """Every SELF check, and the public address as phones see it."""
    document = {"webServiceURL": own.url, "passTypeIdentifier": next(iter(own.certificates or ()), _NO_TYPE)}
    subject = Subject.naming(document, own.now)
    found: dict[str, Outcome] = {}
    visit: list[Visit] = []

    def visited() -> Visit:
        if not visit:
            visit.append(visiting(subject, options, own.now))
        return visit[0]

    def seen(name: str) -> Outcome:
        return {**OF_NETWORK, **OF_SERVICE}[name](visited())

    try:
        for name in FROM_OUTSIDE:
            found[name] = outcome(BY_ID[name], found, partial(seen, name))
        for name, judge in OF_OWN.items():
            found[name] = outcome(BY_ID[name], found, partial(judge, own))
        found["SELF8"] = outcome(BY_ID["SELF8"], found, lambda: _clocks(visited()))
        found["SELF10"] = _from_outside(found)
    finally:
        for each in visit:
            each.link.close()
    return Report({"url": own.url}, tuple(Result(check, found[check.id]) for check in CHECKS if check.id in found))


def _known(own: Installation, name: str) -> NotTested:
    return NotTested((own.unknown or {}).get(name, "could not be looked at"))


def schema(own: Installation) -> Outcome:
    if own.schema is None:
        raise _known(own, "schema")
    return failed(own.schema) if own.schema else passed("no upgrade is due")


def whole(own: Installation) -> Outcome:
    if own.findings is None:
        raise _known(own, "findings")
    return failed("; ".join(own.findings[:3])) if own.findings else passed("livepass db verify finds nothing")


def alive(own: Installation) -> Outcome:
    if own.processes is None:
        raise _known(own, "processes")
    heard = [each for each in own.processes if each.silent < SILENT]
    missing = [role for role in ("serve", "worker") if not any(role in each.role for each in heard)]
    if missing:
        return failed(f"no {' and no '.join(missing)} has been heard of for a minute", f"{len(heard)} processes alive")
    return passed(f"{len(heard)} processes alive")


def pushed(own: Installation) -> Outcome:
    if own.overdue is None:
        raise _known(own, "overdue")
    late = [each for each in own.overdue if each > OVERDUE]
    if late:
        minutes = max(late) // timedelta(minutes=1)
        return failed(f"{len(late)} pushes are overdue, the oldest by {minutes} minutes", len(late))
    return passed(f"{len(own.overdue)} are owed, none is overdue")


def certified(own: Installation) -> Outcome:
    if own.certificates is None:
        raise _known(own, "certificates")
    if not own.certificates:
        return not_tested("no pass type is known yet")
    bad = [failed(said, said) for said in own.spoiled]
    return worst(*bad, *(_lasts(name, until, own.now) for name, until in own.certificates.items()))


def _lasts(name: str, until: datetime | None, now: datetime) -> Outcome:
    if until is None:
        return failed(f"{name} has no live certificate", name)
    said = f"the certificate of {name} {lasts(until, now)}"
    if until < now:
        return failed(said, name)
    return warning(said, name) if until < now + SOON else passed(said)


def kept_outside(own: Installation) -> Outcome:
    if own.unwritable is None:
        raise _known(own, "unwritable")
    if own.unwritable:
        return failed(f"cannot be written: {', '.join(own.unwritable)}", own.unwritable[0])
    return passed(f"{own.outside} can be written") if own.outside else not_tested("none is configured")


def roomy(own: Installation) -> Outcome:
    if own.room is None:
        raise _known(own, "room")
    free, total = own.room
    said = f"{free / ROOM_BYTES:.1f} GiB of {total / ROOM_BYTES:.1f} are free"
    return failed(said, f"{free} bytes") if free < min(total // 10, ROOM_BYTES) else passed(said)


def backed_up(own: Installation) -> Outcome:
    if own.backup is None:
        raise _known(own, "backup")
    age = own.now - own.backup
    said = f"the backup is {age // timedelta(hours=1)} hours old"
    return warning(said, f"{own.backup:%Y-%m-%d %H:%MZ}") if age > BACKUP else passed(said)


def unchanged(own: Installation) -> Outcome:
    if own.way is None:
        raise _known(own, "way")
    said = "calls and answers get through unchanged"
    return worst(*(failed(each) for each in own.way)) if own.way else passed(said)


def _clocks(visit: Visit) -> Outcome:
    reply = visit.stranger()
    try:
        theirs = parsedate_to_datetime(reply.header("Date")).timestamp()
    except (ValueError, TypeError) as error:
        raise NotTested("the public address gives no Date") from error
    # Date has whole seconds, cut off.
    apart = timedelta(seconds=max(0.0, abs(reply.at - theirs - 0.5) - 0.5))
    said = f"this machine and the public address are {apart.total_seconds():.0f} s apart"
    return warning(said, said) if apart > SKEW else passed(said)


def _from_outside(found: Mapping[str, Outcome]) -> Outcome:
    bad = [name for name in FROM_OUTSIDE if found[name].status is Status.FAILED]
    if bad:
        return failed(f"{', '.join(bad)} failed", bad[0])
    untested = [name for name in FROM_OUTSIDE if found[name].status is Status.NOT_TESTED]
    return not_tested(f"{', '.join(untested)} not tested") if untested else passed("as phones need it")


OF_OWN: Final[Mapping[str, Callable[[Installation], Outcome]]] = {
    "SELF1": schema,
    "SELF2": whole,
    "SELF3": alive,
    "SELF4": pushed,
    "SELF5": certified,
    "SELF6": kept_outside,
    "SELF7": roomy,
    "SELF9": backed_up,
    "SELF11": unchanged,
}
