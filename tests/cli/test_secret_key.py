"""``livepass key reseal`` and ``renew``: a new secret key, step by step, as an operator goes through it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

import engines
from cli.conftest import Livepass
from livepass.keys.sealing import Secrets
from livepass.pkpass import read

Set = Callable[..., None]


def named(key: str) -> str:
    return Secrets([key], secrets.token_bytes).first


@pytest.fixture
def database(livepass: Livepass, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database of the project, on each engine in turn."""
    url = engines.new_database(tmp_path / "livepass.db")
    monkeypatch.setenv("LIVEPASS_DATABASE_URL", url)
    return url


@pytest.fixture
def project(database: str, project: Livepass) -> Livepass:
    return project


@pytest.fixture
def old(project: Livepass, tmp_path: Path) -> str:
    return (tmp_path / "secrets/secret.key").read_text().strip()


@pytest.fixture
def new() -> str:
    return secrets.token_urlsafe(32)


@pytest.fixture
def use(tmp_path: Path) -> Set:
    """Sets LIVEPASS_SECRET_KEY, as the file it is kept in."""
    return lambda *keys: (tmp_path / "secrets/secret.key").write_text(",".join(keys))


def test_the_whole_way(project: Livepass, old: str, new: str, use: Set, tmp_path: Path) -> None:
    issue = ("pass", "issue", "pass.test.livepass/1", "--template", "membership", 'member_no="1"', "name=Ada")
    project(*issue)
    project("pass", "build", "pass.test.livepass/1", "-o", "before.pkpass")

    use(old, new)
    found = project("key", "reseal", "--check", "--json").json
    assert (found["first"], found["configured"], found["due"]) == (named(old), [named(old), named(new)], 0)

    use(new, old)
    found = project("key", "reseal", "--check", "--json", exit_=1).json
    assert (found["first"], found["due"]) == (named(new), 3)
    assert {"kind": "certificate key", "secret": named(old), "count": 1, "configured": True} in found["sealed"]
    shown = project("key", "reseal", "--check", exit_=1).out
    assert f"shared key       {named(old)}  2" in shown
    assert "3 of them need another secret key than the first" in shown
    assert project("key", "reseal", "--check", "--json", exit_=1).json["due"] == 3, "looking changes nothing"

    shown = project("key", "reseal").out
    assert "sealed 3 anew" in shown
    assert f"the database does without {named(old)}" in shown
    found = project("key", "reseal", "--json").json
    assert (found["due"], found["resealed"], found["closed"]) == (0, 0, [])
    project("key", "reseal", "--check")

    use(new)
    project("pass", "build", "pass.test.livepass/1", "-o", "after.pkpass")
    assert project("key", "reseal", "--check", "--json").json["configured"] == [named(new)]
    before, after = (read((tmp_path / f"{name}.pkpass").read_bytes()).document for name in ("before", "after"))
    assert before == after, "above all, the token"


def test_a_foreign_secret_key_is_told_with_what_to_do(project: Livepass, old: str, new: str, use: Set) -> None:
    use(new)
    for words in (("serve",), ("worker",), ("status",), ("key", "reseal", "--check")):
        problem = project(*words, "--json", exit_=3).problem
        assert f"sealed with secret key {named(old)}, which is not configured" in problem["title"]
        assert "LIVEPASS_SECRET_KEY must hold that one too" in problem["hint"]
        assert named(new) in problem["hint"]
        for secret in (old, new):
            assert secret not in str(problem)


def test_what_cannot_be_sealed_anew_is_named(database: str, project: Livepass, old: str, new: str, use: Set) -> None:
    use(new, old)
    engines.run(database, "UPDATE certificate SET key_sealed = substr(key_sealed, 1, 40)")
    ran = project("key", "reseal", exit_=1)
    assert "certificate key pass.test.livepass/" in ran.out and "altered" in ran.out
    assert "sealed 2 anew" in ran.out
    assert "1 of them need another secret key" in ran.out


@pytest.mark.parametrize("behind", ["certificate key", "pass token"])
def test_a_backup_from_the_middle_of_a_reseal_needs_both(
    database: str, project: Livepass, old: str, new: str, use: Set, behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shared keys are sealed anew first, then certificates, then tokens: a restore must look at all of them."""
    project("pass", "issue", "pass.test.livepass/1", "--template", "membership", 'member_no="1"', "name=Ada")
    use(new, old)
    if behind == "certificate key":
        [(sealed,)] = engines.run(database, "SELECT key_sealed FROM certificate")
        project("key", "reseal")
        engines.run(database, "UPDATE certificate SET key_sealed = ?", bytes(sealed))
    else:
        project("key", "reseal")
        imported = Secrets([old], secrets.token_bytes).seal(
            b"the token it came with", "pass token pass.test.livepass/1"
        )
        engines.run(database, "UPDATE pass SET token_sealed = ?", imported)
    project("backup", "a.zip")
    monkeypatch.setenv("LIVEPASS_DATABASE_URL", "sqlite:///other.db")
    use(new)
    ran = project("restore", "a.zip", exit_=1)
    assert f"its keys do not open: {behind} pass.test.livepass/" in ran.err
    assert f"sealed with secret key {named(old)}, which is not configured" in ran.err
    assert not Path("other.db").exists()
    use(new, old)
    project("restore", "a.zip")
    project("pass", "build", "pass.test.livepass/1", "-o", "there.pkpass")


def test_new_passes_may_get_a_new_key(project: Livepass) -> None:
    assert project("key", "renew", "--json").json == {"id": "tokens-2"}
    assert "tokens-3" in project("key", "renew").out


@pytest.mark.parametrize("verb", ["reseal", "renew"])
def test_a_secret_key_never_travels(livepass: Livepass, verb: str) -> None:
    ran = livepass("key", verb, "--url", "https://wallet.example.com", "--key", "k" * 20, exit_=2)
    assert "works on the database alone" in ran.err
