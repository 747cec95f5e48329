"""Every metric there is, as a table: what ``/metrics`` exposes, what the reference page says, and the only names that
alerts and dashboards may use.

No ids stand in labels: what passes, phones and tokens are called would make a series each, and be told without a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from livepass.core.canary import OUTCOMES, TIMED
from livepass.core.frozen import frozen
from livepass.core.testimony import SENTENCES
from livepass.core.trip2_push import ANSWERS
from livepass.core.watch_told import HELP


class Of(StrEnum):
    """Whose number it is."""

    PROCESS = "process"
    """Counted by each process, since it started: add those of all."""
    DATABASE = "database"
    """Read from the database: every process that tells it tells the same, so take the largest, never the sum."""


@frozen
class Metric:
    """One family. ``bounds``: of a histogram's buckets, without ``+Inf`` (seconds)."""

    name: str
    kind: str
    of: Of
    labels: tuple[str, ...]
    help: str
    bounds: tuple[float, ...] = ()


ANSWERED = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
TRAVELLED = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
"""A phone that is on answers a push within seconds, one in a drawer within hours. 900 is the 15 minutes aimed at."""

CANARY = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

ROUTES = ("register", "unregister", "ask", "fetch", "log", "personalize", "other")
STATUSES = (200, 201, 204, 304, 400, 401, 404, 413, 503)
"""What phones are answered. Each pair begins with 0: a series that begins with its first 1 shows no increase."""
OTHER = "other"
HUNG_UP = "none"
"""The status of a request whose phone hung up before it was whole."""
PUSH_ANSWERS: tuple[tuple[int, str], ...] = ((200, ""), *ANSWERS)
LOG_KINDS = (*(sentence.code for sentence in SENTENCES), "?")
STANDINGS: Mapping[str, str] = {
    "current": "was served what is current",
    "fetch": "was told, and has not fetched",
    "ask": "was pushed, and has not asked",
    "push": "waits for its push",
}

METRICS: tuple[Metric, ...] = (
    Metric("livepass_build_info", "gauge", Of.PROCESS, ("version",), "1, with the version of livepass."),
    Metric("process_start_time_seconds", "gauge", Of.PROCESS, (), "When this process started, since the Unix epoch."),
    Metric("process_cpu_seconds_total", "counter", Of.PROCESS, (), "User and system CPU time of this process."),
    Metric("process_resident_memory_bytes", "gauge", Of.PROCESS, (), "Memory of this process that is in RAM."),
    Metric("process_open_fds", "gauge", Of.PROCESS, (), "Open file descriptors of this process."),
    Metric(
        "livepass_device_requests_total",
        "counter",
        Of.PROCESS,
        ("route", "status"),
        "Requests of phones, by what they were answered; none: the phone hung up first.",
    ),
    Metric(
        "livepass_device_request_seconds",
        "histogram",
        Of.PROCESS,
        ("route",),
        "How long a request of a phone took, until its answer was handed to the connection.",
        ANSWERED,
    ),
    Metric(
        "livepass_spans_total",
        "counter",
        Of.PROCESS,
        ("outcome",),
        "Spans, where they are sent to a collector: sent, failed there, or dropped because too many waited.",
    ),
    Metric(
        "livepass_device_requests_in_flight", "gauge", Of.PROCESS, (), "Asks and fetches that are being answered now."
    ),
    Metric(
        "livepass_device_requests_shed_total",
        "counter",
        Of.PROCESS,
        ("what",),
        "Requests of phones that were given up under pressure.",
    ),
    Metric(
        "livepass_pressure_level",
        "gauge",
        Of.PROCESS,
        (),
        "What is given up now: 0 nothing, 1 what phones log, then more; from 3 on phones are sent away.",
    ),
    Metric(
        "livepass_device_log_lines_total",
        "counter",
        Of.PROCESS,
        ("kind",),
        "Lines of phones' logs about our pass types, by the sentence in them (livepass log explain); ?: one that we do"
        " not know.",
    ),
    Metric(
        "livepass_apns_requests_total",
        "counter",
        Of.PROCESS,
        ("status", "reason"),
        "Pushes, by APNs' answer; status 0: none came. Accepted by APNs (200) is not yet heard by a phone.",
    ),
    Metric(
        "livepass_push_to_ask_seconds",
        "histogram",
        Of.PROCESS,
        (),
        "From APNs' acceptance of a push to the phone's next ask.",
        TRAVELLED,
    ),
    Metric(
        "livepass_ask_to_fetch_seconds",
        "histogram",
        Of.PROCESS,
        (),
        "From a phone's ask to its fetch of what it was told of, where the fetch can be ascribed to a phone.",
        TRAVELLED,
    ),
    Metric(
        "livepass_staleness_seconds",
        "histogram",
        Of.PROCESS,
        ("pass_type",),
        "How old a version was when a phone that had been told of it was first seen to fetch it.",
        TRAVELLED,
    ),
    Metric(
        "livepass_canary_runs_total",
        "counter",
        Of.PROCESS,
        ("outcome",),
        f"Runs of canaries, by how they came out: {', '.join(OUTCOMES)}; the leg that broke.",
    ),
    Metric(
        "livepass_canary_seconds",
        "histogram",
        Of.PROCESS,
        ("leg",),
        f"How long a leg of a canary's run took that did not break: {', '.join(TIMED)}; seen: from change to fetch.",
        CANARY,
    ),
    Metric("livepass_notes_waiting", "gauge", Of.PROCESS, (), "Observations that are not written down yet."),
    Metric(
        "livepass_notes_dropped_total",
        "counter",
        Of.PROCESS,
        (),
        "Observations that were lost: too many waited, or one could not be written.",
    ),
    *(Metric(name, "gauge", Of.DATABASE, ("kind", "pass_type"), said) for name, said in HELP.items()),
    Metric(
        "livepass_outbox_oldest_seconds",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "How long the push that may go first has been due; 0 when none is, and while pushes are halted.",
    ),
    Metric(
        "livepass_pushes_halted",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "1 while nothing is pushed because APNs refused the credential, else 0.",
    ),
    Metric(
        "livepass_canary_coherent_ratio",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "Share of the canary's runs of the last day that saw their change in time; absent without runs.",
    ),
    Metric(
        "livepass_canary_last_run_timestamp_seconds",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "When the canary's newest run began, since the Unix epoch.",
    ),
    Metric(
        "livepass_apns_held_pushes",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "Pushes that wait for their turn: the phone's patience, or a repetition after a refusal. Of the first 10 000.",
    ),
    Metric(
        "livepass_registrations",
        "gauge",
        Of.DATABASE,
        ("pass_type", "state"),
        f"Registrations by how they stand: {'; '.join(f'{key}: {said}' for key, said in STANDINGS.items())}.",
    ),
    Metric(
        "livepass_registrations_unverified",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "Registrations whose phone was never seen to fetch.",
    ),
    Metric(
        "livepass_coherence_ratio",
        "gauge",
        Of.DATABASE,
        ("pass_type",),
        "Share of the registrations ever served that have what is current, or waited less than 15 minutes for it.",
    ),
    Metric(
        "livepass_verdicts",
        "gauge",
        Of.DATABASE,
        ("code",),
        "Registrations by finding (livepass why); where there are many, estimated from some.",
    ),
    Metric(
        "livepass_figures_timestamp_seconds",
        "gauge",
        Of.DATABASE,
        (),
        "When the figures of all registrations (the ones from livepass_apns_held_pushes to here) were counted.",
    ),
    Metric("livepass_figures_seconds", "gauge", Of.PROCESS, (), "How long counting them took."),
)
NAMED: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}
