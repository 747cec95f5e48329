"""What is wrong when something that a certificate names cannot be fetched: a value of the seam, not of a transport."""

from __future__ import annotations

LONGEST_SHOWN = 200
"""Characters of an address that are repeated: it stands in a file that anybody may have made."""


class CannotFetch(Exception):
    """An address was not asked, did not answer, or not with what was wanted. Says which address, and why."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"{address[:LONGEST_SHOWN]}: {why}")
        self.address = address
        self.why = why
