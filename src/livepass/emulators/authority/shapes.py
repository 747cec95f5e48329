"""What Apple's certificates look like, as tables: object identifiers, and the generations of the intermediate.

Read from published Pass Type ID certificates and from Apple's own intermediates. Lengths of validity are rounded, and
relative to the authority's own ``now``, so that the same generation is always the one that has lapsed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ObjectIdentifier

OID_PASS_TYPE_MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.16")
OID_NFC_MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.26")
OID_APNS_DEVELOPMENT = ObjectIdentifier("1.2.840.113635.100.6.3.1")
OID_APNS_PRODUCTION = ObjectIdentifier("1.2.840.113635.100.6.3.2")
OID_WWDR_INTERMEDIATE = ObjectIdentifier("1.2.840.113635.100.6.2.1")
OID_WWDR_INTERMEDIATE_EC = ObjectIdentifier("1.2.840.113635.100.6.2.15")
OID_PASSBOOK_SIGNING = ObjectIdentifier("1.2.840.113635.100.4.14")
OID_APPLE_POLICY = ObjectIdentifier("1.2.840.113635.100.5.1")

DER_NULL = b"\x05\x00"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
Kind = Literal["rsa", "ec"]
Push = Literal["production", "development", "both", "none"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the intermediate. ``name`` is its subject OU and, in lower case, part of its addresses.

    ``key`` is the kind of its key and of the root above it. ``starts`` and ``ends`` are days from the authority's
    ``now``. ``marker`` is the extension that says what it may issue; ``None``: it carries none.
    """

    name: str
    key: Kind
    starts: int
    ends: int
    marker: ObjectIdentifier | None = OID_WWDR_INTERMEDIATE

    @property
    def stem(self) -> str:
        return f"wwdr{self.name.lower()}"


# Real ones for comparison: G1 lapsed in 2023; G2 issues Apple Pay's and carries .6.2.15; G4 issues Pass Type IDs and
# runs from 2020 to 2030; G6 is EC, under another root.
GENERATIONS: Mapping[str, Generation] = {
    row.name: row
    for row in (
        Generation("G1", "rsa", -4850, -1200),
        Generation("G2", "ec", -4550, 920, OID_WWDR_INTERMEDIATE_EC),
        Generation("G3", "rsa", -2450, 1200),
        Generation("G4", "rsa", -1500, 2150),
        Generation("G6", "ec", -2050, 3430),
    )
}

PUSH_MARKERS: Mapping[Push, tuple[ObjectIdentifier, ...]] = {
    "production": (OID_APNS_PRODUCTION,),
    "development": (OID_APNS_DEVELOPMENT,),
    "both": (OID_APNS_DEVELOPMENT, OID_APNS_PRODUCTION),
    "none": (),
}


HOUR_AGO = dt.timedelta(hours=-1)
USUAL = "G4"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a Pass Type ID certificate shall say. Everything but the first two spoils one thing at a time.

    ``marker`` and ``uid``: the pass type unless told. ``push``: which APNs environment it is marked for. ``starts`` is
    counted from the authority's ``now``, ``days`` from there. ``generation`` issues it.
    """

    pass_type: str
    team: str = "DEMO000000"
    organization: str | None = None
    nfc: bool = False
    marker: str | None = None
    uid: str | None = None
    passbook_eku: bool = True
    push: Push = "production"
    starts: dt.timedelta = HOUR_AGO
    days: float = 395
    generation: str = USUAL

    @property
    def kind(self) -> str:
        return "Pass Type ID with NFC" if self.nfc else "Pass Type ID"

    @property
    def extra(self) -> list[tuple[ObjectIdentifier, bytes]]:
        """The extensions that are Apple's own."""
        made = [(OID_PASS_TYPE_MARKER, der_utf8(self.pass_type if self.marker is None else self.marker))]
        made += [(oid, DER_NULL) for oid in PUSH_MARKERS[self.push]]
        if self.nfc:
            made.append((OID_NFC_MARKER, der_utf8(self.pass_type)))
        return made


def new_key(kind: Kind = "rsa", bits: int = 2048) -> PrivateKey:
    """A fresh key: RSA of ``bits``, or EC on P-384 as Apple's EC intermediates have it."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def der_utf8(text: str) -> bytes:
    """``text`` as a DER UTF8String of at most 127 bytes."""
    data = text.encode()
    if len(data) > 127:
        raise ValueError(f"a pass type identifier of {len(data)} bytes is too long for the marker extension")
    return b"\x0c" + bytes([len(data)]) + data
