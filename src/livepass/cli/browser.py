"""A Chromium that is on this machine takes a picture of a page: headless, with a profile that it forgets, in bounded
time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from livepass.cli.faults import Fault, unchecked

PROGRAMS = (
    *("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)
SECONDS = 60.0
SCALE = 2
"""Pixels of the picture for one of CSS, as on a phone with @2x."""


def found() -> str:
    """The program to run. A ``Fault`` says what to install."""
    for name in PROGRAMS:
        if program := shutil.which(name):
            return program
    raise unchecked(
        "there is no Chromium or Chrome on PATH to take the picture with",
        "get one (on Debian the package chromium-headless-shell), or write a page with -o FILE.html",
    )


def picture(page: bytes, size: tuple[int, int]) -> bytes:
    """The page as a PNG of ``size`` (CSS pixels), times ``SCALE``. Raises ``Fault``."""
    program = found()
    with tempfile.TemporaryDirectory(prefix="livepass-picture-", ignore_cleanup_errors=True) as folder:
        html, png = Path(folder, "page.html"), Path(folder, "page.png")
        html.write_bytes(page)
        words = [
            *(program, "--headless", f"--screenshot={png}", f"--window-size={size[0]},{size[1]}"),
            *(f"--force-device-scale-factor={SCALE}", "--hide-scrollbars", "--disable-gpu", "--no-first-run"),
            *(f"--user-data-dir={Path(folder, 'profile')}", "--disable-background-networking"),
            # Chromium does not start as root with its sandbox. The page is ours and runs no script.
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            html.as_uri(),
        ]
        said = _run(words)
        try:
            return png.read_bytes()
        except OSError as error:
            last = said.strip().splitlines()[-1:] or ["it said nothing"]
            raise unchecked(f"{program} made no picture: {last[0]}", "write a page with -o FILE.html") from error


def _run(words: list[str]) -> str:
    """Run to the end, with all that it starts; what it said. Raises ``Fault`` when it does not end."""
    with tempfile.TemporaryFile() as said, _group(words, said) as it:
        try:
            it.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise unchecked(f"{words[0]} took longer than {SECONDS:.0f} s", "write a page with -o FILE.html") from None
        said.seek(0)
        return said.read().decode("utf-8", "replace")


@contextlib.contextmanager
def _group(words: list[str], said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Chromium is many processes: none of them may stay."""
    process = subprocess.Popen(  # noqa: S603  # a program that was looked for, on a page of ours
        words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def show(path: Path) -> None:
    """Open a page in the browser of whoever sits here."""
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        raise Fault(f"no browser opened {path}", hint=f"open it yourself: {path.resolve().as_uri()}", code="no_browser")
