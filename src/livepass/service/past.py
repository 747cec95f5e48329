"""The versions of a pass: what it was, worked out backwards from what it is and what was noted of each change.

Nothing is kept of a version but what its change noted (``pkpass.earlier``), so it ends when events are pruned and is
gone when a pass is erased. Where something was not kept, versions before it are named and never drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from livepass.core.model import DEFAULT_TENANT, Pass
from livepass.core.timeline import Event, Kind
from livepass.pkpass.earlier import back
from livepass.service.building import Builder, CannotBuild
from livepass.service.refusals import NotFound, Refusal, no_pass
from livepass.service.seams import Reader

VERSIONS = 100
"""As far back as anybody is shown."""
EVENTS = 5_000
"""Of a pass that are looked through for its changes: one that many phones fetch has many others."""

UNKEPT = "more changed with n{} than is kept of a change"
ENROLLED = "with n{} what somebody gave at the enrolment came onto it"
BROKEN = "what is noted of n{} does not lead to what came after it"
FURTHER = "what happened before n{} is no longer kept, or lies further back than is looked"


@dataclass(frozen=True, slots=True)
class Version:
    """A number of a pass. ``row``: the pass as it was; ``None`` where it cannot be told, and ``unknown`` says why.

    ``fields``: what came with it (key, before, after); ``lock_screen``: what was foretold of it. ``event`` is ``None``
    where the change that made the present version is not known any more.
    """

    number: int
    at: int
    event: Event | None
    row: Pass | None
    unknown: str = ""

    @property
    def fields(self) -> Sequence[Mapping[str, object]]:
        return _rows(self.event) if self.event else ()


@dataclass(frozen=True, slots=True)
class History:
    """The versions that are known, the newest first. ``ends``: why it goes no further back; "": that was the first."""

    versions: tuple[Version, ...]
    ends: str


class Past:
    """One object per process."""

    def __init__(self, store: Reader, builder: Builder) -> None:
        self._store = store
        self._builder = builder

    async def versions(self, pass_type: str, serial: str) -> History:
        """What is known of a pass's versions. Raises ``Refusal`` where there is no such pass."""
        row = await self._store.pass_(pass_type, serial)
        if row is None:
            raise no_pass(pass_type, serial)
        events = await self._store.versions_of_pass(pass_type, serial, most=EVENTS, limit=VERSIONS + 1)
        # What changed between the two reads is left out.
        return history(row, [event for event in events if event.seq <= row.seq])

    async def files(self, pass_type: str, serial: str, number: int) -> Mapping[str, bytes]:
        """The pass at that number, to look at: as ``Showing.of_pass``. Raises ``Refusal``."""
        found = await self.versions(pass_type, serial)
        version = next((one for one in found.versions if one.number == number), None)
        if version is None:
            raise NotFound(
                f"no version n{number} of {serial} is known",
                hint=found.ends or f"livepass pass versions {pass_type}/{serial} shows them",
                code="no_version",
            )
        if version.row is None:
            raise Refusal(f"what n{number} of {serial} was cannot be told", hint=version.unknown, code="no_version")
        known = await self._store.pass_type(pass_type)
        try:
            return await self._builder.shown(version.row, known.tenant if known else DEFAULT_TENANT)
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="cannot_build") from error


def history(row: Pass, events: Sequence[Event]) -> History:
    """From the present pass back through its changes (newest first), as far as they lead."""
    if not events or events[0].seq != row.seq:
        return History((Version(row.seq, row.changed_at, None, row),), FURTHER.format(f"{row.seq}"))
    found: list[Version] = []
    state, unknown = row, ""
    for event in events[:VERSIONS]:
        found.append(Version(event.seq, event.at, event, None if unknown else state, unknown))
        if event.kind is Kind.ISSUED:
            return History(tuple(found), "")
        if not unknown:
            state, unknown = _before(state, event)
    return History(tuple(found), FURTHER.format(found[-1].number))


def _before(row: Pass, event: Event) -> tuple[Pass, str]:
    """The pass before a change; or why that cannot be told."""
    detail = event.detail
    if event.kind is Kind.PERSONALIZED:
        return row, ENROLLED.format(event.seq)
    patch = detail.get("undo", {})
    if not isinstance(patch, Mapping):
        return row, UNKEPT.format(event.seq)
    document = back(row.document, _rows(event), patch)
    if document is None:
        return row, BROKEN.format(event.seq)
    made_from = detail.get("made_from")
    template, revision = made_from if isinstance(made_from, list) else (row.template, row.revision)
    voided = orjson.loads(document).get("voided") is True
    return replace(row, document=document, template=template, revision=revision, voided=voided), ""


def _rows(event: Event) -> Sequence[Mapping[str, object]]:
    rows = event.detail.get("fields")
    return rows if isinstance(rows, list) else ()
