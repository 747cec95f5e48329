"""TLS of our own between a TCP connection and a protocol, because the alert matters to senders.

asyncio's TLS (uvloop's too) closes a connection whose handshake failed without sending the alert that says why; APNs
sends it. And OpenSSL judges a client certificate by the machine's clock, with no say for us; ``tls.Doors`` mends that.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, cast

from livepass.emulators.apns.listening import CLOSE_SECONDS

HANDSHAKE_SECONDS = 10.0
READ_BYTES = 65_536


class Secured(asyncio.Protocol):
    """The TLS server side of one TCP connection. ``make`` gives the protocol inside, once hands are shaken."""

    def __init__(self, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._make = make
        self._inner: asyncio.Protocol | None = None
        self._tcp: asyncio.Transport
        self._patience: asyncio.TimerHandle | None = None
        self._deaf = False  # what still arrives is read and thrown away: unread bytes would reset our last words away
        self._paused = False

    # -- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast(asyncio.Transport, transport)
        self._patience = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._tcp.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        self._wait(None)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._in.write(data)
        if self._inner is None:
            self._shake_hands()
        self._read()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    # -- what the transport inside does -----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._deaf:
            rest = rest[self.tls.write(rest) :]
        self._flush()

    def close(self) -> None:
        """Say close_notify, and close when it is out."""
        if self._deaf:
            return
        with contextlib.suppress(ssl.SSLError):  # the other side has not said its own yet: we do not wait for it
            self.tls.unwrap()
        self._last_words()

    def abort(self) -> None:
        self._deaf = True
        self._tcp.abort()

    def is_closing(self) -> bool:
        return self._deaf or self._tcp.is_closing()

    def pause(self, paused: bool) -> None:
        self._paused = paused
        if self._tcp.is_closing():
            return
        if paused:
            self._tcp.pause_reading()
        else:
            self._tcp.resume_reading()
            asyncio.get_running_loop().call_soon(self._read)

    def about(self, name: str, default: Any) -> Any:
        return self.tls if name == "ssl_object" else self._tcp.get_extra_info(name, default)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except (ssl.SSLError, OSError):  # the alert is in the buffer by now
            self._last_words()
        else:
            self._flush()
            self._wait(None)
            self._inner = self._make()
            self._inner.connection_made(_Inside(self))

    def _read(self) -> None:
        while self._inner is not None and not self._deaf and not self._paused:
            try:
                data = self.tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLError, OSError):
                self._last_words()
                return
            if not data:  # the other side said close_notify
                self._inner.eof_received()
                self.close()
                return
            self._inner.data_received(data)
        self._flush()

    def _flush(self) -> None:
        data = self._out.read()
        if data and not self._tcp.is_closing():
            self._tcp.write(data)

    def _last_words(self) -> None:
        """Send what is left, then wait a moment for the other side to hang up first."""
        self._deaf = True
        self._flush()
        if self._tcp.is_closing():
            return
        if self._tcp.can_write_eof():
            self._tcp.write_eof()
        self._tcp.resume_reading()
        self._wait(CLOSE_SECONDS)

    def _wait(self, seconds: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if seconds is not None:
            self._patience = asyncio.get_running_loop().call_later(seconds, self._tcp.abort)


class _Inside(asyncio.Transport):
    """What the protocol inside talks to."""

    def __init__(self, secured: Secured) -> None:
        super().__init__()
        self._secured = secured

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._secured.write(bytes(data))

    def close(self) -> None:
        self._secured.close()

    def abort(self) -> None:
        self._secured.abort()

    def is_closing(self) -> bool:
        return self._secured.is_closing()

    def pause_reading(self) -> None:
        self._secured.pause(True)

    def resume_reading(self) -> None:
        self._secured.pause(False)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._secured.about(name, default)
