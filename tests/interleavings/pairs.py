"""The pairs: units of work that meet where only isolation keeps them right.

A pair is two works and what is there before; what must hold after every order of their statements are the rules, which
are the same for all pairs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import promoting
from concurrency.office import OTHER_TYPE, PASS_TYPE, TEAM
from interleavings.scene import ASKER, HOUR_MS, OLD, TOKENS, Claim, Scene, Side, Work, join, wish
from livepass.core.history import Reason
from livepass.core.model import DEFAULT_TENANT, Prunable
from livepass.core.trip2_push import PushAnswer, message, read_answer
from livepass.core.webhooks import FAILING_MS, Attempt
from livepass.service import pushing
from livepass.service.drafting import Wish
from livepass.service.epochs import begin_epochs
from livepass.service.issuing import Issued
from livepass.service.refusals import Conflict
from livepass.store import owing
from provider_keys import Minted

NEW_TOKEN = "02" * 32
APNS_KEY = "ABC123DEFG"
AT_ONCE = 2
"""Push targets that are made due at once where a pair is about many phones."""


# ── issuers


def change(*serials: str, **data: str) -> Work:
    async def change(side: Side) -> None:
        await _put(side, [wish(serial, **(data or {"value": side.name})) for serial in serials])

    return change


async def change_own_field(side: Side) -> None:
    await _put(side, [wish("1", **{"value" if side.name == "a" else "other": side.name})])


async def void(side: Side) -> None:
    await _put(side, [Wish(PASS_TYPE, "1", patch=True, void=True)])


def change_types(*pass_types: str) -> Work:
    async def change_types(side: Side) -> None:
        await _put(side, [wish("1", pass_type, value=side.name) for pass_type in pass_types])

    return change_types


async def issue(side: Side) -> None:
    data = {"value": side.name, "other": "new"}
    await _put(side, [Wish(PASS_TYPE, "9", template="membership", data=data)])


async def _put(side: Side, wishes: Sequence[Wish]) -> None:
    for one, result in zip(wishes, await side.services.issuing.put_many(wishes), strict=True):
        assert isinstance(result, Issued), result
        side.log.changed.append((side.name, one, result))


async def erase(side: Side) -> None:
    await side.services.issuing.erase(PASS_TYPE, "1")


async def push_now(side: Side) -> None:
    await side.services.issuing.push(PASS_TYPE, None)


# ── phones


def register(serial: str = "1", device: str = OLD, token: str | None = None) -> Work:
    async def register(side: Side) -> int:
        return await join(side, serial, device, token)

    return register


def new_phone(serial: str = "1") -> Work:
    async def new_phone(side: Side) -> int:
        return await join(side, serial, f"new{side.name}", f"0{side.name}" * 32)

    return new_phone


async def unregister(side: Side) -> int:
    allowed = await side.scene.authorization(PASS_TYPE, "1")
    return (await side.services.answering.unregister(PASS_TYPE, "1", OLD, allowed)).status


def ask(device: str = ASKER) -> Work:
    async def ask(side: Side) -> None:
        since = side.scene.tag if device == ASKER else None
        reply = await side.services.answering.ask(PASS_TYPE, device, since, device)
        if device == ASKER:
            side.log.told.append(side.scene.read(reply, since))
        await side.settle()

    return ask


async def fetch(side: Side) -> None:
    allowed = await side.scene.authorization(PASS_TYPE, "1")
    fetched = await side.services.answering.fetch(PASS_TYPE, "1", allowed, None, OLD)
    fetched.written()
    await side.settle()


# ── workers


async def claim(side: Side) -> None:
    now = side.now
    await _claim(side, now, now + HOUR_MS)


async def _claim(side: Side, now: int, until: int) -> Claim:
    targets = await side.write(
        lambda tx: tx.claim_targets(PASS_TYPE, lease=side.name, now=now, lease_until=until, limit=3)
    )
    side.log.claims.append(Claim(side.name, targets, until))
    return side.log.claims[-1]


def record(status: int, reason: str = "") -> Work:
    """Write down what APNs said to what was claimed before."""

    async def record(side: Side) -> None:
        claim, now = side.scene.claim, side.now
        assert claim is not None
        # Apple says that the token died long after it was registered: beyond any doubt, if it was not since.
        died = now if status == 410 else None
        outcomes = [
            read_answer(
                target,
                PushAnswer(message(target, "id", now), status, reason, died, "id"),
                now,
                1.0,
                trust_token_errors=True,
            )
            for target in claim.targets
        ]
        side.log.recorded.append(claim.lease)
        await side.write(lambda tx: tx.record_outcomes(claim.lease, outcomes, now))

    return record


async def refused(side: Side) -> None:
    """As the worker writes down that APNs refused the certificate."""
    claim, now = side.scene.claim, side.now
    assert claim is not None
    batch = pushing._Batch(side.services.store, claim.lease, side.services.clock, claim.targets, now)
    for target in claim.targets:
        answer = PushAnswer(message(target, "id", now), 403, "BadCertificate", None, "id")
        batch.add(read_answer(target, answer, now, 1.0, trust_token_errors=True))
    side.log.recorded.append(claim.lease)
    await batch.record()


async def choose(side: Side) -> None:
    await side.services.apns_keys.use(DEFAULT_TENANT, PASS_TYPE, APNS_KEY, probe=False)


async def choose_if_there(side: Side) -> None:
    with contextlib.suppress(Conflict):
        await choose(side)


async def retire(side: Side) -> None:
    with contextlib.suppress(Conflict):
        await side.services.apns_keys.retire(DEFAULT_TENANT, APNS_KEY)


async def hold(side: Side) -> None:
    claim, until = side.scene.claim, side.now + 5 * HOUR_MS
    assert claim is not None
    side.log.recorded.append(claim.lease)
    await side.write(lambda tx: tx.hold_targets(claim.lease, [(target, until) for target in claim.targets]))


# ── chores


async def begin_epoch(side: Side) -> None:
    services, now = side.services, side.now
    counters = await services.store.counters()
    await side.write(lambda tx: begin_epochs(tx, counters, Reason.ASKED_FOR, now=now, chance=services.chance, lost={}))


async def spread(side: Side) -> None:
    await side.write(lambda tx: tx.spread_epoch(side.now, 1))


async def fan_out(side: Side) -> None:
    await side.write(lambda tx: tx.fan_out(side.now, 1))


async def retell(side: Side) -> None:
    await side.write(lambda tx: tx.retell(side.now, 10))


def prune(*what: Prunable) -> Work:
    """With everything old that is older than a minute."""

    async def prune(side: Side) -> None:
        for one in what:
            await side.write(lambda tx, one=one: tx.prune(one, side.now - 60_000, 100))

    return prune


async def promote(side: Side) -> None:
    [one] = await side.services.store.certificates(PASS_TYPE)
    await side.write(lambda tx: promoting.promote(tx, PASS_TYPE, one.id, side.now))


# ── webhooks


async def webhook_failed(side: Side) -> None:
    """As the worker writes down that a receiver answered 500, after days of that."""
    endpoint, message = side.scene.webhook
    attempt = Attempt(endpoint, message, 1, side.now, 1, 500, "")

    async def record(tx: Any) -> None:
        await tx.record_webhook("w", attempt, None)
        await tx.judge_webhook_endpoint(endpoint, False, side.now, side.now - FAILING_MS)

    await side.write(record)


async def enable_webhook(side: Side) -> None:
    endpoint, _ = side.scene.webhook
    await side.services.webhooks.enable(DEFAULT_TENANT, endpoint, enabled=True)
    side.log.enabled.append(endpoint)


async def remove_webhook(side: Side) -> None:
    await side.services.webhooks.remove(DEFAULT_TENANT, side.scene.webhook[0])
    await side.write(lambda tx: tx.drop_removed_webhooks(10))


async def recover_webhook(side: Side) -> None:
    await side.services.webhooks.recover(DEFAULT_TENANT, side.scene.webhook[0], 0)


# ── what is there before


async def failing_webhook(scene: Scene) -> None:
    """Since long ago; a message is on its way there, and another one failed for good."""
    side = scene.sides["a"]
    made, _ = await side.services.webhooks.add(DEFAULT_TENANT, "https://hooks.example.com/", None, None)
    message = await side.services.webhooks.test(DEFAULT_TENANT, made.id)
    until = side.now + HOUR_MS
    claim = {"lease": "w", "now": side.now, "lease_until": until, "limit": 1}
    assert await side.write(lambda tx: tx.claim_webhooks(made.id, **claim))
    other = await side.services.webhooks.test(DEFAULT_TENANT, made.id)
    await scene.watch.execute(f"UPDATE webhook_message SET next_at = NULL WHERE id = '{other.id}'")
    await scene.watch.execute("UPDATE webhook_endpoint SET failing_since = 1")
    scene.webhook = made.id, message.id


async def claimed(scene: Scene) -> None:
    """By a worker that pushed them in vain for days: the next push is a day off."""
    await scene.watch.execute("UPDATE push_target SET attempts = 6")
    side = scene.sides["a"]
    scene.claim = await _claim(side, side.now, side.now + HOUR_MS)
    assert scene.claim.targets


async def with_a_key(scene: Scene) -> None:
    await scene.sides["a"].services.apns_keys.import_(DEFAULT_TENANT, Minted().p8, APNS_KEY, TEAM)


async def claimed_with_a_key(scene: Scene) -> None:
    await claimed(scene)
    await with_a_key(scene)


async def claimed_and_lapsed(scene: Scene) -> None:
    await claimed(scene)
    await scene.watch.execute("UPDATE push_target SET lease = 'late', lease_until = 1, next_at = 1 WHERE lease = 'a'")
    assert scene.claim is not None
    scene.claim = Claim("late", scene.claim.targets, 1)


async def left(scene: Scene) -> None:
    await unregister(scene.sides["a"])
    await scene.age()


async def forgotten(scene: Scene) -> None:
    """The phone left, and its registration is gone already."""
    await left(scene)
    await scene.watch.execute(f"DELETE FROM registration WHERE device_id = '{OLD}'")


async def dead(scene: Scene) -> None:
    await claimed(scene)
    await record(410)(scene.sides["a"])
    await scene.watch.execute("UPDATE push_target SET dead_at = 1 WHERE dead_at IS NOT NULL")


async def told(scene: Scene) -> None:
    """It asked and did not fetch, and is to be told again."""
    await ask(OLD)(scene.sides["b"])
    await scene.watch.execute("UPDATE registration SET retell_at = 1 WHERE retell_at IS NOT NULL")


async def new_history(scene: Scene) -> None:
    await begin_epoch(scene.sides["a"])


async def many(scene: Scene) -> None:
    """More phones than are made due at once."""
    for number in range(4):
        await join(scene.sides["a"], "1", f"many{number}", f"{number + 16:02x}" * 32)
    owing.AT_ONCE = AT_ONCE


async def many_put_off(scene: Scene) -> None:
    await many(scene)
    await change("1")(scene.sides["b"])


async def crowd(scene: Scene) -> None:
    """One phone more, and there are too many; the one that never asked is forgotten then."""
    await ask(OLD)(scene.sides["a"])
    await join(scene.sides["a"], "1", "silent", "77" * 32)
    await scene.age()
    await scene.age()
    for side in scene.sides.values():
        side.services.answering._phones_per_pass = 3


async def twin(scene: Scene) -> None:
    """The phone has a second device id, which stands for it."""
    await join(scene.sides["a"], "1", "twin", TOKENS[OLD])


async def twin_elsewhere(scene: Scene) -> None:
    """The phone has another pass under another device id: a push wakes it for both."""
    await join(scene.sides["a"], "2", "twin", TOKENS[OLD])


async def other_changed(scene: Scene) -> None:
    await change("2")(scene.sides["a"])


async def waiting_for_a_certificate(scene: Scene) -> None:
    await scene.watch.execute(
        "UPDATE push_target SET next_at = (extract(epoch FROM now()) * 1000)::bigint + 36000000, attempts = 0"
    )


async def _crowded(side: Side) -> int:
    status = await join(side, "1", f"new{side.name}", f"0{side.name}" * 32)
    await side.settle()
    return status


# ── the table


@dataclass(frozen=True)
class Pair:
    """``before``: what is there, made before the first order. ``erases``: its numbers go with a pass."""

    name: str
    first: Work
    second: Work
    before: Any = None
    erases: bool = False


PAIRS: tuple[Pair, ...] = (
    # ── numbers and tags
    Pair("change x change", change("1"), change("1")),
    Pair("change x change, each its field", change_own_field, change_own_field),
    Pair("change x change, other passes", change("1"), change("2")),
    Pair("batch x batch, turned round", change("1", "2"), change("2", "1")),
    Pair("types x types, turned round", change_types(PASS_TYPE, OTHER_TYPE), change_types(OTHER_TYPE, PASS_TYPE)),
    Pair("issue x issue", issue, issue),
    Pair("void x change", void, change("1", other="x")),
    Pair("void x register", void, new_phone()),
    Pair("change x register", change("1"), new_phone()),
    Pair("change x register, asking phone", change("1"), register("3", ASKER)),
    Pair("ask x change", ask(), change("1")),
    Pair("ask with news x change", ask(), change("1"), other_changed),
    Pair("ask x register", ask(), register("3", ASKER)),
    Pair("ask x ask", ask(), ask()),
    Pair("new epoch x change", begin_epoch, change("1")),
    Pair("new epoch x register", begin_epoch, new_phone()),
    Pair("new epoch x ask", begin_epoch, ask()),
    Pair("new epoch x fetch", begin_epoch, fetch, told),
    Pair("new epoch x record", begin_epoch, record(200), claimed),
    Pair("new epoch x retell", begin_epoch, retell, told),
    Pair("new epoch x new epoch", begin_epoch, begin_epoch),
    Pair("new epoch x spread", begin_epoch, spread, new_history),
    Pair("spread x change", spread, change("1"), new_history),
    Pair("spread x token change", spread, register(token=NEW_TOKEN), new_history),
    Pair("spread x spread", spread, spread, new_history),
    # ── phones
    Pair("register x register, one phone", register("1", "p", "03" * 32), register("1", "p", "04" * 32)),
    Pair("register x register, one token", register("1", "p", "03" * 32), register("1", "q", "03" * 32)),
    Pair("register x register, two phones", new_phone(), new_phone()),
    Pair("register x ask, one phone", register(), ask(OLD)),
    Pair("register x unregister", register(), unregister),
    Pair("token change x change", register(token=NEW_TOKEN), change("1")),
    Pair("token change x claim", register(token=NEW_TOKEN), claim),
    Pair("token change x record", register(token=NEW_TOKEN), record(200), claimed),
    Pair("second device id x ask", register("1", "twin", TOKENS[OLD]), ask(OLD)),
    Pair("ask x ask, two device ids", ask(OLD), ask("twin"), twin_elsewhere),
    Pair("second device id x change", register("1", "twin", TOKENS[OLD]), change("1")),
    Pair("unregister x ask of the one before", unregister, ask(OLD), twin),
    Pair("too many phones x ask", _crowded, ask("silent"), crowd),
    Pair("too many phones x register", _crowded, register("1", "silent", "77" * 32), crowd),
    # ── erasing and pruning
    Pair("erase x register", erase, new_phone(), erases=True),
    Pair("erase x register, again", erase, register(), erases=True),
    Pair("erase x ask", erase, ask(), erases=True),
    Pair("erase x unregister", erase, unregister, erases=True),
    Pair("erase x fetch", erase, fetch, told, erases=True),
    Pair("erase x retell", erase, retell, told, erases=True),
    Pair("erase x claim", erase, claim, erases=True),
    Pair("erase x record", erase, record(200), claimed, erases=True),
    Pair("erase x token change", erase, register(token=NEW_TOKEN), erases=True),
    Pair("erase x ask, two device ids", erase, ask("twin"), twin, erases=True),
    Pair("erase x change, other pass", erase, change("2"), erases=True),
    Pair("prune x phone that left", prune(Prunable.TOMBSTONES, Prunable.DEVICES, Prunable.TARGETS), register(), left),
    Pair("prune x forgotten phone", prune(Prunable.DEVICES, Prunable.TARGETS), register(), forgotten),
    Pair("prune x dead phone", prune(Prunable.DEAD, Prunable.DEVICES, Prunable.TARGETS), register(), dead),
    # ── pushes
    Pair("claim x claim", claim, claim),
    Pair("claim x change", claim, change("1")),
    Pair("claim x register", claim, new_phone()),
    Pair("claim x promote", claim, promote, waiting_for_a_certificate),
    Pair("claim x push now", claim, push_now),
    Pair("record 200 x change", record(200), change("1"), claimed),
    Pair("record 200 x ask", record(200), ask(OLD), claimed),
    Pair("record 410 x register", record(410), register(), claimed),
    Pair("record 410 x token change", record(410), register(token=NEW_TOKEN), claimed),
    Pair("record 410 x ask", record(410), ask(OLD), claimed),
    Pair("late record x claim", record(200), claim, claimed_and_lapsed),
    Pair("late hold x claim", hold, claim, claimed_and_lapsed),
    Pair("hold x change", hold, change("1"), claimed),
    Pair("hold x register", hold, register("2"), claimed),
    Pair("refused x choose", refused, choose, claimed_with_a_key),
    Pair("choose x change", choose, change("1"), claimed_with_a_key),
    Pair("choose x retire", choose_if_there, retire, with_a_key),
    Pair("promote x change", promote, change("1"), waiting_for_a_certificate),
    # ── webhooks
    Pair("webhook failed x enable", webhook_failed, enable_webhook, failing_webhook),
    Pair("webhook failed x remove", webhook_failed, remove_webhook, failing_webhook),
    Pair("webhook failed x recover", webhook_failed, recover_webhook, failing_webhook),
    # ── many phones, and told again
    Pair("fan-out x register", change("1"), new_phone(), many),
    Pair("fan-out x token change", fan_out, register(token=NEW_TOKEN), many_put_off),
    Pair("fan-out x change", fan_out, change("1", value="z"), many_put_off),
    Pair("fan-out x fan-out", fan_out, fan_out, many_put_off),
    Pair("fan-out x erase", fan_out, erase, many_put_off, erases=True),
    Pair("retell x fetch", retell, fetch, told),
    Pair("retell x ask", retell, ask(OLD), told),
    Pair("retell x retell", retell, retell, told),
    Pair("retell x change", retell, change("1"), told),
)
