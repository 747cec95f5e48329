"""What was asked of this APNs, newest last, in memory and bounded.

One entry per request that came in completely, whatever became of it. Tests read it to see what a sender really sent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from livepass.emulators.apns.phones import Push

DEFAULT_LIMIT = 20_000  # entries; some 2 KB each

REDACTED = frozenset({"authorization"})


@dataclass(slots=True)
class Entry:
    """One request and its verdict.

    ``number`` counts from 1 and never repeats; ``at_ms`` is UNIX milliseconds; ``headers`` are the regular headers,
    with secrets left out. ``status`` is 0 when no verdict was given (``fault`` says why). ``timestamp_ms`` goes with
    410. ``fault`` is the chaos that struck, as it was written (``status:500``), or ``None``.
    """

    number: int
    at_ms: int
    connection: int
    stream: int
    method: str
    path: str
    token: str
    topic: str
    headers: Mapping[str, str]
    payload: bytes
    status: int
    reason: str | None
    timestamp_ms: int | None
    apns_id: str | None
    fault: str | None
    push: Push | None

    def as_json(self) -> dict[str, object]:
        """The entry as the control port shows it; ``delivery`` is the fate of the push so far."""
        return {
            "number": self.number,
            "at_ms": self.at_ms,
            "connection": self.connection,
            "stream": self.stream,
            "method": self.method,
            "path": self.path,
            "token": self.token,
            "topic": self.topic,
            "headers": dict(self.headers),
            "payload": self.payload.decode("utf-8", "backslashreplace"),
            "status": self.status,
            "reason": self.reason,
            "timestamp_ms": self.timestamp_ms,
            "apns_id": self.apns_id,
            "fault": self.fault,
            "delivery": self.push.fate if self.push is not None else None,
        }


class History:
    """The last ``limit`` entries, and counters over all of them."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._next = 1
        self.outcomes: Counter[str] = Counter()

    def next_number(self) -> int:
        number = self._next
        self._next += 1
        return number

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self.outcomes[f"{entry.status} {entry.reason}" if entry.reason else str(entry.status)] += 1

    def clear(self) -> None:
        """Forget the entries; numbers go on and counters stay."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self, *, token: str | None = None, topic: str | None = None, after: int = 0) -> list[Entry]:
        """Entries with a number above ``after``, of one token and one topic if given, oldest first."""
        wanted = token.lower() if token is not None else None
        return [
            entry
            for entry in self._entries
            if entry.number > after
            and (wanted is None or entry.token == wanted)
            and (topic is None or entry.topic == topic)
        ]


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers fit to be kept: a provider token is a secret even when it is wrong."""
    return {name: "(present)" if name in REDACTED else value for name, value in headers.items()}
