"""The doctor: anybody's .pkpass, looked at here and sent to nobody; and how this service itself was last seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from livepass.core.model import PRESENT_MS
from livepass.pkpass import InvalidPackage, InvalidSignature, Package, Verified, lint, read, verify
from livepass.service.refusals import Refusal
from livepass.web import issuer_watch
from livepass.web.console import asking
from livepass.web.console.page import Shown, Visit, plain
from livepass.web.console.templates import EFFECTS, problems
from livepass.web.issuer_answers_phones import ProcessRow
from livepass.web.issuer_requests import WatchQuery

Judge = Callable[[bytes], Mapping[str, Any]]


async def doctor(visit: Visit) -> Shown:
    """How this service was last seen."""
    return await _shown(visit)


async def _shown(visit: Visit, *, report: Any = None, problem: Refusal | None = None) -> Shown:
    now = visit.services.clock.now()
    whole = visit.caller.of_all
    processes = [plain(ProcessRow.of(row, now)) for row in (await visit.services.store.processes() if whole else ())]
    parts = dict(await visit.edge.ready()) if whole and visit.edge.ready is not None else {}
    data = {
        "parts": [{"name": name, "wrong": wrong} for name, wrong in parts.items()],
        "processes": processes,
        "missing": [role for role in ("serve", "worker") if whole and not any(_heard(one, role) for one in processes)],
        "watched": (await visit.asked(issuer_watch.watch, WatchQuery))["data"],
        "report": report,
        "effects": EFFECTS,
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, command="livepass doctor FILE.pkpass --offline" if report else "livepass doctor")


def _heard(process: Mapping[str, Any], role: str) -> bool:
    return role in process["role"] and process["silent_seconds"] < PRESENT_MS / 1000


async def examine(visit: Visit) -> Shown:
    """A package: would a phone believe it, what would it make of it, and what the doctor says of it. Nothing of it is
    kept.
    """
    data = visit.uploads.get("pkpass")
    if not data:
        return await _shown(visit, problem=Refusal("no file was sent", hint="choose a .pkpass file"))
    report = await asyncio.to_thread(examined, data, visit.edge.judge)
    return await _shown(visit, report=report)


def examined(data: bytes, judge: Judge | None) -> dict[str, Any]:
    """``refused``: why it cannot be opened at all. Its authentication token stands nowhere in it."""
    report: dict[str, Any] = {"refused": None, "verified": None, "unbelieved": None, "problems": [], "doctor": None}
    token = ""
    try:
        package = read(data)
    except InvalidPackage as error:
        report["refused"] = {"detail": error.reason, "hint": error.hint, "faults": []}
    else:
        token = str(package.document.get("authenticationToken", ""))
        report |= _believed(package)
        report["problems"] = problems(lint(package.document, package.static_files()))
    if judge is not None:
        report["doctor"] = dict(judge(data))
    return _struck(report, token) if len(token) >= 4 else report


def _believed(package: Package) -> dict[str, Any]:
    try:
        return {"verified": _facts(verify(package))}
    except (InvalidPackage, InvalidSignature) as error:
        return {"unbelieved": {"detail": error.reason, "hint": error.hint, "faults": []}}


def _facts(found: Verified) -> dict[str, Any]:
    certificate = found.certificate
    return {
        "pass_type": found.pass_type,
        "serial": found.serial,
        "team": found.team,
        "organization": certificate.organization,
        "signed_at": found.signature.signed_at,
        "certificate_not_after": certificate.not_after,
        "root": certificate.root,
        "root_statement": certificate.root_statement,
    }


def _struck(value: Any, secret: str) -> Any:
    """Without the token, which a sentence may quote."""
    if isinstance(value, str):
        return value.replace(secret, "…")
    if isinstance(value, Mapping):
        return {name: _struck(each, secret) for name, each in value.items()}
    return [_struck(each, secret) for each in value] if isinstance(value, list | tuple) else value
