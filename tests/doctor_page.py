"""``docs/reference/doctor-checks.md``, made from the table of checks. Written by ``python tests/doctor_page.py``."""

from __future__ import annotations

from pathlib import Path

from livepass.doctor import CHECKS, Check, Group

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "doctor-checks.md"

HEAD = """# What the doctor checks

What `livepass doctor` looks at, by id. An id is never given to another check. "Expected" is what phones accept, by
Apple's pages or as observed on phones: not how livepass does it. A check that needs another one is not tested when that
one fails.

This page is made from `src/livepass/doctor/checks.py`: `python tests/doctor_page.py` writes it, and a test compares.
"""
BREAKS = {"add": "adding the pass", "register": "registering", "update": "updates", "push": "pushes"}


def page() -> str:
    return HEAD + "".join(map(_group, Group))


def _group(group: Group) -> str:
    return f"\n## {group.value}\n" + "".join(_section(check) for check in CHECKS if check.group is group)


def _section(check: Check) -> str:
    facts = [
        f"Expected: {check.expected}.",
        f"Otherwise: {check.why}." + ("" if check.severity == "failed" else " A warning at most."),
        f"What to do: {check.remedy}.",
    ]
    if check.breaks:
        facts.append(f"Breaks {' and '.join(BREAKS[each] for each in check.breaks)}.")
    if check.needs:
        facts.append(f"Needs {', '.join(check.needs)}.")
    if check.asks:
        facts.append(f"Only with `{check.asks}`.")
    return f'\n<a id="{check.id.lower()}"></a>\n\n### {check.id} {check.title}\n\n' + "\n\n".join(facts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
