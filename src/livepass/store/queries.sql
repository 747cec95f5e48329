-- Every statement, by name. Format: a line "-- name: N", a sentence, then the statement with :parameters.
-- Sections carry the words of the round trips. Numbers only rise: hence the greatest() everywhere.

-- ─────────────────────────────────────────────── change

-- name: counter
-- The newest number of a pass type and the history it belongs to.
SELECT pass_type, epoch, seq, began, modified_floor FROM counter WHERE pass_type = :pass_type;

-- name: next_number
-- Takes a number, and keeps the date that goes with it. The row stays locked until the commit: commit order is number
-- order, without gaps.
UPDATE counter SET seq = seq + 1, newest_modified = greatest(newest_modified, :newest_modified)
 WHERE pass_type = :pass_type RETURNING seq;

-- name: ensure_counter
INSERT INTO counter (pass_type, epoch, seq, began, modified_floor, newest_modified, spread)
VALUES (:pass_type, :epoch, 0, 0, 0, 0, NULL)
ON CONFLICT (pass_type) DO NOTHING;

-- name: ensure_pass_type
-- The team is adopted once, from the first certificate or pass that names it.
INSERT INTO pass_type (pass_type, tenant, team, created_at)
VALUES (:pass_type, :tenant, :team, :now)
ON CONFLICT (pass_type) DO UPDATE SET team = excluded.team WHERE pass_type.team = '' AND excluded.team <> '';

-- name: tenant
SELECT name, title, created_at FROM tenant WHERE name = :name;

-- name: tenants
SELECT name, title, created_at FROM tenant ORDER BY name;

-- name: within_tenant
-- Nothing at all: there is no other tenant than the one that is always there.
SELECT t.name, p.pass_type FROM tenant t LEFT JOIN pass_type p ON p.tenant = :tenant ORDER BY t.name, p.pass_type;

-- name: add_tenant
INSERT INTO tenant (name, title, created_at) VALUES (:name, :title, :created_at) ON CONFLICT (name) DO NOTHING;

-- name: lock_tenant
SELECT name FROM tenant WHERE name = :name;

-- name: rename_tenant
UPDATE tenant SET title = :title WHERE name = :name;

-- name: remove_tenant
DELETE FROM tenant WHERE name = :name;

-- name: left_in_tenant
SELECT 'pass types', count(*) FROM pass_type WHERE tenant = :tenant HAVING count(*) > 0
UNION ALL SELECT 'templates', count(*) FROM template WHERE tenant = :tenant HAVING count(*) > 0
UNION ALL SELECT 'APNs keys', count(*) FROM apns_key WHERE tenant = :tenant HAVING count(*) > 0
UNION ALL SELECT 'signing requests', count(*) FROM signing_request WHERE tenant = :tenant HAVING count(*) > 0
UNION ALL SELECT 'API keys that still work', count(*) FROM api_key
 WHERE tenant = :tenant AND revoked_at IS NULL HAVING count(*) > 0
UNION ALL SELECT 'webhook endpoints', count(*) FROM webhook_endpoint WHERE tenant = :tenant HAVING count(*) > 0
UNION ALL SELECT 'imports that are not over', count(*) FROM import_job
 WHERE tenant = :tenant AND state IN ('receiving', 'working') HAVING count(*) > 0
UNION ALL SELECT 'console users who may come in', count(*) FROM console_user
 WHERE tenant = :tenant AND disabled_at IS NULL HAVING count(*) > 0;

-- name: pass_type
SELECT pass_type, tenant, team, push_key_id FROM pass_type WHERE pass_type = :pass_type;

-- name: pass_types
SELECT pass_type, tenant, team, push_key_id FROM pass_type ORDER BY pass_type;

-- name: pass
-- A pass older than the present history counts as changed when that began.
SELECT p.pass_type, p.serial, greatest(p.seq, c.began), p.edit, p.last_modified, p.manifest_sha, p.document, p.template,
       p.revision, p.pinned, p.data, p.content, p.token_key, p.token_salt, p.token_sealed, p.voided, p.created_at,
       p.changed_at, p.enrolled, p.holder, p.web_service_url, p.url_seq, p.url_at, p.token_print
  FROM pass p JOIN counter c ON c.pass_type = p.pass_type
 WHERE p.pass_type = :pass_type AND p.serial = :serial;

-- name: passes_named
-- Of a pass type, those with these serial numbers.
SELECT p.pass_type, p.serial, greatest(p.seq, c.began), p.edit, p.last_modified, p.manifest_sha, p.document, p.template,
       p.revision, p.pinned, p.data, p.content, p.token_key, p.token_salt, p.token_sealed, p.voided, p.created_at,
       p.changed_at, p.enrolled, p.holder, p.web_service_url, p.url_seq, p.url_at, p.token_print
  FROM pass p JOIN counter c ON c.pass_type = p.pass_type
 WHERE p.pass_type = :pass_type AND p.serial IN (SELECT value FROM json_each(:serials));

-- name: passes
SELECT p.pass_type, p.serial, greatest(p.seq, c.began), p.edit, p.last_modified, p.manifest_sha, p.document, p.template,
       p.revision, p.pinned, p.data, p.content, p.token_key, p.token_salt, p.token_sealed, p.voided, p.created_at,
       p.changed_at, p.enrolled, p.holder, p.web_service_url, p.url_seq, p.url_at, p.token_print
  FROM pass p JOIN counter c ON c.pass_type = p.pass_type
 WHERE (p.pass_type, p.serial) > (:after_type, :after_serial)
   AND (:pass_type IS NULL OR p.pass_type = :pass_type)
   AND (:within IS NULL OR p.pass_type IN (SELECT value FROM json_each(:within)))
   AND (:template IS NULL OR p.template = :template)
 ORDER BY p.pass_type, p.serial LIMIT :limit;

-- name: passes_beginning
-- As ``passes``, of one pass type those whose serials begin so: a range of the index. :beyond comes after all of them.
SELECT p.pass_type, p.serial, greatest(p.seq, c.began), p.edit, p.last_modified, p.manifest_sha, p.document, p.template,
       p.revision, p.pinned, p.data, p.content, p.token_key, p.token_salt, p.token_sealed, p.voided, p.created_at,
       p.changed_at, p.enrolled, p.holder, p.web_service_url, p.url_seq, p.url_at, p.token_print
  FROM pass p JOIN counter c ON c.pass_type = p.pass_type
 WHERE p.pass_type = :pass_type AND p.serial >= :onwards AND p.serial < :beyond AND p.serial <> :after_serial
   AND (:template IS NULL OR p.template = :template)
 ORDER BY p.serial LIMIT :limit;

-- name: passes_of_holder
-- As ``passes``, from the index of those that have a holder.
SELECT p.pass_type, p.serial, greatest(p.seq, c.began), p.edit, p.last_modified, p.manifest_sha, p.document, p.template,
       p.revision, p.pinned, p.data, p.content, p.token_key, p.token_salt, p.token_sealed, p.voided, p.created_at,
       p.changed_at, p.enrolled, p.holder, p.web_service_url, p.url_seq, p.url_at, p.token_print
  FROM pass p JOIN counter c ON c.pass_type = p.pass_type
 WHERE p.holder = :holder AND (p.pass_type, p.serial) > (:after_type, :after_serial)
   AND (:pass_type IS NULL OR p.pass_type = :pass_type)
   AND (:within IS NULL OR p.pass_type IN (SELECT value FROM json_each(:within)))
   AND (:template IS NULL OR p.template = :template)
   AND (:prefix = '' OR substr(p.serial, 1, length(:prefix)) = :prefix)
 ORDER BY p.pass_type, p.serial LIMIT :limit;

-- name: token_holder
SELECT serial FROM pass WHERE pass_type = :pass_type AND token_print = :token_print;

-- name: addresses
-- From the index alone, but for when.
SELECT web_service_url, count(*), max(url_at) FROM pass WHERE pass_type = :pass_type
 GROUP BY web_service_url ORDER BY web_service_url;

-- name: passes_at
SELECT serial FROM pass WHERE pass_type = :pass_type AND web_service_url = :url AND serial > :after_serial
 ORDER BY serial LIMIT :limit;

-- name: moves
-- How far each phone is on its way to an address; a slash at the end makes no other one. It has the pass that names it
-- once it was served that version; that it joined later shows that it registered there. Names as in core.moving.
SELECT leg, count(*) FROM (
       SELECT CASE WHEN g.dead_at IS NOT NULL AND (rtrim(p.web_service_url, '/') <> :url OR r.served < p.url_seq) THEN 'gone'
                   WHEN rtrim(p.web_service_url, '/') <> :url THEN 'not switched'
                   WHEN p.url_seq = 0 THEN 'never moved'
                   WHEN r.served < p.url_seq THEN 'waiting'
                   WHEN r.joined <= p.url_seq THEN 'fetched'
                   ELSE 'moved' END AS leg
         FROM registration r
         JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
         JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
         LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
        WHERE r.pass_type = :pass_type AND r.left_at IS NULL AND r.superseded_at IS NULL) one
 GROUP BY leg ORDER BY leg;

-- name: stragglers
SELECT r.serial, r.device_id, d.asked_at
  FROM registration r
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE r.pass_type = :pass_type AND r.left_at IS NULL AND r.superseded_at IS NULL AND g.dead_at IS NULL
   AND (rtrim(p.web_service_url, '/') <> :url OR r.served < p.url_seq)
 ORDER BY coalesce(d.asked_at, 0), r.device_id, r.serial LIMIT :limit;

-- name: add_pass
-- A pass that did not exist when it was drawn. If somebody was faster, the key says so and it is drawn anew.
INSERT INTO pass (pass_type, serial, seq, edit, last_modified, manifest_sha, document, template, revision, pinned,
                  refused_revision, data, content, token_key, token_salt, token_sealed, voided, created_at, changed_at,
                  enrolled, holder, web_service_url, url_seq, url_at, token_print)
VALUES (:pass_type, :serial, :seq, :edit, :last_modified, :manifest_sha, :document, :template, :revision, :pinned,
        NULL, :data, :content, :token_key, :token_salt, :token_sealed, :voided, :created_at, :changed_at,
        :enrolled, :holder, :web_service_url, :url_seq, :url_at, :token_print);

-- name: put_pass
-- A pass keeps its token and the day it was made for good.
UPDATE pass SET
  seq = :seq, edit = :edit, last_modified = :last_modified, manifest_sha = :manifest_sha, document = :document,
  template = :template, revision = :revision, pinned = :pinned, refused_revision = NULL, data = :data,
  content = :content, voided = :voided, changed_at = :changed_at, enrolled = :enrolled,
  holder = :holder, web_service_url = :web_service_url, url_seq = :url_seq, url_at = :url_at
 WHERE pass_type = :pass_type AND serial = :serial;

-- name: pass_identities
-- Which writing of which pass is there: what a draft was based on is compared with it.
SELECT serial, edit, token_key, token_salt, token_sealed FROM pass
 WHERE pass_type = :pass_type AND serial IN (SELECT value FROM json_each(:serials));

-- name: followed_by
-- How many phones follow each pass, and how many live push tokens they have.
SELECT r.serial, count(*), count(DISTINCT CASE WHEN g.dead_at IS NULL THEN d.push_token END)
  FROM registration r
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE r.pass_type = :pass_type AND r.serial IN (SELECT value FROM json_each(:serials))
   AND r.left_at IS NULL AND r.superseded_at IS NULL
 GROUP BY r.serial;

-- name: forget_retelling
-- A new version starts with a clean sheet: what was said of the old one is over.
UPDATE registration SET retold = 0, retell_at = NULL
 WHERE pass_type = :pass_type AND serial IN (SELECT value FROM json_each(:serials))
   AND (retold > 0 OR retell_at IS NOT NULL);

-- name: want_pushes
-- Every phone that follows one of these passes is due a push, in the transaction that changed them. Answers a row each;
-- the null is tested by the caller, because SQLite 3.40 says "dead_at IS NULL" is false of a null in RETURNING.
UPDATE push_target
   SET wanted = :seq, attempts = 0, next_at = greatest(:push_at, hold_until),
       urgent = CASE WHEN :urgent = 1 THEN :seq ELSE urgent END
 WHERE pass_type = :pass_type AND push_token IN (
       SELECT d.push_token
         FROM registration r JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
        WHERE r.pass_type = :pass_type AND r.serial IN (SELECT value FROM json_each(:serials))
          AND (r.left_at IS NULL OR r.left_at > :tombstones_after))
RETURNING dead_at;

-- name: followers_up_to
-- Tombstones count, which are few.
SELECT count(*) FROM (SELECT 1 FROM registration
                       WHERE pass_type = :pass_type AND serial IN (SELECT value FROM json_each(:serials))
                       LIMIT :limit) one;

-- name: put_off
-- What is under way goes on from where it is, and all round once more. A change that nobody is to be pushed for takes
-- nothing back of what phones are owed.
INSERT INTO fan_out (pass_type, what, serial, seq, wanted, urgent, push_at, after_key, upto, again_to)
VALUES (:pass_type, :what, :serial, :seq, :wanted, :urgent, :push_at, '', :upto, '')
ON CONFLICT (pass_type, what, serial) DO UPDATE SET
  seq = excluded.seq, wanted = greatest(fan_out.wanted, excluded.wanted),
  urgent = CASE WHEN excluded.wanted > 0 THEN excluded.urgent ELSE fan_out.urgent END,
  push_at = CASE WHEN excluded.wanted > 0 THEN excluded.push_at ELSE fan_out.push_at END,
  upto = excluded.upto, again_to = fan_out.after_key;

-- name: fan_outs
-- What has waited for longest, first: a pass that changes again and again gives way to the others.
SELECT pass_type, what, serial, seq, wanted, urgent, push_at, after_key, upto, again_to FROM fan_out
 ORDER BY push_at, pass_type, what, seq, serial LIMIT :limit;

-- name: fan_outs_under_way
SELECT pass_type, what, serial, seq, wanted, urgent, push_at, after_key, upto, again_to FROM fan_out
 ORDER BY push_at, pass_type, what, serial LIMIT :limit;

-- name: rest_of
SELECT pass_type, what, serial, seq, wanted, urgent, push_at, after_key, upto, again_to FROM fan_out
 WHERE pass_type = :pass_type AND what = :what AND serial IN (SELECT value FROM json_each(:serials)) ORDER BY serial;

-- name: rest_after
UPDATE fan_out SET after_key = :after_key, upto = :upto, again_to = :again_to
 WHERE pass_type = :pass_type AND what = :what AND serial = :serial;

-- name: rest_done
DELETE FROM fan_out WHERE pass_type = :pass_type AND what = :what AND serial = :serial;

-- name: followers_between
SELECT r.device_id, d.push_token, r.retold > 0 OR r.retell_at IS NOT NULL
  FROM registration r JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
 WHERE r.pass_type = :pass_type AND r.serial = :serial AND r.device_id > :after_key AND r.device_id <= :upto
   AND (r.left_at IS NULL OR r.left_at > :tombstones_after)
 ORDER BY r.device_id LIMIT :limit;

-- name: targets_between
SELECT push_token, push_token, NULL FROM push_target
 WHERE pass_type = :pass_type AND push_token > :after_key AND push_token <= :upto ORDER BY push_token LIMIT :limit;

-- name: forget_retelling_of
UPDATE registration SET retold = 0, retell_at = NULL
 WHERE pass_type = :pass_type AND device_id IN (SELECT value FROM json_each(:device_ids))
   AND serial IN (SELECT value FROM json_each(:serials)) AND (retold > 0 OR retell_at IS NOT NULL)
   AND (SELECT d.told FROM device d WHERE d.pass_type = :pass_type AND d.device_id = registration.device_id) < :seq;

-- name: want_pushes_of_targets
-- What is owed a newer number is due already: to a phone that joined, or took a new token, or by another change.
UPDATE push_target SET wanted = :seq, attempts = 0, next_at = greatest(:push_at, hold_until),
       urgent = CASE WHEN :urgent = 1 THEN :seq ELSE urgent END
 WHERE pass_type = :pass_type AND push_token IN (SELECT value FROM json_each(:push_tokens)) AND wanted < :seq
RETURNING dead_at;

-- name: want_pushes_of_devices
UPDATE push_target SET wanted = :seq, attempts = 0, next_at = greatest(:push_at, hold_until)
 WHERE pass_type = :pass_type AND push_token IN (
       SELECT d.push_token FROM device d
        WHERE d.pass_type = :pass_type AND d.device_id IN (SELECT value FROM json_each(:device_ids)));

-- name: put_enrolment
INSERT INTO enrolment (pass_type, id, serial, number, at, on_pass, sealed)
VALUES (:pass_type, :id, :serial, :number, :at, :on_pass, :sealed);

-- name: enrolment
SELECT pass_type, id, serial, number, at, on_pass, sealed FROM enrolment WHERE pass_type = :pass_type AND id = :id;

-- name: enrolments_of
SELECT pass_type, id, serial, number, at, on_pass, sealed FROM enrolment
 WHERE pass_type = :pass_type AND serial = :serial ORDER BY number;

-- name: enrolments
-- In the order in which they were stored: numbers are taken from the locked counter. Numbers of a history that has ended
-- say nothing: then from the beginning.
SELECT e.pass_type, e.id, e.serial, e.number, e.at, e.on_pass, e.sealed, c.epoch
  FROM counter c JOIN enrolment e ON e.pass_type = c.pass_type
   AND e.number > CASE WHEN c.epoch = :epoch THEN :after ELSE -1 END
 WHERE c.pass_type = :pass_type ORDER BY e.number LIMIT :limit;

-- name: erase_pass
DELETE FROM pass WHERE pass_type = :pass_type AND serial = :serial;

-- name: phones_of_pass
SELECT device_id, left_at, superseded_at FROM registration WHERE pass_type = :pass_type AND serial = :serial;

-- name: erase_rest
DELETE FROM fan_out WHERE pass_type = :pass_type AND serial = :serial;

-- name: erase_enrolments
DELETE FROM enrolment WHERE pass_type = :pass_type AND serial = :serial;

-- name: erase_registrations
DELETE FROM registration WHERE pass_type = :pass_type AND serial = :serial;

-- name: forget_device
-- A phone that follows nothing any more.
DELETE FROM device
 WHERE pass_type = :pass_type AND device_id = :device_id
   AND NOT EXISTS (SELECT 1 FROM registration r
                    WHERE r.pass_type = :pass_type AND r.device_id = :device_id)
RETURNING push_token;

-- name: erase_events
DELETE FROM event WHERE pass_type = :pass_type AND serial = :serial;

-- name: erase_mentions
-- An ask names serials in its detail: this one goes, the others stay.
UPDATE event
   SET detail = json_set(detail, '$.serials', json((SELECT json_group_array(value)
                                                      FROM json_each(event.detail, '$.serials')
                                                     WHERE value <> :serial)))
 WHERE pass_type = :pass_type AND serial IS NULL
   AND device_id IN (SELECT device_id FROM registration WHERE pass_type = :pass_type AND serial = :serial)
   AND EXISTS (SELECT 1 FROM json_each(event.detail, '$.serials') WHERE value = :serial);

-- name: refuse_revision
UPDATE pass SET refused_revision = :revision WHERE pass_type = :pass_type AND serial = :serial;

-- name: followers
-- Passes to bring up to their template. Two ranges rather than "<>", and each in the order of the index, so that it
-- finds the few among millions and stops at the limit.
SELECT p.pass_type, p.serial, greatest(p.seq, c.began), p.edit, p.last_modified, p.manifest_sha, p.document, p.template,
       p.revision, p.pinned, p.data, p.content, p.token_key, p.token_salt, p.token_sealed, p.voided, p.created_at,
       p.changed_at, p.enrolled, p.holder, p.web_service_url, p.url_seq, p.url_at, p.token_print
  FROM (
       SELECT b.pass_type, b.serial FROM (
              SELECT o.pass_type, o.serial FROM pass o JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
               WHERE o.template = :template AND o.pinned = 0 AND o.revision < :revision
                 AND (o.refused_revision IS NULL OR o.refused_revision <> :revision)
               ORDER BY o.revision LIMIT :limit) b
       UNION ALL
       SELECT a.pass_type, a.serial FROM (
              SELECT o.pass_type, o.serial FROM pass o JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
               WHERE o.template = :template AND o.pinned = 0 AND o.revision > :revision
                 AND (o.refused_revision IS NULL OR o.refused_revision <> :revision)
               ORDER BY o.revision LIMIT :limit) a
        LIMIT :limit) f
  JOIN pass p ON p.pass_type = f.pass_type AND p.serial = f.serial
  JOIN counter c ON c.pass_type = f.pass_type;

-- name: following
-- Passes that follow a template: those with this revision, those without, and those of the latter that it cannot build;
-- each counted up to a bound, as one template may have millions. A range also where it is one revision, or PostgreSQL
-- would walk all passes.
SELECT (SELECT count(*) FROM (
               SELECT o.serial FROM pass o JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
                WHERE o.template = :template AND o.pinned = 0 AND o.revision BETWEEN :revision AND :revision
                ORDER BY o.revision LIMIT :most) c),
       count(*), count(*) FILTER (WHERE b.refused_revision = :revision)
  FROM (
       SELECT l.refused_revision FROM (
              SELECT o.refused_revision FROM pass o JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
               WHERE o.template = :template AND o.pinned = 0 AND o.revision < :revision
               ORDER BY o.revision LIMIT :most) l
       UNION ALL
       SELECT h.refused_revision FROM (
              SELECT o.refused_revision FROM pass o JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
               WHERE o.template = :template AND o.pinned = 0 AND o.revision > :revision
               ORDER BY o.revision LIMIT :most) h) b;

-- name: templates_behind
-- The first of each range, and not EXISTS: for that PostgreSQL would rather walk all passes than look into the index.
SELECT m.tenant, m.name, m.revision FROM template m
 WHERE (SELECT p.serial FROM pass p JOIN pass_type t ON t.pass_type = p.pass_type AND t.tenant = m.tenant
         WHERE p.template = m.name AND p.pinned = 0 AND p.revision < m.revision
           AND (p.refused_revision IS NULL OR p.refused_revision <> m.revision)
         ORDER BY p.revision LIMIT 1) IS NOT NULL
    OR (SELECT p.serial FROM pass p JOIN pass_type t ON t.pass_type = p.pass_type AND t.tenant = m.tenant
         WHERE p.template = m.name AND p.pinned = 0 AND p.revision > m.revision
           AND (p.refused_revision IS NULL OR p.refused_revision <> m.revision)
         ORDER BY p.revision LIMIT 1) IS NOT NULL;

-- name: behind_template
-- How many passes a roll-out still has before it, and how many could not be built from that revision: no more than so many
-- of each are counted. As in templates_behind, two ranges of the index.
SELECT sum(CASE WHEN f.refused_revision = :revision THEN 0 ELSE 1 END),
       sum(CASE WHEN f.refused_revision = :revision THEN 1 ELSE 0 END)
  FROM (SELECT b.refused_revision FROM (
               SELECT o.refused_revision FROM pass o
                 JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
                WHERE o.template = :template AND o.pinned = 0 AND o.revision < :revision
                ORDER BY o.revision LIMIT :most) b
        UNION ALL
        SELECT a.refused_revision FROM (
               SELECT o.refused_revision FROM pass o
                 JOIN pass_type t ON t.pass_type = o.pass_type AND t.tenant = :tenant
                WHERE o.template = :template AND o.pinned = 0 AND o.revision > :revision
                ORDER BY o.revision LIMIT :most) a
         LIMIT :most) f;

-- name: template
SELECT r.name, r.revision, r.files, r.variables, r.created_at, m.revision = r.revision
  FROM template_revision r JOIN template m ON m.tenant = r.tenant AND m.name = r.name
 WHERE r.tenant = :tenant AND r.name = :name AND r.revision = coalesce(:revision, m.revision);

-- name: templates
SELECT r.name, r.revision, r.files, r.variables, r.created_at, m.revision = r.revision
  FROM template_revision r JOIN template m ON m.tenant = r.tenant AND m.name = r.name AND m.revision = r.revision
 WHERE r.tenant = :tenant ORDER BY r.name;

-- name: put_template_revision
INSERT INTO template_revision (tenant, name, revision, files, variables, created_at)
VALUES (:tenant, :name, :revision, :files, :variables, :created_at)
ON CONFLICT (tenant, name, revision) DO NOTHING;

-- name: point_template
INSERT INTO template (tenant, name, revision) VALUES (:tenant, :name, :revision)
ON CONFLICT (tenant, name) DO UPDATE SET revision = excluded.revision;

-- ─────────────────────────────────────────────── trip 1

-- name: register_snapshot
SELECT p.token_key, p.token_salt, p.token_sealed, t.tenant,
       d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at,
       r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold, r.retell_at,
       g.dead_at,
       CASE WHEN r.joined IS NOT NULL AND r.left_at IS NULL THEN 0
            ELSE (SELECT count(*) FROM (SELECT 1 FROM registration f
                                         WHERE f.pass_type = :pass_type AND f.serial = :serial
                                           AND f.left_at IS NULL AND f.superseded_at IS NULL LIMIT :most_phones) one) END,
       o.device_id, o.registered_at, o.left_at, o.superseded_at, x.token_registered_at, x.told
  FROM (SELECT :pass_type AS pass_type, :serial AS serial, :device_id AS device_id) q
  LEFT JOIN pass_type t ON t.pass_type = q.pass_type
  LEFT JOIN pass p ON p.pass_type = q.pass_type AND p.serial = q.serial
  LEFT JOIN device d ON d.pass_type = q.pass_type AND d.device_id = q.device_id
  LEFT JOIN registration r ON r.pass_type = q.pass_type AND r.device_id = q.device_id AND r.serial = q.serial
  LEFT JOIN push_target g ON g.pass_type = q.pass_type AND g.push_token = d.push_token
  LEFT JOIN device x ON x.pass_type = q.pass_type AND x.push_token = coalesce(:push_token, d.push_token)
                    AND x.device_id <> q.device_id
  LEFT JOIN registration o ON o.pass_type = q.pass_type AND o.device_id = x.device_id AND o.serial = q.serial;

-- name: last_left
-- Of one device id, by an index of such events alone: those of a pass that many phones follow are never walked. One that
-- was superseded has no leaving of its own: the phone leaves under the newer one.
SELECT max(at) FROM event
 WHERE pass_type = :pass_type AND serial = :serial AND device_id = :device_id
   AND (kind = 'unregistered' OR kind = 'registration_superseded');

-- name: push_token
SELECT push_token FROM device WHERE pass_type = :pass_type AND device_id = :device_id;

-- name: crowd_said
-- When it was last said of a pass that too many phones have it, as far as its latest events go.
SELECT max(late.at)
  FROM (SELECT at, kind FROM event WHERE pass_type = :pass_type AND serial = :serial ORDER BY id DESC LIMIT :limit) late
 WHERE late.kind = 'too_many_phones';

-- name: crowd_size
SELECT count(*) FROM (SELECT 1 FROM registration
                       WHERE pass_type = :pass_type AND serial = :serial AND left_at IS NULL AND superseded_at IS NULL
                       LIMIT :limit) one;

-- name: crowd_silent
-- Phones that never asked and were never served, among some of those that follow a pass: the next ones after a device id,
-- which is random, and round to it again. A pass that millions follow is never walked.
SELECT s.device_id, d.push_token, s.registered_at, d.token_registered_at
  FROM (SELECT a.device_id, a.registered_at, a.left_at, a.superseded_at, a.served FROM (
               SELECT * FROM registration
                WHERE pass_type = :pass_type AND serial = :serial AND device_id > :device_id
                ORDER BY device_id LIMIT :limit) a
        UNION ALL
        SELECT b.device_id, b.registered_at, b.left_at, b.superseded_at, b.served FROM (
               SELECT * FROM registration
                WHERE pass_type = :pass_type AND serial = :serial AND device_id < :device_id
                ORDER BY device_id LIMIT :limit) b) s
  JOIN device d ON d.pass_type = :pass_type AND d.device_id = s.device_id
 WHERE s.left_at IS NULL AND s.superseded_at IS NULL AND s.served = 0 AND d.told = 0;

-- name: supersede
UPDATE registration SET superseded_at = coalesce(superseded_at, :at), retell_at = NULL
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial AND left_at IS NULL
   AND (SELECT d.push_token FROM device d WHERE d.pass_type = :pass_type AND d.device_id = :device_id) = :push_token;

-- name: reinstate
UPDATE registration SET superseded_at = NULL
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial AND superseded_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM device x
                     JOIN registration o ON o.pass_type = x.pass_type AND o.device_id = x.device_id
                    WHERE x.pass_type = :pass_type AND o.serial = :serial AND x.push_token = (
                          SELECT d.push_token FROM device d WHERE d.pass_type = :pass_type AND d.device_id = :device_id)
                      AND o.left_at IS NULL AND o.superseded_at IS NULL);

-- name: forget_registration
-- Unless the phone was heard of since.
DELETE FROM registration
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial
   AND (SELECT CASE WHEN d.push_token = :push_token AND d.token_registered_at <= :heard_at AND d.told <= :told THEN 1 END
          FROM device d WHERE d.pass_type = :pass_type AND d.device_id = :device_id) = 1;

-- name: save_device
-- The newest token wins, also on a registration that we knew: it may have changed while the rest did not.
INSERT INTO device (pass_type, device_id, push_token, token_registered_at, asked, told, asked_at)
VALUES (:pass_type, :device_id, :push_token, :at, 0, 0, NULL)
ON CONFLICT (pass_type, device_id) DO UPDATE SET
  push_token = excluded.push_token,
  token_registered_at = greatest(device.token_registered_at, excluded.token_registered_at);

-- name: touch_target
-- Every registration is news about its token: it was alive at that instant. Also where its death was written down since
-- the registration was decided.
UPDATE push_target SET token_registered_at = greatest(token_registered_at, :at), dead_at = NULL, dead_reason = NULL
 WHERE pass_type = :pass_type AND push_token = :push_token;

-- name: join
INSERT INTO registration (pass_type, device_id, serial, joined, seq, registered_at, left_at, superseded_at, served,
                          served_at, confirmed, retold, retell_at)
VALUES (:pass_type, :device_id, :serial, :seq, :seq, :at, NULL, NULL, 0, NULL, 0, 0, NULL)
ON CONFLICT (pass_type, device_id, serial) DO UPDATE SET
  joined = excluded.joined, seq = excluded.seq, registered_at = excluded.registered_at, left_at = NULL,
  superseded_at = NULL, served = 0, served_at = NULL, confirmed = 0, retold = 0, retell_at = NULL;

-- name: want_join
-- Joining is owed a push too, but later: the phone is about to ask by itself. A token that had been dropped and comes
-- back was pushed to all the same. What touch_target and revive say of a token is said of this one too.
INSERT INTO push_target (pass_type, push_token, token_registered_at, wanted, acked, pushed, urgent, sending, attempts,
                         next_at, hold_until, lease, lease_until, score, last_push_at, dead_at, dead_reason)
SELECT d.pass_type, d.push_token, d.token_registered_at, :seq, 0,
       CASE WHEN EXISTS (SELECT 1 FROM push_target g WHERE g.pass_type = d.pass_type AND g.push_token = d.push_token) THEN 0
            ELSE coalesce((SELECT max(e.seq) FROM event e
                            WHERE e.pass_type = d.pass_type AND e.target = :target AND e.serial IS NULL
                              AND e.kind = 'push_accepted'), 0) END,
       0, 0, 0, :push_at, 0, NULL, NULL, 0, NULL, NULL, NULL
  FROM device d WHERE d.pass_type = :pass_type AND d.device_id = :device_id
ON CONFLICT (pass_type, push_token) DO UPDATE SET
  next_at = CASE WHEN push_target.wanted > push_target.acked THEN least(push_target.next_at, excluded.next_at)
                 ELSE excluded.next_at END,
  wanted = greatest(push_target.wanted, excluded.wanted),
  attempts = CASE WHEN push_target.dead_at IS NULL THEN push_target.attempts ELSE 0 END, dead_at = NULL, dead_reason = NULL,
  token_registered_at = greatest(push_target.token_registered_at, excluded.token_registered_at);

-- name: retarget
-- What the phone is still owed moves to its new token. Sharing a token with another record, it is owed to both.
INSERT INTO push_target (pass_type, push_token, token_registered_at, wanted, acked, pushed, urgent, sending, attempts,
                         next_at, hold_until, lease, lease_until, score, last_push_at, dead_at, dead_reason)
SELECT d.pass_type, d.push_token, d.token_registered_at,
       coalesce((SELECT max(greatest(p.seq, r.seq, c.began)) FROM registration r
                   JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
                   JOIN counter c ON c.pass_type = r.pass_type
                  WHERE r.pass_type = d.pass_type AND r.device_id = d.device_id AND r.left_at IS NULL), 0),
       d.told,
       CASE WHEN EXISTS (SELECT 1 FROM push_target g WHERE g.pass_type = d.pass_type AND g.push_token = d.push_token) THEN 0
            ELSE coalesce((SELECT max(e.seq) FROM event e
                            WHERE e.pass_type = d.pass_type AND e.target = :target AND e.serial IS NULL
                              AND e.kind = 'push_accepted'), 0) END,
       0, 0, 0, :push_at, 0, NULL, NULL, 0, NULL, NULL, NULL
  FROM device d WHERE d.pass_type = :pass_type AND d.device_id = :device_id
ON CONFLICT (pass_type, push_token) DO UPDATE SET
  wanted = greatest(push_target.wanted, excluded.wanted), acked = least(push_target.acked, excluded.acked),
  next_at = least(push_target.next_at, excluded.next_at), attempts = 0, dead_at = NULL, dead_reason = NULL,
  token_registered_at = greatest(push_target.token_registered_at, excluded.token_registered_at);

-- name: drop_target
-- A token that no record names any more is never pushed again.
DELETE FROM push_target
 WHERE pass_type = :pass_type AND push_token = :push_token
   AND NOT EXISTS (SELECT 1 FROM device d WHERE d.pass_type = :pass_type AND d.push_token = :push_token);

-- name: revive
UPDATE push_target SET dead_at = NULL, dead_reason = NULL, attempts = 0, next_at = greatest(next_at, :at)
 WHERE pass_type = :pass_type AND push_token = :push_token AND dead_at IS NOT NULL;

-- name: leave
UPDATE registration SET left_at = :at, retell_at = NULL
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial AND left_at IS NULL;

-- name: resurrect
UPDATE registration SET left_at = NULL
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial;

-- name: registrations
SELECT pass_type, serial, device_id, joined, seq, registered_at, left_at, superseded_at, served, served_at, confirmed,
       retold, retell_at
  FROM registration
 WHERE (pass_type, device_id, serial) > (:after_type, :after_device, :after_serial)
   AND (:pass_type IS NULL OR pass_type = :pass_type)
   AND (:within IS NULL OR pass_type IN (SELECT value FROM json_each(:within)))
   AND (:device_id IS NULL OR device_id = :device_id)
 ORDER BY pass_type, device_id, serial LIMIT :limit;

-- name: held
-- Each registration of a pass with its phone and its push target: the watermarks side by side.
SELECT r.serial, r.device_id, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold,
       r.retell_at, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at,
       greatest(p.seq, c.began), coalesce(g.pushed, 0), g.last_push_at, g.dead_at, g.dead_reason
  FROM registration r
  JOIN counter c ON c.pass_type = r.pass_type
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE r.pass_type = :pass_type AND r.serial = :serial
 ORDER BY r.registered_at, r.device_id;

-- ─────────────────────────────────────────────── why

-- name: held_and_owed
-- As ``held``, with what is owed to each, from a device id on and no more than so many.
SELECT r.serial, r.device_id, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold,
       r.retell_at, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at,
       greatest(p.seq, c.began), coalesce(g.pushed, 0), g.last_push_at, g.dead_at, g.dead_reason,
       g.token_registered_at, g.wanted, g.acked, g.urgent, g.sending, g.attempts, g.next_at, g.lease, g.score
  FROM registration r
  JOIN counter c ON c.pass_type = r.pass_type
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE r.pass_type = :pass_type AND r.serial = :serial AND r.device_id >= :first
 ORDER BY r.device_id LIMIT :limit;

-- name: count_followed
SELECT count(*) FROM registration WHERE pass_type = :pass_type AND left_at IS NULL AND superseded_at IS NULL;

-- name: behind
-- Who was not served what is current, by where they stand: how many, and the first ones by device id, which is random.
-- Who is up to date costs no look at a phone or a push token; of very many, the first stand for all, which are counted.
WITH owed AS (
  SELECT r.serial, r.device_id, r.joined, greatest(p.seq, c.began) AS changed
    FROM counter c
    JOIN registration r ON r.pass_type = c.pass_type
    JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
   WHERE c.pass_type = :pass_type AND r.left_at IS NULL AND r.superseded_at IS NULL
     AND r.served < greatest(p.seq, c.began)
   ORDER BY r.device_id, r.serial LIMIT :most
), standing AS (
  SELECT o.serial, o.device_id, coalesce(g.dead_reason, '') AS ended,
         CASE WHEN d.told >= greatest(o.changed, o.joined) THEN 'fetch'
              WHEN coalesce(g.pushed, 0) >= o.changed THEN 'ask' ELSE 'push' END AS stand
    FROM owed o
    JOIN device d ON d.pass_type = :pass_type AND d.device_id = o.device_id
    LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
), placed AS (
  SELECT stand, ended, serial, device_id, count(*) OVER (PARTITION BY stand, ended) AS people,
         row_number() OVER (PARTITION BY stand, ended ORDER BY device_id, serial) AS place
    FROM standing
)
SELECT stand, ended, people, serial, device_id,
       CASE WHEN (SELECT count(*) FROM owed) < :most THEN 0
            ELSE (SELECT count(*)
                    FROM counter c
                    JOIN registration r ON r.pass_type = c.pass_type
                    JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
                   WHERE c.pass_type = :pass_type AND r.left_at IS NULL AND r.superseded_at IS NULL
                     AND r.served < greatest(p.seq, c.began)) END AS of_all
  FROM placed WHERE place <= :some ORDER BY stand, ended, place;

-- name: staleness
-- Who was not served what is current, by how old that is, and apart whoever was served nothing yet. What is current of a
-- pass became so when it changed, when the phone joined after that, or when an epoch began in which all counts as changed.
-- Materialized: a pass is read for its number from an index, and once more, as a row, only where somebody waits for it.
WITH waiting AS MATERIALIZED (
  SELECT r.serial, CASE WHEN r.served = 0 THEN 1 ELSE 0 END AS unverified,
         CASE WHEN c.began > p.seq
              THEN greatest(r.registered_at, coalesce((SELECT e.at FROM event e
                                                        WHERE e.pass_type = c.pass_type AND e.kind = 'new_epoch'
                                                        ORDER BY e.id DESC LIMIT 1), 0))
              ELSE r.registered_at END AS since
    FROM counter c
    JOIN registration r ON r.pass_type = c.pass_type
    JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
   WHERE c.pass_type = :pass_type AND r.left_at IS NULL AND r.superseded_at IS NULL
     AND r.served < greatest(p.seq, c.began)
)
SELECT b.step, b.unverified, count(*), min(b.since) FROM (
       SELECT a.unverified, a.since,
              CASE WHEN a.since > :step_1 THEN 0 WHEN a.since > :step_2 THEN 1 WHEN a.since > :step_3 THEN 2
                   WHEN a.since > :step_4 THEN 3 ELSE 4 END AS step
         FROM (SELECT w.unverified, greatest(w.since, q.changed_at) AS since
                 FROM waiting w JOIN pass q ON q.pass_type = :pass_type AND q.serial = w.serial) a) b
 GROUP BY b.step, b.unverified ORDER BY b.step, b.unverified;

-- name: served_lately
-- When phones were pushed, asked and were served last: of those that were served since an instant, among the ones that come
-- after a device id, which is random, and round to it again. A pass type of millions is never walked.
SELECT g.last_push_at, d.asked_at, s.served_at
  FROM (SELECT a.device_id, a.served_at, a.left_at FROM (
               SELECT device_id, served_at, left_at FROM registration
                WHERE pass_type = :pass_type AND device_id >= :device_id
                ORDER BY device_id, serial LIMIT :limit) a
        UNION ALL
        SELECT b.device_id, b.served_at, b.left_at FROM (
               SELECT device_id, served_at, left_at FROM registration
                WHERE pass_type = :pass_type AND device_id < :device_id
                ORDER BY device_id, serial LIMIT :limit) b
        LIMIT :limit) s
  JOIN device d ON d.pass_type = :pass_type AND d.device_id = s.device_id
  LEFT JOIN push_target g ON g.pass_type = :pass_type AND g.push_token = d.push_token
 WHERE s.served_at >= :since AND s.left_at IS NULL;

-- name: last_of_pass
-- Without those who looked at its share page, and wallets that poll: they could push out of sight what phones did.
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial = :serial AND kind NOT IN ('share_viewed', 'pkpass_downloaded', 'polled')
 ORDER BY id DESC LIMIT :limit;

-- name: polls
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial = :serial AND kind = 'polled' ORDER BY id DESC LIMIT :limit;

-- name: versions_of_pass
-- Among so many of its newest events: a pass that very many phones fetch has few changes among very many others.
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM
       (SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
         WHERE pass_type = :pass_type AND serial = :serial ORDER BY id DESC LIMIT :most) one
 WHERE kind IN ('issued', 'changed', 'voided', 'personalized') ORDER BY id DESC LIMIT :limit;

-- name: last_of_phone
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial IS NULL AND device_id = :device_id ORDER BY id DESC LIMIT :limit;

-- name: last_of_target
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial IS NULL AND target = :target ORDER BY id DESC LIMIT :limit;

-- name: last_new_epoch
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND kind = 'new_epoch' ORDER BY id DESC LIMIT 1;

-- name: canary_runs
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND kind = 'canary_ran' ORDER BY id DESC LIMIT :limit;

-- name: canary_passes
-- One look by the primary key for each pass type.
SELECT t.pass_type FROM pass_type t
 WHERE EXISTS (SELECT 1 FROM pass p WHERE p.pass_type = t.pass_type AND p.serial = :serial)
 ORDER BY t.pass_type;

-- name: strangers
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND kind = 'asked_unknown' ORDER BY id DESC LIMIT :limit;

-- name: circuit
SELECT open_until, reason, opened_at, push_key_id FROM circuit WHERE pass_type = :pass_type;

-- name: circuits
SELECT pass_type, open_until, reason, opened_at, push_key_id FROM circuit ORDER BY pass_type;

-- name: pushed_and_asked
-- Of a sample (push tokens are random, so the first ones are as good as any): how many were pushed then, and how many of
-- those have asked since.
SELECT count(*), coalesce(sum(CASE WHEN s.acked >= s.pushed THEN 1 ELSE 0 END), 0)
  FROM (SELECT pushed, acked, last_push_at FROM push_target
         WHERE pass_type = :pass_type AND push_token > '' ORDER BY push_token LIMIT :limit) s
 WHERE s.last_push_at >= :after AND s.last_push_at <= :before;

-- ─────────────────────────────────────────────── trip 2

-- name: due
-- When each pass type has something to push: its earliest target, or the end of its circuit when that is later.
SELECT t.pass_type,
       (SELECT g.next_at FROM push_target g
         WHERE g.pass_type = t.pass_type AND g.wanted > g.acked AND g.dead_at IS NULL
         ORDER BY g.next_at LIMIT 1),
       coalesce(c.open_until, 0)
  FROM pass_type t LEFT JOIN circuit c ON c.pass_type = t.pass_type;

-- name: claim_targets
-- Leases due pushes of a pass type. A lease that ran out belongs to a worker that died: taken over here, so there is
-- no rescuer. A leased target moves out of the way until its lease ends. Its phone's passes are counted where its
-- patience depends on them, which is not where it was left alone since :rested. (In RETURNING, SQLite 3.40 finds no null
-- and no integer in a column of the other kind.)
UPDATE push_target SET lease = :lease, lease_until = :lease_until, sending = wanted, next_at = :lease_until
 WHERE pass_type = :pass_type AND push_token IN (
       SELECT g.push_token FROM push_target g
        WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL AND g.next_at <= :now
          AND (g.lease_until IS NULL OR g.lease_until <= :now)
        ORDER BY g.next_at LIMIT :limit)
RETURNING pass_type, push_token, token_registered_at, wanted, acked, pushed, urgent, sending, attempts, next_at, lease,
          score, last_push_at,
          CASE WHEN score <= 0.0 AND coalesce(last_push_at, 0) <= :rested THEN 0 ELSE (
               SELECT count(DISTINCT r.serial) FROM device d
                 JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id AND r.left_at IS NULL
                WHERE d.pass_type = push_target.pass_type AND d.push_token = push_target.push_token) END,
          dead_at, dead_reason;

-- name: record_outcome
-- Fenced by the lease: a worker that lost it changes nothing. A change that came while the push was under way keeps
-- its own time; a registration that came meanwhile keeps the token alive.
UPDATE push_target
   SET pushed = greatest(pushed, :outcome_pushed), attempts = :outcome_attempts, hold_until = :outcome_hold_until,
       next_at = CASE WHEN wanted > sending THEN greatest(next_at, :outcome_hold_until) ELSE :outcome_next_at END,
       dead_at = CASE WHEN :outcome_dead_reason IS NOT NULL AND token_registered_at <= :outcome_token_registered_at
                      THEN :now ELSE dead_at END,
       dead_reason = CASE WHEN :outcome_dead_reason IS NOT NULL AND token_registered_at <= :outcome_token_registered_at
                          THEN :outcome_dead_reason ELSE dead_reason END,
       score = :outcome_score, last_push_at = :outcome_last_push_at, lease = NULL, lease_until = NULL, sending = 0
 WHERE pass_type = :pass_type AND push_token = :outcome_push_token AND lease = :lease;

-- name: hold_target
-- What was brought forward while it was leased keeps its new time: it is wanted now, budget or not.
UPDATE push_target
   SET next_at = CASE WHEN wanted > sending OR next_at <> lease_until THEN next_at ELSE :next_at END,
       lease = NULL, lease_until = NULL, sending = 0
 WHERE pass_type = :pass_type AND push_token = :push_token AND lease = :lease;

-- name: open_circuit
INSERT INTO circuit (pass_type, open_until, reason, opened_at, push_key_id)
VALUES (:pass_type, :until, :reason, :now, :push_key_id)
ON CONFLICT (pass_type) DO UPDATE SET open_until = excluded.open_until, reason = excluded.reason,
  opened_at = excluded.opened_at, push_key_id = excluded.push_key_id;

-- name: close_circuit
DELETE FROM circuit WHERE pass_type = :pass_type;

-- name: want_now
UPDATE push_target SET next_at = :now, hold_until = 0, attempts = 0, urgent = wanted
 WHERE pass_type = :pass_type AND wanted > acked AND dead_at IS NULL
   AND (:serial IS NULL OR push_token IN (
        SELECT d.push_token FROM registration r
          JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
         WHERE r.pass_type = :pass_type AND r.serial = :serial))
RETURNING 1;

-- name: waiting
SELECT count(*) FROM push_target
 WHERE pass_type = :pass_type AND wanted > acked AND dead_at IS NULL
   AND (:serial IS NULL OR push_token IN (
        SELECT d.push_token FROM registration r
          JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
         WHERE r.pass_type = :pass_type AND r.serial = :serial));

-- name: want_now_of_targets
-- What was pushed since it was wished for was pushed early enough.
UPDATE push_target SET next_at = :push_at, hold_until = 0, attempts = 0, urgent = wanted
 WHERE pass_type = :pass_type AND push_token IN (SELECT value FROM json_each(:push_tokens))
   AND wanted > acked AND dead_at IS NULL AND (last_push_at IS NULL OR last_push_at <= :push_at);

-- name: targets
-- Paged by the first phone that has the token, because the place in a list is shown to people and a token is not.
SELECT d.device_id, g.pass_type, g.push_token, g.token_registered_at, g.wanted, g.acked, g.pushed, g.urgent, g.sending, g.attempts,
       g.next_at, g.lease, g.score, g.last_push_at,
       (SELECT count(DISTINCT r.serial) FROM device x
          JOIN registration r ON r.pass_type = x.pass_type AND r.device_id = x.device_id AND r.left_at IS NULL
         WHERE x.pass_type = g.pass_type AND x.push_token = g.push_token),
       g.dead_at, g.dead_reason
  FROM device d JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE (d.pass_type, d.device_id) > (:after_type, :after_device)
   AND d.device_id = (SELECT min(x.device_id) FROM device x
                       WHERE x.pass_type = d.pass_type AND x.push_token = d.push_token)
   AND (:pass_type IS NULL OR d.pass_type = :pass_type)
   AND (:within IS NULL OR d.pass_type IN (SELECT value FROM json_each(:within)))
   AND (:due_only = 0 OR (g.wanted > g.acked AND g.dead_at IS NULL))
 ORDER BY d.pass_type, d.device_id LIMIT :limit;

-- name: due_first
-- The pushes that are due first, from the index of those that are due: with the first phone that has the token.
SELECT (SELECT min(x.device_id) FROM device x WHERE x.pass_type = g.pass_type AND x.push_token = g.push_token),
       g.pass_type, g.push_token, g.token_registered_at, g.wanted, g.acked, g.pushed, g.urgent, g.sending, g.attempts,
       g.next_at, g.lease, g.score, g.last_push_at,
       (SELECT count(DISTINCT r.serial) FROM device x
          JOIN registration r ON r.pass_type = x.pass_type AND r.device_id = x.device_id AND r.left_at IS NULL
         WHERE x.pass_type = g.pass_type AND x.push_token = g.push_token),
       g.dead_at, g.dead_reason
  FROM push_target g
 WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL
 ORDER BY g.next_at LIMIT :limit;

-- name: due_up_to
-- How many pushes are owed, how many of them APNs has accepted already (they wait for the phone to ask), and how many wait
-- for nothing but to be sent.
SELECT count(*), coalesce(sum(CASE WHEN s.pushed >= s.wanted THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN s.pushed < s.wanted AND s.next_at <= :now THEN 1 ELSE 0 END), 0)
  FROM (SELECT g.pushed, g.wanted, g.next_at FROM push_target g
         WHERE g.pass_type = :pass_type AND g.wanted > g.acked AND g.dead_at IS NULL
         ORDER BY g.next_at LIMIT :most) s;

-- name: to_retell
-- What was told again belongs to a version: after a change, or in a new epoch, counting starts afresh.
SELECT r.pass_type, r.device_id, r.serial, CASE WHEN r.seq < p.seq OR r.seq < c.began THEN 0 ELSE r.retold END
  FROM registration r
  JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
  JOIN counter c ON c.pass_type = r.pass_type
 WHERE r.retell_at <= :now AND r.left_at IS NULL AND r.superseded_at IS NULL AND r.confirmed < greatest(p.seq, c.began)
 ORDER BY r.retell_at LIMIT :limit;

-- name: chores
-- What waits for whoever keeps house, each from an index and counted up to so many: passes to be told again (and of those
-- the ones that are due), registrations that ended, push tokens that died; and the oldest event.
SELECT (SELECT count(*) FROM (SELECT 1 FROM registration WHERE retell_at IS NOT NULL LIMIT :most) one),
       (SELECT count(*) FROM (SELECT 1 FROM registration WHERE retell_at IS NOT NULL AND retell_at <= :now LIMIT :most) one),
       (SELECT min(retell_at) FROM registration WHERE retell_at IS NOT NULL),
       (SELECT count(*) FROM (SELECT 1 FROM registration WHERE left_at IS NOT NULL LIMIT :most) one),
       (SELECT count(*) FROM (SELECT 1 FROM push_target WHERE dead_at IS NOT NULL LIMIT :most) one),
       (SELECT at FROM event ORDER BY id LIMIT 1);

-- name: retell
UPDATE registration SET seq = :seq, retold = :retold, retell_at = NULL
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial;

-- ─────────────────────────────────────────────── trip 3 ask

-- name: ask_snapshot
-- The counter and the list in one statement, so that the tag covers nothing that the list could not see. Of a pass the
-- number alone is read, from an index that SQLite would not choose by itself.
SELECT c.epoch, c.seq, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at, g.dead_at, g.wanted > g.acked,
       r.serial, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold, r.retell_at,
       CASE WHEN p.seq < c.began THEN c.began ELSE p.seq END, g.last_push_at
  FROM counter c
  LEFT JOIN device d ON d.pass_type = c.pass_type AND d.device_id = :device_id
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
  LEFT JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
  LEFT JOIN pass p INDEXED BY pass_seq ON p.pass_type = r.pass_type AND p.serial = r.serial
 WHERE c.pass_type = :pass_type;

-- name: ask_head
-- The same without the list, which a phone that has heard the newest number does not need: nothing can be above it.
SELECT c.epoch, c.seq, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at, g.dead_at, g.wanted > g.acked,
       g.last_push_at
  FROM counter c
  LEFT JOIN device d ON d.pass_type = c.pass_type AND d.device_id = :device_id
  LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
 WHERE c.pass_type = :pass_type;

-- name: raise_asked
-- Only in the history that the numbers are of. What a phone was told in a lost one would hide that it is owed more.
UPDATE device SET asked = greatest(asked, :asked), told = greatest(told, :told), asked_at = greatest(coalesce(asked_at, 0), :at)
 WHERE pass_type = :pass_type AND device_id = :device_id
   AND EXISTS (SELECT 1 FROM counter c WHERE c.pass_type = :pass_type AND c.epoch = :epoch AND c.seq >= :told);

-- name: acknowledge
-- An ask is what acknowledges a push, and ends the waiting that a silent phone had earned. But it speaks for one record:
-- another with the same push token, which was not told yet what it is owed, keeps the push due until its own ask.
-- What would stay as it is, is not written.
UPDATE push_target SET (acked, attempts) = (
       SELECT greatest(acked, heard.told), CASE WHEN wanted > greatest(acked, heard.told) THEN attempts ELSE 0 END
         FROM (SELECT least(:told, coalesce((
                 SELECT min(d.told) FROM device d
                  WHERE d.pass_type = :pass_type AND d.push_token = :push_token AND d.device_id <> :device_id
                    AND greatest(coalesce(d.asked_at, 0), d.token_registered_at) >= :siblings_since
                    AND d.told < (SELECT max(greatest(p.seq, r.seq, c.began)) FROM registration r
                                    JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
                                    JOIN counter c ON c.pass_type = r.pass_type
                                   WHERE r.pass_type = :pass_type AND r.device_id = d.device_id
                                     AND r.left_at IS NULL AND r.superseded_at IS NULL)), :told)) AS told) heard)
 WHERE pass_type = :pass_type AND push_token = :push_token
   AND (acked < :told OR (attempts <> 0 AND wanted <= acked))
   AND EXISTS (SELECT 1 FROM counter c WHERE c.pass_type = :pass_type AND c.epoch = :epoch AND c.seq >= :told);

-- name: name_serial
-- Not for a tombstone, which is listed for its hour and no longer; nor for a superseded device id, because the one that
-- stands for the phone is told again.
UPDATE registration SET retell_at = :retell_at
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial AND retell_at IS NULL
   AND left_at IS NULL AND superseded_at IS NULL
   AND confirmed < (SELECT greatest(p.seq, c.began) FROM pass p JOIN counter c ON c.pass_type = p.pass_type
                     WHERE p.pass_type = :pass_type AND p.serial = :serial);

-- ─────────────────────────────────────────────── history

-- name: begin_epoch
-- Everything counts as changed with this number: nobody knows what phones saw of the history that was lost.
UPDATE counter SET epoch = :epoch, seq = seq + 1, began = seq + 1, spread = '',
       modified_floor = greatest(modified_floor, :modified_floor, newest_modified + :ahead)
 WHERE pass_type = :pass_type AND epoch = :old_epoch
RETURNING seq;

-- name: installation
SELECT uuid FROM installation;

-- name: counters
SELECT pass_type, epoch, seq, began, modified_floor FROM counter ORDER BY pass_type;

-- name: new_epochs
-- The epochs that a pass type began after its first, oldest first.
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND kind = 'new_epoch' ORDER BY id;

-- name: database_time
-- A file has no clock but that of whoever reads it.
SELECT NULL;

-- name: epochs_to_spread
SELECT pass_type, began, spread FROM counter WHERE spread IS NOT NULL ORDER BY pass_type;

-- name: targets_after
SELECT push_token FROM push_target WHERE pass_type = :pass_type AND push_token > :after_token ORDER BY push_token LIMIT :limit;

-- name: spread_epoch
-- A phone of a lost history is told anew, also one that had gone silent: whether it did is part of what was lost.
UPDATE push_target SET wanted = greatest(wanted, :seq), attempts = 0, next_at = greatest(:now, hold_until),
       dead_at = NULL, dead_reason = NULL
 WHERE pass_type = :pass_type AND push_token IN (SELECT value FROM json_each(:push_tokens));

-- name: epoch_spread
UPDATE counter SET spread = :spread WHERE pass_type = :pass_type;

-- ─────────────────────────────────────────────── trip 3 fetch

-- name: fetch_snapshot
SELECT CASE WHEN p.seq < c.began THEN c.began ELSE p.seq END,
       p.last_modified, p.token_key, p.token_salt, p.token_sealed, t.tenant, c.epoch
  FROM (SELECT :pass_type AS pass_type, :serial AS serial) q
  LEFT JOIN pass_type t ON t.pass_type = q.pass_type
  LEFT JOIN counter c ON c.pass_type = q.pass_type
  LEFT JOIN pass p ON p.pass_type = q.pass_type AND p.serial = q.serial;

-- name: candidates
-- The phones of each pass, up to one more than the limit: where a pass has more, its last that is read is looked up first.
SELECT r.serial, r.device_id, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold,
       r.retell_at, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at
  FROM (SELECT value AS serial, coalesce((
               SELECT x.device_id FROM registration x WHERE x.pass_type = :pass_type AND x.serial = value
                ORDER BY x.device_id LIMIT 1 OFFSET :limit), char(1114111)) AS last
          FROM json_each(:serials)) k
 CROSS JOIN registration r ON r.pass_type = :pass_type AND r.serial = k.serial AND r.device_id <= k.last
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id;

-- name: candidates_of_phone
SELECT r.serial, r.device_id, r.joined, r.seq, r.registered_at, r.left_at, r.superseded_at, r.served, r.served_at, r.confirmed, r.retold,
       r.retell_at, d.push_token, d.token_registered_at, d.asked, d.told, d.asked_at
  FROM device d JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
 WHERE d.pass_type = :pass_type AND r.serial = :serial AND d.push_token = (
       SELECT x.push_token FROM device x WHERE x.pass_type = :pass_type AND x.device_id = :device_id);

-- name: raise_served
-- Who surely has the newest is not told again.
UPDATE registration
   SET served = greatest(served, :seq), served_at = greatest(coalesce(served_at, 0), :at),
       confirmed = CASE WHEN :confirmed = 1 THEN greatest(confirmed, :seq) ELSE confirmed END,
       (retold, retell_at) = (
       SELECT CASE WHEN newest THEN 0 ELSE retold END, CASE WHEN newest THEN NULL ELSE retell_at END
         FROM (SELECT :confirmed = 1 AND greatest(confirmed, :seq) >= (
                      SELECT greatest(p.seq, c.began) FROM pass p JOIN counter c ON c.pass_type = p.pass_type
                       WHERE p.pass_type = :pass_type AND p.serial = :serial) AS newest) has)
 WHERE pass_type = :pass_type AND device_id = :device_id AND serial = :serial
   AND EXISTS (SELECT 1 FROM counter c WHERE c.pass_type = :pass_type AND c.epoch = :epoch AND c.seq >= :seq);

-- ─────────────────────────────────────────────── timeline

-- name: add_event
INSERT INTO event (at, kind, pass_type, serial, device_id, target, seq, detail)
VALUES (:event_at, :event_kind, :event_pass_type, :event_serial, :event_device_id, :event_target, :event_seq,
        :event_detail);

-- name: timeline
-- A pass's events, and those of its phones and their pushes that name no pass.
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial = :serial AND id > :after
UNION
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial IS NULL AND id > :after
   AND device_id IN (SELECT value FROM json_each(:devices))
UNION
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND serial IS NULL AND id > :after
   AND target IN (SELECT value FROM json_each(:targets))
UNION
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE pass_type = :pass_type AND kind = 'new_epoch' AND id > :after
 ORDER BY id LIMIT :limit;

-- name: events
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE id > :after AND (:pass_type IS NULL OR pass_type = :pass_type)
   AND kind IN (SELECT value FROM json_each(:kinds))
 ORDER BY id LIMIT :limit;

-- name: newest
-- Of these kinds, newest first, among the newest ones of all: looking further would walk all that are kept.
SELECT e.id, e.at, e.kind, e.pass_type, e.serial, e.device_id, e.target, e.seq, e.detail
  FROM (SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
         WHERE id < :before ORDER BY id DESC LIMIT :most) e
 WHERE (:pass_type IS NULL OR e.pass_type = :pass_type)
   AND (:within IS NULL OR e.pass_type IN (SELECT value FROM json_each(:within)))
   AND e.kind IN (SELECT value FROM json_each(:kinds))
 ORDER BY e.id DESC LIMIT :limit;

-- name: testimony
-- What phones said, newest first.
SELECT id, at, kind, pass_type, serial, device_id, target, seq, detail FROM event
 WHERE kind = 'testified' AND id < :before
   AND (:pass_type IS NULL OR pass_type = :pass_type)
   AND (:within IS NULL OR pass_type IN (SELECT value FROM json_each(:within)))
   AND (:code IS NULL OR json_extract(detail, '$.code') = :code)
 ORDER BY id DESC LIMIT :limit;

-- name: timeline_devices
SELECT r.device_id, d.push_token FROM registration r
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
 WHERE r.pass_type = :pass_type AND r.serial = :serial;

-- name: funnel
-- Passes, each at the furthest step it came to. A registration counts from the moment of the download on, by instants and
-- not by ids: what a share page saw is written down a moment later. A number above the one that a phone joined with is
-- of a change since then.
SELECT coalesce(sum(CASE WHEN j.viewed_at IS NOT NULL THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN j.downloaded_at IS NOT NULL THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN j.joined IS NOT NULL THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN EXISTS (SELECT 1 FROM event f
                                       WHERE f.pass_type = :pass_type AND f.serial = j.serial AND f.kind = 'fetched'
                                         AND f.seq > j.joined) THEN 1 ELSE 0 END), 0)
  FROM (SELECT s.serial, s.viewed_at, s.downloaded_at,
               (SELECT min(r.seq) FROM event r
                 WHERE r.pass_type = :pass_type AND r.serial = s.serial AND r.kind = 'registered'
                   AND r.at >= s.downloaded_at) AS joined
          FROM (SELECT e.serial, min(CASE WHEN e.kind = 'share_viewed' THEN e.at END) AS viewed_at,
                       min(CASE WHEN e.kind = 'pkpass_downloaded' THEN e.at END) AS downloaded_at
                  FROM event e
                 WHERE e.pass_type = :pass_type AND (e.kind = 'share_viewed' OR e.kind = 'pkpass_downloaded')
                   AND e.at >= :since
                 GROUP BY e.serial) s) j;

-- name: prune_events
-- Of the first ones, because the oldest are among them: looking for old ones would walk all that are kept.
DELETE FROM event WHERE id IN (
  SELECT o.id FROM (SELECT id, at FROM event ORDER BY id LIMIT :limit) o WHERE o.at < :before);

-- name: prune_tombstones
DELETE FROM registration WHERE (pass_type, device_id, serial) IN (
  SELECT pass_type, device_id, serial FROM registration WHERE left_at IS NOT NULL AND left_at < :before LIMIT :limit);

-- name: prune_dead
DELETE FROM registration WHERE (pass_type, device_id, serial) IN (
  SELECT r.pass_type, r.device_id, r.serial FROM push_target g
    JOIN device d ON d.pass_type = g.pass_type AND d.push_token = g.push_token
    JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
   WHERE g.dead_at IS NOT NULL AND g.dead_at < :before LIMIT :limit)
RETURNING pass_type, serial, device_id, left_at, superseded_at;

-- name: prune_devices
-- Not at once: a phone that registers at this moment has its device a moment before its registration.
DELETE FROM device WHERE (pass_type, device_id) IN (
  SELECT d.pass_type, d.device_id FROM device d
   WHERE d.token_registered_at < :before AND NOT EXISTS (
         SELECT 1 FROM registration r WHERE r.pass_type = d.pass_type AND r.device_id = d.device_id)
   LIMIT :limit);

-- name: prune_targets
DELETE FROM push_target WHERE (pass_type, push_token) IN (
  SELECT g.pass_type, g.push_token FROM push_target g
   WHERE g.token_registered_at < :before AND NOT EXISTS (
         SELECT 1 FROM device d WHERE d.pass_type = g.pass_type AND d.push_token = g.push_token)
   LIMIT :limit);

-- name: stats
-- Who is up to date costs no look at a phone or a push token: a key of null is looked for nowhere.
SELECT (SELECT count(*) FROM pass
         WHERE (:pass_type IS NULL OR pass_type = :pass_type)
           AND (:within IS NULL OR pass_type IN (SELECT value FROM json_each(:within)))),
       count(*),
       sum(CASE WHEN m.served >= m.changed THEN 1 ELSE 0 END),
       sum(CASE WHEN m.served < m.changed AND m.told >= m.owed THEN 1 ELSE 0 END),
       sum(CASE WHEN m.served < m.changed AND m.told < m.owed AND m.pushed >= m.changed THEN 1 ELSE 0 END),
       sum(CASE WHEN m.served < m.changed AND m.told < m.owed AND m.pushed < m.changed THEN 1 ELSE 0 END),
       sum(CASE WHEN m.served = 0 THEN 1 ELSE 0 END)
  FROM (SELECT r.served, d.told, greatest(p.seq, c.began) AS changed, greatest(p.seq, c.began, r.joined) AS owed,
               coalesce(g.pushed, 0) AS pushed
          FROM registration r
          JOIN pass p ON p.pass_type = r.pass_type AND p.serial = r.serial
          JOIN counter c ON c.pass_type = r.pass_type
          LEFT JOIN device d ON d.pass_type = r.pass_type
            AND d.device_id = CASE WHEN r.served < greatest(p.seq, c.began) THEN r.device_id END
          LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token
         WHERE r.left_at IS NULL AND r.superseded_at IS NULL AND (:pass_type IS NULL OR r.pass_type = :pass_type)
           AND (:within IS NULL OR r.pass_type IN (SELECT value FROM json_each(:within)))) m;

-- ─────────────────────────────────────────────── processes

-- name: processes
SELECT id, host, pid, role, schema, started_at, heard_at, fetch_ms, shedding, canaries
  FROM process ORDER BY host, started_at, id;

-- name: count_passes
SELECT count(*) FROM pass;

-- name: table_sizes
-- Rows of each table; bytes of the whole, because SQLite says no more of itself.
SELECT name, counted, (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()) FROM (
SELECT 'api_key' AS name, (SELECT count(*) FROM api_key) AS counted
UNION ALL SELECT 'apns_key' AS name, (SELECT count(*) FROM apns_key) AS counted
UNION ALL SELECT 'audit' AS name, (SELECT count(*) FROM audit) AS counted
UNION ALL SELECT 'certificate' AS name, (SELECT count(*) FROM certificate) AS counted
UNION ALL SELECT 'circuit' AS name, (SELECT count(*) FROM circuit) AS counted
UNION ALL SELECT 'console_link' AS name, (SELECT count(*) FROM console_link) AS counted
UNION ALL SELECT 'console_session' AS name, (SELECT count(*) FROM console_session) AS counted
UNION ALL SELECT 'console_user' AS name, (SELECT count(*) FROM console_user) AS counted
UNION ALL SELECT 'counter' AS name, (SELECT count(*) FROM counter) AS counted
UNION ALL SELECT 'device' AS name, (SELECT count(*) FROM device) AS counted
UNION ALL SELECT 'device_log_kind' AS name, (SELECT count(*) FROM device_log_kind) AS counted
UNION ALL SELECT 'enrolment' AS name, (SELECT count(*) FROM enrolment) AS counted
UNION ALL SELECT 'event' AS name, (SELECT count(*) FROM event) AS counted
UNION ALL SELECT 'fan_out' AS name, (SELECT count(*) FROM fan_out) AS counted
UNION ALL SELECT 'idempotency' AS name, (SELECT count(*) FROM idempotency) AS counted
UNION ALL SELECT 'import_error' AS name, (SELECT count(*) FROM import_error) AS counted
UNION ALL SELECT 'import_job' AS name, (SELECT count(*) FROM import_job) AS counted
UNION ALL SELECT 'import_row' AS name, (SELECT count(*) FROM import_row) AS counted
UNION ALL SELECT 'installation' AS name, (SELECT count(*) FROM installation) AS counted
UNION ALL SELECT 'outbox_receipt' AS name, (SELECT count(*) FROM outbox_receipt) AS counted
UNION ALL SELECT 'pass' AS name, (SELECT count(*) FROM pass) AS counted
UNION ALL SELECT 'pass_type' AS name, (SELECT count(*) FROM pass_type) AS counted
UNION ALL SELECT 'process' AS name, (SELECT count(*) FROM process) AS counted
UNION ALL SELECT 'push_target' AS name, (SELECT count(*) FROM push_target) AS counted
UNION ALL SELECT 'registration' AS name, (SELECT count(*) FROM registration) AS counted
UNION ALL SELECT 'shared_key' AS name, (SELECT count(*) FROM shared_key) AS counted
UNION ALL SELECT 'signing_request' AS name, (SELECT count(*) FROM signing_request) AS counted
UNION ALL SELECT 'stale_pass' AS name, (SELECT count(*) FROM stale_pass) AS counted
UNION ALL SELECT 'template' AS name, (SELECT count(*) FROM template) AS counted
UNION ALL SELECT 'template_revision' AS name, (SELECT count(*) FROM template_revision) AS counted
UNION ALL SELECT 'tenant' AS name, (SELECT count(*) FROM tenant) AS counted
UNION ALL SELECT 'watched' AS name, (SELECT count(*) FROM watched) AS counted
UNION ALL SELECT 'webhook_attempt' AS name, (SELECT count(*) FROM webhook_attempt) AS counted
UNION ALL SELECT 'webhook_endpoint' AS name, (SELECT count(*) FROM webhook_endpoint) AS counted
UNION ALL SELECT 'webhook_message' AS name, (SELECT count(*) FROM webhook_message) AS counted
) ORDER BY name;

-- name: put_process
INSERT INTO process (id, host, pid, role, schema, started_at, heard_at, fetch_ms, shedding, canaries)
VALUES (:id, :host, :pid, :role, :schema, :started_at, :heard_at, :fetch_ms, :shedding, :canaries)
ON CONFLICT (id) DO UPDATE SET heard_at = excluded.heard_at, fetch_ms = excluded.fetch_ms, shedding = excluded.shedding;

-- name: remove_process
DELETE FROM process WHERE id = :id;

-- name: take_receipt
INSERT INTO outbox_receipt (pass_type, receipt, at) VALUES (:pass_type, :receipt, :now) ON CONFLICT DO NOTHING;

-- name: prune_receipts
DELETE FROM outbox_receipt WHERE (pass_type, receipt) IN (
  SELECT pass_type, receipt FROM outbox_receipt WHERE at < :before ORDER BY at LIMIT :limit);

-- name: prune_processes
DELETE FROM process WHERE heard_at < :before;

-- ─────────────────────────────────────────────── certificates and keys

-- name: certificate
SELECT id, pass_type, team, common_name, organization, issuer, serial_number, not_before, not_after,
       intermediate_not_after, nfc, chain_pem, key_sealed, created_at, proven_at, promoted_at, retired_at, revoked_at,
       canary_percent
  FROM certificate WHERE id = :id;

-- name: certificates
SELECT id, pass_type, team, common_name, organization, issuer, serial_number, not_before, not_after,
       intermediate_not_after, nfc, chain_pem, key_sealed, created_at, proven_at, promoted_at, retired_at, revoked_at,
       canary_percent
  FROM certificate
 WHERE (:pass_type IS NULL OR pass_type = :pass_type)
   AND (:within IS NULL OR pass_type IN (SELECT value FROM json_each(:within)))
 ORDER BY pass_type, not_after, id;

-- name: lineage
SELECT id, pass_type, not_before, not_after, intermediate_not_after, nfc, proven_at, promoted_at, retired_at,
       revoked_at, canary_percent
  FROM certificate WHERE pass_type = :pass_type ORDER BY id;

-- name: lineages
SELECT id, pass_type, not_before, not_after, intermediate_not_after, nfc, proven_at, promoted_at, retired_at,
       revoked_at, canary_percent
  FROM certificate ORDER BY pass_type, id;

-- name: watched
SELECT subject, kind, pass_type, starts_at, ends_at, look_at, checked_at, problem, detail, said_days
  FROM watched WHERE :pass_type IS NULL OR pass_type = :pass_type ORDER BY subject;

-- name: watch
-- What is watched already keeps what is known of it; a later end is a renewal, of which nothing was said.
INSERT INTO watched (subject, kind, pass_type, starts_at, ends_at, look_at, checked_at, problem, detail, said_days)
VALUES (:subject, :kind, :pass_type, :starts_at, :ends_at, :look_at, NULL, '', '', NULL)
ON CONFLICT (subject) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at,
  said_days = CASE WHEN excluded.ends_at > watched.ends_at THEN NULL ELSE watched.said_days END;

-- name: claim_look
UPDATE watched SET look_at = :until WHERE subject = :subject AND look_at <= :now;

-- name: change_problem
UPDATE watched SET problem = :problem WHERE subject = :subject AND problem <> :problem;

-- name: put_seen
-- A look that could not be had leaves the dates that were seen before.
UPDATE watched
   SET said_days = CASE WHEN :ends_at > ends_at THEN NULL ELSE said_days END,
       starts_at = coalesce(:starts_at, starts_at), ends_at = coalesce(:ends_at, ends_at),
       checked_at = :now, look_at = :look_at, detail = :detail
 WHERE subject = :subject;

-- name: say_days
UPDATE watched SET said_days = :days
 WHERE subject = :subject AND ends_at = :ends_at AND (said_days IS NULL OR said_days > :days);

-- name: put_certificate
-- Taken in again it keeps what it has proved; its intermediate may be a newer one.
INSERT INTO certificate (pass_type, id, team, common_name, organization, issuer, serial_number, not_before, not_after,
                         intermediate_not_after, nfc, chain_pem, key_sealed, created_at, proven_at, promoted_at,
                         retired_at, revoked_at, canary_percent)
VALUES (:pass_type, :id, :team, :common_name, :organization, :issuer, :serial_number, :not_before, :not_after,
        :intermediate_not_after, :nfc, :chain_pem, :key_sealed, :created_at, :proven_at, :promoted_at,
        :retired_at, :revoked_at, :canary_percent)
ON CONFLICT (id) DO UPDATE SET key_sealed = excluded.key_sealed, chain_pem = excluded.chain_pem,
  intermediate_not_after = excluded.intermediate_not_after,
  proven_at = CASE WHEN certificate.retired_at IS NULL THEN certificate.proven_at END,
  promoted_at = CASE WHEN certificate.retired_at IS NULL THEN certificate.promoted_at END, retired_at = NULL;

-- name: signing_requests
SELECT id, pass_type, public_sha256, key_sealed, created_at, tenant FROM signing_request
 WHERE tenant = :tenant AND (:within IS NULL OR pass_type IN (SELECT value FROM json_each(:within)))
 ORDER BY created_at, id;

-- name: put_signing_request
INSERT INTO signing_request (pass_type, id, tenant, key_sealed, public_sha256, created_at)
VALUES (:pass_type, :id, :tenant, :key_sealed, :public_sha256, :created_at);

-- name: remove_signing_request
DELETE FROM signing_request WHERE id = :id;

-- name: put_link
UPDATE certificate
   SET proven_at = :proven_at, promoted_at = :promoted_at, retired_at = :retired_at, revoked_at = :revoked_at,
       canary_percent = :canary_percent
 WHERE pass_type = :pass_type AND id = :id;

-- name: resume_pushes
-- What waited for a credential need not wait for its next turn; also what had failed before it was refused. Not what
-- was accepted and waits for an ask, nor what APNs asked patience for.
UPDATE push_target SET next_at = greatest(:now, hold_until)
 WHERE pass_type = :pass_type AND wanted > acked AND dead_at IS NULL AND next_at > :now AND lease IS NULL
   AND (attempts = 0 OR pushed < wanted);

-- name: resumable_up_to
SELECT count(*) FROM (SELECT 1 FROM push_target
                       WHERE pass_type = :pass_type AND wanted > acked AND dead_at IS NULL AND next_at > :now
                         AND lease IS NULL AND (attempts = 0 OR pushed < wanted) LIMIT :limit) one;

-- name: resume_targets
-- Not what a phone is owed since: it did not wait for the credential.
UPDATE push_target SET next_at = greatest(:push_at, hold_until)
 WHERE pass_type = :pass_type AND push_token IN (SELECT value FROM json_each(:push_tokens))
   AND wanted > acked AND wanted <= :seq AND dead_at IS NULL AND next_at > :push_at AND lease IS NULL
   AND (attempts = 0 OR pushed < wanted);

-- name: apns_key
SELECT tenant, id, team, topics, environment, key_sealed, created_at, retired_at
  FROM apns_key WHERE tenant = :tenant AND id = :id;

-- name: apns_keys
SELECT tenant, id, team, topics, environment, key_sealed, created_at, retired_at
  FROM apns_key WHERE tenant = :tenant ORDER BY id;

-- name: push_key_users
SELECT pass_type FROM pass_type WHERE tenant = :tenant AND push_key_id = :id ORDER BY pass_type;

-- name: put_apns_key
INSERT INTO apns_key (tenant, id, team, topics, environment, key_sealed, created_at, retired_at)
VALUES (:tenant, :id, :team, :topics, :environment, :key_sealed, :created_at, :retired_at)
ON CONFLICT (tenant, id) DO UPDATE SET team = excluded.team, topics = excluded.topics,
  environment = excluded.environment, key_sealed = excluded.key_sealed, retired_at = excluded.retired_at;

-- name: choose_push_key
UPDATE pass_type SET push_key_id = :push_key_id WHERE pass_type = :pass_type;

-- name: api_key
SELECT id, tenant, name, secret_hash, scopes, pass_types, created_at, last_used_at, revoked_at
  FROM api_key WHERE id = :id;

-- name: api_keys
SELECT id, tenant, name, secret_hash, scopes, pass_types, created_at, last_used_at, revoked_at
  FROM api_key ORDER BY created_at, id;

-- name: put_api_key
INSERT INTO api_key (id, tenant, name, secret_hash, scopes, pass_types, created_at, last_used_at, revoked_at)
VALUES (:id, :tenant, :name, :secret_hash, :scopes, :pass_types, :created_at, NULL, NULL);

-- name: touch_api_key
UPDATE api_key SET last_used_at = :now WHERE id = :id;

-- name: revoke_api_key
UPDATE api_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL;

-- ─────────────────────────────────────────────── requests that are carried out once

-- name: claim_answer
-- Ours, when it is new, too old to count, or was left by a process that died on the same request.
INSERT INTO idempotency (tenant, caller, key, request, at, lease, lease_until, pass_type, serial, status, media, headers,
                         body)
VALUES (:tenant, :caller, :key, :request, :at, :lease, :lease_until, '', '', NULL, '', '[]', NULL)
ON CONFLICT (tenant, caller, key) DO UPDATE SET
  request = excluded.request, at = excluded.at, lease = excluded.lease, lease_until = excluded.lease_until,
  pass_type = '', serial = '', status = NULL, media = '', headers = '[]', body = NULL
 WHERE idempotency.at < :kept_since
    OR (idempotency.status IS NULL AND idempotency.lease_until <= :at AND idempotency.request = excluded.request)
RETURNING lease;

-- name: kept_answer
SELECT request, status, media, headers, body, pass_type, serial FROM idempotency
 WHERE tenant = :tenant AND caller = :caller AND key = :key;

-- name: keep_answer
-- Fenced by the lease: whoever lost it has answered nothing.
UPDATE idempotency SET status = :status, media = :media, headers = :headers, body = :body, pass_type = :pass_type,
       serial = :serial
 WHERE tenant = :tenant AND caller = :caller AND key = :key AND lease = :lease AND status IS NULL;

-- name: release_answer
DELETE FROM idempotency
 WHERE tenant = :tenant AND caller = :caller AND key = :key AND lease = :lease AND status IS NULL;

-- name: erase_phone_events
-- Of a phone that is forgotten: what it did, and of its push token.
DELETE FROM event WHERE pass_type = :pass_type AND serial IS NULL AND device_id = :device_id;

-- name: erase_target_events
DELETE FROM event WHERE pass_type = :pass_type AND serial IS NULL AND target = :target;

-- name: erase_audited
-- What was done stays, and by whom; to which pass does not.
UPDATE audit SET subject = :erased WHERE subject = :subject OR substr(subject, 1, length(:subject) + 1) = :subject || '/';

-- name: erase_answers
DELETE FROM idempotency WHERE pass_type = :pass_type AND serial = :serial;

-- name: prune_answers
DELETE FROM idempotency WHERE (tenant, caller, key) IN (
  SELECT tenant, caller, key FROM idempotency WHERE at < :before ORDER BY at LIMIT :limit);

-- ─────────────────────────────────────────────── the console

-- name: console_user
SELECT tenant, name, role, password, totp_sealed, totp_step, created_at, disabled_at
  FROM console_user WHERE tenant = :tenant AND name = :name;

-- name: console_users
SELECT tenant, name, role, password, totp_sealed, totp_step, created_at, disabled_at
  FROM console_user WHERE tenant = :tenant ORDER BY name;

-- name: put_console_user
INSERT INTO console_user (tenant, name, role, password, totp_sealed, totp_step, created_at, disabled_at)
VALUES (:tenant, :name, :role, :password, :totp_sealed, :totp_step, :created_at, :disabled_at)
ON CONFLICT (tenant, name) DO UPDATE SET role = excluded.role, password = excluded.password,
  totp_sealed = excluded.totp_sealed, totp_step = excluded.totp_step, disabled_at = excluded.disabled_at;

-- name: add_console_user
INSERT INTO console_user (tenant, name, role, password, totp_sealed, totp_step, created_at, disabled_at)
VALUES (:tenant, :name, :role, :password, :totp_sealed, :totp_step, :created_at, :disabled_at)
ON CONFLICT (tenant, name) DO NOTHING;

-- name: console_session
-- With its user, as far as there is one.
SELECT s.id, s.tenant, s.name, s.role, s.created_at, s.seen_at,
       u.tenant, u.name, u.role, u.password, u.totp_sealed, u.totp_step, u.created_at, u.disabled_at
  FROM console_session s LEFT JOIN console_user u ON u.tenant = s.tenant AND u.name = s.name
 WHERE s.id = :id;

-- name: add_console_session
INSERT INTO console_session (id, tenant, name, role, created_at, seen_at)
VALUES (:id, :tenant, :name, :role, :created_at, :seen_at);

-- name: see_console_session
UPDATE console_session SET seen_at = :now WHERE id = :id AND seen_at < :now;

-- name: end_console_session
DELETE FROM console_session WHERE id = :id;

-- name: end_console_sessions_of
DELETE FROM console_session WHERE tenant = :tenant AND name = :name;

-- name: drop_old_console_sessions
DELETE FROM console_session WHERE seen_at < :seen_before OR created_at < :created_before;

-- name: drop_old_console_links
DELETE FROM console_link WHERE expires_at <= :now;

-- name: end_console_sessions
DELETE FROM console_session;

-- name: end_console_links
DELETE FROM console_link;

-- name: console_link
SELECT id, tenant, role, expires_at, used_at FROM console_link WHERE id = :id;

-- name: add_console_link
INSERT INTO console_link (id, tenant, role, expires_at, used_at) VALUES (:id, :tenant, :role, :expires_at, NULL);

-- name: use_console_link
-- Of several that come with it at once, one finds it unused.
UPDATE console_link SET used_at = :now WHERE id = :id AND used_at IS NULL;

-- name: add_audit
INSERT INTO audit (at, tenant, who, role, action, subject, detail)
VALUES (:at, :tenant, :who, :role, :action, :subject, :detail);

-- name: audited
-- Newest first.
SELECT id, at, tenant, who, role, action, subject, detail FROM audit
 WHERE tenant = :tenant AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: console_totp_sealed_otherwise
SELECT tenant, name, totp_sealed FROM console_user
 WHERE (tenant, name) > (:after_under, :after_id) AND totp_sealed IS NOT NULL AND substr(totp_sealed, 2, 8) <> :secret
 ORDER BY tenant, name LIMIT :limit;

-- name: reseal_console_totp
UPDATE console_user SET totp_sealed = :sealed WHERE tenant = :under AND name = :id AND totp_sealed = :was;

-- ─────────────────────────────────────────────── what is sealed

-- name: shared_keys
SELECT id, purpose, sealed, created_at FROM shared_key ORDER BY created_at, id;

-- name: add_shared_key
-- Whoever comes second finds that of the first.
INSERT INTO shared_key (id, purpose, sealed, created_at) VALUES (:id, :purpose, :sealed, :created_at)
ON CONFLICT (id) DO NOTHING;

-- name: sealed_counts
-- The name of the secret key that sealed it stands in every sealed thing (keys/sealing.py): bytes 2 to 9.
SELECT 'shared key', substr(sealed, 2, 8), count(*) FROM shared_key GROUP BY substr(sealed, 2, 8)
UNION ALL
SELECT 'certificate key', substr(key_sealed, 2, 8), count(*) FROM certificate GROUP BY substr(key_sealed, 2, 8)
UNION ALL
SELECT 'APNs key', substr(key_sealed, 2, 8), count(*) FROM apns_key GROUP BY substr(key_sealed, 2, 8)
UNION ALL
SELECT 'signing request key', substr(key_sealed, 2, 8), count(*) FROM signing_request GROUP BY substr(key_sealed, 2, 8)
UNION ALL
SELECT 'console TOTP secret', substr(totp_sealed, 2, 8), count(*) FROM console_user
 WHERE totp_sealed IS NOT NULL GROUP BY substr(totp_sealed, 2, 8)
UNION ALL
SELECT 'pass token', substr(token_sealed, 2, 8), count(*) FROM pass
 WHERE token_sealed IS NOT NULL GROUP BY substr(token_sealed, 2, 8)
UNION ALL
SELECT 'enrolment', substr(sealed, 2, 8), count(*) FROM enrolment GROUP BY substr(sealed, 2, 8)
UNION ALL
SELECT 'webhook secret', substr(sealed, 2, 8), count(*) FROM webhook_endpoint GROUP BY substr(sealed, 2, 8);

-- name: shared_keys_sealed_otherwise
SELECT purpose, id, sealed FROM shared_key
 WHERE (purpose, id) > (:after_under, :after_id) AND substr(sealed, 2, 8) <> :secret
 ORDER BY purpose, id LIMIT :limit;

-- name: certificates_sealed_otherwise
SELECT pass_type, id, key_sealed FROM certificate
 WHERE (pass_type, id) > (:after_under, :after_id) AND substr(key_sealed, 2, 8) <> :secret
 ORDER BY pass_type, id LIMIT :limit;

-- name: apns_keys_sealed_otherwise
SELECT tenant, id, key_sealed FROM apns_key
 WHERE (tenant, id) > (:after_under, :after_id) AND substr(key_sealed, 2, 8) <> :secret
 ORDER BY tenant, id LIMIT :limit;
-- name: signing_requests_sealed_otherwise
SELECT pass_type, id, key_sealed FROM signing_request
 WHERE (pass_type, id) > (:after_under, :after_id) AND substr(key_sealed, 2, 8) <> :secret
 ORDER BY pass_type, id LIMIT :limit;

-- name: tokens_sealed_otherwise
SELECT pass_type, serial, token_sealed FROM pass
 WHERE (pass_type, serial) > (:after_under, :after_id) AND token_sealed IS NOT NULL
   AND substr(token_sealed, 2, 8) <> :secret
 ORDER BY pass_type, serial LIMIT :limit;

-- name: enrolments_sealed_otherwise
SELECT pass_type, id, sealed FROM enrolment
 WHERE (pass_type, id) > (:after_under, :after_id) AND substr(sealed, 2, 8) <> :secret
 ORDER BY pass_type, id LIMIT :limit;

-- name: reseal_shared_key
-- Only what is still sealed as it was read: a value that was replaced meanwhile stays.
UPDATE shared_key SET sealed = :sealed WHERE purpose = :under AND id = :id AND sealed = :was;

-- name: reseal_certificate
UPDATE certificate SET key_sealed = :sealed WHERE pass_type = :under AND id = :id AND key_sealed = :was;

-- name: reseal_apns_key
UPDATE apns_key SET key_sealed = :sealed WHERE tenant = :under AND id = :id AND key_sealed = :was;
-- name: reseal_signing_request
UPDATE signing_request SET key_sealed = :sealed WHERE pass_type = :under AND id = :id AND key_sealed = :was;

-- name: reseal_token
UPDATE pass SET token_sealed = :sealed WHERE pass_type = :under AND serial = :id AND token_sealed = :was;

-- name: reseal_enrolment
UPDATE enrolment SET sealed = :sealed WHERE pass_type = :under AND id = :id AND sealed = :was;

-- name: webhook_secrets_sealed_otherwise
SELECT tenant, id, sealed FROM webhook_endpoint
 WHERE (tenant, id) > (:after_under, :after_id) AND substr(sealed, 2, 8) <> :secret
 ORDER BY tenant, id LIMIT :limit;

-- name: reseal_webhook_secret
UPDATE webhook_endpoint SET sealed = :sealed WHERE tenant = :under AND id = :id AND sealed = :was;

-- ─────────────────────────────────────────────── webhooks

-- name: webhook_endpoint
SELECT tenant, id, url, pass_types, events, sealed, created_at, failing_since, disabled_at, disabled_why, answered_at
  FROM webhook_endpoint WHERE tenant = :tenant AND id = :id;

-- name: webhook_endpoints
SELECT tenant, id, url, pass_types, events, sealed, created_at, failing_since, disabled_at, disabled_why, answered_at
  FROM webhook_endpoint WHERE tenant = :tenant ORDER BY id;

-- name: webhooks_failing
-- Of all tenants: there are few endpoints, and of them few that answer nothing.
SELECT tenant, id, url, pass_types, events, sealed, created_at, failing_since, disabled_at, disabled_why, answered_at
  FROM webhook_endpoint WHERE failing_since IS NOT NULL OR disabled_why = 'failing' ORDER BY tenant, id;

-- name: webhook_counts
-- Messages of each endpoint that wait, and that failed for good; each counted up to :most.
SELECT e.id,
       (SELECT count(*) FROM (SELECT 1 FROM webhook_message m
                               WHERE m.endpoint = e.id AND m.next_at IS NOT NULL LIMIT :most) w),
       (SELECT count(*) FROM (SELECT 1 FROM webhook_message m
                               WHERE m.endpoint = e.id AND m.next_at IS NULL AND m.ok = 0 LIMIT :most) f)
  FROM webhook_endpoint e WHERE e.tenant = :tenant;

-- name: webhooks_waiting
-- Those that are tried next, each with its last attempt, where there was one.
SELECT m.endpoint, m.id, m.name, m.at, m.body, m.attempts, m.next_at, m.ok,
       a.endpoint, a.message, a.number, a.at, a.took_ms, a.status, a.said
  FROM webhook_message m
  LEFT JOIN webhook_attempt a ON a.endpoint = m.endpoint AND a.message = m.id AND a.number = m.attempts
 WHERE m.endpoint = :endpoint AND m.next_at IS NOT NULL ORDER BY m.next_at, m.id LIMIT :limit;

-- name: webhooks_failed
-- The newest of those that failed for good, each with its last attempt.
SELECT m.endpoint, m.id, m.name, m.at, m.body, m.attempts, m.next_at, m.ok,
       a.endpoint, a.message, a.number, a.at, a.took_ms, a.status, a.said
  FROM webhook_message m
  LEFT JOIN webhook_attempt a ON a.endpoint = m.endpoint AND a.message = m.id AND a.number = m.attempts
 WHERE m.endpoint = :endpoint AND m.next_at IS NULL AND m.ok = 0 ORDER BY m.at DESC, m.id DESC LIMIT :limit;

-- name: put_webhook_endpoint
-- Whether it answers is noted by who sends there, and by nobody else.
INSERT INTO webhook_endpoint (tenant, id, url, pass_types, events, sealed, created_at, failing_since, disabled_at,
                              disabled_why, answered_at)
VALUES (:tenant, :id, :url, :pass_types, :events, :sealed, :created_at, :failing_since, :disabled_at, :disabled_why,
        :answered_at)
ON CONFLICT (id) DO UPDATE SET url = excluded.url, pass_types = excluded.pass_types, events = excluded.events,
  sealed = excluded.sealed, failing_since = excluded.failing_since, disabled_at = excluded.disabled_at,
  disabled_why = excluded.disabled_why;

-- name: remove_webhook_endpoint
DELETE FROM webhook_endpoint WHERE id = :id;

-- name: drop_removed_webhooks
-- Of endpoints that are there no more, some at a time. From endpoint to endpoint in the index: what is not dropped is
-- not walked.
DELETE FROM webhook_message WHERE (endpoint, id) IN (
  WITH RECURSIVE seen(endpoint) AS (
    SELECT min(endpoint) FROM webhook_message
    UNION ALL SELECT (SELECT min(m.endpoint) FROM webhook_message m WHERE m.endpoint > seen.endpoint)
                FROM seen WHERE seen.endpoint IS NOT NULL)
  SELECT m.endpoint, m.id FROM seen JOIN webhook_message m ON m.endpoint = seen.endpoint
   WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = seen.endpoint) LIMIT :limit);

-- name: drop_removed_attempts
DELETE FROM webhook_attempt WHERE (endpoint, message, number) IN (
  WITH RECURSIVE seen(endpoint) AS (
    SELECT min(endpoint) FROM webhook_attempt
    UNION ALL SELECT (SELECT min(a.endpoint) FROM webhook_attempt a WHERE a.endpoint > seen.endpoint)
                FROM seen WHERE seen.endpoint IS NOT NULL)
  SELECT a.endpoint, a.message, a.number FROM seen JOIN webhook_attempt a ON a.endpoint = seen.endpoint
   WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = seen.endpoint) LIMIT :limit);

-- name: webhook_listening
SELECT e.tenant, e.id, e.url, e.pass_types, e.events, e.sealed, e.created_at, e.failing_since, e.disabled_at,
       e.disabled_why, e.answered_at, t.pass_type
  FROM webhook_endpoint e JOIN pass_type t ON t.tenant = e.tenant
 WHERE e.disabled_at IS NULL AND t.pass_type IN (SELECT value FROM json_each(:within));

-- name: add_webhook_message
INSERT INTO webhook_message (endpoint, id, name, at, body, attempts, next_at, ok, lease)
VALUES (:endpoint, :id, :name, :at, :body, 0, :next_at, 0, NULL);

-- name: registrations_of_token
SELECT r.device_id, r.serial
  FROM device d JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
 WHERE d.pass_type = :pass_type AND d.push_token = :push_token AND r.left_at IS NULL AND r.superseded_at IS NULL
 ORDER BY r.device_id, r.serial;

-- name: note_log_kind
-- Once for each tenant; nothing of a pass type that is not there, which is anybody's word.
INSERT INTO device_log_kind (tenant, kind, at)
SELECT t.tenant, :kind, :at FROM pass_type t
 WHERE t.pass_type = :pass_type AND (SELECT count(*) FROM device_log_kind k WHERE k.tenant = t.tenant) < :most
ON CONFLICT (tenant, kind) DO NOTHING;

-- name: forget_log_kinds
DELETE FROM device_log_kind WHERE tenant = :tenant;

-- name: standing_page
-- Some passes by serial: whether a phone was not served what is current, and whether that is told already. So many
-- phones of each: those that held_and_owed reads first.
SELECT one.serial,
       CASE WHEN EXISTS (SELECT 1
                           FROM (SELECT o.left_at, o.superseded_at, o.served FROM registration o
                                  WHERE o.pass_type = :pass_type AND o.serial = one.serial
                                  ORDER BY o.device_id LIMIT :most_phones) seen
                          WHERE seen.left_at IS NULL AND seen.superseded_at IS NULL
                            AND seen.served < greatest(one.seq, c.began)) THEN 1 ELSE 0 END,
       CASE WHEN EXISTS (SELECT 1 FROM stale_pass s
                          WHERE s.pass_type = :pass_type AND s.serial = one.serial) THEN 1 ELSE 0 END
  FROM (SELECT serial, seq FROM pass WHERE pass_type = :pass_type AND serial > :after_serial ORDER BY serial LIMIT :limit) one,
       (SELECT began FROM counter WHERE pass_type = :pass_type) c
 ORDER BY one.serial;

-- name: note_stale
INSERT INTO stale_pass (pass_type, serial, at)
SELECT p.pass_type, p.serial, :at FROM pass p WHERE p.pass_type = :pass_type AND p.serial = :serial
ON CONFLICT (pass_type, serial) DO NOTHING;

-- name: forget_stale
DELETE FROM stale_pass WHERE pass_type = :pass_type AND serial IN (SELECT value FROM json_each(:serials));

-- name: erase_stale
DELETE FROM stale_pass WHERE pass_type = :pass_type AND serial = :serial;

-- name: webhooks_due
-- When each endpoint's next message is due: one look into the index for each endpoint, however many messages wait.
SELECT e.tenant, e.id, e.url, e.pass_types, e.events, e.sealed, e.created_at, e.failing_since, e.disabled_at,
       e.disabled_why, e.answered_at,
       (SELECT min(m.next_at) FROM webhook_message m WHERE m.endpoint = e.id AND m.next_at IS NOT NULL)
  FROM webhook_endpoint e WHERE e.disabled_at IS NULL AND e.url <> 'poll:';

-- name: claim_webhooks
-- Leases due messages of an endpoint, as claim_targets does pushes: a lease that ran out makes its message due again.
UPDATE webhook_message SET lease = :lease, next_at = :lease_until
 WHERE endpoint = :endpoint AND id IN (
       SELECT m.id FROM webhook_message m
        WHERE m.endpoint = :endpoint AND m.next_at IS NOT NULL AND m.next_at <= :now ORDER BY m.next_at LIMIT :limit)
RETURNING endpoint, id, name, at, body, attempts, next_at, ok;

-- name: record_webhook
-- Fenced by the lease: a process that lost it changes nothing.
UPDATE webhook_message SET attempts = :number, next_at = :next_at, ok = :ok, lease = NULL
 WHERE endpoint = :endpoint AND id = :id AND lease = :lease;

-- name: add_webhook_attempt
INSERT INTO webhook_attempt (endpoint, message, number, at, took_ms, status, said)
VALUES (:endpoint, :message, :number, :at, :took_ms, :status, :said) ON CONFLICT DO NOTHING;

-- name: webhook_answered
UPDATE webhook_endpoint SET failing_since = NULL, answered_at = :now
 WHERE id = :id AND (failing_since IS NOT NULL OR answered_at IS NULL OR answered_at < :noted_before);

-- name: webhook_failed
UPDATE webhook_endpoint SET failing_since = :now WHERE id = :id AND failing_since IS NULL;

-- name: disable_failing_webhook
UPDATE webhook_endpoint SET disabled_at = :now, disabled_why = 'failing'
 WHERE id = :id AND disabled_at IS NULL AND failing_since IS NOT NULL AND failing_since <= :failing_before;

-- name: webhook_messages
SELECT endpoint, id, name, at, body, attempts, next_at, ok FROM webhook_message
 WHERE endpoint = :endpoint AND (at, id) < (:before_at, :before_id) ORDER BY at DESC, id DESC LIMIT :limit;

-- name: webhook_attempts
SELECT endpoint, message, number, at, took_ms, status, said FROM webhook_attempt
 WHERE endpoint = :endpoint AND message = :message ORDER BY number;

-- name: resend_webhook
-- Not one that is under way, or will be tried again in any case: that is only brought forward.
UPDATE webhook_message SET next_at = :now, ok = 0
 WHERE endpoint = :endpoint AND id = :id AND lease IS NULL;

-- name: recover_webhooks
UPDATE webhook_message SET next_at = :now
 WHERE endpoint = :endpoint AND at >= :since AND next_at IS NULL AND ok = 0;

-- name: prune_webhooks
-- By age alone: what is left of a message goes with it.
DELETE FROM webhook_message WHERE (endpoint, id) IN (
  SELECT endpoint, id FROM webhook_message WHERE at < :before ORDER BY at LIMIT :limit);

-- name: prune_webhook_attempts
DELETE FROM webhook_attempt WHERE (endpoint, message, number) IN (
  SELECT endpoint, message, number FROM webhook_attempt WHERE at < :before ORDER BY at LIMIT :limit);

-- ─────────────────────────────────────────────── imports

-- name: import_job
SELECT tenant, id, caller, created_at, push, dry_run, columns, pass_types, unused, state, total, made, changed, unchanged,
       refused, failed, vain, turn_at, ended_at, CASE WHEN lease IS NULL AND state = 'working' AND lease_until > 0 THEN lease_until END,
       (SELECT count(*) FROM import_row w WHERE w.job = import_job.id)
  FROM import_job WHERE tenant = :tenant AND id = :id AND state NOT IN ('receiving', 'abandoned');

-- name: import_jobs
SELECT tenant, id, caller, created_at, push, dry_run, columns, pass_types, unused, state, total, made, changed, unchanged,
       refused, failed, vain, turn_at, ended_at, CASE WHEN lease IS NULL AND state = 'working' AND lease_until > 0 THEN lease_until END,
       (SELECT count(*) FROM import_row w WHERE w.job = import_job.id)
  FROM import_job WHERE tenant = :tenant AND state NOT IN ('receiving', 'abandoned')
   AND (created_at, id) < (:created_before, :id) ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: import_rows
SELECT number, pass_type, serial, body FROM import_row WHERE job = :job ORDER BY number LIMIT :limit;

-- name: import_errors
SELECT number, part, pass_type, serial, place, problem, remedy FROM import_error
 WHERE job = :job AND (number, part) > (:number, :part) ORDER BY number, part LIMIT :limit;

-- name: import_is_due
SELECT 1 FROM import_job WHERE state = 'working' AND lease_until <= :now LIMIT 1;

-- name: imports_under_way
SELECT count(*) FROM import_job WHERE tenant = :tenant AND state IN ('receiving', 'working');

-- name: begin_import
INSERT INTO import_job (tenant, id, caller, created_at, push, dry_run, columns, pass_types, unused, state, total, made,
                        changed, unchanged, refused, failed, vain, turn_at, ended_at, lease, lease_until)
VALUES (:tenant, :id, :caller, :created_at, :push, :dry_run, :columns, '[]', '[]', 'receiving', 0, 0,
        0, 0, 0, 0, 0, :created_at, NULL, NULL, 0);

-- name: add_import_row
INSERT INTO import_row (job, number, pass_type, serial, body) VALUES (:job, :number, :pass_type, :serial, :text);

-- name: add_import_error
INSERT INTO import_error (job, number, part, pass_type, serial, place, problem, remedy)
VALUES (:job, :number, :part, :pass_type, :serial, :column, :problem, :remedy);

-- name: open_import
UPDATE import_job SET state = :state, pass_types = :pass_types, unused = :unused, total = :total, refused = :refused
 WHERE id = :id AND state = 'receiving';

-- name: abandon_import
UPDATE import_job SET state = 'abandoned' WHERE id = :id AND state = 'receiving';

-- name: drop_import_rows
DELETE FROM import_row WHERE job = :job AND number IN (
  SELECT w.number FROM import_row w WHERE w.job = :job ORDER BY w.number LIMIT :limit)
   AND EXISTS (SELECT 1 FROM import_job j WHERE j.id = :job AND j.state IN ('cancelled', 'abandoned'));

-- name: claim_import
-- Whoever waited longest has the next turn, so that a small import of one tenant does not wait for a large one of another.
UPDATE import_job SET lease = :lease, lease_until = :lease_until, turn_at = :now
 WHERE id = (SELECT j.id FROM import_job j WHERE j.state = 'working' AND j.lease_until <= :now
              ORDER BY j.turn_at, j.id LIMIT 1)
RETURNING tenant, id, caller, created_at, push, dry_run, columns, pass_types, unused, state, total, made, changed, unchanged,
       refused, failed, vain, turn_at, ended_at, NULL, 0;

-- name: advance_import
-- Fenced by the lease: a process that lost it changes nothing.
UPDATE import_job SET made = made + :made, changed = changed + :changed, unchanged = unchanged + :unchanged,
       refused = refused + :refused, failed = failed + :failed
 WHERE id = :id AND lease = :lease AND state = 'working';

-- name: remove_import_rows
DELETE FROM import_row WHERE job = :job AND number IN (SELECT value FROM json_each(:numbers));

-- name: leave_import
UPDATE import_job SET lease = NULL, lease_until = :until, vain = :vain,
       state = CASE WHEN EXISTS (SELECT 1 FROM import_row w WHERE w.job = :id) THEN state ELSE 'finished' END,
       ended_at = CASE WHEN EXISTS (SELECT 1 FROM import_row w WHERE w.job = :id) THEN ended_at ELSE :now END
 WHERE id = :id AND lease = :lease AND state = 'working';

-- name: cancel_import
UPDATE import_job SET state = 'cancelled', ended_at = :now, lease = NULL
 WHERE tenant = :tenant AND id = :id AND state = 'working';

-- name: erase_import_rows
DELETE FROM import_row WHERE pass_type = :pass_type AND serial = :serial;

-- name: erase_import_errors
DELETE FROM import_error WHERE pass_type = :pass_type AND serial = :serial;

-- name: remove_import_rows_of
DELETE FROM import_row WHERE job IN (SELECT id FROM import_job WHERE tenant = :tenant);

-- name: remove_import_errors_of
DELETE FROM import_error WHERE job IN (SELECT id FROM import_job WHERE tenant = :tenant);

-- name: remove_imports_of
DELETE FROM import_job WHERE tenant = :tenant;

-- name: prune_import_rows
DELETE FROM import_row WHERE (job, number) IN (
  SELECT w.job, w.number FROM import_job j JOIN import_row w ON w.job = j.id
   WHERE j.state IN ('cancelled', 'abandoned') OR (j.state = 'receiving' AND j.created_at < :created_before)
   LIMIT :limit);

-- name: prune_import_errors
DELETE FROM import_error WHERE (job, number, part) IN (
  SELECT e.job, e.number, e.part FROM import_job j JOIN import_error e ON e.job = j.id
   WHERE j.ended_at < :before OR j.state = 'abandoned' OR (j.state = 'receiving' AND j.created_at < :created_before)
   LIMIT :limit);

-- name: prune_import_jobs
DELETE FROM import_job WHERE id IN (
  SELECT j.id FROM import_job j
   WHERE (j.ended_at < :before OR j.state = 'abandoned' OR (j.state = 'receiving' AND j.created_at < :created_before))
     AND NOT EXISTS (SELECT 1 FROM import_row w WHERE w.job = j.id)
     AND NOT EXISTS (SELECT 1 FROM import_error e WHERE e.job = j.id) LIMIT :limit);
