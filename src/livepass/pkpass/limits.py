"""How much we are willing to look at. Uploads and foreign passes are hostile until shown otherwise."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for one archive. Sizes in bytes.

    ``total_bytes`` and ``ratio`` are counted while inflating, never believed from a header.
    """

    archive_bytes: int = 10 * MIB
    entries: int = 128
    total_bytes: int = 32 * MIB
    file_bytes: int = 8 * MIB
    ratio: int = 100
    name_length: int = 128
    json_depth: int = 32


DEFAULT_LIMITS = Limits()
