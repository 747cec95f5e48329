"""Judge both interfaces for as long as you like: ``scripts/api-fuzz --examples 500 --engine postgresql``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import engines
from livepass.emulators.authority import Authority
from openapi.fuzzing import INTERFACES, fuzz
from servers.livepass_process import PASS_TYPE, running

ENGINES = {"sqlite": "sqlite", "postgresql": "postgres"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/api-fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, metavar="N", help="cases a phase and operation (100)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="makes a run repeatable")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--interface", choices=INTERFACES, action="append", help="only this one")
    given = parser.parse_args()
    engines.choose(ENGINES[given.engine])
    certificate = Authority().pass_certificate(PASS_TYPE, "TEAM123456")
    fine = True
    for interface in given.interface or INTERFACES:
        # A new service for each: what one run erased, the other would miss.
        with (
            tempfile.TemporaryDirectory() as directory,
            running(Path(directory), certificate, "--no-worker") as service,
        ):
            outcome = fuzz(service, interface, Path(directory), examples=given.examples, seed=given.seed)
            log = service.log.read_text()
        if not outcome.fine or '"level": "error"' in log:
            fine = False
            print(outcome.said, *(line for line in log.splitlines() if '"level": "error"' in line), sep="\n")
        print(outcome)
        if outcome.never_accepted:
            print(f"  nothing was carried out by: {', '.join(outcome.never_accepted)}")
    how = f"scripts/api-fuzz --examples {given.examples} --seed {given.seed} --engine {given.engine}"
    print(f"{'fine' if fine else 'NOT FINE'}; again: {how}")
    return 0 if fine else 1


sys.exit(main())
