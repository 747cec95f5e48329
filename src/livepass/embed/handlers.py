"""What is called when something happened: registered, stopped listening, downloaded, confirmed …

Best effort, and only of what this process wrote. Events are heard once their transaction is committed; a handler runs
after that, on a queue of its own, so it delays no phone and no other handler. What waits when the process dies is lost:
whoever must not miss one reads the timeline, or has webhooks sent.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from livepass.core import webhooks
from livepass.core.timeline import Event, Kind
from livepass.core.webhooks import News

if TYPE_CHECKING:
    from livepass.service.seams import Store

log = logging.getLogger(__name__)

LINE = "device_log.line"
"""A phone said something in its log: the one name that webhooks do not have, because there are too many."""
NAMES = tuple(sorted({*webhooks.NAMES, LINE}))

AFTER_SECONDS = 0.02
"""By then the answer is on its way to whoever's call it was."""
BACKLOG = 10_000
"""Happenings that wait for one handler; of more, the oldest are dropped, and counted in the log."""
FAREWELL_SECONDS = 5.0
"""How long a process that ends waits for its handlers."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a pass, a phone or a certificate.

    ``kind`` is the timeline's word for it and ``detail`` what that noted. What stands in no timeline has no ``kind``,
    and for ``detail`` what its webhook says. ``device_id`` is set where a phone is known.
    """

    name: str
    kind: str
    at: datetime
    pass_type: str
    serial: str | None
    device_id: str | None
    detail: Mapping[str, object] = field(default_factory=dict)


Handler = TypeVar("Handler", bound=Callable[[Happening], Awaitable[None] | None])
AnyHandler = Callable[[Happening], Awaitable[None] | None]


def check(name: str) -> None:
    """Raise ``ValueError`` for a name that nothing has."""
    if name not in NAMES:
        close = get_close_matches(name, NAMES, 1, 0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(NAMES)}"
        raise ValueError(f"nothing is called {name!r}: {hint}")


class Handlers:
    """The handlers of one ``Livepass``, in the loop that opened it. ``by_name`` is shared with those of its twin."""

    def __init__(self, by_name: dict[str, list[AnyHandler]] | None = None) -> None:
        self._by_name = {} if by_name is None else by_name
        self._lanes: dict[AnyHandler, Lane] = {}

    def twin(self) -> Handlers:
        """The same handlers, for another loop."""
        return Handlers(self._by_name)

    def add(self, name: str, handler: AnyHandler) -> None:
        self._by_name.setdefault(name, []).append(handler)

    def hears(self, name: str) -> bool:
        """Whether somebody wants to hear of it."""
        return bool(self._by_name.get(name))

    def begin(self, store: Store) -> None:
        """Hear what is written to this store from now on."""
        self._lanes = {}
        store.on_events(self.heard)

    def heard(self, events: Sequence[Event | News]) -> None:
        """What is committed. Called in the loop; only puts it into the queues."""
        for event in events:
            name = event.name if isinstance(event, News) else _called(event)
            for handler in self._by_name.get(name, ()) if name else ():
                lane = self._lanes.get(handler)
                if lane is None:
                    lane = self._lanes[handler] = Lane(handler)
                lane.put(_told(event) if isinstance(event, News) else _happening(name, event))

    async def end(self) -> None:
        """Let what waits be handled, some seconds at most."""
        await asyncio.gather(*(lane.end(FAREWELL_SECONDS) for lane in self._lanes.values()))


def _called(event: Event) -> str:
    """As webhooks have it; empty: none."""
    told = webhooks.told_of(event)
    return told.name if told else LINE if event.kind is Kind.TESTIFIED else ""


class Lane:
    """One handler and what waits for it, oldest first."""

    def __init__(self, handler: AnyHandler) -> None:
        self._handler = handler
        self._waiting: deque[Happening] = deque()
        self._task: asyncio.Task[None] | None = None
        self._dropped = 0

    def put(self, happening: Happening) -> None:
        if len(self._waiting) >= BACKLOG:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(happening)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="livepass-handler")

    async def end(self, seconds: float) -> None:
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=seconds)
        if not self._task.done():
            self._task.cancel()
            log.error("%s did not end: %d happenings are lost", _name(self._handler), len(self._waiting))

    async def _work(self) -> None:
        await asyncio.sleep(AFTER_SECONDS)
        while self._waiting:
            if self._dropped:
                log.error("%s is too slow: %d happenings were dropped", _name(self._handler), self._dropped)
                self._dropped = 0
            await self._call(self._waiting.popleft())

    async def _call(self, happening: Happening) -> None:
        """One that does not await runs on a thread: it may take its time there."""
        try:
            if inspect.iscoroutinefunction(self._handler):
                await self._handler(happening)
            elif (later := await asyncio.to_thread(self._handler, happening)) is not None:
                await later
        except Exception:
            log.exception("%s failed at %s of %s", _name(self._handler), happening.name, happening.serial)


def _happening(name: str, event: Event) -> Happening:
    at = datetime.fromtimestamp(event.at / 1000, UTC)
    return Happening(name, event.kind.value, at, event.pass_type, event.serial, event.device_id, dict(event.detail))


def _told(news: News) -> Happening:
    data = json.loads(news.body())["data"]
    detail = {key: value for key, value in data.items() if key not in ("pass_type", "number", "serial", "device")}
    at = datetime.fromtimestamp(news.at / 1000, UTC)
    return Happening(news.name, "", at, news.pass_type, data.get("serial"), news.device_id, detail)


def _name(handler: AnyHandler) -> str:
    return f"the handler {getattr(handler, '__qualname__', repr(handler))}"
