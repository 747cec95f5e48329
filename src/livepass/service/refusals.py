"""What the issuer got wrong, as exceptions that carry the answer: a code, what was wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request. ``pointer`` is a JSON pointer into it, or a file name."""

    pointer: str
    message: str
    remedy: str = ""
    rule: str = ""


class Refusal(Exception):
    """The issuer's request cannot be done as it is. ``status`` is the HTTP status that says so."""

    status = 422
    code = "invalid"

    def __init__(self, title: str, *, hint: str = "", faults: Sequence[Fault] = (), code: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.hint = hint
        self.faults = tuple(faults)
        if code:
            self.code = code


@contextmanager
def refusing(code: str) -> Iterator[None]:
    """What files or keys refuse meanwhile (``PkpassError``), as a refusal of the request."""
    from livepass.pkpass import PkpassError  # here, because whoever only looks does without

    try:
        yield
    except PkpassError as error:
        raise Refusal(str(error), hint=error.hint, code=code) from error


class Forbidden(Refusal):
    """The caller may not do this."""

    status = 403
    code = "forbidden"


class NotFound(Refusal):
    """What was named does not exist."""

    status = 404
    code = "not_found"


def no_pass(pass_type: str, serial: str) -> NotFound:
    """One answer for a pass that does not exist and for one that the caller may not know of."""
    return NotFound(f"there is no pass {pass_type}/{serial}", hint="livepass pass list shows what there is")


class Conflict(Refusal):
    """It clashes with what is there."""

    status = 409
    code = "conflict"


class TooLarge(Refusal):
    """More than one call may hold."""

    status = 413
    code = "too_large"


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as data, for a line of a batch."""

    code: str
    title: str
    status: int
    hint: str = ""
    faults: tuple[Fault, ...] = field(default=())
