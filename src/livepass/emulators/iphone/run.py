"""Drives a wallet over real sockets: the shell around ``wallet.py``. It decides nothing a phone would decide.

    async with PhoneRunner(wallet, ca_file="ca.pem") as runner:
        await runner.install(pkpass)
        await runner.settle()

One task sends what is due and sleeps until the next thing is; with a ``PushClient`` a second one waits for pushes.
There is no polling of the wallet: every input wakes the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import httpx2

from livepass.emulators.iphone.clock import Clock, RealClock
from livepass.emulators.iphone.model import InstalledPass, Request
from livepass.emulators.iphone.package import Refused
from livepass.emulators.iphone.pushes import PushClient
from livepass.emulators.iphone.replies import PASS_CONTENT_TYPE
from livepass.emulators.iphone.transport import Transport, Unreachable, Verify, trusting
from livepass.emulators.iphone.wallet import Wallet

POLL_SECONDS: Final = 20.0
"""How long one wait for pushes lasts."""
RECONNECT: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before asking an unreachable APNs again; the last repeats."""

What = Literal["push", "request", "answer", "failure", "banner", "alert", "complaint", "console"]


@dataclass(frozen=True)
class PhoneEvent:
    """Something that happened on the phone, as one line of text."""

    at: float
    what: What
    text: str


class PhoneRunner:
    """One phone at work, as an async context manager. Inputs may also be given to ``wallet``, followed by ``wake``.

    ``verify`` or ``ca_file`` say whom the phone trusts; ``clock`` may be virtual; ``pushes`` delivers pushes by itself;
    ``connections`` bounds what is under way at once. ``on_event`` is called in the loop's thread and must not block.
    """

    def __init__(
        self,
        wallet: Wallet,
        *,
        ca_file: str | Path | None = None,
        verify: Verify | None = None,
        clock: Clock | None = None,
        pushes: PushClient | None = None,
        connections: int = 1,
        on_event: Callable[[PhoneEvent], None] | None = None,
    ) -> None:
        self.wallet = wallet
        self.clock: Clock = clock or RealClock()
        self._transport = Transport(
            verify=trusting(ca_file) if verify is None else verify,
            connections=connections,
            follow_redirects=wallet.quirks.on("follows-redirects"),
        )
        self._pushes = pushes
        self._on_event = on_event
        self._slots = asyncio.Semaphore(connections)
        self._wake = asyncio.Event()
        self._online = asyncio.Event()
        self._changed = asyncio.Condition()
        self._sending: set[asyncio.Task[None]] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._following: asyncio.Task[None] | None = None
        self._registered: tuple[str, list[str]] | None = None
        self._told = dict.fromkeys(("banner", "alert", "complaint", "console"), 0)
        self._skip_old_lines()

    async def __aenter__(self) -> Self:
        if not self.wallet.airplane_mode:
            self._online.set()
        self._workers.append(asyncio.create_task(self._send_what_is_due()))
        self._follow()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._workers, *self._sending, *filter(None, (self._following,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What was under way is not lost: the wallet makes it again when it runs next.
        self.wallet.queue.interrupt()
        await self._transport.close()
        if self._pushes is not None:
            await self._pushes.close()

    # ── inputs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def install(self, source: bytes | str) -> InstalledPass:
        """Add a package, as bytes or by its address. Raises ``Refused``, ``Unreachable``."""
        data = source if isinstance(source, bytes) else await self._download(source)
        held = self.wallet.add(data, self.clock.now())
        self.wake()
        return held

    async def deliver_push(self, topic: str) -> None:
        """Hand the phone a push without any APNs."""
        now = self.clock.now()
        self._tell(now, "push", topic)
        self.wallet.push(topic, now)
        self.wake()

    async def replace_push_token(self, token: str | None = None) -> None:
        """A new push token for the phone; the old one is dead at the emulated APNs from now on."""
        old = self.wallet.push_token
        self.wallet.new_push_token(token, self.clock.now())
        if self._pushes is not None:
            await self._pushes.forget(old)
        self._follow()
        self.wake()

    async def wipe(self) -> None:
        """Erase the phone: no server hears anything but APNs, which calls the token dead."""
        self.set_airplane_mode(True)
        if self._pushes is not None:
            await self._pushes.forget(self.wallet.push_token)

    def set_airplane_mode(self, on: bool) -> None:
        """Offline: no requests and no pushes until it is switched off."""
        self.wallet.set_airplane_mode(on, self.clock.now())
        if on:
            self._online.clear()
        else:
            self._online.set()
        self._follow()
        self.wake()

    def wake(self) -> None:
        """Look at the wallet again; needed after calling one of its inputs directly."""
        self._report()
        self._wake.set()

    async def settle(self, timeout: float = 10.0, grace: float = 0.0) -> None:  # noqa: ASYNC109
        """Return when nothing is under way or due within ``grace`` seconds; ``TimeoutError`` after ``timeout``.

        Retries that wait longer than ``grace`` do not count: the phone is at rest between two tries.
        """
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: self._is_quiet(grace))

    # ── the two loops ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _send_what_is_due(self) -> None:
        while True:
            self._wake.clear()
            # The token is live at APNs before a server can learn it.
            with contextlib.suppress(httpx2.HTTPError):
                await self._register_token()
            for request in self.wallet.due(self.clock.now()):
                task = asyncio.create_task(self._exchange(request))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            self._report()
            async with self._changed:
                self._changed.notify_all()
            await self.clock.wait(self.wallet.next_due(), self._wake)

    async def _exchange(self, request: Request) -> None:
        async with self._slots:
            self._tell(self.clock.now(), "request", f"{request.method} {request.url}")
            try:
                reply = await self._transport.send(request)
            except Unreachable as error:
                self._tell(self.clock.now(), "failure", f"{request.kind}: {error}")
                self.wallet.failed(request.id, str(error), self.clock.now())
            else:
                self._tell(self.clock.now(), "answer", f"{request.kind}: {reply.status}")
                self.wallet.answered(request.id, reply.status, reply.headers, reply.body, self.clock.now())
        self.wake()

    def _follow(self) -> None:
        """Wait for pushes anew: with another token, or after the phone went on or off line."""
        if self._following is not None:
            self._following.cancel()
        if self._pushes is not None:
            self._following = asyncio.create_task(self._follow_pushes(self._pushes))

    async def _register_token(self) -> None:
        wanted = (self.wallet.push_token, self.wallet.topics)
        if self._pushes is not None and self._registered != wanted and self._online.is_set():
            await self._pushes.register(*wanted)
            self._registered = wanted

    async def _follow_pushes(self, pushes: PushClient) -> None:
        failures = 0
        while True:
            await self._online.wait()
            try:
                await self._register_token()
                arrived = await pushes.wait(self.wallet.push_token, POLL_SECONDS)
                failures = 0
            except httpx2.HTTPError:
                # An emulated APNs that was restarted has forgotten the token: introduce it again.
                self._registered = None
                await asyncio.sleep(RECONNECT[min(failures, len(RECONNECT) - 1)])
                failures += 1
                continue
            for push in arrived:
                await self.deliver_push(push.topic)

    async def _download(self, url: str) -> bytes:
        """What Safari does with a link: unlike the update call it insists on the content type."""
        reply = await self._transport.get(url, "GET", {"Accept": "*/*"})
        if reply.status != 200:
            raise Refused("Safari cannot download this file.", f"answered {reply.status}")
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != PASS_CONTENT_TYPE:
            raise Refused("Safari cannot download this file.", f"Content-Type is {kind!r}, not {PASS_CONTENT_TYPE}")
        return reply.body

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_quiet(self, grace: float) -> bool:
        due = self.wallet.next_due()
        return not self.wallet.queue.under_way and (due is None or due > self.clock.now() + grace)

    def _tell(self, at: float, what: What, text: str) -> None:
        if self._on_event is not None:
            self._on_event(PhoneEvent(at, what, text))

    def _lines(self) -> dict[What, list[str]]:
        return {
            "banner": [banner.text for banner in self.wallet.banners],
            "alert": [alert.text for alert in self.wallet.alerts],
            "complaint": self.wallet.complaints,
            "console": self.wallet.console,
        }

    def _skip_old_lines(self) -> None:
        for what, lines in self._lines().items():
            self._told[what] = len(lines)

    def _report(self) -> None:
        if self._on_event is None:
            return
        for what, lines in self._lines().items():
            for line in lines[min(self._told[what], len(lines)) :]:
                self._tell(self.clock.now(), what, line)
            self._told[what] = len(lines)
