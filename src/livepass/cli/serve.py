"""``livepass serve``: the service itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from livepass.cli.render import good
from livepass.cli.root import Verb
from livepass.cli.session import Session


@click.command(cls=Verb)
@click.option("--host", help="Address to listen on (LIVEPASS_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one (LIVEPASS_PORT).")
@click.option("--no-worker", is_flag=True, help="Answer only; livepass worker pushes elsewhere.")
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="PEM file: certificate and chain.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="PEM file: the certificate's key.")
@click.pass_obj
def serve(
    session: Session,
    host: str | None,
    port: int | None,
    no_worker: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> None:
    """Answer phones and issuers, and push.

    Says one line when it is ready. SIGTERM and Ctrl-C finish what is under way, pushes included, and end.
    """
    import uvloop

    from livepass.cli import logs, serving
    from livepass.cli.database import services

    config = session.config()
    logs.configure(config.log_format, debug=session.debug)

    def ready(address: str) -> None:
        document = {
            "ready": True,
            "address": address,
            "public_url": config.public_url,
            "worker": not no_worker,
            "pid": os.getpid(),
        }
        pushes = "answers and pushes" if not no_worker else "answers"
        session.out.show(document, lambda page: page.line(good(f"{pushes} at {address}, for {config.public_url}")))

    async def run() -> None:
        async with services(config) as opened:
            await serving.serve(
                opened,
                host=host or config.host,
                port=config.port if port is None else port,
                worker=not no_worker,
                tls_cert=tls_cert,
                tls_key=tls_key,
                ready=ready,
            )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
