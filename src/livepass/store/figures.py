"""What is read to be looked at: figures of all registrations, the newest events, what goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from livepass.core.house import Chores, FanOut, Owed
from livepass.core.model import Target
from livepass.core.staleness import AGES, Instants, Waiting
from livepass.core.timeline import Event
from livepass.core.verdict import Circuit
from livepass.store import rows

if TYPE_CHECKING:
    from livepass.store.reading import Connection

NEWEST = (1 << 63) - 1


class Figures:
    """The part of ``service.seams.Reader`` that people look at."""

    _db: Connection

    async def staleness(self, pass_type: str, now: int) -> Sequence[Waiting]:
        bounds = zip(("step_1", "step_2", "step_3", "step_4"), (now - age for age in AGES), strict=True)
        found = await self._db.rows("staleness", {"pass_type": pass_type, **dict(bounds)})
        return [Waiting(row[0], bool(row[1]), row[2], row[3]) for row in found]

    async def served_lately(self, pass_type: str, *, since: int, first: str, limit: int) -> Sequence[Instants]:
        key = {"pass_type": pass_type, "since": since, "device_id": first, "limit": limit}
        return [(row[0], row[1], row[2]) for row in await self._db.rows("served_lately", key)]

    async def newest(
        self,
        *,
        kinds: Sequence[str],
        pass_type: str | None,
        limit: int,
        most: int,
        before: int = NEWEST,
        within: Sequence[str] | None = None,
    ) -> Sequence[Event]:
        key: dict[str, Any] = {"pass_type": pass_type, "limit": limit, "most": most, "before": before}
        key["kinds"] = self._db.array(kinds)
        key["within"] = None if within is None else self._db.array(within)
        return [rows.event(row) for row in await self._db.rows("newest", key)]

    async def due_first(self, pass_type: str, *, limit: int) -> Sequence[tuple[str, Target]]:
        found = await self._db.rows("due_first", {"pass_type": pass_type, "limit": limit})
        return [(row[0] or "", rows.target(row[1:])) for row in found]

    async def due_up_to(self, pass_type: str, now: int, *, most: int) -> Owed:
        [row] = await self._db.rows("due_up_to", {"pass_type": pass_type, "now": now, "most": most})
        return Owed(*map(int, row))

    async def circuits(self) -> Sequence[tuple[str, Circuit]]:
        return [(row[0], Circuit(*row[1:])) for row in await self._db.rows("circuits", {})]

    async def behind_template(self, tenant: str, template: str, revision: str, *, most: int) -> tuple[int, int]:
        key = {"tenant": tenant, "template": template, "revision": revision, "most": most}
        [row] = await self._db.rows("behind_template", key)
        return row[0] or 0, row[1] or 0

    async def fan_outs_under_way(self, *, limit: int) -> Sequence[FanOut]:
        found = await self._db.rows("fan_outs_under_way", {"limit": limit})
        return [FanOut(*row[:4], *row[6:]) for row in found]

    async def chores(self, now: int, *, most: int) -> Chores:
        [row] = await self._db.rows("chores", {"now": now, "most": most})
        return Chores(*row)

    async def count_passes(self) -> int:
        [row] = await self._db.rows("count_passes", {})
        return int(row[0])

    async def table_sizes(self) -> Sequence[tuple[str, int, int]]:
        return [(str(row[0]), int(row[1]), int(row[2])) for row in await self._db.rows("table_sizes", {})]
