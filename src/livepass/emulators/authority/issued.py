"""One certificate with its key, and what lies around of it on people's disks."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
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

    def p12(self, password: str = "", *, legacy: bool = False, intermediate: bool = True) -> bytes:
        """The certificate, key and intermediate as Keychain would export them; without intermediate if you like.

        ``legacy`` locks everything with 3DES and the SHA-1 MAC, as Keychain and OpenSSL 1.x lock keys. (Their RC2-40
        around certificates is beyond the library; ``openssl pkcs12 -export -legacy`` writes it.) A key that is not the
        certificate's (``dataclasses.replace(issued, key=…)``) is exported beside it, without the mark that joins them.
        """
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password and legacy:
            builder = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2048)
            builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())  # noqa: S303
            encryption = builder.build(password.encode())
        elif password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        elif legacy:
            raise ValueError("a legacy export needs a password: without one nothing is locked")
        others = [self.intermediate] if intermediate and self.intermediate is not None else []
        if self.key.public_key() == self.certificate.public_key():
            return pkcs12.serialize_key_and_certificates(b"pass", self.key, self.certificate, others, encryption)
        return pkcs12.serialize_key_and_certificates(b"pass", self.key, None, [self.certificate, *others], encryption)

    def pem_pair(self, password: str = "", *, traditional: bool = False) -> tuple[bytes, bytes]:
        """Certificate and key as two PEM files. ``traditional``: the key as ``openssl rsa`` wrote it, not PKCS #8."""
        kind = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
        lock: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        return self.certificate_pem, self.key.private_bytes(serialization.Encoding.PEM, kind, lock)
