"""``livepass console serve`` as somebody starts it: the first link, a name, signing out and in, in a real browser."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from browsers import chromium
from web.console.browser import looked
from web.console.pictures import WIDTH, Album

pytestmark = pytest.mark.timeout(240)
"""Several processes, each of which wants a core for a second or two."""
PASSWORD = "correct horse battery"
LIVEPASS = (sys.executable, "-m", "livepass")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@contextmanager
def served(folder: Path) -> Iterator[dict[str, Any]]:
    """The console of a new installation, on a free port: what it says when it is ready."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
    environment = inherited | {
        "LIVEPASS_PUBLIC_URL": "https://passes.example.com",
        "LIVEPASS_SECRET_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "LIVEPASS_DATABASE_URL": f"sqlite:///{folder / 'livepass.db'}",
    }

    def run(*words: str) -> None:
        subprocess.run([*LIVEPASS, *words], check=True, env=environment, cwd=folder, capture_output=True)

    run("db", "upgrade")
    words = [*LIVEPASS, "console", "serve", "--port", "0", "--json"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
    try:
        assert running.stdout is not None
        yield json.loads(running.stdout.readline()) | {"run": run}
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


def test_the_first_one_comes_by_the_link_and_makes_a_name(browser: Browser, tmp_path: Path) -> None:
    wide: ViewportSize = {"width": WIDTH, "height": 800}
    album = Album(tmp_path)
    with served(tmp_path) as ready:
        address, link = (
            ready["address"].replace("127.0.0.1", "localhost"),
            ready["first_link"].replace("127.0.0.1", "localhost"),
        )
        with looked(browser, address, viewport=wide) as seen:
            page = seen.open(link.removeprefix(seen.origin))
            # Out of the address bar, so that no history keeps it.
            expect(page).to_have_url(f"{address}enter")
            assert seen.violations() == []
            page.get_by_role("button", name="Come in").click()
            expect(page.get_by_role("heading", name="Overview")).to_be_visible()
            page.get_by_role("link", name="People").click()
            assert seen.violations() == []
            assert seen.overflow() <= 0
            page.get_by_label("Name").fill("ada")
            page.get_by_role("group", name="Somebody new").get_by_label("Role").select_option("admin")
            page.get_by_label("Password (12 characters or more)").fill(PASSWORD)
            page.get_by_role("button", name="Add").click()
            expect(page.get_by_text("ada may come in now")).to_be_visible()
            # What another process writes is seen without loading the page again.
            ready["run"]("console", "user", "add", "bea", "--role", "viewer", "--no-password")
            expect(page.get_by_text("bea", exact=True).first).to_be_visible(timeout=20_000)
            album.take("people", page)
        with looked(browser, address, viewport={"width": 360, "height": 740}) as seen:
            page = seen.open("/console/passes")
            assert seen.violations() == []
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", name="Passes")).to_be_visible()
            page.get_by_role("link", name="ada (admin)").click()
            assert seen.violations() == []
            assert seen.overflow() <= 0
            page.set_viewport_size(wide)
            album.take("account", page)
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", name="Sign in to livepass")).to_be_visible()
            album.take("sign-in", page)
        with served(tmp_path) as again:
            assert again["first_link"] is None
    album.judge()
