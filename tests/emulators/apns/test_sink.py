"""The null APNs for load: every request gets its 200, and only with a client certificate."""

from __future__ import annotations

import asyncio

import pytest

from emulators.apns.h2client import client_context, connect, refuses
from livepass.emulators.apns import Sink

pytestmark = pytest.mark.anyio


async def test_the_sink_answers_200_to_everything(authority, server_certificate, pass_certificate):
    sink = Sink(server_certificate.certificate_pem, server_certificate.key_pem, authority.root_pem)
    await sink.start()
    try:
        sender = await connect(sink.url, client_context(authority, pass_certificate))
        sender.h2.ping(b"12345678")
        replies = [sender.send("x", payload=b"x" * size, flush=False) for size in (0, 2, 900, 9000) for _ in range(5)]
        sender.flush()
        assert {reply.status for reply in await asyncio.wait_for(asyncio.gather(*replies), 10)} == {200}
        big = [await sender.push("x", payload=b"x" * 16_000) for _ in range(12)]  # more than a window holds
        assert {reply.status for reply in big} == {200}
        assert sink.answered == 32
        sender.close()
        assert await refuses(sink.url, client_context(authority, None))
    finally:
        await sink.stop()
