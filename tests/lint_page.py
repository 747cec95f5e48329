"""``docs/reference/lint.md``, made from the table of rules. Written by ``python tests/lint_page.py``."""

from __future__ import annotations

import re

from livepass.pkpass import IOS, RULES, Rule, ios_names
from made_pages import REFERENCE, cell

PAGE = REFERENCE / "lint.md"

HEAD = """# Rules of lint

What `livepass pass lint` looks at, by id; the service asks the same before it signs a pass. An id is never given to
another rule. A problem is fatal or a warning; `livepass pass lint` leaves with exit code 1 when one is fatal.

| effect | what comes of it |
|---|---|
| refused | the phone refuses the pass; where the source is "ours", livepass refuses it |
| logged | the phone writes it into its log and leaves the part out |
| invisible | the part has no effect, or not the one that was meant, and nothing says so |
| grant | Apple must permit it first |

Effects are as far as Apple's pages and reports from the field say; none of them was tried on a phone by us. Where the
severity depends on the place (a field in front or at the back), the table names the usual one. A rule with versions of
iOS concerns only these: `--ios 27` leaves the others out. What an asked version is too old for is `newer-than-ios`.

| rule | what is demanded | severity | effect | iOS | source |
|---|---|---|---|---|---|
"""
FOOT = """
This page is made from the table in `src/livepass/pkpass/lint/problem.py`: `python tests/lint_page.py` writes it, and a
test compares.
"""


def page() -> str:
    return HEAD + "".join(_row(name, rule) for name, rule in RULES.items()) + FOOT


def _row(name: str, rule: Rule) -> str:
    ios = "all" if rule.ios == IOS else ios_names(rule.ios)
    demand = re.sub("<[^>]+>", r"`\g<0>`", rule.demand)  # markup is shown, not followed
    columns = (f"`{name}`", demand, rule.severity, rule.effect, ios, rule.source)
    return "".join(f"| {cell(column)} " for column in columns) + "|\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
