"""One service for all judgements: none of them leaves anything there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doctor.stage import Stage, staged
from livepass.emulators.authority import Authority


@pytest.fixture(scope="session")
def _stage(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage"), authority) as made:
        yield made


@pytest.fixture
def stage(_stage: Stage) -> Iterator[Stage]:
    """The service, healthy at the start of each test."""
    yield _stage
    _stage.front.context, _stage.front.says, _stage.front.requests = _stage.good_tls, b"", b""
    _stage.front.edits = bytes
