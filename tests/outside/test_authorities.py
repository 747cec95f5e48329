"""Only named hosts are asked, whatever a certificate says; and an answer is bounded in size, time and redirects."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.core.fetching import CannotFetch
from livepass.emulators.authority import Authority, AuthorityServer
from livepass.outside.authorities import HttpAuthorities


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorityServer]:
    with AuthorityServer(Authority()) as running:
        yield running


@pytest.fixture(autouse=True)
def mended(server: AuthorityServer) -> Iterator[None]:
    server.forget()
    yield
    server.mend()


def host(server: AuthorityServer) -> str:
    return server.url.removeprefix("http://")


def ask(
    address: str, *hosts: str, most: int = 65536, seconds: float = 10.0, body: bytes | None = None, media: str = ""
) -> bytes:
    return asyncio.run(HttpAuthorities(hosts, seconds).ask(address, body=body, media=media, most=most))


def why(address: str, *hosts: str, most: int = 65536, seconds: float = 10.0) -> str:
    with pytest.raises(CannotFetch) as refused:
        ask(address, *hosts, most=most, seconds=seconds)
    assert refused.value.address == address
    return refused.value.why


def test_a_named_host_is_asked(server: AuthorityServer) -> None:
    answer = ask(f"{server.url}/wwdrg4.der", "certs.apple.com", host(server))
    assert answer == server.authority.issuer("G4").certificate.public_bytes(Encoding.DER)
    asked = ask(f"{server.url}/ocsp03-wwdrg4", host(server), body=b"rubbish", media="application/ocsp-request")
    assert asked and [hit.method for hit in server.hits] == ["GET", "POST"]


@pytest.mark.parametrize(
    "hosts", [(), ("certs.apple.com", "ocsp.apple.com"), ("127.0.0.1",), ("127.0.0.1:1",), ("localhost",)]
)
def test_a_host_that_is_not_named_is_never_asked(server: AuthorityServer, hosts: tuple[str, ...]) -> None:
    assert "LIVEPASS_CERTIFICATE_HOSTS" in why(f"{server.url}/wwdrg4.der", *hosts)
    assert server.hits == []


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ldap://{host}/wwdrg4.der",
        "http://somebody@{host}/wwdrg4.der",
        "http://certs.apple.com@{host}/wwdrg4.der",
        "http://certs.apple.com:22/wwdrg4.der",
        "http://[::1/wwdrg4.der",
        "http://{host}:x/",
        "//{host}/wwdrg4.der",
        "wwdrg4.der",
        "",
    ],
)
def test_an_address_that_is_not_of_a_named_host_alone_is_never_asked(server: AuthorityServer, address: str) -> None:
    assert why(address.format(host=host(server)), "certs.apple.com", host(server))
    assert server.hits == []


def test_a_redirect_stays_with_its_host(server: AuthorityServer) -> None:
    address = f"{server.url}/wwdrg4.der"
    server.spoil("redirect")
    assert ask(address, host(server))
    assert [hit.path for hit in server.hits] == ["/wwdrg4.der", "/moved/wwdrg4.der"]
    server.spoil("redirect", target=f"{server.url}/wwdrg4.der")
    assert "redirects more than" in why(address, host(server))
    elsewhere = f"http://localhost:{server.url.rpartition(':')[2]}/wwdrg4.der"
    server.forget()
    server.spoil("redirect", target=elsewhere)
    assert "to another host" in why(address, host(server), elsewhere.split("/")[2]), "not even to one that is named"
    server.spoil("redirect", target="http://127.0.0.1:1/wwdrg4.der")
    assert "LIVEPASS_CERTIFICATE_HOSTS" in why(address, host(server)), "nor to another port"
    assert len(server.hits) == 2


def test_what_goes_wrong_is_said(server: AuthorityServer) -> None:
    address = f"{server.url}/wwdrg4.der"
    assert "404" in why(f"{server.url}/nothing", host(server))
    for fault, said in (("500", "500"), ("cut", ""), ("down", "")):
        server.spoil(fault)
        assert said in why(address, host(server))
    server.spoil("slow")
    assert why(address, host(server), seconds=0.2) == "no whole answer within 0.2 s"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/bomb":
            body = gzip.compress(bytes(1 << 20))
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(4096))
                if self.path == "/drops":
                    self.server.dropped.wait(0.05)  # type: ignore[attr-defined]
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def endless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.dropped = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_an_answer_without_end_is_cut_off(endless: str) -> None:
    assert "more than 64 KiB" in why(f"http://{endless}/floods", endless)
    assert "no whole answer" in why(f"http://{endless}/drops", endless, most=1 << 30, seconds=0.3)


def test_nothing_is_inflated(endless: str) -> None:
    assert len(ask(f"http://{endless}/bomb", endless)) < 4096
