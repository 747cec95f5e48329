"""What ``livepass why`` says, held against what phones really hold.

W1, at any time: what is called current is current. W2, once all is well: nobody is accused. Both look from outside,
between two steps of the world, and change nothing in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepass.core.why import Sure, Verdict
from livepass.service.explaining import Explaining
from livepass.store.reading import Reading
from livepass.store.sqlite import SqliteConnection, drive
from simulation.phones import Phone, manifest_of

if TYPE_CHECKING:
    from livepass.emulators.iphone.model import InstalledPass
    from simulation.ledger import Key
    from simulation.world import World

CURRENT = "LP000"


def never_calls_stale_current(world: World) -> None:
    """W1. What was served in this minute may still be on its way to the phone."""
    for phone, key, held, verdict in _said(world):
        version = world.ledger.current(key)
        if verdict.code != CURRENT or version is None or manifest_of(held.package) == version.manifest:
            continue
        was, now = world.ledger.unnoticed.get(key[0]), world.ledger.counters.get(key[0])
        if was is not None and now is not None and was.epoch == now.epoch:
            continue  # nobody has noticed that the database went back
        if world.network.swallowed.get((str(phone), *key), 0.0) > version.at:
            continue
        what = f"why calls {phone} current, which holds {manifest_of(held.package)[:8]} of {key[1]}"
        world.ledger.violate("W1", f"{what}, which is {version.manifest[:8]}", str(phone), key[1])


def accuses_nobody(world: World) -> None:
    """W2, of phones that hold what they should. A possibility is no accusation."""
    if not (world.pushes and world.retells):
        return
    for phone, key, held, verdict in _said(world):
        version = world.ledger.current(key)
        if (
            verdict.problem
            and verdict.sure is not Sure.POSSIBLE
            and version is not None
            and manifest_of(held.package) == version.manifest
        ):
            what = f"{verdict.code} {verdict.name}: {verdict.sentence}"
            world.ledger.violate("W2", f"{phone} holds the newest {key[1]}, and why says {what}", str(phone), key[1])


def _said(world: World) -> list[tuple[Phone, Key, InstalledPass, Verdict]]:
    """For each phone that is registered and each pass on it: what is said of the two."""
    server = world.server
    if server.db.in_transaction:
        return []
    explaining = Explaining(Reading(SqliteConnection(server.db, server.statements)), world.clock)
    said: dict[Key, dict[str | None, Verdict]] = {}
    found = []
    for phone in world.phones:
        for key, held in sorted(phone.wallet.passes.items()):
            record = phone.wallet.record_for(held)
            if record is None or not phone.on or not held.registered or world.ledger.current(key) is None:
                continue
            if key not in said:
                explained = drive(explaining.explain(*key))
                said[key] = {one.device_id: one for one in reversed(explained.verdicts)}
            verdict = said[key].get(record.device_id)
            if verdict is not None:
                found.append((phone, key, held, verdict))
    return found
