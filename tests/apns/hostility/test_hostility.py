"""Every row of the table, over real TLS: what becomes of the pushes, of the connection, and whether we recover."""

from __future__ import annotations

import asyncio
import os

import pytest

from apns.hostility import mixture
from apns.hostility.case import Case, play
from apns.hostility.table import CASES
from livepass.core.trip2_push import PushCredential
from livepass.emulators.authority import Authority


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostility_and_recovery(case: Case, authority: Authority, credential: PushCredential) -> None:
    faults = asyncio.run(play(case, authority, credential))
    assert not faults, "\n".join(faults)


def test_no_row_is_there_twice() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40


CONVERSATIONS = int(os.environ.get("LIVEPASS_TEST_CONVERSATIONS", "200"))
SEED = int(os.environ.get("LIVEPASS_TEST_SEED", "1"))


def test_conversations_at_random(authority: Authority, credential: PushCredential) -> None:
    faults = asyncio.run(mixture.run(SEED, range(CONVERSATIONS), authority, credential))
    assert not faults, "\n".join(faults)
