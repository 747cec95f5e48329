"""Certificates: when each ends and what that stops; how one takes over from another, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from livepass.core.rotation import MOST_CANARY, Link, Refused, Step, refusal
from livepass.core.rotation_plan import plan
from livepass.service.refusals import NotFound, Refusal
from livepass.service.rotating import Plan
from livepass.web import issuer_certificates, issuer_rotation, issuer_watch
from livepass.web.console import asking, expiry
from livepass.web.console.drawing import url
from livepass.web.console.page import Gone, Shown, Visit, plain
from livepass.web.issuer_answers_admin import PassTypePlan
from livepass.web.issuer_requests import (
    LARGEST_PAGE,
    CanaryStart,
    CertificateImport,
    CertificatePromote,
    CertificateProve,
    Nothing,
    TypeQuery,
    WatchQuery,
)

NFC_LOST = "nfc_lost"
NEXT: Mapping[str, Step] = {"staged": Step.PROVE, "proven": Step.CANARY, "canary": Step.PROMOTE}
"""What comes next, by how far a certificate has come. A live one is left alone."""
STAGES = ("staged", "proven", "canary", "live", "retired")


# ── all of them


async def certificates(visit: Visit) -> Shown:
    """When each ends, what stops then and what goes on, and which there are."""
    return await _all(visit)


async def _all(visit: Visit, problem: Refusal | None = None) -> Shown:
    watched = (await visit.asked(issuer_watch.watch, WatchQuery))["data"]
    query = {"limit": LARGEST_PAGE, "cursor": visit.query.get("cursor")}
    found = await visit.asked(issuer_certificates.certificates, TypeQuery, query)
    waiting = [row for row in found["data"] if row["state"] in ("staged", "proven")]
    data = {
        "drawn": expiry.drawn(watched, waiting, visit.now),
        "watched": watched,
        "plans": await _plans(visit),
        "certificates": found,
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, command="livepass cert check")


async def _plans(visit: Visit) -> list[dict[str, Any]]:
    """What comes when, by pass type. How many passes hang on it is counted where that holds up no page."""
    counted = await visit.counts()
    counts: Mapping[str, Mapping[str, int]] = counted.data.get("pass_types", {}) if counted else {}
    lineages = {links[0].pass_type: links for links in await visit.services.store.lineages()}
    caller, plans = visit.caller, []
    for row in await visit.services.store.pass_types():
        if caller.sees(row.pass_type):
            dates = plan(lineages.get(row.pass_type, []), visit.now, by_key=row.push_key_id is not None)
            one = plain(PassTypePlan.of(Plan(row.pass_type, 0, 0, dates)))
            known = counts.get(row.pass_type)
            one |= {"passes": None, "registrations": None} if known is None else known
            plans.append({**one, "apns_key": row.push_key_id})
    return plans


async def take_in(visit: Visit) -> Shown | Gone:
    """A .p12 with its password; or a look at everything, now."""
    try:
        if visit.form.get("act") == "watch":
            await visit.asked(issuer_watch.look, body=Nothing())
            return Gone(url("certificates"), "everything was looked at")
        if not visit.uploads.get("p12"):
            raise Refusal("no file was sent", hint="choose the .p12 file that Keychain or openssl wrote")
        body = asking.body(CertificateImport, {"password": visit.form.get("password", ""), **_nfc(visit)})
        body = msgspec.structs.replace(body, p12=visit.uploads["p12"])
        done = await visit.asked(issuer_certificates.import_certificate, body=body)
    except NotFound:
        raise
    except Refusal as problem:
        return await _all(visit, problem)
    worth = "".join(f"; {one['message']}" for one in done["problems"])
    said = "it signs and pushes already" if done["signs"] else "it is staged: let it prove itself next"
    return Gone(url("certificates", done["id"]), f"taken in; {said}{worth}")


# ── one of them


async def certificate(visit: Visit) -> Shown:
    """A certificate: how far it has come, when, and what may be done with it next."""
    return await _one(visit)


async def _one(visit: Visit, problem: Refusal | None = None) -> Shown:
    row = await visit.asked(issuer_certificates.certificate)
    pass_type = row["pass_type"]
    lineage = await visit.services.store.lineage(pass_type)
    [link] = [link for link in lineage if link.id == row["id"]]
    watched = (await visit.asked(issuer_watch.watch, WatchQuery, {"pass_type": pass_type}))["data"]
    stage = "canary" if row["state"] == "proven" and row["canary_percent"] else row["state"]
    data = {
        "certificate": row,
        "stage": stage,
        "stages": STAGES,
        "steps": _steps(link, lineage, visit.now, stage, signs=row["signs"]),
        "most_canary": MOST_CANARY,
        "watched": [one for one in watched if one["certificate"] == row["id"]],
        "plan": next((one for one in await _plans(visit) if one["pass_type"] == pass_type), None),
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, title=f"Certificate of {pass_type}", command=f"livepass cert show {row['id']}")


def _steps(link: Link, lineage: Sequence[Link], now: int, stage: str, *, signs: bool) -> list[dict[str, Any]]:
    """Every step, whether it may be taken now, and if not why. ``nfc``: only by accepting the loss of NFC."""
    steps = []
    for step in (Step.PROVE, Step.CANARY, Step.PROMOTE, Step.ROLL_BACK, Step.RETIRE):
        refused = refusal(step, link, lineage, now)
        if step is Step.PROMOTE and signs:
            refused = Refused("signs", f"certificate {link.id} signs and pushes already", "nothing to do")
        nfc = refused is not None and refused.code == NFC_LOST
        steps.append(
            {
                "step": step.value,
                "next": NEXT.get(stage) is step,
                "may": refused is None or nfc,
                "nfc": nfc,
                "why": refused.reason if refused else "",
                "hint": refused.hint.replace(" ID", f" {link.id}") if refused else "",
            }
        )
    return steps


async def step(visit: Visit) -> Shown | Gone:
    """Take a step. What exchanges the certificate that signs, or ends one, must be confirmed by typing its name."""
    try:
        said = await _step(visit)
    except NotFound:
        raise
    except Refusal as problem:
        return await _one(visit, problem)
    return Gone(url("certificates", visit.path["id"]), said)


async def _step(visit: Visit) -> str:
    act = visit.form.get("act", "")
    if act == Step.PROVE:
        body = asking.body(CertificateProve, {"push_token": visit.form.get("push_token", "").strip() or None})
        done = await visit.asked(issuer_rotation.prove, body=body)
        heard = f"{done['apns_status']} {done['apns_reason']}".strip()
        return f"it signs, and APNs takes the certificate ({heard})"
    if act == Step.CANARY:
        share = asking.body(CanaryStart, {"percent": visit.form.get("percent", "").strip(), **_nfc(visit)})
        done = await visit.asked(issuer_rotation.canary, body=share)
        return f"it signs {done['canary_percent']} % of the passes" if done["canary_percent"] else "the canary is ended"
    if act not in (Step.PROMOTE, Step.ROLL_BACK, Step.RETIRE):
        raise Refusal("this form asks for nothing that there is", hint="load the page again")
    row = await visit.asked(issuer_certificates.certificate)
    asking.confirmed(visit.form.get("confirm", ""), row["pass_type"], start=row["id"])
    if act == Step.PROMOTE:
        await visit.asked(issuer_rotation.promote, body=asking.body(CertificatePromote, _nfc(visit)))
        return f"it signs and pushes for {row['pass_type']} now"
    if act == Step.ROLL_BACK:
        await visit.asked(issuer_rotation.roll_back, body=Nothing())
        return f"the one before it signs and pushes for {row['pass_type']} again"
    await visit.asked(issuer_rotation.retire, body=Nothing())
    return "it is not used any more"


def _nfc(visit: Visit) -> dict[str, bool]:
    return {"accept_nfc_loss": "accept_nfc_loss" in visit.form}
