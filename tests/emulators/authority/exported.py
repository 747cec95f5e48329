"""Exports that only the ``openssl`` program writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from livepass.emulators.authority import Issued


def p12_of_old_keychain(issued: Issued, password: str, folder: Path) -> bytes:
    """RC2-40 around the certificates, 3DES around the key, SHA-1 MAC: what Keychain and OpenSSL 1.x write.

    ``CalledProcessError`` where this ``openssl`` has no legacy provider.
    """
    (folder / "exported.pem").write_bytes(issued.certificate_pem + issued.intermediate_pem)
    (folder / "exported.key").write_bytes(issued.key_pem)
    arguments = [
        "-in",
        "exported.pem",
        "-inkey",
        "exported.key",
        "-passout",
        f"pass:{password}",
        "-out",
        "exported.p12",
    ]
    command = ["openssl", "pkcs12", "-export", "-legacy", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=20)
    return (folder / "exported.p12").read_bytes()
