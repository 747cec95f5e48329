"""The console's users, sessions and links, and the audit log, as rows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from livepass.core.console import Audited, ConsoleLink, ConsoleSession, ConsoleUser
from livepass.core.model import DEFAULT_TENANT
from store.hand import T0, opened

pytestmark = pytest.mark.usefixtures("engine")

ADA = ConsoleUser(DEFAULT_TENANT, "ada", "admin", "$argon2id$x", b"sealed", 7, T0, None)
SESSION = ConsoleSession("s1", DEFAULT_TENANT, "ada", "admin", T0, T0)
LINK = ConsoleLink("l1", DEFAULT_TENANT, "viewer", T0 + 9, None)


def test_a_user_is_kept_as_put_and_added_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            store = hand.store
            bare = ConsoleUser(DEFAULT_TENANT, "bob", "viewer", None, None, None, T0 + 1, T0 + 2)
            foreign = replace(ADA, tenant="other", role="viewer")
            for user in (bare, ADA, foreign):
                assert await store.write(lambda tx, user=user: tx.add_console_user(user)) is True
            assert await store.console_users(DEFAULT_TENANT) == [ADA, bare]
            assert await store.console_user("other", "ada") == foreign
            assert await store.console_user(DEFAULT_TENANT, "none") is None
            other = replace(ADA, role="viewer", password=None, totp_sealed=None, totp_step=None, disabled_at=T0)
            assert await store.write(lambda tx: tx.add_console_user(other)) is False
            assert await store.console_user(DEFAULT_TENANT, "ada") == ADA, "the first stays"
            await store.write(lambda tx: tx.put_console_user(replace(other, created_at=T0 + 9)))
            assert await store.console_user(DEFAULT_TENANT, "ada") == other, "since when there is one stays"

    asyncio.run(main())


def test_a_session_comes_with_its_user(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            store = hand.store
            linked = replace(SESSION, id="s2", name="link 1")
            for session in (SESSION, linked, replace(SESSION, id="s3")):
                await store.write(lambda tx, session=session: tx.add_console_session(session))
            assert await store.console_session("s1") == (SESSION, None)
            await store.write(lambda tx: tx.add_console_user(replace(ADA, tenant="other")))
            assert await store.console_session("s1") == (SESSION, None), "somebody else's ada"
            await store.write(lambda tx: tx.add_console_user(ADA))
            assert await store.console_session("s1") == (SESSION, ADA)
            assert await store.console_session("s2") == (linked, None)
            for at, seen in ((T0 + 5, T0 + 5), (T0 + 3, T0 + 5)):
                await store.write(lambda tx, at=at: tx.see_console_session("s1", at))
                found = await store.console_session("s1")
                assert found is not None and found[0] == replace(SESSION, seen_at=seen)
            await store.write(lambda tx: tx.end_console_session("s1"))
            assert await store.console_session("s1") is None
            assert await store.write(lambda tx: tx.end_console_sessions_of(DEFAULT_TENANT, "ada")) == 1
            assert await store.console_session("s3") is None
            assert await store.console_session("s2") is not None

    asyncio.run(main())


def test_what_is_old_goes_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            store = hand.store
            sessions = {"idle": (T0, T0 - 1), "old": (T0 - 100, T0), "good": (T0, T0)}
            for name, (created, seen) in sessions.items():
                row = replace(SESSION, id=name, created_at=created, seen_at=seen)
                await store.write(lambda tx, row=row: tx.add_console_session(row))
            for link in (LINK, replace(LINK, id="l2", expires_at=T0)):
                await store.write(lambda tx, link=link: tx.add_console_link(link))
            await store.write(lambda tx: tx.drop_old_console_access(seen_before=T0, created_before=T0 - 9, now=T0))
            assert [row["id"] for row in hand.rows("console_session")] == ["good"]
            assert [row["id"] for row in hand.rows("console_link")] == ["l1"]
            await store.write(lambda tx: tx.end_console_access())
            assert hand.rows("console_session") == hand.rows("console_link") == []

    asyncio.run(main())


def test_of_many_who_use_a_link_at_once_one_does(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.store.write(lambda tx: tx.add_console_link(LINK))
            assert await hand.store.console_link("l1") == LINK
            other = await engines.open_store(hand.url)
            try:
                won = await asyncio.gather(
                    *(store.write(lambda tx: tx.use_console_link("l1", T0)) for store in [hand.store, other] * 5)
                )
            finally:
                await other.close()
            assert sorted(won) == [False] * 9 + [True]
            assert await hand.store.console_link("l1") == replace(LINK, used_at=T0)
            assert await hand.store.console_link("none") is None

    asyncio.run(main())


def test_the_audit_log_is_read_newest_first_and_page_by_page(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            store = hand.store
            rows = [
                Audited(T0 - n, DEFAULT_TENANT, "ada", "admin", "did", str(n), {"n": n, "ü": None}) for n in range(5)
            ]
            for row in [*rows, replace(rows[0], tenant="other")]:
                await store.write(lambda tx, row=row: tx.add_audit(row))
            found = await store.audited(DEFAULT_TENANT, before=None, limit=3)
            assert [replace(row, id=0) for row in found] == rows[:1:-1], "by when it was written, whatever clocks say"
            found = await store.audited(DEFAULT_TENANT, before=found[-1].id, limit=3)
            assert [replace(row, id=0) for row in found] == rows[1::-1]

    asyncio.run(main())
