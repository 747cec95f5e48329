"""A coroutine that began without a task goes on without one, as if there had always been one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from livepass.web.begun import Begun


def going_on(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
    """What it comes to: its result, or ``"failed"``."""
    rest = Begun(work, work.send(None))
    found = asyncio.get_running_loop().create_future()
    rest.go_on(found.set_result, lambda: found.set_result("failed"))
    return found


def test_it_goes_on_where_it_waits_and_needs_no_task() -> None:
    async def work(given: asyncio.Future[int]) -> int:
        await asyncio.sleep(0)
        first = await given
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is None
        return first + 1

    async def main() -> None:
        given = asyncio.get_running_loop().create_future()
        found = going_on(work(given))
        given.set_result(41)
        assert await found == 42

    asyncio.run(main())


def test_what_came_before_it_went_on_is_not_lost() -> None:
    async def main() -> None:
        given: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def work() -> int:
            return await given

        begun = work()
        rest = Begun(begun, begun.send(None))
        given.set_result(1)
        await asyncio.sleep(0)
        found = asyncio.get_running_loop().create_future()
        rest.go_on(found.set_result, lambda: None)
        assert await asyncio.wait_for(found, 5) == 1

    asyncio.run(main())


def test_what_it_waits_for_may_be_another_coroutine_shielded_or_begun_as_a_task() -> None:
    async def one() -> int:
        await asyncio.sleep(0)
        return 1

    async def work() -> int:
        return await one() + await asyncio.shield(asyncio.ensure_future(one()))

    async def main() -> None:
        assert await going_on(work()) == 2

    asyncio.run(main())


def test_its_error_is_told_and_reported() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise LookupError("here")

    async def main() -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        assert await going_on(work()) == "failed"
        assert [str(error) for error in reported] == ["here"]

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

        found = going_on(work())
        given.set_exception(LookupError())
        assert await found == "caught"

    asyncio.run(main())
