"""Types ``livepass`` commands, each in a process of its own that begins in milliseconds: a program that has imported
the command line already forks for each. For tests that run nearly every command there is.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


class Typist:
    """What commands say goes through two files in ``folder``, one command after another."""

    def __init__(self, program: asyncio.subprocess.Process, folder: Path) -> None:
        self._program = program
        self._files = [folder / "typed.out", folder / "typed.err"]

    async def type(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Run a command to its end: its exit code, what it showed, and what it said beside that."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        order = {"words": list(words), "environment": dict(environment), "files": [str(file) for file in self._files]}
        self._program.stdin.write(json.dumps(order).encode() + b"\n")
        code = await self._program.stdout.readline()
        assert code, "the typist is gone"
        out, err = (file.read_bytes() for file in self._files)
        return int(code), out, err


@asynccontextmanager
async def typist(folder: Path) -> AsyncIterator[Typist]:
    """One for as long as the block lasts."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdin is not None
    try:
        yield Typist(program, folder)
    finally:
        program.stdin.close()
        await program.wait()


# ── the program


def main() -> None:
    from livepass import cli

    for module in pkgutil.iter_modules(cli.__path__, "livepass.cli."):
        importlib.import_module(module.name)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            _become(order["environment"], order["files"])
            cli.main(order["words"])
        _, status = os.waitpid(pid, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(environment: Mapping[str, str], files: Sequence[str]) -> None:
    """As if the command had been started with that environment and those files."""
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)


if __name__ == "__main__":
    main()
