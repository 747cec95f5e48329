"""Passes as pictures in pages: an image of its own, so that its styles and its text are nobody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from livepass import preview
from livepass.pkpass.names import DOCUMENT
from livepass.pkpass.notices import moved_fields
from livepass.service.drafting import Wish
from livepass.service.refusals import Refusal, no_pass
from livepass.web.console.page import File, Visit
from livepass.web.console.versions import number_of, sides

CHOICES: Mapping[str, tuple[str, ...]] = {
    "ios": ("27", "26", "18"),
    "scheme": ("light", "dark"),
    "side": ("front", "back"),
}


def svg(files: Mapping[str, bytes], view: preview.View | None = None, changed: Sequence[str] = ()) -> bytes:
    """The drawing as a file of its own, with these fields outlined."""
    return preview.svg(preview.draw(files, view or preview.View(), changed=changed))


def view_of(visit: Visit) -> preview.View:
    """What the address asks for: ``ios``, ``scheme``, ``side``, ``language``. Raises ``Refusal``."""
    asked = {name: visit.query.get(name, choices[0]) for name, choices in CHOICES.items()}
    wrong = [name for name, choices in CHOICES.items() if asked[name] not in choices]
    if wrong:
        raise Refusal(f"there is no {wrong[0]} {asked[wrong[0]]!r}", hint=f"one of {', '.join(CHOICES[wrong[0]])}")
    return preview.View(
        ios=int(asked["ios"]),
        scheme=asked["scheme"],
        side=asked["side"],
        language=visit.query.get("language", "en")[:35],
        now=datetime.fromtimestamp(visit.now / 1000, UTC),
    )


async def of_pass(visit: Visit) -> File:
    """A pass as it is now; with ``key`` and ``value``, as it would be, and what that changes outlined; with ``number``
    and ``beside``, as it was with that number, and what differs from the other outlined.
    """
    name = visit.path["type"], visit.path["serial"]
    if not visit.caller.sees(name[0]):
        raise no_pass(*name)
    number = number_of(visit, "number")
    if number is not None:
        was, other = await sides(visit, number, number_of(visit, "beside") or number)
        return await _drawn(visit, was, _moved(was, other))
    files, changed = await visit.services.showing.of_pass(*name), list[str]()
    if visit.query.get("key"):
        wanted = Wish(*name, data={visit.query["key"]: value_of(visit.query.get("value", ""))}, patch=True)
        then = await visit.services.issuing.draft(wanted)
        files, changed = then, _moved(files, then)
    return await _drawn(visit, files, changed)


def _moved(files: Mapping[str, bytes], then: Mapping[str, bytes]) -> list[str]:
    return [one.key for one in moved_fields(json.loads(files[DOCUMENT]), json.loads(then[DOCUMENT]))]


async def of_template(visit: Visit) -> File:
    """A template at its current revision, filled with samples."""
    tenant = visit.caller.tenant
    return await _drawn(visit, await visit.services.showing.of_template(tenant, visit.path["name"]))


async def _drawn(visit: Visit, files: Mapping[str, bytes], changed: Sequence[str] = ()) -> File:
    view = view_of(visit)
    return File(await visit.services.showing.off_loop(lambda: svg(files, view, changed)), "image/svg+xml")


def value_of(text: str) -> Any:
    """As on the command line: JSON where it is a number, true, false, null or quoted, else text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, dict | list) else value
