"""``livepass backup``: the whole database in one file, written beside a running service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from livepass.cli.faults import Exit, Fault, unchecked, usage
from livepass.cli.render import Page, dim, good, instant
from livepass.cli.root import Verb
from livepass.cli.session import Session, run
from livepass.cli.whole_file import whole_file

if TYPE_CHECKING:
    from livepass.wiring import Archive, Manifest


@click.command("backup", cls=Verb)
@click.argument("file", required=False)
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
@click.option("--verify", "verifies", is_flag=True, help="Write nothing: read FILE back and check that it is whole.")
@click.pass_obj
def backup(session: Session, file: str | None, force: bool, verifies: bool) -> None:
    """Write the whole database to one file, while the service runs.

    FILE is livepass-TIME.zip unless you name another; - is standard output. It holds one instant of everything, fits
    both SQLite and PostgreSQL (livepass restore), and is only there once it is complete.

    Keep it as you keep the database: it holds passes, and the push tokens of phones. Signing keys are sealed in it, of
    no use without LIVEPASS_SECRET_KEY, which is not in it: keep that elsewhere.
    """
    if verifies:
        _verify(session, file)
        return
    from livepass import wiring
    from livepass.cli.database import explained

    config = session.config()
    target = file or f"livepass-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    with explained(config):
        # Before a file is begun: there may be nothing to write into it.
        run(wiring.check(config))
    with explained(config), _written(target, force) as stream:
        manifest = run(wiring.backup(config, stream))
    document = {"file": target, **_facts(manifest)}
    if target == "-":
        session.out.note(f"{manifest.rows} rows of {config.database}")
        return
    document["bytes"] = Path(target).stat().st_size
    session.out.show(document, lambda page: _draw(page, document, good(target)))


def _verify(session: Session, file: str | None) -> None:
    if not file or file == "-":
        raise usage("--verify needs the name of a file", "livepass backup --verify FILE")
    with archive(file) as found:
        document = {"file": file, **_facts(found.manifest), "bytes": Path(file).stat().st_size}
    session.out.show(document, lambda page: _draw(page, document, good(f"{file} is whole")))


@contextmanager
def archive(file: str) -> Iterator[Archive]:
    """An archive that was read back whole. Raises ``Fault``."""
    from livepass import wiring
    from livepass.cli import names

    with names.opened(file) as stream, _seekable(stream) as seekable:
        try:
            yield wiring.examined(seekable)
        except wiring.BadArchive as error:
            raise Fault(f"{names.shown(file)}: {error}", Exit.PROBLEM, hint=error.hint, code="archive") from error


@contextmanager
def _seekable(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """A pipe is read to its end first: what an archive holds stands there."""
    if stream.seekable():
        yield stream
        return
    import shutil
    import tempfile

    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(stream, whole)
        yield whole


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "created_at": instant(manifest.created_at),
        "livepass": manifest.livepass,
        "schema": manifest.schema,
        "engine": manifest.engine,
        "installation": manifest.installation,
        "rows": {name: table.rows for name, table in manifest.tables.items()},
        "pass_types": {name: {"epoch": epoch, "number": seq} for name, (epoch, seq) in manifest.pass_types.items()},
    }


def _draw(page: Page, document: dict[str, Any], title: Any) -> None:
    rows = document["rows"]
    page.line(title)
    page.facts(
        ("made", f"{document['created_at']} by livepass {document['livepass']}, of {document['engine']}"),
        ("holds", f"passes {rows['pass']:,}, registrations {rows['registration']:,}, events {rows['event']:,}"),
        ("size", f"{document['bytes']:,} bytes"),
    )
    page.line(dim("it holds push tokens of phones: keep it as you keep the database; the secret key is not in it"))


@contextmanager
def _written(target: str, force: bool) -> Iterator[IO[bytes]]:
    """Where to write. The file gets its name when the block has ended well and everything is on disk."""
    if target == "-":
        if sys.stdout.isatty():
            raise usage("an archive is nothing for a terminal", "livepass backup FILE, or pipe it somewhere")
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except OSError as error:
            # Half an archive is no archive, so here a reader that stops early is a fault.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise unchecked(f"standard output cannot be written: {error.strerror or error}") from error
        return
    with whole_file(Path(target), force=force) as stream:
        yield stream
