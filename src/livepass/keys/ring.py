"""Opened certificates and the tokens of passes: ``service.seams.KeyRing`` and ``Identity``."""

from __future__ import annotations

import threading
from datetime import datetime

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from livepass.core.authorization import derive_token
from livepass.core.model import Certificate, TokenSource
from livepass.core.trip2_push import PushCredential
from livepass.keys.sealing import Secrets
from livepass.pkpass import CertificateFacts, CertificateRefused, Signer

_KEY_PURPOSE = "certificate key"
_TOKEN_PURPOSE = "pass token"
STRANGER_SALT = bytes(16)


class OpenedIdentity:
    """A certificate whose key is in memory: it signs passes and authenticates to APNs."""

    def __init__(self, certificate: Certificate, signer: Signer, key_der: bytes, password: bytes) -> None:
        self._certificate = certificate
        self._signer = signer
        self._key_der = key_der
        self._password = password

    @property
    def id(self) -> str:
        return self._certificate.id

    @property
    def facts(self) -> CertificateFacts:
        return self._signer.facts

    def sign(self, manifest: bytes, at: datetime) -> bytes:
        """The ``signature`` file for a manifest, dated ``at``."""
        return self._signer.sign(manifest, at)

    def push_credential(self) -> PushCredential:
        """The same certificate as a client certificate. The key leaves encrypted, under a password of this process."""
        key = load_der_private_key(self._key_der, None, unsafe_skip_rsa_key_validation=True)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._password))
        return PushCredential(
            self.id, self._certificate.pass_type, self._certificate.chain_pem, key_pem, self._password
        )


class SealedKeyRing:
    """``service.seams.KeyRing``: tokens are derived, certificate keys unsealed once and kept in memory."""

    def __init__(self, secrets: Secrets, password: bytes) -> None:
        self._secrets = secrets
        self._password = password
        self._opened: dict[tuple[str, bytes], OpenedIdentity] = {}
        self._token_keys = {secrets.first: secrets.subkey("pass tokens")}
        self._opening = threading.Lock()
        self.tag_key = secrets.subkey("change tags")

    @property
    def token_key_id(self) -> str:
        return self._secrets.first

    def token(self, tenant: str, pass_type: str, serial: str, source: TokenSource) -> str:
        """A pass's authentication token. Raises ``CannotUnseal`` when its key is not configured."""
        if source.sealed is not None:
            return self._secrets.unseal(source.sealed, _TOKEN_PURPOSE).decode()
        key = self._token_keys.get(source.key_id)
        if key is None:
            key = self._token_keys[source.key_id] = self._secrets.subkey("pass tokens", source.key_id)
        return derive_token(key, tenant, pass_type, serial, source.salt)

    def stranger_token(self, tenant: str, pass_type: str, serial: str) -> str:
        """A token nobody has, at the cost of a real one."""
        return derive_token(self.tag_key, tenant, pass_type, serial, STRANGER_SALT)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        return self._secrets.seal(secret, purpose)

    def open(self, certificate: Certificate) -> OpenedIdentity:
        """The certificate, opened once: validating an RSA key costs as much as a hundred signatures."""
        # By the whole chain: the same certificate may come again with a renewed intermediate.
        key = (certificate.id, certificate.chain_pem)
        identity = self._opened.get(key)
        if identity is None:
            with self._opening:
                identity = self._opened.get(key) or self._unsealed(certificate)
                self._opened[key] = identity
        return identity

    def _unsealed(self, certificate: Certificate) -> OpenedIdentity:
        key_der = self._secrets.unseal(certificate.key_sealed, _KEY_PURPOSE)
        return OpenedIdentity(certificate, Signer.from_pem(certificate.chain_pem, key_der), key_der, self._password)

    def from_p12(self, data: bytes, password: str, now: int) -> Certificate:
        """Take in a .p12. Raises ``pkpass.CertificateRefused`` with a hint."""
        signer = Signer.from_p12(data, password)
        key, _, _ = pkcs12.load_key_and_certificates(data, password.encode() if password else None)
        assert key is not None
        return self._stored(signer, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), now)

    def from_pem(self, certificate: bytes, key: bytes, intermediate: bytes, now: int) -> Certificate:
        """Take in PEM. Raises ``pkpass.CertificateRefused`` with a hint."""
        signer = Signer.from_pem(certificate, key, intermediate)
        load = load_pem_private_key if b"-----BEGIN" in key else load_der_private_key
        try:
            opened = load(key, None)
        except (ValueError, TypeError) as error:
            raise CertificateRefused("the private key could not be read", "send it without a password") from error
        return self._stored(signer, opened.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), now)

    def _stored(self, signer: Signer, key_der: bytes, now: int) -> Certificate:
        facts = signer.facts
        return Certificate(
            id=facts.sha256[:16],
            pass_type=facts.pass_type,
            team=facts.team,
            common_name=facts.common_name,
            organization=facts.organization,
            issuer=facts.issuer,
            serial_number=facts.serial,
            not_before=_ms(facts.not_before),
            not_after=_ms(facts.not_after),
            intermediate_not_after=_ms(facts.intermediate_not_after),
            nfc=facts.nfc,
            chain_pem=signer.chain_pem,
            key_sealed=self._secrets.seal(key_der, _KEY_PURPOSE),
            created_at=now,
            proven_at=None,
            retired_at=None,
            live=False,
        )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
