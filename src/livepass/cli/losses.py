"""What data that was set aside holds and the database does not: counted, shown, and kept in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from livepass.cli.faults import refused, unchecked
from livepass.cli.render import Page, bad, dim, good

if TYPE_CHECKING:
    from livepass.wiring import Loss

FIRST = 20

KINDS = (
    # what they are called, what one is called, what follows
    ("registrations", "registration", "these phones hear of no change until they register again"),
    ("passes", "pass", "issue them again"),
    ("versions", "version", "these passes went back to an older one: change them again"),
    ("enrolments", "enrolment", "what people gave for these passes: phones do not send it twice"),
)


@dataclass
class Losses:
    """``keep`` takes each as one JSON object a line."""

    keep: IO[str] | None
    found: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name, _, _ in KINDS})

    @property
    def any(self) -> bool:
        return any(self.found.values())

    def note(self, loss: Loss) -> None:
        one = {"pass_type": loss.pass_type, "serial": loss.serial}
        if loss.device_id is not None:
            one["device_id"] = loss.device_id
        [name] = [name for name, what, _ in KINDS if what == loss.what.value]
        self.found[name].append(one)
        if self.keep is not None:
            self.keep.write(json.dumps({"lost": loss.what.value, **one}, ensure_ascii=False) + "\n")

    def draw(self, page: Page, more: str) -> None:
        """``more`` is how to see them all."""
        if not self.any:
            page.line(good("nothing is lost: every registration and pass that was set aside is here"))
        for name, _, said in KINDS:
            found = self.found[name]
            if found:
                page.line(bad(f"{name} gone: {len(found)} ({said})"))
            for one in found[:FIRST]:
                page.line(f"  {one['pass_type']}/{one['serial']}", one.get("device_id", ""))
            if len(found) > FIRST:
                page.line(dim(f"  … and {len(found) - FIRST} more: {more}"))


@contextmanager
def kept(path: str | None) -> Iterator[Losses]:
    """Into a file that is opened before anything else: afterwards would be too late to find that it cannot be."""
    if path is None:
        yield Losses(None)
        return
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise refused(
            f"{path} is there already", "name another file: this one may be all that is known of others"
        ) from error
    except OSError as error:
        raise unchecked(f"{path} cannot be written: {error.strerror or error}", "name another file") from error
    with os.fdopen(number, "w", encoding="utf-8") as file:
        try:
            yield Losses(file)
        except BaseException:
            if not file.tell():
                os.unlink(path)
            raise
