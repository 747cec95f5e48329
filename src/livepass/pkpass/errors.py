"""What can go wrong, sorted by whose fault it is. Each error says why, and what to do about it.

``str(error)`` is the reason alone; ``error.hint`` is the sentence to print below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PkpassError(Exception):
    """Anything this package refuses. ``reason`` names the thing that was wrong, ``hint`` what to do next."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class InvalidPackage(PkpassError):
    """The bytes are not a package that a phone would take, or not one that is safe to open."""


class InvalidSignature(PkpassError):
    """The ``signature`` file does not vouch for this manifest, or not in the way Wallet demands."""


class InvalidDocument(PkpassError):
    """A pass.json that cannot be written as JSON: whoever supplied the values must change them."""


class CertificateRefused(PkpassError):
    """Certificate, key and intermediate do not belong together or cannot sign passes: the operator's to mend."""


class CertificateNotValid(PkpassError):
    """Right certificate, wrong moment: signing at this instant would make a pass that every phone refuses."""


class TemplateError(PkpassError):
    """The template itself is wrong, whatever data it is given: its author's to mend."""


@dataclass(frozen=True, slots=True)
class DataProblem:
    """One thing wrong with the data for a template. ``pointer`` is a JSON pointer into that data."""

    pointer: str
    message: str


class TemplateDataError(PkpassError):
    """The data does not fit the template. ``problems`` holds every misfit, not only the first."""

    def __init__(self, problems: Sequence[DataProblem]) -> None:
        self.problems = tuple(problems)
        reason = "; ".join(f"{problem.pointer}: {problem.message}" for problem in self.problems)
        super().__init__(reason, "send exactly the template's variables, each with its type")
