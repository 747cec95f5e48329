"""What forms ask for: bodies of the issuer API, names typed to confirm, and refusals as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from livepass.service.refusals import Fault, Refusal

S = TypeVar("S", bound=msgspec.Struct)
SHORTEST_START = 6
"""Of an id that is typed to confirm something."""


def body(struct: type[S], values: Mapping[str, Any]) -> S:
    """A body, checked as the issuer API checks it. What is ``None`` is left out. Raises ``Refusal``."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return msgspec.convert(given, struct, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(f"what was filled in does not fit: {error}", hint="correct it and send it again") from error


def confirmed(typed: str, *names: str, start: str = "") -> None:
    """Raise ``Refusal`` unless one of ``names`` was typed, or the beginning of ``start``."""
    typed = typed.strip()
    if typed and (typed in names or (len(typed) >= SHORTEST_START and start.startswith(typed))):
        return
    wanted = " or ".join([*names, *([f"{start[:8]}, its id's beginning,"] if start else [])])
    raise Refusal("nothing was done: it was not confirmed", hint=f"type {wanted} to confirm it")


def problem(refusal: Refusal) -> dict[str, Any]:
    """A refusal as a page shows it."""
    return {"detail": refusal.title, "hint": refusal.hint, "faults": [_fault(fault) for fault in refusal.faults]}


def _fault(fault: Fault) -> str:
    said = f"{fault.pointer}: {fault.message}" if fault.pointer else fault.message
    return f"{said} ({fault.remedy})" if fault.remedy else said
