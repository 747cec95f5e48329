"""``livepass import registrations``: the phones that another service knows, from a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from livepass.cli import names
from livepass.cli.adopting import Phones, adopt, local
from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.service.adopting import Known

COLUMNS = ("pass_type", "serial", "device_id", "push_token")
LONGEST = 1 << 16

push_option = click.option(
    "--push",
    type=click.Choice(["auto", "none"]),
    default="auto",
    help="auto: each phone gets one push, and asks here; none: with the next change.",
)


@click.command(cls=Verb)
@click.argument("file", metavar="FILE.csv|FILE.ndjson")
@push_option
@click.option("--errors", metavar="FILE", help="Where what cannot come along is named, as CSV (FILE.errors.csv).")
@click.pass_obj
def registrations(session: Session, file: str, push: str, errors: str | None) -> None:
    """Take in the phones of passes that are here: columns pass_type, serial, device_id, push_token.

    Import the passes first, with their tokens. A phone that is here already is left alone, so the file may be imported
    again. Exit 1 when something cannot come along.
    """
    local(session)
    phones = run(_registrations(session, file, push == "auto", Path(errors or f"{file}.errors.csv")))
    show(session, phones)


async def _registrations(session: Session, file: str, push: bool, errors: Path) -> Phones:
    from livepass.cli.database import explained, services

    config = session.config()
    with names.opened(file) as lines:
        async with services(config) as opened:
            with explained(config):
                return await adopt(opened, rows(lines, file), push=push, left_out=errors)


def show(session: Session, phones: Phones) -> None:
    """What became of them; exit 1 where something cannot come along."""
    session.out.show(phones.document(), phones.draw)
    if phones.refused:
        raise click.exceptions.Exit(Exit.PROBLEM)


def rows(lines: IO[bytes], name: str) -> Iterator[Known]:
    """What a file says, row by row. Raises ``Fault`` for one that cannot be read: what is before it is taken in."""
    from livepass.service.adopting import Known

    csv_like = Path(name).suffix.lower() not in (".ndjson", ".jsonl")
    for number, record in _csv(lines) if csv_like else _ndjson(lines):
        values = [record.get(column) for column in COLUMNS]
        if not all(isinstance(value, str) and value for value in values):
            missing = next(column for column, value in zip(COLUMNS, values, strict=True) if not value)
            raise Fault(f"row {number} of {name} has no {missing}", hint="mend it, and import the file again")
        pass_type, serial, device_id, push_token = map(str, values)
        yield Known(pass_type, serial, device_id, push_token.lower())


def _csv(lines: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    def text() -> Iterator[str]:
        first = True
        while line := lines.readline(LONGEST):
            yield line.decode("utf-8-sig" if first else "utf-8", "replace")
            first = False

    try:
        reader = csv.DictReader(text())
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise usage(f"there is no column {', '.join(missing)}", f"the header names {', '.join(COLUMNS)}")
        yield from enumerate(reader, 2)
    except csv.Error as error:
        raise Fault(f"this is no CSV: {error}", hint="write it as CSV (RFC 4180), in UTF-8") from error


def _ndjson(lines: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while line := lines.readline(LONGEST):
        number += 1
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Fault(f"line {number} is not JSON: {error}", hint="write one object a line") from error
        if not isinstance(record, dict):
            raise Fault(f"line {number} is no object", hint="write one object a line")
        yield number, record
