"""What phones send: tags, conditions, credentials, registrations, log lines, and requests as a whole."""

from __future__ import annotations

import re
from email.utils import formatdate

from fuzz.target import SECRET, Target
from livepass.core.authorization import accepts, presented_token
from livepass.core.decision import NewEpoch, RaiseAsked
from livepass.core.model import Counter, Device, PassHead, Registration, Tag, TokenSource
from livepass.core.replay import body_of
from livepass.core.snapshots import Listed
from livepass.core.striking import struck
from livepass.core.testimony import MAX_LINE, MAX_LINES, lines_of, read_line, testify, unknown_message
from livepass.core.timeline import Event
from livepass.core.trip1_register import push_token_of
from livepass.core.trip3_ask import AskFacts, ask, read_tag, write_tag
from livepass.core.trip3_fetch import FetchFacts, Verdict, fetch
from livepass.store.rows import event_columns
from livepass.web.phone import _CONNECTION, MAX_HEADERS, MAX_PATH, _tag, read_request

PASS_TYPE, DEVICE, EPOCH, NOW = "pass.test.livepass", "device-1", "epoch1", 1_800_000_000_000
KEY = SECRET.encode()
COUNTER = Counter(PASS_TYPE, EPOCH, 10)
TOKEN = f"{SECRET}-token"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def storable(event: Event) -> None:
    """Whether both databases take an event: JSON that can be written, text without surrogates and NUL."""
    for column in event_columns(event, {}):
        if isinstance(column, str):
            assert b"\x00" not in column.encode(), "a NUL in text"
        if isinstance(column, int):
            assert -(2**63) <= column < 2**63


# ── the tag


def _tag_text(data: bytes) -> None:
    text = data.decode("latin-1")
    tag = read_tag(text, PASS_TYPE, KEY)
    if tag is not None:
        assert write_tag(tag, PASS_TYPE, KEY) == text, "a tag in another spelling than ours"
        assert read_tag(text, PASS_TYPE, KEY + b"!") is None
        assert read_tag(text, PASS_TYPE + "2", KEY) is None
    _ask(text, tag)


def _ask(text: str | None, tag: Tag | None) -> None:
    """Whatever the tag, the phone is told all that is newer, and never believed beyond the counter."""
    device = Device(PASS_TYPE, DEVICE, "ab" * 32, NOW - 1000, 0, 0, None)
    rows = [
        Listed(Registration(PASS_TYPE, f"serial{n}", DEVICE, n, n, NOW, None, None, 0, None, 0, 0, None), n)
        for n in (3, 7, 10)
    ]
    facts = AskFacts(PASS_TYPE, DEVICE, text, tag, COUNTER, device, rows, False, False, KEY, "epoch2", NOW)
    decision = ask(facts)
    since = 0 if tag is None or tag.epoch != EPOCH or tag.seq > COUNTER.seq else tag.seq
    expected = [row.registration.serial for row in rows if row.newest > since]
    assert decision.reply.status == (200 if expected else 204)
    assert all(f'"{serial}"'.encode() in decision.reply.body for serial in expected)
    ahead = tag is not None and tag.epoch == EPOCH and tag.seq > COUNTER.seq
    assert any(isinstance(write, NewEpoch) for write in decision.writes) == ahead
    assert all(write.asked <= COUNTER.seq for write in decision.writes if isinstance(write, RaiseAsked))
    for event in decision.events:
        storable(event)


def _signed(data: bytes) -> None:
    """As ``tag``, past the signature: what the epoch and the number say is ours to sign."""
    epoch, _, number = data.decode("latin-1").partition(".")
    if re.fullmatch(r"[0-9A-Za-z_-]{1,16}", epoch) and re.fullmatch(r"0|[1-9][0-9]{0,17}", number):
        _tag_text(write_tag(Tag(epoch, int(number)), PASS_TYPE, KEY).encode())
    else:
        _tag_text(b"v1." + data + b".AAAAAAAA")


# ── the condition of a fetch


def _condition(data: bytes) -> None:
    """First line: ``last_modified`` in seconds; the rest: the header. 304 for that very date and for nothing else."""
    number, _, header = data.partition(b"\n")
    digits = number.decode("ascii", "replace")
    modified = int(digits) if re.fullmatch(r"[0-9]{1,11}", digits) else 0
    facts = FetchFacts(
        PASS_TYPE,
        "serial",
        f"ApplePass {TOKEN}",
        header.decode("latin-1"),
        TOKEN,
        PassHead(1, modified, TokenSource("k", b"")),
        NOW,
    )
    verdict, decision = fetch(facts)
    if modified < 253402300800:  # beyond it, there is no second opinion
        same = facts.if_modified_since == formatdate(modified, usegmt=True)
        assert (verdict is Verdict.NOT_MODIFIED) == same, f"{verdict} for {header!r} of {modified}"
    assert decision.reply.status == (304 if verdict is Verdict.NOT_MODIFIED else 200)
    assert TOKEN not in repr(decision)


def _authorization(data: bytes) -> None:
    header = data.decode("latin-1")
    parts = header.strip().split(" ", 1)
    good = len(parts) == 2 and parts[0].lower() == "applepass" and parts[1].strip() == TOKEN
    assert accepts(header, TOKEN, known=True) == good
    assert not accepts(header, TOKEN, known=False)
    token = presented_token(header)
    assert token is None or (token and token in header)


def _registration(data: bytes) -> None:
    token = push_token_of(data)
    if token is not None:
        assert re.fullmatch(r"[0-9a-f]{2,512}", token)
        assert push_token_of(body_of(token)) == token


# ── testimony


def _log_line(data: bytes) -> None:
    try:
        text = data.decode("utf-8", "surrogatepass")  # JSON can say a lone surrogate
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    read = read_line(text)
    assert len(read.line) <= MAX_LINE and len(read.shape) <= 300
    assert not _CONTROL.search(read.line), "what could not be printed was kept"
    assert read_line(read.line).line == read.line
    event = testify(text, NOW)
    if event is not None:
        storable(event)
    secret = f"{text[:200]} ApplePass {SECRET}"
    assert SECRET not in struck(secret), "a token was kept"


def _log_body(data: bytes) -> None:
    lines = lines_of(data)
    assert len(lines) <= MAX_LINES
    for line in lines:
        assert len(line) <= MAX_LINE
        event = testify(line, NOW)
        if event is not None:
            storable(event)


# ── a request


def _request(data: bytes) -> None:
    """First line: address; further lines: ``name: value``; after an empty line: the body of an unknown call."""
    head, _, body = data.partition(b"\n\n")
    address, *lines = head.split(b"\n")
    path, _, query = address.partition(b"?")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    scope = {
        "type": "http",
        "method": "GET",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    request = read_request(scope, b"x-connection")
    tag = _tag(query)
    assert tag is None or len(tag) <= len(query)
    if request is None:
        return
    assert len(path) <= MAX_PATH and sum(len(name) + len(value) for name, value in headers) <= MAX_HEADERS
    assert all(part and "\x00" not in part for part in request.parts)
    assert request.started_at is None or 0 <= request.started_at < 10**13
    assert request.connection is None or _CONNECTION.fullmatch(request.connection)
    assert request == read_request(scope, b"x-connection")
    shown, event = unknown_message("/" + "/".join(request.parts), body, NOW)
    assert len(shown) <= 200
    if event is not None:
        storable(event)


_GOOD_TAG = write_tag(Tag(EPOCH, 7), PASS_TYPE, b"another key").encode()
_LINES = (
    b"[2026-11-23 18:30:00 +0100] Get serial #s task (for device abc, pass type pass.test.livepass, last updated 1; "
    b"with web service url https://passes.example.com) encountered error: Server response was malformed",
    b"Web service error for pass.test.livepass (https://passes.example.com/): Server requested update to serial number"
    b" '42', but the pass was unchanged",
    b"Get pass task (pass type pass.test.livepass, serial number 42; with web service url https://h/) encountered "
    b"error: Requested serial number 42, received serial number 43",
    b'{"password": "aVeryLongSecret123", "Authorization": "ApplePass 0123456789abcdef"}',
    b"Device received spurious push. Request for passesUpdatedSince 'v1.a.1.AAAAAAAA' returned no serial numbers. "
    b"(Device = abc)",
    b"Web service error for pass.x (): Server ignored the 'if-modified-since' header (Mon, 23 Nov 2026 17:30:00 GMT) "
    b"and returned the full unchanged pass data for serial number '42'",
)

TARGETS = (
    Target("tag", _tag_text, seeds=lambda: (_GOOD_TAG, b"v1.epoch1.7.AAAAAAAA"), words=(b"v1.", b".", b"epoch1")),
    Target(
        "signed_tag", _signed, seeds=lambda: (b"epoch1.7", b"epoch1.11", b"other.3"), words=(b"epoch1.",), longest=64
    ),
    Target(
        "if_modified_since",
        _condition,
        seeds=lambda: (b"1795455000\nMon, 23 Nov 2026 17:30:00 GMT", b"0\nThu, 01 Jan 1970 00:00:00 GMT", b"1\n"),
        words=(b"Mon, ", b" GMT", b"Feb", b"\nThu, 01 Jan 1970 00:00:00 GMT", b"-0000"),
        longest=128,
    ),
    Target(
        "authorization",
        _authorization,
        seeds=lambda: (f"ApplePass {TOKEN}".encode(), b"applepass  x", b"Bearer lp_0123456789abcdef"),
        words=(b"ApplePass ", TOKEN.encode()),
        longest=512,
    ),
    Target(
        "registration",
        _registration,
        seeds=lambda: (b'{"pushToken":"' + b"ab" * 32 + b'"}', b'{"pushToken":null}', b"[]"),
        words=(b'"pushToken"', b":", b'"', b"{", b"}", b"[", b"\\ud800"),
        longest=4096,
    ),
    Target(
        "log_line",
        _log_line,
        seeds=lambda: _LINES,
        words=(
            b" encountered error: ",
            b"with web service url ",
            b"Web service error for ",
            b"serial number ",
            b"ApplePass ",
            b"Bearer ",
            b"token=",
            b"\xe2\x80\xae",
            b"\xed\xa0\x80",
            b"', but the pass was unchanged",
        ),
        longest=2600,
    ),
    Target(
        "log_body",
        _log_body,
        seeds=lambda: (b'{"logs":["' + _LINES[1] + b'"]}', b'{"logs":["a","b\\u0000\\ud800"]}', b'{"logs":{}}'),
        words=(b'{"logs":[', b'"', b",", b"]}", b"\\u0000", b"\\ud83d", b"Web service error for pass.x (): ", b"1e999"),
        longest=4096,
    ),
    Target(
        "request",
        _request,
        seeds=lambda: (
            b"/v1/devices/abc/registrations/pass.test.livepass?passesUpdatedSince=v1.a.1.AAAAAAAA\n"
            b"Authorization: ApplePass x\nX-Request-Start: t=1795455000.123\nX-Connection: 7",
            b"//v1/passes/pass.test.livepass/a%2Fb%252F\nIf-Modified-Since: x\nX-Request-Start: 1795455000123",
            b'/v1/passes/pass.test.livepass/42/personalize\nVia: x\n\n{"token": "aaaaaaaaaaaa"}',
            b"/v1/x\nX-Request-Start: 1795455000123456",
        ),
        words=(
            b"/v1/",
            b"passesUpdatedSince=",
            b"&",
            b"%2f",
            b"%00",
            b"%ff",
            b"X-Request-Start: t=",
            b"\nVia: ",
            b"\n",
        ),
        longest=9000,
    ),
)
