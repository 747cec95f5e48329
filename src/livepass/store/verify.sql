-- What is always true of a database, whatever is going on: each statement answers the keys of the rows of which it is
-- not. What a finding means, and what to do, stands by the same name in verify.py.
-- "changed" is greatest(pass.seq, counter.began), as everywhere.

-- ─────────────────────────────────────────────── who belongs to whom

-- name: no_installation
SELECT count(*) FROM installation HAVING count(*) <> 1;

-- name: pass_type_without_counter
SELECT t.pass_type FROM pass_type t WHERE NOT EXISTS (SELECT 1 FROM counter c WHERE c.pass_type = t.pass_type);

-- name: counter_without_pass_type
SELECT c.pass_type FROM counter c WHERE NOT EXISTS (SELECT 1 FROM pass_type t WHERE t.pass_type = c.pass_type);

-- name: pass_without_pass_type
SELECT p.pass_type, p.serial FROM pass p WHERE NOT EXISTS (SELECT 1 FROM pass_type t WHERE t.pass_type = p.pass_type);

-- name: of_no_tenant
SELECT o.tenant, o.what, o.id
  FROM (SELECT tenant, 'pass type' AS what, pass_type AS id FROM pass_type
        UNION ALL SELECT tenant, 'template', name FROM template
        UNION ALL SELECT tenant, 'APNs key', id FROM apns_key
        UNION ALL SELECT tenant, 'signing request', id FROM signing_request
        UNION ALL SELECT tenant, 'webhook endpoint', id FROM webhook_endpoint
        UNION ALL SELECT tenant, 'import', id FROM import_job
        UNION ALL SELECT tenant, 'API key', id FROM api_key WHERE revoked_at IS NULL
        UNION ALL SELECT tenant, 'console user', name FROM console_user WHERE disabled_at IS NULL) o
 WHERE o.tenant <> 'default' AND NOT EXISTS (SELECT 1 FROM tenant t WHERE t.name = o.tenant);

-- name: import_row_of_no_import
SELECT w.job, w.number FROM import_row w
 WHERE NOT EXISTS (SELECT 1 FROM import_job j WHERE j.id = w.job AND j.state <> 'finished');

-- name: pass_without_template
SELECT p.pass_type, p.serial FROM pass p JOIN pass_type t ON t.pass_type = p.pass_type
 WHERE NOT EXISTS (SELECT 1 FROM template_revision r
                    WHERE r.tenant = t.tenant AND r.name = p.template AND r.revision = p.revision);

-- name: pass_without_token_key
SELECT p.pass_type, p.serial FROM pass p
 WHERE p.token_sealed IS NULL AND NOT EXISTS (SELECT 1 FROM shared_key k WHERE k.id = p.token_key);

-- name: template_without_revision
SELECT m.tenant, m.name FROM template m
 WHERE NOT EXISTS (SELECT 1 FROM template_revision r
                    WHERE r.tenant = m.tenant AND r.name = m.name AND r.revision = m.revision);

-- name: certificate_of_no_pass_type
SELECT c.pass_type, c.id FROM certificate c WHERE NOT EXISTS (SELECT 1 FROM pass_type t WHERE t.pass_type = c.pass_type);

-- name: live_certificate_unproven
SELECT c.pass_type, c.id FROM certificate c
 WHERE c.promoted_at IS NOT NULL AND c.retired_at IS NULL AND c.proven_at IS NULL;

-- name: live_certificate_of_another_team
SELECT c.pass_type, c.id FROM certificate c JOIN pass_type t ON t.pass_type = c.pass_type
 WHERE c.promoted_at IS NOT NULL AND c.retired_at IS NULL AND c.team <> t.team;

-- name: push_key_missing
SELECT t.pass_type, t.push_key_id FROM pass_type t
 WHERE t.push_key_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM apns_key k WHERE k.tenant = t.tenant AND k.id = t.push_key_id);

-- name: push_key_retired
SELECT t.pass_type, k.id FROM pass_type t JOIN apns_key k ON k.tenant = t.tenant AND k.id = t.push_key_id
 WHERE k.retired_at IS NOT NULL;

-- name: push_key_of_another_team
SELECT t.pass_type, k.id FROM pass_type t JOIN apns_key k ON k.tenant = t.tenant AND k.id = t.push_key_id
 WHERE t.team <> '' AND k.team <> t.team;

-- name: registration_without_pass
SELECT r.pass_type, r.serial, r.device_id FROM registration r
 WHERE NOT EXISTS (SELECT 1 FROM pass p WHERE p.pass_type = r.pass_type AND p.serial = r.serial);

-- name: registration_without_device
SELECT r.pass_type, r.serial, r.device_id FROM registration r
 WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.pass_type = r.pass_type AND d.device_id = r.device_id);

-- name: device_without_target
SELECT d.pass_type, d.device_id FROM device d
 WHERE EXISTS (SELECT 1 FROM registration r WHERE r.pass_type = d.pass_type AND r.device_id = d.device_id)
   AND NOT EXISTS (SELECT 1 FROM push_target g WHERE g.pass_type = d.pass_type AND g.push_token = d.push_token);

-- name: target_without_device
SELECT g.pass_type, g.push_token FROM push_target g
 WHERE g.token_registered_at < :before
   AND NOT EXISTS (SELECT 1 FROM device d WHERE d.pass_type = g.pass_type AND d.push_token = g.push_token);

-- name: device_without_registration
SELECT d.pass_type, d.device_id FROM device d
 WHERE d.token_registered_at < :before
   AND NOT EXISTS (SELECT 1 FROM registration r WHERE r.pass_type = d.pass_type AND r.device_id = d.device_id);

-- name: enrolment_without_pass
SELECT e.pass_type, e.serial FROM enrolment e
 WHERE NOT EXISTS (SELECT 1 FROM pass p WHERE p.pass_type = e.pass_type AND p.serial = e.serial);

-- name: pass_without_enrolment
SELECT p.pass_type, p.serial FROM pass p
 WHERE p.enrolled <> '' AND NOT EXISTS (SELECT 1 FROM enrolment e
                                         WHERE e.pass_type = p.pass_type AND e.id = p.enrolled AND e.serial = p.serial);

-- name: fan_out_without_pass
SELECT f.pass_type, f.serial FROM fan_out f
 WHERE f.serial <> '' AND NOT EXISTS (SELECT 1 FROM pass p WHERE p.pass_type = f.pass_type AND p.serial = f.serial);

-- ─────────────────────────────────────────────── numbers: none is above the counter that gives them

-- name: epoch_above_counter
SELECT c.pass_type FROM counter c WHERE c.began > c.seq;

-- name: pass_above_counter
SELECT p.pass_type, p.serial FROM pass p JOIN counter c ON c.pass_type = p.pass_type WHERE p.seq > c.seq;

-- name: registration_above_counter
SELECT r.pass_type, r.serial, r.device_id FROM registration r JOIN counter c ON c.pass_type = r.pass_type
 WHERE greatest(r.joined, r.seq, r.served, r.confirmed) > c.seq;

-- name: device_above_counter
SELECT d.pass_type, d.device_id FROM device d JOIN counter c ON c.pass_type = d.pass_type
 WHERE greatest(d.asked, d.told) > c.seq;

-- name: target_above_counter
SELECT g.pass_type, g.push_token FROM push_target g JOIN counter c ON c.pass_type = g.pass_type
 WHERE greatest(g.wanted, g.acked, g.pushed, g.urgent, g.sending) > c.seq;

-- name: fan_out_above_counter
SELECT f.pass_type, f.serial FROM fan_out f JOIN counter c ON c.pass_type = f.pass_type
 WHERE greatest(f.seq, f.wanted) > c.seq;

-- name: enrolment_above_counter
SELECT e.pass_type, e.serial FROM enrolment e JOIN counter c ON c.pass_type = e.pass_type WHERE e.number > c.seq;

-- name: event_above_counter
SELECT e.pass_type, e.id FROM event e JOIN counter c ON c.pass_type = e.pass_type WHERE e.seq > c.seq;

-- name: served_above_changed
SELECT r.pass_type, r.serial, r.device_id FROM registration r
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  JOIN counter c ON c.pass_type = r.pass_type
 WHERE r.served > greatest(p.seq, c.began);

-- name: confirmed_above_served
SELECT pass_type, serial, device_id FROM registration WHERE confirmed > served;

-- name: joined_after_its_number
SELECT pass_type, serial, device_id FROM registration WHERE joined > seq;

-- name: number_below_zero
SELECT pass_type, serial FROM pass WHERE seq < 0
UNION ALL
SELECT pass_type, serial FROM registration WHERE least(joined, seq, served, confirmed) < 0;

-- ─────────────────────────────────────────────── what waits for something

-- name: retell_without_reason
SELECT r.pass_type, r.serial, r.device_id FROM registration r
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  JOIN counter c ON c.pass_type = r.pass_type
 WHERE r.retell_at IS NOT NULL AND (r.left_at IS NOT NULL OR r.confirmed >= greatest(p.seq, c.began));

-- name: lease_forgotten
-- Where nothing is due any more nobody takes over: the phone came by itself, after a worker died that had pushed it.
SELECT pass_type, push_token FROM push_target
 WHERE lease IS NOT NULL AND lease_until < :before AND wanted > acked AND dead_at IS NULL;

-- name: lease_by_halves
SELECT pass_type, push_token FROM push_target
 WHERE (lease IS NULL) <> (lease_until IS NULL) OR (lease IS NULL AND sending <> 0);

-- name: dead_by_halves
SELECT pass_type, push_token FROM push_target WHERE (dead_at IS NULL) <> (dead_reason IS NULL);

-- name: version_from_the_future
SELECT pass_type, serial FROM pass WHERE last_modified > :tomorrow;

-- name: version_later_than_the_newest
SELECT p.pass_type, p.serial FROM pass p JOIN counter c ON c.pass_type = p.pass_type
 WHERE p.last_modified > c.newest_modified;

-- ─────────────────────────────────────────────── the diary

-- name: event_id_given_twice
-- The next id must be above all that are there.
SELECT q.seq FROM (SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0) AS seq) q
 WHERE q.seq < (SELECT max(id) FROM event);

-- name: first_numbers
-- From which number on everything is still written down. (No check: events are compared with it.)
SELECT pass_type, min(seq) FROM event
 WHERE seq > 0 AND kind IN ('issued', 'changed', 'voided', 'personalized', 'enrolled_again', 'registered', 'retold', 'new_epoch')
 GROUP BY pass_type;

-- name: some_passes
SELECT pass_type, serial FROM pass ORDER BY random() LIMIT :limit;
