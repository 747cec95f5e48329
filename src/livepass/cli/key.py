"""``livepass key``: API keys, and the keys that everything is sealed and derived with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.faults import Exit, usage
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.service.safekeeping import Resealed, Seals


@noun("key")
def key() -> None:
    """API keys, and the keys that everything is sealed and derived with."""


@key.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do; repeat it for several.")
@click.option("--type", "pass_types", multiple=True, metavar="TYPE", help="Only for this pass type; may be repeated.")
@click.pass_obj
def create(session: Session, name: str, scopes: tuple[str, ...], pass_types: tuple[str, ...]) -> None:
    """Make a key. It is shown once: only its hash is kept.

    Scopes: passes:read, passes:write, pushes:write, templates:write, certs:admin, keys:admin, logs:read,
    enrolments:read, holders:admin, webhooks:admin; and tenants:admin, which only a key of the operator has.
    """
    body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
    if pass_types:
        body["pass_types"] = list(pass_types)

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return (await client.request("POST", "/keys", json=body)).json()

    done = run(work())

    def draw(page: Page) -> None:
        page.line(good(f"key {done.get('id')} for {name}"))
        page.line(text_of(done.get("key")))
        page.line(warn("it is not shown again"))

    session.out.show(done, draw)


@key.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The keys there are, without their secrets."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/keys", limit=10_000)

    columns: list[Column] = [
        ("ID", "id"),
        ("NAME", "name"),
        ("SCOPES", "scopes"),
        ("PASS TYPES", lambda row: text_of(row["pass_types"]) if row.get("pass_types") else "all"),
        ("LAST USED", lambda row: instant(row.get("last_used_at"))),
        ("", _state),
    ]
    session.out.rows(run(work()), columns, "no keys: livepass key create NAME --scope SCOPE")


@key.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def revoke(session: Session, id_: str) -> None:
    """End a key. Whoever uses it is refused from then on."""

    async def work() -> None:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            await client.request("DELETE", address("keys", id_))

    run(work())
    session.out.show({"id": id_, "revoked": True}, lambda page: page.line(good(f"key {id_} is revoked")))


@key.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 while another secret key than the first is needed.")
@click.pass_obj
def reseal(session: Session, check: bool) -> None:
    """Seal everything with the first key of LIVEPASS_SECRET_KEY, so that the others may be dropped.

    Works on the database here. Safe to interrupt and to repeat. The order in which hosts get a new secret key matters:
    docs/how-to/rotate-the-secret-key.md.
    """
    _only_here(session)

    async def work() -> tuple[Resealed | None, Seals]:
        from livepass.cli.database import explained, services

        config = session.config()
        async with services(config) as opened:
            with explained(config):
                done = None if check else await opened.safekeeping.reseal()
                return done, await opened.safekeeping.seals()

    done, seals = run(work())
    document: dict[str, Any] = {
        "first": seals.first,
        "configured": list(seals.configured),
        "sealed": [
            {
                "kind": one.kind.value,
                "secret": one.secret,
                "count": one.count,
                "configured": one.secret in seals.configured,
            }
            for one in seals.counts
        ],
        "due": seals.due,
    }
    if done is not None:
        document |= {"resealed": done.count, "closed": list(done.closed)}
    session.out.show(document, lambda page: _draw_seals(page, seals, document["sealed"], done))
    if seals.due:
        raise click.exceptions.Exit(Exit.PROBLEM)


@key.command()
@click.pass_obj
def renew(session: Session) -> None:
    """Derive the tokens of passes to come with a new key. Passes that exist keep theirs.

    Works on the database here; every process follows within a quarter of a minute.
    """
    _only_here(session)

    async def work() -> str:
        from livepass.cli.database import explained, services

        config = session.config()
        async with services(config) as opened:
            with explained(config):
                return await opened.safekeeping.renew()

    made = run(work())
    session.out.show({"id": made}, lambda page: page.line(good(f"tokens of new passes are derived with {made}")))


def _only_here(session: Session) -> None:
    if session.remote() is not None:
        raise usage(
            "a secret key never travels, so this works on the database alone",
            "run it on a host of the service, without --url and LIVEPASS_URL",
        )


def _draw_seals(page: Page, seals: Seals, rows: list[dict[str, Any]], done: Resealed | None) -> None:
    others = ", ".join(seals.configured[1:])
    page.facts(("seals", seals.first), ("opens too", others or None))

    def standing(row: Mapping[str, Any]) -> Cell:
        if row["secret"] == seals.first:
            return good()
        return warn("livepass key reseal") if row["configured"] else bad("this secret key is not configured")

    columns: list[Column] = [
        ("SEALED", "kind"),
        ("WITH", "secret"),
        ("COUNT", lambda row: text_of(row["count"])),
        ("", standing),
    ]
    page.table(columns, rows)
    if done is not None:
        for reason in done.closed:
            page.line(bad(reason))
        page.line(good(f"sealed {done.count} anew") if done.count else dim("there was nothing to seal anew"))
    if seals.due:
        page.line(warn(f"{seals.due} of them need another secret key than the first"))
    elif others:
        page.line(good(f"the database does without {others}; older backups and journals do not"))


def _state(row: Mapping[str, Any]) -> Cell:
    return bad("revoked") if row.get("revoked_at") else ""
