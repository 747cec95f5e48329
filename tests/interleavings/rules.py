"""What must hold after every order, whatever the pair: a rule answers what is broken, in words.

The names are those of the simulation's invariants. A rule looks at what the product answered (``Log``) and at what is
in the database at the end, when nobody is at work any more.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg

from concurrency import ledger
from concurrency.office import PASS_TYPE
from interleavings.scene import ASKER, CONTENT, Log
from livepass.core.trip1_register import ASK_GRACE_MS
from livepass.core.unavailable import Unavailable
from livepass.service.refusals import NotFound
from livepass.store.verify import Verified

Row = Mapping[str, Any]

LOOKED_AT = (
    *("counter", "pass", "registration", "device", "push_target", "event", "pass_type", "circuit"),
    "webhook_endpoint",
)
ASKED = ("registered", "token_changed", "retold")


@dataclass(frozen=True)
class After:
    """``before`` and ``after``: rows of the tables ``LOOKED_AT``. ``dangling``, ``undue``: the ledger's loose ends."""

    log: Log
    said: Mapping[str, Any]
    circles: Sequence[str]
    erases: bool
    before: Mapping[str, Sequence[Row]]
    after: Mapping[str, Sequence[Row]]
    history: ledger.History
    loose: Sequence[str]
    verified: Verified
    now: int

    def targets(self) -> dict[str, Row]:
        return {row["push_token"]: row for row in self.after["push_target"] if row["pass_type"] == PASS_TYPE}


Rule = Callable[[After], Iterator[str]]


async def rows(db: asyncpg.Connection) -> dict[str, Sequence[Row]]:
    return {table: await db.fetch(f"SELECT * FROM {table}") for table in LOOKED_AT}


def covered(seen: After) -> Iterator[str]:
    """S3: a tag covers nothing that its list did not show, and that was not told before."""
    numbers: dict[str, list[int]] = defaultdict(list)
    joined: dict[str, list[int]] = defaultdict(list)
    for row in seen.after["event"]:
        if row["pass_type"] != PASS_TYPE or row["kind"] not in ledger.NUMBERED:
            continue
        if row["kind"] == "new_epoch":
            numbers[""].append(row["seq"])
        elif row["kind"] not in ASKED:
            numbers[row["serial"]].append(row["seq"])
        elif row["device_id"] == ASKER:
            numbers[row["serial"]].append(row["seq"])
            joined[row["serial"]].append(row["seq"])
    for told in seen.log.told:
        if told.tag is None:
            continue
        since = told.since.seq if told.since is not None and told.since.epoch == told.tag.epoch else 0
        for serial, at in joined.items():
            upto = [n for n in (*numbers[serial], *numbers[""]) if n <= told.tag.seq]
            if min(at) <= told.tag.seq and max(upto) > since and serial not in told.serials:
                yield f"S3: tag {told.tag.seq} after {since} covers number {max(upto)} of pass {serial}, not told"


def tags_rise(seen: After) -> Iterator[str]:
    """S3: in an epoch tags do not fall, name nothing that is not there, and nothing gets a number below them."""
    for (_, _, _), (_, tag, counter) in pairwise([(frozenset(), None, 0), *seen.log.looked]):
        if tag.seq > counter:
            yield f"S3: tag {tag.seq}, the counter stands at {counter}"
    for (numbers, tag, _), (later, later_tag, _) in pairwise(seen.log.looked):
        if later_tag.epoch == tag.epoch and later_tag.seq < tag.seq:
            yield f"S3: tag {later_tag.seq} after {tag.seq}"
        late = [number for number in later - numbers if number <= tag.seq]
        if late:
            yield f"S3: numbers {late} became visible after tag {tag.seq}"


def not_buried_alive(seen: After) -> Iterator[str]:
    """S4: what was registered after a push was claimed is not dead by the answer to that push."""
    targets = seen.targets()
    for _, _, token in seen.log.registered:
        if token in targets and targets[token]["dead_at"] is not None:
            yield f"S4: {token[:4]} was registered since, and is dead"


def joined_for_good(seen: After) -> Iterator[str]:
    """L: what was acknowledged to a phone is there, though it may have left since."""
    there = {(row["device_id"], row["serial"]) for row in seen.after["registration"]}
    for device, serial, _ in seen.log.registered:
        if (device, serial) not in there and not seen.erases:
            yield f"L: {device} registered {serial}, and is not there"


def one_lease(seen: After) -> Iterator[str]:
    """S8: a target is held by one lease at a time; one that nobody gave back stands as it was taken."""
    targets = seen.targets()
    live = [claim for claim in seen.log.claims if claim.lease not in seen.log.recorded]
    held = [target.push_token for claim in live for target in claim.targets]
    for token in sorted(set(held)):
        if held.count(token) > 1:
            yield f"S8: {token[:4]} is held by {held.count(token)} leases"
    for claim in live:
        for target in claim.targets:
            row = targets.get(target.push_token)
            if row is not None and (row["lease"], row["lease_until"]) != (claim.lease, claim.until):
                yield f"S8: {target.push_token[:4]} was claimed by {claim.lease}, and is held by {row['lease']}"
            if row is not None and row["pushed"] != target.pushed:
                yield f"S8: {target.push_token[:4]} counts as pushed by a lease that was lost"


def nothing_lost(seen: After) -> Iterator[str]:
    """Lost updates: all that was acknowledged is in the diary and in the content, the later over the earlier."""
    content = {key: json.loads(bytes(row["data"])) for key, row in _passes(seen.before).items()}
    last: dict[tuple[str, str], int] = {}
    for _, wish, issued in sorted(seen.log.changed, key=lambda one: one[2].number):
        key = wish.pass_type, wish.serial
        content[key] = {**content.get(key, {}), **(wish.data or {})}
        if issued.changed:
            if last.get(key) == issued.number:
                yield f"lost: two changes of {wish.serial} have number {issued.number}"
            last[key] = issued.number
            written = seen.history.numbers.get(key, ())
            if issued.number not in written and not seen.erases:
                yield f"lost: {wish.serial} changed with {issued.number}, and the diary has {written}"
    for key, row in _passes(seen.after).items():
        stored = json.loads(bytes(row["data"]))
        if key in last and row["seq"] != last[key]:
            yield f"lost: {key[1]} has number {row['seq']}, its last change has {last[key]}"
        if any(stored[name] != content[key][name] for name in CONTENT):
            yield f"lost: {key[1]} is {stored}, acknowledged was {content[key]}"
    for key in last:
        if key not in _passes(seen.after) and not seen.erases:
            yield f"lost: {key[1]} is not there"


def _passes(tables: Mapping[str, Sequence[Row]]) -> dict[tuple[str, str], Row]:
    return {(row["pass_type"], row["serial"]): row for row in tables["pass"]}


def no_gaps(seen: After) -> Iterator[str]:
    """S12: every number stands for something. What is erased takes its numbers along."""
    if not seen.erases:
        yield from ledger.gaps(seen.history)


def taken_once(seen: After) -> Iterator[str]:
    """S12: a number is taken by one transaction."""
    takers: dict[int, set[str]] = defaultdict(set)
    for row in seen.after["event"]:
        if row["pass_type"] == PASS_TYPE and row["kind"] in ("registered", "token_changed", "new_epoch"):
            takers[row["seq"]].add(f"{row['kind']} {row['serial']} {row['device_id']}")
    for name, wish, issued in seen.log.changed:
        if wish.pass_type == PASS_TYPE and issued.changed:
            takers[issued.number].add(f"changed by {name}")
    for number, by in takers.items():
        if len(by) > 1:
            yield f"S12: number {number} was taken by {sorted(by)}"


def right_history(seen: After) -> Iterator[str]:
    """S3, S6: what has a number of the present history has its epoch in the tag, and a date above its floor."""
    [counter] = [row for row in seen.after["counter"] if row["pass_type"] == PASS_TYPE]
    began, floor = counter["began"], counter["modified_floor"]
    for _, wish, issued in seen.log.changed:
        present = wish.pass_type == PASS_TYPE and issued.changed and issued.number > began
        if present and issued.tag.split(".")[1] != counter["epoch"]:
            yield f"S3: {wish.serial} changed with {issued.number}, under a tag of the history before {began}"
    for row in seen.after["pass"]:
        if row["pass_type"] == PASS_TYPE and row["seq"] > began and row["last_modified"] < floor:
            yield f"S6: {row['serial']} has a date of the history before"


def histories_follow(seen: After) -> Iterator[str]:
    """S3: a new history follows the one whose end was found; who was slower begins none."""
    mine = [row for row in seen.after["event"] if (row["kind"], row["pass_type"]) == ("new_epoch", PASS_TYPE)]
    begun = [json.loads(row["detail"]) for row in sorted(mine, key=lambda row: row["seq"])]
    for before, after in pairwise(begun):
        if after["from"] != before["epoch"]:
            yield f"S3: history {after['epoch']} follows {after['from']}, and {before['epoch']} was begun since"


def acknowledged(seen: After) -> Iterator[str]:
    """L: no push is due to a phone that was told all that is wanted of it, under each of its device ids."""
    told: dict[str, list[int]] = defaultdict(list)
    for row in seen.after["device"]:
        told[row["push_token"]].append(row["told"])
    for token, row in seen.targets().items():
        if token in told and min(told[token]) >= row["wanted"] > row["acked"]:
            yield f"L: {token[:4]} was told {row['wanted']}, and a push is due up to it"


def erased_for_good(seen: After) -> Iterator[str]:
    """What is decided in a transaction says nothing of a pass that was erased. (What is noted after an answer may.)"""
    noted = ("fetched", "registration_refused", "unregister_refused")
    for row in seen.after["event"] if seen.erases else ():
        if (row["pass_type"], row["serial"]) == (PASS_TYPE, "1") and row["kind"] not in noted:
            yield f"erased: pass 1 is gone, and the diary has {row['kind']} of it"


def nobody_elses(seen: After) -> Iterator[str]:
    """S4: nothing is due to a token that was replaced."""
    tokens = {row["push_token"] for row in seen.after["device"]}
    for token, row in seen.targets().items():
        if token not in tokens and row["wanted"] > row["acked"]:
            yield f"S4: a push is due for {token[:4]}, which no phone has"


def no_loose_ends(seen: After) -> Iterator[str]:
    yield from seen.loose


def soon(seen: After) -> Iterator[str]:
    """L: what became owed, and was not pushed, is due soon, where no worker has it and Apple did not ask to wait."""
    wanted = {row["push_token"]: row["wanted"] for row in seen.before["push_target"]}
    for token, row in seen.targets().items():
        owed = row["wanted"] > max(row["acked"], row["pushed"], wanted.get(token, 0))
        latest = max(seen.now + ASK_GRACE_MS, row["hold_until"])
        if owed and row["dead_at"] is None and row["lease"] is None and row["next_at"] > latest:
            yield f"L: {token[:4]} is owed {row['wanted']}, and pushed in {(row['next_at'] - seen.now) // 1000} s"


def only_what_is_chosen_is_held(seen: After) -> Iterator[str]:
    """P: what APNs refused holds back no credential that was chosen since."""
    chosen = {row["pass_type"]: row["push_key_id"] for row in seen.after["pass_type"]}
    for row in seen.after["circuit"]:
        if row["push_key_id"] != chosen[row["pass_type"]]:
            yield f"P: {chosen[row['pass_type']]} waits, because {row['push_key_id']} was refused"


def holds_together(seen: After) -> Iterator[str]:
    """``livepass db verify`` finds nothing."""
    for finding in seen.verified.findings:
        yield f"verify: {finding.name}: {', '.join(finding.first)}"


def no_circle(seen: After) -> Iterator[str]:
    for circle in seen.circles:
        yield f"locks: {circle}"


def answered(seen: After) -> Iterator[str]:
    """Everybody got an answer; none but 401 where the pass is erased."""
    for name, answer in seen.said.items():
        if isinstance(answer, BaseException) and not (seen.erases and isinstance(answer, NotFound)):
            kind = "Unavailable, though nothing is away" if isinstance(answer, Unavailable) else type(answer).__name__
            yield f"answer: {name} raised {kind}: {answer}"
        if isinstance(answer, int) and answer not in ((200, 201, 401) if seen.erases else (200, 201)):
            yield f"answer: {name} was answered {answer}"


def stays_enabled(seen: After) -> Iterator[str]:
    """An endpoint that somebody enabled again is not disabled by what failed before: it counts from the beginning."""
    for row in seen.after["webhook_endpoint"]:
        if row["id"] in seen.log.enabled and row["disabled_at"] is not None:
            yield f"webhook endpoint {row['id']} was enabled, and is disabled"


RULES: tuple[Rule, ...] = (
    *(covered, tags_rise, right_history, histories_follow, taken_once, no_gaps, nothing_lost),
    *(joined_for_good, not_buried_alive, nobody_elses, erased_for_good, one_lease, soon, acknowledged),
    *(no_loose_ends, only_what_is_chosen_is_held, holds_together, no_circle, answered, stays_enabled),
)


def broken(seen: After) -> list[str]:
    return [text for rule in RULES for text in rule(seen)]
