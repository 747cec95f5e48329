"""A null APNs: nginx, over TLS with client certificates, that answers 200 to everything and echoes ``apns-id``.

Written in C and by others, so that neither its speed nor its idea of HTTP/2 is ours, and every sender has the same
limit. Under ``/3/limit/`` it asks for no certificate: h2load has none to show.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beside import children
from livepass.emulators.authority import Authority

TOPIC = "pass.bench.livepass"
CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
  log_format token '$uri'; access_log {folder}/pushes.log token buffer=64k flush=20ms;
  keepalive_requests 100000000; keepalive_timeout 600s; http2_max_concurrent_streams 1000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/root.pem; ssl_verify_client optional; ssl_verify_depth 3;
    location / {{
      if ($ssl_client_verify != SUCCESS) {{ return 403; }}
      add_header apns-id $http_apns_id always; return 200;
    }}
    location /3/limit/ {{ add_header apns-id $http_apns_id always; return 200; }}
  }}
}}
"""


@dataclass(frozen=True)
class NullApns:
    """Where it listens, and the folder with ``root.pem``, ``client.pem`` and ``client.key``."""

    port: int
    folder: Path

    @property
    def log(self) -> Path:
        """The path of each push, a line each: whom it was to wake."""
        return self.folder / "pushes.log"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def known_to(self) -> dict[str, Any]:
        """What a sender needs to know."""
        return {"apns": self.url, "folder": str(self.folder)}


@contextmanager
def running(port: int) -> Iterator[NullApns]:
    """For the length of a block, on the core that is not measured."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not on this machine (Debian: nginx-light)")
    with tempfile.TemporaryDirectory(prefix="livepass-bench-") as temporary:
        folder = Path(temporary)
        _mint(folder)
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        quietly = {"stdout": subprocess.PIPE, "text": True, **children.pinned(children.LOAD)}
        with children.ended(subprocess.Popen(command, **quietly)) as process:
            _wait(folder, process)
            yield NullApns(port, folder)


def _wait(folder: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 10
    while not (folder / "nginx.pid").exists():
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"nginx did not start: {(folder / 'nginx.log').read_text()}")
        time.sleep(0.02)


def _mint(folder: Path) -> None:
    authority = Authority()
    server, client = authority.server_certificate("localhost", "127.0.0.1"), authority.pass_certificate(TOPIC)
    files = {
        "root.pem": authority.root_pem + server.intermediate_pem + client.intermediate_pem,
        "server.pem": server.certificate_pem + server.intermediate_pem,
        "server.key": server.key_pem,
        "client.pem": client.certificate_pem + client.intermediate_pem,
        "client.key": client.key_pem,
        "both.pem": client.certificate_pem + client.intermediate_pem + client.key_pem,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
