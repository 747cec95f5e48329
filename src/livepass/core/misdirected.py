"""Calls with ``/v1`` twice in the path: the address in the pass ends in /v1, or a proxy puts one before it.

They are answered 404, because a 200 would let the phone believe that it is registered; and written down, because no
other call of that phone comes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from livepass.core.timeline import Event, Kind

DOUBLED = "/v1 twice in the path"
STATUS = 404
_DEVICE_ID = re.compile(r"[0-9A-Za-z-]{1,128}")


def misdirected(method: str, parts: Sequence[str], now: int) -> Event | None:
    """The event for a call, from its path without the first ``v1``; ``None``: it is none of Wallet's calls that name a
    pass or a phone.
    """
    detail = {"status": STATUS, "reason": DOUBLED}
    match (method, *parts):
        case ("POST", "v1", "devices", phone, "registrations", pass_type, serial) if _DEVICE_ID.fullmatch(phone):
            return Event(Kind.REGISTRATION_REFUSED, now, pass_type, serial, phone, detail=detail)
        case ("GET", "v1", "devices", phone, "registrations", pass_type) if _DEVICE_ID.fullmatch(phone):
            return Event(Kind.ASK_REFUSED, now, pass_type, device_id=phone, detail=detail)
        case ("GET", "v1", "passes", pass_type, serial):
            return Event(Kind.FETCH_REFUSED, now, pass_type, serial, detail=detail)
    return None
