"""``docs/reference/findings.md``, made from the catalogue. Written by ``python tests/findings_page.py``."""

from __future__ import annotations

from pathlib import Path

from livepass.core.findings import FINDINGS, Finding

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "findings.md"
WORDS = {
    "pass": "TYPE/SERIAL",
    "phone": "Phone …",
    "trip": "push",
    "status": "…",
    "reason": "…",
    "line": "…",
    "count": "…",
    "days": "…",
    "pushed": "…",
}
"""What stands on the page for what ``why`` fills in."""

HEAD = """# Findings

What `livepass why` may say of a pass, by number. LP0xx are states, LP1xx the register trip, LP2xx the push, LP30x the
ask, LP35x the fetch, LP4xx the change and the package, LP5xx certificates. A number is never given to another finding.

This page is made from `src/livepass/core/findings.py`: `python tests/findings_page.py` writes it, and a test compares.
"""
TAIL = """
## What only a look from outside can show

No record of the service proves these, so `livepass why` never says them:

"""
OUTSIDE = (
    "the installed copy has no web service address or token",  # I1
    "the pass was downloaded, and its phone never reached us",  # I4
    "the phone registered at an older address",  # I5
    "a push before the change was visible: pushes follow commits here",  # P8
    "a single fetch was slow or cut off",  # F6
    "the pass was updated without an alert",  # R1
    "another pass of the same holder is being looked at",  # R3
)
"""What no record of ours can show. The letters are those of the first draft of the catalogue."""


def page() -> str:
    return HEAD + "".join(map(_section, FINDINGS)) + TAIL + "".join(f"- {text}\n" for text in OUTSIDE)


def _section(finding: Finding) -> str:
    act = f"{finding.who.value[:1].upper()}{finding.who.value[1:]}"
    kind = "A problem: livepass why leaves with exit code 1." if finding.problem else "No problem."
    return (
        f"\n## {finding.code} {finding.name}\n\n{finding.sentence.format(**WORDS)}\n\n"
        f"{kind} Who acts: {act}.\n\nWhat to do: {finding.remedy.format(**WORDS)}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
