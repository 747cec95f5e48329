"""What computes for long runs on threads, once however many ask, and a phone never waits for what lint looks at."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from livepass.pkpass import Template, verify
from livepass.pkpass.png import Png, check_pixels
from livepass.pkpass.reader import read
from livepass.runtime import AsyncScheduler
from web.asgi import PASS_TYPE, Api, folder_zip, with_api

IMAGES = importlib.import_module("livepass.pkpass.lint.images")


def watching(threads: list[str], work: Callable[..., Any]) -> Callable[..., Any]:
    """The same, and the name of the thread that it ran on."""

    def watched(*given: Any, **named: Any) -> Any:
        threads.append(threading.current_thread().name)
        return work(*given, **named)

    return watched


@with_api
async def test_a_template_is_opened_and_looked_at_on_threads_and_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.issue("1")  # so that its template is open
    opened: list[str] = []
    looked: list[str] = []
    packed: list[str] = []
    monkeypatch.setattr(IMAGES, "check_pixels", watching(looked, check_pixels))
    monkeypatch.setattr(Template, "from_zip", watching(opened, Template.from_zip))
    monkeypatch.setattr(Template, "to_zip", watching(packed, Template.to_zip))
    gold = folder_zip("gold/", {"description": "Gold", "organizationName": "Gym", "generic": {}})
    await api.ok("POST", "/templates", body=gold, media="application/zip")
    passes = [api.call("PUT", f"/passes/{PASS_TYPE}/gold-{n}", {"template": "gold"}) for n in range(6)]
    assert {reply.status for reply in await asyncio.gather(*passes)} == {201}
    assert [name.partition("_")[0] for name in looked] == ["livepass-aside"] * 2, "each of its two images once"
    assert sorted(name.partition("_")[0] for name in opened) == ["asyncio", "livepass-build"]
    assert [name.partition("_")[0] for name in packed] == ["livepass-build"]


@with_api
async def test_a_phone_does_not_wait_for_what_lint_looks_at(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of a new template take as long as they like: meanwhile a pass is built, signed and fetched."""
    await api.issue("1")
    go, began = threading.Event(), threading.Event()

    def held(png: Png) -> None:
        began.set()
        assert go.wait(60)
        check_pixels(png)

    monkeypatch.setattr(IMAGES, "check_pixels", held)
    names = [f"gold-{n}" for n in range(9)]  # more than there are threads that sign
    for name in names:
        gold = folder_zip(f"{name}/", {"description": name, "organizationName": "Gym", "generic": {}})
        await api.ok("POST", "/templates", body=gold, media="application/zip")
    puts = [asyncio.create_task(api.call("PUT", f"/passes/{PASS_TYPE}/{n}", {"template": n})) for n in names]
    assert await asyncio.to_thread(began.wait, 60)
    token = f"ApplePass {await api.token('1')}"
    try:
        fetched = await asyncio.wait_for(api.services.answering.fetch(PASS_TYPE, "1", token, None, None), 30)
        reply = fetched.reply
        assert reply.status == 200 and verify(read(reply.body)).serial == "1"
        await asyncio.wait_for(api.issue("1", 2), 30)
        assert not any(put.done() for put in puts)
    finally:
        go.set()
    assert {reply.status for reply in await asyncio.gather(*puts)} == {201}


def test_who_waits_no_longer_ends_it_for_nobody_else() -> None:
    async def main() -> None:
        scheduler, go = AsyncScheduler(1), threading.Event()
        ran: list[int] = []

        def work() -> int:
            assert go.wait(60)
            ran.append(1)
            return len(ran)

        first, second, third = [asyncio.create_task(scheduler.off_loop(work, share="a")) for _ in range(3)]
        other = asyncio.create_task(scheduler.off_loop(lambda: "aside", share="b", aside=True))
        assert await other == "aside"
        first.cancel()
        await asyncio.wait([first])
        go.set()
        assert (await second, await third, first.cancelled()) == (1, 1, True)
        assert await scheduler.off_loop(work, share="a") == 2, "what is over is done anew"
        with pytest.raises(ValueError, match="wrong"):
            await asyncio.gather(*(scheduler.off_loop(lambda: int("wrong"), share="c") for _ in range(2)))
        await scheduler.close()

    asyncio.run(main())


def test_brief_work_is_told_of_together_and_each_has_its_own_result() -> None:
    """The loop is woken once for what one thread did meanwhile; an error and a caller who went are of one alone."""

    async def main() -> None:
        scheduler, loop, go = AsyncScheduler(1), asyncio.get_running_loop(), threading.Event()
        woken, real = 0, loop.call_soon_threadsafe

        def counted(*given: Any, **named: Any) -> Any:
            nonlocal woken
            woken += 1
            return real(*given, **named)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        first = asyncio.create_task(scheduler.off_loop(lambda: go.wait(60), brief=True))
        works: list[Callable[[], Any]] = [*(lambda n=n: n for n in range(20)), lambda: int("wrong")]
        rest = [asyncio.create_task(scheduler.off_loop(work, brief=True)) for work in works]
        await asyncio.sleep(0)  # in which all are handed over
        rest[3].cancel()
        go.set()
        assert await first
        found = await asyncio.gather(*rest, return_exceptions=True)
        assert [one for one in found if isinstance(one, int)] == [n for n in range(20) if n != 3]
        assert isinstance(found[3], asyncio.CancelledError) and isinstance(found[-1], ValueError)
        assert woken < len(works)
        await scheduler.close()

    asyncio.run(main())


def test_brief_work_waits_for_nothing_that_takes_long() -> None:
    async def main() -> None:
        scheduler, go = AsyncScheduler(1), threading.Event()
        long = asyncio.create_task(scheduler.off_loop(lambda: go.wait(60)))
        assert await asyncio.wait_for(scheduler.off_loop(lambda: 7, brief=True), 30) == 7
        go.set()
        assert await long
        await scheduler.close()

    asyncio.run(main())


def test_threads_of_brief_work_end_with_what_they_were_given_done() -> None:
    async def main() -> None:
        scheduler, go = AsyncScheduler(3), threading.Event()
        given = [asyncio.create_task(scheduler.off_loop(lambda: go.wait(60), brief=True)) for _ in range(9)]
        await asyncio.sleep(0)
        threads = [one for one in threading.enumerate() if one.name.startswith("livepass-sign")]
        assert len(threads) == 3
        await scheduler.close()
        go.set()
        assert all(await asyncio.gather(*given))
        for thread in threads:
            await asyncio.to_thread(thread.join, 30)
            assert not thread.is_alive()

    asyncio.run(main())
