"""``livepass doctor``: anybody's pass and web service, or this installation."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from livepass.cli import names
from livepass.cli.faults import Exit, refused, usage
from livepass.cli.root import Verb
from livepass.cli.session import Session

if TYPE_CHECKING:
    from livepass.doctor import Credential, Options, Report

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Verb)
@click.argument("file", required=False, metavar="[FILE.pkpass]")
@click.option("--p12", metavar="FILE", help="The pass type's certificate and key: does it fit, how long does it last.")
@click.option("--password-file", metavar="FILE", help="First line is the .p12's password; - is stdin.")
@click.option("--register", is_flag=True, help="Also register a fake device there; it is always taken back.")
@click.option("--log", "log_", is_flag=True, help="Also write one line into the service's log of phones.")
@click.option(
    "--apns-probe", is_flag=True, help="With --p12: send one push to a made-up token, and read the complaint."
)
@click.option("--apns-url", metavar="URL", help="Where to send that (default: Apple's production).")
@click.option(
    "--ca-file", type=FILE, metavar="FILE", help="PEM file of roots to trust, for TLS and signatures (= --ca)."
)
@click.option("--offline", is_flag=True, help="Look at the file alone; send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before something is sent.")
@click.option("--strict", is_flag=True, help="Warnings are problems too.")
@click.option("--junit", metavar="FILE", help="Also write the report as JUnit XML.")
@click.option("--backup", metavar="FILE", help="Without a pass: the newest backup, to see how old it is.")
@click.pass_obj
def doctor(
    session: Session,
    file: str | None,
    p12: str | None,
    password_file: str | None,
    register: bool,
    log_: bool,
    apns_probe: bool,
    apns_url: str | None,
    ca_file: Path | None,
    offline: bool,
    yes: bool,
    strict: bool,
    junit: str | None,
    backup: str | None,
) -> None:
    """Judge a pass and its web service, anybody's; or this installation.

    With a pass: reads the file, then its web service as phones would; says what it will send, and asks. Test only
    services that you are responsible for. Without: the database, processes, certificates and public address of this
    installation. Exit 1 for problems, 3 when something could not be checked for a fault of livepass, 4 when not allowed
    to send.
    """
    from livepass.doctor import Options
    from livepass.doctor.push import PRODUCTION

    if apns_probe and not p12:
        raise usage("--apns-probe needs the certificate to connect with", "add --p12 FILE --password-file FILE")
    if file is None and (p12 or register or log_ or offline):
        raise usage("these options need a pass to look at", "livepass doctor FILE.pkpass")
    ca_file = ca_file or session.ca or (_phones_trust(session) if file is None else None)
    credential: Credential | None = _credential(p12, password_file) if p12 else None
    options = Options(
        register=register,
        log=log_,
        apns_probe=apns_probe,
        credential=credential,
        offline=offline,
        roots_pem=_roots(ca_file),
        apns_url=(apns_url or PRODUCTION).rstrip("/"),
    )
    if file is None:
        report = _own(session, options, backup, ca_file)
    else:
        report = _judged(session, names.read_bytes(file), options, yes=yes)
    _say(session, report, junit)
    if report.failed or not report.cleaned or (strict and report.warnings):
        raise click.exceptions.Exit(Exit.PROBLEM)
    if report.broke:
        raise click.exceptions.Exit(Exit.UNCHECKED)


def _phones_trust(session: Session) -> Path | None:
    """What this installation says of the roots that its phones have; the service looks at itself with them too."""
    return None if session.remote() else session.config().public_ca_file


def _judged(session: Session, data: bytes, options: Options, *, yes: bool) -> Report:
    from livepass.doctor import Examination

    examination = Examination(data, options, datetime.now(UTC))
    plan = examination.plan()
    if plan:
        _ask(session, "; ".join(plan), yes=yes)
    try:
        return examination.run()
    except KeyboardInterrupt:
        if examination.cleanup:
            session.out.note(f"livepass: {examination.cleanup}")
        raise


def _ask(session: Session, plan: str, *, yes: bool) -> None:
    """Nothing is sent to anybody without a word for it."""
    if yes:
        session.out.note(f"livepass doctor {plan}")
        return
    if session.as_json or not sys.stdin.isatty():
        raise refused(f"livepass doctor {plan}", "say --yes to allow it, or --offline to look at the file alone")
    sys.stderr.write(f"livepass doctor {plan}. Continue? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise refused("nothing was sent", "--offline looks at the file alone")


def _own(session: Session, options: Options, backup: str | None, ca_file: Path | None) -> Report:
    from livepass.cli.doctor_own import gathered
    from livepass.doctor import examine_own

    return examine_own(gathered(session, backup, ca_file), options)


def _say(session: Session, report: Report, junit: str | None) -> None:
    from livepass.cli.doctor_drawing import draw
    from livepass.doctor import junit as as_junit

    session.out.show(report.as_json(), lambda page: draw(page, report))
    if junit:
        names.write_bytes(junit, as_junit(report).encode())


def _credential(p12: str, password_file: str | None) -> Credential:
    from livepass.cli.cert_in import password
    from livepass.doctor import Credential
    from livepass.pkpass import CertificateRefused

    try:
        return Credential.from_p12(names.read_bytes(p12), password(password_file))
    except CertificateRefused as error:
        raise usage(f"{p12}: {error.reason}", error.hint) from error


def _roots(path: Path | None) -> str:
    from cryptography import x509

    if path is None:
        return ""
    content = names.read_bytes(path)
    try:
        x509.load_pem_x509_certificates(content)
        return content.decode("ascii")
    except ValueError as error:
        raise usage(f"{path} holds no PEM certificate", "name a PEM file with one or more certificates") from error
