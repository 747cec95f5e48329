"""What anybody may make us write down is so much a minute; everybody is answered all the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from livepass.emulators.authority import Issued
from livepass.service.answering import SAID_A_MINUTE
from livepass.service.ration import Ration
from service.rig import MINUTE, TYPE, Rig, SetClock, rig

CONTEXT = f"pass type {TYPE}, serial number 1; with web service url https://x"
FULL = json.dumps({"logs": [f"Get pass task ({CONTEXT}) encountered error: {number}" for number in range(50)]}).encode()


async def kept(service: Rig) -> int:
    await service.recorder.settle()
    return len(await service.store.testimony(pass_type=None, code=None, before=2**62, limit=10_000))


def test_a_flood_of_words_is_kept_up_to_a_bound(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            for number in range(100):
                assert service.answering.testify(FULL).status == 200
                if number % 10 == 0:
                    assert (await service.answering.ask(TYPE, "phone", None, None)).status == 200
            assert await kept(service) == SAID_A_MINUTE
            path = f"/v1/passes/{TYPE}/1/news"
            assert service.answering.unknown_message(path, b"{}").status == 200
            assert await service.store.events(kinds=["unknown_device_message"], pass_type=None, after=0, limit=9) == []
            service.clock.pass_(MINUTE // 2)
            for _ in range(100):
                assert service.answering.testify(FULL).status == 200
            assert await kept(service) == SAID_A_MINUTE * 3 // 2
            service.clock.pass_(10 * MINUTE)
            for _ in range(100):
                assert service.answering.testify(FULL).status == 200
            assert await kept(service) == SAID_A_MINUTE * 5 // 2, "what was not said is not saved up"

    asyncio.run(main())
    said = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert said[0] == "phones say more than is kept: 50 lines left out"
    assert len(said) == 2, "once a minute at most, however much is left out"


def test_a_ration_fills_evenly() -> None:
    clock = SetClock(start=0)
    ration = Ration(clock, 60)
    assert [ration.take(50), ration.take(50), ration.take(50)] == [50, 10, 0]
    clock.pass_(990)
    assert ration.take(1) == 0
    clock.pass_(20)
    assert [ration.take(1), ration.take(1)] == [1, 0]
