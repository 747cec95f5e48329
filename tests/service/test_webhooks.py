"""Webhooks over both engines, sent to a real HTTP receiver, judged by the library that receivers use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from livepass.core.model import Process, Prunable
from livepass.core.trip2_push import DAY, DEAD_KEPT_MS
from livepass.core.webhooks import ANSWERED_EVERY_MS, FAILING_MS, KEPT_MS, OVERLAP_MS, POLLED, SCHEDULE_MS, Attempt
from livepass.emulators.authority import Issued
from livepass.keys.ring import SealedKeyRing
from livepass.outside.tracing import OtelTracing
from livepass.outside.webhooks import WebhookPoster
from livepass.runtime import AsyncScheduler, WallClock
from livepass.service.access import Caller
from livepass.service.explaining import Explaining
from livepass.service.holders import Holders
from livepass.service.keeping import KEPT_MS as KEPT
from livepass.service.presence import Slowest
from livepass.service.refusals import Conflict, NotFound, Refusal
from livepass.service.stale import StaleWatch
from livepass.service.telling import BREATH_SECONDS, FEW_PLACES, LEASE_MS, LONG_BREATH_SECONDS, PLACES, Teller
from livepass.service.webhooks import MOST, Webhooks
from outside.collector import Collector
from service.receiver import Receiver, answer, receiver
from service.rig import TYPE, Rig, rig, until

pytestmark = pytest.mark.usefixtures("engine")
TENANT = "default"


CALLER = Caller("somebody", TENANT, frozenset({"holders:admin"}))


@dataclass
class World:
    """A process, its webhooks, and who receives them. Its teller works when the test says so."""

    rig: Rig
    to: Receiver
    hooks: Webhooks
    poster: WebhookPoster

    def teller(self, slowest: Slowest | None = None) -> Teller:
        return Teller(
            *(self.rig.store, self.rig.keys, self.poster, self.rig.clock, self.rig.chance, self.rig.scheduler),
            *(self.rig.tracing, slowest),
        )

    async def add(self, path: str = "/hooks", events: list[str] | None = None) -> tuple[str, str]:
        made, secret = await self.hooks.add(TENANT, self.to.url(path), events, None)
        return made.id, secret

    async def round(self, teller: Teller | None = None) -> None:
        """Everything that is due now, to its end."""
        teller = teller or self.teller()
        while True:
            await teller._one_round()
            if not teller._under_way.total():
                return
            await until(lambda: len(teller._sent) == teller._under_way.total())

    async def messages(self, id_: str) -> list[Any]:
        return list(await self.hooks.messages(TENANT, id_, before=None, limit=1000))


Steps = Callable[[World], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path, pass_certificate: Issued) -> Callable[[Steps], None]:
    def within(steps: Steps) -> None:
        async def main() -> None:
            async with rig(tmp_path, pass_certificate) as service, receiver() as to:
                poster = WebhookPoster(loopback=True, seconds=5)
                hooks = Webhooks(service.store, service.keys, poster, service.clock, service.chance)
                await steps(World(service, to, hooks, poster))

        asyncio.run(main())

    return within


def now_signed(world: World) -> None:
    """The library refuses what is old, so the process's time is real here."""
    world.rig.clock.at = WallClock().now()


def test_an_event_comes_signed_and_once(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        now_signed(world)
        id_, secret = await world.add()
        await world.hooks.test(TENANT, id_, "pass.issued")
        await world.round()
        [got] = world.to.received
        assert Webhook(secret).verify(got.body, got.headers)["type"] == "pass.issued"
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(got.body + b" ", got.headers)
        assert got.headers["content-type"] == "application/json"
        assert got.headers["host"] == f"127.0.0.1:{world.to.port}"
        await world.round()
        assert len(world.to.received) == 1
        [message] = await world.messages(id_)
        assert message.ok and message.next_at is None and message.attempts == 1
        [attempt] = await world.hooks.attempts(TENANT, id_, message.id)
        assert (attempt.status, attempt.number) == (204, 1)
        assert secret.encode() not in world.rig.on_disk()

    run(steps)


def test_a_pass_s_life_is_told_to_who_asked_for_it(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        every, _ = await world.add("/all")
        await world.add("/some", ["registration.created"])
        await world.hooks.add(TENANT, world.to.url("/other"), None, ["pass.test.elsewhere"])
        await world.rig.issue("1", 1)
        await world.rig.register("1", "phone-0123456789")
        await world.rig.change("1", 2)
        await world.round()
        told = [json.loads(each.body) for each in world.to.at("/all")]
        assert sorted(each["type"] for each in told) == ["pass.changed", "pass.issued", "registration.created"]
        by_name = {each["type"]: each["data"] for each in told}
        issued, changed = by_name["pass.issued"], by_name["pass.changed"]
        assert issued["serial"] == "1" and 0 < issued["number"] < changed["number"]
        row = await world.rig.store.pass_(TYPE, "1")
        assert row is not None and changed["number"] == row.seq
        assert b"phone-0123456789" not in b"".join(each.body for each in world.to.received)
        assert [json.loads(each.body)["type"] for each in world.to.at("/some")] == ["registration.created"]
        assert not world.to.at("/other")
        assert len(await world.messages(every)) == 3

    run(steps)


def test_what_is_rolled_back_is_not_told(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        id_, _ = await world.add()
        await world.rig.issue("1", 1)
        [event] = [each for each in await world.rig.timeline("1") if each.kind.value == "issued"]

        async def work(tx: Any) -> None:
            await tx.add_events([event])
            raise LookupError

        with pytest.raises(LookupError):
            await world.rig.store.write(work)
        assert len(await world.messages(id_)) == 1

    run(steps)


def test_what_is_no_2xx_is_tried_again_on_schedule_and_fails_in_the_end(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        world.to.answers["/hooks"] = answer("500 No", b"out of\x1b order")
        id_, _ = await world.add()
        await world.hooks.test(TENANT, id_)
        for count, wait in enumerate(SCHEDULE_MS[1:], 1):
            await world.round()
            assert len(world.to.received) == count
            world.rig.clock.pass_(wait - 1)
            await world.round()
            assert len(world.to.received) == count, "not before its time"
            world.rig.clock.pass_(1)
        await world.round()
        assert len({each.headers["webhook-id"] for each in world.to.received}) == 1
        [message] = await world.messages(id_)
        assert (message.attempts, message.next_at, message.ok) == (8, None, False)
        attempts = await world.hooks.attempts(TENANT, id_, message.id)
        assert [each.number for each in attempts] == list(range(1, 9))
        assert attempts[0].said == "out of  order"

        del world.to.answers["/hooks"]
        assert await world.hooks.recover(TENANT, id_, message.at + 1) == 0
        assert await world.hooks.recover(TENANT, id_, message.at) == 1
        await world.round()
        [message] = await world.messages(id_)
        assert message.ok
        await world.hooks.resend(TENANT, id_, message.id)
        await world.round()
        assert len(world.to.received) == 10
        with pytest.raises(NotFound):
            await world.hooks.resend(TENANT, id_, "msg_none")

    run(steps)


def test_a_redirect_is_not_followed_and_does_not_count(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        world.to.answers["/hooks"] = answer("307 There", b"", f"Location: {world.to.url('/there')}")
        id_, _ = await world.add()
        await world.hooks.test(TENANT, id_)
        await world.round()
        assert [each.path for each in world.to.received] == ["/hooks"]
        [message] = await world.messages(id_)
        assert not message.ok and message.next_at is not None

    run(steps)


def test_an_endpoint_that_answers_nothing_for_five_days_is_disabled(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        world.to.answers["/hooks"] = answer("503 Away")
        id_, _ = await world.add()
        for _ in range(2):
            await world.hooks.test(TENANT, id_)
            await world.round()
            assert (await world.hooks.get(TENANT, id_)).disabled_at is None
            world.rig.clock.pass_(FAILING_MS // 2 - 1)
        world.rig.clock.pass_(2)
        await world.hooks.test(TENANT, id_)
        await world.round()
        found = await world.hooks.get(TENANT, id_)
        assert found.disabled_at is not None and found.disabled_why == "failing"
        before = len(await world.messages(id_))
        await world.rig.issue("1")
        assert len(await world.messages(id_)) == before
        with pytest.raises(Conflict):
            await world.hooks.test(TENANT, id_)
        del world.to.answers["/hooks"]
        await world.hooks.enable(TENANT, id_, enabled=True)
        await world.hooks.test(TENANT, id_)
        await world.round()
        assert (await world.hooks.get(TENANT, id_)).failing_since is None

    run(steps)


def test_a_slow_and_a_dead_endpoint_hold_up_no_other(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        world.to.hold.add("/slow")
        slow, _ = await world.add("/slow")
        good, _ = await world.add("/good")
        dead, _ = await world.hooks.add(TENANT, "http://127.0.0.1:9/", None, None)
        teller = world.teller()
        for n in range(3 * PLACES):
            await world.rig.issue(str(n))
        for _ in range(40):
            await teller._one_round()
            await asyncio.sleep(0.02)
            if len(world.to.at("/good")) == 3 * PLACES:
                break
        assert len(world.to.at("/good")) == 3 * PLACES
        assert len(world.to.at("/slow")) == PLACES, "no more than its places"
        assert all(not each.ok for each in await world.messages(dead.id))
        failing = await world.hooks.get(TENANT, dead.id)
        assert failing.failing_since is not None and all(room <= FEW_PLACES for _, room in teller._rooms([failing]))
        world.to.release.set()
        await world.round(teller)
        assert len({each.headers["webhook-id"] for each in world.to.at("/slow")}) == 3 * PLACES
        assert all(each.ok for each in await world.messages(slow)) and all(
            each.ok for each in await world.messages(good)
        )

    run(steps)


def test_while_phones_are_served_slowly_few_webhooks_go_out(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        fetches = [0.6]

        async def slowest() -> float | None:
            return fetches[0]

        for path in ("/a", "/b", "/c"):
            world.to.hold.add(path)
            await world.add(path)
        for n in range(PLACES):
            await world.rig.issue(str(n))
        teller = world.teller(slowest)
        for _ in range(2):
            await teller._one_round()
            assert (teller._under_way.total(), teller._breath) == (3 * FEW_PLACES, LONG_BREATH_SECONDS)
        fetches[0] = 0.1
        world.rig.clock.pass_(round(1000 * LONG_BREATH_SECONDS))
        await teller._one_round()
        assert (teller._under_way.total(), teller._breath) == (3 * PLACES, BREATH_SECONDS)
        world.to.release.set()
        await world.round(teller)

    run(steps)


def test_no_more_than_so_many_are_under_way_to_all_and_each_endpoint_comes_to_it(
    run: Callable[[Steps], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(world: World) -> None:
        monkeypatch.setattr("livepass.service.telling.OVERALL", 2 * PLACES + 1)
        for path in ("/a", "/b", "/c", "/d"):
            world.to.hold.add(path)
            await world.add(path)
        for n in range(PLACES):
            await world.rig.issue(str(n))
        teller = world.teller()
        for _ in range(2):
            await teller._one_round()
            assert teller._under_way.total() == 2 * PLACES + 1
        world.to.release.set()
        await world.round(teller)
        assert {path: len(world.to.at(path)) for path in world.to.hold} == dict.fromkeys(world.to.hold, PLACES)

    run(steps)


def test_what_came_and_what_is_due_share_a_transaction(
    run: Callable[[Steps], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phones wait for each commit."""

    async def steps(world: World) -> None:
        for n in range(2 * PLACES):
            await world.rig.issue(str(n))
        await world.add()
        for n in range(2 * PLACES):
            await world.rig.change(str(n), 2)
        writes, write = [0], world.rig.store.write

        async def counted(work: Any) -> Any:
            writes[0] += 1
            return await write(work)

        monkeypatch.setattr(world.rig.store, "write", counted)
        await world.round()
        assert len(world.to.received) == 2 * PLACES
        assert writes == [3], "a claim; what came and a claim; what came"

    run(steps)


def test_what_came_while_the_database_was_away_is_written_down_afterwards(
    run: Callable[[Steps], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when it is sent again instead. After its lease it is: whatever cannot be written down must not stay."""

    async def steps(world: World) -> None:
        async def away(_: Any) -> Any:
            raise OSError

        id_, _ = await world.add()
        teller = world.teller()
        for lost in (False, True):
            message = await world.hooks.test(TENANT, id_)
            await teller._one_round()
            await until(lambda: teller._sent)
            with monkeypatch.context() as patched:
                patched.setattr(world.rig.store, "write", away)
                await teller._one_round()
                assert teller._under_way.total() == len(teller._sent) == 1
                if lost:
                    world.rig.clock.pass_(LEASE_MS)
                    await teller._one_round()
                    assert teller._under_way.total() == len(teller._sent) == 0
            await world.round(teller)
            sent = [each for each in world.to.received if each.headers["webhook-id"] == message.id]
            [attempt] = await world.hooks.attempts(TENANT, id_, message.id)
            assert (len(sent), attempt.number, attempt.status) == (1 + lost, 1, 204)

    run(steps)


def test_two_tellers_send_nothing_twice_at_once(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        id_, _ = await world.add()
        for n in range(30):
            await world.rig.issue(str(n))
        await asyncio.gather(world.round(world.teller()), world.round(world.teller()))
        sent = [each.headers["webhook-id"] for each in world.to.received]
        assert len(sent) == len(set(sent)) == 30
        assert all(each.ok for each in await world.messages(id_))

    run(steps)


def test_what_was_sent_and_not_recorded_is_sent_again_and_the_late_one_changes_nothing(
    run: Callable[[Steps], None],
) -> None:
    """A process that died in between, and one that was only slow."""

    async def steps(world: World) -> None:
        id_, _ = await world.add()
        message = await world.hooks.test(TENANT, id_)
        now = world.rig.clock.now()
        claim = {"now": now, "lease_until": now + LEASE_MS, "limit": 5}
        [claimed] = await world.rig.store.write(lambda tx: tx.claim_webhooks(id_, lease="dead", **claim))
        assert claimed.id == message.id
        await world.round()
        assert not world.to.received, "under a lease"
        world.rig.clock.pass_(LEASE_MS)
        await world.round()
        assert len(world.to.received) == 1
        late = Attempt(id_, message.id, 1, now, 1, 500, "late")
        assert not await world.rig.store.write(lambda tx: tx.record_webhook("dead", late, None))
        [message] = await world.messages(id_)
        assert message.ok and message.attempts == 1

    run(steps)


def test_a_rotated_secret_signs_for_a_day_beside_the_new_one(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        now_signed(world)
        id_, old = await world.add()
        _, new = await world.hooks.rotate(TENANT, id_)
        await world.hooks.test(TENANT, id_)
        await world.round()
        [got] = world.to.received
        for secret in (old, new):
            Webhook(secret).verify(got.body, got.headers)
        world.rig.clock.pass_(OVERLAP_MS)
        await world.hooks.test(TENANT, id_)
        await world.round()
        assert len(world.to.received[-1].headers["webhook-signature"].split(" ")) == 1

    run(steps)


def test_what_a_receiver_repeats_of_a_signature_is_struck_out(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        class Echo(WebhookPoster):
            async def post(self, url: str, headers: Any, body: bytes) -> tuple[int, str]:
                return 400, f"you sent {headers['webhook-signature']}"

        id_, _ = await world.add()
        message = await world.hooks.test(TENANT, id_)
        world.poster = Echo(loopback=True)
        await world.round()
        [attempt] = await world.hooks.attempts(TENANT, id_, message.id)
        assert attempt.said == "you sent …"

    run(steps)


def test_what_is_old_is_forgotten(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        assert KEPT[Prunable.WEBHOOKS] == KEPT[Prunable.WEBHOOK_ATTEMPTS] == KEPT_MS
        id_, _ = await world.add()
        message = await world.hooks.test(TENANT, id_)
        await world.round()
        world.rig.clock.pass_(KEPT_MS)
        await world.rig.keeper.prune()
        assert await world.messages(id_)
        world.rig.clock.pass_(1)
        await world.rig.keeper.prune()
        assert not await world.messages(id_) and not await world.hooks.attempts(TENANT, id_, message.id)

    run(steps)


def test_what_is_removed_is_gone_with_its_messages(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        id_, _ = await world.add()
        await world.hooks.test(TENANT, id_)
        await world.hooks.remove(TENANT, id_)
        await world.round()
        assert not world.to.received and not await world.hooks.all(TENANT)
        for work in (
            world.hooks.remove(TENANT, id_),
            world.hooks.get("elsewhere", id_),
            world.hooks.rotate(TENANT, id_),
        ):
            with pytest.raises(NotFound):
                await work
        await world.rig.keeper.drop_removed()
        assert world.rig.elsewhere("SELECT count(*) FROM webhook_message") == [(0,)]

    run(steps)


def test_what_was_sent_to_a_removed_endpoint_goes_some_at_a_time(
    run: Callable[[Steps], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one transaction a million of them would hold up every phone."""

    async def steps(world: World) -> None:
        service, store = world.rig, world.rig.store
        monkeypatch.setattr("livepass.service.keeping.PRUNED", 4)
        stays, goes, last = [(await world.add())[0] for _ in range(3)]
        for id_ in (stays, goes, last):
            for _ in range(5):
                await world.hooks.test(TENANT, id_)
        await world.round()
        assert service.elsewhere("SELECT count(*) FROM webhook_attempt") == [(15,)]
        for id_ in (goes, last):
            await world.hooks.remove(TENANT, id_)
        assert service.elsewhere("SELECT count(*) FROM webhook_message") == [(15,)], "removing takes no longer for it"
        with pytest.raises(NotFound):
            await world.messages(goes)
        assert await store.write(lambda tx: tx.drop_removed_webhooks(4)) == 8, "messages, and attempts"
        await service.keeper.drop_removed()
        for table in ("webhook_message", "webhook_attempt"):
            assert service.elsewhere(f"SELECT DISTINCT endpoint FROM {table}") == [(stays,)]
        assert len(await world.messages(stays)) == 5
        assert await store.write(lambda tx: tx.drop_removed_webhooks(4)) == 0

    run(steps)


def test_what_is_under_way_to_a_removed_endpoint_leaves_nothing(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        world.to.hold.add("/hooks")
        id_, _ = await world.add()
        await world.hooks.test(TENANT, id_)
        teller = world.teller()
        await teller._one_round()
        await until(lambda: world.to.received)
        await world.hooks.remove(TENANT, id_)
        world.to.release.set()
        await world.round(teller)
        await world.rig.keeper.drop_removed()
        assert world.rig.elsewhere("SELECT count(*) FROM webhook_message") == [(0,)]
        assert world.rig.elsewhere("SELECT count(*) FROM webhook_attempt") == [(0,)]

    run(steps)


def test_an_endpoint_that_is_enabled_again_is_not_disabled_by_what_failed_before(
    run: Callable[[Steps], None],
) -> None:
    async def steps(world: World) -> None:
        store, clock = world.rig.store, world.rig.clock
        world.to.answers["/hooks"] = answer("503 Away")
        id_, _ = await world.add()

        async def fail() -> None:
            await world.hooks.test(TENANT, id_)
            await world.round()

        await fail()
        clock.pass_(FAILING_MS + 1)
        world.to.hold.add("/hooks")
        await world.hooks.test(TENANT, id_)
        teller = world.teller()
        await teller._one_round()
        await until(lambda: len(world.to.received) > 1)
        now = clock.now()
        assert await store.write(lambda tx: tx.judge_webhook_endpoint(id_, False, now, now - FAILING_MS))
        clock.pass_(1000)
        await world.hooks.enable(TENANT, id_, enabled=True)
        world.to.release.set()
        await world.round(teller)
        found = await world.hooks.get(TENANT, id_)
        assert (found.disabled_at, found.failing_since) == (None, clock.now()), "it counts from the beginning"
        clock.pass_(FAILING_MS - 1)
        await fail()
        assert (await world.hooks.get(TENANT, id_)).disabled_at is None
        clock.pass_(1)
        await fail()
        assert (await world.hooks.get(TENANT, id_)).disabled_at is not None

    run(steps)


def test_bad_wishes_are_refused(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        for url in ("http://a.example/", "https://u:p@a.example/", "https://10.0.0.1/", "ftp://a.example", "https://"):
            with pytest.raises(Refusal, match="webhooks cannot go to"):
                await world.hooks.add(TENANT, url, None, None)
        with pytest.raises(Refusal, match="no event is called"):
            await world.hooks.add(TENANT, "https://a.example/", ["pass.installed"], None)
        for _ in range(MOST):
            await world.add()
        with pytest.raises(Conflict):
            await world.add()

    run(steps)


def test_a_teller_works_until_it_is_stopped(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        world.rig.scheduler = AsyncScheduler()  # type: ignore[assignment]
        teller, _ = world.teller(), await world.add()
        world.rig.scheduler.spawn(teller.run(), "webhooks")
        await world.rig.issue("1")
        await until(lambda: world.to.received)
        await teller.stop()
        await world.rig.issue("2")
        assert len(world.to.received) == 1
        await world.rig.scheduler.close()

    run(steps)


def test_a_message_stands_below_the_change_that_it_tells_of(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(collector: Collector) -> None:
        made: list[OtelTracing] = []

        def tracing(keys: SealedKeyRing) -> OtelTracing:
            made.append(OtelTracing(lambda: keys.tag_key, "1", 2048))
            return made[0]

        async with rig(tmp_path, pass_certificate, tracing=tracing) as service, receiver() as to:
            poster = WebhookPoster(loopback=True, seconds=5)
            world = World(
                service, to, Webhooks(service.store, service.keys, poster, service.clock, service.chance), poster
            )
            id_, _ = await world.add(events=["pass.issued"])
            await service.issue("1")
            await world.round()
            to.answers["/hooks"] = answer("500 Oh")
            await world.hooks.test(TENANT, id_)
            await world.round()
        await made[0].close()

    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        asyncio.run(main(collector))
    [change] = collector.named("change")
    of_change, of_nothing = sorted(collector.named("webhook"), key=lambda span: span.trace != change.trace)
    assert ((of_change.trace, of_change.parent), of_change.failed) == (change.place, None)
    assert of_change.facts["livepass.event"] == "pass.issued"
    assert (of_nothing.trace != change.trace, of_nothing.parent, of_nothing.failed) == (True, "", "500")
    assert b"127.0.0.1" not in collector.raw, "where webhooks go is not told: an address may hold a key"


def told_at(world: World, path: str = "/hooks") -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in world.to.at(path)]


def test_a_new_kind_of_line_in_a_phone_s_log_is_told_once(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        await world.rig.issue("1")

        async def post(*lines: str) -> None:
            world.rig.answering.testify(json.dumps({"logs": lines}).encode())
            await world.rig.recorder.settle()

        def line(text: str, pass_type: str = TYPE) -> str:
            return f"Web service error for {pass_type} (https://a.example): {text}"

        await post(line("Authentication failure"))
        await world.add("/hooks", ["device_log.new_kind"])
        await post(line("Authentication failure"), line("Server response was malformed"), line("malformed?", "pass.x"))
        await post(line("Server response was malformed"), line("the 'dog' ate it"))
        await post(line("the 'cat' ate it"))
        await world.round()
        told = [each["data"] for each in told_at(world)]
        assert [each["code"] for each in told] == ["T3", "?"], "known before, or told already, or of nobody's pass type"
        assert told[1]["shape"].endswith("the '…' ate it") and told[0]["meaning"] and told[0]["pass_type"] == TYPE

    run(steps)


def test_lines_of_ever_new_kinds_fill_no_database(
    run: Callable[[Steps], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(world: World) -> None:
        monkeypatch.setattr("livepass.store.webhooks.MOST_LOG_KINDS", 3)
        await world.rig.issue("1")
        for n in range(5):
            line = f"Web service error for {TYPE} (https://a.example): {'x' * n} unheard of"
            world.rig.answering.testify(json.dumps({"logs": [line]}).encode())
            await world.rig.recorder.settle()
        assert world.rig.elsewhere("SELECT count(*) FROM device_log_kind") == [(3,)]

    run(steps)


def test_a_registration_whose_token_is_dead_has_ended_and_is_forgotten_in_the_end(
    run: Callable[[Steps], None],
) -> None:
    async def steps(world: World) -> None:
        await world.add("/hooks", ["registration.ended"])
        for serial in ("1", "2"):
            await world.rig.issue(serial)
            await world.rig.register(serial)
        await world.rig.register("1", "another", "bb")
        world.rig.clock.pass_(DAY)
        world.rig.sender.answers["aa"] = (410, "Unregistered")
        await world.rig.change("1", 2)
        await world.rig.dispatcher.work_once()
        await world.round()
        first = [each["data"] for each in told_at(world)]
        assert sorted((each["serial"], each["reason"]) for each in first) == [("1", "apns_410"), ("2", "apns_410")]
        world.rig.clock.pass_(DEAD_KEPT_MS + 1)
        await world.rig.keeper.prune()
        await world.round()
        then = [each["data"] for each in told_at(world)[2:]]
        assert sorted((each["serial"], each["reason"]) for each in then) == [("1", "forgotten"), ("2", "forgotten")]
        assert len({each["device"] for each in first + then}) == 1, "the other phone follows its pass still"

    run(steps)


def test_a_pass_that_is_erased_is_told_once_and_names_no_phone(run: Callable[[Steps], None]) -> None:
    """By its serial and by its holder; nothing of one that nobody follows any more, nor of a canary's."""

    async def steps(world: World) -> None:
        service = world.rig
        await world.add("/hooks", ["registration.ended"])
        for serial in ("1", "2", "3", "4"):
            await service.issue(serial)
            await service.register(serial, f"phone-of-{serial}", serial * 2)
        await service.register("1", "another", "ab")
        service.elsewhere("UPDATE registration SET left_at = 1 WHERE serial = '3'")
        service.elsewhere("UPDATE pass SET holder = 'ada' WHERE serial = '2'")
        service.elsewhere("UPDATE pass SET serial = 'livepass-canary' WHERE serial = '4'")
        service.elsewhere("UPDATE registration SET serial = 'livepass-canary' WHERE serial = '4'")
        await service.issuing.erase(TYPE, "1")
        await Holders(service.store, service.issuing.enrolments, service.clock).forget(CALLER, "ada")
        await service.issuing.erase(TYPE, "3")
        await service.issuing.erase(TYPE, "livepass-canary")
        await world.round()
        about = {"pass_type": TYPE, "number": 0, "reason": "erased"}
        told = [each["data"] for each in told_at(world)]
        assert sorted(told, key=str) == [about | {"serial": serial} for serial in ("1", "2")]
        assert told[0] == about | {"serial": told[0]["serial"]}, "and nothing more"

    run(steps)


def test_a_pass_that_went_stale_is_told_once_until_it_healed(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        service = world.rig
        watch = StaleWatch(service.store, Explaining(service.store, service.clock), service.clock, service.scheduler)
        await service.issue("1")
        await service.issue("2")
        await service.register("1", "phone-0123456789")
        await service.register("2", "other-phone", "bb")
        now = service.clock.now()
        worker = Process("w", "host", 1, "worker", 1, now, now, None, 0)
        await service.store.write(lambda tx: tx.put_process(worker))
        await service.change("1", 2)
        assert await watch.once() == 0, "nobody listens"
        await world.add("/hooks", ["pass.stale"])
        assert await watch.once() == 0, "it is on its way"

        service.clock.pass_(DAY)
        assert await watch.once() == 1 and await watch.once() == 0
        row = await service.store.pass_(TYPE, "1")
        [verdict] = (await Explaining(service.store, service.clock).explain(TYPE, "1")).verdicts[:1]
        await world.round()
        [told] = [each["data"] for each in told_at(world)]
        assert row is not None and verdict.problem
        assert told | {"code": verdict.code, "remedy": verdict.remedy, "number": row.seq, "serial": "1"} == told
        assert verdict.code.startswith("LP") and "phone-01" not in json.dumps(told) and "Phone " in told["sentence"]

        await service.fetch("1")
        await service.recorder.settle()
        assert await watch.once() == 0
        assert service.elsewhere("SELECT count(*) FROM stale_pass") == [(0,)], "it healed"
        await service.change("1", 3)
        service.clock.pass_(DAY)
        assert await watch.once() == 1
        await service.issuing.erase(TYPE, "1")
        assert service.elsewhere("SELECT count(*) FROM stale_pass") == [(0,)]

    run(steps)


def test_stale_passes_are_found_some_at_a_time(run: Callable[[Steps], None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(world: World) -> None:
        monkeypatch.setattr("livepass.service.stale.EXPLAINED", 2)
        monkeypatch.setattr("livepass.service.stale.PAGE", 3)
        service = world.rig
        watch = StaleWatch(service.store, Explaining(service.store, service.clock), service.clock, service.scheduler)
        await world.add()
        for n in range(7):
            await service.issue(str(n))
            await service.register(str(n), f"phone-{n}", f"{n:02x}")
            await service.change(str(n), 2)
        service.clock.pass_(DAY)
        assert [await watch.once() for _ in range(6)] == [2, 2, 2, 1, 0, 0]

    run(steps)


def test_of_a_pass_that_many_follow_so_many_phones_are_looked_at(run: Callable[[Steps], None]) -> None:
    """Fails when a round walks all that follow a pass, or takes them in another order than ``livepass why``."""

    async def steps(world: World) -> None:
        service = world.rig
        await service.issue("1")
        for n in range(4):
            await service.register("1", f"phone-{n}", f"{n:02x}")
        await service.change("1", 2)
        service.elsewhere("UPDATE registration SET served = 99 WHERE device_id <> 'phone-2'")
        service.elsewhere("UPDATE registration SET left_at = 1, served = 0 WHERE device_id = 'phone-0'")

        async def behind(phones: int) -> bool:
            [(serial, found, _)] = await service.store.standing_page(TYPE, after="", limit=9, phones=phones)
            assert serial == "1"
            return found

        assert [await behind(phones) for phones in (1, 2, 3, 4)] == [False, False, True, True]

    run(steps)


def test_an_endpoint_that_is_polled_gets_messages_and_is_sent_nothing(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        made, _ = await world.hooks.add(TENANT, POLLED, None, None)
        await world.rig.issue("1")
        await world.round()
        [message] = await world.messages(made.id)
        assert message.attempts == 0 and not world.to.received
        assert (await world.hooks.get(TENANT, made.id)).failing_since is None

    run(steps)


def test_that_an_endpoint_answers_is_noted_and_not_with_each_message(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        id_, _ = await world.add()

        async def noted() -> int | None:
            await world.hooks.test(TENANT, id_)
            await world.round()
            return (await world.hooks.get(TENANT, id_)).answered_at

        began = world.rig.clock.at
        assert await noted() == began
        world.rig.clock.pass_(ANSWERED_EVERY_MS)
        assert await noted() == began
        world.rig.clock.pass_(1)
        assert await noted() == world.rig.clock.at
        world.to.answers["/hooks"] = answer("500 No")
        before, _ = world.rig.clock.at, world.rig.clock.pass_(1)
        assert await noted() == before
        del world.to.answers["/hooks"]
        assert await noted() == world.rig.clock.at, "after a failure at once"
        await world.hooks.rotate(TENANT, id_)
        assert (await world.hooks.get(TENANT, id_)).answered_at == world.rig.clock.at

    run(steps)


def test_what_waits_and_what_failed_comes_with_its_last_answer(run: Callable[[Steps], None]) -> None:
    async def steps(world: World) -> None:
        store = world.rig.store
        world.to.answers["/hooks"] = answer("500 No", b"first")
        id_, _ = await world.add()
        failed = await world.hooks.test(TENANT, id_)
        for wait in (*SCHEDULE_MS[1:], 0):
            await world.round()
            world.rig.clock.pass_(2 * wait)
        world.to.answers["/hooks"] = answer("503 Away", b"later")
        waits = await world.hooks.test(TENANT, id_)
        await world.round()
        untried = await world.hooks.test(TENANT, id_)
        await world.add("/other")
        [(message, last)] = await store.webhooks_unanswered(id_, failed=True, limit=9)
        assert last is not None and (message.id, last.status, last.said, last.number) == (failed.id, 500, "first", 8)
        found = await store.webhooks_unanswered(id_, failed=False, limit=9)
        assert [(one.id, answered and answered.said) for one, answered in found] == [
            (untried.id, None),
            (waits.id, "later"),
        ]
        assert len(await store.webhooks_unanswered(id_, failed=False, limit=1)) == 1
        assert (await store.webhook_counts(TENANT, most=9))[id_] == (2, 1)
        assert (await store.webhook_counts(TENANT, most=1))[id_] == (1, 1)
        assert len(await store.webhook_counts(TENANT, most=1)) == 2 and not await store.webhook_counts("no", most=1)
        assert [one.id for one in await store.webhooks_failing()] == [id_]

    run(steps)
