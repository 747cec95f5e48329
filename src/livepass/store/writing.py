"""What the use cases write, in terms of named statements; the same for every database.

A decision's writes are applied by the table at the end: one row, one method, for each kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from livepass.core import decision as d
from livepass.core.model import (
    ApiKey,
    Certificate,
    StoredTemplate,
    Target,
)
from livepass.core.timeline import Event, Kind
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.core.trip2_push import Outcome
from livepass.store import rows
from livepass.store.reading import Reading


class Writing(Reading):
    """``service.seams.Tx``: a session inside a write transaction."""

    async def apply(self, writes: Sequence[d.Write], events: Sequence[Event]) -> int:
        number = 0
        for write in writes:
            number = await _APPLY[type(write)](self, write) or number
        await self._add_events(events, number)
        return number

    async def _add_events(self, events: Sequence[Event], number: int = 0) -> None:
        if events:
            await self._db.run("add_events", {"events": rows.events_json(events, number)})

    async def _next_number(self, pass_type: str) -> int:
        row = await self._one("next_number", pass_type=pass_type)
        if row is None:
            raise LookupError(f"pass type {pass_type} has no counter; it was never set up")
        number: int = row[0]
        return number

    # ── trip 1

    async def _save_device(self, write: d.SaveDevice) -> int:
        parameters = {
            "pass_type": write.pass_type,
            "device_id": write.device_id,
            "push_token": write.push_token,
            "at": write.at,
        }
        await self._db.run("save_device", parameters)
        await self._db.run("touch_target", parameters)
        return 0

    async def _join(self, write: d.Join) -> int:
        number = await self._next_number(write.pass_type)
        parameters = {
            "pass_type": write.pass_type,
            "device_id": write.device_id,
            "serial": write.serial,
            "seq": number,
            "at": write.at,
            "push_at": write.push_at,
        }
        await self._db.run("join", parameters)
        await self._db.run("want_join", parameters)
        return number

    async def _retarget(self, write: d.Retarget) -> int:
        await self._db.run(
            "retarget", {"pass_type": write.pass_type, "device_id": write.device_id, "push_at": write.push_at}
        )
        await self._db.run("drop_target", {"pass_type": write.pass_type, "push_token": write.old_token})
        return 0

    async def _revive(self, write: d.Revive) -> int:
        await self._db.run("revive", {"pass_type": write.pass_type, "push_token": write.push_token, "at": write.at})
        return 0

    async def _leave(self, write: d.Leave) -> int:
        await self._db.run(
            "leave",
            {
                "pass_type": write.pass_type,
                "device_id": write.device_id,
                "serial": write.serial,
                "at": write.at,
            },
        )
        return 0

    async def _resurrect(self, write: d.Resurrect) -> int:
        await self._db.run(
            "resurrect", {"pass_type": write.pass_type, "device_id": write.device_id, "serial": write.serial}
        )
        return 0

    # ── trip 3

    async def _raise_asked(self, write: d.RaiseAsked) -> int:
        await self._db.run(
            "raise_asked",
            {
                "pass_type": write.pass_type,
                "device_id": write.device_id,
                "asked": write.asked,
                "told": write.told,
                "at": write.at,
            },
        )
        await self._db.run(
            "acknowledge", {"pass_type": write.pass_type, "push_token": write.push_token, "told": write.told}
        )
        named = [
            {
                "pass_type": write.pass_type,
                "device_id": write.device_id,
                "serial": serial,
                "retell_at": retell_at,
            }
            for serial, retell_at in write.named
            if retell_at is not None
        ]
        if named:
            await self._db.run_many("name_serial", named)
        return 0

    async def _raise_served(self, write: d.RaiseServed) -> int:
        parameters = {
            "pass_type": write.pass_type,
            "device_id": write.device_id,
            "serial": write.serial,
            "seq": write.seq,
            "at": write.at,
            "confirmed": int(write.confirmed),
        }
        await self._db.run("raise_served", parameters)
        if write.confirmed:
            await self._db.run("stop_retelling", parameters)
        return 0

    async def _new_epoch(self, write: d.NewEpoch) -> int:
        await self._db.run(
            "new_epoch", {"pass_type": write.pass_type, "old_epoch": write.old_epoch, "epoch": write.epoch}
        )
        return 0

    # ── change

    async def put_passes(
        self,
        pass_type: str,
        versions: Sequence[d.PassVersion],
        *,
        now: int,
        push_at: int | None,
        urgent: bool,
    ) -> tuple[int, int]:
        moved = [version for version in versions if version.moves]
        number = await self._next_number(pass_type) if moved else 0
        stored = []
        for version in versions:
            parameters = dict(rows.pass_parameters(version.row))
            if version.moves:
                parameters["seq"] = number
            stored.append(parameters)
        await self._db.run_many("put_pass", stored)
        await self._add_events([version.event for version in versions if version.event is not None], number)
        if not moved:
            return 0, 0
        serials = json.dumps([version.row.serial for version in moved])
        await self._db.run("forget_retelling", {"pass_type": pass_type, "serials": serials})
        return number, await self._want_pushes(pass_type, serials, number, now, push_at, urgent)

    async def _want_pushes(
        self, pass_type: str, serials: str, number: int, now: int, push_at: int | None, urgent: bool
    ) -> int:
        if push_at is None:
            return 0
        wanted = await self._db.rows(
            "want_pushes",
            {
                "pass_type": pass_type,
                "serials": serials,
                "seq": number,
                "push_at": push_at,
                "urgent": int(urgent),
                "tombstones_after": now - TOMBSTONE_MS,
            },
        )
        return sum(1 for row in wanted if row[0] is None)

    async def erase_pass(self, pass_type: str, serial: str) -> bool:
        key = {"pass_type": pass_type, "serial": serial}
        await self._db.run("erase_mentions", key)
        phones = await self._db.rows("erase_registrations", key)
        await self._db.run("erase_events", key)
        erased = await self._db.run("erase_pass", key)
        for (device_id,) in phones:
            gone = await self._db.rows("forget_device", {"pass_type": pass_type, "device_id": device_id})
            for (push_token,) in gone:
                await self._db.run("drop_target", {"pass_type": pass_type, "push_token": push_token})
        return erased > 0

    async def ensure_pass_type(self, pass_type: str, tenant: str, team: str, epoch: str, now: int) -> None:
        await self._db.run("ensure_pass_type", {"pass_type": pass_type, "tenant": tenant, "team": team, "now": now})
        await self._db.run("ensure_counter", {"pass_type": pass_type, "epoch": epoch})

    async def put_template(self, tenant: str, template: StoredTemplate) -> None:
        key = {"tenant": tenant, "name": template.name, "revision": template.revision}
        await self._db.run(
            "put_template_revision",
            {
                **key,
                "files": template.files,
                "variables": json.dumps(template.variables),
                "created_at": template.created_at,
            },
        )
        await self._db.run("point_template", key)

    async def refuse_revision(self, pass_type: str, serial: str, revision: str) -> None:
        await self._db.run("refuse_revision", {"pass_type": pass_type, "serial": serial, "revision": revision})

    async def add_events(self, events: Sequence[Event]) -> None:
        await self._add_events(events)

    # ── trip 2

    async def claim_targets(
        self, pass_type: str, *, lease: str, now: int, lease_until: int, limit: int
    ) -> Sequence[Target]:
        found = await self._db.rows(
            "claim_targets",
            {"pass_type": pass_type, "lease": lease, "now": now, "lease_until": lease_until, "limit": limit},
        )
        return [rows.target(row) for row in found]

    async def record_outcomes(self, lease: str, outcomes: Sequence[Outcome], now: int) -> None:
        await self._db.run_many(
            "record_outcome",
            [
                {
                    "pass_type": outcome.target.pass_type,
                    "push_token": outcome.target.push_token,
                    "token_registered_at": outcome.target.token_registered_at,
                    "lease": lease,
                    "pushed": outcome.pushed,
                    "attempts": outcome.attempts,
                    "next_at": outcome.next_at,
                    "hold_until": 0 if outcome.pushed or outcome.stop_until else outcome.next_at,
                    "dead_reason": outcome.dead_reason,
                    "score": outcome.score,
                    "last_push_at": outcome.last_push_at,
                    "now": now,
                }
                for outcome in outcomes
            ],
        )
        await self._add_events([outcome.event for outcome in outcomes])

    async def hold_targets(self, lease: str, held: Sequence[tuple[Target, int]]) -> None:
        await self._db.run_many(
            "hold_target",
            [
                {
                    "pass_type": target.pass_type,
                    "push_token": target.push_token,
                    "lease": lease,
                    "next_at": next_at,
                }
                for target, next_at in held
            ],
        )

    async def open_circuit(self, pass_type: str, until: int, reason: str, now: int) -> None:
        await self._db.run("open_circuit", {"pass_type": pass_type, "until": until, "reason": reason, "now": now})

    async def want_now(self, pass_type: str, serial: str | None, now: int) -> int:
        return len(await self._db.rows("want_now", {"pass_type": pass_type, "serial": serial, "now": now}))

    async def retell(self, now: int, limit: int) -> int:
        found = await self._db.rows("to_retell", {"now": now, "limit": limit})
        numbers: dict[str, int] = {}
        for pass_type in sorted({row[0] for row in found}):
            numbers[pass_type] = await self._next_number(pass_type)
        for pass_type, device_id, serial, retold in found:
            parameters = {
                "pass_type": pass_type,
                "device_id": device_id,
                "serial": serial,
                "seq": numbers[pass_type],
                "push_at": now,
            }
            await self._db.run("retell", parameters)
            await self._db.run("want_push_of_device", parameters)
            event = Event(
                Kind.RETOLD,
                now,
                pass_type,
                serial,
                device_id,
                seq=numbers[pass_type],
                detail={"times": retold + 1},
            )
            await self._add_events([event])
        return len(found)

    async def prune(self, *, events_before: int, tombstones_before: int, dead_before: int, limit: int) -> int:
        removed = await self._db.run("prune_events", {"before": events_before, "limit": limit})
        removed += await self._db.run("prune_tombstones", {"before": tombstones_before})
        removed += await self._db.run("prune_dead", {"before": dead_before})
        removed += await self._db.run("prune_devices", {})
        return removed + await self._db.run("prune_targets", {})

    # ── certificates and keys

    async def put_certificate(self, certificate: Certificate) -> None:
        await self._db.run("put_certificate", rows.certificate_parameters(certificate))

    async def promote_certificate(self, pass_type: str, certificate_id: str, team: str, now: int) -> None:
        key = {"pass_type": pass_type}
        await self._db.run("promote_certificate", {**key, "certificate_id": certificate_id, "team": team})
        await self._db.run("close_circuit", key)
        await self._db.run("resume_pushes", {**key, "now": now})

    async def put_api_key(self, key: ApiKey) -> None:
        await self._db.run(
            "put_api_key",
            {
                "id": key.id,
                "tenant": key.tenant,
                "name": key.name,
                "secret_hash": key.secret_hash,
                "scopes": json.dumps(key.scopes),
                "pass_types": None if key.pass_types is None else json.dumps(key.pass_types),
                "created_at": key.created_at,
            },
        )

    async def touch_api_key(self, key_id: str, now: int) -> None:
        await self._db.run("touch_api_key", {"id": key_id, "now": now})

    async def revoke_api_key(self, key_id: str, now: int) -> bool:
        return await self._db.run("revoke_api_key", {"id": key_id, "now": now}) > 0


_APPLY: Mapping[type, Any] = {
    d.SaveDevice: Writing._save_device,
    d.Join: Writing._join,
    d.Retarget: Writing._retarget,
    d.Revive: Writing._revive,
    d.Leave: Writing._leave,
    d.Resurrect: Writing._resurrect,
    d.RaiseAsked: Writing._raise_asked,
    d.RaiseServed: Writing._raise_served,
    d.NewEpoch: Writing._new_epoch,
}
