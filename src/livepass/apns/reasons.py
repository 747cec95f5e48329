"""What APNs writes into the body of an error, and into the farewell of a connection: ``{"reason": …, "timestamp": …}``.

Apple, "Handling notification responses from APNs": a rejection has a JSON body with the reason; ``timestamp`` comes
with 410 and is in milliseconds. The debug data of a GOAWAY may be the same JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

UNREACHABLE: Final = "Unreachable"
CONNECTION_LOST: Final = "ConnectionLost"
TIMEOUT: Final = "Timeout"
CERTIFICATE_REFUSED: Final = "CertificateRefused"
PROTOCOL_ERROR: Final = "ProtocolError"

CONDEMNING: Mapping[str, int] = {
    # Reasons in a GOAWAY that speak of the credential, with the status that the same reason has in an answer. A new
    # connection would hear the same, so nothing is sent again. (Seen by pushy #279 and in aapns after a handshake that
    # succeeded.) Every other reason, Shutdown and IdleTimeout foremost, only means: open another connection.
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "Forbidden": 403,
    "ExpiredProviderToken": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "BadEnvironmentKeyInToken": 403,
    "TopicDisallowed": 400,
    "BadTopic": 400,
    "MissingTopic": 400,
}

REASON_LIMIT: Final = 100
_UNPRINTABLE = re.compile(r"[^ -~]")
_LATEST: Final = 1 << 53
"""No instant is later, in milliseconds, and databases take no number of any length."""


def read_reason(body: bytes) -> tuple[str, int | None]:
    """Reason ("" when there is none to read) and timestamp (ms) of an error body or of GOAWAY's debug data."""
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(error, dict):
        return "", None
    reason, timestamp = error.get("reason"), error.get("timestamp")
    if not isinstance(reason, str):
        reason = ""
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or not 0 <= timestamp <= _LATEST:
        timestamp = None
    # Neither database takes a lone surrogate or a NUL, and an answer that cannot be written down comes again and again.
    return _UNPRINTABLE.sub("?", reason[:REASON_LIMIT]), timestamp
