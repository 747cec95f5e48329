"""``livepass console serve``: the console, as a process of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from livepass.cli.faults import usage
from livepass.cli.render import Page, dim, good
from livepass.cli.root import Verb
from livepass.cli.session import Session
from livepass.service.console_access import LINK_PATH

PORT = 8422


def _say(page: Page, document: Mapping[str, Any]) -> None:
    page.line(good(f"the console is at {document['address']}"))
    if document["first_link"]:
        page.line(f"Nobody may come in yet. Once, within a quarter of an hour, as an admin: {document['first_link']}")
        page.line(dim("later: livepass console link, or livepass console user add"))


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
    logs.configure(config.log_format, debug=session.debug)

    async def run() -> None:
        async with services(config) as opened:
            app = console_serving.application(opened)
            first = None if await opened.console.any_user() else await opened.console.new_link("admin")

            def ready(address: str) -> None:
                link = f"{address}{LINK_PATH}{first}" if first else None
                document = {"ready": True, "address": f"{address}/console/", "first_link": link, "pid": os.getpid()}
                session.out.show(document, lambda page: _say(page, document))

            await serving.show(opened, app, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, ready=ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
