"""What people do to their phones, and what happens to the phones: each kind by a rate of its own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulation.network import Exchange
from simulation.phones import Phone

if TYPE_CHECKING:
    from simulation.world import World


class Fate:
    """One kind of event, ``a_day`` times a day over all phones."""

    def __init__(self, world: World, kind: str, a_day: float) -> None:
        self.world = world
        self.kind = kind
        self.a_day = a_day
        self.rng = random.Random(f"{world.seed}/{kind}")
        self.key: tuple[str, str] | None = None
        """The pass that has just changed, if that was waited for."""

    async def work(self) -> None:
        while self.a_day:
            await self.world.loop.sleep(self.rng.expovariate(self.a_day / 86400))
            if self.world.quiet:
                return
            key = None
            if self.rng.random() < 0.4:
                # Most goes wrong in the middle of something: while a change is on its way.
                key = await self.world.ledger.next_version()
                await self.world.loop.sleep(3 * self.rng.random())
            phones = [phone for phone in self.world.phones if phone.on]
            if self.world.quiet or not phones:
                return
            self.key = key
            await getattr(self, self.kind)(self.rng.choice(phones))

    async def offline(self, phone: Phone) -> None:
        if not phone.online:
            return
        phone.go_offline()
        self.world.loop.later(self.rng.expovariate(1 / self.rng.choice((120, 3600, 20000))), phone.come_back)

    async def reboot(self, phone: Phone) -> None:
        phone.reboot()

    async def new_token(self, phone: Phone) -> None:
        """Now and then shortly after the phone has registered with the one before."""
        if self.rng.random() < 0.4 and phone.online and phone.wallet.passes:
            for held in list(phone.wallet.passes.values()):
                phone.wallet.register(held, self.world.loop.now)
            phone.pump()
            await self.world.loop.sleep(self.rng.choice((1.0, 10.0, 60.0)))
        if phone.on:
            phone.new_token()

    async def toggled(self, phone: Phone) -> None:
        """Off and on again, deleted and added again, or fetched by hand."""
        if not phone.wallet.passes:
            return
        key = self.rng.choice(sorted(phone.wallet.passes))
        if self.key is not None and self.key in phone.wallet.passes:
            key = self.key
        held, chance = phone.wallet.passes[key], self.rng.random()
        rest = self.rng.choice((0.5, 3.0, 20.0, 400.0, 4000.0))
        if chance < 0.35:
            # One pass, or all of a type: then APNs knows the phone no more.
            keys = (
                [key] if self.rng.random() < 0.3 else [one for one in sorted(phone.wallet.passes) if one[0] == key[0]]
            )
            for one in keys:
                phone.toggle(one, held.automatic_updates is False)
            await self.world.loop.sleep(rest)
            for one in keys:
                if phone.on and one in phone.wallet.passes:
                    phone.toggle(one, True)
            await self._then_it_changes(key)
        elif chance < 0.5:
            phone.delete(key)
            await self.world.loop.sleep(rest)
            if phone.on and await self.world.hand_out(key, phone):
                await self._then_it_changes(key)
        elif chance < 0.7:
            await self._out_of_a_mail(phone, key, rest)
        elif chance < 0.85:
            await self.world.hand_out(key, phone)
        else:
            phone.wallet.pull_to_refresh(*key, self.world.loop.now)
            phone.pump()

    async def _out_of_a_mail(self, phone: Phone, key: tuple[str, str], rest: float) -> None:
        """Deleted, now and then unheard, and added again as somebody kept it: an older version."""
        if self.rng.random() < 0.5:
            self.world.network.unheard[phone.name] = None
        phone.delete(key)
        await self.world.loop.sleep(rest)
        self.world.network.unheard.pop(phone.name, None)
        if phone.on and key in self.world.mails:
            phone.add(self.world.mails[key])

    async def back_when_refused(self, phone: Phone) -> None:
        """Updates are switched off, and the service does not hear of it; they are on again just when APNs has said so
        of a push.
        """
        topics = sorted({key[0] for key in phone.wallet.passes})
        if not topics or not phone.online:
            return
        topic = self.rng.choice(topics)
        keys = [key for key in sorted(phone.wallet.passes) if key[0] == topic]
        loop, network, token = self.world.loop, self.world.network, phone.wallet.push_token
        network.unheard[phone.name] = None
        for key in keys:
            phone.toggle(key, False)
        await loop.sleep(self.rng.choice((60.0, 400.0, 4000.0)))
        if not self.world.quiet:
            await self.world.issuers[0].change([self.rng.choice(keys)], "auto")
        await self.world.apple.next_refusal(token, topic, 120.0)
        network.unheard.pop(phone.name, None)
        for key in keys:
            if phone.on and key in phone.wallet.passes:
                phone.toggle(key, True)

    async def _then_it_changes(self, key: tuple[str, str]) -> None:
        """At once, now and then: while nobody has noticed yet that the phone is back."""
        if self.rng.random() < 0.7 and not self.world.quiet:
            await self.world.loop.sleep(self.rng.choice((0.3, 3.0, 30.0)))
            await self.world.issuers[0].change([key], "auto")

    async def restored_phone(self, phone: Phone) -> None:
        if len(self.world.phones) < 9:
            # Two phones under one device id cannot be told apart by anybody.
            keep = self.rng.random() < 0.4 and phone.wallet.quirks.on("restore-new-device-id")
            name = f"phone{len(self.world.phones)}"
            self.world.phones.append(phone.move_to(name, self.world.seed, keep_old=keep))

    async def nosy(self, phone: Phone) -> None:
        """Somebody tries the token of one pass, or a piece of it, on another."""
        passes = list(phone.wallet.passes.values())
        if not passes:
            return
        mine, other = self.rng.choice(passes), self.rng.choice(self.world.serials)
        token = mine.token or ""
        if other == mine.key:
            token = self.rng.choice((token[:-1], token[:20], "", token.swapcase()))
        pass_type, serial = other
        kind = self.rng.choice(("fetch", "register", "unregister"))
        device, headers = "0" * 32, {"Authorization": f"ApplePass {token}"}
        path = f"/wallet/v1/devices/{device}/registrations/{pass_type}/{serial}"
        method, body = ("POST", b'{"pushToken": "abcd"}') if kind == "register" else ("DELETE", b"")
        if kind == "fetch":
            path, method = f"/wallet/v1/passes/{pass_type}/{serial}", "GET"
            version = self.world.ledger.current(other)
            if version is not None and self.rng.random() < 0.5:
                headers["If-Modified-Since"] = self.world.http_date(version.last_modified)
        exchange = Exchange("nosy", kind, method, path, "", headers, body, pass_type, serial, device, 1)
        self.world.network.send(exchange, lambda _: None)
