"""What may happen to certificates within a year, with processes of the command line, phones, and time that is moved.

The issuer, the phones and the emulated APNs are in this process; a service and three workers are processes of their
own on one database. All of them tell time by the same moved clock.
"""

from __future__ import annotations

import asyncio
import io
import random
import subprocess
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import journeys.world
from journeys.service_process import Process, command, serve, worker
from journeys.test_crashes import change, issuer, patient_phone
from journeys.world import PASS_TYPE, TEAM, World, points, until
from livepass.emulators.authority import Authority, Issued
from livepass.emulators.authority.shapes import Generation
from livepass.emulators.iphone import PhoneRunner
from livepass.pkpass import read, verify
from years.sky import Sky

PHONES = 50
WORKERS = 3
RETOLD = 20 / (24 * 60)
"""Days after which a phone that was told of a pass and did not fetch it is told again, and a little more."""
LONG = 1500
"""Days that everything lasts which is not the subject."""


class YearsWorld(World):
    """A world whose first certificate is this journey's own."""

    first: Issued

    def __init__(self, directory: Path) -> None:
        authority = Authority(datetime.now(UTC), "Apple of years")
        journeys.world.server_certificate = _server_certificate  # type: ignore[assignment]
        super().__init__(directory, authority)
        self.sky = Sky()
        self.shown: dict[str, int] = {}
        self.fleet: dict[str, PhoneRunner] = {}

    def issued(self, starts: int, days: int, **more: Any) -> Issued:
        """A certificate that starts so many days after today's beginning."""
        return self.authority.pass_certificate(
            PASS_TYPE, TEAM, starts=timedelta(days=starts, hours=-1), days=days, **more
        )

    async def certify(self, pass_type: str) -> None:
        self.first = self.issued(0, 200)
        made = (self.first.certificate_pem, self.first.key_pem, self.first.intermediate_pem)
        await self.services.admitting.import_pem(*made)

    async def cert(self, *arguments: str, exit_: int = 0) -> Mapping[str, Any]:
        """A verb of ``livepass cert``, as an operator types it."""
        code, found = await command(self, "cert", *arguments)
        assert code == exit_, (arguments, code, found)
        return found

    def p12(self, issued: Issued) -> tuple[str, ...]:
        """A certificate in a file: what to say to import it."""
        file, secret = self.directory / "next.p12", self.directory / "password"
        file.write_bytes(issued.p12("sesame"))
        secret.write_text("sesame\n")
        return "import", str(file), "--password-file", str(secret)

    async def take_in(self, issued: Issued, *more: str) -> str:
        return str((await self.cert(*self.p12(issued), *more))["id"])

    async def rotate(self, issued: Issued) -> str:
        """Import, prove, try on some, promote: the runbook."""
        id_ = await self.take_in(issued)
        assert (await self.cert("prove", id_))["state"] == "proven"
        assert (await self.cert("canary", id_, "10"))["canary_percent"] == 10
        assert (await self.cert("promote", id_))["signs"]
        return id_

    # ── phones

    async def settle_in(self, count: int) -> None:
        for n in range(count):
            serial = f"member-{n}"
            await self.issue(serial, 1)
            phone = await patient_phone(self)
            await phone.install(await self.pkpass(serial))
            self.fleet[serial], self.shown[serial] = phone, 1
        for phone in self.fleet.values():
            await phone.settle()

    async def all_shown(self, seconds: float = 60) -> None:
        """Every phone shows what was written last."""

        def behind() -> list[str]:
            return [serial for serial, phone in self.fleet.items() if points(phone, serial) != self.shown[serial]]

        await until(lambda: not behind(), lambda: f"behind: {behind()}", seconds)

    def registrations(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT serial, device_id, left_at FROM registration ORDER BY serial, device_id")

    # ── proof

    async def signer_of(self, serial: str) -> str:
        """Fetch a pass as a phone would; ``openssl`` and we must find its signature good. The id of its signer."""
        async with self.client() as client:
            reply = await client.get(f"/v1/passes/{PASS_TYPE}/{serial}", headers=await self.authorization(serial))
        assert reply.status_code == 200, reply.status_code
        verified = verify(read(reply.content), roots=[self.authority.root])
        folder = self.directory / "openssl"
        folder.mkdir(exist_ok=True)
        (folder / "manifest.json").write_bytes(read(reply.content).manifest_bytes)
        (folder / "signature").write_bytes(read(reply.content).signature)
        (folder / "root.pem").write_bytes(self.authority.root_pem)
        at = int(verified.signature.signed_at.timestamp())
        line = (
            "openssl cms -verify -binary -content manifest.json -inform DER -in signature -CAfile root.pem -no-CApath"
            f" -no-CAstore -purpose any -attime {at} -out /dev/null"
        )
        await asyncio.to_thread(subprocess.run, line.split(), cwd=folder, check=True, capture_output=True)
        return verified.certificate.sha256[:16]


def _server_certificate(authority: Authority) -> Issued:
    return authority.server_certificate("localhost", "127.0.0.1", days=LONG)


@asynccontextmanager
async def world_of_years(directory: Path) -> AsyncIterator[YearsWorld]:
    made = YearsWorld(directory)
    await made.start(elsewhere=True)
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def running(world: YearsWorld) -> AsyncIterator[None]:
    """A service and its workers, as processes."""
    async with AsyncExitStack() as stack:
        with (world.directory / "service.log").open("ab") as log:
            await stack.enter_async_context(serve(world, "--no-worker", stderr=log.fileno()))
            for _ in range(WORKERS):
                process: Process = worker(world)
                process._stderr = log.fileno()
                await stack.enter_async_context(process)
            yield


@asynccontextmanager
async def load(world: YearsWorld, pause: float = 0.05) -> AsyncIterator[None]:
    """Changes of passes, one after another, meanwhile."""
    rng, ending = random.Random(2026), asyncio.Event()

    async def changing() -> None:
        async with issuer(world) as client:
            while not ending.is_set():
                serial = rng.choice(list(world.fleet))
                world.shown[serial] += 1
                await change(client, serial, world.shown[serial], push="now")
                await asyncio.sleep(pause)

    task = asyncio.create_task(changing())
    try:
        yield
    finally:
        # Not cancelled: a change that was cut off in the middle is noted as written, and maybe is not.
        ending.set()
        await task


# ── the scenes


async def a_year(world: YearsWorld) -> None:
    """A year with two rotations, three workers and fifty phones under load."""
    leaves = {100: world.issued(90, 200), 240: world.issued(230, 200)}
    async with running(world):
        await world.settle_in(PHONES)
        signs = await world.signer_of("member-0")
        before = world.registrations()
        for day in range(0, 380, 20):
            world.sky.move(20 if day else 0)
            if day in leaves:
                # Under load: changes, pushes and fetches are under way while the certificate is exchanged.
                async with load(world):
                    signs = await world.rotate(leaves[day])
                await world.all_shown()
                await quiet(world, signs)
            else:
                async with load(world):
                    await asyncio.sleep(0.4)
                # Days pass at once: a phone that is told meanwhile would come days late, and be told again.
                await world.all_shown()
                await world.nothing_due()
            assert await world.signer_of(f"member-{day % PHONES}") == signs
        await world.all_shown()
        assert world.registrations() == before
    answers = {(entry.status, entry.reason) for entry in world.pushed()}
    assert {status for status, _ in answers} <= {200, 400} and (400, "BadDeviceToken") in answers, answers
    assert len([entry for entry in world.pushed() if entry.status == 400]) == len(leaves), "one for each proof"
    assert not (said := complaints_of(world)), said


TOLERATED = (
    "spurious push",  # said of the second push by a phone that the first one told of two changes
    "Get serial #s task",  # on a busy machine the service sheds load, and it does so at the ask alone
)


def complaints_of(world: YearsWorld) -> list[str]:
    """What phones complained of that has to do with passes and their signatures."""
    said = [line for phone in world.phones for line in phone.wallet.complaints]
    return [line for line in said if not any(each in line for each in TOLERATED)]


async def quiet(world: YearsWorld, signs: str) -> None:
    """Promoting the same one again, with nothing changed: no number moves, nobody is pushed."""
    await world.nothing_due()
    mark, number, registered = world.mark(), await world.number(), world.registrations()
    await world.cert("promote", signs)
    await asyncio.sleep(1)
    assert (world.pushed(after=mark), await world.number(), world.registrations()) == ([], number, registered)


async def write_all(world: YearsWorld) -> None:
    """Change every pass at once."""
    async with issuer(world) as client:
        for serial in world.fleet:
            world.shown[serial] += 1
            await change(client, serial, world.shown[serial], push="now")


async def some_pushed(world: YearsWorld, after: int, count: int = 10) -> None:
    """The fan-out is under way: some pushes were answered, and not all."""
    await until(lambda: len(world.pushed(after=after)) >= count, "pushes go out")
    assert len(world.pushed(after=after)) < len(world.fleet)


async def the_end_of_the_only_one(world: YearsWorld) -> None:
    """Expiry in the middle of a fan-out, with nothing to follow: all say so, and the next import heals it."""
    async with running(world):
        await world.settle_in(20)
        world.apns.chaos.set("latency:100-6000")
        mark = world.mark()
        await write_all(world)
        await some_pushed(world, mark, 5)
        world.sky.move(201)
        world.apns.chaos.clear()
        serial = "member-0"
        async with issuer(world) as client:
            world.shown[serial] += 1
            await change(client, serial, world.shown[serial])

        async def said() -> bool:
            code, found = await command(world, "why", f"{PASS_TYPE}/{serial}")
            return code == 1 and found["verdicts"][0]["code"] == "LP502"

        await until(said, "why names the certificate first")
        code, found = await command(world, "status")
        assert code == 1 and "has expired" in found["attention"][0], (code, found)
        async with world.client() as client:
            header = await world.authorization(serial)
            reply = await client.get(f"/v1/passes/{PASS_TYPE}/{serial}", headers=header)
            assert reply.status_code == 503, "nothing is signed rather than badly signed"

            async def asked() -> bool:
                return (await client.get(f"/v1/devices/nobody/registrations/{PASS_TYPE}")).status_code == 204

            # One ask may be shed where many phones are told at once.
            await until(asked, "phones may still ask")
            assert await world.register(client, "late", serial, "ab" * 32) == 201, "and register"
        new = await world.take_in(world.issued(200, 395))
        # A phone tries for a minute, which a busy machine takes to come here: told again, it comes again.
        world.sky.move(RETOLD)
        await world.all_shown(90)
        assert await world.signer_of(serial) == new
    said_of = [line for line in complaints_of(world) if "Unexpected response code 503" not in line]
    assert said_of == []


async def the_end_with_an_heir(world: YearsWorld) -> None:
    """Expiry in the middle of a fan-out, and another certificate is live: nobody needs to do anything."""
    async with running(world):
        await world.settle_in(20)
        signs = await world.signer_of("member-0")
        heir = await world.rotate(world.issued(0, 395))
        await world.cert("promote", signs)
        assert await world.signer_of("member-0") == signs
        mark = world.mark()
        world.apns.chaos.set("latency:300")
        await write_all(world)
        await until(lambda: bool(world.pushed(after=mark)), "pushes go out")
        world.sky.move(199.5)
        world.apns.chaos.clear()
        await write_all(world)
        await world.all_shown()
        assert await world.signer_of("member-1") == heir
        world.sky.move(2)
        await write_all(world)
        await world.all_shown()
    assert not (said := complaints_of(world)), said
    assert {entry.status for entry in world.pushed(after=mark)} == {200}


async def a_bad_one(world: YearsWorld) -> None:
    """It proved itself, and APNs refuses it once it is promoted: it is rolled back by itself, and nothing is lost."""
    async with running(world):
        await world.settle_in(10)
        signs = await world.signer_of("member-0")
        bad = world.issued(0, 395)
        id_ = await world.take_in(bad)
        await world.cert("prove", id_)
        world.apns.revoke(bad.certificate.serial_number)
        assert (await world.cert("prove", id_, exit_=1))["code"] == "unproven"
        await world.cert("promote", id_)
        mark = world.mark()
        await write_all(world)
        await world.all_shown()
        assert await world.signer_of("member-0") == signs
        rows = {row["id"]: row for row in await listed(world)}
        assert (rows[id_]["state"], rows[signs]["signs"]) == ("proven", True)
        assert f"certificate {id_} of {PASS_TYPE} is rolled back" in (world.directory / "service.log").read_text()
        assert 200 in {entry.status for entry in world.pushed(after=mark)}
    assert not (said := complaints_of(world)), said


async def another_generation(world: YearsWorld) -> None:
    """The intermediate changes generation; NFC that would be lost is not; nothing but the signature changes."""
    world.authority.introduce(Generation("G9", "rsa", -30, 3000))
    async with running(world):
        await world.settle_in(10)
        before = await files_of(world, "member-0")
        new = await world.rotate(world.issued(0, 395, generation="G9", nfc=True))
        assert await world.signer_of("member-0") == new
        after = await files_of(world, "member-0")
        assert {name for name in before if before[name] != after[name]} == {
            "signature"
        } and before.keys() == after.keys()
        await write_all(world)
        await world.all_shown()
        assert (await world.cert(*world.p12(world.issued(0, 395)), exit_=1))["code"] == "nfc_lost", "at import already"
        plain = await world.take_in(world.issued(0, 395), "--accept-nfc-loss")
        await world.cert("prove", plain)
        assert (await world.cert("promote", plain, exit_=1))["code"] == "nfc_lost"
        assert await world.signer_of("member-0") == new
        await world.cert("promote", plain, "--accept-nfc-loss")
        assert await world.signer_of("member-0") == plain
        await write_all(world)
        await world.all_shown()
    assert not (said := complaints_of(world)), said
    assert all(entry.status == 200 or entry.reason == "BadDeviceToken" for entry in world.pushed())


async def files_of(world: YearsWorld, serial: str) -> Mapping[str, bytes]:
    """A pass as a phone fetches it, file by file."""
    async with world.client() as client:
        reply = await client.get(f"/v1/passes/{PASS_TYPE}/{serial}", headers=await world.authorization(serial))
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def listed(world: YearsWorld) -> list[dict[str, Any]]:
    """Under pressure, which years in minutes are, phones come first: whoever lists comes again."""
    async with issuer(world) as client:
        for _ in range(100):
            reply = await client.get("/certificates")
            if reply.status_code != 503:
                break
            await asyncio.sleep(0.2)
        assert reply.status_code == 200, reply.text
        return list(reply.json()["data"])


Scene = Callable[[YearsWorld], Awaitable[None]]
SCENES: Mapping[str, Scene] = {
    scene.__name__: scene
    for scene in (a_year, the_end_of_the_only_one, the_end_with_an_heir, a_bad_one, another_generation)
}
