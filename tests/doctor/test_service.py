"""Each check of the network and the web service: one thing spoiled on the wire, and that check says so."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from doctor.stage import SERIAL, Stage, below, hits, of, server_context, untested
from journeys.world import Answer, Spoil, is_ask, is_fetch
from livepass.doctor import BY_ID, Bounds, Group, Status
from livepass.doctor.service import LONG_AGO
from livepass.emulators.authority import Authority, Issued
from livepass.web.phone import Scope

Hits = dict[str, str]


def answered(status: int, where: Callable[[Scope], bool], body: bytes = b"", **headers: str) -> Spoil:
    """Let a call be answered otherwise."""

    def spoil(scope: Scope, answer: Answer) -> None:
        if where(scope):
            answer.status, answer.body = status, body
            answer.headers.update({name.replace("_", "-").encode(): text.encode() for name, text in headers.items()})

    return spoil


def instead(was: int, status: int, where: Callable[[Scope], bool], body: bytes = b"") -> Spoil:
    """Let an answer have another status."""

    def spoil(scope: Scope, answer: Answer) -> None:
        if answer.status == was and where(scope):
            answer.status, answer.body = status, body

    return spoil


def told(change: Callable[[dict[str, object]], object]) -> Spoil:
    """Change what phones are told."""

    def spoil(scope: Scope, answer: Answer) -> None:
        if is_ask(scope) and answer.status == 200:
            document = json.loads(answer.body)
            change(document)
            answer.body = json.dumps(document).encode()

    return spoil


def without(header: bytes, where: Callable[[Scope], bool]) -> Spoil:
    def spoil(scope: Scope, answer: Answer) -> None:
        if where(scope):
            answer.headers.pop(header, None)

    return spoil


def is_our_fetch(scope: Scope) -> bool:
    return is_fetch(scope) and scope["path"].endswith(SERIAL)


def is_method(method: str) -> Callable[[Scope], bool]:
    return lambda scope: scope["method"] == method and "/registrations/" in scope["path"]


def has(scope: Scope, name: bytes) -> bool:
    return any(key == name for key, _ in scope["headers"])


def always(scope: Scope) -> bool:
    return True


def tagged(tag: bytes) -> Callable[[Scope], bool]:
    return lambda scope: is_ask(scope) and tag in scope["query_string"]


class Repeated:
    """Spoils a call of a kind from the second time on."""

    def __init__(self, spoil: Spoil, where: Callable[[Scope], bool], first: int = 1) -> None:
        self.spoil, self.where, self.left = spoil, where, first

    def __call__(self, scope: Scope, answer: Answer) -> None:
        if self.where(scope) and answer.status in (200, 201):
            if self.left <= 0:
                self.spoil(scope, answer)
            self.left -= 1


@dataclass(frozen=True)
class Row:
    """``checks``: id → what it must say, each with a word of its evidence."""

    what: str
    evidence: str
    hits: Hits
    spoil: Callable[[Stage], Spoil]


def failing(check: str, what: str, evidence: str, spoil: Callable[[Stage], Spoil], **more: str) -> Row:
    return Row(what, evidence, {check: "failed", **more}, spoil)


def warning(check: str, what: str, evidence: str, spoil: Callable[[Stage], Spoil], **more: str) -> Row:
    return Row(what, evidence, {check: "warning", **more}, spoil)


def another_pass(stage: Stage) -> Spoil:
    async def issued() -> bytes:
        await stage.world.issue("2002", 1)
        return await stage.world.pkpass("2002")

    return instead(200, 200, is_our_fetch, stage.do(issued()))


HTML = b"<html><title>Checking your browser</title></html>"
LATER = "Wed, 01 Jan 2031 00:00:00 GMT"

SPOILED: list[Row] = [
    failing("NET6", "every ask is redirected", "302 to", lambda s: answered(302, is_ask, location="/login/")),
    failing("NET6", "a redirect for a slash", "308", lambda s: answered(308, is_ask, location="/wallet/x/")),
    failing("NET7", "a bot wall", "HTML", lambda s: answered(403, always, HTML, content_type="text/html; charset=x")),
    failing("NET7", "a login page", "HTML", lambda s: answered(200, always, HTML, content_type="text/html")),
    failing("WS1", "500 for a fetch", "500", lambda s: answered(500, is_our_fetch), WS4="failed"),
    failing("WS1", "204 for a fetch", "204", lambda s: instead(200, 204, is_our_fetch)),
    failing("WS1", "a redirect to a CDN", "302", lambda s: instead(200, 302, is_our_fetch)),
    warning("WS1", "application/zip", "media", lambda s: answered_type(b"application/zip")),
    warning("WS1", "no Last-Modified", "no Last-Modified", lambda s: without(b"last-modified", is_fetch),
            WS3="warning"),
    warning("WS1", "Last-Modified of another kind", "no HTTP date", lambda s: modified(b"2026-11-28T10:00:00Z")),
    failing("WS2", "another pass", "another serialNumber", another_pass),
    failing("WS2", "half a pass", "PKG1", lambda s: instead(200, 200, is_our_fetch, s.data[: len(s.data) // 2])),
    failing("WS2", "JSON", "PKG1", lambda s: instead(200, 200, is_our_fetch, b'{"ok": true}')),
    failing("WS2", "a pass that phones refuse", "JSN1", lambda s: served(s, lambda d: d.pop("description"))),
    warning("WS2", "another address inside", "another webServiceURL",
            lambda s: served(s, lambda d: d.update(webServiceURL="https://new.example.com/wallet"))),
    warning("WS2", "another token inside", "another authenticationToken",
            lambda s: served(s, lambda d: d.update(authenticationToken="0123456789abcdef0123"))),
    failing("WS3", "304 for any condition", "never get it", lambda s: instead(200, 304, conditional)),
    warning("WS3", "no condition is heard", "ignored", lambda s: instead(304, 200, is_our_fetch, s.data)),
    failing("WS3", "a condition is an error", "412", lambda s: answered(412, conditional)),
    warning("WS3", "the time of the answer", "time of the answer", lambda s: Clock()),
    warning("WS3", "a new manifest each time", "another manifest", lambda s: Shuffled(s)),
    failing("WS3", "304 within the minute", "before the last change", lambda s: instead(200, 304, lately)),
    failing("WS4", "anybody may fetch", "a wrong token is answered 200",
            lambda s: instead(401, 200, is_our_fetch, s.data)),
    failing("WS4", "403 instead of 401", "a wrong token is answered 403", lambda s: instead(401, 403, is_our_fetch)),
    failing("WS4", "only a missing token lets in", "no token is answered 200",
            lambda s: instead(401, 200, lambda scope: is_our_fetch(scope) and not has(scope, b"authorization"))),
    warning("WS5", "HEAD is not allowed", "405", lambda s: answered(405, lambda scope: scope["method"] == "HEAD")),
    failing("WS6", "asks need a token", "401", lambda s: answered(401, is_ask), WS9="failed"),
    warning("WS6", "400 for an unknown device", "400: for an unknown device", lambda s: instead(204, 400, no_tag)),
    failing("WS6", "500 for an unknown device", "500", lambda s: instead(204, 500, no_tag)),
    failing("WS6", "others' serials", "serial numbers of others",
            lambda s: instead(204, 200, no_tag, b'{"serialNumbers": ["1", "2"], "lastUpdated": "1"}')),
    failing("WS7", "no log", "404", lambda s: answered(404, is_log)),
    failing("WS7", "201 for the log", "201", lambda s: answered(201, is_log)),
    failing("WS8", "202 for a registration", "202", lambda s: instead(201, 202, is_method("POST"))),
    failing("WS8", "409 for a known one", "409", lambda s: instead(200, 409, is_method("POST"))),
    failing("WS8", "anybody may register", "wrong token", lambda s: instead(401, 201, is_method("POST"))),
    failing("WS8", "nobody may register", "401", lambda s: answered(401, is_method("POST"))),
    failing("WS9", "a tag that is a number", "is a number (1763900582)",
            lambda s: told(lambda d: d.update(lastUpdated=1763900582))),
    failing("WS9", "a tag that is null, serials that are numbers", "no list of strings",
            lambda s: told(lambda d: d.update(serialNumbers=[1001]))),
    failing("WS9", "nothing for who has no tag", "204", lambda s: instead(200, 204, is_ask)),
    failing("WS9", "other serials", "not told the pass", lambda s: told(lambda d: d.update(serialNumbers=["7"]))),
    failing("WS9", "HTML for who is registered", "not JSON", lambda s: instead(200, 200, is_ask, HTML)),
    failing("WS9", "an error for its own tag", "500", lambda s: answered(500, tagged(b"=v1."))),
    warning("WS9", "no tag", "missing", lambda s: told(lambda d: d.pop("lastUpdated"))),
    warning("WS9", "everything, each time", "again for its own tag", lambda s: again),
    warning("WS10", "an error for a foreign tag", "answered 400", lambda s: answered(400, tagged(b"livepass-doctor"))),
    warning("WS10", "nothing for an empty tag", "an empty tag hides", lambda s: answered(204, empty_tag)),
    warning("WS10", "nothing from the future", "of the future", lambda s: numbered),
    warning("WS11", "204 for DELETE", "204", lambda s: instead(200, 204, is_method("DELETE"))),
    failing("WS11", "404 for DELETE", "404", lambda s: instead(200, 404, is_method("DELETE"))),
    failing("WS11", "anybody may unregister", "wrong token", lambda s: instead(401, 200, is_method("DELETE"))),
    failing("WS11", "still there", "still listed",
            lambda s: Repeated(instead(201, 200, is_method("POST")), is_method("POST"), first=2)),
    warning("WS11", "404 for another DELETE", "again is answered 404",
            lambda s: Repeated(instead(200, 404, always), is_method("DELETE"))),
    failing("WS12", "500 for an unknown pass", "500", lambda s: answered(500, is_unknown)),
    failing("WS12", "a stack trace", "stack trace",
            lambda s: answered(404, is_unknown, b"Traceback (most recent call last):\n  File")),
    failing("WS12", "something for everybody", "200", lambda s: answered(200, is_unknown)),
]  # fmt: skip


def answered_type(media: bytes) -> Spoil:
    def spoil(scope: Scope, answer: Answer) -> None:
        if is_fetch(scope):
            answer.headers[b"content-type"] = media

    return spoil


def modified(text: bytes) -> Spoil:
    """A service that writes and compares another form; a phone echoes whatever it was given."""

    def spoil(scope: Scope, answer: Answer) -> None:
        if is_fetch(scope) and answer.status == 200:
            answer.headers[b"last-modified"] = text
            if (b"if-modified-since", text) in scope["headers"]:
                answer.status, answer.body = 304, b""

    return spoil


class Clock:
    """Last-Modified is when the answer was made, and any condition is judged by that."""

    def __init__(self) -> None:
        self.second = 0

    def __call__(self, scope: Scope, answer: Answer) -> None:
        if is_our_fetch(scope) and answer.status == 200:
            self.second += 1
            answer.headers[b"last-modified"] = b"Sat, 28 Nov 2026 10:00:%02d GMT" % self.second
            if (b"if-modified-since", b"Sat, 28 Nov 2026 10:00:01 GMT") in scope["headers"]:
                answer.status, answer.body = 304, b""


class Shuffled:
    """Another build for each fetch."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.count = stage, 0

    def __call__(self, scope: Scope, answer: Answer) -> None:
        if is_our_fetch(scope) and answer.status == 200:
            self.count += 1
            answer.body = self.stage.made(lambda d: d.update(logoText=f"{self.count}"))


def lately(scope: Scope) -> bool:
    """A condition of this century: not the one of long ago."""
    return conditional(scope) and (b"if-modified-since", LONG_AGO.encode()) not in scope["headers"]


def served(stage: Stage, change: Callable[[dict[str, object]], object]) -> Spoil:
    return instead(200, 200, is_our_fetch, stage.made(change))


def conditional(scope: Scope) -> bool:
    return is_our_fetch(scope) and has(scope, b"if-modified-since")


def no_tag(scope: Scope) -> bool:
    return is_ask(scope) and not scope["query_string"]


def empty_tag(scope: Scope) -> bool:
    return is_ask(scope) and scope["query_string"].endswith(b"passesUpdatedSince=")


def is_log(scope: Scope) -> bool:
    return scope["path"].endswith("/v1/log")


def is_unknown(scope: Scope) -> bool:
    return is_fetch(scope) and "no-such-serial" in scope["path"]


def again(scope: Scope, answer: Answer) -> None:
    """Every ask with a tag of ours is told the pass once more, with the same tag."""
    if tagged(b"=v1.")(scope):
        tag = scope["query_string"].partition(b"=")[2].decode()
        answer.status, answer.body = 200, json.dumps({"serialNumbers": [SERIAL], "lastUpdated": tag}).encode()


def numbered(scope: Scope, answer: Answer) -> None:
    """A service with numbers as tags, which believes any of them."""
    if not is_ask(scope):
        return
    if answer.status == 200 and (no_tag(scope) or empty_tag(scope)):
        answer.body = json.dumps({"serialNumbers": [SERIAL], "lastUpdated": "5120"}).encode()
    elif b"=5120" in scope["query_string"] or b"=1000005120" in scope["query_string"]:
        answer.status, answer.body = 204, b""


@pytest.mark.parametrize("row", SPOILED, ids=[f"{next(iter(row.hits))}-{row.what}" for row in SPOILED])
def test_what_is_spoiled_is_what_is_said(stage: Stage, row: Row) -> None:
    report = stage.judge_spoiled(row.spoil(stage))
    assert hits(report) == row.hits, {check: of(report, check) for check in hits(report)}
    first = next(iter(row.hits))
    assert row.evidence in of(report, first), of(report, first)
    failed = [check for check, status in row.hits.items() if status == "failed"]
    hidden = set().union(*map(below, failed)) | below("APN1") | {"APN1"}
    assert untested(report) <= hidden
    assert stage.registered() == [], report.cleanup


@dataclass(frozen=True)
class Tls:
    what: str
    evidence: str
    hits: Hits
    context: Callable[[Stage], ssl.SSLContext]


def certified(issued: Issued, *, whole: bool = True) -> ssl.SSLContext:
    return server_context(issued.certificate_pem + (issued.intermediate_pem if whole else b""), issued.key_pem)


def self_signed(stage: Stage) -> ssl.SSLContext:
    """The root of an authority nobody knows, as a server's certificate."""
    unknown = Authority(name="Nobody")
    return certified(Issued(unknown.root, unknown._root_key, None))


def unknown_root(stage: Stage) -> ssl.SSLContext:
    unknown = Authority(name="Nobody")
    issued = unknown.server_certificate("localhost")
    return server_context(issued.certificate_pem + unknown.root_pem, issued.key_pem)


def old_tls(stage: Stage) -> ssl.SSLContext:
    context = certified(stage.authority.server_certificate("localhost"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


BAD_TLS = [
    Tls("expired", "expired 3 days ago", {"NET2": "failed"},
        lambda s: certified(s.authority.server_certificate("localhost", days=10, starts=timedelta(days=-13.1)))),
    Tls("of another host", "www.example.com, not for localhost", {"NET2": "failed"},
        lambda s: certified(s.authority.server_certificate("www.example.com"))),
    Tls("without its intermediate", "an intermediate is missing", {"NET2": "failed"},
        lambda s: certified(s.authority.server_certificate("localhost", below_intermediate=True), whole=False)),
    Tls("self-signed", "self-signed", {"NET2": "failed"}, self_signed),
    Tls("under an unknown root", "which is no public root", {"NET2": "failed"}, unknown_root),
    Tls("TLS 1.1", "TLSv1.1", {"NET3": "failed"}, old_tls),
    Tls("ends in a week", "expires in 6 days", {"NET4": "warning"},
        lambda s: certified(s.authority.server_certificate("localhost", days=7))),
]  # fmt: skip


@pytest.mark.parametrize("row", BAD_TLS, ids=[row.what for row in BAD_TLS])
def test_tls_that_phones_refuse(stage: Stage, row: Tls) -> None:
    stage.front.context = row.context(stage)
    report = stage.judge()
    assert hits(report) == row.hits, {check: of(report, check) for check in hits(report)}
    assert row.evidence in of(report, *row.hits)
    if "failed" in row.hits.values() and row.what != "expired":
        assert stage.front.requests == b"", "the token went to somebody who proved nothing"
        assert "NET5" in untested(report) and "prove" in of(report, "NET5")
        assert report.phones[0].state == "cannot register" and report.phones[1].state == "never shown"


def test_an_expired_certificate_hides_nothing_else(stage: Stage) -> None:
    stage.front.context = BAD_TLS[0].context(stage)
    report = stage.judge_spoiled(told(lambda d: d.update(lastUpdated=1763900582)))
    assert hits(report) == {"NET2": "failed", "WS9": "failed"}
    assert [each.check.id for each in report.fix_first] == ["NET2", "WS9"]
    assert report.cleaned and stage.registered() == []


def test_a_chain_with_its_intermediate_is_fine(stage: Stage) -> None:
    stage.front.context = certified(stage.authority.server_certificate("localhost", below_intermediate=True))
    assert hits(stage.judge()) == {}


@pytest.mark.parametrize(
    ("host", "evidence"), [("localhost:1", "no connection to localhost port 1"), ("nowhere.invalid", "has no address")]
)
def test_a_host_that_cannot_be_reached(stage: Stage, host: str, evidence: str) -> None:
    report = stage.judge(stage.made(lambda d: d.update(webServiceURL=f"https://{host}/wallet")))
    assert hits(report) == {"NET1": "failed"}
    assert evidence in of(report, "NET1")
    assert below("NET1") <= untested(report)


def test_no_http(stage: Stage) -> None:
    stage.front.says = b"SSH-2.0-OpenSSH_9.2\r\n"
    report = stage.judge()
    assert hits(report) == {"NET5": "failed"}
    assert "not HTTP/1.1" in of(report, "NET5")


def test_slow_is_a_warning(stage: Stage) -> None:
    report = stage.judge(options=stage.options(bounds=Bounds(slow=0.0)))
    assert hits(report) == {"NET8": "warning"}


def test_every_check_of_a_service_is_spoiled() -> None:
    spoiled = {check for row in SPOILED for check in row.hits} | {check for row in BAD_TLS for check in row.hits}
    elsewhere = {"NET1", "NET5", "NET8"}
    groups = (Group.NETWORK, Group.SERVICE)
    assert spoiled | elsewhere == {check.id for check in BY_ID.values() if check.group in groups}


ACCEPTED = [
    # what other services do, and phones accept
    ("an unknown device is 404", instead(204, 404, no_tag)),
    ("an unknown device gets an empty list", instead(204, 200, no_tag, b'{"serialNumbers": [], "lastUpdated": "0"}')),
    ("an unknown pass is 404", answered(404, is_unknown)),
    ("registering is always 200", instead(201, 200, is_method("POST"))),
    ("registering is always 201", instead(200, 201, is_method("POST"))),
    ("nothing new is an empty list", instead(204, 200, tagged(b"=v1."), b'{"serialNumbers": [], "lastUpdated": "9"}')),
    ("no Content-Type for lists", without(b"content-type", is_ask)),
    ("unknown keys in lists", told(lambda d: d.update(more={"x": 1}))),
    ("a tag with + and &", told(lambda d: d.update(lastUpdated="2026-11-28T10:00:00+00:00&a=b"))),
    ("HTML for what is not there", answered(404, is_unknown, HTML, content_type="text/html")),
    ("a connection for each call", lambda scope, answer: answer.headers.update({b"connection": b"close"})),
]


@pytest.mark.parametrize(("what", "spoil"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_what_phones_accept_is_no_alarm(stage: Stage, what: str, spoil: Spoil) -> None:
    report = stage.judge_spoiled(spoil)
    alarms = {check: (status, of(report, check)) for check, status in hits(report).items()}
    if what == "registering is always 200":
        # Then nothing tells a forgotten device from one that is still there: livepass lists it for an hour.
        assert set(alarms) == {"WS11"}
        return
    if what == "a tag with + and &":
        # livepass does not know that tag, and tells everything: what a phone's own tag must not do.
        assert set(alarms) == {"WS9"} and alarms["WS9"][0] == "warning"
        return
    assert alarms == {}
    assert {each.status for each in report.results if each.check.group is Group.SERVICE} == {Status.PASSED}
