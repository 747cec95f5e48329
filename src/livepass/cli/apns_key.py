"""``livepass apns-key``: APNs keys (.p8), and what pushes for a pass type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli import names
from livepass.cli.faults import usage
from livepass.cli.render import Cell, Column, Page, dim, good, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("apns-key")
def apns_key() -> None:
    """APNs keys (.p8) that push instead of certificates.

    Apple's pages name only certificates for passes. Keys are reported to work for pass types of the key's own team;
    Apple documents it nowhere. So the certificate pushes unless a key is chosen.
    """


@apns_key.command("import")
@click.argument("p8", metavar="FILE.p8")
@click.option("--id", "id_", required=True, metavar="KEYID", help="Apple's key id, as in AuthKey_KEYID.p8.")
@click.option("--team", required=True, metavar="TEAM", help="Apple's team id.")
@click.option("--topic", "topics", multiple=True, metavar="TYPE", help="Pass type that Apple limits it to; repeatable.")
@click.option(
    "--environment",
    type=click.Choice(["production", "sandbox", "both"]),
    default="production",
    help="As at Apple (default production).",
)
@click.pass_obj
def import_(session: Session, p8: str, id_: str, team: str, topics: tuple[str, ...], environment: str) -> None:
    """Take in a key. Nothing pushes with it before livepass apns-key use."""
    try:
        text = names.read_bytes(p8).decode("ascii")
    except UnicodeDecodeError as error:
        raise usage(
            f"{names.shown(p8)} is not PEM", "Apple's .p8 files begin with -----BEGIN PRIVATE KEY-----"
        ) from error
    body = {"p8": text, "id": id_, "team": team, "topics": list(topics), "environment": environment}
    done = run(_call(session, "POST", ("apns-keys",), body))

    def draw(page: Page) -> None:
        page.line(good(f"APNs key {done.get('id')} of team {done.get('team')}"))
        _draw(page, done)
        if not done.get("pass_types"):
            page.line(dim(f"nothing is pushed with it yet: livepass apns-key use TYPE {done.get('id')}"))

    session.out.show(done, draw)


@apns_key.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The keys there are, and what is pushed with them."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/apns-keys", limit=10_000)

    columns: list[Column] = [
        ("ID", "id"),
        ("TEAM", "team"),
        ("TOPICS", lambda row: text_of(row["topics"]) if row.get("topics") else "all of its team"),
        ("ENVIRONMENT", "environment"),
        ("PUSHES FOR", lambda row: text_of(row["pass_types"]) if row.get("pass_types") else dim("nothing")),
        ("", _state),
    ]
    empty = "no APNs keys, so certificates push: livepass apns-key import FILE.p8 --id KEYID --team TEAM"
    session.out.rows(run(work()), columns, empty)


@apns_key.command()
@click.argument("pass_type", metavar="TYPE")
@click.argument("id_", metavar="[KEYID]", required=False)
@click.option("--certificate", is_flag=True, help="Push with the certificate again.")
@click.option("--no-probe", is_flag=True, help="Choose the key without asking APNs first.")
@click.pass_obj
def use(session: Session, pass_type: str, id_: str | None, certificate: bool, no_probe: bool) -> None:
    """Choose what pushes for a pass type: a key, or --certificate. What waited is sent at once.

    APNs is asked first, with one push that no phone can get: a word about its push token means that key and topic were
    accepted. That was seen, and is not documented. Nothing ever changes from one to the other by itself.
    """
    if certificate == (id_ is not None):
        raise usage("name a KEYID, or --certificate", f"livepass apns-key use {pass_type} KEYID")
    body = {"apns_key": id_, "probe": not no_probe}
    done = run(_call(session, "PUT", ("pass-types", pass_type, "push-credential"), body))

    def draw(page: Page) -> None:
        what = f"APNs key {id_}" if id_ else "its certificate"
        page.line(good(f"{pass_type} is pushed with {what}"))
        heard = done.get("heard")
        if heard:
            page.line(f"APNs said {heard} to a push for no phone: it took key and topic, as far as that shows")
        elif id_:
            page.line(warn("APNs was not asked; livepass why tells if it refuses"))

    session.out.show(done, draw)


@apns_key.command()
@click.argument("id_", metavar="KEYID")
@click.pass_obj
def retire(session: Session, id_: str) -> None:
    """Take a key out of use. Refused while a pass type is pushed with it."""
    done = run(_call(session, "DELETE", ("apns-keys", id_)))
    session.out.show(done, lambda page: page.line(good(f"APNs key {id_} is retired; revoke it at Apple as well")))


async def _call(session: Session, method: str, path: tuple[str, ...], body: Mapping[str, Any] | None = None) -> Any:
    from livepass.cli.client import address, connected

    async with connected(session) as client:
        return (await client.request(method, address(*path), json=body)).json()


def _draw(page: Page, row: Mapping[str, Any]) -> None:
    page.facts(
        ("topics", text_of(row["topics"]) if row.get("topics") else "all of its team"),
        ("environment", text_of(row.get("environment"))),
        ("pushes for", text_of(row["pass_types"]) if row.get("pass_types") else None),
    )


def _state(row: Mapping[str, Any]) -> Cell:
    return dim("retired") if row.get("retired_at") else ""
