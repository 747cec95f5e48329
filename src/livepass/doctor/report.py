"""The report: results in the order of the table, what they mean on phones today, and what to mend first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from livepass.doctor.checks import Breaks, Check
from livepass.doctor.result import BROKE, Outcome, Status


@dataclass(frozen=True, slots=True)
class Result:
    """One check and what it found."""

    check: Check
    outcome: Outcome

    @property
    def status(self) -> Status:
        return self.outcome.status

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "id": self.check.id,
            "group": self.check.group.value,
            "title": self.check.title,
            "severity": self.check.severity,
            "status": self.status.value,
            "evidence": self.outcome.evidence,
            "expected": self.check.expected,
            "actual": self.outcome.actual,
            "remedy": self.check.remedy,
            "docs": self.check.docs,
        }


@dataclass(frozen=True, slots=True)
class OnPhones:
    """What becomes of one thing that people expect. ``check`` is what stops it, or ``None``."""

    what: str
    state: str
    check: Check | None
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """``subject`` says what was looked at; ``cleaned``: is the fake device proved to be gone; ``cleanup``: how."""

    subject: Mapping[str, str]
    results: tuple[Result, ...]
    cleanup: str = ""
    cleaned: bool = True

    def of(self, *statuses: Status) -> list[Result]:
        return [each for each in self.results if each.status in statuses]

    @property
    def failed(self) -> list[Result]:
        return self.of(Status.FAILED)

    @property
    def warnings(self) -> list[Result]:
        return self.of(Status.WARNING)

    @property
    def broke(self) -> bool:
        """Whether a check could not be made for a fault of ours."""
        return any(each.outcome.evidence.startswith(BROKE) for each in self.of(Status.NOT_TESTED))

    @property
    def phones(self) -> tuple[OnPhones, ...]:
        """Adding a pass, updates, pushes: which trip breaks, and by which check."""
        return tuple(_on_phones(self, what, breaks) for what, breaks in EXPECTED)

    @property
    def fix_first(self) -> list[Result]:
        """At most three: failures in the order of the table, where causes stand before what they cause."""
        return (self.failed or self.warnings)[:3]

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "subject": dict(self.subject),
            "results": [each.as_json() for each in self.results],
            "summary": {status.value: len(self.of(status)) for status in Status},
            "phones": [
                {
                    "what": each.what,
                    "state": each.state,
                    "check": each.check.id if each.check else None,
                    "why": each.why,
                }
                for each in self.phones
            ],
            "fix_first": [each.check.id for each in self.fix_first],
            "cleanup": {"done": self.cleaned, "what": self.cleanup} if self.cleanup else None,
        }


EXPECTED: Final[tuple[tuple[str, Mapping[Breaks, str]], ...]] = (
    ("adding a pass", {"add": "cannot be added", "register": "cannot register"}),
    ("updates", {"update": "never shown"}),
    ("pushes", {"push": "do not go out"}),
)


def _on_phones(report: Report, what: str, states: Mapping[Breaks, str]) -> OnPhones:
    concerned = [each for each in report.results if set(each.check.breaks) & states.keys()]
    for each in concerned:
        if each.status is Status.FAILED:
            state = next(said for breaks, said in states.items() if breaks in each.check.breaks)
            return OnPhones(what, state, each.check, each.check.why)
    untested = [each for each in concerned if each.status is Status.NOT_TESTED]
    if untested:
        last = untested[-1]
        return OnPhones(what, "not known", None, f"{last.check.id} was not tested: {last.outcome.evidence}")
    return OnPhones(what, "nothing seen that stops them", None, "")


def by_group(report: Report) -> Iterator[tuple[str, list[Result]]]:
    """The results of each section, in order."""
    groups: dict[str, list[Result]] = {}
    for each in report.results:
        groups.setdefault(each.check.group.value, []).append(each)
    yield from groups.items()
