"""Certificates, templates and API keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from livepass.core.model import Certificate
from livepass.pkpass import Template, TemplateError
from livepass.service.admitting import Terms
from livepass.service.refusals import Fault, NotFound, Refusal
from livepass.web.issuer_answers_admin import (
    CertificateImported,
    CertificatePage,
    CertificateRow,
    KeyPage,
    KeyRow,
    TemplatePage,
    TemplatePublished,
    TemplateRow,
)
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import CertificateImport, KeyCreate, PageQuery, TemplateQuery, TypeQuery
from livepass.web.operations import MIB, ZIP, Answer, Body, Call, Operation, json_body
from livepass.web.paging import Cursor, page

R = TypeVar("R")

LARGEST_UPLOAD = 16 * MIB
FORMS = ("p12", "certificate", "certificate_pem")
GOES_WITH = {
    "password": ("p12",),
    "private_key_pem": ("certificate", "certificate_pem"),
    "private_key_password": ("certificate", "certificate_pem"),
}
"""What goes with some of the forms only."""

_CERTIFICATES = Cursor("certificates", tuple[str, int, str])
_TEMPLATES = Cursor("templates", str)
_KEYS = Cursor("keys", tuple[int, str])

# ── certificates


async def import_certificate(call: Call) -> Answer:
    """Take in a certificate. It becomes live once it has proved itself, if none is live or the live one has ended."""
    body: CertificateImport = call.body
    admitting = call.services.admitting
    _check_form(body)
    terms = Terms((body.intermediate_pem or "").encode(), call.caller.pass_types, body.accept_nfc_loss)
    certificate = body.certificate if body.certificate is not None else (body.certificate_pem or "").encode()
    if body.p12 is not None:
        imported = await admitting.import_p12(body.p12, body.password or "", terms)
    elif body.private_key_pem is not None:
        key = body.private_key_pem.encode()
        imported = await admitting.import_pem(certificate, key, password=body.private_key_password or "", terms=terms)
    else:
        imported = await admitting.import_certificate(certificate, terms)
    row, now = imported.certificate, call.services.clock.now()
    lineage = await call.services.store.certificates(row.pass_type)
    signs = CertificateRow.all_of([row], lineage, now)[0].signs
    return Answer(201, CertificateImported.imported(row, signs, imported.problems, now))


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
    rows = await call.services.store.certificates(query.pass_type, within=call.caller.pass_types)
    shown, cursor = _slice(rows, call, _CERTIFICATES, ("", 0, ""), _place)
    return linked(call, CertificatePage(CertificateRow.all_of(shown, rows, call.services.clock.now()), cursor), cursor)


def _place(row: Certificate) -> tuple[str, int, str]:
    return (row.pass_type, row.not_after, row.id)


async def certificate(call: Call) -> Answer:
    """One certificate."""
    row = await call.services.store.certificate(call.path["id"])
    if row is None or not call.caller.sees(row.pass_type):
        raise NotFound(f"there is no certificate {call.path['id']}", hint="livepass cert list shows them")
    lineage = await call.services.store.certificates(row.pass_type)
    return Answer(200, CertificateRow.all_of([row], lineage, call.services.clock.now())[0])


# ── templates


async def publish(call: Call) -> Answer:
    """Make a folder the current revision of its template; passes that follow it are built anew in the background."""
    query: TemplateQuery = call.query
    try:
        # Inflating and hashing megabytes would hold up every phone meanwhile.
        template = await asyncio.to_thread(Template.from_zip, call.body, query.name)
    except TemplateError as error:
        raise Refusal(error.reason, hint=error.hint, code="template") from error
    return Answer(201, TemplatePublished.of(await call.services.publishing.publish(template)))


async def templates(call: Call) -> Answer:
    """Templates, by name."""
    rows = await call.services.store.templates(call.caller.tenant)
    shown, cursor = _slice(rows, call, _TEMPLATES, "", lambda row: row.name)
    return linked(call, TemplatePage([TemplateRow.of(row) for row in shown], cursor), cursor)


async def template(call: Call) -> Answer:
    """One template, at its current revision."""
    row = await call.services.store.template(call.caller.tenant, call.path["name"], None)
    if row is None:
        raise NotFound(
            f"there is no template {call.path['name']}", hint="livepass template list shows them", code="no_template"
        )
    return Answer(200, TemplateRow.of(row))


# ── keys


async def create_key(call: Call) -> Answer:
    """A new key. Its text stands in this answer and nowhere else."""
    body: KeyCreate = call.body
    key, text = await call.services.access.create(call.caller, body.name, body.scopes, body.pass_types)
    return Answer(201, KeyRow.of(key, text))


async def keys(call: Call) -> Answer:
    """API keys, oldest first, revoked ones too."""
    rows = await call.services.access.keys(call.caller)
    shown, cursor = _slice(rows, call, _KEYS, (0, ""), lambda row: (row.created_at, row.id))
    return linked(call, KeyPage([KeyRow.of(row) for row in shown], cursor), cursor)


async def key(call: Call) -> Answer:
    """One API key."""
    return Answer(200, KeyRow.of(await call.services.access.key(call.caller, call.path["id"])))


async def revoke_key(call: Call) -> Answer:
    """End a key at once."""
    await call.services.access.revoke(call.caller, call.path["id"])
    return Answer(204)


K = TypeVar("K", bound=tuple[object, ...] | str)


def _slice(
    rows: Sequence[R], call: Call, cursor: Cursor, start: K, place: Callable[[R], K]
) -> tuple[Sequence[R], str | None]:
    """A page of a list that is short enough to be read whole."""
    query: PageQuery = call.query
    if query.cursor is not None:
        after = cursor.read(query.cursor, start)
        rows = [row for row in rows if place(row) > after]  # type: ignore[operator]
    return page(rows, query.limit, cursor, place)


_CERTIFICATE_BODY = json_body(CertificateImport, LARGEST_UPLOAD)
_TEMPLATE_BODY = Body(
    (ZIP, "application/x-zip-compressed", "application/octet-stream"),
    LARGEST_UPLOAD,
    too_large="a template has at most 10 MiB: make its images smaller",
)

OPERATIONS = (
    Operation(
        "POST",
        "/certificates",
        "importCertificate",
        "Take in a certificate",
        import_certificate,
        ("certs:admin",),
        {201: (CertificateImported,)},
        body=_CERTIFICATE_BODY,
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
    Operation(
        "POST",
        "/templates",
        "publishTemplate",
        "Publish a folder, as a zip, as the current revision of a template",
        publish,
        ("templates:write",),
        {201: (TemplatePublished,)},
        TemplateQuery,
        _TEMPLATE_BODY,
        "templates",
    ),
    Operation(
        "GET",
        "/templates",
        "listTemplates",
        "Templates",
        templates,
        ("passes:read", "templates:write"),
        {200: (TemplatePage,)},
        PageQuery,
        group="templates",
    ),
    Operation(
        "GET",
        "/templates/{name}",
        "getTemplate",
        "A template",
        template,
        ("passes:read", "templates:write"),
        {200: (TemplateRow,)},
        group="templates",
    ),
    Operation(
        "POST",
        "/keys",
        "createKey",
        "Create an API key",
        create_key,
        ("keys:admin",),
        {201: (KeyRow,)},
        body=json_body(KeyCreate),
        group="keys",
    ),
    Operation(
        "GET", "/keys", "listKeys", "API keys", keys, ("keys:admin",), {200: (KeyPage,)}, PageQuery, group="keys"
    ),
    Operation("GET", "/keys/{id}", "getKey", "An API key", key, ("keys:admin",), {200: (KeyRow,)}, group="keys"),
    Operation(
        "DELETE", "/keys/{id}", "revokeKey", "Revoke an API key", revoke_key, ("keys:admin",), {204: None}, group="keys"
    ),
)
