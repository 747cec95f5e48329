"""``python -m mutation``: see ``scripts/mutate --help``."""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mutation import runner
from mutation.operators import Mutant
from mutation.survivors import ACCEPTED

ROOT = Path(__file__).parent.parent.parent
CORE = "livepass.core"


def main() -> int:
    asked = _arguments()
    subject = runner.Subject(CORE, ROOT / "tests" / "core", asked.modules)
    everything = subject.mutants()
    chosen = {one.name: one for one in _chosen(asked)(everything)}
    if asked.list:
        print(*chosen, sep="\n")
        return 0
    seen: list[tuple[Mutant, str]] = []

    def tell(mutant: Mutant, verdict: str) -> None:
        seen.append((mutant, verdict))
        if verdict == runner.SURVIVED and mutant.name not in ACCEPTED:
            print(f"{mutant.module}.py:{mutant.line}\n- {mutant.before}\n+ {mutant.after}", flush=True)

    started = time.monotonic()
    runner.run(subject, lambda all_: [one for one in all_ if one.name in chosen], asked.jobs, tell)
    _table(seen)
    used = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{time.monotonic() - started:.0f} s, {used:.0f} s of processor time")
    unexplained = [one.name for one, verdict in seen if verdict == runner.SURVIVED and one.name not in ACCEPTED]
    stale = stale_rows(seen, everything, asked.modules)
    for name in stale:
        print(f"stale in survivors.py: {name}")
    return 1 if unexplained or stale else 0


def stale_rows(seen: Sequence[tuple[Mutant, str]], everything: Sequence[Mutant], modules: Sequence[str]) -> list[str]:
    """Accepted survivors that are killed by now, or that do not exist (of the modules that were looked at)."""
    there = {one.name for one in everything}
    killed = {one.name for one, verdict in seen if verdict != runner.SURVIVED}
    looked_at = [name for name in ACCEPTED if not modules or name.split(":")[0] in modules]
    return [name for name in looked_at if name in killed or name not in there]


def _table(seen: Sequence[tuple[Mutant, str]]) -> None:
    print(f"{'module':<16} {'mutants':>8} {'killed':>8} {'timed out':>10} {'survived':>9} {'accepted':>9} {'score':>7}")
    modules = sorted({one.module for one, _ in seen})
    for module in [*modules, "all"]:
        rows = [(one, verdict) for one, verdict in seen if module in (one.module, "all")]
        killed = sum(verdict == runner.KILLED for _, verdict in rows)
        late = sum(verdict == runner.TIMED_OUT for _, verdict in rows)
        accepted = sum(verdict == runner.SURVIVED and one.name in ACCEPTED for one, verdict in rows)
        score = 100 * (killed + late) / max(len(rows), 1)
        left = len(rows) - killed - late
        print(f"{module:<16} {len(rows):>8} {killed:>8} {late:>10} {left:>9} {accepted:>9} {score:>6.1f}%")


def _chosen(asked: argparse.Namespace) -> Callable[[Sequence[Mutant]], Sequence[Mutant]]:
    part, parts = (int(number) for number in asked.shard.split("/"))
    lines = changed_lines(asked.changed) if asked.changed else None

    def choose(mutants: Sequence[Mutant]) -> Sequence[Mutant]:
        kept = [one for one in mutants if not asked.only or any(text in one.name for text in asked.only)]
        if lines is not None:
            kept = [one for one in kept if lines.get(one.module, set()) & {one.line, *one.lines}]
        return kept[part - 1 :: parts]

    return choose


def changed_lines(revision: str) -> dict[str, set[int]]:
    """By module, the lines that differ from a revision."""
    command = ["git", "diff", "-U0", "--no-color", revision, "--", "src/livepass/core"]
    found: dict[str, set[int]] = {}
    module = ""
    for line in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if line.startswith("+++ "):
            module = Path(line).stem
        elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(match[1]), int(match[2] or 1)
            found.setdefault(module, set()).update(range(first, first + count))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/mutate", description="Mutation tests of livepass.core.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as trip3_ask; without: all")
    parser.add_argument("--changed", metavar="REV", help="only lines that differ from this revision")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="only mutants whose name holds this text; may be repeated"
    )
    parser.add_argument("--shard", default="1/1", metavar="N/M", help="the n-th of m parts")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--list", action="store_true", help="names of the mutants, and run none")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
