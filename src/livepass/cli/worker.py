"""``livepass worker``: pushes, and nothing else."""

from __future__ import annotations

import asyncio
import os

import click

from livepass.cli.render import good
from livepass.cli.root import Verb
from livepass.cli.session import Session


@click.command(cls=Verb)
@click.pass_obj
def worker(session: Session) -> None:
    """Push only: more hands for a service that runs elsewhere.

    Any number may work on one database: each push is claimed by one of them.
    """
    import uvloop

    from livepass.cli import logs, serving
    from livepass.cli.database import services

    config = session.config()
    logs.configure(debug=session.debug)

    def ready() -> None:
        document = {"ready": True, "apns_url": config.apns_url, "pid": os.getpid()}
        session.out.show(document, lambda page: page.line(good(f"pushes to {config.apns_url}")))

    async def run() -> None:
        async with services(config) as opened:
            await serving.work(opened, ready=ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
