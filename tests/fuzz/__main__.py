"""``scripts/fuzz``: each target for a while, in a process of its own, and what came of it. Leaves with 1 on a crash."""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz.target import CORPUS, FOUND, Target
from fuzz.targets import TARGETS

NIGHTLY_SECONDS = 30 * 60
LONGEST_SECONDS = 5
MOST_MIB = 512
KEPT_FILES, KEPT_BYTES, KEPT_TOGETHER = 60, 4096, 12 * 1024
"""For each target: files, and bytes of one and of all."""
CRASHES = Path("build/fuzz")
_PROGRESS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)")
_UNNAMED = re.compile(r"[0-9a-f]{12}")
_STAT = re.compile(r"stat::(\w+):\s+(\d+)")


@dataclass
class Run:
    """What one process did. ``crash`` is the input that ended it, if one did."""

    target: Target
    log: str
    slowest: str
    crash: Path | None
    code: int

    @property
    def row(self) -> str:
        stat = dict(_STAT.findall(self.log))
        cov, features, files, size = (_PROGRESS.findall(self.log) or [("?", "?", "?", "?")])[-1]
        done = stat.get("number_of_executed_units") or (re.findall(r"^#(\d+)", self.log, re.MULTILINE) or ["?"])[-1]
        return (
            f"{self.target.name:18}{done:>10}{stat.get('average_exec_per_sec', '?'):>8}{cov:>7}{features:>8}"
            f"{files:>7}{size:>9}{int(self.code != 0):>9}{self.slowest:>10} s{stat.get('peak_rss_mb', '?'):>6} MiB"
        )

    @property
    def why(self) -> str:
        """The Python traceback, or the last that libFuzzer said."""
        at = self.log.find("Uncaught Python exception")
        told = self.log[at:] if at >= 0 else self.log[-2500:]
        return "\n".join(line for line in told.splitlines() if not line.startswith("stat::"))[:4000]


def run(target: Target, seconds: int, seed: int, *, keep: bool) -> Run:
    """Fuzz one target. What is new in its corpus is kept where that is asked for."""
    with tempfile.TemporaryDirectory(prefix="livepass-fuzz-") as place:
        folder = Path(place)
        for name in ("grown", "seeds", "tmp"):
            (folder / name).mkdir()
        known = [path for path in (CORPUS / target.name, FOUND / target.name) if path.is_dir()]
        (folder / "words").write_text("".join(f'"{_quoted(word)}"\n' for word in target.words))
        arguments = (
            *(str(path) for path in (folder / "grown", folder / "seeds", *known)),
            f"-max_total_time={seconds}",
            f"-timeout={LONGEST_SECONDS}",
            f"-rss_limit_mb={MOST_MIB}",
            f"-max_len={target.longest}",
            f"-seed={seed}",
            *([f"-dict={folder / 'words'}"] if target.words else []),
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
        )
        code, log = _child(target, folder, arguments, seconds + 120)
        if keep and target.keeps:
            _keep(target, folder)
        return Run(target, log, _slowest(folder), _saved(target, folder), code)


def _child(target: Target, folder: Path, arguments: Sequence[str], seconds: int) -> tuple[int, str]:
    command = [sys.executable, "-m", "fuzz.child", target.name, str(folder / "slowest"), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": str(folder / "tmp")}
    with (folder / "log").open("wb") as log:
        try:
            code = subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            code = 1
    return code, (folder / "log").read_text("utf-8", "replace")


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def _slowest(folder: Path) -> str:
    path = folder / "slowest"
    return path.read_text() if path.exists() else "?"


def _saved(target: Target, folder: Path) -> Path | None:
    """The crash, moved to where it can be replayed from."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("crash-", "timeout-", "oom-", "leak-")):
            saved = CRASHES / target.name / path.name
            saved.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, saved)
            return saved
    return None


def _keep(target: Target, folder: Path) -> None:
    """The least inputs that reach what was reached, as libFuzzer finds them, join what has a name in the corpus."""
    kept = CORPUS / target.name
    (folder / "least").mkdir()
    sources = [folder / "seeds", *([kept] if kept.is_dir() else []), folder / "grown"]
    edges = ("-merge=1", "-use_counters=0", f"-timeout={LONGEST_SECONDS}", f"-max_len={target.longest}")
    _child(target, folder, (*edges, str(folder / "least"), *map(str, sources)), 300)
    least = _thinned([*(folder / "least").iterdir()])
    if not least:
        return
    kept.mkdir(parents=True, exist_ok=True)
    for path in kept.iterdir():
        if _UNNAMED.fullmatch(path.name):
            path.unlink()
    for path in least:
        shutil.copy(path, kept / path.name[:12])


def _thinned(paths: Sequence[Path]) -> list[Path]:
    """Some of all sizes, within the bounds."""
    chosen: list[Path] = []
    room = KEPT_TOGETHER
    for path in random.Random(0).sample(sorted(paths), len(paths)):
        size = path.stat().st_size
        if size <= min(room, KEPT_BYTES) and len(chosen) < KEPT_FILES:
            chosen.append(path)
            room -= size
    return chosen


def replay(target: Target, path: Path) -> int:
    """One input, without atheris; with the traceback, if there is one."""
    try:
        target.one(path.read_bytes())
    except Exception:
        traceback.print_exc()
        return 1
    print(f"{target.name}: {path} is answered as it should be")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="for each target (10)")
    parser.add_argument("--nightly", action="store_true", help=f"{NIGHTLY_SECONDS // 60} minutes for each target")
    parser.add_argument("--target", nargs="+", choices=TARGETS, metavar="NAME", default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=1, help="libFuzzer's (1)")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="run one input and show what happens")
    parser.add_argument("--keep", action="store_true", help="let the corpus become what was found, minimised")
    parser.add_argument("--list", action="store_true", help="the names of the targets")
    chosen = parser.parse_args()
    if chosen.list:
        print(*TARGETS, sep="\n")
        return 0
    if chosen.replay:
        return replay(TARGETS[chosen.replay[0]], Path(chosen.replay[1]))
    seconds = NIGHTLY_SECONDS if chosen.nightly else chosen.seconds
    print(f"seed {chosen.seed}, {seconds} s for each of {len(chosen.target)} targets")
    print(
        f"{'target':18}{'runs':>10}{'per s':>8}{'edges':>7}{'feat.':>8}{'corpus':>7}{'size':>9}{'crashes':>9}"
        f"{'slowest':>12}{'peak':>10}"
    )
    failed = 0
    for name in chosen.target:
        done = run(TARGETS[name], seconds, chosen.seed, keep=chosen.keep)
        print(done.row, flush=True)
        if done.code:
            failed += 1
            print(done.why)
            if done.crash:
                print(f"replay it with: scripts/fuzz --replay {name} {done.crash}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
