"""What ``livepass why`` says, held against what phones really hold.

W1, at any time: what is called current is current. W2, once all is well: nobody is accused. Both look from outside,
between two steps of the world, and change nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from livepass.core.model import Process
from livepass.core.verdict import Sure, Verdict
from livepass.service.explaining import Explaining
from livepass.store.reading import Reading
from livepass.store.sqlite import SqliteConnection, drive
from simulation.aftermath import same_pass
from simulation.phones import Phone, manifest_of

if TYPE_CHECKING:
    from simulation.ledger import Key
    from simulation.world import World

CURRENT = "LP000"


def never_calls_stale_current(world: World) -> None:
    """W1, of what is called certain. Before somebody notices that the database went back, nobody can know."""
    ledger = world.ledger
    for phone, key, held, verdict in _said(world, newest=False):
        was, now = ledger.unnoticed.get(key[0]), ledger.counters.get(key[0])
        unnoticed = was is not None and now is not None and was.epoch == now.epoch
        if (verdict.code, verdict.sure) != (CURRENT, Sure.CERTAIN) or unnoticed:
            continue
        version = ledger.current(key)
        if version is None or world.network.written.get((str(phone), *key), 0.0) > version.at:
            continue  # the last byte was written: no evidence reaches further
        what = f"why calls {phone} current, which holds {held[:8]} of {key[1]}, which is {version.manifest[:8]}"
        ledger.violate("W1", what, str(phone), key[1])


def accuses_nobody(world: World) -> None:
    """W2, of phones that hold what they should, and can be pushed for all we know: a backup may have lost a push token,
    or the registration that tells an old 410 from a new one. A possibility is no accusation, nor is it one that nobody
    was pushed for what was changed without pushing.
    """
    if not (world.pushes and world.retells):
        return
    for phone, key, _, verdict in _said(world, newest=True):
        version, pushed = world.ledger.current(key), world.server.look(_PUSHED, key[0], verdict.device_id)
        if version is None or version.quiet:
            continue
        lost = bool(world.ledger.copy) and not world.has_journal
        known = [(token, dead_at if lost else None) for token, dead_at in pushed] == [(phone.wallet.push_token, None)]
        if verdict.problem and verdict.sure is not Sure.POSSIBLE and known:
            what = f"{phone} holds the newest {key[1]}, and why says {verdict.code} {verdict.name}: {verdict.sentence}"
            world.ledger.violate("W2", what, str(phone), key[1])


class _Looking(Reading):
    """Nobody notes here which processes run: one that pushes was heard of just now."""

    async def processes(self) -> Sequence[Process]:
        return [Process("p", "host", 1, "serve+worker", 1, 0, 1 << 62, None, 0)]


_PUSHED = """
SELECT d.push_token, g.dead_at FROM device d
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE d.pass_type = ? AND d.device_id = ?"""


def _said(world: World, *, newest: bool) -> Iterator[tuple[Phone, Key, str, Verdict]]:
    """For each phone that is registered and each pass of which it holds the newest version, or does not: the manifest
    that it holds, and what is said of the two.
    """
    server = world.server
    if server.db.in_transaction:
        return
    explaining = Explaining(_Looking(SqliteConnection(server.db, server.statements)), world.clock)
    said: dict[Key, dict[str | None, Verdict]] = {}
    for phone in world.phones:
        for key, held in sorted(phone.wallet.passes.items()):
            record, version = phone.wallet.record_for(held), world.ledger.current(key)
            if record is None or version is None or not phone.on or not held.registered:
                continue
            if phone.enrolled.get(key) != held.token or not same_pass(world, key, held.token):
                continue
            manifest = manifest_of(held.package)
            if (manifest == version.manifest) is not newest:
                continue
            if key not in said:
                said[key] = {one.device_id: one for one in reversed(drive(explaining.explain(*key)).verdicts)}
            if record.device_id in said[key]:
                yield phone, key, manifest, said[key][record.device_id]
