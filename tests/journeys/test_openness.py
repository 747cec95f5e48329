"""Open to the world: anybody's tools can check our passes, and anybody's bytes get an answer that a phone knows."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from journeys.wire import call, exchange, status
from journeys.world import PASS_TYPE, World, journey, shows, without_proxy
from livepass.core.timeline import Kind


def needs(command: str) -> pytest.MarkDecorator:
    """Skips where a command is missing, saying so; under CI its absence is a failure."""
    missing = shutil.which(command) is None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(missing, reason=f"{command} is not installed")


needs_openssl = needs("openssl")
needs_sha1sum = needs("sha1sum")


async def fetched(world: World, serial: str) -> bytes:
    async with world.client() as client:
        answer = await client.get(f"/v1/passes/{PASS_TYPE}/{serial}", headers=await world.authorization(serial))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apple.pkpass"
    return answer.content


def unpacked(package: bytes, folder: Path) -> Path:
    folder.mkdir()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)


def cms_verify(folder: Path, root: Path) -> subprocess.CompletedProcess[str]:
    command = "openssl cms -verify -binary -inform DER -in signature -content manifest.json -purpose any -out verified"
    return run(*command.split(), "-CAfile", str(root), folder=folder)


@needs_openssl
@journey
async def test_openssl_verifies_the_served_pass(world: World) -> None:
    """Fails when only our own code can read the signature; it must also fail for a manifest that was touched."""
    await world.issue("1", 1)
    folder = unpacked(await fetched(world, "1"), world.directory / "pass")
    checked = cms_verify(folder, world.ca_file)
    assert checked.returncode == 0, checked.stderr
    assert (folder / "verified").read_bytes() == (folder / "manifest.json").read_bytes()

    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"icon.png", b"icon.pnG"))
    assert cms_verify(folder, world.ca_file).returncode != 0


@needs_sha1sum
@journey
async def test_sha1sum_verifies_the_manifest(world: World) -> None:
    """Fails when a file is missing from the manifest, or its hash is of other bytes than those in the package."""
    await world.issue("1", 1)
    folder = unpacked(await fetched(world, "1"), world.directory / "pass")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert set(manifest) == {path.name for path in folder.iterdir()} - {"manifest.json", "signature"}
    (folder / "sums").write_text("".join(f"{digest}  {name}\n" for name, digest in manifest.items()))
    checked = run("sha1sum", "-c", "--strict", "sums", folder=folder)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count(": OK") == len(manifest)


@journey
async def test_every_way_to_write_a_path_gets_an_answer(world: World) -> None:
    """Fails when a wallet that glues slashes or encodes twice is turned away, or a HEAD is."""
    phone = await world.holding("a.b-c_d", 1)
    [record] = phone.wallet.records.values()
    token = await world.authorization("a.b-c_d")
    fetches = {
        f"/v1/passes/{PASS_TYPE}/a.b-c_d": 200,
        f"//v1/passes/{PASS_TYPE}/a.b-c_d": 200,
        f"/v1//passes/{PASS_TYPE}//a.b-c_d/": 200,
        f"/v1/passes/{PASS_TYPE}/a%2Eb-c_d": 200,
        f"/v1/passes/{PASS_TYPE}/a%252Eb-c_d": 200,
        f"/v1/passes/{PASS_TYPE.replace('.', '%2E')}/a.b-c_d": 200,
        f"/v1/passes/{PASS_TYPE}/a.b-c_d?anything=else": 200,
        f"/v1/v1/passes/{PASS_TYPE}/a.b-c_d": 404,
    }
    for method in ("GET", "HEAD"):
        for path, expected in fetches.items():
            answer = await call(world, method, path, token)
            assert status(answer) == expected, (method, path)
            assert (b"last-modified: " in answer.partition(b"\r\n\r\n")[0].lower()) == (expected == 200)
    head = await call(world, "HEAD", f"/v1/passes/{PASS_TYPE}/a.b-c_d", token)
    assert head.endswith(b"\r\n\r\n")
    for tag in ("", "x", "0", "v1.x.1.x", "%00", "%ff%fe", "v1." + "9" * 300, "2026-11-01T00:00:00Z"):
        path = f"/v1/devices/{record.device_id}/registrations/{PASS_TYPE}?passesUpdatedSince={tag}"
        answer = await call(world, "GET", path)
        assert status(answer) == 200, tag
        assert b'"serialNumbers":["a.b-c_d"]' in answer


@journey
async def test_calls_that_apple_may_add_tomorrow_get_200(world: World) -> None:
    """Fails when an unknown message is answered by an error, or is lost when it names a pass that we have."""
    phone = await world.holding("1", 1)
    for path in (f"/v1/passes/{PASS_TYPE}/1/lifecycle", "/v1/anything", "/v1/a/b/c/d/e/f", "/v1/devices/x/new"):
        assert status(await call(world, "POST", path, {}, b'{"passState": "added"}')) == 200
    unknown = [event for event in await world.timeline("1") if event.kind is Kind.UNKNOWN_DEVICE_MESSAGE]
    assert [event.detail["body"] for event in unknown] == ['{"passState": "added"}']
    for body in (b"", b"{", b"[]", b'{"logs": 1}', b'{"logs": [1, null, {}]}', b"\xff" * 100, b"[" * 5000):
        assert status(await call(world, "POST", "/v1/log", {}, body)) == 200
    assert status(await call(world, "POST", "/v1/log", {}, b"x" * 100_000)) == 200
    await world.change("1", 2)
    await shows(phone, "1", 2)


BODIES = [
    b"", b"{}", b"[]", b"null", b"x", b'{"pushToken": 1}', b'{"pushToken": ""}', b'{"pushToken": "zz"}',
    b'{"pushToken": null}', b'{"pushToken": "' + b"a" * 1000 + b'"}', b"\xff\xfe", b'"\\ud800"', b"[" * 4000,
    b'{"pushToken": "\\ud800"}', b"1e999999", b"9" * 4000,
]  # fmt: skip


@journey
async def test_garbage_bodies_are_400(world: World) -> None:
    """Fails when a registration's body can make the service stumble, or anything but a push token is taken for one."""
    await world.issue("1", 1)
    token = await world.authorization("1")
    path = f"/v1/devices/abc/registrations/{PASS_TYPE}/1"
    for body in BODIES:
        assert status(await call(world, "POST", path, token, body)) == 400, body[:40]
    assert status(await call(world, "POST", path, token, b" " * 10_000)) == 413
    assert await world.registrations("1") == 0
    tolerated = b'\n{"more": [1], "pushToken": "ABCD"}\n'
    assert status(await call(world, "POST", path, token, tolerated)) == 201


@without_proxy("what is not HTTP, the proxy answers itself")
@journey
async def test_nothing_that_is_sent_makes_the_service_stumble(world: World) -> None:
    """Fails on any 5xx. What is not HTTP may be hung up on; what is gets an answer, and phones are served on."""
    phone = await world.holding("1", 1)
    token = (await world.authorization("1"))["Authorization"]
    rng = random.Random(20261101)
    methods = ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"]
    parts = [
        "v1", "passes", "devices", "registrations", "log", PASS_TYPE, "1", "%2F", "%00", "%ff", "%25", "%252F", "..",
        ".", "", "%E2%82%AC", "a" * 300, "-", "x y".replace(" ", "%20"), "personalize", "%", "%zz", "~", ";", "@",
    ]  # fmt: skip
    values = [token, "ApplePass", "ApplePass \xff", "", "x" * 5000, "ApplePass " + "é" * 10, "Basic eDp5"]
    dates = ["x", "Thu, 01 Jan 1970 00:00:00 GMT", "\xff", "9" * 100, ""]
    requests = []
    for _ in range(250):
        path = "/" + "/".join(rng.choice(parts) for _ in range(rng.randint(0, 7)))
        query = rng.choice(["", "", "?passesUpdatedSince=%ff", "?" + "&" * 50, "?passesUpdatedSince", "?=&%zz"])
        headers = {"Authorization": rng.choice(values), "If-Modified-Since": rng.choice(dates)}
        requests.append((rng.choice(methods), path + query, headers, rng.choice(BODIES)))
    for method, path, headers, body in requests:
        answer = await call(world, method, path, headers, body)
        assert status(answer) < 500, (method, path, headers, body)
        assert status(answer) > 0, (method, path, headers, body)
    for raw in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01" * 50,
        b"GET / HTTP/9.9\r\n\r\n",
        b"A" * 70_000 + b"\r\n\r\n",
    ):
        assert status(await exchange(world, raw, patience=0.5)) < 500
    await world.change("1", 2)
    await shows(phone, "1", 2)
