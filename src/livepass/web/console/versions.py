"""What a pass was: its versions, and two of them beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from livepass.pkpass.difference import Change, Difference, Side, difference
from livepass.pkpass.names import DOCUMENT
from livepass.preview.spoken import spoken
from livepass.service.refusals import Refusal
from livepass.web import issuer_versions
from livepass.web.console import asking
from livepass.web.console.page import Shown, Visit


async def versions(visit: Visit) -> Shown:
    """The versions that are known; for operators two of them (``since``, ``until``) drawn, and what differs.

    Whoever names none sees the newest and the one before it.
    """
    name = visit.path["type"], visit.path["serial"]
    found = await visit.asked(issuer_versions.versions)
    rows, problem, compared = found["data"], None, None
    until = number_of(visit, "until") or rows[0]["number"]
    since = number_of(visit, "since") or next((row["number"] for row in rows if row["number"] < until), None)
    if visit.operates and since is not None:
        try:
            compared = await _compared(visit, since, until)
        except Refusal as refusal:
            problem = asking.problem(refusal)
    data = {
        "pass_type": name[0],
        "serial": name[1],
        "versions": rows,
        "ends": found["ends"],
        "since": since,
        "until": until,
        "compared": compared,
        "problem": problem,
    }
    what = f"diff {'/'.join(name)} --since {since} --until {until}" if since else f"versions {'/'.join(name)}"
    return Shown(data, title=f"Versions of {name[1]}", command=f"livepass pass {what}")


def number_of(visit: Visit, name: str) -> int | None:
    """A change number in the address; ``None``: there is none. Raises ``Refusal``."""
    text = visit.query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(f"{name} {text[:20]!r} is no number of a version", hint="a number like 7")
    return int(text)


async def sides(visit: Visit, since: int, until: int) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """The files of two versions. Raises ``Refusal`` where one cannot be told."""
    name, past = (visit.path["type"], visit.path["serial"]), visit.services.past
    return await past.files(*name, since), await past.files(*name, until)


async def _compared(visit: Visit, since: int, until: int) -> dict[str, Any]:
    before, after = (Side(json.loads(files[DOCUMENT]), files) for files in await sides(visit, since, until))
    found = await visit.services.showing.off_loop(lambda: difference(before, after, spoken))
    notice = found.notices[""]
    return {
        "same": found.same,
        "rows": list(_rows(found)),
        "notice": {"kind": notice.kind, "reason": notice.reason, "text": notice.text, "assumed": list(notice.assumed)},
    }


def _rows(found: Difference) -> Iterator[dict[str, Any]]:
    for field in found.fields:
        yield from _changes(field.key, field.changes)
    for where, changes in (("pass.json", found.keys), ("file", found.files), ("language", found.languages)):
        yield from _changes(where, changes)
    for language, changes in found.texts.items():
        yield from _changes(f"text {language}", changes)


def _changes(where: str, changes: Sequence[Change]) -> Iterator[dict[str, Any]]:
    for each in changes:
        yield {"where": where, "what": each.name, "before": each.before, "after": each.after}
