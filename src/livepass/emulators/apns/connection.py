"""One HTTP/2 connection of a sender: bytes to requests, answers to frames, and the faults that live in frames.

``h2`` validates strictly what comes in; what it refuses ends the connection with GOAWAY, as at Apple. Three things go
past it:

* GOAWAY frames of ours are written by hand: after h2 has sent one it refuses to answer the streams still in flight,
  while APNs answers them.
* After a GOAWAY *from* the sender, h2's state is put back for the same reason: the sender waits for the rest.
* A new MAX_CONCURRENT_STREAMS goes out only when the one before is acknowledged, since h2 matches acknowledgements to
  values by order alone and would otherwise enforce a limit that the sender cannot know yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import Literal, Protocol, cast

import orjson
from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, TooManyStreamsError
from h2.settings import SettingCodes, Settings
from hpack import NeverIndexedHeaderTuple

from livepass.emulators.apns.chaos import NO_CHAOS, Fault, Plan
from livepass.emulators.apns.service import Answer, Asked, Service
from livepass.emulators.apns.verdicts import Credential
from livepass.emulators.apns.wire import SETTINGS, STREAMS_VIOLATED, Incoming, goaway_frame

log = logging.getLogger(__name__)

HIGHEST_STREAM = 2**31 - 1

FEED_BYTES = 8_192  # h2 counts open streams for every new one: small helpings let answered ones go in between
LINGER_SECONDS = 0.05  # between the last answer and the close, so that the sender reads both
DRAIN_SECONDS = 5.0  # after GOAWAY, for requests that arrived by halves

BadCertificate = Literal["tls", "403", "goaway"]


class Owner(Protocol):
    """What a connection needs of the server that accepted it."""

    service: Service
    max_concurrent_streams: int
    bad_certificate: BadCertificate
    development: bool
    internal_errors: int

    def credential(self, tls: ssl.SSLObject | None) -> Credential | None: ...
    def opened(self, connection: Connection) -> int: ...
    def closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """The server side of one connection. Made by the listener; ``number`` counts connections from 1."""

    number = 0

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._service = owner.service
        self._credential: Credential | None = None
        self._problem: str | None = None  # what was wrong with it when the connection began
        self._transport: asyncio.Transport | None = None
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._h2.config.validate_outbound_headers = False
        self._h2.config.normalize_outbound_headers = False
        self._incoming: dict[int, Incoming] = {}
        self._thinking: dict[int, tuple[asyncio.TimerHandle, Asked]] = {}
        self._unsent: dict[int, bytes] = {}
        self._received = 0  # the highest stream that opened
        self._processed = 0  # the highest stream that was judged
        self._last_stream: int | None = None  # as announced in our GOAWAY
        self._limit = 0
        self._limit_wanted = 0
        self._unacknowledged = True
        self._closing: asyncio.TimerHandle | None = None

    # -- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._credential = self._owner.credential(transport.get_extra_info("ssl_object"))
        self._problem = self._service.standing.problem(self._credential)
        self._limit = self._limit_wanted = self._owner.max_concurrent_streams
        values = SETTINGS | {SettingCodes.MAX_CONCURRENT_STREAMS: self._limit}
        self._h2.local_settings = Settings(client=False, initial_values=values)
        self._h2.decoder.max_header_list_size = values[SettingCodes.MAX_HEADER_LIST_SIZE]
        self.number = self._owner.opened(self)
        if self._owner.bad_certificate == "tls" and self._service.standing.is_lapsed(self._credential):
            self.cut()  # ``tls.Doors`` had no say
            return
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        for handle, asked in self._thinking.values():
            handle.cancel()
            self._service.leave_unprocessed(asked, "connection lost")
        self._thinking.clear()
        self._incoming.clear()
        if self._closing is not None:
            self._closing.cancel()
        self._transport = None
        self._owner.closed(self)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """A sender that does not read its answers is not read either, so that nothing piles up here."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.look_again()
        for start in range(0, len(data), FEED_BYTES):
            if self._transport is None or self._transport.is_closing():
                return
            try:
                self._feed(data[start : start + FEED_BYTES])
            except ProtocolError as error:
                self._refuse_connection(error)
                return
            except Exception:  # an emulator that dies of bad input would be taken for an APNs that is down
                self._owner.internal_errors += 1
                log.exception("connection %d failed inside the emulator", self.number)
                self.cut()
                return

    # -- what the server and its control port do --------------------------------------------------------------------

    def goaway(self, reason: str | None, last_stream: int | None = None, *, code: int = 0, debug: bytes = b"") -> None:
        """Send GOAWAY with JSON ``{"reason": …}`` and close when the streams up to ``last_stream`` are answered.

        ``last_stream`` defaults to the highest stream received; streams above it are never processed.
        """
        if self._transport is None or self._last_stream is not None:
            return
        self._last_stream = self._received if last_stream is None else last_stream
        for stream in [stream for stream in self._thinking if stream > self._last_stream]:
            handle, asked = self._thinking.pop(stream)
            handle.cancel()
            self._service.leave_unprocessed(asked, "goaway")
        body = debug if reason is None else orjson.dumps({"reason": reason})
        self._flush(goaway_frame(self._last_stream, code, body))
        self._close_when_drained(DRAIN_SECONDS)

    def limit_streams(self, limit: int) -> None:
        """Announce MAX_CONCURRENT_STREAMS ``limit``; it binds the sender from its acknowledgement on."""
        self._limit_wanted = limit
        self._announce_limit()
        self._flush()

    def cut(self) -> None:
        """Drop the TCP connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def look_again(self) -> None:
        """Whether the certificate has lapsed since the connection began; what then happens is ``standing.LAPSED``."""
        if self._transport is None or self._problem is not None:
            return
        problem = self._service.standing.problem(self._credential)
        if problem is None:
            return
        if self._service.standing.lapsed == "cut":
            self.cut()
        elif self._service.standing.lapsed == "goaway":
            self.goaway(problem)

    # -- frames in --------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        events = self._h2.receive_data(data)
        if self._h2.state_machine.state is ConnectionState.CLOSED:  # by a GOAWAY among the events, see above
            self._h2.state_machine.state = ConnectionState.SERVER_OPEN
        for event in events:
            if self._transport is None or self._transport.is_closing():
                return  # cut by a fault: what came behind it was never seen
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)
        self._flush()

    def _refuse_connection(self, error: ProtocolError) -> None:
        # What h2 has queued for this input (its own GOAWAY among it) names streams that nobody will process.
        self._h2.clear_outbound_data_buffer()
        if self._transport is None:
            return
        debug = STREAMS_VIOLATED if isinstance(error, TooManyStreamsError) else str(error).encode()[:200]
        code = getattr(error, "error_code", ErrorCodes.PROTOCOL_ERROR)
        last_stream = self._last_stream if self._last_stream is not None else self._processed
        self._transport.write(goaway_frame(last_stream, int(code), debug))
        self._transport.close()

    def _on_request(self, event: Event) -> None:
        assert isinstance(event, RequestReceived)
        stream = event.stream_id or 0
        self._received = max(self._received, stream)
        self._incoming[stream] = Incoming(event.headers)

    def _on_data(self, event: Event) -> None:
        assert isinstance(event, DataReceived)
        stream = event.stream_id or 0
        incoming = self._incoming.get(stream)
        if incoming is not None:
            incoming.add(event.data or b"")
        self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)

    def _on_end(self, event: Event) -> None:
        assert isinstance(event, StreamEnded)
        stream = event.stream_id or 0
        incoming = self._incoming.pop(stream, None)
        if incoming is None:
            return
        request = incoming.request()
        asked = Asked(request, self._credential, self.number, stream)
        if self._last_stream is not None and stream > self._last_stream:
            self._service.leave_unprocessed(asked, "goaway")
            return
        plan = self._service.chaos.draw(request.token, asked.topic)
        if plan is NO_CHAOS or plan.latency <= 0:
            self._process(asked, plan)
        else:
            loop = asyncio.get_running_loop()
            self._thinking[stream] = loop.call_later(plan.latency, self._thought, stream, plan), asked

    def _on_reset(self, event: Event) -> None:
        assert isinstance(event, StreamReset)
        stream = event.stream_id or 0
        self._incoming.pop(stream, None)
        self._unsent.pop(stream, None)
        thinking = self._thinking.pop(stream, None)
        if thinking is not None:
            thinking[0].cancel()
            self._service.leave_unprocessed(thinking[1], "reset by the sender")

    def _on_window(self, _: Event) -> None:
        for stream in list(self._unsent):
            with contextlib.suppress(ProtocolError):
                self._send_body(stream)

    def _on_settings(self, event: Event) -> None:
        # Reported for APNs: handshake and SETTINGS succeed, and then a GOAWAY says what is wrong with the certificate.
        if self._problem is not None and self._owner.bad_certificate == "goaway":
            self.goaway(self._problem, last_stream=0)
        self._on_window(event)

    def _on_acknowledged(self, _: Event) -> None:
        self._unacknowledged = False
        self._announce_limit()

    def _on_goodbye(self, _: Event) -> None:
        self._close_when_drained(DRAIN_SECONDS)

    # -- one request ------------------------------------------------------------------------------------------------

    def _thought(self, stream: int, plan: Plan) -> None:
        _, asked = self._thinking.pop(stream)
        self._process(asked, plan)
        self._flush()

    def _process(self, asked: Asked, plan: Plan) -> None:
        stream, fault = asked.stream, plan.ending
        if fault is not None and fault.kind == "goaway" and self._last_stream is None:
            # Streams up to last_stream_id count as processed, so it may not lie below one that was.
            self.goaway(fault.reason, last_stream=self._processed)
            if stream > self._processed:
                self._service.leave_unprocessed(asked, fault.spec)
                return
        elif fault is not None and fault.kind in ("rst", "stall", "cut") and not fault.after:
            self._service.leave_unprocessed(asked, fault.spec)
            self._end_without_answer(stream, fault)
            return
        self._processed = max(self._processed, stream)
        answer = self._service.answer(asked, plan)
        if fault is not None and fault.after:
            self._end_without_answer(stream, fault)
            return
        with contextlib.suppress(ProtocolError):  # the sender may have reset the stream in the same breath
            self._send_answer(stream, answer)
        self._adapt_limit(asked, answer)
        if self._closing is not None:
            self._close_when_drained(DRAIN_SECONDS)

    def _end_without_answer(self, stream: int, fault: Fault) -> None:
        if fault.kind == "rst":
            with contextlib.suppress(ProtocolError):
                self._h2.reset_stream(stream, fault.code)
        elif fault.kind == "cut":
            self.cut()

    def _adapt_limit(self, asked: Asked, answer: Answer) -> None:
        """Reported for APNs: after a refusal one stream only, after the next success as many as before."""
        if answer.verdict.accepted:
            if self._limit_wanted < self._owner.max_concurrent_streams:
                self.limit_streams(self._owner.max_concurrent_streams)
            return
        limit = self._service.chaos.draw_limit(asked.request.token, asked.topic)
        if limit is not None:
            self.limit_streams(limit)

    # -- frames out -------------------------------------------------------------------------------------------------

    def _send_answer(self, stream: int, answer: Answer) -> None:
        body = answer.verdict.body()
        headers: list[tuple[bytes, bytes]] = [
            (b":status", b"%d" % answer.verdict.status),
            # Never the same twice: indexing it would only push useful headers out of the table.
            NeverIndexedHeaderTuple(b"apns-id", answer.apns_id.encode("ascii", "replace")),
        ]
        if self._owner.development and answer.verdict.accepted:
            headers.append(
                NeverIndexedHeaderTuple(b"apns-unique-id", answer.apns_id.lower().encode("ascii", "replace"))
            )
        if body:
            headers.append((b"content-type", b"application/json"))
        self._h2.send_headers(stream, headers, end_stream=not body)
        if body:
            self._unsent[stream] = body
            self._send_body(stream)

    def _send_body(self, stream: int) -> None:
        """As much of the body as the sender's windows take now; the rest follows its WINDOW_UPDATE."""
        body = self._unsent.pop(stream)
        room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
        if room >= len(body):
            self._h2.send_data(stream, body, end_stream=True)
            return
        if room > 0:
            self._h2.send_data(stream, body[:room])
        self._unsent[stream] = body[max(room, 0) :]

    def _announce_limit(self) -> None:
        if self._limit_wanted != self._limit and not self._unacknowledged:
            self._limit = self._limit_wanted
            self._unacknowledged = True
            self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._limit})

    def _flush(self, extra: bytes = b"") -> None:
        data = self._h2.data_to_send() + extra
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _close_when_drained(self, patience: float) -> None:
        waiting = any(
            self._is_due(stream) for group in (self._incoming, self._thinking, self._unsent) for stream in group
        )
        if self._closing is not None:
            self._closing.cancel()
        delay = patience if waiting else LINGER_SECONDS
        self._closing = asyncio.get_running_loop().call_later(delay, self._close)

    def _is_due(self, stream: int) -> bool:
        return stream <= (HIGHEST_STREAM if self._last_stream is None else self._last_stream)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


_HANDLERS: dict[type[Event], Callable[[Connection, Event], None]] = {
    RequestReceived: Connection._on_request,
    DataReceived: Connection._on_data,
    StreamEnded: Connection._on_end,
    StreamReset: Connection._on_reset,
    WindowUpdated: Connection._on_window,
    RemoteSettingsChanged: Connection._on_settings,
    SettingsAcknowledged: Connection._on_acknowledged,
    ConnectionTerminated: Connection._on_goodbye,
}
