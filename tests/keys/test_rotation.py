"""LIVEPASS_SECRET_KEY is replaced on two hosts, one after the other, while phones and the issuer go on."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

import engines
from livepass import wiring
from livepass.config import Config
from livepass.core.sealed import Sealable, Sealed
from livepass.core.trip3_ask import read_tag
from livepass.emulators.authority import Issued
from livepass.keys.sealing import CannotUnseal
from livepass.pkpass import read, verify, verify_signature
from livepass.service.drafting import Wish
from livepass.wiring import Services
from provider_keys import Minted
from service.rig import template

pytestmark = pytest.mark.usefixtures("engine")

TYPE = "pass.test.livepass"
OLD, NEW, FOREIGN = "A" * 43, "B" * 43, "C" * 43
APNS_KEY = Minted()
IMPORTED = "the token it came with"


def config(url: str, *secret_key: str) -> Config:
    return Config(url, "https://passes.example.com", secret_key, "")


class World:
    """Two hosts that run for long, what phones hold of them, and what must hold of every host at every moment."""

    def __init__(self, url: str, certificate: Issued) -> None:
        self.url = url
        self.certificate = certificate
        self.hosts: dict[str, tuple[Services, AsyncExitStack]] = {}
        self.tokens: dict[str, str] = {"imported": IMPORTED}
        self.tags: list[str] = []

    async def start(self, name: str, *secret_key: str) -> None:
        """Start a host, or start it again with other secret keys."""
        await self.stop(name)
        stack = AsyncExitStack()
        self.hosts[name] = await stack.enter_async_context(wiring.opened(config(self.url, *secret_key))), stack

    async def stop(self, name: str) -> None:
        if name in self.hosts:
            await self.hosts.pop(name)[1].aclose()

    @property
    def running(self) -> Mapping[str, Services]:
        return {name: services for name, (services, _) in self.hosts.items()}

    async def check(self) -> None:
        """Every host does everything; and so does one that starts at this moment with the same secret keys."""
        for services in self.running.values():
            await self._work(services)
        for services in self.running.values():
            await self._look(services)
            async with wiring.opened(services.config) as fresh:
                await self._look(fresh)

    async def _work(self, host: Services) -> None:
        """Issue a pass, put it on a phone, answer that phone, and take in a certificate."""
        serial = f"s{len(self.tokens)}"
        await host.issuing.put(Wish(TYPE, serial, "membership", {"points": 1}))
        self.tokens[serial] = await _token(host, serial)
        body = b'{"pushToken": "%s"}' % secrets.token_hex(32).encode()
        allowed = f"ApplePass {self.tokens[serial]}"
        assert (await host.answering.register(TYPE, serial, f"phone{serial}", allowed, body)).status == 201
        asked = await host.answering.ask(TYPE, f"phone{serial}", None, None)
        self.tags.append(_tag(asked.body))
        issued = self.certificate
        await host.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        if not self.tags[1:]:
            await host.admitting.requests.make(TYPE)
        await host.apns_keys.import_("default", APNS_KEY.p8, f"KEY{len(self.tokens):07}", APNS_KEY.team)

    async def _look(self, host: Services) -> None:
        for serial, token in self.tokens.items():
            fetched = await host.answering.fetch(TYPE, serial, f"ApplePass {token}", None, None)
            assert fetched.reply.status == 200
            assert f'"authenticationToken":"{token}"'.encode() in _document(fetched.reply.body)
            assert await _token(host, serial) == token, "no token ever changes"
        for tag in self.tags:
            assert read_tag(tag, TYPE, host.keys.tag_key) is not None, "no tag is ever foreign"
        for certificate in await host.store.certificates(None):
            signature = host.keys.open(certificate).sign(b"manifest", datetime.now(UTC))
            verify_signature(b"manifest", signature)
        [waiting] = await host.admitting.requests.waiting()
        sealed = Sealed(Sealable.SIGNING_REQUEST, waiting.pass_type, waiting.id, waiting.key_sealed)
        host.keys.require_opens(sealed)
        for key in await host.store.apns_keys("default"):
            assert host.keys.open_push_key(key).sign(b"token") == APNS_KEY.opened.sign(b"token")


async def _token(host: Services, serial: str) -> str:
    row = await host.store.pass_(TYPE, serial)
    assert row is not None
    return host.keys.token("default", TYPE, serial, row.token)


def _document(pkpass: bytes) -> bytes:
    package = read(pkpass)
    verify(package)
    return package.files["pass.json"]


def _tag(body: bytes) -> str:
    tag: str = json.loads(body)["lastUpdated"]
    return tag


@asynccontextmanager
async def world(directory: Path, certificate: Issued) -> AsyncIterator[World]:
    url = engines.new_database(directory / "a.db")
    made = World(url, certificate)
    try:
        await made.start("a", OLD)
        host = made.running["a"]
        await host.admitting.import_pem(certificate.certificate_pem, certificate.key_pem, certificate.intermediate_pem)
        await host.publishing.publish(template(), wait=True)
        await host.issuing.put(Wish(TYPE, "imported", "membership", {"points": 1}))
        sealed = host.keys.seal(Sealable.TOKEN, TYPE, "imported", IMPORTED.encode())
        engines.run(url, "UPDATE pass SET token_sealed = ? WHERE serial = 'imported'", sealed)
        await made.start("b", OLD)
        yield made
    finally:
        for name in list(made.hosts):
            await made.stop(name)


ROLLING: Sequence[Sequence[str]] = (
    # What both hosts get, one after the other, in the order of docs/how-to/rotate-the-secret-key.md.
    (OLD, NEW),
    (NEW, OLD),
)


def test_a_secret_key_is_replaced_without_refusing_anything(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with world(tmp_path, pass_certificate) as here:
            await here.check()
            for secret_key in ROLLING:
                for name in ("a", "b"):
                    await here.start(name, *secret_key)
                    await here.check()
            host = here.running["b"]
            assert (await host.safekeeping.seals()).due > 0
            done, _ = await asyncio.gather(host.safekeeping.reseal(), here.check())
            assert done.closed == ()
            assert (await host.safekeeping.seals()).due == 0
            await here.check()
            for name in ("a", "b"):
                await here.start(name, NEW)
                await here.check()
            with pytest.raises(CannotUnseal):
                await Services.open(config(here.url, OLD))

    asyncio.run(main())


def test_the_old_secret_key_may_not_go_before_everything_is_sealed_anew(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with world(tmp_path, pass_certificate) as here:
            await here.start("a", NEW, OLD)
            with pytest.raises(CannotUnseal, match="sealed with secret key") as closed:
                await Services.open(config(here.url, NEW))
            assert here.running["a"].keys.secret_ids[1] in str(closed.value)

    asyncio.run(main())


def test_a_start_with_a_foreign_secret_key_leaves_the_database_as_it_was(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with world(tmp_path, pass_certificate) as here:
            before = engines.look(here.url, "SELECT * FROM shared_key ORDER BY id")
            with pytest.raises(CannotUnseal, match=r"shared key .*-1: sealed with secret key"):
                await Services.open(config(here.url, FOREIGN))
            assert engines.look(here.url, "SELECT * FROM shared_key ORDER BY id") == before
            await here.check()

    asyncio.run(main())


def test_two_first_starts_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    async def main() -> None:
        url = engines.new_database(tmp_path / "a.db")
        orders = ((OLD, NEW), (NEW, OLD)) * 2
        hosts = await asyncio.gather(*(Services.open(config(url, *order)) for order in orders))
        try:
            assert len({host.keys.tag_key for host in hosts}) == 1
            assert {host.keys.token_key_id for host in hosts} == {"tokens-1"}
            assert len(engines.look(url, "SELECT id FROM shared_key")) == 2
        finally:
            for host in hosts:
                await host.close()

    asyncio.run(main())


def test_a_running_host_follows_a_token_key_that_another_adds(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with world(tmp_path, pass_certificate) as here:
            await here.check()
            await here.running["a"].safekeeping.renew()
            await here.check()
            kept = {row["token_key"] for row in engines.look(here.url, "SELECT token_key FROM pass")}
            assert kept == {"tokens-1", "tokens-2"}

    asyncio.run(main())


def test_the_order_of_the_secret_keys_is_nobody_elses_business(tmp_path: Path, pass_certificate: Issued) -> None:
    """Hosts that were told them in different orders answer alike."""

    async def main() -> None:
        async with world(tmp_path, pass_certificate) as here:
            await here.start("a", OLD, NEW)
            await here.start("b", NEW, OLD)
            await here.check()
            first, second = (host.keys for host in here.running.values())
            assert (first.tag_key, first.token_key_id) == (second.tag_key, second.token_key_id)

    asyncio.run(main())
