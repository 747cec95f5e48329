"""Templates and API keys."""

from __future__ import annotations

import asyncio

from livepass.pkpass import Template, TemplateError
from livepass.service.refusals import NotFound, Refusal
from livepass.web.issuer_answers_admin import (
    KeyPage,
    KeyRow,
    TemplatePage,
    TemplatePublished,
    TemplateRow,
)
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import KeyCreate, PageQuery, TemplateQuery
from livepass.web.operations import LARGEST_UPLOAD, ZIP, Answer, Body, Call, Operation, json_body
from livepass.web.paging import Cursor, sliced

_TEMPLATES = Cursor("templates", str)
_KEYS = Cursor("keys", tuple[int, str])

# ── templates


async def publish(call: Call) -> Answer:
    """Make a folder the current revision of its template; passes that follow it are built anew in the background."""
    query: TemplateQuery = call.query
    try:
        # Inflating and hashing megabytes would hold up every phone meanwhile.
        template = await asyncio.to_thread(Template.from_zip, call.body, query.name)
    except TemplateError as error:
        raise Refusal(error.reason, hint=error.hint, code="template") from error
    return Answer(
        201, TemplatePublished.of(await call.services.publishing.publish(template, tenant=call.caller.tenant))
    )


async def templates(call: Call) -> Answer:
    """Templates, by name."""
    rows = await call.services.store.templates(call.caller.tenant)
    shown, cursor = sliced(rows, call.query, _TEMPLATES, "", lambda row: row.name)
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
    shown, cursor = sliced(rows, call.query, _KEYS, (0, ""), lambda row: (row.created_at, row.id))
    return linked(call, KeyPage([KeyRow.of(row) for row in shown], cursor), cursor)


async def key(call: Call) -> Answer:
    """One API key."""
    return Answer(200, KeyRow.of(await call.services.access.key(call.caller, call.path["id"])))


async def revoke_key(call: Call) -> Answer:
    """End a key at once."""
    await call.services.access.revoke(call.caller, call.path["id"])
    return Answer(204)


_TEMPLATE_BODY = Body(
    (ZIP, "application/x-zip-compressed", "application/octet-stream"),
    LARGEST_UPLOAD,
    too_large="a template has at most 10 MiB: make its images smaller",
)

OPERATIONS = (
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
        no_key="its answer holds a secret, which is kept nowhere",
    ),
    Operation(
        "GET", "/keys", "listKeys", "API keys", keys, ("keys:admin",), {200: (KeyPage,)}, PageQuery, group="keys"
    ),
    Operation("GET", "/keys/{id}", "getKey", "An API key", key, ("keys:admin",), {200: (KeyRow,)}, group="keys"),
    Operation(
        "DELETE", "/keys/{id}", "revokeKey", "Revoke an API key", revoke_key, ("keys:admin",), {204: None}, group="keys"
    ),
)
