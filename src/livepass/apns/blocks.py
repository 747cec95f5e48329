"""Header blocks (HPACK, RFC 7541): how a push is written, and how an answer is read.

**Writing.** All pushes on a connection look alike, so the peer's dynamic table is filled once and then only pointed
at. What goes into it is decided by the table :data:`FIELDS`. Rules:

* nothing is ever evicted: a field that does not fit (the peer's SETTINGS_HEADER_TABLE_SIZE may be 0) is written out
  each time, and everything still works;
* ``:path`` holds the device token and never enters the table (Apple asks for that: its table is small), written as
  *never indexed*, so that nobody between us and APNs keeps it either;
* ``authorization`` is a secret and long, so it is *never indexed* either (Apple asks for that too);
* no Huffman coding: it saves 30 octets of a push and would cost more than all the rest of it in Python.

**Reading.** We announce a table of size 0. Once the peer has signalled that size, its blocks carry no state from one
to the next, and a block that starts with ``0x88`` (``:status: 200``) needs no further look. Anything else goes
through the ``hpack`` package.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import quote

import hpack

from livepass.apns.frames import COMPRESSION_ERROR, Fault
from livepass.core.trip2_push import PushMessage

OK_STATUS: Final = 0x88
"""``:status: 200`` as an index into the static table (RFC 7541, appendix A, row 8)."""

TABLE_LIMIT: Final = 4096
"""How much of the peer's table we use at most. It is the initial size, so that a usual peer needs no size update."""

FIRST_DYNAMIC: Final = 62
ENTRY_OVERHEAD: Final = 32
BLOCK_LIMIT: Final = 65_536
"""The longest response block we collect: RFC 9113 §6.10 sets no limit to CONTINUATION frames."""

BLOCK_FRAMES: Final = 64
"""In how many frames a block may come: empty ones would never reach the other limit."""

STATIC_NAMES: Mapping[bytes, int] = {b":authority": 1, b":path": 4, b"authorization": 23}
"""The rows of the static table whose *name* we use (RFC 7541, appendix A)."""

METHOD_AND_SCHEME: Final = b"\x83\x87"
"""``:method: POST`` and ``:scheme: https``: rows 3 and 7 of the static table."""


class Keep(Enum):
    """What the peer's table remembers of a field."""

    NOTHING = "nothing"
    NAME = "name"
    FIELD = "field"


FIELDS: Mapping[bytes, Keep] = {
    # In the order in which they are written: pseudo-headers come before all others (RFC 9113 §8.3).
    b":authority": Keep.FIELD,
    b":path": Keep.NOTHING,
    b"apns-topic": Keep.FIELD,
    b"apns-priority": Keep.FIELD,
    b"apns-push-type": Keep.FIELD,
    b"apns-expiration": Keep.NAME,
    b"apns-id": Keep.NAME,
}


def integer(value: int, bits: int, pattern: int) -> bytes:
    """RFC 7541 §5.1: a number in the low ``bits`` of an octet that starts with ``pattern``, and as many as it needs."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((pattern | value,))
    octets = bytearray((pattern | most,))
    value -= most
    while value >= 128:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def string(octets: bytes) -> bytes:
    """RFC 7541 §5.2: a string literal, not Huffman coded."""
    return integer(len(octets), 7, 0) + octets


def visible(text: str) -> bytes:
    """The octets of a header value. Raises ``ValueError`` for what may not stand in one (RFC 9113 §8.2.1)."""
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError("a header value must be visible ASCII")
    return text.encode("ascii")


_PATH_START = tuple(integer(4, 4, 0x10) + integer(length, 7, 0) for length in range(127))


def path_field(push_token: str) -> bytes:
    """``:path`` as a literal that is never indexed (RFC 7541 §6.2.3).

    A token is opaque hexadecimal of any length. Whatever else is handed to us is escaped, so that it stays one segment
    of one path, and APNs can call it a bad token.
    """
    if not (push_token.isalnum() and push_token.isascii()):
        push_token = quote(push_token, safe="", errors="replace")
    path = b"/3/device/" + push_token.encode("ascii")
    if len(path) < 127:
        return _PATH_START[len(path)] + path
    return integer(4, 4, 0x10) + string(path)


def authorization_field(token: str) -> bytes:
    """``authorization`` as a literal that is never indexed."""
    return integer(STATIC_NAMES[b"authorization"], 4, 0x10) + string(b"bearer " + visible(token))


class RequestBlocks:
    """Writes the header block of each push of one connection, and mirrors the peer's dynamic table."""

    def __init__(self, authority: str) -> None:
        self._authority = visible(authority)
        self._authorization = b""
        self._limit = TABLE_LIMIT
        self._size_update = b""
        self._forget()

    def _forget(self) -> None:
        self._used = 0
        self._inserted = 0
        self._fields: dict[tuple[bytes, bytes], int] = {}
        self._names: dict[bytes, int] = {}
        self._forget_cuts()

    def _forget_cuts(self) -> None:
        # Cut-and-dried pieces hold indices, and every insertion moves all indices by one.
        self._middles: dict[tuple[str, int, str | None], bytes] = {}
        self._expiration = (-1, b"")
        self._head = b""
        self._id_name = b""

    def authorize(self, token: str) -> None:
        """Show a provider token with each push from now on."""
        self._authorization = authorization_field(token)
        self._middles.clear()

    def resize(self, limit: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE (octets, as RFC 7541 §4.1 counts them).

        Any change empties the table: size 0, then the new size. That satisfies §4.2 (the smallest size in between must
        be signalled) whatever number of SETTINGS came since the last block.
        """
        size = min(limit, TABLE_LIMIT)
        if size == self._limit:
            return
        self._limit = size
        self._forget()
        self._size_update = b"\x20" if size == 0 else b"\x20" + integer(size, 5, 0x20)

    def block(self, message: PushMessage) -> bytes:
        """The complete block of one push. Raises ``ValueError``, with nothing changed, for an unwritable message."""
        path = path_field(message.push_token)
        apns_id = visible(message.apns_id)
        middle = self._middles.get((message.topic, message.priority, message.push_type))
        if middle is None or not self._id_name:
            return self._uncut_block(message, path, apns_id)
        expiration, expiration_field = self._expiration
        if expiration != message.expiration:
            expiration_field = self._field(b"apns-expiration", b"%d" % message.expiration)
            self._expiration = (message.expiration, expiration_field)
        if len(apns_id) == 36:
            return self._head + path + middle + expiration_field + self._id_name + b"\x24" + apns_id
        return self._head + path + middle + expiration_field + self._optional(b"apns-id", apns_id)

    def _uncut_block(self, message: PushMessage, path: bytes, apns_id: bytes) -> bytes:
        """The first pushes of a connection (they fill the table) and all of them when the table has no room."""
        topic = visible(message.topic)
        push_type = visible(message.push_type or "")
        update, self._size_update = self._size_update, b""
        before = self._inserted
        head = METHOD_AND_SCHEME + self._field(b":authority", self._authority)
        middle = self._authorization + self._optional(b"apns-topic", topic)
        middle += self._field(b"apns-priority", b"%d" % message.priority)
        middle += self._optional(b"apns-push-type", push_type)
        expiration = self._field(b"apns-expiration", b"%d" % message.expiration)
        block = update + head + path + middle + expiration + self._optional(b"apns-id", apns_id)
        if self._inserted != before:
            self._forget_cuts()
        elif not update:
            self._head = head
            self._middles[message.topic, message.priority, message.push_type] = middle
            self._expiration = (message.expiration, expiration)
            self._id_name = self._name_of(b"apns-id", 4, 0)
        return block

    def _optional(self, name: bytes, value: bytes) -> bytes:
        return self._field(name, value) if value else b""

    def _field(self, name: bytes, value: bytes) -> bytes:
        """One field in the shortest form that the peer's table allows (RFC 7541 §6.1, §6.2.1, §6.2.2)."""
        known = self._fields.get((name, value))
        if known is not None:
            return integer(self._index(known), 7, 0x80)
        keep = FIELDS[name]
        size = len(name) + len(value) + ENTRY_OVERHEAD
        wanted = keep is Keep.FIELD or (keep is Keep.NAME and name not in self._names)
        if wanted and self._used + size <= self._limit:
            written = self._name_of(name, 6, 0x40) + string(value)
            self._used += size
            self._inserted += 1
            self._fields[name, value] = self._names[name] = self._inserted
            return written
        return self._name_of(name, 4, 0x00) + string(value)

    def _name_of(self, name: bytes, bits: int, pattern: int) -> bytes:
        index = STATIC_NAMES.get(name)
        if index is None and name in self._names:
            index = self._index(self._names[name])
        if index is None:
            return bytes((pattern,)) + string(name)
        return integer(index, bits, pattern)

    def _index(self, ordinal: int) -> int:
        # The newest entry has the lowest index (RFC 7541 §2.3.3).
        return FIRST_DYNAMIC + self._inserted - ordinal


class Fields(NamedTuple):
    """Of an answer: ``status`` is 0 when there is no usable one, ``apns_id`` "" when absent, ``length`` in octets."""

    status: int
    apns_id: str
    length: int | None


class ResponseBlocks:
    """Reads the header blocks of one connection, in the order in which they came: HPACK allows no other."""

    def __init__(self) -> None:
        # RFC 9113 §4.3.1 lets us end a connection whose peer does not signal our smaller table. We read on as long as
        # its blocks can be read: nothing is gained by refusing answers that we understand.
        self._decoder = hpack.Decoder(max_header_list_size=BLOCK_LIMIT)
        self.stateless = False
        """True once the peer's table has size 0: then a block can be left unread without losing the next one."""

    def read(self, block: bytes) -> Fields:
        """What we look at of a block. Raises :class:`Fault`."""
        try:
            fields = self._decoder.decode(block, raw=True)
        except hpack.HPACKError as error:
            raise Fault(COMPRESSION_ERROR, f"header block: {type(error).__name__}") from error
        self.stateless = self._decoder.header_table_size == 0
        statuses, apns_id, length = [], "", None
        for field in fields:
            name, value = bytes(field[0]), bytes(field[1])
            if name == b":status":
                statuses.append(_status(value))
            elif name == b"apns-id":
                apns_id = value.decode("ascii", "replace")[:64]
            elif name == b"content-length":
                length = int(value) if len(value) < 20 and value.isdigit() else -1
        return Fields(statuses[0] if len(statuses) == 1 else 0, apns_id, length)


def _status(value: bytes) -> int:
    return int(value) if len(value) == 3 and value.isdigit() and value >= b"100" else 0
