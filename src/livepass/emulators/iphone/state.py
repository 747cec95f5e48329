"""What the phone remembers, and the small steps that every input and every answer is made of. No sockets, no clock.

``wallet.py`` turns a person's and Apple's inputs into these steps; ``replies.py`` does the same for a server's answers.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import TypeVar

from cryptography import x509

from livepass.emulators.iphone import complaints, notices, package, patience, schedule
from livepass.emulators.iphone.document import Rules
from livepass.emulators.iphone.model import (
    Alert,
    Answer,
    Banner,
    Exchange,
    InstalledPass,
    Kind,
    PassKey,
    PhoneSettings,
    Record,
    RecordKey,
    Round,
    Sent,
    Task,
)
from livepass.emulators.iphone.package import Package
from livepass.emulators.iphone.patience import PushScore
from livepass.emulators.iphone.queue import TaskQueue
from livepass.emulators.iphone.quirks import Quirks

T = TypeVar("T")

DAY = 86400.0
OF_ONE_PASS = ("fetch", "head", "personalize", "lifecycle")
"""Tasks that mean nothing once the pass is gone."""
KEPT = 10_000
"""Lines kept of each log. A phone keeps fewer; ours is read by tests."""


class PhoneState:
    """The memory of one phone. See ``Wallet`` for what is public."""

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        *,
        rng: random.Random,
        settings: PhoneSettings | None = None,
        quirks: Quirks | None = None,
        push_token: str | None = None,
    ) -> None:
        self.roots = tuple(roots)
        self.rng = rng
        self.settings = settings or PhoneSettings()
        self.quirks = quirks or Quirks()
        self.push_token = push_token or self.random_hex(64)
        self.passes: dict[PassKey, InstalledPass] = {}
        self.records: dict[RecordKey, Record] = {}
        self.scores: dict[str, PushScore] = {}
        self.queue = TaskQueue()
        self.rounds: dict[int, Round] = {}
        self.unsent: dict[str, list[str]] = {}
        self.removed_at: dict[PassKey, float] = {}
        self.airplane_mode = False
        self.next_id = 1
        self.banners: list[Banner] = []
        self.alerts: list[Alert] = []
        self.complaints: list[str] = []
        self.console: list[str] = []
        self.history: list[Exchange] = []

    # ── small facts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def random_hex(self, digits: int) -> str:
        return f"{self.rng.getrandbits(digits * 4):0{digits}x}"

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def read(self, data: bytes) -> Package:
        """Check a package by this phone's rules. Raises ``Refused``."""
        rules = Rules(
            ios=self.settings.ios_major,
            allow_http=self.settings.allow_http_services,
            fractional_seconds_refused=self.quirks.on("fractional-seconds-refused"),
        )
        nfc = self.quirks.on("nfc-needs-enhanced-certificate")
        return package.read(data, roots=self.roots, rules=rules, nfc_needs_enhanced=nfc)

    def passes_of(self, pass_type: str) -> list[InstalledPass]:
        return [held for held in self.passes.values() if held.pass_type == pass_type]

    def updatable_in(self, key: RecordKey) -> list[InstalledPass]:
        return [held for held in self.passes.values() if held.updatable and held.record_key == key]

    def record_for(self, held: InstalledPass) -> Record | None:
        """The record of that pass, made on first need; None for a pass without web service."""
        key = held.record_key
        if key is None:
            return None
        if key not in self.records:
            self.records[key] = Record(*key, device_id=self.random_hex(32), push_token=self.push_token)
        return self.records[key]

    def record_of(self, task: Task) -> Record | None:
        return self.records.get(task.record_key)

    # ── things to do ────────────────────────────────────────────────────────────────────────────────────────────────

    def _task(self, kind: Kind, held: InstalledPass, now: float) -> Task | None:
        key = held.record_key
        if key is None:
            return None
        return Task(kind, *key, serial=held.serial, token=held.token, due_at=now)

    def schedule(self, kind: Kind, held: InstalledPass, now: float, body: bytes | None = None) -> None:
        """A task about one pass, due at once."""
        task = self._task(kind, held, now)
        if task is not None:
            task.body = body
            if kind == "unregister" and (record := self.record_of(task)) is not None:
                task.device_id = record.device_id
            self.queue.put(task)

    def register(self, held: InstalledPass, now: float) -> None:
        if held.updatable and self.record_for(held) is not None:
            self.schedule("register", held, now)

    def unregister(self, held: InstalledPass, now: float) -> None:
        """Send the DELETE and stop wanting this pass's updates."""
        held.registered = False
        self.removed_at[held.key] = now
        self.queue.drop(lambda task: task.pass_key == held.key and task.kind != "unregister")
        key = held.record_key
        if key is not None and not any(other is not held for other in self.updatable_in(key)):
            # Nobody is left to ask for; asked later, it would look as if the DELETE had never been meant.
            for task in self.queue.drop(lambda task: task.kind == "ask" and task.record_key == key):
                self.give_up_round(task)
        self.schedule("unregister", held, now)

    def fetch(self, held: InstalledPass, now: float, *, listed: bool = False, personalized: bool = False) -> None:
        task = self._task("fetch", held, now)
        if task is None:
            return
        waiting = self.queue.waiting.get(task.slot)
        task.listed = listed or (waiting is not None and waiting.listed)
        task.personalized = personalized or (waiting is not None and waiting.personalized)
        self.queue.put(task)
        if self.quirks.on("head-before-fetch"):
            self.schedule("head", held, now)

    def ask(self, record: Record, due: float, round_id: int | None = None) -> None:
        """Ask what changed, joining or replacing the ask that waits."""
        task = Task("ask", *record.key, due_at=due, round_id=round_id)
        waiting = self.queue.put(task)
        if waiting is None:
            return
        if waiting.level == 0:
            task.due_at = min(task.due_at, waiting.due_at)
        if task.round_id is None:
            task.round_id = waiting.round_id
        elif waiting.round_id is not None and waiting.round_id != task.round_id:
            self.give_up_round(waiting)

    def give_up_round(self, task: Task) -> None:
        """The record cannot say whether something changed, so nobody may call the push spurious."""
        if task.round_id in self.rounds:
            self.rounds[task.round_id].eventful = True
            self.leave_round(task, None, 0.0)

    def leave_round(self, task: Task, sent: Sent | None, now: float) -> None:
        """A record of a push's round has answered, with no serials if ``sent`` is given."""
        if task.round_id is None or task.round_id not in self.rounds:
            return
        current = self.rounds[task.round_id]
        current.open.discard(task.record_key)
        if sent is not None:
            current.quiet.append(sent)
        if current.open:
            return
        del self.rounds[task.round_id]
        if not current.eventful and all(self._is_old(quiet, now) for quiet in current.quiet):
            for quiet in current.quiet:
                self.blame(quiet.task, "S3", now, tag=quiet.tag, device=quiet.device_id)

    def _is_old(self, sent: Sent, now: float) -> bool:
        if sent.tag is None or sent.tag_date is None:
            return False
        return now - sent.tag_date > 300 or not self.quirks.on("s3-after-300s")

    # ── failure ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def fail(
        self,
        sent: Sent,
        code: str,
        now: float,
        *,
        answer: Answer | None = None,
        detail: str | None = None,
        **facts: object,
    ) -> None:
        """A task went wrong: say so where a phone would, and try again later."""
        kind, message = sent.task.kind, complaints.sentence(code, **facts)
        if kind in OF_ONE_PASS and sent.task.pass_key not in self.passes:
            self.say(f"{complaints.name(sent)} failed but pass has been deleted, so ignoring result.")
            return
        line = complaints.of_task(sent, message, detail or complaints.DETAILS.get(code))
        first = sent.task.level == 0
        if code == "T2" or kind in complaints.UNPOSTED or not (first or self.quirks.on("complains-every-attempt")):
            self.say(line)
        else:
            self.complain(sent.task.pass_type, sent.task.url, line, now)
        if code == "T0" and not self.quirks.on("unauthorized-is-retried"):
            self.abandon(sent)
        else:
            self.retry(sent, now, answer)

    def retry(self, sent: Sent, now: float, answer: Answer | None) -> None:
        """Wait one level longer, or give the task up after the last."""
        task = sent.task
        task.level += 1
        seconds = schedule.wait(task.kind, task.level, self.quirks)
        if seconds is None:
            self.abandon(sent)
            return
        asked_for = answer.headers.get("retry-after", "") if answer else ""
        if not self.quirks.on("retry-after-ignored") and asked_for.isdecimal():
            seconds = float(asked_for)
        task.due_at = now + seconds
        if self.queue.again(task):
            self.say(f"{complaints.name(sent)} will retry after {seconds:g} seconds")
        else:
            self.give_up_round(task)

    def abandon(self, sent: Sent) -> None:
        """Drop the task silently: the server learns nothing of it."""
        task = sent.task
        self.say(f"{complaints.name(sent)} failed for good")
        if task.kind == "ask":
            self.give_up_round(task)
        elif task.kind == "log":
            del self.unsent.get(task.url, [])[: sent.messages]
        record = self.record_of(task)
        if task.kind == "fetch" and record is not None and task.serial in record.pending_serials:
            record.pending_tag, record.pending_serials = None, set()

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, line: str) -> None:
        """A line for the phone's own console, which no server sees."""
        keep(self.console, line)

    def blame(self, task: Task, code: str, now: float, **facts: object) -> None:
        """A sentence about the web service rather than about one task."""
        line = complaints.of_service(task.pass_type, task.url, complaints.sentence(code, **facts))
        self.complain(task.pass_type, task.url, line, now)

    def warn(self, sent: Sent, code: str, now: float, **facts: object) -> None:
        """A sentence about a task that went well all the same. The line's form is unknown (``warnings-posted``)."""
        line = complaints.of_task(sent, complaints.sentence(code, **facts), kind="warning")
        if self.quirks.on("warnings-posted"):
            self.complain(sent.task.pass_type, sent.task.url, line, now)
        else:
            self.say(line)

    def complain(self, pass_type: str, url: str, line: str, now: float) -> None:
        """Write a line to the web service's log call, together with what waits for it already."""
        if self.quirks.on("log-lines-carry-time"):
            line = complaints.stamped(line, now, self.settings)
        keep(self.complaints, line)
        self.unsent.setdefault(url, []).append(line)
        self.queue.put(Task("log", pass_type, "", url, due_at=now))

    # ── packages ────────────────────────────────────────────────────────────────────────────────────────────────────

    def announce(self, old: Package, held: InstalledPass, now: float) -> None:
        """Show the lock-screen texts of an update."""
        if not held.notifications:
            return
        for text in notices.announcements(old, held.package, self.quirks, self.settings.language):
            title = held.package.localized(held.package.organization, self.settings.language)
            keep(self.banners, Banner(now, held.pass_type, held.serial, title, text))

    def move(self, held: InstalledPass, new: Package, now: float) -> None:
        """Put a new package in the place of the old one; follow it to another web service if it names one."""
        before = InstalledPass(held.package, 0, 0, held.token, automatic_updates=held.automatic_updates)
        held.package, held.modified_at = new, now
        if before.token is None or new.token is None or self.quirks.on("changed-token-adopted"):
            held.token = new.token
        if held.record_key == before.record_key:
            return
        held.registered = False
        if before.record_key is not None:
            self.queue.drop(lambda task: task.pass_key == held.key and task.record_key == before.record_key)
            if before.updatable and self.quirks.on("url-change-deletes-old"):
                self.schedule("unregister", before, now)
        self.register(held, now)

    # ── patience ────────────────────────────────────────────────────────────────────────────────────────────────────

    def score_of(self, pass_type: str) -> PushScore:
        return self.scores.setdefault(pass_type, PushScore())

    def deferred(self, pass_type: str, now: float) -> float | None:
        """Count a push; return when its ask is due, or None when the type is cut off."""
        score = self.score_of(pass_type)
        level_before = score.level(self.quirks)
        score.pushed(now, len(self.passes_of(pass_type)))
        level = score.level(self.quirks)
        if self.settings.disable_rate_limiting or level == patience.FREE:
            return now
        if level == patience.CUT_OFF:
            self.say(f"Too many pushes too fast for {pass_type} -- topic will be unregistered.")
            return None
        if level != level_before:
            name = patience.LEVEL_NAMES[level]
            self.say(f"Too many pushes too fast for {pass_type} -- {name} rate limiting will apply.")
        due = max(now, score.not_before(level))
        if due - now >= patience.MAINTENANCE_FROM and self.quirks.on("deferral-uses-whole-window"):
            due += self.rng.uniform(0, patience.MAINTENANCE_WINDOW)
        if due > now:
            until = dt.datetime.fromtimestamp(due, dt.UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
            self.say(f"Rate limiting for {pass_type} is in effect - deferring update until {until}")
        return due


def keep(lines: list[T], line: T) -> None:
    """Append, and forget the oldest when there are far too many."""
    lines.append(line)
    if len(lines) > 2 * KEPT:
        del lines[:KEPT]
