"""What can go wrong, as exit codes and one exception that carries what to print.

The rules of tone, for every message of this command line: lower case, no full stop, first what is wrong, then where,
then ``hint:`` with the next command to type. Names that a person typed are repeated as typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes, of every command."""

    FINE = 0
    """Done, or nothing to do."""
    PROBLEM = 1
    """Looked, and found something wrong."""
    USAGE = 2
    """The command or a setting cannot be understood."""
    UNCHECKED = 3
    """Could not look: no network, no database, no permission."""
    REFUSED = 4
    """Not done, because it could hurt: say --yes, or name another file."""
    INTERRUPTED = 130
    """Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Where:
    """One place that is wrong: a JSON pointer or a file, and what is wrong there."""

    pointer: str
    message: str
    remedy: str = ""


class Fault(Exception):
    """An expected fault. ``hint`` is the next command to type, or what to look at."""

    def __init__(
        self,
        title: str,
        exit_: Exit = Exit.PROBLEM,
        *,
        hint: str = "",
        where: Sequence[Where] = (),
        code: str = "",
    ) -> None:
        super().__init__(title)
        self.title = title
        self.exit = exit_
        self.hint = hint
        self.where = tuple(where)
        self.code = code or exit_.name.lower()

    def as_json(self) -> Mapping[str, object]:
        """The fault as ``--json`` prints it, on stderr."""
        document: dict[str, object] = {"title": self.title, "code": self.code, "exit": int(self.exit)}
        if self.hint:
            document["hint"] = self.hint
        if self.where:
            document["errors"] = [
                {"pointer": each.pointer, "message": each.message, **({"remedy": each.remedy} if each.remedy else {})}
                for each in self.where
            ]
        return document


def refused(title: str, hint: str) -> Fault:
    """Not done for safety."""
    return Fault(title, Exit.REFUSED, hint=hint)


def usage(title: str, hint: str = "") -> Fault:
    """Called in a way that makes no sense."""
    return Fault(title, Exit.USAGE, hint=hint)


def unchecked(title: str, hint: str = "") -> Fault:
    """Could not look."""
    return Fault(title, Exit.UNCHECKED, hint=hint)
