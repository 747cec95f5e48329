-- What PostgreSQL keeps elsewhere.

-- name: event_id_given_twice
-- A sequence that was never used gives 1 next.
SELECT q.seq FROM (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')), 0) AS seq) q
 WHERE q.seq < (SELECT max(id) FROM event);
