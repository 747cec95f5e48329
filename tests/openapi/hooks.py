"""What schemathesis cannot know by itself: bodies of lines, what a zip of a template is, and what being busy means.

``st`` loads this file.
"""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import ServerError

from servers.livepass_process import PASS_TYPE, SERIALS, TEMPLATE
from web.asgi import NDJSON, folder_zip

_ZIPS = st.sampled_from(
    [
        folder_zip(),
        folder_zip("membership/"),
        folder_zip()[:-40],
        folder_zip(document={"description": "${x}", "organizationName": "Gym", "generic": {}}),
    ]
) | st.binary(max_size=200)
schemathesis.openapi.media_type("application/zip", _ZIPS, aliases=["application/x-zip-compressed"])
schemathesis.openapi.media_type("application/octet-stream", _ZIPS)

_TABLES = st.sampled_from(
    [
        f"serial,pass_type,template,points\n{SERIALS[0]},{PASS_TYPE},{TEMPLATE},7\nno serial,{PASS_TYPE},,x\n".encode(),
        b"serial,points\n1,2\n",
        b"serial\n\xff\n",
    ]
) | st.binary(max_size=200)
schemathesis.openapi.media_type("text/csv", _TABLES, aliases=["application/csv"])


@schemathesis.serializer(NDJSON)
def lines(_: schemathesis.SerializationContext, value: Any) -> Any:
    """One JSON value a line; bytes as they are."""
    if isinstance(value, bytes):
        return value
    return b"\n".join(json.dumps(each).encode() for each in (value if isinstance(value, list) else [value]))


@schemathesis.deserializer(NDJSON)
def results(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """The lines of an answer."""
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def filter_failure(
    _: schemathesis.HookContext,
    failure: schemathesis.Failure,
    __: schemathesis.Case,
    response: schemathesis.Response,
) -> bool:
    """A 503 with ``Retry-After`` is the process's word for a machine that is too busy now, not a fault. A fault of ours
    is a 500, or to phones a 503 without, and stands in the log.
    """
    return not (isinstance(failure, ServerError) and response.status_code == 503 and "retry-after" in response.headers)
