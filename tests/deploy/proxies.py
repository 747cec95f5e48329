"""The real nginx and Caddy on loopback, with the files that ship: only address, port and certificate differ."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
KINDS = ("nginx", "caddy")
PACKAGES: Mapping[str, str] = {"nginx": "nginx-light", "caddy": "caddy"}
START_SECONDS = 20.0

_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
worker_processes 1;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {more}
    include {folder}/livepass.conf;
}}
"""


@dataclass(frozen=True)
class Place:
    """Where a proxy listens (``port``), whom it asks (``behind``), and what it shows."""

    folder: Path
    port: int
    behind: int
    certificate: Path
    key: Path


def binary(name: str) -> str:
    """Where the program is. Skips the test where it is missing; CI has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        said = f"{name} is not installed: apt-get install {PACKAGES.get(name, name)}"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    return found


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Each once: a file that ships and says it no more must not be tested as something else."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def running(kind: str, place: Place, *, changes: Mapping[str, str] | None = None, more: str = "") -> Iterator[None]:
    """The proxy. ``changes``: further edits of the file that ships; ``more``: lines for nginx's http block."""
    place.folder.mkdir(parents=True, exist_ok=True)
    start = _nginx if kind == "nginx" else _caddy
    words, environment = start(place, changes or {}, more)
    with (place.folder / "said").open("wb") as said:
        process = subprocess.Popen(words, env=environment, stdout=said, stderr=said)
    try:
        _await(process, place)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def nginx_files(place: Place, changes: Mapping[str, str], more: str = "") -> Path:
    """Writes nginx's files; answers the main one."""
    common = {
        "server 127.0.0.1:8420;": f"server 127.0.0.1:{place.behind};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{place.port} ssl http2;",
        "server_name passes.example.com;": "server_name localhost 127.0.0.1;",
        "/etc/letsencrypt/live/passes.example.com/fullchain.pem": str(place.certificate),
        "/etc/letsencrypt/live/passes.example.com/privkey.pem": str(place.key),
    }
    site = (DEPLOY / "nginx/livepass.conf").read_text()
    proxy = (DEPLOY / "nginx/livepass-proxy.conf").read_text()
    mine = {old: new for old, new in changes.items() if old in site}
    (place.folder / "livepass.conf").write_text(replaced(site, {**common, **mine}))
    theirs = {old: new for old, new in changes.items() if old not in mine}
    (place.folder / "livepass-proxy.conf").write_text(replaced(proxy, theirs))
    main = place.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # its workers must read a folder that only root may
    main.write_text(_MAIN.format(folder=place.folder, user=user, more=more))
    return main


def _nginx(place: Place, changes: Mapping[str, str], more: str) -> tuple[list[str], dict[str, str]]:
    main = nginx_files(place, changes, more)
    words = [binary("nginx"), "-p", str(place.folder), "-e", str(place.folder / "error.log"), "-c", str(main)]
    return words, dict(os.environ)


def caddy_file(place: Place, changes: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    """Writes Caddy's file; answers it, and the environment that it is used with."""
    site = "{$LIVEPASS_SITE:passes.example.com} {\n"
    common = {
        site: f"{site}\ttls {place.certificate} {place.key}\n\tbind 127.0.0.1\n",
        "\tadmin off\n": "\tadmin off\n\tauto_https disable_redirects\n",
    }
    file = place.folder / "Caddyfile"
    file.write_text(replaced((DEPLOY / "caddy/Caddyfile").read_text(), {**common, **changes}))
    settings = {
        "LIVEPASS_SITE": f"https://localhost:{place.port}",
        "LIVEPASS_UPSTREAMS": f"127.0.0.1:{place.behind}",
        "XDG_DATA_HOME": str(place.folder),
        "XDG_CONFIG_HOME": str(place.folder),
        "HOME": str(place.folder),
    }
    return file, {**os.environ, **settings}


def _caddy(place: Place, changes: Mapping[str, str], _: str) -> tuple[list[str], dict[str, str]]:
    file, environment = caddy_file(place, changes)
    return [binary("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)], environment


def _await(process: subprocess.Popen[bytes], place: Place) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", place.port), 1):
            return
        assert process.poll() is None, _said(place)
        time.sleep(0.02)
    raise AssertionError(f"the proxy does not listen: {_said(place)}")


def _said(place: Place) -> str:
    files = [place.folder / name for name in ("said", "error.log")]
    return "\n".join(file.read_text(errors="replace")[-2000:] for file in files if file.exists())
