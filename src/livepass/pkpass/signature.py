"""The ``signature`` file: made here, from a certificate that was checked once; checked again in ``cms_read``.

Nearly every byte of a signature is the same each time. ``Signer`` lays them out when it is made, and ``sign`` fills in
the time, the digest and the RSA value. The result is byte for byte what ``cryptography``'s PKCS7 builder would write.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.pkpass import oids
from livepass.pkpass.certificate import SMALLEST_KEY, CertificateFacts, facts, issued_by
from livepass.pkpass.cms_read import SignatureFacts, issuer_and_serial, verify_signature
from livepass.pkpass.der import (
    CONTEXT_0,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OCTET_STRING,
    SEQUENCE,
    SET,
    UTC_TIME,
    oid,
    set_of,
    tlv,
)
from livepass.pkpass.errors import CertificateRefused
from livepass.pkpass.material import Material, belongs, certificates_in, from_p12, from_pem

__all__ = ["SignatureFacts", "Signer", "verify_signature"]

_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_DIGEST_BYTES = 32

# RFC 5652 §11.3: UTCTime through 2049, GeneralizedTime from 2050.
_FIRST_LONG_YEAR = 2050
_SHORT = (UTC_TIME, "%y%m%d%H%M%SZ", 13)
_LONG = (GENERALIZED_TIME, "%Y%m%d%H%M%SZ", 15)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A signature with three holes: ``before``, ``to_time``, *time*, ``to_digest``, *digest*, ``after``, *value*."""

    time_format: str
    before: bytes
    to_time: bytes
    to_digest: bytes
    after: bytes
    set_header: bytes


class Signer:
    """A Pass Type ID certificate with its key and intermediate, checked once and kept. Safe to share between threads.

    Loading and validating an RSA key costs more than a hundred signatures, so make one ``Signer`` and keep it.
    Raises ``CertificateRefused`` when the three do not belong together or phones would refuse what they sign.
    """

    __slots__ = ("_chain_pem", "_facts", "_key", "_long", "_short")

    def __init__(
        self,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey,
        intermediate: x509.Certificate,
        root: x509.Certificate | None = None,
    ) -> None:
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST_KEY:
            raise CertificateRefused(
                f"the private key is not RSA of {SMALLEST_KEY} bits or more",
                f"make the signing request anew with an RSA key of {SMALLEST_KEY} bits",
            )
        if not belongs(certificate, key):
            raise CertificateRefused(
                "the private key does not belong to the certificate",
                "use the key that the signing request for this certificate was made with",
            )
        self._facts = facts(certificate, intermediate, root)
        self._key = key
        known = (certificate, intermediate, root) if root is not None else (certificate, intermediate)
        self._chain_pem = b"".join(each.public_bytes(Encoding.PEM) for each in known)
        chain = (certificate.public_bytes(Encoding.DER), intermediate.public_bytes(Encoding.DER))
        self._short = _frame(chain, key.key_size // 8, _SHORT)
        self._long = _frame(chain, key.key_size // 8, _LONG)

    @classmethod
    def from_pem(
        cls,
        certificate_pem: bytes,
        key_pem: bytes,
        intermediate_pem: bytes | None = None,
        password: str | bytes | None = None,
    ) -> Signer:
        """From files as Apple and openssl write them: PEM, or DER as the portal's .cer is.

        The intermediate may stand in either certificate file. ``password`` opens an encrypted key.
        """
        return cls._of(from_pem(certificate_pem, key_pem, password), intermediate_pem)

    @classmethod
    def from_chain(cls, chain_pem: bytes, key: rsa.RSAPrivateKey) -> Signer:
        """From what ``chain_pem`` was, and a key that has been opened."""
        return cls._of(Material(tuple(certificates_in(chain_pem, "chain")), key), None)

    @classmethod
    def from_p12(
        cls, data: bytes, password: str | bytes | None = None, intermediate_pem: bytes | None = None
    ) -> Signer:
        """From a .p12. Keychain exports often hold no intermediate; pass it as ``intermediate_pem`` then."""
        return cls._of(from_p12(data, password), intermediate_pem)

    @classmethod
    def _of(cls, material: Material, intermediate_pem: bytes | None) -> Signer:
        """Sort out leaf, intermediate and root by who signed whom, not by their order."""
        above = list(material.others)
        if intermediate_pem:
            above += certificates_in(intermediate_pem, "intermediate")
        leaf, key = material.leaf, material.key
        assert key is not None
        if not above:
            raise CertificateRefused(
                "the WWDR intermediate is missing",
                f"download the one named {leaf.issuer.rfc4514_string()!r} from apple.com/certificateauthority "
                "and pass it along",
            )
        intermediate = next((each for each in above if issued_by(leaf, each)), above[0])
        root = next((each for each in above if each is not intermediate and issued_by(intermediate, each)), None)
        return cls(leaf, key, intermediate, root)

    @property
    def facts(self) -> CertificateFacts:
        """What the certificate says."""
        return self._facts

    @property
    def chain_pem(self) -> bytes:
        """Certificate, intermediate and (if it was given) root in PEM: what ``from_pem`` takes back with the key."""
        return self._chain_pem

    def __repr__(self) -> str:
        return f"<Signer for {self._facts.pass_type}, certificate {self._facts.sha256[:16]}>"

    def sign(self, manifest: bytes, at: datetime) -> bytes:
        """The ``signature`` file (DER) for these manifest bytes, dated ``at`` (aware; whole seconds are kept).

        Phones judge the certificate at this instant, for as long as the pass lives. Raises ``CertificateNotValid``
        outside the validity of certificate or intermediate, ``ValueError`` for a time without zone.
        """
        if at.tzinfo is None:
            raise ValueError("the signing time needs a zone")
        moment = at.astimezone(UTC).replace(microsecond=0)
        self._facts.check_valid(moment)
        frame = self._short if moment.year < _FIRST_LONG_YEAR else self._long
        time, digest = moment.strftime(frame.time_format).encode(), hashlib.sha256(manifest).digest()
        attributes = frame.to_time + time + frame.to_digest + digest
        value = self._key.sign(frame.set_header + attributes, _PADDING, _SHA256)
        return b"".join((frame.before, attributes, frame.after, value))


def _frame(chain: tuple[bytes, bytes], key_bytes: int, time: tuple[int, str, int]) -> _Frame:
    """Lay out the whole signature once with empty holes, then cut it at them."""
    tag, time_format, time_bytes = time
    blank_time, blank_digest = bytes(time_bytes), bytes(_DIGEST_BYTES)
    kind = _attribute(oids.CONTENT_TYPE, oid(oids.DATA))
    when = _attribute(oids.SIGNING_TIME, tlv(tag, blank_time))
    digest = _attribute(oids.MESSAGE_DIGEST, tlv(OCTET_STRING, blank_digest))
    # DER sorts a SET by encoding. These three differ in length, which comes first: the values never change the order.
    attributes = kind + when + digest
    sha256 = tlv(SEQUENCE, oid(oids.SHA256), tlv(NULL))
    after = tlv(SEQUENCE, oid(oids.RSA_ENCRYPTION), tlv(NULL)) + tlv(OCTET_STRING, bytes(key_bytes))[:-key_bytes]
    info = tlv(
        SEQUENCE,
        tlv(INTEGER, b"\x01"),
        tlv(SEQUENCE, issuer_and_serial(chain[0])),
        sha256,
        tlv(CONTEXT_0, attributes),
        after,
        bytes(key_bytes),
    )
    # tlv() of parts counts the blank value, so the headers around it already have their final lengths.
    whole = _content_info(chain, sha256, info)
    return _Frame(
        time_format=time_format,
        before=whole[: len(whole) - key_bytes - len(after) - len(attributes)],
        to_time=kind + when[:-time_bytes],
        to_digest=digest[:-_DIGEST_BYTES],
        after=after,
        set_header=tlv(SET, attributes)[: -len(attributes)],
    )


def _content_info(chain: tuple[bytes, bytes], digest: bytes, info: bytes) -> bytes:
    signed_data = tlv(
        SEQUENCE,
        tlv(INTEGER, b"\x01"),
        tlv(SET, digest),
        tlv(SEQUENCE, oid(oids.DATA)),
        set_of(CONTEXT_0, chain),
        tlv(SET, info),
    )
    return tlv(SEQUENCE, oid(oids.SIGNED_DATA), tlv(CONTEXT_0, signed_data))


def _attribute(kind: str, value: bytes) -> bytes:
    return tlv(SEQUENCE, oid(kind), tlv(SET, value))
