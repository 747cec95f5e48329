"""The fixtures, in projects of somebody else's: the printed test, and what such tests want to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.blocks import blocks
from embed.projects import announce, pytest_in
from journeys.world import MEMBERSHIP, png

PRINTED = blocks("docs/how-to/test-updates-in-pytest.md")[0].text


ALONE = ("-p", "livepass.pytest_plugin")
"""Without whatever else is installed here, which takes longer to load than the tests run."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    announce(folder)
    return folder


def test_the_printed_test_passes_and_can_fail(tmp_path: Path, site: Path) -> None:
    """Without its pushes the phone shows what it showed. The plugin is found as an installation announces it."""
    (tmp_path / "test_points.py").write_text(PRINTED)
    (tmp_path / "test_undelivered.py").write_text(PRINTED.replace("    phone.deliver_pushes()\n", ""))
    code, said = pytest_in(tmp_path, site, "-p", "no:anyio")
    assert code == 1, said
    assert "1 failed, 1 passed" in said
    assert "assert 120 == 130" in said


WISHES = """\
import pytest


def served(livepass_app, phone):
    p = livepass_app.issue("coffee", serial="LP-1", points=1)
    phone.add(p.pkpass)
    return p


def test_what_apns_was_asked(livepass_app, apns, phone):
    p = served(livepass_app, phone)
    assert apns.pushes == []
    p.set(points=2)
    assert phone.deliver_pushes() == 1
    [push] = apns.pushes
    assert (push.token, push.topic, push.status) == (phone.push_token, "pass.test.livepass", 200)
    assert push.payload == b"{}"


def test_a_push_that_apns_puts_off(livepass_app, apns, phone):
    p = served(livepass_app, phone)
    apns.answer(429)
    p.set(points=2)
    phone.deliver_pushes()
    phone.deliver_pushes()
    assert [push.status for push in apns.pushes] == [429, 200]
    assert phone["LP-1"].field("points") == 2


def test_a_wiped_phone(livepass_app, apns, phone, phones):
    p = served(livepass_app, phone)
    other = phones("Grace's iPhone")
    other.add(p.pkpass)
    phone.wipe()
    p.set(points=2)
    other.deliver_pushes()
    assert sorted(push.status for push in apns.pushes) == [200, 410]
    assert other["LP-1"].field("points") == 2
    p.set(points=3)
    other.deliver_pushes()
    assert sorted(push.status for push in apns.pushes) == [200, 200, 410]


def test_a_phone_that_was_offline_catches_up(livepass_app, apns, phone):
    p = served(livepass_app, phone)
    with phone.offline():
        p.set(points=2)
        assert phone.deliver_pushes() == 0
        p.set(points=3)
        assert phone.deliver_pushes() == 0
        assert phone["LP-1"].field("points") == 1
    phone.deliver_pushes()
    assert phone["LP-1"].field("points") == 3
    assert len(apns.pushes) == 2


def test_nothing_changed_pushes_nothing(livepass_app, apns, phone):
    p = served(livepass_app, phone)
    assert not p.set(points=1).changed
    assert phone.deliver_pushes() == 0
    assert apns.pushes == []


def test_updates_are_turned_off(livepass_app, apns, phone):
    p = served(livepass_app, phone)
    phone.set_automatic_updates("LP-1", False)
    p.set(points=2)
    assert phone.deliver_pushes() == 0
    assert phone["LP-1"].field("points") == 1
    phone.pull_to_refresh("LP-1")
    assert phone["LP-1"].field("points") == 2
    phone.delete("LP-1")
    assert "LP-1" not in phone


def test_why_says_it(livepass_app, phone):
    p = served(livepass_app, phone)
    with phone.offline():
        p.set(points=2)
        phone.deliver_pushes()
        [verdict] = p.why().verdicts
        assert verdict.code.startswith("LP")
    phone.deliver_pushes()
    assert not p.why().problem
    assert "changed" in [event.kind.value for event in p.timeline()]


@pytest.mark.anyio
async def test_from_a_test_that_awaits(livepass_app, phone):
    p = served(livepass_app, phone)
    p.set(points=2)
    phone.deliver_pushes()
    assert phone["LP-1"].field("points") == 2


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


SIDE_BY_SIDE = pytest.param(("-p", "xdist", "-n", "2"), marks=pytest.mark.nightly, id="side by side")


@pytest.mark.parametrize("words", [pytest.param((), id="one process"), SIDE_BY_SIDE])
def test_what_tests_want_to_do(tmp_path: Path, site: Path, words: tuple[str, ...]) -> None:
    """With xdist every worker has a stage of its own."""
    (tmp_path / "test_wishes.py").write_text(WISHES)
    code, said = pytest_in(tmp_path, site, *ALONE, "-p", "anyio", *words, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == 0, said
    assert "8 passed" in said


OWN = """\
import json

import pytest
from livepass import Livepass
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import contextlib
import httpx2
import ssl


@pytest.fixture
def livepass_settings(livepass_settings):
    return {**livepass_settings, "public_url": livepass_settings["public_url"] + "/club"}


@pytest.fixture
def livepass_asgi(livepass_object):
    async def buy(request):
        await livepass_object.change("pass.test.livepass", "1", data={"points": 7})
        return JSONResponse({"bought": True})

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with livepass_object.running():
            yield

    routes = [Route("/buy", buy, methods=["POST"]), Mount("/club", livepass_object.device_app())]
    return Starlette(routes=routes, lifespan=lifespan)


def test_the_shop_s_own_endpoint(livepass_app, phone, livepass_stage):
    p = livepass_app.issue("mine", serial="1", points=5)
    phone.add(p.pkpass)
    trust = ssl.create_default_context(cafile=str(livepass_stage.ca_file))
    answer = httpx2.post(livepass_app.url + "/buy", verify=trust)
    assert answer.json() == {"bought": True}
    phone.deliver_pushes()
    assert phone["1"].field("points") == 7
    assert phone.complaints == []
    assert "/club/wallet/v1/" in phone.exchanges[0].request.url
"""


def test_an_application_of_ones_own(tmp_path: Path, site: Path) -> None:
    folder = tmp_path / "templates" / "mine"
    folder.mkdir(parents=True)
    (folder / "pass.json").write_text(json.dumps(MEMBERSHIP))
    (folder / "icon.png").write_bytes(png(38))
    (folder / "icon@2x.png").write_bytes(png(76))
    (folder / "icon@3x.png").write_bytes(png(114))
    (tmp_path / "test_own.py").write_text(OWN)
    code, said = pytest_in(tmp_path, site, *ALONE, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == 0, said


def test_collecting_imports_nothing_of_livepass(tmp_path: Path, site: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing():\n"
        "    loaded = {name for name in sys.modules if name.startswith('livepass')}\n"
        "    assert loaded == {'livepass', 'livepass._version', 'livepass.pytest_plugin'}\n"
    )
    code, said = pytest_in(tmp_path, site, "-p", "no:anyio")
    assert code == 0, said
