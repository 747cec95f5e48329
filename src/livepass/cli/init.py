"""``livepass init``: a folder with everything a project needs, and nothing that must be undone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from livepass.cli import starter
from livepass.cli.faults import Exit, Fault, Where, refused, unchecked
from livepass.cli.render import Page, good, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session

LOCAL = "https://localhost:8420"
SECRET_KEY, ADMIN_KEY = "secrets/secret.key", "secrets/admin.key"

SETTINGS = """\
# livepass: the settings of this installation. Each may also stand in the environment, which wins:
# LIVEPASS_PUBLIC_URL, and so on. Files are found from the directory that livepass is started in.

# The https address under which phones reach this service. It is written into every pass and cannot be changed in a
# pass that a phone holds: settle it before you issue passes to real phones.
public_url = "{public_url}"

# SQLite: one file.
database_url = "sqlite:///livepass.db"

# Seals the private keys and what passes' tokens are derived with. Without it the database is of no use: keep a copy.
secret_key_file = "{secret_key}"

# An API key that may do everything. Make narrower ones: livepass key create NAME --scope passes:write
admin_key_file = "{admin_key}"

# Where `livepass serve` listens. Phones need https: put a proxy in front, or give --tls-cert and --tls-key.
host = "127.0.0.1"
port = 8420

# Where pushes go. An emulator (livepass apns emulate) needs both of these.
# apns_url = "https://127.0.0.1:2197"
# apns_ca_file = "apns-emulator/ca.pem"
"""

IGNORED = """\
# Secrets and the database stay on this machine.
/secrets/
/livepass.db*
/livepass-*.zip
*.p12
*.pkpass
/phone.json*
/apns-emulator/
"""

NEXT = (
    "livepass db upgrade",
    "livepass cert import FILE.p12 --password-file FILE",
    "livepass template import templates/membership",
    "livepass pass issue TYPE/1001 --template membership member_no='\"1001\"' name=Ada",
)


@click.command(cls=Verb)
@click.argument("directory", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--public-url", default=LOCAL, metavar="URL", help=f"Where phones reach the service (default {LOCAL}).")
@click.pass_obj
def init(session: Session, directory: Path, public_url: str) -> None:
    """Start a project: settings, keys and a template to begin with.

    Overwrites nothing: if a file is there already, no file is written.
    """
    files = _files(_checked(public_url))
    _refuse_to_overwrite(directory, [name for name, _, _ in files])
    for name, content, mode in files:
        _write(directory / name, content, mode)
    steps = NEXT if directory.resolve() == Path.cwd() else (f"cd {directory}", *NEXT)

    def draw(page: Page) -> None:
        page.line(good(f"wrote {len(files)} files to {directory}"))
        page.facts(
            ("settings", "livepass.toml"),
            ("secrets", f"{SECRET_KEY}, {ADMIN_KEY} (readable by you alone; keep a copy)"),
            ("template", "templates/membership"),
        )
        if public_url == LOCAL:
            page.line(warn(f"public_url is {LOCAL}, which no phone reaches: set it before you issue real passes"))
        page.line("next:")
        for step in steps:
            page.line(f"  {step}")

    session.out.show(
        {
            "directory": str(directory),
            "files": [name for name, _, _ in files],
            "public_url": public_url,
            "next": list(steps),
        },
        draw,
    )


def _files(public_url: str) -> list[tuple[str, bytes, int]]:
    """Name, content and mode of each file."""
    settings = SETTINGS.format(public_url=public_url, secret_key=SECRET_KEY, admin_key=ADMIN_KEY)
    return [
        ("livepass.toml", settings.encode(), 0o644),
        (".gitignore", IGNORED.encode(), 0o644),
        (SECRET_KEY, f"{secrets.token_urlsafe(32)}\n".encode(), 0o600),
        (ADMIN_KEY, f"lp_{secrets.token_urlsafe(32)}\n".encode(), 0o600),
        *((f"templates/membership/{name}", content, 0o644) for name, content in starter.files()),
    ]


def _checked(public_url: str) -> str:
    from livepass.config import ConfigError, load

    alone = {"LIVEPASS_CONFIG": os.devnull, "LIVEPASS_SECRET_KEY": "-", "LIVEPASS_PUBLIC_URL": public_url}
    try:
        return load(alone).public_url
    except ConfigError as error:
        raise Fault(f"--public-url: {error}", Exit.USAGE, hint=error.hint) from error


def _refuse_to_overwrite(directory: Path, names: list[str]) -> None:
    there = [name for name in names if (directory / name).exists()]
    if there:
        fault = refused(f"{directory} holds files that init would write", "name an empty directory: livepass init DIR")
        fault.where = tuple(Where(str(directory / name), "is there already") for name in there)
        raise fault


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if mode == 0o600 else 0o755)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise unchecked(f"{path} cannot be written: {error.strerror}", "name another directory") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
