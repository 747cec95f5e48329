"""A phone takes other bytes for a change: the same pass is the same bytes in every process, whatever differs there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from livepass.cli.starts import STYLES
from livepass.emulators.authority import Issued
from pkpass import everywhere

# Seed of hashes; order of files, keys and data; zone; locale; options of the interpreter.
PROCESSES = [
    ("0", "a", "UTC", "C", ()),
    ("1", "b", "Asia/Tokyo", "C.UTF-8", ("-X", "utf8=1")),
    ("4711", "c", "America/St_Johns", "POSIX", ("-X", "utf8=0", "-B", "-OO")),
]


def said(program: str, folder: Path, certificates: Path, process: tuple[str, str, str, str, tuple[str, ...]]) -> str:
    seed, order, zone, locale, options = process
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, *options, program, str(certificates), order],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONHASHSEED": seed,
            "PYTHONCOERCECLOCALE": "0",
            "TZ": zone,
            "LC_ALL": locale,
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def certificates(tmp_path: Path, pass_certificate: Issued) -> Path:
    (tmp_path / "certificate.pem").write_bytes(pass_certificate.certificate_pem)
    (tmp_path / "key.pem").write_bytes(pass_certificate.key_pem)
    (tmp_path / "intermediate.pem").write_bytes(pass_certificate.intermediate_pem or b"")
    return tmp_path


def test_the_same_pass_is_the_same_bytes_in_every_process(tmp_path: Path, certificates: Path) -> None:
    first, *others = (said(everywhere.__file__, tmp_path / process[0], certificates, process) for process in PROCESSES)
    lines = [line.rsplit(" ", 1) for line in first.splitlines()]
    assert {what.split(" ")[0] for what, _ in lines} == set(STYLES) and len(lines) == 17 * len(STYLES)
    for other in others:
        assert [line for line in other.splitlines() if line not in first] == []
    hashes = dict(lines)
    for style in STYLES:
        for what in ("revision", "names", "manifest", "package"):
            assert len({hashes[f"{style} {way} {what}"] for way in ("folder", "files", "zip")}) == 1
    assert len({hashes[f"{style} folder manifest"] for style in STYLES}) == len(STYLES)
