"""Who may use the web console, as rows: users, sessions, links, and what they did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from livepass.core.console import Audited, ConsoleLink, ConsoleSession, ConsoleUser

if TYPE_CHECKING:
    from livepass.store.reading import Connection
    from livepass.store.rows import Row

NEWEST = 2**63 - 1


class ConsoleReading:
    """``service.console_seams.ConsoleReader`` over a connection."""

    _db: Connection

    async def console_user(self, tenant: str, name: str) -> ConsoleUser | None:
        found = await self._db.rows("console_user", {"tenant": tenant, "name": name})
        return ConsoleUser(*found[0]) if found else None

    async def console_users(self, tenant: str) -> Sequence[ConsoleUser]:
        return [ConsoleUser(*row) for row in await self._db.rows("console_users", {"tenant": tenant})]

    async def console_session(self, session_id: str) -> tuple[ConsoleSession, ConsoleUser | None] | None:
        found = await self._db.rows("console_session", {"id": session_id})
        return _with_user(found[0]) if found else None

    async def console_link(self, link_id: str) -> ConsoleLink | None:
        found = await self._db.rows("console_link", {"id": link_id})
        return ConsoleLink(*found[0]) if found else None

    async def audited(self, tenant: str, *, before: int | None, limit: int) -> Sequence[Audited]:
        page = {"tenant": tenant, "before": NEWEST if before is None else before, "limit": limit}
        found = await self._db.rows("audited", page)
        return [
            Audited(row[1], row[2], row[3], row[4], row[5], row[6], detail=json.loads(row[7]), id=row[0])
            for row in found
        ]


class ConsoleWriting(ConsoleReading):
    """``service.console_seams.ConsoleTx`` inside a write transaction. Locks the user first, and nothing else."""

    async def lock_console_user(self, tenant: str, name: str) -> ConsoleUser | None:
        if not self._db.one_writer:
            await self._db.rows("lock_console_user", {"tenant": tenant, "name": name})
        return await self.console_user(tenant, name)

    async def add_console_user(self, user: ConsoleUser) -> bool:
        return await self._db.run("add_console_user", asdict(user)) > 0

    async def put_console_user(self, user: ConsoleUser) -> None:
        await self._db.run("put_console_user", asdict(user))

    async def add_console_session(self, session: ConsoleSession) -> None:
        await self._db.run("add_console_session", asdict(session))

    async def see_console_session(self, session_id: str, now: int) -> None:
        await self._db.run("see_console_session", {"id": session_id, "now": now})

    async def end_console_session(self, session_id: str) -> None:
        await self._db.run("end_console_session", {"id": session_id})

    async def end_console_sessions_of(self, tenant: str, name: str) -> int:
        return await self._db.run("end_console_sessions_of", {"tenant": tenant, "name": name})

    async def end_console_access(self) -> None:
        await self._db.run("end_console_sessions", {})
        await self._db.run("end_console_links", {})

    async def drop_old_console_access(self, *, seen_before: int, created_before: int, now: int) -> None:
        old = {"seen_before": seen_before, "created_before": created_before}
        await self._db.run("drop_old_console_sessions", old)
        await self._db.run("drop_old_console_links", {"now": now})

    async def add_console_link(self, link: ConsoleLink) -> None:
        columns = {name: getattr(link, name) for name in ("id", "tenant", "role", "expires_at")}
        await self._db.run("add_console_link", columns)

    async def use_console_link(self, link_id: str, now: int) -> bool:
        return await self._db.run("use_console_link", {"id": link_id, "now": now}) > 0

    async def add_audit(self, audited: Audited) -> None:
        names = ("at", "tenant", "who", "role", "action", "subject")
        columns: dict[str, Any] = {name: getattr(audited, name) for name in names}
        await self._db.run("add_audit", columns | {"detail": json.dumps(audited.detail)})


def _with_user(row: Row) -> tuple[ConsoleSession, ConsoleUser | None]:
    """From the columns of a session, then those of its user."""
    return ConsoleSession(*row[:6]), ConsoleUser(*row[6:]) if row[6] is not None else None
