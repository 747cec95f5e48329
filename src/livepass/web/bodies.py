"""Reading requests: paths, queries, and bodies within their bounds. What is not what it claims to be ends here."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from starlette.requests import Request

from livepass.service.refusals import Fault, Refusal
from livepass.web.operations import Body, Segments
from livepass.web.problems import Malformed, UnsupportedMedia, invalid, too_large

LONGEST_PATH = 4096
LONGEST_QUERY = 8192
MOST_PARAMETERS = 50


def segments_of(scope: Any) -> Segments:
    """The path, split before it is decoded: a server that decoded it has lost which slashes were escaped."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        parts = tuple(scope["path"].split("/")[1:])
    else:
        raw = raw.partition(b"?")[0]
        if len(raw) > LONGEST_PATH:
            raise Malformed(f"the address is longer than {LONGEST_PATH} bytes")
        try:
            parts = tuple(unquote_to_bytes(part).decode("utf-8") for part in raw.split(b"/")[1:])
        except UnicodeDecodeError as error:
            raise Malformed("the address is not UTF-8", hint="percent-encode UTF-8 bytes") from error
    if any("\x00" in part or "\ufffd" in part for part in parts):
        raise Malformed("the address holds a character that nothing here has", hint="percent-encode UTF-8 bytes")
    return parts


def query_of(raw: bytes, struct: type[msgspec.Struct]) -> msgspec.Struct:
    """The query as its type. A parameter that is not known is refused: a misspelt dry_run must not write."""
    try:
        if len(raw) > LONGEST_QUERY:
            raise ValueError
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:  # bad UTF-8 is one too
        raise Malformed("the query cannot be read", hint="percent-encode UTF-8 bytes") from error
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(name for name, _ in pairs if [each for each, _ in pairs].count(name) > 1)
        fault = Fault(f"?{twice}", "stands there twice", "once is enough", "twice")
        raise Refusal(f"the query names {twice[:100]!r} twice", hint="once is enough", faults=[fault])
    if any("\x00" in value for value in values.values()):
        raise Malformed("the query holds a NUL", hint="no name has one")
    try:
        return msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, struct, query=True) from error


async def body_of(request: Request, body: Body) -> Any:
    """The body as its type; bytes where there is none. Nothing beyond the bound is kept."""
    check_media(request, body)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:18]) > body.limit:
        raise too_large(body.limit, body.too_large)
    if body.stream:
        return None
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > body.limit:
            raise too_large(body.limit, body.too_large)
    return bytes(data) if body.struct is None else decoded(body.decoder, body.struct, bytes(data))


def check_media(request: Request, body: Body) -> None:
    """Refuse a body of another kind; one that does not say what it is gets the benefit of the doubt."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared and declared not in body.media:
        raise UnsupportedMedia(f"the body is {declared[:100]}", hint=f"send it as {body.media[0]}")


def decoded(decoder: msgspec.json.Decoder[Any], struct: type[msgspec.Struct], data: bytes) -> Any:
    """JSON as its type. Raises ``Malformed`` for what is not JSON and ``Refusal`` for what is not of the type."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(error, struct) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        said = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Malformed(f"the body is not JSON: {said}", hint="send JSON in UTF-8") from error
    except RecursionError as error:
        raise Malformed("the body is nested too deep", hint="a pass.json needs fewer than ten levels") from error
