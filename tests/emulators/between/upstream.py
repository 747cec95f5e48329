"""A web service as naive as can be, over real sockets: it notes what arrives, and answers each call with the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from livepass.emulators.authority import Issued

TAG = "7"
LISTING = json.dumps({"lastUpdated": TAG, "serialNumbers": ["S-1"]}).encode()


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """As an async context manager: it serves ``file`` to a fetch, and keeps ``seen``."""

    issued: Issued
    folder: Path
    file: bytes
    seen: list[Seen] = field(default_factory=list)

    async def __aenter__(self) -> Upstream:
        chain = self.folder / "upstream.pem"
        chain.write_bytes(self.issued.key_pem + self.issued.certificate_pem)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(chain)
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.url = f"https://localhost:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                method, target, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen.append(Seen(method, target, headers, body))
                writer.write(self._answer(method, target))
        writer.close()

    def _answer(self, method: str, target: str) -> bytes:
        if method == "GET" and "/passes/" in target:
            return _written(200, self.file, "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT")
        if method == "GET":
            return _written(200, LISTING, "Content-Type: application/json")
        return _written(201 if "/registrations/" in target and method == "POST" else 200, b"")


def _written(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
