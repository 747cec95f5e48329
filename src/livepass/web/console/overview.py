"""The first page: how many phones show what is current, and what needs somebody, by how many people it concerns."""

from __future__ import annotations

from typing import Any

from livepass.core.timeline import Kind
from livepass.core.webhook_standing import trouble
from livepass.web import issuer_sharing, issuer_watch
from livepass.web.console import canaries
from livepass.web.console.page import Shown, Visit, plain
from livepass.web.issuer_answers_events import EventRow
from livepass.web.issuer_requests import WatchQuery
from livepass.web.issuer_sharing import FunnelQuery

CHANGES, LOOKED_AT = 10, 5000
"""Changes shown, and the newest events that are looked through for them."""


async def overview(visit: Visit) -> Shown:
    """Counts are as old as the page says; certificates and the last changes are looked up now."""
    counted = await visit.counts()
    watched = (await visit.asked(issuer_watch.watch, WatchQuery))["data"]
    data: dict[str, Any] = {
        "certificates": [one for one in watched if one["needs"]],
        "webhooks": await _webhooks(visit),
        "changes": await _changes(visit),
        "looked_at": LOOKED_AT,
        **await canaries.shown(visit),
    }
    if counted is None:
        return Shown({"counted": None, **data}, command="livepass why --all --group")
    found = {name: each for name, each in counted.data.items() if name != "sealed" or visit.caller.of_all}
    data |= {
        "counted": {"at": counted.at, "took_ms": counted.took_ms, **found},
        "share": share(found["stats"]),
        "attention": [group for group in found["why"]["groups"] if group["problem"]],
        "others": [group for group in found["why"]["groups"] if not group["problem"]],
    }
    return Shown(data, command="livepass why --all --group")


async def _webhooks(visit: Visit) -> list[dict[str, Any]]:
    """Endpoints that were disabled because they failed, or have been failing for long."""
    found = [trouble(one, visit.now) for one in await visit.services.webhooks.all(visit.caller.tenant)]
    rows = [
        {"endpoint": one.endpoint, "worse": one.worse, "sentence": one.sentence, "remedy": one.remedy}
        for one in found
        if one is not None
    ]
    return sorted(rows, key=lambda row: not row["worse"])


async def _changes(visit: Visit) -> list[dict[str, Any]]:
    found = await visit.services.store.newest(
        kinds=[Kind.CHANGED.value, Kind.ISSUED.value, Kind.VOIDED.value],
        pass_type=None,
        limit=CHANGES,
        most=LOOKED_AT,
        within=visit.caller.within,
    )
    return [{"pass_type": event.pass_type, **plain(EventRow.of(event))} for event in found]


def share(stats: dict[str, Any]) -> float | None:
    """Percent of the phones that we have heard of which were served what is current; ``None``: there are none."""
    heard = stats["registrations"] - stats["unverified"]
    return 100 * stats["stands_on"]["current"] / heard if heard > 0 else None


async def findings(visit: Visit) -> Shown:
    """Everything that is to be said of passes that wait, with examples to open."""
    counted = await visit.counts()
    data = {"counted": None} if counted is None else {"counted": {"at": counted.at}, **counted.data["why"]}
    return Shown(data, command="livepass why --all --group")


async def shared(visit: Visit) -> Shown:
    """How far passes came that were shared by link."""
    return Shown(await visit.asked(issuer_sharing.funnel, FunnelQuery), command="livepass pass funnel")
