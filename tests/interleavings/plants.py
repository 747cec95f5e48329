"""Mistakes that isolation alone shows, planted into the product: one at a time they are right.

Each is some replacements of text. ``pair``: where the lane must find it. One that is not found is a fault of the lane.
"""

# ruff: noqa: E501 - lines of the product, as they stand there

from __future__ import annotations

from dataclasses import dataclass

QUERIES, POSTGRES, LOCKING = "store/queries.sql", "store/queries.postgres.sql", "store/locking.py"


@dataclass(frozen=True)
class Plant:
    """``edits``: (file below ``src/livepass``, what stands in it exactly once, what it becomes)."""

    name: str
    what: str
    pair: str
    edits: tuple[tuple[str, str, str], ...]


_IN_TWO = """        self._newest[pass_type] = Tag(found[0][0], found[0][1])
"""
_NUMBER = '        row = await self._one("next_number", pass_type=pass_type, newest_modified=newest_modified)\n'

PLANTS: tuple[Plant, ...] = (
    # ── webhooks
    Plant(
        "disabled-as-it-was-read",
        "whether an endpoint failed for long is read, and then it is disabled: somebody enabled it in between",
        "webhook failed x enable",
        (
            (
                "store/webhooks.py",
                '        return await self._db.run("disable_failing_webhook", key) > 0\n',
                "        since = [one.failing_since for one in await self.webhooks_failing() if one.id == endpoint_id]\n"
                "        if not since or since[0] > failing_before:\n"
                "            return False\n"
                '        return await self._db.run("disable_failing_webhook", key) > 0\n',
            ),
            (QUERIES, " AND failing_since IS NOT NULL AND failing_since <= :failing_before", ""),
        ),
    ),
    # ── numbers and tags
    Plant(
        "number-before-its-commit",
        "the number is taken in a transaction of its own, as one from a sequence is: asks see it before what carries it",
        "change x register, asking phone",
        (
            (
                LOCKING,
                _NUMBER,
                "        async with self._db._db._holder._pool.acquire() as other:\n"
                "            named = self._db._known['next_number']\n"
                "            key = {'pass_type': pass_type, 'newest_modified': newest_modified}\n"
                "            row = (await other.fetch(named.sql, *named.values(key)))[0]\n",
            ),
            ("service/issuing.py", "tx.locked_counter(pass_type) if moves", "tx.counter(pass_type) if moves"),
        ),
    ),
    Plant(
        "number-read-before-the-lock",
        "the counter is read, and then written: two who read at once take one number",
        "register x register, two phones",
        (
            (
                QUERIES,
                "UPDATE counter SET seq = seq + 1, newest_modified",
                "UPDATE counter SET seq = (SELECT c.seq + 1 FROM counter c WHERE c.pass_type = :pass_type), newest_modified",
            ),
        ),
    ),
    Plant(
        "list-and-tag-apart",
        "the tag is read by a second statement, after the list",
        "ask with news x change",
        (
            (
                "store/reading.py",
                _IN_TWO,
                "        late = await self._db.rows('ask_head', key)\n"
                "        found = [(*late[0][:2], *row[2:]) for row in found]\n" + _IN_TWO,
            ),
        ),
    ),
    Plant(
        "floor-before-the-lock",
        "a change reads the history it is stored in before it locks the counter",
        "new epoch x change",
        (("service/issuing.py", "tx.locked_counter(pass_type) if moves", "tx.counter(pass_type) if moves"),),
    ),
    Plant(
        "retelling-takes-first",
        "a number is taken before it is known whether anything is left to be told again",
        "retell x retell",
        (
            (
                "store/writing.py",
                "            await self.locked_counter(pass_type)\n        # Again",
                "            await self._next_number(pass_type)\n        # Again",
            ),
            (
                "store/writing.py",
                "await self._next_number(pass_type) for pass_type in sorted({row[0] for row in found})}",
                "(await self.counter(pass_type)).seq for pass_type in sorted({row[0] for row in found})}",
            ),
        ),
    ),
    Plant(
        "spreading-of-another-history",
        "a keeper goes on with a spreading that stands where it read it, though it is of a newer history",
        "new epoch x spread",
        ((POSTGRES, "AND began = :seq AND spread", "AND :seq > 0 AND spread"),),
    ),
    Plant(
        "history-begun-twice",
        "a new history begins whichever was begun since the end of the one before was found",
        "new epoch x new epoch",
        (
            (
                QUERIES,
                "WHERE pass_type = :pass_type AND epoch = :old_epoch\n",
                "WHERE pass_type = :pass_type AND :old_epoch <> ''\n",
            ),
        ),
    ),
    # ── passes and registrations
    Plant(
        "pass-not-locked",
        "what a draft was based on is compared, and not locked: of two changes one is lost",
        "change x change, each its field",
        ((POSTGRES, " ORDER BY serial FOR NO KEY UPDATE;", " ORDER BY serial;"),),
    ),
    Plant(
        "joined-pass-not-locked",
        "a pass may be erased while it is joined",
        "erase x register",
        ((POSTGRES, "AND serial = :serial FOR KEY SHARE;", "AND serial = :serial;"),),
    ),
    Plant(
        "phone-not-locked",
        "two registrations of one phone are decided side by side",
        "register x register, one phone",
        (
            (
                LOCKING,
                '            await self._db.rows("lock_phone_and_token", {**key, "push_token": push_token})\n',
                "            pass\n",
            ),
        ),
    ),
    Plant(
        "refreshed-not-locked",
        "a registration that is joined anew may be pruned beside it: what is old is looked for, and not locked",
        "prune x phone that left",
        (
            (
                POSTGRES,
                "   WHERE left_at IS NOT NULL AND left_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED)",
                "   WHERE left_at IS NOT NULL AND left_at < :before LIMIT :limit)",
            ),
        ),
    ),
    Plant(
        "targets-before-devices",
        "who writes down an ask locks the push target first, and who registers the phone",
        "register x ask, one phone",
        (
            (
                LOCKING,
                "            await self._lock_devices(pass_type, devices)\n",
                "            await self._lock_targets(pass_type, {token for write in mine for token in _tokens(write)})\n"
                "            await self._lock_devices(pass_type, devices)\n",
            ),
        ),
    ),
    Plant(
        "erased-before-its-phones",
        "an erasing locks registrations before the phones that they are of",
        "erase x ask, two device ids",
        (("store/writing.py", "        await self._lock_devices(pass_type, phones)\n", ""),),
    ),
    # ── pushes
    Plant(
        "claim-without-lock",
        "two workers find the same pushes due",
        "claim x claim",
        ((POSTGRES, "g.next_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)", "g.next_at LIMIT :limit)"),),
    ),
    Plant(
        "refusal-beside-choice",
        "what pushes is read, and another one chosen before it is written down that APNs refused it",
        "refused x choose",
        (
            (
                POSTGRES,
                "SELECT 1 FROM pass_type WHERE pass_type = :pass_type FOR SHARE;",
                "SELECT 1 FROM pass_type WHERE pass_type = :pass_type;",
            ),
        ),
    ),
    Plant(
        "key-retired-beside-choice",
        "whether a key is in use is read before it is locked",
        "choose x retire",
        (
            (
                POSTGRES,
                "SELECT 1 FROM apns_key WHERE tenant = :tenant AND id = :id FOR UPDATE;",
                "SELECT 1 FROM apns_key WHERE tenant = :tenant AND id = :id;",
            ),
        ),
    ),
    Plant(
        "lease-not-checked",
        "a worker that lost its lease writes down what it did",
        "late record x claim",
        (
            (
                POSTGRES,
                "push_token = ANY (:outcome_push_token) AND lease = :lease\n",
                "push_token = ANY (:outcome_push_token) AND :lease <> ''\n",
            ),
        ),
    ),
    Plant(
        "410-whenever-registered",
        "a 410 is believed whatever was registered since the push was claimed",
        "record 410 x register",
        (
            (
                POSTGRES,
                "       dead_at = CASE WHEN o.dead_reason IS NOT NULL AND g.token_registered_at <= o.token_registered_at\n",
                "       dead_at = CASE WHEN o.dead_reason IS NOT NULL AND o.token_registered_at > 0\n",
            ),
            (
                POSTGRES,
                "       dead_reason = CASE WHEN o.dead_reason IS NOT NULL AND g.token_registered_at <= o.token_registered_at\n",
                "       dead_reason = CASE WHEN o.dead_reason IS NOT NULL AND o.token_registered_at > 0\n",
            ),
        ),
    ),
    Plant(
        "death-beside-registration",
        "whether a token is dead is read before its target is locked, and not looked at again",
        "record 410 x register",
        (
            (
                QUERIES,
                "greatest(token_registered_at, :at), dead_at = NULL, dead_reason = NULL\n",
                "greatest(token_registered_at, :at)\n",
            ),
        ),
    ),
    Plant(
        "change-under-way-forgotten",
        "an answer postpones what became due while the push was under way",
        "record 200 x change",
        (
            (
                POSTGRES,
                "next_at = CASE WHEN g.wanted > g.sending THEN greatest(g.next_at, o.hold_until) ELSE o.next_at END",
                "next_at = CASE WHEN g.wanted > g.sending AND false THEN o.hold_until ELSE o.next_at END",
            ),
        ),
    ),
    Plant(
        "rest-not-locked",
        "a keeper moves on from where it read that the making due stands, whatever changed since",
        "fan-out x change",
        ((POSTGRES, "seq, serial LIMIT :limit FOR UPDATE SKIP LOCKED;", "seq, serial LIMIT :limit;"),),
    ),
    Plant(
        "siblings-not-locked",
        "an ask looks at what the other device ids of a phone were told before it locks their target",
        "ask x ask, two device ids",
        (
            (
                LOCKING,
                "d.Reinstate | d.Forget | d.Retarget | d.RaiseAsked) for write",
                "d.Reinstate | d.Forget | d.Retarget) for write",
            ),
        ),
    ),
)
