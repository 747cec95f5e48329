"""``docs/reference/device-log.md``, and a page for each sentence: ``python tests/device_log_page.py`` writes them."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.core.testimony import SENTENCES, TRIP_OF_TASK, Sentence, read_line
from livepass.core.timeline import Trip
from livepass.core.why import leads_to
from made_pages import Catalogue, cell, facts

TYPE = "pass.com.example.gym"
PHONE = "3f2a9c41d07b4e6f8a1c5d2e9b0f7a34"
URL = "https://passes.example.com/wallet"
AT = "[2026-09-07 10:11:12 +0200] "
DATE = "Sun, 06 Sep 2026 08:00:00 GMT"
CONTEXTS: Mapping[str, str] = {
    "Register": f"for device {PHONE}, pass type {TYPE}, serial number 1001",
    "Get serial #s": f"for device {PHONE}, pass type {TYPE}, last updated v1.9f3a.41.Zk3vQ0aB",
    "Get pass": f"pass type {TYPE}, serial number 1001, if-modified-since {DATE}",
    "Personalize pass": f"pass type {TYPE}, serial number 1001, if-modified-since {DATE}",
}
SERVICE = f"Web service error for {TYPE} ({URL}): "

EXAMPLES: Mapping[str, tuple[str, str]] = {
    # code → (task, or "" for one outside of any; what is said). Made up, in the form that phones use.
    "T0": ("Register", "Authentication failure"),
    "T1": ("Get serial #s", "Unexpected response code 401"),
    "T2": ("Get pass", "Connection error"),
    "T3": ("Get serial #s", "Server response was malformed (The data is not in the correct format.)"),
    "T4": ("Get pass", "Received invalid pass data (The pass cannot be read because it isn’t valid.)"),
    "T5": ("Get pass", "Requested serial number 1001, received serial number 1002"),
    "T5b": ("Get pass", f"Requested pass of type {TYPE}, received pass of type pass.com.example.pool"),
    "W0": ("Personalize pass", "Received invalid personalizaiton token signature"),
    "S0": ("", "Server requested update to serial number '1001', but the pass was unchanged."),
    "S0b": ("", "Personalization request was issued for serial number '1001', but the pass was unchanged."),
    "S1": (
        "",
        "Server returned the pass data for serial number '1001' but did not provide a 'last-modified' header.",
    ),
    "S2": (
        "",
        f"Server ignored the 'if-modified-since' header ({DATE}) and returned the full unchanged pass data for serial"
        " number '1001'.",
    ),
    "S3": (
        "",
        "Device received spurious push. Request for passesUpdatedSince 'v1.9f3a.41.Zk3vQ0aB' returned no serial"
        f" numbers. (Device = {PHONE})",
    ),
    "S4": ("", "Update requested for unregistered serial number 1001"),
    "S5": ("", "Response to 'What changed?' request included 1 serial numbers but omitted a lastUpdated tag."),
    "S6": (
        "",
        "Response to 'What changed?' request included 1 serial numbers but the lastUpdated tag (v1.9f3a.41.Zk3vQ0aB)"
        " remained the same.",
    ),
}

SECTIONS = ("What the phone did", "Causes", "What to do", "Sources")

HEAD = """# What phones say

Wallet posts what went wrong to `/wallet/v1/log`, in lines of two forms, here on several rows each:

```text
[2026-09-07 10:11:12 +0200] TASK task (for device …, pass type …, serial number …;
    with web service url …) encountered error: SENTENCE (detail)
[2026-09-07 10:11:12 +0200] Web service error for PASS TYPE (web service url): SENTENCE
```

The time is the phone's own, sometimes with AM or PM, and may be missing. The detail at the end is in the phone's
language: livepass reads the English sentence before it. `livepass log list` shows the lines that came,
`livepass log explain "LINE"` explains one without a service. Anybody can post a line, so it is never proof by itself.

| code | sentence | about | meaning | leads to |
|---|---|---|---|---|
"""
TAIL = """
## Lines without a page

- A sentence that is not in the table is kept and grouped by its *shape*: the line with names, numbers and times masked.
  Look which task it names, and at that trip: `livepass pass timeline TYPE/SERIAL`. A shape that many phones share since
  a certain day points at what you deployed then.
- A warning about an accepted pass (`encountered warning`) names what Wallet did not like in it:
  `livepass pass lint FILE.pkpass`.
- Phones are reported to say nothing at all of calls that found no network or no trusted certificate
  ([T2](device-log/T2.md)), nor of a log call that failed. No lines are no proof that all is well.

This page and the head of each sentence's page are made from `src/livepass/core/testimony.py`:
`python tests/device_log_page.py` writes them, and a test compares. The sentences are from field reports; none was
confirmed on a device by us.
"""


def catalogue() -> Catalogue:
    heads = {sentence.code: head(sentence) for sentence in SENTENCES}
    return Catalogue("device-log", "tests/device_log_page.py", index(), heads, SECTIONS, 60)


def line(code: str) -> str:
    """An example, as a phone would post it."""
    task, said = EXAMPLES[code]
    if not task:
        return f"{AT}{SERVICE}{said}"
    level = "warning" if code.startswith("W") else "error"
    return f"{AT}{task} task ({CONTEXTS[task]}; with web service url {URL}) encountered {level}: {said}"


def index() -> str:
    return HEAD + "".join(map(_row, SENTENCES)) + TAIL


def _row(sentence: Sentence) -> str:
    columns = (
        f"[{sentence.code}](device-log/{sentence.code}.md)",
        EXAMPLES[sentence.code][1],
        _about(sentence),
        sentence.meaning,
        _findings(sentence, "findings"),
    )
    return "".join(f"| {cell(column)} " for column in columns) + "|\n"


def head(sentence: Sentence) -> str:
    read = read_line(line(sentence.code))
    assert read.code == sentence.code, line(sentence.code)
    title = EXAMPLES[sentence.code][1].split(" (")[0].split(". ")[0].rstrip(".")
    return f"# {sentence.code} {title}\n\n> {sentence.meaning}\n\n```text\n{line(sentence.code)}\n```\n\n" + facts(
        ("about", _about(sentence)), ("level", read.level), ("leads to", _findings(sentence, "../findings"))
    )


def _about(sentence: Sentence) -> str:
    if sentence.trip is None:
        return "the trip of the task that it names"
    return "none of the trips" if sentence.trip is Trip.TESTIMONY else sentence.trip.value


def _findings(sentence: Sentence, folder: str) -> str:
    trips = dict.fromkeys(TRIP_OF_TASK.values()) if sentence.trip is None else (sentence.trip,)
    found = {trip: leads_to(sentence.code, trip) for trip in trips}
    several = sentence.trip is None
    said = [
        f"[{code}]({folder}/{code}.md){f' (about the {trip.value})' if several else ''}"
        for trip, code in found.items()
        if code
    ]
    return ", ".join(said) or "no finding by itself"


if __name__ == "__main__":
    catalogue().write()
