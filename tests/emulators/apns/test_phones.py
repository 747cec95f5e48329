"""One stored push per token and topic; expiry; death and revival; what a phone hears."""

from __future__ import annotations

import asyncio

import pytest

from livepass.emulators.apns.phones import Phones, UnknownToken

TOKEN = "ab" * 32
A, B = "pass.a", "pass.b"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def phones(clock: Clock) -> Phones:
    phones = Phones(clock)
    phones.register(TOKEN, [A, B])
    return phones


def test_one_push_per_topic_is_stored_and_the_later_overwrites(phones: Phones):
    first = phones.deliver(TOKEN, A, "1", None)
    phones.deliver(TOKEN, A, "2", None)
    phones.deliver(TOKEN, B, "3", None)
    assert [(push.topic, push.apns_id) for push in phones.take(TOKEN)] == [(A, "2"), (B, "3")]
    assert first.fate == "overwritten"
    assert phones.take(TOKEN) == []
    assert dict(phones.fates) == {"stored": 3, "overwritten": 1, "delivered": 2}


def test_expiration_zero_or_past_is_one_try(phones: Phones, clock: Clock):
    kept = phones.deliver(TOKEN, A, "1", None)
    assert phones.deliver(TOKEN, A, "2", 0).fate == "missed"
    assert phones.deliver(TOKEN, A, "3", int(clock.now) - 5).fate == "missed"
    assert phones.take(TOKEN) == [kept]


def test_expiration_zero_reaches_a_phone_that_has_just_listened(phones: Phones, clock: Clock):
    asyncio.run(phones.poll(TOKEN, 0))
    push = phones.deliver(TOKEN, A, "1", 0)
    clock.now += 1
    assert phones.take(TOKEN) == [push]
    late = phones.deliver(TOKEN, A, "2", 0)
    clock.now += 5
    assert phones.take(TOKEN) == []
    assert late.fate == "expired"
    assert phones.deliver(TOKEN, A, "3", 0).fate == "missed"


def test_a_stored_push_expires(phones: Phones, clock: Clock):
    short = phones.deliver(TOKEN, A, "1", int(clock.now) + 60)
    long = phones.deliver(TOKEN, B, "2", None)
    clock.now += 61
    assert phones.take(TOKEN) == [long]
    assert short.fate == "expired"
    phones.deliver(TOKEN, B, "3", None)
    clock.now += 31 * 86_400
    assert phones.take(TOKEN) == []


def test_offline_hears_nothing_and_online_catches_up(phones: Phones):
    async def scene() -> None:
        phones.set_online(TOKEN, False)
        phones.deliver(TOKEN, A, "1", None)
        phones.deliver(TOKEN, A, "2", None)
        assert phones.deliver(TOKEN, B, "3", 0).fate == "missed"
        assert await phones.poll(TOKEN, 0) == []
        waiting = asyncio.create_task(phones.poll(TOKEN, 10))
        await asyncio.sleep(0)
        phones.set_online(TOKEN, True)
        assert [push.apns_id for push in await waiting] == ["2"]

    asyncio.run(scene())


def test_a_waiting_phone_is_woken(phones: Phones):
    async def scene() -> None:
        waiting = asyncio.create_task(phones.poll(TOKEN, None))
        await asyncio.sleep(0)
        phones.deliver(TOKEN, A, "1", 0)
        assert [push.apns_id for push in await asyncio.wait_for(waiting, 10)] == ["1"]
        ending = asyncio.create_task(phones.poll(TOKEN, None))
        await asyncio.sleep(0)
        phones.close()
        assert await asyncio.wait_for(ending, 10) == []

    asyncio.run(scene())


def test_death_has_an_instant_and_discards_what_is_stored(phones: Phones, clock: Clock):
    stored = phones.deliver(TOKEN, A, "1", None)
    assert phones.kill(TOKEN) == int(clock.now * 1000)
    assert stored.fate == "discarded"
    assert phones.state(TOKEN, A).dead_at_ms == int(clock.now * 1000)
    assert phones.kill(TOKEN, timestamp_ms=5, reason="ExpiredToken") == 5
    assert (phones.state(TOKEN, A).dead_at_ms, phones.state(TOKEN, A).dead_reason) == (5, "ExpiredToken")
    assert phones.register(TOKEN, [A]) is True
    assert phones.state(TOKEN, A).dead_at_ms is None


def test_death_for_one_topic(phones: Phones):
    phones.deliver(TOKEN, A, "1", None)
    phones.deliver(TOKEN, B, "2", None)
    phones.kill(TOKEN, topics=[A], timestamp_ms=9)
    assert (phones.state(TOKEN, A).dead_at_ms, phones.state(TOKEN, B).dead_at_ms) == (9, None)
    assert [push.topic for push in phones.take(TOKEN)] == [B]


def test_registering_names_the_topics_exactly(phones: Phones):
    assert phones.register(TOKEN.upper(), ["*"]) is False
    assert phones.state(TOKEN, A).topics is None
    phones.register(TOKEN, [B])
    assert phones.state(TOKEN, A).topics == {B}


@pytest.mark.parametrize(("token", "topics"), [("zz", [A]), ("ab" * 31, [A]), (TOKEN, ["no topic"]), (TOKEN, A)])
def test_registering_nonsense(phones: Phones, token: str, topics: list[str]):
    with pytest.raises(ValueError, match="not a"):
        phones.register(token, topics)


def test_strict_and_automatic_tokens(clock: Clock):
    assert Phones(clock).state(TOKEN, A).known is False
    relaxed = Phones(clock, strict=False)
    assert relaxed.state(TOKEN, A).known is True
    assert relaxed.deliver(TOKEN, A, "1", None).fate == "stored"
    with pytest.raises(UnknownToken):
        Phones(clock).take(TOKEN)


def test_bursts_for_one_token_and_topic(clock: Clock):
    phones = Phones(clock, burst_limit=2, burst_seconds=1.0)
    phones.register(TOKEN, ["*"])
    for _ in range(2):
        assert not phones.state(TOKEN, A).too_many
        phones.deliver(TOKEN, A, "1", None)
    assert phones.state(TOKEN, A).too_many
    assert not phones.state(TOKEN, B).too_many
    clock.now += 2
    assert not phones.state(TOKEN, A).too_many


def test_dropped_on_the_way(phones: Phones):
    assert phones.deliver(TOKEN, A, "1", None, drop=True).fate == "dropped"
    assert phones.take(TOKEN) == []
