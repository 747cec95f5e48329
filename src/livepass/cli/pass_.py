"""``livepass pass``: issue, change, look at, build and check passes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from livepass.cli import names
from livepass.cli.batch import batch
from livepass.cli.bundling import bundle
from livepass.cli.diff import diff
from livepass.cli.events import EVENTS, changed_fields, lock_screen
from livepass.cli.faults import Fault, usage
from livepass.cli.names import PassName, Push, pass_argument, push_option
from livepass.cli.pass_files import lint, schema, verify
from livepass.cli.preview import preview
from livepass.cli.render import Cell, Column, Mark, Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.cli.sharing import funnel, share
from livepass.cli.versions import versions

SETTLE_SECONDS = 10.0
FOLLOW_SECONDS = 1.0
MOST_EVENTS = 10_000

dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would change.")
holder_option = click.option("--holder", metavar="NAME", help="Whose it is, by a name of yours; no phone sees it.")
limit_option = click.option("--limit", type=click.IntRange(1), default=100, help="At most so many (default 100).")


@noun("pass")
def pass_() -> None:
    """Issue, change, look at, build and check passes."""


# ── change


@pass_.command()
@pass_argument()
@click.option("--template", help="The template it is made from; needed for a new pass.")
@click.argument("data", nargs=-1, metavar="[key=value …]")
@click.option("--data", "data_file", metavar="FILE", help="JSON object for the template's variables; - is stdin.")
@click.option("--content", metavar="FILE", help="JSON object merged over the template's pass.json; - is stdin.")
@holder_option
@push_option
@dry_run_option
@click.pass_obj
def issue(
    session: Session,
    name: PassName,
    template: str | None,
    data: tuple[str, ...],
    data_file: str | None,
    content: str | None,
    holder: str | None,
    push: Push,
    dry_run: bool,
) -> None:
    """Make a pass what these values say.

    A value is JSON if it is a number, true, false, null or a string in quotes: points=130 member_no='"0042"'.
    Anything else is text. Issuing a pass that exists replaces all its values; livepass pass set changes some.
    """
    body: dict[str, Any] = {}
    if template:
        body["template"] = template
    if data_file == "-" and content == "-":
        raise usage("--data and --content cannot both be standard input", "put one of them into a file")
    given = {**(names.read_object(data_file) if data_file else {}), **names.values(data)}
    if given or data_file:
        body["data"] = given
    if content:
        body["content"] = names.read_object(content)
    if holder is not None:
        body["holder"] = holder
    run(_change(session, name, "PUT", body, push, dry_run))


@pass_.command("set")
@pass_argument()
@click.argument("data", nargs=-1, metavar="[key=value …]")
@click.option("--if-match", metavar="ETAG", help="Only if it still is this version, as livepass pass show says.")
@holder_option
@push_option
@dry_run_option
@click.pass_obj
def set_(
    session: Session,
    name: PassName,
    data: tuple[str, ...],
    if_match: str | None,
    holder: str | None,
    push: Push,
    dry_run: bool,
) -> None:
    """Change some values of a pass, and tell its phones.

    Values are read as in livepass pass issue; key=null takes the default again. With --if-match nothing is changed if
    somebody else was faster.
    """
    if not data and holder is None:
        raise usage("there is nothing to set", "name a value, as in points=130, or --holder NAME")
    whose = {} if holder is None else {"holder": holder}
    body = {"data": names.values(data), **whose}
    run(_change(session, name, "PATCH", body, push, dry_run, _quoted(if_match)))


def _quoted(etag: str | None) -> str | None:
    """Shells take the quotes away."""
    bare = etag is not None and etag != "*" and not etag.endswith('"')
    return f'"{etag}"' if bare else etag


@pass_.command()
@pass_argument()
@push_option
@dry_run_option
@click.pass_obj
def void(session: Session, name: PassName, push: Push, dry_run: bool) -> None:
    """Mark a pass as no longer valid, and tell its phones. They keep it, greyed out."""
    run(_change(session, name, "DELETE", None, push, dry_run))


@pass_.command()
@pass_argument()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(session: Session, name: PassName, yes: bool) -> None:
    """Forget a pass, its registrations and its history.

    Phones that hold it are refused from then on and never learn why: void it first if they should know.
    """
    question = f"{name} will be forgotten: its phones can never be reached again"
    names.confirm(question, name.serial, yes=yes, as_json=session.as_json)

    async def work() -> None:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            await client.request("DELETE", address("passes", *name), query={"erase": 1})

    run(work())
    document = {"pass_type": name.pass_type, "serial": name.serial, "erased": True}
    session.out.show(document, lambda page: page.line(good(f"{name} is forgotten")))


async def _change(
    session: Session,
    name: PassName,
    method: str,
    body: Mapping[str, Any] | None,
    push: Push,
    dry_run: bool,
    if_match: str | None = None,
) -> None:
    """Ask what would change, do it, and say it once it is done."""
    from livepass.cli.client import address, connected

    path = address("passes", *name)
    async with connected(session) as client:
        try:
            asked = {"dry_run": 1, "push": push}
            preview = (await client.request(method, path, query=asked, json=body, if_match=if_match)).json()
        except Fault as fault:
            raise _told_to_quote(fault, (body or {}).get("data") or {}) from fault
        if dry_run:
            session.out.show(preview, lambda page: _draw_preview(page, name, preview, dry_run=True))
            return
        answer = await client.request(method, path, query={"push": push}, json=body, if_match=if_match)
        session.out.draw(lambda page: _draw_preview(page, name, preview, dry_run=False))
        done = answer.json() | {"etag": answer.headers.get("etag")}
    session.out.show({**preview, **done}, lambda page: _draw_reach(page, done))


def _told_to_quote(fault: Fault, data: Mapping[str, Any]) -> Fault:
    """``member_no=1001`` is a number to us; if the template wants text, say how to write that."""
    for each in fault.where:
        key = each.pointer.removeprefix("/data/")
        if each.message == "must be a string" and key in data:
            fault.hint = f"in quotes it is text: {key}='{json.dumps(text_of(data[key]))}'"
    return fault


def _draw_preview(page: Page, name: PassName, preview: Mapping[str, Any], *, dry_run: bool) -> None:
    if preview.get("created"):
        page.line(good(f"{name} would be new") if dry_run else good(f"{name} is new"))
    elif not preview.get("changed"):
        page.line(dim(f"{name}: nothing changes on a phone"))
    else:
        page.line(Mark(str(name), "name"), "would change" if dry_run else "")
        page.facts(*changed_fields(preview.get("fields") or ()), *lock_screen(preview.get("notice") or {}))
    for each in preview.get("warnings") or ():
        page.line(warn(f"{each.get('pointer') or 'pass'}: {each.get('message')}"), dim(_outcome(each)))
    if dry_run:
        page.facts(("phones", str(preview.get("registrations", 0))))


_EFFECTS = {
    "refused": "may be refused",
    "logged": "logged and left out",
    "invisible": "has no effect",
    "grant": "Apple must permit it",
}


def _outcome(warning: Mapping[str, Any]) -> str:
    """What comes of it, and where that is not every iOS that lint knows, on which."""
    from livepass.pkpass import IOS, ios_names

    said = _EFFECTS.get(warning.get("effect", ""), "")
    ios = tuple(warning.get("ios") or ())
    where = f"{ios_names(ios)} only" if ios and ios != IOS else ""
    return f"({', '.join(filter(None, (said, where)))})" if said or where else ""


def _draw_reach(page: Page, done: Mapping[str, Any]) -> None:
    page.facts(
        ("phones", text_of(done.get("registrations", 0))),
        ("pushes due", text_of(done.get("pushes_due", 0))),
        ("tag", text_of(done["tag"]) if done.get("tag") else None),
    )


# ── look


@pass_.command()
@pass_argument()
@click.pass_obj
def show(session: Session, name: PassName) -> None:
    """A pass, and how far each of its phones has come."""

    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            answer = await client.request("GET", address("passes", *name))
            return answer.json() | {"etag": answer.headers.get("etag")}

    found = run(work())
    session.out.show(found, lambda page: _draw_pass(page, name, found))


def _draw_pass(page: Page, name: PassName, found: Mapping[str, Any]) -> None:
    page.line(Mark(str(name), "name"), bad("void") if found.get("voided") else "")
    page.facts(
        ("template", text_of(found.get("template"))),
        ("holder", text_of(found["holder"]) if found.get("holder") else None),
        ("changed", instant(found.get("changed_at"))),
        ("tag", text_of(found.get("tag"))),
        ("etag", text_of(found["etag"].strip('"')) if found.get("etag") else None),
        *((key, text_of(value)) for key, value in (found.get("data") or {}).items()),
    )
    columns: list[Column] = [
        ("PHONE", "device_id"),
        ("STANDS", _stand),
        ("CHANGED", "changed"),
        ("PUSHED", "pushed"),
        ("ASKED", "asked"),
        ("TOLD", "told"),
        ("SERVED", "served"),
    ]
    rows = found.get("registrations") or []
    if isinstance(rows, list):
        page.table(columns, [{**row, **(row.get("watermarks") or {})} for row in rows], "no phone follows it")
    for each in found.get("other_wallets") or ():
        page.line(dim(f"fetched by a wallet that polls: {_polls(each)}"))


def _polls(each: Mapping[str, Any]) -> str:
    refused = f", {each['refused']} refused" if each.get("refused") else ""
    seen = f"last {instant(each['last_at'])}, version {each['served']}, {each['fetches']} times"
    return f"{each['wallet']}, {seen}{refused}"


def _stand(row: Mapping[str, Any]) -> Cell:
    if row.get("left_at"):
        return dim("left")
    if row.get("superseded"):
        return dim("superseded")
    stand = str(row.get("stands_on"))
    if stand == "current":
        return good(stand)
    return bad(f"{stand}: token dead") if row.get("dead_reason") else warn(stand)


@pass_.command("list")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.option("--template", help="Only made from this template.")
@click.option("--prefix", help="Only serials that begin with this.")
@click.option("--holder", metavar="NAME", help="Only this person's.")
@limit_option
@click.pass_obj
def list_(
    session: Session, pass_type: str | None, template: str | None, prefix: str | None, holder: str | None, limit: int
) -> None:
    """The passes there are."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows(
                "/passes", limit=limit, pass_type=pass_type, template=template, serial_prefix=prefix, holder=holder
            )

    columns: list[Column] = [
        ("PASS", lambda row: f"{row.get('pass_type')}/{row.get('serial')}"),
        ("TEMPLATE", "template"),
        ("CHANGED", lambda row: instant(row.get("changed_at"))),
        ("", lambda row: bad("void") if row.get("voided") else ""),
    ]
    session.out.rows(run(work()), columns, "no passes: livepass pass issue TYPE/SERIAL --template NAME")


@pass_.command()
@pass_argument()
@click.pass_obj
def enrolment(session: Session, name: PassName) -> None:
    """What people gave when they signed up for rewards with a pass. It is personal: the key needs enrolments:read."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            found: list[dict[str, Any]] = (await client.get(address("passes", *name, "enrolments")))["data"]
            return found

    session.out.rows(run(work()), _ENROLMENTS, "nobody has signed up with it")


@pass_.command()
@click.argument("pass_type", metavar="TYPE")
@click.option("--after", "cursor", metavar="CURSOR", help="Go on after this row: its cursor, as --json shows it.")
@limit_option
@click.pass_obj
def enrolments(session: Session, pass_type: str, cursor: str | None, limit: int) -> None:
    """What people gave when they signed up with passes of a type, in the order in which it came.

    Who reads on after the last row's cursor misses none, and gets none twice unless the database was restored.
    """

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/enrolments", limit=limit, start=cursor, pass_type=pass_type)

    session.out.rows(run(work()), _ENROLMENTS, "nobody has signed up" if cursor is None else "nothing new")


_ENROLMENTS: list[Column] = [
    ("PASS", lambda row: f"{row.get('pass_type')}/{row.get('serial')}"),
    ("AT", lambda row: dim(instant(row.get("at")))),
    ("", lambda row: "on the pass" if row.get("on_pass") else ""),
    ("GIVEN", lambda row: _given(row) if row.get("unreadable") is None else bad(str(row["unreadable"]))),
]


def _given(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {text_of(value)}" for key, value in (row.get("info") or {}).items()) or "nothing"


@pass_.command()
@pass_argument()
@click.option("--follow", is_flag=True, help="Go on as things happen, until Ctrl-C.")
@limit_option
@click.pass_obj
def timeline(session: Session, name: PassName, follow: bool, limit: int) -> None:
    """What happened to a pass: changes, and every round trip of its phones."""

    async def work() -> None:
        from livepass.cli.client import address, connected

        path = address("passes", *name, "timeline")
        async with connected(session) as client:
            seen = await client.rows(path, limit=MOST_EVENTS)
            session.out.rows(seen[-limit:], EVENTS, "nothing yet")
            while follow:
                await asyncio.sleep(FOLLOW_SECONDS)
                known = {row["id"] for row in seen}
                found = await client.rows(path, limit=MOST_EVENTS, after=_settled(seen))
                if fresh := [row for row in found if row["id"] not in known]:
                    session.out.rows(fresh, EVENTS)
                    seen += fresh

    run(work())


def _settled(rows: list[dict[str, Any]]) -> int:
    """The id after which to look again. Where several processes write, an event may appear below one that is already
    shown: so the last seconds are read again.
    """
    instants = {row["id"]: datetime.fromisoformat(row["at"]).timestamp() for row in rows}
    newest = max(instants.values(), default=0.0)
    return max((id_ for id_, at in instants.items() if at < newest - SETTLE_SECONDS), default=0)


# ── the file


@pass_.command()
@pass_argument()
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write the .pkpass; - is stdout.")
@click.pass_obj
def build(session: Session, name: PassName, output: str) -> None:
    """Write the signed .pkpass, as phones get it."""
    if output == "-" and session.as_json:
        raise usage("-o - and --json both want standard output", "name a file")

    async def work() -> bytes:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            return (await client.request("GET", address("passes", *name, "pkpass"))).body

    data = run(work())
    names.write_bytes(output, data)
    if output != "-":
        document = {"pass_type": name.pass_type, "serial": name.serial, "file": output, "bytes": len(data)}
        session.out.show(document, lambda page: page.line(good(f"{output}: {name}, {len(data)} bytes")))


# ── many


@pass_.command("push")
@click.argument("target", metavar="TYPE/SERIAL|TYPE")
@click.option("--yes", is_flag=True, help="Do not ask before pushing to every phone of a type.")
@click.pass_obj
def push_(session: Session, target: str, yes: bool) -> None:
    """Send what is due now, whatever the phones' patience. A whole TYPE asks first."""
    pass_type, _, serial = target.partition("/")
    if not serial:
        question = f"every phone of {pass_type} that has something to fetch will be pushed at once"
        names.confirm(question, pass_type, yes=yes, as_json=session.as_json)

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        body = {"pass_type": pass_type, **({"serial": serial} if serial else {})}
        async with connected(session) as client:
            return (await client.request("POST", "/pushes", json=body)).json()

    done = run(work())
    count = done.get("pushes_due", 0)
    session.out.show(
        done, lambda page: page.line(good(f"{count} pushes are due now") if count else dim("no push is due"))
    )


pass_.add_command(verify)
pass_.add_command(lint)
pass_.add_command(schema)
pass_.add_command(batch)
pass_.add_command(bundle)
pass_.add_command(share)
pass_.add_command(funnel)
pass_.add_command(diff)
pass_.add_command(versions)
pass_.add_command(preview)
