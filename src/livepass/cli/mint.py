"""Certificates for an emulated APNs: those that were given, or those of a throwaway authority kept in a folder."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from livepass.cli.faults import unchecked, usage
from livepass.cli.names import read_bytes, write_bytes

CA, CLIENT_CA, CERTIFICATE, KEY, PASSWORD = "ca.pem", "client-ca.pem", "server.pem", "server.key", "password"


@dataclass(frozen=True, slots=True)
class Minted:
    """What the server needs, and the files that whoever pushes to it needs."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes
    files: dict[str, str] = field(default_factory=dict)


def given(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Minted | None:
    """The files named on the command line; ``None`` when none is."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None or client_ca is None:
        raise usage("--cert, --key and --client-ca go together", "give all three, or none to mint them")
    return Minted(read_bytes(certificate), read_bytes(key), read_bytes(client_ca))


def minted(directory: Path, host: str, topics: Sequence[str]) -> Minted:
    """A throwaway authority's, made now or found in the folder."""
    if not (directory / CA).exists():
        _mint(directory, host, topics)
    missing = [topic for topic in topics if not _p12(directory, topic).exists()]
    if missing:
        raise usage(
            f"{directory} has no certificate for {missing[0]}, and its authority cannot issue more",
            "name another --dir, with every --topic at once",
        )
    files = {"authority": str(directory / CA)}
    found = sorted(directory.glob("*.p12"))
    files |= {path.stem: f"{path} (password in {directory / PASSWORD})" for path in found}
    read = {name: read_bytes(directory / name) for name in (CERTIFICATE, KEY, CLIENT_CA)}
    return Minted(read[CERTIFICATE], read[KEY], read[CLIENT_CA], files)


def _mint(directory: Path, host: str, topics: Sequence[str]) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from livepass.emulators.authority import Authority

    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unchecked(f"{directory} cannot be made: {error.strerror}", "name another --dir") from error
    authority = Authority()
    server = authority.server_certificate("localhost", "127.0.0.1", *({host} - {"localhost", "127.0.0.1"}))
    password = secrets.token_urlsafe(12)
    write_bytes(directory / PASSWORD, f"{password}\n".encode(), 0o600)
    write_bytes(directory / CERTIFICATE, server.certificate_pem)
    write_bytes(directory / KEY, server.key_pem, 0o600)
    write_bytes(directory / CLIENT_CA, authority.root_pem + authority.intermediate.public_bytes(Encoding.PEM))
    for topic in topics:
        write_bytes(_p12(directory, topic), authority.pass_certificate(topic).p12(password), 0o600)
    write_bytes(directory / CA, authority.root_pem)  # last: its presence says that all is there


def _p12(directory: Path, topic: str) -> Path:
    if "/" in topic or topic.startswith("."):
        raise usage(f"{topic!r} is not a pass type", "as in --topic pass.com.example.gym")
    return directory / f"{topic}.p12"
