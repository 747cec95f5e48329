"""``livepass console``: show the web console; who may use it, links that let somebody in, and what people did there."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from livepass.cli.console_serve import serve
from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.render import Cell, Column, bad, dim, good, instant, text_of, warn
from livepass.cli.root import Noun, noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.core.console import Audited, ConsoleUser
    from livepass.service.console_access import ConsoleAccess

T = TypeVar("T")

ROLES = click.Choice(["viewer", "operator", "admin"])
password_file = click.option(
    "--password-file", metavar="FILE", help="Its first line is the password; - is stdin. Without it, it is asked for."
)


@noun("console")
def console() -> None:
    """The web console: show it, who may use it, what they did.

    Works on the database here. Roles: a viewer looks (device ids are masked), an operator issues and pushes too, an
    admin does everything.
    """


@console.group("user", cls=Noun)
def user() -> None:
    """The users of the web console."""


@user.command()
@click.argument("name")
@click.option("--role", type=ROLES, required=True, help="What they may do.")
@click.option("--no-password", is_flag=True, help="Somebody whom only a proxy lets in.")
@password_file
@click.pass_obj
def add(session: Session, name: str, role: Any, no_password: bool, password_file: str | None) -> None:
    """Add a user. The password is asked for twice: 12 characters or more."""
    if no_password and password_file is not None:
        raise usage("--no-password and --password-file do not go together", "leave one of them out")
    given = None if no_password else _password(session, password_file)
    name = _named(session, name)
    made = _work(session, lambda access: access.add_user(name, role, given))
    session.out.show(_row(made), lambda page: page.line(good(f"{made.name} may use the console as {made.role}")))


@user.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The users there are, disabled ones too."""
    columns: list[Column] = [
        ("NAME", "name"),
        ("ROLE", "role"),
        ("SIGNS IN WITH", _with),
        ("SINCE", lambda row: dim(instant(row["created_at"]))),
        ("", lambda row: bad("disabled") if row["disabled_at"] else ""),
    ]
    found = [_row(each) for each in _work(session, lambda access: access.users(_tenant(session)))]
    session.out.rows(found, columns, "no users: livepass console user add NAME --role ROLE")


@user.command()
@click.argument("name")
@password_file
@click.pass_obj
def password(session: Session, name: str, password_file: str | None) -> None:
    """Give a user another password. Whoever is signed in as them is signed out."""
    given = _password(session, password_file)
    name = _named(session, name)
    _work(session, lambda access: access.set_password(name, given))
    _said(session, name, "password", "has another password, and is signed out everywhere")


@user.command()
@click.argument("name")
@click.argument("role", type=ROLES)
@click.pass_obj
def role(session: Session, name: str, role: Any) -> None:
    """Give a user another role. They are signed out."""
    name = _named(session, name)
    _work(session, lambda access: access.set_role(name, role))
    _said(session, name, "role", f"is {role} from now on, and is signed out everywhere")


@user.command()
@click.argument("name")
@click.pass_obj
def disable(session: Session, name: str) -> None:
    """Let a user in no more, and sign them out. What they did stays in the audit log."""
    name = _named(session, name)
    _work(session, lambda access: access.disable(name))
    _said(session, name, "disabled", "is disabled, and is signed out everywhere")


@user.command()
@click.argument("name")
@click.pass_obj
def enable(session: Session, name: str) -> None:
    """Let a user in again, with the password that they had."""
    name = _named(session, name)
    _work(session, lambda access: access.enable(name))
    _said(session, name, "enabled", "may use the console again")


@user.command("drop-code")
@click.argument("name")
@click.pass_obj
def drop_code(session: Session, name: str) -> None:
    """Ask a user for no one-time code any more: their phone is lost. They are signed out."""
    name = _named(session, name)
    _work(session, lambda access: access.drop_totp(name))
    _said(session, name, "code dropped", "signs in without a code until they set up another one")


@console.command()
@click.option("--role", type=ROLES, default="admin", help="As what it lets in (default admin).")
@click.option("--minutes", type=click.IntRange(1, 1440), default=15, help="How long it is good for (default 15).")
@click.option("--address", metavar="URL", help="Where the service with the console is, to print the whole address.")
@click.pass_obj
def link(session: Session, role: Any, minutes: int, address: str | None) -> None:
    """Print a link that lets somebody in once: the first admin, or one who is locked out.

    Whoever has it is let in, so hand it over as you would a password.
    """
    text = _work(session, lambda access: access.new_link(role, minutes=minutes, tenant=_tenant(session)))
    from livepass.service.console_access import LINK_PATH

    where = f"{(address or '').rstrip('/')}{LINK_PATH}{text}"

    def draw(page: Any) -> None:
        page.line(where)
        page.line(warn(f"good once, for {minutes} min, as {role}; it is not shown again"))
        if address is None:
            page.line(dim("open it under the console's address, or name that with --address"))

    session.out.show({"link": where, "role": role, "minutes": minutes}, draw)


@console.command()
@click.option("--limit", type=click.IntRange(1), default=100, help="At most so many (default 100).")
@click.option("--before", type=click.IntRange(1), metavar="ID", help="Only what came before that entry.")
@click.pass_obj
def audit(session: Session, limit: int, before: int | None) -> None:
    """What people did in the console and to its users, newest first. It is kept for good."""
    found = _work(session, lambda access: access.audited(before=before, limit=limit, tenant=_tenant(session)))
    columns: list[Column] = [
        ("ID", lambda row: dim(text_of(row["id"]))),
        ("AT", lambda row: dim(instant(row["at"]))),
        ("WHO", "who"),
        ("ROLE", "role"),
        ("DID", "action"),
        ("TO", "subject"),
        ("", lambda row: ", ".join(f"{name} {text_of(value)}" for name, value in row["detail"].items())),
    ]
    session.out.rows([_entry(each) for each in found], columns, "nobody has done anything yet")


# ── what all have in common


def _tenant(session: Session) -> str:
    from livepass.core.model import DEFAULT_TENANT

    return session.as_tenant() or DEFAULT_TENANT


def _named(session: Session, name: str) -> str:
    """The whole name of a user: ``brand/ada``."""
    from livepass.service.console_roles import full_name

    return name if "/" in name else full_name(_tenant(session), name)


def _work(session: Session, work: Callable[[ConsoleAccess], Awaitable[T]]) -> T:
    """With the database of the environment; refusals in our words."""
    if session.remote() is not None:
        raise usage(
            "who may use the console is decided on the database alone",
            "run it on a host of the service, without --url and LIVEPASS_URL",
        )

    async def main() -> T:
        from livepass.cli.database import explained, services
        from livepass.service.refusals import Refusal

        config = session.config()
        async with services(config) as opened:
            with explained(config):
                try:
                    return await work(opened.console)
                except Refusal as refusal:
                    raise Fault(str(refusal), Exit.PROBLEM, hint=refusal.hint, code=refusal.code) from refusal

    return run(main())


def _password(session: Session, path: str | None) -> str:
    """From a file, or typed twice and not shown; never from the command line, where others could read it."""
    if path is not None:
        from livepass.cli.cert_in import first_line

        return first_line(path)
    if session.as_json or not sys.stdin.isatty():
        raise usage("nobody is there to ask for the password", "name a file with --password-file, or - for stdin")
    given: str = click.prompt("password", hide_input=True, confirmation_prompt="once more", err=True)
    return given


def _said(session: Session, name: str, what: str, said: str) -> None:
    session.out.show({"name": name, "done": what}, lambda page: page.line(good(f"{name} {said}")))


def _row(user: ConsoleUser) -> dict[str, Any]:
    """A user, without what they sign in with."""
    return {
        "name": user.name if user.tenant == "default" else f"{user.tenant}/{user.name}",
        "role": user.role,
        "has_password": user.password is not None,
        "asks_code": user.asks_code,
        "created_at": _at(user.created_at),
        "disabled_at": None if user.disabled_at is None else _at(user.disabled_at),
    }


def _entry(row: Audited) -> dict[str, Any]:
    names = ("id", "who", "role", "action", "subject", "detail")
    return {"at": _at(row.at), **{name: getattr(row, name) for name in names}}


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with(row: Mapping[str, Any]) -> Cell:
    if not row["has_password"]:
        return "a proxy only"
    return "password and code" if row["asks_code"] else "password"


console.add_command(serve)
