"""Gathers what the doctor needs to know of this installation, from the services that know it. Judges nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepass.cli.faults import Exit, Fault
from livepass.cli.session import Session, run
from livepass.doctor import Installation
from livepass.doctor.own import Process

if TYPE_CHECKING:
    from livepass.config import Config

SAMPLE = 50
"""Passes whose diary is added up; livepass db verify takes more."""


def gathered(session: Session, backup: str | None, ca_file: Path | None = None) -> Installation:
    """What is known of the installation of the environment, or of the service that --url names. ``ca_file``: roots that
    phones would trust.
    """
    now = datetime.now(UTC)
    remote = session.remote()
    facts: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    if remote:
        facts["url"] = f"{remote[0].rstrip('/')}/wallet"
        for name in ("schema", "findings", "unwritable", "room", "way"):
            unknown[name] = "can be seen where the database is only"
    else:
        config = session.config()
        facts["url"] = config.web_service_url
        facts["schema"] = _schema(config)
        facts |= _disk(config)
        if not facts["schema"]:
            facts |= _noted(unknown, "findings", lambda: _verified(config))
            facts |= _noted(unknown, "way", lambda: run(_looked(config, ca_file)))
    if remote or not facts["schema"]:
        facts |= _noted(unknown, "processes", lambda: run(_asked(session, now)))
        for name in ("overdue", "certificates"):
            if "processes" in unknown:
                unknown[name] = unknown["processes"]
    if backup:
        facts |= _noted(unknown, "backup", lambda: {"backup": _written(backup)})
    else:
        unknown["backup"] = "name the newest one with --backup FILE"
    return Installation(now=now, unknown=unknown, **facts)


def _noted(unknown: dict[str, str], name: str, look: Any) -> dict[str, Any]:
    """What ``look`` finds; why it could not be found is noted under ``name``."""
    try:
        found: dict[str, Any] = look()
        return found
    except Fault as fault:
        unknown[name] = fault.title
    except OSError as error:
        unknown[name] = str(error.strerror or error)
    return {}


def _schema(config: Config) -> str:
    from livepass import wiring
    from livepass.cli.database import explained

    try:
        with explained(config):
            run(wiring.check(config))
    except Fault as fault:
        return fault.title
    return ""


def _verified(config: Config) -> dict[str, Any]:
    from livepass import wiring
    from livepass.cli.database import explained

    with explained(config):
        found = run(wiring.verify(config, sample=SAMPLE, quick=True)).findings
    return {"findings": [f"{one.name} ({one.count})" for one in found]}


async def _looked(config: Config, ca_file: Path | None) -> dict[str, Any]:
    """Calls to the public address, as the service makes them."""
    from livepass.cli.database import services

    async with services(replace(config, public_ca_file=ca_file or config.public_ca_file)) as opened:
        found = await opened.way.look()
    if any(one.unclear for one in found):
        raise Fault(found[0].sentence, Exit.UNCHECKED)
    return {"way": [f"{one.sentence}: {one.remedy}" for one in found]}


async def _asked(session: Session, now: datetime) -> dict[str, Any]:
    """Through the issuer API, which is the same near and far."""
    from livepass.cli.client import connected

    async with connected(session) as client:
        stats = await client.get("/stats")
        due = await client.rows("/pushes", limit=5000, due=1)
        certificates = await client.rows("/certificates", limit=10_000)
        watched = (await client.get("/certificate-watch"))["data"]
    processes = [
        Process(row["role"], row["host"], timedelta(seconds=row["silent_seconds"])) for row in stats["processes"]
    ]
    live: dict[str, datetime | None] = {}
    for row in certificates:
        if row["signs"]:
            ends = (datetime.fromisoformat(row[end]) for end in ("not_after", "intermediate_not_after"))
            live[row["pass_type"]] = min(ends)
        else:
            live.setdefault(row["pass_type"], None)
    waits = [now - at for row in due if (at := _instant(row.get("next_at"))) is not None]
    # What ends, the doctor judges by itself; what is revoked or unsound only the service knows.
    spoiled = [row["sentence"] for row in watched if row["needs"] and row["state"] in ("revoked", "unsound")]
    return {"processes": processes, "overdue": waits, "certificates": live, "spoiled": spoiled}


def _instant(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _disk(config: Config) -> dict[str, Any]:
    outside = list(_outside(config))
    place = Path.cwd() if config.on_postgres else config.sqlite_path.absolute().parent
    usage = shutil.disk_usage(place)
    return {
        "outside": len(outside),
        "unwritable": [str(path) for path in outside if not os.access(path if path.exists() else path.parent, os.W_OK)],
        "room": (usage.free, usage.total),
    }


def _outside(config: Config) -> Iterator[Path]:
    if config.witness is not None:
        yield config.witness
    if config.registration_journal is not None:
        yield config.registration_journal


def _written(path: str) -> datetime:
    return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
