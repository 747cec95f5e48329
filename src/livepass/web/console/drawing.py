"""Templates into HTML: everything is escaped, a name that is not there is an error, and times are said twice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from livepass.core.authorization import fingerprint
from livepass.manual import ADDRESS as DOCS
from livepass.web.console.where import AT

HERE = Path(__file__).parent
TEMPLATES, STATIC = HERE / "templates", HERE / "static"
_STEPS = ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600), (86_400 * 60, "d", 86_400), (0, "months", 86_400 * 30))
_OURS = (".json", ".html")


def environment() -> Environment:
    """The templates, with what they may use."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(time=time, span=span, took=took, count=count, short=short, json_text=json_text, pretty=pretty)
    made.globals.update(url=url, manual=manual)
    return made


def url(*segments: object, **query: object) -> str:
    """The address of a page from its segments, each escaped."""
    texts = [str(segment) for segment in segments]
    if texts and texts[-1].endswith(_OURS):
        texts[-1] += ".html"  # or the page would be taken for the data of another one
    path = "/".join([AT.get(), *(quote(text, safe="") for text in texts)])
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(asked)}" if asked else path


def manual(address: str = DOCS) -> str:
    """Where a page of the manual is: below the console, because ``/docs`` of an application may be its own."""
    return AT.get() + address


def span(seconds: float) -> str:
    """A length of time in its largest unit: ``42 s``, ``3 min``, ``6 d``."""
    seconds = max(0, seconds)
    return next(f"{int(seconds // size)} {unit}" for limit, unit, size in _STEPS if not limit or seconds < limit)


def took(ms: float) -> str:
    """How long something took: ``350 ms``, ``1.9 s``, then as ``span``."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 10_000 else span(ms / 1000)


def time(at: datetime | None, now: int) -> Markup:
    """An instant, as itself (UTC) and as how long ago; nothing where there is none."""
    if at is None:
        return Markup('<span class="none">–</span>')
    away = now / 1000 - at.timestamp()
    said = f"{span(away)} ago" if away >= 0 else f"in {span(-away)}"
    exact = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} <span class="ago">{}</span></time>').format(
        exact.isoformat(timespec="milliseconds").replace("+00:00", "Z"), f"{exact:%d %b %Y %H:%M:%S} UTC", said
    )


def count(number: float) -> str:
    """With a narrow space between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def short(device_id: str | None) -> str:
    """A phone's id as pages show it: enough to tell it from others, not enough to speak in its name."""
    return f"{device_id[:6]}…" if device_id else "–"


def json_text(value: Any) -> str:
    """A value as it would stand in JSON; text as it is."""
    import msgspec

    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def pretty(value: Any) -> str:
    """JSON with a line for each value, to read."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value)).decode()


def hidden(data: Any, *, personal: bool) -> Any:
    """The same without what no page holds: ids of phones are shortened, and, unless ``personal``, what passes hold and
    what phones said verbatim is left out. ``phone`` is what an address calls a phone.
    """
    if isinstance(data, Mapping):
        kept = {name: _hidden(name, value, personal) for name, value in data.items()}
        if isinstance(data.get("device_id"), str):
            kept["phone"] = fingerprint(data["device_id"])
        return kept
    return [hidden(each, personal=personal) for each in data] if isinstance(data, list) else data


_PERSONAL = frozenset({"data", "content", "document", "line", "before", "after", "lock_screen", "undo", "said"})


def _hidden(name: str, value: Any, personal: bool) -> Any:
    if name == "device_id" and isinstance(value, str):
        return short(value)
    if not personal and name in _PERSONAL and isinstance(value, Mapping | str | int | float) and value not in ("", {}):
        return {} if isinstance(value, Mapping) else "(hidden)"
    return hidden(value, personal=personal)
