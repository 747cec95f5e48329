"""What somebody should be woken for, and what is worth a look, as tables: ``livepass alerts export`` makes Prometheus'
rules and a Grafana dashboard from them.

Expressions name metrics of ``core.metrics`` only. Those of a process are added up over all, those of the database taken
once (``max``): every process that pushes tells the same.
"""

from __future__ import annotations

from livepass.core.canary import TARGET as CANARY_TARGET
from livepass.core.canary_standing import SILENT_MS as CANARY_SILENT_MS
from livepass.core.frozen import frozen
from livepass.core.staleness import TARGET_SHARE


@frozen
class Alert:
    """``lasts``: how long it must be so, in Prometheus' words. ``runbook``: a page of ``docs/runbooks``."""

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str
    first: str
    runbook: str


def _ends_within(days: int) -> str:
    return f"max by (kind, pass_type) (livepass_certificate_not_after_timestamp_seconds) - time() < {days} * 86400"


def _burns(long: str, short: str, rate: float) -> str:
    """Share of the canary's failures in two windows, each above so many times what is allowed."""
    most = f"{rate * (1 - CANARY_TARGET):.3f}"

    def failed(window: str) -> str:
        name = "livepass_canary_runs_total"
        return f'sum(increase({name}{{outcome!="coherent"}}[{window}])) / sum(increase({name}[{window}]))'

    return f"{failed(long)} > {most} and {failed(short)} > {most}"


_REFUSED = 'sum by (reason) (increase(livepass_apns_requests_total{status="403"}[15m])) > 0'

ALERTS: tuple[Alert, ...] = (
    Alert(
        "LivepassGone",
        "absent(livepass_build_info)",
        "5m",
        "critical",
        "No process of livepass can be scraped",
        "livepass status",
        "everything-stopped-updating",
    ),
    Alert(
        "LivepassIncoherent",
        f"max by (pass_type) (livepass_coherence_ratio) < {TARGET_SHARE}",
        "30m",
        "warning",
        "Of {{ $labels.pass_type }}, {{ $value | humanizePercentage }} have what is current within 15 minutes",
        "livepass why",
        "my-pass-stopped-updating",
    ),
    # Who was pushed asks within minutes, wherever one phone in fifty is on. Nobody: they cannot reach us.
    Alert(
        "LivepassNobodyAsks",
        'sum(increase(livepass_apns_requests_total{status="200"}[10m] offset 10m)) >= 50'
        ' and sum(increase(livepass_device_requests_total{route="ask"}[20m])) == 0',
        "0m",
        "critical",
        "APNs accepted {{ $value | humanize }} pushes more than 10 minutes ago, and no phone has asked since",
        "livepass doctor",
        "everything-stopped-updating",
    ),
    Alert(
        "LivepassApnsRefusesCredential",
        _REFUSED,
        "0m",
        "critical",
        "APNs refuses to push: {{ $labels.reason }}",
        "livepass apns explain {{ $labels.reason }}",
        "everything-stopped-updating",
    ),
    Alert(
        "LivepassPushesHalted",
        "max by (pass_type) (livepass_pushes_halted) > 0",
        "5m",
        "critical",
        "Nothing is pushed for {{ $labels.pass_type }}: APNs refused the credential",
        "livepass push list",
        "everything-stopped-updating",
    ),
    Alert(
        "LivepassApnsUnreachable",
        'sum(increase(livepass_apns_requests_total{status=~"0|5.."}[10m])) > 0'
        ' and sum(increase(livepass_apns_requests_total{status="200"}[10m])) == 0',
        "10m",
        "warning",
        "APNs answers no push, or answers that it cannot",
        "livepass doctor",
        "apns-is-down",
    ),
    Alert(
        "LivepassOutboxStuck",
        "max by (pass_type) (livepass_outbox_oldest_seconds) > 120",
        "1m",
        "critical",
        "A push for {{ $labels.pass_type }} has been due for {{ $value | humanizeDuration }}",
        "livepass status",
        "everything-stopped-updating",
    ),
    *(
        Alert(
            f"LivepassCertificateEnds{days}Days",
            _ends_within(days),
            "1h",
            severity,
            "The {{ $labels.kind }} of {{ $labels.pass_type }} ends in {{ $value | humanizeDuration }}",
            "livepass cert check",
            "rotate-the-certificate",
        )
        for days, severity in ((30, "info"), (14, "warning"), (3, "critical"))
    ),
    Alert(
        "LivepassCertificateUnsound",
        "min by (kind, pass_type) (livepass_certificate_sound) == 0",
        "0m",
        "critical",
        "The last look at the {{ $labels.kind }} of {{ $labels.pass_type }} found something wrong",
        "livepass cert check",
        "rotate-the-certificate",
    ),
    Alert(
        "LivepassCertificateRevoked",
        "max by (pass_type) (livepass_certificate_revoked) > 0",
        "0m",
        "critical",
        "A certificate of {{ $labels.pass_type }} is revoked",
        "livepass cert check",
        "rotate-the-certificate",
    ),
    Alert(
        "LivepassPhonesSentAway",
        "max(livepass_pressure_level) >= 3",
        "5m",
        "warning",
        "Phones are sent away: there is more to answer than processes can",
        "livepass status",
        "everything-stopped-updating",
    ),
    Alert(
        "LivepassPhonesNotAnswered",
        'sum(increase(livepass_device_requests_total{status="503"}[10m]))'
        " > 0.05 * sum(increase(livepass_device_requests_total[10m]))",
        "5m",
        "warning",
        "{{ $value | humanize }} requests of phones were answered 503 in 10 minutes",
        "livepass status",
        "everything-stopped-updating",
    ),
    Alert(
        "LivepassNewDeviceLogKind",
        "sum by (kind) (increase(livepass_device_log_lines_total[1h])) > 0"
        " unless sum by (kind) (increase(livepass_device_log_lines_total[7d] offset 1h)) > 0",
        "0m",
        "warning",
        "Phones complain of what they did not in the week before: {{ $labels.kind }}",
        "livepass log list",
        "my-pass-stopped-updating",
    ),
    Alert(
        "LivepassSpuriousPushes",
        'sum(increase(livepass_device_log_lines_total{kind="S3"}[1h])) > 0',
        "0m",
        "warning",
        "Phones were pushed and found nothing new: they lose patience",
        "livepass log list",
        "pushed-too-often",
    ),
    # 1 % of the runs may fail. At 14.4 times that, a month's share is used up in two days; at 6 times, in five. The
    # short window ends the alert soon after the last failure.
    Alert(
        "LivepassCanaryBurnsFast",
        _burns("1h", "15m", 14.4),
        "0m",
        "critical",
        "{{ $value | humanizePercentage }} of the canary's runs in an hour did not see their change in time",
        "livepass canary status",
        "the-canary-fails",
    ),
    Alert(
        "LivepassCanaryBurnsSlowly",
        _burns("6h", "30m", 6),
        "0m",
        "warning",
        "{{ $value | humanizePercentage }} of the canary's runs in six hours did not see their change in time",
        "livepass canary status",
        "the-canary-fails",
    ),
    Alert(
        "LivepassCanarySilent",
        f"time() - max by (pass_type) (livepass_canary_last_run_timestamp_seconds) > {CANARY_SILENT_MS // 1000}",
        "5m",
        "warning",
        "The canary of {{ $labels.pass_type }} ran {{ $value | humanizeDuration }} ago: nothing watches it now",
        "livepass canary status",
        "the-canary-fails",
    ),
    Alert(
        "LivepassFiguresOld",
        "time() - max(livepass_figures_timestamp_seconds) > 3600",
        "5m",
        "warning",
        "How all registrations stand was counted {{ $value | humanizeDuration }} ago: coherence is not watched",
        "livepass status",
        "everything-stopped-updating",
    ),
)


@frozen
class Panel:
    """One graph: (expression, legend) each. ``unit``: in Grafana's words."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]


def _quantiles(name: str, by: str = "", legend: str = "") -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"histogram_quantile({quantile}, sum by (le{by}) (rate({name}_bucket[$__rate_interval])))",
            f"{legend}{round(100 * quantile)} of 100 within",
        )
        for quantile in (0.5, 0.95)
    )


def _rate(name: str, by: str) -> tuple[str, str]:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return f"sum by ({by}) (rate({name}[$__rate_interval]))", legend


PANELS: tuple[Panel, ...] = (
    Panel(
        "Coherence: current, or behind for less than 15 minutes",
        "percentunit",
        (("max by (pass_type) (livepass_coherence_ratio)", "{{pass_type}}"),),
    ),
    Panel(
        "Registrations by how they stand",
        "short",
        (("sum by (state) (max by (pass_type, state) (livepass_registrations))", "{{state}}"),),
    ),
    Panel(
        "How old a version was when a phone fetched it",
        "s",
        _quantiles("livepass_staleness_seconds", ", pass_type", "{{pass_type}} "),
    ),
    Panel("From push to ask", "s", _quantiles("livepass_push_to_ask_seconds")),
    Panel("From ask to fetch", "s", _quantiles("livepass_ask_to_fetch_seconds")),
    Panel(
        "Canaries: runs of the last day that saw their change in time",
        "percentunit",
        (("max by (pass_type) (livepass_canary_coherent_ratio)", "{{pass_type}}"),),
    ),
    Panel("Canaries: how long each leg takes", "s", _quantiles("livepass_canary_seconds", ", leg", "{{leg}} ")),
    Panel("Canaries: runs by outcome", "short", (_rate("livepass_canary_runs_total", "outcome"),)),
    Panel("Findings (livepass why)", "short", (("max by (code) (livepass_verdicts)", "{{code}}"),)),
    Panel("Answers of APNs", "reqps", (_rate("livepass_apns_requests_total", "status, reason"),)),
    Panel(
        "Pushes: the oldest that is due",
        "s",
        (("max by (pass_type) (livepass_outbox_oldest_seconds)", "{{pass_type}}"),),
    ),
    Panel(
        "Pushes that wait for their turn",
        "short",
        (("max by (pass_type) (livepass_apns_held_pushes)", "{{pass_type}}"),),
    ),
    Panel("Requests of phones", "reqps", (_rate("livepass_device_requests_total", "route, status"),)),
    Panel("How long phones wait", "s", _quantiles("livepass_device_request_seconds", ", route", "{{route}} ")),
    Panel(
        "Pressure, and what is given up",
        "short",
        (
            ("max(livepass_pressure_level)", "level"),
            _rate("livepass_device_requests_shed_total", "what"),
        ),
    ),
    Panel("What phones complain of", "short", (_rate("livepass_device_log_lines_total", "kind"),)),
    Panel(
        "Certificates end in",
        "s",
        (
            (
                "max by (kind, pass_type) (livepass_certificate_not_after_timestamp_seconds) - time()",
                "{{kind}} {{pass_type}}",
            ),
        ),
    ),
    Panel("Memory of each process", "bytes", (("process_resident_memory_bytes", "{{instance}}"),)),
    Panel(
        "CPU of each process",
        "percentunit",
        (("rate(process_cpu_seconds_total[$__rate_interval])", "{{instance}}"),),
    ),
)
