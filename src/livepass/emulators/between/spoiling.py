"""What breaks are made of: small functions that make a ``Begin``. ``breaks`` combines them to a table."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn

from livepass.emulators.authority import Authority, Issued
from livepass.emulators.between.message import Answer, Call, Headers, Request
from livepass.emulators.between.proxy import Cut, Forward, Proxy, Spoil
from livepass.emulators.between.scene import Begin, Scene, Undo
from livepass.emulators.iphone import PhoneRunner, RealClock

HTML: Headers = (("Content-Type", "text/html"),)
WALL = b"<!doctype html><title>One moment</title><p>Checking that you are not a robot ..."
EVERY = tuple(Call)
PAST_ANY_RACE_MS = 3_600_000
"""How long after now a token dies: a service may doubt a 410 that is hardly newer than the registration."""


def both(first: Begin, second: Begin) -> Begin:
    """Two things that make one break."""

    async def begin(scene: Scene) -> Undo:
        undo_first, undo_second = await first(scene), await second(scene)

        async def undo() -> None:
            await undo_first()
            await undo_second()

        return undo

    return begin


# ── on the wire


def on_wire(make: Callable[[Proxy], Spoil]) -> Begin:
    """A break of what passes through the proxy."""

    async def begin(scene: Scene) -> Undo:
        spoil = make(scene.proxy)
        scene.proxy.spoil(spoil)
        return lambda: scene.proxy.heal(spoil)

    return begin


def instead(*calls: Call, answer: Callable[[Request], Answer]) -> Begin:
    """The proxy answers these calls itself, and the service never hears of them."""

    async def spoil(request: Request, forward: Forward) -> Answer:
        return answer(request) if request.call in calls else await forward(request)

    return on_wire(lambda _: spoil)


def answered(*calls: Call, status: int, headers: Headers = (), text: bytes = b"") -> Begin:
    """The proxy answers these calls with the same always."""
    return instead(*calls, answer=lambda _: Answer(status, headers, text))


def coming(*calls: Call, change: Callable[[Request], Request]) -> Begin:
    """The request is changed on its way to the service."""

    async def spoil(request: Request, forward: Forward) -> Answer:
        return await forward(change(request) if request.call in calls else request)

    return on_wire(lambda _: spoil)


def going(*calls: Call, change: Callable[[Request, Answer], Answer]) -> Begin:
    """The answer is changed on its way to the phone, if it is a success with something in it."""

    async def spoil(request: Request, forward: Forward) -> Answer:
        answer = await forward(request)
        return change(request, answer) if request.call in calls and answer.status in (200, 201) else answer

    return on_wire(lambda _: spoil)


def remembered(*calls: Call, find: Callable[[Proxy, Request], Answer | None]) -> Begin:
    """A cache answers these calls with what it finds; else they pass."""

    def make(proxy: Proxy) -> Spoil:
        async def spoil(request: Request, forward: Forward) -> Answer:
            found = find(proxy, request) if request.call in calls else None
            return found or await forward(request)

        return spoil

    return on_wire(make)


def cut(*calls: Call) -> Begin:
    """The connection ends before the request went on."""

    def end(_: Request) -> NoReturn:
        raise Cut

    return instead(*calls, answer=end)


def stalled(*calls: Call) -> Begin:
    """Nothing comes back, and nothing ends, until it is healed."""

    async def spoil(request: Request, forward: Forward) -> Answer:
        if request.call in calls:
            await asyncio.Event().wait()
        return await forward(request)

    return on_wire(lambda _: spoil)


def body(change: Callable[[bytes], bytes]) -> Callable[[Request, Answer], Answer]:
    """The body is another, all else is the same."""
    return lambda _, answer: replace(answer, body=change(answer.body))


# ── the certificate that phones see


def shown(certificate: Callable[[Scene], Issued]) -> Begin:
    """New connections see another certificate, and all connections are new."""

    async def begin(scene: Scene) -> Undo:
        async def show(issued: Issued | None) -> None:
            scene.proxy.show(issued)
            await scene.proxy.hang_up()

        await show(certificate(scene))
        return lambda: show(None)

    return begin


def expired(scene: Scene) -> Issued:
    return scene.authority.server_certificate("localhost", days=10, starts=dt.timedelta(days=-20))


def of_another_host(scene: Scene) -> Issued:
    return scene.authority.server_certificate("passes.example.com")


def of_nobody(_: Scene) -> Issued:
    return Authority(name="Nobody").server_certificate("localhost")


# ── APNs


def at_apns(fault: str) -> Begin:
    """A fault of the emulated APNs (its ``chaos``), for pushes of this pass type."""

    async def begin(scene: Scene) -> Undo:
        faults = scene.apns.chaos
        faults.set(fault, topic=scene.topic)

        async def undo() -> None:
            faults.clear(fault)

        return undo

    return begin


async def certificate_revoked(scene: Scene) -> Undo:
    """Every certificate of the pass type was revoked: APNs cuts the connection, and ends each new handshake."""
    for certificate in scene.authority.certificates(scene.topic):
        scene.apns.revoke(certificate.serial_number)

    async def undo() -> None:
        scene.apns.standing.forgive()

    return undo


async def apns_down(scene: Scene) -> Undo:
    """Nobody listens."""
    await scene.apns.down()
    return scene.apns.up


# ── phones


def for_phones(
    act: Callable[[Scene, PhoneRunner], Awaitable[None]], undo: Callable[[Scene, PhoneRunner], Awaitable[None]]
) -> Begin:
    """Something happens on each phone that holds passes of the type."""

    async def begin(scene: Scene) -> Undo:
        phones = list(scene.holders)
        for phone in phones:
            await act(scene, phone)

        async def end() -> None:
            for phone in phones:
                await undo(scene, phone)

        return end

    return begin


def token_refused(reason: str) -> Begin:
    """APNs calls the phones' tokens bad; it ends with new tokens."""
    fault = f"status:400:{reason}"

    async def act(scene: Scene, phone: PhoneRunner) -> None:
        scene.apns.chaos.set(fault, token=phone.wallet.push_token)

    async def undo(scene: Scene, phone: PhoneRunner) -> None:
        scene.apns.chaos.clear(fault)
        await phone.replace_push_token()

    return for_phones(act, undo)


async def go_offline(scene: Scene, phone: PhoneRunner) -> None:
    phone.set_airplane_mode(True)


async def go_online(scene: Scene, phone: PhoneRunner) -> None:
    phone.set_airplane_mode(False)


async def wipe(scene: Scene, phone: PhoneRunner) -> None:
    """APNs learns of it some time after."""
    await phone.wipe()
    scene.apns.kill_device(phone.wallet.push_token, int(time.time() * 1000) + PAST_ANY_RACE_MS)


async def restore(scene: Scene, phone: PhoneRunner) -> None:
    """Its backup comes back to it, with a new push token."""
    phone.set_airplane_mode(False)
    await phone.replace_push_token()


def updates(on: bool, most: int | None = None) -> Callable[[Scene, PhoneRunner], Awaitable[None]]:
    """The switch on the back of so many passes of the type; of all."""

    async def act(scene: Scene, phone: PhoneRunner) -> None:
        for held in phone.wallet.passes_of(scene.topic)[:most]:
            phone.wallet.set_automatic_updates(held.pass_type, held.serial, on, phone.clock.now())
        phone.wake()

    return act


class Skewed(RealClock):
    """A clock that is wrong by so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds

    async def wait(self, until: float | None, wake: asyncio.Event) -> None:
        await super().wait(None if until is None else until - self._seconds, wake)


def clock(seconds: float) -> Callable[[Scene, PhoneRunner], Awaitable[None]]:
    """The phone's clock is wrong by so many seconds; 0: right again."""

    async def act(scene: Scene, phone: PhoneRunner) -> None:
        phone.clock = Skewed(seconds) if seconds else RealClock()
        phone.wake()

    return act
