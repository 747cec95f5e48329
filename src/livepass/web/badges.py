"""Apple's "Add to Apple Wallet" badge, in the languages that the operator has it in.

Apple asks to use its artwork as it is, and we may not ship it: ``LIVEPASS_BADGE_DIR`` names a folder with it, one file
a language: ``en.svg``, ``de.svg``, ``zh-Hans.png``. The files are read once, when the service starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FALLBACK = "en"
LARGEST = 1024 * 1024
MEDIA: Mapping[str, bytes] = {".svg": b"image/svg+xml", ".png": b"image/png"}
_NAME = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")


@dataclass(frozen=True, slots=True)
class Badge:
    """One file. ``name``: its language and its ending, as it stands in addresses."""

    name: str
    language: str
    media: bytes
    data: bytes


class Badges:
    """By language, case aside. Where there are both, the SVG is taken."""

    def __init__(self, badges: Sequence[Badge]) -> None:
        self._by_name = {badge.name: badge for badge in badges}
        self._by_language = {_plain(badge.language): badge for badge in sorted(badges, key=lambda each: each.name)}

    @classmethod
    def read(cls, folder: Path) -> Badges:
        """Every badge of a folder; other files in it, and those above ``LARGEST`` bytes, are left alone. Raises
        ``OSError``.
        """
        found = [
            Badge(file.name, file.stem, MEDIA[file.suffix], file.read_bytes())
            for file in sorted(folder.iterdir())
            if file.suffix in MEDIA and _NAME.fullmatch(file.stem) and file.is_file() and file.stat().st_size <= LARGEST
        ]
        return cls(found)

    def named(self, name: str) -> Badge | None:
        return self._by_name.get(name)

    def best(self, languages: Sequence[str]) -> Badge | None:
        """The badge for whoever reads these: of the language, of it without its region, or the English one."""
        for language in (*languages, FALLBACK):
            wanted = _plain(language)
            while wanted:
                if wanted in self._by_language:
                    return self._by_language[wanted]
                wanted = wanted.rpartition("-")[0]
        return None


def _plain(language: str) -> str:
    return language.lower().replace("_", "-")
