"""Each break of the wire seen at work over real sockets, by a client that knows nothing of breaks."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emulators.between.upstream import LISTING, TAG, Upstream
from emulators.iphone.pass_maker import Maker
from livepass.emulators.authority import Authority, Issued
from livepass.emulators.between.breaks import BREAKS, BY_NAME
from livepass.emulators.between.proxy import Proxy
from livepass.emulators.between.scene import Broken, Where
from livepass.emulators.iphone import PhoneRunner, Refused
from livepass.emulators.iphone.package import read
from livepass.emulators.iphone.transport import trusting

DEVICES = "/wallet/v1/devices/d/registrations/pass.test.livepass"
CALLS = {
    "register": ("POST", f"{DEVICES}/S-1", b'{"pushToken": "ab"}'),
    "unregister": ("DELETE", f"{DEVICES}/S-1", b""),
    "ask": ("GET", f"{DEVICES}?passesUpdatedSince={TAG}", b""),
    "fetch": ("GET", "/wallet/v1/passes/pass.test.livepass/S-1", b""),
    "other": ("GET", "/wallet/v1/passes/pass.test.livepass/S-2", b""),
    "log": ("POST", "/wallet/v1/log", b'{"logs": []}'),
}
FINE = {"register": 201, "unregister": 200, "ask": 200, "fetch": 200, "log": 200}
NOTHING = 0
"""Stands for a status where no answer came."""


@dataclass
class Scene:
    """No APNs and no phones: what is broken is on the wire."""

    proxy: Proxy
    authority: Authority
    topic: str = "pass.test.livepass"
    holders: tuple[PhoneRunner, ...] = ()
    apns: Any = None


@dataclass
class Got:
    """What a call came back with, and what the service saw of it."""

    status: int
    headers: dict[str, str]
    body: bytes
    seen: list[Any]

    @property
    def listing(self) -> Any:
        return json.loads(self.body)


async def call(client: httpx2.AsyncClient, upstream: Upstream, name: str) -> Got:
    method, target, body = CALLS[name]
    before = len(upstream.seen)
    try:
        answer = await client.request(method, target, content=body, headers={"Authorization": "ApplePass secret"})
    except httpx2.HTTPError:
        return Got(NOTHING, {}, b"", upstream.seen[before:])
    headers = {key.lower(): value for key, value in answer.headers.items()}
    return Got(answer.status_code, headers, answer.content, upstream.seen[before:])


Stage = Callable[[Callable[[str, Scene, httpx2.AsyncClient, Upstream], Awaitable[None]], str], None]


@pytest.fixture(scope="module")
def server(authority: Authority) -> Issued:
    return authority.server_certificate("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def pkpass(authority: Authority, pass_certificate: Issued) -> bytes:
    return Maker(authority, pass_certificate)("S-1", 120)


@pytest.fixture
def stage(tmp_path: Path, authority: Authority, server: Issued, pkpass: bytes) -> Stage:
    """Runs a coroutine with a proxy between a client and a service, after each call has passed once unspoiled."""

    async def run(steps: Callable[[str, Scene, httpx2.AsyncClient, Upstream], Awaitable[None]], name: str) -> None:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(authority.root_pem)
        async with (
            asyncio.timeout(20),
            Upstream(server, tmp_path, pkpass) as upstream,
            Proxy(upstream.url, server, authority.root_pem) as proxy,
            httpx2.AsyncClient(base_url=proxy.url, verify=trusting(ca), trust_env=False, timeout=1) as client,
        ):
            for one, status in {**FINE, "other": 200}.items():
                assert (await call(client, upstream, one)).status == status
            await steps(name, Scene(proxy, authority), client, upstream)

    return lambda steps, name: asyncio.run(run(steps, name))


def gone(got: Got) -> bool:
    """No answer, and the service saw nothing."""
    return got.status == NOTHING and not got.seen


def refused(got: Got, authority: Authority) -> bool:
    """A phone does not take the file."""
    try:
        read(got.body, roots=[authority.root])
    except Refused:
        return got.status == 200
    return False


def answers(status: int) -> Callable[[Got], bool]:
    """The proxy says so by itself."""
    return lambda got: got.status == status and not got.seen


def same_files(got: Got, file: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(got.body)) as changed, zipfile.ZipFile(io.BytesIO(file)) as old:
        return changed.namelist() == old.namelist() and changed.read("manifest.json") == old.read("manifest.json")


AT_WORK: list[tuple[str, str, Callable[[Got], bool]]] = [
    # break, the call that it spoils, what is seen of it
    ("register-202", "register", lambda got: got.status == 202 and len(got.seen) == 1),
    ("register-401", "register", answers(401)),
    ("register-503", "register", answers(503)),
    ("register-cut", "register", gone),
    ("register-body-dropped", "register", lambda got: got.seen[0].body == b""),
    ("delete-lost", "unregister", answers(200)),
    ("login-on-ask", "ask", answers(401)),
    ("ask-404", "ask", answers(404)),
    ("ask-503", "ask", answers(503)),
    ("ask-html", "ask", lambda got: b"<!doctype" in got.body and got.headers["content-type"] == "text/html"),
    ("ask-cut", "ask", gone),
    ("ask-stalled", "ask", gone),
    ("ask-cached", "ask", answers(204)),
    ("ask-query-cut", "ask", lambda got: got.status == 200 and got.seen[0].target == DEVICES),
    ("list-truncated", "ask", lambda got: got.body == LISTING[: len(LISTING) // 2]),
    ("list-gzipped", "ask", lambda got: gzip.decompress(got.body) == LISTING),
    ("list-emptied", "ask", lambda got: got.listing == {"lastUpdated": TAG, "serialNumbers": []}),
    ("list-to-204", "ask", lambda got: got.status == 204 and len(got.seen) == 1),
    ("tag-as-number", "ask", lambda got: isinstance(got.listing["lastUpdated"], int)),
    ("tag-stripped", "ask", lambda got: got.listing == {"serialNumbers": ["S-1"]}),
    ("tag-repeated", "ask", lambda got: got.listing["lastUpdated"] == TAG and len(got.seen) == 1),
    ("authorization-stripped", "fetch", lambda got: "authorization" not in got.seen[0].headers),
    ("fetch-401", "fetch", answers(401)),
    ("fetch-503", "fetch", answers(503)),
    ("fetch-stalled", "fetch", gone),
    ("fetch-cut", "fetch", lambda got: got.status == NOTHING and len(got.seen) == 1),
    ("stale-304", "fetch", answers(304)),
    ("stale-file", "fetch", lambda got: answers(200)(got) and got.body[:2] == b"PK"),
    ("another-file", "fetch", answers(200)),
    ("last-modified-stripped", "fetch", lambda got: got.status == 200 and "last-modified" not in got.headers),
    ("file-html", "fetch", lambda got: answers(200)(got) and b"<!doctype" in got.body),
    ("file-truncated", "fetch", lambda got: got.body[:2] == b"PK"),
    ("file-gzipped", "fetch", lambda got: gzip.decompress(got.body)[:2] == b"PK"),
    ("file-transcoded", "fetch", lambda got: got.body[:2] == b"PK"),
    ("file-wrong-hash", "fetch", lambda got: got.body[:2] == b"PK"),
    ("file-signed-by-another", "fetch", lambda got: got.body[:2] == b"PK"),
    ("log-dropped", "log", answers(200)),
    ("log-204", "log", lambda got: got.status == 204 and len(got.seen) == 1),
    ("tls-expired", "ask", gone),
    ("tls-other-host", "ask", gone),
    ("tls-self-signed", "ask", gone),
    ("redirect", "log", lambda got: answers(301)(got) and "//www." in got.headers["location"]),
    ("double-v1", "log", lambda got: got.seen[0].target == "/wallet/v1/v1/log"),
]
EVERYWHERE = {"authorization-stripped", "tls-expired", "tls-other-host", "tls-self-signed", "redirect", "double-v1"}


@pytest.mark.parametrize(("name", "spoiled", "works"), AT_WORK, ids=[row[0] for row in AT_WORK])
def test_it_works_on_its_call_and_on_no_other_and_ends(
    name: str, spoiled: str, works: Callable[[Got], bool], stage: Stage
) -> None:
    async def steps(name: str, scene: Scene, client: httpx2.AsyncClient, upstream: Upstream) -> None:
        broken = Broken(scene)
        await broken.cause(BY_NAME[name])
        got = await call(client, upstream, spoiled)
        assert works(got), got
        if name not in EVERYWHERE:
            assert {one: (await call(client, upstream, one)).status for one in FINE if one != spoiled} == {
                one: status for one, status in FINE.items() if one != spoiled
            }
        assert [one.name for one in await broken.mend()] == [name]
        after = {one: await call(client, upstream, one) for one in FINE}
        assert {one: got.status for one, got in after.items()} == FINE
        assert after["ask"].body == LISTING

    stage(steps, name)


def test_every_break_of_the_wire_is_in_the_table() -> None:
    on_the_wire = {one.name for one in BREAKS if one.where not in (Where.PUSH, Where.PHONE)}
    assert on_the_wire == {row[0] for row in AT_WORK}


@pytest.mark.parametrize("name", [one.name for one in BREAKS if one.where is Where.PACKAGE])
def test_a_phone_refuses_the_file(name: str, stage: Stage, authority: Authority, pkpass: bytes) -> None:
    async def steps(name: str, scene: Scene, client: httpx2.AsyncClient, upstream: Upstream) -> None:
        assert not refused(await call(client, upstream, "fetch"), authority)
        await Broken(scene).cause(BY_NAME[name])
        got = await call(client, upstream, "fetch")
        assert refused(got, authority)
        if name in ("file-wrong-hash", "file-signed-by-another"):
            assert same_files(got, pkpass), "nothing else is wrong with it"

    stage(steps, name)


def test_two_breaks_of_different_calls_both_work(stage: Stage) -> None:
    async def steps(_: str, scene: Scene, client: httpx2.AsyncClient, upstream: Upstream) -> None:
        broken = Broken(scene)
        for name in ("login-on-ask", "fetch-503", "login-on-ask"):
            await broken.cause(BY_NAME[name])
        assert len(broken.breaks) == 2, "the same one twice is once"
        assert (await call(client, upstream, "ask")).status == 401
        assert (await call(client, upstream, "fetch")).status == 503

    stage(steps, "")


def test_what_no_phone_sends_ends_the_connection(stage: Stage) -> None:
    async def steps(_: str, scene: Scene, client: httpx2.AsyncClient, upstream: Upstream) -> None:
        for head in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"x" * 40_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", scene.proxy.port, ssl=client_tls(scene))
            writer.write(head)
            assert await ended(reader) == b""
            writer.close()

    stage(steps, "")


def client_tls(scene: Scene) -> Any:
    import ssl

    context = ssl.create_default_context(cadata=scene.authority.root_pem.decode())
    context.check_hostname = False
    return context


async def ended(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_names_are_words_and_sentences_are_sentences() -> None:
    assert len(BREAKS) == len(BY_NAME) >= 30
    for one in BREAKS:
        assert one.name == one.name.lower() and " " not in one.name
        assert one.sentence.endswith(".") and one.sentence[0].isupper()
