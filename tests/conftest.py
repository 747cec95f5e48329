"""What every test may use: one throwaway authority per session (keys are slow to make)."""

from __future__ import annotations

import pytest

from livepass.emulators.authority import Authority, Issued

PASS_TYPE = "pass.test.livepass"
TEAM = "TEAM123456"


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def pass_certificate(authority: Authority) -> Issued:
    return authority.pass_certificate(PASS_TYPE, TEAM)
