"""What must be so once everything has been quiet: the liveness rules, and the rules about tables as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepass.core.model import TokenSource
from livepass.core.trip1_register import TWINS_KEPT
from simulation.papers import opened
from simulation.phones import Phone, manifest_of
from simulation.stranger import NaiveWallet

if TYPE_CHECKING:
    from simulation.world import World


PEACE_SECONDS = 3 * 3600.0
"""So long nobody has anything to do, and nothing is done."""


def still(world: World) -> bool:
    """Whether nothing is going on any more that could change anything for a phone."""
    now = world.clock.now()
    if any(not process.open for process in world.processes):
        return False
    if world.server.look("SELECT 1 FROM push_target WHERE wanted > acked AND dead_at IS NULL LIMIT 1"):
        return False
    if world.server.look("SELECT 1 FROM registration WHERE retell_at > ? AND left_at IS NULL LIMIT 1", now - 7_200_000):
        return False
    if world.server.look("SELECT 1 FROM counter WHERE spread IS NOT NULL"):
        return False
    if not brought_back(world):
        return False
    tasks = [task for phone in world.phones if phone.on for task in phone.wallet.queue.tasks() if task.kind != "log"]
    return not [task for task in tasks if task.kind != "ask" or task.due_at < world.loop.now + PEACE_SECONDS]


def brought_back(world: World) -> bool:
    """Whether the journal was replayed since the database went back, so that nobody's registration is missing."""
    epochs = {row[0]: row[1] for row in world.server.look("SELECT pass_type, epoch FROM counter")}
    return not world.has_journal or not world.ledger.copy or world.shelf.replayed == epochs


def check(world: World) -> None:
    for phone in world.phones:
        if phone.on:
            _coherent(world, phone)
            _soon(world, phone)
            _not_again_and_again(world, phone)
    for stranger in world.strangers:
        _naive_too(world, stranger)
    _drained(world)
    _rolled_out(world)
    _no_secret(world)
    _double_entry(world)


def check_rest(world: World, pushes: int) -> None:
    """L2: where nothing is owed, nothing is pushed. A wallet that asks without a tag is told again each time."""
    if pushes and not world.strangers and not _left_unseen(world):
        world.ledger.violate("L2", f"{pushes} pushes though every phone is up to date")


def _left_unseen(world: World) -> bool:
    """Whether all that is owed is owed to phones that left in a history that was lost, without a journal: nobody can
    know that they did, and APNs takes pushes to them.
    """
    if world.has_journal or not world.ledger.copy:
        return False
    owed = world.server.look("SELECT pass_type, push_token FROM push_target WHERE wanted > acked AND dead_at IS NULL")
    phones = {phone.wallet.push_token: phone.wallet for phone in world.phones}
    return all(
        token in phones and not any(held.registered for held in phones[token].passes_of(pass_type))
        for pass_type, token in owed
    )


def check_bounds(world: World) -> None:
    """L5: after 90 days, what is dead and what has left is gone; device ids of one phone do not pile up."""
    look, before = world.server.look, world.clock.now() - KEPT_MS
    left = look("SELECT device_id FROM registration WHERE left_at < ?", before)
    dead = look(_DEAD, before)
    if left or dead:
        world.ledger.violate("L5", f"{len(left)} registrations that left and {len(dead)} dead ones are kept for good")
    used_up = look(_USED_UP, TWINS_KEPT)
    if used_up:
        world.ledger.violate("L5", f"a phone has {used_up[0][0]} superseded device ids for {used_up[0][1]}")


KEPT_MS = 90 * 86_400_000
_DEAD = """
SELECT d.device_id FROM device d JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
  JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
 WHERE g.dead_at < ?"""
_USED_UP = """
SELECT count(*), r.serial FROM device d
  JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
 WHERE r.superseded_at IS NOT NULL GROUP BY d.pass_type, d.push_token, r.serial HAVING count(*) > ?"""


def _rolled_out(world: World) -> None:
    """L3 for templates: a roll-out that began is finished, whoever died in it."""
    behind = world.server.look(
        "SELECT p.serial FROM pass p JOIN template t ON t.name = p.template"
        " WHERE p.pinned = 0 AND p.revision <> t.revision AND p.refused_revision IS NOT t.revision"
    )
    if behind:
        world.ledger.violate("L3", f"{behind[0][0]} does not follow its template", behind[0][0])


def _no_secret(world: World) -> None:
    """S10: no token of a pass and no push token stands in the diary, which people are shown, or in a log."""
    said = "\n".join(row[0] for row in world.server.look("SELECT coalesce(target, '') || detail FROM event"))
    said += "\n".join(world.logged)
    for phone in world.phones:
        for held in phone.wallet.passes.values():
            for secret in (held.token, phone.wallet.push_token):
                if secret and secret in said:
                    world.ledger.violate("S10", f"a token of {phone} stands in the diary or a log", str(phone))


def _double_entry(world: World) -> None:
    """S12: the newest line of the diary about a pass names the number that the pass has. A pass that was looked at and
    not changed since a new history began may stand at the number of that.
    """
    for pass_type, serial, seq, began, noted in world.server.look(_NOTED):
        if noted is not None and seq not in (noted, began):
            what = f"{serial} stands at {seq}, its diary says {noted}"
            world.ledger.violate("S12", what, serial, pass_type)


_NOTED = """
SELECT p.pass_type, p.serial, p.seq, c.began,
       (SELECT e.seq FROM event e WHERE e.pass_type = p.pass_type AND e.serial = p.serial
           AND e.kind IN ('issued', 'changed', 'voided', 'unchanged', 'personalized')
         ORDER BY e.id DESC LIMIT 1)
  FROM pass p JOIN counter c ON c.pass_type = p.pass_type"""


def _naive_too(world: World, stranger: NaiveWallet) -> None:
    """L1 for who polls: it asked since the pass changed last, so it holds that version."""
    version = world.ledger.current(stranger.key)
    if version is None or not stranger.body or not same_pass(world, stranger.key, stranger.token):
        return
    if stranger.asked_at > max(version.at, world.quiet_since) + 60 and stranger.asked_at < world.loop.now - 60:
        held = manifest_of(opened(stranger.body))
        if held != version.manifest:
            world.ledger.violate("L1", f"{stranger.name} holds {held[:8]}, not {version.manifest[:8]}", stranger.name)


def _coherent(world: World, phone: Phone) -> None:
    """L1: every reachable phone holds the current content. L4: whoever believes to be registered is; but for a phone
    whose registration with a push token of before was held up behind one with the new, where no proxy says when a
    request began (``X-Request-Start``): the last to arrive is the newest as far as anybody can know.

    No evidence reaches further than the last byte: a phone whose answer was lost after that, and that then gave up all
    its own tries, counts as served. Nobody on this side of the network can know better.
    """
    ledger = world.ledger
    for key, held in sorted(phone.wallet.passes.items()):
        version = ledger.current(key)
        record = phone.wallet.record_for(held)
        if not held.updatable or not held.registered or record is None or key in phone.wallet.stranded:
            continue
        if phone.enrolled.get(key) != held.token:
            continue
        if version is None or not same_pass(world, key, held.token):
            continue
        found = world.server.look(_STANDS, key[0], record.device_id, key[1])
        if not found or found[0][0] != phone.wallet.push_token:
            # Without a journal, a backup loses registrations, and the push tokens that came with them.
            overtaken = bool(found) and not world.network.stamps and (str(phone), key[0]) in world.network.outrun
            if (not ledger.copy or world.has_journal) and not overtaken:
                how = "with another push token" if found else "not at all"
                ledger.violate("L4", f"{phone} believes in {key[1]}, which is registered {how}", str(phone), key[1])
            continue
        if found[0][1] is not None and ledger.copy and not world.has_journal:
            # The registration that a backup lost is also what tells an old 410 from a new one.
            continue
        if not world.pushes or not world.retells or version.quiet:
            continue
        if key in phone.wallet.gave_up and world.network.swallowed.get((str(phone), *key), 0.0) > version.at:
            continue
        if manifest_of(held.package) != version.manifest:
            ledger.violate(
                "L1",
                f"{phone} holds {manifest_of(held.package)[:8]} of {key[1]}, which is {version.manifest[:8]} now",
                *(str(phone), key[1]),
            )


def _soon(world: World, phone: Phone) -> None:
    """L1: it took no more than two asks of a pass type until the phone had everything. What came without an ask (its
    own tries) took none.
    """
    for pass_type, asks in sorted(phone.needed.items()):
        if asks > 2:
            world.ledger.violate("L1", f"{phone} needed {asks} asks until it had all of {pass_type}", str(phone))


def same_pass(world: World, key: tuple[str, str], token: str | None) -> bool:
    """Not one that was erased and made anew: that is another pass, with another token."""
    process = next((process for process in world.processes if process.open), None)
    rows = world.server.look("SELECT token_key, token_salt FROM pass WHERE pass_type = ? AND serial = ?", *key)
    if process is None or not rows:
        return False
    return process.keys.token("default", *key, TokenSource(*rows[0])) == token


_STANDS = """
SELECT d.push_token, g.dead_at FROM registration r
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE r.pass_type = ? AND r.device_id = ? AND r.serial = ? AND r.left_at IS NULL"""


def _not_again_and_again(world: World, phone: Phone) -> None:
    """L2: nothing that a phone holds is downloaded in full more than three times, beside what adding it again costs."""
    for (key, version), times in sorted(phone.bodies.items()):
        if times > 3 + phone.readded.get(key, 0):
            world.ledger.violate(
                "L2", f"{phone} downloaded {version[:8]} of {key[1]} {times} times", str(phone), key[1]
            )


def _drained(world: World) -> None:
    """L3: no push is due and overdue."""
    overdue = world.server.look(
        "SELECT pass_type, push_token FROM push_target WHERE wanted > acked AND dead_at IS NULL AND next_at < ?",
        world.clock.now() - 3_600_000,
    )
    if overdue and world.pushes:
        world.ledger.violate("L3", f"pushes are due for an hour: {overdue[0][1][:8]}", overdue[0][1][:8])
