"""The Chromium of this machine, for tests in a real browser."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium on this machine: apt-get install chromium-headless-shell fonts-liberation"
TRIES = 4


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Without one, the test says what to install; under ``CI=true`` it fails.

    Not for a whole session: while it is open, an event loop runs in this thread, and no test can start another.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    # Chromium's own sandbox is not for root.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*sandbox, "--force-color-profile=srgb"])
        try:
            yield browser
        finally:
            browser.close()
    _forgotten()


def screenshot(shown: Page | Locator, **settings: Any) -> bytes:
    """A PNG. Chromium gives up when its compositor has no frame for it in time, as on a busy machine: not for good."""
    from playwright.sync_api import Error

    for _ in range(TRIES - 1):
        try:
            return shown.screenshot(**settings)
        except Error as error:
            if "Unable to capture screenshot" not in error.message:
                raise
    return shown.screenshot(**settings)


def _forgotten() -> None:
    """What playwright leaves behind complains of its closed loop once it is collected: here, and in no other test."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
