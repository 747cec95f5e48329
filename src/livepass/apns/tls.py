"""The TLS side of a connection to APNs: our certificate out, Apple's certificate checked, and whose fault a failure is.

The server is checked by name against the system's roots, or against a given bundle; nothing is pinned, since Apple
changes certificates and roots (last in 2025). The private key never lies readable on a disk: ``ssl`` can only load a
file, so the chain and the still encrypted key pass through anonymous memory, or, where there is none, through a file
that only we can open and that is gone at once.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from livepass.core.trip2_push import Credential, PushCredential

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: RFC 9113 §9.2.2 lets a peer refuse what is not ephemeral and authenticated. 1.3 has only such ones."""

REFUSALS: Final = frozenset(
    {
        # TLS alerts (RFC 8446 §6.2) by which a server turns our certificate away, as OpenSSL names them.
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_DECRYPT_ERROR",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
)


class UnusableCredential(Exception):
    """The chain and key of a credential cannot be loaded: a wrong password, a key of another certificate, not PEM."""


def client_context(credential: Credential, ca_pem: bytes | None = None) -> ssl.SSLContext:
    """A context that presents a certificate; with an APNs key, none: that is shown with each push instead. Slow (the
    key is decrypted): call it off the event loop.

    ``ca_pem`` replaces the system's roots. Raises :class:`UnusableCredential`; a broken ``ca_pem`` is ``ssl.SSLError``.
    """
    cadata = ca_pem.decode("ascii") if ca_pem is not None else None
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=cadata)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # Offered, not required: APNs also takes HTTP/2 by prior knowledge, and says nothing then.
    context.set_alpn_protocols(["h2"])
    if not isinstance(credential, PushCredential):
        return context
    try:
        with _as_file(credential.chain_pem.rstrip() + b"\n" + credential.key_pem) as path:
            context.load_cert_chain(path, password=credential.password)
    except (ssl.SSLError, ValueError) as error:
        # Without the original as its cause: no part of a key or password may reach a log.
        raise UnusableCredential(getattr(error, "reason", None) or type(error).__name__) from None
    return context


def refused_our_certificate(error: BaseException | None) -> bool:
    """Whether a connection ended because the server turned our certificate away."""
    return isinstance(error, UnusableCredential) or (isinstance(error, ssl.SSLError) and error.reason in REFUSALS)


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    path = _in_memory(content)
    if path is not None:
        descriptor, name = path
        try:
            yield name
        finally:
            os.close(descriptor)
        return
    descriptor, name = tempfile.mkstemp(prefix="livepass-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield name
    finally:
        Path(name).unlink()


def _in_memory(content: bytes) -> tuple[int, str] | None:
    """A descriptor and its name for memory that no directory knows, or ``None`` where the system has none."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("livepass", os.MFD_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    name = f"/proc/self/fd/{descriptor}"
    if not Path(name).exists():
        os.close(descriptor)
        return None
    return descriptor, name
