"""The sending half of flow control (RFC 9113 §5.2, §6.9): how the bodies of pushes get out.

A push's body is two octets, so nearly always it fits and leaves with its headers. It waits here when the peer's
windows are used up, or were announced smaller than that.
"""

from __future__ import annotations

from livepass.apns import frames
from livepass.apns.frames import Fault


class _Upload:
    """A body that is not out yet."""

    __slots__ = ("credit", "unsent")

    def __init__(self, unsent: bytes) -> None:
        self.unsent = unsent
        # The stream's window is SETTINGS_INITIAL_WINDOW_SIZE + credit. Kept apart, so that a change of the setting
        # moves the windows of all open streams (§6.9.2) without touching any; it may make them negative.
        self.credit = 0


class Uploads:
    """Windows, and the bodies that wait for them. Frames are appended to ``out``."""

    def __init__(self, out: list[bytes]) -> None:
        self._out = out
        self.window = 65_535
        """The connection's window. It does not follow SETTINGS (§6.9.2)."""
        self.stream_window = frames.PEER_SETTINGS[frames.INITIAL_WINDOW_SIZE].initial
        self.frame_size = frames.PEER_SETTINGS[frames.MAX_FRAME_SIZE].initial
        self.blocked: dict[int, _Upload] = {}

    @property
    def stuck(self) -> bool:
        """Bodies wait for the connection's window: opening more streams would only add to them."""
        return bool(self.blocked) and self.window <= 0

    def fits(self, octets: int) -> bool:
        """Whether the body of a new stream leaves in one frame at once."""
        return octets <= self.window and octets <= self.stream_window and octets <= self.frame_size

    def block(self, stream: int, block: bytes, *, ends_stream: bool) -> None:
        """§6.2, §6.10: HEADERS, and CONTINUATION for what exceeds the peer's frame size."""
        kind, flags = frames.HEADERS, frames.END_STREAM if ends_stream else 0
        while len(block) > self.frame_size:
            self._out.append(frames.frame(kind, flags, stream, block[: self.frame_size]))
            block, kind, flags = block[self.frame_size :], frames.CONTINUATION, 0
        self._out.append(frames.frame(kind, flags | frames.END_HEADERS, stream, block))

    def body(self, stream: int, payload: bytes) -> None:
        """Send what may be sent of a body, and the rest when windows open."""
        upload = self.blocked[stream] = _Upload(payload)
        self._send(stream, upload)

    def forget(self, stream: int) -> bool:
        """Drop what is unsent; whether there was anything."""
        return self.blocked.pop(stream, None) is not None

    def resize(self, stream_window: int) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE, which moves every stream's window; none may exceed 2^31-1 by it (§6.9.2)."""
        self.stream_window = stream_window
        if any(stream_window + upload.credit > frames.MAX_WINDOW for upload in self.blocked.values()):
            raise Fault(frames.FLOW_CONTROL_ERROR, "SETTINGS lift a stream's window over 2^31-1")

    def widen(self, increment: int) -> None:
        """WINDOW_UPDATE on the connection (§6.9, §6.9.1)."""
        if not increment:
            raise Fault(frames.PROTOCOL_ERROR, "window update by nothing")
        self.window += increment
        if self.window > frames.MAX_WINDOW:
            raise Fault(frames.FLOW_CONTROL_ERROR, "connection window over 2^31-1")
        self.unblock()

    def widen_stream(self, stream: int, increment: int) -> bool:
        """WINDOW_UPDATE on a stream; ``False`` when its window would exceed 2^31-1, an error of that stream (§6.9.1).

        A stream whose body is out has no more use for its window.
        """
        upload = self.blocked.get(stream)
        if upload is None:
            return True
        upload.credit += increment
        if self.stream_window + upload.credit > frames.MAX_WINDOW:
            return False
        self._send(stream, upload)
        return True

    def unblock(self) -> None:
        """Send on where windows opened, oldest stream first."""
        for stream, upload in list(self.blocked.items()):
            self._send(stream, upload)

    def _send(self, stream: int, upload: _Upload) -> None:
        """§6.9.1: no more than both windows and one frame allow at a time; END_STREAM goes with the last octet."""
        while upload.unsent:
            most = min(self.window, self.stream_window + upload.credit, self.frame_size)
            if most <= 0:
                return
            part, upload.unsent = upload.unsent[:most], upload.unsent[most:]
            self.window -= len(part)
            upload.credit -= len(part)
            self._out.append(frames.frame(frames.DATA, 0 if upload.unsent else frames.END_STREAM, stream, part))
        del self.blocked[stream]
