"""``livepass status``: one screen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.cert_check import attention as ends
from livepass.cli.cert_rows import lapse, state
from livepass.cli.faults import Exit, Fault
from livepass.cli.render import Cell, Column, Page, bad, dim, good, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run
from livepass.core.model import PRESENT_MS

if TYPE_CHECKING:
    from livepass.cli.client import Client

SILENT_SECONDS = PRESENT_MS // 1000
ASKS = 3
"""The level from which phones are refused something."""
STUCK_SECONDS = 120
"""As the alert LivepassOutboxStuck has it."""
SHOWN = 5
NO_WORKER = "LP201"


@click.command(cls=Verb)
@click.pass_obj
def status(session: Session) -> None:
    """One screen: coherence, phones, pushes, findings, processes, certificates. Exit 1 when something needs a person.

    A webhook endpoint does that was disabled because it failed, or has been failing for three hours.

    Coherence is the share of registrations that have what is current, or have waited less than 15 minutes for it.
    Figures of all registrations come from the service that runs here, which counted them lately, with their age; where
    none answers they are counted now. With --url they are counted there, coherence is not told, and of webhooks only
    what the key may see (webhooks:admin).
    """
    document = run(_asked(session))
    attention = list(_attention(document))
    document["attention"] = [text for text, _ in attention]
    del document["watched"]
    session.out.show(document, lambda page: _draw(page, document, attention))
    if attention:
        raise click.exceptions.Exit(Exit.PROBLEM)


async def _asked(session: Session) -> dict[str, Any]:
    from livepass.cli.client import connected

    async with connected(session) as client:
        document: dict[str, Any] = {
            "certificates": await client.rows("/certificates", limit=10_000),
            "watched": (await client.get("/certificate-watch"))["data"],
        }
        if session.remote() is None and session.as_tenant() is None:
            from livepass.cli import looking

            return document | await looking.standing(session)
        stats = await client.get("/stats")
        groups = (await client.get("/why"))["groups"]
        document |= await _webhooks(client, session.as_tenant())
    kept = ("code", "name", "problem", "registrations")
    found = [{key: group[key] for key in kept} for group in groups]
    return document | {"processes": stats.pop("processes", []), "stats": stats, "findings": found}


async def _webhooks(client: Client, tenant: str | None) -> dict[str, Any]:
    """Endpoints that need somebody; nothing where the key may not look at them."""
    from livepass.cli import standing
    from livepass.core.model import DEFAULT_TENANT

    try:
        rows = await client.rows("/webhook-endpoints", limit=10_000)
    except Fault as fault:
        if fault.code != "missing_scope":
            raise
        return {}
    now = round(1000 * time.time())
    return {"webhooks": standing.webhooks(standing.of_rows(rows, tenant or DEFAULT_TENANT), now)}


def _draw(page: Page, document: Mapping[str, Any], attention: list[tuple[str, bool]]) -> None:
    page.facts(*_coherence(document), *_counts(document["stats"]), *_pushes(document))
    if found := document["findings"]:
        page.table(FINDINGS, found[:SHOWN])
        rest = len(found) - SHOWN
        page.line(dim(f"livepass why --all --group tells more{f', and of {rest} other findings' if rest > 0 else ''}"))
    if document["processes"]:
        page.table(PROCESSES, document["processes"])
    columns: list[Column] = [("PASS TYPE", "pass_type"), ("CERTIFICATE", state), ("VALID TO", lapse)]
    nothing = "no certificates: livepass cert import FILE.p12 --password-file FILE"
    page.table(columns, document["certificates"], nothing)
    for text, worse in attention:
        page.line(bad(text) if worse else warn(text))
    if not attention:
        page.line(good("nothing needs a person"))


def _attention(document: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What a person must do something about, causes first, and whether it is worse than a warning."""
    coherence, pushes = document.get("coherence"), document.get("pushes")
    yield from ends(document["watched"])
    if pushes:
        for name in pushes["halted"]:
            yield f"nothing is pushed for {name}, APNs refused the credential: livepass push list", True
        if not pushes["halted"] and pushes["oldest_due_seconds"] > STUCK_SECONDS:
            yield f"a push has been due for {pushes['oldest_due_seconds']} s: livepass push list", True
    for one in document.get("canaries", ()):
        if one["wrong"]:
            yield f"the canary of {one['pass_type']}, {one['wrong']}: livepass canary status", True
    for one in document.get("webhooks", ()):
        yield f"{one['sentence']}: {one['remedy']}", one["worse"]
    for said in document.get("canaries_apart", ()):
        yield f"{said}: livepass canary status", False
    if coherence and coherence["met"] is False:
        said = f"{_percent(coherence['share'])} have what is current within 15 minutes, {_percent(coherence['target'])}"
        yield f"{said} are aimed at: livepass why --all --group", True
    unpushed = any(row["code"] == NO_WORKER for row in document["findings"])
    yield from ((text, False) for text in _pressed(document["processes"], unpushed))


def _percent(share: float) -> str:
    """Rounded down: 99 % are not reached by 98.96 %."""
    return f"{int(1000 * share + 1e-9) / 10:g} %"


def _coherence(document: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    if (found := document.get("coherence")) is None:
        return
    if found["share"] is None:
        yield "coherence", dim("no phone was seen to fetch yet")
    else:
        met = "reached" if found["met"] else "missed"
        said = f"{_percent(found['share'])} ({_percent(found['target'])} aimed at: {met})"
        yield "coherence", good(said) if found["met"] else bad(said)
    age = document["age_seconds"]
    yield "counted", dim("now" if not age else f"{age} s ago" if age < 120 else f"{age // 60} min ago")


def _pushes(document: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    if (found := document.get("pushes")) is not None:
        oldest = found["oldest_due_seconds"]
        yield "oldest push due", f"{oldest} s" if oldest else "none waits"
        yield "pushes held", str(found["held"])


FINDINGS: list[Column] = [
    ("FINDING", lambda row: (bad if row["problem"] else warn)(f"{row['code']} {row['name']}")),
    ("REGISTRATIONS", lambda row: str(row["registrations"])),
    ("READ", lambda row: f"livepass help {row['code']}"),
]


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


def _pressed(processes: list[dict[str, Any]], unpushed: bool) -> Iterator[str]:
    """Phones that are sent away, and pushes that nobody sends. A silent process beside others is no alarm; one that was
    stopped well is in no list, and ``unpushed`` tells of phones that wait for it.
    """
    heard = [row for row in processes if row["silent_seconds"] < SILENT_SECONDS]
    for row in heard:
        if row["shedding"] >= ASKS:
            yield f"{row['host']} pid {row['pid']} sends phones away ({row['given_up']}): start another livepass serve"
    for role, what in (("worker", "pushes wait"), ("serve", "phones are not answered")):
        expected = any(role in row["role"] for row in processes) or (role == "worker" and unpushed)
        if expected and not any(role in row["role"] for row in heard):
            yield f"no {role} has been heard of for a minute: {what}; start livepass {role}"


def _counts(stats: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """Every number there is, with the name of what it counts; a nested one under its group's name."""
    for name, value in stats.items():
        said = name.replace("_", " ")
        if isinstance(value, dict):
            yield from ((f"{said} {each}", text_of(count)) for each, count in value.items())
        else:
            yield said, text_of(value)
