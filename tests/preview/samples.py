"""Passes to draw: every start of ``livepass template new``, filled with its own samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from livepass.cli import starts
from livepass.pkpass import Template, canonical
from pkpass.conftest import png

ICON = {"icon.png": png(38, 38)}
NFC = {"message": "SAMPLE", "encryptionPublicKey": "AA==", "requiresAuthentication": False}

Files = dict[str, bytes]


def sample(style: str, transit: str = "air", change: Callable[[dict[str, Any]], object] | None = None) -> Files:
    """The files of a pass. The poster event ticket gets the ``nfc`` that its start leaves to whoever has the grant."""
    template = Template.from_files(style, starts.files(style, transit))
    document = template.render({})
    if style == "posterEventTicket":
        document["nfc"] = NFC
    if change is not None:
        change(document)
    return {**template.static.files, "pass.json": canonical(document)}


def made(document: Mapping[str, object], **files: bytes) -> Files:
    """A pass of this pass.json, with an icon and nothing else but ``files``."""
    return {**ICON, **files, "pass.json": canonical(document)}


def document_of(files: Files) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(files["pass.json"])
    return found


def coded(*barcodes: tuple[str, str, str]) -> Files:
    """A store card with barcodes: (format without its prefix, message, encoding)."""
    return made(
        {
            "description": "Card",
            "storeCard": {},
            "barcodes": [
                {"format": f"PKBarcodeFormat{name}", "message": message, "messageEncoding": encoding}
                for name, message, encoding in barcodes
            ],
        }
    )


def fields(style: str = "generic", **groups: object) -> Files:
    return made({"description": "Card", style: groups})
