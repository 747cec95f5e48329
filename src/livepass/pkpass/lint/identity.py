"""Whose pass is this, and does the certificate agree?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from livepass.pkpass.certificate import CertificateFacts
from livepass.pkpass.fields import GROUPED_STYLES
from livepass.pkpass.lint.problem import Problems, problem

# Phones put the serial into a URL path and escape it in two layers; only these characters survive that everywhere.
_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


def check(document: Mapping[str, object], certificate: CertificateFacts | None) -> Problems:
    """Serial, pass type and team, among themselves and against the certificate."""
    serial = document.get("serialNumber")
    if isinstance(serial, str) and serial.strip() and not _SERIAL.fullmatch(serial):
        yield problem(
            "serial-alphabet",
            "/serialNumber",
            f"the serialNumber {serial[:120]!r} does not survive the phone's URLs",
            "use 1 to 100 letters, digits, dots, underscores and hyphens",
        )
    pass_type = document.get("passTypeIdentifier")
    if isinstance(pass_type, str) and pass_type.strip() and not pass_type.startswith("pass."):
        yield problem(
            "pass-type-identifier",
            "/passTypeIdentifier",
            f"{pass_type!r} is no pass type identifier",
            "use the one from Apple's portal; it starts with pass.",
        )
    if "sharing" in document and not str(pass_type).startswith("pass.com.apple."):
        yield problem("sharing", "/sharing", "sharing is for Apple's own passes", "remove sharing")
    if "groupingIdentifier" in document and not any(style in document for style in GROUPED_STYLES):
        yield problem(
            "grouping-identifier",
            "/groupingIdentifier",
            "groupingIdentifier has no effect on this style",
            "remove it: only boarding passes and event tickets are grouped by it",
        )
    if certificate is not None:
        yield from _against(document, certificate)


def _against(document: Mapping[str, object], certificate: CertificateFacts) -> Problems:
    pairs = (
        ("certificate-pass-type", "passTypeIdentifier", certificate.pass_type),
        ("certificate-team", "teamIdentifier", certificate.team),
    )
    for rule, key, expected in pairs:
        value = document.get(key)
        if isinstance(value, str) and value.strip() and value != expected:
            yield problem(
                rule,
                f"/{key}",
                f"{key} is {value!r}, but the certificate is for {expected!r}",
                f"write {expected!r}, or sign with the other certificate",
            )
    if "nfc" in document and not certificate.nfc:
        yield problem(
            "certificate-nfc",
            "/nfc",
            "nfc needs a Pass Type ID certificate with NFC, and this one has none",
            "ask Apple for NFC and create the certificate as Pass Type ID with NFC, or remove nfc",
        )
