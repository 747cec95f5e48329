"""What one run of the command line was told that holds for every command: where to work, and how to speak."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from livepass.cli.faults import usage
from livepass.cli.render import Output

if TYPE_CHECKING:
    from livepass.config import Config

T = TypeVar("T")


@dataclass(slots=True)
class Session:
    """The options that may stand after any word of a command."""

    as_json: bool = False
    plain: bool = False
    debug: bool = False
    url: str | None = None
    key: str | None = None
    tenant: str | None = None
    ca: Path | None = None

    @property
    def out(self) -> Output:
        return Output(as_json=self.as_json, plain=self.plain)

    def config(self) -> Config:
        """The settings of this installation. Raises ``Fault``."""
        from livepass import config

        try:
            return config.load()
        except config.ConfigError as error:
            raise usage(str(error), error.hint or "livepass init writes a livepass.toml to start from") from error

    def remote(self) -> tuple[str, str] | None:
        """Address and key of the service to work on; ``None``: the database of the environment."""
        from livepass import config

        url, key = config.client_settings()
        url, key = self.url or url, self.key or key
        if url and not key:
            raise usage(f"{url} needs an API key", "add --key KEY, or set LIVEPASS_KEY; livepass key create makes one")
        return (url, key) if url and key else None

    def as_tenant(self) -> str | None:
        """The tenant as which to work; ``None``: the key's own, or the one that is always there."""
        from livepass import config

        return self.tenant or config.client_tenant()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """For a read inside ``run`` that may block for ever: Ctrl-C raises ``KeyboardInterrupt`` out of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import asyncio

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise KeyboardInterrupt  # it came just before
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command."""
    import asyncio

    return asyncio.run(work)
