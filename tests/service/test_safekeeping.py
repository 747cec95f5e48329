"""The keys that all hosts share: made once, followed by who runs already, and sealed anew in small steps."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Any

import pytest

from livepass.core.model import TokenSource
from livepass.core.sealed import TAGS, TOKENS, Sealable
from livepass.emulators.authority import Issued
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import CannotUnseal, Secrets
from livepass.pkpass import PkpassError
from livepass.service import safekeeping
from livepass.service.safekeeping import NoSharedKey, Safekeeping
from service.rig import SECRET, TYPE, Rig, SetClock, points_of, rig, until

OTHER_SECRET = "B" * 43
NEW_FIRST = (OTHER_SECRET, SECRET)
START = 1_000_000


def keys(*secrets: str) -> SealedKeyRing:
    return SealedKeyRing(Secrets(secrets, random.Random(repr(secrets)).randbytes), b"password")


def source(key_id: str) -> TokenSource:
    return TokenSource(key_id, b"s" * 16)


async def import_token(service: Rig, serial: str, token: str) -> None:
    """As an import leaves it: the pass keeps the token it came with."""
    sealed = service.keys.seal(Sealable.TOKEN, TYPE, serial, token.encode())
    service.elsewhere("UPDATE pass SET token_sealed = :sealed WHERE serial = :serial", sealed=sealed, serial=serial)


# ── made once


def test_an_installation_begins_with_a_key_for_tokens_and_one_for_tags(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path, None, publish=False, clock=SetClock(START)) as service:
            stored = await service.store.shared_keys()
            assert sorted((key.id, key.purpose) for key in stored) == [("tags-1", TAGS), ("tokens-1", TOKENS)]
            assert len({key.sealed for key in stored}) == 2
            for key in (service.keys.tag_key, service.keys.token("d", "t", "s", source("tokens-1")).encode()):
                assert key not in service.on_disk()
            await service.safekeeping.open()
            assert await service.store.shared_keys() == stored, "and keeps them"

    asyncio.run(main())


def test_first_starts_at_once_agree(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path, None, publish=False, clock=SetClock(START)) as service:
            service.elsewhere("DELETE FROM shared_key")
            rings = [keys(SECRET, OTHER_SECRET) if n % 2 else keys(OTHER_SECRET, SECRET) for n in range(6)]
            await asyncio.gather(*(Safekeeping(service.store, ring, service.clock).open() for ring in rings))
            assert len({ring.tag_key for ring in rings}) == 1
            assert len({ring.token("default", TYPE, "1", source("tokens-1")) for ring in rings}) == 1
            assert len(await service.store.shared_keys()) == 2

    asyncio.run(main())


def test_a_secret_key_that_opens_nothing_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path, None, publish=False, clock=SetClock(START)) as service:
            before = await service.store.shared_keys()
            with pytest.raises(CannotUnseal) as closed:
                await Safekeeping(service.store, keys(OTHER_SECRET), service.clock).open()
            said = str(closed.value)
            assert "shared key " in said and "-1: sealed with secret key " in said
            assert service.keys.secret_ids[0] in said, "the one that is missing"
            assert keys(OTHER_SECRET).secret_ids[0] in closed.value.hint, "the one that is here"
            assert "LIVEPASS_SECRET_KEY" in closed.value.hint
            assert SECRET not in said + closed.value.hint
            assert OTHER_SECRET not in said + closed.value.hint
            assert await service.store.shared_keys() == before

    asyncio.run(main())


@pytest.mark.parametrize(("lost", "named"), [("tokens-1", TOKENS), ("tags-1", TAGS)])
def test_no_key_is_made_beside_passes_that_need_one(
    tmp_path: Path, pass_certificate: Issued, lost: str, named: str
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            service.elsewhere("DELETE FROM shared_key WHERE id = :lost", lost=lost)
            with pytest.raises(NoSharedKey, match=f"not the key for {named}") as missing:
                await Safekeeping(service.store, keys(SECRET), service.clock).open()
            assert "backup" in missing.value.hint
            assert len(await service.store.shared_keys()) == 1

    asyncio.run(main())


# ── followed


def test_a_token_key_that_another_process_made_is_followed_at_once(tmp_path: Path, pass_certificate: Issued) -> None:
    """In each place where a pass may be met first: asked for by a phone, registered, built, changed."""

    async def main() -> None:
        async with (
            rig(tmp_path, pass_certificate) as maker,
            rig(tmp_path, None, publish=False, clock=maker.clock, seed=2) as fetched,
            rig(tmp_path, None, publish=False, clock=maker.clock, seed=3) as registered,
            rig(tmp_path, None, publish=False, clock=maker.clock, seed=4) as built,
            rig(tmp_path, None, publish=False, clock=maker.clock, seed=5) as changed,
        ):
            await maker.issue("before")
            before = await maker.token("before")
            assert await maker.safekeeping.renew() == "tokens-2"
            await maker.issue("1", points=7)
            row = await maker.store.pass_(TYPE, "1")
            assert row is not None
            assert row.token.key_id == "tokens-2"
            allowed = await maker.allowed("1")
            assert (await fetched.answering.fetch(TYPE, "1", allowed, None, None)).reply.status == 200
            body = b'{"pushToken": "aa"}'
            assert (await registered.answering.register(TYPE, "1", "phone", allowed, body)).status == 201
            assert points_of(await built.issuing.pkpass(TYPE, "1")) == 7
            assert (await changed.change("1", 8)).changed
            assert await changed.token("1") == await maker.token("1")
            for service in (maker, fetched, registered, built, changed):
                assert await service.token("before") == before, "what was derived stays"
                assert service.keys.token_key_id == "tokens-2", "and new passes take the newest"

    asyncio.run(main())


def test_looking_for_new_keys_costs_a_known_token_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            looked: list[int] = []
            look = service.store.shared_keys

            async def counted() -> Any:
                looked.append(1)
                return await look()

            service.store.shared_keys = counted  # type: ignore[method-assign]
            assert await service.register("1") == 201
            assert (await service.fetch("1")).status == 200
            await service.change("1", 2)
            assert not looked

    asyncio.run(main())


def test_who_meets_no_such_pass_follows_in_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            rig(tmp_path, None, publish=False, clock=SetClock(START)) as maker,
            rig(tmp_path, None, publish=False, clock=maker.clock, seed=2) as other,
        ):
            other.scheduler.spawn(other.safekeeping.run(other.scheduler), "shared-keys")
            await maker.safekeeping.renew()
            await until(lambda: other.keys.token_key_id == "tokens-2", "the other follows")

    asyncio.run(main())


def test_the_newest_is_the_newest_whatever_the_clocks_say(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path, None, publish=False, clock=SetClock(START)) as service:
            for number in (2, 3):
                service.clock.pass_(-1000)
                assert await service.safekeeping.renew() == f"tokens-{number}"
                assert service.keys.token_key_id == f"tokens-{number}"
            stored = [key.id for key in await service.store.shared_keys() if key.purpose == TOKENS]
            assert stored == ["tokens-1", "tokens-2", "tokens-3"]

    asyncio.run(main())


def test_a_key_that_cannot_be_followed_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A host that has a new secret key to itself sealed something: this one must hear of it before it restarts."""

    async def main() -> None:
        async with (
            rig(tmp_path, None, publish=False, clock=SetClock(START)) as service,
            rig(tmp_path, None, publish=False, clock=service.clock, secrets=NEW_FIRST, seed=2) as ahead,
        ):
            rounds = 0
            follow = service.safekeeping.follow

            async def counted() -> None:
                nonlocal rounds
                rounds += 1
                await follow()

            service.safekeeping.follow = counted  # type: ignore[method-assign]
            with caplog.at_level(logging.ERROR, logger="livepass"):
                await ahead.safekeeping.renew()
                service.scheduler.spawn(service.safekeeping.run(service.scheduler), "shared-keys")
                await until(lambda: rounds > 5)
            [said] = caplog.records
            assert "tokens-2" in said.getMessage()
            assert ahead.keys.secret_ids[0] in said.getMessage()
            assert service.keys.token_key_id == "tokens-1"

    asyncio.run(main())


def test_a_pass_whose_key_is_gone_is_refused_with_the_reason(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            service.elsewhere("UPDATE pass SET token_key = :gone", gone="tokens-9")
            with pytest.raises(PkpassError, match="tokens-9 is not in the database"):
                await service.answering.fetch(TYPE, "1", "ApplePass x", None, None)

    asyncio.run(main())


# ── sealed anew


def test_everything_is_sealed_anew_and_the_old_secret_key_may_go(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", points=3)
            await service.issue("imported")
            await import_token(service, "imported", "the token it came with")
            token, tag_key = await service.token("1"), service.keys.tag_key
        async with rig(tmp_path, None, publish=False, clock=service.clock, secrets=NEW_FIRST) as both:
            old, new = both.keys.secret_ids[1], both.keys.secret_ids[0]
            seals = await both.safekeeping.seals()
            assert (seals.first, seals.configured, seals.due) == (new, (new, old), 4)
            assert {one.secret for one in seals.counts} == {old}
            done = await both.safekeeping.reseal()
            assert (done.count, done.closed) == (4, ())
            assert (await both.safekeeping.seals()).due == 0
            assert (await both.safekeeping.reseal()).count == 0, "again does nothing"
        async with rig(tmp_path, None, publish=False, clock=service.clock, secrets=(OTHER_SECRET,)) as without:
            assert await without.token("1") == token
            assert await without.token("imported") == "the token it came with"
            assert without.keys.tag_key == tag_key
            assert points_of(await without.issuing.pkpass(TYPE, "1")) == 3
        with pytest.raises(CannotUnseal):
            async with rig(tmp_path, None, publish=False, clock=service.clock):
                pass

    asyncio.run(main())


def test_sealing_anew_goes_on_where_it_was_cut_off(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after each transaction in turn: everything opens all the while, and in the end nothing is left."""
    monkeypatch.setattr(safekeeping, "AT_ONCE", 2)

    class CutOff(Exception):
        pass

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for n in range(5):
                await service.issue(f"{n}")
                await import_token(service, f"{n}", f"the token it came with, {n}")
        async with rig(tmp_path, None, publish=False, clock=service.clock, secrets=NEW_FIRST) as both:
            write, due = both.store.write, [(await both.safekeeping.seals()).due]

            async def once(work: Any) -> Any:
                await write(work)
                raise CutOff

            both.store.write = once  # type: ignore[method-assign]
            while due[-1]:
                with pytest.raises(CutOff):
                    await both.safekeeping.reseal()
                due.append((await both.safekeeping.seals()).due)
                async with rig(tmp_path, None, publish=False, clock=service.clock, secrets=NEW_FIRST, seed=3) as fresh:
                    for n in range(5):
                        assert await fresh.token(f"{n}") == f"the token it came with, {n}"
                    assert await fresh.issuing.pkpass(TYPE, "0")
            assert due == [8, 6, 5, 3, 1, 0]

    asyncio.run(main())


def test_what_does_not_open_is_named_and_holds_up_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in ("1", "2", "3"):
                await service.issue(serial)
                await import_token(service, serial, "the token it came with")
            foreign = keys("C" * 43)
            sealed = foreign.seal(Sealable.TOKEN, TYPE, "2", b"x")
            service.elsewhere("UPDATE pass SET token_sealed = :sealed WHERE serial = '2'", sealed=sealed)
        async with rig(tmp_path, None, publish=False, clock=service.clock, secrets=NEW_FIRST) as both:
            done = await both.safekeeping.reseal()
            assert done.count == 5
            [said] = done.closed
            assert f"pass token {TYPE}/2: sealed with secret key {foreign.secret_ids[0]}" in said
            seals = await both.safekeeping.seals()
            assert seals.due == 1

    asyncio.run(main())


def test_a_certificate_that_comes_again_meanwhile_is_not_undone(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            pass
        async with rig(tmp_path, None, publish=False, clock=service.clock, secrets=NEW_FIRST) as both:
            reseal = both.keys.reseal
            imported = asyncio.Event()
            write = both.store.write

            def remember(one: Any) -> bytes:
                if one.kind is Sealable.CERTIFICATE:
                    imported.set()
                return reseal(one)

            async def late(work: Any) -> Any:
                if imported.is_set():
                    imported.clear()
                    both.store.write = write  # type: ignore[method-assign]
                    await both.certify(pass_certificate)
                return await write(work)

            both.keys.reseal = remember  # type: ignore[method-assign]
            both.store.write = late  # type: ignore[method-assign]
            await both.safekeeping.reseal()
            [certificate] = await both.store.certificates(None)
            assert both.keys.open(certificate).id == certificate.id
            assert (await both.safekeeping.seals()).due == 0

    asyncio.run(main())
