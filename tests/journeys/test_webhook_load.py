"""300 changes a second that receivers in trouble are to be told of, beside phones and pushes, for a minute."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from journeys.webhook_load import PHONES, Plan, run, table
from livepass.emulators.authority import Authority
from servers.postgres import without

pytestmark = [pytest.mark.alone, pytest.mark.nightly]


@pytest.mark.timeout(600)
def test_webhooks_in_trouble_disturb_neither_phones_nor_pushes(
    engine: str, tmp_path: Path, authority: Authority
) -> None:
    """Fails when a change is neither told nor kept; when a phone is refused, or a push not sent; or when any of these
    takes much longer than without webhooks.
    """
    plan = Plan()
    found = asyncio.run(run(tmp_path, authority, plan))
    print(table(found))
    assert (found.lost, found.failed) == ([], 0)
    assert found.told and found.kept
    if found.without.per_second < 0.9 * plan.rate:
        without(f"this machine makes {found.without.per_second:.0f} changes a second, without webhooks too")
    assert found.without.wrong == found.within.wrong == []
    for what in (*PHONES, "push"):
        assert found.ratio(what, 0.5) < 3, what
        assert found.ratio(what, 0.99) < 5, what
