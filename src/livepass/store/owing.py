"""What phones are owed pushes for: made due at once where they are few, and in steps where they are many.

Whoever waits for a push target may hold a counter, and with it up everybody of its pass type. So no transaction makes
more due than some thousands. What is left stands in ``fan_out``, a row for each pass (or for all of a pass type), and
keepers go on with it: any of them, in transactions of their own. A row goes round in the order of its keys. What comes
while it is under way lets it go on from there, all round once more: so a pass that changes faster than its phones are
made due reaches the last of them all the same, and none is left with an older number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.store.locking import Locking

AT_ONCE = 5000
"""The most push targets that one transaction makes due: of a thousand passes on some phones each, or of one on
thousands. Others wait for a fraction of a second.
"""
PASSES_AT_ONCE = 50
"""The most rows of ``fan_out`` that one transaction goes on with: each is looked up by itself."""
END = "\U0010ffff"
"""Above every device id and every push token."""


class What(StrEnum):
    """What is made due."""

    CHANGED = "changed"
    """A pass changed: by its phones' device ids."""
    NOW = "now"
    """What waits need not wait: by a pass's device ids, or by all push tokens of a pass type."""
    RESUMED = "resumed"
    """What waited for a certificate need not: by all push tokens of a pass type."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A row of ``fan_out``: done as far as ``after_key``; to be done up to ``upto``, and then from the first key to
    ``again_to``.

    ``serial`` is ``""`` for all of a pass type; ``wanted`` is 0 for a change that nobody is to be pushed for.
    """

    pass_type: str
    what: What
    serial: str
    seq: int
    wanted: int
    urgent: int
    push_at: int
    after_key: str
    upto: str
    again_to: str

    @property
    def job(self) -> tuple[Any, ...]:
        """What rows must have in common to be gone on with in one transaction."""
        return self.pass_type, self.what, self.seq, self.wanted, self.urgent, self.push_at


class Owing(Locking):
    """A write transaction that makes pushes due."""

    async def owe_change(
        self, pass_type: str, serials: Sequence[str], number: int, now: int, push_at: int | None, urgent: bool
    ) -> int:
        """Passes changed, and a new version starts with a clean sheet. Answers how many pushes are due by now."""
        passes = {"pass_type": pass_type, "serials": self._db.array(serials)}
        if await self._more("followers_up_to", passes):
            wanted, at = (0, now) if push_at is None else (number, push_at)
            due = {"seq": number, "wanted": wanted, "urgent": int(urgent), "push_at": at}
            return await self._put_off(pass_type, What.CHANGED, serials, due, now)
        await self._db.run("forget_retelling", passes)
        if push_at is None:
            return 0
        wish = {"seq": number, "push_at": push_at, "urgent": int(urgent), "tombstones_after": now - TOMBSTONE_MS}
        found = await self._db.rows("want_pushes", {**passes, **wish})
        self.made_due = self.made_due or bool(found)
        return sum(1 for row in found if row[0] is None)

    async def want_now(self, pass_type: str, serial: str | None, now: int) -> int:
        self.made_due = True
        waiting = await self._one("waiting", pass_type=pass_type, serial=serial)
        assert waiting is not None
        if waiting[0] <= AT_ONCE:
            return len(await self._db.rows("want_now", {"pass_type": pass_type, "serial": serial, "now": now}))
        await self._put_off(pass_type, What.NOW, [serial or ""], await self._as_of(pass_type, now), now)
        count: int = waiting[0]
        return count

    async def resume_pushes(self, pass_type: str, now: int) -> None:
        """What waited for a certificate need not wait for its next turn."""
        self.made_due = True
        waiting = {"pass_type": pass_type, "now": now}
        if await self._more("resumable_up_to", waiting):
            await self._put_off(pass_type, What.RESUMED, [""], await self._as_of(pass_type, now), now)
        else:
            await self._db.run("resume_pushes", waiting)

    async def fan_out(self, now: int, limit: int) -> bool:
        """Go on with what is left; ``limit`` phones at most. False: nothing is, or others are at it."""
        found = [_rest(row) for row in await self._db.rows("fan_outs", {"limit": PASSES_AT_ONCE})]
        if found:
            await self._go_on([rest for rest in found if rest.job == found[0].job], now, limit)
        return bool(found)

    async def spread_epoch(self, now: int, limit: int) -> bool:
        """Make pushes of a new history due, ``limit`` of a pass type at a time. False: all are, or others are at it."""
        for pass_type, began, spread in await self._db.rows("epochs_to_spread", {}):
            key = {"pass_type": pass_type, "after_token": spread}
            tokens = [row[0] for row in await self._db.rows("targets_after", {**key, "limit": limit})]
            if not self._db.one_writer and await self._one("lock_spread", **key, seq=began) is None:
                continue  # another process is at it
            self.made_due = True
            if tokens:
                await self._lock_targets(pass_type, tokens)
                await self._db.run(
                    "spread_epoch",
                    {"pass_type": pass_type, "push_tokens": self._db.array(tokens), "seq": began, "now": now},
                )
            await self._db.run(
                "epoch_spread", {"pass_type": pass_type, "spread": tokens[-1] if len(tokens) == limit else None}
            )
            return True
        return False

    async def _more(self, statement: str, key: dict[str, Any]) -> bool:
        """Whether they are more than are made due at once. Never counts further than that."""
        row = await self._one(statement, **key, limit=AT_ONCE + 1)
        assert row is not None
        return bool(row[0] > AT_ONCE)

    async def _as_of(self, pass_type: str, now: int) -> dict[str, int]:
        """For what concerns a pass type as it is now."""
        counter = await self.counter(pass_type)
        number = counter.seq if counter else 0
        return {"seq": number, "wanted": number, "urgent": 0, "push_at": now}

    async def _put_off(self, pass_type: str, what: What, serials: Sequence[str], due: dict[str, int], now: int) -> int:
        """Leave it to the keepers, and begin with it; answers how many pushes are due by now."""
        key, ordered = {"pass_type": pass_type, "what": what.value}, sorted(serials)
        await self._db.run_many("put_off", [{**key, "serial": serial, **due, "upto": END} for serial in ordered])
        first = self._db.array(ordered[:PASSES_AT_ONCE])
        found = [_rest(row) for row in await self._db.rows("rest_of", {**key, "serials": first})]
        return await self._go_on([rest for rest in found if rest.job == found[0].job], now, AT_ONCE)

    async def _go_on(self, several: Sequence[Rest], now: int, limit: int) -> int:
        """One step of rows of one job. Answers how many pushes it made due."""
        tokens: set[str] = set()
        told: set[str] = set()
        serials, room = [], limit
        for rest in several:
            found = await self._next(rest, now, room)
            tokens.update(row[1] for row in found)
            told.update(row[0] for row in found if row[2])
            serials.append(rest.serial)
            await self._move_on(rest, found[-1][0] if len(found) == room else None)
            room -= len(found)
            if not room:
                break
        if told and several[0].what is What.CHANGED:
            await self._clean_sheets(several[0], serials, sorted(told))
        return await self._make_due(several[0], sorted(tokens))

    async def _next(self, rest: Rest, now: int, limit: int) -> Sequence[Any]:
        """(key, push token, whether something is said of its last version) of the next ones."""
        part = {"pass_type": rest.pass_type, "after_key": rest.after_key, "upto": rest.upto, "limit": limit}
        if not rest.serial:
            return await self._db.rows("targets_between", part)
        among = {"serial": rest.serial, "tombstones_after": now - TOMBSTONE_MS}
        return await self._db.rows("followers_between", {**part, **among})

    async def _move_on(self, rest: Rest, reached: str | None) -> None:
        key = {"pass_type": rest.pass_type, "what": rest.what.value, "serial": rest.serial}
        if reached is not None:
            await self._db.run(
                "rest_after", {**key, "after_key": reached, "upto": rest.upto, "again_to": rest.again_to}
            )
        elif rest.again_to:
            await self._db.run("rest_after", {**key, "after_key": "", "upto": rest.again_to, "again_to": ""})
        else:
            await self._db.run("rest_done", key)

    async def _clean_sheets(self, job: Rest, serials: Sequence[str], device_ids: Sequence[str]) -> None:
        """What was said of the last version is over, but for phones that were told of the new one since."""
        await self._lock_devices(job.pass_type, device_ids)
        phones = {"device_ids": self._db.array(device_ids), "serials": self._db.array(serials)}
        await self._db.run("forget_retelling_of", {"pass_type": job.pass_type, **phones, "seq": job.seq})

    async def _make_due(self, job: Rest, push_tokens: Sequence[str]) -> int:
        if not push_tokens or not job.wanted:
            return 0
        self.made_due = True
        await self._lock_targets(job.pass_type, push_tokens)
        due = {"pass_type": job.pass_type, "push_tokens": self._db.array(push_tokens), "push_at": job.push_at}
        if job.what is What.CHANGED:
            found = await self._db.rows("want_pushes_of_targets", {**due, "seq": job.wanted, "urgent": job.urgent})
            return sum(1 for row in found if row[0] is None)
        if job.what is What.NOW:
            return await self._db.run("want_now_of_targets", due)
        return await self._db.run("resume_targets", {**due, "seq": job.seq})


def _rest(row: Sequence[Any]) -> Rest:
    return Rest(row[0], What(row[1]), *row[2:])
