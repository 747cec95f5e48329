"""The metrics of a support bundle: those of the process that answers here, and those that the database tells."""

from __future__ import annotations

import re

from livepass.cli import scrape
from livepass.config import Config
from livepass.core.metrics import NAMED
from livepass.service.explaining import Explaining
from livepass.service.figuring import figures
from livepass.web import metrics

_OF_HISTOGRAM = re.compile("_(?:bucket|sum|count)$")


async def scraped(config: Config, looks: Explaining, now: int, pass_types: set[str]) -> bytes:
    """As ``/metrics`` writes them; ``now``: ms. Lines of nobody's but ours: something else may answer on that port."""
    at = await scrape.outbox(looks.store, now)
    counted = metrics.of_figures(await figures(looks, now), now, 0)
    own = metrics.exposition(at, counted)
    try:
        text = await scrape.asked(config)
    except Exception as error:  # whatever answers there
        return f"# the service here was not scraped: {type(error).__name__}\n{own}".encode()
    kept = [line for line in text.splitlines() if ours(line, pass_types)]
    return "\n".join(["# the process that answers here", *kept, "# the database", own]).encode()


def ours(line: str, pass_types: set[str]) -> bool:
    """Whether a line of a scrape is a sample of a metric of ours, with labels that say nothing new."""
    read = scrape.sample(line)
    if read is None:
        return False
    name, labels, _ = read
    metric = NAMED.get(name) or NAMED.get(_OF_HISTOGRAM.sub("", name))
    if metric is None or not set(labels) <= {*metric.labels, "le"}:
        return False
    return labels.get("pass_type", "") in {"", *pass_types} and all(len(value) < 80 for value in labels.values())


def without_user(value: object) -> object:
    """A setting's value as it may be told: an address without the user in it."""
    if isinstance(value, tuple | list):
        return [without_user(each) for each in value]
    return re.sub(r"//[^/@]*@", "//…@", value) if isinstance(value, str) else value
