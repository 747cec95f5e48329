"""Certificates come in: completed with key and intermediate, judged, proven, stored; made live where nothing better is.

| step | what stops it |
|---|---|
| the leaf by itself | identity, usage, environment, hash, validity (``pkpass.admission``) |
| whose it is | another team's pass type, or one that the caller may not touch |
| its key | came along, or lies sealed here: in a signing request, or with a certificate of the same key |
| its intermediate | given, at hand, or fetched (``pkpass.chain``) |
| its standing | revoked; where nobody can be asked, that is only said |
| what it can do | less than the live one (NFC), unless that is accepted |
| the proof | a sample is signed and read back |
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography import x509

from livepass.core.model import DEFAULT_TENANT, Certificate, PassType, SigningRequest
from livepass.core.rotation import Step, signing
from livepass.core.timeline import Event, Kind
from livepass.pkpass import material
from livepass.pkpass.admission import check_leaf
from livepass.pkpass.certificate import CertificateFacts, extension
from livepass.pkpass.material import Material
from livepass.pkpass.oids import NFC_MARKER
from livepass.service.capability import nfc_users
from livepass.service.completing import find_intermediate, find_key
from livepass.service.issuing import ensure_pass_type
from livepass.service.proving import sign_sample
from livepass.service.refusals import Fault, Refusal, refusing
from livepass.service.requesting import Requesting, foreign
from livepass.service.revocation import NOBODY_TO_ASK, revocation
from livepass.service.rotating import take
from livepass.service.seams import Authorities, Chance, Clock, KeyRing, Scheduler, Store, Tx
from livepass.service.tenants import require_tenant

SOON_DAYS = 30
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Imported:
    """A certificate that was taken in. ``problems`` are worth knowing and did not stop it."""

    certificate: Certificate
    problems: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a certificate is taken in: the intermediate that was given for it (PEM or DER; empty: none), the pass types
    that the caller may touch (``None``: all of the tenant's, and what is nobody's yet), whether less than the live one
    can do is accepted, and whose the pass type then is.
    """

    intermediate: bytes = b""
    within: Collection[str] | None = None
    accept_nfc_loss: bool = False
    tenant: str = DEFAULT_TENANT


ANYHOW = Terms()


class Admitting:
    """One object per process."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        authorities: Authorities,
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._authorities = authorities
        self.requests = Requesting(store, keys, clock, scheduler)

    # ── the forms

    async def import_p12(self, data: bytes, password: str, terms: Terms = ANYHOW) -> Imported:
        """A certificate with its key, and often its intermediate, as Keychain exports them."""
        # Deriving the key of a .p12 may take a second.
        return await self._import(await self._scheduler.off_loop(lambda: _p12(data, password)), terms)

    async def import_pem(
        self, certificate: bytes, key: bytes, intermediate: bytes = b"", *, password: str = "", terms: Terms = ANYHOW
    ) -> Imported:
        """A certificate and its key, each as PEM or DER; ``password`` opens the key."""
        with refusing("certificate_refused"):
            read = material.from_pem(certificate, key, password)
        return await self._import(read, replace(terms, intermediate=intermediate or terms.intermediate))

    async def import_certificate(self, certificate: bytes, terms: Terms = ANYHOW) -> Imported:
        """A certificate alone, PEM or DER, whose key lies here."""
        with refusing("certificate_refused"):
            read = material.from_pem(certificate)
        return await self._import(read, terms)

    # ── what all forms go through

    async def _import(self, read: Material, terms: Terms) -> Imported:
        now, leaf = self._clock.now(), read.leaf
        at = datetime.fromtimestamp(now / 1000, UTC)
        with refusing("certificate_refused"):
            pass_type, team = check_leaf(leaf, at)
        if terms.within is not None and pass_type not in terms.within:
            raise foreign(pass_type)
        known = await self._store.pass_type(pass_type)
        _check_owner(known, terms.tenant, pass_type)
        _check_team(known, pass_type, team)
        theirs = await self._store.within_tenant(terms.tenant)
        stored = await self._store.certificates(None, None if theirs is None else sorted(theirs))
        waiting = await self.requests.waiting(terms.within, tenant=terms.tenant)
        key, request = find_key(read, waiting, stored, terms.within)
        with refusing("certificate_refused"):
            intermediate, root = await find_intermediate(read, terms.intermediate, stored, self._authorities, at)
        problems = await self._standing(leaf, intermediate, now)
        used = signing([each.link for each in stored if each.pass_type == pass_type], now)
        live = next((each for each in stored if used and each.id == used.id), None)
        if live is not None and known is not None and not terms.accept_nfc_loss:
            await self._check_capability(leaf, live, known.tenant)
        with refusing("certificate_refused"):
            certificate = self._keys.take_in(leaf, key, intermediate, root, now)
        facts = self._prove(certificate, now)
        problems += _worth_knowing(facts, certificate, request, now)
        taken = await self._store_it(certificate, request, terms.tenant, now)
        return Imported(taken, tuple(problems))

    async def _standing(self, leaf: x509.Certificate, intermediate: x509.Certificate, now: int) -> list[Fault]:
        """Refuses what was revoked; that nobody could be asked is only said."""
        standing = await revocation(self._authorities, leaf, intermediate, now)
        if standing.state == "revoked":
            since = f" since {standing.revoked_at:%Y-%m-%d %H:%M:%S} UTC" if standing.revoked_at else ""
            why = f" ({standing.why})" if standing.why else ""
            raise Refusal(
                f"the certificate is revoked{since}{why}: by Apple's word, its passes no longer work properly",
                hint="issue another one for the same identifier in Apple's portal; a certificate that is revoked never "
                "comes back",
                code="revoked",
            )
        if standing.state == "unknown" and standing.why != NOBODY_TO_ASK:
            message = f"whether the certificate was revoked is not known: {standing.why}"
            remedy = "import it again when the address can be reached; it is taken in meanwhile"
            return [Fault("", message, remedy, "revocation-unknown")]
        return []

    async def _check_capability(self, leaf: x509.Certificate, live: Certificate, tenant: str) -> None:
        """Refuses what takes NFC away from passes that have it."""
        if not live.nfc or extension(leaf, NFC_MARKER) is not None:
            return
        users = await nfc_users(self._store, self._scheduler, tenant, live.pass_type)
        raise Refusal(
            f"the live certificate {live.id} may use NFC, this one may not: {users}",
            hint="issue a certificate with NFC (Certificates → + → Pass Type ID with NFC), or accept the loss: "
            "--accept-nfc-loss, or accept_nfc_loss",
            code="nfc_lost",
        )

    def _prove(self, certificate: Certificate, now: int) -> CertificateFacts:
        """Sign a sample and read it back: a certificate that cannot do that never comes in."""
        with refusing("unproven"):
            identity = self._keys.open(certificate)
        sign_sample(identity, now)
        return identity.facts

    async def _store_it(
        self, certificate: Certificate, request: SigningRequest | None, tenant: str, now: int
    ) -> Certificate:
        """Whether it becomes live is decided here, by what is live by now: asking Apple may have taken seconds."""

        async def work(tx: Tx) -> Certificate:
            await require_tenant(tx, tenant)
            await ensure_pass_type(tx, self._chance, certificate.pass_type, certificate.team, now, tenant)
            known = await tx.pass_type(certificate.pass_type)
            _check_owner(known, tenant, certificate.pass_type)
            _check_team(known, certificate.pass_type, certificate.team)
            await tx.locked_lineage(certificate.pass_type)
            await tx.put_certificate(certificate)
            lineage = await tx.lineage(certificate.pass_type)
            signs = signing(lineage, now)
            # What has signed a sample is better than nothing, and than what signs no more.
            wanted = signs is None or not signs.signs_at(now)
            if wanted:
                [link] = [link for link in lineage if link.id == certificate.id]
                await take(tx, Step.PROMOTE, link, lineage, now)
            if request is not None:
                await tx.remove_signing_request(request.id)
            detail = {"certificate": certificate.id, "live": wanted, "not_after": certificate.not_after}
            await tx.add_events([Event(Kind.CERTIFICATE_IMPORTED, now, certificate.pass_type, detail=detail)])
            return await tx.certificate(certificate.id) or certificate

        return await self._store.write(work)


def _p12(data: bytes, password: str) -> Material:
    with refusing("certificate_refused"):
        return material.from_p12(data, password)


def _check_owner(known: PassType | None, tenant: str, pass_type: str) -> None:
    """A pass type belongs to whose certificate came first. Whose that was is not said."""
    if known is not None and known.tenant != tenant:
        raise foreign(pass_type)


def _check_team(known: PassType | None, pass_type: str, team: str) -> None:
    if known is not None and known.team and known.team != team:
        raise Refusal(
            f"{pass_type} belongs to team {known.team}, this certificate to {team}",
            hint="a pass type cannot change teams: issue the certificate in the team that owns it",
            code="wrong_team",
        )


def _worth_knowing(
    facts: CertificateFacts, certificate: Certificate, request: SigningRequest | None, now: int
) -> list[Fault]:
    problems = []
    if not facts.root_is_apple:
        problems.append(Fault("", facts.root_statement, "fine for tests and the demo", "foreign-root"))
    days = (certificate.not_after - now) // DAY_MS
    if days < SOON_DAYS:
        message = f"the certificate lapses in {days} days"
        problems.append(Fault("", message, "order the next one now: several may be valid at once", "expires-soon"))
    if not facts.pushes:
        message = "the certificate carries no marker of APNs' production (1.2.840.113635.100.6.3.2)"
        problems.append(Fault("", message, "if APNs refuses it, issue another one in Apple's portal", "no-apns"))
    if request is not None and request.pass_type not in ("", certificate.pass_type):
        message = f"its key was made for {request.pass_type}, and the certificate is for {certificate.pass_type}"
        problems.append(Fault("", message, "harmless, if that is what you chose in the portal", "other-pass-type"))
    return problems
