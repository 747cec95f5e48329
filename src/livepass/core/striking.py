"""Credentials struck out of text that is kept or shown: what phones say, what they send that we do not know, logs.

The last line of defence, and the only one where the text is somebody else's: a wallet may well put the header that was
refused into its own log.
"""

from __future__ import annotations

import re

_BARE = re.compile(
    # What follows a scheme, up to another scheme: "Bearer ApplePass TOKEN" holds one token, and it is the last word.
    r"(?i)\b(ApplePass|Bearer)\s+(?:(?!\b(?:ApplePass|Bearer)\s)\S)+"
    r"|\b(?:lp_[A-Za-z0-9_-]{16,}|[0-9a-f]{64,})\b"
)
_NAMED = re.compile(
    # A name that ends in one of these, whatever quotes and brackets follow, and its value: JSON, forms, Python, SQL.
    r"(?i)([a-z_]{0,30}(?:token|password|secret)[\"'\\)]{0,4}\s{0,3}[:=]\s{0,3}[\"'\\(]{0,4})[^\s\"'\\,;&(){}\[\]]{8,}"
)


def struck(text: str) -> str:
    """The text without tokens, keys and push tokens, as far as they can be told by their form or their name."""
    text = _BARE.sub(lambda found: f"{found[1]} (struck)" if found[1] else "(struck)", text)
    return _NAMED.sub(r"\1(struck)", text)
