"""What this phone assumes about a real iPhone where Apple is silent: one row each, with a date, listed and switchable.

Rules of this file. Every behaviour of the emulated phone that Apple does not document is a row of ``QUIRKS``. The
name is a statement; ``yes`` and ``no`` say whether it holds, unless the row offers other choices. A quirk is never a
promise to users.

Confidence: A documented, B several field reports, C one report, D inferred, "assumed" a figure chosen by us.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

YES, NO = "yes", "no"


@dataclass(frozen=True)
class Quirk:
    """One assumption. ``choices[0]`` is not special: ``default`` says what the phone does when nobody switches."""

    name: str
    what: str
    confidence: str
    source: str
    default: str = YES
    choices: tuple[str, ...] = (YES, NO)
    date: str = "2026-11"


QUIRKS: tuple[Quirk, ...] = (
    # ── trip 1, register ────────────────────────────────────────────────────────────────────────────────────────────
    Quirk("success-is-200-or-201", "Register and unregister accept no other code, not even 204.", "B", "protocol 1.1"),
    Quirk("unauthorized-is-retried", "A 401 is not final: it is retried like any failure.", "B", "protocol 2.4"),
    Quirk(
        "second-pass-fetches-directly",
        "A pass registered under a record that holds a tag is also fetched at once.",
        "B",
        "protocol 1.4",
    ),
    Quirk("readd-fetches-at-once", "Adding a pass again fetches it without If-Modified-Since.", "C", "protocol 2.5"),
    Quirk("readd-registers", "Adding a pass again registers it again.", "C", "protocol 2.5", default=NO),
    Quirk(
        "new-device-id-on-token-change",
        "A new push token gives each record a new device identifier.",
        "C",
        "protocol 2.6",
        default=NO,
    ),
    Quirk("restore-new-device-id", "A backup on another phone gets new device identifiers.", "C", "protocol 2.6"),
    Quirk("restore-keeps-tag", "A backup carries the change tags to the other phone.", "D", "hazards 5"),
    Quirk("restore-keeps-last-modified", "A backup carries each pass's Last-Modified text.", "D", "hazards 5"),
    Quirk(
        "record-outlives-last-pass",
        "Device identifier and tag survive the deletion of the last pass.",
        "D",
        "protocol 2.1",
    ),
    Quirk(
        "url-change-deletes-old", "A changed webServiceURL unregisters at the old one.", "C", "protocol 2.7", default=NO
    ),
    Quirk("changed-token-adopted", "An update may bring a new authenticationToken.", "D", "protocol 2.7"),
    Quirk("lifecycle-update-after-add", "Adding a pass posts passLifecycleUpdate.", "C", "protocol 1.1", default=NO),
    # ── trip 2, push ────────────────────────────────────────────────────────────────────────────────────────────────
    Quirk(
        "push-budget",
        "Where the push score starts to defer and to cut off: assumed 3/8/15/30, strict 1/2/3/5, or no limit at all.",
        "assumed",
        "protocol 2.3",
        default="assumed",
        choices=("assumed", "strict", "off"),
    ),
    Quirk(
        "cutoff-unregisters-at-once",
        "At the cut-off updates go off at once, not when the alert is answered.",
        "D",
        "protocol 2.3",
    ),
    Quirk(
        "deferral-uses-whole-window",
        "A deferred ask runs anywhere in the ten minutes after it is due.",
        "C",
        "protocol 2.3",
        default=NO,
    ),
    Quirk("push-while-asking-asks-again", "A push during an ask causes another ask.", "D", "protocol 2.2"),
    # ── trip 3a, ask ────────────────────────────────────────────────────────────────────────────────────────────────
    Quirk(
        "tag-stored-before-download", "The new tag is stored before the listed passes are fetched.", "B", "hazards 2.13"
    ),
    Quirk("empty-list-with-tag-accepted", "200 with no serials still stores its tag.", "C", "protocol 1.6"),
    Quirk("asks-after-reboot", "The phone asks soon after a reboot.", "C", "protocol 2.5"),
    Quirk("asks-daily", "The phone asks by itself a day after the last ask.", "C", "protocol 2.5", default=NO),
    Quirk("s3-after-300s", "A spurious push is reported only when the tag is 300 s old.", "B", "protocol 3.4"),
    Quirk(
        "s4-quiet-hour", "An unregistered serial is not reported for an hour after its removal.", "B", "protocol 3.4"
    ),
    # ── trip 3b, fetch ──────────────────────────────────────────────────────────────────────────────────────────────
    Quirk("double-encoded-serial", "Path components are percent-encoded twice.", "D", "protocol 1.3"),
    Quirk("head-before-fetch", "A HEAD on the pass precedes the GET.", "C", "protocol 1.1", default=NO),
    Quirk("pass-content-type-ignored", "A fetched pass may carry any Content-Type.", "C", "protocol 1.2"),
    Quirk(
        "missing-last-modified-forgets", "An answer without Last-Modified forgets the old text.", "D", "protocol 1.7"
    ),
    Quirk("s0-after-300s", "An unchanged pass is reported only 300 s after its last change.", "B", "protocol 3.4"),
    # ── sign-up ─────────────────────────────────────────────────────────────────────────────────────────────────────
    Quirk("sign-up-offered-when-added", "A pass with a sign-up form shows it when it is added.", "D", "protocol 1.11"),
    Quirk(
        "sign-up-sends-what-is-asked",
        "A sign-up sends what the required fields stand for; otherwise all that the person gives.",
        "B",
        "protocol 1.11",
    ),
    Quirk("postal-code-brings-country", "The field for the postal code sends the country too.", "D", "protocol 1.11"),
    Quirk(
        "sign-up-token",
        "What the token of a sign-up looks like: 32 hexadecimal digits, or base64.",
        "assumed",
        "protocol 1.11",
        default="hex",
        choices=("hex", "base64"),
    ),
    Quirk("fetches-after-personalizing", "After a sign-up the phone fetches the pass.", "D", "protocol 1.11"),
    # ── testimony ───────────────────────────────────────────────────────────────────────────────────────────────────
    Quirk("log-batch-50", "Up to 50 messages share one POST; otherwise each has its own.", "C", "protocol 1.10"),
    Quirk("log-accepts-only-200", "A log call answered 201 or 204 has failed.", "B", "protocol 1.1"),
    Quirk("complains-every-attempt", "Each failed attempt is reported, not only the first.", "D", "protocol 3.2"),
    Quirk("warnings-posted", "Warnings about an accepted pass are posted.", "D", "protocol 3.1"),
    Quirk("log-lines-carry-time", "Posted lines begin with the device's local time.", "B", "protocol 3.1"),
    # ── transport ───────────────────────────────────────────────────────────────────────────────────────────────────
    Quirk(
        "backoff-schedule",
        "Waits between tries: assumed (5 s to 6 h), doubling (1 min to 8.5 h), or short (1 to 10 s, for shows).",
        "assumed",
        "protocol 2.4",
        default="assumed",
        choices=("assumed", "doubling", "short"),
    ),
    Quirk("retry-after-ignored", "The Retry-After header is not looked at.", "D", "protocol 2.4"),
    Quirk(
        "follows-redirects",
        "Redirects are followed; otherwise 3xx is an unexpected code.",
        "D",
        "protocol 2.9",
        default=NO,
    ),
    # ── the package and the screen ──────────────────────────────────────────────────────────────────────────────────
    Quirk("fractional-seconds-refused", "A date with fractional seconds does not parse.", "D", "protocol 4.6"),
    Quirk(
        "nfc-needs-enhanced-certificate",
        "A pass with nfc must be signed by an NFC certificate.",
        "C",
        "protocol 3.6",
        default=NO,
    ),
    Quirk("several-messages-one-banner", "Several changed fields make one generic banner.", "C", "protocol 2.8"),
    Quirk(
        "message-without-placeholder",
        "What a changeMessage without %@ shows.",
        "C",
        "protocol 2.8",
        default="generic",
        choices=("generic", "verbatim"),
    ),
)

_BY_NAME = {quirk.name: quirk for quirk in QUIRKS}


class Quirks:
    """The choices of one phone: immutable, the defaults unless switched.

    >>> Quirks({"restore-keeps-tag": "no"})["restore-keeps-tag"]
    'no'
    """

    def __init__(self, switched: Mapping[str, str] | None = None) -> None:
        self._switched: dict[str, str] = {}
        for name, choice in (switched or {}).items():
            quirk = named(name)
            if choice not in quirk.choices:
                raise ValueError(f"quirk {name} is one of {', '.join(quirk.choices)}, not {choice!r}")
            if choice != quirk.default:
                self._switched[name] = choice

    def __getitem__(self, name: str) -> str:
        return self._switched.get(name, named(name).default)

    def on(self, name: str) -> bool:
        """Whether a yes/no quirk holds."""
        return self[name] == YES

    def but(self, name: str, choice: str) -> Quirks:
        """The same choices with one switched."""
        return Quirks({**self._switched, name: choice})

    def switched(self) -> dict[str, str]:
        """Only what differs from the defaults; round-trips through the constructor."""
        return dict(self._switched)

    def __iter__(self) -> Iterator[tuple[Quirk, str]]:
        return ((quirk, self[quirk.name]) for quirk in QUIRKS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quirks) and self._switched == other._switched

    __hash__ = None  # type: ignore[assignment]  # compared in tests, never a key


def named(name: str) -> Quirk:
    """The row of that name. ``KeyError`` names the nearest one."""
    try:
        return _BY_NAME[name]
    except KeyError:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        raise KeyError(f"no quirk named {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")) from None
