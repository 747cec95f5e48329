"""Named statements as PostgreSQL takes them: numbered parameters, each of a type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from livepass.store.named import PARAMETER, load
from livepass.store.reading import Parameters
from livepass.store.rows import Row

_BYTES = (
    *("document", "data", "content", "token_salt", "token_sealed", "files", "chain_pem", "key_sealed"),
    *("sealed", "was", "secret", "totp_sealed", "body"),
)
_NUMBERS = (
    *("after", "before", "limit", "some", "due_only", "urgent", "wanted", "confirmed", "pinned", "voided", "nfc"),
    *("seq", "number", "on_pass", "edit", "asked", "told", "pushed", "attempts"),
    *("last_modified", "newest_modified", "modified_floor", "ahead"),
    *("now", "at", "until", "push_at", "next_at", "retell_at", "hold_until", "lease_until", "tombstones_after"),
    *("created_at", "changed_at", "url_seq", "url_at", "last_push_at", "token_registered_at"),
    *("proven_at", "promoted_at", "retired_at", "revoked_at"),
    *("not_before", "not_after", "intermediate_not_after", "canary_percent"),
    *("starts_at", "ends_at", "look_at", "days"),
    *("totp_step", "disabled_at", "expires_at", "seen_at", "seen_before", "created_before"),
    *("pid", "schema", "started_at", "heard_at", "fetch_ms", "shedding"),
    *("most", "most_phones", "siblings_since", "retold", "rested", "tomorrow"),
    *("since", "kept_since", "status", "step_1", "step_2", "step_3", "step_4"),
    *("before_at", "took_ms", "failing_since", "failing_before", "answered_at", "noted_before", "ok"),
    *("total", "made", "changed", "unchanged", "refused", "failed", "vain", "part", "dry_run"),
)
_LISTS = (
    *("within", "serials", "kinds", "devices", "targets", "device_ids", "push_tokens", "tables"),
    *("event_kind", "event_pass_type", "event_serial", "event_device_id", "event_target", "event_detail"),
    *("outcome_push_token", "outcome_dead_reason"),
)
_NUMBER_LISTS = (
    *("numbers", "event_at", "event_seq", "outcome_token_registered_at", "outcome_pushed", "outcome_attempts"),
    *("outcome_next_at", "outcome_hold_until", "outcome_last_push_at"),
)
TYPES: Mapping[str, str] = {
    **dict.fromkeys(_BYTES, "bytea"),
    **dict.fromkeys(_NUMBERS, "bigint"),
    **dict.fromkeys(_LISTS, "text[]"),
    **dict.fromkeys(_NUMBER_LISTS, "bigint[]"),
    "outcome_score": "double precision[]",
}
"""What each parameter is; ``text`` where nothing is said. Named, because PostgreSQL cannot tell from ``:x IS NULL``."""


class Statement:
    """A named statement with numbered parameters, and their names in that order."""

    __slots__ = ("names", "sql")

    def __init__(self, text: str) -> None:
        self.names: list[str] = []

        def numbered(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self.names:
                self.names.append(name)
            return f"${self.names.index(name) + 1}::{TYPES.get(name, 'text')}"

        self.sql = PARAMETER.sub(numbered, text)

    def values(self, parameters: Parameters) -> list[Any]:
        return [parameters[name] for name in self.names]


def statements() -> dict[str, Statement]:
    """Every statement as PostgreSQL takes it."""
    return {name: Statement(text) for name, text in load("postgres").items()}


class PostgresConnection:
    """Runs named statements on one connection, inside its transaction."""

    one_writer = False

    def __init__(self, db: Any, known: Mapping[str, Statement]) -> None:
        self._db = db
        self._known = known

    def array(self, values: Sequence[Any]) -> Any:
        return list(values)

    async def rows(self, name: str, parameters: Parameters) -> Sequence[Row]:
        statement = self._known[name]
        found: Sequence[Row] = await self._db.fetch(statement.sql, *statement.values(parameters))
        return found

    async def run(self, name: str, parameters: Parameters) -> int:
        statement = self._known[name]
        status: str = await self._db.execute(statement.sql, *statement.values(parameters))
        return int(status.rpartition(" ")[2]) if status[-1:].isdigit() else 0

    async def run_many(self, name: str, parameters: Sequence[Parameters]) -> None:
        statement = self._known[name]
        if len(parameters) == 1:
            await self._db.execute(statement.sql, *statement.values(parameters[0]))
        elif parameters:
            await self._db.executemany(statement.sql, [statement.values(one) for one in parameters])

    async def run_rows(self, name: str, columns: Sequence[str], rows: Sequence[Row], same: Parameters) -> Sequence[Row]:
        arrays = dict(zip(columns, zip(*rows, strict=True), strict=True))
        return await self.rows(name, {**same, **arrays})
