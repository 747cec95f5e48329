"""``livepass cert import`` and ``livepass cert csr``: how certificates come in."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import click

from livepass.cli import names
from livepass.cli.cert_rows import draw as draw_certificate
from livepass.cli.faults import Fault, usage
from livepass.cli.render import Column, Page, dim, good, instant, text_of, warn
from livepass.cli.root import Noun, Verb
from livepass.cli.session import Session, run

Body = dict[str, Any]


@click.command("import", cls=Verb)
@click.argument("file", required=False, metavar="[FILE.p12 | FILE.cer]")
@click.option("--password-file", metavar="FILE", help="First line is the .p12's password; - is stdin.")
@click.option("--pem", metavar="CERT", help="Instead of FILE: the certificate (PEM or .cer), with --key.")
@click.option("--key", "private_key", metavar="KEY", help="With --pem: its private key as PEM.")
@click.option("--key-password-file", metavar="FILE", help="First line is the password of --key; - is stdin.")
@click.option("--intermediate", metavar="I", help="Apple's WWDR intermediate, if livepass cannot find it.")
@click.option("--accept-nfc-loss", is_flag=True, help="Also if the live certificate may use NFC and this one may not.")
@click.pass_obj
def import_(
    session: Session,
    file: str | None,
    password_file: str | None,
    pem: str | None,
    private_key: str | None,
    key_password_file: str | None,
    intermediate: str | None,
    accept_nfc_loss: bool,
) -> None:
    """Take in a certificate. It becomes live when it has proved itself, if none is live or the live one has ended.

    FILE is a .p12 with certificate and key; or the portal's .cer, if its key was made here: livepass cert csr.

    For a remote service the API key stands before the noun, because --key is the private key here:
    livepass --url URL --key KEY cert import FILE.p12
    """
    body = _body(file, pem, private_key, password_file, key_password_file)
    if intermediate is not None:
        body["intermediate_pem"] = _as_pem(intermediate)
    if accept_nfc_loss:
        body["accept_nfc_loss"] = True

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return (await client.request("POST", "/certificates", json=body)).json()

    try:
        done = run(work())
    except Fault as fault:
        if fault.code != "foreign_pass_type" or session.remote():
            raise
        # Whoever works on the database itself came with no key, and may know.
        tenant = session.as_tenant() or "the tenant default"
        raise Fault(
            f"the pass type of this certificate is another tenant's, and not of {tenant}",
            hint="name the one whose it is: livepass cert import … --tenant NAME; livepass tenant list shows them",
            code=fault.code,
        ) from fault

    def draw(page: Page) -> None:
        draw_certificate(page, done)
        for problem in done.get("problems") or ():
            page.line(warn(f"{problem.get('message')} ({problem.get('remedy')})"))

    session.out.show(done, draw)


def _body(
    file: str | None, pem: str | None, key: str | None, password_file: str | None, key_password_file: str | None
) -> Body:
    if (file is None) == (pem is None):
        raise usage(
            "a certificate comes as FILE.p12, as FILE.cer, or as --pem CERT --key KEY",
            "livepass cert import FILE.p12 --password-file FILE",
        )
    if file is None:
        if key is None:
            raise usage(
                "--pem needs the private key",
                "add --key KEY; or, where the key was made here: livepass cert import CERT",
            )
        certificate = base64.b64encode(names.read_bytes(pem or "")).decode()
        body: Body = {"certificate": certificate, "private_key_pem": _ascii(key)}
        if key_password_file is not None:
            body["private_key_password"] = first_line(key_password_file)
        return body
    if key is not None or key_password_file is not None:
        raise usage("--key goes with --pem", "livepass cert import --pem CERT --key KEY")
    data = names.read_bytes(file)
    if _is_certificate(data):
        if password_file is not None:
            raise usage(f"{names.shown(file)} is a certificate alone, which has no password", "leave the password out")
        return {"certificate": base64.b64encode(data).decode()}
    return {"p12": base64.b64encode(data).decode(), "password": password(password_file)}


def _is_certificate(data: bytes) -> bool:
    """By what is in it: the first thing in a certificate is what is signed, in a .p12 its version."""
    if b"-----BEGIN CERTIFICATE-----" in data:
        return True
    start = 2 + (data[1] & 0x7F if data[1:2] >= b"\x80" else 0)
    return data[:1] == b"\x30" and data[start : start + 1] == b"\x30"


def _as_pem(path: str) -> str:
    data = names.read_bytes(path)
    if b"-----BEGIN" in data:
        return _ascii_of(data, path)
    text = base64.encodebytes(data).decode().replace("\n", "")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def password(path: str | None) -> str:
    """From a file, or typed; never from the command line, where others could read it."""
    if path is None:
        return click.prompt("password of the .p12", hide_input=True, default="", err=True) if sys.stdin.isatty() else ""
    return first_line(path)


def first_line(path: str) -> str:
    """A password that stands in a file."""
    try:
        return names.read_bytes(path).decode("utf-8").split("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise usage(f"{names.shown(path)} is not text in UTF-8", "put the password on its first line") from error


def _ascii(path: str) -> str:
    return _ascii_of(names.read_bytes(path), path)


def _ascii_of(data: bytes, path: str) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise usage(f"{path} is not PEM", "PEM begins with -----BEGIN: openssl rsa -in KEY -out KEY.pem") from error


# ── signing requests


@click.group("csr", cls=Noun, invoke_without_command=True)
@click.option("--type", "pass_type", default="", metavar="TYPE", help="The pass type it is meant for.")
@click.option("--team", default="", help="Your team, for people; Apple ignores it.")
@click.option("--email", default="", help="Your address, for people; Apple ignores it.")
@click.option("--out", metavar="FILE.csr", help="Where the request goes; - is stdout.")
@click.pass_context
def csr(context: click.Context, pass_type: str, team: str, email: str, out: str | None) -> None:
    """Make a key and a signing request for Apple's portal, without a Mac.

    The key stays here, sealed. Give the .csr to the portal, and its .cer to: livepass cert import FILE.cer
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise usage("a signing request goes to a file", "livepass cert csr --out FILE.csr")
    session: Session = context.obj
    if out != "-" and Path(out).exists():
        raise usage(f"{out} is there already", "name another file, or remove that one")
    body = {"pass_type": pass_type, "team": team, "email": email}

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return (await client.request("POST", "/signing-requests", json=body)).json()

    made = run(work())
    names.write_bytes(out, str(made["csr_pem"]).encode())

    def draw(page: Page) -> None:
        page.line(good(f"key {made.get('id')} waits here for its certificate; the request is in {out}"))
        page.line(dim("portal: Certificates → + → Pass Type ID Certificate; leave the certificate's name empty"))
        page.line(dim("then: livepass cert import FILE.cer"))

    if out != "-":
        session.out.show(made, draw)


@csr.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The keys that wait for their certificate."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/signing-requests", limit=10_000)

    columns: list[Column] = [
        ("ID", "id"),
        ("FOR", lambda row: text_of(row.get("pass_type")) if row.get("pass_type") else "any pass type"),
        ("SINCE", lambda row: instant(row.get("created_at"))),
    ]
    session.out.rows(run(work()), columns, "no key waits: livepass cert csr --out FILE.csr makes one")


@csr.command()
@click.argument("id_", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(session: Session, id_: str, yes: bool) -> None:
    """Forget a key that waits. A certificate that was issued for it can never be used."""
    question = f"key {id_} will be forgotten: a certificate that was issued for it can never be used"
    names.confirm(question, id_, yes=yes, as_json=session.as_json)

    async def work() -> None:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            await client.request("DELETE", address("signing-requests", id_))

    run(work())
    session.out.show({"id": id_, "removed": True}, lambda page: page.line(good(f"key {id_} is forgotten")))
