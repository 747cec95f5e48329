"""What ``why`` found, as callers get it: of one pass, and of all at once."""

from __future__ import annotations

from msgspec import Struct

from livepass.core.morning import Group
from livepass.core.verdict import Verdict
from livepass.manual import of_finding
from livepass.service.explaining import Explained, Round
from livepass.web.issuer_answers_events import EventRow, Instant, maybe_at


class VerdictRow(Struct, frozen=True):
    """What is to be said of a pass, or of one of its phones. `problem`: somebody (`who`) must act.

    `proof`: the observations that show it, as they stand in timelines. `sure`: `certain`, `likely` or `possible`.
    `docs` is the path of the page about the finding on this service.
    """

    code: str
    name: str
    problem: bool
    trip: str | None
    device_id: str | None
    sentence: str
    sure: str
    who: str
    remedy: str
    proof: list[EventRow]
    look_again_at: Instant | None
    docs: str

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictRow:
        return cls(
            verdict.code,
            verdict.name,
            verdict.problem,
            None if verdict.trip is None else verdict.trip.value,
            verdict.device_id,
            verdict.sentence,
            verdict.sure.value,
            verdict.who.value,
            verdict.remedy,
            [EventRow.of(event) for event in verdict.seen],
            maybe_at(verdict.look_again_at),
            of_finding(verdict.code),
        )


class WhyCohort(Struct, frozen=True):
    """Of a sample of phones that APNs accepted a push for: how many, and how many of them asked since."""

    pushed: int
    asked: int


class Why(Struct, frozen=True):
    """Why a pass is not up to date on its phones, or that it is: problems first, worst first.

    `phones`: how many that follow it were looked at; `more`: there are others. `cohort`: where a phone was pushed and
    has not asked since, what those did that were pushed in the same hour; `null` where none waits like that.
    """

    pass_type: str
    serial: str
    problem: bool
    phones: int
    more: bool
    cohort: WhyCohort | None
    verdicts: list[VerdictRow]

    @classmethod
    def of(cls, found: Explained) -> Why:
        verdicts = [VerdictRow.of(verdict) for verdict in found.verdicts]
        cohort = WhyCohort(found.cohort.pushed, found.cohort.asked) if found.cohort.pushed else None
        pass_ = found.pass_
        return cls(pass_.pass_type, pass_.serial, found.problem, found.phones, found.more, cohort, verdicts)


class WhyExample(Struct, frozen=True):
    """Somebody of whom this was found. Without a phone it is about the pass type."""

    pass_type: str
    serial: str
    device_id: str | None


class WhyGroup(Struct, frozen=True):
    """A finding, and how many registrations it is true of. `exact`: counted; else estimated from those looked at.

    `sentence` and `remedy` are of the first of `examples`; `sure` is the least sure of all that were looked at. `docs`
    is the path of the page about the finding on this service.
    """

    code: str
    name: str
    problem: bool
    trip: str | None
    registrations: int
    exact: bool
    sentence: str
    sure: str
    who: str
    remedy: str
    pass_types: list[str]
    examples: list[WhyExample]
    docs: str

    @classmethod
    def of(cls, group: Group) -> WhyGroup:
        verdict = group.verdict
        return cls(
            verdict.code,
            verdict.name,
            verdict.problem,
            None if verdict.trip is None else verdict.trip.value,
            group.people,
            group.exact,
            verdict.sentence,
            group.sure.value,
            verdict.who.value,
            verdict.remedy,
            list(group.pass_types),
            [WhyExample(one.pass_type, one.serial, one.device_id) for one in group.examples],
            of_finding(verdict.code),
        )


class WhyAll(Struct, frozen=True):
    """What is to be said of all passes: what somebody must act on first, then by how many it is true of.

    `registrations` are told of changes; `current` of them were served the newest version; at `looked_at` of the others
    was looked.
    """

    registrations: int
    current: int
    looked_at: int
    problem: bool
    groups: list[WhyGroup]

    @classmethod
    def of(cls, found: Round) -> WhyAll:
        groups = [WhyGroup.of(group) for group in found.groups]
        problem = any(group.problem for group in groups)
        return cls(found.registrations, found.current, found.looked_at, problem, groups)
