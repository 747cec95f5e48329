"""The order in which everybody locks, and the numbers that are taken in it.

Where one writer works at a time, nothing is locked, and the order costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from livepass.core import decision as d
from livepass.core.change import AHEAD_SECONDS
from livepass.store.reading import Reading

Numbers = Mapping[str, int]
"""The numbers that a transaction took, by pass type."""


class Conflict(Exception):
    """Somebody was faster: the unit of work is rolled back and run again."""


class Locking(Reading):
    """A session inside a write transaction that keeps the order. Where several writers work at once, everybody locks in
    it, so that none waits for another in a circle:

        the tenant that something is put into → the APNs key that is chosen or changed →
            whose a pass type is, and what pushes for it →
        one phone (registering): its device id, then its push token → passes by serial → counters by pass type
            → fan_out by (what, serial) → devices by id → registrations by (device id, serial) → push targets by token

    Numbers are taken before the rows that carry them are locked, and nobody who holds such a row waits for a counter.
    Whoever takes something from another phone than its own only *tries* for the lock of that phone.
    """

    made_due = False
    """Whether this transaction made pushes due: others are then told after it commits."""

    async def lock_phone(self, pass_type: str, device_id: str, push_token: str | None = None) -> None:
        """Nobody else registers or unregisters for this phone until the end, under whichever device id. Read what you
        decide on after it. ``push_token`` is the one that it comes with; ``None``: the one that it has.
        """
        if self._db.one_writer:
            return
        key = {"pass_type": pass_type, "device_id": device_id}
        if push_token is None:
            await self._db.rows("lock_phone", key)
            row = await self._one("push_token", **key)
            push_token = row[0] if row is not None else None
        if push_token is not None:
            await self._db.rows("lock_phone_and_token", {**key, "push_token": push_token})

    async def _next_number(self, pass_type: str, newest_modified: int = 0) -> int:
        row = await self._one("next_number", pass_type=pass_type, newest_modified=newest_modified)
        if row is None:
            raise LookupError(f"pass type {pass_type} has no counter; it was never set up")
        number: int = row[0]
        return number

    async def take_numbers(self, writes: Sequence[d.Write]) -> dict[str, int]:
        """A number for each pass type that is joined or begins a new history. A pass must stay while it is joined, or
        left: nothing is written about one that was erased.
        """
        joins = [write for write in writes if isinstance(write, d.Join)]
        if not self._db.one_writer:
            kept = {(write.pass_type, write.serial) for write in writes if isinstance(write, d.Join | d.Leave)}
            for pass_type, serial in sorted(kept):
                if await self._one("lock_pass", pass_type=pass_type, serial=serial) is None:
                    raise Conflict(f"{pass_type}/{serial} was erased meanwhile")
        epochs = {write.pass_type: write for write in writes if isinstance(write, d.NewEpoch)}
        joined = {join.pass_type for join in joins}
        moved = set() if self._db.one_writer else {write.pass_type for write in writes if isinstance(write, d.Retarget)}
        numbers = {}
        for pass_type in sorted(joined | set(epochs) | moved):
            number = None
            if pass_type in epochs:
                number = await self._begin_epoch(epochs[pass_type])
            elif pass_type in joined:
                number = await self._next_number(pass_type)
            else:
                await self._one("lock_counter", pass_type=pass_type)
            if number is not None:
                numbers[pass_type] = number
        return numbers

    async def _begin_epoch(self, write: d.NewEpoch) -> int | None:
        """The number that the new history begins with; ``None`` when somebody else has begun one."""
        row = await self._one(
            "begin_epoch",
            pass_type=write.pass_type,
            old_epoch=write.old_epoch,
            epoch=write.epoch,
            modified_floor=write.modified_floor,
            ahead=AHEAD_SECONDS,
        )
        self.made_due = self.made_due or row is not None
        return None if row is None else row[0]

    async def lock_rows(self, writes: Sequence[d.Write]) -> None:
        """Lock what the writes touch, in the order above. One phone's rows mostly come in that order by themselves."""
        if self._db.one_writer:
            return
        # An ask speaks for one record of its push token and looks at what the others were told: at what was there once
        # the token is locked, or two that ask at two hosts each miss the other.
        in_order = not any(isinstance(write, d.Reinstate | d.Forget | d.Retarget | d.RaiseAsked) for write in writes)
        one_phone = len({getattr(write, "device_id", "") for write in writes} - {""}) < 2
        if one_phone and in_order:
            return
        for pass_type in sorted({write.pass_type for write in writes}):
            mine = [write for write in writes if write.pass_type == pass_type]
            devices = {write.device_id for write in mine if isinstance(write, _TOUCH_DEVICES)}
            await self._lock_devices(pass_type, devices)
            await self._lock_registrations(pass_type, {pair for write in mine for pair in _registrations(write)})
            await self._lock_targets(pass_type, {token for write in mine for token in _tokens(write)})

    async def _lock_registrations(self, pass_type: str, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Answers which of them there are."""
        wanted = sorted(pairs)
        if not wanted or self._db.one_writer:
            return set(wanted)
        found = await self._db.rows(
            "lock_registrations",
            {
                "pass_type": pass_type,
                "device_ids": self._db.array([device_id for device_id, _ in wanted]),
                "serials": self._db.array([serial for _, serial in wanted]),
            },
        )
        return {(row[0], row[1]) for row in found}

    async def _lock_devices(self, pass_type: str, device_ids: Iterable[str]) -> None:
        wanted = sorted(device_ids)
        if wanted and not self._db.one_writer:
            await self._db.rows("lock_devices", {"pass_type": pass_type, "device_ids": self._db.array(wanted)})

    async def _lock_targets(self, pass_type: str, push_tokens: Iterable[str]) -> None:
        wanted = sorted(push_tokens)
        if wanted and not self._db.one_writer:
            await self._db.rows("lock_targets", {"pass_type": pass_type, "push_tokens": self._db.array(wanted)})


def by_device(write: Any) -> tuple[str, str]:
    return write.pass_type, write.device_id


def by_registration(write: Any) -> tuple[str, str, str]:
    return write.pass_type, write.device_id, write.serial


def by_token(write: Any) -> tuple[str, str]:
    return write.pass_type, write.push_token


def _registrations(write: d.Write) -> list[tuple[str, str]]:
    """(device id, serial) of the registrations that a write touches."""
    if isinstance(write, d.RaiseAsked):
        return [(write.device_id, serial) for serial, retell_at in write.named if retell_at is not None]
    if isinstance(write, _TOUCH_REGISTRATIONS):
        return [(write.device_id, write.serial)]
    return []


def _tokens(write: d.Write) -> list[str]:
    """The push tokens whose targets a write touches."""
    if isinstance(write, d.Retarget):
        return [write.old_token, write.new_token]
    if isinstance(write, d.SaveDevice | d.Revive | d.RaiseAsked | d.Forget):
        return [write.push_token]
    return []


_TOUCH_REGISTRATIONS = d.Join | d.Refresh | d.Supersede | d.Reinstate | d.Forget | d.Leave | d.Resurrect | d.RaiseServed
_TOUCH_DEVICES = d.SaveDevice | d.RaiseAsked | d.Supersede | d.Forget | d.Reinstate
"""What changes a phone's row, or depends on its push token."""
