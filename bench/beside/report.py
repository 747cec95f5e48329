"""What ``bench/all`` found, as JSON with every sample and as a table; written anew after each row."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def keep(folder: Path, result: Mapping[str, Any]) -> None:
    """Write all.json and all.md: whole files, however the run ends."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("all.json", json.dumps(result, indent=1) + "\n"), ("all.md", markdown(result) + "\n")):
        new = folder / f".{name}.new"
        new.write_text(text)
        os.replace(new, folder / name)


def markdown(result: Mapping[str, Any]) -> str:
    """A line a row; what each figure is, and what it was measured on, below."""
    rows = result["rows"]
    lines = ["| row | livepass | beside it | ratio | bar | |", "|---|---|---|---|---|---|"]
    lines += [_line(name, found) for name, found in rows.items()]
    lines += ["", *(f"- **{name}**: {found['what']}.{_note(found)}" for name, found in rows.items())]
    if result["failed"]:
        failed = "; ".join(f"{name} ({why})" for name, why in result["failed"].items())
        lines += ["", f"**Not measured**: {failed}."]
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    lines += [
        "",
        f"Medians of {result['rounds']} rounds, in which ours and theirs take turns. {result['minutes']} min.",
    ]
    return "\n".join([*lines, f"Machine: {machine}."])


def _line(name: str, found: Mapping[str, Any]) -> str:
    beside = ", ".join(f"{other} {_number(figure)}" for other, figure in found["beside"].items()) or "–"
    sign = "≥" if found["side"] == "at least" else "≤"
    verdict = "met" if found["met"] else "**below**" if found["side"] == "at least" else "**above**"
    ours = f"{_number(found['ours'])} {found['unit']}"
    ratio = _number(found["ratio"]) if found["divisor"] else "–"
    return f"| {name} | {ours} | {beside} | {ratio} | {sign} {found['bar']:g} | {verdict} |"


def _note(found: Mapping[str, Any]) -> str:
    return f" {found['note']}" if found["note"] else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
