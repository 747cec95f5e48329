"""What imports of phones share: registrations in, some at a time, and what became of each."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepass.cli.faults import unchecked, usage
from livepass.cli.render import Page, bad, good
from livepass.cli.session import Session

if TYPE_CHECKING:
    from livepass.service.adopting import Known
    from livepass.wiring import Services

AT_ONCE = 64
"""Their transactions share a disk write."""
SHOWN = 20


@dataclass
class Phones:
    """What became of registrations, by what was said of them."""

    count: int = 0
    said: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    left_out: Path | None = None
    first: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        left_out = str(self.left_out) if self.left_out and self.refused else None
        told = {"registrations": self.count, "became": self.said, "refused": self.refused}
        return {**told, "first_refused": self.first, "left_out": left_out}

    def draw(self, page: Page) -> None:
        page.line(good(f"{self.count:,} registrations looked at"))
        page.facts(*((what, f"{count:,}") for what, count in sorted(self.said.items())))
        if self.refused:
            page.line(bad(f"{self.refused:,} cannot come along: {self.left_out or 'see --json'}"))


async def adopt(services: Services, found: Iterable[Known], *, push: bool, left_out: Path | None) -> Phones:
    """Take in all of them. What cannot come along is named in the file ``left_out``."""
    from livepass.service.adopting import Adopted

    phones = Phones(left_out=left_out)
    good_ends = (Adopted.TAKEN, Adopted.THERE, Adopted.LEFT)
    pending = iter(found)
    with _Writer(left_out) as note:
        while lot := list(islice(pending, AT_ONCE)):
            became = await asyncio.gather(*(services.adopting.adopt(known, push=push) for known in lot))
            for known, end in zip(lot, became, strict=True):
                phones.count += 1
                phones.said[end.value] = phones.said.get(end.value, 0) + 1
                if end not in good_ends:
                    phones.refused += 1
                    row = {"pass_type": known.pass_type, "serial": known.serial, "device_id": known.device_id}
                    row["problem"] = end.value
                    note(row)
                    if len(phones.first) < SHOWN:
                        phones.first.append(row)
    return phones


class _Writer:
    """A CSV file that is made with its first row."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> Any:
        return self._note

    def _note(self, row: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", newline="")
                csv.writer(self._file).writerow(row)
            csv.writer(self._file).writerow(row.values())
        except OSError as error:
            raise unchecked(f"{self._path} cannot be written: {error.strerror}", "name another file") from error

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def local(session: Session) -> None:
    """Phones are taken in beside the database: what names them, and can wake them, goes over no network."""
    if session.remote():
        raise usage("this works on the database of the environment, not on --url", "run it where livepass serve runs")
