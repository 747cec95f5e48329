"""Whatever comes in, the emulator stays up: random bytes, mutated frames, wrong protocols, on both ports."""

from __future__ import annotations

import asyncio
import random

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from emulators.apns.conftest import TOKEN
from emulators.apns.h2client import call, client_context

pytestmark = pytest.mark.anyio

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def conversation(pushes: int = 3) -> bytes:
    h2 = H2Connection(H2Configuration(client_side=True))
    h2.initiate_connection()
    for _ in range(pushes):
        stream = h2.get_next_available_stream_id()
        path = f"/3/device/{TOKEN}"
        h2.send_headers(stream, [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", path)])
        h2.send_data(stream, b"{}", end_stream=True)
    return h2.data_to_send()


def mutations(source: random.Random, count: int) -> list[bytes]:
    valid = conversation()
    made = []
    for _ in range(count):
        data = bytearray(valid)
        for _ in range(source.randint(1, 6)):
            at = source.randrange(len(PREFACE), len(data))
            match source.randrange(3):
                case 0:
                    data[at] = source.randrange(256)
                case 1:
                    del data[at : at + source.randint(1, 9)]
                case _:
                    data[at:at] = source.randbytes(source.randint(1, 9))
        made.append(bytes(data))
    return made


HAND_MADE = [
    b"",
    b"\x00",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    PREFACE[:10],
    PREFACE + b"\xff" * 100,
    PREFACE + frame(4, 0, 0, b"\x00\x04\xff\xff\xff\xff"),  # a window beyond the allowed
    PREFACE + frame(4, 0, 0, b"") + frame(1, 5, 2, b"\x88"),  # an even stream
    PREFACE + frame(4, 0, 0, b"") + frame(1, 5, 1, b"\xff\xff\xff\xff\xff"),  # broken HPACK
    PREFACE + frame(4, 0, 0, b"") + frame(1, 5, 1, b"\x82"),  # no path, no scheme
    PREFACE + frame(4, 0, 0, b"") + frame(0, 1, 1, b"{}"),  # data on an idle stream
    PREFACE + frame(4, 0, 0, b"") + frame(8, 0, 0, b"\x00\x00\x00\x00"),  # a window update of nothing
    PREFACE + frame(4, 0, 0, b"") + frame(8, 0, 0, b"\x7f\xff\xff\xff"),  # a window that overflows
    PREFACE + frame(4, 0, 0, b"") + frame(6, 0, 0, b"short"),
    PREFACE + frame(4, 0, 0, b"") + frame(3, 0, 9, b"\x00\x00\x00\x08"),
    PREFACE + frame(4, 0, 0, b"") + frame(7, 0, 0, bytes(8)) + frame(1, 5, 1, b"\x82"),
    PREFACE + frame(4, 0, 0, b"") + frame(0x77, 0xFF, 5, b"who knows"),
    PREFACE + frame(4, 0, 0, b"") + frame(9, 4, 1, b"\x88"),
    PREFACE + frame(4, 0, 0, b"") + frame(5, 4, 1, bytes(4)),
    PREFACE + frame(4, 1, 0, b"") * 20,
    PREFACE + frame(4, 0, 0, b"") * 200 + frame(6, 0, 0, bytes(8)) * 200,
]


async def throw(apns, context, data: bytes) -> bytes:
    host, port = apns.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(100_000), 0.02)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("data", HAND_MADE)
async def test_bytes_that_are_wrong_by_hand(apns, authority, pass_certificate, open_sender, data):
    await throw(apns, client_context(authority, pass_certificate), data)
    assert apns.internal_errors == 0
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


async def test_mutated_conversations(apns, authority, pass_certificate, open_sender):
    source = random.Random(11)
    context = client_context(authority, pass_certificate)
    for data in mutations(source, 60) + [PREFACE + source.randbytes(300) for _ in range(20)]:
        await throw(apns, context, data)
    assert apns.internal_errors == 0
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


async def test_broken_input_gets_a_goaway(apns, authority, pass_certificate):
    answer = await throw(apns, client_context(authority, pass_certificate), HAND_MADE[6])
    assert b"\x07\x00\x00\x00\x00\x00" in answer


async def test_bytes_that_are_no_tls(apns, open_sender):
    host, port = apns.url.removeprefix("https://").split(":")
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", random.Random(3).randbytes(2000)):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        await asyncio.sleep(0)
        writer.transport.abort()
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


async def test_a_connection_cut_in_the_middle_of_a_request(apns, authority, pass_certificate, open_sender):
    for end in range(60, len(conversation()), 29):
        await throw(apns, client_context(authority, pass_certificate), conversation()[:end])
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x00\xff\xfe\r\n\r\n", 400),
        (b"GET /stats\r\n\r\n", 400),
        (b"GET stats HTTP/1.1\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"BREW /stats HTTP/1.1\r\nConnection: close\r\n\r\n", 405),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET /stats HTTP/1.1\r\nOrigin: https://evil.example\r\n\r\n", 403),
    ],
)
async def test_garbage_on_the_control_port(apns, raw: bytes, status: int):
    found, said = await call(apns.control_url, "", "", raw=raw)
    assert found == status
    assert said["error"]
    assert (await call(apns.control_url, "GET", "/stats"))[0] == 200
