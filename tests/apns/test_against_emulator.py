"""The sender against the emulated APNs, which somebody else wrote from Apple's pages: every kind of day it knows."""

from __future__ import annotations

import asyncio
import typing

import pytest

from apns.conftest import credential_of, deliver
from apns.peer import TOPIC, message
from livepass.apns import ApnsSender, Patience
from livepass.core.trip2_push import PushCredential
from livepass.emulators.apns.chaos import PRESETS
from livepass.emulators.apns.connection import BadCertificate
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.apns.standing import Lapsed
from livepass.emulators.authority import Authority

PUSHES = 400


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("day", sorted(PRESETS))
def test_every_message_has_one_answer(
    authority: Authority, credential: PushCredential, day: str, connections: int
) -> None:
    async def main() -> None:
        async with ApnsServer.under(authority, strict_tokens=False, seed=7) as server:
            server.chaos.preset(day)
            sender = ApnsSender(
                server.url,
                ca_pem=authority.root_pem,
                connections=connections,
                deadline=4.0,
                patience=Patience(busy=1.0, reply=0.5, farewell=0.3),
                draw=lambda: 0.0,
            )
            ledger = await deliver(sender, credential, [message(number) for number in range(PUSHES)])
            tally = ledger.tally
            await sender.close()
            taken = {entry.apns_id.lower() for entry in server.history() if entry.status == 200 and entry.apns_id}
        accepted = {answer.message.apns_id for answer in ledger.answers if answer.status == 200}
        assert accepted <= taken  # what we call accepted, APNs took
        assert accepted
        if day in ("polite", "apple"):
            assert tally == {(200, ""): PUSHES}

    asyncio.run(main())


def test_dead_phones_take_the_limit_to_one_and_back(authority: Authority, credential: PushCredential) -> None:
    async def main() -> None:
        async with ApnsServer.under(authority, seed=7) as server:
            server.chaos.preset("apple")
            messages = [message(number) for number in range(300)]
            for sent in messages:
                server.register_device(sent.push_token, {TOPIC})
            for sent in messages[::30]:
                server.kill_device(sent.push_token, 1_700_000_000_000)
            sender = ApnsSender(server.url, ca_pem=authority.root_pem, patience=Patience(farewell=0.3))
            ledger = await deliver(sender, credential, messages)
            assert ledger.tally == {(200, ""): 290, (410, "Unregistered"): 10}
            assert {answer.timestamp for answer in ledger.answers if answer.status == 410} == {1_700_000_000_000}
            assert sender.stats()["cert-1"].opened == 1
            await sender.close()

    asyncio.run(main())


@pytest.mark.parametrize("goodbye", typing.get_args(BadCertificate))
def test_a_certificate_that_apns_does_not_like(
    authority: Authority, strangers: Authority, goodbye: BadCertificate
) -> None:
    async def main() -> None:
        server = ApnsServer.under(
            authority, strict_tokens=False, bad_certificate=goodbye, foreign_ca_pem=strangers.root_pem
        )
        async with server:
            sender = ApnsSender(server.url, ca_pem=authority.root_pem, patience=Patience(farewell=0.3))
            stranger = credential_of(strangers.pass_certificate(TOPIC))
            ledger = await deliver(sender, stranger, [message(number) for number in range(20)])
            assert ledger.tally == {(0, "CertificateRefused") if goodbye == "tls" else (403, "BadCertificate"): 20}
            await sender.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lapsed", "answer"),
    [("cut", (0, "CertificateRefused")), ("goaway", (403, "BadCertificate")), ("403", (403, "BadCertificate"))],
)
@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_a_certificate_that_lapses_while_the_connection_stands(
    authority: Authority, how: str, lapsed: Lapsed, answer: tuple[int, str]
) -> None:
    async def main() -> None:
        issued, renewed = authority.pass_certificate(TOPIC), authority.pass_certificate(TOPIC, days=500)
        five = [message(number) for number in range(5)]
        async with ApnsServer.under(authority, strict_tokens=False, lapsed=lapsed) as server:
            sender = ApnsSender(server.url, ca_pem=authority.root_pem, patience=Patience(farewell=0.3))
            assert (await deliver(sender, credential_of(issued), five)).tally == {(200, ""): 5}
            if how == "expired":
                server.move_clock(396 * 86_400)
            else:
                server.revoke(issued.certificate.serial_number)
            assert (await deliver(sender, credential_of(issued), five)).tally == {answer: 5}
            assert (await deliver(sender, credential_of(renewed, "cert-2"), five)).tally == {(200, ""): 5}
            await sender.close()

    asyncio.run(main())
