"""Device ids that are one phone, or none: superseded, reinstated, forgotten, and looked for in a crowd."""

from __future__ import annotations

from collections.abc import Sequence

from livepass.core import decision as d
from livepass.core.snapshots import Crowd, Silent
from livepass.store.locking import Numbers, by_registration
from livepass.store.owing import Owing


class Twins(Owing):
    """A write transaction that tells device ids from phones."""

    async def crowd(self, pass_type: str, serial: str, device_id: str, *, cap: int, limit: int) -> Crowd | None:
        """The phones of a pass, looked at from ``device_id`` on; ``None``: somebody else is looking."""
        key = {"pass_type": pass_type, "serial": serial}
        if not self._db.one_writer and not (await self._db.rows("lock_crowd_if_free", key))[0][0]:
            return None
        said = await self._one("crowd_said", **key, limit=limit)
        size = await self._one("crowd_size", **key, limit=cap + limit)
        silent = await self._db.rows("crowd_silent", {**key, "device_id": device_id, "limit": limit})
        assert said is not None
        assert size is not None
        return Crowd(size[0], [Silent(*row) for row in silent], said[0])

    async def supersede(self, writes: Sequence[d.Supersede], _: Numbers) -> None:
        await self._db.run_many(
            "supersede",
            [
                {
                    "pass_type": w.pass_type,
                    "device_id": w.device_id,
                    "serial": w.serial,
                    "push_token": w.push_token,
                    "at": w.at,
                }
                for w in sorted(writes, key=by_registration)
            ],
        )

    async def reinstate(self, writes: Sequence[d.Reinstate], _: Numbers) -> None:
        await self._db.run_many(
            "reinstate",
            [
                {"pass_type": w.pass_type, "device_id": w.device_id, "serial": w.serial}
                for w in sorted(writes, key=by_registration)
            ],
        )

    async def forget(self, writes: Sequence[d.Forget], _: Numbers) -> None:
        """What is left of a phone goes with its last registration. One that is registering at this moment is let be."""
        for w in sorted(writes, key=by_registration):
            key = {"pass_type": w.pass_type, "device_id": w.device_id}
            if not self._db.one_writer and not (await self._db.rows("lock_phone_if_free", key))[0][0]:
                continue
            seen = {"serial": w.serial, "push_token": w.push_token, "heard_at": w.heard_at, "told": w.told}
            if await self._db.run("forget_registration", {**key, **seen}):
                for (push_token,) in await self._db.rows("forget_device", key):
                    await self._db.run("drop_target", {"pass_type": w.pass_type, "push_token": push_token})
