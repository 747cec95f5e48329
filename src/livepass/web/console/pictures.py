"""Passes as pictures in pages: an image of its own, so that its styles and its text are nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from livepass import preview
from livepass.pkpass import Template, canonical, read, sampled
from livepass.pkpass.names import DOCUMENT
from livepass.service.refusals import NotFound, Refusal
from livepass.web.console.page import File, Visit

CHOICES: Mapping[str, tuple[str, ...]] = {
    "ios": ("27", "26", "18"),
    "scheme": ("light", "dark"),
    "side": ("front", "back"),
}


def svg(files: Mapping[str, bytes], view: preview.View | None = None) -> bytes:
    """The drawing as a file of its own."""
    return preview.svg(preview.draw(files, view or preview.View()))


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
    """A pass as it is now. Nothing of it is signed for that, and its token is not in it."""
    built = await visit.services.issuing.pkpass(visit.path["type"], visit.path["serial"])
    return File(svg(read(built).files, view_of(visit)), "image/svg+xml")


async def of_template(visit: Visit) -> File:
    """A template at its current revision, filled with samples."""
    stored = await visit.services.store.template(visit.person.caller().tenant, visit.path["name"], None)
    if stored is None:
        raise NotFound(f"there is no template {visit.path['name']}", hint="livepass template list shows them")
    view = view_of(visit)

    def drawn() -> bytes:
        template = Template.from_zip(stored.files, stored.name)
        return svg({**template.files, DOCUMENT: canonical(sampled(template))}, view)

    return File(await asyncio.to_thread(drawn), "image/svg+xml")
