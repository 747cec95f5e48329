"""Templates: which there are, what phones would make of one, how many passes have it, and a new revision of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from livepass.core.model import StoredTemplate
from livepass.pkpass import Problem, Template, TemplateError, ios_names, lint_template
from livepass.service.refusals import NotFound, Refusal
from livepass.web import issuer_admin
from livepass.web.console import asking
from livepass.web.console.drawing import url
from livepass.web.console.page import Gone, Shown, Visit
from livepass.web.issuer_requests import PageQuery, TemplateQuery

A_PAGE = 50
COUNTED, COUNTED_EACH = 10_000, 1_000
"""Passes of a template are counted up to so many, fewer in the list: counting millions would hold up the page."""
EFFECTS = ("refused", "invisible", "logged", "grant")


async def templates(visit: Visit) -> Shown:
    """By name."""
    return await _all(visit)


async def _all(visit: Visit, problem: Refusal | None = None) -> Shown:
    found = await visit.asked(issuer_admin.templates, PageQuery, {"limit": A_PAGE, "cursor": visit.query.get("cursor")})
    rows = [{**row, "following": await _following(visit, row, COUNTED_EACH)} for row in found["data"]]
    data = {**found, "data": rows, "problem": None if problem is None else asking.problem(problem)}
    return Shown(data, command="livepass template list")


async def _following(visit: Visit, row: Mapping[str, Any], most: int) -> dict[str, Any]:
    """``more``: where there may be more than were counted."""
    tenant = visit.caller.tenant
    store = visit.services.store
    current, behind, refused = await store.following(tenant, row["name"], row["revision"], most=most)
    more = {"current": current >= most, "behind": behind >= most}
    return {"current": current, "behind": behind, "refused": refused, "more": more}


async def template(visit: Visit) -> Shown:
    """One, at its current revision."""
    return await _one(visit)


async def _one(visit: Visit, problem: Refusal | None = None) -> Shown:
    row = await visit.asked(issuer_admin.template)
    stored = await visit.services.store.template(visit.caller.tenant, row["name"], None)
    assert stored is not None  # just answered
    data = {
        "template": row,
        "following": await _following(visit, row, COUNTED),
        # Opening and judging megabytes of images takes a while.
        **await asyncio.to_thread(_read, stored),
        "effects": EFFECTS,
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, title=f"Template {row['name']}", command=f"livepass template show {row['name']}")


def _read(stored: StoredTemplate) -> dict[str, Any]:
    """What is in it, and what phones would make of its passes: filled with samples, where values are to come."""
    template = Template.from_zip(stored.files, stored.name)
    variables = [
        {
            "name": variable.name,
            "type": variable.type.value,
            "required": variable.required,
            "description": variable.description,
            "used_at": list(variable.used_at),
        }
        for variable in template.declarations.values()
    ]
    files = [{"name": name, "size": len(data)} for name, data in template.files.items()]
    return {
        "variables": variables,
        "files": files,
        "pass_json": dict(template.document),
        "problems": problems(lint_template(template)),
    }


def problems(found: Iterable[Problem]) -> list[dict[str, Any]]:
    """What lint says, as a page shows it."""
    return [
        {
            "rule": one.rule,
            "severity": one.severity,
            "effect": one.effect,
            "ios": list(one.ios),
            "on": ios_names(one.ios),
            "pointer": one.pointer,
            "message": one.message,
            "remedy": one.remedy,
        }
        for one in found
    ]


async def publish(visit: Visit) -> Shown | Gone:
    """A zip becomes the current revision of the template of that name, which may be new."""
    name = visit.form.get("name", "").strip()
    try:
        if not name:
            raise Refusal("the template has no name", hint="type the name: of a new one, or of one to renew")
        return await _published(visit, name)
    except Refusal as problem:
        return await _all(visit, problem)


async def publish_next(visit: Visit) -> Shown | Gone:
    """A zip becomes the next revision of this one, whose name must be typed: every pass that follows it changes."""
    name = visit.path["name"]
    try:
        if visit.form.get("act") == "look":
            return await _looked_at(visit, name)
        asking.confirmed(visit.form.get("confirm", ""), name)
        return await _published(visit, name)
    except NotFound:
        raise
    except Refusal as problem:
        return await _one(visit, problem)


async def _published(visit: Visit, name: str) -> Gone:
    body = _zip(visit)
    done = await visit.asked(issuer_admin.publish, TemplateQuery, {"name": name}, body=body)
    worth = "".join(f"; {one['message']}" for one in done["problems"])
    said = "passes that follow it are built anew" if done["new"] else "it was current already"
    return Gone(url("templates", done["name"]), f"revision {done['revision'][:12]}: {said}{worth}")


async def _looked_at(visit: Visit, name: str) -> Shown:
    """What would come with a zip, without publishing it."""
    data = _zip(visit)
    try:
        template = await asyncio.to_thread(Template.from_zip, data, name)
    except TemplateError as error:
        raise Refusal(error.reason, hint=error.hint, code="template") from error
    shown = await _one(visit)
    was = shown.data["template"]
    variables = {name: kind.value for name, kind in template.variables.items()}
    shown.data["next"] = {
        "revision": template.revision,
        "new": template.revision != was["revision"],
        "added": sorted(variables.keys() - was["variables"].keys()),
        "gone": sorted(was["variables"].keys() - variables.keys()),
        "problems": problems(await asyncio.to_thread(lint_template, template)),
    }
    return shown


def _zip(visit: Visit) -> bytes:
    data = visit.uploads.get("zip")
    if not data:
        raise Refusal("no file was sent", hint="zip the template's folder, and choose that file")
    return data
