"""Leads certificates through their lives, one step at a time (``core.rotation``).

A step is decided on and written in one transaction that no other step of the pass type comes between. Every process of
every host asks which certificate signs with each build and each batch of pushes: nobody needs to be told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livepass.core.model import Certificate
from livepass.core.rotation import MOST_CANARY, Link, Step, after, fallback, overtaken, refusal
from livepass.core.rotation_plan import Due, plan
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import random_uuid
from livepass.pkpass import PkpassError
from livepass.service.proving import Tried, sign_sample, try_pushing
from livepass.service.refusals import NotFound, Refusal
from livepass.service.seams import Chance, Clock, Identity, KeyRing, Prober, Store, Tx

log = logging.getLogger(__name__)

KINDS: Mapping[Step, Kind] = {
    Step.PROVE: Kind.CERTIFICATE_PROVEN,
    Step.CANARY: Kind.CERTIFICATE_CANARY,
    Step.PROMOTE: Kind.CERTIFICATE_PROMOTED,
    Step.ROLL_BACK: Kind.CERTIFICATE_ROLLED_BACK,
    Step.RETIRE: Kind.CERTIFICATE_RETIRED,
}
MOVES = (Step.PROMOTE, Step.ROLL_BACK, Step.RETIRE)
"""What may let another certificate push."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A certificate that has proved itself, and what APNs said to it."""

    certificate: Certificate
    tried: Tried


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes for the certificates of a pass type, and what hangs on them."""

    pass_type: str
    passes: int
    registrations: int
    dates: Sequence[Due]


class Rotating:
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, chance: Chance, prober: Prober) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._prober = prober

    async def plan(self, pass_type: str) -> Plan:
        """What comes when, and how many passes and registrations hang on it."""
        stats, row = await self._store.stats(pass_type), await self._store.pass_type(pass_type)
        by_key = row is not None and row.push_key_id is not None
        dates = plan(await self._store.lineage(pass_type), self._clock.now(), by_key=by_key)
        return Plan(pass_type, stats["passes"], stats["registrations"], dates)

    # ── steps

    async def prove(self, certificate_id: str, push_token: str | None = None) -> Proven:
        """Sign a sample, read it back, and push with it once: to ``push_token``, or to a token that no phone has.

        Raises ``Refusal`` where any of that shows that it is of no use, and where APNs cannot be heard.
        """
        now, certificate = self._clock.now(), await self.get(certificate_id)
        self._require(Step.PROVE, certificate.link, await self._store.lineage(certificate.pass_type), now)
        identity = self._opened(certificate)
        sign_sample(identity, now)
        tried = await try_pushing(identity, self._prober, random_uuid(self._chance.token_bytes(16)), now, push_token)
        said = f"{tried.status} {tried.reason}".strip() if tried.status else tried.reason
        if tried.taken is None:
            raise Refusal(
                f"it signs; whether APNs takes it is not known: {said}",
                hint="try again when APNs can be reached from here: livepass doctor",
                code="unproven",
            )
        if not tried.taken or (push_token is not None and tried.status != 200):
            raise Refusal(f"APNs answered {said}", hint=_push_hint(tried, push_token), code="unproven")
        return Proven(await self._take(Step.PROVE, certificate, apns=said), tried)

    async def canary(self, certificate_id: str, percent: int, *, accept_nfc_loss: bool = False) -> Certificate:
        """Sign for this share of the serials with it, always the same ones; 0 ends that."""
        if not 0 <= percent <= MOST_CANARY:
            raise Refusal(f"{percent} % is no canary", hint=f"give a share from 1 to {MOST_CANARY}, or 0 to end it")
        certificate = await self.get(certificate_id)
        if percent:
            sign_sample(self._opened(certificate), self._clock.now())
        accepted = accept_nfc_loss or not percent
        return await self._take(Step.CANARY, certificate, accept_nfc_loss=accepted, percent=percent)

    async def promote(self, certificate_id: str, *, accept_nfc_loss: bool = False) -> Certificate:
        """From now on it signs and pushes. It signs a sample once more before: it may have been proved long ago."""
        certificate = await self.get(certificate_id)
        sign_sample(self._opened(certificate), self._clock.now())
        return await self._take(Step.PROMOTE, certificate, accept_nfc_loss=accept_nfc_loss)

    async def roll_back(self, certificate_id: str) -> Certificate:
        """Let the one that was promoted before it sign and push again."""
        return await self._take(Step.ROLL_BACK, await self.get(certificate_id), by="hand")

    async def retire(self, certificate_id: str) -> Certificate:
        """Use it no more. It stays in the list."""
        return await self._take(Step.RETIRE, await self.get(certificate_id))

    async def refused(self, pass_type: str, certificate_id: str, reason: str) -> str | None:
        """APNs refused a certificate: roll it back by ourselves where another one can take over; answers that one's
        id. ``None``: nothing can, or it did already.
        """
        now = self._clock.now()

        async def work(tx: Tx) -> str | None:
            lineage = await tx.locked_lineage(pass_type)
            instead = fallback(lineage, certificate_id, now)
            if instead is None:
                if overtaken(lineage, certificate_id, now):
                    # Pushes that were under way with it stopped the pass type once more, after it was rolled back.
                    await tx.use_credential(pass_type, now)
                return None
            [link] = [link for link in lineage if link.id == certificate_id]
            await take(tx, Step.ROLL_BACK, link, lineage, now)
            await _note(tx, Step.ROLL_BACK, link, now, by="livepass", reason=reason, instead=instead.id)
            return instead.id

        instead = await self._store.write(work)
        if instead is not None:
            log.error(
                "certificate %s of %s is rolled back, because APNs refused it (%s); %s signs and pushes again "
                "(livepass cert list)",
                *(certificate_id, pass_type, reason, instead),
            )
        return instead

    async def _take(
        self, step: Step, certificate: Certificate, *, accept_nfc_loss: bool = False, percent: int = 0, **detail: object
    ) -> Certificate:
        now, pass_type = self._clock.now(), certificate.pass_type

        async def work(tx: Tx) -> None:
            lineage = await tx.locked_lineage(pass_type)
            link = next((link for link in lineage if link.id == certificate.id), certificate.link)
            self._require(step, link, lineage, now, accept_nfc_loss)
            await take(tx, step, link, lineage, now, percent)
            await _note(tx, step, link, now, **({"percent": percent} if step is Step.CANARY else {}), **detail)

        await self._store.write(work)
        return await self.get(certificate.id)

    def _require(
        self, step: Step, link: Link, lineage: Sequence[Link], now: int, accept_nfc_loss: bool = False
    ) -> None:
        refused = refusal(step, link, lineage, now, nfc_loss_accepted=accept_nfc_loss)
        if refused is not None:
            raise Refusal(refused.reason, hint=refused.hint.replace(" ID", f" {link.id}"), code=refused.code)

    def _opened(self, certificate: Certificate) -> Identity:
        try:
            return self._keys.open(certificate)
        except PkpassError as error:
            raise Refusal(error.reason, hint=error.hint, code="unproven") from error

    async def get(self, certificate_id: str) -> Certificate:
        """A certificate by its id, or by the beginning of it."""
        found = [c for c in await self._store.certificates(None) if c.id.startswith(certificate_id)]
        if len(found) != 1:
            raise NotFound(
                f"{len(found)} certificates have an id that starts with {certificate_id}",
                hint="livepass cert list shows them",
            )
        return found[0]


async def take(tx: Tx, step: Step, link: Link, lineage: Sequence[Link], now: int, percent: int = 0) -> None:
    """Write a step of ``link`` in its locked ``lineage``; what waited for a certificate that APNs takes is pushed."""
    await tx.put_link(after(step, link, lineage, now, percent))
    if step in MOVES:
        await tx.use_credential(link.pass_type, now)


async def _note(tx: Tx, step: Step, link: Link, now: int, **detail: object) -> None:
    await tx.add_events([Event(KINDS[step], now, link.pass_type, detail={"certificate": link.id, **detail})])


def _push_hint(tried: Tried, push_token: str | None) -> str:
    if tried.taken and push_token is not None:
        return (
            "APNs took the certificate, and not the token: give the push token of a phone that follows this pass type"
        )
    return "livepass help LP202 says what the reasons mean; order another certificate for this pass type"
