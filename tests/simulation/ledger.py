"""What is true, kept beside the product: what was committed, acknowledged, told, leased; and what each phone holds.

It is told of every statement, commit, answer and push, and asks ``invariants`` about each. Its own looks into the
database are plain SQL on the tables, by none of the product's statements.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from livepass.store.rows import Row
from simulation import invariants
from simulation.database import Look, Statement, parameters_of
from simulation.loop import Future, Loop
from simulation.network import Exchange
from simulation.papers import opened
from simulation.process import Process
from simulation.trace import Trace, Violation

TAG = re.compile(r"v1\.([0-9A-Za-z_-]+)\.([0-9]+)\.")
Key = tuple[str, str]
"""(pass type, serial), or (pass type, device id)."""


@dataclass(frozen=True)
class Version:
    """A version of a pass, as it was committed. ``index`` is its commit's place in the order of all commits."""

    seq: int
    last_modified: int
    manifest: str
    salt: bytes
    index: int
    points: Any = None
    quiet: bool = False
    """Issued with ``push=none``: phones are not told."""
    at: float = 0.0


@dataclass(frozen=True)
class Tag:
    epoch: str
    seq: int


@dataclass
class Following:
    """A registration that was acknowledged. ``sure`` until the database was put back."""

    index: int
    token: str
    push_token: str
    sure: bool = True


@dataclass
class Lease:
    id: str
    until: int
    claimed_index: int
    claimed_at: float
    claimed_by_host: int
    """The same by the clock of the worker's host, in milliseconds."""


class Ledger:
    def __init__(self, loop: Loop, trace: Trace, host_now: Callable[[], int]) -> None:
        self.loop = loop
        self.trace = trace
        self.host_now = host_now
        self.look: Look = lambda *_: []
        self.violations: list[Violation] = []
        self._awaited: list[Future[Key]] = []
        self._asking: list[Future[None]] = []
        self.index = 0
        self.answered: Counter[str] = Counter()
        """How many requests of each kind."""
        self.copy = 0
        self.has_journal = True
        self.forgetful = False
        """Whether transactions fail now and then: what a worker learnt may then be lost with its record."""
        self.journal: Callable[[], Sequence[bytes]] = lambda: ()
        self.versions: dict[Key, list[Version | None]] = {}
        self.erased: dict[Key, int] = {}
        """The commit with which each pass was last erased."""
        self.counters: dict[str, Tag] = {}
        self.issued: dict[tuple[str, str], int] = {}
        self.tags: dict[tuple[str, str, str], deque[tuple[int, int]]] = {}
        self.ids: dict[tuple[str, str], dict[str, None]] = {}
        """The device ids that each phone has asked with, by (phone, pass type)."""
        self.told: dict[Key, dict[str, list[tuple[int, Tag]]]] = {}
        self.following: dict[Key, dict[str, Following]] = {}
        self.leaving: dict[tuple[Key, str], tuple[Following, int]] = {}
        self.deleting: dict[tuple[str, str, str], int] = {}
        self.posted: dict[Key, deque[int]] = {}
        """When (by the host's clock) each phone's registrations started, or were committed where nobody says."""
        self.registered: dict[Key, int] = {}
        """When the newest registration of each push token started, by (pass type, token)."""
        self.stamps = True
        self.joined: dict[tuple[str, str, str], int] = {}
        self.joined_at: dict[tuple[str, str, str], int] = {}
        """When, by the host's clock."""
        self.waited_for: dict[tuple[str, str, str], int] = {}
        """The counter when somebody who still waited was answered, by (pass type, epoch, device or serial)."""
        self.clock_is_right = True
        self.names: dict[tuple[str, str, bytes, str], str] = {}
        """Which version was served under which date, by pass (a serial and the salt of its token)."""
        self.knows_lost_dates = True
        self.leases: dict[Key, Lease] = {}
        self.replaced: dict[Key, int] = {}
        self.refused: dict[tuple[str, str, str], float] = {}
        """When a process last heard that APNs refused a credential, by (process, topic, credential)."""
        self.promoted: dict[str, float] = {}
        self.went: dict[Key, deque[float]] = {}
        self.disorder = 0
        """Crashes, stalls and unanswered pushes so far: each may cost an extra push."""
        self.putting: dict[Key, int] = {}
        self.unnoticed: dict[str, Tag] = {}
        """The epochs of the copy that was put back last: nobody has noticed while they are the present ones."""
        self._rows: dict[Key, Row | None] = {}

    def violate(self, rule: str, text: str, *about: str) -> None:
        self.trace.note("!", f"{rule} {text}")
        self.violations.append(Violation(rule, text, about, self.loop.now))

    async def next_version(self) -> Key:
        """The pass that changes next, once that is committed."""
        future: Future[Key] = self.loop.future()
        self._awaited.append(future)
        return await future.get()

    async def next_ask(self, seconds: float) -> None:
        """Return when the next ask is answered, or after so many seconds."""
        future: Future[None] = self.loop.future()
        self._asking.append(future)
        self.loop.later(seconds, lambda: future.set(None))
        await future.get()

    # ── versions

    def current(self, key: Key) -> Version | None:
        found = self.versions.get(key)
        return found[-1] if found else None

    def during(self, key: Key, since: int) -> list[Version]:
        """What was current at some moment since a commit; also what was erased since."""
        found: list[Version] = []
        erased_since = self.erased.get(key, 0) > since
        for version in reversed(self.versions.get(key, ())):
            if version is not None:
                found.append(version)
                if version.index <= since:
                    break
            elif found or not erased_since:
                break
        return found

    def across(self, key: Key, since: int) -> list[Version]:
        """What was current at some moment since a commit, in whichever copy of the database."""
        found: list[Version] = []
        for version in reversed(self.versions.get(key, ())):
            if version is not None:
                found.append(version)
                if version.index <= since:
                    break
        return found

    def current_at(self, key: Key, index: int) -> Version | None:
        for version in reversed(self.versions.get(key, ())):
            if version is None:
                return None
            if version.index <= index:
                return version
        return None

    # ── the database

    def before(self, statement: str, parameters: Any, look: Look) -> None:
        if statement in ("record_outcome", "hold_target"):
            key = (parameters["pass_type"], parameters["push_token"])
            self._rows[key] = _target(look, key)

    def after(self, statement: str, parameters: Any, look: Look, found: Sequence[Row]) -> None:
        task = self.loop.current
        if statement in _ANSWERED_FROM and task is not None and task.exchange is not None:
            self._waits(task.exchange)
        if statement in ("ask_snapshot", "ask_head"):
            # A look at the head comes first where it may be enough; where it is not, the list is what counts.
            if task is not None and (task.seen is None or statement == "ask_snapshot"):
                task.seen = self.index
        elif statement in ("record_outcome", "hold_target"):
            key = (parameters["pass_type"], parameters["push_token"])
            was, now = self._rows.pop(key, None), _target(look, key)
            invariants.fenced(self, key, parameters["lease"], was, now)
            if was is not None and now is not None and was[0] is None and now[0] is not None:
                invariants.not_buried_alive(self, key)

    def committed(self, done: Sequence[Statement], look: Look) -> None:
        self.index += 1
        task = self.loop.current
        if task is not None:
            task.seen = None
        names = {name for name, _, _ in done}
        self.trace.note("commit", f"{self.index} {','.join(sorted(names - _SILENT))}" if names - _SILENT else "-")
        if names & _COUNTING:
            self._count(look)
        if names & _MOVING:
            moved = parameters_of(done, "add_pass", "put_pass", "erase_pass", "begin_epoch")
            self._moved({(one["pass_type"], one.get("serial", "")) for one in moved}, look)
        for one in parameters_of(done, "erase_pass"):
            self._erased(one["pass_type"], one["serial"])
        for one in parameters_of(done, "join"):
            triple = (one["pass_type"], one["device_id"], one["serial"])
            self.joined[triple], self.joined_at[triple] = self.index, one["at"]
        for one in parameters_of(done, "forget_registration"):
            phone, serial = (one["pass_type"], one["device_id"]), one["serial"]
            if serial in self.following.get(phone, {}) and invariants.stood_in_for(self, phone, serial):
                del self.following[phone][serial]
        for one in parameters_of(done, "save_device"):
            self._saved(one["pass_type"], one["device_id"], one["push_token"], look)
        for one in parameters_of(done, "record_outcome", "hold_target"):
            lease = self.leases.get((one["pass_type"], one["push_token"]))
            if lease is not None and lease.id == one["lease"]:
                del self.leases[one["pass_type"], one["push_token"]]
        for one in parameters_of(done, "raise_asked"):
            invariants.somebody_heard(self, one, one["device_id"], one["told"])
        for one in parameters_of(done, "raise_served"):
            invariants.somebody_heard(self, one, one["serial"], one["seq"])
        for one in parameters_of(done, "acknowledge"):
            invariants.within_the_counter(self, (one["pass_type"], one["push_token"]))
        for name, parameters, found in done:
            if name == "claim_targets":
                for row in found:
                    self._claimed((row[0], row[1]), parameters)
        for one in parameters_of(done, "put_link"):
            if one["promoted_at"] is not None:
                self.promoted[one["pass_type"]] = self.loop.now

    def put_back(self, look: Look) -> None:
        """Everything that was true of the other copy is open again; what phones hold is not."""
        self.index += 1
        self.copy += 1
        self.counters.clear()
        self.leases.clear()
        self.refused.clear()
        self.replaced.clear()
        self.leaving.clear()
        for followed in self.following.values():
            for one in followed.values():
                one.sure = False
        for pass_type, token, lease, until in look(_LEASED):
            self.leases[pass_type, token] = Lease(lease, until, self.index, self.loop.now, self.host_now())
        known = {(row[0], row[1]) for row in look("SELECT pass_type, serial FROM pass")}
        for key, history in self.versions.items():
            found = look(_PASS, *key)
            if history[-1] is None or not found or not _is(history[-1], found[0]):
                history.append(None)
        self._moved(known, look)
        for pass_type, epoch, seq in look("SELECT pass_type, epoch, seq FROM counter"):
            self.counters[pass_type] = Tag(epoch, seq)
        self.unnoticed = dict(self.counters)

    def _count(self, look: Look) -> None:
        for pass_type, epoch, seq in look("SELECT pass_type, epoch, seq FROM counter"):
            was, now = self.counters.get(pass_type), Tag(epoch, seq)
            self.counters[pass_type] = now
            if was is not None and was != now:
                invariants.gap_free(self, pass_type, was, now)
                invariants.never_behind_a_tag(self, pass_type, now)

    def _moved(self, keys: set[Key], look: Look) -> None:
        for key in sorted(key for key in keys if key[1]):
            found = look(_PASS, *key)
            history = self.versions.setdefault(key, [])
            if not found:
                if history and history[-1] is not None:
                    history.append(None)
                    self.erased[key] = self.index
                continue
            seq, modified, manifest, salt, document = found[0]
            last = history[-1] if history else None
            here = (manifest, modified, salt)
            same = [one for one in history if one and (one.manifest, one.last_modified, one.salt) == here]
            if last is not None and last in same:
                continue
            points = json.loads(document)["storeCard"]["primaryFields"][0]["value"]
            # One that comes back with an older copy of the database is as quiet as it was.
            quiet = same[-1].quiet if same else self.putting.get(key, 0) > 0
            version = Version(seq, modified, manifest, salt, self.index, points, quiet, self.loop.now)
            awaited, self._awaited = self._awaited, []
            for one in awaited:
                one.set(key)
            invariants.strictly_later(self, key, last, version)
            history.append(version)
            self.trace.note("version", f"{key[0]} {key[1]} {seq} {modified} {manifest[:8]}")

    def _erased(self, pass_type: str, serial: str) -> None:
        for (type_, _), followed in self.following.items():
            if type_ == pass_type:
                followed.pop(serial, None)
        for left in [left for left in self.leaving if left[0][0] == pass_type and left[1] == serial]:
            del self.leaving[left]

    def _saved(self, pass_type: str, device_id: str, push_token: str, look: Look) -> None:
        """A device's token: the one that it had before is nobody's, unless another device names it too."""
        exchange = self.loop.current.exchange if self.loop.current is not None else None
        at = int(exchange.started) if exchange is not None and self.stamps else self.host_now()
        self.posted.setdefault((pass_type, device_id), deque(maxlen=4)).append(at)
        if exchange is not None:  # a replay from the journal says nothing new
            self.registered[pass_type, push_token] = max(at, self.registered.get((pass_type, push_token), 0))
        self.replaced.pop((pass_type, push_token), None)
        for one in self.following.get((pass_type, device_id), {}).values():
            old, one.push_token = one.push_token, push_token
            if old != push_token and not look(_NAMED, pass_type, old):
                self.replaced.setdefault((pass_type, old), self.index)

    # ── trip 1 and trip 3

    def arriving(self, exchange: Exchange) -> None:
        exchange.arrived_index, exchange.copy = self.index, self.copy
        if exchange.kind == "unregister":
            triple = (exchange.pass_type, exchange.device_id, exchange.serial)
            self.deleting[triple] = self.index
            phone = (exchange.pass_type, exchange.device_id)
            left = self.following.get(phone, {}).pop(exchange.serial, None)
            if left is not None:
                self.leaving[phone, exchange.serial] = (left, self.host_now())

    def answering(self, exchange: Exchange) -> None:
        """The last byte of an answer leaves the service."""
        again = " again" if exchange.again else ""
        what = exchange.serial or exchange.pass_type
        self.answered[exchange.kind] += 1
        self.trace.note("answer", f"{exchange.who} {exchange.kind} {what} {exchange.status}{again} {exchange.tag}")
        if exchange.kind == "ask":
            awaited, self._asking = self._asking, []
            for one in awaited:
                one.set(None)
        if exchange.kind == "ask":
            self._told(exchange)
        elif exchange.kind == "fetch":
            self._served(exchange)
        elif exchange.kind in ("register", "unregister"):
            invariants.own_token_only(self, exchange)
            if exchange.kind == "register" and exchange.status in (200, 201):
                self._registered(exchange)
            elif exchange.kind == "unregister" and exchange.status == 200:
                self.deleting[exchange.pass_type, exchange.device_id, exchange.serial] = self.index

    def _waits(self, exchange: Exchange) -> None:
        """Somebody who may still wait is about to be answered, as of now."""
        counter = self.counters.get(exchange.pass_type)
        if counter is not None and exchange.kind in ("ask", "fetch") and self.host_now() - exchange.started <= 35_000:
            name = exchange.device_id if exchange.kind == "ask" else exchange.serial
            key = (exchange.pass_type, counter.epoch, name)
            self.waited_for[key] = max(counter.seq, self.waited_for.get(key, 0))

    def _registered(self, exchange: Exchange) -> None:
        phone = (exchange.pass_type, exchange.device_id)
        push_token = str(json.loads(exchange.body)["pushToken"])
        invariants.acknowledged_is_durable(self, exchange, push_token)
        if exchange.copy == self.copy and self.deleting.get((*phone, exchange.serial), -1) < exchange.arrived_index:
            followed = self.following.setdefault(phone, {})
            before, triple = followed.get(exchange.serial), (*phone, exchange.serial)
            if before is not None and self._anew(exchange, triple):
                # It has the pass again, and perhaps another copy of it: told before is told of that one.
                self.joined[triple] = max(exchange.arrived_index, self.joined.get(triple, 0))
            followed[exchange.serial] = Following(self.index, exchange.token, push_token)
            self.leaving.pop((phone, exchange.serial), None)

    def _anew(self, exchange: Exchange, triple: tuple[str, str, str]) -> bool:
        """Whether a phone registers once more, and it is no repetition of what it did before."""
        return self.clock_is_right and not exchange.again and exchange.started > self.joined_at.get(triple, 0)

    def told_of(self, exchange: Exchange, serial: str) -> Iterator[tuple[Sequence[tuple[int, Tag]], int]]:
        """By each device id that a phone has asked with: what it was told of a pass, and since when it follows it."""
        for device_id in self.ids.get((exchange.who, exchange.pass_type), ()):
            phone = (exchange.pass_type, device_id)
            joined = self.joined.get((*phone, serial), 0)
            yield self.told.get(phone, {}).get(serial, ()), joined

    def leaving_still(self, phone: Key) -> list[tuple[str, Following]]:
        """What a phone left within the hour."""
        now = self.host_now()
        return [
            (serial, followed)
            for (left_by, serial), (followed, at) in self.leaving.items()
            if left_by == phone and 0 <= now - at < 3_500_000
        ]

    def _told(self, exchange: Exchange) -> None:
        phone = (exchange.pass_type, exchange.device_id)
        seen = exchange.seen_index if exchange.seen_index is not None else self.index
        if exchange.status not in (200, 204):
            return
        serials: Sequence[str] = ()
        presented = parse(exchange.tag)
        self.ids.setdefault((exchange.who, exchange.pass_type), {})[exchange.device_id] = None
        if exchange.status == 200:
            listing = json.loads(exchange.answer_body)
            serials, tag = listing["serialNumbers"], parse(listing["lastUpdated"])
            invariants.tag_only_rises(self, exchange, tag, serials)
            if tag is not None:
                known = (exchange.pass_type, tag.epoch)
                self.issued[known] = max(self.issued.get(known, 0), tag.seq)
                for serial in serials:
                    self.told.setdefault(phone, {}).setdefault(serial, []).append((seen, tag))
        invariants.nothing_left_out(self, exchange, serials, presented, seen)
        if phone in self.following and 0 <= self.host_now() - exchange.started < 20_000:
            self._heard(exchange.pass_type, exchange.device_id, exchange.started)

    def _heard(self, pass_type: str, device_id: str, at: int) -> None:
        """Who asks is alive, whatever was believed of its push token by then: looked at once that is written."""
        dead = self.look(_DEAD, pass_type, device_id)
        before = (self.copy, self.disorder)
        if dead and dead[0][1] is not None and dead[0][1] < at and not self.forgetful:
            self.loop.later(30.0, lambda: invariants.heard_is_alive(self, before, dead[0]))

    def _served(self, exchange: Exchange) -> None:
        invariants.own_token_only(self, exchange)
        if exchange.status == 304:
            invariants.honest_304(self, exchange)
        elif exchange.status == 200:
            package = opened(exchange.answer_body)
            invariants.own_pass_only(self, exchange, package)
            invariants.one_name_one_version(self, exchange, package)
            invariants.signed_validly(self, exchange, package)

    # ── trip 2

    def _claimed(self, key: Key, parameters: Any) -> None:
        invariants.one_lease(self, key, parameters["now"])
        invariants.nobody_is_called_in_vain(self, key)
        lease, until, now = (parameters[name] for name in ("lease", "lease_until", "now"))
        self.leases[key] = Lease(lease, until, self.index, self.loop.now, now)

    def all_there(self) -> None:
        """A process has started again: what was acknowledged before is still there."""
        for phone, followed in self.following.items():
            for serial, one in followed.items():
                if one.sure:
                    invariants.still_registered(self, phone, serial)

    def push_starts(self, process: Process, message: PushMessage, credential: PushCredential) -> None:
        key = (message.topic, message.push_token)
        self.trace.note("send", f"{process} {message.topic} {message.push_token[:8]}")
        invariants.fit_to_push(self, process, key, credential)

    def push_answered(self, process: Process, answer: PushAnswer, credential: PushCredential) -> None:
        topic, token = answer.message.topic, answer.message.push_token
        self.trace.note("apns", f"{topic} {token[:8]} {answer.status} {answer.reason}")
        if answer.status == 403 or answer.reason == "CertificateRefused":
            self.refused[str(process), topic, credential.id] = self.loop.now
        if answer.status == 0:
            self.disorder += 1
        if answer.status == 200:
            self.went.setdefault((topic, token), deque(maxlen=64)).append(self.loop.now)


def parse(tag: str) -> Tag | None:
    match = TAG.match(tag)
    return Tag(match[1], int(match[2])) if match else None


_PASS = "SELECT seq, last_modified, manifest_sha, token_salt, document FROM pass WHERE pass_type = ? AND serial = ?"
_LEASED = "SELECT pass_type, push_token, lease, lease_until FROM push_target WHERE lease IS NOT NULL"
_DEAD = """
SELECT g.push_token, g.dead_at FROM device d
  JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id AND r.left_at IS NULL
  JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE d.pass_type = ? AND d.device_id = ?"""
_NAMED = "SELECT 1 FROM device WHERE pass_type = ? AND push_token = ? LIMIT 1"
_ANSWERED_FROM = frozenset({"ask_snapshot", "ask_head", "fetch_snapshot", "pass"})
_SILENT = frozenset({"add_event", "add_events", "counter", "push_token"})
_COUNTING = frozenset({"next_number", "begin_epoch"})
_MOVING = frozenset({"add_pass", "put_pass", "erase_pass", "begin_epoch"})


def _is(version: Version, row: Row) -> bool:
    return (version.last_modified, version.manifest, version.salt) == (row[1], row[2], row[3])


def _target(look: Look, key: Key) -> Row | None:
    found = look("SELECT dead_at, * FROM push_target WHERE pass_type = ? AND push_token = ?", *key)
    return found[0] if found else None
