"""One certificate with its key, and what lies around of it on people's disks."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from livepass.emulators.authority.shapes import PrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and the intermediate that signed it (``None`` under the root itself)."""

    certificate: x509.Certificate
    key: PrivateKey
    intermediate: x509.Certificate | None

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def cer(self) -> bytes:
        """The certificate alone in DER, as the portal hands it out."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def intermediate_pem(self) -> bytes:
        if self.intermediate is None:
            return b""
        return self.intermediate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def p12(self, password: str = "") -> bytes:
        """The certificate, key and intermediate as Keychain would export them."""
        encryption: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        chain = [self.intermediate] if self.intermediate is not None else None
        return pkcs12.serialize_key_and_certificates(b"pass", self.key, self.certificate, chain, encryption)
