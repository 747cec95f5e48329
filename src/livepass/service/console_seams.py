"""The part of ``service.seams.Reader`` and ``Tx`` that only the console's use cases need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepass.core.console import Audited, ConsoleLink, ConsoleSession, ConsoleUser


class ConsoleReader(Protocol):
    """Reads. Each is one statement, so one snapshot."""

    async def console_user(self, tenant: str, name: str) -> ConsoleUser | None: ...

    async def console_users(self, tenant: str) -> Sequence[ConsoleUser]:
        """By name; disabled ones too."""

    async def console_session(self, session_id: str) -> tuple[ConsoleSession, ConsoleUser | None] | None:
        """A session, and its user as they are now."""

    async def console_link(self, link_id: str) -> ConsoleLink | None: ...

    async def audited(self, tenant: str, *, before: int | None, limit: int) -> Sequence[Audited]:
        """Newest first; with smaller ids than ``before``."""


class ConsoleTx(ConsoleReader, Protocol):
    """Writes."""

    async def lock_console_user(self, tenant: str, name: str) -> ConsoleUser | None:
        """The user, whom nobody else changes until the end."""

    async def add_console_user(self, user: ConsoleUser) -> bool:
        """False: there is one of that name."""

    async def put_console_user(self, user: ConsoleUser) -> None: ...

    async def add_console_session(self, session: ConsoleSession) -> None: ...

    async def see_console_session(self, session_id: str, now: int) -> None: ...

    async def end_console_session(self, session_id: str) -> None: ...

    async def end_console_sessions_of(self, tenant: str, name: str) -> int: ...

    async def end_console_access(self) -> None:
        """End all sessions and links: what is known of them may be of another time than the database was."""

    async def drop_old_console_access(self, *, seen_before: int, created_before: int, now: int) -> None:
        """Forget sessions that were seen last, or began, before then, and links that have expired."""

    async def add_console_link(self, link: ConsoleLink) -> None: ...

    async def use_console_link(self, link_id: str, now: int) -> bool:
        """Whether nobody had used it; from now on somebody has."""

    async def add_audit(self, audited: Audited) -> None: ...
