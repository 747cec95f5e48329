"""Phones: which follow what, what is due to them, and what they said."""

from __future__ import annotations

from livepass.client.call import Call, List, reads
from livepass.web import issuer_answers_phones as phones


def registrations(*, pass_type: str | None = None, device_id: str | None = None) -> List[phones.RegistrationRow]:
    """Which phones follow which passes."""
    query = {"pass_type": pass_type, "device_id": device_id}
    return List("/registrations", reads(phones.RegistrationPage), query)


def pushes(*, pass_type: str | None = None, due: bool = False) -> List[phones.PushRow]:
    """Push targets; ``due``: only those that a push is due to."""
    return List("/pushes", reads(phones.PushPage), {"pass_type": pass_type, "due": "true" if due else None})


def device_logs(*, pass_type: str | None = None, code: str | None = None) -> List[phones.LogRow]:
    """What phones said, newest first; ``code`` ``?``: what is known of no sentence."""
    return List("/device-logs", reads(phones.LogPage), {"pass_type": pass_type, "code": code})


def stats(*, pass_type: str | None = None) -> Call[phones.Stats]:
    """How many registrations stand where."""
    return Call("GET", "/stats", reads(phones.Stats), {"pass_type": pass_type})
