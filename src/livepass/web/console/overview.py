"""The first page: how many phones show what is current, and what needs somebody, by how many people it concerns."""

from __future__ import annotations

from typing import Any

from livepass.web import issuer_watch
from livepass.web.console.page import Shown, Visit
from livepass.web.issuer_requests import WatchQuery


async def overview(visit: Visit) -> Shown:
    """Counts are as old as the page says; certificates are looked up now."""
    counted = await visit.counts()
    watched = (await visit.asked(issuer_watch.watch, WatchQuery))["data"]
    needs = [one for one in watched if one["needs"]]
    if counted is None:
        return Shown({"counted": None, "certificates": needs}, command="livepass why --all --group")
    found = counted.data
    data = {
        "counted": {"at": counted.at, "took_ms": counted.took_ms, **found},
        "share": share(found["stats"]),
        "attention": [group for group in found["why"]["groups"] if group["problem"]],
        "others": [group for group in found["why"]["groups"] if not group["problem"]],
        "certificates": needs,
    }
    return Shown(data, command="livepass why --all --group")


def share(stats: dict[str, Any]) -> float | None:
    """Percent of the phones that we have heard of which were served what is current; ``None``: there are none."""
    heard = stats["registrations"] - stats["unverified"]
    return 100 * stats["stands_on"]["current"] / heard if heard > 0 else None


async def findings(visit: Visit) -> Shown:
    """Everything that is to be said of passes that wait, with examples to open."""
    counted = await visit.counts()
    data = {"counted": None} if counted is None else {"counted": {"at": counted.at}, **counted.data["why"]}
    return Shown(data, command="livepass why --all --group")
