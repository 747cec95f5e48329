"""When certificates end, as a drawing: where each bar begins and ends on an axis of thirteen months."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from livepass.core.rotation_plan import AHEAD_MS

DAY_MS = 86_400_000
AXIS_DAYS = 400
"""Longer than a Pass Type ID certificate lasts (a year and a month): what ends later reaches the edge."""
MARKS = ((0, "today"), (90, "90 days"), (180, "180 days"), (365, "1 year"))
HEAD, ROW, FOOT = 26, 34, 22
"""Heights in pixels: a pass type's name, a bar with its words above, the names of the marks."""
WORDS: Mapping[str, str] = {
    "certificate": "signing certificate",
    "intermediate": "its intermediate",
    "public_tls": "TLS of the public address",
    "apns_tls": "TLS of APNs",
}
KINDS: Mapping[str, str] = {"fine": "good", "soon": "warn", "unclear": "dim"}
"""State → how it looks; every other state is bad."""


def drawn(watched: Iterable[Mapping[str, Any]], waiting: Iterable[Mapping[str, Any]], now: int) -> dict[str, Any]:
    """Rows of what is watched and, below those of its pass type, certificates that could follow. Percents are of the
    width, heights are pixels.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(watched, key=lambda one: list(WORDS).index(one["kind"])):
        ends = one["ends_at"]
        what = f"{WORDS[one['kind']]} {(one['certificate'] or '')[:8]}".strip()
        row = _bar(what, KINDS.get(one["state"], "bad"), one["state"], None if ends is None else ends.timestamp(), now)
        groups.setdefault(one["pass_type"] or "", []).append(row)
    for one in waiting:
        until = min(one["not_after"], one["intermediate_not_after"]).timestamp()
        row = _bar(f"next certificate {one['id'][:8]}", "dim", one["state"], until, now)
        groups.setdefault(one["pass_type"], []).append(row)
    rows, y = [], 0
    for name in sorted(groups, key=lambda name: (not name, name)):
        rows.append({"head": name or "this service's connections", "y": y})
        y += HEAD
        for row in groups[name]:
            rows.append({**row, "y": y})
            y += ROW
    marks = [{"x": _percent(days), "word": word} for days, word in MARKS]
    soon = _percent(AHEAD_MS / DAY_MS)
    return {"rows": rows, "marks": marks, "soon": soon, "bottom": y, "height": y + FOOT}


def _bar(what: str, kind: str, state: str, ends: float | None, now: int) -> dict[str, Any]:
    """``width`` ``None``: its end is not known, so there is no bar."""
    if ends is None:
        return {"what": what, "kind": "dim", "word": "not looked at yet", "width": None}
    days = (ends - now / 1000) * 1000 / DAY_MS
    word = f"{state}, {int(days)} days" if days >= 0 else f"{state}, {int(-days)} days ago"
    return {"what": what, "kind": kind, "word": word, "width": _percent(days)}


def _percent(days: float) -> float:
    return round(100 * min(1.0, max(0.0, days / AXIS_DAYS)), 2)
