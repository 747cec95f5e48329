"""How the phone takes a server's answer: one function per kind of request, and the table that finds it.

Rules of this file. Each function gets an answered request and either completes it or fails it with a sentence of
``complaints.SENTENCES``; nothing else may complain about an answer. Codes and checks: protocol sheet 1.1, 1.6, 1.7,
3.2, 3.4.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from livepass.emulators.iphone.answers import Listing, is_signed_token, read_listing
from livepass.emulators.iphone.model import Answer, InstalledPass, Record, Sent
from livepass.emulators.iphone.package import Package, Refused
from livepass.emulators.iphone.state import DAY, PhoneState

# The codes each call takes for success. Everything else is a failure, also 204 to a DELETE and 404 to anything.
ACCEPTED: Final = {
    "register": (200, 201),
    "unregister": (200, 201),
    "ask": (200, 204),
    "fetch": (200, 304),
    "log": (200,),
    "personalize": (200,),
    "lifecycle": (200,),
}
# A 401 has its own sentence on the calls that carry a credential. The ask carries none: there it is just another code.
AUTHENTICATED: Final = ("register", "unregister", "fetch", "personalize")
# The calls whose choosiness is an assumption: with the quirk off, any 2xx will do.
LENIENT: Final = {
    "register": "success-is-200-or-201",
    "unregister": "success-is-200-or-201",
    "log": "log-accepts-only-200",
}
PASS_CONTENT_TYPE: Final = "application/vnd.apple.pkpass"
S0_AFTER: Final = 300.0
S4_QUIET: Final = 3600.0


def take(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    """Read an answer: refuse its code, or hand it to the function of its kind."""
    kind, status = sent.task.kind, answer.status
    phone.say(f"{kind} got response with code {status}")
    if kind == "head":
        return
    quirk = LENIENT.get(kind)
    lenient = quirk is not None and not phone.quirks.on(quirk) and 200 <= status < 300
    if status not in ACCEPTED[kind] and not lenient:
        if status == 401 and kind in AUTHENTICATED:
            phone.fail(sent, "T0", now, answer=answer)
        else:
            phone.fail(sent, "T1", now, answer=answer, status=status)
        return
    _READERS[kind](phone, sent, answer, now)


def _registered(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    held, record = phone.passes.get(sent.task.pass_key), phone.record_of(sent.task)
    if held is None or record is None or not held.updatable or held.record_key != sent.task.record_key:
        return
    held.registered = True
    phone.ask(record, now)
    if record.tag is not None and phone.quirks.on("second-pass-fetches-directly"):
        phone.fetch(held, now)


def _done(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    """Nothing in the answer matters."""


def _logged(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    lines = phone.unsent.get(sent.task.url, [])
    del lines[: sent.messages]
    if lines:
        sent.task.due_at, sent.task.level = now, 0
        phone.queue.again(sent.task)


# ── trip 3a ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    record = phone.record_of(sent.task)
    if record is None:
        phone.give_up_round(sent.task)
        return
    listing = Listing((), None)
    if answer.status == 200:
        read = read_listing(answer.body)
        if read is None:
            phone.fail(sent, "T3", now, answer=answer)
            return
        listing = read
        # Before the downloads: whatever becomes of them, this phone has been told.
        _take_tag(phone, sent, record, listing, now)
    if phone.quirks.on("asks-daily"):
        phone.ask(record, now + DAY)
    if listing.serials and sent.task.round_id in phone.rounds:
        phone.rounds[sent.task.round_id].eventful = True
    phone.leave_round(sent.task, None if listing.serials else sent, now)
    for serial in dict.fromkeys(listing.serials):
        _listed(phone, sent, record, serial, now)


def _take_tag(phone: PhoneState, sent: Sent, record: Record, listing: Listing, now: float) -> None:
    count = len(listing.serials)
    if listing.tag is None:
        if count:
            phone.blame(sent.task, "S5", now, count=count)
        return
    if listing.tag == sent.tag:
        if count:
            phone.blame(sent.task, "S6", now, count=count, tag=listing.tag)
        return
    if not count and not phone.quirks.on("empty-list-with-tag-accepted"):
        return
    if count and not phone.quirks.on("tag-stored-before-download"):
        wanted = {held.serial for held in phone.updatable_in(record.key)}
        record.pending_tag, record.pending_serials = listing.tag, set(listing.serials) & wanted
        _settle_tag(record, None, now)
    else:
        record.tag, record.tag_date = listing.tag, now


def _settle_tag(record: Record, serial: str | None, now: float) -> None:
    """With the tag stored last: keep it once every listed pass has arrived."""
    record.pending_serials.discard(serial or "")
    if record.pending_tag is not None and not record.pending_serials:
        record.tag, record.tag_date, record.pending_tag = record.pending_tag, now, None


def _listed(phone: PhoneState, sent: Sent, record: Record, serial: str, now: float) -> None:
    held = phone.passes.get((record.pass_type, serial))
    if held is not None and held.updatable and held.record_key == record.key:
        phone.fetch(held, now, listed=sent.tag is not None)
        return
    removed = phone.removed_at.get((record.pass_type, serial))
    if removed is not None and now - removed < S4_QUIET and phone.quirks.on("s4-quiet-hour"):
        return
    phone.blame(sent.task, "S4", now, serial=serial)


# ── trip 3b ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fetched(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    pass_type, serial = sent.task.pass_key
    held, record = phone.passes.get(sent.task.pass_key), phone.record_of(sent.task)
    if held is None:
        phone.say(f"Get pass task succeeded ({pass_type}/{serial}) but pass has been deleted, so ignoring result.")
        return
    if answer.status == 304:
        _unchanged(phone, sent, held, now)
    else:
        package = _acceptable(phone, sent, answer, now)
        if package is None:
            return
        _take_pass(phone, sent, answer, held, package, now)
    if record is not None:
        _settle_tag(record, serial, now)


def _acceptable(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> Package | None:
    """The package of an answer if it is a pass, and the one asked for; otherwise the task has failed."""
    pass_type, serial = sent.task.pass_key
    if not answer.body:
        phone.fail(sent, "T3", now, answer=answer)
        return None
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if content_type != PASS_CONTENT_TYPE and not phone.quirks.on("pass-content-type-ignored"):
            raise Refused("The pass cannot be read because it isn’t valid.", f"Content-Type is {content_type!r}")
        package = phone.read(answer.body)
    except Refused as refused:
        phone.say(str(refused))
        phone.fail(sent, "T4", now, answer=answer)
        return None
    if package.pass_type != pass_type:
        phone.fail(sent, "T5b", now, answer=answer, asked=pass_type, got=package.pass_type)
        return None
    if package.serial != serial:
        phone.fail(sent, "T5", now, answer=answer, asked=serial, got=package.serial)
        return None
    return package


def _take_pass(
    phone: PhoneState, sent: Sent, answer: Answer, held: InstalledPass, package: Package, now: float
) -> None:
    last_modified = answer.headers.get("last-modified")
    if last_modified is None:
        phone.blame(sent.task, "S1", now, serial=held.serial)
    if last_modified is not None or phone.quirks.on("missing-last-modified-forgets"):
        held.last_modified = last_modified
    if package.manifest_hash == held.manifest_hash:
        if sent.if_modified_since is not None:
            phone.blame(sent.task, "S2", now, serial=held.serial, date=sent.if_modified_since)
        _unchanged(phone, sent, held, now)
        return
    before = held.package
    phone.move(held, package, now)
    for text in package.warnings:
        phone.warn(sent, "W1", now, text=text)
    phone.announce(before, held, now)


def _unchanged(phone: PhoneState, sent: Sent, held: InstalledPass, now: float) -> None:
    phone.say(f"Get pass task succeeded ({held.pass_type}/{held.serial}) but pass did not change")
    if sent.task.personalized:
        phone.blame(sent.task, "S0b", now, serial=held.serial)
    settled = now - held.modified_at >= S0_AFTER or not phone.quirks.on("s0-after-300s")
    if sent.task.listed and settled:
        phone.blame(sent.task, "S0", now, serial=held.serial)


# ── sign-up ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _personalized(phone: PhoneState, sent: Sent, answer: Answer, now: float) -> None:
    if not answer.body:
        phone.fail(sent, "T3", now, answer=answer)
        return
    token = str(json.loads(sent.task.body or b"{}").get("personalizationToken", ""))
    if not is_signed_token(answer.body, token, phone.roots, sent.task.pass_type, sent.task.team):
        phone.warn(sent, "W0", now)
    held = phone.passes.get(sent.task.pass_key)
    if held is not None and phone.quirks.on("fetches-after-personalizing"):
        phone.fetch(held, now, personalized=True)


_READERS: Final[dict[str, Callable[[PhoneState, Sent, Answer, float], None]]] = {
    "register": _registered,
    "unregister": _done,
    "ask": _asked,
    "fetch": _fetched,
    "log": _logged,
    "personalize": _personalized,
    "lifecycle": _done,
}
