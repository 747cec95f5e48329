"""Every command that README and docs tell people to type is typed here, in its order, against processes that run."""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.test_remote import running
from docs.scene import carried_out, files_of_somebody, scene
from docs.tables import PAGES, of
from docs.typed import TOP, Typed, pages, typed
from free_ports import free_port
from livepass.emulators.authority import Authority
from provider_keys import TEAM
from servers.postgres import require

TYPED = pages()
HERE = sorted(name for name, page in PAGES.items() if not page.elsewhere)
BY_DAY = {"README.md", HERE[zlib.crc32(datetime.datetime.now(datetime.UTC).strftime("%Y%m%d").encode()) % len(HERE)]}
"""README, and another page each day; by night all of them."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "base"
    folder.mkdir()
    files_of_somebody(folder, authority)
    return folder


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, base: Path, authority: Authority) -> Iterator[dict[str, str]]:
    """An APNs, and the settings that lead to it and to a service of this machine's."""
    folder = tmp_path_factory.mktemp("apns")
    intermediate = authority.pass_certificate("pass.com.example.gym").intermediate_pem
    (folder / "client-ca.pem").write_bytes(authority.root_pem + intermediate)
    key = ("--apns-key", f"ABC123DEFG:{TEAM}:{base / 'AuthKey_ABC123DEFG.p8'}")
    words = (*key, "--cert", str(base / "tls.pem"), "--key", str(base / "tls.key"), "--client-ca", "client-ca.pem")
    with running(folder, "apns", "emulate", *words, "--any-token", "--port", "0", "--control-port", "0") as (_, apns):
        port = free_port()
        yield {
            "LIVEPASS_APNS_URL": apns["apns_url"],
            "LIVEPASS_APNS_CA_FILE": str(base / "root.pem"),
            "LIVEPASS_PORT": str(port),
            "LIVEPASS_PUBLIC_URL": f"https://localhost:{port}",
            "LIVEPASS_PUBLIC_CA_FILE": str(base / "root.pem"),
        }


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=() if each in BY_DAY else pytest.mark.nightly) for each in HERE]
)
def test_a_page_does_what_it_says(name: str, base: Path, far: dict[str, str], tmp_path: Path) -> None:
    page = PAGES[name]
    environment = far | ({"POSTGRES": require().create_database()} if "$POSTGRES" in str(page.words) else {})
    with scene(page, base, tmp_path / "scene", int(far["LIVEPASS_PORT"]), environment) as at:
        carried_out(at, page, TYPED[name])


def test_every_page_with_commands_is_in_the_table() -> None:
    assert PAGES.keys() == TYPED.keys()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_table_speaks_of_lines_that_are_there(name: str) -> None:
    page = PAGES.get(name)
    lines = [each.line for each in TYPED[name]]
    assert [name for name in page.named if not any(line.startswith(name) for line in lines)] == []
    assert {*page.stays} <= {*lines}
    if page.elsewhere:
        assert Path(name).name in (TOP / page.elsewhere).read_text()


def test_most_is_typed() -> None:
    """Fails when lines are left out until nothing is proven."""
    total = sum(len(lines) for lines in TYPED.values())
    left = sum(of(PAGES[name].left_out, each.line, "") != "" for name, lines in TYPED.items() for each in lines)
    assert total > 200 and left < total / 8, (left, total)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("$ livepass why   # exit 1: says which", Typed("livepass why", 1)),
        ("$ livepass db verify   # does it hold? exit 0: leave it", Typed("livepass db verify")),
        ("$ livepass key reseal   # seals; exit 1 if something is left", Typed("livepass key reseal")),
        ("$ curl a \\\n    -d '{}'\nanswer", Typed("curl a \\\n    -d '{}'")),
        ("   $ livepass status", Typed("livepass status")),
    ],
)
def test_how_a_line_is_read(block: str, expected: Typed) -> None:
    assert typed(f"```console\n{block}\n```\n") == [expected]
