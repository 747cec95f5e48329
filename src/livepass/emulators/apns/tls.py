"""TLS for the emulated APNs: ALPN ``h2``, TLS 1.2 or later, client certificates asked for but not insisted on.

Apple shows a bad client certificate in two ways: the handshake fails, or the connection stands and then says 403 or
GOAWAY. OpenSSL, as Python offers it, refuses by itself; for the second way the context must let such certificates
through (``admit_expired``, ``foreign_ca_pem``) so that the HTTP/2 layer can speak.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1 and later; the ssl module has no name for it.
NO_CHECK_TIME = 0x200000


def server_context(
    server_cert_pem: bytes,
    server_key_pem: bytes,
    client_ca_pem: bytes,
    *,
    admit_expired: bool = False,
    foreign_ca_pem: bytes = b"",
    require_client: bool = False,
) -> ssl.SSLContext:
    """A server context from PEM bytes. ``client_ca_pem`` may hold roots, intermediates or both.

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
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=(client_ca_pem.rstrip() + b"\n" + foreign_ca_pem).decode("ascii"))
    flags = context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags = ssl.VerifyFlags(flags | NO_CHECK_TIME) if admit_expired else flags
    return context


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
