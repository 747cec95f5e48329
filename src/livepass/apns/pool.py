"""The connections of one credential, and the pushes that wait for them.

APNs' trust is per connection, so each certificate has a pool of its own; so has each key (``key_pool``). The pool
decides three things:

* **who gets the next push**: the open connection with the least in flight;
* **when to open a connection**: when pushes wait and none has room, one at a time, at the pace of ``patience.Pace``;
* **what becomes of a push that comes back without an answer** — the table:

    ==============================================  =======================================================
    what happened                                   then
    ==============================================  =======================================================
    above GOAWAY's last stream                      again, on another connection; not counted: nothing was sent
    REFUSED_STREAM, reset, connection lost          again, up to ``ATTEMPTS`` times; then status 0, ConnectionLost
    the peer broke HTTP/2                           the same, then status 0, ProtocolError
    GOAWAY that condemns the certificate            its reason, with the status it has in an answer (403)
    TLS alert about our certificate, unusable key   status 0, CertificateRefused
    deadline, never on a connection, none open      status 0, Unreachable
    deadline, otherwise                             status 0, Timeout; its stream is cancelled
    ==============================================  =======================================================

Sending again what may have been taken is right here: a push only wakes the phone, and a second one changes nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from livepass.apns.connection import Connection, State
from livepass.apns.delivery import Batch, Job
from livepass.apns.patience import Pace, Patience
from livepass.apns.reasons import CERTIFICATE_REFUSED, CONNECTION_LOST, PROTOCOL_ERROR, TIMEOUT, UNREACHABLE
from livepass.apns.tls import UnusableCredential, client_context, refused_our_certificate
from livepass.core.trip2_push import Credential, PushAnswer, PushMessage

ATTEMPTS = 3
"""How often a push is written before it is given back without an answer."""

SWEEP_GRAIN = 0.05
"""Deadlines are looked at no more often than this (seconds)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where APNs is. ``ca_pem`` replaces the system's roots."""

    host: str
    port: int
    ca_pem: bytes | None = None

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool is doing, for metrics and the console. Counters are since the pool was made."""

    credential_id: str
    connecting: int
    open: int
    draining: int
    in_flight: int
    waiting: int
    opened: int
    """Connections that got as far as the peer's SETTINGS."""
    failed: int
    """Attempts that came to nothing, and connections that never answered a push."""
    farewells: int
    """GOAWAYs."""
    sent_again: int
    answered: int
    """Answers of APNs, of any status."""
    unanswered: int
    """Messages given back with status 0 or with a farewell's reason."""
    last_error: str
    """The last connection trouble in words, or ""; holds nothing secret."""


class PoolOptions(TypedDict):
    """What pools of all kinds are told, beside their credential and where APNs is."""

    connections: int
    deadline: float
    patience: Patience
    draw: Callable[[], float]


class Pool:
    """Delivers messages over up to ``connections`` connections. ``draw`` gives random numbers from 0 up to 1."""

    def __init__(
        self,
        credential: Credential,
        endpoint: Endpoint,
        *,
        connections: int,
        deadline: float,
        patience: Patience,
        draw: Callable[[], float],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._credential = credential
        self._endpoint = endpoint
        self._most = connections
        self._deadline = deadline
        self._patience = patience
        self._draw = draw
        self._pace = Pace(first=patience.again)
        self._context: ssl.SSLContext | None = None
        self._connections: set[Connection] = set()
        self._opening: asyncio.Task[None] | None = None
        self._unfinished: dict[Job, None] = {}  # in the order of their deadlines, since all have the same term
        self._waiting: deque[Job] = deque()
        self._verdict: tuple[int, str] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._closing = False
        self._drained = asyncio.Event()
        self._opened = self._failed = self._farewells = self._sent_again = self._answered = self._unanswered = 0
        self._last_error = ""

    # -- what the sender calls ------------------------------------------------------------------------------------

    async def deliver(self, messages: Sequence[PushMessage], answered: Callable[[PushAnswer], None]) -> None:
        """Return when each message had its one answer. Raises only what ``answered`` itself raised."""
        batch = Batch(len(messages), answered, self._loop.create_future())
        deadline = self._loop.time() + self._deadline
        jobs = [Job(message, batch, deadline) for message in messages]
        self._unfinished.update(dict.fromkeys(jobs))
        self._waiting.extend(jobs)
        if self._closing:
            self._give_up(jobs, 0, CONNECTION_LOST)
        elif self._verdict is not None and self._loop.time() < self._pace.backing_off_until:
            self._give_up(jobs, *self._verdict)
        self._pump()
        self._arm_sweeper()
        try:
            await batch.finished
        except asyncio.CancelledError:
            self._withdraw(jobs)
            raise
        if batch.error is not None:
            raise batch.error

    async def retire(self, grace: float | None = None) -> None:
        """Deliver what was accepted (within ``grace`` seconds; by its deadline if ``None``), then close everything."""
        self._closing = True
        if self._unfinished:
            try:
                async with asyncio.timeout(grace):
                    await self._drained.wait()
            except TimeoutError:
                self._give_up(list(self._unfinished), 0, CONNECTION_LOST)
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        for timer in (self._sweeper, self._later):
            if timer is not None:
                timer.cancel()
        closing = list(self._connections)
        for connection in closing:
            connection.drain()
        if closing:
            await asyncio.wait({connection.closed for connection in closing}, timeout=self._patience.farewell)
        for connection in closing:
            connection.abort()

    def stats(self) -> PoolStats:
        states = [connection.state for connection in self._connections]
        return PoolStats(
            credential_id=self._credential.id,
            connecting=int(self._opening is not None),
            open=states.count(State.OPEN),
            draining=states.count(State.DRAINING),
            in_flight=sum(connection.in_flight for connection in self._connections),
            waiting=sum(not job.done for job in self._waiting),
            opened=self._opened,
            failed=self._failed,
            farewells=self._farewells,
            sent_again=self._sent_again,
            answered=self._answered,
            unanswered=self._unanswered,
            last_error=self._last_error,
        )

    # -- what connections report ----------------------------------------------------------------------------------

    def on_answer(self, job: Job, status: int, reason: str, timestamp: int | None, apns_id: str) -> None:
        if self._pace.failures:
            self._pace.answered()
        self._answered += 1
        self._finish(job, status, reason, timestamp, apns_id)

    def on_returned(self, jobs: Sequence[Job], cause: str, *, counts: bool) -> None:
        again = []
        for job in jobs:
            if self._verdict is not None:
                self._give_up([job], *self._verdict)
            elif counts and job.attempts >= ATTEMPTS:
                self._give_up([job], 0, PROTOCOL_ERROR if cause == PROTOCOL_ERROR else CONNECTION_LOST)
            elif not job.done:
                job.attempts -= not counts
                again.append(job)
        self._sent_again += len(again)
        self._waiting.extendleft(reversed(again))

    def on_farewell(self, connection: Connection, condemned: tuple[int, str] | None) -> None:
        self._farewells += 1
        if condemned is not None:
            self._condemn(*condemned)
        elif not connection.answers and not connection.said_goodbye:
            self._note_failure("GOAWAY before any answer")

    def on_change(self) -> None:
        if self._waiting:
            self._pump()

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        self._connections.discard(connection)
        if error is not None:
            self._last_error = _in_words(error)
        if not (connection.answers or connection.said_goodbye or self._closing or self._verdict):
            self._note_failure(_in_words(error))
        self._pump()

    # -- who gets the next push -----------------------------------------------------------------------------------

    def _pump(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0].done:
            waiting.popleft()
        if not waiting:
            return
        now = self._loop.time()
        ready = [connection for connection in self._connections if connection.room]
        ready.sort(key=lambda connection: connection.in_flight, reverse=True)
        while waiting and ready:
            connection = ready.pop()
            share = -(-len(waiting) // (len(ready) + 1))
            for _ in range(min(share, len(waiting), connection.room)):
                self._push(connection, waiting.popleft(), now)
        if waiting:
            self._want_connection(now)

    def _push(self, connection: Connection, job: Job, now: float) -> None:
        if job.done:
            return
        try:
            connection.push(job, now)
        except ValueError:
            # No header can be made of it. Ours to mend, and nobody else's pushes suffer for it.
            self._give_up([job], 0, PROTOCOL_ERROR)

    # -- when to open a connection --------------------------------------------------------------------------------

    def _want_connection(self, now: float) -> None:
        usable = sum(connection.state is State.OPEN for connection in self._connections)
        if self._opening is not None or usable >= self._most:
            return
        at = self._pace.next_at(now)
        if at > now:
            if self._later is not None:
                self._later.cancel()
            self._later = self._loop.call_at(at, self._pump)
            return
        self._pace.opening(now)
        self._verdict = None
        self._opening = self._loop.create_task(self._open())
        self._opening.add_done_callback(self._opening_ended)

    def _opening_ended(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.result()  # a bug of ours must be seen
            self._pump()

    def _connection(self) -> Connection:
        return Connection(self._endpoint.authority, self, self._patience)

    async def _open(self) -> None:
        connection = self._connection()
        try:
            if self._context is None:
                self._context = await asyncio.to_thread(client_context, self._credential, self._endpoint.ca_pem)
            async with asyncio.timeout(self._patience.connect):
                await self._loop.create_connection(
                    lambda: connection,
                    # Resolved anew each time, as Apple asks: its name spreads senders over many machines.
                    self._endpoint.host,
                    self._endpoint.port,
                    ssl=self._context,
                    server_hostname=self._endpoint.host,
                    ssl_shutdown_timeout=self._patience.farewell,
                )
                await connection.opened
        except (OSError, ValueError, UnusableCredential) as error:
            # OSError is TimeoutError and ssl.SSLError too; ValueError is a host name that cannot be one.
            connection.abort()
            if refused_our_certificate(error):
                self._condemn(0, CERTIFICATE_REFUSED)
                self._last_error = _in_words(error)
            elif not connection.said_goodbye:
                self._note_failure(_in_words(error))
        except asyncio.CancelledError:
            connection.abort()
            raise
        else:
            self._opened += 1
            if connection.state is not State.DEAD:
                self._connections.add(connection)

    def _note_failure(self, in_words: str) -> None:
        self._failed += 1
        self._last_error = in_words
        self._pace.failed(self._loop.time(), self._draw())

    def _condemn(self, status: int, reason: str) -> None:
        """No push gets through with this certificate: say so to all that wait, and take it off the wire."""
        self._note_failure(f"{status} {reason}")
        self._verdict = (status, reason)
        for connection in list(self._connections):
            connection.drain()
        waiting, self._waiting = self._waiting, deque()
        self._give_up(waiting, status, reason)

    # -- how a push ends ------------------------------------------------------------------------------------------

    def _finish(self, job: Job, status: int, reason: str, timestamp: int | None, apns_id: str) -> None:
        if self._unfinished.pop(job, job) is None:  # it was there: its value is always None
            job.answer(status, reason, timestamp, apns_id)
            if self._closing and not self._unfinished:
                self._drained.set()

    def _give_up(self, jobs: Sequence[Job] | deque[Job], status: int, reason: str) -> None:
        for job in jobs:
            if not job.done:
                self._unanswered += 1
                if job.connection is not None:
                    job.connection.cancel(job)
                self._finish(job, status, reason, None, "")

    def _withdraw(self, jobs: Sequence[Job]) -> None:
        """Whoever sent these no longer listens."""
        for job in jobs:
            if not job.done:
                job.done = True
                self._unfinished.pop(job, None)
                if job.connection is not None:
                    job.connection.cancel(job)
        if self._closing and not self._unfinished:
            self._drained.set()

    def _arm_sweeper(self) -> None:
        if self._sweeper is None and self._unfinished:
            oldest = next(iter(self._unfinished))
            at = max(oldest.deadline, self._loop.time() + SWEEP_GRAIN)
            self._sweeper = self._loop.call_at(at, self._sweep)

    def _sweep(self) -> None:
        """One timer for all deadlines: it wakes for the oldest push that was unanswered when it was set."""
        self._sweeper = None
        now = self._loop.time()
        late = []
        for job in self._unfinished:
            if job.deadline > now:
                break
            late.append(job)
        reachable = any(connection.state is State.OPEN for connection in self._connections)
        for job in late:
            if job.connection is None:
                for connection in list(self._connections):
                    connection.doubt(since=job.deadline - self._deadline)
            self._give_up([job], 0, TIMEOUT if reachable or job.attempts else UNREACHABLE)
        self._pump()
        self._arm_sweeper()


def _in_words(error: BaseException | None) -> str:
    if error is None:
        return "the peer closed the connection"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
