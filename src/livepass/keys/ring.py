"""Opened certificates and the tokens of passes: ``service.seams.KeyRing`` and ``Identity``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from livepass.core import totp
from livepass.core.authorization import derive_token
from livepass.core.model import DEFAULT_TENANT, Certificate, Enrolment, SigningRequest, TokenSource
from livepass.core.provider_token import ApnsKey, PushKey
from livepass.core.sealed import TAGS, TOKENS, Sealable, Sealed, SharedKey
from livepass.core.share import share_key
from livepass.core.trip2_push import PushCredential
from livepass.keys import push_keys
from livepass.keys.sealing import CannotUnseal, Secrets
from livepass.pkpass import CertificateFacts, Signer
from livepass.pkpass.certificate import SMALLEST_KEY
from livepass.pkpass.signing_request import public_sha256, request_pem

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
        key_pem = _opened_der(self._key_der).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._password)
        )
        return PushCredential(
            self.id, self._certificate.pass_type, self._certificate.chain_pem, key_pem, self._password
        )


class SealedKeyRing:
    """``service.seams.KeyRing``: tokens are derived, certificate keys unsealed once and kept in memory.

    The keys that all hosts share come by ``adopt``, which comes before everything else.
    """

    tag_key: bytes
    token_key_id: str

    def __init__(self, secrets: Secrets, password: bytes) -> None:
        self._secrets = secrets
        self._password = password
        self._opened: dict[tuple[str, bytes], OpenedIdentity] = {}
        self._opening = threading.Lock()
        self._push_keys: dict[ApnsKey, PushKey] = {}
        self._shared: dict[str, bytes] = {}
        self._adopted: dict[str, bytes] = {}
        self._closed: dict[str, CannotUnseal] = {}

    # ── shared keys

    def adopt(self, keys: Sequence[SharedKey]) -> None:
        """Take in the shared keys, oldest first. The newest of those for tokens derives new ones; the oldest for tags
        signs them all.

        What is here and has not changed is not opened again, so this may be called often. Raises ``CannotUnseal`` for
        one that does not open, with the others taken in.
        """
        closed: dict[str, CannotUnseal] = {}
        for key in keys:
            try:
                self._take_in(key)
            except CannotUnseal as error:
                closed[key.id] = error
        here = [key for key in keys if key.id in self._shared]
        for key in [key for key in here if key.purpose == TAGS][:1]:
            self.tag_key = self._shared[key.id]
        for key in [key for key in here if key.purpose == TOKENS][-1:]:
            self.token_key_id = key.id
        self._closed = closed
        for reason in closed.values():
            raise reason

    def _take_in(self, key: SharedKey) -> None:
        """A key that was open stays open when it does not open any more: then only its seal changed."""
        if key.purpose in (TOKENS, TAGS) and self._adopted.get(key.id) != key.sealed:
            self._shared[key.id] = self._unseal(Sealed(Sealable.SHARED_KEY, key.purpose, key.id, key.sealed))
            self._adopted[key.id] = key.sealed

    def new_shared_key(self, key_id: str, purpose: str, now: int) -> SharedKey:
        """A fresh shared key. It counts once it is stored, and adopted from there."""
        sealed = self.seal(Sealable.SHARED_KEY, purpose, key_id, self._secrets.new_key())
        return SharedKey(key_id, purpose, sealed, now)

    # ── tokens

    def knows(self, source: TokenSource) -> bool:
        """Whether ``token`` can answer, as far as keys go; otherwise adopt the shared keys again."""
        return source.key_id in self._shared or source.sealed is not None

    def token(self, tenant: str, pass_type: str, serial: str, source: TokenSource) -> str:
        """A pass's authentication token. Raises ``CannotUnseal`` when its key is not there, or does not open."""
        if source.sealed is not None:
            return self._unseal(Sealed(Sealable.TOKEN, pass_type, serial, source.sealed)).decode()
        key = self._shared.get(source.key_id)
        if key is None:
            raise self._missing(source.key_id)
        return derive_token(key, tenant, pass_type, serial, source.salt)

    def _missing(self, key_id: str) -> CannotUnseal:
        closed = self._closed.get(key_id)
        if closed is not None:
            return closed.with_traceback(None)
        return CannotUnseal(
            f"shared key {key_id} is not in the database, and passes there are derived with it",
            "restore the table shared_key from a backup: the token of a pass that a phone holds cannot be replaced",
        )

    def stranger_token(self, tenant: str, pass_type: str, serial: str) -> str:
        """A token nobody has, at the cost of a real one."""
        return derive_token(self.tag_key, tenant, pass_type, serial, STRANGER_SALT)

    # ── share links

    @property
    def share_key(self) -> bytes:
        """What signs share links: of the key for tags, which stays the same for as long as the installation lives."""
        return share_key(self.tag_key)

    # ── the secret keys

    @property
    def secret_ids(self) -> Sequence[str]:
        """The names of the configured secret keys; the first one seals."""
        return self._secrets.ids

    def seal(self, kind: Sealable, within: str, id_: str, secret: bytes) -> bytes:
        """Seal something for its row (``core.sealed.Sealed``): in another row it does not open."""
        return self._secrets.seal(secret, _purpose(kind, within, id_))

    def reseal(self, one: Sealed) -> bytes:
        """The same, sealed with the first secret key. Raises ``CannotUnseal``."""
        return self.seal(one.kind, one.within, one.id, self._unseal(one))

    def totp_step(self, one: Sealed, code: str, now: int, after: int | None) -> int | None:
        """The step that a code is of, by the sealed secret; ``None``: of none. Raises ``CannotUnseal``."""
        return totp.step_of(self._unseal(one), code, now, after)

    def require_opens(self, one: Sealed) -> None:
        """Raise ``CannotUnseal`` for what is of no use here. There may be millions of tokens and enrolments, and one
        that was altered is the trouble of one pass: the name of its secret key is enough.
        """
        if one.kind in (Sealable.TOKEN, Sealable.ENROLMENT):
            self._secrets.require_key(one.sealed, _purpose(one.kind, one.within, one.id))
        else:
            self._unseal(one)

    def _unseal(self, one: Sealed) -> bytes:
        return self._secrets.unseal(one.sealed, _purpose(one.kind, one.within, one.id))

    def open_webhook(self, one: Sealed) -> bytes:
        """An endpoint's secrets. Raises ``CannotUnseal``."""
        return self._unseal(one)

    def open_enrolment(self, enrolment: Enrolment) -> bytes:
        """What somebody gave. Raises ``CannotUnseal``."""
        return self._unseal(Sealed(Sealable.ENROLMENT, enrolment.pass_type, enrolment.id, enrolment.sealed))

    # ── APNs keys

    def from_p8(
        self, data: bytes, *, tenant: str, key_id: str, team: str, topics: Sequence[str], environment: str, now: int
    ) -> ApnsKey:
        """Take in an APNs key. Raises ``KeyRefused`` with a hint."""
        push_keys.check_ids(key_id, team)
        sealed = self.seal(Sealable.APNS_KEY, tenant, key_id, push_keys.read_p8(data))
        return ApnsKey(tenant, key_id, team, tuple(topics), environment, sealed, now, None)

    def open_push_key(self, key: ApnsKey) -> PushKey:
        """The key, opened once. Raises ``CannotUnseal``."""
        opened = self._push_keys.get(key)
        if opened is None:
            key_der = self._unseal(Sealed(Sealable.APNS_KEY, key.tenant, key.id, key.key_sealed))
            opened = self._push_keys[key] = push_keys.opened(key_der, key.id, key.team)
        return opened

    # ── certificates

    def open(self, certificate: Certificate) -> OpenedIdentity:
        """The certificate, opened once."""
        # By the whole chain: the same certificate may come again with a renewed intermediate.
        key = (certificate.id, certificate.chain_pem)
        identity = self._opened.get(key)
        if identity is None:
            with self._opening:
                identity = self._opened.get(key) or self._unsealed(certificate)
                self._opened[key] = identity
        return identity

    def _unsealed(self, certificate: Certificate) -> OpenedIdentity:
        key_der = self._unseal(
            Sealed(Sealable.CERTIFICATE, certificate.pass_type, certificate.id, certificate.key_sealed)
        )
        signer = Signer.from_chain(certificate.chain_pem, _opened_der(key_der))
        return OpenedIdentity(certificate, signer, key_der, self._password)

    def take_in(
        self,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey | Sealed,
        intermediate: x509.Certificate,
        root: x509.Certificate | None,
        now: int,
    ) -> Certificate:
        """A certificate to be stored, with its key: one that came along, or one that lies sealed here.

        Raises ``pkpass.CertificateRefused`` when they do not belong together, and ``CannotUnseal``.
        """
        if isinstance(key, Sealed):
            key = _opened_der(self._unseal(key))
        signer = Signer(certificate, key, intermediate, root)
        return self._stored(signer, _key_der(key), now)

    def new_signing_request(
        self, pass_type: str, team: str, email: str, now: int, tenant: str = DEFAULT_TENANT
    ) -> tuple[SigningRequest, bytes]:
        """A fresh RSA key, sealed, and the request (PEM) to be given to Apple. It takes a noticeable moment."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=SMALLEST_KEY)
        sha256 = public_sha256(key.public_key())
        sealed = self.seal(Sealable.SIGNING_REQUEST, pass_type, sha256[:16], _key_der(key))
        made = SigningRequest(sha256[:16], pass_type, sha256, sealed, now, tenant)
        return made, request_pem(key, pass_type, team, email)

    def _stored(self, signer: Signer, key_der: bytes, now: int) -> Certificate:
        facts = signer.facts
        id_ = facts.sha256[:16]
        return Certificate(
            id=id_,
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
            key_sealed=self.seal(Sealable.CERTIFICATE, facts.pass_type, id_, key_der),
            created_at=now,
        )


def _purpose(kind: Sealable, within: str, id_: str) -> str:
    """What a sealed thing is bound to; errors name it by this."""
    return f"{kind.value} {within}/{id_}"


def _key_der(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _opened_der(key_der: bytes) -> rsa.RSAPrivateKey:
    """A key that lay sealed here: validated when it came in, which costs as much as a hundred signatures."""
    key = load_der_private_key(key_der, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
