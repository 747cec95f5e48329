"""The life of a Pass Type ID certificate: staged → proven → live → retired. Which one signs, and what comes when.

Several certificates of a pass type may be valid, and several live, at once. Nothing about phones hangs on which of them
signs: Wallet compares pass type and team, and a manifest does not name the certificate. So a rotation moves no number,
pushes nobody and touches no registration; a roll back is the same step in the other direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from zlib import crc32

from livepass.core.frozen import frozen

DAY = 86_400_000

GUARD_MS = DAY
"""With less than this left a certificate signs only if no other can: a clock may be wrong, a fetch be under way."""


MOST_CANARY = 50
"""Percent. With more than half of the passes it is no trial any more."""


class Stage(StrEnum):
    """How far a certificate has come. Derived from its instants, never stored."""

    STAGED = "staged"
    PROVEN = "proven"
    LIVE = "live"
    RETIRED = "retired"


class Step(StrEnum):
    """What is done with a certificate."""

    PROVE = "prove"
    CANARY = "canary"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    RETIRE = "retire"
    IMPORT = "import"


STEPS: Mapping[tuple[Stage, Step], Stage] = {
    # It has signed a sample that an independent reading found good, and APNs has taken it.
    (Stage.STAGED, Step.PROVE): Stage.PROVEN,
    (Stage.PROVEN, Step.PROVE): Stage.PROVEN,
    (Stage.LIVE, Step.PROVE): Stage.LIVE,
    # It signs for a share of the passes; 0 % ends that.
    (Stage.PROVEN, Step.CANARY): Stage.PROVEN,
    # It signs and pushes, as the last one promoted. Those before it stay live, to fall back on.
    (Stage.PROVEN, Step.PROMOTE): Stage.LIVE,
    (Stage.LIVE, Step.PROMOTE): Stage.LIVE,
    # The one promoted before it signs again.
    (Stage.LIVE, Step.ROLL_BACK): Stage.PROVEN,
    # It is not used any more, and stays in the list: passes signed with it are with phones.
    (Stage.STAGED, Step.RETIRE): Stage.RETIRED,
    (Stage.PROVEN, Step.RETIRE): Stage.RETIRED,
    (Stage.LIVE, Step.RETIRE): Stage.RETIRED,
    # Whoever retires by mistake imports it again.
    (Stage.RETIRED, Step.IMPORT): Stage.STAGED,
}


@frozen
class Link:
    """What the rules look at of a certificate. Instants are milliseconds; ``canary_percent`` 0: no canary."""

    id: str
    pass_type: str
    not_before: int
    not_after: int
    intermediate_not_after: int
    nfc: bool
    proven_at: int | None = None
    promoted_at: int | None = None
    retired_at: int | None = None
    revoked_at: int | None = None
    canary_percent: int = 0

    @property
    def until(self) -> int:
        """Leaf and intermediate must both last."""
        return min(self.not_after, self.intermediate_not_after)

    @property
    def stage(self) -> Stage:
        if self.retired_at is not None:
            return Stage.RETIRED
        if self.promoted_at is not None:
            return Stage.LIVE
        return Stage.PROVEN if self.proven_at is not None else Stage.STAGED

    def signs_at(self, at: int, left: int = 0) -> bool:
        """Whether what it signs at that instant is good, with at least so much left."""
        return self.revoked_at is None and self.not_before <= at and self.until > at + left


@frozen
class Refused:
    """Why a step is not taken, and what to do instead."""

    code: str
    reason: str
    hint: str


# ── which one signs


def live(lineage: Iterable[Link]) -> list[Link]:
    """The live ones, the one promoted last first."""
    found = [link for link in lineage if link.stage is Stage.LIVE]
    return sorted(found, key=lambda link: (link.promoted_at or 0, link.id), reverse=True)


def signing(lineage: Iterable[Link], now: int) -> Link | None:
    """The newest that is live and has a day left; else the newest that is good at all; else the newest, whose fault
    is the one to tell. ``None``: none is live.
    """
    links = live(lineage)
    good = (next((one for one in links if one.signs_at(now, left)), None) for left in (GUARD_MS, 0))
    return next((one for one in good if one is not None), links[0] if links else None)


def signing_for(lineage: Sequence[Link], serial: str, now: int) -> Link | None:
    """The one that signs this pass: a canary for its share of the serials, always the same ones."""
    for link in lineage:
        tried = link.stage is Stage.PROVEN and link.signs_at(now, GUARD_MS)
        if tried and crc32(serial.encode()) % 100 < link.canary_percent:
            return link
    return signing(lineage, now)


def fallback(lineage: Sequence[Link], refused: str, now: int) -> Link | None:
    """What signs and pushes once the certificate that APNs refused is rolled back; ``None``: nothing better."""
    used = signing(lineage, now)
    if used is None or used.id != refused:
        return None
    rest = signing([link for link in lineage if link.id != refused], now)
    return rest if rest is not None and rest.signs_at(now) else None


def overtaken(lineage: Sequence[Link], refused: str, now: int) -> bool:
    """Whether another certificate signs and pushes than the one that APNs refused."""
    used = signing(lineage, now)
    known = any(link.id == refused for link in lineage)
    return known and used is not None and used.id != refused and used.signs_at(now)


# ── which steps may be taken

Guard = Callable[[Link, Sequence[Link], int, bool], Refused | None]


def refusal(
    step: Step, link: Link, lineage: Sequence[Link], now: int, *, nfc_loss_accepted: bool = False
) -> Refused | None:
    """Why this step cannot be taken with ``link`` of ``lineage``; ``None``: it can."""
    if (link.stage, step) not in STEPS:
        return Refused("wrong_stage", f"certificate {link.id} is {link.stage}", WRONG_STAGE[link.stage, step])
    for guard in GUARDS.get(step, ()):
        refused = guard(link, lineage, now, nfc_loss_accepted)
        if refused is not None:
            return refused
    return None


_AGAIN = "import it again: livepass cert import FILE"
WRONG_STAGE: Mapping[tuple[Stage, Step], str] = {
    (Stage.STAGED, Step.CANARY): "prove it first: livepass cert prove ID",
    (Stage.STAGED, Step.PROMOTE): "prove it first: livepass cert prove ID",
    (Stage.STAGED, Step.ROLL_BACK): "only what is live can be rolled back: livepass cert list",
    (Stage.PROVEN, Step.ROLL_BACK): "only what is live can be rolled back; livepass cert canary ID 0 ends a canary",
    (Stage.LIVE, Step.CANARY): "it signs already; roll it back first: livepass cert rollback ID",
    (Stage.RETIRED, Step.PROVE): _AGAIN,
    (Stage.RETIRED, Step.CANARY): _AGAIN,
    (Stage.RETIRED, Step.PROMOTE): _AGAIN,
    (Stage.RETIRED, Step.ROLL_BACK): _AGAIN,
    (Stage.RETIRED, Step.RETIRE): "nothing to do",
}


def _good(link: Link, _lineage: Sequence[Link], now: int, _accepted: bool) -> Refused | None:
    if link.revoked_at is not None:
        return Refused("revoked", f"certificate {link.id} is revoked", "order another one in Apple's portal")
    if link.not_before > now:
        return Refused("not_valid_yet", f"certificate {link.id} is not valid yet", "wait, or check this host's clock")
    if link.until <= now + GUARD_MS:
        reason = f"certificate {link.id} has expired" if link.until <= now else f"certificate {link.id} ends in a day"
        return Refused("ends", reason, "order the next one in Apple's portal and import that")
    return None


def _keeps_nfc(link: Link, lineage: Sequence[Link], now: int, accepted: bool) -> Refused | None:
    before = signing([other for other in lineage if other.id != link.id], now)
    if accepted or link.nfc or before is None or not before.nfc:
        return None
    return Refused(
        "nfc_lost",
        f"certificate {link.id} may not sign NFC passes, and {before.id}, which signs now, may",
        'order "Pass Type ID with NFC" in Apple\'s portal; or, if no pass has an nfc key, say --accept-nfc-loss',
    )


def _leaves_one(link: Link, lineage: Sequence[Link], now: int, _accepted: bool) -> Refused | None:
    if link.stage is not Stage.LIVE:
        return None
    rest = signing([other for other in lineage if other.id != link.id], now)
    if rest is not None and rest.signs_at(now):
        return None
    return Refused(
        "last_live",
        f"without certificate {link.id} no other would sign {link.pass_type}",
        "promote another one first: livepass cert list, then livepass cert promote ID",
    )


GUARDS: Mapping[Step, tuple[Guard, ...]] = {
    Step.PROVE: (_good,),
    Step.CANARY: (_good, _keeps_nfc),
    Step.PROMOTE: (_good, _keeps_nfc),
    Step.ROLL_BACK: (_leaves_one,),
    Step.RETIRE: (_leaves_one,),
}


def after(step: Step, link: Link, lineage: Iterable[Link], now: int, percent: int = 0) -> Link:
    """The certificate once the step is taken. ``percent`` is for the canary."""
    if step is Step.PROVE:
        return replace(link, proven_at=now)
    if step is Step.CANARY:
        return replace(link, canary_percent=percent)
    if step is Step.PROMOTE:
        # Later than all before it, whatever the clocks of other hosts say: what was promoted last signs.
        last = max((other.promoted_at for other in lineage if other.promoted_at is not None), default=now - 1)
        return replace(link, proven_at=link.proven_at or now, promoted_at=max(now, last + 1), canary_percent=0)
    if step is Step.ROLL_BACK:
        return replace(link, promoted_at=None)
    assert step is Step.RETIRE, "an import writes the whole certificate"
    return replace(link, retired_at=now, canary_percent=0)


# ── the picture


def diagram() -> str:
    """The steps as a Mermaid state diagram."""
    told = [f"    {before} --> {after}: {step}" for (before, step), after in STEPS.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {Stage.STAGED}: {Step.IMPORT}", *told])
