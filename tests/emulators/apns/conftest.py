"""A running emulated APNs for each test, and senders that are closed behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from emulators.apns.h2client import Sender, client_context, connect
from free_ports import free_port
from livepass.emulators.apns import ApnsServer
from livepass.emulators.authority import Authority, Issued

PASS_TYPE = "pass.test.livepass"
TOKEN = "ab" * 32
OTHER = "cd" * 32

Open = Callable[..., Awaitable[Sender]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_certificate(authority: Authority) -> Issued:
    return authority.server_certificate("localhost", "127.0.0.1")


@pytest.fixture
def make_apns(authority: Authority, server_certificate: Issued) -> Callable[..., ApnsServer]:
    def make(**options) -> ApnsServer:
        issued = server_certificate
        options = {"seed": 1, "port": free_port(), **options}
        return ApnsServer(issued.certificate_pem, issued.key_pem, authority.root_pem, **options)

    return make


@pytest.fixture
async def apns(make_apns) -> AsyncIterator[ApnsServer]:
    async with make_apns() as server:
        server.register_device(TOKEN, [PASS_TYPE])
        yield server
        assert server.internal_errors == 0


@pytest.fixture
async def open_sender(authority: Authority, pass_certificate: Issued) -> AsyncIterator[Open]:
    opened: list[Sender] = []

    async def make(apns, issued: Issued | None = pass_certificate, *, alpn: bool = True, **options) -> Sender:
        sender = await connect(apns.url, client_context(authority, issued, alpn=alpn), **options)
        opened.append(sender)
        return sender

    yield make
    for sender in opened:
        sender.close()


@pytest.fixture
async def sender(apns: ApnsServer, open_sender: Open) -> Sender:
    return await open_sender(apns)
