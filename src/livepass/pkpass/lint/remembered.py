"""What a rule found once need not be looked for again on each pass of a template."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import TypeVar

from livepass.pkpass.lint.problem import Problem, Problems

W = TypeVar("W", bound=Hashable)
C = TypeVar("C")

_PLAINLY = 2
"""The version of ``marshal`` that writes equal values as equal bytes: without references between them."""


Check = Callable[[W, C], Problems]
Found = Callable[[W, C], tuple[Problem, ...]]


def remembered(most: int, longest: int) -> Callable[[Check[W, C]], Found[W, C]]:
    """Remembers what a check of some content (plain JSON) at some place found, ``most`` times, by all that it sees:
    the place, and the content written as bytes. What is longer than that is looked at each time.
    """

    def remembering(check: Check[W, C]) -> Found[W, C]:
        @lru_cache(maxsize=most)
        def before(where: W, written: bytes) -> tuple[Problem, ...]:
            return tuple(check(where, marshal.loads(written)))  # noqa: S302 - our own bytes, of a moment ago

        @wraps(check)
        def found(where: W, content: C) -> tuple[Problem, ...]:
            try:
                written = marshal.dumps(content, _PLAINLY)  # type: ignore[arg-type]
            except ValueError:  # no plain JSON
                return tuple(check(where, content))
            return before(where, written) if len(written) <= longest else tuple(check(where, content))

        found.forget = before.cache_clear  # type: ignore[attr-defined]
        return found

    return remembering
