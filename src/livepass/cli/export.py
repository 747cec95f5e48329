"""``livepass export``: what is here, as files that others can read, and that livepass import takes in again."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from livepass.cli.adopting import local
from livepass.cli.faults import Fault, unchecked, usage
from livepass.cli.names import PASS, PassName
from livepass.cli.render import dim, good
from livepass.cli.root import noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.core.model import Held, Pass
    from livepass.core.timeline import Event
    from livepass.wiring import Services

PAGE = 500
PASS_COLUMNS = (
    *("pass_type", "serial", "template", "revision", "data", "content", "web_service_url"),
    *("voided", "created_at", "changed_at", "authentication_token"),
)
PHONE_COLUMNS = (
    *(
        "pass_type",
        "serial",
        "device_id",
        "push_token",
        "registered_at",
        "changed",
        "pushed",
        "asked",
        "told",
        "served",
    ),
)
EVENT_COLUMNS = ("id", "at", "kind", "pass_type", "serial", "device_id", "target", "number", "detail")
Records = AsyncIterator[Mapping[str, Any]]

format_option = click.option(
    "--format", "kind", type=click.Choice(["ndjson", "csv"]), help="By the file's name, unless it is said (ndjson)."
)
tokens_option = click.option(
    "--tokens", is_flag=True, help="With authentication tokens: whoever reads the file can fetch and follow every pass."
)
out_option = click.option("-o", "--out", "out", required=True, metavar="FILE", help="The file; it must not be there.")
type_option = click.option("--type", "pass_type", metavar="TYPE", help="Of this pass type only.")


@noun("export")
def export() -> None:
    """Write passes, phones and what happened into files: one JSON object a line, or CSV.

    The format: livepass help export-format. Files are made for their owner alone, because they hold what is personal.
    """


@export.command()
@out_option
@type_option
@format_option
@tokens_option
@click.pass_obj
def passes(session: Session, out: str, pass_type: str | None, kind: str | None, tokens: bool) -> None:
    """Every pass: template, data, content, address. livepass import passes takes the file in again.

    Without --tokens phones that hold the passes cannot be taken along: their passes get new tokens there.
    """
    _one(session, out, kind, PASS_COLUMNS, lambda services: _passes(services, pass_type, tokens))


@export.command()
@out_option
@type_option
@format_option
@click.pass_obj
def registrations(session: Session, out: str, pass_type: str | None, kind: str | None) -> None:
    """Every phone that follows a pass, with its push token and what it was seen to do."""
    _one(session, out, kind, PHONE_COLUMNS, lambda services: _registrations(services, pass_type))


@export.command()
@click.argument("name", type=PASS, metavar="[TYPE/SERIAL]", required=False)
@out_option
@format_option
@click.pass_obj
def timeline(session: Session, name: PassName | None, out: str, kind: str | None) -> None:
    """What happened: of one pass, or of all, oldest first."""
    _one(session, out, kind, EVENT_COLUMNS, lambda services: _timeline(services, name))


@export.command("all")
@click.argument("folder", metavar="DIR")
@tokens_option
@click.pass_obj
def all_(session: Session, folder: str, tokens: bool) -> None:
    """All of it into a new folder DIR: templates/NAME/, passes.ndjson, registrations.ndjson, timeline.ndjson.

    What people gave at enrolments, certificates and keys are not in it: livepass backup keeps those, sealed.
    """
    local(session)
    target = Path(folder)
    try:
        target.mkdir(mode=0o700, parents=True)
        (target / "templates").mkdir()
    except OSError as error:
        raise unchecked(f"{folder} cannot be made: {error.strerror}", "name a folder that is not there yet") from error

    async def work(services: Services) -> dict[str, int]:
        done = {"templates": await _templates(services, target / "templates")}
        done["passes"] = await _write(target / "passes.ndjson", "ndjson", PASS_COLUMNS, _passes(services, None, tokens))
        phones = _registrations(services, None)
        done["registrations"] = await _write(target / "registrations.ndjson", "ndjson", PHONE_COLUMNS, phones)
        events = _timeline(services, None)
        done["timeline"] = await _write(target / "timeline.ndjson", "ndjson", EVENT_COLUMNS, events)
        return done

    done = run(_with(session, work))
    document = {"folder": folder, **done, "tokens": tokens}
    session.out.show(document, lambda page: _draw_all(page, document))


def _draw_all(page: Any, document: dict[str, Any]) -> None:
    page.line(good(f"{document['folder']} is written"))
    page.facts(*((name, f"{document[name]:,}") for name in ("templates", "passes", "registrations", "timeline")))
    if not document["tokens"]:
        page.line(dim("without tokens: phones cannot be taken along with it (--tokens)"))


def _one(
    session: Session, out: str, kind: str | None, columns: tuple[str, ...], records: Callable[[Services], Records]
) -> None:
    local(session)
    if kind is None:
        kind = "csv" if out.endswith(".csv") else "ndjson"

    async def work(services: Services) -> int:
        return await _write(Path(out), kind, columns, records(services))

    count = run(_with(session, work))
    session.out.show({"file": out, "rows": count}, lambda page: page.line(good(f"{out}: {count:,} rows")))


async def _with(session: Session, work: Callable[[Services], Any]) -> Any:
    from livepass.cli.database import explained, services

    config = session.config()
    async with services(config) as opened:
        with explained(config):
            return await work(opened)


async def _write(path: Path, kind: str, columns: tuple[str, ...], records: Records) -> int:
    """A new file for its owner alone. One that breaks off does not get its name."""
    count = 0
    with _new(path) as file:
        put = _putter(file, kind, columns)
        async for record in records:
            put(record)
            count += 1
    return count


@contextlib.contextmanager
def _new(path: Path) -> Iterator[IO[str]]:
    half = path.with_name(f".{path.name}.{os.getpid()}.new")
    if path.exists():
        raise usage(f"{path} is there already", "nothing is overwritten: name another file")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            yield file
        half.rename(path)
    except OSError as error:
        raise unchecked(f"{path} cannot be written: {error.strerror or error}", "name another file") from error
    finally:
        half.unlink(missing_ok=True)


def _putter(file: IO[str], kind: str, columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], None]:
    if kind == "ndjson":
        return lambda record: _put_line(file, record)
    writer = csv.writer(file)
    writer.writerow(columns)
    return lambda record: writer.writerow([_cell(record.get(column)) for column in columns])


def _put_line(file: IO[str], record: Mapping[str, Any]) -> None:
    file.write(
        json.dumps({key: value for key, value in record.items() if value is not None}, ensure_ascii=False) + "\n"
    )


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


# ── what there is


async def _passes(services: Services, pass_type: str | None, tokens: bool) -> Records:
    after = ("", "")
    tenants = {kept.pass_type: kept.tenant for kept in await services.store.pass_types()}
    while page := await services.store.passes(pass_type=pass_type, template=None, prefix="", after=after, limit=PAGE):
        for row in page:
            yield await _pass(services, row, tenants.get(row.pass_type, ""), tokens)
        after = (page[-1].pass_type, page[-1].serial)


async def _pass(services: Services, row: Pass, tenant: str, tokens: bool) -> Mapping[str, Any]:
    from livepass.pkpass import PkpassError

    content = json.loads(row.content)
    if row.voided:
        content["voided"] = True  # that it is void comes along in what the pass says
    record: dict[str, Any] = {
        "pass_type": row.pass_type,
        "serial": row.serial,
        "template": row.template,
        "revision": row.revision if row.pinned else None,
        "data": json.loads(row.data),
        "content": content,
        "web_service_url": row.web_service_url,
        "voided": row.voided or None,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
    }
    if tokens:
        try:
            record["authentication_token"] = services.keys.token(tenant, row.pass_type, row.serial, row.token)
        except PkpassError as error:
            raise Fault(f"{row.pass_type}/{row.serial}: {error}", hint=error.hint, code="token") from error
    return record


async def _registrations(services: Services, pass_type: str | None) -> Records:
    after = ("", "", "")
    while page := await services.store.registrations(pass_type=pass_type, device_id=None, after=after, limit=PAGE):
        for row in page:
            if row.left_at is not None or row.superseded_at is not None:
                continue
            near = await services.store.held_and_owed(row.pass_type, row.serial, limit=1, first=row.device_id)
            for held, _ in near:
                if held.registration.device_id == row.device_id:
                    yield _registration(held)
        last = page[-1]
        after = (last.pass_type, last.device_id, last.serial)


def _registration(held: Held) -> Mapping[str, Any]:
    one, marks = held.registration, held.watermarks
    seen = {name: getattr(marks, name) for name in ("changed", "pushed", "asked", "told", "served")}
    return {
        "pass_type": one.pass_type,
        "serial": one.serial,
        "device_id": one.device_id,
        "push_token": held.device.push_token,
        "registered_at": one.registered_at,
        **seen,
    }


async def _timeline(services: Services, name: PassName | None) -> Records:
    from livepass.core.timeline import Kind

    after, kinds = 0, [kind.value for kind in Kind]
    while True:
        if name is not None:
            page = await services.store.timeline(name.pass_type, name.serial, after=after, limit=PAGE)
        else:
            page = await services.store.events(kinds=kinds, pass_type=None, after=after, limit=PAGE)
        if not page:
            return
        for event in page:
            yield _event(event)
        after = page[-1].id


def _event(event: Event) -> Mapping[str, Any]:
    return {
        "id": event.id,
        "at": event.at,
        "kind": event.kind.value,
        "pass_type": event.pass_type,
        "serial": event.serial,
        "device_id": event.device_id,
        "target": event.target,
        "number": event.seq or None,
        "detail": dict(event.detail),
    }


async def _templates(services: Services, folder: Path) -> int:
    """Each current revision, as a folder that livepass template import takes in."""
    from livepass.core.model import DEFAULT_TENANT

    stored = await services.store.templates(DEFAULT_TENANT)
    for one in stored:
        kept = await services.store.template(DEFAULT_TENANT, one.name, None)
        if kept is not None:
            _unpack(kept.files, folder)
    return len(stored)


def _unpack(files: bytes, folder: Path) -> None:
    root = folder.resolve()
    with zipfile.ZipFile(BytesIO(files)) as archive:
        for name in archive.namelist():
            path = (root / name).resolve()
            if path.is_relative_to(root):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
