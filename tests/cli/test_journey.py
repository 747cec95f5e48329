"""A project from the first command to the last, over the database here; each step as people and as programs see it."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from livepass.cli.key import key
from livepass.pkpass.zip_write import archive, entry, head
from livepass.service.access import SCOPES
from livepass.service.issuing import Issuing

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"
BARCODE = {"message": "4006381333931", "messageEncoding": "iso-8859-1"}


@pytest.fixture
def issued(project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    return project


# ── the way in


def test_a_fault_inside_the_service_here_is_not_hidden_in_a_log(issued, monkeypatch):
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("livepass.service.issuing.Issuing.pkpass", broken)
    ran = issued("pass", "build", NAME, "-o", "x.pkpass", exit_=1)
    assert "ZeroDivisionError: boom" in ran.err and "Traceback" not in ran.err and "report" in ran.err


def test_before_there_is_a_database(livepass, files):
    livepass("init", "--public-url", "https://wallet.example.com")
    ran = livepass("pass", "list", exit_=3)
    assert ran.err == f"livepass: there is no database {Path('livepass.db').absolute()}\nhint: livepass db upgrade\n"
    assert livepass("status", "--json", exit_=3).problem["hint"] == "livepass db upgrade"
    assert not Path("livepass.db").exists(), "looking makes no database"
    livepass("db", "upgrade", "--check", exit_=1)
    livepass("db", "verify", exit_=3)


def test_db_upgrade_runs_once(livepass):
    livepass("init")
    assert livepass("db", "upgrade", "--json").json["ran"]
    assert livepass("db", "upgrade", "--json").json["ran"] == []
    assert livepass("db", "upgrade", "--check", "--json").json["due"] == []
    assert livepass("db", "verify", "--json").json["findings"] == []
    assert "up to date" in livepass("db", "upgrade").out


def test_a_database_of_another_version_is_refused(project):
    database = sqlite3.connect("livepass.db")
    database.execute("INSERT INTO migration (number, name, oldest, applied_at) VALUES (999, 'later', 999, 1)")
    database.commit()
    database.close()
    for words in (("pass", "list"), ("serve", "--port", "0"), ("worker",), ("db", "verify")):
        ran = project(*words, exit_=3)
        assert "schema 999" in ran.err and "newer livepass" in ran.err


def test_a_file_that_is_no_database(project):
    Path("livepass.db").write_bytes(b"this is a text, not a database, and long enough to be taken for one" * 100)
    for suffix in ("-wal", "-shm"):
        Path(f"livepass.db{suffix}").unlink(missing_ok=True)
    assert "cannot be used" in project("pass", "list", exit_=3).err
    project("db", "verify", exit_=3)
    project("db", "upgrade", exit_=3)


def test_another_secret_key_is_noticed(issued):
    Path("secrets/secret.key").write_text("A" * 43)
    ran = issued("pass", "build", NAME, "-o", "x.pkpass", exit_=3)
    assert "which is not configured" in ran.err and "LIVEPASS_SECRET_KEY must hold that one too" in ran.err
    Path("secrets/secret.key").write_text("short")
    assert "LIVEPASS_SECRET_KEY" in issued("pass", "list", exit_=2).err


def test_cert_import_from_a_p12(livepass, files):
    livepass("init")
    livepass("db", "upgrade")
    ran = livepass("cert", "import", "pass.p12", "--password-file", "password")
    assert TYPE in ran.out and "live" in ran.out and "foreign" not in ran.err
    [row] = livepass("cert", "list", "--json").rows
    assert row["live"] is True and row["pass_type"] == TYPE
    assert livepass("cert", "show", row["id"][:6], "--json").json["id"] == row["id"]
    assert TYPE in livepass("cert", "show", row["id"]).out
    assert "0 certificates" in livepass("cert", "show", "nothing", exit_=1).err


def test_cert_import_from_pem(livepass, files):
    livepass("init")
    livepass("db", "upgrade")
    words = ("--pem", "cert.pem", "--key", "key.pem", "--intermediate", "wwdr.pem")
    assert livepass("cert", "import", *words, "--json").json["state"] == "live"


def test_cert_import_that_cannot_work(livepass, files):
    livepass("init")
    livepass("db", "upgrade")
    (files / "other").write_text("hunter2\n")
    assert livepass("cert", "import", "pass.p12", "--password-file", "other", exit_=1).err.startswith("livepass: ")
    assert "hunter2" not in livepass("cert", "import", "pass.p12", "--password-file", "other", "--json", exit_=1).err
    livepass("cert", "import", exit_=2)
    livepass("cert", "import", "--pem", "cert.pem", exit_=2)
    livepass("cert", "import", "nowhere.p12", exit_=3)


def test_template_import_again_is_a_new_revision_that_passes_follow(issued):
    assert issued("template", "import", "templates/membership", "--json").json["new"] is False
    folder = Path("templates/membership/pass.json")
    folder.write_text(folder.read_text().replace("Example Club", "Other Club"))
    assert issued("template", "import", "templates/membership", "--json").json["new"] is True
    shown = issued("pass", "show", NAME, "--json").json
    assert shown["document"]["organizationName"] == "Other Club", "followed before the command ended"
    [row] = issued("template", "list", "--json").rows
    assert issued("template", "show", "membership", "--json").json == row
    assert "member_no" in issued("template", "show", "membership").out
    issued("template", "show", "nothing", exit_=1)


def test_template_under_another_name(issued):
    assert issued("template", "import", "templates/membership", "--name", "gym", "--json").json["name"] == "gym"


def test_template_that_cannot_be_used(project, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no pass.json" in project("template", "import", "empty", exit_=1).err
    project("template", "import", "nowhere", exit_=1)


# ── passes


def test_issue(project):
    words = ("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada")
    dry = project(*words, "--dry-run", "--json").json
    assert dry["created"] and dry["dry_run"]
    assert project("pass", "list", "--json").rows == []
    done = project(*words, "--json").json
    assert done["changed"] and done["created"] and done["tag"].startswith("v1.")
    assert "nothing changes" in project(*words).out
    [row] = project("pass", "list", "--json").rows
    assert (row["pass_type"], row["serial"]) == (TYPE, "1001")
    assert NAME in project("pass", "list").out


def test_issue_from_files(project, tmp_path):
    (tmp_path / "data.json").write_text(json.dumps({"member_no": "7", "name": "Ada", "points": 1}))
    (tmp_path / "content.json").write_text(json.dumps({"organizationName": "Mine"}))
    words = ("--data", "data.json", "--content", "content.json", "points=5")
    project("pass", "issue", NAME, "--template", "membership", *words)
    found = project("pass", "show", NAME, "--json").json
    assert found["data"] == {"member_no": "7", "name": "Ada", "points": 5}, "key=value goes over the file"
    assert found["document"]["organizationName"] == "Mine"
    (tmp_path / "data.json").write_text("[1]")
    assert "no JSON object" in project("pass", "issue", NAME, "--data", "data.json", exit_=1).err
    project("pass", "issue", NAME, "--data", "-", "--content", "-", exit_=2)


def test_issue_that_does_not_fit_the_template(project):
    words = ("pass", "issue", NAME, "--template", "membership", "name=Ada")
    ran = project(*words, exit_=1)
    assert "/data/member_no: is missing" in ran.err and "hint:" in ran.err
    assert "did you mean 'points'?" in project(*words, 'member_no="1"', "pionts=3", exit_=1).err
    problem = project(*words, "--json", exit_=1).problem
    assert problem["errors"][0]["pointer"] == "/data/member_no" and problem["exit"] == 1


def test_a_number_where_text_is_wanted_says_how_to_write_text(project):
    ran = project("pass", "issue", NAME, "--template", "membership", "name=Ada", "member_no=1001", exit_=1)
    assert """hint: in quotes it is text: member_no='"1001"'""" in ran.err


def test_issue_without_a_template_or_with_an_unknown_one(project):
    assert "needs a template" in project("pass", "issue", NAME, exit_=1).err
    ran = project("pass", "issue", NAME, "--template", "membershp", exit_=1)
    assert "did you mean membership?" in ran.err


def test_set_says_what_the_phones_will_show(issued):
    ran = issued("pass", "set", NAME, "points=130", "--dry-run")
    assert "120 → 130" in ran.out and "“You have 130 points”" in ran.out and "would change" in ran.out
    assert issued("pass", "show", NAME, "--json").json["data"]["points"] == 120
    done = issued("pass", "set", NAME, "points=130", "--json").json
    assert done["lock_screen"] == "You have 130 points" and done["changed"] and done["registrations"] == 0
    assert done["fields"] == [{"key": "points", "before": 120, "after": 130, "message": "You have %@ points"}]
    assert issued("pass", "show", NAME, "--json").json["data"]["points"] == 130
    assert "nothing changes on a phone" in issued("pass", "set", NAME, "points=130").out


def test_a_dry_run_says_what_comes_of_a_warning(project):
    content = {"futureKey": 1, "barcodes": [{"format": "PKBarcodeFormatEAN13", **BARCODE}]}
    Path("content.json").write_text(json.dumps(content))
    said = project(
        *("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120"),
        *("--content", "content.json", "--dry-run"),
    ).out.splitlines()
    [key] = [line for line in said if "futureKey" in line]
    [barcode] = [line for line in said if "/barcodes" in line]
    assert key.endswith("(has no effect)") and barcode.endswith("(has no effect, iOS 18 and iOS 26 only)")


def test_set_null_takes_the_default_again(issued):
    issued("pass", "set", NAME, "points=null")
    found = issued("pass", "show", NAME, "--json").json
    assert "points" not in found["data"]
    assert found["document"]["storeCard"]["primaryFields"][0]["value"] == 0


def test_set_of_a_pass_that_is_not_there(project):
    ran = project("pass", "set", NAME, "points=1", exit_=1)
    assert f"there is no pass {NAME}" in ran.err and "livepass pass list" in ran.err


def test_show(issued):
    ran = issued("pass", "show", NAME)
    assert "Ada" in ran.out and "no phone follows it" in ran.out
    assert "authenticationToken" not in issued("pass", "show", NAME, "--json").json["document"]
    issued("pass", "show", f"{TYPE}/9", exit_=1)


def test_list_filters_and_pages(project, tmp_path):
    lines = [
        {"pass_type": TYPE, "serial": f"s-{n:04}", "template": "membership", "data": {"member_no": "1", "name": "A"}}
        for n in range(60)
    ]
    (tmp_path / "many.ndjson").write_text("\n".join(map(json.dumps, lines)))
    project("pass", "batch", "many.ndjson")
    assert len(project("pass", "list", "--json").rows) == 60
    assert len(project("pass", "list", "--limit", "55", "--json").rows) == 55
    assert len(project("pass", "list", "--prefix", "s-000", "--json").rows) == 10
    assert project("pass", "list", "--type", "pass.other", "--json").rows == []


def test_batch(project, tmp_path):
    good = {"pass_type": TYPE, "serial": "a", "template": "membership", "data": {"member_no": "1", "name": "A"}}
    (tmp_path / "b.ndjson").write_text(f"{json.dumps(good)}\n\nnot json\n{json.dumps(good | {'serial': 'b'})}\n")
    ran = project("pass", "batch", "b.ndjson", exit_=1)
    assert "2 passes done" in ran.out and "1 of 3 lines" in ran.err and "line 3:" in ran.err
    ran = project("pass", "batch", "b.ndjson", "--json", exit_=1)
    assert [(row["line"], row["ok"]) for row in ran.rows] == [(1, True), (3, False), (4, True)]
    (tmp_path / "none.ndjson").write_text("\n")
    project("pass", "batch", "none.ndjson")


def test_batch_of_more_than_one_call_holds(project, monkeypatch, tmp_path):
    monkeypatch.setattr("livepass.cli.batch.CALL_LINES", 2)
    good = {"pass_type": TYPE, "template": "membership", "data": {"member_no": "1", "name": "A"}}
    (tmp_path / "b.ndjson").write_text("\n".join(json.dumps(good | {"serial": str(n)}) for n in range(5)))
    assert [row["line"] for row in project("pass", "batch", "b.ndjson", "--json").rows] == [1, 2, 3, 4, 5]


def test_build_verify_lint(issued):
    done = issued("pass", "build", NAME, "-o", "x.pkpass", "--json").json
    assert done["bytes"] == Path("x.pkpass").stat().st_size
    found = issued("pass", "verify", "x.pkpass", "--json").json
    assert found["serial"] == "1001" and found["root"] == "foreign" and found["root_checked"] is False
    assert issued("pass", "verify", "x.pkpass", "--ca", "root.pem", "--json").json["root_checked"] is True
    assert "no phone takes its passes" in issued("pass", "verify", "x.pkpass").out
    issued("pass", "verify", "x.pkpass", "--ca", "cert.pem", exit_=1)
    issued("pass", "verify", "x.pkpass", "--ca", "password", exit_=2)
    assert issued("pass", "lint", "x.pkpass", "--json").json["fatal"] == 0
    issued("pass", "build", NAME, "-o", "nowhere/x.pkpass", exit_=3)
    issued("pass", "build", NAME, "-o", "-", "--json", exit_=2)


def test_verify_finds_a_changed_file(issued):
    issued("pass", "build", NAME, "-o", "x.pkpass")
    data = Path("x.pkpass").read_bytes()
    Path("x.pkpass").write_bytes(data.replace(b'"Ada"', b'"Eve"'))
    ran = issued("pass", "verify", "x.pkpass", exit_=1)
    assert ran.out == "" and "hint:" in ran.err


def test_bundle_only_reads(issued, monkeypatch):
    """What a change leaves to be done in the background is done by commands that change something."""
    followed = []
    whole = Issuing.follow_all

    async def watched(self, *given):
        followed.append(given)
        return await whole(self, *given)

    monkeypatch.setattr(Issuing, "follow_all", watched)
    issued("pass", "bundle", NAME, "-o", "all.pkpasses")
    assert followed == []
    issued("pass", "set", NAME, "points=7")
    assert len(followed) == 1


def test_bundle_of_the_service_and_of_files(issued, livepass):
    issued("pass", "issue", f"{TYPE}/1002", "--template", "membership", 'member_no="1002"', "name=Bob", "points=7")
    issued("pass", "build", NAME, "-o", "x.pkpass")
    done = issued("pass", "bundle", f"{TYPE}/1002", "x.pkpass", "-o", "all.pkpasses", "--json").json
    assert done["passes"] == ["1002.pkpass", "x.pkpass"] and done["bytes"] == Path("all.pkpasses").stat().st_size
    rows = livepass("pass", "verify", "all.pkpasses", "--ca", "root.pem", "--json").rows
    assert [(row["entry"], row["serial"], row["root_checked"]) for row in rows] == [
        ("1002.pkpass", "1002", True),
        ("x.pkpass", "1001", True),
    ]
    assert "1002.pkpass" in livepass("pass", "verify", "all.pkpasses").out
    alone = livepass("pass", "lint", "x.pkpass", "--json").json
    found = livepass("pass", "lint", "all.pkpasses", "--json").json
    assert [each["pointer"] for each in found["problems"] if each["pointer"].startswith("x.pkpass:")] == [
        f"x.pkpass:{each['pointer']}" for each in alone["problems"]
    ]
    Path("y.pkpass").write_bytes(Path("x.pkpass").read_bytes())
    Path("x.pkpass").unlink()
    assert "2 passes" in issued("pass", "bundle", f"{TYPE}/1002", NAME, "-o", "b.pkpasses").out
    rows = livepass("pass", "verify", "b.pkpasses", "--json").rows
    assert [(row["entry"], row["serial"]) for row in rows] == [("1002.pkpass", "1002"), ("1001.pkpass", "1001")]
    ran = issued("pass", "bundle", NAME, f"{TYPE}/nowhere", "y.pkpass", "-o", "c.pkpasses", exit_=1)
    assert f"there is no pass {TYPE}/nowhere" in ran.err and not Path("c.pkpasses").exists()


def test_bundle_that_cannot_be(issued, livepass):
    issued("pass", "build", NAME, "-o", "x.pkpass")
    data = Path("x.pkpass").read_bytes()
    Path("y.pkpass").write_bytes(data.replace(b'"Ada"', b'"Eve"'))
    assert "are one pass" in livepass("pass", "bundle", "x.pkpass", "x.pkpass", "-o", "b.pkpasses", exit_=1).err
    assert "y.pkpass: " in livepass("pass", "bundle", "y.pkpass", "-o", "b.pkpasses", exit_=1).err
    assert "11 passes" in livepass("pass", "bundle", *["x.pkpass"] * 11, "-o", "b.pkpasses", exit_=2).err
    livepass("pass", "bundle", "x.pkpass", "-o", "-", "--json", exit_=2)
    livepass("pass", "bundle", "neither", "-o", "b.pkpasses", exit_=2)
    livepass("pass", "bundle", "nowhere.pkpass", "-o", "b.pkpasses", exit_=3)
    assert not Path("b.pkpasses").exists()
    Path("bad.pkpasses").write_bytes(
        archive(head([entry("y.pkpass", Path("y.pkpass").read_bytes(), deflate=False)]), ())
    )
    assert "bad.pkpasses: y.pkpass: " in livepass("pass", "verify", "bad.pkpasses", exit_=1).err
    Path("bad.pkpasses").write_bytes(data)
    assert "is no pass" in livepass("pass", "lint", "bad.pkpasses", exit_=1).err


def test_timeline(issued):
    issued("pass", "set", NAME, "points=130")
    kinds = [row["kind"] for row in issued("pass", "timeline", NAME, "--json").rows]
    assert kinds == ["issued", "changed"]
    ran = issued("pass", "timeline", NAME)
    assert "points 120 → 130" in ran.out
    assert [row["kind"] for row in issued("pass", "timeline", NAME, "--limit", "1", "--json").rows] == ["changed"]
    issued("pass", "timeline", f"{TYPE}/9", exit_=1)


def test_void(issued):
    assert issued("pass", "void", NAME, "--dry-run", "--json").json["changed"] is True
    assert issued("pass", "void", NAME, "--json").json["changed"] is True
    assert issued("pass", "show", NAME, "--json").json["voided"] is True
    assert issued("pass", "void", NAME, "--json").json["changed"] is False
    assert "void" in issued("pass", "list").out


def test_erase_must_be_meant(issued):
    assert "say --yes" in issued("pass", "erase", NAME, exit_=4).err
    assert issued("pass", "erase", NAME, "--json", exit_=4).problem["exit"] == 4
    issued("pass", "show", NAME)
    assert issued("pass", "erase", NAME, "--yes", "--json").json["erased"] is True
    issued("pass", "show", NAME, exit_=1)
    issued("pass", "erase", NAME, "--yes", exit_=1)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_erase_asks_for_the_serial(issued, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert "nothing was done" in issued("pass", "erase", NAME, exit_=4).err
    monkeypatch.setattr("sys.stdin", Terminal("1001\n"))
    assert "is forgotten" in issued("pass", "erase", NAME).out


def test_push(issued):
    assert issued("pass", "push", NAME, "--json").json == {"pushes_due": 0}
    issued("pass", "push", TYPE, exit_=4)
    assert "no push is due" in issued("pass", "push", TYPE, "--yes").out
    issued("pass", "push", f"{TYPE}/9", exit_=1)


# ── the lists and the screen


def test_lists_that_are_empty_say_so(issued):
    for words in (("device", "list"), ("push", "list"), ("push", "list", "--due"), ("log", "list"), ("key", "list")):
        ran = issued(*words)
        assert ran.out.strip() and ran.err == "", words
        assert issued(*words, "--json").out == ""


def test_keys(issued):
    scopes = ("--scope", "passes:read", "--scope", "passes:write")
    done = issued("key", "create", "ci", *scopes, "--type", TYPE, "--json").json
    assert done["key"].startswith("lp_") and done["scopes"] == ["passes:read", "passes:write"]
    ran = issued("key", "list")
    assert done["id"] in ran.out and done["key"] not in ran.out
    assert issued("key", "revoke", done["id"], "--json").json == {"id": done["id"], "revoked": True}
    assert "revoked" in issued("key", "list").out
    issued("key", "revoke", "nothing", exit_=1)
    assert "passes:read" in issued("key", "create", "x", "--scope", "everything", exit_=1).err
    assert all(scope in (key.commands["create"].help or "") for scope in SCOPES)


def test_status(issued):
    ran = issued("status")
    assert "passes" in ran.out and TYPE in ran.out and "nothing needs a person" in ran.out
    found = issued("status", "--json").json
    assert found["stats"]["passes"] == 1 and found["attention"] == []


def test_status_shows_the_processes_and_says_when_phones_are_sent_away(issued):
    def row(id_: str, role: str, ago: float, level: int = 0) -> None:
        now = time.time_ns() // 1_000_000
        values = (id_, f"host-{id_}", 7, role, 1, now - 9_000_000, now - int(ago * 1000), 40 + level, level, None)
        with closing(sqlite3.connect("livepass.db")) as db:
            db.execute(f"INSERT OR REPLACE INTO process VALUES ({', '.join('?' * len(values))})", values)
            db.commit()

    row("a", "serve", 2)
    row("b", "worker", 400)
    row("c", "worker", 1)
    ran = issued("status")
    assert "silent for 6 min" in ran.out and "40 ms" in ran.out and "nothing needs a person" in ran.out
    assert [each["host"] for each in issued("status", "--json").json["processes"]] == ["host-a", "host-b", "host-c"]
    row("c", "worker", 100)
    ran = issued("status", exit_=1)
    assert "no worker has been heard of for a minute: pushes wait; start livepass worker" in ran.out
    row("c", "serve+worker", 1)
    issued("status")
    row("a", "serve", 1, 3)
    ran = issued("status", exit_=1)
    assert (
        "host-a pid 7 sends phones away (log records, issuer reads and share pages, asks and shared files)" in ran.out
    )


def test_a_setting_that_is_misspelt(project, monkeypatch):
    monkeypatch.setenv("LIVEPASS_PUBLIC_ULR", "x")
    ran = project("pass", "list", exit_=2)
    assert "LIVEPASS_PUBLIC_ULR is not a setting" in ran.err and "did you mean LIVEPASS_PUBLIC_URL?" in ran.err


def test_every_answer_with_json_is_json_and_nothing_else(issued):
    issued("pass", "build", NAME, "-o", "x.pkpass")
    for words in (
        ("cert", "list"),
        ("template", "list"),
        ("pass", "list"),
        ("pass", "show", NAME),
        ("pass", "timeline", NAME),
        ("pass", "set", NAME, "points=9"),
        ("pass", "verify", "x.pkpass"),
        ("pass", "lint", "x.pkpass"),
        ("status",),
        ("db", "verify"),
    ):
        ran = issued(*words, "--json")
        assert ran.rows and ran.err == "", words


def test_secrets_stay_out_of_every_output(issued):
    secrets = [Path(f"secrets/{name}.key").read_text().strip() for name in ("secret", "admin")]
    for words in (("pass", "show", NAME), ("cert", "list"), ("status",), ("pass", "timeline", NAME)):
        for more in ((), ("--json",), ("--debug",)):
            ran = issued(*words, *more)
            assert not any(secret in ran.out + ran.err for secret in secrets)
    assert os.stat("secrets/secret.key").st_mode & 0o077 == 0
