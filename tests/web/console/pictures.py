"""Takes the pictures of docs/reference/console.md from a demo with something wrong in it.

PYTHONPATH=tests .venv/bin/python tests/web/console/pictures.py
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from browsers import chromium

FOLDER = Path(__file__).parents[3] / "docs" / "images" / "console"
TYPE, SERIAL = "pass.demo.livepass", "COFFEE-0002"
PAGES = {
    # picture → address, and what else is to be seen of it
    "demo": f"demo/{SERIAL}",
    "overview": "",
    "findings": "findings",
    "passes": "passes",
    "pass": f"passes/{TYPE}/{SERIAL}",
    "versions": f"passes/{TYPE}/{SERIAL}/versions",
    "shared": "shared",
    "pushes": "pushes",
    "logs": "logs",
    "certificates": "certificates",
    "templates": "templates",
    "template": "templates/coffee",
    "jobs": "jobs",
    "doctor": "doctor",
    "settings": "settings",
}
DARK = ("overview", "pass")
COLOURS, WIDTH, TALLEST = 128, 1280, 1400


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """A demo of its own; answers the address of its console."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
        running = subprocess.Popen(
            [sys.executable, "-m", "livepass", "demo", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"TMPDIR": folder},
        )
        try:
            assert running.stdout is not None
            yield json.loads(running.stdout.readline())["console"]
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(30)


def live_through_something(page: Page, console: str) -> None:
    """A change that arrives, and one that does not."""
    page.goto(f"{console}demo/{SERIAL}")
    page.get_by_label("points", exact=True).fill("130")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("#shown")).to_have_text("130", timeout=15_000)
    page.get_by_label("Break something").select_option("fetch-401")
    page.get_by_role("button", name="Break it").click()
    page.get_by_label("points", exact=True).fill("140")
    page.get_by_role("button", name="Change it").click()
    page.locator(".verdict.problem").first.wait_for(timeout=30_000)


def written(file: Path, png: bytes) -> None:
    """Few colours are enough for a page, and a fifth of the bytes."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, TALLEST)))
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, optimize=True)


def take(folder: Path) -> None:
    """All pictures, into a folder that is there."""
    with demo() as console, chromium() as browser:
        light, dark = (
            browser.new_context(color_scheme=scheme, viewport={"width": WIDTH, "height": 800}).new_page()
            for scheme in ("light", "dark")
        )

        def picture(name: str, page: Page) -> None:
            page.wait_for_timeout(300)
            written(folder / f"{name}.png", page.screenshot(full_page=True))

        live_through_something(light, console)
        light.goto(console)  # has everything counted
        light.wait_for_timeout(6_000)
        for name, path in PAGES.items():
            light.goto(console + path)
            picture(name, light)
        phone = light.goto(f"{console}passes/{TYPE}/{SERIAL}.json")
        assert phone is not None
        key = phone.json()["pass"]["registrations"][0]["phone"]
        light.goto(f"{console}passes/{TYPE}/{SERIAL}/phones/{key}")
        picture("phone", light)
        light.goto(f"{console}certificates")
        light.locator("main table a").first.click()
        picture("certificate", light)
        for name in DARK:
            dark.goto(console + PAGES[name])
            picture(f"{name}-dark", dark)
        narrow = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
        narrow.goto(console + PAGES["pass"])
        picture("pass-narrow", narrow)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    take(FOLDER)
