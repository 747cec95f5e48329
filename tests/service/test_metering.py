"""What a process counts: each round trip once, nothing that was not seen, and no label that the world may choose."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass.core.metrics import HUNG_UP, OTHER
from livepass.emulators.authority import Issued
from livepass.service.metering import Histogram, Meters
from service.rig import TYPE, rig


def test_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 5.0))
    for value in (0.0, 1.0, 1.1, 5.0, 5.1):
        histogram.observe(value)
    assert (histogram.counts, histogram.sum) == ([2, 2, 1], pytest.approx(12.2))


def test_what_others_may_choose_is_no_label() -> None:
    meters = Meters()
    before = len(meters.pushes), len(meters.requests)
    for status, reason in [(403, "BadCertificate"), (403, "New\nReason"), (299, "x"), (298, ""), (200, "")]:
        meters.pushed(status, reason)
    found = {key: count for key, count in meters.pushes.items() if count}
    assert found == {(403, "BadCertificate"): 1, (403, OTHER): 1, (OTHER, OTHER): 2, (200, ""): 1}
    meters.answered("ask", 299, 0.1)
    meters.answered("ask", HUNG_UP, 0.1)
    assert meters.requests["ask", OTHER] == meters.requests["ask", HUNG_UP] == 1
    assert (len(meters.pushes), len(meters.requests)) == (before[0] + 2, before[1])


@pytest.mark.parametrize(
    ("pushed_at", "asked_at", "seen"),
    [(None, None, 0), (1000, None, 1), (1000, 999, 1), (1000, 1000, 0), (1000, 1500, 0), (3000, None, 0)],
)
def test_only_the_first_ask_after_a_push_says_how_long_it_took(
    pushed_at: int | None, asked_at: int | None, seen: int
) -> None:
    meters = Meters()
    meters.asked(2000, pushed_at, asked_at)
    assert sum(meters.push_to_ask.counts) == seen


def test_a_round_trip_is_measured_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            meters = service.answering.meters
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            await service.fetch("1", "Thu, 01 Jan 1970 00:00:00 GMT")
            before = meters.staleness[TYPE].sum if TYPE in meters.staleness else 0.0
            fetched = sum(meters.ask_to_fetch.counts)
            service.clock.pass_(60_000)
            await service.change("1", 2)
            service.clock.pass_(2_000)
            assert await service.dispatcher.work_once() == 1
            assert meters.pushes[200, ""] == 1
            service.clock.pass_(3_000)
            told, tag = await service.ask(tag=tag)
            assert told == ["1"]
            service.clock.pass_(4_000)
            for _ in range(2):
                await service.fetch("1", "Thu, 01 Jan 1970 00:00:00 GMT")
            assert (sum(meters.push_to_ask.counts), meters.push_to_ask.sum) == (1, 3.0)
            assert sum(meters.ask_to_fetch.counts) == fetched + 1, "the second fetch brought nothing new"
            # The version's age is by its Last-Modified, which has a second's grain.
            assert meters.staleness[TYPE].sum - before == pytest.approx(9.0, abs=1.0)
            await service.ask(tag=tag)
            assert sum(meters.push_to_ask.counts) == 1

    asyncio.run(main())


def test_what_phones_say_is_counted_by_its_kind(tmp_path: Path, pass_certificate: Issued) -> None:
    """Fails when lines about other people's pass types count: anybody could set off an alert."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            line = f"[2026-01-01] Web service error for {TYPE} (https://x.example): %s"
            said = [line % "Unexpected response code 500", line % "Something new", "names no pass type"]
            said.append((line % "Unexpected response code 500").replace(TYPE, "pass.of.a.stranger"))
            service.answering.testify(str({"logs": said}).replace("'", '"').encode())
            await service.recorder.settle()
            found = {kind: count for kind, count in service.answering.meters.log_lines.items() if count}
            assert found == {"T1": 1, "?": 1}

    asyncio.run(main())
