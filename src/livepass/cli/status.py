"""``livepass status``: one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from livepass.cli.cert_check import attention as ends
from livepass.cli.cert_rows import lapse, state
from livepass.cli.faults import Exit
from livepass.cli.render import Cell, Column, Page, bad, dim, good, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

SILENT_SECONDS = 60
ASKS = 3
"""The level from which phones are refused something."""


@click.command(cls=Verb)
@click.pass_obj
def status(session: Session) -> None:
    """One screen: passes, phones, processes, certificates. Exit 1 when something needs a person."""

    async def work() -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            watched = await client.get("/certificate-watch")
            return await client.get("/stats"), await client.rows("/certificates", limit=10_000), watched["data"]

    stats, certificates, watched = run(work())
    processes: list[dict[str, Any]] = stats.pop("processes", [])
    attention = [*ends(watched), *((text, False) for text in _pressed(processes))]
    document = {
        "stats": stats,
        "processes": processes,
        "certificates": certificates,
        "attention": [text for text, _ in attention],
    }
    session.out.show(document, lambda page: _draw(page, stats, processes, certificates, attention))
    if attention:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _draw(
    page: Page,
    stats: Mapping[str, Any],
    processes: list[dict[str, Any]],
    certificates: list[dict[str, Any]],
    attention: list[tuple[str, bool]],
) -> None:
    page.facts(*_counts(stats))
    if processes:
        page.table(PROCESSES, processes)
    columns: list[Column] = [("PASS TYPE", "pass_type"), ("CERTIFICATE", state), ("VALID TO", lapse)]
    page.table(columns, certificates, "no certificates: livepass cert import FILE.p12 --password-file FILE")
    for text, worse in attention:
        page.line(bad(text) if worse else warn(text))
    if not attention:
        page.line(good("nothing needs a person"))


def _sign(row: Mapping[str, Any]) -> Cell:
    """A process says goodbye when it ends: one that is silent has died, or cannot reach the database."""
    seconds = int(row["silent_seconds"])
    if seconds < SILENT_SECONDS:
        return f"{seconds} s ago"
    return warn(f"silent for {seconds // 60} min" if seconds < 7200 else f"silent for {seconds // 3600} h")


PROCESSES: list[Column] = [
    ("HOST", "host"),
    ("PID", "pid"),
    ("ROLE", "role"),
    ("SCHEMA", "schema"),
    ("HEARD", _sign),
    ("FETCHES", lambda row: dim("-") if row["fetch_ms"] is None else f"{row['fetch_ms']} ms"),
    ("GIVEN UP", lambda row: warn(row["given_up"]) if row["given_up"] else ""),
]


def _pressed(processes: list[dict[str, Any]]) -> Iterator[str]:
    """Phones that are sent away, and pushes that nobody sends. A silent process beside others is no alarm."""
    heard = [row for row in processes if row["silent_seconds"] < SILENT_SECONDS]
    for row in heard:
        if row["shedding"] >= ASKS:
            yield f"{row['host']} pid {row['pid']} sends phones away ({row['given_up']}): start another livepass serve"
    for role, what in (("worker", "pushes wait"), ("serve", "phones are not answered")):
        if any(role in row["role"] for row in processes) and not any(role in row["role"] for row in heard):
            yield f"no {role} has been heard of for a minute: {what}; start livepass {role}"


def _counts(stats: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """Every number there is, with the name of what it counts; a nested one under its group's name."""
    for name, value in stats.items():
        said = name.replace("_", " ")
        if isinstance(value, dict):
            yield from ((f"{said} {each}", text_of(count)) for each, count in value.items())
        else:
            yield said, text_of(value)
