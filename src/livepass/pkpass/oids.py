"""Object identifiers of signatures and of Apple's certificates, with where each is written down."""

from __future__ import annotations

from cryptography.x509.oid import ObjectIdentifier

# RFC 5652 (CMS) and PKCS #9
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
SHA256 = "2.16.840.1.101.3.4.2.1"

# Apple's certificate policy, as the open-source Security framework checks it for passes
PASS_TYPE_MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.16")  # UTF8String: the pass type identifier
NFC_MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.26")  # present on "Pass Type ID with NFC" certificates
WWDR_MARKER = ObjectIdentifier("1.2.840.113635.100.6.2.1")  # the Worldwide Developer Relations intermediates
PASSBOOK_SIGNING = ObjectIdentifier("1.2.840.113635.100.4.14")  # extended key usage
APNS_PRODUCTION = ObjectIdentifier("1.2.840.113635.100.6.3.2")  # NULL: APNs' production takes it as client certificate
APNS_SANDBOX = ObjectIdentifier("1.2.840.113635.100.6.3.1")  # NULL: APNs' sandbox does
