"""What a pass was, would be, and looks like: files and pictures to look at, which no phone takes."""

from __future__ import annotations

from typing import Literal

from livepass.client.address import path
from livepass.client.call import Call, Values, as_json, given, of_pass, reads
from livepass.web.issuer_versions import Versions

Picture = Literal["html", "svg"]


def versions(pass_type: str, serial: str) -> Call[Versions]:
    """What the pass was, as far as it is known, newest first."""
    return Call("GET", f"{of_pass(pass_type, serial)}/versions", reads(Versions))


def pass_files(pass_type: str, serial: str, *, number: int | None = None) -> Call[bytes]:
    """The files of a version (``number``: its change number) or of now, as a zip without signature and token."""
    return Call("GET", f"{of_pass(pass_type, serial)}/files", bytes, {"number": number})


def draft_pass(
    pass_type: str,
    serial: str,
    *,
    data: Values | None = None,
    content: Values | None = None,
    template: str | None = None,
) -> Call[bytes]:
    """The files that ``patch_pass`` would make, as a zip without signature and token. Changes nothing."""
    body = as_json(given(template=template, data=data, content=content))
    return Call("POST", f"{of_pass(pass_type, serial)}:draft", bytes, body=body)


def preview_pass(
    pass_type: str,
    serial: str,
    *,
    format: Picture = "html",
    ios: int | None = None,
    scheme: Literal["light", "dark"] = "light",
    language: str | None = None,
    side: Literal["front", "back"] = "front",
) -> Call[bytes]:
    """What a phone shows of the pass, approximately: a page of HTML, or an SVG."""
    query = given(format=format, ios=ios, scheme=scheme, language=language, side=side)
    return Call("GET", f"{of_pass(pass_type, serial)}/preview", bytes, query)


def preview_template(
    name: str,
    *,
    format: Picture = "html",
    ios: int | None = None,
    scheme: Literal["light", "dark"] = "light",
    language: str | None = None,
    side: Literal["front", "back"] = "front",
) -> Call[bytes]:
    """The same of a pass of this template, filled with samples."""
    query = given(format=format, ios=ios, scheme=scheme, language=language, side=side)
    return Call("GET", f"{path('templates', name)}/preview", bytes, query)
