"""``pytest --livepass-conformance``: the checks as somebody else's tests, in a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import livepass
from doctor.stage import SERIAL, Stage
from doctor.test_service import answered, instead, is_method, told
from journeys.world import Answer
from livepass.doctor import CHECKS, Group
from livepass.web.phone import Scope

COUNT = len([check for check in CHECKS if check.group is not Group.SELF]) + 1


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that announces the plugin as our wheel does, whatever is installed here."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    folder = tmp_path / "site" / "livepass_here-0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: livepass-here\nVersion: 0\n")
    points = project["entry-points"]["pytest11"]
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{lines}\n")
    return tmp_path


def run(folder: Path, *words: str) -> tuple[int, str]:
    """A pytest in an empty project, with the plugin found by its entry point."""
    source = Path(livepass.__file__).parents[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environ["PYTHONPATH"] = os.pathsep.join([str(folder / "site"), str(source)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *words],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def conformance(stage: Stage, folder: Path, *more: str, url: str = "") -> tuple[int, str]:
    (folder / "acme.pkpass").write_bytes(stage.data)
    (folder / "root.pem").write_bytes(stage.authority.root_pem)
    given = ("--livepass-conformance", url or stage.world.url, "--livepass-ca-file", "root.pem")
    return run(folder, *given, "--livepass-pass", "acme.pkpass", *more)


def counts(said: str) -> dict[str, int]:
    return {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|skipped|warnings?|deselected)", said)}


def test_a_healthy_service_conforms(stage: Stage, installed: Path) -> None:
    code, said = conformance(stage, installed, "--livepass-register", "-v")
    assert code == 0, said
    assert counts(said) == {"passed": COUNT - 6, "skipped": 6}
    assert "livepass-conformance::WS9 PASSED" in said and "livepass-conformance::CLEAN-UP PASSED" in said
    assert "needs --p12" in said and "needs --log" in said
    assert stage.token not in said and stage.registered() == []


def test_a_failure_shows_its_evidence_and_no_traceback(stage: Stage, installed: Path) -> None:
    def sick(scope: Scope, answer: Answer) -> None:
        told(lambda d: d.update(lastUpdated=7))(scope, answer)
        instead(200, 204, is_method("DELETE"))(scope, answer)

    with stage.world.spoiled(sick):
        code, said = conformance(stage, installed, "--livepass-register")
    assert code == 1
    assert counts(said) == {"failed": 1, "passed": COUNT - 8, "skipped": 7, "warning": 1}
    for line in (
        "evidence: lastUpdated is a number (7), and phones take a string only",
        "remedy: write lastUpdated as a JSON string, and list what is newer than the tag",
        "see: docs/reference/doctor-checks.md#ws9",
        "WS11 unregistering is answered 204",
    ):
        assert line in said, said
    assert "Traceback" not in said and "in runtest" not in said
    assert stage.registered() == []


def test_strict_and_a_choice_of_checks(stage: Stage, installed: Path) -> None:
    with stage.world.spoiled(instead(200, 204, is_method("DELETE"))):
        code, said = conformance(stage, installed, "--livepass-register", "--livepass-strict", "-k", "WS11 or WS1")
    assert code == 1
    assert counts(said) == {"failed": 1, "passed": 3, "deselected": COUNT - 4}  # WS1, WS10, WS12


def test_a_device_that_stays_is_a_failure(stage: Stage, installed: Path) -> None:
    with stage.world.spoiled(answered(500, is_method("DELETE"))):
        code, said = conformance(stage, installed, "--livepass-register", "-k", "CLEAN")
    assert code == 1 and "may still be registered" in said and f"/{SERIAL} " in said


def test_without_register_nothing_is_written(stage: Stage, installed: Path) -> None:
    code, said = conformance(stage, installed)
    assert code == 0 and "nothing was registered" in said
    assert b"POST" not in stage.front.requests and b"DELETE" not in stage.front.requests


@pytest.mark.parametrize("url", ["https://localhost:1/wallet", "https://elsewhere.example.com/wallet"])
def test_the_token_goes_only_where_the_pass_says(stage: Stage, installed: Path, url: str) -> None:
    code, said = conformance(stage, installed, url=url)
    assert code == 4 and "the pass names another webServiceURL" in said
    assert stage.front.requests == b""


def test_a_pass_is_needed(installed: Path) -> None:
    code, said = run(installed, "--livepass-conformance", "https://localhost:1/wallet")
    assert code == 4 and "--livepass-pass FILE.pkpass" in said
    code, said = run(installed, "--livepass-conformance", "https://localhost:1/w", "--livepass-pass", "missing")
    assert code == 4 and "cannot begin" in said and "Traceback" not in said


def test_without_the_option_it_costs_nothing(installed: Path) -> None:
    (installed / "test_mine.py").write_text(
        "import sys\n\ndef test_mine(request):\n"
        "    assert request.config.pluginmanager.has_plugin('livepass')\n"
        "    ours = [name for name in sys.modules if name.startswith('livepass.')]\n"
        "    assert ours == ['livepass._version', 'livepass.pytest_plugin']\n"
        "    assert not {'cryptography', 'httpx2', 'click'} & set(sys.modules)\n"
    )
    code, said = run(installed)
    assert code == 0 and counts(said) == {"passed": 1}, said


def test_its_tests_stand_beside_ones_own(stage: Stage, installed: Path) -> None:
    (installed / "test_mine.py").write_text("def test_mine(): pass\n")
    code, said = conformance(stage, installed, "-k", "mine or PKG1")
    assert code == 0 and counts(said) == {"passed": 2, "deselected": COUNT - 1}, said
