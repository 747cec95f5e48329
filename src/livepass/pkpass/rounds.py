"""How much work a .p12 asks for, found before any of it is done: a count of rounds may be any number."""

from __future__ import annotations

import math
from itertools import takewhile

from livepass.pkpass.der import INTEGER, OCTET_STRING, DerError, Node, parse

MOST_ROUNDS = 20_000_000
"""Of one derivation: a second or two. Rounds times the other numbers of PBKDF2 (key length) and scrypt (blocks)."""

_CONSTRUCTED = 0x20
_DEEPEST = 24


def rounds(data: bytes) -> int:
    """The most that any derivation in a .p12 asks for; 0 for what is none. What is encrypted is not looked into."""
    return _within(data, 0)


def _within(data: bytes, depth: int) -> int:
    try:
        return _most(parse(data), depth)
    except DerError:
        return 0


def _most(node: Node, depth: int) -> int:
    if depth == _DEEPEST:
        return 0
    children = _children(node)
    if node.tag & ~_CONSTRUCTED == OCTET_STRING:
        # A safe in its wrapping, which BER may cut into pieces.
        return _within(b"".join(each.value for each in children) or node.value, depth + 1)
    asked = [_asked(children[at + 1 :]) for at, each in enumerate(children) if each.tag == OCTET_STRING]
    return max([*asked, *(_most(each, depth + 1) for each in children)], default=0)


def _children(node: Node) -> list[Node]:
    try:
        return node.children() if node.tag & _CONSTRUCTED else []
    except DerError:
        return []


def _asked(following: list[Node]) -> int:
    """The numbers behind a salt, multiplied: RFC 7292 (MacData, pbeParams), RFC 8018 (PBKDF2), RFC 7914 (scrypt)."""
    numbers = [int.from_bytes(each.value, "big") for each in takewhile(lambda each: each.tag == INTEGER, following)]
    return math.prod(max(1, number) for number in numbers) if numbers else 0
