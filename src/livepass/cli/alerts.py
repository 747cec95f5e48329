"""``livepass alerts``: files for Prometheus and Grafana."""

from __future__ import annotations

import click

from livepass.cli.root import noun
from livepass.cli.session import Session


@noun("alerts")
def alerts() -> None:
    """Alerts and a dashboard, for Prometheus and Grafana."""


@alerts.command()
@click.argument("kind", metavar="prometheus|grafana", type=click.Choice(["prometheus", "grafana"]))
@click.pass_obj
def export(session: Session, kind: str) -> None:
    """Write Prometheus' rules, or a Grafana dashboard, to stdout.

    They fit the metrics of this version, whatever the installation: nothing of it is read.
    """
    from livepass.cli import alert_files

    text = alert_files.prometheus() if kind == "prometheus" else alert_files.grafana()
    if session.out.as_json:
        session.out.show({kind: text}, lambda page: page.line(text))
    else:
        click.echo(text, nl=False)
