"""Certificates: take one in, and make it live once it has proved itself, if none is live or the live one has ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from livepass.core.model import Certificate
from livepass.core.timeline import Event, Kind
from livepass.pkpass import CertificateNotValid, CertificateRefused, InvalidSignature, verify_signature
from livepass.service.issuing import ensure_pass_type
from livepass.service.refusals import Fault, Forbidden, NotFound, Refusal
from livepass.service.seams import Chance, Clock, KeyRing, Store, Tx

log = logging.getLogger(__name__)

SAMPLE = b'{"pass.json":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}'


@dataclass(frozen=True, slots=True)
class Imported:
    """A certificate that was taken in. ``problems`` are worth knowing and did not stop it."""

    certificate: Certificate
    problems: tuple[Fault, ...]


class Rotating:
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance

    async def import_p12(self, data: bytes, password: str, *, within: Collection[str] | None = None) -> Imported:
        """Take in a certificate with its key and intermediate, as Keychain exports them; only for pass types
        ``within``, where that is given.
        """
        now = self._clock.now()
        return await self._import(_refusing(lambda: self._keys.from_p12(data, password, now)), now, within)

    async def import_pem(
        self, certificate: bytes, key: bytes, intermediate: bytes, *, within: Collection[str] | None = None
    ) -> Imported:
        """Take in a certificate, its key and its intermediate as PEM; ``within`` as above."""
        now = self._clock.now()
        taken = _refusing(lambda: self._keys.from_pem(certificate, key, intermediate, now))
        return await self._import(taken, now, within)

    async def _import(self, certificate: Certificate, now: int, within: Collection[str] | None) -> Imported:
        if within is not None and certificate.pass_type not in within:
            raise Forbidden(
                f"this API key is not for {certificate.pass_type}",
                hint="use a key for that pass type, or one for all",
                code="foreign_pass_type",
            )
        known = await self._store.pass_type(certificate.pass_type)
        if known is not None and known.team and known.team != certificate.team:
            raise Refusal(
                f"{certificate.pass_type} belongs to team {known.team}, this certificate to {certificate.team}",
                hint="a pass type cannot change teams: issue the certificate in the team that owns it",
                code="wrong_team",
            )
        problems = self._prove(certificate, now)
        live_id = known.certificate_id if known else None
        wanted = live_id is None or await self._has_ended(live_id, now)
        proven = replace(certificate, proven_at=now, live=wanted or live_id == certificate.id)
        detail = {"certificate": certificate.id, "live": proven.live, "not_after": certificate.not_after}
        event = Event(Kind.CERTIFICATE_IMPORTED, now, certificate.pass_type, detail=detail)

        async def work(tx: Tx) -> None:
            await ensure_pass_type(tx, self._chance, certificate.pass_type, certificate.team, now)
            await tx.put_certificate(proven)
            if wanted:
                await tx.promote_certificate(certificate.pass_type, certificate.id, certificate.team, now)
            await tx.add_events([event])

        await self._store.write(work)
        return Imported(proven, problems)

    async def _has_ended(self, certificate_id: str, now: int) -> bool:
        """Whether it signs no more: what is proven is better than that, whatever an operator may have in mind."""
        live = await self._store.certificate(certificate_id)
        return live is None or min(live.not_after, live.intermediate_not_after) <= now

    def _prove(self, certificate: Certificate, now: int) -> tuple[Fault, ...]:
        """Sign a sample and read it back: a certificate that cannot do that never becomes live."""
        at = datetime.fromtimestamp(now / 1000, UTC)
        try:
            identity = self._keys.open(certificate)
            verify_signature(SAMPLE, identity.sign(SAMPLE, at))
        except (CertificateRefused, CertificateNotValid, InvalidSignature) as error:
            raise Refusal(str(error), hint=error.hint, code="unproven") from error
        problems = []
        if not identity.facts.root_is_apple:
            problems.append(Fault("", identity.facts.root_statement, "fine for tests and the demo", "foreign-root"))
        days = (certificate.not_after - now) // 86_400_000
        if days < 30:
            message = f"the certificate lapses in {days} days"
            problems.append(Fault("", message, "order the next one now: several may be valid at once", "expires-soon"))
        return tuple(problems)

    async def get(self, certificate_id: str) -> Certificate:
        """A certificate by its id, or by the beginning of it."""
        found = [c for c in await self._store.certificates(None) if c.id.startswith(certificate_id)]
        if len(found) != 1:
            raise NotFound(
                f"{len(found)} certificates have an id that starts with {certificate_id}",
                hint="livepass cert list shows them",
            )
        return found[0]


def _refusing(take_in: Callable[[], Certificate]) -> Certificate:
    try:
        return take_in()
    except CertificateRefused as error:
        raise Refusal(str(error), hint=error.hint, code="certificate_refused") from error
