"""``livepass key``: API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.render import Cell, Column, Page, bad, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("key")
def key() -> None:
    """API keys: who may ask what of the issuer API."""


@key.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do; repeat it for several.")
@click.option("--type", "pass_types", multiple=True, metavar="TYPE", help="Only for this pass type; may be repeated.")
@click.pass_obj
def create(session: Session, name: str, scopes: tuple[str, ...], pass_types: tuple[str, ...]) -> None:
    """Make a key. It is shown once: only its hash is kept.

    Scopes: passes:read, passes:write, pushes:write, templates:write, certs:admin, keys:admin, logs:read.
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


def _state(row: Mapping[str, Any]) -> Cell:
    return bad("revoked") if row.get("revoked_at") else ""
