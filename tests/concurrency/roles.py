"""The processes of the order test: issuers that change passes, phones that ask, and a keeper that does the chores."""

from __future__ import annotations

import asyncio
import io
import json
import random
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from concurrency.nursery import Say
from concurrency.office import OTHER_TYPE, PASS_TYPE, Settings, config
from livepass import wiring
from livepass.core.unavailable import Unavailable
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued
from livepass.service.keeping import Keeper

T = TypeVar("T")

SIZES = (1, 1, 1, 1, 5, 10, 20, 40)
"""How many passes a call changes."""
TRIES = 10
HOT = 30
"""So many passes change more often than the rest."""


async def writer(say: Say, *, settings: Settings, name: str, changes: int, passes: dict[str, list[str]]) -> None:
    """Change passes, one or a few to a call, until ``changes`` are acknowledged.

    Says ``changed, pass type, serial, number, last_modified, value`` for each, and ``busy`` for each refusal.
    """
    rng, done, value = random.Random(name), 0, 0
    async with wiring.opened(config(settings)) as services:
        while done < changes:
            pass_type = OTHER_TYPE if rng.random() < 0.02 else PASS_TYPE
            several = passes[pass_type]
            count = min(rng.choice(SIZES), len(several) // 10, changes - done)
            wishes = []
            for serial in rng.sample(several[:HOT] if count == 1 and rng.random() < 0.5 else several, count):
                value += 1
                wishes.append(Wish(pass_type, serial, data={"value": f"{name}-{value}"}, patch=True))
            push = rng.choice(("auto", "now", "none"))
            results = await patiently(lambda wishes=wishes, push=push: services.issuing.put_many(wishes, push))
            for wish, result in zip(wishes, results, strict=True):
                if isinstance(result, Issued):
                    assert result.changed
                    assert wish.data is not None
                    said = (pass_type, wish.serial, result.number, result.last_modified, wish.data["value"])
                    say("changed", *said)
                    done += 1
                else:
                    say("busy", result.title)


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Try again what was told that the database is too busy, as everybody does who gets a 503."""
    for _ in range(TRIES - 1):
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(0.2)
    return await work()


class Phone:
    """Wallet, in so far as order is concerned: it keeps the tag first, and then fetches whatever it was told of."""

    def __init__(self, services: wiring.Services, say: Say, device: str, rng: random.Random) -> None:
        self.services = services
        self.say = say
        self.device = device
        self.rng = rng
        self.tags: dict[str, str] = {}
        self.holds: dict[tuple[str, str], str | None] = {}
        self.allowed: dict[tuple[str, str], str] = {}
        self.push_token = rng.randbytes(32).hex()

    async def join(self, pass_type: str, serial: str) -> None:
        body = json.dumps({"pushToken": self.push_token}).encode()
        allowed = await self._allowed(pass_type, serial)
        answering = self.services.answering
        reply = await patiently(lambda: answering.register(pass_type, serial, self.device, allowed, body))
        assert reply.status in (200, 201), reply
        self.holds.setdefault((pass_type, serial), None)
        self.say("joined", self.device, pass_type, serial, reply.status)

    async def leave(self, pass_type: str, serial: str) -> None:
        allowed = await self._allowed(pass_type, serial)
        answering = self.services.answering
        reply = await patiently(lambda: answering.unregister(pass_type, serial, self.device, allowed))
        assert reply.status == 200, reply
        del self.holds[pass_type, serial]
        self.say("left", self.device, pass_type, serial)

    async def ask(self, pass_type: str) -> None:
        """One push's worth: ask, and fetch what is listed. Says ``asked, device, type, since, tag, told, fetched``."""
        since = self.tags.get(pass_type)
        reply = await self.services.answering.ask(pass_type, self.device, since, self.device)
        if reply.status == 204:
            self.say("asked", self.device, pass_type, number_of(since), None, [], {})
            return
        assert reply.status == 200, reply
        told = json.loads(reply.body)
        self.tags[pass_type] = told["lastUpdated"]
        # A phone ignores what it does not hold.
        mine = [serial for serial in told["serialNumbers"] if (pass_type, serial) in self.holds]
        fetched = {serial: await self._fetch(pass_type, serial) for serial in mine}
        numbers = number_of(since), number_of(told["lastUpdated"])
        self.say("asked", self.device, pass_type, *numbers, told["serialNumbers"], fetched)

    async def _fetch(self, pass_type: str, serial: str) -> str:
        """What the phone shows after it."""
        since = self.holds[pass_type, serial]
        allowed = await self._allowed(pass_type, serial)
        fetched = await self.services.answering.fetch(pass_type, serial, allowed, since, self.device)
        fetched.written()
        reply = fetched.reply
        if reply.status == 304:
            return "as before"
        assert reply.status == 200, reply
        self.holds[pass_type, serial] = dict(reply.headers)[b"last-modified"].decode()
        with zipfile.ZipFile(io.BytesIO(reply.body)) as package:
            shown: str = json.loads(package.read("pass.json"))["generic"]["primaryFields"][0]["value"]
        return shown

    async def _allowed(self, pass_type: str, serial: str) -> str:
        if (pass_type, serial) not in self.allowed:
            row = await self.services.store.pass_(pass_type, serial)
            assert row is not None
            token = self.services.keys.token("default", pass_type, serial, row.token)
            self.allowed[pass_type, serial] = f"ApplePass {token}"
        return self.allowed[pass_type, serial]


def number_of(tag: str | None) -> int | None:
    return None if tag is None else int(tag.split(".")[2])


async def phones(
    say: Say,
    *,
    settings: Settings,
    name: str,
    devices: Sequence[int],
    stride: int,
    small: int,
    passes: dict[str, list[str]],
    until: str,
) -> None:
    """Phones that take turns: ask, and now and then join, leave or get a new push token, until the file ``until``
    exists; then each asks a last time. Phone ``n`` follows every ``stride``-th pass, from the ``n``-th on; ``small``
    further ones follow two hot passes each, and so come back soon.
    """
    rng = random.Random(name)
    async with wiring.opened(config(settings)) as services:
        all_phones = [Phone(services, say, f"{name}-{number}", rng) for number in devices]
        for number, phone in zip(devices, all_phones, strict=True):
            for serial in passes[PASS_TYPE][number::stride]:
                await phone.join(PASS_TYPE, serial)
            await phone.join(OTHER_TYPE, rng.choice(passes[OTHER_TYPE]))
        for number in range(small):
            all_phones.append(Phone(services, say, f"{name}-small-{number}", rng))
            for serial in rng.sample(passes[PASS_TYPE][:HOT], 2):
                await all_phones[-1].join(PASS_TYPE, serial)
        say("ready")
        while not _is_there(until):
            phone = rng.choice(all_phones)
            await _something(phone, rng, passes)
        for phone in all_phones:
            for pass_type in (PASS_TYPE, OTHER_TYPE):
                await phone.ask(pass_type)


async def _something(phone: Phone, rng: random.Random, passes: dict[str, list[str]]) -> None:
    chance = rng.random()
    if chance < 0.75:
        await phone.ask(OTHER_TYPE if chance < 0.1 else PASS_TYPE)
    elif chance < 0.86:
        await phone.join(PASS_TYPE, rng.choice(passes[PASS_TYPE]))
    elif chance < 0.96:
        if len(phone.holds) > 1:
            await phone.leave(*rng.choice(sorted(phone.holds)))
    else:
        phone.push_token = rng.randbytes(32).hex()
        await phone.join(*rng.choice(sorted(phone.holds)))


def _is_there(file: str) -> bool:
    return Path(file).exists()


async def keeper(say: Say, *, settings: Settings, until: str) -> None:
    """The chores, round after round."""
    async with wiring.opened(config(settings)) as services:
        chores = Keeper(services.store, services.issuing, services.clock, services.scheduler, services.due)
        rounds = 0
        while not _is_there(until):
            chores._prune_at = 0
            await chores.once()
            rounds += 1
            await asyncio.sleep(0.2)
        say("rounds", rounds)
