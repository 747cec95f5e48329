"""Webhooks over TLS: the connection goes to the address that was judged, and its certificate must be the name's."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from livepass.emulators.authority import Authority, Issued
from livepass.outside.webhooks import NO_TLS, OLD_TLS, WebhookPoster
from outside.resolving import resolving
from service.receiver import Receiver, answer, read_request, receiver

NAME = "hooks.example"


@cache
def stranger() -> Authority:
    """An authority that nobody trusts."""
    return Authority(name="Stranger")


@cache
def certificate(authority: Authority, *hosts: str, days: float = 90) -> Issued:
    return authority.server_certificate(*hosts, starts=dt.timedelta(days=-3), days=days)


def serving(issued: Issued, folder: Path, seen: list[str | None]) -> ssl.SSLContext:
    """How a receiver with that certificate speaks TLS. ``seen``: the names that it is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "receiver.pem"
    file.write_bytes(issued.key_pem + issued.certificate_pem)
    context.load_cert_chain(file)
    context.sni_callback = lambda _, name, __: seen.append(name)
    return context


@asynccontextmanager
async def secured(issued: Issued, folder: Path, seen: list[str | None]) -> AsyncIterator[Receiver]:
    async with receiver(serving(issued, folder, seen)) as to:
        yield to


def sender(authority: Authority, *, loopback: bool = True) -> WebhookPoster:
    return WebhookPoster(loopback=loopback, ca_pem=authority.root_pem, seconds=10)


async def sent(poster: WebhookPoster, to: Receiver, name: str = NAME) -> tuple[int, str]:
    return await poster.post(f"https://{name}:{to.port}/hooks", {"X-Test": "1"}, b"{}")


def test_the_certificate_is_checked_for_the_name_and_the_connection_goes_to_its_address(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        asked, seen = resolving(monkeypatch, {NAME: [["127.0.0.1"]]}), list[str | None]()
        async with secured(certificate(authority, NAME), tmp_path, seen) as to:
            assert await sent(sender(authority), to) == (204, "")
            [got] = to.received
            assert got.headers["host"] == f"{NAME}:{to.port}" and got.body == b"{}"
            assert seen == asked == [NAME]

    asyncio.run(main())


def test_an_address_is_checked_as_an_address(authority: Authority, tmp_path: Path) -> None:
    async def main() -> None:
        async with secured(certificate(authority, "127.0.0.1"), tmp_path, []) as to:
            assert await sent(sender(authority), to, "127.0.0.1") == (204, "")
        async with secured(certificate(authority, NAME), tmp_path, []) as to:
            status, said = await sent(sender(authority), to, "127.0.0.1")
            assert (status, to.received) == (0, []) and "certificate is refused" in said and "127.0.0.1" in said

    asyncio.run(main())


@pytest.mark.parametrize(
    ("issued", "said"),
    [
        (lambda trusted: certificate(trusted, "other.example"), f"certificate is not valid for '{NAME}'"),
        (lambda trusted: certificate(trusted, NAME, days=2), "certificate has expired"),
        (lambda trusted: certificate(stranger(), NAME), "unable to get local issuer certificate"),
    ],
    ids=["another name", "expired", "unknown authority"],
)
def test_a_certificate_that_proves_nothing_is_refused_and_nothing_is_sent(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    issued: Callable[[Authority], Issued],
    said: str,
) -> None:
    async def main() -> None:
        resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
        async with secured(issued(authority), tmp_path, []) as to:
            status, why = await sent(sender(authority), to)
            assert (status, to.received) == (0, [])
            assert why.startswith("its certificate is refused: ") and said in why and "_ssl.c" not in why

    asyncio.run(main())


def test_the_system_s_authorities_alone_do_not_trust_the_test_s(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the tests above would show nothing."""

    async def main() -> None:
        resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
        async with secured(certificate(authority, NAME), tmp_path, []) as to:
            status, why = await sent(WebhookPoster(loopback=True), to)
            assert status == 0 and "certificate is refused" in why

    asyncio.run(main())


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextmanager
def speaking(context: ssl.SSLContext) -> Iterator[int]:
    """A server that shakes hands and hangs up. Its port. (asyncio's says nothing when it refuses a client.)"""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_tls_that_is_too_old_is_refused(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
    with speaking(old(serving(certificate(authority, NAME), tmp_path, []))) as port:
        client = old(ssl.create_default_context(cadata=authority.root_pem.decode()))
        plain = socket.create_connection(("127.0.0.1", port), 10)
        with client.wrap_socket(plain, server_hostname=NAME) as secured:
            assert secured.version() == "TLSv1.1", "or the refusal would show nothing"
        assert asyncio.run(sender(authority).post(f"https://{NAME}:{port}/", {}, b"{}")) == (0, OLD_TLS)


def test_what_speaks_no_tls_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer("400 Bad Request"))
        writer.close()

    async def main() -> None:
        resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
        async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
            to = Receiver(server.sockets[0].getsockname()[1])
            assert await sent(sender(authority), to) == (0, NO_TLS)

    asyncio.run(main())


def test_a_name_that_resolves_anew_leads_nowhere_else(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: what was judged is what is connected to, and each message is judged for itself."""

    async def main() -> None:
        asked = resolving(monkeypatch, {NAME: [["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"]]})
        tls = serving(certificate(authority, NAME), tmp_path, [])
        async with receiver(tls) as first, receiver(tls, "127.0.0.2", first.port) as second:
            poster = sender(authority)
            assert (await sent(poster, first))[0] == 204
            assert (len(asked), len(first.received), len(second.received)) == (1, 1, 0)
            assert (await sent(poster, first))[0] == 204
            assert (len(asked), len(first.received), len(second.received)) == (2, 1, 1)
            assert await sent(poster, first) == (0, f"{NAME}: 10.0.0.1 is no address of the open internet")
            inside = sender(authority, loopback=False)
            monkeypatch.undo()
            resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
            assert await sent(inside, first) == (0, f"{NAME}: 127.0.0.1 is this machine")
            assert (len(first.received), len(second.received)) == (1, 1)

    asyncio.run(main())


def test_a_redirect_is_not_followed_and_where_to_is_said(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        asked = resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
        async with secured(certificate(authority, NAME), tmp_path, []) as to:
            there = f"https://{NAME}:{to.port}/there"
            for status in ("301 Moved", "302 Found", "307 There", "308 There"):
                to.answers["/hooks"] = answer(status, b"<html>", f"Location: {there}")
                assert await sent(sender(authority), to) == (int(status[:3]), f"not followed to {there}")
            assert {each.path for each in to.received} == {"/hooks"} and len(asked) == 4

    asyncio.run(main())


def test_a_proxy_of_the_environment_is_not_asked(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look the name up itself, and nobody would judge what it finds."""

    async def main() -> None:
        resolving(monkeypatch, {NAME: [["127.0.0.1"]]})
        async with receiver() as proxy, secured(certificate(authority, NAME), tmp_path, []) as to:
            for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert (await sent(sender(authority), to))[0] == 204
            assert proxy.received == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("happens", "said"),
    [("refused", "Connection refused"), ("closed", "disconnected"), ("unknown", "Name or service not known")],
)
def test_what_else_went_wrong_is_said_in_words(happens: str, said: str) -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(closing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if happens == "refused":
            server.close()
        url = "https://nobody.invalid/" if happens == "unknown" else f"http://127.0.0.1:{port}/"
        status, why = await WebhookPoster(loopback=True, seconds=10).post(url, {}, b"{}")
        assert status == 0 and said in why, why
        server.close()

    asyncio.run(main())


def test_authorities_that_are_none_are_refused_at_the_start() -> None:
    WebhookPoster(loopback=False).prepare()
    with pytest.raises(ssl.SSLError):
        WebhookPoster(loopback=False, ca_pem="garbage, größer".encode()).prepare()
