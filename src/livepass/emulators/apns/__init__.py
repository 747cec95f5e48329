"""An emulated APNs to run any sender against: HTTP/2 over TLS, client certificates, chaos, history, a control port.

``ApnsServer`` is the whole of it; ``Sink`` answers 200 to everything, for load. What it can and cannot promise is said
in ``server.py``.
"""

from livepass.emulators.apns.chaos import FAULTS, PRESETS, Chaos, Fault
from livepass.emulators.apns.history import Entry
from livepass.emulators.apns.phones import Push, UnknownToken
from livepass.emulators.apns.provider_token import ProviderKey
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.apns.sink import Sink
from livepass.emulators.apns.verdicts import REASONS, Reason, Verdict

__all__ = [
    "FAULTS",
    "PRESETS",
    "REASONS",
    "ApnsServer",
    "Chaos",
    "Entry",
    "Fault",
    "ProviderKey",
    "Push",
    "Reason",
    "Sink",
    "UnknownToken",
    "Verdict",
]
