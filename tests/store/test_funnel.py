"""The funnel, counted from events: what each step takes, and what it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass.core.timeline import Event, Kind
from store.hand import OTHER, T0, TYPE, opened

VIEWED, DOWNLOADED = Kind.SHARE_VIEWED, Kind.PKPASS_DOWNLOADED
REGISTERED, FETCHED = Kind.REGISTERED, Kind.FETCHED


def event(kind: Kind, after: int, seq: int = 0, serial: str = "1", pass_type: str = TYPE) -> Event:
    return Event(kind, T0 + after, pass_type, serial, seq=seq)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], (0, 0, 0, 0), id="nothing"),
        pytest.param([event(VIEWED, 0)] * 3, (1, 0, 0, 0), id="a pass counts once"),
        pytest.param([event(VIEWED, 0), event(DOWNLOADED, 1)], (1, 1, 0, 0), id="downloaded"),
        pytest.param([event(DOWNLOADED, 0)], (0, 1, 0, 0), id="without its page"),
        pytest.param([event(VIEWED, 0), event(REGISTERED, 1, 5)], (1, 0, 0, 0), id="registered, but not from here"),
        pytest.param([event(REGISTERED, 0, 5), event(DOWNLOADED, 1)], (0, 1, 0, 0), id="registered before"),
        pytest.param([event(REGISTERED, 1, 5), event(DOWNLOADED, 0)], (0, 1, 1, 0), id="written down in another order"),
        pytest.param(
            [event(DOWNLOADED, 0), event(REGISTERED, 1, 5), event(FETCHED, 2, 5), event(FETCHED, 3, 4)],
            (0, 1, 1, 0),
            id="fetched, but nothing new",
        ),
        pytest.param(
            [event(DOWNLOADED, 0), event(REGISTERED, 1, 5), event(FETCHED, 2, 6)], (0, 1, 1, 1), id="all of it"
        ),
        pytest.param(
            [event(DOWNLOADED, 0), event(REGISTERED, 1, 5), event(REGISTERED, 3, 9), event(FETCHED, 2, 6)],
            (0, 1, 1, 1),
            id="a second phone takes nothing back",
        ),
        pytest.param([event(DOWNLOADED, 0), event(FETCHED, 2, 6)], (0, 1, 0, 0), id="fetched without registering"),
        pytest.param([event(VIEWED, -1), event(DOWNLOADED, -1)], (0, 0, 0, 0), id="before the period"),
        pytest.param(
            [event(VIEWED, 0, serial="1"), event(VIEWED, 0, serial="2"), event(DOWNLOADED, 0, serial="2")],
            (2, 1, 0, 0),
            id="two passes",
        ),
        pytest.param([event(VIEWED, 0, pass_type=OTHER)], (0, 0, 0, 0), id="of another type"),
    ],
)
def test_funnel(tmp_path: Path, engine: str, events: list[Event], expected: tuple[int, ...]) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as h:
            await h.store.write(lambda tx: tx.add_events(events))
            counted = await h.store.funnel(TYPE, since=T0)
            assert (counted.viewed, counted.downloaded, counted.registered, counted.updated) == expected

    asyncio.run(main())


def test_who_looks_at_the_page_does_not_push_phones_out_of_sight(tmp_path: Path, engine: str) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as h:
            looks = [event(kind, at) for at in range(60) for kind in (VIEWED, DOWNLOADED)]
            await h.store.write(lambda tx: tx.add_events([event(REGISTERED, 0, 5), *looks]))
            assert [each.kind for each in await h.store.last_of_pass(TYPE, "1", limit=50)] == [REGISTERED]
            assert len(await h.store.timeline(TYPE, "1", after=0, limit=500)) == 121

    asyncio.run(main())
