"""What ``bench/scale`` has measured so far: kept from the first section on, and drawn as a table.

A run takes hours, so the files are written again after every section, and say what is still missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.asking import KINDS
from scaling.explaining import ALL_BAR_S, ONE_BAR_MS

ASK_BAR = 1.5
"""The 99th percentile of an ask at the largest size may be so many times that at the smallest."""
MEMORY_BAR = 1.25
"""Peak memory of a batch at its end may be so many times that after a tenth: it must not grow with the length."""
NONE = "–"


def missing(result: Mapping[str, Any]) -> list[str]:
    """Sections that were asked for and are not there, with the reason where one is known."""
    return [
        f"{engine}: {section}" + (f" ({found['failed'][section]})" if section in found["failed"] else "")
        for engine, found in result["engines"].items()
        for section in result["sections"]
        if section not in found["done"]
    ]


def misses(result: Mapping[str, Any]) -> list[str]:
    """Bars that were missed."""
    said = []
    for engine, found in result["engines"].items():
        if not found.get("ask_passed", True):
            said.append(f"{engine}: ask p99 is {found['ask_p99_ratio']} times that at the smallest size")
        if not found.get("why", {}).get("passed", True):
            said.append(f"{engine}: why took longer than an operator waits")
        if not found.get("batch", {}).get("passed", True):
            said.append(f"{engine}: a batch took {found['batch']['memory_ratio']} times the memory of its first tenth")
    return said


def keep(folder: Path, result: Mapping[str, Any]) -> None:
    """Write scale.json and scale.md: whole files, however the run ends."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("scale.json", json.dumps(result)), ("scale.md", markdown(result) + "\n")):
        new = folder / f".{name}.new"
        new.write_text(text)
        os.replace(new, folder / name)


def markdown(result: Mapping[str, Any]) -> str:
    """A table with a column for each engine; what it ran on stands below."""
    engines: Mapping[str, Any] = result["engines"]
    found = list(engines.values())
    lines = [f"| | {' | '.join(engines)} |", "|---|" + "---|" * len(engines)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in _rows(found)]
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    server = ", ".join(f"{key} {value}" for key, value in result["postgres_settings"].items())
    said = [
        f"Asks: over HTTP on one connection, and inside one process without HTTP, one after the other; medians of "
        f"{result['rounds']} rounds that alternate between the sizes. Changes and pushes: into "
        f"{result['written_to']:,} registrations. Every commit is on disk before it is acknowledged (fsync).",
        f"Machine: {machine}.",
        f"PostgreSQL: {server}.",
    ]
    if absent := missing(result):
        said.insert(0, f"**Partial**: not measured, or not yet: {'; '.join(absent)}.")
    return "\n".join([*lines, "", *said])


def _rows(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Each row that one engine at least has figures for."""

    def cells(draw: Any, *path: str) -> list[str]:
        return [draw(figures) if (figures := _at(one, path)) is not None else NONE for one in found]

    sizes = _names(found, "ask")
    for size in sizes:
        yield f"ask, {int(size):,} registrations, p50 / p99", cells(_both, "ask", size, "all")
        for kind, what in KINDS.items():
            yield f"… {what}", cells(_both, "ask", size, kind)
    if sizes:
        verdict = [
            f"{one['ask_p99_ratio']:.2f} {_passed(one['ask_passed'])}" if "ask" in one else NONE for one in found
        ]
        yield f"**ask p99, largest to smallest** (bar {ASK_BAR})", verdict
    for size in sizes:
        yield f"ask inside the process, {int(size):,}", cells(_both, "ask", size, "inside", "all")
    if any("why" in one for one in found):
        yield f"why, one pass, p50 / p99 (bar {ONE_BAR_MS} ms)", cells(_both, "why", "one")
        draw = "{median_ms} ms ({python_ms} ms)".format_map
        yield "… livepass why as typed (of which Python, asyncio and click)", cells(draw, "why", "typed")
        for who in _names([one.get("why", {}) for one in found], "all"):
            draw = "{median_s} s".format_map
            yield f"why --all, {who} waits (bar {ALL_BAR_S} s)", cells(draw, "why", "all", who)
    for section, unit in (("changes", "passes/s"), ("pushes", "pushes/s")):
        for name in _names(found, section):
            yield f"{unit}: {name}; p99 of a call", cells(_rate, section, name)
    for passes in {one["batch"]["passes"] for one in found if "batch" in one}:
        yield (
            f"batch of {passes:,} new passes in one call, passes/s",
            cells(lambda one: f"{one['per_second']:,}", "batch"),
        )
        yield (
            "… memory of the server: idle, peak after a tenth, peak",
            cells("{idle_mib} / {peak_mib_after_a_tenth} / {peak_mib} MiB".format_map, "batch"),
        )
        yield (
            f"**… peak, at the end to after a tenth** (bar {MEMORY_BAR})",
            cells(lambda one: f"{one['memory_ratio']:.2f} {_passed(one['passed'])}", "batch"),
        )
    for size in _names(found, "databases"):
        yield f"database of {int(size):,} registrations", cells(lambda one: f"{one['gb']} GB", "databases", size)


def _names(found: Sequence[Mapping[str, Any]], section: str) -> list[str]:
    return list({name: None for one in found for name in one.get(section, ())})


def _at(found: Mapping[str, Any], path: Sequence[str]) -> Any:
    for name in path:
        if name not in found:
            return None
        found = found[name]
    return found


def _passed(passed: bool) -> str:
    return "passed" if passed else "**missed**"


def _both(figures: Mapping[str, Any]) -> str:
    return f"{figures['p50_us'] / 1000:.2f} / {figures['p99_us'] / 1000:.2f} ms"


def _rate(figures: Mapping[str, Any]) -> str:
    refused = f" ({figures['refused']} refused)" if figures["refused"] else ""
    return f"{figures['per_second']:,}; {figures['p99_ms']:,.0f} ms{refused}"
