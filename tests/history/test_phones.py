"""A restore as phones live through it: the emulated ones, over TLS, with an emulated APNs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from free_ports import free_port
from history.house import TYPE, House, Process, house
from journeys.world import pass_certificate, points, server_certificate, shows, until
from livepass.cli import serving
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.iphone import PhoneRunner, PhoneSettings, PushClient, Quirks, Wallet


class Street:
    """A house that is served at an address, and the phones around it."""

    def __init__(self, directory: Path, authority: Authority, one: House, apns: ApnsServer, port: int) -> None:
        self.one = one
        self.phones: list[PhoneRunner] = []
        self._authority = authority
        self._apns = apns
        self._port = port
        self._ca = directory / "ca.crt"
        self._tls = (directory / "tls.crt", directory / "tls.secret")
        self._ca.write_bytes(authority.root_pem)
        for path, content in zip(
            self._tls,
            (server_certificate(authority).certificate_pem, server_certificate(authority).key_pem),
            strict=True,
        ):
            path.write_bytes(content)
        one.config = replace(
            one.config, public_url=f"https://localhost:{port}", apns_url=apns.url, apns_ca_file=self._ca
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Process]:
        """Serve, and push, as ``livepass serve`` does."""
        async with self.one.process() as process:
            ready, stop = asyncio.Event(), asyncio.Event()
            running = asyncio.ensure_future(
                serving.serve(
                    process.services,
                    host="127.0.0.1",
                    port=self._port,
                    tls_cert=self._tls[0],
                    tls_key=self._tls[1],
                    ready=lambda _: ready.set(),
                    stop=stop,
                )
            )
            try:
                await asyncio.wait_for(ready.wait(), 20)
                yield process
            finally:
                stop.set()
                await running

    async def phone(self, stack: AsyncExitStack, process: Process, serial: str) -> PhoneRunner:
        """One that holds a pass and has registered it. It tries again soon, and is pushed as often as need be."""
        settings, quirks = PhoneSettings(disable_rate_limiting=True), Quirks({"backoff-schedule": "short"})
        rng = random.Random(len(self.phones))
        wallet = Wallet([self._authority.root], rng=rng, settings=settings, quirks=quirks)
        phone = PhoneRunner(wallet, ca_file=self._ca, pushes=PushClient(self._apns.control_url))
        await stack.enter_async_context(phone)
        self.phones.append(phone)
        await phone.install(await process.services.issuing.pkpass(TYPE, serial))
        await until(lambda: phone.wallet[serial].registered, "it is registered")
        await phone.settle()
        return phone


def test_after_a_restore_every_phone_follows_its_pass_again(tmp_path: Path, authority: Authority) -> None:
    """Also one that registered after the backup, and one whose pass did not change."""
    (tmp_path / "journal").mkdir()
    port = free_port()

    async def main() -> None:
        server = server_certificate(authority)
        accepted = authority.root_pem + pass_certificate(authority, TYPE).intermediate_pem
        async with AsyncExitStack() as stack:
            apns = ApnsServer(server.certificate_pem, server.key_pem, accepted)
            await apns.start()
            stack.push_async_callback(apns.stop)
            one = await stack.enter_async_context(house(tmp_path, authority, registration_journal=tmp_path / "journal"))
            street = Street(tmp_path, authority, one, apns, port)
            async with street.open() as process:
                for serial in ("a", "b"):
                    await process.issue(serial, 1)
                first = await street.phone(stack, process, "a")
                unchanged = await street.phone(stack, process, "b")
            saved = one.save()
            async with street.open() as process:
                await process.change("a", 2)
                await shows(first, "a", 2)
                late = await street.phone(stack, process, "a")
                await process.change("a", 3)
                await shows(first, "a", 3)
                await shows(late, "a", 3)
            one.put_back(saved)
            assert len(one.registrations()) == 2
            async with street.open() as process:
                # What the database says is what they show: the issuer has yet to make its changes again.
                await shows(first, "a", 1)
                await shows(late, "a", 1)
                assert len(one.registrations()) == 3
                for value in (2, 3, 9):
                    await process.change("a", value)
                await shows(first, "a", 9)
                await shows(late, "a", 9)
                assert points(unchanged, "b") == 1
                await process.change("b", 5)
                await shows(unchanged, "b", 5)
            assert [phone.wallet.complaints for phone in street.phones] == [[], [], []]

    asyncio.run(main())
