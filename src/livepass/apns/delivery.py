"""One push on its way: the message, whom to tell, and until when. Each is answered exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from livepass.core.trip2_push import PushAnswer, PushMessage

if TYPE_CHECKING:
    from livepass.apns.connection import Connection


class Batch:
    """The messages of one ``send``, and the future that it waits for."""

    __slots__ = ("answered", "error", "finished", "left")

    def __init__(self, size: int, answered: Callable[[PushAnswer], None], finished: asyncio.Future[None]) -> None:
        self.left = size
        self.answered = answered
        self.finished = finished
        self.error: Exception | None = None

    def take(self, answer: PushAnswer) -> None:
        """Hand one answer to the caller. An error of the caller's is kept for the end: other pushes go on."""
        try:
            self.answered(answer)
        except Exception as error:
            self.error = self.error or error
        self.left -= 1
        if not self.left and not self.finished.done():
            self.finished.set_result(None)


class Job:
    """One message until its answer. Instants are the event loop's (seconds)."""

    __slots__ = ("attempts", "batch", "connection", "deadline", "done", "message", "sent_at", "stream")

    def __init__(self, message: PushMessage, batch: Batch, deadline: float) -> None:
        self.message = message
        self.batch = batch
        self.deadline = deadline
        self.attempts = 0
        self.connection: Connection | None = None
        self.stream = 0
        self.sent_at = 0.0
        self.done = False

    def answer(self, status: int, reason: str, timestamp: int | None, apns_id: str) -> None:
        """Tell the caller, unless that was done. ``apns_id`` "" means our own, which APNs echoes."""
        if self.done:
            return
        self.done = True
        self.batch.take(PushAnswer(self.message, status, reason, timestamp, apns_id or self.message.apns_id))
