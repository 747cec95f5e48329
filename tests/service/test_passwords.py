"""Argon2id: as others make it, off the loop, two at once; and who may try how often."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from livepass.runtime import AsyncScheduler
from livepass.service.passwords import AT_ONCE, WAITING, Busy, Passwords
from livepass.service.tries import REMEMBERED, TooMany, Tries, source_key
from service.console_door import OTHER, PASSWORD, Dice, TwoClocks


class Watched(AsyncScheduler):
    """How many work at once, and in which threads."""

    def __init__(self) -> None:
        super().__init__(8)
        self.working = self.most = 0
        self.threads: set[int] = set()
        self._lock = threading.Lock()

    async def off_loop(self, work):  # type: ignore[no-untyped-def]
        def counted():  # type: ignore[no-untyped-def]
            with self._lock:
                self.working += 1
                self.most = max(self.most, self.working)
                self.threads.add(threading.get_ident())
            try:
                time.sleep(0.005)
                return work()
            finally:
                with self._lock:
                    self.working -= 1

        return await super().off_loop(counted)


def run(test) -> Watched:  # type: ignore[no-untyped-def]
    async def main() -> Watched:
        scheduler = Watched()
        try:
            await test(Passwords(Dice(1), scheduler))
        finally:
            await scheduler.close()
        return scheduler

    return asyncio.run(main())


def test_a_password_is_right_or_wrong() -> None:
    async def test(passwords: Passwords) -> None:
        kept = await passwords.hashed(PASSWORD)
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$") and kept != await passwords.hashed(PASSWORD)
        Argon2id.verify_phc_encoded(PASSWORD.encode(), kept)
        assert await passwords.right(kept, PASSWORD)
        for wrong in (OTHER, "", PASSWORD + " ", PASSWORD + "\x00", "\ud800", "x" * 100_000):
            assert not await passwords.right(kept, wrong)
            assert not await passwords.right(None, wrong)
        assert not await passwords.right("$argon2id$nonsense", PASSWORD)
        typed, other = await passwords.hashed("Zo\u00eb und ihr Einhorn"), "Zoe\u0308 und ihr Einhorn"
        assert await passwords.right(typed, other), "the same text, from another keyboard"

    assert threading.get_ident() not in run(test).threads


def test_two_at_once_and_some_wait_and_more_are_sent_away() -> None:
    async def test(passwords: Passwords) -> None:
        kept = await passwords.hashed(PASSWORD)
        many = AT_ONCE + WAITING + 3
        found = await asyncio.gather(*(passwords.right(kept, PASSWORD) for _ in range(many)), return_exceptions=True)
        assert [one for one in found if one is True] == [True] * (AT_ONCE + WAITING)
        assert sum(isinstance(one, Busy) for one in found) == 3
        assert await passwords.right(kept, PASSWORD)

    assert run(test).most == AT_ONCE == 2


def test_who_goes_away_while_waiting_holds_nobody_up() -> None:
    async def test(passwords: Passwords) -> None:
        kept = await passwords.hashed(PASSWORD)
        tasks = [asyncio.ensure_future(passwords.right(kept, PASSWORD)) for _ in range(8)]
        await asyncio.sleep(0)
        for task in tasks[2:6]:
            task.cancel()
        await asyncio.wait(tasks[2:6])
        assert len(passwords._waiting) == 2, "the two that are still there"
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert await asyncio.gather(*(passwords.right(kept, PASSWORD) for _ in range(4))) == [True] * 4
        assert not passwords._waiting

    run(test)


# ── tries


def test_ten_within_a_quarter_of_an_hour() -> None:
    clock = TwoClocks()
    tries = Tries(clock)
    for _ in range(10):
        tries.begin(["a", "b"])
        clock.seconds += 10
    for key in ("a", "b"):
        with pytest.raises(TooMany) as caught:
            tries.begin(["c", key])
        assert caught.value.seconds == 801 and "come back in 14 min" in str(caught.value)
    clock.seconds += 800
    began = tries.begin(["a"])
    with pytest.raises(TooMany):
        tries.begin(["a"])
    tries.succeed(["a"], began)
    tries.begin(["a"])
    for _ in range(10):
        tries.begin(["c"])


def test_what_is_remembered_is_bounded() -> None:
    tries = Tries(TwoClocks())
    for number in range(REMEMBERED + 500):
        tries.begin([f"name {number}"])
    assert len(tries._failed) == REMEMBERED
    tries.succeed(["name 0", f"name {REMEMBERED}"], 100.0)
    assert len(tries._failed) == REMEMBERED - 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "unix", False),
        ("x" * 200, "x" * 300, True),
    ],
)
def test_where_a_try_comes_from(one: str, other: str, same: bool) -> None:
    assert (source_key(one) == source_key(other)) is same
