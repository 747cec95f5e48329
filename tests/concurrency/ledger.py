"""What must be true of a history that many processes made: the database's diary against what issuers and phones saw."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import engines

NUMBERED = ("issued", "changed", "voided", "registered", "token_changed", "retold", "new_epoch")
"""The events that take a change number."""

HISTORY = (
    "SELECT pass_type, seq, kind, serial, device_id FROM event WHERE kind IN ({}) ORDER BY seq".format(
        ", ".join(f"'{kind}'" for kind in NUMBERED)
    ),
    "SELECT pass_type, serial, seq, last_modified FROM pass",
    "SELECT pass_type, seq FROM counter",
)

Pass = tuple[str, str]
"""(pass type, serial)."""
Rows = Sequence[Sequence[Any]]


@dataclass
class History:
    """What the database says. ``numbers``: of each pass its changes, in order; ``joined``: of each registration its
    joinings, in order.
    """

    counters: Mapping[str, int]
    final: Mapping[Pass, tuple[int, int]]
    taken: Mapping[str, Sequence[int]]
    numbers: Mapping[Pass, Sequence[int]]
    joined: Mapping[tuple[str, str, str], Sequence[int]]

    @classmethod
    def of(cls, url: str) -> History:
        return cls.from_rows(*(engines.run(url, statement) for statement in HISTORY))

    @classmethod
    def from_rows(cls, events: Rows, passes: Rows, counters: Rows) -> History:
        """``HISTORY``'s answers."""
        taken, numbers, joined = defaultdict(list), defaultdict(list), defaultdict(list)
        for pass_type, seq, kind, serial, device_id in events:
            if seq not in taken[pass_type][-1:]:
                taken[pass_type].append(seq)
            if kind in ("registered", "token_changed"):
                joined[pass_type, device_id, serial].append(seq)
            elif kind in ("issued", "changed", "voided"):
                numbers[pass_type, serial].append(seq)
        return cls(
            {row[0]: row[1] for row in counters},
            {(row[0], row[1]): (row[2], row[3]) for row in passes},
            taken,
            numbers,
            joined,
        )

    def newest(self, one: Pass, upto: int) -> int:
        """The newest change of a pass up to a number; 0: none."""
        numbers = self.numbers[one]
        found = bisect_right(numbers, upto)
        return numbers[found - 1] if found else 0


Line = Sequence[Any]


def faults(history: History, issuers: Iterable[Sequence[Line]], phones: Iterable[Sequence[Line]]) -> list[str]:
    """Everything that is not as it must be, in words."""
    changes = [Change(*line[1:]) for said in issuers for line in said if line[0] == "changed"]
    shown = {(change.pass_type, change.serial, change.value): change.number for change in changes}
    return [
        *gaps(history),
        *_acknowledged(history, changes),
        *(fault for said in phones for fault in _Followed(history, shown).replay(said)),
    ]


@dataclass(frozen=True)
class Change:
    """A change that was acknowledged."""

    pass_type: str
    serial: str
    number: int
    last_modified: int
    value: str


def gaps(history: History) -> Iterator[str]:
    """Numbers that nothing stands for."""
    for pass_type, counter in history.counters.items():
        if list(history.taken[pass_type]) != list(range(1, counter + 1)):
            yield f"{pass_type}: the numbers are not 1 to {counter} without gaps"


DANGLING = """
SELECT r.device_id, r.serial, d.device_id, p.serial, g.push_token FROM registration r
  LEFT JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  LEFT JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE d.device_id IS NULL OR p.serial IS NULL OR g.push_token IS NULL
"""

UNDUE = """
SELECT r.device_id, r.serial, r.seq, p.seq, c.began, g.wanted FROM registration r
  JOIN counter c ON c.pass_type = r.pass_type
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE r.left_at IS NULL AND (g.wanted < r.seq OR g.wanted < p.seq OR g.wanted < c.began)
"""


def loose_ends(url: str) -> list[str]:
    """Registrations without their phone, their pass or the target of their pushes; and live ones with a newer number
    than the one that is wanted of their target, which nobody would push (where all changes are pushed).
    """
    return [
        *(f"{row[0]}/{row[1]}: its phone, pass or target is missing: {row[2:]}" for row in engines.run(url, DANGLING)),
        *(f"{row[0]}/{row[1]}: owed {row[2:5]}, wanted {row[5]}" for row in engines.run(url, UNDUE)),
    ]


def _acknowledged(history: History, changes: Sequence[Change]) -> Iterator[str]:
    by_pass: dict[Pass, list[Change]] = defaultdict(list)
    for change in changes:
        by_pass[change.pass_type, change.serial].append(change)
    for one, mine in by_pass.items():
        mine.sort(key=lambda change: change.number)
        numbers = [change.number for change in mine]
        if numbers != list(history.numbers[one])[1:]:
            yield f"{one}: acknowledged {numbers}, written down {list(history.numbers[one])[1:]}"
        seconds = [change.last_modified for change in mine]
        if any(later <= earlier for earlier, later in pairwise(seconds)):
            yield f"{one}: Last-Modified does not rise with every change: {seconds}"
        if history.final[one] != (mine[-1].number, mine[-1].last_modified):
            yield f"{one}: is {history.final[one]}, but the newest acknowledged change is {mine[-1]}"


@dataclass
class _Device:
    """A phone as the test knows it. ``shows``: the number of the version it shows of each pass; 0: none."""

    tags: dict[str, int] = field(default_factory=dict)
    shows: dict[Pass, int] = field(default_factory=dict)
    joined: dict[Pass, int] = field(default_factory=dict)
    joinings: dict[Pass, int] = field(default_factory=lambda: defaultdict(int))


class _Followed:
    """Goes through what phones said, step by step."""

    def __init__(self, history: History, shown: Mapping[tuple[str, str, str], int]) -> None:
        self.history = history
        self.shown = shown
        self.devices: dict[str, _Device] = defaultdict(_Device)

    def replay(self, said: Sequence[Line]) -> Iterator[str]:
        steps = {"joined": self.joined, "left": self.left, "asked": self.asked}
        for line in said:
            if line[0] in steps:
                yield from steps[line[0]](*line[1:])
        for name, device in self.devices.items():
            for one, number in device.shows.items():
                if number != self.history.final[one][0]:
                    yield f"{name} shows {one} as of {number}; the final version is {self.history.final[one][0]}"

    def joined(self, name: str, pass_type: str, serial: str, status: int) -> Iterator[str]:
        device, one = self.devices[name], (pass_type, serial)
        device.shows.setdefault(one, 0)
        if status in (200, 201):
            joinings = self.history.joined[pass_type, name, serial]
            if device.joinings[one] >= len(joinings):
                yield f"{name} joined {one} a time more than is written down"
                return
            device.joined[one] = joinings[device.joinings[one]]
            device.joinings[one] += 1

    def left(self, name: str, pass_type: str, serial: str) -> Iterator[str]:
        del self.devices[name].shows[pass_type, serial]
        yield from ()

    def asked(
        self, name: str, pass_type: str, since: int | None, tag: int | None, told: list[str], fetched: dict[str, str]
    ) -> Iterator[str]:
        device = self.devices[name]
        assert device.tags.get(pass_type) == since
        if tag is None:
            return
        device.tags[pass_type] = tag
        # What was left within the hour is still told.
        expected = {
            one[1]
            for one, joined in device.joined.items()
            if one[0] == pass_type and (since is None or max(joined, self.history.newest(one, tag)) > since)
        }
        if expected != set(told):
            missing, extra = sorted(expected - set(told)), sorted(set(told) - expected)
            yield f"{name} asked with {since}, got tag {tag} without {missing}, which it covers, and with {extra}"
        for serial, value in fetched.items():
            if value != "as before":
                device.shows[pass_type, serial] = self.shown.get((pass_type, serial, value), 1 if value == "new" else 0)
        for one, number in device.shows.items():
            if one[0] == pass_type and number < self.history.newest(one, tag):
                newest = self.history.newest(one, tag)
                yield f"{name} has tag {tag} and shows {one} as of {number}, although that changed with {newest}"
