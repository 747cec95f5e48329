"""``livepass help``: every page is found by its topic, from a checkout and from a wheel."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from livepass.core.findings import FINDINGS
from livepass.core.testimony import SENTENCES
from livepass.doctor import CHECKS
from livepass.manual import Manual

ROOT = Path(__file__).parents[2]
TOPICS = [entry.topic for entry in Manual().entries]


def test_every_page_has_a_topic_of_its_own() -> None:
    assert len({topic.lower() for topic in TOPICS}) == len(TOPICS)
    assert {each.code for each in (*FINDINGS, *SENTENCES)} | {"findings", "device-log", "adr"} <= set(TOPICS)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("LP303", "# LP303 ask refused"),
        ("lp303", "# LP303 ask refused"),
        ("T5b", "# T5b Requested pass of type"),
        ("docs/reference/findings/LP303.md", "# LP303 ask refused"),
        ("/docs/device-log/S5", "# S5 Response to"),
        ("NET2", "# NET2 Its TLS certificate is trusted\n\nExpected: "),
        ("net2", "# NET2 Its"),
        ("findings", "# Findings"),
        ("device-log", "# What phones say"),
        ("running", "# Running it"),
    ],
)
def test_a_page_is_printed(livepass, typed, title):
    said = livepass("help", typed).out
    assert said.startswith(title) and said.count("\n") > 9
    assert "<!--" not in said and "<a id" not in said


def test_every_check_of_the_doctor_has_a_section(livepass):
    manual = Manual()
    for check in CHECKS:
        entry = manual.find(check.id)
        assert entry is not None and entry.title() == f"{check.id} {check.title}", check.id
        assert check.remedy in entry.text() and entry.text().count("\n#") == 0
        assert entry.address == f"/{check.docs}".replace("/reference", "").replace(".md", "")


def test_a_program_gets_a_page_as_json(livepass):
    found = livepass("help", "LP303", "--json").json
    assert (found["topic"], found["title"], found["path"]) == ("LP303", "LP303 ask refused", "/docs/findings/LP303")
    assert found["text"].startswith("# LP303")


def test_without_a_topic_all_are_listed(livepass):
    said = livepass("help").out
    assert "ask refused" in said and "start here" in said
    rows = livepass("help", "--json").rows
    assert [row["topic"] for row in rows] == TOPICS and all(row["title"] for row in rows)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("tt5b", "did you mean T5b?"), ("findngs", "did you mean findings?"), ("qqqqqqq", "livepass help lists them")],
)
def test_an_unknown_topic_is_a_usage_error(livepass, typed, meant):
    ran = livepass("help", typed, exit_=2)
    assert ran.out == "" and meant in ran.err


def test_a_path_leads_nowhere_else(livepass):
    for typed in ("../README", "../../etc/passwd", "/etc/passwd", "docs/../CHANGELOG.md"):
        assert livepass("help", typed, exit_=2).out == ""


def test_a_command_has_its_help(livepass):
    assert livepass("help", "pass", "timeline").out == livepass("pass", "timeline", "--help").out
    assert "has no command 'tmeline'" in livepass("help", "pass", "tmeline", exit_=2).err


def test_an_installation_without_pages_says_so(livepass, tmp_path, monkeypatch):
    monkeypatch.setattr("livepass.manual.FOLDERS", (tmp_path / "none",))
    assert "no pages came with this installation" in livepass("help", "LP303", exit_=3).err


def test_on_a_terminal_it_is_drawn() -> None:
    parent, child = pty.openpty()
    with os.fdopen(parent, "rb", buffering=0) as terminal:
        command = [sys.executable, "-m", "livepass", "help", "LP303"]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment, cwd=ROOT)
        os.close(child)
        said = b""
        while True:
            try:
                piece = terminal.read(65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
    assert process.wait(60) == 0
    assert b"LP303 ask refused" in said and b"# LP303" not in said


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not in a copy of the repository")
def test_the_wheel_prints_the_same_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = "import livepass, sys; print(livepass.__file__); from livepass.cli.running import run; run(['help', 'S5'])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    said = subprocess.check_output([sys.executable, "-c", script], env=environment, cwd=tmp_path, text=True)
    where, _, page = said.partition("\n")
    assert where.startswith(str(tmp_path)) and page.startswith("# S5 Response to 'What changed?'")
