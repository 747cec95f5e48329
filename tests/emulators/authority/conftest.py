"""One authority and its server per session (keys are slow to make); each test finds it honest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.authority.openssl import OpenSSL
from livepass.emulators.authority import Authority, AuthorityServer


@pytest.fixture(scope="session")
def served() -> Iterator[AuthorityServer]:
    with AuthorityServer(Authority(name="Served")) as server:
        yield server


@pytest.fixture
def server(served: AuthorityServer) -> Iterator[AuthorityServer]:
    served.forget()
    yield served
    served.mend()
    served.delegated = True


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSSL:
    return OpenSSL(tmp_path)
