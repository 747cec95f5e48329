"""Echoes: for calls with a ticket of this installation, and for nobody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from livepass.core.echo import LIFE_MS, NONCE_BYTES, PROOF, TYPE, echo_key, make_ticket, modified, proof
from livepass.emulators.authority import Issued
from livepass.web.echo import PER_MINUTE, Echo
from livepass.web.phone import PhoneApp
from service.rig import Rig, rig

NONCE = bytes(NONCE_BYTES)


def ticket(service: Rig, age: int = 0) -> str:
    return make_ticket(service.clock.now() - age, NONCE, echo_key(service.keys.tag_key))


async def call(
    app: PhoneApp, path: str, method: str = "GET", headers: dict[str, str] | None = None, query: bytes = b""
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"12345", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("10.0.0.1", 50_000),
    }
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_strangers_are_answered_as_if_there_was_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    """Byte for byte what an application without echoes says."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            without = PhoneApp(service.answering)
            app = PhoneApp(service.answering, echo=Echo(service.keys, service.clock, service.chance))
            good = ticket(service)
            other = make_ticket(service.clock.now(), NONCE, echo_key(b"another installation"))
            late, early = ticket(service, LIFE_MS + 1000), ticket(service, -LIFE_MS - 2000)
            for wrong in (other, late, early, good[:-1], good.upper(), "1", "x" * 200, "%00", "%ff"):
                for path in (
                    f"/v1/passes/{TYPE}/{wrong}",
                    f"/v1/devices/{wrong}/registrations/{TYPE}",
                    f"/v1/devices/{wrong}/registrations/{TYPE}/1",
                ):
                    for method in ("GET", "HEAD", "POST", "DELETE"):
                        headers = {"Authorization": "ApplePass echo-a-0000000000000000"}
                        said = await call(app, path, method, headers)
                        assert said == await call(without, path, method, headers), (method, path)
                        assert PROOF.encode() not in said[1]
            for path in (f"/v1/passes/other/{good}", f"/v1/{TYPE}", f"/v1/devices/{TYPE}", f"/{TYPE}", TYPE):
                assert await call(app, path) == await call(without, path)

    asyncio.run(main())


def test_an_echo_says_how_a_call_arrived(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            app = PhoneApp(service.answering, echo=Echo(service.keys, service.clock, service.chance))
            key, good = echo_key(service.keys.tag_key), ticket(service)
            path = f"//v1/passes/{TYPE}/{good}%2Fa%20b"
            status, headers, body = await call(app, path, headers={"Authorization": "x"}, query=b"a=%20")
            assert status == 200 and headers[b"cache-control"] == b"private, no-store"
            assert headers[PROOF.encode()].decode() == proof(key, good, "GET", 200, body)
            assert headers[b"last-modified"].decode() == modified(good)
            said = json.loads(body)
            assert (said["target"], said["authorization"], said["length"]) == (f"{path}?a=%20", "x", 5)
            again = await call(app, path, headers={"Authorization": "x"}, query=b"a=%20")
            assert json.loads(again[2])["answer"] != said["answer"]
            held = await call(app, path, headers={"If-Modified-Since": modified(good)})
            assert (held[0], held[2]) == (304, b"")
            head = await call(app, path, "HEAD")
            assert (head[0], head[2]) == (200, b"")
            assert head[1][PROOF.encode()].decode() == proof(key, good, "HEAD", 200, b"")
            _, headers, body = await call(app, f"/v1/devices/{good}/registrations/{TYPE}", "DELETE")
            assert b"last-modified" not in headers and json.loads(body)["authorization"] is None

    asyncio.run(main())


def test_there_are_only_so_many_a_minute(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            app = PhoneApp(service.answering, echo=Echo(service.keys, service.clock, service.chance))
            path = f"/v1/passes/{TYPE}/{ticket(service)}"
            assert {(await call(app, path))[0] for _ in range(PER_MINUTE)} == {200}
            assert (await call(app, path))[0] == 401
            service.clock.pass_(60_000)
            assert (await call(app, path))[0] == 200

    asyncio.run(main())
