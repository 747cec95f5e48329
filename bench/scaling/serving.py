"""``livepass serve`` as a process of its own, for what is measured as others see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from beside.children import ended

from livepass.config import Config


@dataclass(frozen=True)
class Server:
    """One that answers at ``address`` (``http://…``)."""

    address: str
    pid: int

    def memory(self) -> int:
        """The most memory (MiB) that it has had resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024


@contextmanager
def served(config: Config) -> Iterator[Server]:
    """A server without a push worker, for the length of a block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "livepass", "serve", "--port", "0", "--no-worker", "--json"],
        env=environment(config),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with ended(process):
        assert process.stdout is not None
        yield Server(json.loads(process.stdout.readline())["address"], process.pid)


def environment(config: Config) -> Mapping[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
    return inherited | {
        "LIVEPASS_DATABASE_URL": config.database_url,
        "LIVEPASS_PUBLIC_URL": config.public_url,
        "LIVEPASS_SECRET_KEY": config.secret_key[0],
        "LIVEPASS_ADMIN_KEY": config.admin_key,
    }
