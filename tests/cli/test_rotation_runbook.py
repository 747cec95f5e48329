"""Every command of docs/runbooks/rotate-the-certificate.md, typed in its order against processes that run."""

from __future__ import annotations

import contextlib
import re
import shlex
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import Livepass
from cli.test_remote import TYPE, running
from livepass.emulators.authority import Authority

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "rotate-the-certificate.md"
BLOCK = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
TYPED = {
    title: re.findall(r"^\$ livepass (.+?)(?: +#(.*))?$", block, re.MULTILINE)
    for title, block in BLOCK.findall(PAGE.read_text())
}


class Scene:
    """A service with one live certificate, its public address and APNs on loopback, and the next certificate."""

    def __init__(self, livepass: Livepass, far: tuple[str, ...]) -> None:
        self.livepass = livepass
        self.far = far
        self.ids: dict[str, str] = {}

    def name_ids(self) -> None:
        """The first certificate that is seen is the old one."""
        for row in self.livepass(*self.far, "cert", "list", "--json").rows:
            if row["id"] not in self.ids.values():
                self.ids["NEXT" if self.ids else "OLD"] = row["id"]

    def typed(self, title: str) -> None:
        for line, said in TYPED[title]:
            words = [self.ids.get(word, TYPE if word == "TYPE" else word) for word in shlex.split(line)]
            words = ["next.p12" if word == "NEXT.p12" else "password" if word == "PASSWORD" else word for word in words]
            self.livepass(*self.far, *words, exit_=1 if "exit 1" in said else 0)
            self.name_ids()

    def states(self) -> dict[str, str]:
        rows = {row["id"]: row for row in self.livepass(*self.far, "cert", "list", "--json").rows}
        return {name: "signs" if rows[id_]["signs"] else rows[id_]["state"] for name, id_ in self.ids.items()}


@pytest.fixture
def scene(livepass: Livepass, tls: Path, authority: Authority) -> Iterator[Callable[[int], Scene]]:
    with contextlib.ExitStack() as stack:

        def begin(days: int) -> Scene:
            (tls / "pass.p12").write_bytes(authority.pass_certificate(TYPE, days=days).p12("correct horse"))
            (tls / "next.p12").write_bytes(authority.pass_certificate(TYPE).p12("correct horse"))
            (tls / "client-ca.pem").write_bytes((tls / "root.pem").read_bytes() + (tls / "wwdr.pem").read_bytes())
            livepass("init", "--public-url", "https://wallet.example.com")
            livepass("db", "upgrade")
            emulate = ("apns", "emulate", "--cert", "tls.pem", "--key", "tls.key", "--client-ca", "client-ca.pem")
            _, apns = stack.enter_context(running(tls, *emulate, "--port", "0", "--control-port", "0"))
            pushing = {"LIVEPASS_APNS_URL": apns["apns_url"], "LIVEPASS_APNS_CA_FILE": "root.pem"}
            words = ("serve", "--port", "0", "--tls-cert", "tls.pem", "--tls-key", "tls.key")
            with running(tls, *words) as (_, ready):
                address = ready["address"]
            public = {"LIVEPASS_PUBLIC_URL": address, "LIVEPASS_PUBLIC_CA_FILE": "root.pem"}
            port = address.rpartition(":")[2]
            stack.enter_context(running(tls, "serve", "--port", port, *words[3:], **pushing, **public))
            far = ("--url", address, "--key", Path("secrets/admin.key").read_text().strip(), "--ca", "root.pem")
            made = Scene(livepass, far)
            livepass(*far, "cert", "import", "pass.p12", "--password-file", "password")
            made.name_ids()
            return made

        yield begin


def behind_its_back(statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect("livepass.db", timeout=10)) as db, db:
        assert db.execute(statement, values).rowcount == 1


def test_the_page_has_commands_for_each_case() -> None:
    assert {title: len(lines) for title, lines in TYPED.items()} == {
        "30 days before": 9,
        "Going back": 2,
        "It has expired": 4,
        "APNs refuses it": 3,
        "It is revoked": 4,
    }


def test_in_time_and_back_and_on(scene: Callable[[int], Scene]) -> None:
    at = scene(20)
    at.typed("30 days before")
    assert at.states() == {"OLD": "live", "NEXT": "signs"}
    at.typed("Going back")
    assert at.states() == {"OLD": "signs", "NEXT": "proven"}
    at.livepass(*at.far, "cert", "promote", at.ids["NEXT"])
    at.typed("APNs refuses it")
    at.livepass(*at.far, "cert", "retire", at.ids["OLD"])
    assert at.states() == {"OLD": "retired", "NEXT": "signs"}


def test_after_the_end(scene: Callable[[int], Scene]) -> None:
    at = scene(300)
    behind_its_back("UPDATE certificate SET not_after = ?", int(time.time() - 3600) * 1000)
    at.typed("It has expired")
    assert at.states() == {"OLD": "live", "NEXT": "signs"}


def test_revoked(scene: Callable[[int], Scene]) -> None:
    at = scene(300)
    behind_its_back("UPDATE certificate SET revoked_at = 1")
    at.typed("It is revoked")
    assert at.states() == {"OLD": "retired", "NEXT": "signs"}
