"""The versions of a pass: their numbers, what came with each, and their files, to look at."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct

from livepass.pkpass.zip_write import archive, entry, head
from livepass.service.past import Version
from livepass.web.issuer_answers_events import Instant, at
from livepass.web.issuer_requests import FilesQuery
from livepass.web.operations import ZIP, Answer, Call, Operation


class VersionRow(Struct, frozen=True):
    """A version of a pass. `fields`: what came with it, as far as it was noted. `kind`: null where that is not known.

    `known`: whether its files can be told; where not, `unknown` says why. `lock_screen` was foretold, not seen.
    """

    number: int
    at: Instant
    kind: str | None
    fields: list[dict[str, Any]]
    lock_screen: str | None
    notice: str | None
    because: str | None
    known: bool
    unknown: str

    @classmethod
    def of(cls, version: Version) -> VersionRow:
        event = version.event
        detail: dict[str, Any] = dict(event.detail) if event else {}
        return cls(
            version.number,
            at(version.at),
            event.kind.value if event else None,
            [dict(row) for row in version.fields],
            detail.get("lock_screen"),
            detail.get("notice"),
            detail.get("because"),
            version.row is not None,
            version.unknown,
        )


class Versions(Struct, frozen=True):
    """The versions that are known, the newest first. `ends`: why they go no further back; empty: that was the first."""

    data: list[VersionRow]
    ends: str


async def versions(call: Call) -> Answer:
    """What the pass was, as far as it is known: worked out from what was noted of each change."""
    found = await call.services.past.versions(*call.named_pass())
    return Answer(200, Versions([VersionRow.of(one) for one in found.versions], found.ends))


async def files(call: Call) -> Answer:
    """The files of a version, to look at: without signature and token, so no phone takes it."""
    name, query = call.named_pass(), call.query
    services = call.services
    found = await (
        services.showing.of_pass(*name) if query.number is UNSET else services.past.files(*name, query.number)
    )
    entries = [entry(inside, data, deflate=False) for inside, data in sorted(found.items())]
    return Answer(200, archive(head(entries), ()), ZIP)


OPERATIONS = (
    Operation(
        "GET",
        "/passes/{type}/{serial}/versions",
        "listVersions",
        "The versions of a pass that are known, newest first",
        versions,
        ("passes:read",),
        {200: (Versions,)},
    ),
    Operation(
        "GET",
        "/passes/{type}/{serial}/files",
        "getPassFiles",
        "A version of a pass as an unsigned zip to look at",
        files,
        ("passes:read",),
        {200: ZIP},
        FilesQuery,
    ),
)
