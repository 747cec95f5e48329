"""What issuers send: addresses, queries, cursors, bodies, batches, and the data of a pass."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from fuzz.packages import DOCUMENT, FILES, JSON_WORDS
from fuzz.target import Target
from livepass.pkpass import InvalidDocument, Template, TemplateDataError, canonical, lint
from livepass.service.refusals import Refusal
from livepass.web import issuer_admin, issuer_certificates, issuer_lists
from livepass.web.bodies import decoded, query_of, segments_of
from livepass.web.issuer_passes import wish
from livepass.web.issuer_requests import (
    BatchLine,
    CertificateImport,
    KeyCreate,
    LogsQuery,
    PassesQuery,
    PassPut,
    PushesQuery,
    PutQuery,
    TimelineQuery,
)
from livepass.web.ndjson import Splitter
from livepass.web.paging import Cursor
from livepass.web.problems import Malformed, problem

LONGEST_LINE = 64


def _refused(refusal: Refusal) -> None:
    """A refusal can be sent: a 4xx, as JSON."""
    assert 400 <= refusal.status < 500
    msgspec.json.encode(problem(refusal))


# ── the address and what follows it


def _address(data: bytes) -> None:
    path, _, query = data.partition(b"?")
    parts = segments_of({"raw_path": path})
    assert all("\x00" not in part for part in parts)
    for struct in (PassesQuery, PutQuery, LogsQuery, TimelineQuery, PushesQuery):
        try:
            _fits(query_of(query, struct))
        except Refusal as refusal:
            _refused(refusal)


def _fits(value: Any) -> None:
    """Whether a database takes what a query or cursor holds."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.astuple(value)
    if isinstance(value, tuple):
        for each in value:
            _fits(each)
    if isinstance(value, str):
        assert "\x00" not in value and value.encode() is not None
    if isinstance(value, int):
        assert -(2**63) <= value < 2**63, "a number that no database takes"


_CURSORS = tuple(
    cursor
    for module in (issuer_admin, issuer_certificates, issuer_lists)
    for cursor in vars(module).values()
    if isinstance(cursor, Cursor)
)


def _cursor(data: bytes) -> None:
    """As a caller sends it; and, past base64, whatever JSON it may hold."""
    texts = [data.decode("latin-1")]
    if data[:1] == b"[":
        texts.append(base64.urlsafe_b64encode(data).rstrip(b"=").decode())
    for cursor in _CURSORS:
        for text in texts:
            try:
                key = cursor.read(text, None)
            except Refusal as refusal:
                _refused(refusal)
            else:
                _fits(key)
                assert cursor.read(cursor.write(key), None) == key


# ── bodies

_DECODERS = {struct: msgspec.json.Decoder(struct) for struct in (BatchLine, PassPut, KeyCreate, CertificateImport)}


def _body(data: bytes) -> None:
    for struct, decoder in _DECODERS.items():
        try:
            decoded(decoder, struct, data)
        except Refusal as refusal:
            _refused(refusal)


def _pass(data: bytes) -> None:
    """A line of a batch as far as needs no database: decoded, rendered, linted, written."""
    try:
        line: BatchLine = decoded(_DECODERS[BatchLine], BatchLine, data)
    except Refusal as refusal:
        return _refused(refusal)
    wanted = wish(line.pass_type, line.serial, line)
    rendered = _template().render(wanted.data or {}, wanted.content)
    written = canonical(rendered)
    canonical(dict(wanted.data or {}))
    canonical(dict(wanted.content or {}))
    for found in lint(rendered, _template().static):
        msgspec.json.encode((found.pointer, found.message, found.remedy, found.rule))
    assert len(written) <= 2048 + 4 * 6 * len(data), "a small body made a large pass"
    return None


@cache
def _template() -> Template:
    document = {**DOCUMENT, "serialNumber": "${number}", "description": "for ${name} and ${name}"}
    return Template.from_files("t", {"pass.json": canonical(document), **FILES})


def _lines(data: bytes) -> None:
    """First byte: how much arrives at once. In any pieces, the lines are those of the whole."""
    step, text = (data[0] if data else 0) + 1, data[1:]
    splitter = Splitter(LONGEST_LINE)
    found: list[tuple[int, bytes | None]] = []
    for at in range(0, len(text), step):
        found += splitter.feed(text[at : at + step])
        assert len(splitter._held) <= LONGEST_LINE
    found += splitter.end()
    lines = text.split(b"\n")
    expected = lines if lines[-1] else lines[:-1]
    assert found == [(n, None if len(line) > LONGEST_LINE else line) for n, line in enumerate(expected, 1)]


def _good_cursors() -> Iterable[bytes]:
    for cursor, key in zip(_CURSORS, (("a", 1, "b"), "a", (1, "a"), ("a", "b"), ("a", "b", "c")), strict=False):
        yield cursor.write(key).encode()
        yield msgspec.json.encode((cursor._name, key))


_NAMES = tuple(b'"%s"' % name.encode() for struct in _DECODERS for name in struct.__struct_fields__)
_QUERIES = (
    b"limit=",
    b"cursor=",
    b"pass_type=",
    b"push=",
    b"dry_run=",
    b"after=",
    b"due=",
    b"&",
    b"%00",
    b"%ff",
    b"9" * 19,
)

TARGETS = (
    Target(
        "issuer_address",
        _address,
        (Malformed, Refusal),
        lambda: (b"/api/v1/passes/a%2Fb?limit=5&pass_type=x", b"/?after=3&limit=500", b"/?push=now&dry_run=true"),
        _QUERIES,
        9000,
    ),
    Target("cursor", _cursor, (), _good_cursors, (b'["passes",', b'["keys",[', b"]", b"9" * 19, *JSON_WORDS), 1024),
    Target(
        "issuer_body",
        _body,
        (),
        lambda: (
            b'{"name":"n","scopes":["passes:read"]}',
            b'{"p12":"AQID","password":"x"}',
            b'{"template":"t","data":{}}',
        ),
        (*_NAMES, *JSON_WORDS),
        2048,
    ),
    Target(
        "issuer_pass",
        _pass,
        (TemplateDataError, InvalidDocument),
        lambda: (
            b'{"pass_type":"pass.a","serial":"1","data":{"number":1,"name":"x"},"content":{"storeCard":null}}',
            b'{"pass_type":"pass.a","serial":"1","data":{"number":"1","name":2.5},"content":{"generic":{"backFields":[]}}}',
        ),
        (*_NAMES, *JSON_WORDS, b'"number"', b'"name"', b"[" * 70, b'{"a":' * 70),
        4096,
    ),
    Target("lines", _lines, (), lambda: (b"\3a\n\nb" + b"c" * 70 + b"\nd",), (b"\n", b"\r\n", b"x" * 65), 600),
)
