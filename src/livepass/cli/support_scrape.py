"""The metrics of a support bundle: those of the process that answers here, and those that the database tells."""

from __future__ import annotations

import re

from livepass.config import Config
from livepass.core.metrics import NAMED
from livepass.service.explaining import Explaining
from livepass.service.figuring import figures
from livepass.web import metrics

SECONDS, MOST = 3.0, 2_000_000
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
"""Where a service that listens everywhere is found."""
_SAMPLE = re.compile(r"(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? [-+.0-9a-zA-Z]+")
_LABEL = re.compile(r'(\w+)="([^"\\]*)"')


async def scraped(config: Config, looks: Explaining, now: int, pass_types: set[str]) -> bytes:
    """As ``/metrics`` writes them; ``now``: ms. Lines of nobody's but ours: something else may answer on that port."""
    at = await _outbox(looks, now)
    counted = metrics.of_figures(await figures(looks, now), now, 0)
    own = metrics.exposition(at, counted)
    try:
        text = await _asked(config)
    except Exception as error:  # whatever answers there
        return f"# the service here was not scraped: {type(error).__name__}\n{own}".encode()
    kept = [line for line in text.splitlines() if ours(line, pass_types)]
    return "\n".join(["# the process that answers here", *kept, "# the database", own]).encode()


def ours(line: str, pass_types: set[str]) -> bool:
    """Whether a line of a scrape is a sample of a metric of ours, with labels that say nothing new."""
    found = _SAMPLE.fullmatch(line)
    if found is None:
        return False
    metric = NAMED.get(found[1]) or NAMED.get(line.partition("{")[0].partition(" ")[0])
    labels = dict(_LABEL.findall(found[2] or ""))
    if metric is None or not set(labels) <= {*metric.labels, "le"}:
        return False
    return labels.get("pass_type", "") in {"", *pass_types} and all(len(value) < 80 for value in labels.values())


def without_user(value: object) -> object:
    """A setting's value as it may be told: an address without the user in it."""
    if isinstance(value, tuple | list):
        return [without_user(each) for each in value]
    return re.sub(r"//[^/@]*@", "//…@", value) if isinstance(value, str) else value


async def _outbox(looks: Explaining, now: int) -> metrics.Found:
    store = looks.store
    open_until = {name: circuit.open_until for name, circuit in await store.circuits()}
    halted = {row.pass_type: open_until.get(row.pass_type, 0) > now for row in await store.pass_types()}
    return metrics.of_outbox(await store.due(), halted, now)


async def _asked(config: Config) -> str:
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
