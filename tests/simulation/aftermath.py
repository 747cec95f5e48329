"""What must be so once everything has been quiet: the liveness rules, and the rules about tables as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.phones import Phone, manifest_of

if TYPE_CHECKING:
    from simulation.world import World


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
    tasks = [task for phone in world.phones if phone.on for task in phone.wallet.queue.tasks() if task.kind != "log"]
    return not [task for task in tasks if task.kind != "ask" or task.due_at < world.loop.now + 3600]


def check(world: World) -> None:
    for phone in world.phones:
        if phone.on:
            _coherent(world, phone)
            _not_again_and_again(world, phone)
    _drained(world)


def _coherent(world: World, phone: Phone) -> None:
    """L1: every reachable phone holds the current content. L4: whoever believes to be registered is."""
    ledger = world.ledger
    for key, held in sorted(phone.wallet.passes.items()):
        version = ledger.current(key)
        record = phone.wallet.record_for(held)
        if not held.updatable or not held.registered or record is None or key in phone.wallet.stranded:
            continue
        if phone.enrolled.get(key) != held.token:
            continue
        if version is None or not _same_pass(world, key, held.token):
            continue
        found = world.server.look(_STANDS, key[0], record.device_id, key[1])
        if not found or found[0][0] != phone.wallet.push_token:
            # Without a journal, a backup loses registrations, and the push tokens that came with them.
            if not ledger.copy or world.has_journal:
                how = "with another push token" if found else "not at all"
                ledger.violate("L4", f"{phone} believes in {key[1]}, which is registered {how}", str(phone), key[1])
            continue
        if not world.pushes or not world.retells or version.quiet:
            continue
        if manifest_of(held.package) != version.manifest:
            ledger.violate(
                "L1",
                f"{phone} holds {manifest_of(held.package)[:8]} of {key[1]}, which is {version.manifest[:8]} now",
                *(str(phone), key[1]),
            )


def _same_pass(world: World, key: tuple[str, str], token: str | None) -> bool:
    """Not one that was erased and made anew: that is another pass, with another token."""
    process = world.some_process()
    rows = world.server.look("SELECT token_key, token_salt FROM pass WHERE pass_type = ? AND serial = ?", *key)
    if process is None or not rows:
        return False
    from livepass.core.model import TokenSource

    return process.keys.token("default", *key, TokenSource(*rows[0])) == token


_STANDS = """
SELECT d.push_token FROM registration r
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
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
