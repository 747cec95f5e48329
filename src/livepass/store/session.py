"""What the use cases read and write, in terms of named statements; the same for every database.

A session runs on a ``Connection``, which an engine provides. Outside a transaction each method that reads is one
statement, so one snapshot; inside one, everything it does becomes visible at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from livepass.core import decision as d
from livepass.core.authorization import fingerprint
from livepass.core.model import (
    ApiKey,
    Certificate,
    Counter,
    Device,
    Held,
    Pass,
    PassType,
    Registration,
    StoredTemplate,
    Tag,
    Target,
    TokenSource,
)
from livepass.core.snapshots import AskSnapshot, FetchSnapshot, Listed, RegisterSnapshot
from livepass.core.timeline import Event, Kind
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.core.trip2_push import Outcome
from livepass.store import rows

Parameters = Mapping[str, Any]


class Connection(Protocol):
    """An engine's connection: runs a named statement."""

    async def rows(self, name: str, parameters: Parameters) -> Sequence[rows.Row]: ...

    async def run(self, name: str, parameters: Parameters) -> int:
        """Answers how many rows were touched."""

    async def run_many(self, name: str, parameters: Sequence[Parameters]) -> None: ...


class Reading:
    """``service.seams.Reader`` over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._newest: dict[str, Tag] = {}

    async def _one(self, statement: str, /, **parameters: Any) -> rows.Row | None:
        found = await self._db.rows(statement, parameters)
        return found[0] if found else None

    # ── trip 1

    async def register_snapshot(self, pass_type: str, serial: str, device_id: str) -> RegisterSnapshot:
        row = await self._one("register_snapshot", pass_type=pass_type, serial=serial, device_id=device_id)
        assert row is not None
        return RegisterSnapshot(
            token=None if row[0] is None else TokenSource(row[0], row[1], row[2]),
            tenant=row[3] or "",
            device=rows.device(pass_type, device_id, row[4:9]),
            registration=rows.registration(pass_type, serial, device_id, row[9:18]),
            target_dead=row[18] is not None,
        )

    async def registrations(
        self,
        *,
        pass_type: str | None,
        device_id: str | None,
        after: tuple[str, str, str],
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[Registration]:
        found = await self._db.rows(
            "registrations",
            {
                "pass_type": pass_type,
                "within": _json_list(within),
                "device_id": device_id,
                "after_type": after[0],
                "after_device": after[1],
                "after_serial": after[2],
                "limit": limit,
            },
        )
        return [Registration(*row) for row in found]

    async def held(self, pass_type: str, serial: str) -> Sequence[Held]:
        found = await self._db.rows("held", {"pass_type": pass_type, "serial": serial})
        return [rows.held(pass_type, row) for row in found]

    # ── trip 2

    async def targets(
        self,
        *,
        pass_type: str | None,
        due_only: bool,
        after: tuple[str, str],
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[tuple[str, Target]]:
        found = await self._db.rows(
            "targets",
            {
                "pass_type": pass_type,
                "within": _json_list(within),
                "due_only": int(due_only),
                "after_type": after[0],
                "after_device": after[1],
                "limit": limit,
            },
        )
        return [(row[0], rows.target(row[1:])) for row in found]

    async def due(self) -> Sequence[tuple[str, int]]:
        return [(row[0], row[1]) for row in await self._db.rows("due", {}) if row[1] is not None]

    # ── trip 3

    async def ask_snapshot(self, pass_type: str, device_id: str, tag: Tag | None) -> AskSnapshot:
        key = {"pass_type": pass_type, "device_id": device_id}
        # A hint only: whether the phone has heard the newest number is read, not remembered.
        if tag is not None and tag == self._newest.get(pass_type):
            head = await self._db.rows("ask_head", key)
            if head and (head[0][0], head[0][1]) == (tag.epoch, tag.seq):
                return _ask_snapshot(pass_type, device_id, head[0], ())
        found = await self._db.rows("ask_snapshot", key)
        if not found:
            return AskSnapshot(None, None, (), False, False)
        self._newest[pass_type] = Tag(found[0][0], found[0][1])
        listed = [
            Listed(Registration(pass_type, row[9], device_id, *row[10:19]), max(row[11], row[19]))
            for row in found
            if row[9] is not None and row[19] is not None
        ]
        return _ask_snapshot(pass_type, device_id, found[0], listed)

    async def fetch_snapshot(self, pass_type: str, serial: str) -> FetchSnapshot:
        row = await self._one("fetch_snapshot", pass_type=pass_type, serial=serial)
        assert row is not None
        return FetchSnapshot(rows.head(row[:5]), row[5] or "")

    async def candidates(self, pass_type: str, serial: str) -> Sequence[tuple[Registration, Device]]:
        found = await self._db.rows("candidates", {"pass_type": pass_type, "serial": serial})
        return [
            (Registration(pass_type, row[0], row[1], *row[2:11]), Device(pass_type, row[1], *row[11:16]))
            for row in found
        ]

    # ── passes and templates

    async def counter(self, pass_type: str) -> Counter | None:
        row = await self._one("counter", pass_type=pass_type)
        return None if row is None else Counter(*row)

    async def pass_type(self, pass_type: str) -> PassType | None:
        row = await self._one("pass_type", pass_type=pass_type)
        return None if row is None else PassType(*row)

    async def pass_types(self) -> Sequence[PassType]:
        return [PassType(*row) for row in await self._db.rows("pass_types", {})]

    async def pass_(self, pass_type: str, serial: str) -> Pass | None:
        row = await self._one("pass", pass_type=pass_type, serial=serial)
        return None if row is None else rows.pass_(row)

    async def passes(
        self,
        *,
        pass_type: str | None,
        template: str | None,
        prefix: str,
        after: tuple[str, str],
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[Pass]:
        found = await self._db.rows(
            "passes",
            {
                "pass_type": pass_type,
                "within": _json_list(within),
                "template": template,
                "prefix": prefix,
                "after_type": after[0],
                "after_serial": after[1],
                "limit": limit,
            },
        )
        return [rows.pass_(row) for row in found]

    async def followers(self, tenant: str, template: str, revision: str, *, limit: int) -> Sequence[Pass]:
        found = await self._db.rows(
            "followers", {"tenant": tenant, "template": template, "revision": revision, "limit": limit}
        )
        return [rows.pass_(row) for row in found]

    async def templates_behind(self) -> Sequence[tuple[str, str, str]]:
        return [(row[0], row[1], row[2]) for row in await self._db.rows("templates_behind", {})]

    async def template(self, tenant: str, name: str, revision: str | None) -> StoredTemplate | None:
        row = await self._one("template", tenant=tenant, name=name, revision=revision)
        return None if row is None else _template(row)

    async def templates(self, tenant: str) -> Sequence[StoredTemplate]:
        return [_template(row) for row in await self._db.rows("templates", {"tenant": tenant})]

    # ── timeline

    async def timeline(self, pass_type: str, serial: str, *, after: int, limit: int) -> Sequence[Event]:
        phones = await self._db.rows("timeline_devices", {"pass_type": pass_type, "serial": serial})
        found = await self._db.rows(
            "timeline",
            {
                "pass_type": pass_type,
                "serial": serial,
                "after": after,
                "limit": limit,
                "devices": json.dumps([row[0] for row in phones]),
                "targets": json.dumps([fingerprint(row[1]) for row in phones]),
            },
        )
        return [rows.event(row) for row in found]

    async def events(self, *, kinds: Sequence[str], pass_type: str | None, after: int, limit: int) -> Sequence[Event]:
        found = await self._db.rows(
            "events", {"kinds": json.dumps(list(kinds)), "pass_type": pass_type, "after": after, "limit": limit}
        )
        return [rows.event(row) for row in found]

    # ── testimony

    async def testimony(
        self,
        *,
        pass_type: str | None,
        code: str | None,
        before: int,
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[Event]:
        found = await self._db.rows(
            "testimony",
            {"pass_type": pass_type, "within": _json_list(within), "code": code, "before": before, "limit": limit},
        )
        return [rows.event(row) for row in found]

    # ── counts

    async def stats(self, pass_type: str | None, within: Sequence[str] | None = None) -> Mapping[str, int]:
        row = await self._one("stats", pass_type=pass_type, within=_json_list(within))
        assert row is not None
        names = ("passes", "registrations", "current", "fetch", "ask", "push", "unverified")
        return {name: value or 0 for name, value in zip(names, row, strict=True)}

    # ── certificates and keys

    async def certificate(self, certificate_id: str) -> Certificate | None:
        row = await self._one("certificate", id=certificate_id)
        return None if row is None else rows.certificate(row)

    async def certificates(self, pass_type: str | None, within: Sequence[str] | None = None) -> Sequence[Certificate]:
        found = await self._db.rows("certificates", {"pass_type": pass_type, "within": _json_list(within)})
        return [rows.certificate(row) for row in found]

    async def live_certificate_id(self, pass_type: str) -> str | None:
        row = await self._one("live_certificate_id", pass_type=pass_type)
        return None if row is None else row[0]

    async def api_key(self, key_id: str) -> ApiKey | None:
        row = await self._one("api_key", id=key_id)
        return None if row is None else _api_key(row)

    async def api_keys(self) -> Sequence[ApiKey]:
        return [_api_key(row) for row in await self._db.rows("api_keys", {})]


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


def _json_list(values: Sequence[str] | None) -> str | None:
    """A list as one parameter; ``None``: no limit."""
    return None if values is None else json.dumps(list(values))


def _ask_snapshot(pass_type: str, device_id: str, row: rows.Row, listed: Sequence[Listed]) -> AskSnapshot:
    return AskSnapshot(
        Counter(pass_type, row[0], row[1]),
        rows.device(pass_type, device_id, row[2:7]),
        listed,
        row[7] is not None,
        bool(row[8]),
    )


def _template(row: rows.Row) -> StoredTemplate:
    return StoredTemplate(row[0], row[1], row[2], json.loads(row[3]), row[4], bool(row[5]))


def _api_key(row: rows.Row) -> ApiKey:
    scopes, pass_types = tuple(json.loads(row[4])), row[5]
    return ApiKey(
        row[0],
        row[1],
        row[2],
        row[3],
        scopes,
        None if pass_types is None else tuple(json.loads(pass_types)),
        row[6],
        row[7],
        row[8],
    )
