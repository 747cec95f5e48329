"""Operations on PostgreSQL: what happens before, what the process does that dies, and what that changes as a whole."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import promoting
from concurrency.office import DOCUMENT, ICON, PASS_TYPE, TEAM
from crashpoints import facts
from crashpoints.on_postgres.serving import Process
from crashpoints.on_postgres.world import FIRST, OTHER, SECOND, World
from livepass.core.history import Reason
from livepass.pkpass import Template
from livepass.service import keeping
from livepass.service.access import SCOPES, Access, Caller
from livepass.service.drafting import Wish
from livepass.service.safekeeping import Safekeeping
from livepass.store import owing

THIRD = (PASS_TYPE, "3")
DAY_MS = 86_400_000
RETOLD_MS = 3_600_000
"""By then a phone that was told and did not fetch is told again."""
ADMIN = Caller("admin", "default", frozenset(SCOPES))
NEW_SECRET = "B" * 43

PUSHED = (
    "SELECT push_token, wanted, acked, pushed, attempts, lease IS NULL, dead_at IS NULL FROM push_target ORDER BY 1",
    "SELECT kind, count(*) FROM event WHERE kind LIKE 'push%' OR kind LIKE 'circuit%' GROUP BY kind",
)
SPREAD = (
    "SELECT count(*) FROM fan_out",
    "SELECT spread IS NULL FROM counter",
    "SELECT push_token, wanted FROM push_target ORDER BY 1",
)
KEYS = (*facts.SHARED_KEYS, "SELECT id, key_sealed FROM certificate ORDER BY id")


@dataclass(frozen=True)
class Operation:
    """``work``: in the process that dies. ``facts``: SELECTs over what it changes as a whole. ``states``: how many
    values of them anybody may see, the one before and the one after included.

    ``prepare``: once, in another process. ``begin``: what happens to phones just before; the process gets what they
    then send. ``after``: when all is quiet again. ``pushes``: how often a phone may be pushed for it, a death included.
    ``gapless``: the diary still names every number.
    """

    name: str
    work: Callable[[Process], Awaitable[Any]]
    facts: tuple[str, ...]
    states: int = 2
    prepare: Callable[[World, Process], Awaitable[Any]] | None = None
    begin: Callable[[World], Any] | None = None
    after: Callable[[Process], Awaitable[Any]] | None = None
    pushes: int | None = None
    gapless: bool = True
    from_the_start: bool = False


# ── phones


async def answer(process: Process) -> None:
    statuses = await process.answer()
    assert statuses, "nobody asked for anything"
    assert max(statuses) < 400, statuses


async def answer_and_note(process: Process) -> None:
    """Until it is written down what was observed, which no answer waits for."""
    await answer(process)
    await process.services.recorder.settle()


def register_new(world: World) -> None:
    world.phones[1].wallet.add(world.pkpasses[SECOND], world.now)


def register_again(world: World) -> None:
    wallet = world.phones[0].wallet
    wallet.register(wallet.passes[FIRST], world.now)


async def changed(world: World, process: Process) -> None:
    await world.put(process, FIRST, value="changed")


async def changed_and_told(world: World, process: Process) -> None:
    """A phone was told; its fetch is under way."""
    await changed(world, process)
    world.phones[0].wallet.push(PASS_TYPE, world.now)
    await world.exchange(process)
    await process.services.recorder.settle()


async def told_in_vain(world: World, process: Process) -> None:
    """Its fetch never arrived, until it is due to be told again."""
    await changed_and_told(world, process)
    world.forward(process, RETOLD_MS)


async def say_something(process: Process) -> None:
    request = {"who": "phone0", "method": "POST", "address": "/wallet/v1/log", "headers": {}}
    body = json.dumps(
        {"logs": [f"Web service error for {PASS_TYPE} (https://localhost/wallet): Server did not answer"]}
    )
    status, _, _ = await process.ask({**request, "body": body})
    assert status == 200
    await process.services.recorder.settle()


# ── issuers


def put(*keys: tuple[str, str], value: str = "changed", push: Any = "auto") -> Callable[[Process], Awaitable[Any]]:
    async def work(process: Process) -> None:
        wishes = [Wish(*key, template="membership", data={"value": value}) for key in keys]
        await process.services.issuing.put_many(wishes, push)

    return work


async def void(process: Process) -> None:
    await process.services.issuing.put_many([Wish(*FIRST, void=True)], "auto")


def _template() -> Template:
    document = json.dumps({**DOCUMENT, "description": "Another membership"}).encode()
    return Template.from_files("membership", {"pass.json": document, "icon.png": ICON, "icon@2x.png": ICON})


async def publish(process: Process) -> None:
    """As the API does: it answers before passes follow."""
    await process.services.publishing.publish(_template())


async def publish_and_wait(process: Process) -> None:
    await process.services.publishing.publish(_template(), wait=True)


async def another_certificate(world: World, _: Process) -> None:
    issued = world.authority.pass_certificate(PASS_TYPE, TEAM)
    pems = (issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    folder = world.folder
    for name, pem in zip(("certificate", "key", "intermediate"), pems, strict=True):
        (folder / f"{name}.pem").write_bytes(pem)


async def import_certificate(process: Process) -> None:
    ca_file = process.services.config.apns_ca_file
    assert ca_file is not None
    pems = [(ca_file.parent / f"{name}.pem").read_bytes() for name in ("certificate", "key", "intermediate")]
    await process.services.admitting.import_pem(*pems)


async def certificate_imported(world: World, process: Process) -> None:
    await another_certificate(world, process)
    await import_certificate(process)


async def promote(process: Process) -> None:
    store, now = process.services.store, process.services.clock.now()
    [other] = [one for one in await store.certificates(PASS_TYPE) if one.promoted_at is None]
    await store.write(lambda tx: promoting.promote(tx, PASS_TYPE, other.id, now))


def access(process: Process) -> Access:
    services = process.services
    return Access(services.store, services.clock, services.chance, ())


async def create_key(process: Process) -> None:
    await access(process).create(ADMIN, "till", ("passes:read",), None)


async def key_created(_: World, process: Process) -> None:
    await create_key(process)


async def revoke_key(process: Process) -> None:
    [key] = await process.services.store.api_keys()
    await access(process).revoke(ADMIN, key.id)


# ── pushing and chores


async def push_due(process: Process) -> None:
    assert await process.dispatcher.work_once()


def one_is_gone(world: World) -> None:
    world.apns.kill_device(world.phones[1].wallet.push_token)
    world.phones.pop()


def fails(spec: str) -> Callable[[World], None]:
    """APNs answers each push token's next push with this."""
    return lambda world: [world.apns.chaos.set(spec, count=1, token=one.wallet.push_token) for one in world.phones]


async def many_owed(world: World, process: Process) -> None:
    """More phones than are made due at once."""
    before, owing.AT_ONCE = owing.AT_ONCE, 1
    try:
        await changed(world, process)
    finally:
        owing.AT_ONCE = before


async def fan_out(process: Process) -> None:
    keeping.FAN_OUT = 1
    await process.keeper.fan_out()


async def retell(process: Process) -> None:
    assert await process.keeper.retell()


async def chores(process: Process) -> None:
    await process.keeper.once()


async def long_ago(world: World, process: Process) -> None:
    """A phone left, and months passed: it may be forgotten."""
    world.phones[0].wallet.delete(*SECOND, world.now)
    await world.exchange(process)
    world.phones[0].wallet.delete(*OTHER, world.now)
    await world.exchange(process)
    world.forward(process, 100 * DAY_MS)


async def prune(process: Process) -> None:
    await process.keeper.prune()


async def new_epoch(process: Process) -> None:
    await process.services.recovering.recover(Reason.ASKED_FOR)


async def epoch_begun(_: World, process: Process) -> None:
    await new_epoch(process)


async def spread(process: Process) -> None:
    keeping.SPREAD = 1
    await process.keeper.spread_epochs()


async def nothing(_: Process) -> None:
    """To start is all."""


async def another_copy(world: World, _: Process) -> None:
    """As after a failover: the storage is another than the one that was known."""
    world.physical = "elsewhere"


# ── keys


def safekeeping(process: Process) -> Safekeeping:
    services = process.services
    return Safekeeping(services.store, services.keys, services.clock)


async def new_shared_key(process: Process) -> None:
    await safekeeping(process).renew()


async def two_secrets(world: World, _: Process) -> None:
    world.settings = {**world.settings, "secret_key": [NEW_SECRET, *world.settings["secret_key"]]}


async def reseal(process: Process) -> None:
    done = await safekeeping(process).reseal()
    assert not done.closed, done


async def all_is_sealed_anew(process: Process) -> None:
    """A second round ends what the first one began: then the old secret key is not needed any more."""
    await reseal(process)
    assert not (await safekeeping(process).seals()).due


OPERATIONS: tuple[Operation, ...] = (
    Operation("register, new", answer, facts.REGISTRATIONS, begin=register_new),
    Operation("register, again", answer, facts.REGISTRATIONS, begin=register_again),
    Operation(
        "register, new push token",
        answer,
        facts.REGISTRATIONS,
        begin=lambda world: world.phones[1].wallet.new_push_token(None, world.now),
    ),
    Operation(
        "unregister",
        answer,
        facts.REGISTRATIONS,
        begin=lambda world: world.phones[0].wallet.delete(*SECOND, world.now),
    ),
    Operation(
        "ask, 204",
        answer_and_note,
        facts.OBSERVED,
        begin=lambda world: world.phones[0].wallet.push(PASS_TYPE, world.now),
    ),
    Operation(
        "ask, changed",
        answer_and_note,
        facts.OBSERVED,
        prepare=changed,
        begin=lambda world: world.phones[0].wallet.push(PASS_TYPE, world.now),
    ),
    Operation("fetch, 200", answer_and_note, facts.OBSERVED, prepare=changed_and_told),
    Operation(
        "fetch, 304",
        answer_and_note,
        facts.OBSERVED,
        begin=lambda world: world.phones[0].wallet.pull_to_refresh(*FIRST, world.now),
    ),
    Operation("log", say_something, facts.TESTIMONY),
    Operation("put, new", put(THIRD), facts.PASSES),
    Operation("put, changed", put(FIRST), facts.PASSES),
    Operation("put, changed, push now", put(FIRST, push="now"), (*facts.PASSES, *PUSHED)),
    Operation("batch", put(FIRST, SECOND, THIRD), facts.PASSES),
    Operation("batch, two pass types", put(FIRST, SECOND, OTHER), facts.PASSES, states=3),
    Operation("void", void, facts.PASSES),
    Operation("erase", lambda process: process.services.issuing.erase(*SECOND), facts.ERASED, gapless=False),
    Operation(
        "push now",
        lambda process: process.services.issuing.push(*FIRST),
        ("SELECT push_token, urgent FROM push_target ORDER BY 1",),
        prepare=changed,
    ),
    Operation("template, published", publish, facts.TEMPLATES),
    Operation("template, rolled out", publish_and_wait, facts.ROLLED_OUT, states=4),
    Operation("certificate, imported", import_certificate, facts.CERTIFICATES, prepare=another_certificate),
    Operation("certificate, promoted", promote, facts.CERTIFICATES, prepare=certificate_imported),
    Operation("API key, created", create_key, facts.API_KEYS),
    Operation("API key, revoked", revoke_key, facts.API_KEYS, prepare=key_created),
    Operation("push, 200", push_due, PUSHED, states=3, prepare=changed, pushes=2),
    Operation("push, 410", push_due, PUSHED, states=3, prepare=changed, begin=one_is_gone, pushes=2),
    Operation("push, 429", push_due, PUSHED, states=3, prepare=changed, begin=fails("429"), pushes=2),
    Operation("push, 500", push_due, PUSHED, states=3, prepare=changed, begin=fails("status:500"), pushes=2),
    Operation("push, 403", push_due, PUSHED, states=3, prepare=changed, begin=fails("status:403"), pushes=2),
    Operation("retell", retell, facts.OBSERVED, prepare=told_in_vain),
    Operation("fan-out", fan_out, SPREAD, states=4, prepare=many_owed),
    Operation("chores", chores, (*SPREAD, *facts.PASSES), states=4, prepare=many_owed),
    Operation("prune", prune, facts.FORGOTTEN, states=9, prepare=long_ago, gapless=False),
    Operation("new epoch", new_epoch, facts.EPOCHS),
    Operation("new epoch, spread", spread, SPREAD, states=6, prepare=epoch_begun),
    Operation("start", nothing, facts.EPOCHS, from_the_start=True),
    Operation("start on another copy", nothing, facts.EPOCHS, prepare=another_copy, from_the_start=True),
    Operation("shared key, new", new_shared_key, facts.SHARED_KEYS),
    Operation("sealed anew", reseal, KEYS, states=4, prepare=two_secrets, after=all_is_sealed_anew),
)
