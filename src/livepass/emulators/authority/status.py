"""What the authority says about its certificates: OCSP answers (RFC 6960) and CRLs (RFC 5280), in DER.

Pure functions over an ``Issuer`` and an instant; the faults of a lying responder are options. What Apple's responder
answers in each case is not published. Assumed here (2026-11), and nothing may rely on more:

* a delegated responder signs, whose certificate comes with the answer; ``delegated=False`` is the other lawful way;
* a serial number that was never issued is ``unknown``; a certificate of another issuer gets ``unauthorized``;
* an expired certificate is still answered for; the nonce of the request, if any, comes back.

``producedAt`` is the machine's time, not ``now``: the library offers no way to choose it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from livepass.emulators.authority.ca import Issuer, Revocation
from livepass.emulators.authority.shapes import PrivateKey, new_key
from livepass.emulators.authority.signing import Content, sign

OCSP_HOURS = 12
CRL_DAYS = 7
STALE = dt.timedelta(days=30)  # how long ago a stale answer ran out


@dataclass(frozen=True, slots=True)
class Lies:
    """What is wrong with an answer.

    ``stale``: it ran out long ago. ``another``: it names another certificate. ``wrong_key``: a stranger signed it.
    ``wrong_responder``: somebody signed it whose certificate is from the issuer, but not for signing OCSP answers.
    """

    stale: bool = False
    another: bool = False
    wrong_key: bool = False
    wrong_responder: bool = False


HONEST = Lies()


def ocsp_answer(
    issuer: Issuer, request: bytes, now: dt.datetime, *, delegated: bool = True, lies: Lies = HONEST
) -> tuple[bytes, int | None]:
    """The answer to an OCSP request, and the serial number that was asked about (``None``: none was understood)."""
    try:
        asked = ocsp.load_der_ocsp_request(request)
        nonce = _nonce(asked)
        algorithm = asked.hash_algorithm
    except (ValueError, TypeError, NotImplementedError, x509.DuplicateExtension):  # or one about several certificates
        return refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST), None
    serial = asked.serial_number
    if (asked.issuer_name_hash, asked.issuer_key_hash) != _hashes(issuer.certificate, algorithm):
        return refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED), serial
    status, revocation = _status(issuer, serial, now)
    this_update = now - (STALE + dt.timedelta(hours=OCSP_HOURS) if lies.stale else dt.timedelta(minutes=5))
    named = _placeholder(issuer, serial + 1) if lies.another else issuer.issued.get(serial)
    key, responder = _signer(issuer, now, delegated, lies)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=named or _placeholder(issuer, serial),
            issuer=issuer.certificate,
            algorithm=algorithm,
            cert_status=status,
            this_update=this_update,
            next_update=this_update + dt.timedelta(hours=OCSP_HOURS),
            revocation_time=revocation.at if revocation else None,
            revocation_reason=revocation.reason if revocation else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
    )
    if responder != issuer.certificate:
        builder = builder.certificates([responder])
    if nonce is not None:
        builder = builder.add_extension(nonce, critical=False)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER), serial


def refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    """An answer that answers nothing: malformedRequest, tryLater, unauthorized."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def crl(issuer: Issuer, now: dt.datetime, *, lies: Lies = HONEST) -> bytes:
    """Everything that the issuer has taken back by ``now``."""
    last_update = now - (STALE + dt.timedelta(days=CRL_DAYS) if lies.stale else dt.timedelta(minutes=5))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(last_update)
        .next_update(last_update + dt.timedelta(days=CRL_DAYS))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(int(last_update.timestamp())), critical=False)
    )
    for serial, found in sorted(issuer.revoked.items()):
        if found.at <= now:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(found.at)
            if found.reason is not x509.ReasonFlags.unspecified:  # RFC 5280: left out rather than said
                entry = entry.add_extension(x509.CRLReason(found.reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(new_key("rsa") if lies.wrong_key else issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _status(issuer: Issuer, serial: int, now: dt.datetime) -> tuple[ocsp.OCSPCertStatus, Revocation | None]:
    found = issuer.revoked.get(serial)
    if found is not None and found.at <= now:
        return ocsp.OCSPCertStatus.REVOKED, found
    known = serial in issuer.issued
    return (ocsp.OCSPCertStatus.GOOD if known else ocsp.OCSPCertStatus.UNKNOWN), None


def _nonce(asked: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    try:
        return asked.extensions.get_extension_for_class(x509.OCSPNonce).value
    except x509.ExtensionNotFound:
        return None


def _hashes(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """RFC 6960: of the issuer's name, and of its public key without the algorithm around it."""
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        bits = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        bits = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _digest(issuer.subject.public_bytes(), algorithm), _digest(bits, algorithm)


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _signer(issuer: Issuer, now: dt.datetime, delegated: bool, lies: Lies) -> tuple[PrivateKey, x509.Certificate]:
    """Who signs OCSP answers: the issuer itself, or whom it trusts with that for a few days; or a liar."""
    if lies.wrong_key:
        return _responder(issuer, new_key(), now)
    if lies.wrong_responder:
        return _responder(issuer, issuer.key, now, usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    if not delegated:
        return issuer.key, issuer.certificate
    if issuer.responder is None or not _covers(issuer.responder[1], now):
        issuer.responder = _responder(issuer, issuer.key, now)
    return issuer.responder


def _responder(
    issuer: Issuer,
    issuer_key: PrivateKey,
    now: dt.datetime,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
) -> tuple[PrivateKey, x509.Certificate]:
    content = Content(now - dt.timedelta(days=1), now + dt.timedelta(days=30), usages=usages, no_check=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"OCSP responder of {issuer.stem}")])
    key = new_key()
    return key, sign(name, issuer.certificate.subject, key.public_key(), issuer_key, content)


def _covers(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _placeholder(issuer: Issuer, serial: int) -> x509.Certificate:
    """The library names a certificate by the certificate, so a serial number that nobody issued needs one."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject)
        .public_key(issuer.key.public_key())
        .serial_number(serial)
        .not_valid_before(issuer.certificate.not_valid_before_utc)
        .not_valid_after(issuer.certificate.not_valid_after_utc)
        .sign(issuer.key, hashes.SHA256())
    )
