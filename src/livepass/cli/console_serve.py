"""``livepass console serve``: the console, as a process of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from livepass.cli.faults import usage
from livepass.cli.render import good
from livepass.cli.root import Verb
from livepass.cli.session import Session

PORT = 8422


@click.command(cls=Verb)
@click.option("--host", default="127.0.0.1", help="Address to listen on (default: this machine only).")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, help=f"Port to listen on (default {PORT}; 0: any)."
)
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="PEM file: certificate and chain.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="PEM file: the certificate's key.")
@click.pass_obj
def serve(session: Session, host: str, port: int, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Show the console of this database.

    It answers no phone, so what people look at holds up nobody's pass; it stays up while livepass serve does not.
    """
    try:
        from livepass.cli import console_serving
    except ImportError as error:
        raise usage(f"the console needs {error.name}", "install livepass[console]") from error
    import uvloop

    from livepass.cli import logs, serving
    from livepass.cli.database import services

    config = session.config()
    logs.configure(debug=session.debug)

    def ready(address: str) -> None:
        document = {"ready": True, "address": f"{address}/console/", "pid": os.getpid()}
        session.out.show(document, lambda page: page.line(good(f"the console is at {address}/console/")))

    async def run() -> None:
        async with services(config) as opened:
            app = console_serving.application(opened)
            await serving.show(opened, app, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, ready=ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
