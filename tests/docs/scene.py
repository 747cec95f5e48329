"""Where the commands of a page are typed: a folder as the page expects it, a service and a phone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docs.tables import EVERYWHERE, MORE, PASS_TYPE, Page, of
from docs.typed import TOP, Typed
from livepass.emulators.authority import Authority
from provider_keys import TEAM, Minted

SHELL = """\
set -o pipefail; cd "$(cat "$STATE/cwd")"; . "$STATE/env"; eval "$1"; code=$?
export -p > "$STATE/env"; pwd > "$STATE/cwd"
exit $code"""
"""What a line exports, and where it goes to, is kept for the next."""
STAYING = 'cd "$(cat "$STATE/cwd")"; . "$STATE/env"; exec $1'
SERVE = "livepass serve --tls-cert $FILES/tls.pem --tls-key $FILES/tls.key"
PROJECT = (
    "livepass init",
    "livepass db upgrade",
    "livepass cert import pass.p12 --password-file pw",
    "livepass template import templates/membership",
    f"livepass pass issue {PASS_TYPE}/1001 --template membership --holder crm-4711"
    " member_no='\"1001\"' name=Ada visits_left=9",
    f"livepass pass issue {PASS_TYPE}/1002 --template membership member_no='\"1002\"' name=Grace visits_left=3",
    f"livepass pass build {PASS_TYPE}/1001 -o 1001.pkpass",
)
PHONE = ("livepass phone add 1001.pkpass",)


@dataclass
class Scene:
    """One folder with a shell in it: what one line exports or where it goes holds for the next."""

    folder: Path
    state: Path
    port: int
    environment: dict[str, str]
    staying: list[subprocess.Popen[str]] = field(default_factory=list)

    def begin(self) -> None:
        self.state.mkdir()
        (self.state / "cwd").write_text(str(self.folder))
        (self.state / "env").write_text("")

    @property
    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
        path = f"{Path(sys.executable).parent}:{clean['PATH']}"
        files = {"STATE": str(self.state), "FILES": str(self.folder), "TOP": str(TOP), "CURL_HOME": str(self.folder)}
        files["TMPDIR"] = str(self.state)
        return clean | files | self.environment | {"PATH": path, "COLUMNS": "160"}

    def type(self, line: str, exit_: int | tuple[int, ...] = 0) -> str:
        """Carries out one line; what it printed. Fails when it leaves with another code."""
        ran = subprocess.run(
            ["bash", "-c", SHELL, "_", line],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        wanted = exit_ if isinstance(exit_, tuple) else (exit_,)
        assert ran.returncode in wanted, f"$ {line}\nleft with {ran.returncode}, not {exit_}\n{ran.stdout[-3000:]}"
        return ran.stdout

    def stay(self, line: str) -> None:
        """Begins what stays up, and waits until it says something."""
        program = subprocess.Popen(
            ["bash", "-c", STAYING, "_", line.replace("$FILES", str(self.folder))],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(errors := self.state / f"{len(self.staying)}.err").open("w"),
            text=True,
        )
        assert program.stdout is not None
        said = program.stdout.readline()
        assert said, f"$ {line}\nsaid nothing, and left\n{errors.read_text()[-3000:]}"
        self.staying.append(program)

    def end(self) -> None:
        for program in reversed(self.staying):
            program.send_signal(signal.SIGINT)
            try:
                program.wait(25)
            finally:
                program.kill()
                assert program.stdout is not None
                program.stdout.close()


def made_of(line: str, page: Page, port: int) -> str:
    """A line with what its placeholders stand for, and what this machine needs beside a real one."""
    for name, value in (EVERYWHERE | dict(page.words)).items():
        line = re.sub(rf"(?<![\w.-]){re.escape(name)}(?!\w)", lambda _, value=value: value, line)
    line = line.replace("PORT", str(port))
    more = max((start for start in MORE if line.startswith(start)), key=len, default="")
    return f"{line} {MORE[more]}" if more else line


def files_of_somebody(folder: Path, authority: Authority) -> None:
    """What one has who has been at Apple's portal, and a machine's certificate for TLS."""
    for name in ("pass", "next"):
        (folder / f"{name}.p12").write_bytes(authority.pass_certificate(PASS_TYPE, TEAM).p12("correct horse"))
    (folder / "AuthKey_ABC123DEFG.p8").write_bytes(Minted().p8)
    (folder / "word").write_text("a long word of ada's\n")
    (folder / "pw").write_text("correct horse\n")
    (folder / "root.pem").write_bytes(authority.root_pem)
    issued = authority.server_certificate("localhost", "127.0.0.1")
    (folder / "tls.pem").write_bytes(issued.certificate_pem)
    (folder / "tls.key").write_bytes(issued.key_pem)
    (folder / ".curlrc").write_text(f'cacert = "{folder / "root.pem"}"\nfail\nsilent\nshow-error\n')
    shutil.copytree(TOP / "deploy", folder / "deploy")


@contextmanager
def scene(page: Page, base: Path, folder: Path, port: int, environment: dict[str, str]) -> Iterator[Scene]:
    """A fresh copy of ``base``, with as much running as the page begins with."""
    shutil.copytree(base, folder)
    curl = folder / ".curlrc"
    curl.write_text(curl.read_text().replace(str(base), str(folder)))
    made = Scene(folder, folder.with_suffix(".state"), port, environment)
    made.begin()
    try:
        if page.begins != "files":
            for line in PROJECT:
                made.type(line)
        if page.begins in ("service", "serving"):
            made.stay(SERVE)
        for line in [*(PHONE if page.begins == "service" else ()), *page.before]:
            made.type(made_of(line, page, port))
        yield made
    finally:
        made.end()


def carried_out(at: Scene, page: Page, lines: list[Typed]) -> None:
    """Types all lines of a page that can be typed here."""
    for each in lines:
        if of(page.left_out, each.line, ""):
            continue
        for line in of(page.first, each.line, ()):
            at.type(made_of(line, page, at.port))
        line = made_of(each.line, page, at.port)
        if each.line in page.stays:
            at.stay(line.replace("livepass serve", SERVE))
        else:
            at.type(line, of(page.exit_, each.line, each.exit_))
