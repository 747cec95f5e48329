"""Prometheus' rules and a Grafana dashboard, written from ``core.alerts``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from livepass.core.alerts import ALERTS, PANELS, Alert, Panel

RUNBOOKS = "docs/runbooks"
MADE = "Made by livepass alerts export"
WIDTH, HEIGHT, ACROSS = 12, 8, 2


def prometheus() -> str:
    """A file of rules, as YAML: strings are JSON's, which YAML takes."""
    lines = [f"# {MADE} prometheus.", "groups:", "  - name: livepass", "    rules:"]
    for alert in ALERTS:
        lines += _rule(alert)
    return "\n".join(lines) + "\n"


def _rule(alert: Alert) -> Iterator[str]:
    yield f"      - alert: {alert.name}"
    yield f"        expr: {json.dumps(alert.expression)}"
    yield f"        for: {alert.lasts}"
    yield "        labels:"
    yield f"          severity: {alert.severity}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(alert.summary)}"
    yield f"          first: {json.dumps(alert.first)}"
    yield f"          runbook: {RUNBOOKS}/{alert.runbook}.md"


def grafana() -> str:
    """A dashboard to import; it asks for the Prometheus to read from."""
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    dashboard = {
        "uid": "livepass",
        "title": "livepass",
        "description": f"{MADE} grafana.",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [source]},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, ACROSS)
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend, "datasource": source}
            for index, (expression, legend) in enumerate(panel.lines)
        ],
    }
