"""A throwaway certificate authority that issues what Apple's portal issues, for tests and the demo.

The shapes follow real Pass Type ID certificates (subject ``UID``/``OU``, marker extension, both EKUs, policy) and
WWDR-like intermediates, so that what accepts these by rule accepts Apple's by the same rule. The root is not Apple's:
a real phone refuses every pass signed under it, and nothing may treat it as more than a stand-in.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from livepass.emulators.authority.issued import Issued
from livepass.emulators.authority.shapes import (
    DER_NULL,
    GENERATIONS,
    HOUR_AGO,
    OID_PASSBOOK_SIGNING,
    USUAL,
    Generation,
    Kind,
    Leaf,
    PrivateKey,
    PublicKey,
    new_key,
)
from livepass.emulators.authority.signing import Addresses, Content, sign


@dataclass(frozen=True, slots=True)
class Revocation:
    """From when on a certificate counts for nothing, and why."""

    at: dt.datetime
    reason: x509.ReasonFlags


@dataclass(slots=True)
class Issuer:
    """A root or an intermediate at work: what it signed (``issued``) and took back (``revoked``), by serial number.

    ``stem`` names it in addresses: ``wwdrg4``, ``root``. ``responder`` answers OCSP in its name, once asked.
    """

    stem: str
    certificate: x509.Certificate
    key: PrivateKey
    issued: dict[int, x509.Certificate] = field(default_factory=dict)
    revoked: dict[int, Revocation] = field(default_factory=dict)
    responder: tuple[PrivateKey, x509.Certificate] | None = None


class Authority:
    """Roots, WWDR-like intermediates, and the certificates below them.

    ``now``, kept as ``anchor``, is what every validity period is counted from; pass it to issue certificates that are
    old or not valid yet. ``clock`` is the time by which certificates count as revoked, and by which the server dates
    its answers. ``address`` (``http://host:port``, set by ``AuthorityServer``) is where certificates issued from then
    on say that intermediates, OCSP and CRLs are; without it they name no address.
    """

    def __init__(self, now: dt.datetime | None = None, name: str = "Livepass Demo") -> None:
        self.anchor = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
        self._name = name
        self._lock = threading.RLock()  # the server mints what is asked for in a thread of its own
        self._generations = dict(GENERATIONS)
        self._issuers: dict[str, Issuer] = {}
        self._former: list[Issuer] = []
        self.address: str | None = None
        self.clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    # -- who signs ------------------------------------------------------------------------------------------------

    @property
    def root(self) -> x509.Certificate:
        return self._root("rsa").certificate

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.PEM)

    @property
    def ec_root(self) -> x509.Certificate:
        """The other root, above the intermediates with EC keys."""
        return self._root("ec").certificate

    @property
    def intermediate(self) -> x509.Certificate:
        """Of the generation that issues Pass Type IDs unless told otherwise."""
        return self.issuer(USUAL).certificate

    @property
    def generations(self) -> list[str]:
        """The names of all generations so far, oldest first."""
        return list(self._generations)

    def introduce(self, generation: Generation) -> Issuer:
        """Issue under this generation from now on: one that nobody has seen before, or another one of an old name.

        What the old one issued stays known, and can be revoked; its addresses are the new one's now.
        """
        with self._lock:
            self._generations[generation.name] = generation
            former = self._issuers.pop(generation.stem, None)
            if former is not None:
                self._former.append(former)
            return self.issuer(generation.name)

    def issuer(self, generation: str) -> Issuer:
        """The intermediate of a generation at work, made when first asked for. ``KeyError`` for an unknown one."""
        row = self._generations[generation]
        with self._lock:
            if row.stem not in self._issuers:
                key = new_key(row.key)
                self._issuers[row.stem] = Issuer(row.stem, self._intermediate(row, key), key)
            return self._issuers[row.stem]

    def at(self, stem: str) -> Issuer | None:
        """Who is called that in addresses (``wwdrg4``, ``root``, ``root-ec``); ``None``: nobody."""
        if stem in ("root", "root-ec"):
            return self._root("ec" if stem == "root-ec" else "rsa")
        for row in list(self._generations.values()):
            if row.stem == stem:
                return self.issuer(row.name)
        return None

    def other_intermediate(self, generation: str = "G1") -> x509.Certificate:
        """An intermediate that is valid and named like this generation, but did not sign the leaves."""
        return self._intermediate(Generation(generation, "rsa", -1500, 2150), new_key())

    # -- what is signed -------------------------------------------------------------------------------------------

    def pass_certificate(
        self, pass_type: str, team: str = "DEMO000000", *, key: PrivateKey | None = None, **wanted: Any
    ) -> Issued:
        """A Pass Type ID certificate and its ``key`` (a new one); ``wanted`` are the other fields of ``Leaf``."""
        key = key or new_key()
        leaf = Leaf(pass_type, team, **wanted)
        return Issued(self._pass_type_id(key.public_key(), leaf), key, self.issuer(leaf.generation).certificate)

    def from_csr(self, request: bytes, pass_type: str, team: str = "DEMO000000", **wanted: Any) -> bytes:
        """The portal: a certificate signing request (PEM or DER) goes in, a ``.cer`` (DER) comes out.

        As at Apple the request gives the key only; its subject and extensions are ignored. ``wanted`` are the other
        fields of ``Leaf``. ``ValueError``: not a request, not signed with its key, or a key other than RSA of 2048
        bits. That Apple refuses other keys is an assumption (2026-11): every certificate seen has such a one.
        """
        pem = request.lstrip().startswith(b"-----BEGIN")
        found = x509.load_pem_x509_csr(request) if pem else x509.load_der_x509_csr(request)
        if not found.is_signature_valid:
            raise ValueError("the request is not signed with its own key; make it again")
        key = found.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size != 2048:
            raise ValueError("the request has no RSA key of 2048 bits; make one with openssl req -newkey rsa:2048")
        certificate = self._pass_type_id(key, Leaf(pass_type, team, **wanted))
        return certificate.public_bytes(serialization.Encoding.DER)

    def server_certificate(
        self,
        *hosts: str,
        days: float = 90,
        starts: dt.timedelta = HOUR_AGO,
        below_intermediate: bool = False,
    ) -> Issued:
        """A TLS server certificate for the given names and addresses, signed by the root, or one step below it."""
        above = self.issuer(USUAL) if below_intermediate else self._root("rsa")
        key = new_key()
        content = Content(
            *self._validity(starts, days),
            usages=[ExtendedKeyUsageOID.SERVER_AUTH],
            alternative_names=[_host(host) for host in hosts or ("localhost", "127.0.0.1")],
        )
        subject = _name([(NameOID.COMMON_NAME, hosts[0] if hosts else "localhost")])
        certificate = self._issue(above, subject, key.public_key(), content)
        return Issued(certificate, key, above.certificate if below_intermediate else None)

    def certificates(self, pass_type: str) -> list[x509.Certificate]:
        """Every certificate that was issued for a pass type, by the UID of its subject."""
        issued = [found for issuer in self._all() for found in list(issuer.issued.values())]
        uid = x509.NameAttribute(NameOID.USER_ID, pass_type)
        return [found for found in issued if uid in found.subject]

    # -- what is taken back ---------------------------------------------------------------------------------------

    def revoke(
        self,
        certificate: x509.Certificate,
        at: dt.datetime | None = None,
        reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
    ) -> None:
        """Take a certificate back from ``at`` on (now); a later instant is kept to. ``ValueError``: not ours."""
        for issuer in self._all():
            if issuer.issued.get(certificate.serial_number) == certificate:
                moment = (at or self.clock()).astimezone(dt.UTC).replace(microsecond=0)
                issuer.revoked[certificate.serial_number] = Revocation(moment, reason)
                return
        raise ValueError(f"certificate {certificate.serial_number:x} was not issued here")

    def revoked(self, at: dt.datetime | None = None) -> frozenset[int]:
        """The serial numbers that count for nothing at an instant (now)."""
        moment = at or self.clock()
        issuers = self._all()
        return frozenset(
            serial for issuer in issuers for serial, found in list(issuer.revoked.items()) if found.at <= moment
        )

    # -- inside ---------------------------------------------------------------------------------------------------

    def _all(self) -> list[Issuer]:
        with self._lock:
            return [*self._issuers.values(), *self._former]

    @property
    def _root_key(self) -> PrivateKey:
        return self._root("rsa").key

    def _root(self, kind: Kind) -> Issuer:
        stem = "root" if kind == "rsa" else "root-ec"
        with self._lock:
            if stem not in self._issuers:
                key = new_key(kind)
                name = self._named(f"{self._name} Root CA" + (" - EC" if kind == "ec" else ""))
                content = Content(*self._between(-7000, 7300), authority=True)
                self._issuers[stem] = Issuer(stem, sign(name, name, key.public_key(), key, content), key)
            return self._issuers[stem]

    def _intermediate(self, row: Generation, key: PrivateKey) -> x509.Certificate:
        content = Content(
            *self._between(row.starts, row.ends),
            authority=True,
            path_length=0,
            extra=[(row.marker, DER_NULL)] if row.marker is not None else [],
        )
        subject = self._named(f"{self._name} Developer Relations Certification Authority", row.name)
        return self._issue(self._root(row.key), subject, key.public_key(), content)

    def _pass_type_id(self, key: PublicKey, leaf: Leaf) -> x509.Certificate:
        issuer = self.issuer(leaf.generation)
        subject = [
            (NameOID.USER_ID, leaf.pass_type if leaf.uid is None else leaf.uid),
            (NameOID.COMMON_NAME, f"{leaf.kind}: {leaf.pass_type}"),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, leaf.team),
            (NameOID.ORGANIZATION_NAME, leaf.organization or self._name),
            (NameOID.COUNTRY_NAME, "XX"),
        ]
        content = Content(
            *self._validity(leaf.starts, leaf.days),
            usages=[ExtendedKeyUsageOID.CLIENT_AUTH, *([OID_PASSBOOK_SIGNING] if leaf.passbook_eku else [])],
            extra=leaf.extra,
            policy=True,
            addresses=self._addresses(issuer),
        )
        return self._issue(issuer, _name(subject), key, content)

    def _issue(self, issuer: Issuer, subject: x509.Name, key: PublicKey, content: Content) -> x509.Certificate:
        made = sign(subject, issuer.certificate.subject, key, issuer.key, content)
        issuer.issued[made.serial_number] = made
        return made

    def _addresses(self, issuer: Issuer) -> Addresses | None:
        if self.address is None:
            return None
        return Addresses(
            issuer=f"{self.address}/{issuer.stem}.der",
            ocsp=f"{self.address}/ocsp03-{issuer.stem}",
            crl=f"{self.address}/{issuer.stem}.crl",
        )

    def _validity(self, starts: dt.timedelta, length: float) -> tuple[dt.datetime, dt.datetime]:
        return self.anchor + starts, self.anchor + starts + dt.timedelta(days=length)

    def _between(self, starts: float, ends: float) -> tuple[dt.datetime, dt.datetime]:
        return self.anchor + dt.timedelta(days=starts), self.anchor + dt.timedelta(days=ends)

    def _named(self, common: str, unit: str | None = None) -> x509.Name:
        units = [] if unit is None else [(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
        return _name(
            [
                (NameOID.COMMON_NAME, common),
                *units,
                (NameOID.ORGANIZATION_NAME, self._name),
                (NameOID.COUNTRY_NAME, "XX"),
            ]
        )


def _name(parts: Sequence[tuple[ObjectIdentifier, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
