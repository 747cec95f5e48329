"""Tokens that two passes of one source share are found before the first of them is taken in, however many there are."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

SHARED = "the token belongs to another pass of this source too"
REMEDY = "give each of them out anew, without authentication_token: whoever holds one could fetch the other"


class Shared:
    """Which tokens two passes share. On disk, as hashes, so that a million of them cost no memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def note(self, tokens: Iterable[tuple[str, str]]) -> None:
        """(token, pass) pairs. A pass that comes twice shares with nobody."""
        self._connection.executemany(
            "INSERT INTO seen VALUES (?, ?, 0) ON CONFLICT (token)"
            " DO UPDATE SET shared = shared OR holder <> excluded.holder",
            ((_hash(token), _hash(holder)) for token, holder in tokens),
        )

    def __contains__(self, token: str) -> bool:
        row = self._connection.execute("SELECT shared FROM seen WHERE token = ?", (_hash(token),)).fetchone()
        return row is not None and bool(row[0])


@contextmanager
def shared() -> Iterator[Shared]:
    """Nothing seen yet; what was seen is forgotten at the end."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/seen", isolation_level=None)
        try:
            connection.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
                "CREATE TABLE seen (token BLOB PRIMARY KEY, holder BLOB, shared INTEGER) WITHOUT ROWID;"
            )
            yield Shared(connection)
        finally:
            connection.close()


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
