"""The pass as the share page shows it: the front, as the newest iOS has it, approximately."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.service.sharing import Picture
from livepass.web import qr


def picture() -> Picture | None:
    """What draws passes; ``None`` without the extra ``preview``: where a barcode belongs it would tell holders what the
    operator should install.
    """
    return _drawn if qr.available() else None


def _drawn(files: Mapping[str, bytes], language: str) -> bytes:
    from livepass import preview  # here, because most processes draw nothing

    return preview.svg(preview.draw(files, preview.View(language=language)))
