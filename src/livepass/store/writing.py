"""What the use cases write, in terms of named statements; the same for every database.

A decision's writes are applied by the table at the end: one row, one method, for each kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from livepass.core import canary, webhooks
from livepass.core import decision as d
from livepass.core.authorization import fingerprint
from livepass.core.budget import SHARED_INTERVAL_MS
from livepass.core.model import (
    ApiKey,
    Certificate,
    Counter,
    Enrolment,
    PassType,
    Process,
    Prunable,
    SigningRequest,
    StoredTemplate,
    Target,
    Tenant,
    TokenSource,
)
from livepass.core.provider_token import ApnsKey
from livepass.core.rotation import Link
from livepass.core.sealed import Sealable, Sealed, SharedKey
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.trip2_push import DEAD_KEPT_MS, Outcome
from livepass.core.watching import Seen, Watched
from livepass.core.webhooks import FORGOTTEN, ended
from livepass.store import rows
from livepass.store.console import ConsoleWriting
from livepass.store.idempotency import IdempotencyWriting
from livepass.store.imports import ImportWriting
from livepass.store.locking import Conflict, Numbers, by_device, by_registration, by_token
from livepass.store.twins import Twins
from livepass.store.webhooks import WebhookWriting

ERASED = "(erased)"
"""What stands in the audit log for a pass that was erased since."""
_NONE: Numbers = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Touch:
    """A registration is news of its push token."""

    pass_type: str
    push_token: str
    at: int


def _spelled_out(writes: Sequence[d.Write]) -> Iterator[d.Write | _Touch]:
    """The writes, and what follows for push tokens. A join says all that of its own by itself."""
    joining = {(write.pass_type, write.device_id) for write in writes if type(write) is d.Join}
    joined = set()
    for write in writes:
        if type(write) is d.SaveDevice:
            if (write.pass_type, write.device_id) in joining:
                joined.add((write.pass_type, write.push_token))
            else:
                yield _Touch(write.pass_type, write.push_token, write.at)
    for write in writes:
        if type(write) is not d.Revive or (write.pass_type, write.push_token) not in joined:
            yield write


class Writing(Twins, ConsoleWriting, IdempotencyWriting, ImportWriting, WebhookWriting):
    """``service.seams.Tx``: a session inside a write transaction. It locks in the order that ``Locking`` names."""

    async def apply(self, writes: Sequence[d.Write], events: Sequence[Event]) -> Numbers:
        """Apply decisions of any number of phones. Answers the numbers taken, by pass type."""
        numbers = await self.take_numbers(writes)
        await self.lock_rows(writes)
        of_kind: dict[type, list[Any]] = {}
        for write in _spelled_out(writes):
            of_kind.setdefault(type(write), []).append(write)
        for kind, handler in _APPLY:
            if kind in of_kind:
                await handler(self, of_kind[kind], numbers)
        begun = {write.pass_type for write in writes if isinstance(write, d.NewEpoch)} & set(numbers)
        kept = [event for event in events if event.kind is not Kind.NEW_EPOCH or event.pass_type in begun]
        await self._add_events(kept, numbers)
        return numbers

    async def _add_events(self, events: Sequence[Event], numbers: Mapping[str, int] = _NONE) -> None:
        if events:
            written = [rows.event_columns(event, numbers) for event in events]
            answered = await self._db.run_rows("add_event", rows.EVENT, written, {})
            await self.tell_webhooks(events, numbers, endpoints=answered[0][0] if answered else True)
            if self.heard is not None:
                self.heard.extend(events)

    # ── trip 1

    async def _save_devices(self, writes: Sequence[d.SaveDevice], _: Numbers) -> None:
        await self._db.run_many(
            "save_device",
            [
                {"pass_type": w.pass_type, "device_id": w.device_id, "push_token": w.push_token, "at": w.at}
                for w in sorted(writes, key=by_device)
            ],
        )

    async def _join(self, writes: Sequence[d.Join], numbers: Numbers) -> None:
        self.made_due = True
        parameters = [
            {
                "pass_type": w.pass_type,
                "device_id": w.device_id,
                "serial": w.serial,
                "seq": numbers[w.pass_type],
                "at": w.at,
                "push_at": w.push_at,
                "target": w.target,
            }
            for w in sorted(writes, key=by_registration)
        ]
        await self._db.run_many("join", parameters)
        await self._db.run_many("want_join", parameters)

    async def _refresh(self, writes: Sequence[d.Refresh], _: Numbers) -> None:
        """It was read a moment ago, but not locked: it may have been pruned since, or its pass erased."""
        for w in sorted(writes, key=by_registration) if not self._db.one_writer else ():
            if not await self._lock_registrations(w.pass_type, [(w.device_id, w.serial)]):
                raise Conflict(f"a registration of {w.pass_type}/{w.serial} was removed meanwhile")

    async def _touch_targets(self, writes: Sequence[_Touch], _: Numbers) -> None:
        await self._db.run_many(
            "touch_target",
            [{"pass_type": w.pass_type, "push_token": w.push_token, "at": w.at} for w in sorted(writes, key=by_token)],
        )

    async def _retarget(self, writes: Sequence[d.Retarget], _: Numbers) -> None:
        self.made_due = True
        for w in sorted(writes, key=by_device):
            moved = {"pass_type": w.pass_type, "device_id": w.device_id, "push_at": w.push_at}
            await self._db.run("retarget", {**moved, "target": fingerprint(w.new_token)})
            await self._db.run("drop_target", {"pass_type": w.pass_type, "push_token": w.old_token})

    async def _revive(self, writes: Sequence[d.Revive], _: Numbers) -> None:
        self.made_due = True
        await self._db.run_many(
            "revive",
            [{"pass_type": w.pass_type, "push_token": w.push_token, "at": w.at} for w in sorted(writes, key=by_token)],
        )

    async def _leave(self, writes: Sequence[d.Leave], _: Numbers) -> None:
        await self._db.run_many(
            "leave",
            [
                {"pass_type": w.pass_type, "device_id": w.device_id, "serial": w.serial, "at": w.at}
                for w in sorted(writes, key=by_registration)
            ],
        )

    async def _resurrect(self, writes: Sequence[d.Resurrect], _: Numbers) -> None:
        await self._db.run_many(
            "resurrect",
            [
                {"pass_type": w.pass_type, "device_id": w.device_id, "serial": w.serial}
                for w in sorted(writes, key=by_registration)
            ],
        )

    # ── trip 3

    async def _raise_asked(self, writes: Sequence[d.RaiseAsked], _: Numbers) -> None:
        await self._db.run_many(
            "raise_asked",
            [
                {
                    "pass_type": w.pass_type,
                    "device_id": w.device_id,
                    "asked": w.asked,
                    "told": w.told,
                    "at": w.at,
                    "epoch": w.epoch,
                }
                for w in sorted(writes, key=by_device)
            ],
        )
        named = [
            {"pass_type": w.pass_type, "device_id": w.device_id, "serial": serial, "retell_at": retell_at}
            for w in sorted(writes, key=by_device)
            for serial, retell_at in w.named
            if retell_at is not None
        ]
        if named:
            await self._db.run_many("name_serial", named)
        await self._db.run_many(
            "acknowledge",
            [
                {
                    "pass_type": w.pass_type,
                    "device_id": w.device_id,
                    "push_token": w.push_token,
                    "told": w.told,
                    "epoch": w.epoch,
                    "siblings_since": w.siblings_since,
                }
                for w in sorted(writes, key=by_token)
            ],
        )

    async def _raise_served(self, writes: Sequence[d.RaiseServed], _: Numbers) -> None:
        parameters = [
            {
                "pass_type": w.pass_type,
                "device_id": w.device_id,
                "serial": w.serial,
                "seq": w.seq,
                "at": w.at,
                "confirmed": int(w.confirmed),
                "epoch": w.epoch,
            }
            for w in sorted(writes, key=by_registration)
        ]
        await self._db.run_many("raise_served", parameters)

    # ── change

    async def pass_identities(self, pass_type: str, serials: Sequence[str]) -> Mapping[str, tuple[int, TokenSource]]:
        """Which writing of which pass is there: (edit, token) by serial. Nobody else changes them until the end."""
        found = await self._db.rows("pass_identities", {"pass_type": pass_type, "serials": self._db.array(serials)})
        return {row[0]: (row[1], TokenSource(row[2], row[3], row[4])) for row in found}

    async def locked_counter(self, pass_type: str) -> Counter | None:
        if self._db.one_writer:
            return await self.counter(pass_type)
        row = await self._one("lock_counter", pass_type=pass_type)
        return None if row is None else Counter(*row)

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
        newest = max((version.row.last_modified for version in moved), default=0)
        number = await self._next_number(pass_type, newest) if moved else 0
        added: list[dict[str, Any]] = []
        updated: list[dict[str, Any]] = []
        for version in sorted(versions, key=lambda version: version.row.serial):
            parameters = rows.pass_parameters(version.row)
            if version.moves:
                parameters["seq"] = number
                if version.row.url_seq == TAKEN:
                    parameters["url_seq"] = number
            (added if version.creates else updated).append(parameters)
        if added:
            await self._db.run_many("add_pass", added)
        if updated:
            await self._db.run_many("put_pass", updated)
        events = [version.event for version in versions if version.event is not None]
        await self._add_events(events, {pass_type: number})
        if not moved:
            return 0, 0
        # A pass that did not exist is followed by nobody.
        if not updated:
            return number, 0
        serials = [version.row.serial for version in moved]
        return number, await self.owe_change(pass_type, serials, number, now, push_at, urgent)

    async def put_enrolment(self, enrolment: Enrolment) -> int:
        number = enrolment.number
        if number == TAKEN:
            number = await self._next_number(enrolment.pass_type)
        await self._db.run("put_enrolment", {**rows.enrolment_parameters(enrolment), "number": number})
        return number

    async def erase_pass(self, pass_type: str, serial: str, *, told_at: int | None = None) -> bool:
        key = {"pass_type": pass_type, "serial": serial}
        if not self._db.one_writer:
            await self._db.rows("lock_pass_for_good", key)
        await self._db.run("erase_rest", key)
        await self._db.run("erase_stale", key)
        registered = await self._db.rows("phones_of_pass", key)
        phones = [row[0] for row in registered]
        await self._lock_devices(pass_type, phones)
        await self._lock_registrations(pass_type, [(device_id, serial) for device_id in phones])
        await self._db.run("erase_mentions", key)
        await self._db.run("erase_registrations", key)
        await self._db.run("erase_enrolments", key)
        await self._db.run("erase_events", key)
        await self._db.run("erase_answers", key)
        erased = await self._db.run("erase_pass", key)
        gone: list[rows.Row] = []
        for device_id in sorted(phones):
            forgotten = await self._db.rows("forget_device", {"pass_type": pass_type, "device_id": device_id})
            if forgotten:
                await self._db.run("erase_phone_events", {"pass_type": pass_type, "device_id": device_id})
            gone += forgotten
        await self._lock_targets(pass_type, {row[0] for row in gone})
        for (push_token,) in gone:
            if await self._db.run("drop_target", {"pass_type": pass_type, "push_token": push_token}):
                target = fingerprint(push_token)
                await self._db.run("erase_target_events", {"pass_type": pass_type, "target": target})
        await self._db.run("erase_audited", {"subject": f"{pass_type}/{serial}", "erased": ERASED})
        followed = any(left_at is None and superseded_at is None for _, left_at, superseded_at in registered)
        if told_at is not None and followed and serial != canary.SERIAL:
            await self.tell([webhooks.erased(told_at, pass_type, serial)])
        # Last, as whoever makes it of a row locks that row last.
        imported = await self.erase_imported(pass_type, serial)
        return erased + imported > 0

    async def add_tenant(self, tenant: Tenant) -> bool:
        names = ("name", "title", "created_at")
        return await self._db.run("add_tenant", {name: getattr(tenant, name) for name in names}) > 0

    async def lock_tenant(self, name: str) -> bool:
        return bool(await self._db.rows("lock_tenant", {"name": name}))

    async def rename_tenant(self, name: str, title: str) -> bool:
        return await self._db.run("rename_tenant", {"name": name, "title": title}) > 0

    async def remove_tenant(self, name: str) -> None:
        await self._db.run("remove_tenant", {"name": name})
        await self._db.run("forget_log_kinds", {"tenant": name})
        await self.remove_imports(name)

    async def left_in_tenant(self, name: str) -> Sequence[tuple[str, int]]:
        return [(row[0], row[1]) for row in await self._db.rows("left_in_tenant", {"tenant": name})]

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
        claim = {"pass_type": pass_type, "lease": lease, "now": now, "lease_until": lease_until, "limit": limit}
        found = await self._db.rows("claim_targets", {**claim, "rested": now - SHARED_INTERVAL_MS})
        return [rows.target(row) for row in found]

    async def record_outcomes(self, lease: str, outcomes: Sequence[Outcome], now: int) -> None:
        if not outcomes:
            return
        written = sorted((rows.outcome_columns(outcome) for outcome in outcomes), key=itemgetter(0))
        claim = {"pass_type": outcomes[0].target.pass_type, "lease": lease, "now": now}
        await self._db.run_rows("record_outcome", rows.OUTCOME, written, claim)
        await self._add_events([outcome.event for outcome in outcomes])
        dead = [(one.target.push_token, one.event) for one in outcomes if one.dead_reason is not None]
        await self.tell_dead(dead)

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
                for target, next_at in sorted(held, key=lambda one: one[0].push_token)
            ],
        )

    async def lock_push_credential(self, pass_type: str) -> PassType | None:
        if not self._db.one_writer:
            await self._db.rows("lock_push_credential", {"pass_type": pass_type})
        return await self.pass_type(pass_type)

    async def open_circuit(
        self, pass_type: str, until: int, reason: str, now: int, push_key_id: str | None = None
    ) -> None:
        circuit = {"pass_type": pass_type, "until": until, "reason": reason, "now": now, "push_key_id": push_key_id}
        await self._db.run("open_circuit", circuit)

    async def retell(self, now: int, limit: int) -> int:
        due = {"now": now, "limit": limit}
        pass_types = sorted({row[0] for row in await self._db.rows("to_retell", due)})
        if not pass_types:
            return 0
        for pass_type in pass_types:
            await self.locked_counter(pass_type)
        # Again, now that the counters are ours: what another process retold meanwhile is no longer due, and takes none.
        seen = sorted(tuple(row) for row in await self._db.rows("to_retell", due) if row[0] in pass_types)
        found = []
        for pass_type in pass_types:
            mine = [row for row in seen if row[0] == pass_type]
            there = await self._lock_registrations(pass_type, [(row[1], row[2]) for row in mine])
            found += [row for row in mine if (row[1], row[2]) in there]
        numbers = {pass_type: await self._next_number(pass_type) for pass_type in sorted({row[0] for row in found})}
        for pass_type, number in numbers.items():
            mine = [(row[1], row[2], row[3] + 1) for row in found if row[0] == pass_type]
            await self._retell(pass_type, number, mine, now)
        await self._add_events(
            [
                Event(Kind.RETOLD, now, row[0], row[2], row[1], seq=numbers[row[0]], detail={"times": row[3] + 1})
                for row in found
            ]
        )
        return len(found)

    async def _retell(self, pass_type: str, number: int, told: Sequence[tuple[str, str, int]], now: int) -> None:
        """``told``: device id, serial, and how often that makes it told again."""
        self.made_due = True
        await self._db.run_many(
            "retell",
            [
                {"pass_type": pass_type, "device_id": device_id, "serial": serial, "seq": number, "retold": times}
                for device_id, serial, times in told
            ],
        )
        await self._db.run(
            "want_pushes_of_devices",
            {
                "pass_type": pass_type,
                "device_ids": self._db.array(sorted({device_id for device_id, _, _ in told})),
                "seq": number,
                "push_at": now,
            },
        )

    async def prune(self, what: Prunable, before: int, limit: int) -> int:
        if what is Prunable.IMPORTS:
            return await self.prune_imports(before, limit)
        page = {"before": before, "limit": limit}
        if what is not Prunable.DEAD:
            return await self._db.run(_PRUNE[what], page)
        gone = await self._db.rows("prune_dead", page)
        followed = [(pass_type, serial, phone) for pass_type, serial, phone, left, other in gone if not (left or other)]
        await self.tell_found([ended(before + DEAD_KEPT_MS, *each, reason=FORGOTTEN) for each in followed])
        return len(gone)

    async def take_receipt(self, pass_type: str, receipt: str, now: int) -> bool:
        return await self._db.run("take_receipt", {"pass_type": pass_type, "receipt": receipt, "now": now}) > 0

    # ── processes

    async def put_process(self, process: Process) -> None:
        await self._db.run("put_process", rows.process_parameters(process))

    async def remove_process(self, process_id: str) -> None:
        await self._db.run("remove_process", {"id": process_id})

    # ── certificates and keys

    async def put_certificate(self, certificate: Certificate) -> None:
        await self._db.run("put_certificate", rows.certificate_parameters(certificate))

    async def put_signing_request(self, request: SigningRequest) -> None:
        await self._db.run(
            "put_signing_request",
            {
                "pass_type": request.pass_type,
                "id": request.id,
                "tenant": request.tenant,
                "key_sealed": request.key_sealed,
                "public_sha256": request.public_sha256,
                "created_at": request.created_at,
            },
        )

    async def remove_signing_request(self, request_id: str) -> bool:
        return await self._db.run("remove_signing_request", {"id": request_id}) > 0

    async def put_link(self, link: Link) -> None:
        names = "pass_type id proven_at promoted_at retired_at revoked_at canary_percent"
        await self._db.run("put_link", {name: getattr(link, name) for name in names.split()})

    async def locked_lineage(self, pass_type: str) -> Sequence[Link]:
        if not self._db.one_writer:
            await self._db.rows("lock_lineage", {"pass_type": pass_type})
        return await self.lineage(pass_type)

    async def use_credential(self, pass_type: str, now: int) -> None:
        await self.resume_pushes(pass_type, now)
        await self._db.run("close_circuit", {"pass_type": pass_type})

    async def lock_apns_key(self, tenant: str, key_id: str) -> ApnsKey | None:
        if not self._db.one_writer:
            await self._db.rows("lock_apns_key", {"tenant": tenant, "id": key_id})
        return await self.apns_key(tenant, key_id)

    async def put_apns_key(self, key: ApnsKey) -> None:
        await self._db.run("put_apns_key", rows.apns_key_parameters(key))

    async def choose_push_key(self, pass_type: str, key_id: str | None, now: int) -> None:
        key = {"pass_type": pass_type}
        await self._db.run("choose_push_key", {**key, "push_key_id": key_id})
        await self.resume_pushes(pass_type, now)
        await self._db.run("close_circuit", key)

    # ── what is watched

    async def watch(self, watched: Sequence[Watched]) -> None:
        await self._db.run_many("watch", [rows.watched_parameters(row) for row in watched])

    async def claim_look(self, subject: str, now: int, until: int) -> bool:
        return await self._db.run("claim_look", {"subject": subject, "now": now, "until": until}) > 0

    async def put_seen(self, subject: str, seen: Seen, now: int, look_at: int) -> bool:
        key = {"subject": subject}
        changed = await self._db.run("change_problem", {**key, "problem": seen.problem.value}) > 0
        dates = {"starts_at": seen.starts_at, "ends_at": seen.ends_at, "detail": seen.detail}
        await self._db.run("put_seen", {**key, **dates, "now": now, "look_at": look_at})
        return changed

    async def say_days(self, subject: str, ends_at: int, days: int) -> bool:
        return await self._db.run("say_days", {"subject": subject, "ends_at": ends_at, "days": days}) > 0

    # ── keys

    async def add_shared_key(self, key: SharedKey) -> None:
        await self._db.run(
            "add_shared_key",
            {"id": key.id, "purpose": key.purpose, "sealed": key.sealed, "created_at": key.created_at},
        )

    async def reseal(self, kind: Sealable, renewed: Sequence[tuple[Sealed, bytes]]) -> None:
        changes = [
            {"under": old.within, "id": old.id, "was": old.sealed, "sealed": sealed}
            for old, sealed in sorted(renewed, key=lambda one: (one[0].within, one[0].id))
        ]
        if kind is Sealable.SHARED_KEY:
            await self._db.run_many("reseal_shared_key", changes)
        elif kind is Sealable.CERTIFICATE:
            await self._db.run_many("reseal_certificate", changes)
        elif kind is Sealable.APNS_KEY:
            await self._db.run_many("reseal_apns_key", changes)
        elif kind is Sealable.SIGNING_REQUEST:
            await self._db.run_many("reseal_signing_request", changes)
        elif kind is Sealable.TOTP:
            await self._db.run_many("reseal_console_totp", changes)
        elif kind is Sealable.TOKEN:
            await self._db.run_many("reseal_token", changes)
        elif kind is Sealable.ENROLMENT:
            await self._db.run_many("reseal_enrolment", changes)
        else:
            await self._db.run_many("reseal_webhook_secret", changes)

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


_PRUNE: Mapping[Prunable, str] = {
    Prunable.EVENTS: "prune_events",
    Prunable.TOMBSTONES: "prune_tombstones",
    Prunable.DEVICES: "prune_devices",
    Prunable.TARGETS: "prune_targets",
    Prunable.RECEIPTS: "prune_receipts",
    Prunable.PROCESSES: "prune_processes",
    Prunable.ANSWERS: "prune_answers",
    Prunable.WEBHOOKS: "prune_webhooks",
    Prunable.WEBHOOK_ATTEMPTS: "prune_webhook_attempts",
}

_APPLY: Sequence[tuple[type, Any]] = (
    # Devices, then registrations, then push targets: the order of locks.
    (d.SaveDevice, Writing._save_devices),
    (d.Refresh, Writing._refresh),
    # Superseded before it is asked whether anybody else stands for the phone.
    (d.Supersede, Writing.supersede),
    (d.Reinstate, Writing.reinstate),
    (d.Join, Writing._join),
    # Revived before it is touched, which takes no note of what was known to be dead.
    (d.Revive, Writing._revive),
    (_Touch, Writing._touch_targets),
    (d.Retarget, Writing._retarget),
    (d.Leave, Writing._leave),
    (d.Forget, Writing.forget),
    (d.Resurrect, Writing._resurrect),
    (d.RaiseAsked, Writing._raise_asked),
    (d.RaiseServed, Writing._raise_served),
)
