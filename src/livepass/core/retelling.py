"""When a phone is told again of a version that it was told of and did not fetch.

A phone stores the tag of an ask before it downloads, and gives up after some tries: only telling it again helps.
"""

from __future__ import annotations

RETELL_FIRST_MS = 15 * 60_000
"""Without evidence of delivery by then, it is told again."""
RETELL_LIMIT = 6
"""Apple does not say when a phone gives up; we retell six times, doubling, so for about a day."""


def next_retelling(retold: int, now: int) -> int | None:
    """When to tell a pass again that was told ``retold`` + 1 times without evidence; ``None``: no more."""
    return None if retold >= RETELL_LIMIT else now + RETELL_FIRST_MS * 2**retold
