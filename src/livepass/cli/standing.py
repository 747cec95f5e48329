"""How all registrations stand, for ``livepass status``: from the service that runs here, which counted them lately, or
counted now.

Counting walks all registrations, which takes seconds where there are a million; a service that pushes does so every now
and then for ``/metrics``, beside what phones wait for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from livepass.cli import scrape
from livepass.config import Config
from livepass.core.findings import BY_CODE
from livepass.core.metrics import STANDINGS
from livepass.core.model import Process
from livepass.core.staleness import TARGET_SHARE
from livepass.core.webhook_standing import trouble
from livepass.core.webhooks import Endpoint
from livepass.service.canary_standings import canaries
from livepass.service.explaining import Explaining
from livepass.service.figuring import Figures, figures

SAME_START_MS = 15_000
"""A process writes down when it started twice: in its row, and in its metrics. They are seconds apart at most."""
FRESH_MS = 60_000
CURRENT = "LP000"


async def found(config: Config, looks: Explaining) -> dict[str, Any]:
    """Registrations, coherence and findings as JSON; ``counted_at`` (ms) tells their age."""
    now = looks.clock.now()
    counted, at = await _counted(config, looks, now)
    heard = {name: _people(counted, name) - each for name, each in counted.unverified.items()}
    share = _share(counted.coherence, heard)
    return {
        "stats": {
            "passes": await looks.store.count_passes(),
            "registrations": sum(counted.standing.values()),
            "unverified": sum(counted.unverified.values()),
            "stands_on": {state: _sum(counted, state) for state in STANDINGS},
        },
        "coherence": {
            "share": share,
            "target": TARGET_SHARE,
            "met": None if share is None else share >= TARGET_SHARE,
            "pass_types": dict(counted.coherence),
        },
        "pushes": await _pushes(looks, counted, now),
        "webhooks": webhooks(await looks.store.webhooks_failing(), now),
        **await _canaries(looks, config.canary, now),
        "findings": findings(counted.verdicts),
        "counted_at": at,
        "age_seconds": max(0, now - at) // 1000,
    }


def findings(people: Mapping[str, int]) -> list[dict[str, Any]]:
    """What is found of whom, by code: what somebody must act on first, and of most people."""
    rows = [
        {"code": code, "name": BY_CODE[code].name, "problem": BY_CODE[code].problem, "registrations": count}
        for code, count in people.items()
        if code in BY_CODE and code != CURRENT and count
    ]
    return sorted(rows, key=lambda row: (not row["problem"], -row["registrations"], row["code"]))


def of_rows(rows: Sequence[Mapping[str, Any]], tenant: str) -> list[Endpoint]:
    """Endpoints as ``GET /webhook-endpoints`` lists them to a tenant, as far as ``webhooks`` looks at them."""
    return [
        Endpoint(
            *(tenant, row["id"], row["url"], None, None, b"", _ms(row["created_at"]) or 0),
            *(_ms(row["failing_since"]), _ms(row["disabled_at"]), row["disabled_why"], _ms(row["answered_at"])),
        )
        for row in rows
    ]


def _ms(at: str | None) -> int | None:
    return None if at is None else round(1000 * datetime.fromisoformat(at).timestamp())


def webhooks(endpoints: Sequence[Endpoint], now: int) -> list[dict[str, Any]]:
    """Those that need somebody."""
    found = [trouble(one, now) for one in endpoints]
    return [
        {
            "tenant": one.tenant,
            "endpoint": one.endpoint,
            "url": one.url,
            "state": one.standing.value,
            "failing_since": one.failing_since,
            "disabled_at": one.disabled_at,
            "worse": one.worse,
            "sentence": one.sentence,
            "remedy": one.remedy,
        }
        for one in found
        if one is not None
    ]


async def _counted(config: Config, looks: Explaining, now: int) -> tuple[Figures, int]:
    try:
        read = list(scrape.samples(await scrape.asked(config)))
    except Exception:  # nobody answers there, or somebody else
        read = []
    told = of_samples(read, await looks.store.processes(), now)
    return told if told is not None else (await figures(looks, now), now)


def of_samples(read: Sequence[scrape.Sample], processes: Sequence[Process], now: int) -> tuple[Figures, int] | None:
    """Figures as a process told them, and since when they are true (ms). ``None``: it told none, or is none of these,
    which work on our database: others may answer on that port.
    """
    alone = {name: value for name, labels, value in read if not labels}
    started, at = alone.get("process_start_time_seconds"), alone.get("livepass_figures_timestamp_seconds")
    if started is None or at is None:
        return None
    heard = [one for one in processes if now - one.heard_at < FRESH_MS and "serve" in one.role]
    if not any(abs(1000 * started - one.started_at) < SAME_START_MS for one in heard):
        return None

    def by(metric: str, *labels: str) -> dict[Any, float]:
        rows = [([given.get(label, "") for label in labels], value) for name, given, value in read if name == metric]
        return {tuple(key) if len(key) > 1 else key[0]: value for key, value in rows}

    def whole(metric: str, *labels: str) -> dict[Any, int]:
        return {key: int(value) for key, value in by(metric, *labels).items()}

    told = Figures(
        whole("livepass_registrations", "pass_type", "state"),
        whole("livepass_registrations_unverified", "pass_type"),
        by("livepass_coherence_ratio", "pass_type"),
        whole("livepass_apns_held_pushes", "pass_type"),
        whole("livepass_verdicts", "code"),
    )
    return told, int(1000 * at)


async def _pushes(looks: Explaining, counted: Figures, now: int) -> dict[str, Any]:
    """What is read from indexes, at once; only what is held is as old as the other figures."""
    due = [now - at for _, at in await looks.store.due()]
    halted = [name for name, circuit in await looks.store.circuits() if circuit.open_until > now]
    return {
        "oldest_due_seconds": max([0, *due]) // 1000,
        "held": sum(counted.held.values()),
        "halted": halted,
    }


async def _canaries(looks: Explaining, here: Sequence[str], now: int) -> dict[str, Any]:
    """``wrong`` is empty where nothing is. ``canaries_apart``: what processes disagree in, in sentences."""
    found = await canaries(looks.store, now, here)
    rows = [
        {
            "pass_type": one.pass_type,
            "state": one.state.value,
            "wrong": one.sentence,
            "since": one.since,
            "at": None if one.newest is None else one.newest.at,
        }
        for one in found.standings
    ]
    return {"canaries": rows, "canaries_apart": list(found.apart.values())}


def _share(coherence: Mapping[str, float], heard: Mapping[str, int]) -> float | None:
    """Of all pass types together: each counts for as many as were ever served something."""
    people = sum(heard.get(name, 0) for name in coherence)
    return sum(share * heard.get(name, 0) for name, share in coherence.items()) / people if people else None


def _people(counted: Figures, pass_type: str) -> int:
    return sum(count for (name, _), count in counted.standing.items() if name == pass_type)


def _sum(counted: Figures, state: str) -> int:
    return sum(count for (_, each), count in counted.standing.items() if each == state)
