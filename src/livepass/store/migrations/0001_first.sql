-- oldest: 1
-- Every table that grows leads with the pass type, so that a database that shards by key can spread it.
-- Small rows that are found by key live in the key (WITHOUT ROWID, on SQLite): one descent instead of two.
-- Instants are milliseconds since the Unix epoch; last_modified is in whole seconds. Nothing stores a status.

-- physical names the storage itself (PostgreSQL: cluster and timeline), so that a restored copy is told from it.
CREATE TABLE installation (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  uuid       TEXT    NOT NULL,
  physical   TEXT    NOT NULL,
  created_at BIGINT  NOT NULL
);

-- One row per process that works on this database, renewed while it lives.
CREATE TABLE process (
  id         TEXT    NOT NULL PRIMARY KEY,
  host       TEXT    NOT NULL,
  pid        INTEGER NOT NULL,
  role       TEXT    NOT NULL,
  schema     INTEGER NOT NULL,                -- the newest migration its code knows
  started_at BIGINT  NOT NULL,
  heard_at   BIGINT  NOT NULL,
  fetch_ms   BIGINT,                          -- 95th percentile of its latest fetches
  shedding   INTEGER NOT NULL,
  canaries   TEXT                             -- pass types that it has canaries of; NULL: it can have none
) WITHOUT ROWID;

-- Keys that every host must share, sealed with LIVEPASS_SECRET_KEY: which pass tokens and tags are derived with.
CREATE TABLE shared_key (
  id         TEXT   NOT NULL PRIMARY KEY,
  purpose    TEXT   NOT NULL,
  sealed     BLOB   NOT NULL,
  created_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Keys for APNs (.p8), sealed with LIVEPASS_SECRET_KEY. topics is a JSON list of those that it is limited to.
CREATE TABLE apns_key (
  tenant      TEXT   NOT NULL,
  id          TEXT   NOT NULL,                -- Apple's: ten letters and digits
  team        TEXT   NOT NULL,
  topics      TEXT   NOT NULL,
  environment TEXT   NOT NULL,
  key_sealed  BLOB   NOT NULL,
  created_at  BIGINT NOT NULL,
  retired_at  BIGINT,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- The brands beside 'default', which is always there and has no row. name is part of every token: it never changes.
CREATE TABLE tenant (
  name       TEXT   NOT NULL PRIMARY KEY,
  title      TEXT   NOT NULL,
  created_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Whose a pass type is. Which certificate signs for it follows from the certificates' own instants.
-- push_key_id: the APNs key of the tenant that pushes for it; null: the certificate does.
CREATE TABLE pass_type (
  pass_type      TEXT   NOT NULL PRIMARY KEY,
  tenant         TEXT   NOT NULL,
  team           TEXT   NOT NULL,
  push_key_id    TEXT,
  created_at     BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX pass_type_by_tenant ON pass_type (tenant);

-- The order of a pass type: one row, locked from the taking of a number until the commit.
-- began is the number with which the epoch began: what is older counts as changed then, because nobody knows what
-- phones saw of it. spread says how far its pushes have been made due (a push token; null: all of them).
CREATE TABLE counter (
  pass_type      TEXT   NOT NULL PRIMARY KEY,
  epoch          TEXT   NOT NULL,
  seq            BIGINT NOT NULL,
  began          BIGINT NOT NULL,
  modified_floor BIGINT NOT NULL,              -- no new last_modified is below it (seconds)
  newest_modified BIGINT NOT NULL,             -- the newest last_modified that was ever given away (seconds)
  spread         TEXT
) WITHOUT ROWID;

CREATE TABLE pass (
  pass_type        TEXT    NOT NULL,
  serial           TEXT    NOT NULL,
  seq              BIGINT  NOT NULL,           -- watermark: changed
  edit             BIGINT  NOT NULL,           -- rises with every write, also one that changes no byte of the pass
  last_modified    BIGINT  NOT NULL,
  manifest_sha     TEXT    NOT NULL,
  document         BLOB    NOT NULL,           -- canonical pass.json, without the authentication token
  template         TEXT    NOT NULL,
  revision         TEXT    NOT NULL,
  pinned           INTEGER NOT NULL,
  refused_revision TEXT,                       -- newest revision this pass could not be built from
  data             BLOB    NOT NULL,
  content          BLOB    NOT NULL,
  token_key        TEXT    NOT NULL,
  token_salt       BLOB    NOT NULL,
  token_sealed     BLOB,
  voided           INTEGER NOT NULL,
  created_at       BIGINT  NOT NULL,
  changed_at       BIGINT  NOT NULL,
  enrolled         TEXT,                       -- the enrolment on it; '': it offered one; null: it never did
  holder           TEXT,                       -- the issuer's own name for whose it is; no phone sees it
  web_service_url  TEXT    NOT NULL DEFAULT '', -- as in the document: where phones that hold it call
  url_seq          BIGINT  NOT NULL DEFAULT 0, -- the number with which that became another one; 0: never
  url_at           BIGINT  NOT NULL DEFAULT 0, -- and when
  token_print      TEXT,                       -- an imported token's keyed fingerprint: no two passes share one
  PRIMARY KEY (pass_type, serial)
);
CREATE INDEX pass_follows ON pass (template, revision) WHERE pinned = 0;
CREATE INDEX pass_by_holder ON pass (holder, pass_type, serial) WHERE holder IS NOT NULL;
-- Imported tokens: a new secret key seals them anew.
CREATE INDEX pass_sealed ON pass (pass_type, serial) WHERE token_sealed IS NOT NULL;
CREATE UNIQUE INDEX pass_token ON pass (pass_type, token_print) WHERE token_print IS NOT NULL;
-- Which passes call where, and which are still to be moved.
CREATE INDEX pass_url ON pass (pass_type, web_service_url, serial);

-- What people gave when they enrolled for a pass, sealed. The first one of a pass is on it; others came from phones that
-- held an older copy. number is of the counter's order, so that whoever reads on after one misses none.
CREATE TABLE enrolment (
  pass_type TEXT    NOT NULL,
  id        TEXT    NOT NULL,
  serial    TEXT    NOT NULL,
  number    BIGINT  NOT NULL,
  at        BIGINT  NOT NULL,
  on_pass   INTEGER NOT NULL,
  sealed    BLOB    NOT NULL,
  PRIMARY KEY (pass_type, id)
);
CREATE INDEX enrolment_by_number ON enrolment (pass_type, number);
CREATE INDEX enrolment_by_pass ON enrolment (pass_type, serial, number);

-- One phone's record for one pass type. The push token is not unique: one phone may hold several records.
-- Wishes from hosts' outboxes that were done: one that comes again, because its row outlived a crash, is not done again.
CREATE TABLE outbox_receipt (
  pass_type TEXT   NOT NULL,
  receipt   TEXT   NOT NULL,
  at        BIGINT NOT NULL,
  PRIMARY KEY (pass_type, receipt)
) WITHOUT ROWID;
CREATE INDEX outbox_receipt_by_age ON outbox_receipt (at);

CREATE TABLE device (
  pass_type           TEXT   NOT NULL,
  device_id           TEXT   NOT NULL,
  push_token          TEXT   NOT NULL,
  token_registered_at BIGINT NOT NULL,
  asked               BIGINT NOT NULL,         -- watermark
  told                BIGINT NOT NULL,         -- watermark
  asked_at            BIGINT,
  PRIMARY KEY (pass_type, device_id)
) WITHOUT ROWID;
CREATE INDEX device_by_token ON device (pass_type, push_token);

CREATE TABLE registration (
  pass_type     TEXT    NOT NULL,
  device_id     TEXT    NOT NULL,
  serial        TEXT    NOT NULL,
  joined        BIGINT  NOT NULL,              -- the number it joined with
  seq           BIGINT  NOT NULL,              -- the same, or the number it was last told again with
  registered_at BIGINT  NOT NULL,
  left_at       BIGINT,                        -- tombstone
  superseded_at BIGINT,                        -- the same phone follows the pass under a newer device id
  served        BIGINT  NOT NULL,              -- watermark, by the best evidence
  served_at     BIGINT,
  confirmed     BIGINT  NOT NULL,              -- the part of it that is beyond doubt
  retold        INTEGER NOT NULL,
  retell_at     BIGINT,
  PRIMARY KEY (pass_type, device_id, serial)
) WITHOUT ROWID;
-- Whole keys in either order, so that no phone is looked for among all that follow a pass.
CREATE INDEX registration_by_pass ON registration (pass_type, serial, device_id);
CREATE INDEX registration_to_retell ON registration (retell_at) WHERE retell_at IS NOT NULL;
CREATE INDEX registration_left ON registration (left_at) WHERE left_at IS NOT NULL;

-- A due push: wanted above acked. Only an ask raises acked; APNs' 200 raises pushed.
CREATE TABLE push_target (
  pass_type           TEXT    NOT NULL,
  push_token          TEXT    NOT NULL,
  token_registered_at BIGINT  NOT NULL,
  wanted              BIGINT  NOT NULL,
  acked               BIGINT  NOT NULL,
  pushed              BIGINT  NOT NULL,        -- watermark
  urgent              BIGINT  NOT NULL,        -- up to this number the phone's budget is not waited for
  sending             BIGINT  NOT NULL,
  attempts            INTEGER NOT NULL,
  next_at             BIGINT  NOT NULL,
  hold_until          BIGINT  NOT NULL,        -- APNs asked for patience: next_at is never earlier, whatever changes
  lease               TEXT,
  lease_until         BIGINT,
  score               DOUBLE PRECISION NOT NULL,
  last_push_at        BIGINT,
  dead_at             BIGINT,
  dead_reason         TEXT,
  PRIMARY KEY (pass_type, push_token)
) WITHOUT ROWID;
CREATE INDEX push_target_due ON push_target (pass_type, next_at) WHERE wanted > acked AND dead_at IS NULL;
CREATE INDEX push_target_dead ON push_target (pass_type, push_token) WHERE dead_at IS NOT NULL;

-- Pushes that more phones are owed than one transaction makes due: what is left of it, and how far it has come.
-- What for: 'changed' (a pass), 'now' (a pass, or all of a pass type), 'resumed' (all of a pass type).
-- Keys are device ids of a pass, or push tokens of a pass type. Done as far as after_key; to be done up to upto, and then
-- from the first one to again_to.
CREATE TABLE fan_out (
  pass_type TEXT    NOT NULL,
  what      TEXT    NOT NULL,
  serial    TEXT    NOT NULL,                  -- empty: all of the pass type
  seq       BIGINT  NOT NULL,                  -- the newest number when it was left
  wanted    BIGINT  NOT NULL,                  -- the number that is due; 0: nobody is to be pushed
  urgent    INTEGER NOT NULL,
  push_at   BIGINT  NOT NULL,
  after_key TEXT    NOT NULL,
  upto      TEXT    NOT NULL,
  again_to  TEXT    NOT NULL,
  PRIMARY KEY (pass_type, what, serial)
) WITHOUT ROWID;

-- A credential that APNs refused: nothing of the pass type is sent until then. push_key_id as in pass_type.
CREATE TABLE circuit (
  pass_type   TEXT   NOT NULL PRIMARY KEY,
  open_until  BIGINT NOT NULL,
  reason      TEXT   NOT NULL,
  opened_at   BIGINT NOT NULL,
  push_key_id TEXT
) WITHOUT ROWID;

CREATE TABLE template (
  tenant   TEXT NOT NULL,
  name     TEXT NOT NULL,
  revision TEXT NOT NULL,                      -- the current one
  PRIMARY KEY (tenant, name)
);

-- Immutable: the revision is the hash of the files.
CREATE TABLE template_revision (
  tenant     TEXT   NOT NULL,
  name       TEXT   NOT NULL,
  revision   TEXT   NOT NULL,
  files      BLOB   NOT NULL,
  variables  TEXT   NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, name, revision)
);

CREATE TABLE certificate (
  pass_type              TEXT    NOT NULL,
  id                     TEXT    NOT NULL PRIMARY KEY,
  team                   TEXT    NOT NULL,
  common_name            TEXT    NOT NULL,
  organization           TEXT    NOT NULL,
  issuer                 TEXT    NOT NULL,
  serial_number          TEXT    NOT NULL,
  not_before             BIGINT  NOT NULL,
  not_after              BIGINT  NOT NULL,
  intermediate_not_after BIGINT  NOT NULL,
  nfc                    INTEGER NOT NULL,
  chain_pem              BLOB    NOT NULL,
  key_sealed             BLOB    NOT NULL,
  created_at             BIGINT  NOT NULL,
  proven_at              BIGINT,
  promoted_at            BIGINT,               -- signs, unless one was promoted later
  retired_at             BIGINT,
  revoked_at             BIGINT,
  canary_percent         INTEGER NOT NULL      -- of the serials, signed with it before it is promoted
);
CREATE INDEX certificate_by_type ON certificate (pass_type);

-- A key that was made here and whose certificate has not come yet; it is found by the public key, whose SHA-256 stands
-- here and whose beginning is the id. pass_type is what it is meant for; empty: not said.
CREATE TABLE signing_request (
  pass_type     TEXT   NOT NULL,
  id            TEXT   NOT NULL PRIMARY KEY,
  tenant        TEXT   NOT NULL,
  key_sealed    BLOB   NOT NULL,
  public_sha256 TEXT   NOT NULL,
  created_at    BIGINT NOT NULL
);
-- What is looked at so that no certificate ends or breaks unnoticed (core.watching), as it was seen last.
CREATE TABLE watched (
  subject    TEXT    NOT NULL PRIMARY KEY,
  kind       TEXT    NOT NULL,
  pass_type  TEXT    NOT NULL,                -- '' where there is none
  starts_at  BIGINT,
  ends_at    BIGINT,
  look_at    BIGINT  NOT NULL,                -- when the next look is due; whoever looks puts it off first
  checked_at BIGINT,
  problem    TEXT    NOT NULL,
  detail     TEXT    NOT NULL,
  said_days  INTEGER                          -- the lowest threshold that was said of this end
) WITHOUT ROWID;

CREATE TABLE api_key (
  id           TEXT   NOT NULL PRIMARY KEY,
  tenant       TEXT   NOT NULL,
  name         TEXT   NOT NULL,
  secret_hash  TEXT   NOT NULL,
  scopes       TEXT   NOT NULL,
  pass_types   TEXT,
  created_at   BIGINT NOT NULL,
  last_used_at BIGINT,
  revoked_at   BIGINT
);

-- Requests that carried an Idempotency-Key, by whoever sent them: the answer to be repeated (status null: under way, until
-- lease_until). key and request are SHA-256. In no backup: what a restore brings back may lack the effect.
CREATE TABLE idempotency (
  tenant      TEXT   NOT NULL,
  caller      TEXT   NOT NULL,                 -- the API key's id
  key         TEXT   NOT NULL,
  request     TEXT   NOT NULL,
  at          BIGINT NOT NULL,
  lease       TEXT   NOT NULL,
  lease_until BIGINT NOT NULL,
  pass_type   TEXT   NOT NULL,                 -- '' where it is about no pass
  serial      TEXT   NOT NULL,
  status      INTEGER,
  media       TEXT   NOT NULL,
  headers     TEXT   NOT NULL,
  body        BLOB,
  PRIMARY KEY (tenant, caller, key)
);
CREATE INDEX idempotency_by_age ON idempotency (at);
CREATE INDEX idempotency_by_pass ON idempotency (pass_type, serial);

-- Where webhooks go, and what was sent there. pass_types and events are JSON lists; null: all. sealed: the secrets.
CREATE TABLE webhook_endpoint (
  tenant        TEXT   NOT NULL,
  id            TEXT   NOT NULL PRIMARY KEY,
  url           TEXT   NOT NULL,
  pass_types    TEXT,
  events        TEXT,
  sealed        BLOB   NOT NULL,
  created_at    BIGINT NOT NULL,
  failing_since BIGINT,                        -- the first of the attempts that failed in a row
  disabled_at   BIGINT,
  disabled_why  TEXT   NOT NULL,
  answered_at   BIGINT                         -- the last 2xx, to some seconds
) WITHOUT ROWID;
CREATE INDEX webhook_endpoint_by_tenant ON webhook_endpoint (tenant, id);

-- One event for one endpoint, written by the transaction that wrote the event. next_at: when it is due, or its lease
-- ends; null: it is over.
CREATE TABLE webhook_message (
  endpoint TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  at       BIGINT  NOT NULL,
  body     BLOB    NOT NULL,
  attempts INTEGER NOT NULL,
  next_at  BIGINT,
  ok       INTEGER NOT NULL,
  lease    TEXT,
  PRIMARY KEY (endpoint, id)
);
CREATE INDEX webhook_message_due ON webhook_message (endpoint, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_message_by_age ON webhook_message (at);
CREATE INDEX webhook_message_of ON webhook_message (endpoint, at, id);
-- After the one before, which SQLite would take for it.
CREATE INDEX webhook_message_failed ON webhook_message (endpoint, at, id) WHERE next_at IS NULL AND ok = 0;

CREATE TABLE webhook_attempt (
  endpoint TEXT    NOT NULL,
  message  TEXT    NOT NULL,
  number   INTEGER NOT NULL,
  at       BIGINT  NOT NULL,
  took_ms  BIGINT  NOT NULL,
  status   INTEGER NOT NULL,                   -- 0: no answer came
  said     TEXT    NOT NULL,
  PRIMARY KEY (endpoint, message, number)
) WITHOUT ROWID;
CREATE INDEX webhook_attempt_by_age ON webhook_attempt (at);

-- Passes of which webhooks told that they are stale, until all their phones were served what is current.
CREATE TABLE stale_pass (
  pass_type TEXT   NOT NULL,
  serial    TEXT   NOT NULL,
  at        BIGINT NOT NULL,
  PRIMARY KEY (pass_type, serial)
) WITHOUT ROWID;

-- The kinds of lines that a tenant's phones posted to their log: a sentence that we know, or the shape of one that nobody
-- does; as a fingerprint, because phones write what they like. A new one is told by webhook, once.
CREATE TABLE device_log_kind (
  tenant TEXT   NOT NULL,
  kind   TEXT   NOT NULL,
  at     BIGINT NOT NULL,
  PRIMARY KEY (tenant, kind)
) WITHOUT ROWID;

-- Imports that are worked off in steps. state: receiving (not acknowledged yet), working, finished, cancelled,
-- abandoned (never acknowledged). Whoever works on one holds it until lease_until. pass_types, unused (columns that fill nothing) are JSON lists.
CREATE TABLE import_job (
  tenant      TEXT    NOT NULL,
  id          TEXT    NOT NULL PRIMARY KEY,
  caller      TEXT    NOT NULL,                -- the API key's id
  created_at  BIGINT  NOT NULL,
  push        TEXT    NOT NULL,
  dry_run     INTEGER NOT NULL,
  columns     TEXT    NOT NULL,                -- a JSON object: what is called otherwise in it, by its name here
  pass_types  TEXT    NOT NULL,
  unused      TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  total       BIGINT  NOT NULL,                -- rows that were read
  made        BIGINT  NOT NULL,
  changed     BIGINT  NOT NULL,
  unchanged   BIGINT  NOT NULL,
  refused     BIGINT  NOT NULL,
  failed      BIGINT  NOT NULL,                -- rows that were given up for a reason that nobody foresaw
  vain        INTEGER NOT NULL,                -- tries of which every row failed so
  turn_at     BIGINT  NOT NULL,                -- when somebody took it up last
  ended_at    BIGINT,
  lease       TEXT,
  lease_until BIGINT  NOT NULL                 -- without a lease: until when it pauses
) WITHOUT ROWID;
CREATE INDEX import_job_by_tenant ON import_job (tenant, created_at, id);
CREATE INDEX import_job_due ON import_job (turn_at, id) WHERE state = 'working';

-- Rows that wait for their turn. One goes in the transaction that makes its pass, or with that pass when it is erased.
CREATE TABLE import_row (
  job       TEXT   NOT NULL,
  number    BIGINT NOT NULL,                   -- as a spreadsheet counts
  pass_type TEXT   NOT NULL,
  serial    TEXT   NOT NULL,
  body      TEXT   NOT NULL,                   -- JSON: what the pass shall be
  PRIMARY KEY (job, number)
);
CREATE INDEX import_row_of_pass ON import_row (pass_type, serial);

-- What was wrong with rows.
CREATE TABLE import_error (
  job       TEXT    NOT NULL,
  number    BIGINT  NOT NULL,
  part      INTEGER NOT NULL,
  pass_type TEXT    NOT NULL,                  -- '' where the row names none
  serial    TEXT    NOT NULL,
  place     TEXT    NOT NULL,                  -- the column
  problem   TEXT    NOT NULL,
  remedy    TEXT    NOT NULL,
  PRIMARY KEY (job, number, part)
) WITHOUT ROWID;
CREATE INDEX import_error_of_pass ON import_error (pass_type, serial);

-- Who may use the web console. password: Argon2id (PHC), null: none. totp_step: the last step (30 s) whose code was taken,
-- null while the first code was not given. Nobody is deleted: what they did stands in audit.
CREATE TABLE console_user (
  tenant      TEXT   NOT NULL,
  name        TEXT   NOT NULL,
  role        TEXT   NOT NULL,
  password    TEXT,
  totp_sealed BLOB,
  totp_step   BIGINT,
  created_at  BIGINT NOT NULL,
  disabled_at BIGINT,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

-- Who is signed in. id is the SHA-256 of what the browser holds. In no backup: a restore brings no session back.
CREATE TABLE console_session (
  id         TEXT   NOT NULL PRIMARY KEY,
  tenant     TEXT   NOT NULL,
  name       TEXT   NOT NULL,                  -- a user's, or "link …"
  role       TEXT   NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX console_session_of ON console_session (tenant, name);

-- Links that let somebody in once. id is the SHA-256 of what stands in the address. In no backup.
CREATE TABLE console_link (
  id         TEXT   NOT NULL PRIMARY KEY,
  tenant     TEXT   NOT NULL,
  role       TEXT   NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT
) WITHOUT ROWID;

-- What people did in the console, and to its users. Only ever added to. detail is JSON and holds nothing secret.
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  at      BIGINT NOT NULL,
  tenant  TEXT   NOT NULL,
  who     TEXT   NOT NULL,
  role    TEXT   NOT NULL,
  action  TEXT   NOT NULL,
  subject TEXT   NOT NULL,
  detail  TEXT   NOT NULL
);

-- What was observed. target is a fingerprint of a push token; detail is JSON and holds nothing secret.
CREATE TABLE event (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  at        BIGINT NOT NULL,
  kind      TEXT   NOT NULL,
  pass_type TEXT   NOT NULL,
  serial    TEXT,
  device_id TEXT,
  target    TEXT,
  seq       BIGINT NOT NULL,
  detail    TEXT   NOT NULL
);
CREATE INDEX event_by_pass ON event (pass_type, serial, id) WHERE serial IS NOT NULL;
CREATE INDEX event_by_device ON event (pass_type, device_id, id) WHERE serial IS NULL AND device_id IS NOT NULL;
CREATE INDEX event_testified ON event (id) WHERE kind = 'testified';
CREATE INDEX event_epoch ON event (pass_type, id) WHERE kind = 'new_epoch';
CREATE INDEX event_canary_ran ON event (pass_type, id) WHERE kind = 'canary_ran';
CREATE INDEX event_polled ON event (pass_type, serial, id) WHERE kind = 'polled';
CREATE INDEX event_asked_unknown ON event (pass_type, id) WHERE kind = 'asked_unknown';
CREATE INDEX event_left ON event (pass_type, serial, device_id, at)
 WHERE kind = 'unregistered' OR kind = 'registration_superseded';
CREATE INDEX event_shared ON event (pass_type, at, serial)
 WHERE kind = 'share_viewed' OR kind = 'pkpass_downloaded';
CREATE INDEX event_by_target ON event (pass_type, target, id) WHERE serial IS NULL AND target IS NOT NULL;
