"""As much of ASN.1's encoding as a signature file needs: a few lines to write it, a bounded reader.

The reader takes BER's indefinite lengths too, because Apple's early ``signpass`` wrote them; the writer makes DER only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1

_CONSTRUCTED = 0x20
_DEEPEST = 16
_MOST_CHILDREN = 64


class DerError(ValueError):
    """The bytes are not the structure that was asked for."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """Tag, shortest length, value."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def oid(dotted: str) -> bytes:
    """An object identifier, as in ``"1.2.840.113549.1.7.1"``."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(OID, *map(_base128, (40 * first + second, *rest)))


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))


def set_of(tag: int, members: Iterable[bytes]) -> bytes:
    """DER sorts a SET OF by the encodings of its members."""
    return tlv(tag, *sorted(members))


@dataclass(frozen=True, slots=True)
class Node:
    """One tag-length-value inside ``data``: the value is ``data[body:stop]``, the whole ``data[start:end]``."""

    data: bytes
    tag: int
    start: int
    body: int
    stop: int
    end: int
    definite: bool = True

    @property
    def value(self) -> bytes:
        return self.data[self.body : self.stop]

    @property
    def encoded(self) -> bytes:
        return self.data[self.start : self.end]

    def children(self) -> list[Node]:
        """The members of a constructed value. Raises ``DerError`` if it is primitive, or has absurdly many."""
        if not self.tag & _CONSTRUCTED:
            raise DerError("a structure was expected where a plain value stands")
        found: list[Node] = []
        at = self.body
        while at < self.stop:
            if len(found) == _MOST_CHILDREN:
                raise DerError("the structure has too many parts")
            found.append(_node(self.data, at, self.stop, 0))
            at = found[-1].end
        return found

    def want(self, tag: int) -> Node:
        """Itself, if it carries ``tag``. Raises ``DerError`` otherwise."""
        if self.tag != tag:
            raise DerError(f"tag {tag:#04x} was expected where {self.tag:#04x} stands")
        return self


def parse(data: bytes) -> Node:
    """The one value that ``data`` is, without a byte left over. Raises ``DerError``."""
    node = _node(data, 0, len(data), 0)
    if node.end != len(data):
        raise DerError(f"{len(data) - node.end} bytes follow the structure")
    return node


def _node(data: bytes, at: int, end: int, depth: int) -> Node:
    if at + 2 > end or depth > _DEEPEST:
        raise DerError("the structure is cut short or nested too deep")
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise DerError("long tags have no place here")
    if first == 0x80:
        return _indefinite(data, at, end, depth)
    extra = first & 0x7F if first & 0x80 else 0
    body = at + 2 + extra
    if extra > 4 or body > end:
        raise DerError("a length is damaged")
    size = int.from_bytes(data[at + 2 : body], "big") if extra else first
    if body + size > end:
        raise DerError("a value reaches beyond its container")
    return Node(data, tag, at, body, body + size, body + size)


def _indefinite(data: bytes, start: int, end: int, depth: int) -> Node:
    if not data[start] & _CONSTRUCTED:
        raise DerError("a plain value has no length")
    at = start + 2
    while data[at : at + 2] != b"\0\0":
        at = _node(data, at, end, depth + 1).end
    if at + 2 > end:
        raise DerError("the structure is cut short or nested too deep")
    return Node(data, data[start], start, start + 2, at, at + 2, definite=False)
