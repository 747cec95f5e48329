"""The life of a certificate, step by step, and what comes when."""

from __future__ import annotations

from livepass.web.issuer_answers_admin import CertificatePlan, CertificateProven, CertificateRow, PassTypePlan
from livepass.web.issuer_certificates import named, shown, signs
from livepass.web.issuer_requests import CanaryStart, CertificatePromote, CertificateProve, Nothing, PlanQuery
from livepass.web.operations import Answer, Call, Operation, json_body


async def prove(call: Call) -> Answer:
    """Sign a sample, read it back, and push once with it: to `push_token`, or to a token that no phone has."""
    body: CertificateProve = call.body
    row = await named(call)
    proven = await call.services.rotating.prove(row.id, body.push_token)
    return Answer(
        200, CertificateProven.proven(proven, await signs(call, proven.certificate), call.services.clock.now())
    )


async def canary(call: Call) -> Answer:
    """Sign a share of the passes with it, always the same ones; 0 ends that."""
    body: CanaryStart = call.body
    row = await named(call)
    return await shown(
        call, await call.services.rotating.canary(row.id, body.percent, accept_nfc_loss=body.accept_nfc_loss)
    )


async def promote(call: Call) -> Answer:
    """Sign and push with it from now on."""
    body: CertificatePromote = call.body
    row = await named(call)
    return await shown(call, await call.services.rotating.promote(row.id, accept_nfc_loss=body.accept_nfc_loss))


async def roll_back(call: Call) -> Answer:
    """Sign and push again with the one that was promoted before it."""
    return await shown(call, await call.services.rotating.roll_back((await named(call)).id))


async def retire(call: Call) -> Answer:
    """Use it no more."""
    return await shown(call, await call.services.rotating.retire((await named(call)).id))


async def plan(call: Call) -> Answer:
    """What stops and what goes on at each date, what to do before, and how many passes and phones hang on it."""
    query: PlanQuery = call.query
    types = [one.pass_type for one in await call.services.store.pass_types()]
    named = [name for name in types if call.caller.sees(name) and query.pass_type in (None, name)]
    plans = [await call.services.rotating.plan(name) for name in named]
    return Answer(200, CertificatePlan([PassTypePlan.of(one) for one in plans]))


def _step(verb: str, name: str, summary: str, handler: object, body: type, answer: type = CertificateRow) -> Operation:
    return Operation(
        "POST",
        f"/certificates/{{id}}:{verb}",
        name,
        summary,
        handler,  # type: ignore[arg-type]
        ("certs:admin",),
        {200: (answer,)},
        body=json_body(body),
        group="certificates",
    )


OPERATIONS = (
    _step("prove", "proveCertificate", "Let a certificate prove itself", prove, CertificateProve, CertificateProven),
    _step("canary", "canaryCertificate", "Sign a share of the passes with a certificate", canary, CanaryStart),
    _step("promote", "promoteCertificate", "Sign and push with a certificate", promote, CertificatePromote),
    _step("rollback", "rollBackCertificate", "Go back to the certificate before", roll_back, Nothing),
    _step("retire", "retireCertificate", "Use a certificate no more", retire, Nothing),
    Operation(
        "GET",
        "/certificate-plan",
        "planCertificates",
        "What comes when with the certificates",
        plan,
        ("certs:admin",),
        {200: (CertificatePlan,)},
        PlanQuery,
        group="certificates",
    ),
)
