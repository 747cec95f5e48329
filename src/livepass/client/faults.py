"""What a service refused, in its own words (RFC 9457); and what did not reach it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. ``pointer`` is a JSON pointer into what was sent, or ``?name`` for a query parameter."""

    pointer: str
    message: str
    remedy: str = ""


class Refused(Exception):
    """The service said no. ``detail`` is about this call and ``title`` about the kind; both may be empty where
    something else than a livepass service answered. ``retry_after``: seconds, where it said so.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        found = _document(body) if "json" in headers.get("content-type", "") else {}
        self.status = status
        self.code = str(found.get("code") or status)
        self.title = str(found.get("title") or "")
        self.detail = str(found.get("detail") or "")
        self.hint = str(found.get("hint") or "")
        self.request_id = str(found.get("request_id") or "")
        self.is_problem = bool(found)
        self.errors = tuple(
            Problem(str(each.get("pointer", "")), str(each.get("message", "")), str(each.get("remedy") or ""))
            for each in found.get("errors") or []
            if isinstance(each, dict)
        )
        self.retry_after = _seconds(headers.get("retry-after", ""))
        super().__init__(self.detail or self.title or f"the service answered {status}")

    def __str__(self) -> str:
        return " · ".join(part for part in (str(self.args[0]), self.hint) if part)


class Unreachable(Exception):
    """No answer, or half of one: no route, no name, no trust, no time. Whether a change was made is not known."""


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
