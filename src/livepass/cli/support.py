"""``livepass support``: what a stranger who helps needs to know of this installation."""

from __future__ import annotations

import io
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import click

from livepass.cli.faults import refused, usage
from livepass.cli.render import Page, dim, good
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.cli.whole_file import whole_file


@noun("support")
def support() -> None:
    """What a stranger who helps needs to know, without a secret in it."""


@support.command()
@click.option("-o", "--output", metavar="FILE", help="Where to write it (default: livepass-support-TIME.zip).")
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def bundle(session: Session, output: str | None, force: bool, yes: bool) -> None:
    """Write versions, settings, figures, findings and what happened last into one zip, without names or secrets.

    It says what the file will hold, and asks. Each file in it is made of listed facts: what is not listed stays out.
    Passes, phones, push tokens, certificates, keys and hosts appear as fingerprints, keyed with LIVEPASS_SECRET_KEY:
    livepass support fingerprint says which is whose. Pass types, and the address of the service, are told as they are.

    Nothing is changed, and nothing is sent anywhere.
    """
    from livepass.cli import support_parts

    _here(session)
    config = session.config()
    path = Path(output or f"livepass-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip")
    session.out.draw(lambda page: _contents(page, path))
    _agreed(session, yes)
    parts = run(support_parts.gathered(config))
    with whole_file(path, force=force) as stream:
        stream.write(_zip(parts.files))
    document = {"file": str(path), "bytes": path.stat().st_size, "parts": list(parts.files), "missing": parts.missing}
    session.out.show(document, lambda page: _written(page, path, parts.missing))


@support.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@click.pass_obj
def fingerprint(session: Session, ids: tuple[str, ...]) -> None:
    """How a bundle calls something: a serial number, a device id, a push token, the id of a certificate, a host.

    It is the same in every bundle, for as long as LIVEPASS_SECRET_KEY begins with the same key.
    """
    from livepass.cli.support_marks import Marks

    _here(session)
    marks = Marks(session.config().secret_key[0])
    rows = [{"id": each, "fingerprint": marks.of(each)} for each in ids]
    session.out.rows(rows, [("ID", "id"), ("FINGERPRINT", "fingerprint")])


def _here(session: Session) -> None:
    if session.remote() is not None:
        raise usage(
            "a bundle is made where the database is, not over the API",
            "run it there, without --url and LIVEPASS_URL",
        )


def _agreed(session: Session, yes: bool) -> None:
    if yes:
        return
    if session.as_json or not sys.stdin.isatty():
        raise refused("nobody was here to agree to what the bundle holds", "read it, and say --yes")
    sys.stderr.write("write it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise refused("nothing was written", "answer y, or say --yes")


def _contents(page: Page, path: Path) -> None:
    from livepass.cli.support_parts import PARTS

    page.line(f"{path} will hold")
    page.facts(*((part.file, part.says) for part in PARTS))
    page.line(dim("ids and hosts as fingerprints; no secret, no name, no content of a pass, no line of a phone's log"))


def _written(page: Page, path: Path, missing: dict[str, str]) -> None:
    page.line(good(f"{path}: look into it before you give it away"))
    for name, said in missing.items():
        page.line(dim(f"{name} could not be had: {said}"))


def _zip(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()
