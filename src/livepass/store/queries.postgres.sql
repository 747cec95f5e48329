-- What PostgreSQL must do differently: several transactions write at once. Everything that locks more than one row does
-- so in the order that store/locking.py names; everything that only tidies up skips what others hold.

-- ─────────────────────────────────────────────── locks (SQLite has one writer at a time, and so none of these)

-- name: lock_phone
-- A phone's registering and unregistering, one after the other, also of a phone that has no row yet.
SELECT pg_advisory_xact_lock(hashtextextended(:pass_type || chr(10) || :device_id, 0));

-- name: lock_phone_and_token
-- Also of a phone that has several device ids: its push token is what they share. In this order, and one of each at most.
SELECT pg_advisory_xact_lock(hashtextextended(:pass_type || chr(10) || :device_id, 0)),
       pg_advisory_xact_lock(hashtextextended(:pass_type || chr(10) || chr(10) || :push_token, 0));

-- name: lock_phone_if_free
-- For whoever would take something from a phone: not while that phone is registering.
SELECT pg_try_advisory_xact_lock(hashtextextended(:pass_type || chr(10) || :device_id, 0));

-- name: lock_crowd_if_free
SELECT pg_try_advisory_xact_lock(hashtextextended(:pass_type || chr(10) || chr(10) || chr(10) || :serial, 0));

-- name: lock_push_credential
-- Whoever holds pushes of a pass type back says which credential was refused: not while another one is being chosen.
SELECT 1 FROM pass_type WHERE pass_type = :pass_type FOR SHARE;

-- name: lock_lineage
-- Steps with certificates of a pass type are taken one after another: each looks at all of them.
SELECT 1 FROM pass_type WHERE pass_type = :pass_type FOR UPDATE;

-- name: lock_tenant
-- Nothing is put into a tenant while that is removed, which waits for whoever puts something in.
SELECT name FROM tenant WHERE name = :name FOR UPDATE;

-- name: lock_apns_key
-- A key is not retired while it is being chosen, nor replaced by one that does not suit.
SELECT 1 FROM apns_key WHERE tenant = :tenant AND id = :id FOR UPDATE;

-- name: lock_console_user
-- Whoever signs in is not given another role meanwhile, nor disabled, and a code is not taken twice.
SELECT 1 FROM console_user WHERE tenant = :tenant AND name = :name FOR UPDATE;

-- name: drop_old_console_sessions
DELETE FROM console_session WHERE id IN (
  SELECT id FROM console_session WHERE seen_at < :seen_before OR created_at < :created_before FOR UPDATE SKIP LOCKED);

-- name: drop_old_console_links
DELETE FROM console_link WHERE id IN (SELECT id FROM console_link WHERE expires_at <= :now FOR UPDATE SKIP LOCKED);

-- name: lock_pass
-- A pass that is joined must stay; that it changes meanwhile does not matter.
SELECT 1 FROM pass WHERE pass_type = :pass_type AND serial = :serial FOR KEY SHARE;

-- name: lock_pass_for_good
SELECT 1 FROM pass WHERE pass_type = :pass_type AND serial = :serial FOR UPDATE;

-- name: lock_counter
-- A phone with a new push token takes along what it is owed. Not while a change is under way: its pushes would be due to
-- the old token, which is gone when it gets there. And a change is stored in the history that it reads here.
SELECT pass_type, epoch, seq, began, modified_floor FROM counter WHERE pass_type = :pass_type FOR NO KEY UPDATE;

-- name: lock_devices
SELECT 1 FROM device
 WHERE pass_type = :pass_type AND device_id IN (SELECT value FROM json_each(:device_ids))
 ORDER BY device_id FOR NO KEY UPDATE;

-- name: lock_registrations
-- Those that there are.
SELECT r.device_id, r.serial FROM registration r
  JOIN unnest(:device_ids, :serials) AS wanted(device_id, serial)
    ON r.device_id = wanted.device_id AND r.serial = wanted.serial
 WHERE r.pass_type = :pass_type
 ORDER BY r.device_id, r.serial FOR NO KEY UPDATE OF r;

-- name: lock_targets
SELECT 1 FROM push_target
 WHERE pass_type = :pass_type AND push_token IN (SELECT value FROM json_each(:push_tokens))
 ORDER BY push_token FOR NO KEY UPDATE;

-- name: lock_spread
-- Only while the spreading still stands where we read it, and is of the same history: a newer one begins at '' as well.
SELECT 1 FROM counter
 WHERE pass_type = :pass_type AND began = :seq AND spread = :after_token FOR NO KEY UPDATE;

-- ─────────────────────────────────────────────── change

-- name: pass_identities
-- Locked, so that nobody else changes these passes before we have.
SELECT serial, edit, token_key, token_salt, token_sealed FROM pass
 WHERE pass_type = :pass_type AND serial IN (SELECT value FROM json_each(:serials))
 ORDER BY serial FOR NO KEY UPDATE;

-- name: forget_retelling
WITH told AS MATERIALIZED (
  SELECT device_id, serial FROM registration
   WHERE pass_type = :pass_type AND serial IN (SELECT value FROM json_each(:serials))
     AND (retold > 0 OR retell_at IS NOT NULL)
   ORDER BY device_id, serial FOR NO KEY UPDATE)
UPDATE registration r SET retold = 0, retell_at = NULL
  FROM told WHERE r.pass_type = :pass_type AND r.device_id = told.device_id AND r.serial = told.serial;

-- name: want_pushes
WITH followed AS MATERIALIZED (
  SELECT g.push_token FROM push_target g
   WHERE g.pass_type = :pass_type AND g.push_token IN (
         SELECT d.push_token
           FROM registration r JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
          WHERE r.pass_type = :pass_type AND r.serial IN (SELECT value FROM json_each(:serials))
            AND (r.left_at IS NULL OR r.left_at > :tombstones_after))
   ORDER BY g.push_token FOR NO KEY UPDATE)
UPDATE push_target g
   SET wanted = :seq, attempts = 0, next_at = greatest(:push_at, g.hold_until),
       urgent = CASE WHEN :urgent = 1 THEN :seq ELSE g.urgent END
  FROM followed WHERE g.pass_type = :pass_type AND g.push_token = followed.push_token
RETURNING g.dead_at;

-- name: fan_outs
-- What another process is at is skipped.
SELECT pass_type, what, serial, seq, wanted, urgent, push_at, after_key, upto, again_to FROM fan_out
 ORDER BY push_at, pass_type, what, seq, serial LIMIT :limit FOR UPDATE SKIP LOCKED;

-- name: forget_retelling_of
WITH told AS MATERIALIZED (
  SELECT r.device_id, r.serial FROM registration r
   WHERE r.pass_type = :pass_type AND r.device_id IN (SELECT value FROM json_each(:device_ids))
     AND r.serial IN (SELECT value FROM json_each(:serials)) AND (r.retold > 0 OR r.retell_at IS NOT NULL)
     AND (SELECT d.told FROM device d WHERE d.pass_type = :pass_type AND d.device_id = r.device_id) < :seq
   ORDER BY r.device_id, r.serial FOR NO KEY UPDATE OF r)
UPDATE registration r SET retold = 0, retell_at = NULL
  FROM told WHERE r.pass_type = :pass_type AND r.device_id = told.device_id AND r.serial = told.serial;

-- name: want_pushes_of_devices
WITH theirs AS MATERIALIZED (
  SELECT g.push_token FROM push_target g
   WHERE g.pass_type = :pass_type AND g.push_token IN (
         SELECT d.push_token FROM device d
          WHERE d.pass_type = :pass_type AND d.device_id IN (SELECT value FROM json_each(:device_ids)))
   ORDER BY g.push_token FOR NO KEY UPDATE)
UPDATE push_target g SET wanted = :seq, attempts = 0, next_at = greatest(:push_at, g.hold_until)
  FROM theirs WHERE g.pass_type = :pass_type AND g.push_token = theirs.push_token;

-- name: erase_mentions
-- JSON is spelled differently altogether.
UPDATE event
   SET detail = jsonb_set(detail::jsonb, '{serials}', (
                  SELECT coalesce(jsonb_agg(one.value), '[]'::jsonb)
                    FROM jsonb_array_elements(event.detail::jsonb -> 'serials') AS one(value)
                   WHERE one.value <> to_jsonb(:serial)))::text
 WHERE pass_type = :pass_type AND serial IS NULL AND kind = 'asked'
   AND device_id IN (SELECT r.device_id FROM registration r WHERE r.pass_type = :pass_type AND r.serial = :serial)
   AND detail::jsonb -> 'serials' @> to_jsonb(:serial);

-- ─────────────────────────────────────────────── trip 2

-- name: claim_targets
-- Locked rows are somebody else's claim: skipped, not waited for. The limit is applied once, before the update.
WITH due AS MATERIALIZED (
  SELECT g.push_token FROM push_target g
   WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL AND g.next_at <= :now
     AND (g.lease_until IS NULL OR g.lease_until <= :now)
   ORDER BY g.next_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
UPDATE push_target g SET lease = :lease, lease_until = :lease_until, sending = g.wanted, next_at = :lease_until
  FROM due WHERE g.pass_type = :pass_type AND g.push_token = due.push_token
RETURNING g.pass_type, g.push_token, g.token_registered_at, g.wanted, g.acked, g.pushed, g.urgent, g.sending,
          g.attempts, g.next_at, g.lease, g.score, g.last_push_at,
          CASE WHEN g.score <= 0.0 AND coalesce(g.last_push_at, 0) <= :rested THEN 0 ELSE (
               SELECT count(DISTINCT r.serial) FROM device d
                 JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id AND r.left_at IS NULL
                WHERE d.pass_type = g.pass_type AND d.push_token = g.push_token) END,
          g.dead_at, g.dead_reason;

-- name: record_outcome
-- Of as many outcomes as each array has. Those that are still ours are locked first, in their order: a join may come by them in any.
WITH mine AS MATERIALIZED (
  SELECT push_token FROM push_target
   WHERE pass_type = :pass_type AND push_token = ANY (:outcome_push_token) AND lease = :lease
   ORDER BY push_token FOR NO KEY UPDATE)
UPDATE push_target g
   SET pushed = greatest(g.pushed, o.pushed), attempts = o.attempts, hold_until = o.hold_until,
       next_at = CASE WHEN g.wanted > g.sending THEN greatest(g.next_at, o.hold_until) ELSE o.next_at END,
       dead_at = CASE WHEN o.dead_reason IS NOT NULL AND g.token_registered_at <= o.token_registered_at
                      THEN :now ELSE g.dead_at END,
       dead_reason = CASE WHEN o.dead_reason IS NOT NULL AND g.token_registered_at <= o.token_registered_at
                          THEN o.dead_reason ELSE g.dead_reason END,
       score = o.score, last_push_at = o.last_push_at, lease = NULL, lease_until = NULL, sending = 0
  FROM mine
  JOIN unnest(:outcome_push_token, :outcome_token_registered_at, :outcome_pushed, :outcome_attempts, :outcome_next_at,
              :outcome_hold_until, :outcome_dead_reason, :outcome_score, :outcome_last_push_at)
       AS o (push_token, token_registered_at, pushed, attempts, next_at, hold_until, dead_reason, score, last_push_at)
    ON o.push_token = mine.push_token
 WHERE g.pass_type = :pass_type AND g.push_token = mine.push_token;

-- name: want_now
WITH waiting AS MATERIALIZED (
  SELECT g.push_token FROM push_target g
   WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL
     AND (:serial IS NULL OR g.push_token IN (
          SELECT d.push_token FROM registration r
            JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
           WHERE r.pass_type = :pass_type AND r.serial = :serial))
   ORDER BY g.push_token FOR NO KEY UPDATE)
UPDATE push_target g SET next_at = :now, hold_until = 0, attempts = 0, urgent = g.wanted
  FROM waiting WHERE g.pass_type = :pass_type AND g.push_token = waiting.push_token
RETURNING 1;

-- name: resume_pushes
WITH waiting AS MATERIALIZED (
  SELECT push_token FROM push_target
   WHERE pass_type = :pass_type AND wanted > acked AND dead_at IS NULL AND next_at > :now AND lease IS NULL
     AND (attempts = 0 OR pushed < wanted)
   ORDER BY push_token FOR NO KEY UPDATE)
UPDATE push_target g SET next_at = greatest(:now, g.hold_until)
  FROM waiting WHERE g.pass_type = :pass_type AND g.push_token = waiting.push_token;

-- ─────────────────────────────────────────────── trip 3 ask

-- name: ask_snapshot
-- Without the index, which would have to be told that each row may be seen: here that takes the row.
SELECT c.epoch, c.seq, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at, g.dead_at, g.wanted > g.acked,
       r.serial, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold, r.retell_at,
       CASE WHEN p.seq < c.began THEN c.began ELSE p.seq END, g.last_push_at
  FROM counter c
  LEFT JOIN device d ON d.pass_type = c.pass_type AND d.device_id = :device_id
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
  LEFT JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
  LEFT JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
 WHERE c.pass_type = :pass_type;

-- name: ask_heads
-- ask_head for all phones that ask at the same moment: a question to the server costs more than its answer here. One
-- row without a phone where none of them is known.
SELECT d.device_id, c.epoch, c.seq, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at, g.dead_at,
       g.wanted > g.acked, g.last_push_at
  FROM counter c
  LEFT JOIN device d ON d.pass_type = c.pass_type AND d.device_id IN (SELECT value FROM json_each(:device_ids))
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE c.pass_type = :pass_type;

-- name: ask_snapshots
-- ask_snapshot, likewise. A phone has as many rows as passes, and one where it has none.
SELECT d.device_id, c.epoch, c.seq, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at, g.dead_at,
       g.wanted > g.acked, r.serial, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at,
       r.confirmed, r.retold, r.retell_at, CASE WHEN p.seq < c.began THEN c.began ELSE p.seq END, g.last_push_at
  FROM counter c
  LEFT JOIN device d ON d.pass_type = c.pass_type AND d.device_id IN (SELECT value FROM json_each(:device_ids))
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
  LEFT JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
  LEFT JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
 WHERE c.pass_type = :pass_type;

-- ─────────────────────────────────────────────── trip 3 fetch

-- name: fetch_snapshots
-- fetch_snapshot, likewise.
SELECT p.serial, CASE WHEN p.seq < c.began THEN c.began ELSE p.seq END,
       p.last_modified, p.token_key, p.token_salt, p.token_sealed, t.tenant, c.epoch
  FROM (SELECT :pass_type AS pass_type) q
  LEFT JOIN pass_type t ON t.pass_type = q.pass_type
  LEFT JOIN counter c ON c.pass_type = q.pass_type
  LEFT JOIN pass p ON p.pass_type = q.pass_type AND p.serial IN (SELECT value FROM json_each(:serials));

-- name: candidates
SELECT x.*
  FROM unnest(:serials) AS k (serial)
 CROSS JOIN LATERAL (
       SELECT r.serial, r.device_id, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at,
              r.confirmed, r.retold, r.retell_at, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at
         FROM registration r JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
        WHERE r.pass_type = :pass_type AND r.serial = k.serial ORDER BY r.device_id LIMIT :limit + 1) x;

-- ─────────────────────────────────────────────── history

-- name: database_time
-- The clock that all processes share, in milliseconds.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- ─────────────────────────────────────────────── timeline

-- name: add_event
-- Of as many events as each array has. It answers whether there is any endpoint of webhooks: without one, nobody need
-- ask who wants to be told (ADR 38).
WITH added AS (
  INSERT INTO event (at, kind, pass_type, serial, device_id, target, seq, detail)
  SELECT * FROM unnest(:event_at, :event_kind, :event_pass_type, :event_serial, :event_device_id, :event_target,
                       :event_seq, :event_detail))
SELECT EXISTS (SELECT 1 FROM webhook_endpoint);

-- name: testimony
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE kind = 'testified' AND id < :before
   AND (:pass_type IS NULL OR pass_type = :pass_type)
   AND (:within IS NULL OR pass_type IN (SELECT value FROM json_each(:within)))
   AND (:code IS NULL OR detail::json ->> 'code' = :code)
 ORDER BY id DESC LIMIT :limit;

-- name: prune_events
-- Whoever holds a row is using it: skipped until the next time. So are all below.
DELETE FROM event WHERE id = ANY(ARRAY(
  SELECT o.id FROM event o WHERE o.id = ANY(ARRAY(SELECT id FROM event ORDER BY id LIMIT :limit)) AND o.at < :before
   ORDER BY o.id FOR UPDATE SKIP LOCKED));

-- name: prune_tombstones
WITH old AS MATERIALIZED (
  SELECT pass_type, device_id, serial FROM registration
   WHERE left_at IS NOT NULL AND left_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM registration r USING old
 WHERE r.pass_type = old.pass_type AND r.device_id = old.device_id AND r.serial = old.serial;

-- name: prune_dead
WITH old AS MATERIALIZED (
  SELECT r.pass_type, r.device_id, r.serial FROM push_target g
    JOIN device d ON d.pass_type = g.pass_type AND d.push_token = g.push_token
    JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
   WHERE g.dead_at IS NOT NULL AND g.dead_at < :before LIMIT :limit FOR UPDATE OF r, g SKIP LOCKED)
DELETE FROM registration r USING old
 WHERE r.pass_type = old.pass_type AND r.device_id = old.device_id AND r.serial = old.serial
RETURNING r.pass_type, r.serial, r.device_id, r.left_at, r.superseded_at;

-- name: prune_devices
WITH old AS MATERIALIZED (
  SELECT d.pass_type, d.device_id FROM device d
   WHERE d.token_registered_at < :before AND NOT EXISTS (
         SELECT 1 FROM registration r WHERE r.pass_type = d.pass_type AND r.device_id = d.device_id)
   LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM device d USING old WHERE d.pass_type = old.pass_type AND d.device_id = old.device_id;

-- name: prune_processes
DELETE FROM process WHERE id IN (SELECT id FROM process WHERE heard_at < :before FOR UPDATE SKIP LOCKED);

-- name: prune_answers
WITH old AS MATERIALIZED (
  SELECT tenant, caller, key FROM idempotency WHERE at < :before ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM idempotency i USING old WHERE i.tenant = old.tenant AND i.caller = old.caller AND i.key = old.key;

-- name: lock_webhook_endpoint
SELECT 1 FROM webhook_endpoint WHERE id = :id FOR UPDATE;

-- name: claim_webhooks
-- Locked rows are somebody else's claim, as in claim_targets.
WITH due AS MATERIALIZED (
  SELECT m.id FROM webhook_message m
   WHERE m.endpoint = :endpoint AND m.next_at IS NOT NULL AND m.next_at <= :now
   ORDER BY m.next_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
UPDATE webhook_message m SET lease = :lease, next_at = :lease_until
  FROM due WHERE m.endpoint = :endpoint AND m.id = due.id
RETURNING m.endpoint, m.id, m.name, m.at, m.body, m.attempts, m.next_at, m.ok;

-- name: note_stale
-- Its pass is held, so that nothing is noted of one that is being erased.
INSERT INTO stale_pass (pass_type, serial, at)
SELECT p.pass_type, p.serial, :at FROM pass p WHERE p.pass_type = :pass_type AND p.serial = :serial FOR KEY SHARE
ON CONFLICT (pass_type, serial) DO NOTHING;

-- name: drop_removed_webhooks
-- What is locked is just being recorded, and dropped next time.
WITH RECURSIVE seen(endpoint) AS (
  SELECT min(endpoint) FROM webhook_message
  UNION ALL SELECT (SELECT min(m.endpoint) FROM webhook_message m WHERE m.endpoint > seen.endpoint)
              FROM seen WHERE seen.endpoint IS NOT NULL),
gone AS MATERIALIZED (
  SELECT m.endpoint, m.id FROM seen JOIN webhook_message m ON m.endpoint = seen.endpoint
   WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = seen.endpoint) LIMIT :limit FOR UPDATE OF m SKIP LOCKED)
DELETE FROM webhook_message m USING gone WHERE m.endpoint = gone.endpoint AND m.id = gone.id;

-- name: drop_removed_attempts
WITH RECURSIVE seen(endpoint) AS (
  SELECT min(endpoint) FROM webhook_attempt
  UNION ALL SELECT (SELECT min(a.endpoint) FROM webhook_attempt a WHERE a.endpoint > seen.endpoint)
              FROM seen WHERE seen.endpoint IS NOT NULL),
gone AS MATERIALIZED (
  SELECT a.endpoint, a.message, a.number FROM seen JOIN webhook_attempt a ON a.endpoint = seen.endpoint
   WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = seen.endpoint) LIMIT :limit FOR UPDATE OF a SKIP LOCKED)
DELETE FROM webhook_attempt a USING gone
 WHERE a.endpoint = gone.endpoint AND a.message = gone.message AND a.number = gone.number;

-- name: prune_webhooks
WITH old AS MATERIALIZED (
  SELECT endpoint, id FROM webhook_message WHERE at < :before ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM webhook_message m USING old WHERE m.endpoint = old.endpoint AND m.id = old.id;

-- name: prune_webhook_attempts
WITH old AS MATERIALIZED (
  SELECT endpoint, message, number FROM webhook_attempt
   WHERE at < :before ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM webhook_attempt a USING old
 WHERE a.endpoint = old.endpoint AND a.message = old.message AND a.number = old.number;

-- name: prune_targets
WITH old AS MATERIALIZED (
  SELECT g.pass_type, g.push_token FROM push_target g
   WHERE g.token_registered_at < :before AND NOT EXISTS (
         SELECT 1 FROM device d WHERE d.pass_type = g.pass_type AND d.push_token = g.push_token)
   LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM push_target g USING old WHERE g.pass_type = old.pass_type AND g.push_token = old.push_token;

-- name: table_sizes
-- Counting takes as long as reading here, so it is the server's own estimate (never negative: -1 is "not analyzed yet"),
-- and each table knows its bytes, indexes included.
SELECT c.relname::text COLLATE "C", greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)::bigint
  FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1;

-- name: claim_import
-- A locked row is somebody else's claim, as in claim_targets.
WITH due AS MATERIALIZED (
  SELECT j.id FROM import_job j WHERE j.state = 'working' AND j.lease_until <= :now
   ORDER BY j.turn_at, j.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
UPDATE import_job SET lease = :lease, lease_until = :lease_until, turn_at = :now
  FROM due WHERE import_job.id = due.id
RETURNING tenant, import_job.id, caller, created_at, push, dry_run, columns, pass_types, unused, state, total, made,
          changed, unchanged, refused, failed, vain, turn_at, ended_at, NULL, 0;
