"""What APNs answers to one request, as a table and one pure function.

Rules of this file: ``REASONS`` holds Apple's reasons with their status, ``CHECKS`` the order in which a request is
looked at. The first check that names a reason decides. No clock, no I/O, no randomness: the state of the phone and the
time are handed in.

Sources: Apple, "Handling notification responses from APNs" (statuses, reasons) and "Sending notification requests
to APNs" (headers, sizes); the order of checks follows pushy's mock server, which has met real senders for years, except
where a comment says otherwise. This is a copy of its own: the emulator must not share the beliefs of the service that
it tests.

Where the table does not reach: whatever concerns a whole connection (TLS, GOAWAY, stream limits) is in
``connection.py``. Being accepted here promises nothing about Apple: its thresholds and some of its orderings are not
public.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

TOKEN_PATH = "/3/device/"
MAX_PAYLOAD_BYTES = 4096
MAX_VOIP_PAYLOAD_BYTES = 5120
MAX_COLLAPSE_ID_BYTES = 64

PRIORITIES = frozenset({"10", "5", "1"})

# Apple's values of apns-push-type. None of them is Wallet's; senders of passes leave the header out, or say alert
# or background.
PUSH_TYPES = frozenset(
    {
        "alert",
        "background",
        "complication",
        "controls",
        "fileprovider",
        "liveactivity",
        "location",
        "mdm",
        "pushtotalk",
        "voip",
        "widgets",
    }
)
# Apple: location pushes need token authentication. It does not name the answer; we chose InvalidPushType.
TOKEN_ONLY_PUSH_TYPES = frozenset({"location"})


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of Apple's table: HTTP ``status``, the ``name`` sent as ``reason``, and what it means in our words."""

    status: int
    name: str
    meaning: str


REASONS: dict[str, Reason] = {
    row.name: row
    for row in (
        Reason(400, "BadCollapseId", "apns-collapse-id is longer than 64 bytes"),
        Reason(400, "BadDeviceToken", "the token is malformed, or belongs to the other environment"),
        Reason(400, "BadExpirationDate", "apns-expiration is not a whole number of seconds"),
        Reason(400, "BadMessageId", "apns-id is not a UUID"),
        Reason(400, "BadPriority", "apns-priority is not 10, 5 or 1, or is 10 for a background push"),
        Reason(400, "BadTopic", "apns-topic is not a topic"),
        Reason(400, "DeviceTokenNotForTopic", "the token is real, but for another topic"),
        Reason(400, "DuplicateHeaders", "a header is repeated"),
        Reason(400, "IdleTimeout", "the connection was idle for too long (mostly said in a GOAWAY)"),
        Reason(400, "InvalidPushType", "apns-push-type has an unknown value"),
        Reason(400, "MissingDeviceToken", "the path ends before the token"),
        Reason(400, "MissingTopic", "apns-topic is absent, and the certificate does not have exactly one topic"),
        Reason(400, "PayloadEmpty", "the body is empty"),
        Reason(400, "TopicDisallowed", "this credential may not push to that topic"),
        Reason(403, "BadCertificate", "the client certificate is invalid, foreign or out of date"),
        Reason(403, "BadCertificateEnvironment", "the client certificate is for the other environment"),
        Reason(403, "BadEnvironmentKeyIdInToken", "the provider token's key is for the other environment"),
        Reason(403, "ExpiredProviderToken", "the provider token is older than an hour"),
        Reason(403, "Forbidden", "the action is not allowed"),
        Reason(403, "InvalidProviderToken", "the provider token or its signature is not valid"),
        Reason(403, "MissingProviderToken", "no client certificate and no provider token"),
        Reason(403, "UnrelatedKeyIdInToken", "the provider token's key is unrelated to the connection's first one"),
        Reason(404, "BadPath", ":path is not /3/device/TOKEN"),
        Reason(405, "MethodNotAllowed", ":method is not POST"),
        Reason(410, "ExpiredToken", "the token has expired"),
        Reason(410, "Unregistered", "the token is no longer active for the topic"),
        Reason(413, "PayloadTooLarge", "the body is larger than 4096 bytes"),
        Reason(429, "TooManyProviderTokenUpdates", "the provider token is renewed too often"),
        Reason(429, "TooManyRequests", "too many requests in a row for one token"),
        Reason(500, "InternalServerError", "APNs failed"),
        Reason(503, "ServiceUnavailable", "APNs is overloaded or away"),
        Reason(503, "Shutdown", "this APNs server is shutting down"),
    )
}

# What a bare status stands for when a test asks for the status alone (``status:500``).
USUAL_REASON: dict[int, str] = {
    400: "BadDeviceToken",
    403: "Forbidden",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came off the wire.

    ``headers`` holds regular headers by lower-case name (the last value wins), ``duplicates`` the names that came
    more than once. ``payload`` may be cut off behind the largest allowed size; what is cut is too large anyway.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    payload: bytes
    duplicates: frozenset[str] = frozenset()

    @property
    def token(self) -> str:
        """The device token in the path, lower case; empty when the path has none. Not checked for its format."""
        return self.path[len(TOKEN_PATH) :].lower() if self.path.startswith(TOKEN_PATH) else ""


@dataclass(frozen=True, slots=True)
class Credential:
    """What the client certificate of a connection allows, or the provider token of a request (``by_token``).

    ``topics``: the UID of the subject, the topics of a multi-topic certificate, or those of a key (``None``: all).
    ``default_topic`` is the UID of a
    single-topic certificate, and ``None`` when a topic must be named. ``valid_from`` and ``valid_until`` are UNIX
    seconds. ``problem`` is a 403 reason that holds for every request, or ``None``. ``serial`` is the certificate's.
    """

    topics: frozenset[str] | None
    default_topic: str | None
    valid_from: float
    valid_until: float
    problem: str | None = None
    serial: int | None = None
    by_token: bool = False

    def problem_at(self, now: float) -> str | None:
        """The 403 reason that every request on this connection gets at ``now`` (UNIX seconds), or ``None``."""
        if self.problem is None and not self.valid_from <= now <= self.valid_until:
            return "BadCertificate"
        return self.problem


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What APNs knows of one token for one topic. ``topics`` is ``None`` when every topic is fine.

    ``dead_at_ms`` is the instant (UNIX milliseconds) at which APNs learnt that the token is dead, ``dead_reason`` the
    410 reason then given, ``too_many`` whether this token was pushed too often just now.
    """

    known: bool = True
    topics: frozenset[str] | None = None
    dead_at_ms: int | None = None
    dead_reason: str = "Unregistered"
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: ``status`` 200 with no reason, or a refusal. ``timestamp_ms`` comes with 410 only, as at Apple."""

    status: int
    reason: str | None = None
    timestamp_ms: int | None = None

    @property
    def accepted(self) -> bool:
        return self.status == 200

    def body(self) -> bytes:
        """The response body: empty for 200, otherwise JSON ``{"reason": …, "timestamp": ms}``."""
        if self.reason is None:
            return b""
        said: dict[str, str | int] = {"reason": self.reason}
        if self.timestamp_ms is not None:
            said["timestamp"] = self.timestamp_ms
        return orjson.dumps(said)


ACCEPTED = Verdict(200)


@dataclass(frozen=True, slots=True)
class _Case:
    request: Request
    credential: Credential | None
    device: DeviceState
    now: float
    topic: str = field(default="")


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TOKEN = re.compile(r"(?:[0-9a-f]{2}){32,}")
_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,254}")
_SECONDS = re.compile(r"[0-9]{1,18}")


def is_token(text: str) -> bool:
    """Whether ``text`` could be a device token: hex of even length, 64 digits or more.

    Apple asks not to assume a length; 64 is what every phone sends today, so less is taken for malformed.
    """
    return _TOKEN.fullmatch(text.lower()) is not None


def is_topic(text: str) -> bool:
    """Whether ``text`` has the shape of a bundle or pass type identifier."""
    return _TOPIC.fullmatch(text) is not None


def topic_of(request: Request, credential: Credential | None) -> str:
    """The topic a request is for: the header, or what a single-topic certificate stands for; empty when neither."""
    named = request.headers.get("apns-topic", "")
    if named or credential is None:
        return named
    return credential.default_topic or ""


def _repeated(case: _Case) -> str | None:
    return "DuplicateHeaders" if case.request.duplicates else None


def _message_id(case: _Case) -> str | None:
    given = case.request.headers.get("apns-id")
    return "BadMessageId" if given is not None and not _UUID.fullmatch(given) else None


def _method(case: _Case) -> str | None:
    return None if case.request.method == "POST" else "MethodNotAllowed"


def _path(case: _Case) -> str | None:
    if not case.request.path.startswith(TOKEN_PATH):
        return "BadPath"
    return None if case.request.token else "MissingDeviceToken"


def _topic_present(case: _Case) -> str | None:
    return None if case.topic else "MissingTopic"


def _collapse_id(case: _Case) -> str | None:
    given = case.request.headers.get("apns-collapse-id", "")
    return "BadCollapseId" if len(given.encode()) > MAX_COLLAPSE_ID_BYTES else None


def _priority(case: _Case) -> str | None:
    given = case.request.headers.get("apns-priority")
    if given is None:  # Apple: absent means 10. For background pushes Apple does not say; we chose to take it for 5.
        return None
    if given not in PRIORITIES:
        return "BadPriority"
    too_high = given == "10" and case.request.headers.get("apns-push-type") == "background"
    return "BadPriority" if too_high else None


def _push_type(case: _Case) -> str | None:
    given = case.request.headers.get("apns-push-type")
    if given is None:
        return None
    if given not in PUSH_TYPES:
        return "InvalidPushType"
    by_certificate = case.credential is not None and not case.credential.by_token
    return "InvalidPushType" if by_certificate and given in TOKEN_ONLY_PUSH_TYPES else None


def _expiration(case: _Case) -> str | None:
    given = case.request.headers.get("apns-expiration")
    return "BadExpirationDate" if given is not None and not _SECONDS.fullmatch(given) else None


def _token_format(case: _Case) -> str | None:
    return None if _TOKEN.fullmatch(case.request.token) else "BadDeviceToken"


def _credential(case: _Case) -> str | None:
    # On a connection with a client certificate Apple ignores the authorization header, and so do we.
    return case.credential.problem_at(case.now) if case.credential is not None else "MissingProviderToken"


def _topic_allowed(case: _Case) -> str | None:
    if not _TOPIC.fullmatch(case.topic):
        return "BadTopic"
    assert case.credential is not None
    topics = case.credential.topics
    return None if topics is None or case.topic in topics else "TopicDisallowed"


def _token_known(case: _Case) -> str | None:
    return None if case.device.known else "BadDeviceToken"


def _token_alive(case: _Case) -> str | None:
    return None if case.device.dead_at_ms is None else case.device.dead_reason


def _token_for_topic(case: _Case) -> str | None:
    topics = case.device.topics
    return None if topics is None or case.topic in topics else "DeviceTokenNotForTopic"


def _not_too_many(case: _Case) -> str | None:
    return "TooManyRequests" if case.device.too_many else None


def _payload(case: _Case) -> str | None:
    # Apple asks for a JSON dictionary but has no reason for anything else, so other bytes pass; the history shows them.
    size = len(case.request.payload)
    if size == 0:
        return "PayloadEmpty"
    voip = case.request.headers.get("apns-push-type") == "voip"
    return "PayloadTooLarge" if size > (MAX_VOIP_PAYLOAD_BYTES if voip else MAX_PAYLOAD_BYTES) else None


Check = Callable[[_Case], str | None]

CHECKS: tuple[Check, ...] = (
    _repeated,
    _message_id,
    _method,
    _path,
    _topic_present,
    _collapse_id,
    _priority,
    _push_type,
    _expiration,
    _token_format,
    _credential,
    _topic_allowed,
    _token_known,
    _token_alive,
    _token_for_topic,
    _not_too_many,
    _payload,
)


def judge(request: Request, credential: Credential | None, device: DeviceState, now: float) -> Verdict:
    """What APNs says to ``request``, sent with ``credential`` (``None``: neither a client certificate nor a token).

    ``device`` is the state of the token in the path for the topic of the request, ``now`` is UNIX seconds.
    """
    case = _Case(request, credential, device, now, topic_of(request, credential))
    for check in CHECKS:
        name = check(case)
        if name is not None:
            return refusal(name, device.dead_at_ms, now)
    return ACCEPTED


def refusal(name: str, dead_at_ms: int | None, now: float, status: int | None = None) -> Verdict:
    """The verdict for a reason by name; 410 carries ``dead_at_ms``, or now. ``status`` overrides the table's."""
    row = REASONS.get(name)
    number = status if status is not None else (row.status if row else 400)
    if number != 410:
        return Verdict(number, name)
    return Verdict(number, name, int(now * 1000) if dead_at_ms is None else dead_at_ms)
