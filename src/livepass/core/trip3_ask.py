"""Trip 3a, ask: what a tag means, and 200 or 204.

Apple, "Getting the list of updatable passes": the tag is ours, the phone returns it as it is; no tag means every pass.
The list carries no credential. The rows and the counter must come from one statement, so that the tag covers nothing
that the list could not see.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from livepass.core.change import floor_of_a_new_epoch
from livepass.core.decision import Decision, NewEpoch, RaiseAsked, Reinstate, Reply, Revive, Write
from livepass.core.frozen import frozen
from livepass.core.history import Reason
from livepass.core.model import Counter, Device, Tag
from livepass.core.retelling import next_retelling
from livepass.core.snapshots import Listed
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.trip1_register import followed

_TAG = re.compile(r"v1\.([0-9A-Za-z_-]{1,16})\.(0|[1-9][0-9]{0,17})\.([0-9A-Za-z_-]{8})")
_UNPRINTABLE = re.compile(r"[^ -~]")
_JSON = ((b"content-type", b"application/json"),)

SIBLING_MS = 86_400_000
"""A phone asks for all its records in one go: one that was last heard a day before the others is none of them any more,
and does not keep a push due that it will never ask for.
"""


def write_tag(tag: Tag, pass_type: str, key: bytes) -> str:
    """The tag on the wire: ``v1.<epoch>.<seq>.<mac>``, in an alphabet that phones do not escape."""
    return f"v1.{tag.epoch}.{tag.seq}.{_mac(tag.epoch, tag.seq, pass_type, key)}"


def read_tag(text: str | None, pass_type: str, key: bytes) -> Tag | None:
    """The tag that ``text`` proves to be ours; ``None`` for no, empty, garbled or foreign ones."""
    match = _TAG.fullmatch(text) if text else None
    if match is None:
        return None
    tag = Tag(match[1], int(match[2]))
    return tag if hmac.compare_digest(match[3], _mac(tag.epoch, tag.seq, pass_type, key)) else None


# Most phones hand back one of the newest few tags.
@lru_cache(maxsize=4096)
def _mac(epoch: str, seq: int, pass_type: str, key: bytes) -> str:
    message = f"{pass_type}\n{epoch}\n{seq}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")[:6]).decode()


@frozen
class AskFacts:
    """One snapshot: the counter, the phone, its registrations. ``new_epoch`` is fresh randomness, used if needed.

    ``listed`` may be left empty for a phone that has heard the newest number, and is written down to have: nothing can
    be above it.
    """

    pass_type: str
    device_id: str
    tag_text: str | None
    tag: Tag | None
    counter: Counter | None
    device: Device | None
    listed: Sequence[Listed]
    target_dead: bool
    push_due: bool
    key: bytes
    new_epoch: str
    now: int


def ask(facts: AskFacts) -> Decision:
    """Decide ``GET …/registrations/{type}?passesUpdatedSince=TAG``.

    An unknown phone gets 204, as one that is up to date: the call has no credential, so the two must look alike. Its
    tag is ours all the same, and may be the first to show that the database went back: its registration went with it.
    """
    counter, device = facts.counter, facts.device
    if counter is None:
        return Decision(Reply(204))
    writes: list[Write] = []
    events: list[Event] = []
    if _from_the_future(facts.tag, counter):
        counter, renewal, alarm = _renew(facts, counter)
        writes.append(renewal)
        events.append(alarm)
    since = heard(facts.tag, counter)
    rows = [row for row in facts.listed if followed(row.registration, facts.now)]
    if device is None or (not rows and since != counter.seq):
        return _nothing_known(facts, writes, events)
    if facts.target_dead:
        writes.append(Revive(facts.pass_type, device.push_token, facts.now))
    named = sorted((row for row in rows if since is None or row.newest > since), key=_serial)
    serials = tuple(row.registration.serial for row in named)
    seen = since or 0
    # Superseded, and told of something all the same: should no other device id stand for it, it is to be told again.
    writes.extend(
        Reinstate(facts.pass_type, facts.device_id, row.registration.serial)
        for row in named
        if row.registration.superseded_at is not None
    )
    if serials or facts.push_due or device.told < counter.seq or device.asked < seen:
        writes.append(_raise(facts, device, seen, counter, [*named, *_told_unwritten(rows, device, seen)]))
    reply = _list(serials, Tag(counter.epoch, counter.seq), facts) if serials else Reply(204)
    events.append(_asked(facts, reply.status, seen, counter.seq, serials))
    return Decision(reply, tuple(writes), tuple(events))


def heard(tag: Tag | None, counter: Counter) -> int | None:
    """The number up to which the phone has been told; ``None``: tell it everything."""
    if tag is None or tag.epoch != counter.epoch or tag.seq > counter.seq:
        return None
    return tag.seq


def _from_the_future(tag: Tag | None, counter: Counter) -> bool:
    return tag is not None and tag.epoch == counter.epoch and tag.seq > counter.seq


def _renew(facts: AskFacts, counter: Counter) -> tuple[Counter, Write, Event]:
    """Our own signature under a number that we do not know of: the database went back in time."""
    epochs = {"from": counter.epoch, "epoch": facts.new_epoch}
    numbers = {"counter": counter.seq, "tag": facts.tag.seq if facts.tag else 0}
    detail: dict[str, object] = {"reason": Reason.TAG_AHEAD.value, **epochs, **numbers}
    return (
        Counter(counter.pass_type, facts.new_epoch, counter.seq),
        NewEpoch(facts.pass_type, counter.epoch, facts.new_epoch, floor_of_a_new_epoch(facts.now)),
        Event(Kind.NEW_EPOCH, facts.now, facts.pass_type, device_id=facts.device_id, seq=TAKEN, detail=detail),
    )


def _told_unwritten(rows: Sequence[Listed], device: Device, seen: int) -> Sequence[Listed]:
    """What the phone's own tag says that it was told, and we never wrote down: the answer left, and then the process
    that gave it died. Nothing is waiting for its delivery yet, so from now on something is.
    """
    return [row for row in rows if device.told < row.newest <= seen] if device.told < seen else ()


def _raise(facts: AskFacts, device: Device, seen: int, told: Counter, named: Sequence[Listed]) -> Write:
    """``named``: what is waited for until it shows that it arrived. Also what is waited for already: that may end by a
    note of an earlier fetch, which is written after this was read.
    """
    retellings = tuple([(row.registration.serial, next_retelling(_retold(row), facts.now)) for row in named])
    asked_before = facts.now if device.asked_at is None else device.asked_at
    return RaiseAsked(
        facts.pass_type,
        facts.device_id,
        device.push_token,
        seen,
        told.seq,
        retellings,
        facts.now,
        told.epoch,
        asked_before - SIBLING_MS,
    )


def _retold(row: Listed) -> int:
    """How often this version was told again: what changed since, in itself or with a new epoch, starts afresh."""
    return row.registration.retold if row.registration.seq >= row.newest else 0


def _serial(row: Listed) -> str:
    return row.registration.serial


def _list(serials: tuple[str, ...], tag: Tag, facts: AskFacts) -> Reply:
    # > Both values are strings to the phone; a numeric lastUpdated makes it ask and never fetch.
    named = ",".join([encode_basestring_ascii(serial) for serial in serials])
    last_updated = write_tag(tag, facts.pass_type, facts.key)
    return Reply(200, _JSON, f'{{"lastUpdated":"{last_updated}","serialNumbers":[{named}]}}'.encode())


def _asked(facts: AskFacts, status: int, seen: int, told: int, serials: tuple[str, ...]) -> Event:
    shown = facts.tag_text if facts.tag is not None else _shown(facts.tag_text)
    detail: dict[str, object] = {"status": status, "asked": seen, "tag": shown}
    if serials:
        detail["serials"] = list(serials[:50])
        detail["count"] = len(serials)
    return Event(Kind.ASKED, facts.now, facts.pass_type, device_id=facts.device_id, seq=told, detail=detail)


def _nothing_known(facts: AskFacts, writes: Sequence[Write], events: Sequence[Event]) -> Decision:
    """Asked about by a phone we do not know: usually a registration that was lost."""
    detail = {"status": 204, "tag": _shown(facts.tag_text), "ours": facts.tag is not None}
    event = Event(Kind.ASKED_UNKNOWN, facts.now, facts.pass_type, device_id=facts.device_id, detail=detail)
    return Decision(Reply(204), tuple(writes), (event, *events))


def _shown(text: str | None) -> str | None:
    """As sent, for the timeline; anybody can send it, so only what prints."""
    return text if text is None else _UNPRINTABLE.sub("?", text[:80])
