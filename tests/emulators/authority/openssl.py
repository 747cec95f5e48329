"""What the ``openssl`` program says about certificates, OCSP answers and CRLs: a judge that shares nothing with us."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

SECONDS = 20


@dataclass(frozen=True)
class Said:
    ok: bool
    text: str


class OpenSSL:
    """Runs ``openssl`` in a folder of its own, where it finds what is written there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, *certificates: x509.Certificate) -> str:
        """PEM certificates in one file; its name."""
        (self.folder / name).write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
        return name

    def __call__(self, *arguments: str) -> Said:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, timeout=SECONDS)
        return Said(done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace"))

    def verify(self, root: x509.Certificate, intermediate: x509.Certificate, leaf: x509.Certificate) -> Said:
        """The chain of three, with X.509's strictest reading."""
        self.write("root.pem", root)
        self.write("intermediate.pem", intermediate)
        self.write("leaf.pem", leaf)
        return self("verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "intermediate.pem", "leaf.pem")

    def ocsp(self, root: x509.Certificate, issuer: x509.Certificate, leaf: x509.Certificate, *more: str) -> Said:
        """Ask the responder named in the certificate, over HTTP; the program checks signature, dates and nonce."""
        self.write("root.pem", root)
        self.write("issuer.pem", issuer)
        self.write("leaf.pem", leaf)
        url = self("x509", "-in", "leaf.pem", "-noout", "-ocsp_uri").text.strip()
        return self("ocsp", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-CAfile", "root.pem", "-url", url, *more)
