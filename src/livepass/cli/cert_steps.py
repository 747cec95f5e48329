"""``livepass cert prove | canary | promote | rollback | retire | plan``: a certificate's life, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.cert_rows import draw
from livepass.cli.render import Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run
from livepass.core.rotation import MOST_CANARY

_NFC = click.option(
    "--accept-nfc-loss", is_flag=True, help="Even if the one before it may sign NFC passes, and this one may not."
)


def _step(session: Session, id_: str, verb: str, body: Mapping[str, Any], said: str) -> dict[str, Any]:
    """Take a step, and show the certificate as it is afterwards."""

    async def work() -> dict[str, Any]:
        from livepass.cli.cert_rows import named
        from livepass.cli.client import connected

        async with connected(session) as client:
            row = await named(client, id_)
            return (await client.request("POST", f"/certificates/{row['id']}:{verb}", json=body)).json()

    done = run(work())

    def shown(page: Page) -> None:
        page.line(good(said.format_map({**done, "heard": _heard(done)})))
        draw(page, done)

    session.out.show(done, shown)
    return done


def _heard(done: Mapping[str, Any]) -> str:
    return f"{done.get('apns_status')} {done.get('apns_reason')}".strip()


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@click.option("--push", "push_token", metavar="TOKEN", help="Push to this phone, and not to a token that none has.")
@click.pass_obj
def prove(session: Session, id_: str, push_token: str | None) -> None:
    """Let a certificate prove that it signs and pushes.

    It signs a sample, which is read back as a phone would, and pushes once: to a token that no phone has, and that APNs
    complains of the token and not of the certificate says that it likely takes it; or, with --push, to the token that a
    phone of your own registered with.
    """
    body = {} if push_token is None else {"push_token": push_token}
    _step(session, id_, "prove", body, "it signs, and APNs takes it ({heard})")


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@click.argument("percent", type=click.IntRange(0, MOST_CANARY), default=1)
@_NFC
@click.pass_obj
def canary(session: Session, id_: str, percent: int, accept_nfc_loss: bool) -> None:
    """Sign a share of the passes with a proven certificate.

    PERCENT is 1 unless said otherwise; 0 ends it. It is the same passes each time, by their serial. Watch livepass log
    list meanwhile: a phone that refuses a signature says so there.
    """
    body = {"percent": percent, "accept_nfc_loss": accept_nfc_loss}
    said = "it signs {canary_percent} % of the passes" if percent else "it signs no passes any more"
    _step(session, id_, "canary", body, said)


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@_NFC
@click.pass_obj
def promote(session: Session, id_: str, accept_nfc_loss: bool) -> None:
    """Sign and push with a proven certificate from now on.

    Every process of every host follows with its next build and its next batch of pushes. No pass gets a new version,
    and no phone is pushed because of it. The ones before it stay live, to fall back on: if APNs refuses this one,
    the service goes back to them by itself.
    """
    _step(session, id_, "promote", {"accept_nfc_loss": accept_nfc_loss}, "it signs and pushes for {pass_type} now")


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@click.pass_obj
def rollback(session: Session, id_: str) -> None:
    """Go back to the certificate promoted before."""
    _step(session, id_, "rollback", {}, "the one before it signs and pushes for {pass_type} again")


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@click.pass_obj
def retire(session: Session, id_: str) -> None:
    """Use a certificate no more.

    Do not revoke it at Apple: passes that it signed are said to stop working then.
    """
    _step(session, id_, "retire", {}, "it is not used any more")


@click.command(cls=Verb)
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.pass_obj
def plan(session: Session, pass_type: str | None) -> None:
    """What stops when, and what to do before.

    What goes on at each date is told too, and how many passes and registrations hang on the certificates.
    """

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.get("/certificate-plan", pass_type=pass_type)

    found = run(work())
    session.out.show(found, lambda page: _draw_plan(page, found))


def _draw_plan(page: Page, found: Mapping[str, Any]) -> None:
    if not found["data"]:
        page.line(dim("no pass types: livepass cert import FILE.p12 --password-file FILE"))
    for one in found["data"]:
        page.line(f"{one['pass_type']}: {one['passes']} passes, {one['registrations']} registrations")
        for date in one["dates"]:
            said = f"{instant(date['at'])}  {date['what']}"
            stops = date["stops"] != "nothing"
            page.line(bad(said) if stops else warn(said) if date["do"] else said)
            page.facts(
                ("stops", text_of(date["stops"])),
                ("goes on", text_of(date["goes_on"])),
                ("do", text_of(date["do"]) if date["do"] else None),
            )
