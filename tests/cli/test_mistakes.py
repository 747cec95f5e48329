"""What somebody types, pastes or names wrongly: said in our words, without a trace of how we found out."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from urllib.parse import urlsplit

import pytest

from cli.conftest import PASS_TYPE, Livepass
from livepass.cli import names
from livepass.cli.faults import Exit, Fault
from livepass.cli.whole_file import whole_file
from livepass.client.address import BadAddress, checked, possible
from livepass.client.sending import Settings
from livepass.core.findings import FINDINGS
from livepass.emulators.iphone import Wallet, storage
from servers.postgres import require

NAME = f"{PASS_TYPE}/1001"
ISSUE = ("pass", "issue", NAME, "--template", "membership", 'member_no="1"', "name=Ada")


@pytest.fixture
def made(project: Livepass) -> Livepass:
    """A project that can issue."""
    project("template", "import", "templates/membership")
    return project


# ── files


def test_what_is_no_file_is_written_into_and_stays(tmp_path: Path) -> None:
    """Fails when a file takes its place: that of ``/dev/null`` would be gone for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reads = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        names.write_bytes(pipe, b"a pass")
        assert os.read(reads, 100) == b"a pass"
    finally:
        os.close(reads)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(Fault, match="is no file") as refused, whole_file(pipe, force=True):
        pass
    assert refused.value.exit is Exit.REFUSED and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    link.symlink_to(file.name)
    names.write_bytes(link, b"new")
    assert link.is_symlink() and file.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("folder", ["/", ".", ".."])
def test_a_folder_is_no_file(folder: str) -> None:
    with pytest.raises(Fault, match="cannot be written: Is a directory"):
        names.write_bytes(folder, b"x")


# ── values


@pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN", "Infinity", "9" * 5000, "[" * 100_000])
def test_what_is_no_number_of_json_is_text(text: str) -> None:
    assert names.value(text) == text


@pytest.mark.parametrize("text", ['{"a": 1e400}', '{"a": NaN}', '{"a":' * 100_000])
def test_a_file_of_values_that_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(Fault, match=r"data\.json is not JSON|data\.json is nested too deep"):
        names.read_object(str(tmp_path / "data.json"))


@pytest.mark.parametrize("words", [("pass", "show", f"{PASS_TYPE}/\udcff"), ("pass", "set", NAME, 'name="\\ud800"')])
def test_half_a_character_is_called_that(project: Livepass, words: tuple[str, ...]) -> None:
    said = project(*words, exit_=2).err
    assert "which is no character" in said and "fault of livepass" not in said


@pytest.mark.parametrize("first", [b"a\rb", b"\xff\xfe\r\x00"])
def test_a_file_that_is_no_table_is_called_that(project: Livepass, first: bytes) -> None:
    Path("people.csv").write_bytes(first + b"\n1\n")
    assert "the first line is not CSV" in project("import", "passes", "people.csv", exit_=2).err


# ── addresses and keys


@pytest.mark.parametrize("key", ["lp_secret\r", "lp_secret\n", "lp_sécret", "lp_secret\x00"])
def test_what_cannot_be_a_key_is_not_repeated(livepass: Livepass, key: str) -> None:
    """Fails when it comes back in the words of the HTTP client, which would then stand in somebody's log."""
    said = livepass("pass", "list", "--url", "https://localhost:1", "--key", key, exit_=2).err
    assert "the API key holds a character that no key has" in said and "cret" not in said
    assert not possible(key)
    with pytest.raises(ValueError, match="API key") as error:
        Settings("https://localhost:1", key)
    assert "cret" not in str(error.value)


@pytest.mark.parametrize("url", ["https://[::1", "https://localhost:99999999", "https://localhost:0", "https://a:b"])
def test_what_is_no_address_is_called_that(livepass: Livepass, url: str) -> None:
    assert "is not the address of a service" in livepass("pass", "list", "--url", url, "--key", "k", exit_=2).err
    with pytest.raises(BadAddress):
        checked(url)


# ── words


@pytest.mark.parametrize("words", [(), ("pass",), ("phone",)])
def test_a_noun_alone_gets_its_help_and_no_complaint(livepass: Livepass, words: tuple[str, ...]) -> None:
    ran = livepass(*words, exit_=2)
    assert ran.err.startswith("Usage: livepass") and "hint:" not in ran.err and ran.out == ""


def test_the_name_of_a_tenant_is_explained_without_a_pattern(livepass: Livepass) -> None:
    said = livepass("tenant", "add", "The Gym", exit_=2).err
    assert "'The Gym' is not 1 to 40 of a-z, 0-9 and -" in said and "regex" not in said


def test_a_certificate_of_another_tenant_is_no_matter_of_keys(project: Livepass) -> None:
    """Nobody who works on the database itself gave a key: there is none to use instead."""
    project("tenant", "add", "gym")
    words = ("cert", "import", "pass.p12", "--password-file", "password", "--tenant", "gym")
    said = project(*words, exit_=1).err
    assert "is another tenant's, and not of gym" in said and "API key" not in said


def test_a_pass_type_that_is_not_there_is_not_well(made: Livepass) -> None:
    """Fails when the morning round ends in a green tick because its pass type was mistyped."""
    for words in ((), ("--group",)):
        ran = made("why", "--all", "--type", "pass.mistyped", *words)
        assert "no phone follows a pass of pass.mistyped" in ran.out + ran.err
        assert "newest version" not in ran.out + ran.err


def test_a_phone_that_nothing_pushes_to_says_so(tmp_path: Path) -> None:
    storage.write(Wallet([], rng=random.Random(1)), tmp_path / "phone.json")
    words = [sys.executable, "-m", "livepass", "phone", "run"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as phone:
        assert phone.stderr is not None
        said = phone.stderr.readline() + phone.stderr.readline()
        phone.send_signal(signal.SIGINT)
    assert phone.returncode == 0 and "nothing pushes to this phone: --apns-control URL" in said, said


def test_what_is_asked_of_one_pass_type_is_not_said_of_all(project: Livepass) -> None:
    assert "no phone was ever registered for pass.mistyped" in project("push", "list", "--type", "pass.mistyped").out


def test_whoever_reads_a_remedy_at_a_terminal_finds_a_command_there() -> None:
    assert [one.code for one in FINDINGS if "/api/v1" in one.remedy] == []


@pytest.mark.parametrize("key", ["nowhere.key", "tls.pem"])
def test_the_files_that_tls_cannot_be_spoken_with_are_named(project: Livepass, tls: Path, key: str) -> None:
    said = project("serve", "--port", "0", "--tls-cert", "tls.pem", "--tls-key", key, exit_=2).err
    assert f"the TLS certificate tls.pem with the key {key} cannot be used" in said


# ── what could not be done


@pytest.mark.parametrize("words", [ISSUE, ("pass", "set", NAME, "name=Grace"), ("pass", "void", NAME)])
def test_nothing_is_said_to_have_changed_that_was_not_stored(made: Livepass, words: tuple[str, ...]) -> None:
    """Fails when the preview is shown as what was done: it is asked for first, and the disk may be full by then."""
    if words is not ISSUE:
        made(*ISSUE)
    with closing(connect("livepass.db")) as db:
        for verb in ("INSERT", "UPDATE"):
            db.execute(f"CREATE TRIGGER full_{verb} BEFORE {verb} ON pass BEGIN SELECT RAISE(ABORT, 'no room'); END")
        db.commit()
    ran = made(*words, exit_=3)
    assert ran.out == "" and "no room" in ran.err


def test_a_broken_database_leads_to_a_backup_and_not_in_a_circle(livepass: Livepass) -> None:
    livepass("init", "--public-url", "https://wallet.example.com")
    Path("livepass.db").write_bytes(b"no database at all" * 1000)
    for words in (("db", "verify"), ("status",)):
        said = livepass(*words, exit_=3).err
        assert "hint: keep a copy of it" in said and "livepass help restore-from-a-backup" in said
    assert livepass("help", "restore-from-a-backup").out


def test_a_database_that_cannot_be_opened_is_about_room_and_permission(livepass: Livepass) -> None:
    livepass("init", "--public-url", "https://wallet.example.com")
    Path("livepass.db").mkdir()
    assert "may this user write to the file" in livepass("status", exit_=3).err


def test_a_role_that_may_not_is_told_who_may(livepass: Livepass, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since PostgreSQL 15, who may use a database may not make tables in it."""
    server = require()
    url = urlsplit(server.create_database())
    server.run_sql("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    server.run_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", url.path[1:])
    livepass("init", "--public-url", "https://wallet.example.com")
    theirs = url._replace(netloc=f"stranger:x@{url.netloc.rpartition('@')[2]}").geturl()
    monkeypatch.setenv("LIVEPASS_DATABASE_URL", theirs)
    try:
        said = livepass("db", "upgrade", exit_=3).err
        assert "permission denied for schema public" in said and "OWNER TO" in said
    finally:
        server.run_sql("DROP ROLE stranger")
