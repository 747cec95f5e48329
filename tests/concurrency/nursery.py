"""Processes that start in milliseconds: a program that has imported everything already forks whenever it is asked to.

What it starts is an operating system process like any other, with its own connections, and dies of ``kill -9`` as any
other. A *role* is ``"module:function"``, a coroutine that is called as ``role(say, **arguments)``; ``say`` adds a line
of JSON to the process's own log, with one ``write``, so that what was said is there whatever happens next.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

TESTS = Path(__file__).parents[1]

Say = Callable[..., None]


class Child:
    """A process that was started. ``status`` is as ``subprocess`` has it, ``None`` while it runs."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self.log = log
        self.status: int | None = None
        self.ended = threading.Event()

    def kill(self) -> None:
        """kill -9: no drain, no goodbye. Returns when it is dead."""
        self.signal(signal.SIGKILL)
        assert self.ended.wait(10)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if not self.ended.is_set():
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        assert self.ended.wait(seconds), f"still running after {seconds:.0f} s; it said\n{self.last_words()}"
        assert self.status is not None
        return self.status

    def well(self, seconds: float) -> None:
        """Wait until it ended by itself, without a fault."""
        assert self.wait(seconds) == 0, self.last_words()

    def said(self) -> list[Any]:
        """What it said so far. A line that the kill cut off was not said."""
        lines = self.log.read_bytes().split(b"\n")[:-1] if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def says(self, word: str, seconds: float) -> None:
        """Wait until it says this."""
        deadline = time.monotonic() + seconds
        while not any(line[0] == word for line in self.said()):
            assert not self.ended.is_set(), f"ended before it said {word!r}\n{self.last_words()}"
            assert time.monotonic() < deadline, f"did not say {word!r} in {seconds:.0f} s\n{self.last_words()}"
            time.sleep(0.05)

    def last_words(self) -> str:
        errors = self.log.with_suffix(".err")
        return errors.read_text()[-3000:] if errors.exists() else ""


class Nursery:
    """The program that forks, as a context. Leaving it kills whatever still runs."""

    def __init__(self, directory: Path, *preload: str) -> None:
        self._preload = preload
        self._children: dict[int, Child] = {}
        self._logs = (directory / f"{number}.jsonl" for number in itertools.count(1))
        self._started = threading.Condition()
        self._newest: int | None = None

    def __enter__(self) -> Self:
        # Settings of whoever runs the tests are not the children's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
        self._program = subprocess.Popen(
            [sys.executable, __file__, *self._preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(30)
        self._listener.join(30)

    def start(self, role: str, **arguments: Any) -> Child:
        """Fork, and run ``role`` there."""
        assert self._program.stdin is not None
        log = next(self._logs)
        order = {"role": role, "log": str(log), "arguments": arguments}
        with self._started:
            self._newest = None
            self._program.stdin.write(json.dumps(order) + "\n")
            self._program.stdin.flush()
            assert self._started.wait_for(lambda: self._newest is not None, 30), "the nursery does not answer"
            assert self._newest is not None
            child = self._children[self._newest]
            child.log = log
            return child

    def running(self) -> list[Child]:
        return [child for child in self._children.values() if not child.ended.is_set()]

    def _listen(self) -> None:
        assert self._program.stdout is not None
        for line in self._program.stdout:
            pid, status = json.loads(line)
            with self._started:
                if status is None:
                    # A number may come again, once its first bearer is gone.
                    self._children[pid] = Child(pid, Path())
                    self._newest = pid
                    self._started.notify_all()
                else:
                    self._children[pid].status = status
                    self._children[pid].ended.set()


# ── the program


def main() -> None:
    import gc
    import importlib
    import selectors

    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.freeze()
    children: set[int] = set()
    waking, woken = os.pipe()
    os.set_blocking(waking, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tests'; they close our input
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    watched = selectors.DefaultSelector()
    watched.register(0, selectors.EVENT_READ)
    watched.register(waking, selectors.EVENT_READ)
    pending = b""
    while True:
        ready = {key.fd for key, _ in watched.select()}
        if waking in ready:
            with suppress(BlockingIOError):
                os.read(waking, 4096)
            _bury(children)
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                break
            *orders, pending = (pending + read).split(b"\n")
            for order in orders:
                pid = os.fork()
                if pid == 0:
                    watched.close()
                    signal.set_wakeup_fd(-1)
                    os.close(waking)
                    os.close(woken)
                    _child(json.loads(order))
                children.add(pid)
                _tell(pid, None)
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while children:
        _bury(children)
        time.sleep(0.01)


def _bury(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _tell(pid, os.waitstatus_to_exitcode(status))


def _tell(pid: int, status: int | None) -> None:
    os.write(1, json.dumps([pid, status]).encode() + b"\n")


def _child(order: Any) -> None:
    import asyncio
    import importlib
    import random
    import traceback

    status = 1
    log = Path(order["log"])
    errors = os.open(log.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for number, default in ((signal.SIGCHLD, signal.SIG_DFL), (signal.SIGINT, signal.SIG_DFL)):
            signal.signal(number, default)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        random.seed()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def say(*what: Any) -> None:
            os.write(output, json.dumps(what).encode() + b"\n")

        module, _, name = order["role"].partition(":")
        asyncio.run(getattr(importlib.import_module(module), name)(say, **order["arguments"]))
        status = 0
    except BaseException:
        os.write(errors, traceback.format_exc().encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
