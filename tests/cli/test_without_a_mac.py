"""From nothing to a signed pass without a Mac: every command of the page about it, against the emulated Apple."""

from __future__ import annotations

import re
import shlex
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Livepass, Ran
from livepass.emulators.authority import Authority, AuthorityServer, Issued

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "get-a-certificate-without-a-mac.md"
TYPE, TEAM = "pass.com.example.gym", "TEAM123456"
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^\$ (livepass .+)$", PAGE.read_text(), re.MULTILINE)]


@pytest.fixture
def apple() -> Iterator[AuthorityServer]:
    with AuthorityServer(Authority()) as running:
        yield running


@pytest.fixture
def fresh(livepass: Livepass, apple: AuthorityServer, monkeypatch: pytest.MonkeyPatch) -> Livepass:
    """A project whose Apple is the emulated one."""
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    monkeypatch.setenv("LIVEPASS_CERTIFICATE_HOSTS", apple.url.removeprefix("http://"))
    return livepass


def portal(apple: AuthorityServer, csr: str, cer: str, pass_type: str = TYPE) -> None:
    """What a person does with a browser."""
    Path(cer).write_bytes(apple.authority.from_csr(Path(csr).read_bytes(), pass_type, TEAM))


def verified_by_openssl(pkpass: Path, root: Path, folder: Path) -> str:
    with zipfile.ZipFile(pkpass) as package:
        package.extractall(folder)
    command = "openssl cms -verify -binary -inform DER -in signature -content manifest.json -purpose any -out /dev/null"
    done = subprocess.run(
        [*command.split(), "-CAfile", str(root)], cwd=folder, capture_output=True, text=True, timeout=20
    )
    return done.stderr


def test_every_command_of_the_page_does_what_it_says(fresh: Livepass, apple: AuthorityServer, tmp_path: Path) -> None:
    assert [words[:2] for words in COMMANDS] == [
        ["cert", "csr"],
        ["cert", "import"],
        ["cert", "list"],
        ["cert", "csr"],
        ["cert", "import"],
    ]
    csr, import_, list_, waiting, with_intermediate = COMMANDS
    assert re.search(r"key [0-9a-f]{16} waits here for its certificate; the request is in gym.csr", fresh(*csr).out)
    assert b"PRIVATE" not in Path("gym.csr").read_bytes()
    subprocess.run(["openssl", "req", "-verify", "-noout", "-in", "gym.csr"], check=True, capture_output=True)
    assert TYPE in fresh(*waiting).out
    portal(apple, "gym.csr", "pass.cer")
    taken = fresh(*import_)
    for said in (TYPE, TEAM, "live", "G4", "RSA 2048", "NFC", "not Apple's", "valid to"):
        assert said in taken.out, taken.out
    assert "revoked" not in taken.out + taken.err
    [row] = fresh("cert", "list", "--json").rows
    assert fresh("cert", "show", row["id"]).out.splitlines() == [
        line for line in taken.out.splitlines() if not line.startswith("!")
    ]
    assert [(hit.method, hit.what, hit.answered) for hit in apple.hits] == [
        ("GET", "intermediate", 200),
        ("POST", "ocsp", 200),
    ]
    assert TYPE in fresh(*list_).out and "live" in fresh(*list_).out
    assert "no key waits" in fresh(*waiting).out + fresh(*waiting).err
    # The page's way out, where Apple cannot be reached.
    from cryptography.hazmat.primitives.serialization import Encoding

    Path("AppleWWDRCAG4.cer").write_bytes(apple.authority.intermediate.public_bytes(Encoding.DER))
    apple.spoil("down")
    assert "whether the certificate was revoked is not known" in fresh(*with_intermediate).out


def test_from_a_request_to_a_pass_that_openssl_verifies(
    fresh: Livepass, apple: AuthorityServer, tmp_path: Path
) -> None:
    fresh("cert", "csr", "--out", "a.csr")
    portal(apple, "a.csr", "a.cer")
    assert fresh("cert", "import", "a.cer", "--json").json["state"] == "live"
    fresh("template", "import", "templates/membership")
    fresh("pass", "issue", f"{TYPE}/1", "--template", "membership", 'member_no="1"', "name=Ada", "points=9")
    fresh("pass", "build", f"{TYPE}/1", "-o", "one.pkpass")
    (tmp_path / "root.pem").write_bytes(apple.authority.root_pem)
    (tmp_path / "stranger.pem").write_bytes(Authority(name="Somebody Else").root_pem)
    said = verified_by_openssl(tmp_path / "one.pkpass", tmp_path / "root.pem", tmp_path / "unpacked")
    assert "Verification successful" in said, said
    said = verified_by_openssl(tmp_path / "one.pkpass", tmp_path / "stranger.pem", tmp_path / "unpacked")
    assert "Verification fail" in said, "this does look at the chain"


def test_a_certificate_whose_key_is_elsewhere(fresh: Livepass, apple: AuthorityServer) -> None:
    fresh("cert", "csr", "--type", TYPE, "--out", "a.csr")
    [row] = fresh("cert", "csr", "list", "--json").rows
    Path("b.cer").write_bytes(apple.authority.pass_certificate(TYPE, TEAM).cer)
    ran = fresh("cert", "import", "b.cer", exit_=1)
    assert f"the keys that wait here are {row['id']} ({TYPE})" in ran.err
    assert "Keychain Access" in ran.err


def test_a_key_that_waits_is_not_forgotten_by_accident(fresh: Livepass) -> None:
    made = fresh("cert", "csr", "--out", "a.csr", "--json").json
    assert made["csr_pem"] == Path("a.csr").read_text()
    refused = fresh("cert", "csr", "remove", made["id"], exit_=4)
    assert "can never be used" in refused.err and "--yes" in refused.err
    assert len(fresh("cert", "csr", "list", "--json").rows) == 1
    assert fresh("cert", "csr", "remove", made["id"], "--yes", "--json").json == {"id": made["id"], "removed": True}
    assert fresh("cert", "csr", "list", "--json").rows == []
    assert fresh("cert", "csr", "remove", made["id"], "--yes", exit_=1).err


def test_a_request_goes_to_a_new_file_or_to_stdout(fresh: Livepass) -> None:
    assert fresh("cert", "csr", exit_=2).err
    Path("there.csr").write_text("precious")
    assert "there already" in fresh("cert", "csr", "--out", "there.csr", exit_=2).err
    assert Path("there.csr").read_text() == "precious"
    assert fresh("cert", "csr", "list", "--json").rows == [], "nothing was made in vain"
    assert fresh("cert", "csr", "--out", "-").out.startswith("-----BEGIN CERTIFICATE REQUEST-----")


def test_forms_that_do_not_go_together(fresh: Livepass, apple: AuthorityServer) -> None:
    issued: Issued = apple.authority.pass_certificate(TYPE, TEAM)
    Path("a.cer").write_bytes(issued.cer)
    Path("a.p12").write_bytes(issued.p12("x"))
    Path("a.pem").write_bytes(issued.certificate_pem)
    _, key = issued.pem_pair("geheim")
    Path("locked.pem").write_bytes(key)
    Path("password").write_text("geheim\n")
    for words in (
        ("a.p12", "--pem", "a.pem"),
        ("--pem", "a.pem"),
        ("a.p12", "--key", "locked.pem"),
        ("a.cer", "--password-file", "password"),
        ("--pem", "a.pem", "--key", "a.cer"),
    ):
        assert "hint: " in fresh("cert", "import", *words, exit_=2).err, words
    locked: Ran = fresh("cert", "import", "--pem", "a.cer", "--key", "locked.pem", exit_=1)
    assert "--key-password-file" in locked.err
    words = ("--pem", "a.cer", "--key", "locked.pem", "--key-password-file", "password", "--json")
    assert fresh("cert", "import", *words).json["state"] == "live"


def test_nfc_is_given_up_only_by_whoever_says_so(fresh: Livepass, apple: AuthorityServer) -> None:
    Path("password").write_text("x\n")
    for name, nfc in (("nfc", True), ("plain", False)):
        Path(f"{name}.p12").write_bytes(apple.authority.pass_certificate(TYPE, TEAM, nfc=nfc).p12("x"))
    assert re.search(r"NFC +yes", fresh("cert", "import", "nfc.p12", "--password-file", "password").out)
    words = ("cert", "import", "plain.p12", "--password-file", "password")
    assert "--accept-nfc-loss" in fresh(*words, exit_=1).err
    assert fresh(*words, "--accept-nfc-loss", "--json").json["nfc"] is False
