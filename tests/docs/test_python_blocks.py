"""Every block of Python that README and docs show is carried out as it stands, in the world that its page speaks of."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import textwrap
import traceback
from collections.abc import Coroutine, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import pytest
import sqlalchemy
from fastapi import FastAPI
from starlette.authentication import SimpleUser, UnauthenticatedUser

import engines
from client.test_client import KEY, Running
from docs.blocks import Block, blocks, pages
from docs.typed import TOP
from embed.hosts import apns_of, client, embedded, furnish, register, settings
from embed.projects import pytest_in
from embed.test_outbox import placed
from journeys.world import MEMBERSHIP, PASS_TYPE, template, until
from livepass import Livepass
from livepass.client import Client
from livepass.emulators.authority import Authority
from livepass.web.issuer_answers import BatchResult

IN_YOURS = "docs/how-to/put-it-in-your-application.md"
IN_TRANSACTIONS = "docs/how-to/change-a-pass-in-your-transaction.md"
IN_PYTEST = "docs/how-to/test-updates-in-pytest.md"
CARRIED_OUT: Mapping[str, int] = MappingProxyType({
    IN_TRANSACTIONS: 1,
    IN_YOURS: 6,
    IN_PYTEST: 2,
    "docs/reference/preview.md": 1,
    "docs/reference/python.md": 1,
})  # fmt: skip
"""How many blocks of a page are carried out here."""

ELSEWHERE: Mapping[tuple[str, int], str] = MappingProxyType({
    (IN_PYTEST, 0): "tests/embed/test_fixtures.py",
    ("docs/how-to/receive-webhooks.md", 0): "tests/cli/test_webhook.py",
})  # fmt: skip
"""By page and place on it, the test that carries a block out with more cases than there would be here."""


def test_every_block_is_carried_out() -> None:
    elsewhere = [page for page, _ in ELSEWHERE]
    expected = {page: CARRIED_OUT.get(page, 0) + elsewhere.count(page) for page in {*CARRIED_OUT, *elsewhere}}
    assert {page: len(there) for page, there in pages().items()} == expected
    for (page, _), test in ELSEWHERE.items():
        assert Path(page).name in (TOP / test).read_text()


@pytest.fixture
def sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_chosen", "sqlite")


def _away(steps: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await steps

    asyncio.run(limited())


# ── references


def test_preview(tmp_path: Path, authority: Authority, sqlite: None) -> None:
    async def steps() -> None:
        async with embedded(tmp_path, authority) as lp:
            names: dict[str, Any] = {"package": await lp.pkpass(PASS_TYPE, "1")}
        [block] = blocks("docs/reference/preview.md")
        await block.run(names)
        whole, file = names["page"]([("Version 7", names["drawing"])], "Membership"), names["svg"](names["drawing"])
        assert whole.startswith(b"<!DOCTYPE html>") and b"Version 7" in whole and names["STYLE"].encode() in whole
        assert b"<svg" in file and b"100" in file

    _away(steps())


def test_the_client(tmp_path: Path, authority: Authority, sqlite: None) -> None:
    """Against a service that runs."""
    running = Running(Livepass(**settings(tmp_path, admin_key=KEY)), authority)
    line = {"pass_type": PASS_TYPE, "serial": "1002", "template": "membership"}
    lines = [{**line, "data": {"name": "Grace", "visits_left": 3}}]
    names: dict[str, Any] = {"Client": Client, "key": KEY, "PASS_TYPE": PASS_TYPE, "lines": lines}
    shown = {"key": "visits", "label": "VISITS", "value": "${visits_left} for ${name}"}
    document = {**MEMBERSHIP, "storeCard": {"primaryFields": [shown]}}
    words = {"https://passes.example.com": running.url}
    try:
        with Client(running.url, KEY) as by_hand:
            by_hand.publish_template(template("membership", document).to_zip())
        [block] = blocks("docs/reference/python.md")
        _away(block.run(names, words))
    finally:
        running.stop()
    assert isinstance(names["line"], BatchResult) and names["row"].serial == "1002"


def environment(directory: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """A host's, which ``from_env`` and ``config.load`` read."""
    monkeypatch.chdir(directory)
    for name, value in settings(directory, **more).items():
        monkeypatch.setenv(f"LIVEPASS_{name.upper()}", value)


# ── inside an application


def test_in_fastapi(tmp_path: Path, authority: Authority, sqlite: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone registers at the mount, and what is due is pushed: APNs says that it never gave such a token away."""
    names: dict[str, Any] = {"Livepass": Livepass, "asynccontextmanager": asynccontextmanager, "FastAPI": FastAPI}

    async def steps() -> None:
        async with apns_of(tmp_path, authority) as apns:
            environment(tmp_path, monkeypatch, **apns)
            await blocks(IN_YOURS)[0].run(names)
            app, lp = names["app"], names["lp"]
            async with app.router.lifespan_context(app), client(app) as http:
                await furnish(lp, authority)
                assert await register(http, lp) == 201
                await lp.change(PASS_TYPE, "1", data={"points": 101}, push="now")

                async def told() -> bool:
                    return "token_dead" in {event.kind.value for event in await lp.timeline(PASS_TYPE, "1")}

                await until(told, "it was pushed")

    _away(steps())


def test_a_console_in_fastapi(tmp_path: Path, authority: Authority, sqlite: None) -> None:
    async def steps() -> None:
        async with embedded(tmp_path, authority) as lp:
            app = FastAPI()
            await blocks(IN_YOURS)[1].run({"app": app, "lp": lp})

            async def signed_in(scope: Any, receive: Any, send: Any) -> None:
                authorized = dict(scope["headers"]).get(b"authorization") == b"Bearer of the tests"
                user = SimpleUser("ada") if authorized else UnauthenticatedUser()
                await app({**scope, "user": user}, receive, send)

            async with client(signed_in) as http:
                assert (await http.get("/console/")).status_code == 403
                shown = await http.get("/console/", headers={"authorization": "Bearer of the tests"})
                assert "ada (operator)" in shown.text

    _away(steps())


VIEWS = """
def download(request, number):
{download}

def earn(request, number):
    member = get_object_or_404(Member, number=number)
    member.points += int(request.GET["add"])
{earn}
    return JsonResponse({{"points": member.points}})

urlpatterns = [path("members/<number>", join), path("members/<number>/pass", download),
               path("members/<number>/points", earn)]
"""
PASSES = """
from club.models import Member
from livepass import Livepass

PASS_TYPE = "pass.test.livepass"
lp = Livepass.from_env()

"""
ASGI = """
import os
from django.core.asgi import get_asgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "club.settings"
"""
SIGNING_IN = """
INSTALLED_APPS += ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
"""
CONSOLE = """
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from starlette.applications import Starlette
from starlette.routing import Mount

"""
IN_DJANGO = """
from test_club import *

del test_points_reach_the_phone

def test_the_page(livepass_app, phone):
    from club.models import Member

    club = livepass_app.client()
    assert club.post("/members/7", params={"name": "Ada"}).status_code == 201
    phone.add(f"{livepass_app.url}/members/7/pass")
    assert phone["7"].field("points") == 0
    assert club.post("/members/7/points", params={"add": 30}).json() == {"points": 30}
    phone.deliver_pushes()
    assert phone["7"].field("points") == 30
    until(lambda: Member.objects.get(number="7").has_pass)

    from django.contrib.auth.models import User
    from django.test import Client

    User.objects.create_user("ida", password="x", is_staff=True)
    User.objects.create_user("max", password="x")
    for name, password, status in (("", "", 403), ("max", "x", 403), ("ida", "wrong", 403), ("ida", "x", 200)):
        browser = Client()
        browser.login(username=name, password=password)
        cookie = browser.cookies.get("sessionid")
        headers = {"cookie": f"sessionid={cookie.value}"} if cookie else {}
        shown = club.get("/console/", headers=headers)
        assert shown.status_code == status, (name, shown.text)
    assert "ida (viewer)" in shown.text
"""
MADE_APP = """
import sqlite3
from club import make_app as made, PASS_TYPE

def make_app(lp, path):
    app = made(lp, f"sqlite:///{path}")
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO member (number, name) VALUES ('7', 'Ada')")
    return app

"""
FOLDERS = """
def test_the_template_is_there(livepass_app):
    assert livepass_app.issue("membership", serial="1", points=1, name="Ada").pkpass
"""


def _in_pytest(folder: Path, test: str) -> None:
    alone = ("-p", "livepass.pytest_plugin", "-c", "/dev/null", "--rootdir", str(folder), test)
    code, said = pytest_in(folder, folder, *alone, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert code == 0, said


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def _copy(name: str, folder: Path) -> Path:
    """An example, for a page to take the place of some of it."""
    shutil.copytree(TOP / "examples" / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "examples/templates", folder / "templates")
    return folder / name


def test_in_django(tmp_path: Path) -> None:
    """The example's members and migrations, with all that the two pages say in the place of what it does itself."""
    folder = _copy("django", tmp_path)
    _, _, asgi, console, download, handler = (block.text for block in blocks(IN_YOURS))
    [transactions] = blocks(IN_TRANSACTIONS)
    earn = transactions.statements()[1]
    assert "transaction.atomic()" in earn
    views = folder / "club" / "urls.py"
    kept = views.read_text().partition("def download")[0]
    download = download.replace('data={"points": 0}', 'data={"name": "Ada", "points": 0}')
    views.write_text(kept + VIEWS.format(download=_indented(download), earn=_indented(earn)))
    site = folder / "club" / "settings.py"
    site.write_text(site.read_text() + SIGNING_IN)
    (folder / "club" / "asgi.py").write_text(ASGI + asgi + CONSOLE + console)
    (folder / "club" / "passes.py").write_text(PASSES + handler)
    (folder / "test_page.py").write_text(IN_DJANGO)
    _in_pytest(folder, "test_page.py")


def test_in_pytest(tmp_path: Path) -> None:
    folder = _copy("fastapi", tmp_path)
    (folder / "passes").mkdir()
    shutil.copytree(TOP / "examples/templates/membership", folder / "passes/membership")
    _, folders, application = (block.text for block in blocks(IN_PYTEST))
    imports = "import pytest\nfrom pathlib import Path\n"
    (folder / "test_page.py").write_text(imports + MADE_APP + folders + FOLDERS + "\n" + application)
    _in_pytest(folder, "test_page.py")


# ── transactions


def test_with_sqlalchemy(tmp_path: Path, authority: Authority, sqlite: None) -> None:
    async def steps() -> None:
        async with placed(tmp_path, authority) as place:
            engine = sqlalchemy.create_engine(place.url)
            with engine.begin() as db:
                db.execute(sqlalchemy.text("CREATE TABLE member (number TEXT, points INTEGER)"))
                db.execute(sqlalchemy.text("INSERT INTO member VALUES ('1', 0)"))
            earned = sqlalchemy.text("UPDATE member SET points = points + :add WHERE number = :n")
            names = {"engine": engine, "earned": earned, "number": "1", "points": 130, "lp": place.lp}
            await _statement(0).run({**names, "PASS_TYPE": PASS_TYPE})
            await place.drain()
            assert await place.points() == [130]
            with closing(sqlite3.connect(place.url.removeprefix("sqlite:///"))) as there:
                assert there.execute("SELECT points FROM member").fetchall() == [(30,)]
            engine.dispose()

    _away(steps())


def test_with_asyncpg(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_chosen", "postgres")

    async def steps() -> None:
        async with placed(tmp_path, authority) as place:
            db = await asyncpg.connect(place.url)
            try:
                await _statement(2).run(
                    {"db": db, "lp": place.lp, "PASS_TYPE": PASS_TYPE, "number": "1", "points": 130}
                )
            finally:
                await db.close()
            await place.drain()
            assert await place.points() == [130]

    _away(steps())


def _statement(index: int) -> Block:
    """One of the transactions of the page, which are three worlds in one block."""
    [block] = blocks(IN_TRANSACTIONS)
    assert len(block.statements()) == 3
    return Block(block.page, block.line, block.statements()[index])


@pytest.mark.parametrize(
    ("page", "fault"),
    [("x = [\n", SyntaxError), ("from livepass import Lifepass\n", ImportError), ("lp.isue()\n", AttributeError)],
)
def test_a_wrong_block_fails(page: str, fault: type[Exception]) -> None:
    with pytest.raises(fault) as raised:
        _away(Block("docs/wrong.md", 7, page).run({"lp": Livepass}))
    assert 'docs/wrong.md", line 7' in "".join(traceback.format_exception(raised.value))
