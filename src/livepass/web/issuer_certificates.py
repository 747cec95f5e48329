"""Certificates: how they come in, and what there is."""

from __future__ import annotations

from livepass.core.model import Certificate
from livepass.core.rotation import signing
from livepass.service.admitting import Terms
from livepass.service.refusals import Fault, NotFound, Refusal
from livepass.web.issuer_answers_admin import CertificateImported, CertificatePage, CertificateRow
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import CertificateImport, TypeQuery
from livepass.web.operations import LARGEST_UPLOAD, Answer, Call, Operation, json_body
from livepass.web.paging import Cursor, sliced

FORMS = ("p12", "certificate", "certificate_pem")
GOES_WITH = {
    "password": ("p12",),
    "private_key_pem": ("certificate", "certificate_pem"),
    "private_key_password": ("certificate", "certificate_pem"),
}
"""What goes with some of the forms only."""

_CERTIFICATES = Cursor("certificates", tuple[str, int, str])


async def import_certificate(call: Call) -> Answer:
    """Take in a certificate. It becomes live once it has proved itself, if none is live or the live one has ended."""
    body: CertificateImport = call.body
    admitting = call.services.admitting
    _check_form(body)
    terms = Terms(
        (body.intermediate_pem or "").encode(), call.caller.pass_types, body.accept_nfc_loss, call.caller.tenant
    )
    certificate = body.certificate if body.certificate is not None else (body.certificate_pem or "").encode()
    if body.p12 is not None:
        imported = await admitting.import_p12(body.p12, body.password or "", terms)
    elif body.private_key_pem is not None:
        key = body.private_key_pem.encode()
        imported = await admitting.import_pem(certificate, key, password=body.private_key_password or "", terms=terms)
    else:
        imported = await admitting.import_certificate(certificate, terms)
    row = imported.certificate
    now = call.services.clock.now()
    return Answer(201, CertificateImported.imported(row, await signs(call, row), imported.problems, now))


def _check_form(body: CertificateImport) -> None:
    """One form, whole; not a bit of each."""
    given = [name for name in FORMS if getattr(body, name) is not None]
    wrong = [Fault(f"/{name}", f"does not go with {given[0]}") for name in given[1:]]
    if not given:
        wrong = [Fault(f"/{name}", "is missing: one of the three") for name in FORMS]
    wrong += [
        Fault(f"/{name}", f"goes with {' or '.join(forms)}")
        for name, forms in GOES_WITH.items()
        if getattr(body, name) is not None and (given or [""])[0] not in forms
    ]
    if body.private_key_password is not None and body.private_key_pem is None:
        wrong.append(Fault("/private_key_pem", "is missing: the password is for it"))
    if wrong:
        raise Refusal(
            "this is not a whole certificate",
            hint='send "p12" and its "password"; or "certificate_pem" and "private_key_pem"; or "certificate" alone, '
            "where its key was made here",
            faults=wrong,
        )


async def certificates(call: Call) -> Answer:
    """Certificates, by pass type and the day they lapse."""
    query: TypeQuery = call.query
    rows = await call.services.store.certificates(query.pass_type, within=call.caller.within)
    shown, cursor = sliced(rows, query, _CERTIFICATES, ("", 0, ""), _place)
    return linked(call, CertificatePage(CertificateRow.all_of(shown, rows, call.services.clock.now()), cursor), cursor)


def _place(row: Certificate) -> tuple[str, int, str]:
    return (row.pass_type, row.not_after, row.id)


async def certificate(call: Call) -> Answer:
    """One certificate."""
    return await shown(call, await named(call))


# ── what each operation with one certificate does


async def named(call: Call) -> Certificate:
    """The one that the address names. Raises ``NotFound``, also where the caller may not see it."""
    row = await call.services.store.certificate(call.path["id"])
    if row is None or not call.caller.sees(row.pass_type):
        raise NotFound(f"there is no certificate {call.path['id']}", hint="livepass cert list shows them")
    return row


async def signs(call: Call, row: Certificate) -> bool:
    """Whether passes are signed with it now."""
    used = signing(await call.services.store.lineage(row.pass_type), call.services.clock.now())
    return used is not None and used.id == row.id


async def shown(call: Call, row: Certificate) -> Answer:
    """It, as it stands now."""
    return Answer(200, CertificateRow.of(row, await signs(call, row), call.services.clock.now()))


OPERATIONS = (
    Operation(
        "POST",
        "/certificates",
        "importCertificate",
        "Take in a certificate",
        import_certificate,
        ("certs:admin",),
        {201: (CertificateImported,)},
        body=json_body(CertificateImport, LARGEST_UPLOAD),
        group="certificates",
    ),
    Operation(
        "GET",
        "/certificates",
        "listCertificates",
        "Certificates",
        certificates,
        ("certs:admin",),
        {200: (CertificatePage,)},
        TypeQuery,
        group="certificates",
    ),
    Operation(
        "GET",
        "/certificates/{id}",
        "getCertificate",
        "A certificate",
        certificate,
        ("certs:admin",),
        {200: (CertificateRow,)},
        group="certificates",
    ),
)
