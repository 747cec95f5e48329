"""The canaries on the overview: which somebody must look after, and how the others do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livepass.core.canary_standing import Standing, State
from livepass.service.canary_standings import canaries
from livepass.web.console.page import Visit
from livepass.web.issuer_answers_events import maybe_at

RUNBOOK = "/docs/runbooks/the-canary-fails.md"


async def shown(visit: Visit) -> dict[str, Any]:
    """Those of the pass types that the person may see. What processes disagree in, which are the operator's, is told to
    who may see all pass types.
    """
    found = await canaries(visit.services.store, visit.now, visit.edge.canaries)
    mine = [one for one in found.standings if visit.caller.sees(one.pass_type)]
    return {
        "canaries": [_row(one) for one in mine],
        "canaries_apart": _apart(list(found.apart.values())) if visit.caller.of_all else [],
    }


def _row(one: Standing) -> dict[str, Any]:
    """``leg``: the one that broke, or ``late``; ``share`` in percent, rounded down."""
    newest = one.newest
    return {
        "pass_type": one.pass_type,
        "state": one.state.value,
        "needs": one.needs,
        "leg": newest.outcome if newest is not None and one.state is State.FAILS else None,
        "since": maybe_at(one.since),
        "sentence": one.sentence,
        "remedy": one.remedy,
        "runbook": RUNBOOK,
        "share": None if one.share is None else int(1000 * one.share + 1e-9) / 10,
        "runs": len(one.runs),
        "within_seconds": None if newest is None else newest.within_ms / 1000,
        "last_run_at": None if newest is None else maybe_at(newest.at),
    }


def _apart(said: Sequence[str]) -> list[dict[str, str]]:
    remedy = "Set LIVEPASS_CANARY to the same for every livepass serve and livepass worker, and start them anew."
    return [{"sentence": one, "remedy": remedy, "runbook": RUNBOOK} for one in said]
