"""What the use cases tell whoever follows a change: each under the numbers that it was for, and nothing under none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from livepass.emulators.authority import Issued
from livepass.keys.ring import SealedKeyRing
from livepass.outside.tracing import MOST_NUMBERS, OtelTracing
from livepass.service.drafting import Wish
from livepass.service.seams import Tracing
from outside.collector import Collector, Span
from service.rewards import card, enrol
from service.rig import DAY, TYPE, Rig, rig

Steps = Callable[[Rig], Awaitable[None]]


@pytest.fixture
def told(tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch) -> Callable[[Steps], list[Span]]:
    """The spans of some steps, as a collector got them."""

    def spans(steps: Steps) -> list[Span]:
        async def main() -> None:
            def tracing(keys: SealedKeyRing) -> Tracing:
                made.append(OtelTracing(lambda: keys.tag_key, "1", 2048))
                return made[0]

            made: list[OtelTracing] = []
            async with rig(tmp_path, pass_certificate, tracing=tracing) as service:
                await steps(service)
            await made[0].close()

        with Collector() as collector:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
            asyncio.run(main())
            return collector.spans

    return spans


def number(span: Span) -> int:
    return int(span.facts["livepass.number"])


async def holding(service: Rig, *serials: str) -> str:
    """A phone with these passes, which has heard all; its tag."""
    for serial in serials:
        await service.issue(serial)
        await service.register(serial)
    _, tag = await service.ask()
    service.clock.pass_(2 * DAY)
    return tag


def test_what_is_asked_for_stands_below_each_change_that_it_is_told_of(told: Callable[[Steps], list[Span]]) -> None:
    async def steps(service: Rig) -> None:
        tag = await holding(service, "1", "2", "3")
        await service.change("1", 5)
        await service.change("2", 5)
        await service.ask(tag=tag)

    spans = told(steps)
    changes = [span for span in spans if span.name == "change"][-2:]
    asks = [span for span in spans if span.name == "ask"][3:]
    assert sorted(map(number, asks)) == sorted(map(number, changes))
    assert {(span.trace, span.parent) for span in asks} == {span.place for span in changes}
    assert len({span.trace for span in changes}) == 2


def test_who_is_told_nothing_begins_nothing(told: Callable[[Steps], list[Span]]) -> None:
    async def steps(service: Rig) -> None:
        tag = await holding(service, "1")
        assert (await service.ask(tag=tag))[0] == []
        await service.answering.fetch(TYPE, "1", "ApplePass wrong-wrong-wrong", None, None)
        await service.issue("1")

    spans = told(steps)
    assert [span.name for span in spans] == ["change", "register", "ask"], "one of each, as it came to hold the pass"


def test_a_phone_that_begins_anew_stands_below_the_newest_changes_alone(told: Callable[[Steps], list[Span]]) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, *map(str, range(MOST_NUMBERS + 4)))
        assert len((await service.ask())[0]) == MOST_NUMBERS + 4

    spans = told(steps)
    registrations = sorted(number(span) for span in spans if span.name == "register")
    asks = [number(span) for span in spans if span.name == "ask"]
    assert asks[MOST_NUMBERS:] == registrations[: -MOST_NUMBERS - 1 : -1]


def test_a_push_for_several_changes_stands_below_the_newest_and_says_from_where(
    told: Callable[[Steps], list[Span]],
) -> None:
    async def steps(service: Rig) -> None:
        await service.ask(tag=await holding(service, "1"))
        await service.change("1", 5)
        await service.change("1", 6)
        await service.dispatcher.work_once()

    spans = told(steps)
    [push] = [span for span in spans if span.name == "push"]
    first, *_, newest = [span for span in spans if span.name == "change"]
    assert (push.trace, push.parent) == newest.place
    assert number(first) <= push.facts["livepass.after"] < number(newest) - 1
    assert (push.facts["livepass.status"], push.facts["livepass.attempt"], push.failed) == (200, 1, None)


def test_a_push_that_apns_rejects_failed(told: Callable[[Steps], list[Span]]) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, "1")
        service.sender.answers["aa"] = (400, "BadDeviceToken")
        await service.change("1", 5)
        await service.dispatcher.work_once()

    [push] = [span for span in told(steps) if span.name == "push"]
    assert (push.failed, push.facts["livepass.status"]) == ("BadDeviceToken", 400)


def test_passes_that_change_together_are_one_change(told: Callable[[Steps], list[Span]]) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, "1", "2")
        await service.issue("unmoved", 7)
        wishes = [Wish(TYPE, serial, data={"points": 7}, patch=True) for serial in ("1", "2", "nobody", "unmoved")]
        await service.issuing.put_many(wishes)
        await service.fetch("1")
        await service.fetch("2")

    spans = told(steps)
    change = [span for span in spans if span.name == "change"][-1]
    assert (change.facts["livepass.passes"], change.facts["livepass.pushes_due"]) == (2, 2)
    fetches = [span for span in spans if span.name == "fetch"]
    assert [(span.trace, span.parent) for span in fetches] == [change.place] * 2


def test_an_enrolment_is_a_change_as_well(told: Callable[[Steps], list[Span]]) -> None:
    async def steps(service: Rig) -> None:
        await card(service)
        assert (await enrol(service)).status == 200
        await service.fetch("1")

    *_, change, fetch = told(steps)
    assert (change.name, fetch.parent) == ("change", change.id)


def test_where_nobody_traces_a_phone_does_not_even_cost_a_look_at_the_clock(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked() -> float:
        raise AssertionError("a stopwatch was started for nobody")

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            monkeypatch.setattr(service.clock, "stopwatch", looked)
            await service.register("1")
            assert (await service.ask())[0] == ["1"]
            assert (await service.fetch("1")).status == 200

    asyncio.run(main())
