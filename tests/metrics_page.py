"""``docs/reference/metrics.md`` and the files in ``deploy/``, made from the tables of metrics and alerts.

Written by ``python tests/metrics_page.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from livepass.cli import alert_files
from livepass.core.alerts import ALERTS
from livepass.core.metrics import METRICS, Metric, Of
from made_pages import REFERENCE, cell

ROOT = REFERENCE.parents[1]
PAGE = REFERENCE / "metrics.md"

HEAD = """# Metrics

`/metrics` of `livepass serve`, and of `livepass worker --metrics-port PORT`, in Prometheus' text format. It asks for no
key and holds no name of a pass, a phone or a token.
[Watch it with Prometheus and Grafana](../how-to/watch-with-prometheus.md) says how to scrape it.
"""
SECTIONS: Mapping[Of, tuple[str, str]] = {
    Of.PROCESS: (
        "Of a process",
        "Each process counts what it did itself since it started: add those of all (`sum`). Counters begin at 0 with"
        " every label that is known beforehand; what APNs says that is not known is `other`.",
    ),
    Of.DATABASE: (
        "Of the database",
        "Processes on one database tell the same: take one of them (`max`). From `livepass_apns_held_pushes` on they"
        " are counted beside the service, by processes that push, and only while somebody scrapes them. Counting begins"
        " anew when it is 5 seconds old or 20 times what it took, so it costs a twentieth of a core at most; its age"
        " is a metric. They are absent from the first scrape.",
    ),
}
FOOT = """
This page is made from `core/metrics.py` and `core/alerts.py`: `python tests/metrics_page.py` writes it, and a test
compares.
"""


def page() -> str:
    parts = [HEAD]
    for of, (title, said) in SECTIONS.items():
        rows = [_row(metric) for metric in METRICS if metric.of is of]
        parts.append("\n".join(["", f"## {title}", "", said, "", *_table("Name|Kind|Labels|What", rows), ""]))
    rows = [
        f"| `{one.name}` | {one.severity} | {one.lasts} | {cell(f'`{one.expression}`')} | "
        f"`{_shown(one.first)}` | [{one.runbook}](../runbooks/{one.runbook}.md) |"
        for one in ALERTS
    ]
    said = "`livepass alerts export prometheus` writes them."
    table = _table("Name|Severity|For|Expression|First|Runbook", rows)
    parts.append("\n".join(["", "## Alerts", "", said, "", *table, ""]))
    return "".join(parts) + FOOT


def _table(heads: str, rows: list[str]) -> Iterator[str]:
    names = heads.split("|")
    yield f"| {' | '.join(names)} |"
    yield "|" + " --- |" * len(names)
    yield from rows


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
    bounds = f" Buckets: {', '.join(f'{bound:g}' for bound in metric.bounds)}." if metric.bounds else ""
    return f"| `{metric.name}` | {metric.kind} | {labels} | {cell(metric.help + bounds)} |"


def files() -> Mapping[Path, str]:
    return {
        PAGE: page(),
        ROOT / "deploy" / "prometheus" / "rules.yml": alert_files.prometheus(),
        ROOT / "deploy" / "grafana" / "livepass.json": alert_files.grafana(),
    }


def _shown(command: str) -> str:
    """What an alert fills in, as a word to be replaced."""
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda label: label[1].upper(), command)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, "utf-8")
