"""The demonstration: what the emulated phone shows, beside what the service saw; change it, break it, mend it."""

from __future__ import annotations

import json
from typing import Any

from livepass import preview
from livepass.service.refusals import NotFound, Refusal
from livepass.web import issuer_passes
from livepass.web.console.drawing import url
from livepass.web.console.page import Desk, File, Gone, Held, Shown, Visit, plain
from livepass.web.console.pictures import svg
from livepass.web.issuer_answers_events import EventRow
from livepass.web.issuer_requests import NoQuery

EVENTS = 14


def _desk(visit: Visit) -> Desk:
    assert visit.desk is not None
    return visit.desk


def _held(visit: Visit) -> tuple[list[Held], Held]:
    """All, and the one that the address names; the first where it names none."""
    held = _desk(visit).held()
    serial = visit.path.get("serial")
    found = next((one for one in held if serial in (None, one.serial)), None)
    if found is None:
        raise NotFound("no phone of this demonstration has that pass", hint=f"{url('demo')} shows those that there are")
    return held, found


async def demo(visit: Visit) -> Shown:
    """One pass on the phone, and its loop."""
    held, shown = _held(visit)
    path = {"type": shown.pass_type, "serial": shown.serial}
    found = await visit.asked(issuer_passes.get, NoQuery, path=path)
    why = await visit.asked(issuer_passes.why, NoQuery, path=path)
    events = await visit.services.store.last_of_pass(shown.pass_type, shown.serial, limit=EVENTS)
    says = found["data"][shown.variable]
    data = {
        "passes": [{"serial": one.serial, "title": one.title} for one in held],
        "shown": {
            "phone": shown.phone,
            "pass_type": shown.pass_type,
            "serial": shown.serial,
            "title": shown.title,
            "variable": shown.variable,
            "value": shown.value,
            "version": shown.version,
            "banner": shown.banner,
        },
        "says": says,
        "next": _next(says),
        "breaks": list(_desk(visit).breaks()),
        "why": why,
        "events": [plain(EventRow.of(event)) for event in events],
        "label": preview.LABEL,
    }
    return Shown(data, command="livepass demo change")


def _next(value: Any) -> Any:
    """Something else to change it to."""
    if isinstance(value, int | float):
        return value + 10
    return value[:-1] + chr(ord(value[-1]) + 1) if isinstance(value, str) and value else "something else"


async def act(visit: Visit) -> Gone:
    """Change, break or mend."""
    desk, form = _desk(visit), visit.form
    _, shown = _held(visit)
    here = url("demo", shown.serial)
    match form.get("act"):
        case "change":
            await desk.change(shown.serial, _like(shown.value, form.get("value", "")))
            return Gone(here, "changed: watch the phone")
        case "break":
            await desk.cause(form.get("name", ""))
            return Gone(here, f"broken: {form.get('name', '')}. Change the pass, and read why it stays behind")
        case "mend":
            await desk.mend()
            return Gone(here, "mended: the phone looks again")
    raise Refusal("this form asks for nothing that there is", hint="load the page again")


def _like(value: Any, text: str) -> Any:
    """Of the kind that the value is."""
    if isinstance(value, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


async def picture(visit: Visit) -> File:
    """The pass as this phone has it."""
    _, shown = _held(visit)
    return File(svg(shown.files, preview.View(scheme="dark")), "image/svg+xml")
