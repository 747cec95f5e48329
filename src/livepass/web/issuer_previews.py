"""Pictures of passes and templates: what a phone would show, approximately, as a page or an image of lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import UNSET

from livepass.web.issuer_requests import PreviewQuery
from livepass.web.operations import Answer, Call, Media, Operation

HTML, SVG = "text/html", "image/svg+xml"


async def of_pass(call: Call) -> Answer:
    """What a phone shows of the pass as it is now, approximately.

    `format` decides, or else `Accept`; HTML where both are silent. The page has no script and loads nothing.
    """
    pass_type, serial = call.named_pass()
    return await _drawn(call, await call.services.showing.of_pass(pass_type, serial), f"{pass_type}/{serial}")


async def of_template(call: Call) -> Answer:
    """What a phone shows of a pass of this template, filled with samples, approximately."""
    name = call.path["name"]
    return await _drawn(call, await call.services.showing.of_template(call.caller.tenant, name), name)


async def _drawn(call: Call, files: Mapping[str, bytes], name: str) -> Answer:
    from livepass.preview import STYLE_SOURCE, View, draw, page, svg  # here, because few processes draw

    query: PreviewQuery = call.query
    now = datetime.fromtimestamp(call.services.clock.now() / 1000, UTC)
    view = View(ios=query.ios, scheme=query.scheme, language=query.language, side=query.side, now=now)
    as_svg = _wants_svg(call)

    def work() -> bytes:
        drawing = draw(files, view)
        return svg(drawing) if as_svg else page([(f"{query.side}, {query.scheme}", drawing)], name)

    drawn = await call.services.showing.off_loop(work)
    # Opened in a browser it is a page of this service: it may show its own pictures and style, and do nothing.
    policy = f"default-src 'none'; img-src data:; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'"
    headers = {"content-security-policy": f"{policy}; frame-ancestors 'self'; sandbox", "vary": "accept"}
    return Answer(200, drawn, SVG if as_svg else f"{HTML}; charset=utf-8", headers)


def _wants_svg(call: Call) -> bool:
    query: PreviewQuery = call.query
    if query.format is not UNSET:
        return query.format == "svg"
    accepted = [each.partition(";")[0].strip() for each in call.request.headers.get("accept", "").lower().split(",")]
    return SVG in accepted and HTML not in accepted


OPERATIONS = (
    Operation(
        "GET",
        "/passes/{type}/{serial}/preview",
        "previewPass",
        "A pass as a phone shows it, approximately, as a page or an SVG",
        of_pass,
        ("passes:read",),
        {200: Media((HTML, SVG))},
        PreviewQuery,
    ),
    Operation(
        "GET",
        "/templates/{name}/preview",
        "previewTemplate",
        "A template filled with samples as a phone shows it, approximately, as a page or an SVG",
        of_template,
        ("passes:read", "templates:write"),
        {200: Media((HTML, SVG))},
        PreviewQuery,
        group="templates",
    ),
)
