"""Do the layouts that a pass asks for find what they need? A phone is said to show the old layout otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from livepass.pkpass.fields import SCALES
from livepass.pkpass.links import STYLE_OF_LINK
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.semantic_tags import POSTER_EVENT_NEEDS, SEMANTIC_BOARDING_NEEDS, Needs

_POSTER, _SEMANTIC = "posterEventTicket", "semanticBoardingPass"
_POSTER_IMAGES = frozenset(f"{name}{scale}.png" for name in ("artwork", "background") for scale in SCALES)


def check(document: Mapping[str, object], files: Mapping[str, bytes]) -> Problems:
    """Poster event tickets, semantic boarding passes, and links that no layout of this pass shows."""
    schemes = document.get("preferredStyleSchemes")
    poster = isinstance(schemes, list) and _POSTER in schemes and "eventTicket" in document
    if poster:
        missing = [*_missing_tags(document, POSTER_EVENT_NEEDS), *_missing_for_poster(document, files)]
        yield from _old_layout("poster-event", "a poster event ticket", missing)
    if isinstance(schemes, list) and _SEMANTIC in schemes and "boardingPass" in document:
        missing = list(_missing_tags(document, SEMANTIC_BOARDING_NEEDS))
        yield from _old_layout("semantic-boarding", "a semantic boarding pass", missing)
    shown = {"eventTicket": poster, "boardingPass": "boardingPass" in document}
    for key in document:
        style = STYLE_OF_LINK.get(key)
        if style is not None and not shown[style]:
            kind = "boarding passes" if style == "boardingPass" else "poster event tickets"
            yield problem("link-style", f"/{key}", f"{key} shows on {kind} only", f"remove it, or make one of {kind}")


def _missing_tags(document: Mapping[str, object], needs: Needs) -> Iterator[str]:
    tags = document.get("semantics")
    there = tags.keys() if isinstance(tags, Mapping) else frozenset()
    for choices in needs:
        if not any(there >= set(choice) for choice in choices):
            yield " or ".join(" and ".join(choice) for choice in choices)


def _missing_for_poster(document: Mapping[str, object], files: Mapping[str, bytes]) -> Iterator[str]:
    """What Apple's builder demands beside tags."""
    nfc = document.get("nfc")
    if not isinstance(nfc, Mapping):
        yield "nfc"
    elif "requiresAuthentication" not in nfc:
        yield "requiresAuthentication in nfc"
    if not any(name.rpartition("/")[2] in _POSTER_IMAGES for name in files):
        yield "artwork.png or background.png"


def _old_layout(rule: str, kind: str, missing: list[str]) -> Problems:
    if missing:
        yield problem(
            rule,
            "/preferredStyleSchemes",
            f"the phone may show the old layout: {kind} needs {'; '.join(missing)}",
            "add them (tags stand in semantics), or take the scheme out of preferredStyleSchemes",
        )
