"""What ``livepass db recover`` and ``livepass db lost`` take and show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepass.cli.render import Column, Page, bad, dim, good, instant, warn

if TYPE_CHECKING:
    from livepass.service.recovering import LostPhone, Recovered

LINES = 20


_EPOCHS: list[Column] = [
    ("PASS TYPE", "pass_type"),
    ("STOOD AT", "before"),
    ("NEW EPOCH", "epoch"),
    ("BEGAN WITH", "number"),
]
_LOST: list[Column] = [
    ("PASS TYPE", "pass_type"),
    ("SERIAL", "serial"),
    ("PHONE", "device_id"),
    ("REGISTERED", lambda row: instant(row["at"])),
    ("WHY", "why"),
]
PHONES: list[Column] = [
    ("PASS TYPE", "pass_type"),
    ("PHONE", "device_id"),
    ("LAST ASKED", lambda row: instant(row["last_seen"])),
    ("TIMES", "times"),
]


def document(recovered: Recovered) -> dict[str, Any]:
    """What was done, as JSON."""
    replayed = recovered.replayed
    journal = replayed and {
        "entries": replayed.entries,
        "replayed": replayed.replayed,
        "already_there": replayed.already_there,
        "overtaken": replayed.overtaken,
        "lost": [_fields(one, "pass_type serial device_id at why") for one in replayed.lost],
        "unreadable": [_fields(one, "file line count why") for one in replayed.unreadable],
    }
    return {
        "reason": recovered.reason,
        "pass_types": [_fields(one, "pass_type before epoch number") for one in recovered.pass_types],
        "journal": journal,
        "trouble": recovered.trouble,
    }


def phone(one: LostPhone) -> dict[str, Any]:
    return {"pass_type": one.pass_type, "device_id": one.device_id, "last_seen": one.asked_at, "times": one.times}


def draw(page: Page, found: dict[str, Any]) -> None:
    page.table(_EPOCHS, found["pass_types"], "no pass types: nothing to begin anew")
    if found["pass_types"]:
        page.line(good("phones are told everything again; what they have already is not sent again"))
    journal = found["journal"]
    if found["trouble"]:
        page.line(bad(found["trouble"]))
    elif journal is None:
        page.line(warn("there is no registration journal: phones that registered since the backup are not known"))
        page.line(dim("livepass db lost names those that still ask; docs/how-to/recover-from-a-restore.md"))
    else:
        _draw_journal(page, journal)


def _draw_journal(page: Page, journal: dict[str, Any]) -> None:
    page.facts(
        ("journal entries", str(journal["entries"])),
        ("brought back", str(journal["replayed"])),
        ("there already", str(journal["already_there"])),
        ("overtaken by later", str(journal["overtaken"])),
    )
    for one in journal["unreadable"]:
        page.line(bad(f"{one['file']} from line {one['line']} on, {one['count']} lines: {one['why']}"))
    if journal["lost"]:
        page.line(bad(f"registrations that cannot be brought back: {len(journal['lost'])}"))
        page.table(_LOST, journal["lost"][:LINES])
        if len(journal["lost"]) > LINES:
            page.line(dim("--json shows them all"))


def _fields(one: object, names: str) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names.split()}
