"""The metrics of the process that answers on this machine, asked for and read; and what the database says at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from livepass.config import Config
from livepass.service.seams import Reader
from livepass.web import metrics

SECONDS, MOST = 3.0, 2_000_000
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
"""Where a service that listens everywhere is found."""
_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? ([-+.0-9a-zA-Z]+)")
_LABEL = re.compile(r'(\w+)="([^"\\]*)"')

Sample = tuple[str, Mapping[str, str], float]
"""What was measured, its labels, and how much."""


async def asked(config: Config) -> str:
    """The text of ``/metrics``. Raises whatever goes wrong there."""
    import httpx2

    host = EVERYWHERE.get(config.host, config.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{config.port}/metrics"
    async with httpx2.AsyncClient(timeout=SECONDS, trust_env=False) as http, http.stream("GET", url) as answer:
        answer.raise_for_status()
        held = b""
        async for piece in answer.aiter_bytes():
            held += piece
            if len(held) > MOST:
                break
        return held.decode("utf-8", "replace")


def samples(text: str) -> Iterator[Sample]:
    """Those that can be read."""
    for line in text.splitlines():
        if (read := sample(line)) is not None:
            yield read


def sample(line: str) -> Sample | None:
    found = _SAMPLE.fullmatch(line)
    try:
        return None if found is None else (found[1], dict(_LABEL.findall(found[2] or "")), float(found[3]))
    except ValueError:
        return None


async def outbox(store: Reader, now: int) -> metrics.Found:
    """Pushes that are due, and whether they are halted; ``now``: ms."""
    open_until = {name: circuit.open_until for name, circuit in await store.circuits()}
    halted = {row.pass_type: open_until.get(row.pass_type, 0) > now for row in await store.pass_types()}
    return metrics.of_outbox(await store.due(), halted, now)
