"""Imports: a file of passes is taken in by one call, and worked off afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal

from livepass.client.address import path
from livepass.client.call import Call, List, nothing, reads
from livepass.web import issuer_imports as answers

MEDIA: Mapping[str, str] = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


def import_passes(
    file: bytes,
    *,
    kind: Literal["csv", "ndjson"] = "csv",
    pass_type: str | None = None,
    template: str | None = None,
    columns: Mapping[str, str] | None = None,
    push: Literal["auto", "none"] = "auto",
    dry_run: bool = False,
    once: str | None = None,
) -> Call[answers.Import]:
    """Take a file in, to be worked off; ``import_job`` tells how far it is. ``pass_type``, ``template``: of rows that
    name none. ``columns``: name of a variable, or ``serial`` → its column, where it is called otherwise. ``once``: the
    ``Idempotency-Key``; whoever calls again with the same one gets the same import. Left out, one is drawn.
    """
    query = {
        "pass_type": pass_type,
        "template": template,
        "map": ",".join(f"{name}={column}" for name, column in columns.items()) if columns else None,
        "push": push,
        "dry_run": "true" if dry_run else None,
    }
    key = once or secrets.token_hex(16)
    return Call("POST", "/imports", reads(answers.Import), query, file, media=MEDIA[kind], once=key)


def imports() -> List[answers.Import]:
    """Imports, newest first: those under way, and those that ended within a week."""
    return List("/imports", reads(answers.ImportPage))


def import_job(import_id: str) -> Call[answers.Import]:
    """How far an import is."""
    return Call("GET", path("imports", import_id), reads(answers.Import))


def import_errors(import_id: str) -> List[answers.ImportProblem]:
    """What was wrong with rows that were refused or failed, by row; complete once the import is over."""
    return List(f"{path('imports', import_id)}/errors", reads(answers.ImportProblemPage))


def cancel_import(import_id: str) -> Call[None]:
    """End an import: rows that wait are dropped, what is made stays."""
    return Call("DELETE", path("imports", import_id), nothing)
