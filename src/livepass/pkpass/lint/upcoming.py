"""Events to come: ``upcomingPassInformation``, with its dates, images and fields."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.dates import parse_date
from livepass.pkpass.fields import is_number
from livepass.pkpass.links import EVENT_LINKS
from livepass.pkpass.lint import fraction, pass_fields
from livepass.pkpass.lint.keys import objects, typed
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.upcoming import (
    DATE_KEYS,
    ENTRY_GROUPS,
    ENTRY_KEYS,
    ENTRY_NEEDS,
    ENTRY_TYPES,
    IMAGE_KEYS,
    IMAGE_URL_KEYS,
    IMAGES,
    LARGEST_IMAGE,
    REUSABLE_IMAGE,
)

KEYS = frozenset({"upcomingPassInformation"})
_LINKS = dict.fromkeys(EVENT_LINKS, "string")


def check(document: Mapping[str, object]) -> Problems:
    """Every entry, and that no two have one identifier."""
    seen: set[str] = set()
    for pointer, entry in objects(document, "upcomingPassInformation"):
        yield from _entry(pointer, entry)
        identifier = entry.get("identifier")
        if isinstance(identifier, str) and identifier in seen:
            yield problem(
                "upcoming-entry",
                f"{pointer}/identifier",
                f"the identifier {identifier!r} stands above already",
                "give each entry one of its own",
            )
        elif isinstance(identifier, str):
            seen.add(identifier)


def _entry(pointer: str, entry: Mapping[str, object]) -> Problems:
    yield from typed(
        {key: each for key, each in entry.items() if key not in ENTRY_NEEDS}, ENTRY_KEYS, pointer, "warning"
    )
    for key in ENTRY_NEEDS:
        if not isinstance(entry.get(key), str) or not entry[key]:
            yield problem("upcoming-entry", f"{pointer}/{key}", f"an entry needs a {key}, a string", f"give it a {key}")
    kind = entry.get("type")
    if isinstance(kind, str) and kind and kind not in ENTRY_TYPES:
        yield problem("upcoming-entry", f"{pointer}/type", f"there is no type {kind!r}", f"write {ENTRY_TYPES[0]}")
    yield from _date(f"{pointer}/dateInformation", entry.get("dateInformation"))
    yield from _images(f"{pointer}/images", entry.get("images"))
    links = entry.get("URLs")
    if isinstance(links, Mapping):
        yield from typed(links, _LINKS, f"{pointer}/URLs", "warning")
    yield from pass_fields.check(pointer, {group: entry[group] for group in ENTRY_GROUPS if group in entry})


def _date(pointer: str, content: object) -> Problems:
    if not isinstance(content, Mapping):
        return
    yield from typed(content, DATE_KEYS, pointer, "warning")
    date = content.get("date")
    if isinstance(date, str) and parse_date(date) is None:
        yield problem(
            "date",
            f"{pointer}/date",
            f"date {date[:40]!r} is not in the form that phones read",
            "write 2026-11-23T18:30:00+01:00 or 2026-11-23T17:30:00Z",
            "warning",
        )
    yield from fraction.check(f"{pointer}/date", date, "warning")


def _images(pointer: str, images: object) -> Problems:
    if not isinstance(images, Mapping):
        return
    yield from typed(images, IMAGES, pointer, "warning")
    for name in IMAGES:
        image, where = images.get(name), f"{pointer}/{name}"
        if not isinstance(image, Mapping):
            continue
        yield from typed(image, IMAGE_KEYS, where, "warning")
        if "reuseExisting" in image and name != REUSABLE_IMAGE:
            yield problem(
                "upcoming-image",
                f"{where}/reuseExisting",
                f"reuseExisting works for {REUSABLE_IMAGE} only",
                "remove it, and give the URLs",
            )
        urls = image.get("URLs")
        for index, each in enumerate(urls if isinstance(urls, list) else ()):
            if isinstance(each, Mapping):
                yield from _image_url(f"{where}/URLs/{index}", each)


def _image_url(pointer: str, content: Mapping[str, object]) -> Problems:
    yield from typed(content, IMAGE_URL_KEYS, pointer, "warning")
    url, digest, size = content.get("URL"), content.get("SHA256"), content.get("size")
    if url is None or (isinstance(url, str) and not url.startswith("https://")):
        yield problem("upcoming-image", f"{pointer}/URL", "an image needs a URL of https", "write https://…")
    if digest is None or digest == "":
        yield problem(
            "upcoming-image",
            f"{pointer}/SHA256",
            "an image needs its SHA256",
            "write the hash: sha256sum FILE",
        )
    if isinstance(size, int | float) and is_number(size) and size > LARGEST_IMAGE:
        yield problem(
            "upcoming-image", f"{pointer}/size", f"the image has more than {LARGEST_IMAGE} bytes", "make it smaller"
        )
