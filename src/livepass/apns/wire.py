"""The client side of one HTTP/2 connection to APNs, without sockets, tasks or clocks: bytes in, events out.

It speaks as much of RFC 9113 as a provider needs: requests that are one HEADERS and one short DATA frame, answers that
are a status and at most a line of JSON. No pushes from the server, no priorities, no request trailers.

Theory of operation
-------------------

There are two machines. The **connection**:

    ===========  =========================================  ==================================================
    state        entered by                                 what it means
    ===========  =========================================  ==================================================
    greeting     creation (our preface and SETTINGS are     ``room`` is 0: never assume a number of streams
                 ready to be taken)
    open         the peer's SETTINGS, its first frame       ``room`` follows the peer's SETTINGS, up and down
    going away   GOAWAY, or stream identifiers used up      ``room`` is 0; answers are awaited and read
    over         a broken rule (one :class:`Broken`)        everything that comes in is dropped
    ===========  =========================================  ==================================================

And each **stream**, told by its identifier and its value in ``_open``:

    ===========  ===============================  ================================================================
    state        kept as                          left by
    ===========  ===============================  ================================================================
    waiting      ``None``                         END_STREAM (:class:`Answered`), RST_STREAM, ``cancel``, GOAWAY
    reading      an ``_Answer``                   the same; its status came, and perhaps some of its body
    gone         no key, identifier < the next    never; late frames are accounted (HPACK, flow control) and dropped
    idle         no key, identifier >= the next   ``request``; frames on it break the protocol (§5.1)
    ===========  ===============================  ================================================================

Whether its own body is out yet is a second fact about an open stream, which ``uploads.py`` keeps.

Which frame does what is :data:`HANDLERS`, one method each with its rules. Where the RFC asks for a STREAM_CLOSED error
on frames that come after the end of a stream, we drop them instead: telling them from frames that crossed our
RST_STREAM would mean remembering each stream that we cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from livepass.apns import frames
from livepass.apns.blocks import BLOCK_FRAMES, BLOCK_LIMIT, OK_STATUS, RequestBlocks, ResponseBlocks
from livepass.apns.events import Answered, Broken, Event, GoingAway, NotProcessed, PeerSettings, Pong, Reset
from livepass.apns.frames import Fault
from livepass.apns.uploads import Uploads
from livepass.core.trip2_push import PushMessage

STREAM_CAP: Final = 1000
"""We never have more streams open than this, whatever the peer allows. APNs was last seen to announce 1000."""

BODY_LIMIT: Final = 8192
"""An answer of APNs is under 200 octets. A longer body than this is cut off and its stream cancelled."""

STREAM_WINDOW: Final = 16_384
"""What we announce per stream. More than BODY_LIMIT, so no stream ever needs a WINDOW_UPDATE of ours."""

CONNECTION_WINDOW: Final = 1 << 20
"""Kept open by topping up at half, or error bodies would use it up and no further error could reach us."""

_TWO_OCTET_BODY_HEAD: Final = b"\x00\x00\x02\x00\x01"
_BLOCK_IS_WHOLE_ANSWER: Final = frames.END_STREAM | frames.END_HEADERS


class _Answer:
    """An answer of which the body, or trailers, are still to come."""

    __slots__ = ("apns_id", "body", "length", "status")

    def __init__(self, status: int, apns_id: str, length: int | None = None) -> None:
        self.status = status
        self.apns_id = apns_id
        self.length = length
        self.body = b""


class _Unfinished:
    """A header block of which CONTINUATION frames are still to come."""

    __slots__ = ("block", "ends_stream", "frames", "stream")

    def __init__(self, stream: int, block: bytes, ends_stream: bool) -> None:
        self.stream = stream
        self.block = block
        self.frames = 1
        self.ends_stream = ends_stream


_NOT_OPEN: Final = _Answer(0, "")


class Wire:
    """One connection's protocol state.

    ``authority`` is the host (and port, unless 443) that requests name; ``first_stream`` is odd and for tests.
    Call :meth:`receive` with what was read, then write what :meth:`take` returns.
    """

    def __init__(self, authority: str, first_stream: int = 1) -> None:
        self._requests = RequestBlocks(authority)
        self._responses = ResponseBlocks()
        self._out: list[bytes] = []
        self._uploads = Uploads(self._out)
        self._open: dict[int, _Answer | None] = {}
        self._stream_limit = STREAM_CAP
        self._next_stream = first_stream
        self._last_stream = frames.MAX_STREAM_ID
        self._receive_window = CONNECTION_WINDOW
        self._unfinished: _Unfinished | None = None
        self._rest = b""
        self._events: list[Event] = []
        self.greeted = False
        self.going_away = False
        self.over = False
        ours = (frames.HEADER_TABLE_SIZE, 0), (frames.ENABLE_PUSH, 0), (frames.INITIAL_WINDOW_SIZE, STREAM_WINDOW)
        self._out += [frames.PREFACE, frames.settings(*ours), frames.window_update(0, CONNECTION_WINDOW - 65_535)]

    # -- what the owner may ask and do ---------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many pushes may be written now. Falls to 0 while the peer's limit is below what is open."""
        if self.over or self.going_away or not self.greeted:
            return 0
        if self._uploads.stuck:
            return 0
        identifiers = (frames.MAX_STREAM_ID - self._next_stream) // 2 + 1
        return max(0, min(self._stream_limit - len(self._open), identifiers))

    @property
    def used_up(self) -> bool:
        """No stream identifier is left (§5.1.1): only a new connection can go on."""
        return self._next_stream > frames.MAX_STREAM_ID

    @property
    def open_streams(self) -> int:
        return len(self._open)

    def take(self) -> bytes:
        """Everything to be written, once."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def request(self, message: PushMessage) -> int:
        """Write one push and return its stream. Only while ``room`` is above 0.

        Raises ``ValueError``, with nothing changed, when the message cannot be written as a request.
        """
        block = self._requests.block(message)
        stream = self._next_stream
        self._next_stream = stream + 2
        self._open[stream] = None
        payload = message.payload
        if len(payload) == 2 and len(block) <= frames.FRAME_LIMIT and self._uploads.fits(2):
            # The usual push, whose body is {}: both frames at once.
            self._uploads.window -= 2
            head = frames.HEAD.pack(0, len(block), frames.HEADERS, frames.END_HEADERS, stream)
            self._out.append(head + block + _TWO_OCTET_BODY_HEAD + head[5:9] + payload)
            return stream
        self._uploads.block(stream, block, ends_stream=not payload)
        if payload:
            self._uploads.body(stream, payload)
        return stream

    def authorize(self, token: str) -> None:
        """Show a provider token with each push from now on. Raises ``ValueError`` for what is no header value."""
        self._requests.authorize(token)

    def cancel(self, stream: int) -> None:
        """Give up on an open stream: RST_STREAM. Whatever still comes on it is dropped."""
        if self._forget(stream) and not self.over:
            self._out.append(frames.rst_stream(stream, frames.CANCEL))

    def ping(self, data: bytes) -> None:
        """Ask for a sign of life; ``data`` is eight octets and comes back in a :class:`Pong`."""
        if not self.over:
            self._out.append(frames.ping(data))

    def goodbye(self) -> None:
        """Say that we are leaving (§6.8 asks for a GOAWAY before closing). No more requests after this."""
        if not self.over:
            self.going_away = True
            self._out.append(frames.goaway(frames.NO_ERROR))

    def receive(self, data: bytes) -> list[Event]:
        """Take what was read from the peer, in pieces of any size. Never raises for any octets."""
        if self.over:
            return []
        events: list[Event] = []
        self._events = events
        try:
            self._read(data)
        except Fault as fault:
            self.over = True
            self._rest = b""
            self._out.append(frames.goaway(fault.code, fault.detail))
            events.append(Broken(fault.code, fault.detail))
        return events

    # -- frames in -----------------------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        position, end = 0, len(buffer)
        unpack, open_streams = frames.HEAD.unpack_from, self._open
        while end - position >= frames.HEAD_SIZE:
            high, low, kind, flags, stream = unpack(buffer, position)
            length = high << 16 | low
            if length > frames.FRAME_LIMIT:
                raise Fault(frames.FRAME_SIZE_ERROR, f"frame of {length} octets")
            start = position + frames.HEAD_SIZE
            if start + length > end:
                break
            position = start + length
            if (
                # A 200, as APNs answers nearly always: one frame, and nothing in it that the next one depends on.
                kind == frames.HEADERS
                and flags == _BLOCK_IS_WHOLE_ANSWER
                and (length == 1 or (self._responses.stateless and length))
                and buffer[start] == OK_STATUS
                and open_streams.get(stream, _NOT_OPEN) is None
                and self._unfinished is None
                and not self._uploads.blocked
            ):
                del open_streams[stream]
                self._events.append(Answered(stream, 200, "", b""))
            else:
                self._frame(kind, flags, stream & frames.STREAM_MASK, buffer[start:position])
        self._rest = buffer[position:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        frames.check_shape(kind, len(payload), stream)
        unfinished = self._unfinished
        if unfinished is not None and (kind != frames.CONTINUATION or stream != unfinished.stream):
            # §6.10: a block is not interrupted by anything, not even by frames of unknown types.
            raise Fault(frames.PROTOCOL_ERROR, f"frame type {kind} inside a header block")
        if not self.greeted and kind not in (frames.SETTINGS, frames.GOAWAY):
            # §3.4: SETTINGS comes first. A farewell is understood all the same.
            raise Fault(frames.PROTOCOL_ERROR, f"frame type {kind} before SETTINGS")
        handler = HANDLERS.get(kind)
        if handler is not None:  # §4.1: unknown types are ignored
            handler(self, flags, stream, payload)

    def _known(self, stream: int) -> None:
        """§5.1.1: ours are odd, and in use only once we named them. The peer has none (§8.4, ENABLE_PUSH = 0)."""
        if stream % 2 == 0 or stream >= self._next_stream:
            raise Fault(frames.PROTOCOL_ERROR, f"frame on stream {stream}, which was never opened")

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.1. All of the payload counts for flow control, padding included, even on a stream that is gone (§5.1)."""
        self._receive_window -= len(payload)
        if self._receive_window < 0:
            raise Fault(frames.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._receive_window <= CONNECTION_WINDOW // 2:
            self._out.append(frames.window_update(0, CONNECTION_WINDOW - self._receive_window))
            self._receive_window = CONNECTION_WINDOW
        body = frames.unpadded(flags, payload)
        self._known(stream)
        if stream not in self._open:
            return
        reading = self._open[stream]
        if reading is None:
            self._stream_fault(stream)  # §8.1: a body without a status is malformed
            return
        reading.body += body
        if flags & frames.END_STREAM:
            self._end(stream, reading)
        elif len(reading.body) > BODY_LIMIT:
            self._out.append(frames.rst_stream(stream, frames.CANCEL))
            self._finish(stream, reading)

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.2. Priority fields are five octets that we skip."""
        self._known(stream)
        block = frames.unpadded(flags, payload)
        if flags & frames.HAS_PRIORITY:
            if len(block) < 5:
                raise Fault(frames.FRAME_SIZE_ERROR, "HEADERS without room for its priority")
            block = block[5:]
        ends_stream = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._block(stream, block, ends_stream)
        else:
            self._unfinished = _Unfinished(stream, block, ends_stream)

    def _on_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.10: only after HEADERS without END_HEADERS, on the same stream, until END_HEADERS."""
        unfinished = self._unfinished
        if unfinished is None:
            raise Fault(frames.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        unfinished.block += payload
        unfinished.frames += 1
        if len(unfinished.block) > BLOCK_LIMIT or unfinished.frames > BLOCK_FRAMES:
            raise Fault(frames.ENHANCE_YOUR_CALM, "header block without an end")
        if flags & frames.END_HEADERS:
            self._unfinished = None
            self._block(stream, unfinished.block, unfinished.ends_stream)

    def _on_priority(self, flags: int, stream: int, payload: bytes) -> None:
        """§5.3.2, §6.3: deprecated; allowed on any stream in any state, and ignored."""

    def _on_rst_stream(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.4. REFUSED_STREAM promises that nothing was done (§8.7), so the push may be sent again as it is."""
        self._known(stream)
        code = frames.read_word(payload)
        if self._forget(stream):
            refused = code == frames.REFUSED_STREAM
            self._events.append(NotProcessed(stream, refused=True) if refused else Reset(stream, code))

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.5. Values apply in their order, all of them before our acknowledgement."""
        if flags & frames.ACK:
            if payload:
                raise Fault(frames.FRAME_SIZE_ERROR, "acknowledgement with settings in it")
            return
        for identifier, value in frames.read_settings(payload):
            self._apply(identifier, value)
        self._out.append(frames.settings_ack())
        self.greeted = True
        self._events.append(PeerSettings(self._stream_limit))
        self._uploads.unblock()

    def _apply(self, identifier: int, value: int) -> None:
        match identifier:
            case frames.MAX_CONCURRENT_STREAMS:
                # May fall below what is open (§5.1.2): those go on, and room is 0 until enough have ended.
                self._stream_limit = min(value, STREAM_CAP)
            case frames.HEADER_TABLE_SIZE:
                self._requests.resize(value)
            case frames.INITIAL_WINDOW_SIZE:
                self._uploads.resize(value)
            case frames.MAX_FRAME_SIZE:
                self._uploads.frame_size = value

    def _on_push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.6, §8.4: we said ENABLE_PUSH = 0."""
        raise Fault(frames.PROTOCOL_ERROR, "PUSH_PROMISE, which we disabled")

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.7: send the same octets back, unless they are our own."""
        if flags & frames.ACK:
            self._events.append(Pong(payload))
        else:
            self._out.append(frames.ping(payload, frames.ACK))

    def _on_goaway(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.8. May come twice: first with the highest identifier as a warning, then with the real one.

        It may not name a higher stream than before; if it does, the lower one stays true.
        """
        last, code, debug = frames.read_goaway(payload)
        self._last_stream = min(self._last_stream, last)
        self.going_away = True
        self._events.append(GoingAway(self._last_stream, code, debug))
        for unprocessed in [identifier for identifier in self._open if identifier > self._last_stream]:
            self._forget(unprocessed)
            self._events.append(NotProcessed(unprocessed, refused=False))

    def _on_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        """§6.9. No increment is an error, and so is a window above 2^31-1, on the level that it concerns."""
        increment = frames.read_word(payload) & frames.STREAM_MASK
        if stream == 0:
            self._uploads.widen(increment)
            return
        self._known(stream)
        if stream not in self._open:
            return
        if not increment:
            self._stream_fault(stream)
        elif not self._uploads.widen_stream(stream, increment):
            self._stream_fault(stream, frames.FLOW_CONTROL_ERROR)

    # -- answers -------------------------------------------------------------------------------------------------

    def _block(self, stream: int, block: bytes, ends_stream: bool) -> None:
        """§8.1: any number of 1xx, then a final status, then perhaps trailers, which end the stream."""
        status, apns_id, length = self._responses.read(block)  # also for streams that are gone: the table is shared
        if stream not in self._open:
            return
        reading = self._open[stream]
        if reading is not None:
            if ends_stream:
                self._end(stream, reading)
            else:
                self._stream_fault(stream)  # trailers that do not end the stream
            return
        if status < 200:
            if ends_stream or not status:
                self._stream_fault(stream)
            return
        reading = self._open[stream] = _Answer(status, apns_id, length)
        if ends_stream:
            self._end(stream, reading)

    def _end(self, stream: int, reading: _Answer) -> None:
        """END_STREAM. §8.1.1: an error whose body is not as long as announced is none; a 200 says all by its status."""
        if reading.status != 200 and reading.length not in (None, len(reading.body)):
            self._stream_fault(stream)
        else:
            self._finish(stream, reading)

    def _finish(self, stream: int, reading: _Answer) -> None:
        if self._uploads.forget(stream):
            # §8.1: answered before it had all of the request; nobody wants the rest.
            self._out.append(frames.rst_stream(stream, frames.CANCEL))
        del self._open[stream]
        self._events.append(Answered(stream, reading.status, reading.apns_id, reading.body))

    def _stream_fault(self, stream: int, code: int = frames.PROTOCOL_ERROR) -> None:
        """§5.4.2: an error of one stream ends that stream only."""
        self._forget(stream)
        self._out.append(frames.rst_stream(stream, code))
        self._events.append(Reset(stream, code))

    def _forget(self, stream: int) -> bool:
        self._uploads.forget(stream)
        return self._open.pop(stream, _NOT_OPEN) is not _NOT_OPEN


HANDLERS: Mapping[int, Callable[[Wire, int, int, bytes], None]] = {
    frames.DATA: Wire._on_data,
    frames.HEADERS: Wire._on_headers,
    frames.PRIORITY: Wire._on_priority,
    frames.RST_STREAM: Wire._on_rst_stream,
    frames.SETTINGS: Wire._on_settings,
    frames.PUSH_PROMISE: Wire._on_push_promise,
    frames.PING: Wire._on_ping,
    frames.GOAWAY: Wire._on_goaway,
    frames.WINDOW_UPDATE: Wire._on_window_update,
    frames.CONTINUATION: Wire._on_continuation,
}
