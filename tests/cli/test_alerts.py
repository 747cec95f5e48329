"""Alerts: promtool takes the rules, each fires when it should and only then, and names what really is scraped."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest

from cli.conftest import Livepass
from livepass import config, wiring
from livepass.cli import alert_files, serving
from livepass.cli.root import root
from livepass.core.alerts import ALERTS, PANELS
from livepass.core.metrics import NAMED
from livepass.core.trip2_push import ANSWERS
from web.test_metrics import parsed

NAME = re.compile(r"\b(?:livepass|process)_[a-z_]+\b")
DAY = 86400
UP = 'livepass_build_info{version="1"}'
NONE = f"{UP} 1x99999"


def requests(status: str, route: str = "ask") -> str:
    return f'livepass_device_requests_total{{route="{route}",status="{status}"}}'


def pushes(status: str, reason: str = "") -> str:
    return f'livepass_apns_requests_total{{status="{status}",reason="{reason}"}}'


def of_type(name: str, kind: str = "") -> str:
    return f'{name}{{{kind}pass_type="pass.a"}}'


LEAF = 'kind="certificate",'
ENDS = of_type("livepass_certificate_not_after_timestamp_seconds", LEAF)


def lines(kind: str) -> str:
    return f'livepass_device_log_lines_total{{kind="{kind}"}}'


def canaries(outcome: str) -> str:
    return f'livepass_canary_runs_total{{outcome="{outcome}"}}'


Series = Sequence[tuple[str, str]]

# alert → (when it is looked, series with which it fires, series with which it does not): each minute one value
CASES: Mapping[str, tuple[str, Series, Series]] = {
    "LivepassGone": ("10m", [("other", "1x20")], [(UP, "1x20")]),
    "LivepassIncoherent": (
        "35m",
        [(of_type("livepass_coherence_ratio"), "0.98x60")],
        [(of_type("livepass_coherence_ratio"), "0.99x60")],
    ),
    "LivepassNobodyAsks": (
        "25m",
        [(pushes("200"), "0 0 0 0 0 0 0 100x60"), (requests("204"), "7x60")],
        [(pushes("200"), "0 0 0 0 0 0 0 100x60"), (requests("204"), "7x18 8x60")],
    ),
    "LivepassApnsRefusesCredential": (
        "5m",
        [(pushes("403", "BadCertificate"), "0 0 1x20")],
        [(pushes("403", "BadCertificate"), "1x20"), (pushes("410", "Unregistered"), "0 0 1x20")],
    ),
    "LivepassPushesHalted": (
        "10m",
        [(of_type("livepass_pushes_halted"), "1x20")],
        [(of_type("livepass_pushes_halted"), "0x20")],
    ),
    "LivepassApnsUnreachable": (
        "25m",
        [(pushes("0", "Unreachable"), "0+1x60"), (pushes("200"), "5x60")],
        [(pushes("0", "Unreachable"), "0+1x60"), (pushes("200"), "5+1x60")],
    ),
    "LivepassOutboxStuck": (
        "10m",
        [(of_type("livepass_outbox_oldest_seconds"), "121x20")],
        [(of_type("livepass_outbox_oldest_seconds"), "119x20")],
    ),
    **{
        f"LivepassCertificateEnds{days}Days": ("2h", [(ENDS, f"{days * DAY}x200")], [(ENDS, f"{(days + 1) * DAY}x200")])
        for days in (30, 14, 3)
    },
    "LivepassCertificateUnsound": (
        "5m",
        [(of_type("livepass_certificate_sound", LEAF), "0x20")],
        [(of_type("livepass_certificate_sound", LEAF), "1x20")],
    ),
    "LivepassCertificateRevoked": (
        "5m",
        [(of_type("livepass_certificate_revoked", LEAF), "1x20")],
        [(of_type("livepass_certificate_revoked", LEAF), "0x20")],
    ),
    "LivepassPhonesSentAway": (
        "10m",
        [("livepass_pressure_level", "3x20")],
        [("livepass_pressure_level", "2x20")],
    ),
    "LivepassPhonesNotAnswered": (
        "20m",
        [(requests("503"), "0+1x60"), (requests("200"), "0+10x60")],
        [(requests("503"), "0+1x60"), (requests("200"), "0+30x60")],
    ),
    "LivepassNewDeviceLogKind": (
        "5h",
        [(lines("T1"), "0x290 1x20")],
        [(lines("T1"), "0x60 1x120 1x100 2x60"), (lines("T2"), "5x400")],
    ),
    "LivepassSpuriousPushes": (
        "30m",
        [(lines("S3"), "0x20 1x20")],
        [(lines("S3"), "1x50"), (lines("S4"), "0x20 1x20")],
    ),
    "LivepassCanaryBurnsFast": (
        "90m",
        [(canaries("coherent"), "0+1x60 60x60"), (canaries("ask"), "0x60 0+1x60")],
        # What failed an hour ago, and not since, is over.
        [(canaries("coherent"), "0+1x40 40x5 45+1x90"), (canaries("ask"), "0x40 0+1x5 5x90")],
    ),
    "LivepassCanaryBurnsSlowly": (
        "6h",
        [(canaries("coherent"), "0+9x400"), (canaries("push"), "0+1x400")],
        [(canaries("coherent"), "0+96x400"), (canaries("push"), "0+4x400")],
    ),
    "LivepassCanarySilent": (
        "40m",
        [(of_type("livepass_canary_last_run_timestamp_seconds"), "0x60")],
        [(of_type("livepass_canary_last_run_timestamp_seconds"), "0+60x60")],
    ),
    "LivepassFiguresOld": (
        "2h",
        [("livepass_figures_timestamp_seconds", "0x200")],
        [("livepass_figures_timestamp_seconds", "0+60x200")],
    ),
}


def test_every_alert_has_a_case_and_what_it_points_to_exists() -> None:
    runbooks = Path(__file__).parents[2] / alert_files.RUNBOOKS
    assert [alert.name for alert in ALERTS] == list(CASES)
    for alert in ALERTS:
        assert (runbooks / f"{alert.runbook}.md").is_file()
        command: click.Command = root
        for word in alert.first.split()[1:]:
            if isinstance(command, click.Group):
                command = command.get_command(click.Context(command), word) or pytest.fail(alert.first)


def test_what_they_select_is_counted_before_it_happens() -> None:
    """A counter that begins with its first 1 shows no increase: such an alert would never fire."""
    assert {reason for status, reason in ANSWERS if status == 403} >= {"BadCertificate", "InvalidProviderToken"}


def promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("apt-get install prometheus")
    return str(program)


def test_promtool_takes_the_rules_and_each_fires_when_it_should(tmp_path: Path, livepass: Livepass) -> None:
    program, rules = promtool(), tmp_path / "rules.yml"
    rules.write_text(livepass("alerts", "export", "prometheus").out)
    tests = []
    for name, (at, fires, quiet) in CASES.items():
        for series, expected in ((fires, 1), (quiet, 0)):
            given = list(series) if name == "LivepassGone" else [*series, (UP, "1x400")]
            query = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
            seen = {"expr": query, "eval_time": at, "exp_samples": [{"labels": "{}", "value": expected}]}
            tests.append(
                {
                    "interval": "1m",
                    "input_series": [{"series": one, "values": values} for one, values in given],
                    "promql_expr_test": [seen],
                    "name": f"{name} {'fires' if expected else 'is quiet'}",
                }
            )
    test = tmp_path / "tests.yml"
    test.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}))
    for words in (["check", "rules", str(rules)], ["test", "rules", str(test)]):
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_one(livepass: Livepass) -> None:
    dashboard = json.loads(livepass("alerts", "export", "grafana").out)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(PANELS) == len({panel["id"] for panel in dashboard["panels"]})
    assert json.loads(livepass("alerts", "export", "grafana", "--json").out)["grafana"] == alert_files.grafana()


def test_all_that_is_named_is_scraped_from_a_service_and_from_a_worker(livepass: Livepass) -> None:
    livepass("init")
    livepass("db", "upgrade")
    settings, texts = config.load(), list[str]()

    async def scraped(http: httpx2.AsyncClient) -> Mapping[str, Any]:
        for _ in range(200):
            reply = await http.get("/metrics")
            assert reply.status_code == 200, reply.text
            if "livepass_figures_timestamp_seconds" in reply.text:
                break
            await asyncio.sleep(0.05)
        texts.append(reply.text)
        return parsed(reply.text)

    async def work() -> None:
        stop = asyncio.Event()
        async with wiring.opened(settings) as one, wiring.opened(settings) as other, wiring.opened(settings) as third:
            where = {"host": "127.0.0.1", "port": 0}
            for services, run in (
                (one, lambda ready: serving.serve(one, **where, ready=ready, stop=stop)),
                (other, lambda ready: serving.work(other, metrics_port=0, ready=ready, stop=stop)),
            ):
                address = asyncio.get_running_loop().create_future()
                task = asyncio.create_task(run(address.set_result))
                async with httpx2.AsyncClient(base_url=await address) as http:
                    found = await scraped(http)
                    assert found.keys() == NAMED.keys(), services
                    assert (await http.get("/livez")).status_code == 200
                stop.set()
                await asyncio.wait_for(task, 30)
                stop.clear()
            # One that only answers counts nothing that takes long.
            address = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(serving.serve(third, **where, worker=False, ready=address.set_result, stop=stop))
            async with httpx2.AsyncClient(base_url=await address) as http:
                for _ in range(3):
                    text = (await http.get("/metrics")).text
                    assert "livepass_registrations" not in text and "livepass_outbox_oldest_seconds" in text
            stop.set()
            await asyncio.wait_for(task, 30)

    asyncio.run(work())
    for text in texts:
        checked = subprocess.run(
            [promtool(), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
    named = {name for alert in ALERTS for name in NAME.findall(alert.expression)}
    named |= {name for panel in PANELS for expression, _ in panel.lines for name in NAME.findall(expression)}
    assert {name.removesuffix("_bucket") for name in named} <= NAMED.keys()
