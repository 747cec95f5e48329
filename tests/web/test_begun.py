"""A coroutine that began without a task goes on in one as if it had always been there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from livepass.web.begun import Begun


def begun(work: Coroutine[Any, Any, Any]) -> Begun[Any]:
    return Begun(work, work.send(None))


def test_it_goes_on_where_it_waits() -> None:
    async def work(given: asyncio.Future[int]) -> int:
        await asyncio.sleep(0)
        first = await given
        await asyncio.sleep(0.001)
        return first + 1

    async def main() -> None:
        given = asyncio.get_running_loop().create_future()
        rest = begun(work(given))
        given.set_result(41)
        assert await rest == 42

    asyncio.run(main())


def test_what_came_before_anybody_waited_is_not_lost() -> None:
    async def main() -> None:
        given: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def work() -> int:
            return await given

        rest = begun(work())
        given.set_result(1)
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.ensure_future(_as_task(rest)), 5) == 1

    asyncio.run(main())


def test_its_error_is_told() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            await begun(work())

    asyncio.run(main())


def test_an_error_of_what_it_waits_for_reaches_it() -> None:
    async def main() -> None:
        given: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def work() -> str:
            try:
                await given
            except LookupError:
                await asyncio.sleep(0)
                return "caught"
            return "nothing"

        rest = begun(work())
        given.set_exception(LookupError())
        assert await rest == "caught"

    asyncio.run(main())


def test_it_can_be_cancelled() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("work")

    async def main() -> None:
        task = asyncio.ensure_future(_as_task(begun(work())))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == ["work"]


async def _as_task(rest: Begun[Any]) -> Any:
    return await rest
