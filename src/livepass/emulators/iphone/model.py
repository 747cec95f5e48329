"""The things a phone holds and says: passes, web service records, requests, banners. Data with no decisions.

Times are float seconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from livepass.emulators.iphone.package import Package

Kind = Literal["register", "unregister", "ask", "fetch", "log", "personalize", "lifecycle", "head"]
PassKey = tuple[str, str]
"""(pass type, serial)"""
RecordKey = tuple[str, str, str]
"""(pass type, team, service URL without trailing slash)"""


@dataclass(frozen=True)
class PhoneSettings:
    """What a person (or the Developer menu) can set on the phone. ``ios`` picks the User-Agent and the rules."""

    name: str = "Ada's iPhone"
    ios: str = "27.0"
    language: str = "en"
    utc_offset_minutes: int = 0
    twelve_hour_clock: bool = False
    allow_http_services: bool = False
    disable_rate_limiting: bool = False

    @property
    def ios_major(self) -> int:
        return int(self.ios.partition(".")[0])


@dataclass
class Record:
    """One web service as this phone knows it. The device identifier is random and says nothing about the phone."""

    pass_type: str
    team: str
    url: str
    device_id: str
    push_token: str
    tag: str | None = None
    tag_date: float | None = None
    # Only with the quirk ``tag-stored-before-download`` off: the tag that waits for these serials.
    pending_tag: str | None = None
    pending_serials: set[str] = field(default_factory=set)

    @property
    def key(self) -> RecordKey:
        return (self.pass_type, self.team, self.url)


@dataclass
class InstalledPass:
    """One pass in the wallet. ``token`` is what the phone sends, ``last_modified`` the header text it echoes."""

    package: Package
    added_at: float
    modified_at: float
    token: str | None
    last_modified: str | None = None
    automatic_updates: bool = True
    notifications: bool = True
    registered: bool = False

    @property
    def pass_type(self) -> str:
        return self.package.pass_type

    @property
    def serial(self) -> str:
        return self.package.serial

    @property
    def key(self) -> PassKey:
        return (self.pass_type, self.serial)

    @property
    def document(self) -> Mapping[str, Any]:
        return self.package.document

    @property
    def manifest_hash(self) -> str:
        return self.package.manifest_hash

    @property
    def record_key(self) -> RecordKey | None:
        """The record that updates this pass; None when the pass names no web service."""
        if self.package.url is None or self.token is None:
            return None
        return (self.pass_type, self.package.team, self.package.url)

    @property
    def updatable(self) -> bool:
        return self.record_key is not None and self.automatic_updates

    def field(self, key: str) -> Any:
        """The value of the field with that key in any group. ``KeyError`` when there is none."""
        return self.package.fields()[key].get("value")


@dataclass(frozen=True)
class Request:
    """One HTTP request the phone wants sent now. Answer it through ``Wallet.answered`` or ``Wallet.failed``."""

    id: int
    kind: Kind
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    pass_type: str
    serial: str | None


@dataclass
class Exchange:
    """One request and what became of it; ``status`` and ``reason`` are both None while it is under way."""

    request: Request
    sent_at: float
    answered_at: float | None = None
    status: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came back: header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Banner:
    """One text on the lock screen."""

    at: float
    pass_type: str
    serial: str
    title: str
    text: str


@dataclass
class Alert:
    """The system alert at the push cut-off. ``answer`` is None until the person taps."""

    at: float
    pass_type: str
    organization: str
    text: str
    answer: Literal["ok", "re-enable"] | None = None


@dataclass
class Round:
    """One "what changed?" round started by a push: which records still have to answer, and what they said."""

    open: set[RecordKey]
    quiet: list[Sent] = field(default_factory=list)
    eventful: bool = False


@dataclass
class Task:
    """Something the phone means to send. Waits, is sent, fails, waits longer, and is given up in the end."""

    kind: Kind
    pass_type: str
    team: str
    url: str
    serial: str | None = None
    token: str | None = None
    body: bytes | None = None
    # An unregister may outlive its record and must name the device that registered.
    device_id: str | None = None
    due_at: float = 0.0
    level: int = 0
    round_id: int | None = None
    # A fetch remembers why it was made: named by a list that was asked with a tag, or after a sign-up.
    listed: bool = False
    personalized: bool = False

    @property
    def record_key(self) -> RecordKey:
        return (self.pass_type, self.team, self.url)

    @property
    def pass_key(self) -> PassKey:
        return (self.pass_type, self.serial or "")

    @property
    def slot(self) -> tuple[str, ...]:
        """Tasks of one slot supersede each other: register and unregister of one pass share theirs."""
        if self.kind in ("register", "unregister"):
            return ("registration", *self.record_key, self.serial or "")
        if self.kind == "ask":
            return ("ask", *self.record_key)
        if self.kind == "log":
            return ("log", self.url)
        return (self.kind, *self.pass_key)


@dataclass(frozen=True)
class Sent:
    """A task under way, with what was said at the time of sending: a later change must not rewrite it."""

    request: Request
    task: Task
    at: float
    device_id: str | None = None
    tag: str | None = None
    tag_date: float | None = None
    if_modified_since: str | None = None
    messages: int = 0
