"""What goes on by itself: imports, roll-outs of templates, fan-outs, telling again, forgetting, sealing. Nothing to
press.
"""

from __future__ import annotations

from typing import Any

from livepass.core.house import FanOut
from livepass.core.importing import ImportJob
from livepass.core.model import Prunable
from livepass.service.keeping import KEPT_MS
from livepass.web.console.page import Shown, Visit
from livepass.web.issuer_answers_events import at, maybe_at

MOST = 10_000
"""How far is counted: there may be millions, and the page is asked for every few seconds."""
FAN_OUTS = 50
IMPORTS = 20


async def jobs(visit: Visit) -> Shown:
    """Progress as numbers, each counted up to ``MOST``. What is sealed with which key is counted beside the pages."""
    store, caller = visit.services.store, visit.caller
    behind = []
    for tenant, name, revision in await store.templates_behind():
        if tenant == caller.tenant:
            left, refused = await store.behind_template(tenant, name, revision, most=MOST)
            behind.append({"template": name, "revision": revision[:12], "left": left, "refused": refused})
    under_way = [one for one in await store.fan_outs_under_way(limit=FAN_OUTS) if caller.sees(one.pass_type)]
    imports = await visit.services.imports.jobs(caller, limit=IMPORTS)
    data: dict[str, Any] = {
        "most": MOST,
        "whole": caller.of_all,
        "imports": [_import(one) for one in imports],
        "roll_outs": behind,
        "fan_outs": [_fan_out(one) for one in under_way],
    }
    if caller.of_all:
        data |= await _of_the_house(visit)
    return Shown(data, command="livepass key reseal --check")


async def _of_the_house(visit: Visit) -> dict[str, Any]:
    """What is done for all tenants at once."""
    chores = await visit.services.store.chores(visit.now, most=MOST)
    counted = await visit.counts()
    return {
        "retelling": {
            "waiting": chores.retelling,
            "due": chores.retelling_due,
            "first_at": maybe_at(chores.retell_at),
        },
        "pruning": {
            "ended": chores.ended,
            "dead": chores.dead,
            "oldest_event": maybe_at(chores.oldest_event),
            "kept_days": {
                "events": _days(Prunable.EVENTS),
                "ended": _days(Prunable.TOMBSTONES),
                "dead": _days(Prunable.DEAD),
            },
        },
        "sealed": counted and {"at": at(counted.at), **counted.data["sealed"]},
    }


def _days(what: Prunable) -> int:
    return KEPT_MS[what] // 86_400_000


def _import(job: ImportJob) -> dict[str, Any]:
    done = job.rows - job.waiting
    return {
        "id": job.id,
        "state": job.state.value,
        "dry_run": job.dry_run,
        "rows": job.rows,
        "done": done,
        "percent": 100 * done // job.rows,
        "made": job.made,
        "changed": job.changed,
        "unchanged": job.unchanged,
        "refused": job.refused,
        "failed": job.failed,
        "tries_in_vain": job.vain,
        "next_try_at": maybe_at(job.retry_at),
        "created_at": at(job.created_at),
        "ended_at": maybe_at(job.ended_at),
    }


def _fan_out(one: FanOut) -> dict[str, Any]:
    return {
        "pass_type": one.pass_type,
        "what": one.what,
        "serial": one.serial,
        "number": one.seq,
        "push_at": at(one.push_at),
        "percent": None if one.done is None else round(100 * one.done),
        "again": bool(one.again_to),
    }
