"""The sentences of a phone's own log, as a table.

Wallet posts what went wrong to ``/v1/log``: untrusted text, in an envelope that names task, pass and service. Only the
English prefix is matched, because the bracketed tail is in the phone's language. A line without a row is kept and
grouped by its shape, never dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from livepass.core.striking import struck
from livepass.core.timeline import Event, Kind, Trip

MAX_LINES = 50
"""Wallet merges up to fifty messages into one call."""
MAX_LINE = 2048

_ENVELOPE = re.compile(r"\s*(?:\[(?P<at>[^\]]{0,64})\]\s*)?(?P<body>.*)", re.DOTALL)
_TASK = re.compile(
    r"(?P<task>Register|Unregister|Get serial #s|Get pass|Personalize pass) task "
    r"\((?P<context>.*?)[;,] ?(?:with )?web service url (?P<url>\S*?)\) "
    r"encountered (?P<level>error|warning)s?: (?P<text>.*)",
    re.DOTALL,
)
_SERVICE = re.compile(r"Web service error for (?P<pass_type>\S+) \((?P<url>[^)]*)\):\s*(?P<text>.*)", re.DOTALL)
_CONTEXT = {
    "device_id": re.compile(r"\bfor device ([^,;]+)"),
    "pass_type": re.compile(r"\bpass type ([^,;]+)"),
    "serial": re.compile(r"\bserial number ([^,;]+)"),
}

TRIP_OF_TASK = {
    "Register": Trip.REGISTER,
    "Unregister": Trip.REGISTER,
    "Get serial #s": Trip.ASK,
    "Get pass": Trip.FETCH,
    "Personalize pass": Trip.TESTIMONY,
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing a phone says: how to recognise it, the trip it is about, and what it means in plain words."""

    code: str
    pattern: re.Pattern[str]
    trip: Trip | None
    meaning: str


def _sentence(code: str, pattern: str, trip: Trip | None, meaning: str) -> Sentence:
    return Sentence(code, re.compile(pattern, re.DOTALL), trip, meaning)


_S = r"(?P<serial>.+?)"

SENTENCES: tuple[Sentence, ...] = (
    _sentence("T0", r"Authentication failure", None, "The service refused the pass's token (401)."),
    _sentence(
        "T1",
        r"Unexpected response code (?P<status>\d{1,9})",
        None,
        "The service answered with a status Wallet does not accept.",
    ),
    # Not posted, as far as reported: it comes from logs that somebody took off a phone, to be explained.
    _sentence("T2", r"Connection error", None, "The phone could not reach the service, or did not trust it."),
    _sentence("T3", r"Server response was malformed", None, "The answer was not the JSON or the pass Wallet expects."),
    _sentence("T4", r"Received invalid pass data", Trip.FETCH, "The fetched pass did not pass Wallet's own checks."),
    _sentence(
        "T5",
        r"Requested serial number (?P<serial>.+?), received serial number (?P<received>.+)",
        Trip.FETCH,
        "The service sent another pass.",
    ),
    _sentence(
        "T5b",
        r"Requested pass of type (?P<pass_type>.+?), received pass of type (?P<received>.+)",
        Trip.FETCH,
        "The service sent a pass of another type.",
    ),
    _sentence(
        "W0",
        r"Received invalid personali[sz]ai?ton token signature|Received invalid personalization token signature",
        Trip.TESTIMONY,
        "The signature over the personalization token is wrong.",
    ),
    _sentence(
        "S0",
        rf"Server requested update to serial number '{_S}', but the pass was unchanged",
        Trip.FETCH,
        "The phone was told of a change and found none.",
    ),
    _sentence(
        "S0b",
        rf"Personalization request was issued for serial number '{_S}', but the pass was unchanged",
        Trip.FETCH,
        "The personalised pass was not served.",
    ),
    _sentence(
        "S1",
        rf"Server returned the pass data for serial number '{_S}' but did not provide a 'last-modified' header",
        Trip.FETCH,
        "The answer lacked Last-Modified.",
    ),
    _sentence(
        "S2",
        r"Server ignored the 'if-modified-since' header \((?P<condition>.*?)\) and returned the full unchanged"
        rf" pass data for serial number '{_S}'",
        Trip.FETCH,
        "The same pass was sent again where 304 was due.",
    ),
    _sentence(
        "S3",
        r"Device received spurious push\. Request for passesUpdatedSince '(?P<tag>.*?)' returned no serial numbers"
        r"(?:\. \(Device = (?P<device_id>[^)]+)\))?",
        Trip.ASK,
        "A push came, and there was nothing new.",
    ),
    _sentence(
        "S4",
        r"Update requested for unregistered serial number (?P<serial>\S+)",
        Trip.ASK,
        "The list named a pass that this phone does not follow.",
    ),
    _sentence(
        "S5",
        r"Response to 'What changed\?' request included (?P<count>\d+) serial numbers but omitted a lastUpdated tag",
        Trip.ASK,
        "The list came without a tag.",
    ),
    _sentence(
        "S6",
        r"Response to 'What changed\?' request included (?P<count>\d+) serial numbers but the lastUpdated tag"
        r" \((?P<tag>.*?)\) remained the same",
        Trip.ASK,
        "The list came with the tag that the phone had sent.",
    ),
)


@dataclass(frozen=True, slots=True)
class Testimony:
    """One line, read. ``code`` is ``"?"`` for a sentence we do not know; ``task``: whose line it is, where it says so;
    ``said``: the line without its envelope.
    """

    line: str
    said: str
    code: str
    meaning: str
    trip: Trip
    level: str
    shape: str
    pass_type: str | None
    serial: str | None
    device_id: str | None
    url: str | None
    task: str | None
    status: int | None


def read_line(line: str) -> Testimony:
    """Read one line of a phone's log. Never fails: what is not recognised is kept."""
    text = _printable(line)[:MAX_LINE]
    envelope = _ENVELOPE.match(text)
    body = envelope["body"].strip() if envelope else text
    task, service = _TASK.match(body), _SERVICE.match(body)
    outer = task or service
    said = outer["text"] if outer else body
    found = _context(task["context"]) if task else {}
    if service:
        found["pass_type"] = service["pass_type"]
    sentence, inner = _recognise(said)
    for key in ("pass_type", "serial", "device_id"):
        if key in inner:
            found.setdefault(key, inner[key])
    trip = TRIP_OF_TASK[task["task"]] if task else Trip.TESTIMONY
    return Testimony(
        text,
        said,
        sentence.code if sentence else "?",
        sentence.meaning if sentence else "A sentence livepass does not know.",
        (sentence.trip if sentence else None) or trip,
        task["level"] if task else "error",
        # Shown to whoever explains a line, and kept: what was quoted in it goes no further.
        struck(shape(body)),
        found.get("pass_type"),
        found.get("serial"),
        found.get("device_id"),
        outer["url"] if outer else None,
        task["task"] if task else None,
        int(inner["status"]) if "status" in inner else None,
    )


def lines_of(body: bytes) -> tuple[str, ...]:
    """The messages of a log call; none when the body is not ``{"logs": [...]}``: the phone gets 200 all the same."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    logs = parsed.get("logs") if isinstance(parsed, dict) else None
    if not isinstance(logs, list):
        return ()
    return tuple(line[:MAX_LINE] for line in logs[:MAX_LINES] if isinstance(line, str))


def testify(line: str, now: int) -> Event | None:
    """The event for one line; ``None`` when it names no pass type to file it under."""
    read = read_line(line)
    if read.pass_type is None:
        return None
    detail: dict[str, object] = {
        # Wallets are free to quote what they sent: kept, it would be shown to whoever may read logs.
        "line": struck(read.line),
        "code": read.code,
        "meaning": read.meaning,
        "about": read.trip.value,
        "level": read.level,
        "shape": read.shape,
    }
    if read.status is not None:
        detail["status"] = read.status
    return Event(Kind.TESTIFIED, now, read.pass_type, read.serial, read.device_id, detail=detail)


def unknown_message(path: str, body: bytes, now: int) -> tuple[str, Event | None]:
    """A ``POST`` that we do not know: its path as it may be shown, and the event for the pass that it names, if any.

    Apple adds calls without telling. What is kept of one is what it may be: it may say a secret, or a person's name.
    """
    parts = path.strip("/").split("/")
    shown = f"/{'/'.join(_shown(parts))}"[:200]
    if len(parts) < 4 or parts[1] != "passes":
        return shown, None
    what = "/".join([*parts[:4], *map(_word, parts[4:])])
    said = "" if parts[-1] == "personalize" else struck(body[:500].decode("utf-8", "replace"))
    detail = {"path": f"/{what}"[:200], "body": said}
    return shown, Event(Kind.UNKNOWN_DEVICE_MESSAGE, now, parts[2][:200], parts[3][:200], detail=detail)


_IDS: Mapping[str, tuple[int, ...]] = {"passes": (2, 3), "devices": (2, 4, 5)}
"""Where a path names somebody, by its second part: a serial number may look like a word."""


def _shown(parts: Sequence[str]) -> Iterator[str]:
    ids = _IDS.get(parts[1], ()) if len(parts) > 1 else ()
    for place, part in enumerate(parts):
        yield "…" if place in ids else _word(part)


def _word(part: str) -> str:
    """A part of a path that Apple may have thought of; anything else is anybody's text."""
    return part if _WORD.fullmatch(part) else "…"


_WORD = re.compile(r"[A-Za-z]{1,40}|v[0-9]")


def shape(text: str) -> str:
    """The line with what varies masked, to group by: quoted and long parts, addresses, dates, numbers."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text[:300]


_MASKS = (
    (re.compile(r"https?://[^\s)]+"), "<url>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T][0-9:. ]+(?:[AP]M )?(?:[+-]\d{4}|Z)?"), "<time>"),
    (re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d.*?GMT"), "<time>"),
    (re.compile(r"'[^']*'"), "'…'"),
    (re.compile(r"(serial number|device|pass type|last updated) [^\s,;)]+"), r"\1 …"),
    (re.compile(r"\b[0-9a-fA-F]{16,}\b"), "<id>"),
    (re.compile(r"\bv1\.\S+"), "<tag>"),
)


def _context(text: str) -> dict[str, str]:
    found = {}
    for key, pattern in _CONTEXT.items():
        match = pattern.search(text)
        if match:
            found[key] = match[1].strip()
    return found


def _recognise(text: str) -> tuple[Sentence | None, dict[str, str]]:
    for sentence in SENTENCES:
        match = sentence.pattern.match(text)
        if match:
            return sentence, {k: v for k, v in match.groupdict().items() if v is not None}
    return None, {}


_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)


def _printable(text: str) -> str:
    """Log lines are attacker-controlled: control, bidirectional and invisible characters become spaces.

    So do lone surrogates, which neither a database nor a JSON encoder takes.
    """
    return _UNPRINTABLE.sub(" ", text)
