"""``livepass console``: users of the web console, links and the audit log, on the command line."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import engines
from cli.conftest import Livepass
from livepass.config import load
from livepass.service.console_access import NotLetIn
from livepass.wiring import opened

PASSWORD, OTHER = "correct horse battery", "staple of another kind"


@pytest.fixture
def project(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Livepass) -> Livepass:
    """A project whose database is on each engine in turn."""
    url = engines.new_database(tmp_path / "console.db")
    monkeypatch.setenv("LIVEPASS_DATABASE_URL", url)
    (tmp_path / "pw").write_text(f"{PASSWORD}\nsecond line\n")
    (tmp_path / "other").write_text(OTHER)
    return project


def within(work: Callable[[Any], Any]) -> Any:
    """What the service of this project does with its ``console``."""

    async def main() -> Any:
        async with opened(load()) as services:
            return await work(services.console)

    return asyncio.run(main())


def login(name: str, password: str) -> Any:
    return within(lambda console: console.login(name, password, None, source="192.0.2.1"))


def test_a_user_from_first_to_last(project: Livepass) -> None:
    assert "no users: livepass console user add" in project("console", "user", "list").out
    said = project("console", "user", "add", "Ada", "--role", "operator", "--password-file", "pw").out
    assert "ada may use the console as operator" in said
    project("console", "user", "add", "bob", "--role", "viewer", "--no-password")
    assert login("ada", PASSWORD)
    shown = project("console", "user", "list").out
    assert re.search(r"ada +operator +password +\d{4}-", shown) and re.search(r"bob +viewer +a proxy only", shown)
    [ada, _] = project("console", "user", "list", "--json").rows
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", ada.pop("created_at"))
    assert ada == {
        "name": "ada",
        "role": "operator",
        "has_password": True,
        "asks_code": False,
        "disabled_at": None,
    }
    project("console", "user", "password", "ada", "--password-file", "other")
    with pytest.raises(NotLetIn):
        login("ada", PASSWORD)
    assert login("ada", OTHER)
    project("console", "user", "role", "ada", "admin")
    project("console", "user", "drop-code", "ada")
    assert "disabled" in project("console", "user", "disable", "ada").out
    with pytest.raises(NotLetIn):
        login("ada", OTHER)
    assert project("console", "user", "list", "--json").rows[0]["disabled_at"]
    project("console", "user", "enable", "ada")
    assert login("ada", OTHER)
    rows = project("console", "audit", "--json").rows
    assert [(row["who"], row["action"], row["subject"]) for row in rows][::-1] == [
        ("command line", "added a user", "ada"),
        ("command line", "added a user", "bob"),
        ("ada", "signed in", ""),
        ("command line", "changed a password", "ada"),
        ("ada", "signed in", ""),
        ("command line", "changed a role", "ada"),
        ("command line", "dropped a factor", "ada"),
        ("command line", "disabled a user", "ada"),
        ("command line", "enabled a user", "ada"),
        ("ada", "signed in", ""),
    ]
    older = project("console", "audit", "--json", "--limit", "2", "--before", str(rows[3]["id"])).rows
    assert older == rows[4:6]
    assert re.search(r"command line +admin +changed a role +ada +role admin", project("console", "audit").out)


def test_a_link_lets_in_once(project: Livepass) -> None:
    assert within(lambda console: console.any_user()) is False
    found = project("console", "link", "--json").json
    assert (found["role"], found["minutes"]) == ("admin", 15)
    path, text = found["link"].split("#")
    assert path == "/console/enter"
    session = within(lambda console: console.redeem(text))
    assert within(lambda console: console.visitor(session)).role == "admin"
    with pytest.raises(NotLetIn):
        within(lambda console: console.redeem(text))
    shown = project("console", "link", "--role", "viewer", "--address", "https://passes.example.com/").out
    assert re.match(r"https://passes\.example\.com/console/enter#[\w-]{43}\n", shown)
    assert "good once, for 15 min, as viewer" in shown


@pytest.mark.parametrize(
    ("words", "exit_", "said"),
    [
        (("user", "add", "ada", "--role", "admin", "--password-file", "pw"), 1, "there is a user ada already"),
        (("user", "add", "two words", "--role", "admin", "--no-password"), 1, "is no name for a user"),
        (("user", "add", "eve", "--role", "admin", "--password-file", "short"), 1, "it has 5 characters; it needs 12"),
        (("user", "add", "eve", "--role", "admin", "--password-file", "none"), 3, "none cannot be read"),
        (("user", "add", "eve", "--role", "admin"), 2, "nobody is there to ask for the password"),
        (("user", "add", "eve", "--role", "root"), 2, "root"),
        (("user", "add", "eve", "--role", "admin", "--no-password", "--password-file", "pw"), 2, "do not go together"),
        (("user", "password", "eve", "--password-file", "pw"), 1, "there is no user eve"),
        (("user", "disable", "eve"), 1, "there is no user eve"),
        (("user", "list", "--url", "https://example.com", "--key", "k"), 2, "decided on the database alone"),
        (("link", "--minutes", "0"), 2, "minutes"),
    ],
)
def test_what_cannot_be_done_says_why(
    project: Livepass, tmp_path: Path, words: tuple[str, ...], exit_: int, said: str
) -> None:
    (tmp_path / "short").write_text("short")
    project("console", "user", "add", "ada", "--role", "admin", "--password-file", "pw")
    problem = project("console", *words, "--json", exit_=exit_).problem
    assert said in problem["title"] and problem["exit"] == exit_
    assert PASSWORD not in str(problem)


def test_a_password_is_asked_for_twice_and_not_shown(project: Livepass) -> None:
    words = ("console", "user", "add", "ada", "--role", "viewer")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "livepass", *words], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said = b""
    for prompt, answer in (
        (b"password: ", PASSWORD),
        (b"once more: ", OTHER),
        (b"password: ", PASSWORD),
        (b"once more: ", PASSWORD),
    ):
        before = len(said)
        said += _until(ours, prompt)
        assert prompt in said[before:]
        os.write(ours, answer.encode() + b"\n")
    said += _until(ours, b"as viewer")
    assert process.wait(30) == 0, said
    os.close(ours)
    assert PASSWORD.encode() not in said and OTHER.encode() not in said
    assert login("ada", PASSWORD)


def _until(descriptor: int, wanted: bytes) -> bytes:
    said, until = b"", time.monotonic() + 30
    while wanted not in said and time.monotonic() < until:
        if select.select([descriptor], [], [], 1)[0]:
            try:
                said += os.read(descriptor, 4096)
            except OSError:
                break
    return said
