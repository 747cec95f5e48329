"""A call: one request, and the type of its answer; and what the functions that make calls share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from livepass.client.address import path

T = TypeVar("T")
Row = TypeVar("Row")
Read_co = TypeVar("Read_co", covariant=True)
Push = Literal["auto", "now", "none"]
Values = Mapping[str, Any]

JSON = "application/json"
PAGE = 500
"""Rows asked for at once: the most there are in a page."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. ``path`` begins after ``/api/v1``; queries that are ``None`` are left out. ``once``: its
    ``Idempotency-Key``. ``repeats``: sent twice, it does what it does once.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Values = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    media: str = JSON
    once: str | None = None

    @property
    def repeats(self) -> bool:
        return self.once is not None or self.method in ("GET", "PUT", "DELETE")


class Page(Protocol[Read_co]):
    """A page of a list."""

    @property
    def data(self) -> Sequence[Read_co]: ...

    @property
    def next_cursor(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class List(Generic[Row]):
    """A list, page by page, from ``cursor`` on."""

    path: str
    read: Callable[[bytes], Page[Row]]
    query: Values = field(default_factory=dict)
    cursor: str | None = None

    def page(self, cursor: str | None) -> Call[Page[Row]]:
        """The call for a page."""
        return Call("GET", self.path, self.read, {**self.query, "limit": PAGE, "cursor": cursor})


def given(**values: Any) -> dict[str, Any]:
    """What is not ``None``."""
    return {name: value for name, value in values.items() if value is not None}


def as_json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def reads(type_: type[T]) -> Callable[[bytes], T]:
    """What the service wrote with this type. Fields that a newer one adds are passed over."""
    return lambda body: msgspec.json.decode(body, type=type_)


def of_pass(pass_type: str, serial: str) -> str:
    """The path of a pass."""
    return path("passes", pass_type, serial)


def nothing(body: bytes) -> None:
    return None
