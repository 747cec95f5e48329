"""What the use cases read, in terms of named statements; the same for every database.

A session runs on a ``Connection``, which an engine provides. Outside a transaction each method that reads is one
statement, so one snapshot; inside one, everything it does becomes visible at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from livepass.core import canary
from livepass.core.authorization import fingerprint
from livepass.core.funnel import Funnel
from livepass.core.model import (
    DEFAULT_TENANT,
    ApiKey,
    Certificate,
    Counter,
    Device,
    Enrolment,
    Held,
    Pass,
    PassType,
    Process,
    Registration,
    SigningRequest,
    StoredTemplate,
    Tag,
    Target,
    Tenant,
    TokenSource,
)
from livepass.core.morning import Behind, extrapolated
from livepass.core.provider_token import ApnsKey
from livepass.core.rotation import Link
from livepass.core.sealed import Sealable, Sealed, SealedCount, SharedKey
from livepass.core.snapshots import AskSnapshot, Candidates, FetchSnapshot, Handed, Listed, RegisterSnapshot, Twin
from livepass.core.timeline import Event, Stand
from livepass.core.verdict import Circuit, Cohort
from livepass.core.watching import Watched
from livepass.store import rows
from livepass.store.console import ConsoleReading
from livepass.store.figures import Figures
from livepass.store.imports import ImportReading
from livepass.store.webhooks import WebhookReading

Parameters = Mapping[str, Any]

BEYOND = chr(0x10FFFF) * 401
"""Behind a prefix: after every serial that begins so, as both engines sort, and as long as no serial is."""


class Connection(Protocol):
    """An engine's connection: runs a named statement."""

    one_writer: bool
    """Whether writers take turns by themselves. Where they do not, rows are locked in one order: ``locking``."""

    def array(self, values: Sequence[Any]) -> Any:
        """A list as the engine takes it for one parameter."""

    async def rows(self, name: str, parameters: Parameters) -> Sequence[rows.Row]: ...

    async def run(self, name: str, parameters: Parameters) -> int:
        """Answers how many rows were touched."""

    async def run_many(self, name: str, parameters: Sequence[Parameters]) -> None: ...

    async def run_rows(
        self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], same: Parameters
    ) -> Sequence[Sequence[Any]]:
        """As ``run_many`` for many rows: values in the order of ``columns``, beside parameters that are the same for
        all. Where each statement is a trip to a server it is one, of an array for each column, and answered.
        """


class Reading(Figures, ConsoleReading, ImportReading, WebhookReading):
    """``service.seams.Reader`` over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._newest: dict[str, Tag] = {}

    def _array(self, values: Sequence[str] | None) -> Any:
        """A list as one parameter; ``None``: no limit."""
        return None if values is None else self._db.array(values)

    async def _one(self, statement: str, /, **parameters: Any) -> rows.Row | None:
        found = await self._db.rows(statement, parameters)
        return found[0] if found else None

    # ── trip 1

    async def register_snapshot(
        self, pass_type: str, serial: str, device_id: str, *, push_token: str | None = None, most_phones: int = 0
    ) -> RegisterSnapshot:
        key = {"pass_type": pass_type, "serial": serial, "device_id": device_id}
        found = await self._db.rows("register_snapshot", {**key, "push_token": push_token, "most_phones": most_phones})
        row = found[0]
        return RegisterSnapshot(
            token=None if row[0] is None else TokenSource(row[0], row[1], row[2]),
            tenant=row[3] or "",
            device=rows.device(pass_type, device_id, row[4:9]),
            registration=rows.registration(pass_type, serial, device_id, row[9:19]),
            target_dead=row[19] is not None,
            twins=[Twin(*one[21:27]) for one in found if one[21] is not None],
            phones=row[20],
        )

    async def last_left(self, pass_type: str, serial: str, device_id: str) -> int | None:
        row = await self._one("last_left", pass_type=pass_type, serial=serial, device_id=device_id)
        return None if row is None else row[0]

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
                "within": self._array(within),
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

    # ── why

    async def held_and_owed(
        self, pass_type: str, serial: str, *, limit: int, first: str = ""
    ) -> Sequence[tuple[Held, Target | None]]:
        key = {"pass_type": pass_type, "serial": serial, "first": first, "limit": limit}
        found = await self._db.rows("held_and_owed", key)
        return [(rows.held(pass_type, row), rows.owed(pass_type, row)) for row in found]

    async def count_followed(self, pass_type: str) -> int:
        row = await self._one("count_followed", pass_type=pass_type)
        assert row is not None
        count: int = row[0]
        return count

    async def behind(self, pass_type: str, *, some: int, most: int) -> Sequence[Behind]:
        found = await self._db.rows("behind", {"pass_type": pass_type, "some": some, "most": most})
        lots = groupby(found, key=lambda row: (row[0], row[1], row[2]))
        placed = [
            Behind(pass_type, Stand(stand), ended, people, [(row[3], row[4]) for row in rows_])
            for (stand, ended, people), rows_ in lots
        ]
        return extrapolated(placed, found[0][5]) if found else placed

    async def polls(self, pass_type: str, serial: str, *, limit: int) -> Sequence[Event]:
        found = await self._db.rows("polls", {"pass_type": pass_type, "serial": serial, "limit": limit})
        return [rows.event(row) for row in found]

    async def last_of_pass(self, pass_type: str, serial: str, *, limit: int) -> Sequence[Event]:
        found = await self._db.rows("last_of_pass", {"pass_type": pass_type, "serial": serial, "limit": limit})
        return [rows.event(row) for row in found]

    async def versions_of_pass(self, pass_type: str, serial: str, *, most: int, limit: int) -> Sequence[Event]:
        key = {"pass_type": pass_type, "serial": serial, "most": most, "limit": limit}
        return [rows.event(row) for row in await self._db.rows("versions_of_pass", key)]

    async def last_of_phone(self, pass_type: str, device_id: str, target: str, *, limit: int) -> Sequence[Event]:
        key = {"pass_type": pass_type, "limit": limit}
        own = await self._db.rows("last_of_phone", {**key, "device_id": device_id})
        pushes = await self._db.rows("last_of_target", {**key, "target": target})
        return [rows.event(row) for row in (*own, *pushes)]

    async def canary_runs(self, pass_type: str, *, limit: int) -> Sequence[Event]:
        found = await self._db.rows("canary_runs", {"pass_type": pass_type, "limit": limit})
        return [rows.event(row) for row in found]

    async def canary_passes(self) -> Sequence[str]:
        return [row[0] for row in await self._db.rows("canary_passes", {"serial": canary.SERIAL})]

    async def last_new_epoch(self, pass_type: str) -> Event | None:
        row = await self._one("last_new_epoch", pass_type=pass_type)
        return None if row is None else rows.event(row)

    async def strangers(self, pass_type: str, *, limit: int) -> Sequence[Event]:
        return [rows.event(row) for row in await self._db.rows("strangers", {"pass_type": pass_type, "limit": limit})]

    async def circuit(self, pass_type: str) -> Circuit | None:
        row = await self._one("circuit", pass_type=pass_type)
        return None if row is None else Circuit(*row)

    async def pushed_and_asked(self, pass_type: str, *, after: int, before: int, limit: int) -> Cohort:
        row = await self._one("pushed_and_asked", pass_type=pass_type, after=after, before=before, limit=limit)
        assert row is not None
        return Cohort(row[0], int(row[1]))

    async def followed_by(self, pass_type: str, serials: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        found = await self._db.rows("followed_by", {"pass_type": pass_type, "serials": self._db.array(serials)})
        return {row[0]: (row[1], row[2]) for row in found}

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
                "within": self._array(within),
                "due_only": int(due_only),
                "after_type": after[0],
                "after_device": after[1],
                "limit": limit,
            },
        )
        return [(row[0], rows.target(row[1:])) for row in found]

    async def due(self) -> Sequence[tuple[str, int]]:
        return [(row[0], max(row[1], row[2])) for row in await self._db.rows("due", {}) if row[1] is not None]

    # ── trip 3

    async def ask_snapshot(self, pass_type: str, device_id: str, tag: Tag | None) -> AskSnapshot:
        # A hint only: whether the phone has heard the newest number is read, not remembered; and also that this was
        # written down (``told``), because otherwise what it was told must be known.
        if tag is not None and tag == self._newest.get(pass_type):
            head = await self._ask_head(pass_type, device_id)
            if head is not None and (head[0], head[1]) == (tag.epoch, tag.seq) and (head[5] or 0) >= tag.seq:
                return _ask_snapshot(pass_type, device_id, head, ())
        found = await self._ask_list(pass_type, device_id)
        if not found:
            return AskSnapshot(None, None, (), False, False)
        self._newest[pass_type] = Tag(found[0][0], found[0][1])
        listed = [
            Listed(Registration(pass_type, row[9], device_id, *row[10:20]), max(row[11], row[20]))
            for row in found
            if row[9] is not None and row[20] is not None
        ]
        return _ask_snapshot(pass_type, device_id, found[0], listed)

    async def _ask_head(self, pass_type: str, device_id: str) -> rows.Row | None:
        return await self._one("ask_head", pass_type=pass_type, device_id=device_id)

    async def _ask_list(self, pass_type: str, device_id: str) -> Sequence[rows.Row]:
        return await self._db.rows("ask_snapshot", {"pass_type": pass_type, "device_id": device_id})

    async def fetch_snapshot(self, pass_type: str, serial: str) -> FetchSnapshot:
        row = await self._fetch_head(pass_type, serial)
        return FetchSnapshot(rows.head(row[:5]), row[5] or "", row[6] or "")

    async def _fetch_head(self, pass_type: str, serial: str) -> rows.Row:
        [row] = await self._db.rows("fetch_snapshot", {"pass_type": pass_type, "serial": serial})
        return row

    async def candidates(self, handed: Sequence[Handed], *, limit: int) -> Sequence[Candidates]:
        found: dict[tuple[str, str], list[rows.Row]] = {(one.pass_type, one.serial): [] for one in handed}
        for pass_type in dict.fromkeys(one.pass_type for one in handed):
            serials = [serial for of, serial in found if of == pass_type]
            given = {"pass_type": pass_type, "serials": self._db.array(serials), "limit": limit}
            for row in await self._db.rows("candidates", given):
                found[pass_type, row[0]].append(row)
        return [await self._candidates(one, found[one.pass_type, one.serial], limit) for one in handed]

    async def _candidates(self, handed: Handed, found: Sequence[rows.Row], limit: int) -> Candidates:
        crowded = len(found) > limit
        if crowded:
            phone = {"pass_type": handed.pass_type, "serial": handed.serial, "device_id": handed.asked}
            found = await self._db.rows("candidates_of_phone", phone) if handed.asked else ()
        of = handed.pass_type
        phones = [(Registration(of, row[0], row[1], *row[2:12]), Device(of, row[1], *row[12:17])) for row in found]
        return Candidates(phones, crowded)

    # ── history

    async def installation(self) -> str:
        row = await self._one("installation")
        return "" if row is None else row[0]

    async def counters(self) -> Sequence[Counter]:
        return [Counter(*row) for row in await self._db.rows("counters", {})]

    async def new_epochs(self, pass_type: str) -> Sequence[Event]:
        return [rows.event(row) for row in await self._db.rows("new_epochs", {"pass_type": pass_type})]

    async def database_time(self) -> int | None:
        row = await self._one("database_time")
        return None if row is None else row[0]

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
        row = await self._pass_row(pass_type, serial)
        return None if row is None else rows.pass_(row)

    async def _pass_row(self, pass_type: str, serial: str) -> rows.Row | None:
        return await self._one("pass", pass_type=pass_type, serial=serial)

    async def passes(
        self,
        *,
        pass_type: str | None,
        template: str | None,
        prefix: str,
        after: tuple[str, str],
        limit: int,
        within: Sequence[str] | None = None,
        holder: str | None = None,
    ) -> Sequence[Pass]:
        wanted = {
            "pass_type": pass_type,
            "within": self._array(within),
            "template": template,
            "after_type": after[0],
            "after_serial": after[1],
            "limit": limit,
        }
        if holder is not None:
            found = await self._db.rows("passes_of_holder", {**wanted, "prefix": prefix, "holder": holder})
        elif prefix:
            types = [pass_type] if pass_type is not None else [row.pass_type for row in await self.pass_types()]
            seen = [one for one in sorted(types) if one >= after[0] and (within is None or one in within)]
            found = await self._beginning(prefix, seen, template, after, limit)
        else:
            found = await self._db.rows("passes", wanted)
        return [rows.pass_(row) for row in found]

    async def _beginning(
        self, prefix: str, types: Sequence[str], template: str | None, after: tuple[str, str], limit: int
    ) -> Sequence[rows.Row]:
        """Type by type, each from its index: to join them leads planners to walk all passes."""
        found: list[rows.Row] = []
        for pass_type in types:
            last = after[1] if pass_type == after[0] else ""
            wanted = {
                "pass_type": pass_type,
                "onwards": max(prefix, last),
                "beyond": prefix + BEYOND,
                "after_serial": last,
                "template": template,
                "limit": limit - len(found),
            }
            found += await self._db.rows("passes_beginning", wanted)
            if len(found) >= limit:
                break
        return found

    async def passes_named(self, pass_type: str, serials: Sequence[str]) -> Mapping[str, Pass]:
        found = await self._db.rows("passes_named", {"pass_type": pass_type, "serials": self._db.array(serials)})
        return {row[1]: rows.pass_(row) for row in found}

    async def token_holder(self, pass_type: str, token_print: str) -> str | None:
        row = await self._one("token_holder", pass_type=pass_type, token_print=token_print)
        return None if row is None else str(row[0])

    async def addresses(self, pass_type: str) -> Sequence[tuple[str, int, int]]:
        found = await self._db.rows("addresses", {"pass_type": pass_type})
        return [(row[0], row[1], row[2]) for row in found]

    async def passes_at(self, pass_type: str, url: str, *, after: str, limit: int) -> Sequence[str]:
        named = {"pass_type": pass_type, "url": url, "after_serial": after, "limit": limit}
        return [row[0] for row in await self._db.rows("passes_at", named)]

    async def moves(self, pass_type: str, url: str) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await self._db.rows("moves", {"pass_type": pass_type, "url": url})}

    async def stragglers(self, pass_type: str, url: str, *, limit: int) -> Sequence[tuple[str, str, int | None]]:
        found = await self._db.rows("stragglers", {"pass_type": pass_type, "url": url, "limit": limit})
        return [(row[0], row[1], row[2]) for row in found]

    async def enrolment(self, pass_type: str, enrolment_id: str) -> Enrolment | None:
        row = await self._one("enrolment", pass_type=pass_type, id=enrolment_id)
        return None if row is None else rows.enrolment(row)

    async def enrolments_of(self, pass_type: str, serial: str) -> Sequence[Enrolment]:
        found = await self._db.rows("enrolments_of", {"pass_type": pass_type, "serial": serial})
        return [rows.enrolment(row) for row in found]

    async def enrolments(
        self, pass_type: str, *, epoch: str, after: int, limit: int
    ) -> Sequence[tuple[Enrolment, str]]:
        key = {"pass_type": pass_type, "epoch": epoch, "after": after, "limit": limit}
        return [(rows.enrolment(row), row[7]) for row in await self._db.rows("enrolments", key)]

    async def followers(self, tenant: str, template: str, revision: str, *, limit: int) -> Sequence[Pass]:
        found = await self._db.rows(
            "followers", {"tenant": tenant, "template": template, "revision": revision, "limit": limit}
        )
        return [rows.pass_(row) for row in found]

    async def following(self, tenant: str, template: str, revision: str, *, most: int) -> tuple[int, int, int]:
        row = await self._one("following", tenant=tenant, template=template, revision=revision, most=most)
        assert row is not None  # of counts there is always one
        return row[0], row[1], row[2]

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
                "devices": self._db.array([row[0] for row in phones]),
                "targets": self._db.array([fingerprint(row[1]) for row in phones]),
            },
        )
        return [rows.event(row) for row in found]

    async def events(self, *, kinds: Sequence[str], pass_type: str | None, after: int, limit: int) -> Sequence[Event]:
        found = await self._db.rows(
            "events", {"kinds": self._db.array(kinds), "pass_type": pass_type, "after": after, "limit": limit}
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
            {"pass_type": pass_type, "within": self._array(within), "code": code, "before": before, "limit": limit},
        )
        return [rows.event(row) for row in found]

    # ── counts

    async def funnel(self, pass_type: str, *, since: int) -> Funnel:
        row = await self._one("funnel", pass_type=pass_type, since=since)
        assert row is not None
        return Funnel(pass_type, *(int(count) for count in row))

    async def stats(self, pass_type: str | None, within: Sequence[str] | None = None) -> Mapping[str, int]:
        row = await self._one("stats", pass_type=pass_type, within=self._array(within))
        assert row is not None
        names = ("passes", "registrations", "current", "fetch", "ask", "push", "unverified")
        return {name: value or 0 for name, value in zip(names, row, strict=True)}

    async def processes(self) -> Sequence[Process]:
        return [Process(*row) for row in await self._db.rows("processes", {})]

    # ── certificates and keys

    async def certificate(self, certificate_id: str) -> Certificate | None:
        row = await self._one("certificate", id=certificate_id)
        return None if row is None else rows.certificate(row)

    async def certificates(self, pass_type: str | None, within: Sequence[str] | None = None) -> Sequence[Certificate]:
        found = await self._db.rows("certificates", {"pass_type": pass_type, "within": self._array(within)})
        return [rows.certificate(row) for row in found]

    async def lineage(self, pass_type: str) -> Sequence[Link]:
        return [rows.link(row) for row in await self._lineage_rows(pass_type)]

    async def _lineage_rows(self, pass_type: str) -> Sequence[rows.Row]:
        return await self._db.rows("lineage", {"pass_type": pass_type})

    async def apns_key(self, tenant: str, key_id: str) -> ApnsKey | None:
        row = await self._one("apns_key", tenant=tenant, id=key_id)
        return None if row is None else rows.apns_key(row)

    async def apns_keys(self, tenant: str) -> Sequence[ApnsKey]:
        return [rows.apns_key(row) for row in await self._db.rows("apns_keys", {"tenant": tenant})]

    async def push_key_users(self, tenant: str, key_id: str) -> Sequence[str]:
        return [row[0] for row in await self._db.rows("push_key_users", {"tenant": tenant, "id": key_id})]

    async def tenant(self, name: str) -> Tenant | None:
        row = await self._one("tenant", name=name)
        return None if row is None else Tenant(*row)

    async def tenants(self) -> Sequence[Tenant]:
        return [Tenant(*row) for row in await self._db.rows("tenants", {})]

    async def within_tenant(self, name: str) -> frozenset[str] | None:
        found = await self._db.rows("within_tenant", {"tenant": name})
        if not found and name == DEFAULT_TENANT:
            return None
        return frozenset(row[1] for row in found if row[1] is not None)

    async def signing_requests(
        self, tenant: str = DEFAULT_TENANT, within: Sequence[str] | None = None
    ) -> Sequence[SigningRequest]:
        found = await self._db.rows("signing_requests", {"tenant": tenant, "within": self._array(within)})
        return [SigningRequest(*row) for row in found]

    async def lineages(self) -> Sequence[Sequence[Link]]:
        found = [rows.link(row) for row in await self._db.rows("lineages", {})]
        return [list(lineage) for _, lineage in groupby(found, key=lambda link: link.pass_type)]

    async def watched(self, pass_type: str | None = None) -> Sequence[Watched]:
        return [rows.watched(row) for row in await self._db.rows("watched", {"pass_type": pass_type})]

    async def shared_keys(self) -> Sequence[SharedKey]:
        return [SharedKey(*row) for row in await self._db.rows("shared_keys", {})]

    async def sealed_counts(self) -> Sequence[SealedCount]:
        return [SealedCount(Sealable(row[0]), row[1].hex(), row[2]) for row in await self._db.rows("sealed_counts", {})]

    async def sealed_otherwise(
        self, kind: Sealable, secret: str, *, after: tuple[str, str], limit: int
    ) -> Sequence[Sealed]:
        key = {"secret": bytes.fromhex(secret), "after_under": after[0], "after_id": after[1], "limit": limit}
        if kind is Sealable.SHARED_KEY:
            found = await self._db.rows("shared_keys_sealed_otherwise", key)
        elif kind is Sealable.CERTIFICATE:
            found = await self._db.rows("certificates_sealed_otherwise", key)
        elif kind is Sealable.APNS_KEY:
            found = await self._db.rows("apns_keys_sealed_otherwise", key)
        elif kind is Sealable.SIGNING_REQUEST:
            found = await self._db.rows("signing_requests_sealed_otherwise", key)
        elif kind is Sealable.TOTP:
            found = await self._db.rows("console_totp_sealed_otherwise", key)
        elif kind is Sealable.TOKEN:
            found = await self._db.rows("tokens_sealed_otherwise", key)
        elif kind is Sealable.ENROLMENT:
            found = await self._db.rows("enrolments_sealed_otherwise", key)
        else:
            found = await self._db.rows("webhook_secrets_sealed_otherwise", key)
        return [Sealed(kind, *row) for row in found]

    async def api_key(self, key_id: str) -> ApiKey | None:
        row = await self._one("api_key", id=key_id)
        return None if row is None else _api_key(row)

    async def api_keys(self) -> Sequence[ApiKey]:
        return [_api_key(row) for row in await self._db.rows("api_keys", {})]


def _ask_snapshot(pass_type: str, device_id: str, row: rows.Row, listed: Sequence[Listed]) -> AskSnapshot:
    return AskSnapshot(
        Counter(pass_type, row[0], row[1]),
        rows.device(pass_type, device_id, row[2:7]),
        listed,
        row[7] is not None,
        bool(row[8]),
        row[-1],
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
