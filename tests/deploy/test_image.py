"""The image, without a Docker daemon: its recipe's steps are run in a folder, and what they make is run as it would be.

Not looked at here: the base images, and the layers that a daemon makes of the steps.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.proxies import DEPLOY
from free_ports import free_port
from servers.postgres import without

TOP = DEPLOY.parent
UID = 10001


def steps() -> Iterator[tuple[str, str]]:
    """Each instruction of the recipe with what it says."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Dockerfile").read_text())
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def ignored(path: str) -> bool:
    """Whether ``.dockerignore`` keeps it out: of its lines the last that fits decides."""
    out = False
    for line in (TOP / ".dockerignore").read_text().splitlines():
        name = line.removeprefix("!")
        if line and not line.startswith("#") and (name == "*" or path == name or path.startswith(f"{name}/")):
            out = not line.startswith("!")
    return out


def test_what_is_copied_is_let_into_the_build() -> None:
    copied = [rest.split()[:-1] for word, rest in steps() if word == "COPY" and "--from" not in rest]
    names = [name for names in copied for name in names if not name.startswith("--")]
    assert "src" in names and "deploy/entrypoint" in names
    for name in names:
        assert (TOP / name).exists() and not ignored(name), name
    for name in (".git", "tests", "deploy/secrets", "deploy/secrets/secret_key", ".venv", "livepass.db"):
        assert ignored(name), name


def test_the_image_is_nobody_and_writes_in_one_place() -> None:
    said = list(steps())
    assert ("USER", f"{UID}:{UID}") in said and ("VOLUME", "/data") in said and ("STOPSIGNAL", "SIGTERM") in said
    assert [rest for word, rest in said if word == "VOLUME"] == ["/data"]
    assert ("ENTRYPOINT", '["livepass-entrypoint"]') in said and ("CMD", '["serve"]') in said


def build(root: Path) -> Path:
    """Run the first stage in a folder; answers where its ``/opt/livepass`` is."""
    source, made = root / "src", root / "opt"
    source.mkdir(parents=True)
    stage = 0
    for word, rest in steps():
        stage += word == "FROM"
        if stage != 1:
            continue
        if word == "COPY":
            *names, to = rest.split()
            for name in names:
                target = source / (name if to == "./" else to)
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (TOP / name).is_dir() else shutil.copy)(TOP / name, target)
        if word == "RUN":
            command = rest.replace("/opt/livepass", str(made)).replace("python -m venv", f"{sys.executable} -m venv")
            subprocess.run(["sh", "-ec", command], cwd=source, check=True, stdout=subprocess.DEVNULL)
    return made


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_what_the_recipe_makes_serves_as_nobody_on_files_that_cannot_be_written(tmp_path: Path) -> None:
    """With settings from the environment alone; and it ends on SIGTERM with nothing written outside ``/data``."""
    if os.geteuid() != 0:
        without("only root can make files read-only for a process")
    made = build(tmp_path)
    assert not list(made.glob("bin/pip*")) and not list(made.glob("lib/*/site-packages/hatchling"))
    data, temporary = tmp_path / "data", tmp_path / "tmp"
    uid = UID if _open_to_all(Path(sys.executable).resolve()) else 0  # then root without any capability
    for folder in (data, temporary):
        folder.mkdir(mode=0o700)
        os.chown(folder, uid, uid)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    port = free_port()
    environment: Mapping[str, str] = {
        "PATH": f"{made / 'bin'}:/usr/bin:/bin",
        "HOME": str(data),
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LIVEPASS_HOST": "127.0.0.1",
        "LIVEPASS_PORT": str(port),
        "LIVEPASS_PUBLIC_URL": "https://localhost:1",
        "LIVEPASS_SECRET_KEY": "a" * 43,
    }
    places = [str(data), str(temporary)]
    inside = " && ".join(
        [
            *(f"mount --bind {shlex.quote(place)} {shlex.quote(place)}" for place in places),
            "mount -o remount,ro,bind /",
            f"cd {shlex.quote(str(data))}",
            f"exec setpriv --reuid {uid} --regid {uid} --clear-groups --no-new-privs --bounding-set=-all "
            f"--inh-caps=-all sh {shlex.quote(str(DEPLOY / 'entrypoint'))} serve",
        ]
    )
    command = ["unshare", "--mount", "sh", "-ec", inside]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _answers(process, port)
        touch = ["nsenter", f"--mount=/proc/{process.pid}/ns/mnt", "touch", str(made / "x")]
        assert b"Read-only" in subprocess.run(touch, capture_output=True).stderr
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert {file.name for file in data.iterdir()} >= {"livepass.db", "livepass.db.witness"}
    assert list(temporary.iterdir()) == []


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _answers(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.1)
    raise AssertionError("nothing answers")
