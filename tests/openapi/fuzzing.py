"""Runs schemathesis against a service that runs: every operation of a document, over real sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from openapi import documents
from servers.livepass_process import LivepassProcess

HERE = Path(__file__).parent
INTERFACES = ("issuers", "phones")


@dataclass(frozen=True)
class Outcome:
    """What a run came to. ``said`` is schemathesis' own report, with a curl line for each failure; ``never_accepted``:
    operations that carried out nothing that was asked, of which little can be said.
    """

    interface: str
    operations: int
    tested: int
    cases: int
    failures: int
    errors: int
    never_accepted: list[str]
    said: str
    complete: bool

    @property
    def fine(self) -> bool:
        return self.complete and self.tested == self.operations > 0 and not self.failures and not self.errors

    def __str__(self) -> str:
        return (
            f"{self.interface}: {self.tested} of {self.operations} operations, {self.cases} cases, "
            f"{self.failures} failures, {self.errors} errors"
        )


def fuzz(service: LivepassProcess, interface: str, directory: Path, *, examples: int, seed: int) -> Outcome:
    """Judge one of ``INTERFACES``: at most ``examples`` cases an operation and phase. Reports go to ``directory``."""
    if interface == "issuers":
        document, url = documents.issuers(service), service.url
        authorization = f"Bearer {service.admin_key}"
    else:
        document, url = documents.phones(), f"{service.url}/wallet"
        authorization = f"ApplePass {service.token}"
    report = directory / f"{interface}.json"
    words = ["--config-file", str(HERE / f"{interface}.toml"), "run", str(documents.written(document, directory))]
    words += ["--max-examples", str(examples), "--seed", str(seed), "--no-color", "--continue-on-failure"]
    words += ["--request-timeout", "30", "--report-json-path", str(report)]
    process = subprocess.run(
        [str(Path(sys.executable).with_name("st")), *words],
        cwd=directory,
        env=os.environ
        | {
            "OPENAPI_URL": url,
            "OPENAPI_AUTHORIZATION": authorization,
            "OPENAPI_HOOKS": str(HERE / "hooks.py"),
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if not report.exists():
        return Outcome(interface, 0, 0, 0, 0, 1, [], process.stdout, complete=False)
    found = json.loads(report.read_text())
    accepted: Counter[str] = Counter()
    for operation, phases in found["valid_rates"].items():
        accepted[operation] = sum(phase["accepted"] for phase in phases.values())
    return Outcome(
        interface,
        operations=found["operations"]["selected"],
        tested=found["operations"]["tested"],
        cases=found["test_cases"]["generated"],
        failures=found["test_cases"]["unique_failures"],
        errors=len(found["errors"]),
        never_accepted=[operation for operation, cases in accepted.items() if not cases],
        said=process.stdout,
        complete=found["complete"],
    )
