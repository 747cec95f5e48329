"""``livepass worker``: pushes, and nothing else."""

from __future__ import annotations

import asyncio
import os

import click

from livepass.cli.render import good
from livepass.cli.root import Verb
from livepass.cli.session import Session


@click.command(cls=Verb)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Answer /metrics and /livez to this machine, on this port; 0 takes a free one (default: nowhere).",
)
@click.pass_obj
def worker(session: Session, metrics_port: int | None) -> None:
    """Push only: more hands for a service that runs elsewhere.

    Any number may work on one database: each push is claimed by one of them.
    """
    import uvloop

    from livepass.cli import logs, serving
    from livepass.cli.database import services

    config = session.config()
    logs.configure(config.log_format, debug=session.debug)

    def ready(address: str) -> None:
        document = {"ready": True, "apns_url": config.apns_url, "pid": os.getpid()}
        if address:
            document["metrics"] = f"{address}/metrics"
        session.out.show(document, lambda page: page.line(good(f"pushes to {config.apns_url}")))

    async def run() -> None:
        async with services(config) as opened:
            await serving.work(opened, metrics_port=metrics_port, ready=ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
