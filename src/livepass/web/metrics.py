"""Metrics in Prometheus' text format 0.0.4: base units, ``_timestamp_seconds``, and no ids in labels.

Which there are is the table ``core.metrics``; here is where the numbers come from, and how they are written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from livepass.core.canary_standing import Standing
from livepass.core.metrics import METRICS
from livepass.core.shedding import GIVEN_UP
from livepass.core.watch_told import HELP, Told, gauges
from livepass.service.figuring import Figures
from livepass.service.metering import Histogram, Meters
from livepass.service.observing import Recorder
from livepass.service.pressure import Load

Sample = tuple[Mapping[str, str], float | Histogram]
Found = dict[str, list[Sample]]


def exposition(*parts: Found) -> str:
    """The families of the table that something was found of, in its order."""
    found: Found = {}
    for part in parts:
        found |= part
    lines: list[str] = []
    for metric in METRICS:
        if metric.name in found:
            lines += _family(metric.name, metric.kind, metric.help, found.pop(metric.name))
    assert not found, f"not in the table of metrics: {', '.join(found)}"
    return "\n".join(lines) + "\n"


# ── where the numbers come from


def of_process(version: str, started_at: int) -> Found:
    """``started_at``: of this process, in milliseconds."""
    found: Found = {
        "livepass_build_info": [({"version": version}, 1)],
        "process_start_time_seconds": [({}, started_at / 1000)],
        "process_cpu_seconds_total": [({}, time.process_time())],
    }
    try:  # Linux; elsewhere there is no cheap way to know
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1])
        found["process_resident_memory_bytes"] = [({}, resident * os.sysconf("SC_PAGE_SIZE"))]
        found["process_open_fds"] = [({}, len(os.listdir("/proc/self/fd")))]
    except OSError:
        pass
    return found


def of_certificates(told: Sequence[Told]) -> Found:
    found: Found = {name: [] for name in HELP}
    for one in gauges(told):
        labels = {"kind": one.kind.value, "pass_type": one.pass_type}
        found[one.name].append((labels, float(one.value)))
    return found


def of_meters(meters: Meters, recorder: Recorder) -> Found:
    """What this process counted."""
    return {
        "livepass_device_requests_total": [
            ({"route": route, "status": str(status)}, count) for (route, status), count in meters.requests.items()
        ],
        "livepass_device_request_seconds": [({"route": route}, taken) for route, taken in meters.took.items()],
        "livepass_device_log_lines_total": [({"kind": kind}, count) for kind, count in meters.log_lines.items()],
        "livepass_apns_requests_total": [
            ({"status": str(status), "reason": reason}, count) for (status, reason), count in meters.pushes.items()
        ],
        "livepass_push_to_ask_seconds": [({}, meters.push_to_ask)],
        "livepass_ask_to_fetch_seconds": [({}, meters.ask_to_fetch)],
        "livepass_staleness_seconds": [({"pass_type": name}, each) for name, each in meters.staleness.items()],
        "livepass_canary_runs_total": [({"outcome": name}, count) for name, count in meters.canary_runs.items()],
        "livepass_canary_seconds": [({"leg": leg}, taken) for leg, taken in meters.canary_took.items()],
        "livepass_notes_waiting": [({}, recorder.waiting)],
        "livepass_notes_dropped_total": [({}, recorder.dropped)],
    }


def of_spans(became: Mapping[str, int]) -> Found:
    """What became of the spans of this process; nothing where none are sent."""
    counts = {"sent": 0, "failed": 0, "dropped": 0, **became}
    return {"livepass_spans_total": [({"outcome": outcome}, count) for outcome, count in counts.items()]}


def of_load(load: Load) -> Found:
    """How hard it is to answer phones here."""
    return {
        "livepass_device_requests_in_flight": [({}, load.in_flight)],
        "livepass_pressure_level": [({}, load.level)],
        "livepass_device_requests_shed_total": [({"what": level.name.lower()}, load.shed[level]) for level in GIVEN_UP],
    }


def of_outbox(due: Sequence[tuple[str, int]], halted: Mapping[str, bool], now: int) -> Found:
    """``due``: when the first push of each pass type may go, for those that have any (ms); ``halted``: of all."""
    ages = dict.fromkeys(halted, 0.0) | {name: max(0, now - at) / 1000 for name, at in due}
    return {
        "livepass_outbox_oldest_seconds": [({"pass_type": name}, age) for name, age in ages.items()],
        "livepass_pushes_halted": [({"pass_type": name}, stands) for name, stands in halted.items()],
    }


def of_canaries(standings: Sequence[Standing]) -> Found:
    """``standings``: of the pass types that have one."""
    ran = [one for one in standings if one.share is not None]
    return {
        "livepass_canary_coherent_ratio": [({"pass_type": one.pass_type}, one.share or 0.0) for one in ran],
        "livepass_canary_last_run_timestamp_seconds": [
            ({"pass_type": one.pass_type}, one.runs[0].at / 1000) for one in ran
        ],
    }


def of_figures(figures: Figures, at: int, took_ms: int) -> Found:
    """What was counted of all registrations; ``at`` (ms)."""

    def by_type(values: Mapping[str, float]) -> list[Sample]:
        return [({"pass_type": name}, value) for name, value in values.items()]

    return {
        "livepass_apns_held_pushes": by_type(figures.held),
        "livepass_registrations": [
            ({"pass_type": name, "state": state}, count) for (name, state), count in figures.standing.items()
        ],
        "livepass_registrations_unverified": by_type(figures.unverified),
        "livepass_coherence_ratio": by_type(figures.coherence),
        "livepass_verdicts": [({"code": code}, figures.verdicts.get(code, 0)) for code in sorted(figures.verdicts)],
        "livepass_figures_timestamp_seconds": [({}, at / 1000)],
        "livepass_figures_seconds": [({}, took_ms / 1000)],
    }


# ── how they are written


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {_escaped(text)}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        if isinstance(value, Histogram):
            yield from _buckets(name, labels, value)
        else:
            yield _sample(name, labels, value)


def _buckets(name: str, labels: Mapping[str, str], histogram: Histogram) -> Iterator[str]:
    """Cumulated, as the format asks. Read once: a request that is answered meanwhile belongs to the next scrape."""
    counts, total = list(accumulate(histogram.counts)), histogram.sum
    bounds = [*map(repr, histogram.bounds), "+Inf"]
    for bound, count in zip(bounds, counts, strict=True):
        yield _sample(f"{name}_bucket", {**labels, "le": bound}, count)
    yield _sample(f"{name}_sum", labels, total)
    yield _sample(f"{name}_count", labels, counts[-1])


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    written = ",".join(f'{key}="{_escaped(each, quoted=True)}"' for key, each in labels.items())
    return f"{name}{{{written}}} {value + 0!r}" if written else f"{name} {value + 0!r}"


def _escaped(text: str, *, quoted: bool = False) -> str:
    """As the format asks: backslash and line feed everywhere, the quotation mark in a label's value."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text
