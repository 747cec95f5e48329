"""The pages that ship with livepass, by topic: ``LP303``, ``S5``, ``findings``, ``my-pass-stopped-updating``.

In a wheel they lie beside this file, in a checkout in ``docs/``. Names come from the list of files, so what is asked
for is never used as a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

FOLDERS = (Path(__file__).with_name("docs"), Path(__file__).parents[2] / "docs")
CHECKS = "doctor-checks"
ADDRESS = "/docs"
"""Where the service shows them."""

_COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One page. ``place``: below the folder, without its ending, as in ``reference/findings/LP303``. ``part``: only
    the section of that name, as in ``NET2``.
    """

    place: str
    file: Path
    part: str = ""

    @property
    def topic(self) -> str:
        if self.part:
            return self.part
        name = self.place.rpartition("/")[2]
        return self.place.split("/")[-2] if name == "README" else name

    @property
    def address(self) -> str:
        """Its path on the service."""
        anchor = f"#{self.part.lower()}" if self.part else ""
        return f"{ADDRESS}/{self.place.removeprefix('reference/')}{anchor}"

    def text(self) -> str:
        """Its Markdown, without remarks to those who write it."""
        text = _COMMENT.sub("", self.file.read_text("utf-8"))
        if not self.part:
            return text
        section = text.partition(f"\n### {self.part} ")[2]
        return f"# {self.part} {re.split(r'^(?:<a id=|#)', section, maxsplit=1, flags=re.MULTILINE)[0].rstrip()}\n"

    def title(self) -> str:
        found = _TITLE.search(self.text())
        return found[1] if found else self.topic


class Manual:
    """The pages there are: none in an installation that was made without them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or next((each for each in FOLDERS if (each / "reference").is_dir()), FOLDERS[0])
        places = sorted(self._folder.rglob("*.md"))
        self.entries = tuple(Entry(file.relative_to(self._folder).with_suffix("").as_posix(), file) for file in places)
        self._by_topic: Mapping[str, Entry] = {entry.topic.lower(): entry for entry in self.entries}

    def find(self, topic: str) -> Entry | None:
        """The page of a topic, however it is spelled: ``lp303``, ``findings/LP303``, ``docs/…/LP303.md``."""
        name = topic.strip().rstrip("/").rpartition("/")[2].removesuffix(".md")
        return self._by_topic.get(name.lower()) or self._check(name.upper())

    def _check(self, name: str) -> Entry | None:
        """A check of the doctor, which has a section in the page of them all."""
        page = self._by_topic.get(CHECKS)
        there = page is not None and name.isalnum() and f"\n### {name} " in page.text()
        return Entry(page.place, page.file, name) if page is not None and there else None

    def near(self, topic: str) -> str | None:
        """The topic that was probably meant."""
        close = get_close_matches(topic.strip().lower(), self._by_topic, 1, 0.5)
        return self._by_topic[close[0]].topic if close else None

    def sections(self) -> Iterator[tuple[str, list[Entry]]]:
        """All pages by the folder they are in; those at the top come first, under ``""``."""
        folders = dict.fromkeys(entry.place.rpartition("/")[0] for entry in self.entries)
        for folder in sorted(folders):
            yield folder, [entry for entry in self.entries if entry.place.rpartition("/")[0] == folder]


def of_finding(code: str) -> str:
    """The path of a finding's page on the service."""
    return f"{ADDRESS}/findings/{code}"


def of_sentence(code: str) -> str:
    """The path of the page of a sentence in phones' logs; that of all of them for one that nobody knows."""
    return f"{ADDRESS}/device-log" + ("" if code == "?" else f"/{code}")
