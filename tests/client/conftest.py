"""One service for all tests of the clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.service import KEY, Running
from embed.hosts import settings
from livepass import Livepass
from livepass.client import Client
from livepass.emulators.authority import Authority


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Running]:
    lp = Livepass(**settings(tmp_path_factory.mktemp("client"), admin_key=KEY, webhook_loopback="on"))
    found = Running(lp, authority)
    yield found
    found.stop()


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    with Client(running.url, KEY) as made:
        yield made
