"""Looks at the TLS certificate of a host, over real handshakes with certificates that an authority made."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from livepass.core.watching import Problem, Seen
from livepass.emulators.authority import Authority, Issued
from livepass.outside import tls

DAY_MS = 86_400_000


@asynccontextmanager
async def showing(directory: Path, issued: Issued, *, chain: bool = True) -> AsyncIterator[int]:
    """A server that shows this certificate, with the intermediate that signed it unless not ``chain``."""
    files = [directory / "cert.pem", directory / "key.pem"]
    files[0].write_bytes(issued.certificate_pem + (issued.intermediate_pem if chain else b""))
    files[1].write_bytes(issued.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def seen(directory: Path, issued: Issued, roots: Sequence[bytes], *, chain: bool = True) -> Seen:
    async def main() -> Seen:
        async with showing(directory, issued, chain=chain) as port:
            return await tls.look(f"https://localhost:{port}/wallet", b"".join(roots))

    return asyncio.run(main())


def test_what_phones_take_has_its_dates(tmp_path: Path, authority: Authority) -> None:
    issued = authority.server_certificate("localhost", days=90, below_intermediate=True)
    found = seen(tmp_path, issued, [authority.root_pem])
    assert (found.problem, found.detail) == (Problem.NONE, "")
    assert found.ends_at == issued.certificate.not_valid_after_utc.timestamp() * 1000
    assert found.starts_at is not None
    assert found.ends_at - found.starts_at == 90 * DAY_MS


def test_expired(tmp_path: Path, authority: Authority) -> None:
    issued = authority.server_certificate("localhost", starts=dt.timedelta(days=-10), days=7)
    found = seen(tmp_path, issued, [authority.root_pem])
    assert found.problem is Problem.EXPIRED
    assert found.ends_at == issued.certificate.not_valid_after_utc.timestamp() * 1000


def test_not_valid_yet(tmp_path: Path, authority: Authority) -> None:
    issued = authority.server_certificate("localhost", starts=dt.timedelta(days=3))
    assert seen(tmp_path, issued, [authority.root_pem]).problem is Problem.NOT_YET_VALID


def test_wrong_name(tmp_path: Path, authority: Authority) -> None:
    found = seen(tmp_path, authority.server_certificate("passes.example.com"), [authority.root_pem])
    assert found.problem is Problem.WRONG_NAME
    assert found.detail == "it is for 'passes.example.com', not for localhost"


def test_without_its_intermediate(tmp_path: Path, authority: Authority) -> None:
    issued = authority.server_certificate("localhost", below_intermediate=True)
    found = seen(tmp_path, issued, [authority.root_pem], chain=False)
    assert found.problem is Problem.INCOMPLETE_CHAIN
    assert "ends at CN=localhost; its issuer" in found.detail
    assert found.ends_at is not None, "what was shown has dates, whoever trusts it"


def test_of_an_authority_that_nobody_trusts(tmp_path: Path, authority: Authority) -> None:
    """Told as a chain that leads nowhere: from outside the two look the same, and the text says both."""
    found = seen(tmp_path, authority.server_certificate("localhost"), [Authority(name="Another").root_pem])
    assert found.problem is Problem.INCOMPLETE_CHAIN
    assert "is no authority trusted here" in found.detail


def test_self_signed(tmp_path: Path, authority: Authority) -> None:
    root = Issued(authority.root, authority._root_key, None)
    found = seen(tmp_path, root, [Authority(name="Another").root_pem])
    assert found.problem is Problem.UNTRUSTED


def test_by_the_authorities_of_the_system(tmp_path: Path, authority: Authority) -> None:
    async def main() -> Seen:
        async with showing(tmp_path, authority.server_certificate("localhost")) as port:
            return await tls.look(f"https://localhost:{port}")

    assert asyncio.run(main()).problem is Problem.INCOMPLETE_CHAIN


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        port = taken.getsockname()[1]
        found = asyncio.run(tls.look(f"https://127.0.0.1:{port}"))
    assert found.problem is Problem.UNREACHABLE
    assert f"127.0.0.1 port {port}: " in found.detail
    assert found.ends_at is None


def test_what_is_no_tls_and_what_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "SECONDS", 0.5)
    held: list[asyncio.StreamWriter] = []

    async def main(first: bytes) -> Seen:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            held.append(writer)
            writer.write(first)

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            try:
                return await tls.look(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            finally:
                for writer in held:
                    writer.transport.abort()

    plain = asyncio.run(main(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert plain.problem is Problem.UNREACHABLE
    assert "no TLS" in plain.detail
    silent = asyncio.run(main(b""))
    assert silent.problem is Problem.UNREACHABLE
    assert "nothing came within" in silent.detail


def test_names_of_strangers_are_shown_as_one_short_line(tmp_path: Path, authority: Authority) -> None:
    other = Authority(name="Evil\nall well \x1b[2J")
    found = seen(tmp_path, other.server_certificate("localhost", below_intermediate=True), [authority.root_pem])
    assert found.problem is Problem.INCOMPLETE_CHAIN
    assert found.detail.isprintable()
    assert len(found.detail) < 500
