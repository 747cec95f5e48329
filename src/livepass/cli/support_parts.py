"""The files of a support bundle, as a table. Each is made of facts that are named here one by one: what is added to a
row of the database tomorrow stays out until somebody adds it here.
"""

from __future__ import annotations

import json
import platform
import re
import sqlite3
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from livepass import config as settings
from livepass._version import __version__
from livepass.cli import support_scrape
from livepass.cli.database import explained
from livepass.cli.render import instant
from livepass.cli.support_marks import Marks
from livepass.config import Config
from livepass.core.complaints import grouped
from livepass.core.shedding import Level
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import ANSWERS
from livepass.looking import looking
from livepass.service.explaining import Explaining
from livepass.service.figuring import MOST_HELD

EVENTS, LINES, EXAMPLES = 500, 5000, 3
SHOWN = frozenset(
    {"PUBLIC_URL", "OTHER_URLS", "APNS_URL", "HOST", "PORT", "PHONES_PER_PASS", "KEY_RATE", "TENANT_RATE", "LOG_FORMAT"}
    | {"CERTIFICATE_HOSTS", "CONNECTION_HEADER", "CONSOLE_USER_HEADER"}
)
"""Settings whose value is told. Of the others, secrets and paths, only whether they are set."""
REASONS = frozenset(reason for _, reason in ANSWERS)
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Place:
    """What parts are made from. ``looks``: the database, open to be read; ``now``: ms."""

    config: Config
    marks: Marks
    looks: Explaining
    now: int
    pass_types: Sequence[str]

    def type_of(self, name: str) -> str:
        """A pass type of ours as it is: strangers may say anything."""
        return name if name in self.pass_types else self.marks.of(name)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle: what it holds, and who makes it. ``needs``: the database."""

    file: str
    says: str
    make: Callable[[Any], Awaitable[object]]
    needs: bool = True


@dataclass(frozen=True, slots=True)
class Bundle:
    """``missing``: by file, why it could not be made."""

    files: dict[str, bytes]
    missing: dict[str, str]


async def gathered(config: Config) -> Bundle:
    """All parts that can be had: an installation that is broken needs help most."""
    files, missing = {"README.txt": _readme()}, dict[str, str]()
    marks = Marks(config.secret_key[0])

    async def add(part: Part, place: object) -> None:
        try:
            made = await part.make(place)
        except Exception as error:  # its own words may hold anything
            missing[part.file] = type(error).__name__
            return
        files[part.file] = made if isinstance(made, bytes) else _json(made)

    for part in (one for one in PARTS if not one.needs):
        await add(part, config)
    try:
        with explained(config):
            async with looking(config) as looks:
                types = [row.pass_type for row in await looks.store.pass_types()]
                place = Place(config, marks, looks, looks.clock.now(), types)
                for part in (one for one in PARTS if one.needs):
                    await add(part, place)
    except Exception as error:
        said = str(getattr(error, "code", "")) or type(error).__name__
        missing |= {part.file: said for part in PARTS if part.needs and part.file not in files}
    if missing:
        files["missing.json"] = _json(missing)
    return Bundle(files, missing)


# ── the parts that need no database


async def _versions(config: Config) -> object:
    return {
        "livepass": __version__,
        "python": sys.version,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "engine": "postgresql" if config.on_postgres else "sqlite",
        "packages": {name: _version(name) for name in _packages()},
    }


def _packages() -> list[str]:
    """What livepass may be installed with, by name: the beginning of each requirement."""
    return sorted({re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in metadata.requires("livepass") or []})


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


async def _settings(config: Config) -> object:
    sources = settings.sources()
    return {one.name: _setting(config, one, sources.get(one.name)) for one in settings.SETTINGS}


def _setting(config: Config, one: settings.Setting, source: str | None) -> object:
    """``from``: ``None`` where it was not set, and the default counts."""
    told: dict[str, object] = {"from": source and Path(source).name}
    if one.name in SHOWN and not one.secret:
        told["value"] = support_scrape.without_user(getattr(config, one.name.lower()))
    return told


# ── the parts that need one


async def _schema(place: Place) -> object:
    return {
        "suits": True,
        "installation": place.marks.of(await place.looks.store.installation()),
        "epochs": {
            one.pass_type: {"epoch": place.marks.of(one.epoch), "number": one.seq, "began": one.began}
            for one in await place.looks.store.counters()
        },
    }


async def _status(place: Place) -> object:
    store = place.looks.store
    return {
        "at": instant(place.now),
        "all": dict(await store.stats(None)),
        "pass_types": {name: dict(await store.stats(name)) for name in place.pass_types},
        "processes": [
            {
                "host": place.marks.of(one.host),
                "pid": one.pid,
                "role": one.role,
                "schema": one.schema,
                "started_at": instant(one.started_at),
                "silent_seconds": max(0, place.now - one.heard_at) // 1000,
                "fetch_ms": one.fetch_ms,
                "given_up": Level(one.shedding).name.lower(),
            }
            for one in await store.processes()
        ],
    }


async def _metrics(place: Place) -> object:
    return await support_scrape.scraped(place.config, place.looks, place.now, set(place.pass_types))


async def _findings(place: Place) -> object:
    found = await place.looks.everything(place.pass_types)
    return {
        "registrations": found.registrations,
        "current": found.current,
        "looked_at": found.looked_at,
        "findings": [
            {
                "code": one.verdict.code,
                "name": one.verdict.name,
                "trip": one.verdict.trip,
                "problem": one.verdict.problem,
                "sure": one.sure,
                "registrations": one.people,
                "exact": one.exact,
                "pass_types": one.pass_types,
                "examples": [
                    {"pass": place.marks.of(each.serial), "phone": place.marks.maybe(each.device_id)}
                    for each in one.examples[:EXAMPLES]
                ],
            }
            for one in found.groups
        ],
    }


async def _phones_say(place: Place) -> object:
    """Sentences that are known by their code; of others only that there are some: they are anybody's text."""
    kinds = [Kind.TESTIFIED]
    lines = await place.looks.store.newest(kinds=kinds, pass_type=None, limit=LINES, most=10 * LINES)
    return [
        {
            "code": one.code,
            "shape": place.marks.of(one.shape),
            "lines": one.count,
            "phones": one.phones,
            "passes": one.passes,
            "first_at": instant(one.first_at),
            "last_at": instant(one.last_at),
            "a_day": list(one.days),
            "finding": one.finding,
        }
        for one in grouped(lines, place.now)
    ]


async def _certificates(place: Place) -> object:
    store, mark = place.looks.store, place.marks
    return {
        "certificates": [
            {
                "pass_type": one.pass_type,
                "certificate": mark.of(one.id),
                "stage": one.link.stage,
                "not_before": instant(one.not_before),
                "not_after": instant(one.not_after),
                "intermediate_not_after": instant(one.intermediate_not_after),
                "nfc": one.nfc,
                "canary_percent": one.canary_percent,
            }
            for one in await store.certificates(None)
        ],
        "looks": [
            {
                "what": one.kind,
                "pass_type": one.pass_type and place.type_of(one.pass_type),
                "ends_at": instant(one.ends_at),
                "checked_at": instant(one.checked_at),
                "problem": one.problem,
            }
            for one in await store.watched()
        ],
    }


async def _queues(place: Place) -> object:
    store, now = place.looks.store, place.now
    due, halts = dict(await store.due()), dict(await store.circuits())
    chores = await store.chores(now, most=MOST_HELD)
    return {
        "pushes": {name: await _owed(place, name, due.get(name)) for name in place.pass_types},
        "halted": {
            place.type_of(name): {
                "reason": one.reason if one.reason in REASONS else OTHER,
                "opened_at": instant(one.opened_at),
                "open_until": instant(one.open_until),
            }
            for name, one in halts.items()
        },
        "fan_outs": [
            {"pass_type": place.type_of(one.pass_type), "what": one.what, "number": one.seq, "done": one.done}
            for one in await store.fan_outs_under_way(limit=100)
        ],
        "chores": asdict(chores) | {"counted_up_to": MOST_HELD},
    }


async def _owed(place: Place, pass_type: str, first_at: int | None) -> object:
    owed = await place.looks.store.due_up_to(pass_type, place.now, most=MOST_HELD)
    waits = 0 if first_at is None else max(0, place.now - first_at) // 1000
    return asdict(owed) | {"counted_up_to": MOST_HELD, "oldest_due_seconds": waits}


async def _tables(place: Place) -> object:
    exact = not place.config.on_postgres
    return {
        "counted": exact,
        "bytes_of": "the whole file" if exact else "each table with its indexes",
        "tables": {name: {"rows": count, "bytes": size} for name, count, size in await place.looks.store.table_sizes()},
    }


async def _events(place: Place) -> object:
    found = await place.looks.store.newest(kinds=list(Kind), pass_type=None, limit=EVENTS, most=EVENTS)
    return [_event(place, one) for one in found]


def _event(place: Place, event: Event) -> dict[str, object]:
    status, reason = event.detail.get("status"), event.detail.get("reason")
    told: dict[str, object] = {
        "at": instant(event.at),
        "kind": event.kind,
        "trip": event.trip,
        "pass_type": place.type_of(event.pass_type),
        "pass": place.marks.maybe(event.serial),
        "phone": place.marks.maybe(event.device_id),
        "number": event.seq,
    }
    if isinstance(status, int):
        told["status"] = status
    if isinstance(reason, str) and reason:
        told["reason"] = reason if reason in REASONS else OTHER
    return told


PARTS: tuple[Part, ...] = (
    Part("versions.json", "livepass, Python, the system, its libraries", _versions, needs=False),
    Part(
        "settings.json",
        "which settings are set, and from where; values where they are no path and no secret",
        _settings,
        needs=False,
    ),
    Part("schema.json", "whether the database suits this version; numbers and epochs of each pass type", _schema),
    Part("status.json", "passes and registrations by how they stand, and processes", _status),
    Part("metrics.txt", "one scrape of the service here, and what the database says", _metrics),
    Part("findings.json", "livepass why --all: how many registrations by finding", _findings),
    Part("phones-say.json", "phones' complaints by code, without their text", _phones_say),
    Part("certificates.json", "stages and dates of certificates, and what the last looks found", _certificates),
    Part("queues.json", "what waits, and for how long", _queues),
    Part("tables.json", "how large each table is", _tables),
    Part("events.json", f"the last {EVENTS} events: what kind, when, and what was answered", _events),
)


def _readme() -> bytes:
    lines = [
        "A support bundle of livepass. It is made for a stranger to read.",
        "",
        *(f"{part.file}: {part.says}" for part in PARTS),
        "missing.json: what could not be had, and the kind of error",
        "",
        "Ids of passes, phones and certificates, and hosts, are fingerprints of twelve letters, keyed with the",
        "secret key of the installation: its operator finds out whose one is with livepass support fingerprint ID.",
        "No secret, no name, no content of a pass, no push token and no line of a phone's log is in it. Pass types",
        "are, and the address of the service.",
    ]
    return "\n".join([*lines, ""]).encode()


def _json(made: object) -> bytes:
    return json.dumps(made, indent=1, ensure_ascii=True, default=str).encode() + b"\n"
