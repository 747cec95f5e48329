"""APNs keys and the choice between them and certificates, as rows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from livepass.core.model import DEFAULT_TENANT
from livepass.core.provider_token import ApnsKey
from store.hand import OTHER, T0, TYPE, opened

pytestmark = pytest.mark.usefixtures("engine")

MINUTE = 60_000
SEVERAL_WRITERS = pytest.mark.parametrize("engine", ["postgres"], indirect=True)
"""SQLite has one at a time."""
KEY = ApnsKey(DEFAULT_TENANT, "KEY0000001", "TEAM123456", ("pass.a", "pass.b"), "production", b"sealed", T0, None)


def test_a_key_is_kept_as_it_was_put_and_put_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            assert await hand.store.apns_key(DEFAULT_TENANT, KEY.id) is None
            foreign, second = replace(KEY, tenant="other"), replace(KEY, id="KEY0000002", topics=(), retired_at=T0)
            for key in (second, KEY, foreign):
                await hand.store.write(lambda tx, key=key: tx.put_apns_key(key))
            assert await hand.store.apns_keys(DEFAULT_TENANT) == [KEY, second], "by id, and of one tenant"
            assert await hand.store.apns_key("other", KEY.id) == foreign
            again = replace(KEY, topics=(), key_sealed=b"other", team="OTHERTEAM0", environment="both", retired_at=T0)
            await hand.store.write(lambda tx: tx.put_apns_key(replace(again, created_at=T0 + 9)))
            assert await hand.store.apns_key(DEFAULT_TENANT, KEY.id) == again, "since when it is here stays"

    asyncio.run(main())


def test_choosing_makes_due_what_waited_and_only_of_that_type(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.pass_type(OTHER)
            for pass_type in (TYPE, OTHER):
                await hand.put("a", pass_type=pass_type)
                await hand.join("phone", "a", pass_type=pass_type)
            until = T0 + 99 * MINUTE
            for pass_type in (TYPE, OTHER):
                await hand.store.write(
                    lambda tx, pass_type=pass_type: tx.open_circuit(pass_type, until, "InvalidProviderToken", T0, "K")
                )
            assert (await hand.store.circuit(TYPE)).push_key_id == "K"
            await hand.store.write(lambda tx: tx.choose_push_key(TYPE, KEY.id, T0 + 1))
            assert dict(await hand.store.due()) == {TYPE: T0 + 1, OTHER: until}
            assert await hand.store.circuit(TYPE) is None
            assert (await hand.store.pass_type(TYPE)).push_key_id == KEY.id
            assert await hand.store.push_key_users(DEFAULT_TENANT, KEY.id) == [TYPE]
            assert await hand.store.push_key_users("other", KEY.id) == []
            await hand.store.write(lambda tx: tx.open_circuit(TYPE, until, "BadCertificate", T0))
            assert (await hand.store.circuit(TYPE)).push_key_id is None
            await hand.store.write(lambda tx: tx.choose_push_key(TYPE, None, T0 + 2))
            assert (await hand.store.pass_type(TYPE)).push_key_id is None
            assert [row.push_key_id for row in await hand.store.pass_types()] == [None, None]

    asyncio.run(main())


@SEVERAL_WRITERS
def test_nobody_chooses_while_a_refusal_is_written_down(tmp_path: Path, engine: str) -> None:
    """Or what was refused would hold back what was chosen since."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.pass_type()
            other = await engines.open_store(hand.url)
            locked, seen = asyncio.Event(), []

            async def refused(tx) -> None:  # type: ignore[no-untyped-def]
                seen.append((await tx.lock_push_credential(TYPE)).push_key_id)
                locked.set()
                await asyncio.sleep(0.3)
                await tx.open_circuit(TYPE, T0 + MINUTE, "BadCertificate", T0)

            writing = asyncio.create_task(hand.store.write(refused))
            await locked.wait()
            await other.write(lambda tx: tx.choose_push_key(TYPE, KEY.id, T0))
            await writing
            assert seen[0] is None
            assert await hand.store.circuit(TYPE) is None, "what was chosen later is not held back"
            await other.close()

    asyncio.run(main())


@SEVERAL_WRITERS
def test_a_key_is_not_retired_while_it_is_chosen(tmp_path: Path, engine: str) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.pass_type()
            await hand.store.write(lambda tx: tx.put_apns_key(KEY))
            other = await engines.open_store(hand.url)
            locked, users = asyncio.Event(), []

            async def choose(tx) -> None:  # type: ignore[no-untyped-def]
                await tx.lock_apns_key(DEFAULT_TENANT, KEY.id)
                locked.set()
                await asyncio.sleep(0.3)
                await tx.choose_push_key(TYPE, KEY.id, T0)

            async def retire(tx) -> None:  # type: ignore[no-untyped-def]
                await tx.lock_apns_key(DEFAULT_TENANT, KEY.id)
                users.append(await tx.push_key_users(DEFAULT_TENANT, KEY.id))

            choosing = asyncio.create_task(hand.store.write(choose))
            await locked.wait()
            await other.write(retire)
            await choosing
            assert users[-1] == [TYPE]
            await other.close()

    asyncio.run(main())
