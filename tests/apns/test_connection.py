"""A connection without a network: a transport that writes into a strict peer, and an owner that takes notes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hyperframe.frame import GoAwayFrame, SettingsFrame

from apns.peer import Peer, message
from livepass.apns.connection import Connection, State
from livepass.apns.delivery import Batch, Job
from livepass.apns.patience import Patience
from livepass.apns.wire import Wire


class Line(asyncio.Transport):
    """What the connection writes is kept in ``sent``; nobody answers unless the test does."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.writes = 0
        self.ended: str | None = None

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.sent += data
        self.writes += 1

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.ended is not None

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Notes:
    """An owner."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.returned: list[tuple[int, str, bool]] = []
        self.farewells: list[tuple[int, str] | None] = []
        self.lost = 0
        self.changes = 0

    def on_answer(self, job: Job, status: int, reason: str, timestamp: int | None, apns_id: str) -> None:
        self.answers.append((status, reason))

    def on_returned(self, jobs: Sequence[Job], cause: str, *, counts: bool) -> None:
        self.returned += [(job.attempts, cause, counts) for job in jobs]

    def on_farewell(self, connection: Connection, condemned: tuple[int, str] | None) -> None:
        self.farewells.append(condemned)

    def on_change(self) -> None:
        self.changes += 1

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        self.lost += 1


Scene = Callable[[Connection, Line, Notes], Awaitable[None]]


def play(scene: Scene, *, greeted: bool = True, patience: Patience | None = None) -> None:
    async def main() -> None:
        notes, line = Notes(), Line()
        connection = Connection("a", notes, patience or Patience())
        connection.connection_made(line)
        if greeted:
            connection.data_received(SettingsFrame(0, {3: 100}).serialize())
            await connection.opened
        await scene(connection, line, notes)

    asyncio.run(main())


def job(number: int = 0) -> Job:
    batch = Batch(1, lambda answer: None, asyncio.get_running_loop().create_future())
    return Job(message(number), batch, 1e9)


def test_many_pushes_are_one_write() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        before = line.writes
        for number in range(100):
            connection.push(job(number), 0.0)
        assert line.writes == before
        await asyncio.sleep(0)
        assert line.writes == before + 1
        assert connection.room == 0
        peer = Peer()
        peer.receive(line.sent)
        assert len(peer.complete) == 100

    play(scene)


def test_no_room_while_the_peer_does_not_read() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        assert connection.room == 100
        connection.pause_writing()
        assert connection.room == 0
        before = notes.changes
        connection.resume_writing()
        assert connection.room == 100
        assert notes.changes == before + 1

    play(scene)


def test_a_certificate_refused_after_the_greeting() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        connection.push(job(), 0.0)
        alert = ssl.SSLError(1, "alert")
        alert.reason = "SSLV3_ALERT_CERTIFICATE_REVOKED"
        connection.connection_lost(alert)
        connection.connection_lost(None)
        assert notes.farewells == [(0, "CertificateRefused")]
        assert notes.returned == [(1, "ConnectionLost", True)]
        assert notes.lost == 1
        assert (connection.state, connection.room, connection.in_flight) == (State.DEAD, 0, 0)

    play(scene)


def test_identifiers_used_up_end_it_after_the_last_answer() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        connection._wire = Wire("a", first_stream=2**31 - 1)
        connection._wire.receive(SettingsFrame(0).serialize())
        connection.push(job(), 0.0)
        connection.data_received(b"\0\0\0\x04\x01\0\0\0\0")
        assert (connection.state, line.ended) == (State.DRAINING, None)
        connection.data_received(b"\0\0\1\1\5\x7f\xff\xff\xff\x88")
        assert notes.answers == [(200, "")]
        assert line.ended == "closed"

    play(scene)


@pytest.mark.parametrize("debug", [b"", b'{"reason":"BadCertificate"}'])
def test_goaway_instead_of_a_greeting(debug: bytes) -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        connection.data_received(GoAwayFrame(0, additional_data=debug).serialize())
        assert notes.farewells == [(403, "BadCertificate") if debug else None]
        connection.connection_lost(None)
        with pytest.raises(ConnectionResetError):
            await connection.opened
        assert notes.lost == 0

    play(scene, greeted=False)


def test_given_up_before_tls_was_done() -> None:
    async def main() -> None:
        connection, line = Connection("a", Notes(), Patience()), Line()
        connection.abort()
        connection.abort()
        assert connection.state is State.DEAD
        connection.connection_made(line)
        assert line.ended == "aborted"
        assert line.sent == b""
        connection.drain()
        assert connection.closed.done()

    asyncio.run(main())


def test_drained_before_the_greeting() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        connection.drain()
        assert line.ended == "aborted"

    play(scene, greeted=False)


def test_no_answer_to_a_ping_ends_it() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        connection.push(job(), asyncio.get_running_loop().time())
        async with asyncio.timeout(5):
            while line.ended is None:  # noqa: ASYNC110 - the line is a stand-in without events
                await asyncio.sleep(0.01)
        assert b"livepass" in line.sent
        assert line.ended == "aborted"
        connection.connection_lost(None)
        assert notes.returned == [(1, "ConnectionLost", True)]

    play(scene, patience=Patience(busy=0.05, reply=0.05))


def test_cancelling_on_a_connection_that_answers_keeps_it() -> None:
    async def scene(connection: Connection, line: Line, notes: Notes) -> None:
        first, second = job(1), job(2)
        connection.push(first, asyncio.get_running_loop().time())
        connection.push(second, asyncio.get_running_loop().time())
        connection._answered_at = first.sent_at + 1  # another push was answered since
        connection.cancel(first)
        assert connection.state is State.OPEN
        connection._answered_at = second.sent_at - 1  # whatever else came
        connection.cancel(second)
        assert connection.state is State.DRAINING
        assert line.ended == "closed"

    play(scene)
