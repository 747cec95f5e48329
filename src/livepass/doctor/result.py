"""What a check says: a value, with the evidence it was seen by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BROKE = "the check itself broke"
"""How the reason begins when a check could not be made for a fault of ours."""


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    NOT_TESTED = "not tested"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found. ``evidence`` is a sentence of what was seen; ``actual`` the value that is wrong, if any."""

    status: Status
    evidence: str
    actual: str = ""


class NotTested(Exception):
    """A check cannot be made; the message says why. Raised by whatever it needed and could not have."""


def passed(evidence: str) -> Outcome:
    return Outcome(Status.PASSED, evidence)


def warning(evidence: str, actual: object = "") -> Outcome:
    return Outcome(Status.WARNING, evidence, str(actual))


def failed(evidence: str, actual: object = "") -> Outcome:
    return Outcome(Status.FAILED, evidence, str(actual))


def not_tested(why: str) -> Outcome:
    return Outcome(Status.NOT_TESTED, why)


def worst(*outcomes: Outcome) -> Outcome:
    """The first of the worst: of several looks at one thing. Evidence of all that are as bad is joined."""
    order = (Status.FAILED, Status.WARNING, Status.NOT_TESTED, Status.PASSED)
    for status in order:
        found = [each for each in outcomes if each.status is status]
        if found:
            actual = "; ".join(dict.fromkeys(each.actual for each in found if each.actual))
            return Outcome(status, "; ".join(dict.fromkeys(each.evidence for each in found)), actual)
    raise ValueError("no outcome")
