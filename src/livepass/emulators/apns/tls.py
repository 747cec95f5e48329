"""TLS for the emulated APNs: ALPN ``h2``, TLS 1.2 or later, client certificates asked for but not insisted on.

Apple shows a bad client certificate in two ways: the handshake fails, or the connection stands and then says 403 or
GOAWAY. For the second way foreign certificates must get through (``foreign_ca_pem``) so that the HTTP/2 layer can
speak. For the first, OpenSSL refuses foreign ones by itself, but dates and revocations are for us to judge, by a
clock that tests move: ``Doors``.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1 and later; the ssl module has no name for it.
NO_CHECK_TIME = 0x200000

# What OpenSSL writes behind a certificate that it trusts for nothing: X509_CERT_AUX with anyExtendedKeyUsage rejected.
REJECTED = bytes.fromhex("3008a0060604551d2500")

HANDSHAKE, CERTIFICATE = 22, 11  # RFC 8446: content type, handshake type
TLS_1_3 = 0x0304


class Doors:
    """The contexts of one server. ``turns_away`` judges the client's certificate (DER) in the middle of the handshake.

    A certificate that is turned away meets authorities that are trusted for nothing, so that OpenSSL itself ends the
    handshake, with the alert bad_certificate. (Apple's was reported as certificate_unknown, once.) This needs a hook
    of the ``ssl`` module that is not public, and since Python 3.8 the same; without it, the caller has to look again.
    """

    def __init__(
        self,
        server_cert_pem: bytes,
        server_key_pem: bytes,
        client_ca_pem: bytes,
        foreign_ca_pem: bytes = b"",
        turns_away: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        trusted = client_ca_pem.rstrip() + b"\n" + foreign_ca_pem
        self.open = server_context(server_cert_pem, server_key_pem)
        self.open.load_verify_locations(cadata=trusted.decode("ascii"))
        self._shut = server_context(server_cert_pem, server_key_pem)
        with tempfile.TemporaryDirectory(prefix="apns-emulator-") as folder:
            rejected = Path(folder, "rejected.pem")
            rejected.write_bytes(b"".join(map(_rejected, certificates_in(trusted))))
            self._shut.load_verify_locations(cafile=rejected)
        self._turns_away = turns_away
        hooked: Any = self.open
        hooked._msg_callback = self._look

    def _look(self, tls: Any, direction: str, version: int, content: int, kind: int, message: bytes) -> None:
        """Called by OpenSSL with each message of a handshake, before it is acted on."""
        if direction != "read" or content != HANDSHAKE or kind != CERTIFICATE:
            return
        leaf = _first_certificate(message, version)
        if leaf and self._turns_away(leaf):
            tls.context = self._shut


def server_context(server_cert_pem: bytes, server_key_pem: bytes) -> ssl.SSLContext:
    """A server context that asks for client certificates and trusts nobody yet; dates are not looked at.

    Raises ``ssl.SSLError`` when certificate and key do not fit or a PEM cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    # A resumed session shows no certificate chain, and Apple's front ends need not know each other's sessions.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    with tempfile.TemporaryDirectory(prefix="apns-emulator-") as folder:
        chain = Path(folder, "server.pem")  # the ssl module loads keys from files only; the folder is private (0700)
        chain.write_bytes(server_key_pem.rstrip() + b"\n" + server_cert_pem)
        context.load_cert_chain(chain)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME)
    return context


def _rejected(der: bytes) -> bytes:
    body = base64.encodebytes(der + REJECTED)
    return b"-----BEGIN TRUSTED CERTIFICATE-----\n" + body + b"-----END TRUSTED CERTIFICATE-----\n"


def _first_certificate(message: bytes, version: int) -> bytes:
    """The sender's own certificate (DER) in a Certificate message (RFC 5246 §7.4.2, RFC 8446 §4.4.2); empty: none."""
    rest = message[4:]
    if version == TLS_1_3:
        rest = rest[1 + rest[0] :]  # the context that TLS 1.3 puts before the list
    start = 6  # the length of the list, and that of its first certificate
    return rest[start : start + int.from_bytes(rest[3:start], "big")]


def certificates_in(pem: bytes) -> frozenset[bytes]:
    """The DER of every certificate in a PEM bundle."""
    return frozenset(found.public_bytes(Encoding.DER) for found in x509.load_pem_x509_certificates(pem))


def verified_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The DER of the client's chain as OpenSSL built it, leaf first; empty when no certificate was shown."""
    # Public from Python 3.13; before, the same method is on the object underneath.
    source: Any = tls if hasattr(tls, "get_verified_chain") else getattr(tls, "_sslobj", None)
    chain: list[Any] = (source.get_verified_chain() if source is not None else None) or []
    return [found if isinstance(found, bytes) else bytes(_der(found)) for found in chain]


def _der(certificate: Any) -> bytes:
    import _ssl

    found: bytes = certificate.public_bytes(_ssl.ENCODING_DER)
    return found
