"""Pushing by key against the emulated APNs: tokens, connections, and each way in which APNs refuses a key."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apns.conftest import deliver
from apns.peer import TOPIC, message
from livepass.apns import ApnsSender, Patience, blocks
from livepass.apns.key_pool import KeyPool
from livepass.core.provider_token import WINDOW_MS
from livepass.core.trip2_push import PushCredential, PushMessage
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from provider_keys import Minted

START = WINDOW_MS * 743_000
MINUTE = 60_000
SECOND_TOPIC = "pass.test.second"


class Hands:
    """A wall clock (ms) in the test's hand; the emulated APNs may go by another one."""

    def __init__(self) -> None:
        self.at = START + 5 * MINUTE
        self.apples = 0

    def ours(self) -> int:
        return self.at

    def theirs(self) -> float:
        return (self.at + self.apples) / 1000


class Scene:
    def __init__(self, server: ApnsServer, sender: ApnsSender, key: Minted, hands: Hands) -> None:
        self.server, self.sender, self.key, self.hands = server, sender, key, hands

    async def push(self, messages: Sequence[PushMessage]) -> dict[tuple[int, str], int]:
        return dict((await deliver(self.sender, self.key.opened, messages)).tally)

    @property
    def connections(self) -> int:
        return int(str(self.server.stats()["connections_total"]))

    def watch(self, seconds: float) -> None:
        """Let the stopwatch of the pool go on."""
        [pool] = self.sender._pools.values()
        loop, was = pool._loop, pool._loop.time

        class Ahead:
            def __getattr__(self, name: str) -> Any:
                return getattr(loop, name)

            def time(self) -> float:
                return was() + seconds

        pool._loop = Ahead()  # type: ignore[assignment]


@asynccontextmanager
async def scene(authority: Authority, **options: Any):  # type: ignore[no-untyped-def]
    hands, key = Hands(), Minted()
    async with ApnsServer.under(authority, strict_tokens=False, clock=hands.theirs, **options) as server:
        server.know_key(key.known())
        sender = ApnsSender(
            server.url, ca_pem=authority.root_pem, deadline=5.0, patience=Patience(farewell=0.3), draw=lambda: 0.0,
            now=hands.ours,
        )  # fmt: skip
        yield Scene(server, sender, key, hands)
        await sender.close()
        assert server.internal_errors == 0


def run(authority: Authority, body: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with scene(authority, **options) as at:
            await body(at)

    asyncio.run(main())


def test_pushes_of_all_topics_go_over_one_connection_with_one_token(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        messages = [message(n, topic=(TOPIC, SECOND_TOPIC)[n % 2]) for n in range(400)]
        assert await at.push(messages) == {(200, ""): 400}
        assert at.connections == 1
        assert {entry.topic for entry in at.server.history()} == {TOPIC, SECOND_TOPIC}
        assert {entry.headers["authorization"] for entry in at.server.history()} == {"(present)"}

    run(authority, body)


def test_one_stream_until_a_push_was_accepted_whatever_the_peer_allows(authority: Authority) -> None:
    """This peer announces 1000 streams at once, so only our own rule is at work."""

    async def body(at: Scene) -> None:
        at.server.provider.keys = _KnownButNotCounted(at.server.provider.keys)
        at.server.chaos.set("latency:30")
        most = []
        pushing = asyncio.create_task(at.push([message(n) for n in range(20)]))
        while not at.server.history():
            [pool] = at.sender._pools.values() or [None]
            most.append(0 if pool is None else pool.stats().in_flight)
            await asyncio.sleep(0.005)
        assert max(most) == 1
        assert await pushing == {(200, ""): 20}

    run(authority, body)


class _KnownButNotCounted(dict[str, Any]):
    """Keys that are found, on a server that seems to have none."""

    def __bool__(self) -> bool:
        return False


def test_a_new_window_brings_a_new_token_on_the_same_connection(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        assert await at.push([message(1)]) == {(200, ""): 1}
        at.hands.at += WINDOW_MS
        at.watch(WINDOW_MS / 1000)
        assert await at.push([message(2)]) == {(200, ""): 1}
        [connection] = at.server._connections
        claims = json.loads(base64.urlsafe_b64decode(connection._bearer.token.split(".")[1] + "=="))
        assert claims == {"iss": at.key.team, "iat": (START + WINDOW_MS) // 1000}
        assert connection._bearer.since == at.hands.theirs()
        assert at.connections == 1

    run(authority, body)


def test_two_processes_show_the_same_token(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        await at.push([message(1)])
        other = ApnsSender(at.server.url, ca_pem=authority.root_pem, now=lambda: at.hands.at + 20 * MINUTE)
        await deliver(other, at.key.opened, [message(2)])
        tokens = {connection._bearer.token for connection in at.server._connections}
        assert at.connections == 2
        assert len(tokens) == 1
        await other.close()

    run(authority, body)


def test_an_expired_token_gives_way_to_a_younger_one_on_another_connection(authority: Authority) -> None:
    """Our clock is half an hour behind Apple's."""

    async def body(at: Scene) -> None:
        at.hands.at, at.hands.apples = START + 35 * MINUTE, 30 * MINUTE
        assert await at.push([message(n) for n in range(50)]) == {(200, ""): 50}
        assert at.connections == 2
        assert at.server.stats()["outcomes"] == {"403 ExpiredProviderToken": 1, "200": 50}

    run(authority, body)


def test_a_farewell_over_an_old_token_condemns_no_key_that_has_a_younger_one(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        at.server.chaos.set("goaway:ExpiredProviderToken", count=1)
        assert await at.push([message(n) for n in range(50)]) == {(200, ""): 50}
        at.server.chaos.set("goaway:ExpiredProviderToken", count=1)
        assert await at.push([message(51)]) == {(403, "ExpiredProviderToken"): 1}, "twice in twenty minutes: the clock"

    run(authority, body)


def test_a_clock_that_is_far_behind_is_told_so_and_stops(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        at.hands.apples = 2 * 60 * MINUTE
        assert await at.push([message(n) for n in range(50)]) == {(403, "ExpiredProviderToken"): 50}
        assert at.connections == 2
        assert len(at.server.history()) == 2, "and those that waited are not tried one by one"

    run(authority, body)


def test_a_token_that_changes_too_soon_is_put_off(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        at.hands.at = START + 39 * MINUTE
        assert await at.push([message(1)]) == {(200, ""): 1}
        at.hands.at += 2 * MINUTE
        assert await at.push([message(n) for n in range(2, 30)]) == {(200, ""): 28}
        outcomes = at.server.stats()["outcomes"]
        assert outcomes["200"] == 29  # type: ignore[index]
        assert outcomes["429 TooManyProviderTokenUpdates"] >= 1  # type: ignore[index]
        assert at.connections == 1

    run(authority, body)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda at: at.server.provider.revoke(at.key.id), "InvalidProviderToken"),
        (lambda at: at.server.know_key(at.key.known(environment="development")), "BadEnvironmentKeyIdInToken"),
        (lambda at: at.server.chaos.set("status:403:BadEnvironmentKeyInToken"), "BadEnvironmentKeyInToken"),
        (lambda at: at.server.chaos.set("status:403:MissingProviderToken"), "MissingProviderToken"),
        (lambda at: at.server.chaos.set("goaway:InvalidProviderToken"), "InvalidProviderToken"),
        (lambda at: at.server.chaos.set("status:403:UnrelatedKeyIdInToken"), "UnrelatedKeyIdInToken"),
    ],
)
def test_a_refused_key_is_not_tried_push_by_push(
    authority: Authority, spoil: Callable[[Scene], object], reason: str
) -> None:
    async def body(at: Scene) -> None:
        spoil(at)
        assert await at.push([message(n) for n in range(200)]) == {(403, reason): 200}
        assert len(at.server.history()) == 1
        assert await at.push([message(201)]) == {(403, reason): 1}
        assert at.connections == 1, "nor connected again at once"

    run(authority, body)


def test_a_refused_key_pushes_again_when_it_is_known_again(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        at.server.provider.revoke(at.key.id)
        assert await at.push([message(1)]) == {(403, "InvalidProviderToken"): 1}
        at.server.know_key(at.key.known())
        await asyncio.sleep(1.1)  # patience after a failure
        assert await at.push([message(n) for n in range(20)]) == {(200, ""): 20}

    run(authority, body)


def test_a_topic_made_later_goes_over_a_new_connection(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        at.server.provider.topics_of_team[at.key.team] = frozenset({TOPIC})
        assert await at.push([message(1)]) == {(200, ""): 1}
        at.server.provider.topics_of_team[at.key.team] |= {SECOND_TOPIC}
        assert await at.push([message(n, topic=SECOND_TOPIC) for n in range(40)]) == {(200, ""): 40}
        assert at.connections == 2

    run(authority, body)


def test_a_topic_that_is_not_allowed_takes_one_more_connection_and_no_storm(authority: Authority) -> None:
    async def body(at: Scene) -> None:
        at.server.know_key(at.key.known(topics=[TOPIC]))
        assert await at.push([message(1)]) == {(200, ""): 1}
        mixed = [message(n, topic=(TOPIC, SECOND_TOPIC)[n % 2]) for n in range(100)]
        assert await at.push(mixed) == {(200, ""): 50, (400, "TopicDisallowed"): 50}
        assert at.connections == 2
        fresh = [message(n, topic=SECOND_TOPIC) for n in range(200, 300)]
        assert await at.push(fresh) == {(400, "TopicDisallowed"): 100}
        assert at.connections == 3
        assert sum(entry.connection == 3 for entry in at.server.history()) == 1, "one is enough to know"

    run(authority, body)


@pytest.mark.parametrize("day", ["restarts", "overload", "bad-line", "hostile", "apple"])
def test_every_message_has_one_answer_on_bad_days(authority: Authority, day: str) -> None:
    async def body(at: Scene) -> None:
        at.server.chaos.preset(day)
        tally = await at.push([message(n) for n in range(200)])
        assert sum(tally.values()) == 200
        assert tally[200, ""] > 0
        assert not any(status == 403 for status, _ in tally)

    run(authority, body, seed=7)


def test_certificates_and_keys_beside_each_other(authority: Authority, credential: PushCredential) -> None:
    async def main() -> None:
        async with ApnsServer.under(authority, strict_tokens=False) as server:
            key = Minted()
            server.know_key(key.known())
            sender = ApnsSender(server.url, ca_pem=authority.root_pem)
            for shown in (credential, key.opened):
                ledger = await deliver(sender, shown, [message(n) for n in range(30)])
                assert ledger.tally == {(200, ""): 30}
            assert set(sender.stats()) == {credential.id, key.opened.id}
            assert [type(pool) is KeyPool for pool in sender._pools.values()] == [False, True]
            assert sum("authorization" in entry.headers for entry in server.history()) == 30
            await sender.close()

    asyncio.run(main())


def test_the_token_is_never_indexed_and_follows_a_change() -> None:
    writing = blocks.RequestBlocks("apns")
    writing.authorize("first")
    for _ in range(4):
        block = writing.block(message(1))
        assert b"\x1f\x08" + bytes([len(b"bearer first")]) + b"bearer first" in block
    used = writing._used
    writing.authorize("second")
    assert b"bearer second" in writing.block(message(1))
    assert b"first" not in writing.block(message(1))
    assert writing._used == used, "the peer's table holds nothing of it"
    with pytest.raises(ValueError, match="visible"):
        writing.authorize("a\r\nb")
