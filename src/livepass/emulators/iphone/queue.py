"""The phone's task queue: one waiting task per slot, one under way per slot, the newest wins.

A new task for a slot replaces the waiting one and starts its back-off afresh. While one is under way its slot is
busy: the new one waits for the end of it, so that a DELETE never overtakes the POST before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from livepass.emulators.iphone.model import Sent, Task

Slot = tuple[str, ...]


class TaskQueue:
    def __init__(self) -> None:
        self.waiting: dict[Slot, Task] = {}
        self.under_way: dict[int, Sent] = {}

    def put(self, task: Task) -> Task | None:
        """Add a task; return the waiting one that it replaced."""
        replaced = self.waiting.pop(task.slot, None)
        self.waiting[task.slot] = task
        return replaced

    def again(self, task: Task) -> bool:
        """Put a failed task back, unless a newer one of its slot waits already."""
        if task.slot in self.waiting:
            return False
        self.waiting[task.slot] = task
        return True

    def ready(self, now: float) -> list[Task]:
        """The waiting tasks whose time has come and whose slot is free, earliest first."""
        return sorted((task for task in self._free() if task.due_at <= now), key=lambda task: task.due_at)

    def next_due(self) -> float | None:
        """When the next task can be sent, if nothing else happens; None when nothing waits."""
        return min((task.due_at for task in self._free()), default=None)

    def start(self, sent: Sent) -> None:
        del self.waiting[sent.task.slot]
        self.under_way[sent.request.id] = sent

    def finish(self, request_id: int) -> Sent | None:
        return self.under_way.pop(request_id, None)

    def drop(self, which: Callable[[Task], bool]) -> list[Task]:
        """Forget the waiting tasks that match; return them."""
        dropped = [task for task in self.waiting.values() if which(task)]
        for task in dropped:
            del self.waiting[task.slot]
        return dropped

    def interrupt(self) -> None:
        """The phone restarts: what was under way waits again. The queue itself is on disk and survives."""
        for sent in self._sent_again():
            self.again(sent.task)
        self.under_way.clear()

    def tasks(self) -> list[Task]:
        """Everything that is waiting or under way, for writing to disk."""
        return [*self.waiting.values(), *(s.task for s in self._sent_again() if s.task.slot not in self.waiting)]

    def _sent_again(self) -> Iterator[Sent]:
        """What is under way and not lost with the request: all but a sign-up, which is never repeated."""
        return (sent for sent in self.under_way.values() if sent.task.kind != "personalize")

    def is_under_way(self, slot: Slot) -> bool:
        return any(sent.task.slot == slot for sent in self.under_way.values())

    def _free(self) -> Iterator[Task]:
        busy = {sent.task.slot for sent in self.under_way.values()}
        return (task for slot, task in self.waiting.items() if slot not in busy)
