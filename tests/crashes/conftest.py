"""One program to fork processes from, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from concurrency.nursery import Nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery"), "crashes.roles", "livepass.store.postgres") as made:
        yield made
