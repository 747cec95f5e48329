"""``livepass cert check`` and everything that says the same, against a service that runs: exit codes and words."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import ssl
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Livepass, Ran
from cli.test_remote import TYPE, running
from livepass.emulators.authority import Authority
from web.test_metrics import of, parsed

DAY = 86_400


@dataclass
class Service:
    """``livepass serve`` with TLS, as its public address, and an emulated APNs; both processes."""

    livepass: Livepass
    address: str
    far: tuple[str, ...]
    apns: contextlib.ExitStack

    def __call__(self, *words: str, exit_: int = 0) -> Ran:
        return self.livepass(*self.far, *words, exit_=exit_)

    def get(self, path: str) -> tuple[int, str]:
        context = ssl.create_default_context(cafile="root.pem")
        with urllib.request.urlopen(self.address + path, timeout=30, context=context) as reply:
            return reply.status, reply.read().decode()

    def doctor(self) -> dict[str, Any]:
        """Of the certificates, as it says on the host itself."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LIVEPASS_PUBLIC_URL", self.address)
            results = self.livepass("doctor", "--ca", "root.pem", "--json", exit_=1).json["results"]
        return next(row for row in results if row["id"] == "SELF5")

    def states(self, *words: str, exit_: int = 0) -> dict[str, str]:
        rows: list[dict[str, Any]] = self("cert", "check", "--json", *words, exit_=exit_).json["certificates"]
        return {row["kind"]: row["state"] for row in rows}


@contextlib.contextmanager
def serving(livepass: Livepass, folder: Path, **more: str) -> Iterator[Service]:
    (folder / "client-ca.pem").write_bytes((folder / "root.pem").read_bytes() + (folder / "wwdr.pem").read_bytes())
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    emulate = ("apns", "emulate", "--cert", "tls.pem", "--key", "tls.key", "--client-ca", "client-ca.pem")
    words = ("serve", "--tls-cert", "tls.pem", "--tls-key", "tls.key", "--port")
    with contextlib.ExitStack() as apns:
        _, said = apns.enter_context(running(folder, *emulate, "--port", "0", "--control-port", "0"))
        with running(folder, *words, "0") as (_, ready):
            address = ready["address"]
        given = {
            "LIVEPASS_APNS_URL": said["apns_url"],
            "LIVEPASS_APNS_CA_FILE": "root.pem",
            "LIVEPASS_PUBLIC_URL": address,
            "LIVEPASS_PUBLIC_CA_FILE": "root.pem",
        }
        given = {name: value for name, value in (given | more).items() if value}
        with running(folder, *words, address.rpartition(":")[2], **given):
            key = Path("secrets/admin.key").read_text().strip()
            yield Service(livepass, address, ("--url", address, "--key", key, "--ca", "root.pem"), apns)


@pytest.fixture
def service(livepass: Livepass, tls: Path) -> Iterator[Service]:
    with serving(livepass, tls) as made:
        made("cert", "import", "pass.p12", "--password-file", "password")
        yield made


def behind_its_back(statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect("livepass.db", timeout=10)) as db, db:
        assert db.execute(statement, values).rowcount == 1


FINE = {"certificate": "fine", "intermediate": "fine", "public_tls": "fine", "apns_tls": "fine"}


def test_all_is_well_then_something_ends(service: Service) -> None:
    assert service.states() == FINE, "nobody looked yet, and the ends stand in the database"
    said = service("cert", "check").out
    assert said.count("not looked at yet") == 3 and "nothing else ends soon" in said, "nor is it called fine"
    assert service.states("--now") == FINE
    said = service("cert", "check").out
    assert "not yet" not in said and "looked at yet" not in said, "the look is remembered"
    assert service.states("--expires-in", "100d", exit_=1) == FINE | {"public_tls": "soon"}
    assert service.states("--expires-in", "1d") == FINE
    assert "number of days" in service("cert", "check", "--expires-in", "soon", exit_=2).err
    service("cert", "check", "--expires-in", "99999d", exit_=2)
    assert service.states("--type", "pass.none") == {"public_tls": "fine", "apns_tls": "fine"}
    assert service("status").out


def test_an_expired_one_is_told_everywhere(service: Service) -> None:
    behind_its_back("UPDATE certificate SET not_after = ?", int(time.time() - 3 * DAY) * 1000)
    said = f"the certificate of {TYPE}"
    assert service.states(exit_=1)["certificate"] == "ended"
    check = service("cert", "check", exit_=1).out
    assert "has expired, 3 days ago" in check and "livepass cert import" in check and "phones register and ask" in check
    status = service("status", "--json", exit_=1).json
    assert status["attention"][0].startswith(said)
    code, ready = service.get("/readyz")
    assert code == 200 and f"certificate: {said}" in ready, "told, and not out of service"
    assert service.doctor()["status"] == "failed"
    code, text = service.get("/metrics")
    ends = parsed(text)["livepass_certificate_not_after_timestamp_seconds"].samples
    assert code == 200 and ends[of("certificate", TYPE)] < time.time() < ends[of("intermediate", TYPE)]


def test_a_revoked_one_is_told_everywhere(service: Service) -> None:
    behind_its_back("UPDATE certificate SET revoked_at = 1")
    assert service.states(exit_=1)["certificate"] == "revoked"
    assert "is revoked" in service("status", exit_=1).out
    doctor = service.doctor()
    assert doctor["status"] == "failed" and "is revoked" in doctor["evidence"]
    assert parsed(service.get("/metrics")[1])["livepass_certificate_revoked"].samples == {of("certificate", TYPE): 1}


def test_apns_out_of_reach_is_no_answer(service: Service) -> None:
    service.apns.close()
    assert service.states("--now", exit_=3) == FINE | {"apns_tls": "unclear"}
    assert "could not be looked at" in service("cert", "check", exit_=3).out
    service("status")


@pytest.mark.parametrize("wrong", ["expired", "wrong name", "incomplete chain", "untrusted"])
def test_what_phones_would_refuse(
    livepass: Livepass, tls: Path, authority: Authority, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = {
        "expired": lambda: authority.server_certificate("localhost", "127.0.0.1", starts=dt.timedelta(days=-9), days=7),
        "wrong name": lambda: authority.server_certificate("other.example.com"),
        "incomplete chain": lambda: authority.server_certificate("127.0.0.1", below_intermediate=True),
        "untrusted": lambda: Authority(name="Another").server_certificate("127.0.0.1"),
    }[wrong]()
    (tls / "shown.pem").write_bytes(issued.certificate_pem)
    (tls / "shown.key").write_bytes(issued.key_pem)
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    # Somebody else's TLS, as where a proxy ends it: any server that shows this certificate will do.
    emulate = ("apns", "emulate", "--cert", "shown.pem", "--key", "shown.key", "--client-ca", "root.pem")
    with running(tls, *emulate, "--port", "0", "--control-port", "0") as (_, proxy):
        for name in ("PUBLIC", "APNS"):
            monkeypatch.setenv(f"LIVEPASS_{name}_URL", proxy["apns_url"])
            monkeypatch.setenv(f"LIVEPASS_{name}_CA_FILE", "root.pem")
        ran = livepass("cert", "check", "--now", exit_=1)
    assert {
        "expired": "the TLS certificate of the public address has expired, 2 days ago: renew it where TLS ends",
        "wrong name": "it is for 'other.example.com', not for",
        "incomplete chain": "let the proxy send the whole chain",
        "untrusted": "is no authority trusted here",
    }[wrong] in " ".join(ran.out.split())
