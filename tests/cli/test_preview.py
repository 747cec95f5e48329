"""``livepass pass preview``: drawings in files, in a browser, and as a picture that a real Chromium takes."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livepass.cli import browser

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"


@pytest.fixture
def issued(project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    return project


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_page_shows_front_and_back_in_light_and_dark(issued):
    ran = issued("pass", "preview", NAME, "-o", "all.html", "--json")
    assert [each["caption"] for each in ran.json["drawings"]] == [
        *("front, light", "front, dark", "back, light", "back, dark"),
    ]
    assert ran.json["files"] == {"page": "all.html"} and (ran.json["ios"], ran.json["language"]) == (27, "en")
    page = Path("all.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "Ada" in page and ">120<" in page and page.count("<article") == 4
    one = issued("pass", "preview", NAME, "--dark", "--back", "-o", "one.html", "--json").json
    assert [each["caption"] for each in one["drawings"]] == ["back, dark"]
    said = issued("pass", "preview", NAME, "-o", "all.html").out
    assert said.startswith("✓ all.html\n") and "Approximate." in said


def test_each_kind_of_subject_is_drawn(issued):
    issued("pass", "build", NAME, "-o", "one.pkpass")
    for words in (("one.pkpass",), ("templates/membership", "name=Grace"), (NAME, "name=Grace")):
        issued("pass", "preview", *words, "-o", "page.html")
        page = Path("page.html").read_text()
        assert ("Grace" in page) is (len(words) == 2) and ("Ada" in page) is (len(words) == 1)
    assert issued("pass", "show", NAME, "--json").json["data"]["name"] == "Ada", "nothing was changed"


def test_version_and_language_count(issued):
    Path("templates/membership/de.lproj").mkdir()
    Path("templates/membership/de.lproj/pass.strings").write_text('"POINTS" = "PUNKTE";')
    issued("pass", "preview", "templates/membership", "--language", "de", "-o", "de.html")
    assert "PUNKTE" in Path("de.html").read_text()
    folder = Path("templates/membership/pass.json")
    folder.write_text(folder.read_text().replace("PKBarcodeFormatQR", "PKBarcodeFormatEAN13"))
    words = ("pass", "preview", "templates/membership", 'member_no="4006381333931"', "-o", "old.html")
    notes = issued(*words, "--ios", "18", "--json").json["drawings"][0]["notes"]
    assert any("iOS 18" in note for note in notes)
    assert any(note in issued(*words, "--ios", "18").out for note in notes), "people read them too"
    assert not any("iOS" in note for note in issued(*words, "--json").json["drawings"][0]["notes"])


def test_one_drawing_as_svg_and_a_page_on_stdout(issued):
    issued("pass", "preview", NAME, "-o", "one.svg")
    assert Path("one.svg").read_text().startswith("<?xml") and "<svg" in Path("one.svg").read_text()
    out = issued("pass", "preview", NAME, "-o", "-").out
    assert out.startswith("<!DOCTYPE html>") and out.rstrip().endswith("</html>")


def test_a_page_is_opened_in_the_browser_of_the_user(issued, tmp_path, monkeypatch):
    """A real program that stands for the browser; the page is for its owner alone."""
    program(tmp_path / "look", f'echo "$1" >> {tmp_path}/opened; stat -c %a "${{1#file://}}" >> {tmp_path}/opened')
    monkeypatch.setenv("BROWSER", f"{tmp_path}/look %s")
    found = issued("pass", "preview", NAME, "--open", "--json").json
    url, mode = (tmp_path / "opened").read_text().split()
    assert url == Path(found["files"]["opened"]).as_uri() and mode == "600"
    assert Path(found["files"]["opened"]).read_text().startswith("<!DOCTYPE html>")
    issued("pass", "diff", NAME, "points=1", "--open", exit_=1)
    assert len((tmp_path / "opened").read_text().split()) == 4


@pytest.mark.parametrize(
    ("words", "exit_", "said"),
    [
        ((NAME,), 2, "nobody would see it"),
        ((NAME, NAME, "-o", "x"), 2, "preview draws one"),
        (("points=1", "-o", "x"), 2, "preview draws one"),
        (("one.pkpass", "points=1", "-o", "x"), 2, "one.pkpass takes no values"),
        ((NAME, "--ios", "17", "-o", "x"), 2, "17"),
        ((NAME, "-o", "-", "--json"), 2, "both want standard output"),
        (("none.pkpass", "-o", "x"), 3, "cannot be read"),
        ((f"{TYPE}/none", "-o", "x"), 1, "there is no pass"),
        (("templates/membership", "nme=1", "-o", "x"), 1, "did you mean 'name'?"),
    ],
)
def test_what_cannot_be_drawn(issued, words, exit_, said):
    ran = issued("pass", "preview", *words, exit_=exit_)
    assert said in ran.err and not Path("x").exists()


def test_the_token_is_in_no_drawing(issued):
    issued("pass", "build", NAME, "-o", "one.pkpass")
    from livepass.pkpass import read

    token = str(read(Path("one.pkpass").read_bytes()).document["authenticationToken"])
    for subject in (NAME, "one.pkpass"):
        ran = issued("pass", "preview", subject, "-o", "all.html", "--json")
        assert token not in ran.out + Path("all.html").read_text()
    issued("pass", "diff", "one.pkpass", NAME, "--html", "diff.html")
    assert token not in Path("diff.html").read_text()


def test_a_diff_as_a_page(issued):
    words = ("pass", "diff", NAME, "points=130", "news=<b>Sale</b>", "--html", "diff.html")
    issued(*words, exit_=1)
    page = Path("diff.html").read_text()
    assert page.count("<article") == 4, "front and back of both: news stands on the back"
    assert ">120<" in page and ">130<" in page and "&lt;b&gt;Sale&lt;/b&gt;" in page and "<b>Sale" not in page
    assert "one general line: several fields" in page and "<script" not in page
    issued("pass", "diff", NAME, "points=130", "--html", "front.html", exit_=1)
    assert Path("front.html").read_text().count("<article") == 2
    assert "“You have 130 points”" in Path("front.html").read_text()
    out = issued("pass", "diff", NAME, "points=130", "--html", "-", exit_=1).out
    assert out.startswith("<!DOCTYPE html>") and out.rstrip().endswith("</html>"), "and nothing else on stdout"


# ── a picture


def _has_chromium() -> bool:
    """Under CI=true the test runs, and fails where there is none."""
    return any(map(shutil.which, browser.PROGRAMS)) or os.environ.get("CI") == "true"


@pytest.mark.skipif(not _has_chromium(), reason="no Chromium on PATH: apt-get install chromium-headless-shell")
def test_a_real_chromium_takes_a_picture_whose_barcode_can_be_read(issued):
    import zxingcpp
    from PIL import Image

    long = "Terms. " * 400
    for words, codes in (
        ((NAME,), 2),
        ((NAME, "--dark"), 1),
        (("templates/membership", 'member_no="1001"', f"news={long}THE END"), 2),
    ):
        found = issued("pass", "preview", *words, "--png", "pass.png", "--json").json
        with Image.open("pass.png") as image:
            read = zxingcpp.read_barcodes(image)
            width = image.width
            assert len(image.crop((0, image.height - 1, width, image.height)).getcolors()) == 1, "it is cut off"
        assert [(each.text, "QR" in str(each.format)) for each in read] == [("1001", True)] * codes
        assert width >= browser.SCALE * sum(each["width"] for each in found["drawings"])
    assert _gone(lambda: not any(b"/livepass-picture-" in _read(each) for each in Path("/proc").glob("[0-9]*/cmdline")))


def _gone(look: Callable[[], bool]) -> bool:
    """Whether it comes true: a process that was killed is there until the system gets to it."""
    return any(look() or time.sleep(0.05) for _ in range(200))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_without_a_chromium_it_says_what_to_install(issued, tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "PROGRAMS", ("chromium",))
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    ran = issued("pass", "preview", NAME, "--png", "x.png", exit_=3)
    assert "no Chromium or Chrome on PATH" in ran.err and "package chromium-headless-shell" in ran.err


def test_a_browser_that_fails_or_hangs_is_ended(issued, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    program(tmp_path / "bin/chromium", "echo no display >&2; exit 1")
    assert "made no picture: no display" in issued("pass", "preview", NAME, "--png", "x.png", exit_=3).err
    monkeypatch.setattr(browser, "SECONDS", 0.2)
    program(tmp_path / "bin/chromium", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    assert "took longer than" in issued("pass", "preview", NAME, "--png", "x.png", exit_=3).err
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    assert _gone(lambda: _read(child).split()[2:3] in ([], [b"Z"])), "what it started is ended too"
    assert not Path("x.png").exists()
