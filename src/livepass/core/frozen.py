"""Frozen data at the price of plain data.

``@dataclass(frozen=True)`` enforces at run time what the type checker proves anyway, and makes each construction five
times as dear: on a device call, which makes a dozen, that is a tenth of the answer. So here the type checker freezes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, dataclass_transform

T = TypeVar("T")

if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def frozen(cls: type[T]) -> type[T]: ...

else:

    def frozen(cls):
        """A dataclass with slots, equality and a hash, whose fields are assigned once, by its constructor."""
        return dataclass(slots=True, unsafe_hash=True)(cls)
