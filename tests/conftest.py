"""What every test may use: one throwaway authority per session (keys are slow to make)."""

from __future__ import annotations

import signal
import sys
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, in each of the parts that the workers begin with: begun last, all would wait for them."""
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
