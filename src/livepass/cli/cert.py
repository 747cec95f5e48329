"""``livepass cert``: Pass Type ID certificates."""

from __future__ import annotations

import base64
import sys
from typing import Any

import click

from livepass.cli import cert_check, cert_steps, names
from livepass.cli.cert_rows import all_of, draw, lapse, named, state
from livepass.cli.faults import usage
from livepass.cli.render import Column, Page, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("cert")
def cert() -> None:
    """Pass Type ID certificates: they sign passes and push."""


@cert.command("import")
@click.argument("p12", required=False, metavar="[FILE.p12]")
@click.option("--password-file", metavar="FILE", help="First line is the .p12's password; - is stdin.")
@click.option("--pem", metavar="CERT", help="Instead of a .p12: the certificate as PEM, with --key and --intermediate.")
@click.option("--key", "private_key", metavar="KEY", help="With --pem: its private key as PEM.")
@click.option("--intermediate", metavar="I", help="With --pem: Apple's WWDR intermediate as PEM.")
@click.pass_obj
def import_(
    session: Session,
    p12: str | None,
    password_file: str | None,
    pem: str | None,
    private_key: str | None,
    intermediate: str | None,
) -> None:
    """Take in a certificate. It becomes live when it has proved itself, if none is live or the live one has ended.

    For a remote service the API key stands before the noun, because --key is the private key here:
    livepass --url URL --key KEY cert import FILE.p12
    """
    body = _from_p12(p12, password_file) if p12 else _from_pem(pem, private_key, intermediate)

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return (await client.request("POST", "/certificates", json=body)).json()

    done = run(work())

    def shown(page: Page) -> None:
        draw(page, done)
        for problem in done.get("problems") or ():
            page.line(warn(f"{problem.get('message')} ({problem.get('remedy')})"))

    session.out.show(done, shown)


def _from_p12(path: str, password_file: str | None) -> dict[str, str]:
    return {"p12": base64.b64encode(names.read_bytes(path)).decode(), "password": password(password_file)}


def password(path: str | None) -> str:
    """From a file, or typed; never from the command line, where others could read it."""
    if path is None:
        return click.prompt("password of the .p12", hide_input=True, default="", err=True) if sys.stdin.isatty() else ""
    try:
        return names.read_bytes(path).decode("utf-8").split("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise usage(f"{names.shown(path)} is not text in UTF-8", "put the password on its first line") from error


def _from_pem(pem: str | None, key: str | None, intermediate: str | None) -> dict[str, str]:
    if not pem or not key or not intermediate:
        raise usage(
            "a certificate comes as FILE.p12, or as --pem CERT --key KEY --intermediate I",
            "livepass cert import FILE.p12 --password-file FILE",
        )
    parts = {"certificate_pem": pem, "private_key_pem": key, "intermediate_pem": intermediate}
    found = {}
    for name, path in parts.items():
        try:
            found[name] = names.read_bytes(path).decode("ascii")
        except UnicodeDecodeError as error:
            raise usage(f"{path} is not PEM", "PEM begins with -----BEGIN; Apple's .cer files are DER") from error
    return found


@cert.command("list")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.pass_obj
def list_(session: Session, pass_type: str | None) -> None:
    """The certificates there are, and how long they last."""
    columns: list[Column] = [
        ("ID", lambda row: str(row.get("id", ""))[:12]),
        ("PASS TYPE", "pass_type"),
        ("TEAM", "team"),
        ("STATE", state),
        ("VALID TO", lapse),
    ]

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await all_of(client, pass_type)

    rows = run(work())
    session.out.rows(rows, columns, "no certificates: livepass cert import FILE.p12 --password-file FILE")


@cert.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def show(session: Session, id_: str) -> None:
    """One certificate, by its id or the beginning of it."""

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await named(client, id_)

    found = run(work())
    session.out.show(found, lambda page: draw(page, found))


for _verb in (cert_steps.prove, cert_steps.canary, cert_steps.promote, cert_steps.rollback, cert_steps.retire):
    cert.add_command(_verb)
cert.add_command(cert_steps.plan)
cert.add_command(cert_check.check)
