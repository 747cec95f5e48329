"""A credential, and a runner for tests that need an event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives import serialization

from apns.hostile import Hostile
from apns.peer import TOPIC
from livepass.apns import ApnsSender
from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from livepass.emulators.authority import Authority, Issued

PASSWORD = b"not the one you think"


def credential_of(issued: Issued, name: str = "cert-1", password: bytes = PASSWORD) -> PushCredential:
    key = issued.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD),
    )
    return PushCredential(name, TOPIC, issued.certificate_pem + issued.intermediate_pem, key, password)


@pytest.fixture(scope="session")
def credential(pass_certificate: Issued) -> PushCredential:
    return credential_of(pass_certificate)


@pytest.fixture(scope="session")
def strangers() -> Authority:
    """An authority that the server does not know."""
    return Authority(name="Strangers")


class Ledger:
    """Counts answers per message: exactly one each is the rule that every test here ends with."""

    def __init__(self, messages: Sequence[PushMessage]) -> None:
        self.messages = list(messages)
        self.answers: list[PushAnswer] = []

    def __call__(self, answer: PushAnswer) -> None:
        self.answers.append(answer)

    @property
    def tally(self) -> Counter[tuple[int, str]]:
        """(status, reason) → how many, after checking that each message was answered exactly once."""
        per_message = Counter(answer.message.apns_id for answer in self.answers)
        assert per_message == Counter(message.apns_id for message in self.messages)
        return Counter((answer.status, answer.reason) for answer in self.answers)


async def deliver(sender: ApnsSender, credential: PushCredential, messages: Sequence[PushMessage]) -> Ledger:
    ledger = Ledger(messages)
    await sender.send(credential, messages, ledger)
    return ledger


Body = Callable[[Hostile], Awaitable[None]]


@pytest.fixture(params=["asyncio"])
def serve(request: pytest.FixtureRequest, authority: Authority) -> Callable[[Body], Hostile]:
    """Runs a test's body against a hostile server that is up; afterwards nothing we sent may have been wrong."""

    async def main(body: Body) -> Hostile:
        server = await Hostile(authority).up()
        try:
            await body(server)
        finally:
            await server.down()
        assert server.complaints == []
        return server

    def run(body: Body) -> Hostile:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            coroutine: Coroutine[Any, Any, Hostile] = main(body)
            return runner.run(coroutine)

    return run
