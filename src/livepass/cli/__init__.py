"""The command line. ``main`` is the entry point; what each command does stands in the file of its noun.

Nothing heavy is imported before a command needs it: ``livepass --help`` has to answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    from livepass.cli.running import run

    _leave_no_core()
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def _leave_no_core() -> None:
    """A process that dies leaves no image of its memory: the keys are in it.

    One byte and not none: Linux writes no file either way, but hands an image to a program that ``core_pattern`` names
    even where the limit is 0, and at 1 it does not. Only the soft limit, so that ``prlimit --core`` can undo it for
    whoever needs a core and knows what it holds. Not PR_SET_DUMPABLE, which would also take /proc/PID and debuggers
    from the user that livepass runs as.
    """
    with suppress(ImportError):  # Windows has no such limits
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (1 if hard else 0, hard))
