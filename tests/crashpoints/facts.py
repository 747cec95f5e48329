"""What an operation is about, as plain SELECTs that both engines take."""

from __future__ import annotations

PASSES = (
    "SELECT serial, seq, last_modified, manifest_sha, voided, revision FROM pass ORDER BY serial",
    "SELECT seq, epoch FROM counter",
    "SELECT kind, serial, seq FROM event WHERE kind IN ('issued', 'changed', 'voided', 'erased') ORDER BY id",
)
REGISTRATIONS = (
    "SELECT r.device_id, r.serial, r.joined, r.left_at IS NULL, d.push_token, g.push_token FROM registration r"
    " LEFT JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id"
    " LEFT JOIN push_target g ON g.pass_type = d.pass_type AND g.push_token = d.push_token ORDER BY 1, 2",
    "SELECT seq FROM counter",
    "SELECT kind, serial, device_id, seq FROM event WHERE kind IN ('registered', 'unregistered') ORDER BY id",
)
ENROLMENTS = (
    "SELECT serial, seq, last_modified, manifest_sha, enrolled FROM pass ORDER BY serial",
    "SELECT id, serial, number, on_pass FROM enrolment ORDER BY number",
    "SELECT push_token, wanted FROM push_target ORDER BY push_token",
    "SELECT seq, epoch FROM counter",
    "SELECT kind, serial, seq FROM event WHERE kind IN ('personalized', 'enrolled_again') ORDER BY id",
)
ERASED = (*PASSES, "SELECT device_id, serial FROM registration ORDER BY 1, 2")
EPOCHS = ("SELECT epoch, seq, began FROM counter", "SELECT seq FROM event WHERE kind = 'new_epoch' ORDER BY id")
CERTIFICATES = (
    "SELECT id, promoted_at IS NULL, retired_at IS NULL FROM certificate ORDER BY id",
    "SELECT count(*) FROM event WHERE kind = 'certificate_imported'",
)
ANSWERED = (*CERTIFICATES, "SELECT id FROM signing_request")
SHARED_KEYS = ("SELECT id, sealed FROM shared_key ORDER BY id",)
API_KEYS = ("SELECT id, revoked_at IS NULL FROM api_key ORDER BY id",)
TEMPLATES = (
    "SELECT t.revision, count(r.revision) FROM template t LEFT JOIN template_revision r"
    " ON r.name = t.name AND r.revision = t.revision GROUP BY t.revision",
)
OBSERVED = (
    "SELECT device_id, asked, told FROM device ORDER BY device_id",
    "SELECT device_id, serial, served, confirmed, retold FROM registration ORDER BY device_id, serial",
    "SELECT kind, device_id, serial, seq FROM event WHERE kind IN ('asked', 'fetched', 'retold') ORDER BY id",
)
FORGOTTEN = (
    "SELECT device_id, serial FROM registration ORDER BY 1, 2",
    "SELECT device_id FROM device ORDER BY 1",
    "SELECT push_token FROM push_target ORDER BY 1",
    "SELECT count(*) FROM event",
)
ROLLED_OUT = (*PASSES, *TEMPLATES)
TESTIMONY = ("SELECT count(*) FROM event WHERE kind = 'testified'",)
