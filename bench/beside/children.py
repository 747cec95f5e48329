"""What is measured runs in a process and on a core of its own: ``bench/all --child ROLE``, and JSON on its stdin.

A child prints one line when it is ready, and, where it measures itself, one line of JSON when it is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CORES = sorted(os.sched_getaffinity(0))
MEASURED, LOAD = CORES[0], CORES[-1]
"""The core of what is measured, and that of what keeps it busy."""


def run(role: str) -> None:
    """The child's side."""
    from beside import roles

    os.sched_setaffinity(0, {MEASURED})
    roles.ROLES[role](**json.loads(sys.stdin.read()))


@contextmanager
def child(role: str, **given: Any) -> Iterator[subprocess.Popen[str]]:
    """The parent's: a child that is ready, ended at the end."""
    command = [sys.executable, sys.argv[0], "--child", role]
    with ended(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        require_ready(process, role)
        yield process


def outcome(role: str, **given: Any) -> Any:
    """What a child that measures itself found."""
    with child(role, **given) as process:
        return told(process, role)


def told(process: subprocess.Popen[str], name: str) -> Any:
    """The line of JSON with which a process ends."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{name} ended with {process.wait()} and said nothing")
    return json.loads(line)


def require_ready(process: subprocess.Popen[str], name: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if line != "ready":
        raise SystemExit(f"{name} did not come up: {line!r}")


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process so far, and of its children: some servers work in one."""
    spent, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            spent[int(path.parent.name)] = int(fields[11]) + int(fields[12])
            parents[int(path.parent.name)] = int(fields[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(spent.get(one, 0) for one in family) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_ended(pid: int) -> float:
    """Of a process's children that have ended: a connection's, of PostgreSQL."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def pinned(core: int) -> Mapping[str, Any]:
    """Arguments of ``Popen`` for a program that is not ours."""
    return {"preexec_fn": lambda: os.sched_setaffinity(0, {core})}
