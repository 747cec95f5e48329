"""Forms, and a file that comes with one, within their bounds."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from livepass.web.operations import LARGEST_UPLOAD
from livepass.web.phone import Message, Receive
from livepass.web.problems import Malformed, too_large

LONGEST_FORM = 64 * 1024
MOST_FIELDS = 100


async def read(request: Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """(fields, files), one of a name. Raises ``Malformed`` and ``TooLarge``."""
    several = request.headers.get("content-type", "").startswith("multipart/form-data")
    limit = LARGEST_UPLOAD if several else LONGEST_FORM
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_large(limit, "send a smaller file")
    whole = Request(request.scope, _replayed(bytes(data)))
    try:
        async with whole.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FORM) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            files = {name: await value.read() for name, value in form.items() if isinstance(value, UploadFile)}
    except (HTTPException, UnicodeDecodeError) as error:
        raise Malformed("the form cannot be read", hint="load its page again and send it again") from error
    require_no_nul(fields)
    return fields, files


def require_no_nul(pairs: Mapping[str, str]) -> None:
    """Neither database takes a NUL in text, and no name has one. Raises ``Malformed``."""
    if any("\x00" in text for pair in pairs.items() for text in pair):
        raise Malformed("what was sent holds a NUL", hint="leave it out: no name has one")


def _replayed(data: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    return receive
