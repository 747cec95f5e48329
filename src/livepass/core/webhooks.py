"""Webhooks out: which events there are, what a message says, and when it is tried again.

A message is thin: what happened to which pass, with which number, and when. Whoever gets one reads the rest from the
API, where it is current. No token, no device id and nothing that a person gave is ever in one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from livepass.core import canary
from livepass.core.authorization import fingerprint
from livepass.core.complaints import UNKNOWN
from livepass.core.frozen import frozen
from livepass.core.model import Pass
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.verdict import Verdict

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
SCHEDULE_MS: Final[Sequence[int]] = (0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR)
"""Waits before each attempt. After the last one a message has failed, and is sent again only by hand."""
JITTER: Final = 0.1
FAILING_MS: Final = 5 * 24 * HOUR
"""An endpoint that answered 2xx to nothing for so long is disabled."""
ANSWERED_EVERY_MS: Final = 10 * SECOND
"""How often it is noted that an endpoint answers: all who record what it said would wait for that one row."""
OVERLAP_MS: Final = 24 * HOUR
"""How long a secret that was rotated away still signs, beside the new one."""
KEPT_MS: Final = 30 * 24 * HOUR
SAID: Final = 500
"""Characters that are kept of what a receiver answered."""
TEST: Final = "webhook.test"
POLLED: Final = "poll:"
"""The address of an endpoint that is sent nothing: whoever has it reads its messages (``livepass listen``)."""
STALE: Final = "pass.stale"
NEW_LOG_KIND: Final = "device_log.new_kind"
ENDED: Final = "registration.ended"
FORGOTTEN: Final = "forgotten"
"""Why a registration ended: its push token was dead for 90 days. Other reasons stand in ``_ENDED_BY``."""
ERASED: Final = "erased"
"""Why the registrations of a pass ended: it was erased, and they with it."""
MOST_LOG_KINDS: Final = 1000
"""Of one tenant: phones' lines are anybody's text, and may be of a new kind each time. Of more, none is told."""


@frozen
class Told:
    """An event that webhooks tell of. ``detail``: what else of the timeline's detail is in its message. Without
    ``kinds`` it is none of the timeline's: whoever finds it out tells it.
    """

    name: str
    kinds: Sequence[Kind]
    means: str
    detail: Sequence[str] = ()


EVENTS: Final[Sequence[Told]] = (
    Told("pass.issued", (Kind.ISSUED,), "a pass was made"),
    Told("pass.changed", (Kind.CHANGED, Kind.VOIDED), "a pass has a new version, which phones are to fetch"),
    Told("pass.personalized", (Kind.PERSONALIZED,), "somebody enrolled for a pass; what they gave is not told"),
    Told("pass.downloaded", (Kind.PKPASS_DOWNLOADED,), "a pass was downloaded from its share page, by whomever"),
    Told("registration.created", (Kind.REGISTERED,), "a phone registered for a pass, and asks for updates of it"),
    Told(
        ENDED,
        (Kind.UNREGISTERED, Kind.REGISTRATION_SUPERSEDED),
        "a phone is pushed for a pass no more. `reason`: `unregistered` (the pass was removed, or its updates turned "
        "off; a phone says the same of both), `superseded` (the same phone registered under another id), `apns_410` or "
        "`apns_400` (APNs says that its push token is dead; it may register again), `forgotten` (90 days after that), "
        "`erased` (the issuer erased the pass: one message for all its phones, which names none)",
    ),
    Told("update.confirmed", (Kind.FETCHED,), "a registered phone fetched a version of a pass"),
    Told(
        STALE,
        (),
        "a pass is not up to date on a phone, and somebody must act: `code` and the rest are what `livepass why` says. "
        "Told once, until all its phones were served the newest version; also of passes that were stale before there "
        "was an endpoint to tell. Of a pass that more than 50 phones follow, 50 are looked at",
        ("code", "finding", "sentence", "who", "remedy"),
    ),
    Told(
        "push.rejected",
        (Kind.PUSH_REJECTED, Kind.TOKEN_DEAD),
        "APNs rejected a push, or says that the token is no more",
        ("status", "reason"),
    ),
    Told(
        "certificate.expiring",
        (Kind.CERTIFICATE_EXPIRING,),
        "a certificate of a pass type ends soon; told 90, 60, 30, 14, 7, 3 and 1 days before",
        ("days",),
    ),
    Told("certificate.expired", (Kind.CERTIFICATE_ENDED,), "a certificate of a pass type has ended"),
    Told(
        NEW_LOG_KIND,
        (),
        "a phone's log has a line of a kind that this tenant's phones never posted before; told once for each kind",
        ("code", "meaning", "about", "level", "shape"),
    ),
)
"""In the order of a pass's life."""
NAMES: Final[Sequence[str]] = tuple(told.name for told in EVENTS)
OF_KIND: Final[Mapping[Kind, Told]] = {kind: told for told in EVENTS for kind in told.kinds}
_OF_NAME: Final[Mapping[str, Told]] = {told.name: told for told in EVENTS}
_ENDED_BY: Final[Mapping[Kind, str]] = {
    Kind.UNREGISTERED: "unregistered",
    Kind.REGISTRATION_SUPERSEDED: "superseded",
}


@frozen
class Endpoint:
    """Where webhooks go. ``pass_types`` and ``events``: only those; ``None``: all. ``sealed`` holds its ``Secrets``.

    ``failing_since``: the first of the attempts that failed in a row. ``answered_at``: the last 2xx, noted every
    ``ANSWERED_EVERY_MS`` at most. ``disabled_why``: ``"by hand"``, ``"failing"``.
    """

    tenant: str
    id: str
    url: str
    pass_types: Sequence[str] | None
    events: Sequence[str] | None
    sealed: bytes = field(repr=False)
    created_at: int
    failing_since: int | None = None
    disabled_at: int | None = None
    disabled_why: str = ""
    answered_at: int | None = None

    def wants(self, name: str, pass_type: str) -> bool:
        return (self.events is None or name in self.events) and (
            self.pass_types is None or pass_type in self.pass_types
        )


@frozen
class Secrets:
    """What an endpoint's messages are signed with: the newest, and the one before it until an instant."""

    newest: str = field(repr=False)
    before: str = field(default="", repr=False)
    before_until: int = 0

    def valid(self, now: int) -> Sequence[str]:
        return [self.newest, self.before] if self.before and now < self.before_until else [self.newest]

    def rotated(self, fresh: str, now: int) -> Secrets:
        return Secrets(fresh, self.newest, now + OVERLAP_MS)

    def to_bytes(self) -> bytes:
        return json.dumps([self.newest, self.before, self.before_until]).encode()

    @classmethod
    def of_bytes(cls, data: bytes) -> Secrets:
        return cls(*json.loads(data))


@frozen
class Message:
    """One event for one endpoint. ``next_at``: when it is tried next, or its lease ends; ``None``: it is over, and then
    ``ok`` says whether a 2xx came.
    """

    endpoint: str
    id: str
    name: str
    at: int
    body: bytes = field(repr=False)
    attempts: int = 0
    next_at: int | None = None
    ok: bool = False


@frozen
class Attempt:
    """One request. ``status`` 0: no answer came, and ``said`` says why; otherwise it is the beginning of the answer."""

    endpoint: str
    message: str
    number: int
    at: int
    took_ms: int
    status: int
    said: str

    @property
    def ok(self) -> bool:
        """Only 2xx counts: a redirect is not followed."""
        return 200 <= self.status < 300


def told_of(event: Event) -> Told | None:
    """What a webhook calls an event; ``None``: none tells of it."""
    # What an installation does for itself is no news to an issuer.
    if event.serial == canary.SERIAL:
        return None
    # A fetch by who is not registered (a browser, a link) confirms nothing.
    if event.kind is Kind.FETCHED and event.device_id is None:
        return None
    return OF_KIND.get(event.kind)


@frozen
class News:
    """Something to be told to each endpoint that wants it. ``body`` is made only where there is one. ``device_id``: of
    the phone that it is about, which no message holds.
    """

    name: str
    pass_type: str
    at: int
    body: Callable[[], bytes]
    device_id: str | None = None


def news(events: Sequence[Event], numbers: Mapping[str, int]) -> Sequence[News]:
    """What is told of events. ``numbers`` as their transaction took them."""
    return [
        News(told.name, event.pass_type, event.at, partial(body, told, event, numbers))
        for event in events
        if (told := told_of(event)) is not None
    ]


def body(told: Told, event: Event, numbers: Mapping[str, int]) -> bytes:
    """The message of an event, as Standard Webhooks lays it out."""
    number = numbers.get(event.pass_type, 0) if event.seq == TAKEN else event.seq
    more: dict[str, object] = {"reason": _ENDED_BY[event.kind]} if event.kind in _ENDED_BY else {}
    more |= {key: event.detail[key] for key in told.detail if key in event.detail}
    return _about(told.name, event.at, event.pass_type, number, event.serial, event.device_id, more)


def ended(at: int, pass_type: str, serial: str, device_id: str, reason: str) -> News:
    """A registration ended without a word of the phone."""
    about = (pass_type, 0, serial, device_id, {"reason": reason})
    return News(ENDED, pass_type, at, partial(_about, ENDED, at, *about), device_id)


def erased(at: int, pass_type: str, serial: str) -> News:
    """The registrations of a pass ended with it. Which phones they were of is erased too, and is not told."""
    about = (pass_type, 0, serial, None, {"reason": ERASED})
    return News(ENDED, pass_type, at, partial(_about, ENDED, at, *about))


def new_log_kind(event: Event) -> News:
    """A phone's line is of a kind that was not seen before."""
    written = partial(body, _OF_NAME[NEW_LOG_KIND], event, {})
    return News(NEW_LOG_KIND, event.pass_type, event.at, written, event.device_id)


def stale(pass_: Pass, verdict: Verdict, at: int) -> News:
    """A pass went stale on the phone that the verdict is about: its id is told as a fingerprint, in its words too."""
    phone = verdict.device_id or ""
    print_ = fingerprint(phone)
    more: dict[str, object] = {
        "code": verdict.code,
        "finding": verdict.name,
        "sentence": verdict.sentence.replace(phone[:8], print_[:8]) if phone else verdict.sentence,
        "who": verdict.who.value,
        "remedy": verdict.remedy.replace(phone, print_) if phone else verdict.remedy,
    }
    about = (pass_.pass_type, pass_.seq, pass_.serial, verdict.device_id, more)
    return News(STALE, pass_.pass_type, at, partial(_about, STALE, at, *about), verdict.device_id)


def log_kind(event: Event) -> str:
    """What a phone's line is grouped by: its sentence, and its shape where nobody knows the sentence."""
    code = str(event.detail.get("code") or UNKNOWN)
    return code if code != UNKNOWN else f"{UNKNOWN} {event.detail.get('shape', '')}"


def _about(
    name: str,
    at: int,
    pass_type: str,
    number: int,
    serial: str | None,
    device_id: str | None,
    more: Mapping[str, object],
) -> bytes:
    data: dict[str, object] = {"pass_type": pass_type, "number": number}
    if serial is not None:
        data["serial"] = serial
    if device_id is not None:
        data["device"] = fingerprint(device_id)
    return _body(name, at, {**data, **more})


def test_body(name: str, at: int, pass_type: str) -> bytes:
    """A message of that name about nothing that happened; it says so."""
    return _body(name, at, {"pass_type": pass_type, "test": True})


def about(body: bytes) -> tuple[str, int]:
    """The pass type and the change number that a message names; 0: it is about no change."""
    data = json.loads(body)["data"]
    return data["pass_type"], data.get("number", 0)


def _body(name: str, at: int, data: Mapping[str, object]) -> bytes:
    instant = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": name, "timestamp": instant, "data": data}, separators=(",", ":")).encode()


def next_at(attempts: int, now: int, fraction: float) -> int | None:
    """When the next attempt is due after ``attempts`` of them failed; ``None``: there is none. ``fraction``: [0, 1)."""
    if attempts >= len(SCHEDULE_MS):
        return None
    return now + round(SCHEDULE_MS[attempts] * (1 - JITTER + 2 * JITTER * fraction))
