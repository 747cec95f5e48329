"""Lines out of bytes that arrive in any pieces. No line is kept beyond its bound."""

from __future__ import annotations

from collections.abc import Iterator


class Splitter:
    """Numbers lines from 1. One that is longer than ``longest`` is dropped as it arrives, and yielded as ``None``."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = bytearray()
        self._overlong = False
        self._number = 1

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes | None]]:
        """The lines that end in these bytes."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._keep(part)
            yield self._line()
        self._keep(rest)

    def end(self) -> Iterator[tuple[int, bytes | None]]:
        """The last line, if the bytes did not end with one."""
        if self._held or self._overlong:
            yield self._line()

    def _keep(self, part: bytes) -> None:
        if self._overlong or len(self._held) + len(part) > self._longest:
            self._held.clear()
            self._overlong = True
        else:
            self._held += part

    def _line(self) -> tuple[int, bytes | None]:
        found = self._number, None if self._overlong else bytes(self._held)
        self._held.clear()
        self._overlong = False
        self._number += 1
        return found
