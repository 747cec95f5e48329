"""Certificates and keys: real ones of a throwaway authority, made once per interpreter, because they are slow to make.

What is slow and always the same is remembered: opening a key, encrypting it for APNs. Signing is the product's own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from livepass.core.model import Certificate
from livepass.core.sealed import Sealed
from livepass.core.trip2_push import PushCredential
from livepass.emulators.authority import Authority, Issued
from livepass.emulators.iphone.package import Package, reopen
from livepass.keys.ring import OpenedIdentity, SealedKeyRing
from livepass.pkpass import Signer

START = dt.datetime(2027, 1, 4, tzinfo=dt.UTC)
TYPES = ("pass.sim.gym", "pass.sim.bus")
TEAM = "SIMTEAM001"


@cache
def authority() -> Authority:
    return Authority(START)


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(pass_type: str, hours: int) -> Issued:
    """One that lapses so many hours after the start; 0: not within any simulation."""
    starts = dt.timedelta(days=-1) if not hours else dt.timedelta(hours=hours - 24 * 40)
    return authority().pass_certificate(pass_type, TEAM, starts=starts, days=40 if hours else 400, key=_key())


@dataclass(frozen=True)
class Signed:
    """A signature that was made: by which certificate, for which manifest, dated when."""

    certificate_id: str
    pass_type: str
    manifest: bytes
    at: datetime
    valid: bool


_READ: dict[x509.Certificate, tuple[Signer, bytes]] = {}
_PACKAGES: dict[bytes, Package] = {}
_CREDENTIALS: dict[str, PushCredential] = {}
_OPENED: dict[tuple[str, bytes], OpenedIdentity] = {}
SIGNATURES: dict[bytes, Signed] = {}
"""Every signature of this interpreter's present seed."""


class RememberingIdentity(OpenedIdentity):
    def sign(self, manifest: bytes, at: datetime) -> bytes:
        made = super().sign(manifest, at)
        facts = self.facts
        valid = facts.not_before <= at.replace(microsecond=0) <= facts.not_after
        SIGNATURES[made] = Signed(self.id, facts.pass_type, manifest, at, valid)
        return made

    def push_credential(self) -> PushCredential:
        if self.id not in _CREDENTIALS:
            _CREDENTIALS[self.id] = super().push_credential()
        return _CREDENTIALS[self.id]


def opened(pkpass: bytes) -> Package:
    """A package that was made here, unpacked once however many look at it."""
    package = _PACKAGES.get(pkpass)
    if package is None:
        package = _PACKAGES[pkpass] = reopen(pkpass)
    return package


def forget() -> None:
    """What is of one seed only."""
    SIGNATURES.clear()
    _PACKAGES.clear()


class RememberingRing(SealedKeyRing):
    def take_in(
        self,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey | Sealed,
        intermediate: x509.Certificate,
        root: x509.Certificate | None,
        now: int,
    ) -> Certificate:
        if isinstance(key, Sealed):
            return super().take_in(certificate, key, intermediate, root, now)
        if certificate not in _READ:
            der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            _READ[certificate] = Signer(certificate, key, intermediate, root), der
        return self._stored(*_READ[certificate], now)

    def _unsealed(self, certificate: Certificate) -> OpenedIdentity:
        key = (certificate.id, certificate.chain_pem)
        if key not in _OPENED:
            opened = super()._unsealed(certificate)
            _OPENED[key] = RememberingIdentity(opened._certificate, opened._signer, opened._key_der, opened._password)
        return _OPENED[key]
