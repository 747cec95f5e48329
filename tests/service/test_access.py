"""API keys: who is let in, what is kept of a key, and when its use is noted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import engines
from livepass.core.model import DEFAULT_TENANT, ApiKey
from livepass.runtime import SystemChance
from livepass.service.access import SCOPES, USED_EVERY_MS, Access, Caller
from livepass.service.refusals import Forbidden, NotFound, Refusal
from livepass.service.seams import Store

ADMIN = "an admin key of some length"
ROOT = Caller("admin", DEFAULT_TENANT, frozenset(SCOPES))
LIMITED = Caller("limited", DEFAULT_TENANT, frozenset({"keys:admin", "passes:read"}), ("pass.a", "pass.b"))


class StillClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now(self) -> int:
        return self.ms

    def stopwatch(self) -> float:
        return self.ms / 1000


class Gate:
    """``Access`` over a store of its own."""

    def __init__(self, store: Store, *admin_keys: str) -> None:
        self.store = store
        self.clock = StillClock()
        self.access = Access(store, self.clock, SystemChance(), admin_keys or (ADMIN,))


def run(directory: Path, test: Callable[[Gate], Awaitable[None]], *admin_keys: str) -> None:
    async def work() -> None:
        store = await engines.open_store(engines.new_database(directory / "livepass.db"))
        try:
            await test(Gate(store, *admin_keys))
        finally:
            await store.close()

    asyncio.run(work())


def test_admin_keys_open_everything(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        caller = await gate.access.authenticate(f"Bearer {ADMIN}")
        assert caller is not None and caller.scopes == set(SCOPES) and caller.pass_types is None
        for header in (f"bearer {ADMIN}", f"  BEARER   {ADMIN}  ", "Bearer another admin key, also long"):
            assert await gate.access.authenticate(header) is not None
        for header in (
            None,
            "",
            "Bearer",
            "Bearer ",
            ADMIN,
            f"Basic {ADMIN}",
            f"Bearer {ADMIN}x",
            f"Bearer {ADMIN[:-1]}",
        ):
            assert await gate.access.authenticate(header) is None

    run(tmp_path, test, ADMIN, "another admin key, also long")


def test_an_empty_or_short_admin_key_opens_nothing(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        for header in ("Bearer ", "Bearer short", "Bearer"):
            assert await gate.access.authenticate(header) is None

    run(tmp_path, test, "", "short")


def test_admin_keys_beyond_ascii(tmp_path: Path) -> None:
    """A server hands UTF-8 over as Latin-1; a caller in process hands it over as text."""
    key = "schlüssel mit zeichen €"

    async def test(gate: Gate) -> None:
        assert await gate.access.authenticate("Bearer " + key.encode().decode("latin-1")) is not None
        assert await gate.access.authenticate("Bearer " + key) is not None

    run(tmp_path, test, key)


def test_a_key_is_what_it_was_made_to_be(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        key, text = await gate.access.create(ROOT, "till", ["passes:write", "passes:read"], ["pass.b", "pass.a"])
        caller = await gate.access.authenticate(f"Bearer {text}")
        assert caller == Caller(
            "till", DEFAULT_TENANT, frozenset({"passes:read", "passes:write"}), ("pass.a", "pass.b"), key.id
        )
        assert caller.sees("pass.a") and not caller.sees("pass.c")
        caller.require("passes:read")
        caller.require("keys:admin", "passes:write")
        with pytest.raises(Forbidden, match="keys:admin"):
            caller.require("keys:admin")
        secret = text.split("_", 2)[2]
        assert len(secret) == 43
        assert key.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
        for wrong in (
            text + "x",
            text[:-1],
            f"lp_{key.id}_",
            f"lp_{key.id}",
            secret,
            f"lp_other_{secret}",
            f"lp_\0_{secret}",
        ):
            assert await gate.access.authenticate(f"Bearer {wrong}") is None

    run(tmp_path, test)


def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        key, text = await gate.access.create(ROOT, "old", ["passes:read"], None)
        await gate.access.revoke(ROOT, key.id)
        await gate.access.revoke(ROOT, key.id)
        assert await gate.access.authenticate(f"Bearer {text}") is None
        with pytest.raises(NotFound):
            await gate.access.revoke(ROOT, "none")

    run(tmp_path, test)


def test_use_is_noted_once_an_hour(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        key, text = await gate.access.create(ROOT, "k", ["passes:read"], None)

        async def used_at() -> int | None:
            await gate.access.authenticate(f"Bearer {text}")
            stored: ApiKey = await gate.access.key(ROOT, key.id)
            return stored.last_used_at

        assert (await gate.access.key(ROOT, key.id)).last_used_at is None
        first = gate.clock.ms
        assert await used_at() == first
        gate.clock.ms += USED_EVERY_MS - 1
        assert await used_at() == first
        gate.clock.ms += 1
        assert await used_at() == first + USED_EVERY_MS

    run(tmp_path, test)


def test_a_limited_caller_sees_and_makes_only_its_own(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        within, _ = await gate.access.create(ROOT, "a", ["passes:read"], ["pass.a"])
        beyond, _ = await gate.access.create(ROOT, "ac", ["passes:read"], ["pass.a", "pass.c"])
        unlimited, _ = await gate.access.create(ROOT, "all", ["passes:read"], None)
        assert [key.id for key in await gate.access.keys(LIMITED)] == [within.id]
        assert len(await gate.access.keys(ROOT)) == 3
        for key in (beyond, unlimited):
            with pytest.raises(NotFound):
                await gate.access.revoke(LIMITED, key.id)
        cases = [(["passes:write"], ["pass.a"]), (["passes:read"], None), (["passes:read"], ["pass.a", "pass.c"])]
        for scopes, pass_types in cases:
            with pytest.raises(Forbidden):
                await gate.access.create(LIMITED, "more", scopes, pass_types)  # type: ignore[arg-type]
        assert len(await gate.access.keys(ROOT)) == 3
        await gate.access.create(LIMITED, "fine", ["passes:read"], ["pass.b"])

    run(tmp_path, test)


def test_templates_cannot_be_limited_to_pass_types(tmp_path: Path) -> None:
    """A new revision changes passes of every type that follow it."""

    async def test(gate: Gate) -> None:
        with pytest.raises(Refusal, match="templates:write"):
            await gate.access.create(ROOT, "t", ["templates:write"], ["pass.a"])

    run(tmp_path, test)


def test_no_secret_in_what_is_printed(tmp_path: Path) -> None:
    async def test(gate: Gate) -> None:
        key, text = await gate.access.create(ROOT, "k", ["passes:read"], None)
        caller = await gate.access.authenticate(f"Bearer {text}")
        secret = text.split("_", 2)[2]
        assert secret not in f"{key!r} {caller!r} {vars(gate.access)!r}"
        assert ADMIN not in repr(vars(gate.access))

    run(tmp_path, test)
