"""The phone of a canary: an emulated one, over the public address, heard as ``service.seams.CanaryPhone`` says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from livepass.core.echo import Heard

if TYPE_CHECKING:
    from livepass.config import Config
    from livepass.emulators.iphone.steps import SteppedPhone
    from livepass.emulators.iphone.transport import Reply, Transport
    from livepass.service.seams import CanaryPhone, CanaryPhones

SECONDS = 10.0
"""For each call. A real phone waits longer, and its owner does not."""


def phones(config: Config) -> CanaryPhones:
    """They trust the roots that real phones trust for the public address, as far as this machine knows them."""

    def phone(pkpass: bytes, device_id: str, push_token: str) -> CanaryPhone:
        from livepass.emulators.iphone.steps import SteppedPhone  # here, because few processes have a canary
        from livepass.emulators.iphone.transport import Transport, trusting

        transport = Transport(verify=trusting(config.public_ca_file))
        return _Phone(SteppedPhone(pkpass, device_id, push_token, transport), transport)

    return phone


class _Phone:
    def __init__(self, phone: SteppedPhone, transport: Transport) -> None:
        self._phone = phone
        self._transport = transport

    @property
    def tag(self) -> str | None:
        return self._phone.tag

    async def register(self) -> Heard:
        return await _heard(self._phone.register)

    async def ask(self) -> Heard:
        return await _heard(self._phone.ask)

    async def fetch(self) -> Heard:
        return await _heard(self._phone.fetch)

    async def unregister(self) -> Heard:
        return await _heard(self._phone.unregister)

    async def close(self) -> None:
        await self._transport.close()


async def _heard(call: Callable[[], Awaitable[Reply]]) -> Heard:
    from livepass.emulators.iphone.transport import Unreachable

    try:
        async with asyncio.timeout(SECONDS):
            reply = await call()
    except Unreachable as error:
        return Heard(0, fault=str(error))
    except TimeoutError:
        return Heard(0, fault=f"nothing within {SECONDS:g} s")
    return Heard(reply.status, reply.headers, reply.body)
