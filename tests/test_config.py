"""Settings: the environment over the file, nothing ignored, and every refusal names the setting and the remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from livepass.config import (
    PRODUCTION_APNS,
    SETTINGS,
    Config,
    ConfigError,
    Traces,
    client_settings,
    client_tenant,
    given,
    load,
)

KEY = "s3cr3t" + "A" * 37
NEEDED = {"LIVEPASS_PUBLIC_URL": "https://passes.example.com", "LIVEPASS_SECRET_KEY": KEY}


def loaded(directory: Path, **changes: str) -> Config:
    return load(NEEDED | {f"LIVEPASS_{name}": value for name, value in changes.items()}, directory)


def refused(directory: Path, **changes: str) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        loaded(directory, **changes)
    assert error.value.hint, "every refusal says what to do"
    assert KEY not in str(error.value) + error.value.hint
    return error.value


def toml(directory: Path, text: str) -> None:
    (directory / "livepass.toml").write_text(text, "utf-8")


# ── what is taken


def test_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config.sqlite_path == tmp_path / "livepass.db"
    assert config.web_service_url == "https://passes.example.com/wallet"
    assert (config.apns_url, config.apns_ca_file) == (PRODUCTION_APNS, None)
    assert (config.host, config.port, config.admin_key) == ("127.0.0.1", 8420, "")
    assert config.secret_key == (KEY,)
    assert (config.phones_per_pass, config.connection_header) == (64, "")
    assert (config.key_rate, config.tenant_rate) == (60_000, 120_000)


def test_every_setting_is_read_from_the_environment(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("pem")
    (tmp_path / "en.svg").write_text("<svg/>")
    config = loaded(
        tmp_path,
        DATABASE_URL="sqlite:////var/lib/x.db",
        PUBLIC_URL="https://a.example:8443/base/",
        SECRET_KEY=f"{KEY}, {KEY[::-1]},",
        ADMIN_KEY="k" * 16,
        APNS_URL="https://localhost:2197/",
        APNS_CA_FILE=str(ca),
        PUBLIC_CA_FILE=str(ca),
        HOST="0.0.0.0",
        PORT="0",
        PHONES_PER_PASS="0",
        KEY_RATE="600",
        TENANT_RATE="0",
        CERTIFICATE_HOSTS="Mirror.example:8080, certs.apple.com,",
        CONNECTION_HEADER="X-Connection-Id",
        CONSOLE_USER_HEADER="X-Forwarded-User",
        WITNESS_FILE=str(tmp_path / "witness"),
        REGISTRATION_JOURNAL=str(tmp_path),
        BADGE_DIR=str(tmp_path),
        LOG_FORMAT="json",
        OUTBOX_URL="sqlite:////var/lib/club.db",
        WEBHOOK_LOOPBACK="on",
        WEBHOOK_CA_FILE=str(ca),
        CANARY="pass.com.example.a, pass.com.example.b,pass.com.example.a",
        CANARY_WITHIN="30",
        OTHER_URLS="https://old.example/wallet, https://old.example/api/passes/",
    )
    assert config == Config(
        "sqlite:////var/lib/x.db",
        "https://a.example:8443/base",
        (KEY, KEY[::-1]),
        "k" * 16,
        "https://localhost:2197",
        ca,
        "0.0.0.0",
        0,
        phones_per_pass=0,
        key_rate=600,
        tenant_rate=0,
        certificate_hosts=("mirror.example:8080", "certs.apple.com"),
        connection_header="x-connection-id",
        console_user_header="x-forwarded-user",
        witness_file=str(tmp_path / "witness"),
        registration_journal=tmp_path,
        public_ca_file=ca,
        badge_dir=tmp_path,
        log_format="json",
        outbox_url="sqlite:////var/lib/club.db",
        webhook_loopback=True,
        webhook_ca_file=ca,
        canary=("pass.com.example.a", "pass.com.example.b"),
        canary_within=30,
        other_urls=("https://old.example/wallet", "https://old.example/api/passes"),
    )
    assert config.other_paths == ("/api/passes",)
    assert len(SETTINGS) == 25, "a new setting is to be added above"


@pytest.mark.parametrize(("name", "value"), [("CANARY", "gym"), ("CANARY", "pass.a b"), ("CANARY_WITHIN", "0")])
def test_what_no_canary_can_be_told_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"LIVEPASS_{name} "):
        loaded(tmp_path, **{name: value})
    assert loaded(tmp_path).canary == ()


@pytest.mark.parametrize("value", ["121", "soon", "-1"])
def test_a_canary_sees_a_change_within_seconds(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="CANARY_WITHIN"):
        loaded(tmp_path, CANARY_WITHIN=value)


def test_a_folder_of_badges_has_the_english_one(tmp_path: Path) -> None:
    (tmp_path / "en.png").write_bytes(b"")
    assert loaded(tmp_path, BADGE_DIR=str(tmp_path)).badge_dir == tmp_path
    assert loaded(tmp_path).badge_dir is None
    for wrong in (tmp_path / "none", tmp_path / "en.png"):
        with pytest.raises(ConfigError, match="BADGE_DIR") as refused:
            loaded(tmp_path, BADGE_DIR=str(wrong))
        assert "text button" in refused.value.hint


def test_logs_are_text_or_json(tmp_path: Path) -> None:
    assert loaded(tmp_path).log_format == ""
    with pytest.raises(ConfigError, match="LOG_FORMAT") as refused:
        loaded(tmp_path, LOG_FORMAT="xml")
    assert "text or json" in refused.value.hint


def test_who_is_asked_about_certificates(tmp_path: Path) -> None:
    assert loaded(tmp_path).certificate_hosts == ("certs.apple.com", "ocsp.apple.com", "crl.apple.com")
    assert loaded(tmp_path, CERTIFICATE_HOSTS="off").certificate_hosts == ()
    for wrong in ("http://certs.apple.com", "a b", "certs.apple.com/x", "*.apple.com", "certs.apple.com:x"):
        with pytest.raises(ConfigError, match="CERTIFICATE_HOSTS") as refused:
            loaded(tmp_path, CERTIFICATE_HOSTS=wrong)
        assert refused.value.hint


@pytest.mark.parametrize("setting", ["KEY_RATE", "TENANT_RATE"])
def test_a_rate_is_a_number(tmp_path: Path, setting: str) -> None:
    for wrong in ("-1", "many", "1.5", "1" * 10):
        assert f"LIVEPASS_{setting}" in str(refused(tmp_path, **{setting: wrong}))


def test_the_environment_wins_over_the_file_setting_by_setting(tmp_path: Path) -> None:
    toml(tmp_path, 'host = "10.0.0.1"\nport = 9000\nadmin_key = "from the file, long"\n')
    config = loaded(tmp_path, PORT="9001")
    assert (config.host, config.port, config.admin_key) == ("10.0.0.1", 9001, "from the file, long")


def test_the_file_may_stand_elsewhere_and_its_names_are_beside_it(tmp_path: Path) -> None:
    there = tmp_path / "etc"
    there.mkdir()
    (there / "key").write_text(f"{KEY}\n")
    (there / "my.toml").write_text('database_url = "sqlite:///here.db"\nsecret_key_file = "key"\n')
    environ = {"LIVEPASS_PUBLIC_URL": NEEDED["LIVEPASS_PUBLIC_URL"], "LIVEPASS_CONFIG": str(there / "my.toml")}
    config = load(environ, tmp_path)
    assert config.sqlite_path == there / "here.db"
    assert config.secret_key == (KEY,)


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS if setting.secret])
def test_every_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    values = {"SECRET_KEY": KEY, "ADMIN_KEY": "a" * 20, "DATABASE_URL": "sqlite:////from/file.db"}
    values["OUTBOX_URL"] = "sqlite:////from/club.db"
    path = tmp_path / "secret"
    path.write_text(f"  {values[name]}\n")
    environ = {key: value for key, value in NEEDED.items() if key != f"LIVEPASS_{name}"}
    config = load(environ | {f"LIVEPASS_{name}_FILE": str(path)}, tmp_path)
    taken: Any = getattr(config, name.lower())
    assert taken in (values[name], (values[name],))


def test_a_file_in_the_environment_wins_over_a_value_in_the_settings_file(tmp_path: Path) -> None:
    toml(tmp_path, 'admin_key = "from the settings file"\n')
    (tmp_path / "admin").write_text("from a file of its own")
    assert loaded(tmp_path, ADMIN_KEY_FILE=str(tmp_path / "admin")).admin_key == "from a file of its own"


def test_a_settings_file_may_be_switched_off(tmp_path: Path) -> None:
    toml(tmp_path, "port = 9000")
    assert loaded(tmp_path, CONFIG="/dev/null").port == 8420


def test_what_is_set_to_nothing_is_not_set(tmp_path: Path) -> None:
    assert loaded(tmp_path, PORT="", ADMIN_KEY="").port == 8420


def test_what_others_read_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    others = {
        "LIVEPASS_URL": "https://x",
        "LIVEPASS_KEY": "k",
        "LIVEPASS_TENANT": "gym",
        "LIVEPASS_PYTHON": "3",
        "PATH": "/bin",
        "PORT": "x",
    }
    load(NEEDED | others | {"LIVEPASS_TEST_ANYTHING": "1"}, tmp_path)
    assert client_settings(others) == ("https://x", "k")
    assert client_settings({}) == (None, None)
    assert client_tenant(others) == "gym"
    assert client_tenant({"LIVEPASS_TENANT": ""}) is None


def test_without_arguments_the_process_itself_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LIVEPASS_URL", "https://remote")
    assert load().sqlite_path.name == "livepass.db"
    assert client_settings()[0] == "https://remote"


# ── what is refused


@pytest.mark.parametrize(
    ("name", "value", "says", "hint"),
    [
        ("PUBLIC_URL", "", "LIVEPASS_PUBLIC_URL is not set", "https address"),
        ("PUBLIC_URL", "http://a.example", "LIVEPASS_PUBLIC_URL is 'http://a.example', not an https", "Wallet refuses"),
        ("PUBLIC_URL", "a.example", "LIVEPASS_PUBLIC_URL", "https"),
        ("PUBLIC_URL", "https://", "LIVEPASS_PUBLIC_URL", "https"),
        ("PUBLIC_URL", "https://[", "LIVEPASS_PUBLIC_URL", "https"),
        ("PUBLIC_URL", "https://a.example:port", "LIVEPASS_PUBLIC_URL", "https"),
        ("PUBLIC_URL", "https://a.example?x=1", "LIVEPASS_PUBLIC_URL has a query", "leave them out"),
        ("PUBLIC_URL", "https://a.example/#x", "LIVEPASS_PUBLIC_URL has a query or fragment", "leave them out"),
        ("PUBLIC_URL", "https://a.example/v1/", "LIVEPASS_PUBLIC_URL ends in /v1", "phones add /v1"),
        ("PUBLIC_URL", "https://a b.example", "LIVEPASS_PUBLIC_URL holds what no address has", "no space"),
        ("PUBLIC_URL", "https://a.example/a b", "LIVEPASS_PUBLIC_URL holds what no address has", "no space"),
        ("PUBLIC_URL", "https://bücher.example", "LIVEPASS_PUBLIC_URL holds what no address has", "xn--"),
        ("PUBLIC_URL", "https://a.example/bücher", "LIVEPASS_PUBLIC_URL holds what no address has", "%"),
        ("PUBLIC_URL", "https://ada:pw@a.example", "LIVEPASS_PUBLIC_URL holds what no address has", "no user"),
        ("PUBLIC_URL", "https://a.example/<x>", "LIVEPASS_PUBLIC_URL holds what no address has", "%"),
        ("PUBLIC_URL", "https://a.example:99999", "LIVEPASS_PUBLIC_URL", "https"),
        ("HOST", " ", "LIVEPASS_HOST is empty", "0.0.0.0"),
        ("WITNESS_FILE", os.devnull, "LIVEPASS_WITNESS_FILE names /dev/null, which cannot be a file", "say off"),
        ("OTHER_URLS", "https://a.example/x,http://b.example", "not an https address", "no pass"),
        ("OTHER_URLS", "https://a.example/x/v1", "LIVEPASS_OTHER_URLS names", "without /v1"),
        ("OTHER_URLS", "https://a.example/api/", "where issuers call this service", "the proxy"),
        ("SECRET_KEY", "", "LIVEPASS_SECRET_KEY is not set", "token_urlsafe(32)"),
        ("SECRET_KEY", " , ", "LIVEPASS_SECRET_KEY is not set", "token_urlsafe(32)"),
        ("ADMIN_KEY", "too short", "LIVEPASS_ADMIN_KEY has 9 characters", "16 or more"),
        ("APNS_URL", "http://localhost", "LIVEPASS_APNS_URL is 'http://localhost'", PRODUCTION_APNS),
        ("APNS_CA_FILE", "/nowhere/ca.pem", "LIVEPASS_APNS_CA_FILE names /nowhere/ca.pem", "PEM"),
        ("PUBLIC_CA_FILE", "/nowhere/ca.pem", "LIVEPASS_PUBLIC_CA_FILE names /nowhere/ca.pem", "PEM"),
        ("WEBHOOK_CA_FILE", "/nowhere/ca.pem", "LIVEPASS_WEBHOOK_CA_FILE names /nowhere/ca.pem", "PEM"),
        ("DATABASE_URL", "postgresql://me:p@ss@host/db", "LIVEPASS_DATABASE_URL has a user or password with", "%40"),
        ("DATABASE_URL", "postgresql://me:p/ss@host/db", "LIVEPASS_DATABASE_URL has a user or password with", "%2F"),
        ("DATABASE_URL", "postgresql://me:p#ss@host/db", "LIVEPASS_DATABASE_URL has a user or password with", "%23"),
        ("DATABASE_URL", "postgresql://me:pw@a:5432,b:99999/db", "LIVEPASS_DATABASE_URL names port 99999", "5432"),
        ("DATABASE_URL", "mysql://x", "LIVEPASS_DATABASE_URL is 'mysql://x'", "sqlite:///livepass.db"),
        ("DATABASE_URL", "sqlite:///", "LIVEPASS_DATABASE_URL", "sqlite:///livepass.db"),
        ("PORT", "http", "LIVEPASS_PORT is 'http'", "65535"),
        ("PORT", "65536", "LIVEPASS_PORT is '65536'", "65535"),
        ("PORT", "-1", "LIVEPASS_PORT is '-1'", "65535"),
        ("PORT", "²", "LIVEPASS_PORT is '²'", "65535"),
        ("PORT", "8" * 5000, "LIVEPASS_PORT is", "65535"),
        ("SECRET_KEY_FILE", "/nowhere/key", "LIVEPASS_SECRET_KEY_FILE", "file"),
        ("CONFIG", "/nowhere/my.toml", "LIVEPASS_CONFIG names /nowhere/my.toml", "correct it"),
    ],
)
def test_a_refusal_names_the_setting_and_the_remedy(
    name: str, value: str, says: str, hint: str, tmp_path: Path
) -> None:
    environ = {key: kept for key, kept in NEEDED.items() if key.removeprefix("LIVEPASS_") != name.removesuffix("_FILE")}
    with pytest.raises(ConfigError) as error:
        load(environ | {f"LIVEPASS_{name}": value}, tmp_path)
    assert says in str(error.value)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PUBLIC_ULR", "LIVEPASS_PUBLIC_URL"),
        ("SECRET", "LIVEPASS_SECRET_KEY"),
        ("DATABASE", "LIVEPASS_DATABASE_URL"),
        ("SECRET_KYE_FILE", "LIVEPASS_SECRET_KEY"),
    ],
)
def test_an_unknown_setting_is_an_error_and_not_ignored(name: str, meant: str, tmp_path: Path) -> None:
    error = refused(tmp_path, **{name: "x"})
    assert str(error) == f"LIVEPASS_{name} is not a setting of livepass"
    assert error.hint == f"did you mean {meant}?"


def test_one_that_resembles_nothing_gets_the_list(tmp_path: Path) -> None:
    error = refused(tmp_path, ZZZZ="x")
    assert "PUBLIC_URL" in error.hint
    assert "SECRET_KEY" in error.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("public_ulr = 'x'", "public_ulr in "),
        ("[livepass]\nport = 1", "livepass in "),
        ("port = ", "is not TOML"),
        ("port = true", "port in "),
        ("secret_key = ['a', 'b']", "secret_key in "),
        ("port = 1\nPORT = 2", "PORT in "),
        ("admin_key = 'x'\nadmin_key_file = 'y'", "a second time"),
        ("admin_key_file = 'nowhere'", "admin_key_file in "),
    ],
)
def test_the_settings_file_is_as_strict(text: str, says: str, tmp_path: Path) -> None:
    toml(tmp_path, text)
    error = refused(tmp_path)
    assert says in str(error)
    assert "livepass.toml" in str(error)


def test_a_settings_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "livepass.toml").write_bytes(b"\xff\xfe")
    assert "is not TOML" in str(refused(tmp_path))


def test_a_value_and_a_file_for_it_together_are_refused_whichever_comes_first(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x" * 20)
    both = {"LIVEPASS_ADMIN_KEY": "y" * 20, "LIVEPASS_ADMIN_KEY_FILE": str(tmp_path / "key")}
    for environ in (both, dict(reversed(both.items()))):
        with pytest.raises(ConfigError, match="ADMIN_KEY a second time") as error:
            load(NEEDED | environ, tmp_path)
        assert "y" * 20 not in str(error.value)


# ── what is kept outside the database


@pytest.mark.parametrize(
    ("database", "setting", "witness"),
    [
        ("sqlite:////var/lib/x.db", "", "/var/lib/x.db.witness"),
        ("sqlite:////var/lib/x.db", "/tmp/w", "/tmp/w"),
        ("sqlite:////var/lib/x.db", "off", None),
        ("postgresql://me@host/db", "", None),
        ("postgresql://me@host/db", "/tmp/w", "/tmp/w"),
        ("postgresql://me@host/db", "off", None),
    ],
)
def test_where_the_witness_is(tmp_path: Path, database: str, setting: str, witness: str | None) -> None:
    config = loaded(tmp_path, DATABASE_URL=database, WITNESS_FILE=setting)
    assert config.witness == (None if witness is None else Path(witness))


def test_files_of_the_settings_file_are_meant_beside_it(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    toml(tmp_path, 'witness_file = "w"\nregistration_journal = "journal"')
    config = loaded(tmp_path)
    assert (config.witness, config.registration_journal) == (tmp_path / "w", tmp_path / "journal")
    toml(tmp_path, 'witness_file = "off"')
    assert loaded(tmp_path).witness is None


def test_a_journal_is_never_made_because_its_disk_may_not_be_mounted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("missing", "file"):
        assert name in str(refused(tmp_path, REGISTRATION_JOURNAL=str(tmp_path / name)))


def test_a_witness_needs_a_folder(tmp_path: Path) -> None:
    for name in ("missing/witness", "."):
        assert "WITNESS_FILE" in str(refused(tmp_path, WITNESS_FILE=str(tmp_path / name)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "https://[::1]:8420/a-b/~c/@d/%20"),
        ("PUBLIC_URL", "HTTPS://xn--bcher-kva.example"),
        ("APNS_URL", "https://apns_emulator:2197"),
        ("APNS_URL", "https://ada:pw@relay.example"),
        ("DATABASE_URL", "postgresql:///livepass?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://me:p%40ss@a:5432,b/db?sslmode=require"),
        ("DATABASE_URL", "postgresql://host/db?user=me@elsewhere"),
        ("DATABASE_URL", "postgres://host"),
    ],
)
def test_unusual_addresses_are_taken(name: str, value: str, tmp_path: Path) -> None:
    assert getattr(loaded(tmp_path, **{name: value}), name.lower()) == value


# ── secrets


def test_no_secret_shows(tmp_path: Path) -> None:
    config = loaded(tmp_path, ADMIN_KEY="an admin key of mine")
    assert KEY not in repr(config)
    assert "admin key of mine" not in repr(config)


@pytest.mark.parametrize("password", ["hunter2", "with/slash", "with@sign", "a/b@c/d"])
def test_a_password_in_a_database_address_does_not_show(password: str, tmp_path: Path) -> None:
    config = loaded(tmp_path, DATABASE_URL=f"postgresql://me:{quote(password, safe='')}@host/db")
    assert password not in repr(config) and quote(password, safe="") not in repr(config)
    assert config.database == "postgresql://…@host/db"
    if password != quote(password, safe=""):
        assert password not in str(refused(tmp_path, DATABASE_URL=f"postgresql://me:{password}@host/db"))
    error = refused(tmp_path, DATABASE_URL=f"mysql://me:{password}@host/db")
    assert password not in str(error)
    assert "host/db" in str(error)


def test_a_short_admin_key_is_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in str(refused(tmp_path, ADMIN_KEY="hunter2"))


# ── OpenTelemetry's own variables

COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def traces(directory: Path, variables: dict[str, str]) -> Traces | None:
    return load(NEEDED | variables, directory).traces


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_SERVICE_NAME": "gym", "OTEL_TRACES_EXPORTER": "otlp"},
        COLLECTOR | {"OTEL_SDK_DISABLED": "TRUE"},
        COLLECTOR | {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
)
def test_nobody_is_traced_who_named_no_collector_or_said_no(variables: dict[str, str], tmp_path: Path) -> None:
    assert traces(tmp_path, variables) is None


def test_a_collector_is_named_for_all_or_for_traces_alone(tmp_path: Path) -> None:
    assert traces(tmp_path, COLLECTOR | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) == Traces()
    alone = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/x", "OTEL_BSP_MAX_QUEUE_SIZE": "100"}
    assert traces(tmp_path, alone) == Traces(waiting=100)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ],
)
def test_what_cannot_be_traced_is_said_and_stops_nothing(variable: str, value: str, tmp_path: Path) -> None:
    found = traces(tmp_path, COLLECTOR | {variable: value})
    assert found is not None
    assert value in found.refused


def test_settings_that_were_handed_over_are_not_mixed_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert given({"public_url": "https://passes.example.com", "secret_key": KEY}).traces is None
