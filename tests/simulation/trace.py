"""What happened, line by line, and one hash over all of it: the same seed gives the same hash, anywhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

KEPT = 40_000


@dataclass(frozen=True)
class Violation:
    """A rule that did not hold. ``about`` are the words by which its history is looked up in the trace."""

    rule: str
    text: str
    about: tuple[str, ...]
    at: float


class Trace:
    """Neither key bytes nor signatures may stand in a line: they differ from run to run."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._hash = hashlib.blake2b(digest_size=12)
        self.start = now()
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, text: str) -> None:
        line = f"{self._now() - self.start:11.3f} {kind} {text}"
        self._hash.update(line.encode())
        self.counts[kind] += 1
        self.lines.append(line)
        if len(self.lines) > 2 * KEPT:
            del self.lines[:KEPT]

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def of(self, words: Iterable[str], last: int) -> list[str]:
        """The last lines that hold one of these words, or that concern everybody."""
        known = tuple(words)
        found = [line for line in self.lines if any(word in line for word in known) or " ! " in line]
        return found[-last:]
