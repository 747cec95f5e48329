"""``livepass import``: passes that are somewhere else come here: from a file, from another service, from a folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livepass.cli import import_state, importing
from livepass.cli.batch import COME_AGAIN, WAITS
from livepass.cli.faults import Exit, Fault, unchecked, usage
from livepass.cli.import_django import django_walletpass
from livepass.cli.import_folder import folder
from livepass.cli.import_jobs import cancel, list_, show
from livepass.cli.import_registrations import registrations
from livepass.cli.import_tokens import REMEDY, SHARED, shared
from livepass.cli.importing import Import, Put, Result
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.service.import_rows import BadHeader, Columns, Row, Source, Wrong, kind_of

if TYPE_CHECKING:
    from livepass.cli.client import Client


@noun("import")
def import_() -> None:
    """Take in passes and phones from a file, from another service, or from a folder.

    list, show and cancel are of imports that came over the API, and are worked off by the service.
    """


import_.add_command(django_walletpass)
import_.add_command(folder)
import_.add_command(registrations)
import_.add_command(list_)
import_.add_command(show)
import_.add_command(cancel)


@import_.command()
@click.argument("file", metavar="FILE.csv|FILE.ndjson|-")
@click.option("--type", "pass_type", metavar="TYPE", help="The pass type of rows that name none.")
@click.option("--template", metavar="NAME", help="The template of rows that name none; needed for new passes.")
@click.option("--map", "maps", multiple=True, metavar="NAME=COLUMN", help="The column of a variable, or of the serial.")
@click.option("--push", type=click.Choice(["auto", "none"]), default="auto", help="none: phones hear when they ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--errors", metavar="FILE", help="Where refused rows go, as CSV (FILE.errors.csv).")
@click.option("--state", metavar="FILE", help="Where it is noted how far it has come (FILE.import).")
@click.option("--restart", is_flag=True, help="From the beginning, whatever an earlier run has done.")
@click.pass_obj
def passes(
    session: Session,
    file: str,
    pass_type: str | None,
    template: str | None,
    maps: Sequence[str],
    push: str,
    dry_run: bool,
    errors: str | None,
    state: str | None,
    restart: bool,
) -> None:
    """Issue or change a pass for each row of FILE.

    Columns: serial, pass_type, template, revision, authentication_token, web_service_url, and the template's variables
    by name; --map points=Punkte where one is called otherwise. CSV needs a header; a row of NDJSON may hold data and
    content, as an export has them. Rows that are refused do not hold up the others: they are named in a file,
    with what to do, and the exit is 1. Whatever ends an import early, the same command goes on where it stopped.
    """
    columns = _columns(maps, pass_type, template)
    with _file(file) as path:
        kept = file != "-" and not dry_run
        what = import_state.identity(path, sorted(columns.columns.items()), sorted(columns.given.items()))
        beside = Path(state or f"{file}.import") if kept else None
        found = import_state.load(beside, what, restart=restart)
        wrong = Path(errors or ("import" if file == "-" else file) + ".errors.csv")
        one = Import(session, found, wrong, path.stat().st_size)
        with importing.resumable(one.tally):
            unused = run(_passes(session, one, path, kind_of(file, _head(path)), columns, push, dry_run))
    document = one.document(dry_run=dry_run, unused_columns=sorted(unused))
    if unused:
        session.out.note(f"these columns fill nothing: {', '.join(sorted(unused)[:20])}")
    session.out.show(document, lambda page: importing.draw(page, document))
    one.refuse()


async def _passes(
    session: Session, one: Import, path: Path, kind: str, columns: Columns, push: str, dry_run: bool
) -> set[str]:
    from livepass.cli.client import connected

    async with connected(session) as client:
        listed = await client.rows("/templates", limit=100_000)
        types = {row["name"]: row["variables"] for row in listed}
        name = columns.given.get("template")
        if name is not None and name not in types:
            raise usage(f"there is no template {name}", f"livepass template import {name}")
        source = Source(lambda: path.open("rb"), replace(columns, types=types), kind)
        try:
            with _without_shared_tokens(source) as rows:
                await one.run(rows, _put(client, push, dry_run))
        except BadHeader as error:
            raise usage(error.title, error.hint) from error
        return source.unused


def _put(client: Client, push: str, dry_run: bool) -> Put:
    async def put(rows: Sequence[Row]) -> Sequence[Result]:
        query = {"push": push, "dry_run": "true" if dry_run else None}
        body = "".join(json.dumps(row.body) + "\n" for row in rows).encode()
        for wait in (*WAITS, None):
            try:
                answer = await client.request(
                    "POST", "/passes:batch", query=query, body=body, content_type="application/x-ndjson"
                )
                return _results(answer.body, len(rows))
            except Fault as fault:
                if fault.code not in COME_AGAIN or wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("the last wait is none")  # pragma: no cover

    return put


def _results(body: bytes, count: int) -> Sequence[Result]:
    results: list[dict[str, Any]] = [json.loads(line) for line in body.splitlines()]
    if results and results[-1].get("ended"):
        problem = results[-1]["problem"]
        raise Fault(str(problem["detail"] or problem["title"]), hint=str(problem["hint"] or ""), code=problem["code"])
    if len(results) != count:
        raise Fault("the service answered only a part", Exit.UNCHECKED, code="unavailable")
    return results


@contextlib.contextmanager
def _without_shared_tokens(source: Source) -> Iterator[Iterator[Row]]:
    """The rows; those whose tokens another pass of the file has as well, refused."""
    with shared() as found:
        found.note(
            (str(row.body["authentication_token"]), f"{row.body.get('pass_type')}/{row.body.get('serial')}")
            for row in source.rows()
            if row.body.get("authentication_token")
        )

        def rows() -> Iterator[Row]:
            for row in source.rows():
                token = row.body.get("authentication_token")
                if row.wrong is None and token and str(token) in found:
                    column = row.columns.get("/authentication_token", "authentication_token")
                    yield replace(row, wrong=Wrong(column, SHARED, REMEDY))
                else:
                    yield row

        yield rows()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _columns(maps: Sequence[str], pass_type: str | None, template: str | None) -> Columns:
    columns: dict[str, str] = {}
    for word in maps:
        name, equals, column = word.partition("=")
        if not equals or not name or not column:
            raise usage(f"--map {word} is not NAME=COLUMN", "write --map points=Punkte")
        if name in columns:
            raise usage(f"--map names {name} twice", "name each variable once")
        columns[name] = column
    given = {"pass_type": pass_type, "template": template}
    return Columns({name: value for name, value in given.items() if value}, columns)


@contextlib.contextmanager
def _file(name: str) -> Iterator[Path]:
    """A file that can be read twice; standard input goes into one first."""
    if name != "-":
        if not Path(name).is_file():
            raise unchecked(f"{name} cannot be read: there is no such file", "check the name of the file")
        yield Path(name)
        return
    with tempfile.NamedTemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield Path(spool.name)
