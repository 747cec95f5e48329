"""Metrics in Prometheus' text format 0.0.4: base units, ``_timestamp_seconds``, and no ids in labels."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from livepass.core.watch_told import HELP, Told, gauges

Sample = tuple[Mapping[str, str], float]


def exposition(told: Sequence[Told], *, version: str, started_at: int) -> str:
    """All there is to measure. ``started_at``: of this process, in milliseconds."""
    lines = [
        *_family("livepass_build_info", "gauge", "1, with the version of livepass.", [({"version": version}, 1)]),
        *_family(
            "process_start_time_seconds",
            "gauge",
            "When this process started, since the Unix epoch.",
            [({}, started_at / 1000)],
        ),
        *_family(
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time of this process.",
            [({}, time.process_time())],
        ),
    ]
    found = list(gauges(told))
    for name, text in HELP.items():
        samples = [
            ({"kind": one.kind.value, "pass_type": one.pass_type}, float(one.value))
            for one in found
            if one.name == name
        ]
        lines += _family(name, "gauge", text, samples)
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {_escaped(text)}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        written = ",".join(f'{key}="{_escaped(each, quoted=True)}"' for key, each in labels.items())
        yield f"{name}{{{written}}} {value!r}" if written else f"{name} {value!r}"


def _escaped(text: str, *, quoted: bool = False) -> str:
    """As the format asks: backslash and line feed everywhere, the quotation mark in a label's value."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text
