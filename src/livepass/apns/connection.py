"""One TLS connection to APNs: moves bytes between a socket and a :class:`~livepass.apns.wire.Wire`.

It knows which push is on which stream, and reports facts to its owner (the pool), which decides. States:

    ==========  ==========================================  =========================================
    connecting  made; TLS and the peer's SETTINGS to come   room 0
    open        SETTINGS came                               room as the peer allows
    draining    GOAWAY, ``drain()``, or identifiers used up room 0; answers are awaited, then closed
    dead        the connection is lost, or we gave it up    room 0; its pushes went back to the owner
    ==========  ==========================================  =========================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Protocol, cast

from livepass.apns import events
from livepass.apns.delivery import Job
from livepass.apns.patience import Look, Patience
from livepass.apns.reasons import CERTIFICATE_REFUSED, CONDEMNING, CONNECTION_LOST, PROTOCOL_ERROR, read_reason
from livepass.apns.tls import refused_our_certificate
from livepass.apns.wire import Wire

WRITE_BUFFER = 1 << 18
"""Unsent octets from which a peer that does not read gets no more pushes."""

UNREAD_LIMIT = 1 << 20
"""Unsent octets from which we leave it. Pushes stop long before; these are answers to its PINGs and SETTINGS."""


class State(Enum):
    """What may be expected of a connection."""

    CONNECTING = "connecting"
    OPEN = "open"
    DRAINING = "draining"
    DEAD = "dead"


class Owner(Protocol):
    """To whom a connection reports."""

    def on_answer(self, job: Job, status: int, reason: str, timestamp: int | None, apns_id: str) -> None: ...

    def on_returned(self, jobs: Sequence[Job], cause: str, *, counts: bool) -> None:
        """Pushes without an answer come back; ``counts`` is false when the peer vouches that they were not taken."""

    def on_farewell(self, connection: Connection, condemned: tuple[int, str] | None) -> None:
        """GOAWAY. ``condemned`` is the answer that it gives to all pushes with this certificate, if it gives one."""

    def on_change(self) -> None:
        """There may be room again, or none where there was."""

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """A connection that had been open is gone, and all its pushes were returned."""


class Connection(asyncio.Protocol):
    """One connection of one pool. ``opened`` resolves with the peer's SETTINGS, or raises what came instead."""

    def __init__(self, authority: str, owner: Owner, patience: Patience) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(authority)
        self._owner = owner
        self._patience = patience
        self._jobs: dict[int, Job] = {}
        self._transport: asyncio.Transport | None = None
        self._quiet_since = self._loop.time()
        self._asked_at: float | None = None
        self._opened_at = self._answered_at = float("-inf")
        self._ticking: asyncio.TimerHandle | None = None
        self._flush_due = False
        self._paused = False
        self._refusing = False
        self.state = State.CONNECTING
        self._was_open = False
        self.answers = 0
        self.said_goodbye = False
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # -- what the pool asks and does ------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many pushes it takes now."""
        if self.state is not State.OPEN or self._paused:
            return 0
        if self._refusing:
            # REFUSED_STREAM: the peer does not mean the limit that it announced. One at a time until it answers.
            return 0 if self._jobs else min(1, self._wire.room)
        return self._wire.room

    @property
    def in_flight(self) -> int:
        return len(self._jobs)

    def push(self, job: Job, now: float) -> None:
        """Write one push, while there is room; it leaves with the others of this turn of the loop.

        Raises ``ValueError`` when the message cannot be written as a request.
        """
        stream = self._wire.request(job.message)
        if not self._jobs:
            self._quiet_since = now
        self._jobs[stream] = job
        job.connection, job.stream, job.sent_at = self, stream, now
        job.attempts += 1
        self._flush_soon()

    def cancel(self, job: Job) -> None:
        """Give up on a push in flight.

        If no push was answered since it was sent, the next one should not be given to this connection either, whatever
        other signs of life it gives: it takes no more, and is asked whether it lives, for the sake of those that it
        still owes.
        """
        self._jobs.pop(job.stream, None)
        job.connection = None
        self._wire.cancel(job.stream)
        if self._answered_at <= job.sent_at:
            self.state = State.DRAINING
            if self._asked_at is None:
                self._ask()
        self._settle()
        self._flush_soon()

    def doubt(self, since: float) -> None:
        """A push waited from ``since`` on until its deadline. If it waited for room here that never came, leave.

        A limit of no streams is for short durations only (RFC 9113 §6.5.2), and a full one moves with each answer.
        """
        if self.state is State.OPEN and not self.room and max(self._opened_at, self._answered_at) <= since:
            self.drain()

    def drain(self) -> None:
        """Take no more pushes; close after the last answer."""
        if self.state is State.CONNECTING:
            self.abort()
        elif self.state is State.OPEN:
            self.state = State.DRAINING
            self._settle()

    def abort(self) -> None:
        """Close without a word. What is in flight goes back to the owner."""
        if self._transport is not None:
            self._transport.abort()
        elif self.state is not State.DEAD:
            self.connection_lost(None)

    # -- what asyncio calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.state is State.DEAD:  # given up while TLS was still talking
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._ticking = self._loop.call_later(self._patience.tick, self._tick)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._quiet_since = self._loop.time()
        self._asked_at = None
        for event in self._wire.receive(data):
            if type(event) is events.Answered:
                self._on_answered(event)
            else:
                self._on_event(event)
        self._owner.on_change()
        self._settle()
        self._flush()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._owner.on_change()

    def connection_lost(self, error: Exception | None) -> None:
        if self.state is State.DEAD:
            return
        self.state = State.DEAD
        if self._ticking is not None:
            self._ticking.cancel()
        if self._was_open:
            if refused_our_certificate(error):
                # TLS 1.3 lets a client finish its handshake before the server has looked at its certificate.
                self._owner.on_farewell(self, (0, CERTIFICATE_REFUSED))
            self._hand_back(CONNECTION_LOST)
            self._owner.on_lost(self, error)
        elif not self.opened.done():
            self._fail_to_open(error or ConnectionResetError("closed before its SETTINGS"))
        self.closed.set_result(None)

    # -- events of the wire ---------------------------------------------------------------------------------------

    def _on_answered(self, event: events.Answered) -> None:
        job = self._jobs.pop(event.stream)
        self.answers += 1
        self._answered_at = self._quiet_since
        self._refusing = False
        if event.status == 200:
            self._owner.on_answer(job, 200, "", None, event.apns_id)
            return
        reason, timestamp = read_reason(event.body)
        self._owner.on_answer(job, event.status, reason, timestamp if event.status == 410 else None, event.apns_id)

    def _on_event(self, event: events.Event) -> None:
        match event:
            case events.PeerSettings():
                self._refusing = False
                if self.state is State.CONNECTING and not self.opened.done():
                    # A farewell may have come even before the greeting.
                    self.state = State.DRAINING if self._wire.going_away else State.OPEN
                    self._was_open = True
                    self._opened_at = self._quiet_since
                    self.opened.set_result(None)
            case events.NotProcessed(stream, refused):
                self._refusing = self._refusing or refused
                self._return(stream, counts=refused)
            case events.Reset(stream, _):
                self._return(stream, counts=True)
            case events.GoingAway(_, _, debug):
                if self.state is State.OPEN:
                    self.state = State.DRAINING
                reason, _ = read_reason(debug)
                condemned = (CONDEMNING[reason], reason) if reason in CONDEMNING else None
                self._owner.on_farewell(self, condemned)
                self.said_goodbye = True
            case events.Broken(_, detail):
                self._break(detail)
            case _:
                pass  # Pong: that something came was all we wanted to know

    def _return(self, stream: int, *, counts: bool) -> None:
        job = self._jobs.pop(stream)
        job.connection = None
        self._owner.on_returned([job], CONNECTION_LOST, counts=counts)

    def _hand_back(self, cause: str) -> None:
        jobs = list(self._jobs.values())
        self._jobs.clear()
        for job in jobs:
            job.connection = None
        self._owner.on_returned(jobs, cause, counts=True)

    def _break(self, detail: str) -> None:
        """The peer does not speak HTTP/2 as we know it. Our GOAWAY says so, and nothing more will be understood."""
        if not self.opened.done():
            self._fail_to_open(ConnectionAbortedError(f"not HTTP/2 as we know it: {detail}"))
        self.state = State.DRAINING
        self._hand_back(PROTOCOL_ERROR)

    def _fail_to_open(self, error: Exception) -> None:
        self.opened.set_exception(error)
        self.opened.exception()  # nobody may be waiting any more; that is no error

    # -- upkeep ---------------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        transport = self._transport
        if transport is not None and not transport.is_closing():
            data = self._wire.take()
            if data:
                transport.write(data)
            if self._paused and transport.get_write_buffer_size() > UNREAD_LIMIT:
                transport.abort()

    def _settle(self) -> None:
        """Close a draining connection that owes nothing more."""
        if self._wire.used_up and self.state is State.OPEN:
            self.state = State.DRAINING
        transport = self._transport
        if self.state is State.DRAINING and not self._jobs and transport is not None and not transport.is_closing():
            self._wire.goodbye()
            self._flush()
            transport.close()

    def _ask(self) -> None:
        self._asked_at = self._loop.time()
        self._wire.ping(b"livepass")
        self._flush()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(self._patience.tick, self._tick)
        look = self._patience.look(self._loop.time(), self._quiet_since, self._asked_at, bool(self._jobs))
        if look is Look.ASK:
            self._ask()
        elif look is Look.DEAD:
            self.abort()
