"""The rules that must hold, each with its id (hazards: S safety, at every event; L liveness, after the quiet).

A rule looks at the ledger, which knows what was committed and what each phone holds; only where a rule is about the
tables themselves does it look there. S10 (no secret in an output) and S12's double entry stand in ``aftermath``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from livepass.core.change import http_date
from livepass.emulators.iphone.package import Package
from livepass.store.rows import Row
from simulation.papers import SIGNATURES

if TYPE_CHECKING:
    from livepass.core.trip2_push import PushCredential
    from simulation.ledger import Key, Ledger, Tag, Version
    from simulation.network import Exchange
    from simulation.process import Process

CIRCUIT_S = 240.0 * 0.8
"""A refused credential rests for five minutes, shortened by its jitter; a minute's grace for what was under way."""
SPACING_S = 5.0


# ── S1


def honest_304(ledger: Ledger, exchange: Exchange) -> None:
    """S1: 304 only when the body that the phone holds was the current version at some moment of the request."""
    current = ledger.during((exchange.pass_type, exchange.serial), exchange.arrived_index)
    if exchange.held and exchange.copy == ledger.copy and exchange.held not in {one.manifest for one in current}:
        ledger.violate(
            "S1",
            f"{exchange.who} got 304 for {exchange.serial} and holds {exchange.held[:8]}, current are "
            f"{[one.manifest[:8] for one in current]}",
            *(exchange.who, exchange.serial),
        )


# ── S2


def nothing_left_out(ledger: Ledger, exchange: Exchange, serials: Any, presented: Tag | None, seen: int) -> None:
    """S2: a list omits a pass only if this device was told of its current version before, by an answer whose tag it
    has reached. A registration counts as told of nothing; one that left is told for an hour, because its DELETE may
    have been a late one. (An ask may be under way while a phone takes another device id: what it was told by the one
    before it was told, if it followed the pass by that one.)
    """
    phone = (exchange.pass_type, exchange.device_id)
    if exchange.copy != ledger.copy:
        return
    for serial, followed in [*ledger.following.get(phone, {}).items(), *ledger.leaving_still(phone)]:
        if serial in serials or not followed.sure or followed.index > exchange.arrived_index:
            continue
        version = ledger.current_at((exchange.pass_type, serial), seen)
        if version is None:
            continue
        if not any(
            _reached(presented, tag) and index >= max(version.index, joined if joined <= seen else 0)
            for told, joined in ledger.told_of(exchange, serial)
            for index, tag in told
        ):
            ledger.violate(
                "S2",
                f"{exchange.who} asked with {exchange.tag or 'no tag'} and was not told of {serial} "
                f"(version {version.seq}, commit {version.index}, seen {seen})",
                *(exchange.who, serial),
            )


def _reached(presented: Tag | None, tag: Tag) -> bool:
    return presented is not None and presented.epoch == tag.epoch and tag.seq <= presented.seq


def somebody_heard(ledger: Ledger, written: Any, name: str, number: int) -> None:
    """S2: evidence is what was answered to somebody who may still have waited for it: not what a proxy repeated long
    after. (Where the host's clock jumps, nobody can tell how long that was.)
    """
    pass_type, epoch = written["pass_type"], written["epoch"]
    waited = ledger.waited_for.get((pass_type, epoch, name), 0)
    counter = ledger.counters.get(pass_type)
    if ledger.clock_is_right and counter is not None and counter.epoch == epoch and number > waited:
        ledger.violate("S2", f"{name[:12]} counts as having {number}, and was answered up to {waited}", name)


# ── S3


def never_behind_a_tag(ledger: Ledger, pass_type: str, now: Tag) -> None:
    """S3: no number becomes visible that a tag given out before has covered already."""
    given = ledger.issued.get((pass_type, now.epoch), 0)
    if now.seq <= given:
        ledger.violate("S3", f"{pass_type} commits number {now.seq}, and a tag covers {given} already", pass_type)


def tag_only_rises(ledger: Ledger, exchange: Exchange, tag: Tag | None, serials: Any) -> None:
    """S3: per epoch, the tags of a device never fall; and a tag names nothing beyond the counter."""
    if tag is None:
        ledger.violate("S3", f"{exchange.who} was given a tag that is none of ours", exchange.who)
        return
    counter = ledger.counters.get(exchange.pass_type)
    if exchange.copy == ledger.copy and counter is not None and counter.epoch == tag.epoch and tag.seq > counter.seq:
        ledger.violate("S3", f"{exchange.who} was given {tag}, the counter stands at {counter}", exchange.who)
    key = (exchange.pass_type, exchange.device_id, tag.epoch)
    given = ledger.tags.setdefault(key, _few())
    if any(seq > tag.seq and index < exchange.arrived_index for index, seq in given):
        ledger.violate("S3", f"{exchange.who} was given {tag.seq} after {list(given)}", exchange.who)
    given.append((ledger.index, tag.seq))


def _few() -> Any:
    from collections import deque

    return deque(maxlen=8)


# ── S4


def nobody_is_called_in_vain(ledger: Ledger, key: Key) -> None:
    """S4: nothing is claimed for a token after it was replaced, or after its death was committed."""
    if key in ledger.replaced:
        ledger.violate("S4", f"a push is due for {key[1][:8]}, which was replaced", key[1][:8])
    dead = ledger.look("SELECT dead_at FROM push_target WHERE pass_type = ? AND push_token = ?", *key)
    if dead and dead[0][0] is not None:
        ledger.violate("S4", f"a push is due for {key[1][:8]}, which is dead", key[1][:8])


def fit_to_push(ledger: Ledger, process: Process, key: Key, credential: PushCredential) -> None:
    """S4: none with a paused credential, and none by the certificate of another topic.

    Where another certificate is good, what APNs refused is rolled back, and the other one pushes at once.
    """
    topic, _ = key
    if credential.topic != topic:
        ledger.violate("S4", f"{topic} is pushed with the certificate of {credential.topic}", topic)
    lease = ledger.leases.get(key)
    if lease is None:
        return  # a sender that stood still, and whose batch others have seen through meanwhile
    claimed = lease.claimed_at
    for (_, *paused), refused in ledger.refused.items():
        if (
            paused == [topic, credential.id]
            and not ledger.forgetful
            and ledger.clock_is_right
            and refused + 60 < claimed < refused + CIRCUIT_S
            and ledger.promoted.get(topic, 0.0) < refused
        ):
            ledger.violate("S4", f"{topic} is pushed though its credential was refused lately", topic)


def not_buried_alive(ledger: Ledger, key: Key) -> None:
    """S4, the other way round: a 410 buries no token that its phone registered after the push was claimed."""
    lease = ledger.leases.get(key)
    if lease is not None and ledger.clock_is_right and ledger.registered.get(key, 0) > lease.claimed_by_host:
        ledger.violate("S4", f"{key[1][:8]} was registered during a push, and is dead by its 410", key[1][:8])


def heard_is_alive(ledger: Ledger, before: tuple[int, int], dead: Row) -> None:
    """S4, the other way round: a token is not taken for dead any more once its phone was heard of."""
    still = ledger.look("SELECT 1 FROM push_target WHERE push_token = ? AND dead_at = ?", *dead)
    if still and before == (ledger.copy, ledger.disorder):
        ledger.violate("S4", f"{dead[0][:8]} is taken for dead, though its phone asked since", dead[0][:8])


# ── S5


def own_token_only(ledger: Ledger, exchange: Exchange) -> None:
    """S5: whoever does not bring the token of that pass gets 401, whatever else it brings."""
    version = ledger.during((exchange.pass_type, exchange.serial), exchange.arrived_index)
    if exchange.copy != ledger.copy or exchange.status in (0, 401, 503, 500):
        return
    if exchange.who.startswith("nosy") and exchange.status != 401:
        ledger.violate(
            "S5", f"{exchange.who} got {exchange.status} for {exchange.kind} {exchange.serial}", exchange.who
        )
    if not version:
        ledger.violate(
            "S5", f"{exchange.who} got {exchange.status} for {exchange.serial}, which does not exist", exchange.who
        )


def own_pass_only(ledger: Ledger, exchange: Exchange, package: Package) -> None:
    """S5: the body is the pass that was asked for, and its token is the one that was presented."""
    asked = (exchange.pass_type, exchange.serial, exchange.token)
    got = (package.pass_type, package.serial, package.token)
    if asked != got:
        ledger.violate("S5", f"{exchange.who} asked for {exchange.serial} and got {package.serial}", exchange.who)


# ── S6


def one_name_one_version(ledger: Ledger, exchange: Exchange, package: Package) -> None:
    """S6: a ``Last-Modified`` names one version of a pass, across epochs and processes; the token tells a pass from
    one of the same serial before it.

    An answer may have been read from a copy of the database that was lost before its last byte left. It names a version
    of that history then, also where the new one has made the same content anew, which has a date of its own.
    """
    named = exchange.answer_headers.get("last-modified", "")
    manifest = hashlib.sha256(package.files["manifest.json"]).hexdigest()
    key = (exchange.pass_type, exchange.serial)
    lost = exchange.copy != ledger.copy
    current = (ledger.across if lost else ledger.during)(key, exchange.arrived_index)
    served = [one for one in current if one.manifest == manifest]
    if served:
        dated = [one for one in served if http_date(one.last_modified) == named]
        known = ledger.names.setdefault((*key, (dated or served)[0].salt, named), manifest)
        if known != manifest or not dated:
            ledger.violate("S6", f"{exchange.serial} of {named} was {known[:8]} and is {manifest[:8]}", exchange.serial)
    elif exchange.copy == ledger.copy:
        ledger.violate("S6", f"{exchange.serial} was served as {manifest[:8]}, which is not current", exchange.serial)


def strictly_later(ledger: Ledger, key: Key, before: Version | None, version: Version) -> None:
    """S6: each version of a pass is dated later than the one before it, and as none that anybody was ever served: also
    not as one of a lost history. (Where the clock was wrong and nothing was kept of it outside, nobody can know that.)
    """
    named = http_date(version.last_modified)
    known = ledger.names.get((*key, version.salt, named), version.manifest)
    if known != version.manifest and ledger.knows_lost_dates:
        ledger.violate("S6", f"{key[1]} version {version.seq} is dated {named}, as {known[:8]} was", key[1])
    if before is not None and before.salt == version.salt and version.last_modified <= before.last_modified:
        ledger.violate("S6", f"{key[1]} version {version.seq} is not later than {before.seq}", key[1])


# ── S7


def acknowledged_is_durable(ledger: Ledger, exchange: Exchange, push_token: str) -> None:
    """S7: what a 200 or 201 acknowledges is committed, with the push token that came with it."""
    phone = (exchange.pass_type, exchange.device_id)
    if exchange.copy != ledger.copy:
        return
    if not ledger.during((exchange.pass_type, exchange.serial), exchange.arrived_index):
        return
    if ledger.deleting.get((*phone, exchange.serial), -1) >= exchange.arrived_index:
        return
    found = ledger.look(_REGISTERED, *phone, exchange.serial)
    if not found or found[0][0] is not None:
        ledger.violate(
            "S7",
            f"{exchange.who} got {exchange.status} for {exchange.serial}, and is not registered",
            *(exchange.who, exchange.serial),
        )
    elif found[0][1] != push_token.lower() and not exchange.again and not _posted_since(ledger, exchange):
        ledger.violate("S7", f"{exchange.who} registered a push token that was not kept", exchange.who)


def _posted_since(ledger: Ledger, exchange: Exchange) -> bool:
    """Whether another registration of this device started since this one did: then that one's token may stand. One that
    started before, and is only carried out late, is no excuse.
    """
    posted = ledger.posted.get((exchange.pass_type, exchange.device_id), ())
    return sum(1 for at in posted if at >= exchange.started) > 1


_REGISTERED = """
SELECT r.left_at, d.push_token FROM registration r
  JOIN device d ON d.pass_type = r.pass_type AND d.device_id = r.device_id
 WHERE r.pass_type = ? AND r.device_id = ? AND r.serial = ?"""


def still_registered(ledger: Ledger, phone: Key, serial: str) -> None:
    """S7: a registration outlives the death of processes. A device id that was used up, and so forgotten, is no loss:
    then a newer one with its push token stands for the phone.
    """
    found = ledger.look(_REGISTERED, *phone, serial)
    if not found or found[0][0] is not None:
        token = ledger.following[phone][serial].push_token
        if not ledger.look(_STANDS_IN, phone[0], token, serial):
            ledger.violate(
                "S7", f"{phone[1][:8]} was registered for {serial}, and is not any more", serial, phone[1][:8]
            )


def stood_in_for(ledger: Ledger, phone: Key, serial: str) -> bool:
    """Whether a device id was forgotten for a newer one with its push token, which may change its token afterwards."""
    token = ledger.following[phone][serial].push_token
    return not ledger.look(_REGISTERED, *phone, serial) and bool(ledger.look(_STANDS_IN, phone[0], token, serial))


_STANDS_IN = """
SELECT 1 FROM device d JOIN registration r ON r.pass_type = d.pass_type AND r.device_id = d.device_id
 WHERE d.pass_type = ? AND d.push_token = ? AND r.serial = ?"""


# ── S8


def one_lease(ledger: Ledger, key: Key, now: int) -> None:
    """S8: at most one live lease per target."""
    lease = ledger.leases.get(key)
    if lease is not None and lease.until > now:
        ledger.violate("S8", f"{key[1][:8]} is leased anew while {lease.id} holds it", key[1][:8])


def fenced(ledger: Ledger, key: Key, lease: str, before: Row | None, after: Row | None) -> None:
    """S8: a worker whose lease is over changes nothing."""
    held = ledger.leases.get(key)
    if before != after and (held is None or held.id != lease):
        ledger.violate("S8", f"{key[1][:8]} was changed by a worker without its lease", key[1][:8])


# ── S9


def signed_validly(ledger: Ledger, exchange: Exchange, package: Package) -> None:
    """S9: a signature verifies, and its certificate was valid when it is dated. The first of each certificate is
    verified in full by a phone; here it is what was signed, for this manifest and this pass type.
    """
    signed = SIGNATURES.get(package.files.get("signature", b""))
    if signed is None or signed.manifest != package.files["manifest.json"]:
        ledger.violate("S9", f"{exchange.serial} carries a signature of something else", exchange.serial)
    elif not signed.valid:
        ledger.violate("S9", f"{exchange.serial} was signed by a certificate that was not valid", exchange.serial)
    elif signed.pass_type != package.pass_type:
        ledger.violate("S9", f"{exchange.serial} was signed by the certificate of {signed.pass_type}", exchange.serial)


# ── S11


def patience(ledger: Ledger, phone: str, topic: str, score: float, allowance: float) -> None:
    """S11: pushes that may wait never use up a phone's patience: its score stays near the limit that we keep to.
    ``allowance``: what urgent pushes, crashes and moved tokens may have cost beside.
    """
    if score > 5.0 + allowance:
        ledger.violate("S11", f"{phone} has lost patience with {topic}: score {score:.1f}", phone)


# ── S12


def within_the_counter(ledger: Ledger, key: Key) -> None:
    """S12: no watermark is beyond the counter of its pass type: it would hide what is owed."""
    found = ledger.look("SELECT acked FROM push_target WHERE pass_type = ? AND push_token = ?", *key)
    counter = ledger.counters.get(key[0])
    if found and counter is not None and found[0][0] > counter.seq:
        ledger.violate("S12", f"{key[1][:8]} has acknowledged {found[0][0]}, the counter is {counter.seq}", key[1][:8])


def gap_free(ledger: Ledger, pass_type: str, was: Tag, now: Tag) -> None:
    """S12: a transaction takes one number of a pass type, and none is left out."""
    if now.seq != was.seq + 1:
        ledger.violate("S12", f"{pass_type} went from {was} to {now}", pass_type)


def acknowledged_change(ledger: Ledger, key: Key, number: int, last_modified: int) -> None:
    """S7: what an issuer was told is committed."""
    versions = [one for one in ledger.versions.get(key, ()) if one is not None]
    if not any(one.seq <= number and one.last_modified == last_modified for one in versions):
        ledger.violate("S7", f"{key[1]} was acknowledged as number {number}, and no such version is there", key[1])
