"""Every operation of the service that writes, or answers from what was written: what it does, and what it changes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crashpoints.facts import (
    ANSWERED,
    API_KEYS,
    CERTIFICATES,
    ENROLMENTS,
    EPOCHS,
    ERASED,
    FORGOTTEN,
    OBSERVED,
    PASSES,
    REGISTRATIONS,
    ROLLED_OUT,
    SHARED_KEYS,
    TEMPLATES,
    TESTIMONY,
)
from crashpoints.scene import FIRST, SECOND, TYPE, Operation, Scene
from livepass.core.history import Reason
from livepass.core.model import SigningRequest
from livepass.core.sealed import Sealable
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import Secrets
from livepass.pkpass import Template
from livepass.pkpass.signing_request import public_sha256
from livepass.service.access import SCOPES, Access, Caller
from livepass.service.drafting import Wish
from livepass.service.safekeeping import Safekeeping
from livepass.store import owing
from simulation.faults import Faults
from simulation.issuers import TEMPLATE, template
from simulation.loop import Future
from simulation.network import Exchange
from simulation.papers import certificate
from simulation.ports import SeededChance
from simulation.process import SECRET

THIRD = (TYPE, "card-2")
DAY = 86400.0
NEW_SECRET = "B" * 43
ADMIN = Caller("admin", "default", frozenset(SCOPES))


# ── phones


async def register_new(scene: Scene) -> None:
    scene.phones[1].add(await scene.do(lambda: scene.process.issuing.pkpass(*SECOND)))
    await scene.answer("register")


async def register_again(scene: Scene) -> None:
    phone = scene.phones[0]
    phone.wallet.register(phone.wallet.passes[FIRST], scene.loop.now)
    phone.pump()
    await scene.answer("register")


async def register_new_token(scene: Scene) -> None:
    scene.phones[1].new_token()
    await scene.answer("register")


async def unregister(scene: Scene) -> None:
    scene.phones[0].delete(SECOND)
    await scene.answer("unregister")


async def ask_nothing_new(scene: Scene) -> None:
    scene.phones[0].push(TYPE)
    assert (await scene.answer("ask")).status == 204
    await scene.do(scene.process.recorder.settle)


async def quietly_changed(scene: Scene) -> None:
    await scene.put(FIRST, points="quietly", push="none")


async def ask_changed(scene: Scene) -> None:
    scene.phones[0].push(TYPE)
    assert (await scene.answer("ask")).status == 200
    await scene.do(scene.process.recorder.settle)


async def ask_and_fetch(scene: Scene) -> None:
    scene.phones[0].push(TYPE)
    assert (await scene.answer("fetch")).status == 200
    await scene.do(scene.process.recorder.settle)


async def fetch_unchanged(scene: Scene) -> None:
    scene.phones[0].wallet.pull_to_refresh(*FIRST, scene.loop.now)
    scene.phones[0].pump()
    assert (await scene.answer("fetch")).status == 304
    await scene.do(scene.process.recorder.settle)


async def request(scene: Scene, kind: str, method: str, path: str, body: bytes = b"") -> Exchange:
    future: Future[Exchange | None] = scene.loop.future()
    device = "f" * 32 if kind == "ask" else ""
    exchange = Exchange("somebody", kind, method, f"/wallet/v1/{path}", "", {}, body, TYPE, "", device, 1)
    scene.network.send(exchange, future.set)
    answered: Exchange = await scene.answer(kind)
    return answered


async def ask_unknown(scene: Scene) -> None:
    await request(scene, "ask", "GET", f"devices/{'f' * 32}/registrations/{TYPE}")
    await scene.do(scene.process.recorder.settle)


async def testimony(scene: Scene) -> None:
    line = f"Web service error for {TYPE} (https://localhost/wallet): Server did not answer"
    answered = await request(scene, "log", "POST", "log", json.dumps({"logs": [line]}).encode())
    assert answered.status == 200
    await scene.do(scene.process.recorder.settle)


async def a_form_is_offered(scene: Scene) -> None:
    """And the phone has the version with the form."""
    form = {"description": "Join.", "requiredPersonalizationFields": ["PKPassPersonalizationFieldName"]}
    files = {**template(1).files, "personalization.json": json.dumps(form).encode()}
    await scene.do(lambda: scene.process.publishing.publish(Template.from_files(TEMPLATE, files), wait=True))
    while any(phone.wallet.offers(*FIRST) is None for phone in scene.phones):
        await scene.loop.sleep(1.0)


async def sign_up(scene: Scene) -> None:
    phone = scene.phones[0]
    phone.wallet.personalize(*FIRST, {"fullName": "Ada Lovelace"}, scene.loop.now)
    phone.pump()
    assert (await scene.answer("personalize")).status == 200


async def one_signed_up(scene: Scene) -> None:
    """One of the two phones, without the other's having heard of it."""
    await a_form_is_offered(scene)
    scene.phones[1].on = False
    await sign_up(scene)
    await scene.loop.sleep(5.0)
    scene.phones[0], scene.phones[1] = scene.phones[1], scene.phones[0]
    scene.phones[0].on = True


# ── issuers


async def void(scene: Scene) -> None:
    await scene.do(lambda: scene.process.issuing.put_many([Wish(*FIRST, void=True)], "auto"))


async def publish(scene: Scene) -> None:
    await scene.do(lambda: scene.process.publishing.publish(template(1)))


async def publish_and_wait(scene: Scene) -> None:
    await scene.do(lambda: scene.process.publishing.publish(template(1), wait=True))


async def import_certificate(scene: Scene) -> None:
    issued = certificate(TYPE, 24 * 20)
    made = (issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    await scene.do(lambda: scene.process.admitting.import_pem(*made))


async def a_key_waits(scene: Scene) -> None:
    key = certificate(TYPE, 24 * 20).key
    sha256 = public_sha256(key.public_key())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = scene.process.keys.seal(Sealable.SIGNING_REQUEST, TYPE, sha256[:16], der)
    request = SigningRequest(sha256[:16], TYPE, sha256, sealed, 0)
    await scene.process.store.write(lambda tx: tx.put_signing_request(request))


async def answer_request(scene: Scene) -> None:
    """Nobody can have the certificate without its key, or lose the key of a certificate that did not come in."""
    await scene.do(lambda: scene.process.admitting.import_certificate(certificate(TYPE, 24 * 20).cer))


async def promote(scene: Scene) -> None:
    [other] = [one for one in await scene.process.store.certificates(TYPE) if one.promoted_at is None]
    await scene.do(partial(scene.promote, scene.process, TYPE, other))


def access(scene: Scene) -> Access:
    return Access(scene.process.store, scene.clock, SeededChance("keys"), ())


async def create_key(scene: Scene) -> None:
    await scene.do(lambda: access(scene).create(ADMIN, "till", ("passes:read",), None))


async def revoke_key(scene: Scene) -> None:
    [key] = await scene.process.store.api_keys()
    await scene.do(lambda: access(scene).revoke(ADMIN, key.id))


# ── pushing


def apple_says(status: int, reason: str) -> Callable[[Scene], Awaitable[None]]:
    """A change whose pushes get this answer for some seconds."""

    async def work(scene: Scene) -> None:
        usual = scene.apple.decide
        scene.apple.decide = lambda *_: (status, reason, None)  # type: ignore[method-assign]
        scene.loop.later(20.0, lambda: setattr(scene.apple, "decide", usual))
        await scene.put(FIRST, points="pushed", push="now")
        await scene.loop.sleep(2.0)

    return work


async def changed_and_told(scene: Scene) -> None:
    """All the way: the change, its pushes, the asks, the fetches, and what is written down of them."""
    await scene.put(FIRST, points="pushed", push="now")
    await scene.loop.sleep(2.0)


async def one_is_gone(scene: Scene) -> None:
    phone = scene.phones[1]
    phone.on = False
    scene.apple.retire(phone.wallet.push_token)
    await scene.loop.sleep(600.0)


async def fetch_given_up(scene: Scene) -> None:
    """A phone was told, and its fetch never arrived: until it is due to be told again."""
    waiting = "SELECT 1 FROM registration WHERE retell_at"
    for turn in range(20):
        await scene.put(FIRST, points=f"quietly {turn}", push="none")
        scene.phones[0].push(TYPE)
        await scene.answer("ask")
        scene.network.faults = Faults(request_lost=1.0)
        await scene.loop.sleep(2.0)
        if scene.server.look(f"{waiting} IS NOT NULL"):
            break
        # That was the answer to an ask of before, and the fetch got through.
        scene.network.faults = Faults()
        await scene.loop.sleep(60.0)
    while not scene.server.look(f"{waiting} <= ?", scene.clock.now()):
        await scene.loop.sleep(1.0)
    scene.network.faults = Faults()


# ── chores


def keeping(chore: str) -> Callable[[Scene], Awaitable[None]]:
    async def work(scene: Scene) -> None:
        await scene.do(getattr(scene.process.keeper, chore))

    return work


async def fan_out(scene: Scene) -> None:
    """More phones than are made due at once."""
    before, owing.AT_ONCE = owing.AT_ONCE, 1
    try:
        await scene.put(FIRST, points="many", push="auto")
    finally:
        owing.AT_ONCE = before
    await scene.do(scene.process.keeper.fan_out)


async def long_ago(scene: Scene) -> None:
    """A phone left, another went for good, and months passed: both may be forgotten."""
    scene.phones[0].delete(SECOND)
    await scene.answer("unregister")
    await one_is_gone(scene)
    await scene.put(FIRST, points="unheard", push="now")
    await scene.loop.sleep(600.0)
    scene.ledger.following.clear()
    scene.clock.off += 100 * DAY


async def prune(scene: Scene) -> None:
    await scene.do(scene.process.keeper.prune)


async def new_epoch(scene: Scene) -> None:
    await scene.do(lambda: scene.process.recovering.recover(Reason.ASKED_FOR))


async def new_epoch_everywhere(scene: Scene) -> None:
    """And its pushes are made due."""
    await new_epoch(scene)
    await scene.do(scene.process.keeper.spread_epochs)


async def start(scene: Scene) -> None:
    scene.process.kill_quietly()
    process = scene.born()
    await process.call(process.start)


async def put_back(scene: Scene) -> None:
    """An old copy of the file in the place of the database: the start begins a new history and replays the journal."""
    await scene.do(scene.process.stop)
    scene.process.kill_quietly()
    scene.server.restore(scene.backups[0], promoted=False)
    process = scene.born()
    await process.call(process.start)
    await process.call(process.recovering.replay_if_due)


async def failed_over(scene: Scene) -> None:
    """A standby that was behind: whoever writes first begins a new history."""
    scene.server.restore(scene.backups[0], promoted=True)
    await scene.do(scene.process.store.recheck)
    await scene.do(scene.process.recovering.replay_if_due)


async def behind(scene: Scene) -> None:
    """What the copy does not hold: a registration and a change."""
    scene.backups[:] = [scene.server.snapshot()]
    await register_new(scene)
    await scene.put(FIRST, points="lost", push="auto")
    await scene.loop.sleep(60.0)


async def stop(scene: Scene) -> None:
    await scene.do(scene.process.stop)
    scene.process.kill_quietly()
    process = scene.born()
    await process.call(process.start)


# ── keys


def safekeeping(scene: Scene) -> Safekeeping:
    return Safekeeping(scene.process.store, scene.process.keys, scene.clock)


async def new_shared_key(scene: Scene) -> None:
    await scene.do(lambda: safekeeping(scene).renew())


async def two_secrets(scene: Scene) -> None:
    scene.secrets = (NEW_SECRET, SECRET)
    scene.process.kill_quietly()
    process = scene.born()
    await process.call(process.start)


async def reseal(scene: Scene) -> None:
    done = await scene.do(lambda: safekeeping(scene).reseal())
    assert not done.closed, done


async def opens_with_the_new_one(scene: Scene) -> None:
    """A second round ends what the first one began; then the old secret key is not needed any more."""
    await reseal(scene)
    store = scene.process.store
    ring = SealedKeyRing(Secrets([NEW_SECRET], SeededChance("seals").token_bytes), b"")
    ring.adopt(await store.shared_keys())
    for one in await store.certificates(None):
        ring.open(one)


def put(*keys: tuple[str, str], points: str = "changed") -> Callable[[Scene], Awaitable[Any]]:
    return lambda scene: scene.put(*keys, points=points)


OPERATIONS: tuple[Operation, ...] = (
    Operation("register, new", register_new, REGISTRATIONS),
    Operation("register, again", register_again, REGISTRATIONS),
    Operation("register, new push token", register_new_token, REGISTRATIONS),
    Operation("unregister", unregister, REGISTRATIONS),
    Operation("ask, 204", ask_nothing_new, OBSERVED),
    Operation("ask, changed", ask_changed, OBSERVED, states=3, prepare=quietly_changed),
    Operation("ask, unknown", ask_unknown, REGISTRATIONS),
    Operation("fetch, 200", ask_and_fetch, OBSERVED, states=3, prepare=quietly_changed),
    Operation("fetch, 304", fetch_unchanged, OBSERVED),
    Operation("log", testimony, TESTIMONY),
    Operation("sign-up, first", sign_up, ENROLMENTS, prepare=a_form_is_offered),
    Operation("sign-up, second", sign_up, ENROLMENTS, prepare=one_signed_up),
    Operation("put, new", put(THIRD), PASSES),
    Operation("put, changed", put(FIRST), PASSES),
    Operation("put, unchanged", put(FIRST, points="start"), PASSES),
    Operation("batch", put(FIRST, SECOND, THIRD), PASSES),
    Operation("void", void, PASSES),
    Operation("erase", lambda scene: scene.do(lambda: scene.process.issuing.erase(*SECOND)), ERASED),
    Operation("push now", lambda scene: scene.do(lambda: scene.process.issuing.push(*FIRST)), PASSES),
    Operation("template, published", publish, TEMPLATES),
    Operation("template, rolled out", publish_and_wait, ROLLED_OUT, states=3),
    Operation("certificate, imported", import_certificate, CERTIFICATES),
    Operation("certificate, of a waiting key", answer_request, ANSWERED, prepare=a_key_waits),
    Operation("certificate, promoted", promote, CERTIFICATES, prepare=import_certificate),
    Operation("API key, created", create_key, API_KEYS),
    Operation("API key, revoked", revoke_key, API_KEYS, prepare=create_key),
    Operation("pushed, asked, fetched", changed_and_told, PASSES),
    Operation("push, 410", changed_and_told, PASSES, prepare=one_is_gone),
    Operation("push, 429", apple_says(429, "TooManyRequests"), PASSES),
    Operation("push, 500", apple_says(500, "InternalServerError"), PASSES),
    Operation("push, 403", apple_says(403, "Forbidden"), PASSES),
    Operation("push, no answer", apple_says(0, "ConnectionLost"), PASSES),
    Operation("retell", keeping("retell"), OBSERVED, prepare=fetch_given_up),
    Operation("fan-out", fan_out, PASSES),
    Operation("chores", keeping("once"), PASSES),
    Operation("prune", prune, FORGOTTEN, states=9, prepare=long_ago),
    Operation("new epoch", new_epoch, EPOCHS),
    Operation("new epoch, spread", new_epoch_everywhere, EPOCHS),
    Operation("start", start, EPOCHS),
    Operation("stop and start", stop, EPOCHS),
    Operation("restored in place, journal", put_back, EPOCHS, states=4, prepare=behind),
    Operation("failover, journal", failed_over, EPOCHS, states=4, prepare=behind),
    Operation("shared key, new", new_shared_key, SHARED_KEYS),
    Operation("sealed anew", reseal, SHARED_KEYS, states=4, prepare=two_secrets, after=opens_with_the_new_one),
)
