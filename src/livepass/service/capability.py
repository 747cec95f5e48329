"""Who needs what a certificate can do: which templates and passes of a pass type carry ``nfc``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from livepass.core.model import StoredTemplate
from livepass.pkpass import Template, TemplateError
from livepass.service.seams import Reader, Scheduler

LOOKED_AT = 5_000
"""Passes that are looked at, in pages: there may be millions, and one that carries it is enough to think twice."""
PAGE = 500
NAMED = 5


async def nfc_users(reader: Reader, scheduler: Scheduler, tenant: str, pass_type: str) -> str:
    """In words, for a person who is about to lose it."""
    stored = await reader.templates(tenant)
    # Opening every template there is takes a second or more.
    templates = await scheduler.off_loop(lambda: _named(stored, pass_type), aside=True)
    serials: list[str] = []
    seen, after = 0, (pass_type, "")
    while seen < LOOKED_AT:
        page = await reader.passes(pass_type=pass_type, template=None, prefix="", after=after, limit=PAGE)
        serials += [row.serial for row in page if "nfc" in _object(row.document)]
        seen += len(page)
        if len(page) < PAGE:
            break
        after = (pass_type, page[-1].serial)
    whole = "" if seen < LOOKED_AT else f" of the first {seen:,}"
    said = []
    if templates:
        said.append(f"template{'s' if len(templates) > 1 else ''} {_some(templates)}")
    if serials:
        said.append(f"{len(serials):,} pass{'es' if len(serials) > 1 else ''}{whole}: {_some(serials)}")
    return f"nfc stands in {' and in '.join(said)}" if said else f"no template and no pass{whole} here carries nfc"


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


def _named(stored: Sequence[StoredTemplate], pass_type: str) -> list[str]:
    return sorted({each.name for each in stored if _uses_nfc(each, pass_type)})


def _uses_nfc(stored: StoredTemplate, pass_type: str) -> bool:
    try:
        document = Template.from_zip(stored.files, stored.name).document
    except TemplateError:
        return False
    return "nfc" in document and document.get("passTypeIdentifier") in (None, pass_type)


def _object(document: bytes) -> dict[str, Any]:
    found = json.loads(document)
    return found if isinstance(found, dict) else {}
