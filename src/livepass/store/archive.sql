-- The database as a whole: what is set right after it was filled from an archive, and what it is compared by.

-- name: present
-- Processes that work on this database right now.
SELECT host, pid, role FROM process WHERE heard_at > :after ORDER BY host, pid;

-- name: about
SELECT uuid, created_at FROM installation;

-- name: end_leases
-- Whoever held them is not there, or pushes for another history.
UPDATE push_target SET lease = NULL, lease_until = NULL, sending = 0 WHERE lease IS NOT NULL;

-- name: end_import_leases
UPDATE import_job SET lease = NULL, lease_until = 0 WHERE lease IS NOT NULL;

-- name: is_here
-- The archive says where it was made; the database is stored here.
UPDATE installation SET physical = :physical;

-- name: followed
-- In the order of bytes, as both engines have it: two databases are compared by walking both.
SELECT pass_type, serial, device_id FROM registration
 WHERE left_at IS NULL AND superseded_at IS NULL ORDER BY pass_type, device_id, serial;

-- name: versions
SELECT pass_type, serial, created_at, edit FROM pass ORDER BY pass_type, serial;

-- name: given
SELECT pass_type, id, serial FROM enrolment ORDER BY pass_type, id;

-- name: histories
SELECT pass_type, epoch, seq FROM counter;
