"""``python -m livepass.emulators.apns``: an emulated APNs of one's own, under a throwaway authority.

Writes ``ca.pem`` (trust it in the sender) and, for every ``--topic``, ``TOPIC.pem`` (certificate, intermediate and
key for the sender) into ``--folder``, prints both addresses as JSON and runs until it is interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from livepass.emulators.apns.chaos import PRESETS
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority


def arguments() -> argparse.ArgumentParser:
    """The command line, apart from running it."""
    parser = argparse.ArgumentParser(prog="python -m livepass.emulators.apns", description="An emulated APNs.")
    parser.add_argument("--folder", type=Path, default=Path("apns-emulator"), help="where the certificates are written")
    parser.add_argument("--topic", action="append", default=[], help="pass type to issue a client certificate for")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2197, help="for senders (default: 2197, as APNs)")
    parser.add_argument("--control-port", type=int, default=2198)
    parser.add_argument("--any-token", action="store_true", help="accept every well-formed token")
    parser.add_argument("--chaos", choices=sorted(PRESETS), default="polite")
    parser.add_argument("--seed", type=int, default=None, help="makes chaos repeatable")
    return parser


def write_certificates(authority: Authority, folder: Path, topics: list[str]) -> list[Path]:
    """``ca.pem`` and one ``TOPIC.pem`` each, readable by their owner only; returns the paths."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = [folder / "ca.pem"]
    written[0].write_bytes(authority.root_pem)
    for topic in topics:
        issued = authority.pass_certificate(topic)
        path = folder / f"{Path(topic).name}.pem"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(issued.certificate_pem + issued.intermediate_pem + issued.key_pem)
        written.append(path)
    return written


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    authority = Authority()
    written = write_certificates(authority, options.folder, options.topic)
    apns = ApnsServer.under(
        authority,
        options.host,
        port=options.port,
        control_port=options.control_port,
        strict_tokens=not options.any_token,
        seed=options.seed,
    )
    apns.chaos.preset(options.chaos)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with apns:
        started = {"apns": apns.url, "control": apns.control_url, "files": [str(path) for path in written]}
        sys.stdout.write(json.dumps(started) + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(arguments().parse_args()))
