"""``livepass webhook``: where events are sent, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from livepass.cli.faults import usage
from livepass.cli.names import INSTANT
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import Verb, noun
from livepass.cli.session import Session, run


@noun("webhook")
def webhook() -> None:
    """Webhook endpoints: events are sent there, signed as Standard Webhooks has it."""


@webhook.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, metavar="NAME", help="Only these events; repeatable (default all).")
@click.option("--type", "pass_types", multiple=True, metavar="TYPE", help="Only these pass types; repeatable.")
@click.pass_obj
def add(session: Session, url: str, events: tuple[str, ...], pass_types: tuple[str, ...]) -> None:
    """Send events to an https address from now on. Its secret is shown this once."""
    body = {"url": url, "events": list(events), "pass_types": list(pass_types)}
    made = _asked(session, "POST", json=body)
    session.out.show(made, lambda page: _draw_secret(page, made, f"events are sent to {url}"))


@webhook.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The endpoints there are."""
    columns: list[Column] = [
        ("ID", "id"),
        ("URL", "url"),
        ("EVENTS", lambda row: text_of(row["events"]) if row.get("events") else "all"),
        ("PASS TYPES", lambda row: text_of(row["pass_types"]) if row.get("pass_types") else "all"),
        ("", _state),
    ]
    empty = "no webhook endpoints: livepass webhook add https://…"
    session.out.rows(_rows(session, ()), columns, empty)


@webhook.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def show(session: Session, id_: str) -> None:
    """One endpoint."""
    found = _asked(session, "GET", id_)

    def draw(page: Page) -> None:
        page.line(f"{found['id']}  {found['url']}")
        page.facts(
            ("events", text_of(found["events"]) if found["events"] else "all"),
            ("pass types", text_of(found["pass_types"]) if found["pass_types"] else "all"),
            ("last answered 2xx", instant(found["answered_at"])),
            ("state", _state(found)),
        )

    session.out.show(found, draw)


@webhook.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def enable(session: Session, id_: str) -> None:
    """Send there again, also what waited."""
    _switch(session, id_, enabled=True)


@webhook.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def disable(session: Session, id_: str) -> None:
    """Send nothing there, and note no event for it, until it is enabled."""
    _switch(session, id_, enabled=False)


@webhook.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def remove(session: Session, id_: str) -> None:
    """Remove an endpoint with its messages; what was not sent yet is not sent any more."""
    _asked(session, "DELETE", id_)
    session.out.show({"id": id_}, lambda page: page.line(good(f"{id_} is removed")))


@webhook.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def rotate(session: Session, id_: str) -> None:
    """A fresh secret, shown this once. The one before it signs beside it for a day."""
    made = _asked(session, "POST", id_, verb="rotate", json={})
    session.out.show(made, lambda page: _draw_secret(page, made, f"{id_} has a new secret; both sign for a day"))


@webhook.command()
@click.argument("id_", metavar="ID")
@click.option("--event", default="webhook.test", metavar="NAME", help="What the message is called (webhook.test).")
@click.pass_obj
def test(session: Session, id_: str, event: str) -> None:
    """Send a message about nothing that happened; livepass webhook messages tells what came of it."""
    made = _asked(session, "POST", id_, verb="test", json={"event": event})
    session.out.show(made, lambda page: page.line(good(f"{made['id']} ({event}) is on its way to {id_}")))


@webhook.command()
@click.argument("id_", metavar="ID")
@click.argument("message", metavar="[MESSAGE]", required=False)
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), help="How many at most (default 50).")
@click.pass_obj
def messages(session: Session, id_: str, message: str | None, limit: int) -> None:
    """What was sent there and is to be, newest first; or the attempts to send one MESSAGE."""
    if message is not None:
        found = _asked(session, "GET", f"{id_}/attempts", query={"message": message})["data"]
        said: list[Column] = [("#", "number"), ("AT", "at"), ("MS", "took_ms"), ("STATUS", _status), ("SAID", "said")]
        session.out.rows(found, said, f"no attempts to send {message}")
        return
    columns: list[Column] = [
        *(("ID", "id"), ("EVENT", "event"), ("AT", "at"), ("ATTEMPTS", "attempts")),
        ("", _came_of_it),
    ]
    session.out.rows(_rows(session, (id_, "messages"), limit), columns, "nothing was sent there yet")


@webhook.command()
@click.argument("id_", metavar="ID")
@click.argument("message", metavar="MESSAGE")
@click.pass_obj
def resend(session: Session, id_: str, message: str) -> None:
    """Send a message again, with the same id."""
    _asked(session, "POST", id_, verb="resend", json={"message": message})
    session.out.show({"id": message}, lambda page: page.line(good(f"{message} is sent again")))


@webhook.command()
@click.argument("id_", metavar="ID")
@click.option("--hours", type=click.IntRange(1, 720), metavar="N", help="How far back (default 24).")
@click.option("--since", type=INSTANT, metavar="INSTANT", help="Or since when: 2026-11-24T09:30:00Z.")
@click.pass_obj
def recover(session: Session, id_: str, hours: int | None, since: int | None) -> None:
    """Send again what failed for good, by when its event happened."""
    if hours is not None and since is not None:
        raise usage("--hours and --since both say how far back", "name one of them")
    back = {"hours": hours or 24} if since is None else {"since": _rfc3339(since)}
    done = _asked(session, "POST", id_, verb="recover", json=back)
    session.out.show(done, lambda page: page.line(good(f"{done['messages']} messages are sent again")))


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _switch(session: Session, id_: str, *, enabled: bool) -> None:
    done = _asked(session, "PATCH", id_, json={"enabled": enabled})
    session.out.show(done, lambda page: page.line(good(f"{id_} is {'enabled' if enabled else 'disabled'}")))


def _asked(session: Session, method: str, path: str = "", *, verb: str = "", **more: Any) -> Any:
    async def work() -> Any:
        from livepass.cli.client import address, connected

        there = address("webhook-endpoints", *path.split("/")) if path else "/webhook-endpoints"
        async with connected(session) as client:
            reply = await client.request(method, there + (f":{verb}" if verb else ""), **more)
            return reply.json() if reply.body else {}

    return run(work())


def _rows(session: Session, path: Sequence[str], limit: int = 10_000) -> list[dict[str, Any]]:
    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            return await client.rows(address("webhook-endpoints", *path), limit=limit)

    return run(work())


def _draw_secret(page: Page, row: Mapping[str, Any], said: str) -> None:
    page.line(good(said))
    page.facts(("id", text_of(row["id"])), ("secret", text_of(row["secret"])))
    page.line(dim("the secret is not shown again; docs/how-to/receive-webhooks.md checks signatures with it"))


def _state(row: Mapping[str, Any]) -> Cell:
    if row.get("disabled_at"):
        return bad("disabled: it failed for five days") if row["disabled_why"] == "failing" else dim("disabled by hand")
    return warn(f"failing since {row['failing_since']}") if row.get("failing_since") else good("enabled")


def _status(row: Mapping[str, Any]) -> Cell:
    return text_of(row["status"]) if row["status"] else "none"


def _came_of_it(row: Mapping[str, Any]) -> Cell:
    if row["answered"]:
        return good("answered 2xx")
    return warn(f"next {row['next_at']}") if row.get("next_at") else bad("failed")


@click.command(cls=Verb)
@click.argument("event", metavar="EVENT")
@click.pass_obj
def trigger(session: Session, event: str) -> None:
    """Send every endpoint that listens for EVENT a message of that name, about nothing that happened."""
    from livepass.core.webhooks import NAMES

    if event not in NAMES:
        raise usage(f"no event is called {event!r}", f"there are {', '.join(NAMES)}")
    listening = [row for row in _rows(session, ()) if not row.get("disabled_at")]
    sent = [
        {"endpoint": row["id"], "message": _asked(session, "POST", row["id"], verb="test", json={"event": event})["id"]}
        for row in listening
        if not row["events"] or event in row["events"]
    ]
    columns: list[Column] = [("ENDPOINT", "endpoint"), ("MESSAGE", "message")]
    session.out.rows(sent, columns, f"no endpoint listens for {event}: livepass webhook list")
