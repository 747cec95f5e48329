-- A pass's number without its document. An ask needs nothing else of a pass, and rows of over a kilobyte each would be
-- most of what it reads. PostgreSQL cannot read it from an index alone while the rows change.
CREATE INDEX pass_seq ON pass (pass_type, serial, seq);

-- What the planner is to assume, whatever the tables hold today: a pass type has a million rows, a pass or a phone two.
-- Without it, SQLite walks all registrations of a pass type to find those of one pass. Per index: rows, then rows for
-- each longer prefix of its columns.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('pass', 'sqlite_autoindex_pass_1', '1000000 1000000 1'),
  ('pass', 'pass_seq', '1000000 1000000 1 1'),
  ('pass', 'pass_token', '1000000 1000000 1'),
  ('pass', 'pass_url', '1000000 1000000 500000 1'),
  ('pass', 'pass_follows', '1000000 500000 100000'),
  ('device', 'device', '1000000 1000000 1'),
  ('device', 'device_by_token', '1000000 1000000 2'),
  ('registration', 'registration', '1000000 1000000 2 1'),
  ('registration', 'registration_by_pass', '1000000 1000000 2 1'),
  ('registration', 'registration_to_retell', '1000 2'),
  ('registration', 'registration_left', '1000 2'),
  ('push_target', 'push_target', '1000000 1000000 1'),
  ('push_target', 'push_target_due', '1000 1000 2'),
  ('push_target', 'push_target_dead', '1000 1000 1'),
  ('fan_out', 'fan_out', '10 5 2 1'),
  ('event', 'event_by_pass', '10000000 10000000 20 1'),
  ('event', 'event_by_device', '10000000 10000000 20 1'),
  ('event', 'event_epoch', '1000 500 1'),
  ('event', 'event_left', '1000000 1000000 20 2 1'),
  ('event', 'event_shared', '100000 100000 2 1'),
  ('event', 'event_by_target', '10000000 10000000 20 1');
