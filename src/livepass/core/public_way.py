"""What happens to calls between phones and us, judged by echoes (``core.echo``): which manners of a proxy break passes.

Each finding says what was sent, what came back, and which line of a proxy to look for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from livepass.core.echo import FORGED, PROOF, TYPE, Heard, Shot, authorization, modified, proof
from livepass.core.frozen import frozen

SKEW_MS = 5_000


class Fault(StrEnum):
    """What is wrong on the way."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    REDIRECT = "redirect"
    PAGE = "page"
    ELSEWHERE = "elsewhere"
    CACHED = "cached"
    AUTHORIZATION = "authorization"
    CONDITION = "condition"
    LAST_MODIFIED = "last_modified"
    COMPRESSED = "compressed"
    BODY = "body"
    HEAD = "head"
    METHOD = "method"
    PATH = "path"
    SLASHES = "slashes"
    ASK = "ask"
    CLOCK = "clock"
    CONNECTION = "connection"


@frozen
class Remedy:
    """A sentence for what is wrong, and what to do: anywhere, in nginx, in Caddy."""

    sentence: str
    do: str
    nginx: str
    caddy: str


# fmt: off
REMEDIES: Mapping[Fault, Remedy] = {
    Fault.UNREACHABLE: Remedy(
        "the public address does not answer here", "look from outside; from inside the address may lead nowhere",
        "listen 443 ssl; and a server_name of the host of LIVEPASS_PUBLIC_URL",
        "a site block for the host of LIVEPASS_PUBLIC_URL"),
    Fault.TLS: Remedy(
        "its TLS certificate is not as phones need it", "let the proxy send the whole chain, for this host, in time",
        "ssl_certificate names fullchain.pem, not the leaf alone", "tls without arguments, or with the full chain"),
    Fault.REDIRECT: Remedy(
        "a call is redirected", "answer below /wallet/ where the phone asked: no other host, no added slash, no login",
        "no return 30x; and no rewrite in what serves /wallet/", "no redir for /wallet/*"),
    Fault.PAGE: Remedy(
        "a page for people answers", "take /wallet/ out of bot protection, consent and login pages",
        "auth_basic off; auth_request off; in location /wallet/", "no basic_auth and no forward_auth for /wallet/*"),
    Fault.ELSEWHERE: Remedy(
        "something else than this installation answers",
        "lead /wallet/ to processes of this installation, all on the same database",
        "location /wallet/ { proxy_pass http://livepass; }", "reverse_proxy /wallet/* livepass:8420"),
    Fault.CACHED: Remedy(
        "a cache answers", "let nothing below /wallet/ be kept, neither by the proxy nor by a CDN",
        "proxy_cache off; in location /wallet/, and no proxy_ignore_headers", "no cache for /wallet/*"),
    Fault.AUTHORIZATION: Remedy(
        "the Authorization header does not arrive as sent", "pass it on as it comes",
        "proxy_set_header Authorization $http_authorization;", "no request_header and no header_up for Authorization"),
    Fault.CONDITION: Remedy(
        "If-Modified-Since does not arrive as sent, or is answered on the way", "pass it on, and leave 304 to livepass",
        "proxy_set_header If-Modified-Since $http_if_modified_since; proxy_cache off;",
        "no request_header and no header_up for If-Modified-Since"),
    Fault.LAST_MODIFIED: Remedy(
        "Last-Modified does not come back as sent", "leave it: phones hand it back, and it is compared as text",
        "no add_header and no proxy_hide_header for Last-Modified", "no header and no header_down for Last-Modified"),
    Fault.COMPRESSED: Remedy(
        "passes are compressed on the way", "leave them as they are: they are zip files already",
        "gzip off; in location /wallet/", "encode for other paths only"),
    Fault.BODY: Remedy(
        "the body of an answer is rewritten", "leave bodies alone: every byte of a pass is signed",
        "no sub_filter and no addition module in location /wallet/", "no replace and no templates for /wallet/*"),
    Fault.HEAD: Remedy(
        "HEAD does not come back as an answer to HEAD", "pass HEAD on as it comes",
        "no proxy_method; and no limit_except in location /wallet/", "no method matcher for /wallet/*"),
    Fault.METHOD: Remedy(
        "POST or DELETE does not arrive as sent", "pass both on, with bodies of 64 KiB",
        "client_max_body_size 64k; or more, and no limit_except in location /wallet/",
        "no method matcher for /wallet/*; request_body max_size 64KiB or more"),
    Fault.PATH: Remedy(
        "a percent-encoded path does not arrive as sent", "pass paths on as they come: do not decode them",
        "proxy_pass http://livepass; with nothing behind the name", "no uri, rewrite or handle_path for /wallet/*"),
    Fault.SLASHES: Remedy(
        "//v1 does not reach this installation", "pass it on, or as /v1: some wallets write it",
        "merge_slashes on; proxy_pass http://livepass; with nothing behind the name",
        "no redir and no rewrite for /wallet/*"),
    Fault.ASK: Remedy(
        "what phones send without Authorization does not arrive as sent",
        "let GET /wallet/v1/devices/… through without a login, with its query, and add no Authorization",
        "auth_basic off; auth_request off; no rewrite that drops $args", "no basic_auth, no forward_auth, no uri"),
    Fault.CLOCK: Remedy(
        "X-Request-Start and this installation disagree about the time", "run NTP on both hosts",
        'proxy_set_header X-Request-Start "t=$msec";', 'request_header X-Request-Start "t={time.now.unix_ms}"'),
    Fault.CONNECTION: Remedy(
        "the proxy's word for its client's connection cannot be used",
        "set the header of LIVEPASS_CONNECTION_HEADER on every request, over whatever a client sent",
        'proxy_set_header X-Connection-Id "$hostname-$pid-$connection";',
        'request_header X-Connection-Id "{http.request.remote.host}:{http.request.remote.port}"'),
}
# fmt: on


@frozen
class Finding:
    """One thing that is wrong."""

    fault: Fault
    sent: str
    came: str

    @property
    def sentence(self) -> str:
        return f"{REMEDIES[self.fault].sentence}: sent {self.sent}; came {self.came}"

    @property
    def remedy(self) -> str:
        row = REMEDIES[self.fault]
        return f"{row.do} (nginx: {row.nginx} · Caddy: {row.caddy})"

    @property
    def unclear(self) -> bool:
        """Nothing is known to be wrong: it could not be looked at from here."""
        return self.fault is Fault.UNREACHABLE


Pair = tuple[Shot, Heard]


def judge(heard: Sequence[Pair], key: bytes, ticket: str, connection_header: str = "") -> list[Finding]:
    """What is wrong, by the echoes. Of calls that did not get here, and of a cache, nothing more is said: all other
    answers are what they make of them.
    """
    silent = [pair for pair in heard if pair[1].status == 0]
    for pair in (*silent, *heard[:2]):
        lost = _lost(*pair, key, ticket)
        if lost is not None:
            return [lost]
    by_name = {shot.name: (shot, answer) for shot, answer in heard}
    if cached := list(_cached(by_name)):
        return cached
    first = by_name["fetch"]
    found = list(_headers(first, ticket))
    if not found:
        # Judged alone: what a header that is lost does to conditions was said already.
        found += _conditions(by_name, key, ticket)
    found += _paths_and_methods(by_name, key, ticket)
    echoes = [_echo(by_name[name][1]) for name in ("fetch", "again")]
    found += _clock(first[0], echoes[0])
    found += _connection(first[0], echoes, connection_header)
    return found


# ── whether a call got here


def _lost(shot: Shot, heard: Heard, key: bytes, ticket: str) -> Finding | None:
    """Why this is no answer of ours; ``None``: it is."""
    if _proved(shot, heard, key, ticket):
        return None
    sent = f"{shot.method} {_shown(shot)}"
    if heard.status == 0:
        return Finding(Fault.TLS if heard.untrusted else Fault.UNREACHABLE, sent, heard.fault)
    if 300 <= heard.status < 400 and heard.status != 304:
        return Finding(Fault.REDIRECT, sent, f"{heard.status} to {ascii(heard.headers.get('location', ''))[:200]}")
    media = heard.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media in ("text/html", "application/xhtml+xml"):
        return Finding(Fault.PAGE, sent, f"{heard.status} with {media}")
    if _echo(heard).get("ticket") == ticket:
        return Finding(Fault.BODY, sent, f"{heard.status}, and its proof does not fit what came")
    return Finding(Fault.ELSEWHERE, sent, f"{heard.status} without this installation's proof")


def _proved(shot: Shot, heard: Heard, key: bytes, ticket: str) -> bool:
    return heard.headers.get(PROOF) == proof(key, ticket, shot.method, heard.status, heard.body)


def _echo(heard: Heard) -> dict[str, Any]:
    try:
        found = json.loads(heard.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _shown(shot: Shot) -> str:
    """The path, without what would make lines long."""
    before, _, after = shot.target.partition(TYPE)
    return f"{before}{TYPE}{after[:1]}…" if len(after) > 40 else shot.target


# ── caches


def _cached(by_name: Mapping[str, Pair]) -> Iterator[Finding]:
    first, again = by_name["fetch"][1], by_name["again"][1]
    if _echo(again)["answer"] == _echo(first)["answer"]:
        yield Finding(Fault.CACHED, "the same path with another token", "the answer to the first, word for word")
        return
    for name in ("age", "x-cache", "x-cache-status", "cf-cache-status"):
        said = again.headers.get(name, "")
        if (name == "age" and said) or "hit" in said.lower():
            yield Finding(Fault.CACHED, "the same path twice", f"{name}: {ascii(said)[1:-1][:60]}")
            return


# ── headers


def _headers(pair: Pair, ticket: str) -> Iterator[Finding]:
    shot, heard = pair
    echo = _echo(heard)
    if echo["authorization"] != authorization(ticket):
        came = "none" if echo["authorization"] is None else "another one"
        yield Finding(Fault.AUTHORIZATION, "Authorization: ApplePass …", f"{came} arrived")
    wanted, got = modified(ticket), heard.headers.get("last-modified", "")
    if got != wanted:
        yield Finding(
            Fault.LAST_MODIFIED, f"{shot.method}, answered Last-Modified: {wanted}", ascii(got)[1:-1][:60] or "none"
        )
    if heard.headers.get("content-encoding", "identity") != "identity":
        yield Finding(
            Fault.COMPRESSED, "a fetch", f"Content-Encoding: {ascii(heard.headers['content-encoding'])[1:-1]}"
        )


def _conditions(by_name: Mapping[str, Pair], key: bytes, ticket: str) -> Iterator[Finding]:
    for name, status in (("same", 304), ("later", 200)):
        shot, heard = by_name[name]
        since = shot.headers["If-Modified-Since"]
        if heard.status != status:
            came = f"{heard.status} instead of {status}"
        elif not _proved(shot, heard, key, ticket):
            came = f"{heard.status} without this installation's proof"
        elif status == 200 and _echo(heard)["if_modified_since"] != since:
            came = "another one arrived"
        else:
            continue
        yield Finding(Fault.CONDITION, f"If-Modified-Since: {since}", came)
        return


# ── paths and methods

_OTHERS: Sequence[tuple[str, Fault]] = (
    ("head", Fault.HEAD),
    ("slashes", Fault.SLASHES),
    ("escaped", Fault.PATH),
    ("ask", Fault.ASK),
    ("register", Fault.METHOD),
    ("unregister", Fault.METHOD),
)


def _paths_and_methods(by_name: Mapping[str, Pair], key: bytes, ticket: str) -> Iterator[Finding]:
    """Who merges ``//`` into ``/`` breaks nothing: so its target is not compared."""
    for name, fault in _OTHERS:
        shot, heard = by_name[name]
        sent = f"{shot.method} {_shown(shot)}"
        lost = _lost(shot, heard, key, ticket)
        if lost is not None:
            # A redirect or a page for this call alone is best told by what the call was for.
            yield Finding(fault, sent, lost.came)
            continue
        echo = _echo(heard)
        if name in ("escaped", "ask") and echo["target"] != shot.target:
            yield Finding(fault, sent, "another path or query arrived")
        elif name == "ask" and echo["authorization"] is not None:
            yield Finding(fault, f"{sent} without Authorization", "an Authorization arrived")
        elif shot.body and echo["length"] != len(shot.body):
            yield Finding(fault, f"{sent} with {len(shot.body)} bytes", f"{echo['length']} bytes arrived")


# ── what a proxy says of its client


def _clock(shot: Shot, echo: Mapping[str, Any]) -> Iterator[Finding]:
    """Both as told by whoever answered, however long the way back was."""
    started, at = echo["started_at"], echo["at"]
    if started is not None and abs(at - started) > SKEW_MS:
        yield Finding(Fault.CLOCK, shot.method, f"a start {(at - started) / 1000:+.0f} s before it arrived")


def _connection(shot: Shot, echoes: Sequence[Mapping[str, Any]], header: str) -> Iterator[Finding]:
    named = [echo["connection"] for echo in echoes]
    if header and named[0] == FORGED:
        yield Finding(Fault.CONNECTION, f"{header}: {FORGED}", "the same: whoever calls can choose it")
    elif header and None in named:
        yield Finding(Fault.CONNECTION, f"{shot.method}", f"no {header} arrived")
    elif named[0] is not None and named[0] == named[1]:
        yield Finding(Fault.CONNECTION, "two calls over two connections", "one connection, the proxy's own")
