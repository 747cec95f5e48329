"""No secret leaves: a whole life, errors included, and then everything that came out of it is searched."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import secrets
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

import engines
from journeys.leaks import ARTEFACTS, Evidence, forms, kind_of
from journeys.service_process import environment, gone, serve
from journeys.test_crashes import patient_phone
from journeys.typist import Typist, typist
from journeys.world import OTHER_TYPE, PASS_TYPE, World, journey, pass_certificate, shows, until
from livepass.cli.root import root
from livepass.core.echo import echo_key
from livepass.core.provider_token import WINDOW_MS, signed
from livepass.core.sealed import Sealable, Sealed
from livepass.core.totp import code_of, step_at
from livepass.service.refusals import Refusal
from provider_keys import Minted
from service.rewards import rewards
from web.asgi import folder_zip

PASSWORD = 'pässword-marker "of" the+p12/%41'
DATABASE_PASSWORD = "database-password-marker"
GUESSED = "lp_0123456789ab_guessed-key-marker-" + "g" * 16
FIRST_PRIVATE_LINE = 8
"""The lines before it hold what stands in the certificate too."""
APNS_KEY = Minted()
PERSON = "personalization-token-marker"
GIVEN = {"fullName": "Ada-marker von Musterfrau", "emailAddress": "marker.person@mail.example.org"}


ZIP = {"Content-Type": "application/zip"}
CONSOLE_PASSWORD, CONSOLE_GUESS = "console-password-marker of ada", "console-guess-marker of a stranger"


class Life:
    """One world with its evidence, and the hands that write down every answer."""

    def __init__(self, world: World, typist: Typist) -> None:
        self.world = world
        self.typist = typist
        self.evidence = Evidence()
        self.commands: list[str] = []
        self.own: dict[str, str] = {}

    async def api(self, client: httpx2.AsyncClient, method: str, path: str, key: str, **more: Any) -> httpx2.Response:
        """A call of the issuer API; its answer is evidence, headers too."""
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        target = f"{self.world.issuer_url}/api/v1{path}"
        while (answer := await client.request(method, target, headers=headers, **more)).status_code == 503:
            if answer.json()["code"] != "overloaded":  # a busy machine answers phones first
                break
            await asyncio.sleep(0.2)
        if not path.endswith("/pkpass"):
            self.evidence.add("http", f"{answer.headers!r}\n".encode() + answer.content)
        return answer

    async def device(self, client: httpx2.AsyncClient, method: str, path: str, **more: Any) -> httpx2.Response:
        """A call of a stranger's at the device endpoints; its answer is evidence."""
        answer = await client.request(method, f"{self.world.url}{path}", **more)
        self.evidence.add("http", f"{answer.headers!r}\n".encode() + answer.content)
        return answer

    async def command(self, *words: str, may: str = "cli", **settings: str) -> tuple[int, bytes]:
        """A ``livepass`` command, as JSON and with all that ``--debug`` shows; what it says is evidence."""
        self.commands.append(" ".join(words))
        given = {**environment(self.world), **settings}
        code, out, err = await self.typist.type((*words, "--json", "--debug"), given)
        self.evidence.add(f"{may} {' '.join(words[:2])}", out + b"\n" + err)
        return code, out


# ── the life


# Several times what it takes by itself: it runs nearly every command there is, maybe beside other tests.
@journey(elsewhere=True, books=False, content=False, limit=500)
async def test_no_secret_leaves(world: World) -> None:
    """Fails when any marker stands in a log, an answer, a list, a diary, a command's output, a backup or a file."""
    async with typist(world.directory) as typing:
        await _lived(Life(world, typing))


async def _lived(life: Life) -> None:
    world = life.world
    _mark(world)
    form = "text" if engines.chosen() == "sqlite" else "json"
    async with _said(form) as said:
        async with serve(world, "--debug", stderr=said.descriptor), world.client() as client:
            await _know(life)
            await _live(life, client)
            await _share(life, client)
            await _err(life, client)
            await _pushes_fail(life, client)
            await _break(life, client)
            await _show(life, client)
        life.evidence.add("log", bytes(said.data))
    await _commands(life)
    _files(life)
    assert life.evidence.kinds == ARTEFACTS.keys() - {"crash"}
    assert life.evidence.size("log") > 1000 and b"Traceback" in said.data, bytes(said.data[-2000:])
    hits = life.evidence.hits()
    assert hits == [], "\n\n".join(map(str, hits))
    # Where they may stand they are found: in all of this, not only in a test of the search.
    for name, places in (("push token", {"database", "backup"}), ("device id", {"database", "backup", "http", "cli"})):
        assert {kind_of(hit.place) for hit in life.evidence.hits(of=name)} == places


def _mark(world: World) -> None:
    """Settings that hold markers, and a journal and a witness to look into."""
    folder = world.directory / "journal"
    folder.mkdir()
    url = world.config.database_url.replace("postgres@", f"postgres:{DATABASE_PASSWORD}@")
    world.config = replace(
        world.config,
        database_url=url,
        registration_journal=folder,
        witness_file=str(world.directory / "the.witness"),
    )


async def _know(life: Life) -> None:
    """What is secret, and where it may stand all the same."""
    world, secret = life.world, life.evidence.secret
    for text in world.config.secret_key:
        secret("secret key", text)
        secret("secret key's bytes", base64.urlsafe_b64decode(text + "=="))
    secret("admin key", world.config.admin_key)
    secret("database password", DATABASE_PASSWORD)
    secret("p12 password", PASSWORD)
    secret("guessed key", GUESSED.split("_", 2)[2])
    secret("personalization token", PERSON)
    keys: Any = world.services.keys
    for key_id, key in keys._shared.items():
        secret(f"shared key {key_id}", key)
    for pass_type in (PASS_TYPE, OTHER_TYPE):
        issued = pass_certificate(world.authority, pass_type)
        lines = issued.key_pem.decode().splitlines()[FIRST_PRIVATE_LINE:-2]
        for number, line in enumerate(lines, FIRST_PRIVATE_LINE):
            secret(f"line {number} of the key for {pass_type}", line)
            secret(f"line {number} of the key for {pass_type}, DER", base64.b64decode(line))
        numbers = issued.key.private_numbers()
        for name in ("d", "p", "q", "dmp1"):
            value: int = getattr(numbers, name)
            secret(f"{name} of the key for {pass_type}", value.to_bytes((value.bit_length() + 7) // 8, "big"))
    world.apns.know_key(APNS_KEY.known())
    secret("d of the APNs key", APNS_KEY.private.private_numbers().private_value.to_bytes(32, "big"))
    for number, line in enumerate(APNS_KEY.p8.decode().splitlines()[2:-1], 2):  # the first holds what all keys have
        secret(f"line {number} of the APNs key", line)
    secret("key of share links", keys.share_key)
    secret("key of echoes", echo_key(keys.tag_key))
    window = world.services.clock.now() // WINDOW_MS * WINDOW_MS // 1000
    for issued_at in (window, window + WINDOW_MS // 1000):
        secret("provider token's signature", signed(APNS_KEY.opened, issued_at).rpartition(".")[2])


async def _live(life: Life, client: httpx2.AsyncClient) -> None:
    """Issued, installed, changed, pushed, asked, fetched, left."""
    world, admin = life.world, life.world.config.admin_key
    wanted = {"template": "membership", "data": {"points": 1}}
    for serial in ("1", "2"):
        assert (await life.api(client, "PUT", f"/passes/{PASS_TYPE}/{serial}", admin, json=wanted)).status_code == 201
    for serial in ("1", "2"):
        token = (await world.authorization(serial))["Authorization"].split()[1]
        life.own[serial] = token
        life.evidence.secret(f"token of {serial}", token)
    phone = await patient_phone(world)
    await phone.install(await world.pkpass("1"))
    await until(lambda: phone.wallet["1"].registered)
    life.evidence.secret("push token", phone.wallet.push_token, may=("database", "backup"))
    [record] = phone.wallet.records.values()
    life.evidence.secret("device id", record.device_id, may=("database", "backup", "http", "cli"))
    await _change(life, client, "1", 2)
    await shows(phone, "1", 2)
    made = await client.post(
        f"{world.issuer_url}/api/v1/keys",
        headers={"Authorization": f"Bearer {admin}"},
        json={"name": "limited", "scopes": ["passes:read", "logs:read"], "pass_types": [PASS_TYPE]},
    )
    life.own["key"] = made.json()["key"]  # the one answer that holds it
    life.evidence.secret("API key", life.own["key"].split("_", 2)[2])
    p12 = base64.b64encode(pass_certificate(world.authority, OTHER_TYPE).p12(PASSWORD)).decode()
    taken = await life.api(client, "POST", "/certificates", admin, json={"p12": p12, "password": PASSWORD})
    assert taken.status_code == 201, taken.text
    body = {"p8": APNS_KEY.p8.decode(), "id": APNS_KEY.id, "team": APNS_KEY.team}
    assert (await life.api(client, "POST", "/apns-keys", admin, json=body)).status_code == 201
    choice = f"/pass-types/{PASS_TYPE}/push-credential"
    chosen = await life.api(client, "PUT", choice, admin, json={"apns_key": APNS_KEY.id})
    assert chosen.json()["heard"] == "400 BadDeviceToken", chosen.text
    await _sign_up(life, client)
    await _change(life, client, "1", 3)
    await shows(phone, "1", 3)
    assert "authorization" in world.pushed()[-1].headers
    world.apns.revoke_key(APNS_KEY.id)
    await _change(life, client, "1", 4)
    await until(lambda: world.services.store.circuit(PASS_TYPE), "APNs refuses the key")
    back = await life.api(client, "PUT", choice, admin, json={"apns_key": None})
    assert back.status_code == 200, back.text
    await shows(phone, "1", 4)


async def _patiently(call: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """Where phones come first on a busy machine, and whoever else calls is to come back in a moment."""
    for _ in range(300):
        if (answer := await call()).status_code != 503:
            break
        await asyncio.sleep(0.2)
    return answer


async def _sign_up(life: Life, client: httpx2.AsyncClient) -> None:
    """Somebody gives a name, which is on the card from then on; the issuer changes the card, and reads the name."""
    admin, path = life.world.config.admin_key, f"/passes/{PASS_TYPE}/r"
    folder = await life.api(client, "POST", "/templates?name=rewards", admin, content=rewards().to_zip(), headers=ZIP)
    assert folder.status_code == 201, folder.text
    wanted = {"template": "rewards", "data": {"points": 1}}
    assert (await life.api(client, "PUT", path, admin, json=wanted)).status_code == 201
    mine = await life.world.authorization("r")
    for name, text in GIVEN.items():
        life.evidence.secret(f"{name} of a person", text)
    body = {"personalizationToken": PERSON, "requiredPersonalizationInfo": GIVEN}
    for token in (PERSON, f"{PERSON}-2", "{}"):
        body["personalizationToken"] = token
        for headers in (mine, {"Authorization": "ApplePass x"}):
            await life.device(client, "POST", f"/v1{path}/personalize", headers=headers, json=body)
    await life.device(client, "POST", f"/v1{path}/personalize", headers=mine, content=json.dumps(body).encode()[:-9])
    # The answer that may hold it.
    headers = {"Authorization": f"Bearer {admin}"}
    address = f"{life.world.issuer_url}/api/v1{path}/enrolments"
    told = await _patiently(lambda: client.get(address, headers=headers))
    assert [row["info"] for row in told.json()["data"]] == [GIVEN, GIVEN]
    for data in ({"points": 2}, {"points": 2, "fullName": "Member"}, {"points": 3}):
        assert (await life.api(client, "PUT", path, admin, json=wanted | {"data": data})).status_code == 200
    await life.api(client, "PUT", f"{path}?dry_run=1", admin, json=wanted | {"data": {"points": 4, "fullName": 7}})
    pkpass = await client.get(f"{life.world.url}/v1{path}", headers=mine)
    assert pkpass.status_code == 200


async def _share(life: Life, client: httpx2.AsyncClient) -> None:
    """A link, opened whole and broken: only who made it and who opens it may see it."""
    made = await client.post(
        f"{life.world.issuer_url}/api/v1/passes/{PASS_TYPE}/1:share",
        headers={"Authorization": f"Bearer {life.world.config.admin_key}"},
        json={},
    )
    url: str = made.json()["url"]  # the one answer that holds it
    token = url.rpartition("/")[2]
    life.evidence.secret("share link", token)
    for file, status in (("", 200), ("/picture.svg", None), ("/other", 404), ("A", 404), ("/pass.pkpass", 200)):
        answer = await _patiently(lambda file=file: client.get(url + file))
        assert status in (None, answer.status_code), answer.text
        if not file.endswith(".pkpass"):
            shown = answer.content.replace(token.encode(), b"") if file == "" else answer.content
            life.evidence.add("http", f"{answer.headers!r}\n".encode() + shown)


async def _err(life: Life, client: httpx2.AsyncClient) -> None:
    """Refusals, misunderstandings, and secrets in places where they do not belong."""
    world, admin, own = life.world, life.world.config.admin_key, life.own["key"]
    issued = pass_certificate(world.authority, PASS_TYPE)
    p12, key = base64.b64encode(issued.p12(PASSWORD)).decode(), issued.key_pem.decode()
    path, p8 = f"/passes/{PASS_TYPE}/1", APNS_KEY.p8.decode()
    bodies: list[tuple[str, str, Any]] = [
        ("POST", "/certificates", {"p12": p12, "password": PASSWORD + "!"}),
        ("POST", "/certificates", {"p12": "not base64 " + PASSWORD, "password": PASSWORD}),
        ("POST", "/certificates", {"p12": p12, "password": [PASSWORD]}),
        ("POST", "/certificates", {"p12": base64.b64encode(key.encode()).decode(), "password": PASSWORD}),
        ("POST", "/certificates", {"certificate_pem": key, "private_key_pem": key, "intermediate_pem": key}),
        ("POST", "/certificates", {"certificate_pem": "x", "private_key_pem": {"pem": key}, "intermediate_pem": "x"}),
        ("POST", "/certificates", {"private_key_pem": key, "password": PASSWORD}),
        ("POST", "/certificates", {"certificate_pem": "x", "private_key_pem": key, "private_key_password": PASSWORD}),
        ("POST", "/certificates", {"certificate": p12}),
        ("POST", "/signing-requests", {"email": "ü@example.com", "pass_type": PASS_TYPE}),
        ("POST", "/apns-keys", {"p8": p8[:-40], "id": APNS_KEY.id, "team": APNS_KEY.team}),
        ("POST", "/apns-keys", {"p8": [p8], "id": APNS_KEY.id, "team": APNS_KEY.team}),
        ("POST", "/apns-keys", {"p8": "x", "id": p8, "team": p8[40:50]}),
        ("POST", "/keys", {"name": 7, "scopes": [own]}),
        ("PUT", path, {"template": "membership", "data": {"points": {"secret": life.own["1"]}}}),
        ("PUT", path, {"template": "membership", "data": {"points": 1}, "content": {"webServiceURL": 7}}),
        ("PATCH", path, {"content": {"authenticationToken": life.own["2"], "barcodes": life.own["2"]}}),
        ("PATCH", path, {"content": {"barcodes": [{"message": 1}], "expirationDate": "never"}}),
        ("POST", "/pushes", {"pass_type": PASS_TYPE, "serial": 7}),
    ]
    for method, target, body in bodies:
        answer = await life.api(client, method, target, admin, json=body)
        assert 200 <= answer.status_code < 500, answer.text
    for wrong in (GUESSED, own + "x", admin + "x", life.own["1"], f"{own} {own}"):
        assert (await life.api(client, "GET", "/passes", wrong)).status_code == 401
    for target in (f"/passes?key={admin}", f"/passes?limit={own}", f"/passes?cursor={own}", f"/{admin}/{own}"):
        await life.api(client, "GET", target, admin)
    for target in ("/keys", "/certificates", f"/passes/{OTHER_TYPE}/1"):
        await life.api(client, "GET", target, own)
    await life.api(client, "POST", "/certificates", admin, content=b'{"password": "' + PASSWORD.encode() + b'" oops')

    registration = f"/v1/devices/stranger/registrations/{PASS_TYPE}/1"
    mine, theirs = (f"ApplePass {life.own[serial]}" for serial in ("1", "2"))
    push_token = "feedfacefeedfacefeedface"  # shorter than Apple's: nothing that strikes long ones finds it
    life.evidence.secret("short push token", push_token, may=("database", "backup"))
    body = {"pushToken": push_token}
    for headers in ({"Authorization": theirs}, {"Authorization": f"Bearer {life.own['1']}"}, {}):
        for method in ("POST", "DELETE"):
            assert (await life.device(client, method, registration, headers=headers, json=body)).status_code == 401
        await life.device(client, "GET", f"/v1/passes/{PASS_TYPE}/1?token={life.own['1']}", headers=headers)
    await life.device(client, "POST", registration, headers={"Authorization": mine}, json={"pushToken": life.own["1"]})
    await life.device(client, "POST", registration, headers={"Authorization": mine}, json=body)
    await life.device(client, "POST", f"/v1/v1/{life.own['1']}", headers={"Authorization": mine}, json=body)
    await life.device(client, "GET", f"/v1/devices/x/registrations/{PASS_TYPE}?passesUpdatedSince=1794000000")
    person = {"personalizationToken": PERSON, "authenticationToken": life.own["1"], **body}
    for verb in ("personalize", life.own["1"], "news"):
        path = f"/v1/passes/{PASS_TYPE}/1/{verb}"
        await life.device(client, "POST", path, headers={"Authorization": mine}, json=person)
    await life.device(
        client, "POST", f"/v1/passes/{PASS_TYPE}/1/news", content=f"{mine} pushToken={push_token}".encode()
    )
    context = f"(pass type {PASS_TYPE}, serial number 1; with web service url {world.url}) encountered error: "
    lines = [
        f"Get pass task {context}Authentication failure",
        f"Get pass task {context}header Authorization: {mine}",
        f"Register task {context}could not send {{'pushToken': '{push_token}'}} with {mine}",
    ]
    assert (await life.device(client, "POST", "/v1/log", json={"logs": lines})).status_code == 200


async def _pushes_fail(life: Life, client: httpx2.AsyncClient) -> None:
    """APNs refuses in every way that it has: to each phone another, and then to all."""
    world = life.world
    faults = (
        "status:500",
        "429",
        "rst",
        "status:400",
        "status:410",
        "status:400:BadDeviceToken",
        "goaway",
        "cut:after",
    )
    for number, fault in enumerate(faults):
        push_token = f"{number}0ddba11" * 8
        life.evidence.secret(f"push token for {fault}", push_token, may=("database", "backup"))
        world.apns.register_device(push_token, [PASS_TYPE])
        world.apns.chaos.set(fault, token=push_token, count=1)
        assert await world.register(client, f"device-{number}", "2", push_token) == 201
    mark = world.mark()
    await _change(life, client, "2", 2)
    await until(lambda: len(world.pushed(mark)) >= len(faults) - 2, lambda: f"only {world.pushed(mark)}")
    world.apns.chaos.clear()
    world.apns.chaos.set("status:403")
    mark = world.mark()
    _sql(world, "UPDATE push_target SET next_at = 1")
    await _change(life, client, "1", 9)
    await until(lambda: world.mark() > mark, "a 403")
    await world.apns.down()
    _sql(world, "UPDATE push_target SET next_at = 1")
    await _change(life, client, "1", 10)
    await asyncio.sleep(0.5)


async def _change(life: Life, client: httpx2.AsyncClient, serial: str, points: int) -> None:
    path = f"/passes/{PASS_TYPE}/{serial}?push=now"
    answer = await life.api(client, "PATCH", path, life.world.config.admin_key, json={"data": {"points": points}})
    assert answer.status_code == 200, answer.text


def _plain(world: World) -> str:
    """The database's address as the tests' own server knows it."""
    return world.config.database_url.replace(f":{DATABASE_PASSWORD}", "")


def _sql(world: World, statement: str) -> None:
    engines.run(_plain(world), statement)


async def _break(life: Life, client: httpx2.AsyncClient) -> None:
    """The database refuses what a handler writes, and says so in its own words; then a table is gone."""
    world, admin = life.world, life.world.config.admin_key
    marker = "0badc0de" * 4
    life.evidence.secret("refused push token", marker, may=("database", "backup"))
    mine = {"Authorization": f"ApplePass {life.own['2']}"}
    registration = f"/v1/devices/refused-device/registrations/{PASS_TYPE}/2"
    life.evidence.secret("refused device", "refused-device", may=("database", "backup", "http", "cli"))
    with Refusing(world):
        answer = await life.device(client, "POST", registration, headers=mine, json={"pushToken": marker})
        assert answer.status_code == 503
        answer = await life.api(client, "POST", "/keys", admin, json={"name": "refused", "scopes": ["passes:read"]})
        assert answer.status_code == 500
    _sql(world, "ALTER TABLE registration RENAME TO registration_gone")
    try:
        answer = await life.device(client, "POST", registration, headers=mine, json={"pushToken": marker})
        assert answer.status_code == 503
        for path in (f"/passes/{PASS_TYPE}/1", "/registrations", "/stats"):
            assert (await life.api(client, "GET", path, admin)).status_code >= 500
    finally:
        _sql(world, "ALTER TABLE registration_gone RENAME TO registration")


class Refusing:
    """Rules of the database's own, that a phone and a key break."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        for table, column, value in (("device", "device_id", "refused-device"), ("api_key", "name", "refused")):
            if engines.chosen() == "sqlite":
                _sql(
                    self._world,
                    f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} WHEN NEW.{column} = '{value}' "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END",
                )
            else:
                _sql(self._world, f"ALTER TABLE {table} ADD CONSTRAINT no_{table} CHECK ({column} <> '{value}')")

    def __exit__(self, *_: object) -> None:
        for table in ("device", "api_key"):
            if engines.chosen() == "sqlite":
                _sql(self._world, f"DROP TRIGGER no_{table}")
            else:
                _sql(self._world, f"ALTER TABLE {table} DROP CONSTRAINT no_{table}")


async def _show(life: Life, client: httpx2.AsyncClient) -> None:
    """Everything that the service shows to issuers and operators."""
    world = life.world
    paths = [f"/passes/{PASS_TYPE}/1", f"/passes/{PASS_TYPE}/1/timeline?limit=500", f"/passes/{PASS_TYPE}/2/timeline"]
    paths += [f"/passes/{PASS_TYPE}/r", f"/passes/{PASS_TYPE}/r/timeline", f"/passes/{PASS_TYPE}/r/why"]
    paths += ["/passes", "/registrations", "/pushes", "/device-logs", "/stats", "/templates", "/openapi.json"]
    for path in [*paths, "/certificates", "/signing-requests", "/keys"]:
        for key in (world.config.admin_key, life.own["key"]):
            await life.api(client, "GET", path, key)
    for path in ("/readyz", "/livez", "/metrics", "/", "/console"):
        answer = await client.get(f"{world.issuer_url}{path}")
        life.evidence.add("http", f"{answer.headers!r}\n".encode() + answer.content)


async def _commands(life: Life) -> None:
    """What the command line shows, what it says when it cannot, and a backup."""
    world = life.world
    name = f"{PASS_TYPE}/1"
    shown = [("status",), ("pass", "list"), ("pass", "show", name), ("template", "list"), ("cert", "list")]
    shown += [("device", "list"), ("push", "list"), ("log", "list"), ("key", "list"), ("db", "verify")]
    shown += [("canary", "run", PASS_TYPE), ("canary", "status")]
    shown += [("pass", "share", name), ("pass", "share", name, "--minutes", "5", "--qr"), ("pass", "funnel")]
    shown += [("template", "show", "membership"), ("backup", str(world.directory / "a.zip")), ("help", "findings")]
    for words in shown:
        code, _ = await life.command(*words)
        assert code in (0, 1), words
    _, listed = await life.command("cert", "list")
    p12, password = world.directory / "a.p12", world.directory / "password"
    p12.write_bytes(pass_certificate(world.authority, PASS_TYPE).p12(PASSWORD))
    await life.command("cert", "csr", "--type", PASS_TYPE, "--out", str(world.directory / "a.csr"))
    await life.command("cert", "csr", "list")
    await _waiting_keys(life)
    await _console(life)
    for text in (PASSWORD, PASSWORD + "!"):
        password.write_text(text)
        await life.command("cert", "import", str(p12), "--password-file", str(password))
    p8, ids = world.directory / "a.p8", ("--id", APNS_KEY.id, "--team", APNS_KEY.team)
    for content in (APNS_KEY.p8[:-40], APNS_KEY.p8):
        p8.write_bytes(content)
        await life.command("apns-key", "import", str(p8), *ids)
    certificate = json.loads(listed.splitlines()[0])["id"]
    for words in (
        ("apns-key", "use", PASS_TYPE, APNS_KEY.id),
        ("apns-key", "list"),
        ("apns-key", "use", PASS_TYPE, "--certificate"),
        ("apns-key", "retire", APNS_KEY.id),
        ("cert", "show", certificate),
        *(("cert", step, certificate) for step in ("prove", "canary", "promote", "rollback", "retire")),
        ("cert", "plan"),
        ("cert", "check"),
        ("webhook", "list"),
        *(
            ("webhook", step, "we_none")
            for step in ("show", "enable", "disable", "test", "messages", "recover", "remove")
        ),
        ("webhook", "recover", "we_none", "--since", "2026-11-24"),
        ("webhook", "resend", "we_none", "msg_none"),
        ("trigger", "pass.issued"),
        ("tenant", "add", "second", "--title", "The Second"),
        ("tenant", "list"),
        ("tenant", "show", "second"),
        ("key", "list", "--tenant", "second"),
        ("tenant", "rename", "second", "The Other"),
        ("tenant", "remove", "second"),
        ("template", "import", str(_template_folder(world))),
        ("pass", "timeline", name),
        ("why", name),
        ("doctor",),
        ("pass", "issue", f"{PASS_TYPE}/3", "--template", "membership", "points=3"),
        ("pass", "set", name, "points=11"),
        ("pass", "set", f"{PASS_TYPE}/3", "--holder", "crm-3"),
        ("holder", "erase", "crm-3", "--dry-run"),
        ("pass", "push", name),
        ("pass", "void", f"{PASS_TYPE}/3"),
        ("pass", "erase", f"{PASS_TYPE}/3", "--yes"),
        ("pass", "build", name, "-o", str(world.directory / "own.pkpass")),
        ("pass", "verify", str(world.directory / "own.pkpass")),
        ("pass", "lint", str(world.directory / "own.pkpass")),
        ("pass", "bundle", name, "-o", str(world.directory / "own.pkpasses")),
        ("pass", "diff", str(world.directory / "own.pkpass"), name, "--html", str(world.directory / "diff.html")),
        ("pass", "versions", name),
        ("pass", "diff", name, "--since", "1"),
        ("pass", "preview", str(world.directory / "own.pkpass"), "-o", str(world.directory / "own.html")),
        ("pass", "schema"),
        ("template", "import", str(world.directory / "own.pkpass"), str(world.directory / "own"), "--variables"),
        ("template", "new", "coupon", str(world.directory / "coupon")),
        ("template", "images", str(world.directory / "coupon")),
        ("log", "explain", f"Authentication failure with ApplePass {life.own['1']}"),
        ("alerts", "export", "prometheus"),
        ("alerts", "export", "grafana"),
        ("support", "fingerprint", "1"),
        ("support", "bundle", "--yes", "-o", str(world.directory / "support.zip")),
        ("db", "lost"),
        ("db", "upgrade"),
        ("db", "recover"),
        ("key", "reseal"),
        ("key", "renew"),
    ):
        await life.command(*words)
    await _in_and_out(life)
    for page in ("diff.html", "own.html"):
        life.evidence.add_file("cli page", world.directory / page)
    for words in (
        ("cert", "csr", "remove", "none", "--yes"),
        ("pass", "show", f"{PASS_TYPE}/none"),
        ("cert", "show", "none"),
        ("key", "revoke", "none"),
    ):
        assert (await life.command(*words))[0] != 0
    other = secrets.token_urlsafe(32)
    life.evidence.secret("another secret key", other)
    await life.command("pass", "build", name, "-o", str(world.directory / "x.pkpass"), LIVEPASS_SECRET_KEY=other)
    await life.command("status", LIVEPASS_SECRET_KEY=world.config.secret_key[0] + "!")
    await life.command("status", LIVEPASS_ADMIN_KEYS=world.config.admin_key)
    nowhere = f"postgresql://postgres:{DATABASE_PASSWORD}@127.0.0.1:1/none"
    await life.command("status", LIVEPASS_DATABASE_URL=nowhere)
    await life.command("status", "--url", world.issuer_url, "--key", GUESSED)
    await _help(life)


async def _waiting_keys(life: Life) -> None:
    """The key that was made for a certificate to come is as secret as the certificate's own will be."""
    [made] = await life.world.services.admitting.requests.waiting()
    sealed = Sealed(Sealable.SIGNING_REQUEST, made.pass_type, made.id, made.key_sealed)
    key = load_der_private_key(life.world.services.keys._unseal(sealed), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    for name, number in (("p", numbers.p), ("q", numbers.q), ("d", numbers.d)):
        life.evidence.secret(f"{name} of a key that waits", number.to_bytes((number.bit_length() + 7) // 8))


async def _console(life: Life) -> None:
    """Users of the web console come and go, are refused, and leave what they did behind."""
    console, own, secret = life.world.services.console, life.world.directory / "console-password", life.evidence.secret
    for name, text in (("console password", CONSOLE_PASSWORD), ("guessed console password", CONSOLE_GUESS)):
        secret(name, text)
    own.write_text(CONSOLE_PASSWORD)
    user = ("console", "user")
    for words in ((*user, "add", "ada", "--role", "admin"), (*user, "add", "ada", "--role", "viewer")):
        await life.command(*words, "--password-file", str(own))
    address = await console.enrol_totp("ada")
    text = parse_qs(urlsplit(address).query)["secret"][0]
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    secret("TOTP secret", text)
    secret("TOTP secret's bytes", key)
    step = step_at(life.world.services.clock.now())
    await console.confirm_totp("ada", code_of(key, step))
    session = await console.login("ada", CONSOLE_PASSWORD, code_of(key, step + 1), source="192.0.2.1")
    link = await console.new_link("admin")
    by_link = await console.redeem(link)
    unused = await console.new_link("viewer")
    for name, text in (("session", session), ("link", link), ("link's session", by_link), ("unused link", unused)):
        secret(name, text)
    for attempt in (
        console.login("ada", CONSOLE_GUESS, code_of(key, step + 1), source="192.0.2.1"),
        console.login(CONSOLE_GUESS, CONSOLE_PASSWORD, None, source="192.0.2.1"),
        console.redeem(link),
        console.set_password("ada", CONSOLE_PASSWORD[:11]),
        console.add_user("bob", "viewer", "console-guess"[:11]),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        life.evidence.add("http", f"{caught.value} {caught.value.hint} {caught.value.faults}")
    visitor = await console.visitor(session)
    assert visitor is not None
    secret("a form's token", visitor.csrf)
    life.evidence.add("log", repr(visitor))
    await console.note(visitor, "looked", "pass", {"cookie": session, "said": f"Bearer {session}"})
    # Of the moment at which all of this is there.
    archive = life.world.directory / "console.zip"
    await life.command("backup", str(archive))
    life.evidence.add_file("backup", archive)
    for table in ("console_user", "console_session", "console_link", "audit"):
        rows = engines.look(_plain(life.world), f"SELECT * FROM {table}")
        assert rows
        life.evidence.add(f"database {table}", repr(rows))
    await life.command(*user, "password", "ada", "--password-file", str(own))
    for words in (("list",), ("role", "ada", "viewer"), ("drop-code", "ada"), ("disable", "ada"), ("enable", "ada")):
        await life.command(*user, *words)
    code, listed = await life.command("console", "audit")
    assert code == 0 and b"signed in" in listed


LEFT_OUT: Mapping[str, str] = {
    "demo": "makes a world of its own, with secrets of its own",
    "init": "makes a secret key and says in which file it is; there is none before",
    "serve": "what it says is the log",
    "worker": "what it says is the log; its last words are in test_crash_images.py",
    "phone": "an emulated phone shows its own tokens: they are its owner's",
    "apns": "the emulated APNs shows the push tokens that it got: they are its owner's",
    "console serve": "what it says is the log, and, where nobody may come in yet, a link, as console link does",
    "console link": "its answer is a link, and the only one that is",
    "key create": "its answer is the key, and the only one that is",
    "webhook add": "its answer is the secret, and one of the two that are",
    "webhook rotate": "the other one",
    "listen": "it shows the secret of an endpoint that goes with it",
    "pass enrolment": "shows what people gave: nothing else does",
    "pass enrolments": "the same, of a pass type",
    "holder export": "the same, of a person",
    "pass batch": "says what the API answered, which is searched",
    "db compare": "compares what a restore set aside",
    "restore": "needs an empty database",
}
"""Commands, or whole nouns, whose output is not searched here, and why."""


async def _in_and_out(life: Life) -> None:
    """A pass comes in with its token, and what is here goes out without any."""
    folder, imported = life.world.directory, secrets.token_urlsafe(24)
    life.evidence.secret("imported token", imported)
    for name, token in (("in.ndjson", imported), ("weak.ndjson", imported[:8])):
        row = {"pass_type": PASS_TYPE, "serial": "in", "data": {"points": 1}, "authentication_token": token}
        (folder / name).write_text(json.dumps(row))
        await life.command("import", "passes", str(folder / name), "--template", "membership")
    (folder / "phones.csv").write_text("pass_type,serial,device_id,push_token\n")
    (folder / "no-passes").mkdir()
    for words in (
        ("import", "registrations", str(folder / "phones.csv")),
        ("import", "folder", str(folder / "no-passes")),
        ("import", "list"),
        ("import", "show", "imp_none"),
        ("import", "cancel", "imp_none"),
        ("import", "django-walletpass", f"sqlite:///{folder}/none.db", "--media", str(folder)),
        ("export", "passes", "-o", str(folder / "out.ndjson")),
        ("export", "registrations", "-o", str(folder / "out-phones.csv")),
        ("export", "timeline", "-o", str(folder / "out-timeline.ndjson")),
        ("export", "all", str(folder / "out")),
        *(("migrate-url", step) for step in ("plan", "start", "status", "finish")),
    ):
        await life.command(*words)
    for name in ("out.ndjson", "out-timeline.ndjson", "out/passes.ndjson"):
        life.evidence.add_file("cli file", folder / name)


async def _help(life: Life) -> None:
    """What ``--help`` says; and every command there is was run, or stands in ``LEFT_OUT``."""
    names = list(_names(root, ()))
    script = "import sys; from livepass.cli.running import run; [run([*n.split(), '--help']) for n in sys.argv[1:]]"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *names, env=environment(life.world), stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await process.communicate()
    finally:
        await gone(process)
    life.evidence.add("help", out)
    assert out.count(b"Usage:") == len(names)
    kept = {name for name in names if name not in LEFT_OUT and name.split()[0] not in LEFT_OUT}
    assert {name for name in kept if not any(f"{said} ".startswith(f"{name} ") for said in life.commands)} == set()


def _names(command: click.Command, before: tuple[str, ...]) -> Iterator[str]:
    """Every command, as its words."""
    if not isinstance(command, click.Group):
        yield " ".join(before)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if found := command.get_command(context, name):
            yield from _names(found, (*before, name))


def _template_folder(world: World) -> Path:
    folder = world.directory / "gold"
    folder.mkdir()
    with zipfile.ZipFile(io.BytesIO(folder_zip())) as archive:
        archive.extractall(folder)
    return folder


def _files(life: Life) -> None:
    """The backup, the journal, the witness, and the database as it lies there."""
    world = life.world
    life.evidence.add_file("backup", world.directory / "a.zip")
    life.evidence.add_file("bundle", world.directory / "support.zip")
    for path in (world.directory / "journal").rglob("*"):
        if path.is_file():
            life.evidence.add_file("journal", path)
    life.evidence.add_file("witness", world.directory / "the.witness")
    for path in world.directory.glob("livepass.db*"):
        life.evidence.add_file(f"database {path.name}", path)
    for table in engines.tables(_plain(world)):
        rows = engines.look(_plain(world), f'SELECT * FROM "{table}"')
        life.evidence.add(f"database {table}", repr(rows))


# ── what a process says


class _Said:
    """What came out of a process, and the descriptor to give it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.data = bytearray()


@asynccontextmanager
async def _said(form: str) -> AsyncIterator[_Said]:
    """A terminal, which gets text, or a pipe, which gets JSON; read all the time."""
    ours, theirs = os.openpty() if form == "text" else os.pipe()
    said = _Said(theirs)
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            said.data += os.read(ours, 1 << 16)
        except OSError:  # the other side of the terminal is gone
            loop.remove_reader(ours)

    loop.add_reader(ours, read)
    try:
        yield said
        await asyncio.sleep(0.1)
    finally:
        loop.remove_reader(ours)
        os.close(theirs)
        os.close(ours)


# ── the search finds what it is to find


@pytest.mark.parametrize("value", [b"a-marker-of-ours-42", PASSWORD.encode(), bytes(range(200, 232))])
@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
def test_a_secret_is_found_in_every_form(value: bytes, before: bytes) -> None:
    wrapped: Mapping[str, bytes] = dict(forms(value)) | {
        "in base64": base64.b64encode(before + value + b"tail"),
        "in base64url": base64.urlsafe_b64encode(before + value),
        "in JSON": json.dumps({"said": value.decode("utf-8", "ignore") + " " + value.hex()}).encode(),
    }
    for form, data in wrapped.items():
        evidence = Evidence()
        evidence.secret("it", value, may=("http",))
        evidence.add("http", data)
        assert evidence.hits() == []
        evidence.add("log", b"much before " + data + b" and much after")
        assert [hit.place for hit in evidence.hits()] == ["log"], form
        innocent = Evidence()
        innocent.secret("it", value)
        innocent.add("log", b"nothing of the kind")
        assert innocent.hits() == []
