"""The rows a rule looks at. Frozen, and without decisions.

Instants (``*_at``) are milliseconds since the Unix epoch. ``seq`` and the watermarks are change numbers of one pass
type, comparable only within it. ``last_modified`` is in whole seconds: it is a version id that looks like a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.rotation import Link, Stage

DEFAULT_TENANT = "default"


@frozen
class Counter:
    """The order of one pass type: the newest number, and the history (``epoch``) it belongs to.

    ``began`` is the number with which that history began: what is older counts as changed then. No new version gets a
    ``last_modified`` below ``modified_floor`` (seconds): a lost history may have used the seconds before.
    """

    pass_type: str
    epoch: str
    seq: int
    began: int = 0
    modified_floor: int = 0


@frozen
class Tag:
    """What a phone hands back: 'I have heard everything up to ``seq`` of ``epoch``'."""

    epoch: str
    seq: int


@frozen
class TokenSource:
    """Where a pass's authentication token comes from: derived under a named key, or kept sealed when imported."""

    key_id: str
    salt: bytes
    sealed: bytes | None = field(default=None, repr=False)


@frozen
class Pass:
    """A pass as it is now. ``document`` is canonical pass.json without the authentication token."""

    pass_type: str
    serial: str
    seq: int
    edit: int
    last_modified: int
    manifest_sha: str
    document: bytes = field(repr=False)
    template: str
    revision: str
    pinned: bool
    data: bytes = field(repr=False)
    content: bytes = field(repr=False)
    token: TokenSource
    voided: bool
    created_at: int
    changed_at: int
    enrolled: str | None = None
    """The id of the enrolment that is on it; empty: some version of it offered one; ``None``: none ever did."""
    holder: str | None = None
    """The issuer's own name for whose it is. No phone sees it."""
    web_service_url: str = ""
    """Where phones that hold it call, as in the document."""
    url_seq: int = 0
    """The number with which that became another one, and ``url_at`` when; 0: it never did."""
    url_at: int = 0
    token_print: str | None = None
    """A keyed fingerprint of an imported token, by which no two passes share one."""


@frozen
class Enrolment:
    """What one person gave when they enrolled for a pass, sealed. ``number`` is one of the pass type's, taken when it
    was stored: enrolments of a pass type are in its order. ``on_pass``: it is the one that the pass shows.
    """

    pass_type: str
    id: str
    serial: str
    number: int
    at: int
    on_pass: bool
    sealed: bytes = field(repr=False)


@frozen
class PassHead:
    """The part of a pass that a device request needs before it is known to be allowed anything."""

    seq: int
    last_modified: int
    token: TokenSource


@frozen
class Device:
    """One phone's record for one pass type. The id is random per record and says nothing about a person."""

    pass_type: str
    device_id: str
    push_token: str = field(repr=False)
    token_registered_at: int
    asked: int
    told: int
    asked_at: int | None


@frozen
class Registration:
    """One pass on one phone. ``left_at`` is set by DELETE; the row stays as a tombstone. ``superseded_at`` is set when
    the same phone registers the pass under a newer device id: still answered, no longer counted.

    ``joined`` is the number it joined with; ``seq`` is the same until the pass is told again, which takes a new one.
    """

    pass_type: str
    serial: str
    device_id: str
    joined: int
    seq: int
    registered_at: int
    left_at: int | None
    superseded_at: int | None
    served: int
    served_at: int | None
    confirmed: int
    retold: int
    retell_at: int | None


@frozen
class Watermarks:
    """Change numbers, each observed on a wire and each only ever raised. 0 means 'never observed'."""

    changed: int
    pushed: int = 0
    asked: int = 0
    told: int = 0
    served: int = 0


@frozen
class Held:
    """A registration with everything known of it: what the API shows and ``why`` reasons about."""

    registration: Registration
    device: Device
    watermarks: Watermarks
    target: str
    pushed_at: int | None
    dead_at: int | None
    dead_reason: str | None


@frozen
class Target:
    """A due push: (push token, pass type). ``wanted`` above ``acked`` means due; only an ask acknowledges."""

    pass_type: str
    push_token: str = field(repr=False)
    token_registered_at: int
    wanted: int
    acked: int
    pushed: int
    urgent: int
    sending: int
    attempts: int
    next_at: int
    lease: str | None
    score: float
    last_push_at: int | None
    passes: int
    dead_at: int | None
    dead_reason: str | None


@frozen
class Certificate:
    """A Pass Type ID certificate as stored. The key is sealed; the facts are public. Its life: ``core.rotation``."""

    id: str
    pass_type: str
    team: str
    common_name: str
    organization: str
    issuer: str
    serial_number: str
    not_before: int
    not_after: int
    intermediate_not_after: int
    nfc: bool
    chain_pem: bytes = field(repr=False)
    key_sealed: bytes = field(repr=False)
    created_at: int
    proven_at: int | None = None
    promoted_at: int | None = None
    retired_at: int | None = None
    revoked_at: int | None = None
    canary_percent: int = 0

    @property
    def live(self) -> bool:
        """Promoted, and in use. Which of the live ones signs: ``core.rotation.signing``."""
        return self.link.stage is Stage.LIVE

    @property
    def link(self) -> Link:
        """What the rules of its life look at."""
        return Link(
            *(self.id, self.pass_type, self.not_before, self.not_after, self.intermediate_not_after, self.nfc),
            *(self.proven_at, self.promoted_at, self.retired_at, self.revoked_at, self.canary_percent),
        )


@frozen
class SigningRequest:
    """A private key that was made here for a certificate to come. ``pass_type`` is what it is meant for, or empty;
    ``public_sha256`` is of the public key (SubjectPublicKeyInfo, DER), in lower-case hexadecimal.
    """

    id: str
    pass_type: str
    public_sha256: str
    key_sealed: bytes = field(repr=False)
    created_at: int
    tenant: str = DEFAULT_TENANT


@frozen
class Tenant:
    """A brand on this installation. ``name`` stands in every pass's token and never changes; ``title`` may."""

    name: str
    title: str
    created_at: int


@frozen
class PassType:
    """A pass type: whose it is, its team, and which APNs key pushes (``None``: the certificate that signs)."""

    pass_type: str
    tenant: str
    team: str
    push_key_id: str | None = None


@frozen
class StoredTemplate:
    """One revision of a template: its files as a zip, and the facts shown in lists."""

    name: str
    revision: str
    files: bytes = field(repr=False)
    variables: Mapping[str, str]
    created_at: int
    current: bool


PRESENT_MS = 60_000
"""A process of which something was heard within this time counts as running."""


@frozen
class Process:
    """A process that works on the database, and its last sign of life. ``role``: ``serve``, ``worker`` or
    ``serve+worker``; ``schema``: the newest migration it knows; ``fetch_ms``: the 95th percentile of its latest
    fetches, ``None`` when there were none; ``shedding``: its ``shedding.Level``; ``canaries``: the pass types that it
    has canaries of, with spaces between, ``None``: it can have none.
    """

    id: str
    host: str
    pid: int
    role: str
    schema: int
    started_at: int
    heard_at: int
    fetch_ms: int | None
    shedding: int
    canaries: str | None = None


class Prunable(StrEnum):
    """What is forgotten when it is old; what nothing belongs to any more, after what it belonged to."""

    EVENTS = "events"
    TOMBSTONES = "registrations that were left"
    DEAD = "registrations of dead push tokens"
    DEVICES = "phones that follow nothing"
    TARGETS = "push tokens of no phone"
    RECEIPTS = "receipts of wishes that were done"
    PROCESSES = "processes that went without a word"
    ANSWERS = "answers kept to be repeated"
    WEBHOOKS = "webhook messages"
    WEBHOOK_ATTEMPTS = "attempts to send webhooks"
    IMPORTS = "imports that are over"


@frozen
class Posted:
    """A wish in an outbox. ``wish`` is JSON: ``template``, ``data``, ``content``, ``push``."""

    receipt: str
    pass_type: str
    serial: str
    wish: str = field(repr=False)


@frozen
class ApiKey:
    """An issuer API key. Only the hash of the secret is kept."""

    id: str
    tenant: str
    name: str
    secret_hash: str = field(repr=False)
    scopes: tuple[str, ...]
    pass_types: tuple[str, ...] | None
    created_at: int
    last_used_at: int | None
    revoked_at: int | None
