"""Mistakes of this field, planted into the product: the simulation must find every one.

Each is one replacement of text in one file. A mistake that is not found is a fault of the simulation.
"""

# ruff: noqa: E501 - lines of the product, as they stand there

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """``file`` is below ``src/livepass``; ``old`` stands in it exactly once."""

    name: str
    what: str
    file: str
    old: str
    new: str


PLANTED: tuple[Plant, ...] = (
    # ── numbers and tags
    Plant(
        "number-from-a-clock",
        "a timestamp instead of a locked counter: two changes of a moment, or a clock put back, hide each other",
        "store/queries.sql",
        "UPDATE counter SET seq = seq + 1, newest_modified",
        "UPDATE counter SET seq = max(seq, (SELECT coalesce(max(at), 0) / 1000 FROM event)), newest_modified",
    ),
    Plant(
        "list-and-tag-apart",
        "the tag is read by a second statement, after the list: it covers what the list could not see",
        "store/reading.py",
        "        self._newest[pass_type] = Tag(found[0][0], found[0][1])\n",
        "        late = await self._db.rows('ask_head', key)\n"
        "        found = [(*late[0][:2], *row[2:]) for row in found]\n"
        "        self._newest[pass_type] = Tag(found[0][0], found[0][1])\n",
    ),
    Plant(
        "asked-off-by-one",
        "`>=` becomes `>` on the other side: the newest number before the tag is taken for told",
        "core/trip3_ask.py",
        "named = sorted((row for row in rows if since is None or row.newest > since), key=_serial)",
        "named = sorted((row for row in rows if since is None or row.newest > since + 1), key=_serial)",
    ),
    Plant(
        "tag-of-another-epoch",
        "a tag is believed whatever history it is of",
        "core/trip3_ask.py",
        "if tag is None or tag.epoch != counter.epoch or tag.seq > counter.seq:",
        "if tag is None or tag.seq > counter.seq:",
    ),
    Plant(
        "no-new-epoch",
        "a backup is put back, and the old history goes on",
        "store/queries.sql",
        "UPDATE counter SET epoch = :epoch, seq = seq + 1, began = seq + 1, spread = '',",
        "UPDATE counter SET seq = seq + 1, spread = '',",
    ),
    Plant(
        "epoch-without-began",
        "the new history does not count old passes as changed",
        "store/queries.sql",
        "UPDATE counter SET epoch = :epoch, seq = seq + 1, began = seq + 1, spread = '',",
        "UPDATE counter SET epoch = :epoch, seq = seq + 1, spread = '',",
    ),
    Plant(
        "join-without-number",
        "a registration takes no number: a pass that changed before it is never told to a phone with a later tag",
        "store/writing.py",
        '                "seq": numbers[w.pass_type],\n                "at": w.at,\n                "push_at"',
        '                "seq": 0,\n                "at": w.at,\n                "push_at"',
    ),
    Plant(
        "head-without-look",
        "what a process remembers of the newest number is believed without asking the database",
        "store/reading.py",
        "            if head is not None and (head[0], head[1]) == (tag.epoch, tag.seq) and (head[5] or 0) >= tag.seq:\n",
        "            if head is not None:\n",
    ),
    # ── versions
    Plant(
        "if-modified-since-by-order",
        "dates are compared as dates: after a restore, 'not later' is not 'the same'",
        "core/trip3_fetch.py",
        "if facts.if_modified_since == last_modified:",
        "from email.utils import parsedate_to_datetime as p\n"
        "    if facts.if_modified_since and p(facts.if_modified_since) >= p(last_modified):",
    ),
    Plant(
        "last-modified-of-the-clock",
        "the second change of a second has the date of the first",
        "core/change.py",
        "return second if previous is None else max(second, previous + 1)",
        "return second",
    ),
    Plant(
        "no-floor",
        "a new history gives away the seconds of the lost one again",
        "store/queries.sql",
        "       modified_floor = greatest(modified_floor, :modified_floor, newest_modified + :ahead)\n",
        "       modified_floor = modified_floor\n",
    ),
    Plant(
        "cached-by-number",
        "built passes are remembered by number alone: after a restore the same numbers mean other versions",
        "service/building.py",
        "        return self._built.get((pass_type, serial, seq, last_modified, certificate_id))",
        "        return next((v for k, (v, _) in self._built._items.items() if k[:3] == (pass_type, serial, seq)), None)",
    ),
    Plant(
        "condition-before-token",
        "304 is answered to whoever knows a date",
        "core/trip3_fetch.py",
        "    known = facts.head is not None\n",
        "    if facts.head is not None and facts.if_modified_since == http_date(facts.head.last_modified):\n"
        "        return Verdict.NOT_MODIFIED, Decision(Reply(304))\n"
        "    known = facts.head is not None\n",
    ),
    Plant(
        "token-of-the-type",
        "one token for all passes of a type: another person's pass is served",
        "keys/ring.py",
        "return derive_token(key, tenant, pass_type, serial, source.salt)",
        "return derive_token(key, tenant, pass_type, '', bytes(16))",
    ),
    Plant(
        "certificate-lapsed",
        "the signer does not look whether its certificate is still valid",
        "pkpass/signature.py",
        "        self._facts.check_valid(moment)\n",
        "",
    ),
    # ── registering
    Plant(
        "token-on-201-only",
        "a known registration does not store the token that it comes with",
        "core/trip1_register.py",
        "    writes: list[Write] = [SaveDevice(facts.pass_type, facts.device_id, push_token, _said_at(facts))]\n"
        "    if joined:\n",
        "    writes: list[Write] = []\n"
        "    if live is None or facts.device is None:\n"
        "        writes.append(SaveDevice(facts.pass_type, facts.device_id, push_token, _said_at(facts)))\n"
        "    if joined:\n",
    ),
    Plant(
        "pushes-stay-with-the-old-token",
        "a new push token does not inherit what its phone is owed",
        "core/trip1_register.py",
        "    if facts.device is not None and changed_token:\n",
        "    if False:\n",
    ),
    Plant(
        "delete-without-tombstone",
        "DELETE removes the registration at once",
        "core/trip1_register.py",
        "    return registration.left_at is None or now - registration.left_at < TOMBSTONE_MS",
        "    return registration.left_at is None",
    ),
    Plant(
        "late-delete-wins",
        "a DELETE that was held up undoes the registration that came after it (each of two rules alone prevents it)",
        "core/trip1_register.py",
        "    if held_up(facts.started_at, facts.now):\n"
        "        return _refuse(facts, Kind.UNREGISTER_REFUSED, 503, _on_its_way(facts))\n"
        "    live = _live(facts)\n"
        "    if live is not None and _registered_since(facts, live):\n",
        "    live = _live(facts)\n    if False:\n",
    ),
    Plant(
        "answered-before-it-is-written",
        "201 goes out, and the registration is written afterwards",
        "service/answering.py",
        "            decision = await self._store.write(work)\n",
        "            decision = await decide(self._store)\n"
        "            self._recorder.note(decision.writes, decision.events)\n",
    ),
    Plant(
        "journal-after-the-answer",
        "the registration journal is written after the answer, or never",
        "service/answering.py",
        "            await self._journal.append(entry)\n",
        "            pass\n",
    ),
    # ── pushing
    Plant(
        "acknowledged-by-apns",
        "a 200 of APNs is taken for the phone having heard",
        "store/queries.sql",
        "   SET pushed = greatest(pushed, :outcome_pushed), ",
        "   SET pushed = greatest(pushed, :outcome_pushed), acked = greatest(acked, :outcome_pushed), ",
    ),
    Plant(
        "sent-before-sending",
        "a push counts as done when it is claimed: a crash in between loses it",
        "store/queries.sql",
        "UPDATE push_target SET lease = :lease, lease_until = :lease_until, sending = wanted, next_at = :lease_until\n",
        "UPDATE push_target SET lease = :lease, lease_until = :lease_until, sending = wanted, acked = wanted, next_at = :lease_until\n",
    ),
    Plant(
        "410-without-its-time",
        "an old 410 buries a token that was registered since",
        "core/trip2_push.py",
        "    if after_registration > RACE_MARGIN_MS or settled:",
        "    if True:",
    ),
    Plant(
        "410-not-compared-when-written",
        "a 410 buries a token that was registered while it was under way",
        "store/queries.sql",
        "       dead_at = CASE WHEN :outcome_dead_reason IS NOT NULL AND token_registered_at <= :outcome_token_registered_at\n",
        "       dead_at = CASE WHEN :outcome_dead_reason IS NOT NULL\n",
    ),
    Plant(
        "ask-does-not-revive",
        "a dead token stays dead though its phone is heard of",
        "core/trip3_ask.py",
        "    if facts.target_dead:\n",
        "    if False:\n",
    ),
    Plant(
        "no-retelling",
        "told is taken for delivered",
        "store/queries.sql",
        "UPDATE registration SET retell_at = :retell_at\n",
        "UPDATE registration SET retell_at = NULL\n",
    ),
    Plant(
        "lease-not-checked",
        "a worker that lost its lease records all the same",
        "store/queries.sql",
        " WHERE pass_type = :pass_type AND push_token = :outcome_push_token AND lease = :lease;",
        " WHERE pass_type = :pass_type AND push_token = :outcome_push_token AND :lease IS NOT NULL;",
    ),
    Plant(
        "lease-not-respected",
        "what another worker has leased is claimed too",
        "store/queries.sql",
        "        WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL AND g.next_at <= :now\n"
        "          AND (g.lease_until IS NULL OR g.lease_until <= :now)\n",
        "        WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL\n",
    ),
    Plant(
        "only-the-first-phone",
        "of several phones that follow a pass, one is pushed",
        "store/queries.sql",
        "        WHERE r.pass_type = :pass_type AND r.serial IN (SELECT value FROM json_each(:serials))\n"
        "          AND (r.left_at IS NULL OR r.left_at > :tombstones_after))\n",
        "        WHERE r.pass_type = :pass_type AND r.serial IN (SELECT value FROM json_each(:serials))\n"
        "          AND (r.left_at IS NULL OR r.left_at > :tombstones_after) LIMIT 1)\n",
    ),
    Plant(
        "circuit-ignored",
        "after a refused credential pushing goes on",
        "service/pushing.py",
        "        if outcome.stop_until is not None:\n",
        "        if False:\n",
    ),
    Plant(
        "budget-ignored",
        "every change is a push at once, whatever the phone bears",
        "service/pushing.py",
        "        if target.urgent >= target.sending:\n",
        "        if True:\n",
    ),
    Plant(
        "lost-history-acknowledges",
        "what a phone was told in a lost history acknowledges pushes of the present one",
        "store/queries.sql",
        "   AND (acked < :told OR (attempts <> 0 AND wanted <= acked))\n"
        "   AND EXISTS (SELECT 1 FROM counter c WHERE c.pass_type = :pass_type AND c.epoch = :epoch AND c.seq >= :told);",
        "   AND (acked < :told OR (attempts <> 0 AND wanted <= acked));",
    ),
    Plant(
        "late-ask-counts",
        "an ask that a proxy repeats long after the phone has gone acknowledges its push",
        "service/answering.py",
        "        if not body or self._came_late(started_at):\n",
        "        if not body:\n",
    ),
    Plant(
        "late-fetch-counts",
        "a fetch that a proxy repeats long after the phone has gone counts as delivery",
        "service/answering.py",
        "            if self._came_late(started_at) or self._ahead(started_at):\n                return Fetched(self, reply)\n",
        "",
    ),
    Plant(
        "template-not-followed",
        "a roll-out that a crash cut off is never finished",
        "service/keeping.py",
        "        await self._issuing.follow_all(lambda: self._rounds.stopping or self._clock.stopwatch() > until)\n",
        "",
    ),
    Plant(
        "built-from-a-newer-row",
        "the date of the version that was decided on goes with the body of a newer one",
        "service/answering.py",
        '        last_modified = (b"last-modified", http_date(row.last_modified).encode())\n',
        '        last_modified = (b"last-modified", http_date(head.last_modified).encode())\n',
    ),
    Plant(
        "late-registration-counts",
        "a registration that a proxy repeats long after brings the phone's old push token back",
        "core/trip1_register.py",
        "    if facts.device is not None and _token_came_since(facts, facts.device):\n",
        "    if False:\n",
    ),
    Plant(
        "token-dated-by-its-arrival",
        "a push token is dated by when its registration got through, not by when the phone sent it",
        "core/trip1_register.py",
        "    return facts.now if facts.started_at is None else min(facts.started_at, facts.now)\n",
        "    return facts.now\n",
    ),
    Plant(
        "later-by-its-numbers",
        "an epoch whose numbers are higher is taken for a later one",
        "core/history.py",
        "    return mark.epoch in ended\n",
        "    return counter.began > mark.seq or mark.epoch in ended\n",
    ),
    Plant(
        "new-history-dated-by-the-clock",
        "a new history begins with dates that the lost one has given away ahead of the clock",
        "core/change.py",
        "AHEAD_SECONDS = 60\n",
        "AHEAD_SECONDS = 2\n",
    ),
    Plant(
        "registering-again-is-nothing",
        "a phone that has a pass anew, its DELETE unheard, is taken for the one that had it before",
        "core/trip1_register.py",
        "    joined = live is None or not _late(facts, live)\n",
        "    joined = live is None\n",
    ),
    Plant(
        "a-guess-is-certain",
        "the diagnosis takes a fetch that is thought to be a phone's for one that was",
        "core/why.py",
        "Sure.CERTAIN if certain else Sure.LIKELY)",
        "Sure.CERTAIN)",
    ),
)
