"""``livepass tenant``: the brands on one installation, for its operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from livepass.cli.render import Column, Page, dim, good, instant, text_of
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.core.model import DEFAULT_TENANT


@noun("tenant")
def tenant() -> None:
    """Brands on one installation, each with its own pass types, certificates, templates, API keys and console people.

    What any other command does as one of them, it does with --tenant NAME.
    """


def _new_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from livepass.service.tenants import NAME

    if NAME.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r} is not 1 to 40 of a-z, 0-9 and -, as in gym", ctx, param)
    return value


@tenant.command()
@click.argument("name", callback=_new_name)
@click.option("--title", help="What people read (default: the name).")
@click.pass_obj
def add(session: Session, name: str, title: str | None) -> None:
    """Make a tenant. Its name stands in the token of every pass of it, and never changes."""
    body = {"name": name} if title is None else {"name": name, "title": title}
    made = _asked(session, "POST", json=body)

    def draw(page: Page) -> None:
        page.line(good(f"{name} is there, with nothing in it"))
        page.line(dim(f"its first key: livepass key create NAME --scope keys:admin … --tenant {name}"))

    session.out.show(made, draw)


@tenant.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The tenants there are."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(_operator(session)) as client:
            return await client.rows("/tenants", limit=10_000)

    columns: list[Column] = [("NAME", "name"), ("TITLE", "title"), ("SINCE", _since)]
    session.out.rows(run(work()), columns, "no tenants")


@tenant.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """A tenant, and what there is of it."""
    found = _asked(session, "GET", name)

    def draw(page: Page) -> None:
        page.facts(("name", found["name"]), ("title", found["title"]), ("since", _since(found)))
        held = [(one["what"], text_of(one["count"])) for one in found["holds"]]
        page.facts(*held) if held else page.line(dim("there is nothing of it: livepass tenant remove would take it"))

    session.out.show(found, draw)


@tenant.command()
@click.argument("name")
@click.argument("title")
@click.pass_obj
def rename(session: Session, name: str, title: str) -> None:
    """Give a tenant another title. Its name stays: it is part of the token in every pass."""
    done = _asked(session, "PATCH", name, json={"title": title})
    session.out.show(done, lambda page: page.line(good(f"{name} is called {done['title']}")))


@tenant.command()
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a tenant of which nothing is left; otherwise, say what is."""
    _asked(session, "DELETE", name)
    session.out.show({"name": name, "removed": True}, lambda page: page.line(good(f"{name} is gone")))


def _asked(session: Session, method: str, *named: str, json: object = None) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        async with connected(_operator(session)) as client:
            answer = await client.request(method, address("tenants", *named), json=json)
            return answer.json() if answer.body else {}

    return run(work())


def _operator(session: Session) -> Session:
    """Tenants are the operator's, whatever LIVEPASS_TENANT says for other commands."""
    return replace(session, tenant=DEFAULT_TENANT)


def _since(row: Mapping[str, Any]) -> str:
    return instant(row["created_at"]) if row["created_at"] else "always"
