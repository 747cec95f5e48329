"""What every test may use: one throwaway authority per session (keys are slow to make)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import engines
from livepass.emulators.authority import Authority, Issued

PASS_TYPE = "pass.test.livepass"
TEAM = "TEAM123456"


@pytest.fixture(params=engines.ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """For tests that run on both engines: what ``engines`` makes databases of meanwhile."""
    engines.choose(request.param)
    yield request.param
    engines.choose("sqlite")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def pass_certificate(authority: Authority) -> Issued:
    return authority.pass_certificate(PASS_TYPE, TEAM)
