"""``scripts/newcomer`` types what README says: here, that README still says it. What comes of it, the script sees."""

from __future__ import annotations

import re

from docs.typed import TOP, typed

LEFT_OUT = {
    "./scripts/test": "all tests",
    "livepass help LP303": "a page",
    'livepass log explain "TEXT"': "a placeholder; tests/docs types it",
    "livepass doctor FILE.pkpass --register": "a placeholder; the script names the file",
    "livepass doctor": "wants a worker that reaches Apple",
}


def test_it_types_every_line_of_readme() -> None:
    script = (TOP / "scripts/newcomer").read_text()
    begins = re.findall(r'\b(?:readme|line) "(?!\$)([^"]+)"', script)
    lines = [each.line for each in typed((TOP / "README.md").read_text())]
    assert {begin for begin in begins if not any(line.startswith(begin) for line in lines)} == set()
    untyped = {line for line in lines if not any(line.startswith(begin) for begin in begins)}
    assert untyped == set(LEFT_OUT)
