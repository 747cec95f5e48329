"""How far something long has come: on a terminal one line that changes, elsewhere one now and then; on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

SAY_SECONDS = 5.0


class Line:
    """``shown``: not for programs, which read what came of it."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._began = self._said_at = time.monotonic()
        self._open = False

    def say(self, text: Callable[[float], str]) -> None:
        """``text`` is asked only when it is time; it gets the seconds since the beginning."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if not self._shown or (not terminal and now - self._said_at < SAY_SECONDS):
            return
        self._said_at = now
        said = text(max(now - self._began, 0.001))
        sys.stderr.write(f"\r{said}\x1b[K" if terminal else f"{said}\n")
        sys.stderr.flush()
        self._open = terminal

    def over(self) -> None:
        """The line that changes makes room for what is said now."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._open = False
