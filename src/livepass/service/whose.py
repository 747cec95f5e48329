"""Whose a device request is: the pass that it names, and the token that it has to show."""

from __future__ import annotations

from urllib.parse import unquote

from livepass.core.model import TokenSource
from livepass.service.seams import KeyRing, Reader


async def known_serial(reader: Reader, pass_type: str, serial: str) -> str:
    """Phones are reported to encode a serial twice; decode once more when the first reading is nobody's."""
    if "%" not in serial or (await reader.fetch_snapshot(pass_type, serial)).head is not None:
        return serial
    return unquote(serial)


def expected_token(keys: KeyRing, tenant: str, pass_type: str, serial: str, source: TokenSource | None) -> str:
    """The token of a pass; for one that is not there (``None``) a token that nobody has, at the same cost."""
    if source is None:
        return keys.stranger_token(tenant, pass_type, serial)
    return keys.token(tenant, pass_type, serial, source)
