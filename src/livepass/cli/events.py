"""How an event of a timeline is shown: in a table of them, and in a line of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from livepass.cli.render import Cell, Column, dim, instant, text_of, warn


def changed_fields(fields: Any) -> Iterator[tuple[str, Cell]]:
    for each in fields:
        yield str(each["key"]), _moved(each)


def lock_screen(notice: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """What the lock screen would say, and in which languages it would say something else."""
    yield "lock screen", _says(notice)
    for language, each in (notice.get("languages") or {}).items():
        if (each.get("kind"), each.get("text")) != (notice.get("kind"), notice.get("text")):
            yield f"  in {language}", _says(each)
    for each in notice.get("assumed") or ():
        yield "", dim(each)


def _says(notice: Mapping[str, Any]) -> Cell:
    kind = str(notice.get("kind"))
    said = SAYS.get(kind, "?").format(**notice)
    return said if kind == "exact" else warn(said) if kind == "general" else dim(said)


SAYS = {"exact": "“{text}”", "general": "one general line: {reason}", "silent": "silent: {reason}"}


def _moved(field: Mapping[str, Any]) -> str:
    return f"{text_of(field['before'])} → {text_of(field['after'])}"


def _fields(fields: Any) -> Iterator[str]:
    """What became of each; of an enrolment the names alone, because what was given is personal."""
    for each in fields:
        yield each if isinstance(each, str) else f"{each['key']} {_moved(each)}"


def _detail(row: Mapping[str, Any]) -> Cell:
    detail = cast("Mapping[str, Any]", row.get("detail") or {})
    return ", ".join(
        [*_fields(detail.get("fields") or ())]
        + [
            f"{key} {short(text_of(value))}"
            for key, value in detail.items()
            if key not in ("fields", "undo") and value is not None
        ]
    )


def short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


EVENTS: list[Column] = [
    ("AT", lambda row: dim(instant(row.get("at")))),
    ("TRIP", "trip"),
    ("EVENT", "kind"),
    ("N", lambda row: text_of(row.get("seq") or "")),
    ("PHONE", lambda row: str(row.get("device_id") or row.get("target") or "")[:8]),
    ("", _detail),
]


def line_of(row: Mapping[str, Any]) -> Cell:
    """When, what, and its detail."""
    return f"{instant(row['at'])}  {row['kind']}  {text_of(_detail(row))}"
