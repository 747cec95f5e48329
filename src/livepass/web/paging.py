"""Cursors: where a list goes on. Opaque to callers, and checked when they come back.

A cursor holds the key of the last row shown, so that rows which come and go meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from livepass.service.refusals import Fault, Refusal
from livepass.web.issuer_requests import LARGEST_INTEGER, PageQuery

R = TypeVar("R")
K = TypeVar("K")


class Cursor:
    """The cursors of one list: its name, and the type of its key."""

    def __init__(self, name: str, key: Any) -> None:
        self._name = name
        self._decoder = msgspec.json.Decoder(tuple[str, key])

    def write(self, key: object) -> str:
        """The cursor after the row with this key."""
        return base64.urlsafe_b64encode(msgspec.json.encode((self._name, key))).rstrip(b"=").decode()

    def read(self, text: str | None, start: K) -> K:
        """The key to go on after; ``start`` without a cursor. Raises ``Refusal`` for what we did not write."""
        if text is None:
            return start
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
            name, key = self._decoder.decode(data)
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise _garbled() from error
        if name != self._name or not _takes(key):
            raise _garbled()
        found: K = key
        return found


def page(rows: Sequence[R], limit: int, cursor: Cursor, key: Callable[[R], object]) -> tuple[Sequence[R], str | None]:
    """The rows to show of ``limit + 1`` that were read, and the cursor of the next page, if there is one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor.write(key(rows[limit - 1]))


def sliced(
    rows: Sequence[R], query: PageQuery, cursor: Cursor, start: K, key: Callable[[R], K]
) -> tuple[Sequence[R], str | None]:
    """The page that ``query`` asks for, of a list that is short enough to be read whole."""
    if query.cursor is not None:
        after = cursor.read(query.cursor, start)
        rows = [row for row in rows if key(row) > after]  # type: ignore[operator]
    return page(rows, query.limit, cursor, key)


def _takes(key: object) -> bool:
    """Whether a database takes it: neither takes a NUL in text, or a number of more than 64 bits."""
    if isinstance(key, tuple):
        return all(map(_takes, key))
    if isinstance(key, int):
        return abs(key) <= LARGEST_INTEGER
    return not (isinstance(key, str) and "\x00" in key)


def _garbled() -> Refusal:
    return Refusal(
        "this cursor is not one that this list gave out",
        hint="start without cursor, and send next_cursor back as it is",
        faults=[Fault("?cursor", "is garbled, or of another list", "start without it", "cursor")],
        code="cursor",
    )
