"""The sentences a phone writes to ``/v1/log``: a table, and the two envelopes around them.

The wording is that of log lines seen by server operators (protocol sheet 3.1 to 3.4), typing errors included. The
bracketed detail at the end is in the phone's language; ours is English.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from livepass.emulators.iphone.model import PhoneSettings, Sent

SENTENCES: Final = {
    # of the web service
    "S0": "Server requested update to serial number '{serial}', but the pass was unchanged.",
    "S0b": "Personalization request was issued for serial number '{serial}', but the pass was unchanged.",
    "S1": "Server returned the pass data for serial number '{serial}' but did not provide a 'last-modified' header.",
    "S2": (
        "Server ignored the 'if-modified-since' header ({date}) and returned the full unchanged pass data for serial "
        "number '{serial}'."
    ),
    "S3": (
        "Device received spurious push. Request for passesUpdatedSince '{tag}' returned no serial numbers. "
        "(Device = {device})"
    ),
    "S4": "Update requested for unregistered serial number {serial}",
    "S5": "Response to 'What changed?' request included {count} serial numbers but omitted a lastUpdated tag.",
    "S6": (
        "Response to 'What changed?' request included {count} serial numbers but the lastUpdated tag ({tag}) remained "
        "the same."
    ),
    # of one task
    "T0": "Authentication failure",
    "T1": "Unexpected response code {status}",
    "T2": "Connection error",
    "T3": "Server response was malformed",
    "T4": "Received invalid pass data",
    "T5": "Requested serial number {asked}, received serial number {got}",
    "T5b": "Requested pass of type {asked}, received pass of type {got}",
    "W0": "Received invalid personalizaiton token signature",
    "W1": "{text}",
}

DETAILS: Final = {
    "T3": "The data couldn’t be read because it isn’t in the correct format.",
    "T4": "The pass cannot be read because it isn’t valid.",
}
"""Localized ends of two sentences."""

TASKS: Final = {
    "register": "Register",
    "unregister": "Unregister",
    "ask": "Get serial #s",
    "fetch": "Get pass",
    "personalize": "Personalize pass",
    "log": "Log",
    "lifecycle": "Pass Lifecycle Event",
    "head": "Head",
}

UNPOSTED: Final = frozenset({"log", "lifecycle", "head"})
"""Errors of these tasks are never written to the web service."""

NULL: Final = "(null)"


def sentence(code: str, **facts: object) -> str:
    """The sentence of that code; facts that are None read ``(null)``."""
    return SENTENCES[code].format(**{name: NULL if fact is None else fact for name, fact in facts.items()})


def context(sent: Sent) -> str:
    """What stands in the brackets after the task's name, without the address."""
    task = sent.task
    if task.kind in ("register", "unregister"):
        return f"for device {sent.device_id}, pass type {task.pass_type}, serial number {task.serial}"
    if task.kind == "ask":
        return f"for device {sent.device_id}, pass type {task.pass_type}, last updated {sent.tag or NULL}"
    if task.kind == "log":
        return f"pass type {task.pass_type}"
    date = sent.if_modified_since or NULL
    return f"pass type {task.pass_type}, serial number {task.serial}, if-modified-since {date}"


def name(sent: Sent) -> str:
    """The task with its context, as both the console and the log call name it."""
    joint = ", " if sent.task.kind == "log" else "; with "
    return f"{TASKS[sent.task.kind]} task ({context(sent)}{joint}web service url {sent.task.url})"


def of_task(sent: Sent, message: str, detail: str | None = None, kind: str = "error") -> str:
    """``<Task> task (<context>; with web service url <URL>) encountered error: <message>[ (<detail>)]``"""
    return f"{name(sent)} encountered {kind}: {message}" + (f" ({detail})" if detail else "")


def of_service(pass_type: str, url: str, message: str) -> str:
    """``Web service error for <pass type> (<URL>): <message>``"""
    return f"Web service error for {pass_type} ({url}): {message}"


def stamped(line: str, now: float, settings: PhoneSettings) -> str:
    """The line behind the device's local time, with AM or PM where the person uses a 12-hour clock."""
    zone = dt.timezone(dt.timedelta(minutes=settings.utc_offset_minutes))
    form = "%Y-%m-%d %I:%M:%S %p %z" if settings.twelve_hour_clock else "%Y-%m-%d %H:%M:%S %z"
    return f"[{dt.datetime.fromtimestamp(now, zone).strftime(form)}] {line}"
