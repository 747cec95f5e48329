"""The doctor's page: a package is looked at here, whatever it is, and nothing of it is kept."""

from __future__ import annotations

import io
import zipfile

import pytest

from livepass.core.model import Process
from web.asgi import PASS_TYPE
from web.console.rooms import Room, with_room

DEVIL = "<img src=x onerror=alert(1)>"


async def package(room: Room) -> bytes:
    await room.api.issue("1001")
    return await room.api.services.issuing.pkpass(PASS_TYPE, "1001")


def changed(data: bytes, name: str, before: bytes, after: bytes) -> bytes:
    """The package with something else in one of its files, and its signature as it was."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for each in old.namelist():
            content = old.read(each)
            new.writestr(each, content.replace(before, after) if each == name else content)
    assert made.getvalue() != data
    return made.getvalue()


def zipped(size: int, names: int = 1) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(names):
            archive.writestr(f"file-{number}", b"\0" * size)
    return made.getvalue()


@with_room
async def test_a_good_package_is_believed_and_judged_without_its_token(room: Room) -> None:
    data = await package(room)
    for path in ("/doctor", "/doctor.json"):
        reply = await room.post(path, "operator", files={"pkpass": data})
        text = reply.body.decode()
        assert reply.status == 200
        assert PASS_TYPE in text
        assert await room.api.token("1001") not in text
        assert "PKG1" in text
        assert "SIG1" in text
    assert "It holds together" in (await room.post("/doctor", files={"pkpass": data})).body.decode()


@with_room
async def test_a_package_that_was_tampered_with_is_not_believed(room: Room) -> None:
    data = changed(
        await package(room), "pass.json", b'"description":"Membership"', f'"description":"{DEVIL}","{DEVIL}":1'.encode()
    )
    html = (await room.post("/doctor", files={"pkpass": data})).body.decode()
    assert "is not the file that manifest.json lists" in html
    assert DEVIL not in html
    assert "&lt;img src=x" in html, "and lint told of the key that no phone knows"


@with_room
async def test_a_token_that_a_sentence_quotes_is_struck_out(room: Room) -> None:
    data = await package(room)
    token = await room.api.token("1001")
    leaking = changed(data, "pass.json", b'"description":"Membership"', f'"{token}":1,"description":"x"'.encode())
    for path in ("/doctor", "/doctor.json"):
        reply = await room.post(path, files={"pkpass": leaking})
        assert reply.status == 200
        assert "Wallet knows no key" in reply.body.decode()
        assert token not in reply.body.decode()


@pytest.mark.parametrize(
    "data",
    [b"no zip", b"PK\3\4" + b"\0" * 40, zipped(9_000_000), zipped(10, 200), zipped(3_000_000, 40)],
    ids=["text", "torn", "one large file", "many files", "large when unpacked"],
)
@with_room
async def test_a_hostile_file_gets_a_sentence(room: Room, data: bytes) -> None:
    reply = await room.post("/doctor", files={"pkpass": data})
    assert reply.status == 200
    html = reply.body.decode()
    assert "It cannot be opened" in html
    assert 'role="alert"' in html


@with_room
async def test_a_file_beyond_the_bound_is_not_read_on(room: Room) -> None:
    reply = await room.post("/doctor", files={"pkpass": b"\0" * (17 << 20)})
    assert reply.status == 413
    assert b"send a smaller file" in reply.body


@with_room
async def test_no_file_and_an_empty_one_are_said(room: Room) -> None:
    assert b"no file was sent" in (await room.post("/doctor")).body
    assert b"no file was sent" in (await room.post("/doctor", files={"pkpass": b""})).body


@with_room
async def test_it_says_what_does_not_run(room: Room) -> None:
    assert (await room.json("/doctor"))["missing"] == ["serve", "worker"]
    services = room.api.services
    now = services.clock.now()
    # One that was heard of now, and a worker that was heard of too long ago.
    for name, role, heard in (("a", "serve", now), ("b", "worker", now - 61_000)):
        process = Process(name, "host", 1, role, 1, now - 99_000, heard, None, 0)
        await services.store.write(lambda tx, process=process: tx.put_process(process))
    page = await room.json("/doctor", "viewer")
    assert page["missing"] == ["worker"]
    assert [(one["name"], one["wrong"]) for one in page["parts"]] == [("database", ""), ("worker", "")]
    html = (await room.get("/doctor")).body.decode()
    assert "Pushes wait: start livepass" in html
