"""The command line. ``main`` is the entry point; what each command does stands in the file of its noun.

Nothing heavy is imported before a command needs it: ``livepass --help`` has to answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    from livepass.cli.running import run

    sys.exit(run(sys.argv[1:] if argv is None else argv))
