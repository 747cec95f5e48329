"""Configuration: the environment over ``livepass.toml``. The only reader of the environment.

An unknown key is an error with a hint, because a setting that is silently ignored is found out at the worst time.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "LIVEPASS_"
PRODUCTION_APNS = "https://api.push.apple.com"
CERTIFICATE_HOSTS = "certs.apple.com,ocsp.apple.com,crl.apple.com"


class ConfigError(Exception):
    """A setting is missing, unknown or unusable. Names the setting, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its environment name without the prefix, what it is, and whether it is secret."""

    name: str
    what: str
    secret: bool = False


SETTINGS = (
    Setting(
        "DATABASE_URL", "sqlite:///livepass.db (the default), or postgresql://user:password@host/database", secret=True
    ),
    Setting("PUBLIC_URL", "https address under which phones reach this service, without a trailing slash"),
    Setting("OTHER_URLS", "further webServiceURLs that reach this service: of passes from elsewhere, or from before"),
    Setting("SECRET_KEY", "32 bytes as base64url; several separated by commas, the first seals", secret=True),
    Setting("ADMIN_KEY", "an API key that may do everything: any string of 16 characters or more", secret=True),
    Setting("APNS_URL", f"where pushes go (default {PRODUCTION_APNS})"),
    Setting("APNS_CA_FILE", "PEM file of the authorities trusted for APNs (default: the system's)"),
    Setting("PUBLIC_CA_FILE", "PEM file of the authorities that phones trust for PUBLIC_URL (default: the system's)"),
    Setting("HOST", "address to listen on (default 127.0.0.1)"),
    Setting("PORT", "port to listen on (default 8420)"),
    Setting("WITNESS_FILE", "file that tells a restored database (SQLite: FILE.witness; PostgreSQL: none); off: none"),
    Setting("REGISTRATION_JOURNAL", "folder on another disk that keeps every registration (default: none)"),
    Setting("PHONES_PER_PASS", "phones of a pass above which silent ones are forgotten (default 64, 0: off)"),
    Setting("KEY_RATE", "requests a minute that a process takes from one API key (default 60000, 0: no limit)"),
    Setting("TENANT_RATE", "requests a minute that a process takes from one tenant (default 120000, 0: no limit)"),
    Setting("CERTIFICATE_HOSTS", "hosts asked for intermediates and revocation (default Apple's three; off: none)"),
    Setting("CONSOLE_USER_HEADER", "header in which the proxy in front of the console says who is signed in"),
    Setting("BADGE_DIR", "folder with Apple's badge for share pages, as en.svg, de.svg (default: none; a text button)"),
    Setting("LOG_FORMAT", "text or json (default: text on a terminal, otherwise json)"),
    Setting("OUTBOX_URL", "database of the application that livepass is embedded in (default: none)", secret=True),
    Setting("WEBHOOK_LOOPBACK", "on: webhooks may go to this machine, also without TLS (default off)"),
    Setting("WEBHOOK_CA_FILE", "PEM file of authorities trusted for webhooks' receivers, beside the system's"),
    Setting("CANARY", "pass types, separated by commas, that a canary of livepass's own watches (default: none)"),
    Setting("CANARY_WITHIN", "seconds within which a canary has to see a change (default 60)"),
    Setting("CONNECTION_HEADER", "header in which your proxy names its client's connection, such as X-Connection-Id"),
)
_NAMES = {setting.name for setting in SETTINGS}
_READ_ELSEWHERE = {"PYTHON", "CONFIG", "URL", "KEY", "TENANT"}
"""``LIVEPASS_PYTHON`` is the scripts', ``LIVEPASS_CONFIG`` names the file, the others are the CLI's."""


@dataclass(frozen=True, slots=True)
class Traces:
    """That spans are to be sent, as OpenTelemetry's own variables say, which its library reads for itself. ``waiting``:
    how many at most wait to be sent; ``refused``: why none can be sent as it was asked.
    """

    waiting: int = 2048
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, checked. ``secret_key`` holds one or more keys, the first of which seals."""

    database_url: str = field(repr=False)
    public_url: str
    secret_key: tuple[str, ...] = field(repr=False)
    admin_key: str = field(repr=False)
    apns_url: str = PRODUCTION_APNS
    apns_ca_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8420
    phones_per_pass: int = 64
    key_rate: int = 60_000
    tenant_rate: int = 120_000
    certificate_hosts: tuple[str, ...] = tuple(CERTIFICATE_HOSTS.split(","))
    connection_header: str = ""
    console_user_header: str = ""
    witness_file: str = ""
    registration_journal: Path | None = None
    public_ca_file: Path | None = None
    badge_dir: Path | None = None
    log_format: str = ""
    outbox_url: str = field(default="", repr=False)
    webhook_loopback: bool = False
    webhook_ca_file: Path | None = None
    canary: tuple[str, ...] = ()
    canary_within: int = 60
    other_urls: tuple[str, ...] = ()
    """Full webServiceURLs, without a slash at the end."""
    traces: Traces | None = None
    """``None``: nobody follows what is done."""

    @property
    def witness(self) -> Path | None:
        """The witness outside the database; ``None``: there is none."""
        if self.witness_file == "off" or (self.on_postgres and not self.witness_file):
            return None
        return Path(self.witness_file or f"{self.sqlite_path}.witness")

    @property
    def on_postgres(self) -> bool:
        """Whether the database is PostgreSQL; otherwise it is the file ``sqlite_path``."""
        return not self.database_url.startswith("sqlite:")

    @property
    def database(self) -> str:
        """The database as people may see it: without a password."""
        if self.on_postgres:
            return re.sub(r"//.*@", "//…@", self.database_url).partition("?")[0]
        return str(self.sqlite_path)

    @property
    def sqlite_path(self) -> Path:
        """The database file."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def web_service_url(self) -> str:
        """What stands in every pass: phones add ``/v1/…`` to it."""
        return f"{self.public_url}/wallet"

    @property
    def other_paths(self) -> tuple[str, ...]:
        """Paths of ``other_urls`` below which phones call."""
        return tuple(sorted({urlsplit(url).path.rstrip("/") for url in self.other_urls} - {"/wallet"}))


def load(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Config:
    """Read ``livepass.toml`` (or ``LIVEPASS_CONFIG``) and the environment, which wins. Raises ``ConfigError``."""
    environ = os.environ if environ is None else environ
    checked = _checked(_from_file(environ, directory or Path.cwd()) | _from_environment(environ), directory)
    return replace(checked, traces=_traces(environ))


def given(settings: Mapping[str, object]) -> Config:
    """Settings by their names in ``livepass.toml``, and nothing else: no file and no environment is read. ``None``
    leaves one out. Raises ``ConfigError``.
    """
    values: dict[str, str] = {}
    for key, value in settings.items():
        name = key.upper()
        if name not in _NAMES:
            close = difflib.get_close_matches(name, sorted(_NAMES), 1, 0.5)
            hint = f"did you mean {close[0].lower()}?" if close else f"settings: {', '.join(sorted(_NAMES)).lower()}"
            raise ConfigError(f"{key} is not a setting of livepass", hint)
        if value is not None:
            values[name] = str(value)
    return _checked(values, None)


def _checked(values: Mapping[str, str], directory: Path | None) -> Config:
    return Config(
        database_url=_database(values.get("DATABASE_URL", "sqlite:///livepass.db"), directory),
        public_url=_public_url(values.get("PUBLIC_URL", "")),
        secret_key=_secret_keys(values.get("SECRET_KEY", "")),
        admin_key=_admin_key(values.get("ADMIN_KEY", "")),
        apns_url=_https("APNS_URL", values.get("APNS_URL", PRODUCTION_APNS)),
        apns_ca_file=_file("APNS_CA_FILE", values.get("APNS_CA_FILE")),
        host=_host(values.get("HOST", "127.0.0.1")),
        port=_port(values.get("PORT", "8420")),
        phones_per_pass=_phones(values.get("PHONES_PER_PASS", "64")),
        key_rate=_rate("KEY_RATE", values.get("KEY_RATE", "60000")),
        tenant_rate=_rate("TENANT_RATE", values.get("TENANT_RATE", "120000")),
        certificate_hosts=_hosts(values.get("CERTIFICATE_HOSTS", CERTIFICATE_HOSTS)),
        connection_header=_header("CONNECTION_HEADER", values.get("CONNECTION_HEADER", "")),
        console_user_header=_header("CONSOLE_USER_HEADER", values.get("CONSOLE_USER_HEADER", "")),
        witness_file=_witness(values.get("WITNESS_FILE", "")),
        registration_journal=_folder(values.get("REGISTRATION_JOURNAL")),
        public_ca_file=_file("PUBLIC_CA_FILE", values.get("PUBLIC_CA_FILE")),
        badge_dir=_badges(values.get("BADGE_DIR")),
        log_format=_log_format(values.get("LOG_FORMAT", "")),
        outbox_url=_database(values["OUTBOX_URL"], directory, "OUTBOX_URL") if values.get("OUTBOX_URL") else "",
        webhook_loopback=_on("WEBHOOK_LOOPBACK", values.get("WEBHOOK_LOOPBACK", "off")),
        webhook_ca_file=_file("WEBHOOK_CA_FILE", values.get("WEBHOOK_CA_FILE")),
        canary=_pass_types(values.get("CANARY", "")),
        canary_within=_within(values.get("CANARY_WITHIN", "60")),
        other_urls=_others(values.get("OTHER_URLS", "")),
    )


def _traces(environ: Mapping[str, str]) -> Traces | None:
    """Nothing is sent where no collector is named. What cannot be done is said, and stops nothing: the variables may
    stand there for other programs, and a service that serves no phone is worse than one that is not traced.
    """
    named = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if not named or exporter == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    waiting = environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or "2048"
    if exporter != "otlp":
        return Traces(refused=f"OTEL_TRACES_EXPORTER is {exporter!r}, and livepass knows otlp alone")
    if protocol not in (None, "", "http/protobuf"):
        return Traces(refused=f"the protocol of OTLP is {protocol!r}, and livepass sends http/protobuf alone")
    if re.fullmatch(r"[1-9][0-9]{0,6}", waiting) is None:
        return Traces(refused=f"OTEL_BSP_MAX_QUEUE_SIZE is {waiting!r}, not a number of spans")
    return Traces(int(waiting))


def sources(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> dict[str, str]:
    """Where each setting that was given came from, by its name. Raises ``ConfigError``, as ``load`` does."""
    environ = os.environ if environ is None else environ
    file = environ.get("LIVEPASS_CONFIG") or "livepass.toml"
    from_file = dict.fromkeys(_from_file(environ, directory or Path.cwd()), file)
    return from_file | dict.fromkeys(_from_environment(environ), "the environment")


def client_settings(environ: Mapping[str, str] | None = None) -> tuple[str | None, str | None]:
    """``LIVEPASS_URL`` and ``LIVEPASS_KEY``: the remote service that the CLI talks to, if any."""
    environ = os.environ if environ is None else environ
    return environ.get("LIVEPASS_URL"), environ.get("LIVEPASS_KEY")


def client_tenant(environ: Mapping[str, str] | None = None) -> str | None:
    """``LIVEPASS_TENANT``: the tenant as which the CLI works; ``None``: the key's own."""
    environ = os.environ if environ is None else environ
    return environ.get("LIVEPASS_TENANT") or None


def _from_file(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    named = environ.get("LIVEPASS_CONFIG")
    path = Path(named or directory / "livepass.toml")
    if named and (path.is_dir() or not path.exists()):
        raise ConfigError(f"LIVEPASS_CONFIG names {named}, which is not a file", "correct it, or unset it")
    if not path.exists():
        return {}
    try:
        parsed = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        hint = 'write one setting a line, as in public_url = "https://…"'
        raise ConfigError(f"{path} is not TOML: {error}", hint) from error
    values: dict[str, str] = {}
    for key, value in parsed.items():
        shown = f"{key} in {path}"
        name, from_file = _known(key.upper(), shown, values)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ConfigError(f"{shown} is neither text nor a number", f'write {key} = "…"')
        values[name] = _content(path.parent / str(value), shown) if from_file else _beside(path, name, str(value))
    return values


def _beside(path: Path, name: str, value: str) -> str:
    """What names a file in a settings file is meant beside it, wherever livepass was started."""
    if name in ("DATABASE_URL", "OUTBOX_URL") and value.startswith("sqlite:///"):
        return f"sqlite:///{path.parent.absolute() / value.removeprefix('sqlite:///')}"
    names_one = name in ("APNS_CA_FILE", "PUBLIC_CA_FILE", "WEBHOOK_CA_FILE", "REGISTRATION_JOURNAL", "BADGE_DIR") or (
        name == "WITNESS_FILE" and value != "off"
    )
    return str(path.parent / value) if names_one and value else value


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX) not in _READ_ELSEWHERE:
            if variable.startswith(f"{PREFIX}TEST_") or not value:
                continue
            name, from_file = _known(variable.removeprefix(PREFIX), variable, values)
            values[name] = _content(Path(value), variable) if from_file else value
    return values


def _known(name: str, shown: str, taken: Collection[str]) -> tuple[str, bool]:
    """The setting's name, and whether the value is the name of a file that holds it (``*_FILE``)."""
    from_file = name not in _NAMES and name.endswith("_FILE")
    stem = name.removesuffix("_FILE") if from_file else name
    if stem in taken:
        raise ConfigError(f"{shown} sets {stem} a second time", f"keep either {PREFIX}{stem} or {PREFIX}{stem}_FILE")
    if stem in _NAMES:
        return stem, from_file
    close = difflib.get_close_matches(name, sorted(_NAMES), 1, 0.5)
    hint = f"did you mean {PREFIX}{close[0]}?" if close else f"settings: {', '.join(sorted(_NAMES))}"
    raise ConfigError(f"{shown} is not a setting of livepass", hint)


def _content(path: Path, shown: str) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        hint = "name a text file that this user may read"
        raise ConfigError(f"{shown} names {path}, which cannot be read: {error}", hint) from error


def _database(url: str, directory: Path | None, setting: str = "DATABASE_URL") -> str:
    if url.startswith(("postgresql://", "postgres://")):
        return _postgres(url, setting)
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        shown = re.sub(r"//.*@", "//…@", url)
        raise ConfigError(
            f"LIVEPASS_{setting} is {shown!r}, which names no database",
            "use sqlite:///livepass.db or postgresql://user:password@host/database",
        )
    path = Path(url.removeprefix("sqlite:///"))
    return url if path.is_absolute() or directory is None else f"sqlite:///{directory / path}"


def _postgres(url: str, setting: str) -> str:
    """What stands between here and the database is found out on connecting; not what was meant by an address."""
    rest = url.partition("://")[2]
    where = re.split("[/?#]", rest, maxsplit=1)[0]
    if where.count("@") > 1 or "@" in rest[len(where) :].partition("=")[0]:
        hint = "write @ as %40, / as %2F, ? as %3F, # as %23, : as %3A and % as %25"
        raise ConfigError(f"LIVEPASS_{setting} has a user or password with characters that end one", hint)
    for port in re.findall(r":([0-9]+)(?:,|$)", where.rpartition("@")[2]):
        if int(port[:6]) > 65535:
            raise ConfigError(f"LIVEPASS_{setting} names port {port[:20]}", "PostgreSQL's own is 5432")
    return url


def _public_url(url: str) -> str:
    if not url:
        raise ConfigError(
            "LIVEPASS_PUBLIC_URL is not set", "set it to the https address under which phones reach this service"
        )
    checked = _in_passes("PUBLIC_URL", url.rstrip("/"))
    parts = urlsplit(checked)
    if parts.query or parts.fragment:
        raise ConfigError("LIVEPASS_PUBLIC_URL has a query or fragment", "phones append text to it: leave them out")
    if parts.path.endswith("/v1"):
        raise ConfigError("LIVEPASS_PUBLIC_URL ends in /v1", "leave it out: phones add /v1 themselves")
    return checked


def _others(text: str) -> tuple[str, ...]:
    """webServiceURLs as they stand in passes. Phones add /v1/… to them."""
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        parts = urlsplit(_in_passes("OTHER_URLS", url))
        path = parts.path.rstrip("/")
        if parts.query or parts.fragment or path.endswith("/v1"):
            raise ConfigError(f"LIVEPASS_OTHER_URLS names {url!r}", "name what stands in pass.json, without /v1")
        if path == "/api":
            hint = "let the proxy send /api/v1/devices, /api/v1/passes and /api/v1/log of that host to /wallet/v1/…"
            raise ConfigError(f"LIVEPASS_OTHER_URLS names {url!r}, where issuers call this service", hint)
    return tuple(url.rstrip("/") for url in urls)


def _pass_types(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if re.fullmatch(r"pass\.[A-Za-z0-9.-]{1,200}", name) is None:
            hint = "name pass types separated by commas, as in pass.com.example.membership, or leave it out"
            raise ConfigError(f"LIVEPASS_CANARY names {name!r}, which is not a pass type", hint)
    return names


def _within(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,3}", text) is None or not 1 <= int(text) <= 120:
        raise ConfigError(f"LIVEPASS_CANARY_WITHIN is {text!r}, not a number of seconds", "use 1 to 120")
    return int(text)


_WRITABLE = re.compile(r"""[A-Za-z]+://[\w.:\[\]-]+(/[^"<>\\^`{|}?#]*)?([?#].*)?""", re.ASCII)
_WHY_HTTPS = {
    "OTHER_URLS": "phones hold no pass whose service is not https",
    "PUBLIC_URL": "Wallet refuses a pass whose service is not https",
    "APNS_URL": f"leave it out for Apple's own, {PRODUCTION_APNS}",
}


def _https(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"LIVEPASS_{name} is {url!r}, not an https address", _WHY_HTTPS[name])
    return url.rstrip("/")


def _in_passes(name: str, url: str) -> str:
    """As ``_https``, and the same for all who read it: no user before the host, nothing that some would escape."""
    checked = _https(name, url)
    if _WRITABLE.fullmatch(url) is None or not url.isascii() or not url.isprintable() or " " in url:
        hint = "write it as it stands in a request: ASCII, no space, no user; a name as xn--…, other letters as %…"
        raise ConfigError(f"LIVEPASS_{name} holds what no address has", hint)
    return checked


def _log_format(text: str) -> str:
    if text not in ("", "text", "json"):
        raise ConfigError(f"LIVEPASS_LOG_FORMAT is {text!r}", "use text or json, or leave it out")
    return text


def _secret_keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(",") if part.strip())
    if not keys:
        raise ConfigError(
            "LIVEPASS_SECRET_KEY is not set",
            'make one, keep a copy, and set it: python3 -c "import secrets; print(secrets.token_urlsafe(32))"',
        )
    return keys


def _admin_key(text: str) -> str:
    if text and len(text) < 16:
        raise ConfigError(f"LIVEPASS_ADMIN_KEY has {len(text)} characters", "use 16 or more")
    return text


def _file(setting: str, name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name)
    if not path.is_file():
        hint = "name a PEM file, or leave it out to trust the system's authorities"
        raise ConfigError(f"LIVEPASS_{setting} names {name}, which is not a file", hint)
    return path


def _witness(name: str) -> str:
    path = Path(name)
    if name and name != "off" and ((path.exists() and not path.is_file()) or not path.parent.is_dir()):
        hint = "name a file in a folder that exists and outlives this machine's restarts, or say off"
        raise ConfigError(f"LIVEPASS_WITNESS_FILE names {name}, which cannot be a file", hint)
    return name


def _folder(name: str | None) -> Path | None:
    """A folder that is there: one that is made would hide that its disk was not mounted."""
    if name is None:
        return None
    if not Path(name).is_dir():
        hint = "make it, on another disk than the database, for livepass to write in; or leave it out"
        raise ConfigError(f"LIVEPASS_REGISTRATION_JOURNAL names {name}, which is not a folder", hint)
    return Path(name)


def _badges(name: str | None) -> Path | None:
    if name is None:
        return None
    if not any((Path(name) / file).is_file() for file in ("en.svg", "en.png")):
        hint = "put Apple's artwork there, one file a language, as in en.svg; or leave it out for a text button"
        raise ConfigError(f"LIVEPASS_BADGE_DIR names {name}, which has no en.svg and no en.png", hint)
    return Path(name)


def _host(text: str) -> str:
    """Nothing would be every address of this machine, for the issuer API too: that is said, or not meant."""
    if not text.strip():
        raise ConfigError("LIVEPASS_HOST is empty", "use 127.0.0.1, or 0.0.0.0 for every address of this machine")
    return text


def _port(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", text) is None or int(text) > 65535:
        raise ConfigError(f"LIVEPASS_PORT is {text!r}, not a port number", "use 1 to 65535, or 0 for any free one")
    return int(text)


def _phones(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,7}", text) is None:
        raise ConfigError(f"LIVEPASS_PHONES_PER_PASS is {text!r}, not a number of phones", "use 64, or 0 for no limit")
    return int(text)


def _rate(setting: str, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,9}", text) is None:
        why = f"LIVEPASS_{setting} is {text!r}, not a number of requests a minute"
        raise ConfigError(why, "use 60000, or 0 for no limit")
    return int(text)


_HEADERS = {"CONNECTION_HEADER": "X-Connection-Id", "CONSOLE_USER_HEADER": "X-Forwarded-User"}


def _on(setting: str, text: str) -> bool:
    if text not in ("on", "off", ""):
        raise ConfigError(f"LIVEPASS_{setting} is {text!r}", "use on or off, or leave it out")
    return text == "on"


def _header(setting: str, name: str) -> str:
    if name and re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) is None:
        raise ConfigError(
            f"LIVEPASS_{setting} is {name!r}, not the name of a header",
            f"name the header alone, as in {_HEADERS[setting]}, and have your proxy set it",
        )
    return name.lower()


def _hosts(text: str) -> tuple[str, ...]:
    """Names with or without a port; without one, the scheme's own."""
    if text == "off":
        return ()
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for host in hosts:
        if re.fullmatch(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?", host) is None:
            raise ConfigError(
                f"LIVEPASS_CERTIFICATE_HOSTS names {host!r}, which is not a host",
                f"name hosts separated by commas, as in {CERTIFICATE_HOSTS}; or say off",
            )
    return hosts
