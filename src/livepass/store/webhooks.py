"""Webhooks as rows: endpoints, messages, attempts. Messages are written by the transaction that wrote their events, so
none is lost and none tells of what was rolled back (ADR 0030).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from livepass.core.authorization import fingerprint
from livepass.core.timeline import Event, Kind
from livepass.core.webhooks import (
    ANSWERED_EVERY_MS,
    MOST_LOG_KINDS,
    Attempt,
    Endpoint,
    Message,
    News,
    ended,
    log_kind,
    new_log_kind,
    news,
)

if TYPE_CHECKING:
    from livepass.store.reading import Connection
    from livepass.store.rows import Row

NEWEST = (2**63 - 1, "")


class WebhookReading:
    """``service.webhook_seams.WebhookReader`` over a connection."""

    _db: Connection

    async def webhook_endpoint(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        found = await self._db.rows("webhook_endpoint", {"tenant": tenant, "id": endpoint_id})
        return _endpoint(found[0]) if found else None

    async def webhook_endpoints(self, tenant: str) -> Sequence[Endpoint]:
        return [_endpoint(row) for row in await self._db.rows("webhook_endpoints", {"tenant": tenant})]

    async def webhooks_failing(self) -> Sequence[Endpoint]:
        return [_endpoint(row) for row in await self._db.rows("webhooks_failing", {})]

    async def webhook_counts(self, tenant: str, *, most: int) -> Mapping[str, tuple[int, int]]:
        found = await self._db.rows("webhook_counts", {"tenant": tenant, "most": most})
        return {id_: (waiting, failed) for id_, waiting, failed in found}

    async def webhooks_unanswered(
        self, endpoint_id: str, *, failed: bool, limit: int
    ) -> Sequence[tuple[Message, Attempt | None]]:
        page = {"endpoint": endpoint_id, "limit": limit}
        found = await (self._db.rows("webhooks_failed", page) if failed else self._db.rows("webhooks_waiting", page))
        return [(_message(row[:8]), None if row[8] is None else Attempt(*row[8:])) for row in found]

    async def webhooks_due(self) -> Sequence[tuple[Endpoint, int]]:
        found = await self._db.rows("webhooks_due", {})
        return [(_endpoint(row[:11]), row[11]) for row in found if row[11] is not None]

    async def standing_page(
        self, pass_type: str, *, after: str, limit: int, phones: int
    ) -> Sequence[tuple[str, bool, bool]]:
        page = {"pass_type": pass_type, "after_serial": after, "limit": limit, "most_phones": phones}
        found = await self._db.rows("standing_page", page)
        return [(serial, bool(behind), bool(noted)) for serial, behind, noted in found]

    async def webhook_messages(
        self, endpoint_id: str, *, before: tuple[int, str] | None, limit: int
    ) -> Sequence[Message]:
        at, id_ = before or NEWEST
        page = {"endpoint": endpoint_id, "before_at": at, "before_id": id_, "limit": limit}
        return [_message(row) for row in await self._db.rows("webhook_messages", page)]

    async def webhook_attempts(self, endpoint_id: str, message_id: str) -> Sequence[Attempt]:
        key = {"endpoint": endpoint_id, "message": message_id}
        return [Attempt(*row) for row in await self._db.rows("webhook_attempts", key)]


class WebhookWriting(WebhookReading):
    """``service.webhook_seams.WebhookTx`` inside a write transaction. Endpoints are locked before messages."""

    made_due: bool
    heard: list[Event | News] | None = None
    """Where somebody listens in this process: what is written, and what is told that is none of the timeline's."""
    _unheard: frozenset[str] = frozenset()
    """Pass types that no endpoint listens to, as far as this transaction looked, where it is the only one."""

    def forget_looks(self) -> None:
        """Another transaction begins: what was seen in the one before may have changed."""
        self._unheard = frozenset()

    async def tell_webhooks(self, events: Sequence[Event], numbers: Mapping[str, int], *, endpoints: bool) -> None:
        """Tell of each event that has a name. ``endpoints``: whether there were any when the events were written."""
        kinds = await self._new_log_kinds(events)
        self._hear(kinds)
        if endpoints:
            await self.tell([*news(events, numbers), *kinds])

    async def tell_found(self, found: Sequence[News]) -> None:
        """Tell of what is no event of the timeline, here too."""
        self._hear(found)
        await self.tell(found)

    def _hear(self, found: Sequence[News]) -> None:
        if self.heard is not None:
            self.heard.extend(found)

    async def tell(self, found: Sequence[News]) -> None:
        """Write a message of each for each endpoint that wants it. Where nobody else writes meanwhile, that none does
        is seen once for all of a transaction.
        """
        pass_types = {one.pass_type for one in found} - self._unheard
        if not pass_types:
            return
        rows = await self._db.rows("webhook_listening", {"within": self._db.array(sorted(pass_types))})
        listening = [(_endpoint(row[:11]), row[11]) for row in rows]
        if self._db.one_writer:
            self._unheard |= pass_types - {pass_type for _, pass_type in listening}
        messages = [
            Message(endpoint.id, new_id(), one.name, one.at, one.body(), next_at=one.at)
            for one in found
            for endpoint, pass_type in listening
            if pass_type == one.pass_type and endpoint.wants(one.name, pass_type)
        ]
        await self.add_webhook_messages(messages)

    async def tell_dead(self, events: Sequence[tuple[str, Event]]) -> None:
        """The registrations behind push tokens that APNs calls dead: (token, event of kind ``token_dead``)."""
        found = []
        for push_token, event in events:
            key = {"pass_type": event.pass_type, "push_token": push_token}
            reason = f"apns_{event.detail.get('status', 410)}"
            found += [
                ended(event.at, event.pass_type, serial, device_id, reason)
                for device_id, serial in await self._db.rows("registrations_of_token", key)
            ]
        await self.tell_found(found)

    async def tell_stale(self, serial: str, found: News) -> bool:
        noted = {"pass_type": found.pass_type, "serial": serial, "at": found.at}
        if not await self._db.run("note_stale", noted):
            return False
        await self.tell_found([found])
        return True

    async def forget_stale(self, pass_type: str, serials: Sequence[str]) -> None:
        healed = {"pass_type": pass_type, "serials": self._db.array(sorted(serials))}
        await self._db.run("forget_stale", healed)

    async def _new_log_kinds(self, events: Sequence[Event]) -> Sequence[News]:
        """In one order for everybody: who notes the same kind at the same time waits."""
        lines = {(event.pass_type, log_kind(event)): event for event in events if event.kind is Kind.TESTIFIED}
        found = []
        for (pass_type, kind), event in sorted(lines.items(), key=lambda each: each[0]):
            # The shape of a line may hold a name; who is erased is not to stand here.
            noted = {"pass_type": pass_type, "kind": fingerprint(kind), "at": event.at, "most": MOST_LOG_KINDS}
            if await self._db.run("note_log_kind", noted) > 0:
                found.append(new_log_kind(event))
        return found

    async def add_webhook_messages(self, messages: Sequence[Message]) -> None:
        if messages:
            self.made_due = True
            await self._db.run_many("add_webhook_message", [_columns(message) for message in messages])

    async def lock_webhook_endpoint(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        if not self._db.one_writer:
            await self._db.rows("lock_webhook_endpoint", {"id": endpoint_id})
        return await self.webhook_endpoint(tenant, endpoint_id)

    async def put_webhook_endpoint(self, endpoint: Endpoint) -> None:
        self.forget_looks()
        lists = {
            name: None if value is None else json.dumps(list(value))
            for name, value in (("pass_types", endpoint.pass_types), ("events", endpoint.events))
        }
        await self._db.run("put_webhook_endpoint", asdict(endpoint) | lists)

    async def remove_webhook_endpoint(self, endpoint_id: str) -> None:
        await self._db.run("remove_webhook_endpoint", {"id": endpoint_id})

    async def drop_removed_webhooks(self, limit: int) -> int:
        count = await self._db.run("drop_removed_webhooks", {"limit": limit})
        return count + await self._db.run("drop_removed_attempts", {"limit": limit})

    async def claim_webhooks(
        self, endpoint_id: str, *, lease: str, now: int, lease_until: int, limit: int
    ) -> Sequence[Message]:
        claim = {"endpoint": endpoint_id, "lease": lease, "now": now, "lease_until": lease_until, "limit": limit}
        return [_message(row) for row in await self._db.rows("claim_webhooks", claim)]

    async def record_webhook(self, lease: str, attempt: Attempt, next_at: int | None) -> bool:
        key = {"endpoint": attempt.endpoint, "id": attempt.message, "lease": lease}
        outcome = {"number": attempt.number, "next_at": next_at, "ok": int(attempt.ok)}
        if not await self._db.run("record_webhook", {**key, **outcome}):
            return False
        await self._db.run("add_webhook_attempt", asdict(attempt))
        return True

    async def judge_webhook_endpoint(self, endpoint_id: str, ok: bool, now: int, failing_before: int) -> bool:
        if ok:
            noted = {"id": endpoint_id, "now": now, "noted_before": now - ANSWERED_EVERY_MS}
            await self._db.run("webhook_answered", noted)
            return False
        await self._db.run("webhook_failed", {"id": endpoint_id, "now": now})
        # Judged where it is written: somebody may have enabled it since it failed first.
        key = {"id": endpoint_id, "now": now, "failing_before": failing_before}
        return await self._db.run("disable_failing_webhook", key) > 0

    async def resend_webhook(self, endpoint_id: str, message_id: str, now: int) -> bool:
        self.made_due = True
        return await self._db.run("resend_webhook", {"endpoint": endpoint_id, "id": message_id, "now": now}) > 0

    async def recover_webhooks(self, endpoint_id: str, since: int, now: int) -> int:
        self.made_due = True
        return await self._db.run("recover_webhooks", {"endpoint": endpoint_id, "since": since, "now": now})


def new_id() -> str:
    """A message's id, by which a receiver knows one that it had already: never used again, also not after a restore."""
    return f"msg_{secrets.token_hex(12)}"


def _endpoint(row: Row) -> Endpoint:
    pass_types, events = (None if listed is None else tuple(json.loads(listed)) for listed in row[3:5])
    return Endpoint(row[0], row[1], row[2], pass_types, events, bytes(row[5]), *row[6:])


def _message(row: Row) -> Message:
    return Message(row[0], row[1], row[2], row[3], bytes(row[4]), row[5], row[6], bool(row[7]))


def _columns(message: Message) -> dict[str, Any]:
    names = ("endpoint", "id", "name", "at", "body", "next_at")
    return {name: getattr(message, name) for name in names}
