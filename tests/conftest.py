"""What every test may use: one throwaway authority per session (keys are slow to make)."""

from __future__ import annotations

import os
import re
import signal
import sys
import zlib
from collections.abc import Iterator

import pytest

import engines
import validated
from livepass.emulators.authority import Authority, Issued

PASS_TYPE = "pass.test.livepass"
TEAM = "TEAM123456"


LONGEST = (
    "test_crash_points_on_postgres.py::test_a_death_loses_nothing",
    "test_years.py::test_no_certificate_strands_a_pass",
    "test_secrets.py::test_no_secret_leaves",
    "test_interfaces.py::test_an_interface_does_what_its_document_says",
)
WORKERS = 4
"""As in scripts/test."""


def pytest_configure() -> None:
    # Where the tests run in the background of a script, SIGINT is ignored, and would be by what they start and stop.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


ON_ONE_ENGINE = re.compile(
    r"^tests/(journeys/(?!test_crash)|history/|openapi/|web/|service/|keys/|crashes/test_kill_loop|cli/|moving/)"
)
"""What takes long and says nothing of an engine that its twin does not: each case runs on one of them, half of them on
PostgreSQL. ``LIVEPASS_TEST_NIGHTLY=1`` runs all on both.
"""
_ENGINE = re.compile(r"\b(sqlite|postgres)\b")


def _twin(nodeid: str) -> str:
    """The same case on the other engine."""
    return _ENGINE.sub(lambda found: "postgres" if found[1] == "sqlite" else "sqlite", nodeid)


def _left_to_its_twin(item: pytest.Item) -> bool:
    engine = _ENGINE.search(item.nodeid.partition("[")[2])
    if engine is None or ON_ONE_ENGINE.match(item.nodeid) is None:
        return False
    case = _ENGINE.sub("", item.nodeid)
    return engine[1] != ("sqlite", "postgres")[zlib.crc32(case.encode()) % 2]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By day, what is for the night is left out, and twins where both are there.

    The longest come first, in each of the parts that the workers begin with: begun last, all would wait for them.
    """
    if not os.environ.get("LIVEPASS_TEST_NIGHTLY"):
        there = {item.nodeid for item in items}
        left = [
            item
            for item in items
            if item.get_closest_marker("nightly") or (_left_to_its_twin(item) and _twin(item.nodeid) in there)
        ]
        config.hook.pytest_deselected(items=left)
        out = set(left)
        items[:] = [item for item in items if item not in out]
    longest = [item for item in items if any(name in item.nodeid for name in LONGEST)]
    rest = [item for item in items if item not in set(longest)]
    share = -(-len(rest) // WORKERS)
    items[:] = [
        item
        for worker in range(WORKERS)
        for item in (*longest[worker::WORKERS], *rest[worker * share : (worker + 1) * share])
    ]


def _constants() -> dict[tuple[str, str], object]:
    """Every constant and class of every module of livepass that is loaded."""
    return {
        (module, name): value
        for module, loaded in list(sys.modules.items())
        if module.startswith("livepass.")
        for name, value in list(vars(loaded).items())
        if name.lstrip("_")[:1].isupper()
    }


@pytest.fixture(scope="module", autouse=True)
def left_as_it_was() -> Iterator[None]:
    """A module that leaves a constant or a class exchanged fails here, not in whatever comes next in its process."""
    before = _constants()
    yield
    now = _constants()
    left = [f"{module}.{name}" for (module, name), value in before.items() if now.get((module, name)) is not value]
    assert not left, f"not put back: {', '.join(left)}"


@pytest.fixture(params=engines.ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """For tests that run on both engines: what ``engines`` makes databases of meanwhile."""
    engines.choose(request.param)
    yield request.param
    engines.choose("sqlite")


@pytest.fixture(scope="session", autouse=True)
def keys_validated_once() -> Iterator[None]:
    with validated.once():
        yield


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def pass_certificate(authority: Authority) -> Issued:
    return authority.pass_certificate(PASS_TYPE, TEAM)
