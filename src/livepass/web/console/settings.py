"""Settings: API keys, what is configured and from where, what is kept how long, and what runs. No secret is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livepass.core import budget
from livepass.core.rotation import MOST_CANARY
from livepass.core.trip2_push import EXPIRATION_DAYS
from livepass.pkpass.limits import DEFAULT_LIMITS
from livepass.service.access import SCOPES
from livepass.service.keeping import DAY_MS, KEPT_MS
from livepass.service.refusals import NotFound, Refusal
from livepass.web import issuer_admin
from livepass.web.console import asking
from livepass.web.console.drawing import url
from livepass.web.console.page import Gone, Shown, Visit, plain
from livepass.web.issuer_answers_phones import ProcessRow
from livepass.web.issuer_requests import LARGEST_PAGE, KeyCreate, PageQuery
from livepass.web.operations import LARGEST_UPLOAD

MIB, MINUTE_MS = 1 << 20, 60_000


async def settings(visit: Visit) -> Shown:
    """Everything that an admin may look up here."""
    return await _shown(visit)


async def _shown(visit: Visit, *, made: Any = None, problem: Refusal | None = None) -> Shown:
    store = visit.services.store
    now, whole = visit.services.clock.now(), visit.caller.of_all
    query = {"limit": LARGEST_PAGE, "cursor": visit.query.get("cursor")}
    data = {
        "keys": await visit.asked(issuer_admin.keys, PageQuery, query),
        "scopes": {scope: what for scope, what in SCOPES.items() if scope in visit.caller.scopes},
        "made": made,
        "given": _given(visit) if problem else {},
        "settings": [dict(row) for row in visit.edge.settings] if whole else [],
        "limits": list(_limits()),
        "processes": [plain(ProcessRow.of(row, now)) for row in (await store.processes() if whole else ())],
        "sealed": [
            {"kind": one.kind.value, "secret": one.secret, "count": one.count, "configured": _known(visit, one.secret)}
            for one in (await store.sealed_counts() if whole else ())
        ],
        "secret_ids": list(visit.edge.secret_ids) if whole else [],
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, command="livepass key list")


def _known(visit: Visit, secret: str) -> bool:
    return secret in visit.edge.secret_ids


def _given(visit: Visit) -> dict[str, Any]:
    """What was filled in, so that nobody fills it in again."""
    return {
        "name": visit.form.get("name", ""),
        "pass_types": visit.form.get("pass_types", ""),
        "scopes": _scopes(visit),
    }


def _scopes(visit: Visit) -> list[str]:
    return [scope for scope in SCOPES if f"scope:{scope}" in visit.form]


def _limits() -> Iterator[dict[str, str]]:
    """As the code has them: none can be set but those among the settings."""
    for what, kept in KEPT_MS.items():
        days = kept // DAY_MS
        yield {"what": f"kept: {what.value}", "value": f"{days} day{'s' * (days != 1)}"}
    yield {"what": "pushes wait at APNs for a phone that is off", "value": f"{EXPIRATION_DAYS} days"}
    yield {"what": "score up to which a phone is pushed as changes come", "value": f"{budget.LIMIT:g}"}
    yield {"what": "changes that share a push come within", "value": f"{budget.SPACING_MS // 1000} s"}
    spacing = budget.zero_interval(1) // MINUTE_MS
    yield {"what": "spacing of pushes beyond that, for a phone with one pass", "value": f"{spacing} min"}
    yield {"what": "a canary signs at most", "value": f"{MOST_CANARY} % of the passes"}
    yield {"what": "a package or template has at most", "value": f"{DEFAULT_LIMITS.archive_bytes // MIB} MiB"}
    yield {"what": "the same, unpacked", "value": f"{DEFAULT_LIMITS.total_bytes // MIB} MiB"}
    yield {"what": "the same, files in it", "value": str(DEFAULT_LIMITS.entries)}
    yield {"what": "an upload has at most", "value": f"{LARGEST_UPLOAD // MIB} MiB"}


async def change(visit: Visit) -> Shown | Gone:
    """A new API key, whose text is shown this once; or the end of one, whose name must be typed."""
    try:
        act = visit.form.get("act", "")
        if act == "create":
            return await _shown(visit, made=await _made(visit))
        if act != "revoke":
            raise Refusal("this form asks for nothing that there is", hint="load the page again")
        path = {"id": visit.form.get("id", "")}
        key = await visit.asked(issuer_admin.key, path=path)
        asking.confirmed(visit.form.get("confirm", ""), key["name"])
        await visit.asked(issuer_admin.revoke_key, path=path)
        return Gone(url("settings"), f"the key {key['name']} opens nothing any more")
    except NotFound:
        raise
    except Refusal as problem:
        return await _shown(visit, problem=problem)


async def _made(visit: Visit) -> Any:
    types = visit.form.get("pass_types", "").replace(",", " ").split()
    wanted = {"name": visit.form.get("name", "").strip(), "scopes": _scopes(visit), "pass_types": types or None}
    return await visit.asked(issuer_admin.create_key, body=asking.body(KeyCreate, wanted))
