from __future__ import annotations

import stat
import tomllib
from pathlib import Path

from livepass.config import load
from livepass.pkpass import Template


def test_init_writes_a_project_that_loads(livepass, tmp_path):
    done = livepass("init", "gym", "--public-url", "https://gym.example.com", "--json").json
    folder = tmp_path / "gym"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(done["files"])
    assert done["next"][0] == "cd gym"
    settings = tomllib.loads((folder / "livepass.toml").read_text())
    assert settings["secret_key_file"] == "secrets/secret.key"


def test_settings_are_what_config_reads(livepass, tmp_path):
    livepass("init")
    config = load({}, None)
    assert config.public_url == "https://localhost:8420"
    assert len(config.secret_key) == 1 and len(config.admin_key) > 16


def test_secrets_are_for_their_owner_only_and_differ(livepass, tmp_path):
    livepass("init", "a")
    livepass("init", "b")
    for name in ("secrets/secret.key", "secrets/admin.key"):
        assert stat.S_IMODE((tmp_path / "a" / name).stat().st_mode) == 0o600
        assert (tmp_path / "a" / name).read_text() != (tmp_path / "b" / name).read_text()
    assert "/secrets/" in (tmp_path / "a" / ".gitignore").read_text()


def test_init_shows_no_secret(livepass, tmp_path):
    ran = livepass("init")
    for name in ("secrets/secret.key", "secrets/admin.key"):
        assert (tmp_path / name).read_text().strip() not in ran.out + ran.err


def test_init_overwrites_nothing(livepass, tmp_path):
    (tmp_path / "livepass.toml").write_text("# mine\n")
    ran = livepass("init", exit_=4)
    assert "livepass.toml: is there already" in ran.err and "hint: name an empty directory" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["livepass.toml"]
    assert (tmp_path / "livepass.toml").read_text() == "# mine\n"
    assert livepass("init", "--json", exit_=4).problem["exit"] == 4


def test_init_refuses_an_address_that_phones_cannot_use(livepass, tmp_path):
    ran = livepass("init", "--public-url", "http://gym.example.com", exit_=2)
    assert "not an https address" in ran.err
    assert not list(tmp_path.iterdir())


def test_the_address_that_only_this_machine_reaches_is_warned_of(livepass):
    assert "which no phone reaches" in livepass("init").out
    assert "which no phone reaches" not in livepass("init", "b", "--public-url", "https://b.example.com").out


def test_the_starter_template_is_sound(livepass):
    livepass("init")
    template = Template.from_folder(Path("templates/membership"))
    assert template.variables["member_no"] == "string"
    assert livepass("pass", "lint", "templates/membership", "--json").json == {
        "path": "templates/membership",
        "fatal": 0,
        "problems": [],
    }
