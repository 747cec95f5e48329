"""A process that dies by a signal leaves no image of its memory, and what it still says holds no secret."""

from __future__ import annotations

import base64
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from journeys.leaks import Evidence
from livepass.emulators.authority import Issued
from servers.livepass_process import LivepassProcess, running

PATTERN = Path("/proc/sys/kernel/core_pattern")
SECRETS = ("SECRET_KEY", "ADMIN_KEY")


def want_cores() -> None:
    """What a careless init script asks for."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def images(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if "core" in path.name]


@pytest.fixture
def lands_here(tmp_path: Path) -> bool:
    """Whether a core would be seen in the directory of whoever dies: elsewhere, only the limit can be looked at."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    subprocess.run([sys.executable, "-c", "import os; os.abort()"], cwd=crashed, preexec_fn=want_cores)
    return bool(images(crashed))


def core_limit(pid: int) -> str:
    """The soft limit, in bytes."""
    [line] = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core file size")
    ]
    return line.split()[4]


def worker_of(service: LivepassProcess, directory: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "livepass", "worker", "--json"],
            env=dict(service.environment),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=want_cores,
        )
    assert process.stdout is not None
    assert process.stdout.readline(), log.read_text()
    return process


@pytest.mark.skipif(not PATTERN.exists(), reason="the limits of a process are read from /proc")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=["SIGSEGV", "SIGABRT"])
def test_no_image_of_a_process_that_dies(
    number: signal.Signals, tmp_path: Path, pass_certificate: Issued, lands_here: bool
) -> None:
    """Fails when a core file appears, would be handed to a program, or the last words hold a key."""
    evidence = Evidence()
    settings = {"PYTHONFAULTHANDLER": "1"}
    with running(tmp_path, pass_certificate, "--debug", settings=settings, before=want_cores) as service:
        for name in SECRETS:
            text = service.environment[f"LIVEPASS_{name}"]
            evidence.secret(name, text)
        evidence.secret("key's bytes", base64.urlsafe_b64decode(service.environment["LIVEPASS_SECRET_KEY"] + "=="))
        evidence.secret("token", service.token)
        worker_log = tmp_path / "worker.log"
        worker = worker_of(service, tmp_path, worker_log)
        try:
            for process in (service.process, worker):
                # 1 also keeps an image from a program that core_pattern names; 0 would not.
                hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
                assert core_limit(process.pid) == ("1" if hard else "0")
                process.send_signal(number)
                assert process.wait(60) == -number
        finally:
            worker.kill()
            worker.communicate()
    if lands_here:
        assert images(tmp_path) == []
    for log in (service.log, worker_log):
        said = log.read_bytes()
        assert b"Fatal Python error" in said, "what it says when it dies is a part of this"
        evidence.add("crash", said)
    assert evidence.hits() == []
