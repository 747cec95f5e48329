"""What phones complain about, in lots that mean the same. Every line is somebody else's text: shown, never trusted."""

from __future__ import annotations

from typing import Any

from livepass.core.complaints import Complaint, grouped
from livepass.manual import of_finding, of_sentence
from livepass.web.console.page import Shown, Visit
from livepass.web.issuer_answers_events import at, maybe_at
from livepass.web.issuer_requests import LARGEST_INTEGER

LINES = 2000
"""The newest ones, which are looked at."""
LOTS = 100


async def logs(visit: Visit) -> Shown:
    """The newest lines of all pass types. Filters choose among these, so that no filter walks all that are kept."""
    store, caller = visit.services.store, visit.caller
    types = [row.pass_type for row in await store.pass_types() if caller.sees(row.pass_type)]
    wanted, code = visit.query.get("pass_type", "").strip(), visit.query.get("code", "").strip()
    found = await store.testimony(pass_type=None, code=None, before=LARGEST_INTEGER, limit=LINES, within=caller.within)
    chosen = [event for event in found if wanted in ("", event.pass_type)]
    groups = [one for one in grouped(chosen, visit.now) if code in ("", one.code)]
    data = {
        "asked": {"pass_type": wanted, "code": code},
        "pass_types": types,
        "codes": sorted({str(event.detail.get("code") or "?") for event in found}),
        "groups": [_group(one) for one in groups[:LOTS]],
        "more": max(0, len(groups) - LOTS),
        "lines": len(found),
        "all": len(found) < LINES,
        "since": maybe_at(min((event.at for event in found), default=None)),
    }
    return Shown(data, command=f"livepass log list{f' --type {wanted}' if wanted else ''}")


def _group(one: Complaint) -> dict[str, Any]:
    return {
        "code": one.code,
        "known": one.known,
        "meaning": one.meaning,
        "about": one.about,
        "level": one.level,
        "shape": one.shape,
        "count": one.count,
        "phones": one.phones,
        "passes": one.passes,
        "first_at": at(one.first_at),
        "last_at": at(one.last_at),
        "days": list(one.days),
        "docs": of_sentence(one.code),
        "finding": one.finding,
        "finding_docs": None if one.finding is None else of_finding(one.finding),
        "examples": [
            {
                "at": at(line.at),
                "pass_type": line.pass_type,
                "serial": line.serial,
                "device_id": line.device_id,
                "line": str(line.detail.get("line", "")),
            }
            for line in one.lines
        ],
    }
