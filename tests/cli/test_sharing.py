"""``livepass pass share`` and ``pass funnel``: the link, its QR code in a terminal, and what the counts mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import zxingcpp as zxing

from cli.conftest import Livepass
from livepass.cli.faults import Exit
from livepass.core.funnel import STEPS
from livepass.web import qr

NAME = "pass.test.livepass/1001"


@pytest.fixture
def issued(project: Livepass) -> Livepass:
    project("pass", "issue", NAME, "--template", "membership", "points=1", "name=Ada", 'member_no="7"')
    return project


def test_a_link_is_made_for_as_long_as_was_asked(issued: Livepass) -> None:
    for words, lasting in (((), 7 * 1440), (("--days", "2"), 2 * 1440), (("--minutes", "7"), 7)):
        made = issued("pass", "share", NAME, *words, "--json").json
        assert "/p/" in made["url"]
        left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
        assert abs(left - timedelta(minutes=lasting)) < timedelta(minutes=5)
    assert "/p/" in issued("pass", "share", NAME).out


def test_what_cannot_be_shared(issued: Livepass) -> None:
    both = issued("pass", "share", NAME, "--days", "1", "--minutes", "1", exit_=Exit.USAGE)
    assert "leave out one" in both.err
    issued("pass", "share", "pass.test.livepass/nobody", exit_=Exit.PROBLEM)


def test_the_code_in_the_terminal_leads_to_the_page(issued: Livepass) -> None:
    """Read back from the blocks that are printed."""
    lines = issued("pass", "share", NAME, "--qr").out.splitlines()
    url = next(line for line in lines if "/p/" in line).strip()
    drawn = [line for line in lines if set(line) <= set("█▀▄ ") and "█" in line]
    rows = [row for line in drawn for row in ([(c in "█▀") for c in line], [(c in "█▄") for c in line])]
    scale, width = 4, max(map(len, rows))
    light = [[*row, *[False] * (width - len(row))] for row in rows]
    flat = bytes(255 * cell for row in light for _ in range(scale) for cell in row for _ in range(scale))
    [found] = zxing.read_barcodes(memoryview(flat).cast("B", (len(rows) * scale, width * scale)))
    assert found.text == url


def test_without_what_makes_codes_it_says_how_to_get_it(issued: Livepass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr, "available", lambda: False)
    assert "livepass[preview]" in issued("pass", "share", NAME, "--qr", exit_=Exit.UNCHECKED).err
    assert "/p/" in issued("pass", "share", NAME).out


def test_the_funnel_says_what_its_steps_mean(issued: Livepass) -> None:
    found = issued("pass", "funnel", "--json").json
    assert found["data"] == [
        {"pass_type": "pass.test.livepass", "viewed": 0, "downloaded": 0, "registered": 0, "updated": 0}
    ]
    assert found["steps"] == STEPS
    assert "nobody told us" in " ".join(issued("pass", "funnel", "--days", "7").out.split())
    assert issued("pass", "funnel", "--type", "pass.test.nobody", "--json").json["data"] == []
