"""What ``why`` says of a pass as a whole: its certificate, its last change, and nobody who follows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from livepass.core.authorization import WRONG_TOKEN
from livepass.core.misdirected import DOUBLED
from livepass.core.rotation import signing
from livepass.core.rotation_plan import AHEAD_MS, next_step
from livepass.core.timeline import Event, Kind, Stand, first_gap
from livepass.core.trip2_push import DAY, HOUR
from livepass.core.verdict import Facts, Found, Sure, Verdict, newest, verdict
from livepass.core.watching import heir, unsound
from livepass.core.why_said import NOT_REGISTERED, answered_so, quoted

BURST = 5
"""Pushes within an hour, after which a phone that left may have been asked to. Apple does not say; we chose."""


# ── the certificate


def of_certificate(facts: Facts, now: int) -> Iterator[Verdict]:
    live = signing(facts.lineage, now)
    if live is None:
        yield verdict("LP501", facts, now, Found({}))
        return
    do = {"do": next_step(facts.lineage, now)}
    if live.revoked_at is not None:
        yield verdict("LP505", facts, now, Found(do))
    elif live.until <= now:
        yield verdict("LP502", facts, now, Found(do))
    elif (fault := unsound(live, facts.watched)) is not None:
        yield verdict("LP506", facts, now, Found({**do, "reason": fault}))
    elif live.until - now < AHEAD_MS and heir(live, facts.lineage, now) is None:
        yield verdict("LP503", facts, now, Found({**do, "days": (live.until - now) // DAY}))
    if not live.nfc and "nfc" in facts.document:
        yield verdict("LP504", facts, now, Found({}))


# ── the last change

_CHANGES = (Kind.ISSUED, Kind.CHANGED, Kind.VOIDED, Kind.PERSONALIZED, Kind.UNCHANGED, Kind.TEMPLATE_REFUSED)


def of_change(facts: Facts, now: int) -> Iterator[Verdict]:
    last = newest(facts.events, _CHANGES)
    if last is not None and last.kind is Kind.TEMPLATE_REFUSED:
        faults = last.detail.get("faults")
        said = ", ".join(map(str, faults)) if isinstance(faults, list | tuple) else ""
        yield verdict("LP402", facts, now, Found({"reason": said or last.detail.get("reason", "?")}, (last,)))
    if last is not None and last.kind is Kind.UNCHANGED:
        yield verdict("LP401", facts, now, Found({}, (last,)))
    if facts.pass_.voided:
        yield verdict("LP004", facts, now, Found({}))
    expires = facts.document.get("expirationDate")
    if isinstance(expires, str) and _is_over(expires, now):
        yield verdict("LP005", facts, now, Found({"when": expires}))
    if last is not None and last.kind is Kind.CHANGED and _all_current(facts):
        yield from _unnoticed(last, facts, now)


def _is_over(text: str, now: int) -> bool:
    """Whether a W3C date lies behind us; one that cannot be read does not."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return False
    return date.tzinfo is not None and date.timestamp() * 1000 <= now


def _all_current(facts: Facts) -> bool:
    """Whether there are phones, and all were served the last change: then what is asked is why nobody noticed it."""
    marks = [phone.held.watermarks for phone in facts.phones if phone.followed]
    return bool(marks) and all(first_gap(mark) is Stand.CURRENT for mark in marks)


def _unnoticed(changed: Event, facts: Facts, now: int) -> Iterator[Verdict]:
    fields, notice = changed.detail.get("fields"), changed.detail.get("notice")
    if not isinstance(fields, list):
        return
    words = {"reason": changed.detail.get("because", "?")}
    if not fields:
        yield verdict("LP403", facts, now, Found({}, (changed,)))
    elif notice == "silent":
        yield verdict("LP404", facts, now, Found(words, (changed,), Sure.LIKELY))
    elif notice == "general":
        yield verdict("LP405", facts, now, Found(words, (changed,), Sure.LIKELY))


# ── who follows it


def of_crowd(facts: Facts, now: int) -> Iterator[Verdict]:
    last = newest(facts.events, (Kind.TOO_MANY_PHONES,))
    if last is not None:
        words = {key: last.detail.get(key, "?") for key in ("phones", "cap", "never_asked")}
        yield verdict("LP104", facts, now, Found(words, (last,)))


_REGISTER = (Kind.UNREGISTERED, Kind.REGISTRATION_REFUSED, Kind.REGISTRATION_SUPERSEDED)


def of_nobody(facts: Facts, now: int) -> Verdict:
    """No phone follows the pass: by what came last of trip 1."""
    last = newest(facts.events, _REGISTER)
    line = newest(facts.events, (Kind.TESTIFIED,))
    said = line is not None and NOT_REGISTERED.fits_line(line) and (last is None or last.id < line.id)
    if line is not None and said and not answered_so(line, last):
        return verdict("LP108", facts, now, Found({"line": quoted(line)}, (line,)))
    if last is None:
        return _of_no_trace(facts, now)
    if last.kind is Kind.REGISTRATION_REFUSED:
        reason = last.detail.get("reason", "?")
        if reason == DOUBLED:
            return verdict("LP110", facts, now, Found({}, (last,)))
        words = {"status": last.detail.get("status", "?"), "reason": reason}
        if reason not in (WRONG_TOKEN, "?"):
            # Anybody can send such a thing; phones do not.
            return verdict("LP109", facts, now, Found(words, (last,), Sure.LIKELY))
        return verdict("LP101", facts, now, Found(words, (last,)))
    if last.kind is Kind.REGISTRATION_SUPERSEDED:
        return verdict("LP105", facts, now, Found({}, (last,), Sure.LIKELY))
    # By id: device ids of one phone have one push token, and each lists its pushes.
    pushes = {
        event.id: event
        for phone in facts.phones
        for event in phone.events
        if event.kind is Kind.PUSH_ACCEPTED and last.at - HOUR <= event.at <= last.at
    }
    if len(pushes) >= BURST:
        return verdict("LP103", facts, now, Found({"count": len(pushes)}, (last, *pushes.values()), Sure.POSSIBLE))
    return verdict("LP102", facts, now, Found({}, (last,)))


def _of_no_trace(facts: Facts, now: int) -> Verdict:
    """Nothing is known of any registration: it may have been made elsewhere, been lost, or never been made."""
    if facts.phones:
        return verdict("LP105", facts, now, Found({}))
    if facts.elsewhere is not None:
        words = {"url": facts.elsewhere, "ours": facts.ours}
        return verdict("LP107", facts, now, Found(words, (), Sure.LIKELY))
    fetched = newest(facts.events, (Kind.FETCHED,)) or facts.polled
    if facts.history is not None and facts.history.at > facts.pass_.created_at:
        since = facts.history.at
        asks = [ask for ask in facts.strangers if ask.detail.get("ours") and ask.at >= since]
        phones = {ask.device_id for ask in asks}
        if phones:
            proof = (facts.history, *asks, *((fetched,) if fetched else ()))
            lost: dict[str, object] = {"count": len(phones)}
            return verdict("LP106", facts, now, Found(lost, proof, Sure.LIKELY if fetched else Sure.POSSIBLE))
    if fetched is not None:
        return verdict("LP006", facts, now, Found({}, (fetched,)))
    return verdict("LP002", facts, now, Found({}))
