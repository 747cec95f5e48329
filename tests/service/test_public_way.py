"""When the public address is looked at, and how often what is found is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from livepass.core.echo import Heard, Shot
from livepass.core.public_way import Fault
from livepass.service.public_way import AGAIN_SECONDS, FIRST_SECONDS, ROUND_SECONDS, PublicWay

KEYS: Any = SimpleNamespace(tag_key=b"k" * 32)
CLOCK: Any = SimpleNamespace(now=lambda: 1_790_000_000_000)
CHANCE: Any = SimpleNamespace(token_bytes=bytes)
PAGE = Heard(200, {"content-type": "text/html"})
NOBODY = Heard(0, fault="no answer")
ELSEWHERE = Heard(401)
BROKEN = Heard(-1)


class Days:
    """A scheduler that tells how long it was asked to sleep, and ends what sleeps when all answers are used up."""

    def __init__(self, *answers: Heard) -> None:
        self._answers = list(answers)
        self.slept: list[float] = []
        self.told: list[list[str]] = []
        self.way = PublicWay(KEYS, CLOCK, CHANCE, self, self.call, "/wallet")  # type: ignore[arg-type]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.told.append(self.way.told())
        if not self._answers:
            raise asyncio.CancelledError

    async def call(self, shots: Iterable[Shot]) -> list[tuple[Shot, Heard]]:
        heard = self._answers.pop(0)
        if heard is BROKEN:
            raise RuntimeError("broken")
        return [(next(iter(shots)), heard)]

    def run(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(self.way.run())


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message.partition(":")[0]) for record in caplog.records]


def test_what_lasts_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    days = Days(PAGE, PAGE, PAGE, PAGE, PAGE, ELSEWHERE)
    days.run()
    assert said(caplog) == [
        ("ERROR", "a page for people answers"),
        ("ERROR", "something else than this installation answers"),
    ]
    assert "nginx: auth_basic off" in caplog.records[0].message
    assert days.slept[0] == FIRST_SECONDS and days.slept[1:4] == list(AGAIN_SECONDS) and days.slept[5] == 300
    assert days.told[0] == [] and len(days.told[1]) == 1


def test_a_proxy_that_starts_later_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """And what cannot be looked at from here is not told of the process: nothing is known to be wrong."""
    days = Days(NOBODY, NOBODY, NOBODY)
    days.run()
    assert said(caplog) == [("WARNING", "the public address does not answer here")]
    assert days.told == [[], [], [], []]


def test_what_breaks_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    days = Days(BROKEN, PAGE)
    days.run()
    assert [level for level, _ in said(caplog)] == ["ERROR", "ERROR"]
    assert days.slept == [FIRST_SECONDS, ROUND_SECONDS, AGAIN_SECONDS[0]]


def test_what_is_well_again_is_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.WARNING)
    days = Days(PAGE, ELSEWHERE)
    judged = iter([[_finding()], []])
    monkeypatch.setattr("livepass.service.public_way.judge", lambda *_: next(judged))
    days.run()
    assert said(caplog)[1:] == [("WARNING", "the public address is as phones need it again")]
    assert days.told[1] and not days.told[2] and days.slept[2] == ROUND_SECONDS


def _finding() -> Any:
    from livepass.core.public_way import Finding

    return Finding(Fault.PAGE, "a call", "a page")
