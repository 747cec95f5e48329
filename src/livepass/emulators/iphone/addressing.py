"""How the phone writes a request: address, headers, body. Pure text.

Apple documents the paths. How the parts are escaped is a field report (protocol sheet 1.3) and full of consequences:
a slash in a serial adds a path segment, ``+``, ``&`` and ``=`` in a tag arrive unescaped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from livepass.emulators.iphone.model import InstalledPass, PhoneSettings, Record, Request, Task

# Foundation's path-allowed and query-allowed characters, beyond letters, digits and "-._~".
PATH_ALLOWED: Final = "/!$&'()*+,:=@"
QUERY_ALLOWED: Final = "/!$&'()*+,:=@;?"

# iOS major → (CFNetwork, Darwin). Seen in server logs: 12 and 16. The others follow the documented pattern of Darwin
# majors; their exact numbers are assumptions.
VERSIONS: Final = {
    12: ("978.0.7", "18.6.0"),
    13: ("1128.0.1", "19.6.0"),
    14: ("1240.0.4", "20.6.0"),
    15: ("1335.0.3", "21.6.0"),
    16: ("1410.0.3", "22.6.0"),
    17: ("1498.700.2", "23.6.0"),
    18: ("1568.300.101", "24.2.0"),
    26: ("3860.100.1", "25.0.0"),
    27: ("3900.100.1", "26.0.0"),
}

METHODS: Final = {"unregister": "DELETE", "ask": "GET", "fetch": "GET", "head": "HEAD"}
"""Every other kind is a POST."""

AUTHENTICATED: Final = frozenset({"register", "unregister", "fetch", "personalize", "head"})
"""Apple's list and log calls carry no credential, whatever the general text says."""


def user_agent(ios: str) -> str:
    """The User-Agent of the Wallet daemon on that version of iOS; an unknown one counts as the newest."""
    major = int(ios.partition(".")[0])
    network, darwin = VERSIONS.get(major, VERSIONS[max(VERSIONS)])
    return f"passd/1.0 CFNetwork/{network} Darwin/{darwin}"


def component(text: str, *, twice: bool) -> str:
    """One path component as sent: escaped, and by a second API once more."""
    once = quote(text, safe=PATH_ALLOWED)
    return quote(once, safe=PATH_ALLOWED) if twice else once


def append(base: str, *parts: str, twice: bool) -> str:
    """``base`` with path components appended; a trailing slash of the base makes no difference."""
    return "/".join((base.rstrip("/"), *(component(part, twice=twice) for part in parts)))


def device_id(task: Task, record: Record | None) -> str | None:
    """The device identifier a task speaks for."""
    return task.device_id or (record.device_id if record is not None else None)


def url(task: Task, record: Record | None, *, twice: bool) -> str:
    """The address of a task. Registering and asking need their record."""
    serial = task.serial or ""
    device = device_id(task, record) or ""
    if task.kind in ("register", "unregister"):
        parts: Sequence[str] = ("v1", "devices", device, "registrations", task.pass_type, serial)
    elif task.kind == "ask":
        parts = ("v1", "devices", device, "registrations", task.pass_type)
    elif task.kind == "log":
        parts = ("v1", "log")
    else:
        tail = {"personalize": ("personalize",), "lifecycle": ("passLifecycleUpdate",)}.get(task.kind, ())
        parts = ("v1", "passes", task.pass_type, serial, *tail)
    address = append(task.url, *parts, twice=twice)
    if task.kind == "ask" and record is not None and record.tag is not None:
        address += "?passesUpdatedSince=" + quote(record.tag, safe=QUERY_ALLOWED)
    return address


def body(task: Task, record: Record | None, messages: Sequence[str]) -> bytes | None:
    """The JSON body of a task, or None."""
    if task.kind == "register" and record is not None:
        return json.dumps({"pushToken": record.push_token}).encode()
    if task.kind == "log":
        return json.dumps({"logs": list(messages)}, ensure_ascii=False).encode()
    return task.body


def request(
    request_id: int,
    task: Task,
    record: Record | None,
    held: InstalledPass | None,
    messages: Sequence[str],
    settings: PhoneSettings,
    *,
    twice: bool,
) -> Request:
    """The request that carries out a task now."""
    content = body(task, record, messages)
    headers = {
        "Accept": "*/*",
        "Accept-Language": settings.language,
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": user_agent(settings.ios),
    }
    token = held.token if held is not None and task.kind != "unregister" else task.token
    if task.kind in AUTHENTICATED and token is not None:
        headers["Authorization"] = f"ApplePass {token}"
    if content is not None:
        headers["Content-Type"] = "application/json"
    if task.kind in ("fetch", "personalize") and held is not None and held.last_modified is not None:
        headers["If-Modified-Since"] = held.last_modified
    method = METHODS.get(task.kind, "POST")
    address = url(task, record, twice=twice)
    return Request(request_id, task.kind, method, address, headers, content, task.pass_type, task.serial)
