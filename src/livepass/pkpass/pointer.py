"""Where something stands (RFC 6901), and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def down(pointer: str, key: str | int) -> str:
    """The JSON pointer one step below ``pointer``."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing when no known word is near."""
    candidates = sorted(known)
    # A slip of case is the commonest one, and difflib does not see it as near.
    same = [each for each in candidates if each.casefold() == word.casefold()]
    near = same or difflib.get_close_matches(word, candidates, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
